//! Google Analytics' stand: the property of the simulated company's site, and the same before anybody came.

use std::sync::{Arc, LazyLock};

use dashtray::{
    demo::{
        Company, Emulators, GOOGLE_PROPERTY, GOOGLE_USER, GoogleAccount, GoogleProperty, Options,
        authorization::service_account_key,
    },
    integrations::google_analytics::GoogleAnalytics,
};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json, json};

use super::{Account, Endpoint, Fields, List, Provider, Stand, field, now};
use crate::{conformance::front::Reply, oauth::Site};

const READER: &str = "reader@fernwerk-demo.iam.gserviceaccount.com";
const WITHOUT_REVENUE: &str = "colleague@fernwerk-demo.iam.gserviceaccount.com";
const WRONG: &str = "nobody@fernwerk-demo.iam.gserviceaccount.com";

static BUSY: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(Company::generate(11, now())));
static QUIET: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(Company::empty(now())));

pub(crate) fn stand() -> Stand {
    Stand {
        integration: Arc::new(GoogleAnalytics),
        now: now(),
        settings: Map::from_iter([("property".to_owned(), json!(GOOGLE_PROPERTY))]),
        valid: key(READER),
        fake: key(WRONG),
        without: vec![("revenue", key(WITHOUT_REVENUE))],
        start,
        endpoint: Endpoint { is: |path| path.ends_with(":runRealtimeReport"), feeds: &["ga_realtime_users"] },
        lists: vec![List {
            name: "pages",
            is: |path| path.ends_with(":batchRunReports"),
            size: "requests.0.limit",
            cursor: "requests.0.offset",
            entries: "/reports/0/rows",
            empty,
            total: Some("/reports/0/rowCount"),
            gone: None,
        }],
        throttles: [
            "Exhausted property tokens per hour. These quota tokens will return in under one hour.",
            "Exhausted property tokens per day. These quota tokens will return in under 24 hours.",
            "Exhausted concurrent requests quota. Please wait for other requests to end.",
        ]
        .map(|message| Reply::json(429, &exhausted(message)))
        .to_vec(),
        optional: &[],
    }
}

fn key(address: &str) -> Fields {
    field("service_account", &service_account_key(address))
}

fn exhausted(message: &str) -> String {
    json!({ "error": { "code": 429, "message": message, "status": "RESOURCE_EXHAUSTED" } }).to_string()
}

fn start(account: Account) -> BoxFuture<'static, Provider> {
    let options = Options {
        google_accounts: vec![GoogleAccount::full(READER), GoogleAccount::full(WITHOUT_REVENUE).without_revenue()],
        // As the suite's integrations without a database have it.
        google_properties: vec![GoogleProperty::site("UTC")],
        ..Options::default()
    };
    let company = match account {
        Account::Busy | Account::Small => BUSY.clone(),
        Account::Quiet => QUIET.clone(),
    };
    Box::pin(async move {
        let emulators = Emulators::start(company, options).await.expect("a port on this machine");
        Provider { url: emulators.url("google-analytics").parse().expect("a URL"), _running: Box::new(emulators) }
    })
}

/// The property together with Google's authorisation server, and the users that sign in there.
pub(crate) fn site() -> BoxFuture<'static, Site> {
    let users = (0..10).map(|number| GoogleAccount::full(&format!("user-{number}@fernwerk.example")));
    let options = Options {
        google_accounts: users.chain([GoogleAccount::full(GOOGLE_USER)]).collect(),
        google_properties: vec![GoogleProperty::site("UTC")],
        ..Options::default()
    };
    Box::pin(async move {
        let emulators = Emulators::start(BUSY.clone(), options).await.expect("a port on this machine");
        let Stand { integration, settings, now, .. } = stand();
        Site {
            integration,
            settings,
            url: emulators.url("google-analytics").parse().expect("a URL"),
            auth: emulators.google_authorization().expect("Google is there"),
            now,
            _running: Box::new(emulators),
        }
    })
}

/// A page without rows of a table that has some.
fn empty(page: &mut Reply, _asked: &str) {
    let mut body: Json = serde_json::from_slice(&page.body).unwrap_or_default();
    if let Some(rows) = body.pointer_mut("/reports/0/rows") {
        *rows = json!([]);
    }
    page.body = body.to_string().into_bytes();
}
