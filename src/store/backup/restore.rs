//! Putting a backup in the place of a database.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use sqlx::{
    AssertSqlSafe, SqlitePool, query, query_scalar,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous},
};

use super::{
    BackupError, FORMAT, Facts, Manifest,
    file::{Draft, damaged},
    inspect, open,
    tables::{PASSING, Table, names, tables},
    write::apart,
};
use crate::{
    fail_point,
    store::{
        Error,
        db::{Db, Row, Tx, args},
        dialect,
    },
};

/// A backup that was copied beside the database, found whole and brought up to date. Dropped, the copy is gone.
#[derive(Debug)]
pub struct Staged {
    /// What it says of itself.
    pub manifest: Manifest,
    /// By id of the master key: the connections whose credentials it sealed.
    pub sealed: BTreeMap<String, Vec<String>>,
    draft: Draft,
    url: String,
}

/// The fail points of restoring.
const STAGED: &str = "copy of a backup";
const RESTORE: &str = "restore";
/// How often, and how far apart, it is looked whether others are there.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// What PostgreSQL calls the session that restores.
const SESSION: &str = "dashtray restore";

impl Staged {
    /// Reads a backup for the database of that address. `data_dir` takes its copy where that is no file of ours.
    ///
    /// # Errors
    ///
    /// [`BackupError::Invalid`] when it is no backup, damaged, or made by a newer program. Nothing is changed then.
    pub async fn read(path: &Path, url: &str, data_dir: &Path) -> Result<Self, BackupError> {
        let place = file_of(url).unwrap_or_else(|| data_dir.join("dashtray.db"));
        let from = path.to_owned();
        let (manifest, draft) = apart(move || {
            let manifest = Manifest::of(&from)?;
            check_age(&manifest)?;
            let draft = Draft::beside(&place, ".restore")?;
            if draft.copy(&from, manifest.bytes)? != manifest.sha256 {
                return Err(damaged(&from));
            }
            Ok((manifest, draft))
        })
        .await?;
        fail_point::before(STAGED).await;
        let options = SqliteConnectOptions::new()
            .filename(&draft.path)
            .foreign_keys(false)
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Off)
            // What is written into the file's schema is not run before it is known to be ours.
            .pragma("trusted_schema", "0");
        let pool = open(options).await?;
        let sealed = prepare(&pool, &manifest).await;
        pool.close().await;
        let sealed = sealed.map_err(|error| match error {
            // Of the backup, not of the database.
            Error::Corrupt(_) => damaged(path),
            other => other.into(),
        })?;
        fail_point::after(STAGED).await;
        Ok(Self { manifest, sealed, draft, url: url.to_owned() })
    }

    /// Lets it take the place of the database, wholly or not at all. What is there is replaced only by `force`.
    pub async fn restore(self, force: bool, now: Timestamp) -> Result<(), BackupError> {
        match file_of(&self.url) {
            Some(path) => self.into_sqlite(&path, force).await,
            None => self.into_postgres(force, now).await,
        }
    }

    async fn into_sqlite(self, path: &Path, force: bool) -> Result<(), BackupError> {
        let old = hold(path).await?;
        let held = match &old {
            Some(Held::Whole(pool)) => contents(pool).await?,
            Some(Held::Damaged) => Some("a file that is damaged or no database".to_owned()),
            None => None,
        };
        if let Some(held) = held.filter(|_| !force) {
            return Err(BackupError::NotEmpty(held));
        }
        let (draft, place) = (self.draft, path.to_owned());
        let draft = apart(move || draft.finish("").map(|()| draft)).await?;
        fail_point::before(RESTORE).await;
        apart(move || draft.replace(&place)).await?;
        fail_point::after(RESTORE).await;
        if let Some(Held::Whole(pool)) = old {
            pool.close().await;
        }
        Ok(())
    }

    async fn into_postgres(self, force: bool, now: Timestamp) -> Result<(), BackupError> {
        let staged = open(SqliteConnectOptions::new().filename(&self.draft.path).read_only(true)).await?;
        let mut tables = tables(&staged).await?;
        let db = Db::open_as(&self.url, SESSION).await?;
        let mut tx = db.begin().await?;
        refuse_others(&mut tx, now).await?;
        if let Some(held) = contents_of_postgres(&mut tx, &tables).await?.filter(|_| !force) {
            return Err(BackupError::NotEmpty(held));
        }
        // A process that only slept may still think that it holds a connection.
        let fence: i64 = first_number(&mut tx, "SELECT COALESCE(MAX(fence), 0) AS n FROM connections").await?;
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        tx.execute(AssertSqlSafe(format!("TRUNCATE {}", names.join(", "))), args![]).await?;
        for table in &mut tables {
            table.read_kinds(&mut tx).await?;
            table.fill(query(table.select()).fetch(&staged), Row::Sqlite, &mut tx).await?;
        }
        tx.execute("UPDATE connections SET fence = fence + $1", args![fence]).await?;
        // What is given out next is more than what is there.
        let sql =
            "SELECT table_name::TEXT AS table_name, column_name::TEXT AS column_name FROM information_schema.columns
             WHERE table_schema = current_schema() AND is_identity = 'YES'";
        for row in tx.all(sql, args![]).await? {
            let (table, column): (String, String) = (row.get("table_name")?, row.get("column_name")?);
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), COALESCE(MAX({column}), 0) + 1, FALSE) FROM {table}"
            );
            tx.all(AssertSqlSafe(sql), args![]).await?;
        }
        staged.close().await;
        tx.commit(RESTORE).await?;
        if let Db::Postgres(pool) = db {
            pool.close().await;
        }
        Ok(())
    }
}

/// The file of a SQLite database, itself and not a link to it.
fn file_of(url: &str) -> Option<PathBuf> {
    dialect::sqlite_path(url).map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()))
}

/// That this program knows how to read it.
fn check_age(manifest: &Manifest) -> Result<(), BackupError> {
    let known = dialect::newest(&dialect::SQLITE);
    if manifest.format > FORMAT {
        return Err(BackupError::Invalid(format!(
            "the backup was made by dashtray {}, which is newer; restore it with that version",
            manifest.program
        )));
    }
    if manifest.schema > known {
        return Err(BackupError::Invalid(format!(
            "the backup was made by dashtray {} and has schema {}, but this version knows only up to {known}; restore it \
             with that version, or a newer one",
            manifest.program, manifest.schema
        )));
    }
    Ok(())
}

/// Checks the copy against what its manifest says, migrates it, and frees what processes held when it was made.
async fn prepare(pool: &SqlitePool, manifest: &Manifest) -> Result<BTreeMap<String, Vec<String>>, Error> {
    let Facts { schema, rows, sealed } = inspect(pool).await?;
    if rows != manifest.rows || schema != manifest.schema || !sealed.keys().eq(&manifest.key_ids) {
        return Err(Error::Corrupt("the manifest tells of another database".to_owned()));
    }
    dialect::migrate_sqlite(pool).await?;
    // Nothing but our own tables: a trigger or a view would be run by whoever uses the database.
    if schema_of(pool).await? != our_schema().await? {
        return Err(Error::Corrupt("the schema is not what dashtray makes".to_owned()));
    }
    let mut tx = pool.begin().await?;
    query("UPDATE connections SET fence = fence + 1, lease_owner = NULL, lease_until = NULL").execute(&mut *tx).await?;
    query("UPDATE credentials SET lease_owner = NULL, lease_until = NULL").execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(sealed)
}

type Entry = (String, String, Option<String>);

async fn schema_of(pool: &SqlitePool) -> Result<Vec<Entry>, Error> {
    let sql = "SELECT type, name, sql FROM sqlite_schema ORDER BY type, name";
    Ok(sqlx::query_as(sql).fetch_all(pool).await?)
}

async fn our_schema() -> Result<Vec<Entry>, Error> {
    let pool = open(SqliteConnectOptions::new().in_memory(true)).await?;
    dialect::migrate_sqlite(&pool).await?;
    schema_of(&pool).await
}

/// The file that a backup is to replace.
enum Held {
    /// Locked, so that nobody else has it open.
    Whole(SqlitePool),
    /// SQLite cannot read it, so nobody else can.
    Damaged,
}

async fn hold(path: &Path) -> Result<Option<Held>, BackupError> {
    match path.metadata() {
        Ok(metadata) if metadata.len() > 0 => {}
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BackupError::file(path, error)),
    }
    match lock(path).await {
        Ok(pool) => Ok(Some(Held::Whole(pool))),
        Err(Error::Corrupt(_)) => Ok(Some(Held::Damaged)),
        Err(Error::Unavailable(sentence)) if sentence.contains("locked") => {
            Err(BackupError::InUse(format!("another program has {} open", path.display())))
        }
        Err(error) => Err(error.into()),
    }
}

/// Leaving the mode in which several may have it open fails while several do, and puts its log into the file.
async fn lock(path: &Path) -> Result<SqlitePool, Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .locking_mode(SqliteLockingMode::Exclusive)
        .busy_timeout(dialect::BUSY_TIMEOUT);
    let pool = open(options).await?;
    query("PRAGMA journal_mode = DELETE").execute(&pool).await?;
    // In this mode the lock stays after the transaction, until the connection is closed.
    query("BEGIN EXCLUSIVE").execute(&pool).await?;
    query("COMMIT").execute(&pool).await?;
    Ok(pool)
}

/// What would be lost, if anything: all but what a first start makes by itself.
async fn contents(pool: &SqlitePool) -> Result<Option<String>, Error> {
    let mut counts = Vec::new();
    for name in names(pool).await.or_else(unreadable)? {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\"")));
        let count = query_scalar(sql).fetch_one(pool).await.map_err(Error::from);
        counts.push((name, count.or_else(|error| unreadable(error).map(|()| 1))?));
    }
    Ok(sentence(counts))
}

fn unreadable<T: Default>(error: Error) -> Result<T, Error> {
    if matches!(error, Error::Corrupt(_)) { Ok(T::default()) } else { Err(error) }
}

async fn contents_of_postgres(tx: &mut Tx, tables: &[Table]) -> Result<Option<String>, Error> {
    let mut counts = Vec::new();
    for table in tables {
        let sql = AssertSqlSafe(format!("SELECT count(*) AS n FROM {}", table.name));
        counts.push((table.name.clone(), first_number(tx, sql).await?));
    }
    Ok(sentence(counts))
}

fn sentence(mut counts: Vec<(String, i64)>) -> Option<String> {
    counts.retain(|(name, count)| match name.as_str() {
        // A start makes one project by itself, and notes it.
        "projects" | "audit" => *count > 1,
        name => *count > 0 && !PASSING.contains(&name),
    });
    let told: Vec<String> = counts.iter().map(|(name, count)| format!("{name}: {count}")).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

async fn first_number(tx: &mut Tx, sql: impl sqlx::SqlSafeStr) -> Result<i64, Error> {
    tx.first(sql, args![]).await?.map_or(Ok(0), |row| row.get("n"))
}

/// Fails while another process has sessions open, or a run holds a connection. Nobody can begin to until the transaction ends.
async fn refuse_others(tx: &mut Tx, now: Timestamp) -> Result<(), BackupError> {
    tx.execute("SET LOCAL lock_timeout = '5s'", args![]).await?;
    tx.execute("LOCK TABLE connections IN ACCESS EXCLUSIVE MODE", args![]).await?;
    // A session that has just ended is seen for a moment.
    for looks_left in (0..LOOKS).rev() {
        tx.all("SELECT pg_stat_clear_snapshot()", args![]).await?;
        let sql = "SELECT pid AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1";
        if tx.first(sql, args![dialect::SESSION]).await?.is_none() {
            break;
        }
        if looks_left == 0 {
            return Err(BackupError::InUse("another dashtray has this database open".to_owned()));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let sql = "SELECT connection_id AS n FROM connections WHERE lease_until > $1";
    if tx.first(sql, args![now]).await?.is_some() {
        return Err(BackupError::InUse(
            "a run holds a connection, or did until less than half a minute ago".to_owned(),
        ));
    }
    Ok(())
}
