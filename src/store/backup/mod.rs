//! Backups: all that is kept, of either database, in one file that either takes back.
//!
//! A backup is a SQLite database with our own tables, whichever database it was made of, so it is also how data moves from
//! one to the other. It is read in one transaction while others write, and it counts as made when it was opened again
//! and found whole. Credentials in it are sealed as they were; the key is never part of it.
//!
//! What is restored is first copied beside the database, checked and brought up to date there. Then it takes the
//! database's place in one step: a rename, or one transaction.

mod file;
mod restore;
mod tables;
#[cfg(test)]
mod tests;
mod write;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, SqlitePool, query_as, query_scalar, sqlite::SqlitePoolOptions};

use super::{Error, dialect};
pub use restore::Staged;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// How the file is laid out.
    pub format: u32,
    /// Version of the program that wrote it.
    pub program: String,
    /// Schema of its tables.
    pub schema: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// Which database it was made of: `sqlite` or `postgres`.
    pub database: String,
    /// Ids of the master keys that its credentials are sealed with.
    pub key_ids: Vec<String>,
    /// How many rows each table has.
    pub rows: BTreeMap<String, i64>,
    /// Size of the SQLite database before the manifest.
    pub bytes: u64,
    /// SHA-256 of these bytes.
    pub sha256: String,
}

/// The layout that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// Why there is no backup, or why nothing was restored. The database is then as it was.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The database that is read or written.
    #[error(transparent)]
    Store(#[from] Error),
    /// A file cannot be read or written.
    #[error("{path} cannot be used: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// There is a file of that name already.
    #[error("{} is there already and is not overwritten; give another name", .0.display())]
    Exists(PathBuf),
    /// It is no backup, or none that can be used; says why.
    #[error("{0}")]
    Invalid(String),
    /// The database holds something; says what.
    #[error(
        "the database holds something already ({0}), which is lost when a backup takes its place; to have it so, give \
         --force; `dashtray backup FILE` keeps it"
    )]
    NotEmpty(String),
    /// Somebody works with it; says who.
    #[error("{0}; stop every dashtray that uses this database and try again")]
    InUse(String),
}

impl BackupError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }
}

impl From<sqlx::Error> for BackupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What is found in the database of a backup.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    schema: i64,
    rows: BTreeMap<String, i64>,
    /// Key, and names of the connections whose credentials are sealed with it.
    sealed: BTreeMap<String, Vec<String>>,
}

/// Opens a SQLite database with one connection, to look or to change.
async fn open(options: sqlx::sqlite::SqliteConnectOptions) -> Result<SqlitePool, Error> {
    let pool: sqlx::pool::PoolOptions<_> = SqlitePoolOptions::new();
    Ok(pool.max_connections(1).idle_timeout(None).max_lifetime(None).connect_with(options).await?)
}

/// Reads a database whole and says what is in it, or that it is damaged.
async fn inspect(pool: &SqlitePool) -> Result<Facts, Error> {
    let complaint: String = query_scalar("PRAGMA integrity_check(1)").fetch_one(pool).await?;
    if complaint != "ok" {
        return Err(Error::Corrupt(format!("the database in the backup is damaged: {complaint}")));
    }
    if !sqlx::query("PRAGMA foreign_key_check").fetch_all(pool).await?.is_empty() {
        return Err(Error::Corrupt("the database in the backup is damaged: rows belong to nothing".to_owned()));
    }
    let mut rows = BTreeMap::new();
    for name in tables::names(pool).await? {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\"")));
        rows.insert(name, query_scalar(sql).fetch_one(pool).await?);
    }
    let sql = "SELECT s.key_id, c.name FROM credentials s JOIN connections c USING (project_id, connection_id)
         ORDER BY c.project_id, c.connection_id";
    let mut sealed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key_id, name) in query_as::<_, (String, String)>(sql).fetch_all(pool).await? {
        sealed.entry(key_id).or_default().push(name);
    }
    Ok(Facts { schema: dialect::sqlite_version(pool).await?, rows, sealed })
}
