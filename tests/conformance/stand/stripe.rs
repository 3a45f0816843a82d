//! Stripe's stand: the simulated company, and an account without objects.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use dashtray::{
    demo::{Company, Options, STRIPE_PERMISSIONS, StripeKey, company::Table},
    integrations::stripe::Stripe,
};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::{
    Account, COMPANIES, Drift, Endpoint, List, Optional, Provider, Stand, emulate, field, nobody, now,
    numbers::{Form, Happenings, Switches, Taken, Takings, noon, small},
    run,
};
use crate::conformance::front::Reply;

const KEY: &str = "rk_test_Qx7CanaryStripe9fTz4Wm2Lk8";
const WRONG: &str = "rk_test_Qx7WrongStripe9fTz4Wm2Lk8x";

const ALL: &str = "it applies to all products";
const ONE: &str = "only where usage is billed there is none; else it is one";

const OPTIONAL: &[Optional] = &[
    of(Drift::Removed, "/v1/coupons/{id}", "/applies_to", ALL),
    of(Drift::Null, "/v1/coupons/{id}", "/applies_to", ALL),
    of(Drift::Removed, "/v1/subscriptions", "/data/*/items/data/*/quantity", ONE),
    of(Drift::Null, "/v1/subscriptions", "/data/*/items/data/*/quantity", ONE),
    of(Drift::Null, "/v1/subscriptions", "/data/*/pause_collection", "nothing is paused"),
    of(Drift::Null, "/v1/subscriptions", "/data/*/default_tax_rates", "there are none"),
];

const fn of(drift: Drift, endpoint: &'static str, path: &'static str, why: &'static str) -> Optional {
    Optional { drift, endpoint, path, _why: why }
}

static SMALL: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(of_each((*COMPANIES.busy).clone())));

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
        optional: OPTIONAL,
        happenings: Happenings { metric: "stripe_failed_payments", start: failing },
        takings: Some(Takings { form: Form::Minor, metric: "stripe_revenue", mixes: true, start: taking }),
        switches: Some(Switches { metric: "stripe_mrr", numbers: &[("max_past_due_days", 0)] }),
    }
}

fn key_without(scope: &str) -> String {
    format!("rk_test_Qx7CanaryStripeWithout_{scope}")
}

fn start(account: Account) -> BoxFuture<'static, Provider> {
    let without = STRIPE_PERMISSIONS.iter().map(|scope| StripeKey::without(&key_without(scope), &[scope]));
    let keys = std::iter::once(StripeKey::full(KEY)).chain(without).collect();
    let options = Options { stripe_keys: keys, ..Options::default() };
    if account == Account::Small {
        return Box::pin(run("stripe", SMALL.clone(), options));
    }
    Box::pin(emulate("stripe", account, nobody, options))
}

/// An account with the one key, changed.
fn of_own(change: impl FnOnce(&mut Company)) -> BoxFuture<'static, Provider> {
    let mut company = Company::empty(now());
    change(&mut company);
    let options = Options { stripe_keys: vec![StripeKey::full(KEY)], ..Options::default() };
    Box::pin(run("stripe", Arc::new(company), options))
}

/// Charges that were declined.
fn failing(at: Vec<Timestamp>, _zone: &'static str) -> BoxFuture<'static, Provider> {
    of_own(|company| {
        for (number, at) in at.iter().enumerate() {
            company
                .stripe
                .charges
                .insert(json!({ "id": format!("ch_{number}"), "created": at.as_second(), "amount": 100,
                "currency": "usd", "status": "failed", "paid": false, "captured": false }));
        }
    })
}

/// Balance transactions of charges.
fn taking(takings: Vec<Taken>) -> BoxFuture<'static, Provider> {
    of_own(|company| {
        for (number, taken) in takings.iter().enumerate() {
            let amount: i64 = taken.written.parse().expect("a whole number");
            company.stripe.balance_transactions.insert(
                json!({ "id": format!("txn_{number}"), "created": noon(taken.day),
                "amount": amount, "fee": 0, "fee_details": [], "net": amount, "currency": small(taken.currency),
                "reporting_category": "charge", "type": "charge", "source": null }),
            );
        }
    })
}

/// A company with only a few customers, so few that each kind of subscription is there once.
fn of_each(mut company: Company) -> Company {
    let (mut seen, mut kept) = (BTreeSet::new(), BTreeSet::new());
    let stripe = &mut company.stripe;
    for row in stripe.subscriptions.iter() {
        let subscription = row;
        // Of each one the kind of discount, as far as it has one.
        let coupons = row["discounts"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let coupons = coupons.filter_map(|id| stripe.discounts.get(id)).map(|row| {
            let is_over = row["end"].as_i64().is_some_and(|end| end <= now().as_second());
            let coupon = row["coupon"].as_str().and_then(|id| stripe.coupons.get(id));
            let coupon = coupon.map(|coupon| (&coupon["duration"], coupon["amount_off"].is_null()));
            format!("{coupon:?} {is_over} {}", subscription["status"])
        });
        let prices = row["items"].as_array().into_iter().flatten().filter_map(|item| item["price"].as_str());
        let prices = prices.filter_map(|id| stripe.prices.get(id)).map(|price| {
            let every = &price["recurring"];
            let [interval, usage] = [&every["interval"], &every["usage_type"]];
            format!("{interval} {usage} {} {}", price["billing_scheme"], price["transform_quantity"].is_null())
        });
        let (status, pause) = (&row["status"], &row["pause_collection"]["behavior"]);
        let cancels = row["cancel_at_period_end"] == true || !row["cancel_at"].is_null();
        let standing = [format!("{status} {pause} {cancels}")];
        // All have to be seen.
        let news = coupons.chain(prices).chain(standing).filter(|kind| seen.insert(kind.clone())).count();
        if news > 0 {
            kept.insert(row["customer"].to_string());
        }
    }
    let is_kept = |row: &Json| kept.contains(&row["customer"].to_string());
    for table in [&mut stripe.subscriptions, &mut stripe.invoices, &mut stripe.charges] {
        retain(table, &is_kept);
    }
    // What was long before is of no use, and takes time to read.
    let lately = now().as_second() - 40 * 86_400;
    for table in [&mut stripe.invoices, &mut stripe.charges] {
        retain(table, &|row| row["created"].as_i64() >= Some(lately));
    }
    retain(&mut stripe.customers, &|row| kept.contains(&row["id"].to_string()));
    let sources: BTreeSet<String> = stripe.charges.iter().map(|row| row["id"].to_string()).collect();
    retain(&mut stripe.balance_transactions, &|row| sources.contains(&row["source"].to_string()));
    retain(&mut stripe.events, &|row| {
        let of = &row["is"];
        is_kept(of) || kept.contains(&of["id"].to_string())
    });
    company
}

fn retain(table: &mut Table, is_kept: &dyn Fn(&Json) -> bool) {
    let mut rest = Table::default();
    table.iter().filter(|row| is_kept(row)).for_each(|row| rest.insert(row.clone()));
    *table = rest;
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
