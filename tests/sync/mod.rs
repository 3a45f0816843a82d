//! Runs from claim to release, over a real store, on both databases.

mod bad;
mod crash;
mod history;
mod keys;
mod periods;
mod runs;

use std::sync::Arc;

use dashtray::{
    integrations::Integration,
    series::PointView,
    sync::{OutcomeWord, RunView},
};
use jiff::Timestamp;

use crate::support::{
    app::Process,
    database::Database,
    fake::{Fake, Script},
};

const NOW: &str = "2026-03-31T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn fake(script: &Arc<Script>) -> Vec<Arc<dyn Integration>> {
    vec![Arc::new(Fake(script.clone()))]
}

/// A process with one connection named `main`.
async fn connected(db: &Database, script: &Arc<Script>) -> Process {
    let process = Process::start(db, fake(script), NOW).await;
    process.connect("fake", "main", serde_json::json!({})).await;
    process
}

fn outcome(run: &RunView, metric_id: &str) -> OutcomeWord {
    run.metrics.iter().find(|metric| metric.metric_id == metric_id).unwrap().outcome
}

async fn points(process: &Process, metric_id: &str) -> Vec<PointView> {
    process.series(metric_id, now()).await.remove(0).points
}

/// All that people can see of the fake's numbers.
async fn everything(process: &Process) -> Vec<String> {
    let mut lines = Vec::new();
    for metric in ["fake_events", "fake_users", "fake_total"] {
        for point in points(process, metric).await {
            lines.push(format!("{metric} {} {:?} {}", point.date, point.value, point.state.name()));
        }
    }
    lines
}
