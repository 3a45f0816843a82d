//! Plausible's stand: the site of the simulated company, and a site that nobody visits.

use std::sync::{Arc, LazyLock};

use dashtray::{
    demo::{Company, Emulators, Options, PLAUSIBLE_SITE, PlausibleKey},
    integrations::plausible::Plausible,
};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json, json};

use super::{Account, Endpoint, List, Provider, Stand, field, now};
use crate::conformance::front::Reply;

const KEY: &str = "Qx7CanaryPlausible9fTz4Wm2Lk8";
const WRONG: &str = "Qx7WrongPlausible9fTz4Wm2Lk8x";

static BUSY: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(Company::generate(11, now())));

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
        optional: &[],
    }
}

fn start(account: Account) -> BoxFuture<'static, Provider> {
    let options = Options { plausible_keys: vec![PlausibleKey::full(KEY)], ..Options::default() };
    let company = match account {
        Account::Busy | Account::Small => BUSY.clone(),
        Account::Quiet => Arc::new(Company::empty(now())),
    };
    Box::pin(async move {
        let emulators = Emulators::start(company, options).await.expect("a port on this machine");
        Provider { url: emulators.url("plausible").parse().expect("a URL"), _running: Box::new(emulators) }
    })
}

/// Pages go on by the number of rows, so that a page without rows leads to itself.
fn empty(page: &mut Reply, _asked: &str) {
    let mut body: Json = serde_json::from_slice(&page.body).unwrap_or_default();
    body["results"] = json!([]);
    page.body = body.to_string().into_bytes();
}
