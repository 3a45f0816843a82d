//! Runs as they leave: the same JSON on the command line and in the API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::connections::ErrorView;

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
#[derive(Debug, Clone, PartialEq, Serialize)]
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
