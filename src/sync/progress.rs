//! How far a run is, noted in the database for those who watch, in this process or another. Nothing depends on it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde_json::json;

use super::host::Tally;
use crate::{
    http::{Counters, Http},
    store::{Claim, RunCounts, Store},
};

/// How often a run says what it did, if it did something.
const TOLD: Duration = Duration::from_secs(1);

/// The step under way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Steps that are done.
    pub(super) done: u64,
    /// Steps there are.
    pub(super) total: u64,
    /// What is being read.
    pub(super) label: String,
}

/// Notes how far a run is.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) store: &'a Store,
    pub(super) claim: &'a Claim,
    pub(super) tally: &'a Mutex<Tally>,
}

impl Teller<'_> {
    /// Never ends: to be dropped with the run. `http` gives the run's way to the provider once it is open.
    pub(super) async fn follow(self, http: impl Fn() -> Option<Http>) {
        let mut told = (Step::default(), RunCounts::default());
        loop {
            tokio::time::sleep(TOLD).await;
            let Some(http) = http() else { continue };
            let standing = self.standing(http.counters());
            if standing != told {
                self.note(&standing).await;
                told = standing;
            }
        }
    }

    /// Notes that a step begins.
    pub(super) async fn begin(self, step: Step, http: &Http) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).step = step;
        self.note(&self.standing(http.counters())).await;
    }

    fn standing(self, counters: Counters) -> (Step, RunCounts) {
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        (tally.step.clone(), counts(counters, &tally))
    }

    async fn note(self, (step, counts): &(Step, RunCounts)) {
        let progress = json!({ "done": step.done, "total": step.total, "label": step.label });
        if let Err(error) = self.store.set_progress(self.claim, &progress, *counts).await {
            tracing::debug!(%error, "progress could not be noted");
        }
    }
}

/// What a run did, as it is stored.
pub(super) fn counts(counters: Counters, tally: &Tally) -> RunCounts {
    let stored = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    RunCounts {
        requests: stored(counters.requests),
        bytes: stored(counters.bytes),
        waited_ms: stored(counters.waited_ms),
        samples_written: stored(tally.samples_written),
    }
}
