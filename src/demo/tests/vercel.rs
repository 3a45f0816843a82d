use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    COMPANY, Company,
    client::{Answer, get, post},
    now, start, unlimited,
};
use crate::{
    demo::{
        Emulators, Options, VERCEL_TEAM_TOKEN, VERCEL_TOKEN, VercelToken,
        company::{Deployment, TEAM_ID},
    },
    metric::Zone,
};

async fn ask_as(emulators: &Emulators, token: &str, path: &str) -> Answer {
    get(&emulators.url("vercel"), path, &[("authorization", &format!("Bearer {token}"))]).await
}

async fn ask(emulators: &Emulators, path: &str) -> Answer {
    ask_as(emulators, VERCEL_TOKEN, path).await
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// All deployments as Vercel's manual walks them; those that come twice, twice.
async fn walk(emulators: &Emulators, path: &str) -> Vec<Value> {
    let (mut rows, mut next) = (Vec::new(), String::new());
    loop {
        let page = ask(emulators, &format!("{path}{next}")).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        rows.extend(page["deployments"].as_array().unwrap().iter().cloned());
        let Some(until) = page["pagination"]["next"].as_i64() else { return rows };
        next = format!("&until={until}");
    }
}

#[tokio::test]
async fn who_is_not_known_is_forbidden_and_told_that_the_token_is_invalid() {
    let emulators = unlimited().await;
    let wrong = ask_as(&emulators, "nobody", "/v2/user").await;
    assert_eq!(code(&wrong), (403, "forbidden".to_owned()));
    assert_eq!(wrong.json()["error"]["invalidToken"], true);
    let none = get(&emulators.url("vercel"), "/v2/user", &[]).await;
    assert_eq!(code(&none), (403, "forbidden".to_owned()));
    assert_eq!(ask(&emulators, "/v2/user").await.json()["user"]["username"], "ada-fern");
    let of_team = ask_as(&emulators, VERCEL_TEAM_TOKEN, "/v2/user").await;
    assert_eq!(code(&of_team), (403, "forbidden".to_owned()));
    assert!(of_team.json()["error"]["invalidToken"].is_null());
    assert_eq!(ask_as(&emulators, VERCEL_TEAM_TOKEN, "/v2/teams?limit=1").await.json()["teams"][0]["id"], TEAM_ID);
}

#[tokio::test]
async fn without_a_team_there_is_nothing_and_with_a_wrong_one_a_refusal() {
    let emulators = unlimited().await;
    let count = |answer: Answer| answer.json()["projects"].as_array().unwrap().len();
    assert_eq!(count(ask(&emulators, "/v10/projects").await), 0);
    assert_eq!(count(ask(&emulators, "/v10/projects?slug=fernwerk").await), 3);
    assert_eq!(count(ask(&emulators, &format!("/v10/projects?teamId={TEAM_ID}")).await), 3);
    assert_eq!(code(&ask(&emulators, "/v10/projects?slug=acme").await), (403, "forbidden".to_owned()));
    assert_eq!(code(&ask(&emulators, "/v2/teams/acme").await), (403, "forbidden".to_owned()));
    assert_eq!(ask(&emulators, "/v2/teams/fernwerk").await.json()["id"], TEAM_ID);
}

#[tokio::test]
async fn what_vercel_refuses_is_refused() {
    let emulators = unlimited().await;
    for (path, status, word) in [
        ("/v7/deployments?slug=fernwerk&limit=101", 400, "bad_request"),
        ("/v7/deployments?slug=fernwerk&limit=0", 400, "bad_request"),
        ("/v7/deployments?slug=fernwerk&since=1774000000", 400, "bad_request"),
        ("/v7/deployments?slug=fernwerk&page=2", 400, "bad_request"),
        ("/v7/deployments?slug=fernwerk&state=DONE", 400, "bad_request"),
        ("/v7/deployments?slug=fernwerk&projectIds=prj_x", 404, "not_found"),
        (
            "/v1/query/web-analytics/visits/aggregate?slug=fernwerk&projectId=fern&by=day",
            400,
            "web_analytics_not_enabled",
        ),
        ("/v1/query/web-analytics/visits/aggregate?slug=fernwerk&projectId=website&by=day", 400, "invalid_group_by"),
        ("/v1/query/web-analytics/visits/aggregate?slug=fernwerk&by=day", 400, "bad_request"),
        ("/v2/observability/query?slug=fernwerk", 405, "method_unknown"),
        ("/v1/nothing", 404, "not_found"),
    ] {
        assert_eq!(code(&ask(&emulators, path).await), (status, word.to_owned()), "{path}");
    }
}

#[tokio::test]
async fn a_list_is_walked_to_its_end_and_what_was_made_at_once_comes_twice() {
    let emulators = unlimited().await;
    let rows = walk(&emulators, "/v7/deployments?slug=fernwerk&limit=7").await;
    let uids: BTreeSet<&str> = rows.iter().map(|row| row["uid"].as_str().unwrap()).collect();
    let all: usize = COMPANY.projects().iter().map(|project| project.deployments.len()).sum();
    assert_eq!(uids.len(), all);
    assert!(rows.len() > all, "a page begins with the last of the one before");
    let mut made: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for row in &rows {
        made.entry(row["created"].as_i64().unwrap()).or_default().insert(row["projectId"].as_str().unwrap());
    }
    assert!(made.values().any(|projects| projects.len() == 2), "two projects of one repository are built at once");
    let states: BTreeSet<&str> = rows.iter().filter_map(|row| row["state"].as_str()).collect();
    for state in ["READY", "ERROR", "CANCELED", "BLOCKED", "DELETED"] {
        assert!(states.contains(state), "{states:?}");
    }
    let some = |is: &dyn Fn(&Value) -> bool| rows.iter().any(is);
    assert!(some(&|row| row["target"] == "production") && some(&|row| row["target"] == "staging"));
    assert!(some(&|row| row.get("target").is_none()) && some(&|row| row.get("target") == Some(&Value::Null)));
    assert!(some(&|row| row["source"] == "redeploy" && row.get("buildingAt").is_none()));
    assert!(some(&|row| row["source"] == "redeploy"
        && row["buildingAt"].is_i64()
        && row["buildingAt"] == row["ready"]));
    assert!(rows.iter().filter(|row| row["state"] == "ERROR").all(|row| row.get("ready").is_none()));
}

#[tokio::test]
async fn a_release_is_in_production_on_its_day() {
    let truth = COMPANY.truth(&Zone::utc());
    let fern = COMPANY.github.repositories.iter().find(|one| one.name == "fern").unwrap();
    let releases = fern.releases.iter().filter_map(|one| one.published);
    let project = &COMPANY.projects()[0];
    for published in releases {
        let at = published.as_millisecond();
        let is_near = |ms: i64| (0..60_000).contains(&(ms - at));
        let built = project.deployments.iter().find(|one| is_near(one.created_ms) && one.target == Some("production"));
        assert!(built.is_some() || now().as_millisecond() - at < 60_000 || is_long_ago(at), "{published}");
    }
    let sum = |days: &crate::demo::company::Days| days.values().sum::<i64>();
    let of = &truth.projects["fern"];
    assert!(sum(&of.production) > 20 && sum(&of.preview) > sum(&of.production));
    assert!(sum(&truth.projects["website"].production) > 50, "without releases each commit is");
}

/// A release that failed is not kept for ever.
fn is_long_ago(ms: i64) -> bool {
    now().as_millisecond() - ms > 90 * 86_400_000
}

#[test]
fn time_only_adds_to_a_deployment() {
    let all = |company: &Company| company.projects().into_iter().flat_map(|project| project.deployments);
    let later: BTreeMap<String, Deployment> = all(&COMPANY).map(|one| (one.uid.clone(), one)).collect();
    let began = later.values().filter(|one| one.source == "git").filter_map(|one| one.building_ms).max().unwrap();
    let then = COMPANY.at(Timestamp::from_millisecond(began + 2_000).unwrap());
    let mut open = 0;
    for one in all(&then) {
        let is_open = matches!(one.state, "QUEUED" | "BUILDING");
        open += usize::from(is_open);
        let now = later.get(&one.uid);
        let is_same = now.is_none_or(|now| now.state == one.state && now.ready_ms == one.ready_ms);
        assert!(is_open && one.ready_ms.is_none() || is_same, "{one:?} became {now:?}");
    }
    assert!(open > 0, "one is being built");
}

#[tokio::test]
async fn visitors_of_a_week_are_fewer_than_those_of_its_days() {
    let emulators = unlimited().await;
    let path =
        "/v1/query/web-analytics/visits/aggregate?slug=fernwerk&projectId=website&since=2026-03-16&until=2026-03-22";
    let days = ask(&emulators, &format!("{path}&by=day")).await.json();
    let days = days["data"].as_array().unwrap();
    assert_eq!(days.len(), 7);
    assert_eq!(days[0]["timestamp"], "2026-03-16T00:00:00.000Z");
    let sum = |key: &str| days.iter().filter_map(|row| row[key].as_i64()).sum::<i64>();
    let week = ask(&emulators, &format!("{path}&by=environment")).await.json();
    let week = &week["data"][0];
    assert_eq!(week["pageviews"], sum("pageviews"));
    assert!(week["visitors"].as_i64().unwrap() < sum("visitors"));
    let cut = ask(&emulators, &format!("{path}&by=day&limit=3")).await.json();
    assert_eq!(cut["data"][3]["timestamp"], "Others");
    let count = ask(&emulators, &path.replace("aggregate", "count")).await.json();
    assert_eq!(count["data"]["visitors"], week["visitors"]);
}

#[tokio::test]
async fn usage_is_told_by_project_for_thirty_days() {
    let emulators = unlimited().await;
    let ids: Vec<String> = COMPANY.projects().into_iter().map(|project| project.id).collect();
    let query = |more: Value| {
        let mut body = json!({ "metric": "vercel.request.count", "aggregation": "sum", "granularity": { "days": 1 },
            "scope": { "type": "project", "ownerId": TEAM_ID, "projectIds": ids }, "groupBy": ["project_id"], "limit": 100,
            "startTime": "2026-02-01T00:00:00Z", "endTime": "2026-04-01T00:00:00Z" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let send = async |token: &str, body: String| {
        let headers = [("authorization", &*format!("Bearer {token}"))];
        post(&emulators.url("vercel"), "/v2/observability/query?slug=fernwerk", &headers, &body).await
    };
    let answer = send(VERCEL_TOKEN, query(json!({}))).await.json();
    assert_eq!(answer["data"].as_array().unwrap().len(), 90);
    assert_eq!(answer["query"]["startTime"], "2026-03-02T00:00:00.000Z");
    assert!(answer["data"][0]["vercel_request_count_sum"].is_i64());
    for more in [json!({ "metric": "vercel.nothing" }), json!({ "measure": "x" }), json!({ "scope": {} })] {
        assert_eq!(send(VERCEL_TOKEN, query(more.clone())).await.status, 400, "{more}");
    }
    let lacking = start(Options { vercel_lacks: vec!["observability"], ..Options::default() }).await;
    let headers = [("authorization", &*format!("Bearer {VERCEL_TOKEN}"))];
    let path = "/v2/observability/query?slug=fernwerk";
    let refused = post(&lacking.url("vercel"), path, &headers, &query(json!({}))).await;
    assert_eq!(code(&refused), (402, "payment_required".to_owned()));
}

#[tokio::test]
async fn each_endpoint_has_a_limit_of_its_own_and_says_when_it_ends() {
    let emulators = start(Options { vercel_tokens: vec![VercelToken::full("one")], ..Options::default() }).await;
    let mut last = ask_as(&emulators, "one", "/v2/teams").await;
    assert_eq!((last.header("x-ratelimit-limit"), last.header("x-ratelimit-remaining")), ("200", "199"));
    for _ in 0..200 {
        last = ask_as(&emulators, "one", "/v2/teams").await;
    }
    assert_eq!(code(&last), (429, "rate_limited".to_owned()));
    let limit = &last.json()["error"]["limit"];
    let (reset, reset_ms) = (limit["reset"].as_i64().unwrap(), limit["resetMs"].as_i64().unwrap());
    assert!((0..=1000).contains(&(reset * 1000 - reset_ms)) && limit["remaining"] == 0 && limit["total"] == 200);
    assert_eq!(ask_as(&emulators, "one", "/v10/projects").await.status, 200);
}
