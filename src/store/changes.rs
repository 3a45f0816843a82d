//! How often connections changed: what those who show them look at, whichever process changed them.

use sqlx::AssertSqlSafe;

use super::{
    ConnectionKey, Error, Store,
    connections::key,
    db::{Arg, Row, Tx, args},
    dialect::list,
};

/// How often a connection changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRow {
    /// Which connection.
    pub key: ConnectionKey,
    /// Its integration.
    pub integration_id: String,
    /// Rises with whatever dashboards show of it.
    pub numbers: i64,
    /// Rises with what only its own page shows: how far a run is.
    pub steps: i64,
}

/// What of a connection changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    Numbers,
    Steps,
}

impl Store {
    /// How often the connections of some projects changed, in the order of their numbers.
    pub async fn changes(&self, projects: &[i64]) -> Result<Vec<ChangeRow>, Error> {
        if projects.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT v.*, c.integration_id FROM changes v JOIN connections c USING (project_id, connection_id)
             WHERE v.project_id IN {} ORDER BY v.project_id, v.connection_id",
            list(0, projects.len())
        );
        let values = projects.iter().copied().map(Arg::from).collect();
        self.db.all(AssertSqlSafe(sql), values).await?.iter().map(change).collect()
    }

    /// Tells those who show a connection that it has changed. Who is killed before does not: the next change will.
    pub(super) async fn tell(&self, key: ConnectionKey, changed: Changed) -> Result<(), Error> {
        self.db.execute(changed.rise(), args![key.project_id, key.connection_id]).await.map(drop)
    }
}

impl Changed {
    /// Makes the row where there is none, and nothing of a connection that is gone.
    fn rise(self) -> &'static str {
        match self {
            Self::Numbers => {
                "INSERT INTO changes (project_id, connection_id, numbers) SELECT project_id, connection_id, 1
                     FROM connections WHERE project_id = $1 AND connection_id = $2
                 ON CONFLICT (project_id, connection_id) DO UPDATE SET numbers = changes.numbers + 1"
            }
            Self::Steps => {
                "INSERT INTO changes (project_id, connection_id, steps) SELECT project_id, connection_id, 1
                     FROM connections WHERE project_id = $1 AND connection_id = $2
                 ON CONFLICT (project_id, connection_id) DO UPDATE SET steps = changes.steps + 1"
            }
        }
    }
}

/// Tells those who show a connection that it changes with this transaction.
pub(super) async fn tell(tx: &mut Tx, key: ConnectionKey, changed: Changed) -> Result<(), Error> {
    tx.execute(changed.rise(), args![key.project_id, key.connection_id]).await.map(drop)
}

fn change(row: &Row) -> Result<ChangeRow, Error> {
    Ok(ChangeRow {
        key: key(row)?,
        integration_id: row.get("integration_id")?,
        numbers: row.get("numbers")?,
        steps: row.get("steps")?,
    })
}
