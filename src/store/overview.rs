//! What the database says of itself and of the queue, for whoever watches.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Error, Store, db::args, dialect::newest_schema};

/// The steps of the schema: of the database, and of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The newest one that was done.
    pub found: i64,
    /// The newest one that this program knows.
    pub known: i64,
}

/// How all connections stand, whatever project they are of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// How many there are by state; those that the user paused are `paused`.
    pub states: BTreeMap<String, u64>,
    /// How many are due and nobody has begun with them.
    pub due: u64,
    /// Since when the first of those is due.
    pub oldest_due: Option<Timestamp>,
}

impl Store {
    /// Which schema the database has now: another process may have changed it since it was opened.
    pub async fn schema(&self) -> Result<Schema, Error> {
        let sql = "SELECT COALESCE(MAX(version), 0) AS found FROM _sqlx_migrations WHERE success";
        let row = self.db.first(sql, args![]).await?;
        let found = row.map(|row| row.get("found")).transpose()?.unwrap_or(0);
        Ok(Schema { found, known: newest_schema() })
    }

    /// How the connections stand that a provider is read through.
    pub async fn queue(&self, now: Timestamp) -> Result<Queue, Error> {
        let sql = "SELECT CASE WHEN paused THEN 'paused' ELSE state END AS word, count(*) AS connections,
                 count(CASE WHEN NOT paused AND due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
                     THEN 1 END) AS due,
                 MIN(CASE WHEN NOT paused AND due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
                     THEN due_at END) AS oldest_due
             FROM connections WHERE EXISTS (SELECT 1 FROM credentials s WHERE s.project_id = connections.project_id
                 AND s.connection_id = connections.connection_id)
             GROUP BY CASE WHEN paused THEN 'paused' ELSE state END";
        let mut queue = Queue::default();
        for row in self.db.all(sql, args![now]).await? {
            let count = |column: &str| row.get::<i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
            queue.states.insert(row.get("word")?, count("connections")?);
            queue.due += count("due")?;
            let oldest: Option<Timestamp> = row.get("oldest_due")?;
            queue.oldest_due = queue.oldest_due.into_iter().chain(oldest).min();
        }
        Ok(queue)
    }
}
