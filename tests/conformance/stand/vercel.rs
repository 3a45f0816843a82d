//! Vercel's stand: the projects of the simulated company, and the same before anything was built or visited.

use std::sync::{Arc, LazyLock};

use dashtray::{
    demo::{
        Company, Emulators, Options, VercelToken,
        company::{Repository, TEAM_SLUG},
    },
    integrations::vercel::Vercel,
};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json, json};

use super::{Account, Endpoint, Fields, List, Provider, Stand, field, now};
use crate::conformance::front::Reply;

const TOKEN: &str = "Qx7CanaryVercel9fTz4Wm2L";
const WRONG: &str = "Qx7WrongVercel9fTz4Wm2Lx";

/// What a role at Vercel may leave out.
const PARTS: [&str; 2] = ["web_analytics", "observability"];

static BUSY: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(Company::generate(11, now())));
static QUIET: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(quiet(&BUSY)));

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
        optional: &[],
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
    let company = match account {
        Account::Busy | Account::Small => BUSY.clone(),
        Account::Quiet => QUIET.clone(),
    };
    Box::pin(async move {
        let emulators = Emulators::start(company, options).await.expect("a port on this machine");
        Provider { url: emulators.url("vercel").parse().expect("a URL"), _running: Box::new(emulators) }
    })
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
