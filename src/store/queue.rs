//! Who works on which connection: due times, leases and fencing numbers.
//!
//! A claim is a lease: its owner holds the connection until `lease_until` and renews it while it works. When a worker
//! dies, the lease runs out and another claims. The fencing number rises with every claim, and every write names the
//! number it was claimed with; so a worker that only slept too long finds out before it writes, not after.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    ConnectionKey, Error, Store,
    changes::Changed,
    connections::{key, missing},
    db::{Arg, Row, Tx, args},
    dialect::list,
};

/// The right to sync a connection, as long as the fence holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which connection.
    pub key: ConnectionKey,
    /// Who holds it.
    pub owner: String,
    /// The fencing number.
    pub fence: i64,
    /// Until when, as of the claim; [`Store::renew`] moves it.
    pub until: Timestamp,
}

/// What became of a wish to claim one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// It is ours.
    Claimed(Claim),
    /// Another holds it.
    Busy {
        /// When its lease runs out, if it is not renewed.
        until: Timestamp,
        /// The run under way, once it has started.
        run_id: Option<Uuid>,
    },
}

impl Claim {
    /// The values of [`OURS`].
    pub(super) fn args(&self) -> Vec<Arg> {
        args![self.key.project_id, self.key.connection_id, self.fence, &self.owner]
    }
}

/// Holds for the connection of a claim as long as nobody claimed it since: `$1` to `$4` are [`Claim::args`].
const OURS: &str = "project_id = $1 AND connection_id = $2 AND fence = $3 AND lease_owner = $4";

impl Store {
    /// Claims up to `limit` connections that are due, not paused, held by nobody, and sealed with one of these master
    /// keys; oldest due first. What a process cannot open it leaves to those that can.
    pub async fn claim_due(
        &self,
        owner: &str,
        now: Timestamp,
        lease: Duration,
        limit: u32,
        keys: &[&str],
    ) -> Result<Vec<Claim>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.db.begin().await?;
        let due = tx.locking_free(&format!(
            "SELECT project_id, connection_id FROM connections
             WHERE NOT paused AND due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) AND {}
             ORDER BY due_at, project_id, connection_id LIMIT $2",
            sealed_with(2, keys)
        ));
        let mut values = args![now, limit];
        values.extend(keys.iter().map(|key| Arg::from(*key)));
        let mut claims = Vec::new();
        for row in tx.all(due, values).await? {
            claims.extend(take(&mut tx, key(&row)?, owner, now, lease).await?);
        }
        tx.commit("claim").await?;
        Ok(claims)
    }

    /// Claims one connection, paused and due or not, unless another holds it.
    pub async fn claim(
        &self,
        key: ConnectionKey,
        owner: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<ClaimOutcome, Error> {
        let mut tx = self.db.begin().await?;
        if let Some(claim) = take(&mut tx, key, owner, now, lease).await? {
            tx.commit("claim").await?;
            return Ok(ClaimOutcome::Claimed(claim));
        }
        let sql = "SELECT c.lease_until, (SELECT r.run_id FROM runs r
                 WHERE r.project_id = c.project_id AND r.connection_id = c.connection_id AND r.status IS NULL
                 ORDER BY r.started_at DESC LIMIT 1) AS run_id
             FROM connections c WHERE c.project_id = $1 AND c.connection_id = $2";
        let row = tx.first(sql, args![key.project_id, key.connection_id]).await?.ok_or_else(|| missing(key))?;
        Ok(ClaimOutcome::Busy {
            until: row.get::<Option<Timestamp>>("lease_until")?.unwrap_or(now),
            run_id: row.get("run_id")?,
        })
    }

    /// Moves the end of the lease. [`Error::FenceLost`] when another has claimed the connection since.
    pub async fn renew(&self, claim: &Claim, until: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE connections SET lease_until = $5
             WHERE project_id = $1 AND connection_id = $2 AND fence = $3 AND lease_owner = $4";
        let mut values = claim.args();
        values.extend(args![until]);
        held(self.db.execute(sql, values).await?)
    }

    /// Takes a connection back from whoever holds it: the run under way can write no more, and the next one starts anew
    /// with what was changed.
    pub async fn revoke(&self, key: ConnectionKey, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE connections SET fence = fence + 1, lease_owner = NULL, lease_until = NULL, due_at = $3
             WHERE project_id = $1 AND connection_id = $2";
        self.db.execute(sql, args![key.project_id, key.connection_id, now]).await?;
        self.tell(key, Changed::Steps).await
    }

    /// When the next connection that is sealed with one of these keys can be claimed: its due time, or the end of the
    /// lease that is on it. `None` when there is nothing to sync.
    pub async fn next_due(&self, keys: &[&str]) -> Result<Option<Timestamp>, Error> {
        if keys.is_empty() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT MIN(CASE WHEN lease_until > due_at THEN lease_until ELSE due_at END) AS next_at
             FROM connections WHERE NOT paused AND {}",
            sealed_with(0, keys)
        );
        let values = keys.iter().map(|key| Arg::from(*key)).collect();
        match self.db.first(AssertSqlSafe(sql), values).await? {
            Some(row) => row.get("next_at"),
            None => Ok(None),
        }
    }
}

/// Holds for a connection whose credentials are sealed with one of these keys, which follow the first `shared` values.
fn sealed_with(shared: usize, keys: &[&str]) -> String {
    format!(
        "EXISTS (SELECT 1 FROM credentials s WHERE s.project_id = connections.project_id
             AND s.connection_id = connections.connection_id AND s.key_id IN {})",
        list(shared, keys.len())
    )
}

/// Fails unless the connection is still the claim's; on PostgreSQL nobody can claim it until the transaction ends, on
/// SQLite nobody else can write at all.
pub(super) async fn hold(tx: &mut Tx, claim: &Claim) -> Result<(), Error> {
    let sql = tx.locking(&format!("SELECT fence FROM connections WHERE {OURS}"));
    held(tx.all(sql, claim.args()).await?.len() as u64)
}

/// Of a statement that finds the connection only if it is still ours.
pub(super) fn held(rows: u64) -> Result<(), Error> {
    if rows == 0 { Err(Error::FenceLost) } else { Ok(()) }
}

/// Takes the lease if nobody holds it.
async fn take(
    tx: &mut Tx,
    key: ConnectionKey,
    owner: &str,
    now: Timestamp,
    lease: Duration,
) -> Result<Option<Claim>, Error> {
    let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
    let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
    let sql = "UPDATE connections SET fence = fence + 1, lease_owner = $3, lease_until = $4
         WHERE project_id = $1 AND connection_id = $2 AND (lease_until IS NULL OR lease_until <= $5)
         RETURNING fence";
    let row = tx.first(sql, args![key.project_id, key.connection_id, owner, until, now]).await?;
    let claim = |row: Row| Ok(Claim { key, owner: owner.to_owned(), fence: row.get("fence")?, until });
    row.map(claim).transpose()
}
