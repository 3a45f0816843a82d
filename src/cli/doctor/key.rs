//! The master key: whether it is there, who can read it, and whether it opens what is sealed.

use std::{
    io::ErrorKind,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{Check, Patient};
use crate::{
    config::Config,
    connections::examine,
    store::{self, ConnectionKey, Store},
    vault::{KeyError, Vault},
};

const PAGE: u32 = 500;
/// What keeps whoever runs Dashtray, and nobody else, able to read a file.
const OTHERS: u32 = 0o077;

pub(super) async fn checks(patient: &Patient<'_>) -> Vec<Check> {
    let config = patient.invocation.config();
    let sealed = match &patient.store {
        Some(store) => store.sealed_by_key().await.map(|keys| keys.into_iter().map(|(_, sets)| sets).sum::<i64>()),
        None => Ok(0),
    };
    let vault = match &patient.vault {
        Ok(vault) => vault,
        Err(KeyError::Missing(path)) if sealed == Ok(0) => {
            let message = format!("there is no key at {} yet, and nothing is sealed", path.display());
            return vec![Check::ok("key", format!("{message}; the first start makes it"))];
        }
        Err(error) => {
            let advice = "put the key back from where it is kept; a backup of the database does not hold it";
            return vec![Check::problem("key", error.to_string(), advice)];
        }
    };
    let mut checks = vec![found(config, vault)];
    checks.extend(sealing(patient.store.as_ref(), vault).await);
    checks
}

fn found(config: &Config, vault: &Vault) -> Check {
    let id = vault.key_id().unwrap_or_default();
    let Some(path) = file(config) else {
        return Check::ok("key", format!("the key {id} is given in the configuration"));
    };
    let shown = path.display();
    match mode(&path) {
        Ok(mode) if mode & OTHERS == 0 => {
            Check::ok("key", format!("the key {id} is in {shown}, which its owner alone may read"))
        }
        Ok(mode) => {
            let message = format!("the key {id} is in {shown}, which others may read (mode {:03o})", mode & 0o777);
            Check::warning("key", message, format!("chmod 600 {shown}, unless what mounts it sees to that"))
        }
        Err(error) => Check::warning("key", format!("{shown}: {error}"), "see to it that its owner alone may read it"),
    }
}

/// The file of the key, if it is in one.
fn file(config: &Config) -> Option<PathBuf> {
    match (&config.master_key, &config.master_key_file) {
        (Some(_), _) => None,
        (None, Some(path)) => Some(path.clone()),
        (None, None) => Some(config.data_dir.join("master.key")),
    }
}

fn mode(path: &Path) -> Result<u32, ErrorKind> {
    std::fs::metadata(path).map(|found| found.permissions().mode()).map_err(|error| error.kind())
}

async fn sealing(store: Option<&Store>, vault: &Vault) -> Option<Check> {
    let store = store?;
    Some(match opened(store, vault).await {
        Ok((opened, names)) if names.is_empty() => {
            Check::ok("credentials", format!("the key opens all {opened} sets of credentials"))
        }
        Ok((opened, names)) => {
            let message = format!("the key opens {opened} sets of credentials and not those of {}", names.join(", "));
            let advice = "start Dashtray with the key that they were sealed with as well, behind the newest one and \
                          parted by a comma, or reconnect them";
            Check::problem("credentials", message, advice)
        }
        Err(error) => Check::problem("credentials", error.to_string(), "see what is said of the database"),
    })
}

/// How many sets open, and the names of the connections whose sets do not.
async fn opened(store: &Store, vault: &Vault) -> Result<(u64, Vec<String>), store::Error> {
    let (mut opened, mut names, mut after) = (0, Vec::new(), None::<ConnectionKey>);
    loop {
        let page = store.all_sealed(after, PAGE).await?;
        let Some((last, _, _)) = page.last() else { return Ok((opened, names)) };
        after = Some(*last);
        for (key, public_id, sealed) in &page {
            match examine::opens(vault, *public_id, sealed) {
                Ok(()) => opened += 1,
                Err(_) => names.push(store.connection(*key).await?.name),
            }
        }
    }
}
