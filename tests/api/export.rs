//! All points, and a page of them at a time.

use dashtray::{
    custom::{self, Batch},
    integrations::Registry,
    store::Scope,
};
use serde_json::{Value as Json, json};

use super::program::Program;
use crate::support::site::Site;

/// A project with two metrics of so many values of a dimension and days.
pub(super) async fn filled(site: &Site, parts: i64, days: i64) {
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let now = site.app.users.now();
    for part in 0..parts {
        let entry = |days: i64| {
            let date = (now - jiff::SignedDuration::from_hours(24 * days)).to_string()[..10].to_owned();
            json!({"metric_id": format!("m{}", part % 2), "value": format!("{part}.{days}1"), "date": date,
                "dimension": format!("part, \"{part}\"")})
        };
        let batch = json!({"metrics": (0..days).map(entry).collect::<Vec<_>>()});
        let batch: Batch = serde_json::from_str(&batch.to_string()).unwrap();
        custom::push(&site.app.store, &Registry::builtin(), &project, &batch, now).await.unwrap();
    }
}

fn entries(json: &Json) -> Vec<Json> {
    json["data"]["points"].as_array().unwrap_or_else(|| panic!("{json}")).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn csv_json_and_pages_hold_the_same_points() {
    let site = Site::start().await;
    let program = Program::with_key(&site, Scope::Read).await;
    // Forty values of a dimension over four hundred days: several pieces of a walk.
    filled(&site, 40, 400).await;
    let all = entries(&program.get("/api/v1/export").await.json);
    let valued: Vec<&Json> = all.iter().filter(|row| !row["value"].is_null()).collect();
    assert_eq!(valued.len(), 40 * 400);
    assert!(all.iter().filter(|row| row["value"].is_null()).all(|row| row["state"] == "pending"));
    assert_eq!(all.len(), 40 * 400 + 2 * 400, "and the days of which no total was pushed");
    let mut buckets: Vec<String> =
        all.iter().map(|row| format!("{} {} {}", row["metric_id"], row["dimension"], row["date"])).collect();
    buckets.sort();
    buckets.dedup();
    assert_eq!(buckets.len(), all.len(), "none is there twice");

    let csv = program.get("/api/v1/export?format=csv").await.answer.body;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), all.len() + 1);
    assert!(lines[0].starts_with("date,metric_id,connection_id,dimension,"));
    assert!(csv.contains("\"part, \"\"7\"\"\""), "quoted as RFC 4180 has it");

    let today = site.app.users.now().to_string()[..10].to_owned();
    let first = "/api/v1/metrics?metric_id=m1&dimension=*&limit=1000&start_date=2020-01-01";
    let (mut walked, mut path) = (Vec::new(), first.to_owned());
    loop {
        let told = program.get(&path).await.json;
        walked.extend(entries(&told));
        let Some(cursor) = told["next_cursor"].as_str() else { break };
        path = format!("{first}&cursor={cursor}");
    }
    let of_m1: Vec<Json> = all.iter().filter(|row| row["metric_id"] == "m1").cloned().collect();
    assert_eq!(walked, of_m1, "page by page in the same order");
    let some = entries(&program.get(&format!("{first}&offset=4000")).await.json);
    assert_eq!(some, of_m1[4000..5000]);
    let day =
        entries(&program.get(&format!("/api/v1/export?metric_id=m0&start_date={today}&end_date={today}")).await.json);
    assert_eq!(day.len(), 21, "one day of one metric");
    let totals = entries(&program.get("/api/v1/metrics").await.json);
    assert_eq!(totals.len(), 60, "thirty days of the totals of two metrics");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_a_document_also_where_there_is_nothing() {
    let site = Site::start().await;
    let program = Program::with_key(&site, Scope::Read).await;
    filled(&site, 2, 20).await;
    let whole = program.get("/api/v1/export").await;
    assert!(whole.answer.body.ends_with("]}}\n") && !whole.json.is_null());
    assert!(whole.answer.header("content-disposition").contains("dashtray.json"));
    let empty = program.get("/api/v1/export?start_date=2001-01-01&end_date=2001-01-02").await;
    assert_eq!(empty.json, json!({"data": {"points": []}}));
}
