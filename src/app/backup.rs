//! Backups: what the store does, and what needs the configuration and the keys beside it.

use std::path::Path;

use super::{App, Error, make_data_dir, vault_keys};
use crate::{
    clock::Clock,
    config::Config,
    store::{Manifest, Staged},
    vault::{KeyError, Vault},
};

/// What somebody wants to be restored.
#[derive(Debug, Clone, Copy)]
pub struct RestoreRequest<'a> {
    /// The backup.
    pub file: &'a Path,
    /// Whether it may replace what is there.
    pub force: bool,
    /// Whether it is wanted although credentials in it will stay locked.
    pub without_key: bool,
}

impl App {
    /// Writes all that is kept into a new file, while everything goes on.
    pub async fn backup(&self, file: &Path) -> Result<Manifest, Error> {
        Ok(self.store.backup(file, env!("CARGO_PKG_VERSION"), self.now()).await?)
    }
}

/// Puts a backup in the place of the configured database, wholly or not at all. Gives what it says of itself, and the names of
/// connections whose credentials no key here opens.
///
/// # Errors
///
/// [`Error::WrongKey`] unless that was asked for, [`Error::Backup`] for what [`crate::store::BackupError`] tells. Nothing is
/// changed then.
pub async fn restore(config: &Config, request: RestoreRequest<'_>) -> Result<(Manifest, Vec<String>), Error> {
    make_data_dir(&config.data_dir)?;
    let staged = Staged::read(request.file, config.database_url.expose(), &config.data_dir).await?;
    let known = known_keys(config)?;
    let unknown = staged.sealed.iter().filter(|(key_id, _)| !known.contains(key_id));
    let (keys, names): (Vec<&str>, Vec<&[String]>) = unknown.map(|(id, names)| (id.as_str(), names.as_slice())).unzip();
    let locked = names.concat();
    if !locked.is_empty() && !request.without_key {
        return Err(Error::WrongKey { keys: keys.join(", "), connections: locked.join(", ") });
    }
    let manifest = staged.manifest.clone();
    staged.restore(request.force, Clock::System.now()).await?;
    Ok((manifest, locked))
}

/// The ids of the keys that are here. None is made: what it would open comes with the backup.
fn known_keys(config: &Config) -> Result<Vec<String>, KeyError> {
    match Vault::load(&vault_keys(config, false)) {
        Ok(vault) => Ok(vault.key_ids().into_iter().map(str::to_owned).collect()),
        Err(KeyError::Missing(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
