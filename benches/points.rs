//! Writing points in bulk, and how large they are.

use std::time::{Duration, Instant};

use dashtray::{
    metric::{Currency, Day, Interval, Mark, State, Zone},
    store::{
        Claim, ClaimOutcome, ConnectionKey, ConnectionSettings, NewConnection, NewProject, PointRow, Project,
        SealedRow, Store,
    },
};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::process::Figures;

const SERIES: usize = 1000;
/// Points of one transaction: ten series of a hundred days.
const BATCH: usize = 10;

pub(crate) async fn upsert(count: usize) -> Figures {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("points.db");
    let store = Store::open(&format!("sqlite:{}", file.display())).await.unwrap();
    let project = project(&store, "bench").await;
    let claim = connection(&store, &project, "bench").await;
    let mut write = store.write(&claim).await.unwrap();
    let mut series = Vec::with_capacity(SERIES);
    for number in 0..SERIES {
        series.push(write.ensure_series(&format!("bench_{number}"), Interval::Day, "", None, 1).await.unwrap());
    }
    write.commit().await.unwrap();
    let empty = std::fs::metadata(&file).unwrap().len();

    let days = count / SERIES;
    let first = Day::from_number(19_000).unwrap();
    let started = Instant::now();
    for some in series.chunks(BATCH) {
        put(&store, &claim, some, first, days).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    store.close().await;
    let bytes = std::fs::metadata(&file).unwrap().len() - empty;
    let written = (days * SERIES) as f64;
    Figures::from([
        ("per_second".to_owned(), (written / seconds).round()),
        ("bytes_each".to_owned(), (bytes as f64 / written * 10.0).round() / 10.0),
    ])
}

pub(crate) async fn project(store: &Store, slug: &str) -> Project {
    let project = NewProject { slug: slug.to_owned(), zone: "UTC".to_owned(), currency: Currency::USD };
    store.insert_project(&project, Timestamp::now()).await.unwrap()
}

/// A connection of an integration, claimed.
pub(crate) async fn connection(store: &Store, project: &Project, integration_id: &str) -> Claim {
    let connection = store.insert_connection(&new_connection(project, integration_id), Timestamp::now()).await.unwrap();
    claimed(store, connection.key).await
}

/// One that nobody can open, which nobody does.
pub(crate) fn new_connection(project: &Project, integration_id: &str) -> NewConnection {
    let public_id = Uuid::now_v7();
    NewConnection {
        project_id: project.id,
        public_id,
        integration_id: integration_id.to_owned(),
        name: public_id.to_string(),
        account_id: public_id.to_string(),
        account: json!({}),
        settings: ConnectionSettings {
            values: json!({}),
            zone: Zone::utc(),
            currency: Currency::USD,
            history_start: Day::from_number(0).unwrap(),
            sync_interval_minutes: None,
            max_quota_share_permille: 1000,
        },
        due_at: Timestamp::now(),
        credentials: SealedRow { key_id: String::new(), wrapped_key: Vec::new(), body: Vec::new() },
    }
}

pub(crate) async fn claimed(store: &Store, key: ConnectionKey) -> Claim {
    match store.claim(key, "bench", Timestamp::now(), Duration::from_secs(600)).await.unwrap() {
        ClaimOutcome::Claimed(claim) => claim,
        ClaimOutcome::Busy { .. } => panic!("nobody else is here"),
    }
}

/// Writes so many days of some series, in one transaction.
pub(crate) async fn put(store: &Store, claim: &Claim, series: &[i64], first: Day, days: usize) {
    let days = i32::try_from(days).unwrap();
    let rows: Vec<PointRow> = series.iter().flat_map(|id| (0..days).map(move |day| point(*id, first, day))).collect();
    let mut write = store.write(claim).await.unwrap();
    write.upsert_points(&rows).await.unwrap();
    write.commit().await.unwrap();
}

fn point(series_id: i64, first: Day, day: i32) -> PointRow {
    PointRow {
        series_id,
        day: first.plus(day),
        value: Some(i64::from(day * 7919 % 1_000_000)),
        denominator: None,
        mark: Mark::new(State::Value).to_code(),
    }
}
