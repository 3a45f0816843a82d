//! Writing points in bulk, and how large they are.

use std::time::{Duration, Instant};

use dashtray::{
    metric::{Currency, Day, Mark, State},
    store::{ClaimOutcome, ConnectionSettings, NewConnection, NewProject, PointRow, SealedRow, Store},
};
use jiff::Timestamp;

use crate::process::Figures;

const SERIES: usize = 1000;
/// Points of one transaction: ten series of a hundred days.
const BATCH: usize = 10;

pub(crate) async fn upsert(count: usize) -> Figures {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("points.db");
    let store = Store::open(&format!("sqlite:{}", file.display())).await.unwrap();
    let now = Timestamp::now();
    let project = NewProject { slug: "bench".into(), zone: "UTC".into(), currency: Currency::USD };
    let project = store.insert_project(&project, now).await.unwrap();
    let new = NewConnection {
        project_id: project.id,
        public_id: uuid::Uuid::now_v7(),
        integration_id: "bench".into(),
        name: "bench".into(),
        account_id: "bench".into(),
        account: serde_json::json!({}),
        settings: ConnectionSettings {
            values: serde_json::json!({}),
            zone: "UTC".into(),
            currency: Currency::USD,
            history_start: Day::from_number(0).unwrap(),
            sync_interval_minutes: None,
            max_quota_share_permille: 1000,
        },
        due_at: now,
        credentials: SealedRow { key_id: String::new(), wrapped_key: Vec::new(), body: Vec::new() },
    };
    let connection = store.insert_connection(&new, now).await.unwrap();
    let ClaimOutcome::Claimed(claim) =
        store.claim(connection.key, "bench", now, Duration::from_secs(600)).await.unwrap()
    else {
        panic!("nobody else is here");
    };
    let mut write = store.write(&claim).await.unwrap();
    let mut series = Vec::with_capacity(SERIES);
    for number in 0..SERIES {
        series.push(write.ensure_series(&format!("bench_{number}"), "", None, 1).await.unwrap());
    }
    write.commit().await.unwrap();
    let empty = std::fs::metadata(&file).unwrap().len();

    let days = count / SERIES;
    let started = Instant::now();
    for some in series.chunks(BATCH) {
        let rows: Vec<PointRow> = some.iter().flat_map(|id| (0..days).map(move |day| point(*id, day))).collect();
        let mut write = store.write(&claim).await.unwrap();
        write.upsert_points(&rows).await.unwrap();
        write.commit().await.unwrap();
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

fn point(series_id: i64, day: usize) -> PointRow {
    let value = i64::try_from(day * 7919 % 1_000_000).unwrap();
    PointRow {
        series_id,
        day: Day::from_number(i32::try_from(19_000 + day).unwrap()).unwrap(),
        value: Some(value),
        denominator: None,
        mark: Mark::new(State::Value).to_code(),
    }
}
