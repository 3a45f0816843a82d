//! What an integration hands in at once.

use super::Error;
use crate::metric::{Answer, Period, Receipt, Scope};

/// Results that belong together. A batch is one transaction: all of it is kept or nothing.
#[derive(Debug, Default)]
pub struct Batch {
    /// What the provider answered.
    pub answers: Vec<Answer>,
    /// What it did not answer, where that is narrower than a metric's outcome.
    pub gaps: Vec<Gap>,
    /// Receipts of computed values.
    pub receipts: Vec<Receipt>,
    /// Changes of a stream's records.
    pub records: Vec<RecordChange>,
    /// New checkpoint of a stream; `None` as value forgets it.
    pub checkpoints: Vec<(String, Option<Vec<u8>>)>,
}

/// Days of some series that could not be had.
#[derive(Debug, Clone, PartialEq)]
pub struct Gap {
    /// Which metric.
    pub metric_id: String,
    /// Which of its series.
    pub scope: Scope,
    /// Which days.
    pub period: Period,
    /// Why.
    pub why: Why,
}

/// Why days could not be had.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// The call failed.
    Failed(Error),
    /// The provider cannot answer that far back.
    BeyondRetention,
    /// Not to be had at all, with the reason.
    Unsupported(String),
}

/// One row of an integration's own, compact and small: what the next run needs so that it costs only what changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Unique in its stream.
    pub key: String,
    /// What it is listed by, such as a customer; empty where it is never listed that way.
    pub group: String,
    /// The integration's own form.
    pub bytes: Vec<u8>,
}

/// A change of a stream's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordChange {
    /// Writes a record over the one with its key.
    Upsert {
        /// The stream.
        stream: String,
        /// The record.
        record: Record,
    },
    /// Removes a record.
    Delete {
        /// The stream.
        stream: String,
        /// The record's key.
        key: String,
    },
    /// Removes all records of a stream.
    Clear {
        /// The stream.
        stream: String,
    },
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer.
    #[must_use]
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    /// Adds a gap.
    #[must_use]
    pub fn gap(mut self, metric_id: &str, scope: Scope, period: Period, why: Why) -> Self {
        self.gaps.push(Gap { metric_id: metric_id.to_owned(), scope, period, why });
        self
    }

    /// Adds a receipt.
    #[must_use]
    pub fn receipt(mut self, receipt: Receipt) -> Self {
        self.receipts.push(receipt);
        self
    }

    /// Writes a record.
    #[must_use]
    pub fn upsert(mut self, stream: &str, record: Record) -> Self {
        self.records.push(RecordChange::Upsert { stream: stream.to_owned(), record });
        self
    }

    /// Removes a record.
    #[must_use]
    pub fn delete(mut self, stream: &str, key: &str) -> Self {
        self.records.push(RecordChange::Delete { stream: stream.to_owned(), key: key.to_owned() });
        self
    }

    /// Removes all records of a stream.
    #[must_use]
    pub fn clear(mut self, stream: &str) -> Self {
        self.records.push(RecordChange::Clear { stream: stream.to_owned() });
        self
    }

    /// Sets a stream's checkpoint.
    #[must_use]
    pub fn checkpoint(mut self, stream: &str, bytes: Vec<u8>) -> Self {
        self.checkpoints.push((stream.to_owned(), Some(bytes)));
        self
    }

    /// Forgets a stream's checkpoint.
    #[must_use]
    pub fn forget_checkpoint(mut self, stream: &str) -> Self {
        self.checkpoints.push((stream.to_owned(), None));
        self
    }
}
