//! A database of its own for one test, of either kind.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use dashtray::store::Store;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::postgres;

/// A fresh database; gone when this is dropped.
pub(crate) struct Database {
    pub(crate) url: String,
    file: PathBuf,
    _directory: TempDir,
}

impl Database {
    /// A file of its own.
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let file = directory.path().join("dashtray.db");
        Self { url: format!("sqlite:{}", file.display()), file, _directory: directory }
    }

    /// A file that is there already.
    pub(crate) fn at(file: PathBuf) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        Self { url: format!("sqlite:{}", file.display()), file, _directory: directory }
    }

    /// A database of its own on the private server.
    pub(crate) async fn postgres() -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        Self { url: postgres::new_database().await, file: PathBuf::new(), _directory: directory }
    }

    /// An empty one of the same kind.
    pub(crate) async fn empty_like(&self) -> Self {
        if self.url.starts_with("sqlite:") { Self::sqlite().await } else { Self::postgres().await }
    }

    /// Opens the store, as one process would.
    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url).await.expect("the store opens")
    }

    /// Where the file of a SQLite database is.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Runs statements behind the store's back.
    pub(crate) async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::new().filename(&self.file).create_if_missing(true);
            let mut connection = SqliteConnection::connect_with(&options).await.expect("a connection");
            sqlx::raw_sql(sql).execute(&mut connection).await.expect("the statements");
            connection.close().await.expect("closing");
        } else {
            let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
            sqlx::raw_sql(sql).execute(&mut connection).await.expect("the statements");
        }
    }

    /// What the database says to a statement that it refuses.
    pub(crate) async fn refused(&self, sql: &str) -> String {
        let sql = AssertSqlSafe(sql.to_owned());
        let refused = if self.url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("a connection");
            sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
        } else {
            let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
            sqlx::raw_sql(sql).execute(&mut connection).await.map(drop)
        };
        refused.expect_err("a refusal").to_string()
    }

    /// The texts in the first column of a query.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("a connection");
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("the query");
            connection.close().await.expect("closing");
            rows.iter().map(|row| row.get(0)).collect()
        } else {
            let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("the query");
            rows.iter().map(|row| row.get(0)).collect()
        }
    }

    /// The texts in the first column of a query that looks at another file too, which it calls `other`. SQLite alone.
    pub(crate) async fn texts_beside(&self, other: &Path, sql: &str) -> Vec<String> {
        let mut connection = SqliteConnection::connect(&self.url).await.expect("a connection");
        let attach = sqlx::query("ATTACH DATABASE $1 AS other").bind(other.to_string_lossy().into_owned());
        attach.execute(&mut connection).await.expect("the other file");
        let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.expect("the query");
        connection.close().await.expect("closing");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// A SQLite database as it would be found if this process ended now: the file and its log, whatever is open.
    pub(crate) fn as_it_lies(&self) -> Self {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let file = directory.path().join("dashtray.db");
        std::fs::copy(&self.file, &file).expect("a copy of the database");
        let log = |file: &Path| PathBuf::from(format!("{}-wal", file.display()));
        if log(&self.file).exists() {
            std::fs::copy(log(&self.file), log(&file)).expect("a copy of its log");
        }
        Self { url: format!("sqlite:{}", file.display()), file, _directory: directory }
    }

    /// The same content in a database of its own. Nobody may have a PostgreSQL database open meanwhile.
    pub(crate) async fn copy(&self) -> Self {
        if self.url.starts_with("sqlite:") {
            return self.as_it_lies();
        }
        let directory = tempfile::tempdir().expect("a directory for the test");
        let name = self.url.rsplit('/').find_map(|part| part.strip_prefix("test_").map(|_| part)).expect("one of ours");
        let name = name.split('?').next().unwrap_or(name);
        Self { url: postgres::new_database_like(name).await, file: PathBuf::new(), _directory: directory }
    }

    /// All that was made of the providers' answers, sorted: points, notes, restatements, receipts, and which records and
    /// checkpoints there are. Without what differs between two runs that come to the same: instants and our own ids.
    pub(crate) async fn figures(&self) -> Vec<String> {
        let text = |column: &str| format!("COALESCE(CAST({column} AS TEXT), '-')");
        let of_series = "JOIN series s USING (project_id, series_id)";
        let mut figures = Vec::new();
        for sql in [
            format!(
                "SELECT concat_ws(' ', 'point', project_id, connection_id, metric_id, grain, dimension, currency, day, {}, {}, mark)
                 FROM points {of_series}",
                text("value"),
                text("denominator")
            ),
            format!(
                "SELECT concat_ws(' ', 'note', project_id, connection_id, metric_id, grain, dimension, currency, day, body) FROM notes {of_series}"
            ),
            format!(
                "SELECT concat_ws(' ', 'restated', project_id, connection_id, metric_id, grain, dimension, currency, day, {}, {}, old_mark)
                 FROM restatements {of_series}",
                text("old_value"),
                text("old_denominator")
            ),
            "SELECT concat_ws(' ', 'receipt', project_id, connection_id, metric_id, currency, day, body) FROM receipts".to_owned(),
            "SELECT concat_ws(' ', 'record', project_id, connection_id, name, record_key, group_key)
             FROM records JOIN streams USING (project_id, stream_id)"
                .to_owned(),
            "SELECT concat_ws(' ', 'stream', project_id, connection_id, name, fingerprint, checkpoint IS NULL) FROM streams"
                .to_owned(),
        ] {
            figures.extend(self.texts(&sql).await);
        }
        figures.sort();
        figures
    }

    /// What the integrations keep for themselves, byte for byte: records and checkpoints.
    pub(crate) async fn kept_by_integrations(&self) -> Vec<String> {
        let hex = |column: &str| match self.url.starts_with("sqlite:") {
            true => format!("COALESCE(hex({column}), '-')"),
            false => format!("COALESCE(encode({column}, 'hex'), '-')"),
        };
        let mut kept = self
            .texts(&format!(
                "SELECT concat_ws(' ', connection_id, name, record_key, group_key, {})
                 FROM records JOIN streams USING (project_id, stream_id)",
                hex("body")
            ))
            .await;
        kept.extend(
            self.texts(&format!("SELECT concat_ws(' ', connection_id, name, {}) FROM streams", hex("checkpoint")))
                .await,
        );
        kept.sort();
        kept
    }

    /// All rows of all tables as text. PostgreSQL alone; of SQLite there is the file.
    pub(crate) async fn everything(&self) -> String {
        let columns = self.columns().await;
        let tables: BTreeSet<&str> = columns.iter().filter_map(|column| column.split('.').next()).collect();
        let mut all = String::new();
        for table in tables {
            all.extend(self.texts(&format!("SELECT CAST(t AS TEXT) FROM {table} t")).await);
        }
        all
    }

    /// Every column as `table.column`, except the migrations' own table.
    pub(crate) async fn columns(&self) -> Vec<String> {
        let sql = if self.url.starts_with("sqlite:") {
            "SELECT t.name || '.' || c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
             WHERE t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        } else {
            "SELECT table_name || '.' || column_name FROM information_schema.columns
             WHERE table_schema = 'public' AND table_name NOT LIKE '\\_sqlx%'"
        };
        let mut columns = self.texts(sql).await;
        columns.sort();
        columns
    }

    /// How many rows each table has, but for the log of what was done to them.
    pub(crate) async fn row_counts(&self) -> BTreeMap<String, String> {
        let columns = self.columns().await;
        let tables: BTreeSet<&str> = columns.iter().filter_map(|column| column.split('.').next()).collect();
        let mut counts = BTreeMap::new();
        for table in tables.into_iter().filter(|table| *table != "audit") {
            let count = self.texts(&format!("SELECT CAST(count(*) AS TEXT) FROM {table}")).await.remove(0);
            counts.insert(table.to_owned(), count);
        }
        counts
    }
}

/// Makes two tests of each function: one on SQLite, one on PostgreSQL.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::database::Database::sqlite().await).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test($crate::support::database::Database::postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both;
