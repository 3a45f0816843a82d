//! Runs: what was tried when, and what came of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{
    Claim, ConnectionKey, ConnectionState, Error, Store,
    changes::{Changed, tell},
    connections::set_state,
    db::{Row, args},
    queue::{held, hold},
};

/// A run, over or under way.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its public id.
    pub run_id: Uuid,
    /// `ok`, `partial`, `rate_limited` or `failed`; `None` while it runs.
    pub status: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Calls made to the provider.
    pub requests: i64,
    /// Bytes received.
    pub bytes: i64,
    /// Time spent waiting for the provider's limits.
    pub waited_ms: i64,
    /// Points that were written, those that stayed as they were not counted.
    pub samples_written: i64,
    /// When it makes sense to try again.
    pub retry_at: Option<Timestamp>,
    /// Why it failed as a whole.
    pub error: Option<Json>,
    /// The outcome of each metric.
    pub metrics: Option<Json>,
    /// How far it is, or was last.
    pub progress: Option<Json>,
    /// What it found different from what was kept, and put right.
    pub corrections: Option<Json>,
}

impl RunRow {
    /// Whether the process died, or lost its hold on the connection, before the run was over.
    pub fn was_interrupted(&self) -> bool {
        let message = self.error.as_ref().and_then(|error| error.get("message")).and_then(Json::as_str);
        message.is_some_and(|message| message.starts_with("interrupted"))
    }
}

/// What a run did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunCounts {
    /// As in [`RunRow::requests`].
    pub requests: i64,
    /// As in [`RunRow::bytes`].
    pub bytes: i64,
    /// As in [`RunRow::waited_ms`].
    pub waited_ms: i64,
    /// As in [`RunRow::samples_written`].
    pub samples_written: i64,
}

/// How a run ended, and how its connection is doing since.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// Which run.
    pub run_id: Uuid,
    /// As in [`RunRow::status`].
    pub status: String,
    /// What it did.
    pub counts: RunCounts,
    /// As in [`RunRow::retry_at`].
    pub retry_at: Option<Timestamp>,
    /// As in [`RunRow::error`].
    pub error: Option<Json>,
    /// As in [`RunRow::metrics`].
    pub metrics: Json,
    /// As in [`RunRow::corrections`].
    pub corrections: Option<Json>,
    /// The connection's new state and due time.
    pub connection: ConnectionState,
}

/// The newest run of a connection that put something right.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectedRow {
    /// When it ended.
    pub ended_at: Timestamp,
    /// As in [`RunRow::corrections`].
    pub corrections: Json,
}

impl Store {
    /// Forgets runs that ended before an instant; says how many.
    pub async fn prune_runs(&self, before: Timestamp) -> Result<u64, Error> {
        self.db.drop_old("runs", "project_id, connection_id, started_at, run_id", "ended_at", before).await
    }

    /// Notes that a run begins. A run of that connection that never ended was interrupted, and is closed as such.
    pub async fn start_run(&self, claim: &Claim, run_id: Uuid, now: Timestamp) -> Result<(), Error> {
        let key = claim.key;
        let interrupted = json!({
            "kind": "internal",
            "message": "interrupted: the program ended, or lost its hold on the connection, before the run was over",
            "retry_at": null,
        });
        let mut tx = self.db.begin().await?;
        hold(&mut tx, claim).await?;
        let sql = "UPDATE runs SET status = 'failed', ended_at = $3, error = $4
             WHERE project_id = $1 AND connection_id = $2 AND status IS NULL";
        tx.execute(sql, args![key.project_id, key.connection_id, now, &interrupted]).await?;
        let sql = "INSERT INTO runs (project_id, connection_id, run_id, started_at) VALUES ($1, $2, $3, $4)";
        tx.execute(sql, args![key.project_id, key.connection_id, run_id, now]).await?;
        tell(&mut tx, key, Changed::Steps).await?;
        tx.commit("beginning of a run").await
    }

    /// Says how far the run under way is, and what it did so far.
    pub async fn set_progress(&self, claim: &Claim, progress: &Json, counts: RunCounts) -> Result<(), Error> {
        let sql = "UPDATE runs SET progress = $5, requests = $6, bytes = $7, waited_ms = $8, samples_written = $9
             WHERE project_id = $1 AND connection_id = $2 AND status IS NULL AND EXISTS
                 (SELECT 1 FROM connections
                  WHERE project_id = $1 AND connection_id = $2 AND fence = $3 AND lease_owner = $4)";
        let mut values = claim.args();
        values.extend(args![progress, counts.requests, counts.bytes, counts.waited_ms, counts.samples_written]);
        held(self.db.execute(sql, values).await?)?;
        self.tell(claim.key, Changed::Steps).await
    }

    /// Ends a run: closes its row, says how the connection is doing and when it is due, and gives the lease back.
    pub async fn release(&self, claim: &Claim, end: &RunEnd, now: Timestamp) -> Result<(), Error> {
        let key = claim.key;
        let mut tx = self.db.begin().await?;
        hold(&mut tx, claim).await?;
        let sql = "UPDATE runs SET status = $4, ended_at = $5, requests = $6, bytes = $7, waited_ms = $8,
             samples_written = $9, retry_at = $10, error = $11, metrics = $12, corrections = $13
             WHERE project_id = $1 AND connection_id = $2 AND run_id = $3";
        let values = args![
            key.project_id,
            key.connection_id,
            end.run_id,
            &end.status,
            now,
            end.counts.requests,
            end.counts.bytes,
            end.counts.waited_ms,
            end.counts.samples_written,
            end.retry_at,
            end.error.as_ref(),
            &end.metrics,
            end.corrections.as_ref()
        ];
        tx.execute(sql, values).await?;
        set_state(&mut tx, key, &end.connection).await?;
        let sql = "UPDATE connections SET lease_owner = NULL, lease_until = NULL
             WHERE project_id = $1 AND connection_id = $2";
        tx.execute(sql, args![key.project_id, key.connection_id]).await?;
        tx.commit("release").await
    }

    /// The newest runs of a connection, newest first; `before` is the start and id of the last one already seen.
    pub async fn runs(
        &self,
        key: ConnectionKey,
        limit: u32,
        before: Option<(Timestamp, Uuid)>,
    ) -> Result<Vec<RunRow>, Error> {
        let (started_at, run_id) = before.unwrap_or((Timestamp::MAX, Uuid::max()));
        let sql = "SELECT * FROM runs WHERE project_id = $1 AND connection_id = $2 AND (started_at, run_id) < ($3, $4)
             ORDER BY started_at DESC, run_id DESC LIMIT $5";
        let values = args![key.project_id, key.connection_id, started_at, run_id, limit];
        self.db.all(sql, values).await?.iter().map(run).collect()
    }

    /// Of each connection of a project, by its number, the newest run that put something right since an instant.
    pub async fn corrected(&self, project_id: i64, since: Timestamp) -> Result<BTreeMap<i64, CorrectedRow>, Error> {
        let sql = "SELECT connection_id, ended_at, corrections FROM runs
             WHERE project_id = $1 AND ended_at >= $2 AND corrections IS NOT NULL ORDER BY ended_at, run_id";
        let mut newest = BTreeMap::new();
        for row in self.db.all(sql, args![project_id, since]).await? {
            let corrected = CorrectedRow { ended_at: row.get("ended_at")?, corrections: row.get("corrections")? };
            newest.insert(row.get("connection_id")?, corrected);
        }
        Ok(newest)
    }

    /// One run of a connection.
    pub async fn run(&self, key: ConnectionKey, run_id: Uuid) -> Result<Option<RunRow>, Error> {
        let sql = "SELECT * FROM runs WHERE project_id = $1 AND connection_id = $2 AND run_id = $3";
        let row = self.db.first(sql, args![key.project_id, key.connection_id, run_id]).await?;
        row.as_ref().map(run).transpose()
    }
}

fn run(row: &Row) -> Result<RunRow, Error> {
    Ok(RunRow {
        run_id: row.get("run_id")?,
        status: row.get("status")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        requests: row.get("requests")?,
        bytes: row.get("bytes")?,
        waited_ms: row.get("waited_ms")?,
        samples_written: row.get("samples_written")?,
        retry_at: row.get("retry_at")?,
        error: row.get("error")?,
        metrics: row.get("metrics")?,
        progress: row.get("progress")?,
        corrections: row.get("corrections")?,
    })
}
