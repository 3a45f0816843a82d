//! Runs as they leave: the same JSON on the command line and in the API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    connections::ErrorView,
    http::Error,
    integrations::Correction,
    store::{Connection, RunEnd, RunRow},
};

/// One run of one connection.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunView {
    /// Public id.
    pub run_id: Uuid,
    /// The connection that was read.
    pub connection_id: Uuid,
    /// How it ended.
    pub status: RunStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// Requests sent, retries and redirects included.
    pub requests: u64,
    /// Bytes of answers as they came over the wire.
    pub bytes: u64,
    /// Milliseconds spent waiting for limits and between tries.
    pub waited_ms: u64,
    /// Points that are new or changed.
    pub samples_written: u64,
    /// When the provider allows the next try.
    pub retry_at: Option<Timestamp>,
    /// What ended the run as a whole.
    pub error: Option<ErrorView>,
    /// How each metric fared.
    pub metrics: Vec<MetricOutcomeView>,
    /// What it found different from what was kept, and put right.
    pub corrections: Vec<Correction>,
    /// How far it is, while it runs: steps done and in all, and what is being read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<serde_json::Value>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Under way.
    Running,
    /// Everything was read.
    Ok,
    /// Some metrics were not.
    Partial,
    /// The provider asked to wait.
    RateLimited,
    /// Nothing could be read.
    Failed,
}

impl RunStatus {
    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::RateLimited => "rate_limited",
            Self::Failed => "failed",
        }
    }
}

/// How one metric fared in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricOutcomeView {
    /// The metric.
    pub metric_id: String,
    /// What became of it.
    pub outcome: OutcomeWord,
    /// Why it is not `ok` or `unchanged`.
    pub error: Option<ErrorView>,
}

/// What became of a metric in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeWord {
    /// Read.
    Ok,
    /// Read, and nothing had changed.
    Unchanged,
    /// Not read, or only in part.
    Failed,
    /// The plan or a permission does not include it.
    Unsupported,
    /// There is no such metric.
    Unknown,
}

impl OutcomeWord {
    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Unsupported => "unsupported",
            Self::Unknown => "unknown",
        }
    }
}

/// A stored run as it leaves. What was stored by another version and cannot be read is left out.
pub(super) fn of_row(connection: &Connection, row: &RunRow) -> RunView {
    let status = match row.status.as_deref() {
        None => RunStatus::Running,
        Some(name) => serde_json::from_value(name.into()).unwrap_or(RunStatus::Failed),
    };
    RunView {
        run_id: row.run_id,
        connection_id: connection.public_id,
        status,
        started_at: row.started_at,
        ended_at: row.ended_at,
        requests: count(row.requests),
        bytes: count(row.bytes),
        waited_ms: count(row.waited_ms),
        samples_written: count(row.samples_written),
        retry_at: row.retry_at,
        error: row.error.clone().and_then(|json| serde_json::from_value(json).ok()),
        metrics: row.metrics.clone().and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default(),
        corrections: row.corrections.clone().and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default(),
        progress: row.progress.clone().filter(|_| status == RunStatus::Running),
    }
}

fn count(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// A run that just ended as it leaves.
pub(super) fn of_end(
    connection: &Connection,
    end: &RunEnd,
    started_at: Timestamp,
    ended_at: Timestamp,
    metrics: Vec<MetricOutcomeView>,
    corrections: Vec<Correction>,
    error: Option<&Error>,
) -> RunView {
    RunView {
        run_id: end.run_id,
        connection_id: connection.public_id,
        status: serde_json::from_value(end.status.as_str().into()).unwrap_or(RunStatus::Failed),
        started_at,
        ended_at: Some(ended_at),
        requests: count(end.counts.requests),
        bytes: count(end.counts.bytes),
        waited_ms: count(end.counts.waited_ms),
        samples_written: count(end.counts.samples_written),
        retry_at: end.retry_at,
        error: error.map(ErrorView::from),
        metrics,
        corrections,
        progress: None,
    }
}
