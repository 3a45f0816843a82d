//! Scheduler, workers and runs.

mod view;

pub use view::{MetricOutcomeView, OutcomeWord, RunStatus, RunView};
