//! The tables of a database, as it says itself: what a migration adds is part of the next backup.

use std::collections::BTreeSet;

use futures_util::{Stream, TryStreamExt};
use sqlx::{AssertSqlSafe, Row as _, SqlitePool, query, query_scalar};

use crate::store::{
    Error,
    db::{Arg, Row, Tx, args},
};

/// Who is signed in, and what works once. A backup has none of them: what was ended or used since would work again.
pub(super) const PASSING: [&str; 4] = ["invitations", "one_time_links", "sign_ins", "web_sessions"];

/// A table, whose names are the same in both databases.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The columns of its primary key.
    key: String,
    parents: BTreeSet<String>,
}

/// A column, and how it is read and written.
#[derive(Debug)]
pub(super) struct Column {
    name: String,
    kind: Kind,
}

/// What a column holds in PostgreSQL, which is the more exact of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int,
    Bool,
    Text,
    Bytes,
    Id,
}

/// Rows that are on their way at once.
const ROWS_AT_ONCE: usize = 512;

impl Table {
    fn list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        names.join(", ")
    }

    /// Copies all rows out of the attached database `source`.
    pub(super) fn copy_attached(&self) -> AssertSqlSafe<String> {
        let (name, columns) = (&self.name, self.list());
        AssertSqlSafe(format!("INSERT INTO main.{name} ({columns}) SELECT {columns} FROM source.{name}"))
    }

    /// All rows in order of the key, so that they are written one behind the other.
    pub(super) fn select(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!("SELECT {} FROM {} ORDER BY {}", self.list(), self.name, self.key))
    }

    /// Writes rows of the other kind of database. Memory stays flat, however many there are.
    pub(super) async fn fill<R>(
        &self,
        mut rows: impl Stream<Item = Result<R, sqlx::Error>> + Unpin,
        of: fn(R) -> Row,
        into: &mut Tx,
    ) -> Result<i64, Error> {
        // The numbers that PostgreSQL gives out by itself are kept as they were.
        let kept = if matches!(into, Tx::Postgres(_)) { " OVERRIDING SYSTEM VALUE" } else { "" };
        let head = format!("INSERT INTO {} ({}){kept}", self.name, self.list());
        let (mut waiting, mut copied) = (Vec::with_capacity(ROWS_AT_ONCE), 0);
        loop {
            let row = rows.try_next().await?;
            let is_last = row.is_none();
            if let Some(row) = row.map(of) {
                let values = self.columns.iter().map(|column| column.read(&row));
                waiting.push(values.collect::<Result<Vec<Arg>, Error>>()?);
            }
            if waiting.len() == ROWS_AT_ONCE || is_last {
                copied += i64::try_from(waiting.len()).unwrap_or(i64::MAX);
                into.insert_many(&head, "", self.columns.len(), waiting.drain(..)).await?;
            }
            if is_last {
                return Ok(copied);
            }
        }
    }

    /// Reads from PostgreSQL what its columns hold. Its integers are wider or narrower than ours, which does not matter.
    pub(super) async fn read_kinds(&mut self, tx: &mut Tx) -> Result<(), Error> {
        let sql =
            "SELECT column_name::TEXT AS column_name, data_type::TEXT AS data_type FROM information_schema.columns
             WHERE table_schema = current_schema() AND table_name = $1";
        let rows = tx.all(sql, args![&self.name]).await?;
        for column in &mut self.columns {
            let mut found = rows.iter().filter(|row| row.get::<String>("column_name").as_ref() == Ok(&column.name));
            let row = found.next().ok_or_else(|| strange(&self.name, &column.name))?;
            column.kind = match row.get::<String>("data_type")?.as_str() {
                "bigint" | "integer" | "smallint" => Kind::Int,
                "boolean" => Kind::Bool,
                "text" => Kind::Text,
                "bytea" => Kind::Bytes,
                "uuid" => Kind::Id,
                _ => return Err(strange(&self.name, &column.name)),
            };
        }
        Ok(())
    }
}

fn strange(table: &str, column: &str) -> Error {
    Error::Corrupt(format!("the database's schema is not what dashtray made: see {table}.{column}"))
}

impl Column {
    fn read(&self, row: &Row) -> Result<Arg, Error> {
        let name = &self.name;
        Ok(match self.kind {
            Kind::Int => row.get::<Option<i64>>(name)?.into(),
            Kind::Bool => row.get::<Option<bool>>(name)?.into(),
            Kind::Text => row.get::<Option<String>>(name)?.into(),
            Kind::Bytes => row.get::<Option<Vec<u8>>>(name)?.into(),
            Kind::Id => row.get::<Option<uuid::Uuid>>(name)?.into(),
        })
    }
}

/// The tables of a SQLite database; those that others refer to come before them.
pub(super) async fn tables(pool: &SqlitePool) -> Result<Vec<Table>, Error> {
    let mut open = Vec::new();
    for name in names(pool).await? {
        let (mut columns, mut key) = (Vec::new(), Vec::new());
        for row in query("SELECT name, type, pk FROM pragma_table_info($1)").bind(&name).fetch_all(pool).await? {
            let kind = match row.try_get::<String, _>("type")?.as_str() {
                "INTEGER" => Kind::Int,
                "TEXT" => Kind::Text,
                _ => Kind::Bytes,
            };
            let column = row.try_get::<String, _>("name")?;
            key.push((row.try_get::<i64, _>("pk")?, column.clone()));
            columns.push(Column { name: column, kind });
        }
        key.retain(|(place, _)| *place > 0);
        key.sort();
        let key: Vec<String> = key.into_iter().map(|(_, column)| column).collect();
        let parents = query_scalar("SELECT \"table\" FROM pragma_foreign_key_list($1)").bind(&name);
        let parents: Vec<String> = parents.fetch_all(pool).await?;
        open.push(Table { name, columns, key: key.join(", "), parents: parents.into_iter().collect() });
    }
    let mut sorted: Vec<Table> = Vec::new();
    while !open.is_empty() {
        let names: BTreeSet<String> = open.iter().map(|table| table.name.clone()).collect();
        let waits = |table: &Table| table.parents.iter().any(|parent| *parent != table.name && names.contains(parent));
        let (waiting, ready): (Vec<Table>, Vec<Table>) = open.into_iter().partition(waits);
        if ready.is_empty() {
            return Err(strange(&waiting[0].name, "its foreign key"));
        }
        sorted.extend(ready);
        open = waiting;
    }
    Ok(sorted)
}

/// The names of a SQLite database's tables, except that of the migrations.
pub(super) async fn names(pool: &SqlitePool) -> Result<Vec<String>, Error> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         AND name <> '_sqlx_migrations' ORDER BY name";
    Ok(query_scalar(sql).fetch_all(pool).await?)
}
