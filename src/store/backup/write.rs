//! Making a backup.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use sqlx::{
    PgPool, SqlitePool, query, query_scalar,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{
    BackupError, FORMAT, Facts, Manifest,
    file::Draft,
    inspect, open,
    tables::{PASSING, Table, tables},
};
use crate::{
    fail_point,
    store::{
        Error, Store,
        db::{Db, Row, Tx, args},
        dialect,
    },
};

impl Store {
    /// Writes all that is kept into a new file, while others go on writing to the database, and opens it to see that it is
    /// whole. `program` is our version.
    ///
    /// # Errors
    ///
    /// There is no file of that name then, unless one was there before.
    pub async fn backup(&self, path: &Path, program: &str, now: Timestamp) -> Result<Manifest, BackupError> {
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let draft = Draft::beside(path, ".part")?;
        let copied = self.copy_into(&draft.path).await?;
        // Opened anew, and not to be written: what is verified is the file.
        let pool = open(SqliteConnectOptions::new().filename(&draft.path).read_only(true)).await?;
        let found = inspect(&pool).await;
        pool.close().await;
        let Facts { schema, rows, sealed } = found?;
        if rows != copied || schema != dialect::newest(&dialect::SQLITE) {
            return Err(Error::Corrupt("the backup does not hold what was copied into it; try again".to_owned()).into());
        }
        let manifest = Manifest {
            format: FORMAT,
            program: program.to_owned(),
            schema,
            made_at: now,
            database: if self.is_sqlite() { "sqlite" } else { "postgres" }.to_owned(),
            key_ids: sealed.into_keys().collect(),
            rows,
            bytes: 0,
            sha256: String::new(),
        };
        let path = path.to_owned();
        let sign = move || {
            let (bytes, sha256) = draft.digest()?;
            let manifest = Manifest { bytes, sha256, ..manifest };
            draft.finish(&manifest.line()?)?;
            Ok::<_, BackupError>((draft, manifest))
        };
        let (draft, manifest) = apart(sign).await?;
        fail_point::before(BACKUP).await;
        apart(move || draft.place_new(&path)).await?;
        fail_point::after(BACKUP).await;
        Ok(manifest)
    }

    /// Fills an empty file with our tables and their rows, and says how many each has.
    async fn copy_into(&self, path: &Path) -> Result<BTreeMap<String, i64>, Error> {
        // Nothing but speed is lost: a draft that is not finished is of no use.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(false)
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(dialect::BUSY_TIMEOUT);
        let copy = open(options).await?;
        dialect::migrate_sqlite(&copy).await?;
        let mut ours = tables(&copy).await?;
        let copied = match &self.db {
            Db::Sqlite { reader, .. } => {
                let options = reader.connect_options();
                from_sqlite(options.get_filename(), &copy, &ours).await
            }
            Db::Postgres(pool) => from_postgres(pool, &copy, &mut ours).await,
        };
        copy.close().await;
        copied
    }
}

/// The fail points around the name that a backup gets.
const BACKUP: &str = "backup";

/// Work with files, where it holds up nobody.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::Unavailable(format!("a part of the program stopped: {error}")).into()))
}

fn is_kept(table: &Table) -> bool {
    !PASSING.contains(&table.name.as_str())
}

/// SQLite copies by itself, from one file to the other.
async fn from_sqlite(path: &Path, copy: &SqlitePool, tables: &[Table]) -> Result<BTreeMap<String, i64>, Error> {
    query("ATTACH DATABASE $1 AS source").bind(path.to_string_lossy().into_owned()).execute(copy).await?;
    // Not IMMEDIATE: that would lock the source too. As it is, the first look at it fixes what is seen of it.
    let mut tx = copy.begin().await?;
    expect_schema(query_scalar("SELECT MAX(version) FROM source._sqlx_migrations").fetch_one(&mut *tx).await?)?;
    let mut rows = BTreeMap::new();
    for table in tables {
        let copied =
            if is_kept(table) { query(table.copy_attached()).execute(&mut *tx).await?.rows_affected() } else { 0 };
        rows.insert(table.name.clone(), i64::try_from(copied).unwrap_or(i64::MAX));
    }
    tx.commit().await?;
    Ok(rows)
}

async fn from_postgres(pool: &PgPool, copy: &SqlitePool, tables: &mut [Table]) -> Result<BTreeMap<String, i64>, Error> {
    // All statements of it see the same instant.
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let mut source = Tx::Postgres(pool.begin_with(begin).await?);
    let newest = source.first("SELECT MAX(version) AS newest FROM _sqlx_migrations", args![]).await?;
    expect_schema(newest.map_or(Ok(0), |row| row.get("newest"))?)?;
    let mut target = Tx::Sqlite(copy.begin().await?);
    let mut rows = BTreeMap::new();
    for table in tables {
        let mut copied = 0;
        if is_kept(table) {
            table.read_kinds(&mut source).await?;
            let Tx::Postgres(source) = &mut source else { continue };
            copied = table.fill(query(table.select()).fetch(&mut **source), Row::Postgres, &mut target).await?;
        }
        rows.insert(table.name.clone(), copied);
    }
    target.commit("copy for a backup").await?;
    Ok(rows)
}

/// A newer program may have migrated the database since it was opened.
fn expect_schema(found: i64) -> Result<(), Error> {
    let known = dialect::newest(&dialect::SQLITE);
    if found == known { Ok(()) } else { Err(Error::NewerSchema { found, known }) }
}
