//! What the database forgets, and when. Points, receipts and exchange rates are never forgotten by age: a receipt is the
//! newest of its metric alone.

use jiff::{SignedDuration, Timestamp};
use sqlx::AssertSqlSafe;

use super::{
    Error, Store,
    db::{Db, args},
};

/// How long is kept what would grow without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days of records of runs; 0: for ever.
    pub runs_days: u32,
    /// Days of what a point was before it was restated; 0: for ever.
    pub restatements_days: u32,
    /// Days of who did what; 0: for ever.
    pub audit_days: u32,
    /// Days of kept answers. They are a cache: what is dropped is asked for anew.
    pub answers_days: u32,
    /// Days after which a browser that was not seen is signed out.
    pub sessions_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { runs_days: 90, restatements_days: 400, audit_days: 400, answers_days: 14, sessions_days: 30 }
    }
}

/// For so long a sign-in at a provider that was used is told from one that never was.
const SIGN_IN_DAYS: u32 = 2;
/// A window of a budget that ended so long ago is that of credentials that are gone.
const BUDGET_DAYS: u32 = 30;
/// Rows that are dropped at once: whoever wants to write waits no longer than that takes.
const PIECE: u32 = 1000;

impl Store {
    /// Drops what is too old by now, a little at a time; says how many rows that were.
    pub async fn prune(&self, retention: &Retention, now: Timestamp) -> Result<u64, Error> {
        let before =
            |days: u32| now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN);
        let mut dropped = self.prune_kept(before(retention.answers_days)).await?;
        dropped += self.prune_sign_ins(before(SIGN_IN_DAYS)).await?;
        dropped += self.db.drop_old("budgets", "budget, window_name", "resets_at", before(BUDGET_DAYS)).await?;
        dropped += self.prune_web_sessions(before(retention.sessions_days), now).await?;
        if retention.runs_days > 0 {
            dropped += self.prune_runs(before(retention.runs_days)).await?;
        }
        if retention.restatements_days > 0 {
            let keys = "project_id, series_id, day, changed_at, run_id";
            let oldest = before(retention.restatements_days);
            dropped += self.db.drop_old("restatements", keys, "changed_at", oldest).await?;
        }
        if retention.audit_days > 0 {
            dropped += self.delete_audit_before(before(retention.audit_days)).await?;
        }
        Ok(dropped)
    }
}

impl Db {
    /// Drops the rows of a table whose instant is before another one, in pieces.
    pub(super) async fn drop_old(
        &self,
        table: &str,
        keys: &str,
        instant: &str,
        before: Timestamp,
    ) -> Result<u64, Error> {
        let sql = format!(
            "DELETE FROM {table} WHERE ({keys}) IN (SELECT {keys} FROM {table} WHERE {instant} < $1 LIMIT {PIECE})"
        );
        let mut dropped = 0;
        loop {
            let piece = self.execute(AssertSqlSafe(sql.clone()), args![before]).await?;
            dropped += piece;
            if piece < u64::from(PIECE) {
                return Ok(dropped);
            }
            // Whoever wants to write meanwhile has their turn.
            tokio::task::yield_now().await;
        }
    }
}
