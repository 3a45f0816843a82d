//! The emulated Plausible refuses what the real one refuses, and tells what happened.

use serde_json::{Value, json};

use super::{
    super::{PLAUSIBLE_KEY, PLAUSIBLE_KEY_WITHOUT_PLAN, PLAUSIBLE_SITE, PlausibleKey, PlausibleServer, company},
    COMPANY, Options,
    client::{self, Answer},
    start,
};
use crate::metric::{Day, Interval, Period};

async fn ask(url: &str, key: &str, body: &Value) -> Answer {
    client::post(url, "/api/v2/query", &[("authorization", &format!("Bearer {key}"))], &body.to_string()).await
}

async fn get(url: &str, path: &str) -> Answer {
    client::get(url, path, &[("authorization", &format!("Bearer {PLAUSIBLE_KEY}"))]).await
}

/// A question with these fields in place of the usual ones.
fn question(fields: Value) -> Value {
    let mut body =
        json!({ "site_id": PLAUSIBLE_SITE, "metrics": ["visitors"], "date_range": ["2026-03-01", "2026-03-31"] });
    for (key, value) in fields.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

fn march() -> Period {
    Interval::Month.bucket("2026-03-01".parse().unwrap())
}

#[tokio::test]
async fn a_wrong_question_is_refused_with_a_sentence() {
    let emulators = start(Options::default()).await;
    let url = emulators.url("plausible");
    for (fields, said) in [
        (json!({ "metrics": ["visitors", "clicks"] }), "Invalid metric"),
        (json!({ "metrics": [] }), "minimum of 1"),
        (json!({ "metrics": null }), "Expected a list"),
        (json!({ "limit": 5 }), "additional properties"),
        (json!({ "date_range": ["2026-03-31", "2026-03-01"] }), "Invalid date range"),
        (json!({ "date_range": "lately" }), "Invalid date range"),
        (json!({ "dimensions": ["event:mood"] }), "Invalid dimension"),
        (json!({ "metrics": ["bounce_rate"], "dimensions": ["event:goal"] }), "Session metric(s) `bounce_rate`"),
        (json!({ "metrics": ["views_per_visit"], "dimensions": ["event:page"] }), "cannot be queried"),
        (json!({ "metrics": ["conversion_rate"] }), "event:goal"),
        (json!({ "metrics": ["total_revenue"], "dimensions": ["visit:source"] }), "event:goal"),
        (json!({ "filters": [["is", "event:goal", ["Nothing"]]] }), "`Nothing` is not configured"),
        (json!({ "filters": [["like", "event:page", ["/"]]] }), "Invalid filter"),
        (json!({ "include": { "time_labels": true } }), "requires a time dimension"),
        (json!({ "order_by": [["events", "asc"]] }), "Invalid order_by"),
        (json!({ "pagination": { "limit": 10_001 } }), "limit is from 1"),
    ] {
        let answer = ask(&url, PLAUSIBLE_KEY, &question(fields.clone())).await;
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && error.contains(said), "{fields}: {} {error}", answer.status);
    }
    let missing = ask(&url, PLAUSIBLE_KEY, &json!({ "metrics": ["visitors"], "date_range": "day" })).await;
    assert!(missing.status == 400 && missing.body.contains("Missing site ID"));
}

#[tokio::test]
async fn who_may_not_ask_is_refused_and_a_wrong_key_like_a_site_without_access() {
    let other = "OtherTeamNotARealKey";
    let keys = vec![
        PlausibleKey::full(PLAUSIBLE_KEY),
        PlausibleKey::full(PLAUSIBLE_KEY_WITHOUT_PLAN).without_plan(),
        PlausibleKey::full(other).without_access(PLAUSIBLE_SITE).without_sites(),
    ];
    let emulators = start(Options { plausible_keys: keys, ..Options::default() }).await;
    let url = emulators.url("plausible");
    let wrong = ask(&url, "wrong", &question(json!({}))).await;
    let elsewhere = ask(&url, PLAUSIBLE_KEY, &question(json!({ "site_id": "elsewhere.example" }))).await;
    let hidden = ask(&url, other, &question(json!({}))).await;
    assert_eq!((wrong.status, elsewhere.status, hidden.status), (401, 401, 401));
    assert!(wrong.body == elsewhere.body && wrong.body == hidden.body);
    assert_eq!(ask(&url, PLAUSIBLE_KEY_WITHOUT_PLAN, &question(json!({}))).await.status, 402);
    assert_eq!(client::get(&url, "/api/v1/sites", &[("authorization", &format!("Bearer {other}"))]).await.status, 402);
    for request in 0..600 {
        let answer = get(&url, &format!("/api/v1/stats/realtime/visitors?site_id={PLAUSIBLE_SITE}")).await;
        assert_eq!(answer.status, if request < 599 { 200 } else { 429 }, "{request}");
    }
    emulators.wait(tokio::time::Duration::from_secs(3600));
    assert_eq!(ask(&url, PLAUSIBLE_KEY, &question(json!({}))).await.status, 200);
}

#[tokio::test]
async fn rows_are_positional_and_days_without_anything_are_left_out() {
    let emulators = start(Options::default()).await;
    let url = emulators.url("plausible");
    let (web, zone) = (COMPANY.web(), company::SITE_ZONE.parse().unwrap());
    let fields = json!({ "metrics": ["visits", "bounce_rate"], "dimensions": ["time:day"], "date_range": ["2025-12-01", "2026-03-31"],
        "include": { "time_labels": true, "total_rows": true } });
    let body = ask(&url, PLAUSIBLE_KEY, &question(fields)).await.json();
    let days = Period::inclusive("2025-12-01".parse().unwrap(), "2026-03-31".parse().unwrap());
    assert_eq!(body["meta"]["time_labels"].as_array().unwrap().len(), days.len());
    let rows = body["results"].as_array().unwrap();
    assert!(rows.len() < days.len(), "the counter was down, on whole days");
    assert_eq!(body["meta"]["total_rows"], rows.len());
    for row in rows {
        let day: Day = row["dimensions"][0].as_str().unwrap().parse().unwrap();
        let tally = company::tally(web.period(Period::single(day), &zone));
        let rate = (200 * tally.bounces + tally.visits) / (2 * tally.visits);
        assert_eq!(row["metrics"], json!([tally.visits, rate]), "{day}");
    }
    let told = &body["query"]["date_range"];
    assert_eq!(told, &json!(["2025-12-01T00:00:00+01:00", "2026-03-31T23:59:59+02:00"]));
}

#[tokio::test]
async fn pages_of_rows_go_on_where_the_one_before_ended() {
    let emulators = start(Options::default()).await;
    let url = emulators.url("plausible");
    let page = |offset: usize| {
        json!({ "dimensions": ["time:day", "event:page"], "metrics": ["pageviews"], "include": { "total_rows": true },
            "order_by": [["time:day", "asc"], ["event:page", "asc"]], "pagination": { "limit": 100, "offset": offset } })
    };
    let (mut rows, mut total) = (Vec::new(), 1);
    while rows.len() < total {
        let body = ask(&url, PLAUSIBLE_KEY, &question(page(rows.len()))).await.json();
        total = body["meta"]["total_rows"].as_u64().unwrap() as usize;
        rows.extend(body["results"].as_array().unwrap().clone());
    }
    let views: i64 = rows.iter().map(|row| row["metrics"][0].as_i64().unwrap()).sum();
    let zone = company::SITE_ZONE.parse().unwrap();
    assert_eq!(views, company::tally(COMPANY.web().period(march(), &zone)).pageviews);
    assert!(rows.is_sorted_by_key(|row| row["dimensions"].to_string()));
}

#[tokio::test]
async fn goals_have_rates_of_everybody_and_money_in_units() {
    let emulators = start(Options::default()).await;
    let url = emulators.url("plausible");
    let fields =
        json!({ "dimensions": ["event:goal"], "metrics": ["visitors", "events", "conversion_rate", "total_revenue"] });
    let body = ask(&url, PLAUSIBLE_KEY, &question(fields)).await.json();
    let zone = company::SITE_ZONE.parse().unwrap();
    let visits = COMPANY.web().period(march(), &zone);
    let (all, goals) = (company::tally(visits), company::tally_by(visits, |_, hit| hit.goal));
    let row = |name: &str| {
        body["results"].as_array().unwrap().iter().find(|row| row["dimensions"][0] == name).unwrap()["metrics"].clone()
    };
    let bought = &goals[company::PURCHASE];
    let purchase = row(company::PURCHASE);
    assert_eq!(purchase[1], bought.goals);
    let rate = (20_000 * bought.visitors() + all.visitors()) / (2 * all.visitors());
    assert_eq!(purchase[2].as_f64().unwrap(), rate as f64 / 100.0);
    assert_eq!(purchase[3]["value"].as_f64().unwrap(), bought.revenue as f64 / 100.0);
    assert_eq!((&purchase[3]["currency"], row(company::DOWNLOAD)[3].is_null()), (&json!("USD"), true));
}

#[tokio::test]
async fn the_old_api_tells_empty_days_and_knows_its_parameters() {
    let server =
        PlausibleServer { base: "/stats".to_owned(), only_v1: true, interval: false, ..PlausibleServer::default() };
    let emulators = start(Options { plausible: server, ..Options::default() }).await;
    let url = emulators.url("plausible");
    assert_eq!(client::post(&url, "/stats/api/v2/query", &[("authorization", "Bearer x")], "{}").await.status, 404);
    assert_eq!(get(&url, "/api/v1/sites").await.status, 404, "it is installed under a path");
    let series = |more: &str| {
        format!(
            "/stats/api/v1/stats/timeseries?site_id={PLAUSIBLE_SITE}&period=custom&date=2025-12-01,2026-03-31&metrics=visits{more}"
        )
    };
    let days = get(&url, &series("")).await.json()["results"].as_array().unwrap().clone();
    assert_eq!(days.len(), 121);
    assert!(days.iter().any(|day| day["visits"] == 0));
    assert_eq!(get(&url, &series("&interval=day")).await.status, 400);
    assert_eq!(get(&url, &series("&colour=red")).await.status, 400);
    let now = get(&url, &format!("/stats/api/v1/stats/realtime/visitors?site_id={PLAUSIBLE_SITE}")).await;
    assert!(now.body.parse::<u32>().is_ok(), "{}", now.body);
}
