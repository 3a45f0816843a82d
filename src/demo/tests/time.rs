//! Time passes: what was stays, and more is added.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{COMPANY, client::get, now, unlimited};
use crate::{
    demo::{Company, STRIPE_KEY, Truth, company::Stripe},
    metric::{Day, Zone},
};

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * count)
}

fn created(row: &Value) -> i64 {
    row["created"].as_i64().unwrap()
}

fn id(row: &Value) -> &str {
    row["id"].as_str().unwrap()
}

/// The lists of which an object never changes.
fn fixed(stripe: &Stripe) -> [(&'static str, Vec<&Value>); 6] {
    [
        ("products", stripe.products.iter().collect()),
        ("prices", stripe.prices.iter().collect()),
        ("coupons", stripe.coupons.iter().collect()),
        ("discounts", stripe.discounts.iter().collect()),
        ("refunds", stripe.refunds.iter().collect()),
        ("events", stripe.events.iter().collect()),
    ]
}

/// The lists of which an object goes on to live.
fn living(stripe: &Stripe) -> [(&'static str, Vec<&Value>); 6] {
    let customers = stripe.customers.iter().chain(stripe.deleted_customers.iter());
    [
        ("customers", customers.collect()),
        ("subscriptions", stripe.subscriptions.iter().collect()),
        ("invoices", stripe.invoices.iter().collect()),
        ("charges", stripe.charges.iter().collect()),
        ("disputes", stripe.disputes.iter().collect()),
        ("balance transactions", stripe.balance_transactions.iter().collect()),
    ]
}

/// Holds that `later` is what `company` became.
fn continues((company, was): &(Company, Truth), (later, is): &(Company, Truth)) {
    let limit = company.now.as_second();
    let oldest_event = later.now.saturating_sub(days(30)).unwrap().as_second();
    for ((name, before), (_, after)) in fixed(&company.stripe).into_iter().zip(fixed(&later.stripe)) {
        let kept = |rows: Vec<&Value>| -> BTreeMap<String, Value> {
            let in_both = |row: &&Value| created(row) <= limit && (name != "events" || created(row) >= oldest_event);
            rows.into_iter().filter(in_both).map(|row| (id(row).to_owned(), row.clone())).collect()
        };
        assert_eq!(kept(before), kept(after), "{name}");
    }
    for ((name, before), (_, after)) in living(&company.stripe).into_iter().zip(living(&later.stripe)) {
        let ids = |rows: Vec<&Value>| -> Vec<(i64, String)> {
            let mut ids: Vec<_> = rows.into_iter().map(|row| (created(row), id(row).to_owned())).collect();
            ids.retain(|(at, _)| *at <= limit);
            ids.sort();
            ids
        };
        assert_eq!(ids(before), ids(after), "{name}");
    }
    let today = Day::of(company.now, &Zone::utc());
    for (day, levels) in &was.mrr_history {
        assert_eq!(Some(levels), is.mrr_history.get(day), "{day}");
    }
    for (day, moved) in was.movements.range(..today) {
        assert_eq!(Some(moved), is.movements.get(day), "{day}");
        assert_eq!(was.months.get(day), is.months.get(day), "{day}");
    }
    assert_eq!(was.mrr, later.mrr_at(company.now));
    assert!(was.failed_payments.range(..today).eq(is.failed_payments.range(..today)));
    assert!(was.new_subscriptions.range(..today).eq(is.new_subscriptions.range(..today)));
    assert!(was.churned_subscriptions.range(..today).eq(is.churned_subscriptions.range(..today)));
    assert!(was.money.range(..today).eq(is.money.range(..today)));
}

#[test]
fn later_is_the_same_company_with_more_behind_it() {
    let with_truth = |company: Company| {
        let truth = company.truth(&Zone::utc());
        (company, truth)
    };
    let mut before = with_truth(COMPANY.as_ref().clone());
    for step in [SignedDuration::from_secs(1), SignedDuration::from_hours(30), days(70)] {
        let later = with_truth(COMPANY.at(now() + step));
        continues(&before, &later);
        before = later;
    }
    let (last, _) = before;
    assert!(last.stripe.customers.len() > COMPANY.stripe.customers.len() + 50);
    assert!(last.stripe.invoices.len() > COMPANY.stripe.invoices.len() + 300);
    let status = |company: &Company, id: &str| company.stripe.subscriptions.get(id).unwrap()["status"].clone();
    let ids: Vec<&str> = COMPANY.stripe.subscriptions.iter().map(id).collect();
    assert!(ids.iter().filter(|id| status(&COMPANY, id) != status(&last, id)).count() > 10);
}

#[test]
fn the_code_goes_on_too() {
    let (soon, later) = (COMPANY.at(now() + days(5)), COMPANY.at(now() + days(20)));
    for (was, is) in COMPANY.github.repositories.iter().zip(&later.github.repositories) {
        let name = &was.name;
        assert_eq!((was.id, was.created), (is.id, is.created), "{name}");
        assert!(
            was.stars.iter().map(|star| (star.at, &star.login)).eq(is
                .stars
                .iter()
                .map(|star| (star.at, &star.login))
                .take(was.stars.len())),
            "{name}"
        );
        assert!(
            was.commits.iter().map(|commit| &commit.sha).eq(is
                .commits
                .iter()
                .map(|commit| &commit.sha)
                .take(was.commits.len())),
            "{name}"
        );
        for (was, is) in was.issues.iter().zip(&is.issues) {
            assert_eq!(
                (was.id, was.number, &was.title, was.created),
                (is.id, is.number, &is.title, is.created),
                "{name}"
            );
            assert!(was.updated <= is.updated && (was.closed.is_none() || was.closed == is.closed), "{name}");
            let merged = |issue: &crate::demo::company::Issue| issue.pull.as_ref().and_then(|pull| pull.merged);
            assert!(merged(was).is_none() || merged(was) == merged(is), "{name}");
        }
        for (was, is) in was.releases.iter().zip(&is.releases) {
            assert_eq!((was.id, &was.tag), (is.id, &is.tag), "{name}");
            assert!(was.published.is_none() || was.published == is.published, "{name}");
            for (was, is) in was.assets.iter().zip(&is.assets) {
                assert!(was.id == is.id && was.downloads <= is.downloads, "{name}");
            }
        }
        for (was, is) in was.runs.iter().zip(&is.runs) {
            assert_eq!((was.id, was.number, was.name, was.created), (is.id, is.number, is.name, is.created), "{name}");
            assert!(was.conclusion.is_none() || was.conclusion == is.conclusion, "{name}");
        }
        let soon = soon.github.repositories.iter().find(|other| other.id == was.id).unwrap();
        let kept = was.traffic.iter().filter(|visits| visits.day >= Day::of(now(), &Zone::utc()).plus(-14));
        for visits in kept {
            assert!(soon.traffic.iter().any(|later| later.day == visits.day && later.views == visits.views), "{name}");
        }
        if was.commits.len() > 10 {
            assert!(was.commits.len() < is.commits.len() && was.runs.len() < is.runs.len(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_running_emulator_is_moved_on() {
    let emulators = unlimited().await;
    let bearer = format!("Bearer {STRIPE_KEY}");
    let headers = [("authorization", bearer.as_str()), ("stripe-version", "2026-07-29.dahlia")];
    let newest = async || {
        let page = get(&emulators.url("stripe"), "/v1/events?limit=1", &headers).await;
        let date: Timestamp = Timestamp::from_second(page.json()["data"][0]["created"].as_i64().unwrap()).unwrap();
        (date, page.header("date").to_owned())
    };
    let (before, _) = newest().await;
    assert!(before <= now());
    emulators.advance(now() + days(3));
    let (after, date) = newest().await;
    assert!(now() < after && after <= now() + days(3));
    assert!(date.starts_with("Fri, 03 Apr 2026 15:04:"), "{date}");
    assert_eq!(emulators.company().now, now() + days(3));
}
