use std::collections::HashSet;

use serde_json::Value;

use super::{client::Answer, start, unlimited};
use crate::demo::{Company, Emulators, Options, STRIPE_KEY, STRIPE_KEY_WITHOUT_CHARGES, StripeKey};

const VERSION: &str = "2026-07-29.dahlia";

async fn ask_as(emulators: &Emulators, key: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    super::client::get(&emulators.url("stripe"), path, &[("authorization", &bearer), ("stripe-version", VERSION)]).await
}

pub(super) async fn ask(emulators: &Emulators, path: &str) -> Answer {
    ask_as(emulators, STRIPE_KEY, path).await
}

pub(super) async fn refusal(emulators: &Emulators, path: &str) -> (u16, String, String) {
    let answer = ask(emulators, path).await;
    let error = answer.json()["error"].clone();
    let text = |field: &str| error[field].as_str().unwrap_or_default().to_owned();
    (answer.status, text("code"), text("param"))
}

/// All objects of a list, page by page.
pub(super) async fn walk(emulators: &Emulators, path: &str) -> Vec<Value> {
    walk_in(emulators, VERSION, path).await
}

/// The same in another version of the API.
pub(super) async fn walk_in(emulators: &Emulators, version: &str, path: &str) -> Vec<Value> {
    let bearer = format!("Bearer {STRIPE_KEY}");
    let headers = [("authorization", bearer.as_str()), ("stripe-version", version)];
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after =
            all.last().map(|row| format!("&starting_after={}", row["id"].as_str().unwrap())).unwrap_or_default();
        let page = super::client::get(&emulators.url("stripe"), &format!("{path}{after}"), &headers).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let page = page.json();
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return all;
        }
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_echoed_masked() {
    let emulators = unlimited().await;
    let missing = super::client::get(&emulators.url("stripe"), "/v1/account", &[]).await;
    assert_eq!(missing.status, 401);
    let wrong = ask_as(&emulators, "rk_test_abcdefgh1234", "/v1/account").await;
    assert_eq!(wrong.status, 401);
    assert_eq!(wrong.json()["error"]["message"], "Invalid API Key provided: rk_test_********1234");
    assert_eq!(wrong.json()["error"]["type"], "invalid_request_error");
    assert!(wrong.header("request-id").starts_with("req_"));
}

#[tokio::test]
async fn an_expired_key_says_so() {
    let mut options = Options::default();
    options.stripe_keys[0].expired = true;
    let emulators = start(options).await;
    let answer = ask(&emulators, "/v1/account").await;
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (401, Some("api_key_expired")));
}

#[tokio::test]
async fn a_restricted_key_is_told_which_permission_is_missing() {
    let emulators = unlimited().await;
    let refused = ask_as(&emulators, STRIPE_KEY_WITHOUT_CHARGES, "/v1/charges").await;
    assert_eq!(refused.status, 403);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("Having the 'rak_charge_read' permission"));
    assert_eq!(ask_as(&emulators, STRIPE_KEY_WITHOUT_CHARGES, "/v1/customers").await.status, 200);
}

#[tokio::test]
async fn expanding_needs_the_permission_of_what_is_expanded() {
    let key = "rk_test_DemoNoCustomers0000000000";
    let mut options = Options::default();
    options.stripe_keys.push(StripeKey::without(key, &["rak_customer_read"]));
    let emulators = start(options).await;
    let path = "/v1/subscriptions?limit=1";
    assert_eq!(ask_as(&emulators, key, path).await.status, 200);
    assert_eq!(ask_as(&emulators, key, &format!("{path}&expand[]=data.customer")).await.status, 403);
}

const TWENTY_ONE_TYPES: &str = "/v1/events?types[]=a&types[]=b&types[]=c&types[]=d&types[]=e&types[]=f&types[]=g&types[]=h\
    &types[]=i&types[]=j&types[]=k&types[]=l&types[]=m&types[]=n&types[]=o&types[]=p&types[]=q&types[]=r&types[]=s\
    &types[]=t&types[]=u";

#[tokio::test]
async fn what_the_real_one_refuses_is_refused() {
    let emulators = unlimited().await;
    let cases = [
        ("/v1/charges?limit=101", 400, "parameter_invalid_integer", "limit"),
        ("/v1/charges?limit=0", 400, "parameter_invalid_integer", "limit"),
        ("/v1/charges?limit=ten", 400, "parameter_invalid_integer", "limit"),
        ("/v1/charges?page=2", 400, "parameter_unknown", "page"),
        ("/v1/account?limit=1", 400, "parameter_unknown", "limit"),
        ("/v1/charges?created[after]=1", 400, "parameter_unknown", "created[after]"),
        ("/v1/charges?created[gte]=today", 400, "parameter_invalid_integer", "created[gte]"),
        ("/v1/subscriptions?status=alive", 400, "", "status"),
        ("/v1/subscriptions?expand[]=data.price", 400, "", "expand"),
        ("/v1/subscriptions?expand[]=customer", 400, "", "expand"),
        ("/v1/subscriptions?expand[]=data.items.data.price.tiers", 400, "", "expand"),
        ("/v1/subscriptions?expand[]=data.discounts.coupon.applies_to", 400, "", "expand"),
        ("/v1/prices?expand[]=data.currency_options", 400, "", "expand"),
        ("/v1/subscription_items", 400, "parameter_missing", "subscription"),
        ("/v1/charges?starting_after=ch_none", 400, "resource_missing", "starting_after"),
        ("/v1/charges?starting_after=a&ending_before=b", 400, "", "starting_after"),
        ("/v1/coupons/NONE", 404, "resource_missing", "id"),
        ("/v1/events?type=charge.failed&types[]=charge.failed", 400, "", "type"),
        (TWENTY_ONE_TYPES, 400, "", "types"),
        ("/v1/nothing", 404, "", ""),
        ("/v2/charges", 404, "", ""),
    ];
    for (path, status, code, param) in cases {
        assert_eq!(refusal(&emulators, path).await, (status, code.to_owned(), param.to_owned()), "{path}");
    }
    let version = [("authorization", format!("Bearer {STRIPE_KEY}")), ("stripe-version", "2026-01-01".to_owned())];
    let version: Vec<(&str, &str)> = version.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(super::client::get(&emulators.url("stripe"), "/v1/account", &version).await.status, 400);
}

#[tokio::test]
async fn every_page_is_newest_first_and_every_object_comes_once() {
    let emulators = unlimited().await;
    for list in ["subscriptions?status=all", "customers?", "balance_transactions?", "events?"] {
        let rows = walk(&emulators, &format!("/v1/{list}&limit=100")).await;
        let ids: HashSet<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), rows.len(), "{list}");
        assert!(rows.is_sorted_by_key(|row| -row["created"].as_i64().unwrap()), "{list}");
        let company = emulators.company();
        let expected = match list {
            "subscriptions?status=all" => company.stripe.subscriptions.len(),
            "customers?" => company.stripe.customers.len(),
            "balance_transactions?" => company.stripe.balance_transactions.len(),
            _ => company.stripe.events.len(),
        };
        assert_eq!(rows.len(), expected, "{list}");
    }
}

#[tokio::test]
async fn going_back_meets_the_page_before() {
    let emulators = unlimited().await;
    let first = ask(&emulators, "/v1/charges").await.json();
    assert_eq!(first["data"].as_array().unwrap().len(), 10);
    let fifth = first["data"][5]["id"].as_str().unwrap();
    let before = ask(&emulators, &format!("/v1/charges?limit=2&ending_before={fifth}")).await.json();
    assert_eq!(before["data"], serde_json::json!([first["data"][3], first["data"][4]]));
    assert_eq!(before["has_more"], true);
}

#[tokio::test]
async fn canceled_subscriptions_are_listed_only_when_asked_for() {
    let emulators = unlimited().await;
    let canceled = |rows: &[Value]| rows.iter().filter(|row| row["status"] == "canceled").count();
    let default = walk(&emulators, "/v1/subscriptions?limit=100").await;
    let all = walk(&emulators, "/v1/subscriptions?limit=100&status=all").await;
    assert_eq!(canceled(&default), 0);
    assert!(canceled(&all) > 20);
    assert_eq!(walk(&emulators, "/v1/subscriptions?limit=100&status=canceled").await.len(), canceled(&all));
}

#[tokio::test]
async fn created_filters_are_half_open_where_they_say_so() {
    let emulators = unlimited().await;
    let rows = walk(&emulators, "/v1/charges?limit=100").await;
    let at = rows[rows.len() / 2]["created"].as_i64().unwrap();
    let (mut older, mut same_or_newer) = (0, 0);
    for row in &rows {
        if row["created"].as_i64().unwrap() < at { older += 1 } else { same_or_newer += 1 }
    }
    assert_eq!(walk(&emulators, &format!("/v1/charges?limit=100&created[lt]={at}")).await.len(), older);
    assert_eq!(walk(&emulators, &format!("/v1/charges?limit=100&created[gte]={at}")).await.len(), same_or_newer);
}

#[tokio::test]
async fn references_are_ids_until_they_are_expanded() {
    let emulators = unlimited().await;
    let with_discount =
        |rows: Vec<Value>| rows.into_iter().find(|row| row["discounts"] != serde_json::json!([])).unwrap();
    let plain = with_discount(walk(&emulators, "/v1/subscriptions?limit=100&status=all").await);
    assert!(plain["discounts"][0].is_string() && plain["customer"].is_string());
    assert!(plain["items"]["data"][0]["price"].get("tiers").is_none());
    assert!(plain["items"]["data"][0]["current_period_end"].is_i64());
    assert!(plain.get("current_period_end").is_none());
    let id = plain["id"].as_str().unwrap();
    let one = ask(&emulators, &format!("/v1/subscriptions/{id}?expand[]=discounts.source.coupon&expand[]=customer"))
        .await
        .json();
    assert!(one["discounts"][0]["source"]["coupon"]["duration"].is_string());
    assert!(one["discounts"][0]["source"]["coupon"].get("applies_to").is_none());
    assert_eq!(one["customer"]["object"], "customer");
    let shallow = ask(&emulators, &format!("/v1/subscriptions/{id}?expand[]=discounts")).await.json();
    assert!(shallow["discounts"][0]["source"]["coupon"].is_string());
}

#[tokio::test]
async fn four_levels_can_be_expanded_on_a_list() {
    let emulators = unlimited().await;
    let path = "/v1/subscriptions?status=all&limit=100&expand%5B%5D=data.discounts.source.coupon\
                &expand[]=data.items.data.discounts";
    let rows = walk(&emulators, path).await;
    assert!(rows.iter().any(|row| row["discounts"][0]["source"]["coupon"]["duration"] == "repeating"));
    assert!(rows.iter().any(|row| row["items"]["data"][0]["discounts"][0]["source"]["coupon"] == "EARLYBIRD"));
}

#[tokio::test]
async fn an_account_without_history_answers_with_empty_lists() {
    let company = std::sync::Arc::new(Company::empty(super::now()));
    let emulators = Emulators::start(company, Options::default()).await.unwrap();
    let page = ask(&emulators, "/v1/subscriptions?status=all").await.json();
    assert_eq!((&page["data"], &page["has_more"]), (&serde_json::json!([]), &Value::Bool(false)));
    assert_eq!(ask(&emulators, "/v1/balance").await.json()["available"][0]["currency"], "usd");
    assert_eq!(ask(&emulators, "/v1/account").await.json()["settings"]["dashboard"]["timezone"], "Etc/UTC");
}

#[tokio::test]
async fn prices_show_tiers_and_other_currencies_only_when_expanded() {
    let emulators = unlimited().await;
    let path = "/v1/prices/price_1FernScaleMonthlyUsd00";
    let plain = ask(&emulators, path).await.json();
    assert!(plain.get("tiers").is_none() && plain.get("currency_options").is_none());
    let options = ask(&emulators, &format!("{path}?expand[]=currency_options")).await.json();
    assert!(options["currency_options"]["eur"].get("tiers").is_none());
    let tiers = ask(&emulators, &format!("{path}?expand[]=currency_options.eur.tiers&expand[]=tiers")).await.json();
    assert_eq!(tiers["currency_options"]["eur"]["tiers"][0]["flat_amount"], 9500);
    assert_eq!(tiers["tiers"][2]["up_to"], Value::Null);
}

#[tokio::test]
async fn an_older_version_has_the_older_shape() {
    let emulators = unlimited().await;
    let bearer = format!("Bearer {STRIPE_KEY}");
    let old =
        super::client::get(&emulators.url("stripe"), "/v1/subscriptions?limit=100", &[("authorization", &bearer)])
            .await;
    assert_eq!(old.header("stripe-version"), "2024-06-20");
    let old = old.json();
    assert!(old["data"][0]["current_period_end"].is_i64());
    let discount = old["data"].as_array().unwrap().iter().find(|row| row["discount"].is_object()).unwrap();
    assert!(discount["discount"]["coupon"]["duration"].is_string());
    let invoice =
        super::client::get(&emulators.url("stripe"), "/v1/invoices?limit=1", &[("authorization", &bearer)]).await;
    assert!(invoice.json()["data"][0]["subscription"].is_string());
    let new = ask(&emulators, "/v1/invoices?limit=1").await.json();
    assert!(new["data"][0]["parent"]["subscription_details"]["subscription"].is_string());
    assert!(new["data"][0].get("subscription").is_none());
}

#[tokio::test]
async fn the_twenty_sixth_request_of_a_second_is_too_fast() {
    let emulators = start(Options::default()).await;
    tokio::time::pause();
    for _ in 0..25 {
        assert_eq!(ask(&emulators, "/v1/charges?limit=1").await.status, 200);
    }
    let refused = ask(&emulators, "/v1/charges?limit=1").await;
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (429, Some("rate_limit")));
    assert_eq!(refused.header("stripe-rate-limited-reason"), "endpoint-rate");
    assert_eq!(ask(&emulators, "/v1/customers?limit=1").await.status, 200);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(ask(&emulators, "/v1/charges?limit=1").await.status, 200);
}

#[tokio::test]
async fn a_subscription_is_as_large_as_a_real_one() {
    let emulators = unlimited().await;
    let page = ask(&emulators, "/v1/subscriptions?limit=100&status=all").await;
    let each = page.body.len() / page.json()["data"].as_array().unwrap().len();
    assert!((3_000..9_000).contains(&each), "{each} bytes");
}

#[tokio::test]
async fn a_test_can_change_the_company_and_read_what_was_asked() {
    let emulators = unlimited().await;
    emulators.company_mut(|company| {
        let charge = serde_json::json!({ "id": "ch_test", "created": company.now.as_second(), "amount": 500 });
        company.stripe.charges.insert(charge);
        let ids: Vec<String> =
            company.stripe.customers.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        company.stripe.customers.remove(&ids[0]);
    });
    let newest = ask(&emulators, "/v1/charges?limit=1").await.json();
    assert_eq!(newest["data"][0]["id"], "ch_test");
    let log = emulators.requests("stripe");
    assert_eq!(
        (log.len(), log[0].path.as_str(), log[0].query.as_str(), log[0].status),
        (1, "/v1/charges", "limit=1", 200)
    );
    assert_eq!(emulators.count("stripe"), 1);
}
