//! The event log: whole objects as they were, what they were before, and 30 days of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    COMPANY, now, start,
    stripe::{ask, walk, walk_in},
    unlimited,
};
use crate::demo::{Emulators, Options};

const NEW: &str = "2026-07-29.dahlia";
const DAY: i64 = 86_400;

async fn of_version(version: &'static str) -> Emulators {
    start(Options { rate_limits: false, stripe_version: version, ..Options::default() }).await
}

fn text<'a>(row: &'a Value, field: &str) -> &'a str {
    row[field].as_str().unwrap()
}

/// What an object was before, from what it is and the attributes that an event says it had.
fn undo(is: &Value, previous: &Map<String, Value>) -> Value {
    let mut was = is.clone();
    for (name, value) in previous {
        was[name] = match value {
            Value::Object(part) if is[name].is_object() && !part.contains_key("id") => undo(&is[name], part),
            whole => whole.clone(),
        };
    }
    was
}

/// Undoes the events of subscriptions and customers from their present state backwards, and gives how many were undone.
async fn walk_back(emulators: &Emulators, version: &str) -> usize {
    let mut present: BTreeMap<String, Value> = BTreeMap::new();
    for list in ["subscriptions?status=all", "customers?"] {
        for row in walk_in(emulators, version, &format!("/v1/{list}&limit=100")).await {
            present.insert(text(&row, "id").to_owned(), row);
        }
    }
    let mut undone = 0;
    let mut ended: BTreeSet<String> = BTreeSet::new();
    for event in walk_in(emulators, NEW, "/v1/events?limit=100&type=customer.*").await {
        let object = &event["data"]["object"];
        if object["object"] == "discount" {
            continue;
        }
        let (name, id) = (text(&event, "type"), text(object, "id").to_owned());
        let what = name.rsplit('.').next().unwrap();
        match (present.remove(&id), what) {
            (Some(known), _) => assert_eq!(&known, object, "{name} of {id}"),
            // A deleted customer is not listed; what ended is told by itself, not as a change of what it was.
            (None, "deleted") => {}
            (None, _) => assert!(ended.remove(&id), "{name} of {id}, which is not there"),
        }
        match (what, event["data"]["previous_attributes"].as_object()) {
            ("updated", Some(previous)) if !previous.is_empty() => {
                present.insert(id, undo(object, previous));
                undone += 1;
            }
            ("updated", _) => panic!("an update says what it changed: {event}"),
            (_, Some(_)) => panic!("only an update does: {event}"),
            ("deleted", _) => drop(ended.insert(id)),
            ("created", _) => {}
            _ => drop(present.insert(id, object.clone())),
        }
    }
    undone
}

#[tokio::test]
async fn each_event_leads_from_what_was_to_what_is() {
    // An old account's events have the old shape, whatever version they are asked for in.
    for version in [NEW, "2024-06-20"] {
        let emulators = of_version(version).await;
        let undone = walk_back(&emulators, version).await;
        assert!(undone > 150, "{version}: {undone}");
    }
}

#[tokio::test]
async fn an_event_is_in_the_accounts_version() {
    for (version, is_old) in [(NEW, false), ("2024-06-20", true)] {
        let emulators = of_version(version).await;
        let path = "/v1/events?limit=100&type=customer.subscription.updated";
        let mut renewals = 0;
        for event in walk(&emulators, path).await {
            assert_eq!(event["api_version"], version);
            let (object, previous) = (&event["data"]["object"], &event["data"]["previous_attributes"]);
            assert_eq!(object["current_period_end"].is_i64(), is_old);
            assert_eq!(object["items"]["data"][0]["current_period_end"].is_i64(), !is_old);
            assert!(object["discounts"].as_array().unwrap().iter().all(Value::is_string), "{object}");
            assert!(object["customer"].is_string() && object["latest_invoice"].is_string());
            assert_eq!(
                object.get("discount").is_some_and(Value::is_object),
                is_old && object["discounts"] != Value::from(Vec::<Value>::new())
            );
            let names: BTreeSet<&str> = previous.as_object().unwrap().keys().map(String::as_str).collect();
            // A renewal tells of the period and the invoice alone, in the words of its version.
            let period: &[&str] = if is_old {
                &["current_period_end", "current_period_start", "latest_invoice"]
            } else {
                &["items", "latest_invoice"]
            };
            let same_terms = |item: &Value| (item["price"]["id"].clone(), item["quantity"].clone());
            let items = previous["items"]["data"].as_array();
            let terms_changed = items.is_some_and(|items| {
                !items.iter().map(same_terms).eq(object["items"]["data"].as_array().unwrap().iter().map(same_terms))
            });
            if names == BTreeSet::from_iter(period.iter().copied()) && !terms_changed {
                renewals += 1;
            }
            if let Some(items) = items {
                let list = previous["items"].as_object().unwrap();
                assert!(
                    list.keys().all(|name| name == "data" || name == "total_count"),
                    "only what changed of the list"
                );
                assert!(items.iter().all(|item| item["object"] == "subscription_item" && item["price"].is_object()));
            }
        }
        assert!(renewals > 100, "{renewals}");
    }
}

#[tokio::test]
async fn every_kind_of_event_occurs() {
    let mut seen = BTreeSet::new();
    for months in 0..2 {
        let later = COMPANY.at(now() + jiff::SignedDuration::from_hours(24 * 30 * months));
        seen.extend(later.stripe.events.iter().map(|row| text(row, "type").to_owned()));
    }
    for name in [
        "charge.dispute.created",
        "charge.failed",
        "charge.refunded",
        "charge.succeeded",
        "customer.created",
        "customer.deleted",
        "customer.discount.created",
        "customer.discount.deleted",
        "customer.discount.updated",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
        "customer.updated",
        "invoice.created",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.voided",
    ] {
        assert!(seen.contains(name), "{name} is not among {seen:?}");
    }
}

#[tokio::test]
async fn events_are_filtered_by_name_and_time() {
    let emulators = unlimited().await;
    let all = walk(&emulators, "/v1/events?limit=100&type=customer.*").await;
    assert!(all.is_sorted_by_key(|event| -event["created"].as_i64().unwrap()));
    let oldest = all.last().unwrap()["created"].as_i64().unwrap();
    assert!(now().as_second() - 30 * DAY <= oldest && oldest < now().as_second() - 29 * DAY);

    let (one, other) = ("customer.subscription.deleted", "customer.subscription.paused");
    let two = walk(&emulators, &format!("/v1/events?limit=100&types[]={one}&types[]={other}")).await;
    let expected: Vec<&Value> = all.iter().filter(|event| [one, other].contains(&text(event, "type"))).collect();
    assert!(expected.len() > 6 && two.iter().eq(expected));
    let wild = walk(&emulators, "/v1/events?limit=100&type=customer.discount.*").await;
    assert!(wild.len() > 10 && wild.iter().all(|event| text(event, "type").starts_with("customer.discount.")));
    assert!(walk(&emulators, "/v1/events?types[]=customer.discount.*").await.is_empty(), "only type has wildcards");

    let all: Vec<&Value> = all.iter().filter(|event| text(event, "type").ends_with(".created")).collect();
    let at = all[all.len() / 2]["created"].as_i64().unwrap();
    for (bound, holds) in [
        ("gte", (|created, at| created >= at) as fn(i64, i64) -> bool),
        ("gt", |created, at| created > at),
        ("lte", |created, at| created <= at),
        ("lt", |created, at| created < at),
    ] {
        let names = "types[]=customer.created&types[]=customer.subscription.created&types[]=customer.discount.created";
        let some = walk(&emulators, &format!("/v1/events?limit=100&{names}&created[{bound}]={at}")).await;
        let expected = all.iter().copied().filter(|event| holds(event["created"].as_i64().unwrap(), at));
        assert!(some.iter().eq(expected), "{bound}");
    }
}

#[tokio::test]
async fn what_is_older_than_thirty_days_is_gone() {
    let emulators = unlimited().await;
    let oldest = walk(&emulators, "/v1/events?limit=100&type=customer.subscription.created").await.pop().unwrap();
    let id = text(&oldest, "id").to_owned();
    assert_eq!(ask(&emulators, &format!("/v1/events/{id}")).await.json(), oldest);
    emulators.advance(now() + jiff::SignedDuration::from_hours(48));
    assert_eq!(ask(&emulators, &format!("/v1/events/{id}")).await.status, 404);
    assert_eq!(ask(&emulators, &format!("/v1/events?starting_after={id}")).await.status, 400);
    let path = format!("/v1/events?limit=100&created[gt]={}", now().as_second());
    let newer = walk(&emulators, &path).await;
    assert!(newer.len() > 20 && newer.iter().all(|event| event["created"].as_i64().unwrap() > now().as_second()));
}

#[tokio::test]
async fn a_discount_that_is_gone_is_told_whole_and_no_longer_listed() {
    let emulators = of_version(NEW).await;
    let mut ends = 0;
    for event in walk(&emulators, "/v1/events?limit=100&type=customer.discount.deleted").await {
        let discount = &event["data"]["object"];
        assert!(discount["source"]["coupon"].is_string() && discount["start"].is_i64(), "{discount}");
        let Some(subscription) = discount["subscription"].as_str() else { continue };
        let now = ask(&emulators, &format!("/v1/subscriptions/{subscription}")).await.json();
        assert!(!now["discounts"].as_array().unwrap().contains(&discount["id"]), "{now}");
        ends += usize::from(discount["end"] == event["created"]);
    }
    assert!(ends > 0, "some come to their end by themselves");
    let at = now().as_second();
    let rows = walk(&emulators, "/v1/subscriptions?limit=100&expand[]=data.discounts").await;
    for row in rows.into_iter().filter(|row| row["ended_at"].is_null()) {
        for discount in row["discounts"].as_array().unwrap() {
            assert!(discount["end"].as_i64().is_none_or(|end| end > at), "{discount}");
        }
    }
}
