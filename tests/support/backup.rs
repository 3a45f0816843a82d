//! Backups as a test looks at them: what is in them, and what somebody may have done to them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use dashtray::store::{BackupError, Manifest, Staged, Store};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::database::Database;

/// When backups of tests are made and restored: long after whatever they hold.
pub(crate) const LATER: &str = "2031-01-01T00:00:00Z";

/// A directory for backups.
pub(crate) struct Shelf(TempDir);

impl Shelf {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The files that are there.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) async fn make(&self, store: &Store, name: &str) -> Manifest {
        store.backup(&self.path(name), "0.0.0", LATER.parse().unwrap()).await.unwrap()
    }

    /// Restores one of its files as a process would that has nothing else to do.
    pub(crate) async fn restore(&self, name: &str, into: &Database, force: bool) -> Result<(), BackupError> {
        let staged = Staged::read(&self.path(name), &into.url, self.0.path()).await?;
        staged.restore(force, LATER.parse().unwrap()).await
    }

    /// What rows one of its files has and the other has not, both ways, in any table; fences aside, which restoring raises.
    pub(crate) async fn differences(&self, one: &str, other: &str) -> Vec<String> {
        let (one, other) = (Database::at(self.path(one)), self.path(other));
        let columns = one.columns().await;
        let mut tables: Vec<&str> = columns.iter().filter_map(|column| column.split('.').next()).collect();
        tables.dedup();
        let mut found = Vec::new();
        for table in tables {
            let of_table = columns.iter().filter_map(|column| column.strip_prefix(&format!("{table}.")));
            let list: Vec<&str> = of_table.filter(|column| *column != "fence").collect();
            let list = list.join(", ");
            for (left, right) in [("main", "other"), ("other", "main")] {
                let sql = format!(
                    "SELECT '{table} of {left}' FROM (SELECT {list} FROM {left}.{table} EXCEPT SELECT {list} FROM {right}.{table})"
                );
                found.extend(one.texts_beside(&other, &sql).await);
            }
        }
        found
    }
}

/// The last line of a backup, and the database before it.
fn parts(path: &Path) -> (Vec<u8>, Json) {
    let bytes = fs::read(path).unwrap();
    let text = bytes.strip_suffix(b"\n").unwrap();
    let at = text.iter().rposition(|byte| *byte == b'\n').unwrap();
    (bytes[..at].to_vec(), serde_json::from_slice(&text[at + 1..]).unwrap())
}

/// The manifest as it stands in the file.
pub(crate) fn manifest(path: &Path) -> Json {
    parts(path).1["dashtray_backup"].clone()
}

/// Writes a backup that says what somebody wants and vouches for it.
pub(crate) async fn forged(from: &Path, to: &Path, sql: &str, edit: impl FnOnce(&mut Json)) {
    let (database, mut line) = parts(from);
    fs::write(to, database).unwrap();
    if !sql.is_empty() {
        Database::at(to.to_owned()).execute(sql).await;
    }
    let database = fs::read(to).unwrap();
    let manifest = &mut line["dashtray_backup"];
    manifest["bytes"] = json!(database.len());
    manifest["sha256"] = json!(Sha256::digest(&database).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    edit(manifest);
    fs::write(to, [database.as_slice(), format!("\n{line}\n").as_bytes()].concat()).unwrap();
}
