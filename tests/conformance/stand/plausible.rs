//! Plausible's stand: the site of the simulated company, and a site that nobody visits.

use std::sync::Arc;

use dashtray::{
    demo::{Options, PLAUSIBLE_SITE, PlausibleKey},
    integrations::plausible::Plausible,
    metric::{Day, Period},
};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::{
    Account, Drift, Endpoint, List, Optional, Provider, Stand, emulate, field, nobody, now,
    numbers::{Form, Happenings, Taken, Takings, answering, by_day},
    run,
};
use crate::conformance::front::{Asked, Reply};

const KEY: &str = "Qx7CanaryPlausible9fTz4Wm2Lk8";
const WRONG: &str = "Qx7WrongPlausible9fTz4Wm2Lk8x";

pub(crate) fn stand() -> Stand {
    Stand {
        integration: Arc::new(Plausible),
        now: now(),
        settings: Map::from_iter([("site_id".to_owned(), json!(PLAUSIBLE_SITE))]),
        valid: field("api_key", KEY),
        fake: field("api_key", WRONG),
        // A key of Plausible's has no scopes: it sees a site or does not.
        without: Vec::new(),
        start,
        endpoint: Endpoint { is: |path| path.ends_with("/realtime/visitors"), feeds: &["plausible_current_visitors"] },
        lists: vec![List {
            name: "rows",
            is: |path| path.ends_with("/query"),
            size: "pagination.limit",
            cursor: "pagination.offset",
            entries: "/results",
            empty,
            total: Some("/meta/total_rows"),
            gone: None,
        }],
        throttles: vec![Reply::json(429, r#"{"error":"Too many API requests. The limit is 600 per hour."}"#)],
        optional: &[Optional {
            drift: Drift::Null,
            endpoint: "/api/v2/query",
            path: "/results/*/metrics/*",
            _why: "the money of a goal without any; counts are refused",
        }],
        happenings: Happenings { metric: "plausible_events", start: visiting },
        takings: Some(Takings { form: Form::Units, metric: "plausible_revenue", mixes: true, start: taking }),
        switches: None,
    }
}

fn start(account: Account) -> BoxFuture<'static, Provider> {
    let options = Options { plausible_keys: vec![PlausibleKey::full(KEY)], ..Options::default() };
    Box::pin(emulate("plausible", account, nobody, options))
}

/// A site of which nothing is told but what is made here: rows of days, for a question that asks for a
/// figure by these dimensions.
fn telling(
    dimensions: &'static [&'static str],
    figure: &'static str,
    row: impl Fn(Day) -> Vec<Json> + Send + Sync + 'static,
) -> BoxFuture<'static, Provider> {
    let tell = move |asked: &Asked| {
        let by = asked.param("dimensions").and_then(|text| serde_json::from_str::<Vec<String>>(&text).ok())?;
        let range = asked.param("date_range").and_then(|text| serde_json::from_str::<[Day; 2]>(&text).ok())?;
        let days: Vec<Day> = Period::inclusive(range[0], range[1]).days().collect();
        let results: Vec<Json> = days.iter().flat_map(|day| row(*day)).collect();
        let meta = json!({ "time_labels": days, "total_rows": results.len() });
        // Numbers of many digits would become floats on their way to the text.
        let text = json!({ "results": results, "meta": meta }).to_string();
        let is_asked = by == dimensions && asked.param("metrics").is_some_and(|text| text.contains(figure));
        is_asked.then(|| text.replace("\"#", "").replace("#\"", ""))
    };
    let options = Options { plausible_keys: vec![PlausibleKey::full(KEY)], ..Options::default() };
    Box::pin(async move { answering(run("plausible", nobody(), options).await, tell).await })
}

/// Events, each a visit of its own.
fn visiting(at: Vec<Timestamp>, zone: &'static str) -> BoxFuture<'static, Provider> {
    let days = by_day(&at, zone);
    telling(&["time:day"], "events", move |day| {
        let row = |n: &i64| json!({ "metrics": [n, n, n, 1.0, 0, 0, n], "dimensions": [day] });
        days.get(&day).map(row).into_iter().collect()
    })
}

/// Goals that were worth something, each amount one of its own.
fn taking(takings: Vec<Taken>) -> BoxFuture<'static, Provider> {
    telling(&["time:day", "event:goal"], "total_revenue", move |day| {
        let of_day = takings.iter().enumerate().filter(|(_, taken)| taken.day == day);
        let row = |(number, taken): (usize, &Taken)| {
            let value = format!("#{}#", taken.written);
            let worth = json!({ "value": value, "currency": taken.currency, "short": "", "long": "" });
            json!({ "metrics": [worth], "dimensions": [day, format!("Goal {number}")] })
        };
        of_day.map(row).collect()
    })
}

/// Pages go on by the number of rows, so that a page without rows leads to itself.
fn empty(page: &mut Reply, _asked: &str) {
    let mut body: Json = serde_json::from_slice(&page.body).unwrap_or_default();
    body["results"] = json!([]);
    page.body = body.to_string().into_bytes();
}
