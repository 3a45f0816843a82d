//! What a fetch says about each metric.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Descriptor, Error};

/// How one metric fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was read; the values are committed.
    Ok,
    /// It was not, or only in part.
    Failed(Error),
    /// The plan or a permission does not include it.
    Unsupported(String),
    /// There is no such metric.
    Unknown,
}

/// An outcome for every requested metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchReport {
    /// By metric id.
    pub outcomes: BTreeMap<String, Outcome>,
    /// What was compared with the provider, found different from what was kept, and put right.
    pub corrections: Vec<Correction>,
}

/// Things of one stream that were kept differently from what the provider has, and were corrected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// Which stream.
    pub stream: String,
    /// How many things differed.
    pub count: u64,
    /// The same in words: "2 subscriptions differed and were corrected".
    pub message: String,
}

impl FetchReport {
    /// A report in which the ids that the descriptor does not know are `Unknown` and the rest is open.
    pub fn new(descriptor: &Descriptor, requested: &[String]) -> Self {
        let unknown = requested.iter().filter(|id| descriptor.metric(id).is_none());
        let outcomes = unknown.map(|id| (id.clone(), Outcome::Unknown)).collect();
        Self { outcomes, corrections: Vec::new() }
    }

    /// Notes how the metrics that one call feeds have fared. If the call failed, exactly they fail. An error that
    /// concerns the whole connection is handed back, so that `?` ends the fetch there.
    pub fn record(&mut self, metrics: &[&str], result: Result<(), Error>) -> Result<(), Error> {
        let outcome = match result {
            Ok(()) => Outcome::Ok,
            Err(error) if error.is_connection_wide() => return Err(error),
            Err(error) => Outcome::Failed(error),
        };
        for id in metrics {
            self.set(id, outcome.clone());
        }
        Ok(())
    }

    /// Notes one metric's outcome.
    pub fn set(&mut self, metric_id: &str, outcome: Outcome) {
        self.outcomes.insert(metric_id.to_owned(), outcome);
    }
}
