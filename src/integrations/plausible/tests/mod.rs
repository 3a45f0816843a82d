//! The integration against a scripted Plausible, through the real HTTP layer.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::to_bytes, extract::Request, http::Response};
use serde_json::{Value as Json, json};

use super::{Plausible, metrics};
use crate::{
    integrations::{
        Context, Error, FetchReport, Integration, Outcome,
        testing::{Recorded, Recorder, context},
    },
    metric::{Answer, Day, FailureKind, Interval, Period, Scope, Value},
};

const NOW: &str = "2026-03-04T12:00:00Z";
const DAYS: &str = include_str!("../fixtures/days.json");
const GOALS: &str = include_str!("../fixtures/goals.json");

/// A request: method and path, the query, and the body.
struct Call {
    line: String,
    query: String,
    body: Json,
}

type Reply = (u16, &'static str, String);

fn answer(body: &str) -> Reply {
    (200, "application/json", body.to_owned())
}

fn refuse(status: u16, error: &str) -> Reply {
    (status, "application/json", json!({ "error": error }).to_string())
}

/// Starts a provider that answers by the script, and notes the bodies.
async fn provider(script: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> (SocketAddr, Arc<Mutex<Vec<Json>>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (script, noted) = (Arc::new(script), calls.clone());
    let serve = move |request: Request| {
        let (script, noted) = (script.clone(), noted.clone());
        async move {
            let line = format!("{} {}", request.method(), request.uri().path());
            let query = request.uri().query().unwrap_or_default().to_owned();
            let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
            let call = Call { line, query, body: serde_json::from_slice(&body).unwrap_or_default() };
            noted.lock().unwrap().push(call.body.clone());
            let (status, content, body) = script(&call);
            Response::builder()
                .status(status)
                .header("content-type", content)
                .body(axum::body::Body::from(body))
                .unwrap()
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(serve)).await });
    (address, calls)
}

fn connected(provider: SocketAddr, settings: Json) -> (Context, Arc<Recorder>) {
    context(&Plausible, provider, &[("api_key", "NotARealKeyOfPlausible")], settings, NOW)
}

fn site() -> Json {
    json!({ "site_id": "fern.example" })
}

fn days(first: &str, last: &str) -> Period {
    Period::inclusive(first.parse().unwrap(), last.parse().unwrap())
}

async fn fetch(ctx: &Context, metrics: &[&str], period: Period) -> Result<FetchReport, Error> {
    let metrics: Vec<String> = metrics.iter().map(|id| (*id).to_owned()).collect();
    Plausible.fetch_metrics(ctx, &metrics, period).await
}

fn one<'a>(recorded: &'a Recorded, metric: &str, scope: &Scope) -> &'a Answer {
    recorded.answers.iter().find(|answer| answer.metric_id == metric && answer.scope == *scope).unwrap()
}

fn values(answer: &Answer) -> Vec<(String, Option<String>, Option<Value>)> {
    let samples = answer.samples.iter();
    samples.map(|sample| (sample.day.to_string(), sample.dimension.clone(), sample.value)).collect()
}

fn failure(report: &FetchReport, metric: &str) -> Error {
    match &report.outcomes[metric] {
        Outcome::Failed(error) => error.clone(),
        other => panic!("{metric} is {other:?}"),
    }
}

#[tokio::test]
async fn one_question_with_explicit_dates_feeds_all_metrics_of_the_site() {
    let (address, calls) = provider(|_| answer(DAYS)).await;
    let (ctx, recorder) = connected(address, site());
    let all: Vec<&str> = metrics::Reading::Days.rows().map(|row| row.id).collect();
    let report = fetch(&ctx, &all, days("2026-03-01", "2026-03-04")).await.unwrap();
    assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{report:?}");
    let asked = calls.lock().unwrap().clone();
    let [body] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!(body["date_range"], json!(["2026-03-01", "2026-03-04"]));
    assert_eq!(body["include"], json!({ "time_labels": true, "total_rows": true }));
    assert_eq!(body["pagination"], json!({ "limit": 10_000 }));
    let recorded = recorder.recorded();
    let of = |metric: &str| values(one(&recorded, metric, &Scope::Total));
    let (first, second) = ("2026-03-02".to_owned(), "2026-03-04".to_owned());
    let expected = |a: Option<Value>, b: Option<Value>| vec![(first.clone(), None, a), (second.clone(), None, b)];
    let count = |number| Some(Value::Count(number));
    assert_eq!(of(metrics::VISITORS), expected(count(120), count(80)));
    assert_eq!(of(metrics::EVENTS), expected(count(352), count(180)));
    assert_eq!(of(metrics::VIEWS_PER_VISIT), expected(Value::ratio(330, 150), Value::ratio(180, 90)));
    assert_eq!(of(metrics::BOUNCE_RATE), expected(Value::ratio(53, 100), Value::ratio(3, 5)));
    assert_eq!(of(metrics::VISIT_DURATION), expected(Some(Value::Millis(95_000)), Some(Value::Millis(61_000))));
    assert_eq!(one(&recorded, metrics::VISITS, &Scope::Total).period, days("2026-03-01", "2026-03-04"));
}

#[tokio::test]
async fn a_week_and_a_month_are_asked_for_as_such_and_end_with_today() {
    let week = json!({ "results": [{ "metrics": [300, 400, 800, 2.0, 50, 70, 900], "dimensions": ["2026-03-02"] }],
        "meta": { "time_labels": ["2026-03-02"], "total_rows": 1 } });
    let (address, calls) = provider(move |_| answer(&week.to_string())).await;
    let (mut ctx, recorder) = connected(address, site());
    ctx.grain = Interval::Week;
    let whole = days("2026-03-02", "2026-03-08");
    let report = fetch(&ctx, &[metrics::VISITORS, metrics::BOUNCE_RATE], whole).await.unwrap();
    assert_eq!(report.outcomes[metrics::VISITORS], Outcome::Ok);
    let body = calls.lock().unwrap()[0].clone();
    assert_eq!(
        (&body["dimensions"], &body["date_range"]),
        (&json!(["time:week"]), &json!(["2026-03-02", "2026-03-04"]))
    );
    let recorded = recorder.recorded();
    let visitors = one(&recorded, metrics::VISITORS, &Scope::Total);
    assert_eq!((visitors.period, visitors.samples.len()), (whole, 1));
    assert_eq!(recorded.answers.len(), 2, "only what was asked for");
    assert!(recorded.checkpoints.is_empty(), "of weeks nothing is remembered");
}

#[tokio::test]
async fn what_has_no_name_is_not_set_and_goals_have_total_and_parts() {
    let (address, _) = provider(|_| answer(GOALS)).await;
    let (ctx, recorder) = connected(address, site());
    fetch(&ctx, &[metrics::CONVERSIONS, metrics::CONVERSION_RATE], days("2026-03-01", "2026-03-04")).await.unwrap();
    let recorded = recorder.recorded();
    let count = |number| Some(Value::Count(number));
    let name = |name: &str| Some(name.to_owned());
    let (first, second) = ("2026-03-02".to_owned(), "2026-03-04".to_owned());
    let part = |name: &str| values(one(&recorded, metrics::CONVERSIONS, &Scope::One(name.to_owned())));
    assert_eq!(part("Sign-up"), [(first.clone(), name("Sign-up"), count(8))]);
    assert_eq!(part("(not set)"), [(second.clone(), name("(not set)"), count(1))]);
    let total = values(one(&recorded, metrics::CONVERSIONS, &Scope::Total));
    assert_eq!(total, [(first.clone(), None, count(8)), (second.clone(), None, count(1))]);
    assert_eq!(
        values(one(&recorded, metrics::CONVERSION_RATE, &Scope::EveryDimension)),
        [(first, name("Sign-up"), Value::ratio(1, 8)), (second, name("(not set)"), Value::ratio(1, 80))]
    );
}

/// The fixture with something else in it is no answer.
#[tokio::test]
async fn an_answer_that_is_not_as_documented_fails_and_says_why() {
    let spoil = |spoil: fn(&mut Json)| {
        let mut body: Json = serde_json::from_str(DAYS).unwrap();
        spoil(&mut body);
        body.to_string()
    };
    for (body, said) in [
        (spoil(|body| body["meta"]["time_labels"] = json!(["2026-03-01", "2026-03-02", "2026-03-04"])), "2026-03-03"),
        (spoil(|body| body["meta"]["time_labels"] = Json::Null), "which days"),
        (spoil(|body| body["results"][0]["metrics"][1] = Json::Null), "whole number"),
        (spoil(|body| body["results"][0]["metrics"][4] = json!(101)), "percentage"),
        (spoil(|body| body["results"][0]["metrics"] = json!([1, 2])), "figures"),
        (spoil(|body| body["results"][0]["dimensions"] = json!(["2026-02-02"])), "not asked for"),
        (spoil(|body| body["results"][0]["dimensions"] = json!(["Monday"])), "which day"),
        (spoil(|body| body["meta"]["total_rows"] = json!(7)), "does not end"),
        ("{}".to_owned(), "missing field"),
    ] {
        let (address, _) = provider(move |_| answer(&body)).await;
        let (ctx, recorder) = connected(address, site());
        let report =
            fetch(&ctx, &[metrics::VISITS, metrics::BOUNCE_RATE], days("2026-03-01", "2026-03-04")).await.unwrap();
        let error = failure(&report, metrics::BOUNCE_RATE);
        assert_eq!(error.kind(), FailureKind::InvalidResponse, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(recorder.recorded().answers.is_empty());
    }
}

#[tokio::test]
async fn a_refusal_says_its_causes_and_the_next_step() {
    for (reply, kind, said) in [
        (refuse(401, "Invalid API key or site ID."), FailureKind::Unauthorized, "there is no site fern.example"),
        (refuse(402, "No Stats API"), FailureKind::PlanRequired, "Business"),
        (refuse(404, "Not found"), FailureKind::NotFound, "check base_url"),
        ((200, "text/html", "<title>Sign in</title>".to_owned()), FailureKind::InvalidResponse, "web page"),
    ] {
        let (address, _) = provider(move |_| reply.clone()).await;
        let (ctx, _) = connected(address, site());
        let error = Plausible.test_connection(&ctx).await.unwrap_err();
        assert!(error.kind() == kind && error.to_string().contains(said), "{error}");
        let fetched = fetch(&ctx, &[metrics::VISITS], days("2026-03-01", "2026-03-04")).await;
        let error = fetched.map_or_else(|error| error, |report| failure(&report, metrics::VISITS));
        assert!(error.kind() == kind && error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn very_old_plausibles_are_asked_without_interval() {
    let (address, _) = provider(|call| match call.line.as_str() {
        "GET /api/v1/stats/timeseries" if call.query.contains("interval") => refuse(400, "Invalid interval"),
        "GET /api/v1/stats/timeseries" => {
            let day = |day: u32, visits: u32, rate: Json| {
                json!({ "date": format!("2026-03-0{day}"), "visitors": visits, "visits": visits, "pageviews": visits,
                    "views_per_visit": 1, "bounce_rate": rate, "visit_duration": rate, "events": visits })
            };
            answer(&json!({ "results": [day(3, 0, Json::Null), day(4, 5, json!(40))] }).to_string())
        }
        _ => refuse(404, "Not found"),
    })
    .await;
    let (ctx, recorder) = connected(address, site());
    let report = fetch(&ctx, &[metrics::VISITS, metrics::BOUNCE_RATE], days("2026-03-03", "2026-03-04")).await.unwrap();
    assert_eq!(report.outcomes[metrics::VISITS], Outcome::Ok, "{report:?}");
    let recorded = recorder.recorded();
    let rates = values(one(&recorded, metrics::BOUNCE_RATE, &Scope::Total));
    assert_eq!(rates, [("2026-03-03".to_owned(), None, None), ("2026-03-04".to_owned(), None, Value::ratio(2, 5))]);
}

#[tokio::test]
async fn who_is_there_now_is_said_of_today_alone() {
    let (address, calls) = provider(|_| answer("17")).await;
    let (ctx, recorder) = connected(address, site());
    fetch(&ctx, &[metrics::CURRENT_VISITORS], days("2026-03-04", "2026-03-04")).await.unwrap();
    let recorded = recorder.recorded();
    let today: Day = "2026-03-04".parse().unwrap();
    let now = one(&recorded, metrics::CURRENT_VISITORS, &Scope::Total);
    assert_eq!((now.period, now.samples[0].value), (Period::single(today), Some(Value::Count(17))));
    fetch(&ctx, &[metrics::CURRENT_VISITORS], days("2026-03-01", "2026-03-03")).await.unwrap();
    assert_eq!(calls.lock().unwrap().len(), 1, "the past is not asked for");
}
