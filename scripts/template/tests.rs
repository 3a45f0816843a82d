//! What the integration makes of a scripted provider's answers.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::Query,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::get,
};

use super::*;
use crate::{
    integrations::{
        Outcome,
        testing::{Recorder, context},
    },
    metric::{Currency, FailureKind, Money, Value},
};

const ACCOUNT: &str = include_str!("fixtures/account.json");
const USERS: &str = include_str!("fixtures/users.json");
const REVENUE: &str = include_str!("fixtures/revenue.json");

/// Serves the fixtures to who brings the key; the revenue is beyond the permissions of `narrow-key`.
async fn provider() -> SocketAddr {
    let revenue = async |Query(query): Query<Vec<(String, String)>>, headers: HeaderMap| {
        if query != [("start", "2024-01-01T00:00:00Z"), ("end", "2024-02-01T00:00:00Z")].map(owned) {
            return (StatusCode::BAD_REQUEST, "unexpected query").into_response();
        }
        answer(&headers, &["test-key"], REVENUE)
    };
    let router = Router::new()
        .route("/v1/account", get(async |headers: HeaderMap| answer(&headers, &["test-key", "narrow-key"], ACCOUNT)))
        .route("/v1/stats/users", get(async |headers: HeaderMap| answer(&headers, &["test-key", "narrow-key"], USERS)))
        .route("/v1/stats/revenue", get(revenue));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn answer(headers: &HeaderMap, allowed: &[&str], body: &'static str) -> axum::response::Response {
    let key = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match key {
        Some(key) if allowed.contains(&key) => ([("content-type", "application/json")], body).into_response(),
        Some("narrow-key") => (StatusCode::FORBIDDEN, "missing permission").into_response(),
        _ => (StatusCode::UNAUTHORIZED, "unknown key").into_response(),
    }
}

async fn connected(key: &str) -> (Context, Arc<Recorder>) {
    let settings = serde_json::json!({});
    context(&__TYPE__, provider().await, &[("api_key", key)], settings, "2024-01-31T12:00:00Z")
}

fn january() -> Period {
    Period::inclusive("2024-01-01".parse().unwrap(), "2024-01-31".parse().unwrap())
}

async fn fetch(ctx: &Context, metrics: &[&str]) -> FetchReport {
    let ids: Vec<String> = metrics.iter().map(|id| (*id).to_owned()).collect();
    __TYPE__.fetch_metrics(ctx, &ids, january()).await.unwrap()
}

#[test]
fn says_what_it_is() {
    let descriptor = __TYPE__.descriptor();
    assert_eq!(descriptor.id, "__ID__");
    assert_eq!(descriptor.name, "__NAME__");
    assert_eq!(descriptor.category, Category::Analytics);
}

#[tokio::test]
async fn finds_out_whose_key_it_is() {
    let (ctx, _) = connected("test-key").await;
    let account = __TYPE__.test_connection(&ctx).await.unwrap();
    assert_eq!((account.id.as_str(), account.label.as_str()), ("123", "Test"));
}

#[tokio::test]
async fn a_wrong_key_is_unauthorized() {
    let (ctx, _) = connected("fake-key").await;
    assert_eq!(__TYPE__.test_connection(&ctx).await.unwrap_err().kind(), FailureKind::Unauthorized);
    let error = __TYPE__.fetch_metrics(&ctx, &[metrics::USERS.to_owned()], january()).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unauthorized);
}

#[tokio::test]
async fn fetches_the_users_of_today() {
    let (ctx, recorder) = connected("test-key").await;
    let report = fetch(&ctx, &[metrics::USERS]).await;
    assert_eq!(report.outcomes[metrics::USERS], Outcome::Ok);
    let answers = recorder.recorded().answers;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].metric_id, metrics::USERS);
    assert_eq!(answers[0].samples.len(), 1);
    assert_eq!(answers[0].samples[0].day, "2024-01-31".parse().unwrap());
    assert_eq!(answers[0].samples[0].value, Some(Value::Count(1000)));
}

#[tokio::test]
async fn reads_revenue_to_the_cent() {
    let (ctx, recorder) = connected("test-key").await;
    fetch(&ctx, &[metrics::REVENUE]).await;
    let answers = recorder.recorded().answers;
    let cents: Vec<_> = answers[0].samples.iter().map(|sample| sample.value).collect();
    let expected = [1250, 10, 9_007_199_254_740_993].map(|cents| Some(Value::Money(Money::new(cents, Currency::USD))));
    assert_eq!(cents, expected);
    assert_eq!(answers[0].period, january());
}

#[tokio::test]
async fn a_missing_permission_costs_only_its_metric() {
    let (ctx, recorder) = connected("narrow-key").await;
    let report = fetch(&ctx, &[metrics::USERS, metrics::REVENUE, "nonsense"]).await;
    assert_eq!(report.outcomes[metrics::USERS], Outcome::Ok);
    let Outcome::Failed(error) = &report.outcomes[metrics::REVENUE] else { panic!("{report:?}") };
    assert_eq!(error.kind(), FailureKind::Forbidden);
    assert_eq!(report.outcomes["nonsense"], Outcome::Unknown);
    assert_eq!(recorder.recorded().answers.len(), 1);
}
