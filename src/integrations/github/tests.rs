//! The integration against a scripted GitHub, through the real HTTP layer.

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
        AccountInfo, Context, Error, FetchReport, Integration, Outcome, Why,
        testing::{Recorded, Recorder, context},
    },
    metric::{FailureKind, Period, Scope},
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
        "commits" => file(include_str!("fixtures/commits.json")),
        "issues" => file(include_str!("fixtures/issues.json")),
        "pulls" => file(include_str!("fixtures/pulls.json")),
        "releases" => file(include_str!("fixtures/releases.json")),
        "actions/runs" => file(include_str!("fixtures/runs.json")),
        "stargazers" => json!([{ "starred_at": "2026-03-09T01:00:00Z" }]).into(),
        "traffic/views" => file(include_str!("fixtures/views.json")),
        "traffic/clones" => json!({ "count": 0, "uniques": 0, "clones": [] }).into(),
        _ => refuse(404, "Not Found"),
    }
}

fn repository(id: u64, name: &str) -> Json {
    let mut json: Json = serde_json::from_str(include_str!("fixtures/repository.json")).unwrap();
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

/// The normalised values by day; days without a sample are left out.
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

#[tokio::test]
async fn every_day_of_every_metric_gets_one_state_in_every_series() {
    let (address, _) = provider(usual).await;
    let all: Vec<&str> = METRICS.iter().map(|row| row.id).collect();
    let asked = period("2026-02-20", "2026-03-10");
    let (report, recorded) = try_fetch(address, &["octo/a", "octo/b"], &all, asked).await;
    assert!(report.unwrap().outcomes.values().all(|outcome| *outcome == Outcome::Ok));
    for metric in &all {
        for repository in [None, Some("octo/a"), Some("octo/b")] {
            let answers =
                recorded.answers.iter().filter(|one| one.metric_id == *metric && one.scope == scope(repository));
            let gaps = recorded.gaps.iter().filter(|one| one.metric_id == *metric && one.scope == scope(repository));
            let mut days: Vec<_> =
                answers.map(|one| one.period).chain(gaps.map(|one| one.period)).flat_map(|one| one.days()).collect();
            days.sort();
            assert_eq!(days, asked.days().collect::<Vec<_>>(), "{metric} {repository:?}");
        }
    }
    assert_eq!(values(&recorded, "github_stars", None), [on("10", 160)]);
    assert_eq!(values(&recorded, "github_open_issues", Some("octo/a")), [on("10", 6)]);
    assert_eq!(values(&recorded, "github_commits", None), [on("08", 2), on("09", 2), on("10", 2)]);
    let (lost, why) = gap(&recorded, "github_traffic_views", None).unwrap();
    assert_eq!((lost, why), (period("2026-02-20", "2026-02-24"), Why::BeyondRetention));
}

#[tokio::test]
async fn uniques_of_two_repositories_have_no_total_and_of_one_they_have() {
    let (address, _) = provider(usual).await;
    let metric = "github_traffic_unique_views";
    let (report, recorded) = fetch(address, &["octo/a", "octo/b"], &[metric]).await;
    assert_eq!(report.outcomes[metric], Outcome::Ok);
    assert_eq!(values(&recorded, metric, Some("octo/b")), [on("09", 5), on("10", 4)]);
    assert_eq!(values(&recorded, metric, None), []);
    let (_, why) = gap(&recorded, metric, None).unwrap();
    assert!(matches!(why, Why::Unsupported(reason) if reason.contains("overlap")));
    let (_, recorded) = fetch(address, &["octo/a"], &[metric]).await;
    assert_eq!(values(&recorded, metric, None), [on("09", 5), on("10", 4)]);
}

#[tokio::test]
async fn an_empty_repository_has_no_commits() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/empty/commits" => refuse(409, "Git Repository is empty."),
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/empty", "octo/a"], &["github_commits"]).await;
    assert_eq!(report.outcomes["github_commits"], Outcome::Ok);
    assert_eq!(values(&recorded, "github_commits", Some("octo/empty")), []);
    assert_eq!(gap(&recorded, "github_commits", Some("octo/empty")), None);
    assert_eq!(values(&recorded, "github_commits", None), [on("09", 1), on("10", 1)]);
}

#[tokio::test]
async fn a_renamed_repository_is_read_under_its_new_name_and_keeps_its_series() {
    let (address, calls) = provider(|call| match call.path {
        "/repos/octo/old" => Reply(301, json!({}), vec![("location", format!("http://{}/repositories/42", call.host))]),
        "/repositories/42" => repository(42, "octo/new").into(),
        path if path.starts_with("/repos/octo/old/") => refuse(500, "the old name was used"),
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/old"], &["github_commits", "github_stars"]).await;
    assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{report:?}");
    assert_eq!(values(&recorded, "github_commits", Some("octo/old")), [on("09", 1), on("10", 1)]);
    assert!(calls.lock().unwrap().iter().any(|call| call.starts_with("/repos/octo/new/commits?")));
    let account = test(address, json!({ "repositories": ["octo/old"] })).await.unwrap();
    assert_eq!(account.checks[0].message, "octo/old can be read; it is called octo/new now");
}

#[tokio::test]
async fn one_failing_repository_costs_its_series_and_the_total_and_nothing_else() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/gone" => refuse(404, "Not Found"),
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/gone", "octo/a"], &["github_commits", "github_nonsense"]).await;
    let Outcome::Failed(error) = &report.outcomes["github_commits"] else { panic!("{report:?}") };
    assert_eq!(error.kind(), FailureKind::NotFound);
    assert!(error.to_string().contains("octo/gone"), "{error}");
    assert_eq!(report.outcomes["github_nonsense"], Outcome::Unknown);
    assert_eq!(values(&recorded, "github_commits", Some("octo/a")), [on("09", 1), on("10", 1)]);
    for failed in [None, Some("octo/gone")] {
        let (days, why) = gap(&recorded, "github_commits", failed).unwrap();
        assert_eq!(days, period("2026-03-09", "2026-03-10"));
        assert!(matches!(why, Why::Failed(_)), "{failed:?}");
        assert_eq!(values(&recorded, "github_commits", failed), []);
    }
}

#[tokio::test]
async fn traffic_without_its_permission_is_unsupported_and_names_it() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/traffic/views" => refuse(403, "Must have push access to repository"),
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/a"], &["github_traffic_views", "github_traffic_clones"]).await;
    let Outcome::Unsupported(reason) = &report.outcomes["github_traffic_views"] else { panic!("{report:?}") };
    assert!(reason.contains("octo/a") && reason.contains("Administration: read") && reason.contains("push access"));
    assert!(matches!(gap(&recorded, "github_traffic_views", None), Some((_, Why::Unsupported(_)))));
    assert_eq!(report.outcomes["github_traffic_clones"], Outcome::Ok);
}

#[tokio::test]
async fn without_a_token_what_needs_one_is_unsupported_and_the_rest_goes_on() {
    let (address, _) = provider(|call| match call.path {
        "/user" | "/repos/octo/a/traffic/views" => refuse(401, "Requires authentication"),
        _ => usual(call),
    })
    .await;
    let (report, _) = fetch(address, &["octo/a"], &["github_traffic_views", "github_commits"]).await;
    let Outcome::Unsupported(reason) = &report.outcomes["github_traffic_views"] else { panic!("{report:?}") };
    assert!(reason.contains("needs a token"), "{reason}");
    assert_eq!(report.outcomes["github_commits"], Outcome::Ok);
    let account = test(address, json!({ "repositories": ["octo/a"] })).await.unwrap();
    let failed: Vec<&str> = account.checks.iter().filter(|check| !check.ok).map(|check| check.id.as_str()).collect();
    assert_eq!(failed, ["traffic"]);
    assert_eq!(account.info["token"], "none");
}

#[tokio::test]
async fn a_refused_token_is_the_error_of_test_and_fetch() {
    let (address, calls) = provider(|_| refuse(401, "Bad credentials")).await;
    let error = test(address, json!({ "repositories": ["octo/a"] })).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unauthorized);
    calls.lock().unwrap().clear();
    let (report, _) =
        try_fetch(address, &["octo/a"], &["github_traffic_views"], period("2026-03-10", "2026-03-10")).await;
    assert_eq!(report.unwrap_err().kind(), FailureKind::Unauthorized);
    assert_eq!(calls.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_limit_said_with_403_ends_the_fetch_until_the_reset() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/b/commits" => Reply(
            403,
            json!({ "message": "API rate limit exceeded" }),
            vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", "1773147600".to_owned())],
        ),
        _ => usual(call),
    })
    .await;
    let days = period("2026-03-09", "2026-03-10");
    let (report, recorded) = try_fetch(address, &["octo/a", "octo/b"], &["github_commits"], days).await;
    let error = report.unwrap_err();
    assert_eq!(error.kind(), FailureKind::RateLimited);
    assert_eq!(error.retry_at().unwrap().to_string(), "2026-03-10T13:00:00Z");
    assert_eq!(values(&recorded, "github_commits", Some("octo/a")).len(), 2);
    assert_eq!(values(&recorded, "github_commits", None), []);
}

#[tokio::test]
async fn issues_that_are_switched_off_leave_the_total_whole() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/off/issues" => refuse(410, "Issues has been disabled in this repository."),
        _ => usual(call),
    })
    .await;
    let metric = "github_issues_opened";
    let (report, recorded) = fetch(address, &["octo/off", "octo/a"], &[metric]).await;
    assert_eq!(report.outcomes[metric], Outcome::Ok);
    assert!(matches!(gap(&recorded, metric, Some("octo/off")), Some((_, Why::Unsupported(_)))));
    assert_eq!(values(&recorded, metric, None), [on("09", 1)]);
    let (report, _) = fetch(address, &["octo/off"], &[metric]).await;
    assert!(matches!(report.outcomes[metric], Outcome::Unsupported(_)));
}

#[tokio::test]
async fn stars_are_walked_back_from_the_newest() {
    let (address, calls) = provider(|call| match call.path {
        "/repos/octo/a/stargazers" => {
            let page = call.page();
            let day = [1, 2, 9, 10][page as usize - 1];
            let stars = json!([{ "starred_at": format!("2026-03-{day:02}T00:00:00Z") }]);
            Reply(200, stars, vec![("link", call.link(page, 4))])
        }
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_new_stars"]).await;
    assert_eq!(values(&recorded, "github_new_stars", None), [on("09", 1), on("10", 1)]);
    let pages = calls.lock().unwrap().iter().filter(|call| call.contains("stargazers")).count();
    assert_eq!(pages, 4, "the first, and three from the end");
}

#[tokio::test]
async fn the_days_of_stars_past_the_40000th_are_beyond_retention() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/stargazers" => {
            let page = call.page();
            assert!(page <= 400, "GitHub answers 422");
            let day = if page == 400 { 10 } else { 8 };
            let mut stars = vec![json!({ "starred_at": "2026-03-09T00:00:00Z" })];
            stars.resize(100, json!({ "starred_at": format!("2026-03-{day:02}T01:00:00Z") }));
            Reply(200, stars.into(), vec![("link", call.link(page, 400))])
        }
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/a"], &["github_new_stars"]).await;
    assert_eq!(report.outcomes["github_new_stars"], Outcome::Ok);
    for series in [None, Some("octo/a")] {
        let (days, why) = gap(&recorded, "github_new_stars", series).unwrap();
        assert_eq!((days, why), (period("2026-03-10", "2026-03-10"), Why::BeyondRetention));
    }
}

#[tokio::test]
async fn open_pull_requests_are_the_number_of_the_last_page() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/pulls" => Reply(200, json!([{ "id": 1 }]), vec![("link", call.link(1, 5))]),
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_open_prs", "github_open_issues"]).await;
    assert_eq!(values(&recorded, "github_open_prs", None), [on("10", 5)]);
    assert_eq!(values(&recorded, "github_open_issues", None), [on("10", 2)]);
}

#[tokio::test]
async fn too_many_workflow_runs_are_read_in_shorter_pieces() {
    let (address, calls) = provider(|call| match call.query.get("created").map(String::as_str) {
        Some("2026-03-09..2026-03-09") => json!({ "total_count": 1001, "workflow_runs": [] }).into(),
        Some("2026-03-10..2026-03-10") => {
            serde_json::from_str::<Json>(include_str!("fixtures/runs.json")).unwrap().into()
        }
        Some("2026-03-07..2026-03-08") => json!({ "total_count": 0, "workflow_runs": [] }).into(),
        Some(_) => json!({ "total_count": 1500, "workflow_runs": [] }).into(),
        None => usual(call),
    })
    .await;
    let metric = "github_workflow_runs";
    let (report, recorded) = try_fetch(address, &["octo/a"], &[metric], period("2026-03-07", "2026-03-10")).await;
    let Outcome::Failed(error) = &report.unwrap().outcomes[metric] else { panic!() };
    assert!(error.to_string().contains("1001 workflow runs on 2026-03-09"), "{error}");
    assert_eq!(values(&recorded, metric, None), [on("10", 4)]);
    assert_eq!(gap(&recorded, metric, None).unwrap().0, period("2026-03-09", "2026-03-09"));
    assert_eq!(calls.lock().unwrap().iter().filter(|call| call.contains("created")).count(), 5);
}

#[tokio::test]
async fn a_pull_request_that_two_pages_show_counts_once() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/pulls" => {
            let pull = |id: u32| json!({ "id": id, "created_at": "2026-03-09T00:00:00Z", "updated_at": NOW });
            let page = call.page();
            Reply(200, json!([pull(page), pull(page + 1)]), vec![("link", call.link(page, 2))])
        }
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_prs_opened"]).await;
    assert_eq!(values(&recorded, "github_prs_opened", None), [on("09", 3)]);
}

#[tokio::test]
async fn an_owner_is_measured_without_forks_and_known_by_its_number() {
    let (address, _) = provider(|call| match call.path {
        "/users/octo" => json!({ "id": 9, "login": "Octo", "type": "Organization" }).into(),
        "/orgs/Octo/repos" => json!([
            { "id": 1, "full_name": "Octo/a", "fork": false, "archived": true },
            { "id": 2, "full_name": "Octo/b", "fork": true },
        ])
        .into(),
        "/user" => Reply(
            200,
            json!({ "id": 7, "login": "mona", "plan": { "name": "pro" } }),
            vec![("github-authentication-token-expiration", "2026-12-01 10:00:00 UTC".to_owned())],
        ),
        "/user/repos" => json!([{ "id": 1, "full_name": "Octo/a", "fork": false }]).into(),
        _ => usual(call),
    })
    .await;
    let (ctx, recorder) = connect(address, json!({ "owner": "octo" }));
    let account = Github.test_connection(&ctx).await.unwrap();
    assert_eq!((account.id.as_str(), account.label.as_str()), ("owner:9", "Octo"));
    assert_eq!(account.info["login"], "mona");
    assert_eq!(account.info["token_expires"], "2026-12-01 10:00:00 UTC");
    assert_eq!(account.choices["repositories"][0].value, "Octo/a");
    assert!(account.checks.iter().all(|check| check.ok && !check.costs.is_empty()), "{account:?}");
    let metrics = ["github_stars".to_owned(), "github_commits".to_owned()];
    Github.fetch_metrics(&ctx, &metrics, period("2026-03-10", "2026-03-10")).await.unwrap();
    let recorded = recorder.recorded();
    assert_eq!(values(&recorded, "github_stars", None), [on("10", 80)]);
    assert_eq!(values(&recorded, "github_stars", Some("Octo/a")), [on("10", 80)]);
}

#[tokio::test]
async fn the_identity_of_a_list_depends_on_neither_order_nor_names() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a" => repository(20, "octo/a").into(),
        "/repos/octo/b" => repository(3, "octo/b").into(),
        "/repos/octo/was-b" => repository(3, "octo/b").into(),
        "/user" => refuse(403, "Resource not accessible by integration"),
        "/installation/repositories" => json!({ "total_count": 2, "repositories": [] }).into(),
        _ => usual(call),
    })
    .await;
    for list in [["octo/a", "octo/b"], ["octo/was-b", "octo/a"]] {
        assert_eq!(test(address, json!({ "repositories": list })).await.unwrap().id, "repositories:3,20");
    }
    let twice = test(address, json!({ "repositories": ["octo/b", "octo/was-b"] })).await.unwrap_err();
    assert_eq!(twice.kind(), FailureKind::InvalidSettings);
}

#[tokio::test]
async fn a_repository_that_is_not_found_is_a_failed_check_and_an_error_where_none_is() {
    let (address, _) = provider(|call| match call.path {
        path if path.starts_with("/repos/octo/gone") => refuse(404, "Not Found"),
        _ => usual(call),
    })
    .await;
    let account = test(address, json!({ "repositories": ["octo/gone", "octo/a"] })).await.unwrap();
    let failed: Vec<&str> = account.checks.iter().filter(|check| !check.ok).map(|check| check.id.as_str()).collect();
    assert_eq!(failed, ["repository:octo/gone"]);
    let error = test(address, json!({ "repositories": ["octo/gone"] })).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::NotFound);
    assert!(error.to_string().contains("octo/gone cannot be found"), "{error}");
}
