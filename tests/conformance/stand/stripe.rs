//! Stripe's stand: the simulated company, and an account without objects.

use std::sync::{Arc, LazyLock};

use dashtray::{
    demo::{Company, Emulators, Options, STRIPE_PERMISSIONS, StripeKey},
    integrations::stripe::Stripe,
};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json, json};

use super::{Account, Endpoint, List, Provider, Stand, field, now};
use crate::conformance::front::Reply;

const KEY: &str = "rk_test_Qx7CanaryStripe9fTz4Wm2Lk8";
const WRONG: &str = "rk_test_Qx7WrongStripe9fTz4Wm2Lk8x";

/// Generating takes a moment; all runs look at the same one, and none changes it.
static BUSY: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(Company::generate(11, now())));

pub(crate) fn stand() -> Stand {
    Stand {
        integration: Arc::new(Stripe),
        now: now(),
        settings: Map::new(),
        valid: field("api_key", KEY),
        fake: field("api_key", WRONG),
        without: STRIPE_PERMISSIONS.iter().map(|scope| (*scope, field("api_key", &key_without(scope)))).collect(),
        start,
        endpoint: Endpoint {
            is: |path| path == "/v1/charges",
            feeds: &["stripe_failed_payments", "stripe_payment_success_rate"],
        },
        lists: vec![
            list("charges", |path| path == "/v1/charges"),
            list("balance transactions", |path| path == "/v1/balance_transactions"),
            list("customers", |path| path == "/v1/customers"),
            list("subscriptions", |path| path == "/v1/subscriptions"),
        ],
        throttles: vec![Reply::json(
            400,
            r#"{"error":{"code":"rate_limit","message":"Too many requests","type":"invalid_request_error"}}"#,
        )],
        optional: &[],
    }
}

fn key_without(scope: &str) -> String {
    format!("rk_test_Qx7CanaryStripeWithout_{scope}")
}

fn start(account: Account) -> BoxFuture<'static, Provider> {
    let without = STRIPE_PERMISSIONS.iter().map(|scope| StripeKey::without(&key_without(scope), &[scope]));
    let keys = std::iter::once(StripeKey::full(KEY)).chain(without).collect();
    let options = Options { stripe_keys: keys, ..Options::default() };
    let company = match account {
        Account::Busy | Account::Small => BUSY.clone(),
        Account::Quiet => Arc::new(Company::empty(now())),
    };
    Box::pin(async move {
        let emulators = Emulators::start(company, options).await.expect("a port on this machine");
        Provider { url: emulators.url("stripe").parse().expect("a URL"), _running: Box::new(emulators) }
    })
}

/// Stripe goes on from the last id of a page, so that an empty page that says there are more leads nowhere.
fn list(name: &'static str, is: fn(&str) -> bool) -> List {
    List { name, is, size: "limit", cursor: "starting_after", entries: "/data", empty, total: None, gone: Some(gone()) }
}

fn gone() -> Reply {
    let error = json!({ "code": "resource_missing", "message": "No such object: 'x'", "param": "starting_after",
        "type": "invalid_request_error" });
    Reply::json(400, &json!({ "error": error }).to_string())
}

fn empty(page: &mut Reply, _asked: &str) {
    let mut body: Json = serde_json::from_slice(&page.body).unwrap_or_default();
    body["data"] = json!([]);
    body["has_more"] = json!(true);
    page.body = body.to_string().into_bytes();
}
