//! The integration against a scripted Google, through the real HTTP layer.

mod account;
mod fetching;
mod quotas;
mod tables;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Method, Response, Uri},
};
use serde_json::{Value as Json, json};

use super::GoogleAnalytics;
use crate::{
    demo::{GOOGLE_READER, authorization::service_account_key},
    integrations::{
        AccountInfo, Context, Error, FetchReport, Integration, Outcome,
        testing::{Recorded, Recorder, context},
    },
    metric::{Day, FailureKind, Interval, Period, Quality, Sample, Value},
};

const NOW: &str = "2026-03-10T12:00:00Z";

/// A request as the script sees it.
struct Call {
    path: String,
    query: String,
    body: Json,
}

impl Call {
    /// The names of a question's columns.
    fn names(&self, of: &str) -> Vec<String> {
        names(&self.body, of)
    }
}

fn names(request: &Json, of: &str) -> Vec<String> {
    let list = request[of].as_array().cloned().unwrap_or_default();
    list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

struct Reply(u16, Json);

impl From<Json> for Reply {
    fn from(body: Json) -> Self {
        Self(200, body)
    }
}

fn refuse(code: u16, status: &str, message: &str) -> Reply {
    Reply(code, json!({ "error": { "code": code, "message": message, "status": status } }))
}

/// Starts a provider that answers by the script, and notes the calls: path, query and body. Tokens it gives to anybody.
async fn provider(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> (SocketAddr, Arc<Mutex<Vec<Call>>>) {
    let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (script, noted) = (Arc::new(script), calls.clone());
    let answer = move |method: Method, uri: Uri, body: Bytes| {
        let (script, noted) = (script.clone(), noted.clone());
        async move {
            assert_eq!(method == Method::POST, !body.is_empty());
            let response = Response::builder().header("content-type", "application/json");
            if uri.path() == "/token" {
                let token = json!({ "access_token": "ya29.scripted", "expires_in": 3599, "token_type": "Bearer" });
                return response.body(Body::from(token.to_string())).unwrap();
            }
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let call = Call { path: uri.path().to_owned(), query: uri.query().unwrap_or_default().to_owned(), body };
            let Reply(status, body) = script(&call);
            noted.lock().unwrap().push(call);
            response.status(status).body(Body::from(body.to_string())).unwrap()
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (address, calls)
}

fn open(address: SocketAddr, settings: Json) -> (Context, Arc<Recorder>) {
    context(&GoogleAnalytics, address, &[("service_account", &service_account_key(GOOGLE_READER))], settings, NOW)
}

async fn try_fetch(
    address: SocketAddr,
    metrics: &[&str],
    period: Period,
    grain: Interval,
) -> (Result<FetchReport, Error>, Recorded) {
    let (mut ctx, recorder) = open(address, json!({ "property": "7" }));
    ctx.grain = grain;
    let metrics: Vec<String> = metrics.iter().map(|id| (*id).to_owned()).collect();
    let report = GoogleAnalytics.fetch_metrics(&ctx, &metrics, period).await;
    (report, recorder.recorded())
}

async fn fetch(address: SocketAddr, metrics: &[&str]) -> (FetchReport, Recorded) {
    let (report, recorded) = try_fetch(address, metrics, period("2026-03-08", "2026-03-10"), Interval::Day).await;
    (report.unwrap(), recorded)
}

async fn test(address: SocketAddr, property: &str) -> Result<AccountInfo, Error> {
    let (ctx, _) = open(address, json!({ "property": property }));
    GoogleAnalytics.test_connection(&ctx).await
}

fn period(first: &str, last: &str) -> Period {
    Period::inclusive(day(first), day(last))
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// The one answer of a metric: its period and its samples by day.
fn answered(recorded: &Recorded, metric: &str) -> (Period, Vec<Sample>) {
    let mut of_metric = recorded.answers.iter().filter(|answer| answer.metric_id == metric);
    let answer = of_metric.next().unwrap_or_else(|| panic!("nothing was answered for {metric}"));
    assert!(of_metric.next().is_none(), "{metric} was answered twice");
    let mut samples = answer.samples.clone();
    samples.sort_by_key(|sample| sample.day);
    (answer.period, samples)
}

fn values(recorded: &Recorded, metric: &str) -> Vec<(String, Option<Value>)> {
    answered(recorded, metric).1.iter().map(|sample| (sample.day.to_string(), sample.value)).collect()
}

/// A report with these columns; each row is what it is of and its figures.
fn report(dimensions: &[String], metrics: &[String], rows: &[(&[&str], &[&str])]) -> Json {
    let named = |names: &[String]| names.iter().map(|name| json!({ "name": name })).collect::<Vec<_>>();
    let cells = |values: &[&str]| values.iter().map(|value| json!({ "value": value })).collect::<Vec<_>>();
    let rows: Vec<Json> = rows
        .iter()
        .map(|(of, figures)| json!({ "dimensionValues": cells(of), "metricValues": cells(figures) }))
        .collect();
    json!({ "dimensionHeaders": named(dimensions), "metricHeaders": named(metrics), "rows": rows,
        "rowCount": rows.len(), "metadata": { "currencyCode": "EUR", "timeZone": "UTC" } })
}

/// The recorded days, whatever is asked of them.
fn days() -> Json {
    serde_json::from_str(include_str!("../fixtures/days.json")).unwrap()
}
