//! What an integration keeps for itself: a stream's records and its checkpoint.

use jiff::Timestamp;
use sqlx::AssertSqlSafe;

use super::{
    ConnectionKey, Error, Store, Write,
    connections::next_id,
    db::{Arg, Row, args},
    dialect::list,
};

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRow {
    /// Unique in its stream.
    pub key: String,
    /// What it is listed by; empty where it is never listed that way.
    pub group: String,
    /// The integration's own form.
    pub bytes: Vec<u8>,
}

/// Keys in one statement. More would only make it slow to prepare.
const KEYS_AT_ONCE: usize = 512;

/// Picks a stream's records; `$1` to `$3` are project, connection and the stream's name.
const OF_STREAM: &str = "SELECT record_key, group_key, body FROM records WHERE project_id = $1 AND stream_id =
     (SELECT stream_id FROM streams WHERE project_id = $1 AND connection_id = $2 AND name = $3)";

impl Store {
    /// A stream's checkpoint, in the integration's own form; `None` when it has none.
    pub async fn checkpoint(&self, key: ConnectionKey, stream: &str) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT checkpoint FROM streams
             WHERE project_id = $1 AND connection_id = $2 AND name = $3 AND checkpoint IS NOT NULL";
        self.db.first(sql, of_stream(key, stream)).await?.map(|row| row.get("checkpoint")).transpose()
    }

    /// What a stream's records were made under, see [`Write::restart_stream`]; `None` before the first time.
    pub async fn fingerprint(&self, key: ConnectionKey, stream: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT fingerprint FROM streams
             WHERE project_id = $1 AND connection_id = $2 AND name = $3 AND fingerprint <> ''";
        self.db.first(sql, of_stream(key, stream)).await?.map(|row| row.get("fingerprint")).transpose()
    }

    /// When what a stream is made under last became something else; `None` where it is what it was at first.
    pub async fn stream_changed_at(&self, key: ConnectionKey, stream: &str) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT changed_at FROM streams
             WHERE project_id = $1 AND connection_id = $2 AND name = $3 AND changed_at IS NOT NULL";
        self.db.first(sql, of_stream(key, stream)).await?.map(|row| row.get("changed_at")).transpose()
    }

    /// The records of those keys that are there, ordered by key.
    pub async fn records(&self, key: ConnectionKey, stream: &str, keys: &[String]) -> Result<Vec<RecordRow>, Error> {
        self.named(key, stream, keys, |list| format!("{OF_STREAM} AND record_key IN {list} ORDER BY record_key")).await
    }

    /// The records of those groups, ordered by group and key.
    pub async fn records_of_groups(
        &self,
        key: ConnectionKey,
        stream: &str,
        groups: &[String],
    ) -> Result<Vec<RecordRow>, Error> {
        let sql =
            |list| format!("{OF_STREAM} AND group_key <> '' AND group_key IN {list} ORDER BY group_key, record_key");
        self.named(key, stream, groups, sql).await
    }

    async fn named(
        &self,
        key: ConnectionKey,
        stream: &str,
        names: &[String],
        sql: impl Fn(String) -> String,
    ) -> Result<Vec<RecordRow>, Error> {
        let mut names: Vec<&String> = names.iter().collect();
        names.sort_unstable();
        names.dedup();
        let mut records = Vec::new();
        for chunk in names.chunks(KEYS_AT_ONCE) {
            let mut values = of_stream(key, stream);
            // Powers of two are few statements, so that the prepared ones are found again. A name may come twice.
            let places = chunk.len().next_power_of_two();
            let sql = sql(list(values.len(), places));
            let filled = chunk.iter().chain(std::iter::repeat_n(chunk.last(), places).flatten()).take(places);
            values.extend(filled.map(|name| Arg::from(*name)));
            records.extend(read(&self.db.all(AssertSqlSafe(sql), values).await?)?);
        }
        Ok(records)
    }

    /// Up to `limit` records in the order of their keys, after a key. Text is ordered by its bytes.
    pub async fn scan_by_key(
        &self,
        key: ConnectionKey,
        stream: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, Error> {
        let mut values = of_stream(key, stream);
        values.extend(args![limit]);
        let mut sql = OF_STREAM.to_owned();
        if let Some(after) = after {
            values.extend(args![after]);
            sql.push_str(" AND record_key > $5");
        }
        sql.push_str(" ORDER BY record_key LIMIT $4");
        read(&self.db.all(AssertSqlSafe(sql), values).await?)
    }

    /// Up to `limit` records that have a group, in the order of group and key, after such a pair.
    pub async fn scan_by_group(
        &self,
        key: ConnectionKey,
        stream: &str,
        after: Option<(&str, &str)>,
        limit: u32,
    ) -> Result<Vec<RecordRow>, Error> {
        let mut values = of_stream(key, stream);
        values.extend(args![limit]);
        let mut sql = format!("{OF_STREAM} AND group_key <> ''");
        if let Some((group, key)) = after {
            values.extend(args![group, key]);
            sql.push_str(" AND (group_key, record_key) > ($5, $6)");
        }
        sql.push_str(" ORDER BY group_key, record_key LIMIT $4");
        read(&self.db.all(AssertSqlSafe(sql), values).await?)
    }
}

impl Write {
    /// Writes records over those of the same key, and says how many rows that changed. Of several records of one key
    /// the last counts.
    pub async fn put_records(&mut self, stream: &str, records: &[RecordRow]) -> Result<u64, Error> {
        let project_id = self.key().project_id;
        let stream_id = self.stream_id(stream).await?;
        let mut sorted: Vec<&RecordRow> = records.iter().rev().collect();
        sorted.sort_by(|a, b| a.key.cmp(&b.key));
        sorted.dedup_by(|a, b| a.key == b.key);
        let rows = sorted.iter().map(|row| args![project_id, stream_id, &row.key, &row.group, &row.bytes]);
        let head = "INSERT INTO records (project_id, stream_id, record_key, group_key, body)";
        // Whoever sets a group writes its index too, be it the same group: half of what an update writes.
        let of_same_group = "ON CONFLICT (project_id, stream_id, record_key) DO UPDATE SET body = excluded.body
             WHERE records.group_key = excluded.group_key AND records.body <> excluded.body";
        let changed = self.tx.insert_many(head, of_same_group, 5, rows.clone()).await?;
        if changed == sorted.len() as u64 {
            return Ok(changed);
        }
        let of_other_group = "ON CONFLICT (project_id, stream_id, record_key) DO UPDATE
             SET group_key = excluded.group_key, body = excluded.body
             WHERE records.group_key <> excluded.group_key";
        Ok(changed + self.tx.insert_many(head, of_other_group, 5, rows).await?)
    }

    /// Removes the records of those keys.
    pub async fn delete_records(&mut self, stream: &str, keys: &[String]) -> Result<(), Error> {
        let stream_id = self.stream_id(stream).await?;
        for chunk in keys.chunks(KEYS_AT_ONCE) {
            let mut values = args![self.key().project_id, stream_id];
            let keys = list(values.len(), chunk.len());
            values.extend(chunk.iter().map(Arg::from));
            let sql = format!("DELETE FROM records WHERE project_id = $1 AND stream_id = $2 AND record_key IN {keys}");
            self.tx.execute(AssertSqlSafe(sql), values).await?;
        }
        Ok(())
    }

    /// Removes all records of a stream.
    pub async fn clear_records(&mut self, stream: &str) -> Result<(), Error> {
        let stream_id = self.stream_id(stream).await?;
        let sql = "DELETE FROM records WHERE project_id = $1 AND stream_id = $2";
        self.tx.execute(sql, args![self.key().project_id, stream_id]).await.map(drop)
    }

    /// Sets a stream's checkpoint.
    pub async fn put_checkpoint(&mut self, stream: &str, body: &[u8]) -> Result<(), Error> {
        let stream_id = self.stream_id(stream).await?;
        let sql = "UPDATE streams SET checkpoint = $3 WHERE project_id = $1 AND stream_id = $2";
        self.tx.execute(sql, args![self.key().project_id, stream_id, &body.to_vec()]).await.map(drop)
    }

    /// Forgets a stream's checkpoint.
    pub async fn forget_checkpoint(&mut self, stream: &str) -> Result<(), Error> {
        let stream_id = self.stream_id(stream).await?;
        let sql = "UPDATE streams SET checkpoint = NULL WHERE project_id = $1 AND stream_id = $2";
        self.tx.execute(sql, args![self.key().project_id, stream_id]).await.map(drop)
    }

    /// Drops a stream's records and checkpoint and notes what the next ones are made under: settings and definitions.
    pub async fn restart_stream(&mut self, stream: &str, fingerprint: &str, now: Timestamp) -> Result<(), Error> {
        self.clear_records(stream).await?;
        let stream_id = self.stream_id(stream).await?;
        // The first time is no change.
        let sql = "UPDATE streams SET checkpoint = NULL, fingerprint = $3,
             changed_at = CASE WHEN fingerprint = '' THEN NULL ELSE $4 END
             WHERE project_id = $1 AND stream_id = $2";
        self.tx.execute(sql, args![self.key().project_id, stream_id, fingerprint, now]).await.map(drop)
    }

    async fn stream_id(&mut self, stream: &str) -> Result<i64, Error> {
        let key = self.key();
        let sql = "SELECT stream_id FROM streams WHERE project_id = $1 AND connection_id = $2 AND name = $3";
        if let Some(row) = self.tx.first(sql, of_stream(key, stream)).await? {
            return row.get("stream_id");
        }
        let id = next_id(&mut self.tx, key.project_id).await?;
        let sql = "INSERT INTO streams (project_id, stream_id, connection_id, name) VALUES ($1, $2, $3, $4)";
        self.tx.execute(sql, args![key.project_id, id, key.connection_id, stream]).await?;
        Ok(id)
    }
}

fn of_stream(key: ConnectionKey, stream: &str) -> Vec<Arg> {
    args![key.project_id, key.connection_id, stream]
}

fn read(rows: &[Row]) -> Result<Vec<RecordRow>, Error> {
    let record = |row: &Row| {
        Ok(RecordRow { key: row.get("record_key")?, group: row.get("group_key")?, bytes: row.get("body")? })
    };
    rows.iter().map(record).collect()
}
