//! The integration against a scripted Vercel, through the real HTTP layer.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    http::{Response, Uri},
};
use serde_json::{Value as Json, json};

use super::{
    Vercel,
    metrics::{BUILD_TIME_P95, DEPLOYMENTS, DEPLOYMENTS_SUCCESS, DEPLOYMENTS_TODAY, PAGEVIEWS, VISITORS},
};
use crate::{
    integrations::{
        Context, Integration, Outcome,
        testing::{Recorded, Recorder, context},
    },
    metric::{FailureKind, Interval, Period, Scope},
};

const NOW: &str = "2026-03-10T12:00:00Z";

/// A request as the script sees it.
struct Call {
    path: String,
    query: BTreeMap<String, String>,
}

impl Call {
    fn ms(&self, key: &str) -> Option<i64> {
        self.query.get(key).and_then(|text| text.parse().ok())
    }
}

type Script = Arc<Mutex<dyn FnMut(&Call) -> Option<(u16, Json)> + Send>>;

/// Starts a provider that answers by the script, and else by the fixtures. Gives the requests as they come.
async fn provider(
    script: impl FnMut(&Call) -> Option<(u16, Json)> + Send + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let calls: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let script: Script = Arc::new(Mutex::new(script));
    let noted = calls.clone();
    let answer = move |uri: Uri| {
        let (script, noted) = (script.clone(), noted.clone());
        async move {
            noted.lock().unwrap().push(uri.to_string());
            let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
            let call = Call { path: uri.path().to_owned(), query };
            let scripted = (*script.lock().unwrap())(&call);
            let (status, body) = scripted.unwrap_or_else(|| usual(&call));
            let response = Response::builder().status(status).header("content-type", "application/json");
            response.body(Body::from(body.to_string())).unwrap()
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (address, calls)
}

fn usual(call: &Call) -> (u16, Json) {
    let file = |text: &str| (200, serde_json::from_str::<Json>(text).unwrap());
    match call.path.as_str() {
        "/v10/projects" => file(include_str!("../fixtures/projects.json")),
        "/v7/deployments" => file(include_str!("../fixtures/deployments.json")),
        "/v1/query/web-analytics/visits/aggregate" => file(include_str!("../fixtures/visits.json")),
        _ => (404, json!({ "error": { "code": "not_found", "message": "Not found" } })),
    }
}

fn connect(address: SocketAddr) -> (Context, Arc<Recorder>) {
    context(&Vercel, address, &[("token", "vcp_0123456789abcdef0123")], json!({ "team": "acme" }), NOW)
}

fn march(first: &str, last: &str) -> Period {
    Period::inclusive(format!("2026-03-{first}").parse().unwrap(), format!("2026-03-{last}").parse().unwrap())
}

async fn fetch(ctx: &Context, metrics: &[&str], period: Period) -> BTreeMap<String, Outcome> {
    let metrics: Vec<String> = metrics.iter().map(|id| (*id).to_owned()).collect();
    Vercel.fetch_metrics(ctx, &metrics, period).await.unwrap().outcomes
}

/// The stored values by day.
fn values(recorded: &Recorded, metric: &str, project: Option<&str>) -> Vec<(String, Option<i64>)> {
    let scope = project.map_or(Scope::Total, |name| Scope::One(name.to_owned()));
    let answers = recorded.answers.iter().filter(|one| one.metric_id == metric && one.scope == scope);
    let samples = answers.flat_map(|one| one.samples.iter());
    samples.map(|sample| (sample.day.to_string(), sample.value.map(|value| value.parts().0))).collect()
}

fn on(day: &str, value: i64) -> (String, Option<i64>) {
    (format!("2026-03-{day}"), Some(value))
}

#[tokio::test]
async fn counts_deployments_of_the_day_and_of_the_last_24_hours() {
    let (address, calls) = provider(|_| None).await;
    let (ctx, recorder) = connect(address);
    let outcomes = fetch(&ctx, &[DEPLOYMENTS, DEPLOYMENTS_TODAY, DEPLOYMENTS_SUCCESS], march("10", "10")).await;
    assert!(outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{outcomes:?}");
    let recorded = recorder.recorded();
    assert_eq!(values(&recorded, DEPLOYMENTS, None), [on("10", 2)]);
    assert_eq!(values(&recorded, DEPLOYMENTS_SUCCESS, None), [on("10", 0)]);
    // Those of yesterday at nine were made more than a day ago.
    assert_eq!(values(&recorded, DEPLOYMENTS_TODAY, None), [on("10", 2)]);
    assert_eq!(values(&recorded, DEPLOYMENTS, Some("app")), [on("10", 0)]);
    let asked = calls.lock().unwrap().clone();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].contains("since=1773014400000") && asked[1].contains("slug=acme"), "from yesterday on: {asked:?}");
}

#[tokio::test]
async fn deployments_of_one_millisecond_are_counted_once_however_pages_are_cut() {
    const AT: i64 = 1_773_046_800_000;
    for size in 2..=5 {
        let (address, _) = provider(move |call| {
            if call.path != "/v7/deployments" {
                return None;
            }
            // Seven, of which two are made at once; what is asked for goes up to and with `until`.
            let made = [AT + 5_000, AT + 1_000, AT, AT, AT - 1_000, AT - 60_000, AT - 70_000];
            let until = call.ms("until").unwrap_or(i64::MAX);
            let all = made.iter().enumerate().filter(|(_, at)| **at <= until);
            let row = |(number, at): (usize, &i64)| {
                json!({ "uid": format!("dpl_{number}"), "name": "site", "projectId": "prj_1",
                "created": at, "state": "READY" })
            };
            let rows: Vec<Json> = all.map(row).collect();
            let next = if rows.len() > size { rows[size - 1]["created"].clone() } else { Json::Null };
            let shown: Vec<Json> = rows.into_iter().take(size).collect();
            Some((200, json!({ "deployments": shown, "pagination": { "count": 1, "next": next, "prev": null } })))
        })
        .await;
        let (ctx, recorder) = connect(address);
        let outcomes = fetch(&ctx, &[DEPLOYMENTS], march("09", "10")).await;
        match size {
            // A page of two cannot leave a millisecond of two behind: then it is said, and nothing is made up.
            2 => assert!(
                matches!(&outcomes[DEPLOYMENTS], Outcome::Failed(e) if e.kind() == FailureKind::InvalidResponse)
            ),
            _ => {
                assert_eq!(outcomes[DEPLOYMENTS], Outcome::Ok, "pages of {size}");
                assert_eq!(values(&recorder.recorded(), DEPLOYMENTS, None), [on("09", 7), on("10", 0)]);
            }
        }
    }
}

#[tokio::test]
async fn a_state_that_is_new_fails_what_hangs_on_it_and_nothing_else() {
    let (address, _) = provider(|call| {
        let mut body = usual(call).1;
        (call.path == "/v7/deployments").then(|| {
            body["deployments"][1]["state"] = json!("PARKED");
            body["deployments"][1]["readyState"] = json!("PARKED");
            (200, body)
        })
    })
    .await;
    let (ctx, recorder) = connect(address);
    let outcomes = fetch(&ctx, &[DEPLOYMENTS, DEPLOYMENTS_SUCCESS], march("09", "10")).await;
    assert_eq!(outcomes[DEPLOYMENTS], Outcome::Ok);
    assert!(
        matches!(&outcomes[DEPLOYMENTS_SUCCESS], Outcome::Failed(e) if e.to_string().contains("PARKED")),
        "{outcomes:?}"
    );
    let recorded = recorder.recorded();
    assert_eq!(values(&recorded, DEPLOYMENTS, None), [on("09", 2), on("10", 2)]);
    assert_eq!(values(&recorded, DEPLOYMENTS_SUCCESS, None), [on("09", 2)]);
    assert_eq!(values(&recorded, DEPLOYMENTS_SUCCESS, Some("app")), [on("09", 1), on("10", 0)]);
}

#[tokio::test]
async fn what_was_not_asked_for_is_no_answer() {
    let (address, _) = provider(|_| None).await;
    let (ctx, _) = connect(address);
    // The script shows later days, whatever `until` says.
    let outcomes = fetch(&ctx, &[DEPLOYMENTS], march("01", "05")).await;
    assert!(
        matches!(&outcomes[DEPLOYMENTS], Outcome::Failed(e) if e.to_string().contains("not asked for")),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_percentile_of_a_week_is_made_of_its_builds_and_asks_for_what_is_not_known_alone() {
    let (address, calls) = provider(|_| None).await;
    let (mut ctx, recorder) = connect(address);
    fetch(&ctx, &[DEPLOYMENTS, BUILD_TIME_P95], march("09", "10")).await;
    assert_eq!(values(&recorder.recorded(), BUILD_TIME_P95, None), [on("09", 80_000)]);
    let asked = calls.lock().unwrap().len();
    ctx.grain = Interval::Week;
    // The week that began on the 9th; its other days are to come.
    let outcomes = fetch(&ctx, &[BUILD_TIME_P95], march("09", "15")).await;
    assert_eq!(outcomes[BUILD_TIME_P95], Outcome::Ok);
    assert_eq!(calls.lock().unwrap().len(), asked, "all of it was read by this run");
    let recorded = recorder.recorded();
    let last = recorded.answers.iter().rfind(|one| one.scope == Scope::Total).unwrap();
    assert_eq!((last.period, last.samples.len()), (march("09", "15"), 1));
    assert_eq!(last.samples[0].day.to_string(), "2026-03-09");
    assert_eq!(last.samples[0].value.map(|value| value.parts().0), Some(80_000));
}

#[tokio::test]
async fn visitors_of_a_week_are_asked_for_as_a_week() {
    let (address, calls) = provider(|call| {
        let is_together = call.query.get("by").is_some_and(|by| by == "environment");
        let row = json!({ "environment": "production", "pageviews": 150, "visitors": 50 });
        is_together.then(|| (200, json!({ "data": [row] })))
    })
    .await;
    let (mut ctx, recorder) = connect(address);
    let outcomes = fetch(&ctx, &[PAGEVIEWS, VISITORS], march("08", "10")).await;
    assert!(outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{outcomes:?}");
    let recorded = recorder.recorded();
    assert_eq!(values(&recorded, VISITORS, None), [on("08", 0), on("09", 45), on("10", 12)]);
    assert_eq!(values(&recorded, VISITORS, Some("site")), values(&recorded, VISITORS, None));
    assert!(recorded.answers.iter().all(|one| one.scope != Scope::One("app".to_owned())), "it counts no visitors");
    ctx.grain = Interval::Week;
    fetch(&ctx, &[VISITORS], march("02", "15")).await;
    let asked =
        calls.lock().unwrap().iter().filter(|line| line.contains("by=environment")).cloned().collect::<Vec<_>>();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].contains("since=2026-03-09T00%3A00%3A00.000Z&until=2026-03-10T23%3A59%3A59.999Z"), "{asked:?}");
    let recorded = recorder.recorded();
    let last = recorded.answers.iter().rfind(|one| one.scope == Scope::Total).unwrap();
    assert_eq!(last.samples.iter().map(|one| one.day.to_string()).collect::<Vec<_>>(), ["2026-03-02", "2026-03-09"]);
}

#[tokio::test]
async fn others_in_a_list_of_days_is_no_day() {
    let (address, _) = provider(|call| {
        let row = json!({ "timestamp": "Others", "pageviews": 1, "visitors": 1 });
        (call.path.ends_with("/aggregate")).then(|| (200, json!({ "data": [row] })))
    })
    .await;
    let (ctx, _) = connect(address);
    let outcomes = fetch(&ctx, &[PAGEVIEWS], march("08", "10")).await;
    assert!(
        matches!(&outcomes[PAGEVIEWS], Outcome::Failed(e) if e.kind() == FailureKind::InvalidResponse),
        "{outcomes:?}"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_ends_everything_and_a_permission_only_its_metrics() {
    let (address, _) = provider(|_| {
        Some((403, json!({ "error": { "code": "forbidden", "message": "Not authorized", "invalidToken": true } })))
    })
    .await;
    let (ctx, _) = connect(address);
    let error = Vercel.fetch_metrics(&ctx, &[DEPLOYMENTS.to_owned()], march("10", "10")).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unauthorized);
    let (address, _) = provider(|call| {
        let refused = json!({ "error": { "code": "forbidden", "message": "Your role may not" } });
        call.path.ends_with("/aggregate").then_some((403, refused))
    })
    .await;
    let (ctx, _) = connect(address);
    let outcomes = fetch(&ctx, &[DEPLOYMENTS, PAGEVIEWS], march("09", "10")).await;
    assert_eq!(outcomes[DEPLOYMENTS], Outcome::Ok);
    assert!(
        matches!(&outcomes[PAGEVIEWS], Outcome::Failed(e) if e.kind() == FailureKind::Forbidden
            && e.to_string().contains("Your role may not")),
        "{outcomes:?}"
    );
}
