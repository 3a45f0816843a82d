//! Backups that nobody has to think of: one a day, and so many are kept.

use std::{
    convert::Infallible,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use super::{App, Error};
use crate::{
    config::Config,
    metric::{Day, Zone},
};

/// How often it is looked whether today's backup is there. So a start alone makes none.
const LOOK: Duration = Duration::from_secs(60 * 60);
const NAME: (&str, &str) = ("dashtray-", ".backup");

impl App {
    /// Makes the backup of each day, as long as it is let. One that fails is tried again an hour later.
    pub async fn back_up_nightly(&self) -> Infallible {
        let Some(directory) = place(&self.config) else { return std::future::pending().await };
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.back_up_today(&directory, self.now()).await {
                tracing::error!(%error, directory = %directory.display(), "there is no backup of today");
            }
        }
    }

    /// Makes today's backup unless it is there, then drops the oldest that are too many. Says whether it made one.
    pub async fn back_up_today(&self, directory: &Path, now: Timestamp) -> Result<bool, Error> {
        let failed = |source| Error::File { path: directory.display().to_string(), source };
        fs::create_dir_all(directory).map_err(failed)?;
        let today = directory.join(format!("{}{}{}", NAME.0, Day::of(now, &Zone::utc()), NAME.1));
        let is_made = !today.exists();
        if is_made {
            self.backup(&today).await?;
            tracing::info!(file = %today.display(), "a backup is made");
        }
        let mut kept: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            kept.extend(day_of(&path).map(|_| path.clone()));
        }
        // Their names are in the order of days.
        kept.sort();
        let too_many = kept.len().saturating_sub(usize::from(self.config.backup_keep));
        for path in kept.into_iter().take(too_many) {
            fs::remove_file(&path).map_err(failed)?;
        }
        Ok(is_made)
    }
}

/// Where they lie; `None` where none are to be made. A server of databases is backed up where its owner says.
fn place(config: &Config) -> Option<PathBuf> {
    let is_sqlite = config.database_url.expose().starts_with("sqlite:");
    let place = config.backup_dir.clone().or_else(|| is_sqlite.then(|| config.data_dir.join("backups")));
    place.filter(|_| config.backup_keep > 0)
}

/// The day of one that was made here. Anything else in the directory is left alone.
fn day_of(path: &Path) -> Option<Day> {
    path.file_name()?.to_str()?.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?.parse().ok()
}
