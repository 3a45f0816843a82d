//! What differs between the two databases: opening, migrating, and row locks.

use std::{
    fmt::Write as _,
    fs::OpenOptions,
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool, SqlitePool,
    migrate::{MigrateError, Migrator},
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgPoolOptions},
    query, query_scalar,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Error,
    db::{Db, Tx},
};
use crate::fail_point;

pub(super) static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How long a writer waits for another process on SQLite, and how long a reader waits for a connection.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 10;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// What PostgreSQL calls our sessions, so that others find out that the database is in use.
pub(super) const SESSION: &str = "dashtray";

/// The fail points of opening an older database.
const COPY: &str = "copy of an older database";
const MIGRATION: &str = "migration";

impl Db {
    /// Opens `sqlite:PATH` or `postgres://…` and brings its schema up to date.
    pub(super) async fn open(url: &str) -> Result<Self, Error> {
        Self::open_as(url, SESSION).await
    }

    /// The same; PostgreSQL is told that name of this process's sessions.
    pub(super) async fn open_as(url: &str, session: &str) -> Result<Self, Error> {
        if let Some(path) = sqlite_path(url) {
            open_sqlite(path).await
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            open_postgres(url, session).await
        } else {
            Err(Error::Unavailable(
                "the database address must start with sqlite: or postgres://, such as sqlite:/var/lib/dashtray/dashtray.db"
                    .into(),
            ))
        }
    }
}

/// The file that `sqlite:PATH` names.
pub(super) fn sqlite_path(url: &str) -> Option<&Path> {
    url.strip_prefix("sqlite:").map(|path| Path::new(path.strip_prefix("//").unwrap_or(path)))
}

async fn open_sqlite(path: &Path) -> Result<Db, Error> {
    let existed = !create_private(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT);
    // Never closed for being idle: opening anew would only cost its caches.
    let pool = |size| {
        let pool: PoolOptions<_> = SqlitePoolOptions::new();
        pool.max_connections(size)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    // Where the disk is full SQLite rolls back by itself, the driver's own rollback then fails, and it thinks that it is
    // in a transaction for ever: such a connection is not used again.
    let writer = pool(1).after_release(move |connection, _| {
        Box::pin(async move {
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    });
    let writer = writer.connect_with(options.clone()).await?;
    if existed {
        copy_before_migrating(&writer, path).await?;
    }
    migrate_sqlite(&writer).await?;
    let reader = pool(READERS).connect_with(options.pragma("query_only", "1")).await?;
    Ok(Db::Sqlite { writer, reader })
}

/// Makes an empty file that only its owner may read, unless one is there. Says whether it made it.
pub(super) fn create_private(path: &Path) -> Result<bool, Error> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::Unavailable(format!(
            "the database file {} cannot be made: {error}; check that its directory exists and is writable",
            path.display()
        ))),
    }
}

/// A migration only goes forward, so an older file is kept beside the migrated one.
async fn copy_before_migrating(pool: &SqlitePool, path: &Path) -> Result<(), Error> {
    let (found, known) = (sqlite_version(pool).await?, newest(&SQLITE));
    let tables: i64 = query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(pool).await?;
    if found >= known || tables == 0 {
        return Ok(());
    }
    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".before-{known}"));
    let copy = PathBuf::from(copy);
    // What an interrupted attempt left may be incomplete.
    if let Err(error) = std::fs::remove_file(&copy)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(Error::Unavailable(format!("the old copy {} cannot be replaced: {error}", copy.display())));
    }
    create_private(&copy)?;
    fail_point::before(COPY).await;
    query("VACUUM INTO $1").bind(copy.to_string_lossy().into_owned()).execute(pool).await?;
    fail_point::after(COPY).await;
    Ok(())
}

pub(super) async fn migrate_sqlite(pool: &SqlitePool) -> Result<(), Error> {
    // Whoever only reads does not wait for whoever writes.
    if sqlite_version(pool).await? == newest(&SQLITE) {
        return Ok(());
    }
    // One transaction around everything: of two processes that start at once, the second waits and finds it done.
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
    let migrated = SQLITE.run(&mut *tx).await;
    if let Err(error) = migrated {
        drop(tx);
        return Err(explain(error, sqlite_version(pool).await?, newest(&SQLITE)));
    }
    fail_point::before(MIGRATION).await;
    tx.commit().await?;
    fail_point::after(MIGRATION).await;
    Ok(())
}

pub(super) async fn sqlite_version(pool: &SqlitePool) -> Result<i64, Error> {
    let known: i64 =
        query_scalar("SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'").fetch_one(pool).await?;
    if known == 0 {
        return Ok(0);
    }
    Ok(query_scalar("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations").fetch_one(pool).await?)
}

async fn open_postgres(url: &str, session: &str) -> Result<Db, Error> {
    let options = url.parse::<PgConnectOptions>()?.application_name(session);
    // The pool would try again until its timeout and then only say that it timed out.
    let first = tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options));
    first.await.map_err(|_| sqlx::Error::PoolTimedOut)??.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await?;
    // Holds an advisory lock, so that of several processes one migrates.
    if let Err(error) = POSTGRES.run(&pool).await {
        let found = postgres_version(&pool).await?;
        return Err(explain(error, found, newest(&POSTGRES)));
    }
    Ok(Db::Postgres(pool))
}

async fn postgres_version(pool: &PgPool) -> Result<i64, Error> {
    Ok(query_scalar("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations").fetch_one(pool).await?)
}

/// The newest step of the schema that this program knows: both databases have the same ones.
pub(super) fn newest_schema() -> i64 {
    newest(&SQLITE)
}

/// The newest step that a migrator knows.
pub(super) fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}

fn explain(error: MigrateError, found: i64, known: i64) -> Error {
    match error {
        MigrateError::VersionMissing(_) => Error::NewerSchema { found, known },
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => Error::Corrupt(format!("the database's schema is not what dashtray made: {other}")),
    }
}

fn packed_by_sqlite(columns: &str) -> String {
    format!("json_group_array(json_array({columns}))")
}

fn packed_by_postgres(columns: &str) -> String {
    format!("CAST(json_agg(json_build_array({columns})) AS TEXT)")
}

impl Db {
    /// Some columns of all rows of a group as one JSON text: an array of arrays.
    pub(super) fn packed(&self, columns: &str) -> String {
        match self {
            Self::Sqlite { .. } => packed_by_sqlite(columns),
            Self::Postgres(_) => packed_by_postgres(columns),
        }
    }
}

impl Tx {
    /// As [`Db::packed`].
    pub(super) fn packed(&self, columns: &str) -> String {
        match self {
            Self::Sqlite(_) => packed_by_sqlite(columns),
            Self::Postgres(_) => packed_by_postgres(columns),
        }
    }

    /// `head VALUES ($1, $2), ($3, $4) tail`. SQLite gets plain `?`: it would look every numbered marker up by name.
    pub(super) fn insert_statement(&self, head: &str, tail: &str, width: usize, rows: usize) -> AssertSqlSafe<String> {
        let mut sql = format!("{head} VALUES ");
        for row in 0..rows {
            sql.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..width {
                let comma = if column == 0 { "" } else { ", " };
                // Writing to a String does not fail.
                let _ = match self {
                    Self::Sqlite(_) => write!(sql, "{comma}?"),
                    Self::Postgres(_) => write!(sql, "{comma}${}", row * width + column + 1),
                };
            }
            sql.push(')');
        }
        sql.push(' ');
        sql.push_str(tail);
        AssertSqlSafe(sql)
    }

    /// A `SELECT` whose rows stay as they are until the transaction ends. On SQLite it holds the write lock anyway.
    pub(super) fn locking(&self, select: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(match self {
            Self::Sqlite(_) => select.to_owned(),
            Self::Postgres(_) => format!("{select} FOR UPDATE"),
        })
    }

    /// The same for picking rows to work on: those that another process holds are passed over.
    pub(super) fn locking_free(&self, select: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(match self {
            Self::Sqlite(_) => select.to_owned(),
            Self::Postgres(_) => format!("{select} FOR UPDATE SKIP LOCKED"),
        })
    }
}

/// `($2, $3, $4)`: a list of `count` markers after the first `shared`.
pub(super) fn list(shared: usize, count: usize) -> String {
    let markers: Vec<String> = (shared + 1..=shared + count).map(|marker| format!("${marker}")).collect();
    format!("({})", markers.join(", "))
}
