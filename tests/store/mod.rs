//! The store: one list of functions, each run on SQLite and on PostgreSQL.

mod backup;
mod bad_backups;
mod budgets;
mod connections;
mod dashboards;
mod failures;
mod grants;
mod guesses;
mod nightly;
mod people;
mod queue;
mod reading;
mod retention;
mod schema;
mod users;
mod writing;

use std::time::Duration;

use dashtray::{
    metric::{Currency, Day, Period, Zone},
    store::{
        Claim, ClaimOutcome, Connection, ConnectionSettings, ConnectionState, NewConnection, NewProject, PointRow,
        Project, RecordRow, RunCounts, RunEnd, SealedRow, Store, new_id,
    },
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

const LEASE: Duration = Duration::from_secs(60);
/// The master key that everything is sealed with.
const KEY: &str = "0a1b2c3d";

/// So many seconds into the test.
fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn march() -> Period {
    Period::new(day("2026-03-01"), day("2026-04-01"))
}

fn sealed(byte: u8) -> SealedRow {
    SealedRow { key_id: KEY.into(), wrapped_key: vec![byte; 60], body: vec![byte, 0, 255] }
}

async fn project(store: &Store, slug: &str) -> Project {
    let new = NewProject { slug: slug.into(), zone: "Europe/Berlin".into(), currency: currency("EUR") };
    store.insert_project(&new, at(0)).await.unwrap()
}

fn new_connection(project: &Project, name: &str) -> NewConnection {
    NewConnection {
        project_id: project.id,
        public_id: new_id(at(0)),
        integration_id: "stripe".into(),
        name: name.into(),
        account_id: format!("account of {name}"),
        account: json!({"label": name, "info": {"z": 1, "a": 2}}),
        settings: ConnectionSettings {
            values: json!({"discounts": "none"}),
            zone: Zone::utc(),
            currency: Currency::USD,
            history_start: day("2025-12-01"),
            sync_interval_minutes: None,
            max_quota_share_permille: 1000,
        },
        due_at: at(0),
        credentials: sealed(1),
    }
}

/// A project with one connection, and a claim on it.
async fn claimed(store: &Store) -> (Connection, Claim) {
    let connection = match store.project("default").await.unwrap() {
        Some(project) => store.connections(project.id).await.unwrap().remove(0),
        None => {
            let project = project(store, "default").await;
            store.insert_connection(&new_connection(&project, "main"), at(0)).await.unwrap()
        }
    };
    let claim = claim(store, &connection, "one", at(0)).await;
    (connection, claim)
}

async fn claim(store: &Store, connection: &Connection, owner: &str, now: Timestamp) -> Claim {
    match store.claim(connection.key, owner, now, LEASE).await.unwrap() {
        ClaimOutcome::Claimed(claim) => claim,
        busy => panic!("{busy:?}"),
    }
}

fn state(name: &str, due_at: Timestamp) -> ConnectionState {
    ConnectionState { state: name.into(), reason: None, until: None, failures: 0, due_at, last_synced_at: Some(at(5)) }
}

fn run_end(run_id: Uuid, status: &str, due_at: Timestamp) -> RunEnd {
    RunEnd {
        run_id,
        status: status.into(),
        counts: RunCounts { requests: 7, bytes: 8, waited_ms: 9, samples_written: 10 },
        retry_at: None,
        error: None,
        metrics: json!([{"metric_id": "stripe_mrr", "outcome": "ok", "error": null}]),
        corrections: Some(json!([{"stream": "subscriptions", "count": 2, "message": "2 differed"}])),
        connection: state("ok", due_at),
    }
}

fn point(series_id: i64, date: &str, value: i64) -> PointRow {
    PointRow { series_id, day: day(date), value: Some(value), denominator: None, mark: 0 }
}

fn record(key: &str, group: &str) -> RecordRow {
    RecordRow { key: key.into(), group: group.into(), bytes: key.as_bytes().to_vec() }
}
