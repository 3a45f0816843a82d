//! Two pools behind one face: a statement is written once, with `$1` markers, and its values are [`Arg`]s.
//!
//! This is the only file that knows the drivers' rows, arguments and errors. Opening and what differs between the two
//! databases is in `dialect`.

use sqlx::{
    Arguments, PgPool, Postgres, Row as _, SqlSafeStr, Sqlite, SqlitePool, Transaction,
    error::DatabaseError,
    postgres::{PgArguments, PgRow},
    query_with,
    sqlite::{SqliteArguments, SqliteError, SqliteRow},
};
use tokio::time::Instant;
use uuid::Uuid;

use super::Error;
use crate::{
    fail_point,
    telemetry::{self, Operation},
};

/// The pools. SQLite has one writing connection, so that writers queue here and not in SQLite's busy handler.
#[derive(Debug, Clone)]
pub(super) enum Db {
    Sqlite { writer: SqlitePool, reader: SqlitePool },
    Postgres(PgPool),
}

/// Rows that are inserted by one statement. A power of two.
const ROWS_AT_ONCE: usize = 512;

/// A writing transaction. Dropped without [`Tx::commit`] it leaves nothing.
#[derive(Debug)]
pub(super) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// A value of a statement.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Int(Option<i64>),
    Bool(Option<bool>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Id(Option<Uuid>),
}

/// The values of a statement, in the order of their markers.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::db::Arg::from($value)),*] };
}
pub(super) use args;

/// A row of either database.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// Counts how long something takes, also where it fails or is given up.
struct Timed {
    operation: Operation,
    begun: Instant,
}

impl Timed {
    fn new(operation: Operation) -> Self {
        Self { operation, begun: Instant::now() }
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        telemetry::ours().database(self.operation, self.begun.elapsed());
    }
}

impl Db {
    /// Starts a writing transaction. On SQLite it takes the write lock at once: a transaction that starts reading and
    /// writes later would fail without waiting when another process wrote in between.
    pub(super) async fn begin(&self) -> Result<Tx, Error> {
        let _timed = Timed::new(Operation::Begin);
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Reads rows, outside any transaction.
    pub(super) async fn all(&self, sql: impl SqlSafeStr, args: Vec<Arg>) -> Result<Vec<Row>, Error> {
        let _timed = Timed::new(Operation::Read);
        Ok(match self {
            Self::Sqlite { reader, .. } => {
                sqlite_rows(query_with(sql, arguments::<SqliteArguments>(args)?).fetch_all(reader).await?)
            }
            Self::Postgres(pool) => {
                postgres_rows(query_with(sql, arguments::<PgArguments>(args)?).fetch_all(pool).await?)
            }
        })
    }

    /// Reads the first row, if there is one.
    pub(super) async fn first(&self, sql: impl SqlSafeStr, args: Vec<Arg>) -> Result<Option<Row>, Error> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// Runs one writing statement in a transaction of its own and says how many rows it changed.
    pub(super) async fn execute(&self, sql: impl SqlSafeStr, args: Vec<Arg>) -> Result<u64, Error> {
        let _timed = Timed::new(Operation::Write);
        Ok(match self {
            Self::Sqlite { writer, .. } => {
                query_with(sql, arguments::<SqliteArguments>(args)?).execute(writer).await?.rows_affected()
            }
            Self::Postgres(pool) => {
                query_with(sql, arguments::<PgArguments>(args)?).execute(pool).await?.rows_affected()
            }
        })
    }
}

impl Tx {
    /// Runs a statement that gives rows.
    pub(super) async fn all(&mut self, sql: impl SqlSafeStr, args: Vec<Arg>) -> Result<Vec<Row>, Error> {
        let _timed = Timed::new(Operation::Write);
        Ok(match self {
            Self::Sqlite(tx) => {
                sqlite_rows(query_with(sql, arguments::<SqliteArguments>(args)?).fetch_all(&mut **tx).await?)
            }
            Self::Postgres(tx) => {
                postgres_rows(query_with(sql, arguments::<PgArguments>(args)?).fetch_all(&mut **tx).await?)
            }
        })
    }

    /// The first row, if there is one.
    pub(super) async fn first(&mut self, sql: impl SqlSafeStr, args: Vec<Arg>) -> Result<Option<Row>, Error> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// Runs a statement and says how many rows it changed.
    pub(super) async fn execute(&mut self, sql: impl SqlSafeStr, args: Vec<Arg>) -> Result<u64, Error> {
        let _timed = Timed::new(Operation::Write);
        Ok(match self {
            Self::Sqlite(tx) => {
                query_with(sql, arguments::<SqliteArguments>(args)?).execute(&mut **tx).await?.rows_affected()
            }
            Self::Postgres(tx) => {
                query_with(sql, arguments::<PgArguments>(args)?).execute(&mut **tx).await?.rows_affected()
            }
        })
    }

    /// Makes all of it durable. `step` is what the fail points around it are called.
    pub(super) async fn commit(self, step: &'static str) -> Result<(), Error> {
        fail_point::before(step).await;
        let timed = Timed::new(Operation::Commit);
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        drop(timed);
        fail_point::after(step).await;
        Ok(())
    }

    /// Inserts many rows with few statements: `head` ends before `VALUES`, `tail` stands behind the rows, each row has
    /// `width` values. Says how many rows were changed. No two rows may have the same key: PostgreSQL refuses to change
    /// a row twice in one statement.
    pub(super) async fn insert_many(
        &mut self,
        head: &str,
        tail: &str,
        width: usize,
        mut rows: impl ExactSizeIterator<Item = Vec<Arg>>,
    ) -> Result<u64, Error> {
        let mut changed = 0;
        while rows.len() > 0 {
            // Powers of two: few statements, and few sizes of them, so that the prepared ones are found again.
            let size = 1 << rows.len().min(ROWS_AT_ONCE).ilog2();
            let mut args = Vec::with_capacity(size * width);
            rows.by_ref().take(size).for_each(|row| args.extend(row));
            changed += self.execute(self.insert_statement(head, tail, width, size), args).await?;
        }
        Ok(changed)
    }
}

impl Row {
    /// The value of a column.
    pub(super) fn get<T: Column>(&self, column: &str) -> Result<T, Error> {
        T::of(self, column)
    }
}

/// A type that a column is read as.
pub(super) trait Column: Sized {
    /// Reads it.
    fn of(row: &Row, column: &str) -> Result<Self, Error>;
}

/// Types that both drivers read by themselves.
macro_rules! plain_columns {
    ($($plain:ty),*) => { $(
        impl Column for $plain {
            fn of(row: &Row, column: &str) -> Result<Self, Error> {
                Ok(match row {
                    Row::Sqlite(row) => row.try_get(column)?,
                    Row::Postgres(row) => row.try_get(column)?,
                })
            }
        }
    )* };
}
plain_columns!(bool, Option<bool>, String, Option<String>, Vec<u8>, Option<Vec<u8>>, Uuid, Option<Uuid>);

/// Integers of every width are read as 64 bits. The driver would insist on the column's own width on PostgreSQL.
macro_rules! integer_columns {
    ($($integer:ty),*) => { $(
        impl Column for $integer {
            fn of(row: &Row, column: &str) -> Result<Self, Error> {
                Ok(match row {
                    Row::Sqlite(row) => row.try_get(column)?,
                    Row::Postgres(row) => row.try_get_unchecked(column)?,
                })
            }
        }
    )* };
}
integer_columns!(i64, Option<i64>);

macro_rules! arg_from {
    ($($from:ty => |$value:ident| $arg:expr),* $(,)?) => { $(
        impl From<$from> for Arg {
            fn from($value: $from) -> Self {
                $arg
            }
        }
    )* };
}
arg_from! {
    i64 => |value| Self::Int(Some(value)),
    Option<i64> => |value| Self::Int(value),
    i32 => |value| Self::Int(Some(value.into())),
    i16 => |value| Self::Int(Some(value.into())),
    u32 => |value| Self::Int(Some(value.into())),
    bool => |value| Self::Bool(Some(value)),
    Option<bool> => |value| Self::Bool(value),
    &str => |value| Self::Text(Some(kept(value.to_owned()))),
    &String => |value| Self::Text(Some(kept(value.clone()))),
    String => |value| Self::Text(Some(kept(value))),
    Option<&str> => |value| Self::Text(value.map(|value| kept(value.to_owned()))),
    Option<String> => |value| Self::Text(value.map(kept)),
    &[u8] => |value| Self::Bytes(Some(value.to_vec())),
    &Vec<u8> => |value| Self::Bytes(Some(value.clone())),
    Option<Vec<u8>> => |value| Self::Bytes(value),
    Uuid => |value| Self::Id(Some(value)),
    Option<Uuid> => |value| Self::Id(value),
}

/// A text as either database keeps it. PostgreSQL refuses the character NUL, which no honest text holds: whoever looks for
/// one finds nothing, and who writes one does not fail.
fn kept(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

fn sqlite_rows(rows: Vec<SqliteRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Sqlite).collect()
}

fn postgres_rows(rows: Vec<PgRow>) -> Vec<Row> {
    rows.into_iter().map(Row::Postgres).collect()
}

fn arguments<A>(args: Vec<Arg>) -> Result<A, Error>
where
    A: Arguments,
    Option<i64>: Bindable<A::Database>,
    Option<bool>: Bindable<A::Database>,
    Option<String>: Bindable<A::Database>,
    Option<Vec<u8>>: Bindable<A::Database>,
    Option<Uuid>: Bindable<A::Database>,
{
    let mut arguments = A::default();
    arguments.reserve(args.len(), 0);
    for arg in args {
        match arg {
            Arg::Int(value) => arguments.add(value),
            Arg::Bool(value) => arguments.add(value),
            Arg::Text(value) => arguments.add(value),
            Arg::Bytes(value) => arguments.add(value),
            Arg::Id(value) => arguments.add(value),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// What a driver can send.
trait Bindable<D: sqlx::Database>: sqlx::Type<D> + for<'a> sqlx::Encode<'a, D> {}
impl<D: sqlx::Database, T: sqlx::Type<D> + for<'a> sqlx::Encode<'a, D>> Bindable<D> for T {}

/// The drivers' errors as sentences. The address of the database is never part of them: it may hold a password.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) => match (inner.try_downcast_ref::<SqliteError>(), inner.code()) {
                (Some(_), code) => from_sqlite(code.and_then(|code| code.parse().ok()).unwrap_or(0), inner.as_ref()),
                (None, code) => from_postgres(&code.unwrap_or_default(), inner.as_ref()),
            },
            sqlx::Error::PoolTimedOut => Self::Unavailable(
                "no connection to the database in time: it does not answer, or another program holds it".into(),
            ),
            sqlx::Error::PoolClosed => Self::Unavailable("the database was closed: dashtray is shutting down".into()),
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Self::Unavailable(format!(
                "no connection to the database: {error}; check that it runs and that its address is right"
            )),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt(format!("the database holds a value that dashtray never writes: {error}"))
            }
            _ => Self::Unavailable(format!("the database refused: {error}")),
        }
    }
}

/// The primary result code is the low byte: <https://www.sqlite.org/rescode.html>.
fn from_sqlite(code: i32, error: &dyn DatabaseError) -> Error {
    match code & 0xff {
        5 | 6 => Error::Unavailable(
            "the database is locked by another program; close what has it open (a backup, a database browser, another \
             dashtray) and try again"
                .into(),
        ),
        8 => Error::Unavailable(
            "the database is read only; make its file and its directory writable for the user that dashtray runs as"
                .into(),
        ),
        13 => Error::Unavailable("the disk is full; free some space and try again, nothing was lost".into()),
        14 => Error::Unavailable(
            "the database file cannot be opened; check that its directory exists and that dashtray may write to it"
                .into(),
        ),
        10 => Error::Unavailable(format!("the disk failed while the database was read or written: {error}")),
        11 | 26 => damaged(error),
        _ => refused(error),
    }
}

/// Classes of <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn from_postgres(code: &str, error: &dyn DatabaseError) -> Error {
    match code {
        "25006" => Error::Unavailable(
            "the database is read only; point dashtray at the primary server, with a user that may write".into(),
        ),
        "53100" => Error::Unavailable("the database server's disk is full; free some space and try again".into()),
        "53300" => Error::Unavailable("the database server has no connection left; raise its max_connections".into()),
        "40001" | "40P01" | "55P03" => {
            Error::Unavailable("the database is locked by another program; try again".into())
        }
        "3D000" => Error::Unavailable(format!("{error}; create it first: createdb NAME")),
        "XX001" | "XX002" => damaged(error),
        _ => match code.get(..2) {
            Some("08" | "57") => Error::Unavailable(format!("the connection to the database was lost: {error}")),
            Some("28") => Error::Unavailable(format!("the database refuses the login: {error}")),
            _ => refused(error),
        },
    }
}

fn damaged(error: &dyn DatabaseError) -> Error {
    Error::Corrupt(format!(
        "the database file is damaged ({error}); put a backup in its place: dashtray restore FILE --force"
    ))
}

fn refused(error: &dyn DatabaseError) -> Error {
    if error.is_unique_violation() {
        return Error::Conflict(format!("already there: {error}"));
    }
    Error::Unavailable(format!("the database refused: {error}"))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection as _, SqliteConnection, raw_sql, sqlite::SqliteConnectOptions};

    use super::*;

    /// What the store makes of the error that these statements end with.
    async fn sentence(options: SqliteConnectOptions, sql: &'static str) -> String {
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let error = raw_sql(sql).execute(&mut connection).await.unwrap_err();
        match Error::from(error) {
            Error::Unavailable(sentence) => sentence,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_full_disk_says_so() {
        let sql = "CREATE TABLE t (x BLOB); PRAGMA max_page_count = 10; INSERT INTO t VALUES (zeroblob(100000))";
        let sentence = sentence(SqliteConnectOptions::new().in_memory(true), sql).await;
        assert!(sentence.starts_with("the disk is full; free some space"), "{sentence}");
    }

    #[tokio::test]
    async fn a_read_only_file_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new().filename(directory.path().join("x.db"));
        SqliteConnection::connect_with(&options.clone().create_if_missing(true)).await.unwrap();
        let sentence = sentence(options.read_only(true), "CREATE TABLE t (x BLOB)").await;
        assert!(sentence.starts_with("the database is read only; make its file"), "{sentence}");
    }
}
