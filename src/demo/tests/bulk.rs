//! The bulk account: it can be read like the real one, changed by count, and counts what it was asked.

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{client::get, now};
use crate::demo::bulk::{Bulk, Changed, Count, Options};

async fn walk(bulk: &Bulk, path: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after =
            all.last().map(|row| format!("&starting_after={}", row["id"].as_str().unwrap())).unwrap_or_default();
        let page = get(bulk.url(), &format!("{path}{after}"), &[]).await.json();
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] == false {
            return all;
        }
    }
}

fn id(row: &Value) -> &str {
    row["id"].as_str().unwrap()
}

/// Cents a month, from what a list with expanded discounts shows.
fn worth(row: &Value) -> u64 {
    let price = &row["items"]["data"][0]["price"];
    let off: u64 = row["discounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["source"]["coupon"]["percent_off"].as_u64().unwrap())
        .sum();
    if row["status"] == "active" { price["unit_amount"].as_u64().unwrap() * (100 - off) / 100 } else { 0 }
}

const WHOLE: &str = "/v1/subscriptions?limit=100&status=all&expand[]=data.discounts.source.coupon";

#[tokio::test]
async fn a_bulk_account_is_walked_once_and_each_subscription_is_about_six_kilobytes() {
    let bulk = Bulk::start(1_000, now()).await.unwrap();
    let page = get(bulk.url(), "/v1/subscriptions?limit=100&status=all", &[]).await;
    let each = page.body.len() / 100;
    assert!((5_000..7_000).contains(&each), "{each} bytes");
    assert!(page.body.contains("\n      \"object\": \"subscription\""), "indented as Stripe does");
    let rows = walk(&bulk, WHOLE).await;
    let ids: HashSet<&str> = rows.iter().map(id).collect();
    assert_eq!((ids.len(), bulk.requests()), (1_000, 11));
    assert_eq!(rows.iter().map(worth).sum::<u64>(), bulk.mrr());
    let prices: HashSet<String> = rows.iter().map(|row| row["items"]["data"][0]["price"].to_string()).collect();
    assert_eq!(prices.len(), 97, "a plan's id stands for one amount");
    let discounted = rows.iter().filter(|row| row["discounts"] != json!([])).count();
    assert_eq!(u64::try_from(discounted).unwrap(), bulk.discounted());
    assert!((30..70).contains(&discounted), "about one in twenty: {discounted}");
    assert!(rows.is_sorted_by_key(|row| -row["created"].as_i64().unwrap()));
    let empty = get(bulk.url(), "/v1/charges?limit=100", &[]).await.json();
    assert_eq!(empty["data"], json!([]));
}

#[tokio::test]
async fn windows_of_creation_time_join_to_the_whole() {
    let bulk = Bulk::start(1_000, now()).await.unwrap();
    let all = walk(&bulk, "/v1/subscriptions?limit=100&status=all").await;
    let year = 365 * 86_400;
    let end = now().as_second();
    assert!(all[999]["created"].as_i64().unwrap() < end - 3 * year);
    let mut joined = Vec::new();
    for window in 0..5 {
        let (from, to) = (end - (window + 1) * year, end - window * year);
        let path = format!("/v1/subscriptions?limit=100&status=all&created[gte]={from}&created[lt]={to}");
        let rows = walk(&bulk, &path).await;
        assert!(rows.iter().all(|row| (from..to).contains(&row["created"].as_i64().unwrap())));
        assert!(window > 3 || rows.len() > 100, "{window}: {}", rows.len());
        joined.extend(rows);
    }
    assert_eq!(joined, all);
    let at = all[500]["created"].as_i64().unwrap();
    let (from, after) = (format!("created[gte]={at}"), format!("created[gt]={at}"));
    for (bound, expected) in
        [(from, 501), (after, 500), (format!("created[lte]={at}"), 500), (format!("created[lt]={at}"), 499)]
    {
        assert_eq!(walk(&bulk, &format!("/v1/subscriptions?limit=100&{bound}")).await.len(), expected, "{bound}");
    }
}

#[tokio::test]
async fn one_percent_changes_and_events_lead_to_the_new_state() {
    let bulk = Bulk::start(1_500, now()).await.unwrap();
    let mut known: BTreeMap<String, Value> =
        walk(&bulk, WHOLE).await.into_iter().map(|row| (id(&row).to_owned(), row)).collect();
    let (mrr, mut since) = (bulk.mrr(), now().as_second());
    for round in 1..=2 {
        let at = now() + jiff::SignedDuration::from_hours(round);
        let Changed { subscriptions, discounted, events } = bulk.change(30, at);
        assert_eq!((subscriptions, events > 30), (30, true));
        assert!(discounted > 0 && discounted < 15, "{discounted}");
        let path = format!(
            "/v1/events?limit=100&types[]=customer.subscription.updated&types[]=customer.subscription.deleted\
                            &created[gt]={since}"
        );
        let told = walk(&bulk, &path).await;
        assert_eq!(told.len(), 30, "one for each subscription");
        for event in &told {
            let object = &event["data"]["object"];
            assert!(object["discounts"].as_array().unwrap().iter().all(Value::is_string), "never expanded");
            let before = &known[id(object)];
            if let Some(previous) = event["data"]["previous_attributes"].as_object() {
                assert!(previous.keys().all(|name| ["items", "discounts"].contains(&name.as_str())), "{previous:?}");
                if let Some(items) = previous.get("items") {
                    assert_eq!(items, &json!({ "data": before["items"]["data"] }));
                }
            }
            // Of what has a discount, an event does not tell how much it is.
            let one = match object["discounts"].as_array().unwrap().len() {
                0 => object.clone(),
                _ => {
                    let path = format!("/v1/subscriptions/{}?expand[]=discounts.source.coupon", id(object));
                    get(bulk.url(), &path, &[]).await.json()
                }
            };
            known.insert(id(object).to_owned(), one);
        }
        since = at.as_second();
    }
    let fresh = walk(&bulk, WHOLE).await;
    assert!(fresh.iter().eq(known.values()), "what was followed is what a fresh walk finds");
    assert_eq!(fresh.iter().map(worth).sum::<u64>(), bulk.mrr());
    assert_ne!(mrr, bulk.mrr());
    assert_eq!((bulk.active(), fresh.iter().filter(|row| row["status"] == "canceled").count()), (1_494, 6));
    assert_eq!(walk(&bulk, "/v1/subscriptions?limit=100").await.len(), 1_494, "canceled ones only when asked for");
    let discounts = walk(&bulk, "/v1/events?limit=100&types[]=customer.discount.created").await;
    assert!(
        !discounts.is_empty() && discounts.iter().all(|event| event["data"]["object"]["source"]["coupon"].is_string())
    );
}

#[tokio::test]
async fn another_process_changes_it_and_reads_its_counts() {
    let bulk = Bulk::start(300, now()).await.unwrap();
    let address = bulk.url().to_owned();
    let control = async |method: &str, path: &str| {
        let mut stream = tokio::net::TcpStream::connect(address.strip_prefix("http://").unwrap()).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: bulk\r\nconnection: close\r\n\r\n");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
        serde_json::from_str::<Value>(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    get(bulk.url(), "/v1/subscriptions?limit=1", &[]).await;
    get(bulk.url(), "/v1/subscriptions/sub_1Bulk00000000000007", &[]).await;
    get(bulk.url(), "/v1/coupons/BULK20", &[]).await;
    let changed = control("POST", &format!("/bulk/change?count=3&at={}", now().as_second() + 5)).await;
    assert_eq!((&changed["subscriptions"], changed["mrr"].as_u64()), (&json!(3), Some(bulk.mrr())));
    let counts = control("GET", "/bulk/counts").await;
    let once = json!({ "requests": 1, "refused": 0 });
    assert_eq!(counts, json!({ "/v1/coupons/{id}": once, "/v1/subscriptions": once, "/v1/subscriptions/{id}": once }));
}

#[tokio::test]
async fn each_endpoint_takes_so_many_a_second_and_answers_429_to_more() {
    let options = Options { per_second: Some(25), retry_after: Some(2), ..Options::default() };
    let bulk = Bulk::start_with(100, now(), options).await.unwrap();
    tokio::time::pause();
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(get(bulk.url(), "/v1/subscriptions?limit=1", &[]).await.status);
    }
    assert_eq!((statuses[..25].to_vec(), statuses[25..].to_vec()), (vec![200; 25], vec![429; 5]));
    let refused = get(bulk.url(), "/v1/subscriptions?limit=1", &[]).await;
    assert_eq!(refused.json()["error"]["code"], "rate_limit");
    assert_eq!((refused.header("retry-after"), refused.header("stripe-rate-limited-reason")), ("2", "endpoint-rate"));
    assert_eq!(get(bulk.url(), "/v1/events", &[]).await.status, 200, "each endpoint for itself");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(get(bulk.url(), "/v1/subscriptions?limit=1", &[]).await.status, 200);
    assert_eq!(bulk.counts()["/v1/subscriptions"], Count { requests: 32, refused: 6 });

    let silent = Options { per_second: Some(0), ..Options::default() };
    let bulk = Bulk::start_with(100, now(), silent).await.unwrap();
    assert_eq!(get(bulk.url(), "/v1/subscriptions", &[]).await.header("retry-after"), "");
}

#[tokio::test]
async fn an_answer_takes_as_long_as_it_was_told_to() {
    let options = Options { latency: Duration::from_millis(60), ..Options::default() };
    let bulk = Bulk::start_with(100, now(), options).await.unwrap();
    let since = Instant::now();
    let ask = || get(bulk.url(), "/v1/subscriptions?limit=1", &[]);
    tokio::join!(ask(), ask(), ask(), ask());
    assert!(since.elapsed() >= Duration::from_millis(60));
}
