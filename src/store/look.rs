//! Looking at a database without changing it: for whoever examines one that may be broken.

use std::{path::Path, sync::Arc, time::Duration};

use sqlx::{
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use super::{
    Error, Store,
    db::{Db, args},
    dialect::sqlite_path,
};

/// Whoever looks wants to know it now.
const PATIENCE: Duration = Duration::from_secs(10);
/// Faults that are told of one database.
const MOST_FAULTS: usize = 5;

impl Store {
    /// Opens a database to look at it: nothing is made, migrated or written.
    ///
    /// # Errors
    ///
    /// As [`Store::open`]; [`Error::NotFound`] where there is no file.
    pub async fn look(url: &str) -> Result<Self, Error> {
        let Some(path) = sqlite_path(url) else {
            let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect(url).await?;
            return Ok(Self { db: Db::Postgres(pool), actor: Arc::default() });
        };
        if !path.exists() {
            return Err(Error::NotFound(format!("there is no database at {} yet", path.display())));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            // With nobody at it the file is all there is, and not even the files beside it are made.
            .immutable(!has_log(path))
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_with(options).await?;
        Ok(Self { db: Db::Sqlite { writer: pool.clone(), reader: pool }, actor: Arc::default() })
    }

    /// What is wrong inside the file of a database, by the database's own examination; nothing where all is well, or
    /// where a server looks after its files itself.
    pub async fn faults(&self) -> Result<Vec<String>, Error> {
        if !self.is_sqlite() {
            return Ok(Vec::new());
        }
        let mut faults = Vec::new();
        for row in self.db.all("PRAGMA integrity_check(5)", args![]).await? {
            faults.push(row.get::<String>("integrity_check")?);
        }
        faults.retain(|fault| fault != "ok");
        let sql = "SELECT DISTINCT \"table\" AS name FROM pragma_foreign_key_check";
        for row in self.db.all(sql, args![]).await? {
            faults.push(format!("rows of {} belong to nothing", row.get::<String>("name")?));
        }
        faults.truncate(MOST_FAULTS);
        Ok(faults)
    }
}

/// Whether somebody writes the database, or wrote it and was killed.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Path::new(&log).exists()
}
