//! The integration against a scripted GitHub, through the real HTTP layer.

mod account;
mod fetching;
mod lists;
mod names;

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

use super::{Github, metrics::METRICS};
use crate::{
    integrations::{
        AccountInfo, Context, Error, FetchReport, Integration, Outcome, Why, check_credentials,
        testing::{Recorded, Recorder, context},
    },
    metric::{FailureKind, Interval, Period, Scope},
    secret::Secret,
};

const NOW: &str = "2026-03-10T12:00:00Z";

/// A request as the script sees it: path and query.
struct Call<'a> {
    path: &'a str,
    query: BTreeMap<String, String>,
    host: &'a str,
}

impl Call<'_> {
    fn asks(&self, key: &str, value: &str) -> bool {
        self.query.get(key).is_some_and(|given| given == value)
    }

    /// The `Link` header of a numbered page.
    fn link(&self, page: u32, last: u32) -> String {
        let url = |page: u32| format!("http://{}{}?per_page=100&page={page}", self.host, self.path);
        match page < last {
            true => format!("<{}>; rel=\"next\", <{}>; rel=\"last\"", url(page + 1), url(last)),
            false => format!("<{}>; rel=\"prev\"", url(page - 1)),
        }
    }

    fn page(&self) -> u32 {
        self.query.get("page").map_or(1, |page| page.parse().unwrap())
    }
}

struct Reply(u16, Json, Vec<(&'static str, String)>);

impl From<Json> for Reply {
    fn from(body: Json) -> Self {
        Self(200, body, Vec::new())
    }
}

fn refuse(status: u16, message: &str) -> Reply {
    Reply(status, json!({ "message": message }), Vec::new())
}

/// Starts a provider that answers by the script, and notes the calls.
async fn provider(
    script: impl Fn(&Call<'_>) -> Reply + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (script, noted) = (Arc::new(script), calls.clone());
    let answer = move |uri: Uri| {
        let (script, noted) = (script.clone(), noted.clone());
        async move {
            noted.lock().unwrap().push(uri.to_string());
            let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
            let Reply(status, body, headers) = script(&Call { path: uri.path(), query, host: &address.to_string() });
            let mut response = Response::builder().status(status).header("content-type", "application/json");
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Body::from(body.to_string())).unwrap()
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (address, calls)
}

/// What every repository answers unless a test says otherwise.
fn usual(call: &Call<'_>) -> Reply {
    let file = |text: &str| Reply::from(serde_json::from_str::<Json>(text).unwrap());
    let (name, rest) = match call.path.strip_prefix("/repos/").map(|path| path.splitn(3, '/').collect::<Vec<_>>()) {
        Some(parts) if parts.len() == 2 => (parts.join("/"), ""),
        Some(parts) if parts.len() == 3 => (parts[..2].join("/"), parts[2]),
        _ if call.path == "/user" => return json!({ "id": 7, "login": "mona" }).into(),
        _ if call.path == "/user/repos" => return json!([]).into(),
        _ => return refuse(404, "Not Found"),
    };
    match rest {
        "" => repository(name.bytes().map(u64::from).sum(), &name).into(),
        "pulls" if call.asks("state", "open") => json!([{ "id": 24 }]).into(),
        "commits" => file(include_str!("../fixtures/commits.json")),
        "issues" => file(include_str!("../fixtures/issues.json")),
        "pulls" => file(include_str!("../fixtures/pulls.json")),
        "releases" => file(include_str!("../fixtures/releases.json")),
        "actions/runs" => file(include_str!("../fixtures/runs.json")),
        "stargazers" => json!([{ "starred_at": "2026-03-09T01:00:00Z" }]).into(),
        "traffic/views" => file(include_str!("../fixtures/views.json")),
        "traffic/clones" => json!({ "count": 0, "uniques": 0, "clones": [] }).into(),
        _ => refuse(404, "Not Found"),
    }
}

fn repository(id: u64, name: &str) -> Json {
    let mut json: Json = serde_json::from_str(include_str!("../fixtures/repository.json")).unwrap();
    json["id"] = id.into();
    json["full_name"] = name.into();
    json
}

fn connect(address: SocketAddr, settings: Json) -> (Context, Arc<Recorder>) {
    context(&Github, address, &[("token", "ghp_0123456789abcdef")], settings, NOW)
}

fn period(first: &str, last: &str) -> Period {
    Period::inclusive(first.parse().unwrap(), last.parse().unwrap())
}

async fn try_fetch(
    address: SocketAddr,
    repositories: &[&str],
    metrics: &[&str],
    period: Period,
) -> (Result<FetchReport, Error>, Recorded) {
    let (ctx, recorder) = connect(address, json!({ "repositories": repositories }));
    let metrics: Vec<String> = metrics.iter().map(|id| (*id).to_owned()).collect();
    (Github.fetch_metrics(&ctx, &metrics, period).await, recorder.recorded())
}

async fn fetch(address: SocketAddr, repositories: &[&str], metrics: &[&str]) -> (FetchReport, Recorded) {
    let (report, recorded) = try_fetch(address, repositories, metrics, period("2026-03-09", "2026-03-10")).await;
    (report.unwrap(), recorded)
}

async fn test(address: SocketAddr, settings: Json) -> Result<AccountInfo, Error> {
    Github.test_connection(&connect(address, settings).0).await
}

fn scope(repository: Option<&str>) -> Scope {
    repository.map_or(Scope::Total, |name| Scope::One(name.to_owned()))
}

/// The stored values by day; days without a sample are left out.
fn values(recorded: &Recorded, metric: &str, repository: Option<&str>) -> Vec<(String, Option<i64>)> {
    let answers = recorded.answers.iter().filter(|one| one.metric_id == metric && one.scope == scope(repository));
    let samples = answers.flat_map(|one| one.samples.iter());
    samples.map(|sample| (sample.day.to_string(), sample.value.map(|value| value.parts().0))).collect()
}

fn gap(recorded: &Recorded, metric: &str, repository: Option<&str>) -> Option<(Period, Why)> {
    let mut gaps = recorded.gaps.iter().filter(|one| one.metric_id == metric && one.scope == scope(repository));
    gaps.next().map(|gap| (gap.period, gap.why.clone()))
}

fn on(day: &str, value: i64) -> (String, Option<i64>) {
    (format!("2026-03-{day}"), Some(value))
}
