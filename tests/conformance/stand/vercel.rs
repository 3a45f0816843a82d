//! Vercel's stand: the projects of the simulated company, and the same before anything was built or visited.

use std::sync::{Arc, LazyLock};

use dashtray::{
    demo::{
        Company, Options, VercelToken,
        company::{Repository, TEAM_SLUG},
    },
    integrations::vercel::Vercel,
};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::{
    Account, COMPANIES, Drift, Endpoint, Fields, List, Optional, Provider, Stand, emulate, field, now,
    numbers::{Happenings, answering},
    run,
};
use crate::conformance::front::{Asked, Reply};

const TOKEN: &str = "Qx7CanaryVercel9fTz4Wm2L";
const WRONG: &str = "Qx7WrongVercel9fTz4Wm2Lx";

/// What a role at Vercel may leave out.
const PARTS: [&str; 2] = ["web_analytics", "observability"];

const NOT_BUILT: &str = "what was deployed again without a build has no times of one";
const NOTHING: &str = "nothing was used";

const OPTIONAL: &[Optional] = &[
    of_deployments(Drift::Removed, "/deployments/*/buildingAt", NOT_BUILT),
    of_deployments(Drift::Null, "/deployments/*/buildingAt", NOT_BUILT),
    of_deployments(Drift::Removed, "/deployments/*/ready", NOT_BUILT),
    of_deployments(Drift::Null, "/deployments/*/ready", NOT_BUILT),
    of_deployments(Drift::Removed, "/deployments/*/target", "a preview"),
    of_deployments(Drift::Null, "/deployments/*/target", "a preview"),
    of_deployments(Drift::Null, "/pagination/next", "the list ends here"),
    of_deployments(Drift::Word, "/deployments/*/target", "an environment that was made up by its users"),
    Optional { drift: Drift::Word, endpoint: "/projects", path: "/projects/*/name", _why: "a name" },
    of_usage("/data/*/vercel_function_invocation_count_sum"),
    of_usage("/data/*/vercel_request_count_sum"),
    of_usage("/data/*/vercel_request_fdt_total_bytes_sum"),
];

const fn of_deployments(drift: Drift, path: &'static str, why: &'static str) -> Optional {
    Optional { drift, endpoint: "/v7/deployments", path, _why: why }
}

const fn of_usage(path: &'static str) -> Optional {
    Optional { drift: Drift::Null, endpoint: "/v2/observability/query", path, _why: NOTHING }
}

static QUIET: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(quiet(&COMPANIES.busy)));

pub(crate) fn stand() -> Stand {
    Stand {
        integration: Arc::new(Vercel),
        now: now(),
        settings: Map::from_iter([("team".to_owned(), json!(TEAM_SLUG))]),
        valid: field("token", TOKEN),
        fake: field("token", WRONG),
        without: PARTS.iter().map(|part| (*part, lacking(part))).collect(),
        start,
        endpoint: Endpoint {
            is: |path| path.ends_with("/visits/aggregate"),
            feeds: &["vercel_pageviews", "vercel_visitors"],
        },
        lists: vec![List {
            name: "deployments",
            is: |path| path == "/v7/deployments",
            size: "limit",
            cursor: "until",
            entries: "/deployments",
            empty,
            total: None,
            gone: None,
        }],
        // It says so by 429 alone.
        throttles: Vec::new(),
        optional: OPTIONAL,
        happenings: Happenings { metric: "vercel_deployments", start: deploying },
        takings: None,
        switches: None,
    }
}

fn lacking(part: &str) -> Fields {
    field("token", &token_without(part))
}

fn token_without(part: &str) -> String {
    format!("Qx7CanaryVercelWithout_{part}")
}

fn start(account: Account) -> BoxFuture<'static, Provider> {
    let without = PARTS.iter().map(|part| VercelToken::full(&token_without(part)).without(part));
    let tokens = std::iter::once(VercelToken::full(TOKEN)).chain(without).collect();
    let options = Options { vercel_tokens: tokens, ..Options::default() };
    Box::pin(emulate("vercel", account, || QUIET.clone(), options))
}

/// Deployments of one project, listed as Vercel does: the newest first, up to and with `until`.
fn deploying(mut at: Vec<Timestamp>, _zone: &'static str) -> BoxFuture<'static, Provider> {
    const A_PAGE: usize = 100;
    let project = QUIET.projects().swap_remove(0);
    at.sort_unstable();
    let list = move |asked: &Asked| {
        let ms = |key: &str| asked.param(key).and_then(|text| text.parse::<i64>().ok());
        let (since, until) = (ms("since").unwrap_or(0), ms("until").unwrap_or(i64::MAX));
        let asked_for = |made: &&Timestamp| (since..=until).contains(&made.as_millisecond());
        let made: Vec<i64> = at.iter().rev().filter(asked_for).map(|made| made.as_millisecond()).collect();
        let shown = &made[..made.len().min(A_PAGE)];
        let next = shown.last().filter(|_| shown.len() < made.len());
        let rows = shown.iter().map(|made| {
            json!({ "uid": format!("dpl_{made}"), "name": project.name, "projectId": project.id, "created": made,
                "state": "QUEUED" })
        });
        let body = json!({ "deployments": rows.collect::<Vec<_>>(), "pagination": { "next": next } });
        (asked.path == "/v7/deployments").then(|| body.to_string())
    };
    let options = Options { vercel_tokens: vec![VercelToken::full(TOKEN)], ..Options::default() };
    Box::pin(async move { answering(run("vercel", QUIET.clone(), options).await, list).await })
}

/// A company without visitors, whose projects nobody has worked on.
fn quiet(busy: &Company) -> Company {
    let mut company = Company::empty(now());
    let untouched =
        |repository: &Repository| Repository { commits: Vec::new(), releases: Vec::new(), ..repository.clone() };
    company.github.repositories = busy.github.repositories.iter().map(untouched).collect();
    company
}

/// An empty page that goes on where the one that should have come would have begun.
fn empty(page: &mut Reply, asked: &str) {
    let mut body: Json = serde_json::from_slice(&page.body).unwrap_or_default();
    let own =
        asked.split("until=").nth(1).and_then(|rest| rest.split('&').next()).and_then(|ms| ms.parse::<i64>().ok());
    body["deployments"] = json!([]);
    body["pagination"]["next"] = json!(own);
    page.body = body.to_string().into_bytes();
}
