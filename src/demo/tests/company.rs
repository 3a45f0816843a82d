use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{COMPANY, now};
use crate::{
    demo::{Company, company::Table},
    metric::{Day, Zone, exact},
};

fn sum<'a>(rows: impl Iterator<Item = &'a Value>, field: &str) -> i64 {
    rows.filter_map(|row| row[field].as_i64()).sum()
}

fn tables(company: &Company) -> [(&'static str, &Table); 13] {
    let stripe = &company.stripe;
    [
        ("products", &stripe.products),
        ("prices", &stripe.prices),
        ("coupons", &stripe.coupons),
        ("customers", &stripe.customers),
        ("deleted customers", &stripe.deleted_customers),
        ("subscriptions", &stripe.subscriptions),
        ("discounts", &stripe.discounts),
        ("invoices", &stripe.invoices),
        ("charges", &stripe.charges),
        ("refunds", &stripe.refunds),
        ("disputes", &stripe.disputes),
        ("balance transactions", &stripe.balance_transactions),
        ("events", &stripe.events),
    ]
}

#[test]
fn the_same_seed_and_instant_give_the_same_company() {
    let (one, other) = (Company::generate(3, now()), Company::generate(3, now()));
    for ((name, left), (_, right)) in tables(&one).into_iter().zip(tables(&other)) {
        assert!(left.iter().eq(right.iter()), "{name}");
    }
    assert_eq!(format!("{:?}", one.github), format!("{:?}", other.github));
    assert_eq!(one.truth(&Zone::utc()), other.truth(&Zone::utc()));
    let different = Company::generate(4, now());
    assert_ne!(one.truth(&Zone::utc()), different.truth(&Zone::utc()));
}

#[test]
fn nothing_in_it_is_after_now() {
    let limit = now().as_second();
    for (name, table) in tables(&COMPANY) {
        for row in table.iter() {
            assert!(row["created"].as_i64().unwrap() <= limit, "{name}: {row}");
        }
    }
    for row in COMPANY.stripe.subscriptions.iter() {
        for field in ["canceled_at", "ended_at", "start_date", "trial_start"] {
            assert!(row[field].as_i64().unwrap_or(0) <= limit, "{field}: {row}");
        }
    }
    for row in COMPANY.stripe.invoices.iter() {
        for at in row["status_transitions"].as_object().unwrap().values() {
            assert!(at.as_i64().unwrap_or(0) <= limit, "{row}");
        }
    }
    for repository in &COMPANY.github.repositories {
        let mut moments = vec![repository.created];
        moments.extend(repository.stars.iter().map(|star| star.at));
        moments.extend(repository.commits.iter().flat_map(|commit| [commit.authored, commit.committed]));
        moments.extend(repository.issues.iter().flat_map(|issue| [Some(issue.updated), issue.closed]).flatten());
        moments.extend(
            repository.releases.iter().flat_map(|release| [Some(release.created), release.published]).flatten(),
        );
        moments.extend(repository.runs.iter().map(|run| run.updated));
        assert!(moments.iter().all(|at| *at <= now()), "{}", repository.name);
    }
}

#[test]
fn every_kind_of_life_occurs() {
    let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
    for row in COMPANY.stripe.subscriptions.iter() {
        *statuses.entry(row["status"].as_str().unwrap()).or_default() += 1;
    }
    for status in ["active", "canceled", "incomplete_expired", "past_due", "paused", "trialing"] {
        assert!(statuses.contains_key(status), "no {status}: {statuses:?}");
    }
    let some = |test: fn(&Value) -> bool| COMPANY.stripe.subscriptions.iter().any(test);
    assert!(some(|row| row["pause_collection"].is_object()));
    assert!(some(|row| row["cancel_at_period_end"] == true));
    assert!(some(|row| row["start_date"].as_i64() < row["created"].as_i64()));
    assert!(some(|row| row["collection_method"] == "send_invoice"));
    assert!(some(|row| row["items"].as_array().is_some_and(|items| items.len() > 2)));
    assert!(some(|row| row["items"][0]["discounts"] != serde_json::json!([])));
    let categories: std::collections::BTreeSet<&str> =
        COMPANY.stripe.balance_transactions.iter().filter_map(|row| row["reporting_category"].as_str()).collect();
    assert!(categories.len() >= 6, "{categories:?}");
    assert!(COMPANY.stripe.customers.iter().any(|row| row["discount"].is_object()));
    assert!(!COMPANY.stripe.deleted_customers.is_empty());
    assert!(
        COMPANY.stripe.events.iter().any(|row| row["was"].is_object() && row["was"]["items"] != row["is"]["items"])
    );
}

#[test]
fn what_was_charged_is_what_was_billed_and_what_reached_the_balance() {
    let stripe = &COMPANY.stripe;
    for currency in ["usd", "eur", "jpy"] {
        let of = |row: &&Value| row["currency"] == currency;
        let billed = sum(stripe.invoices.iter().filter(of), "amount_paid");
        let charged = sum(stripe.charges.iter().filter(of).filter(|row| row["status"] != "failed"), "amount");
        assert_eq!(billed, charged, "{currency}");
        assert!(charged > 0, "{currency}");
        let refunded = sum(stripe.refunds.iter().filter(of), "amount");
        assert_eq!(refunded, sum(stripe.charges.iter().filter(of), "amount_refunded"), "{currency}");
    }
    // Euros settle as euros, so the balance must agree with the charges to the cent.
    let euros = |category: &str| {
        let of = |row: &&Value| row["currency"] == "eur" && row["reporting_category"] == category;
        sum(stripe.balance_transactions.iter().filter(of), "amount")
    };
    let of = |row: &&Value| row["currency"] == "eur";
    assert_eq!(
        euros("charge"),
        sum(stripe.charges.iter().filter(of).filter(|row| row["status"] != "failed"), "amount")
    );
    assert_eq!(euros("refund"), -sum(stripe.refunds.iter().filter(of), "amount"));
    for row in stripe.balance_transactions.iter() {
        assert_eq!(row["net"].as_i64(), row["amount"].as_i64().zip(row["fee"].as_i64()).map(|(a, f)| a - f), "{row}");
    }
    for (currency, left) in &stripe.balance {
        let of = |row: &&Value| row["currency"] == *currency;
        assert_eq!(sum(stripe.balance_transactions.iter().filter(of), "net"), *left);
    }
}

#[test]
fn invoices_add_up_from_their_lines() {
    for row in COMPANY.stripe.invoices.iter() {
        let lines = row["lines"].as_array().unwrap();
        let gross = sum(lines.iter(), "amount");
        let off = sum(lines.iter().flat_map(|line| line["discount_amounts"].as_array().unwrap()), "amount");
        assert_eq!(row["subtotal"].as_i64(), Some(gross), "{row}");
        assert_eq!(row["total"].as_i64(), Some(gross - off), "{row}");
        assert!(row["total"].as_i64() >= Some(0), "{row}");
    }
}

#[test]
fn truth_agrees_with_what_the_lists_show() {
    let truth = COMPANY.truth(&Zone::utc());
    let stripe = &COMPANY.stripe;
    assert_eq!(truth.customers, i64::try_from(stripe.customers.len()).unwrap());
    assert_eq!(truth.new_customers.values().sum::<i64>(), truth.customers);
    let status = |wanted: &str| {
        i64::try_from(stripe.subscriptions.iter().filter(|row| row["status"] == wanted).count()).unwrap()
    };
    assert_eq!(truth.trialing_subscriptions, status("trialing"));
    assert!(truth.active_subscriptions <= status("active") + status("past_due"));
    assert!(truth.active_subscriptions > 100);
    let failed = stripe.charges.iter().filter(|row| row["status"] == "failed").count();
    assert_eq!(truth.failed_payments.values().sum::<i64>(), i64::try_from(failed).unwrap());
    assert_eq!(truth.new_subscriptions.values().sum::<i64>() - truth.churned_subscriptions.values().sum::<i64>(), {
        let alive = |row: &&Value| {
            row["ended_at"].is_null() && !matches!(row["status"].as_str(), Some("trialing" | "paused" | "incomplete"))
        };
        let worth =
            |row: &&Value| row["items"][0]["price"] != "price_1FernFreeMonthlyUsd000" && !partner(&row["discounts"]);
        i64::try_from(stripe.subscriptions.iter().filter(alive).filter(worth).count()).unwrap()
    });
    let net: i64 = truth.money.values().flat_map(BTreeMap::values).map(|money| money.net).sum();
    let revenue: i64 = truth.money.values().flat_map(BTreeMap::values).map(|money| money.revenue - money.fees).sum();
    assert_eq!(net, revenue);
}

/// Whether one of these discounts takes everything.
fn partner(discounts: &Value) -> bool {
    let takes_all = |id: &Value| {
        id.as_str().and_then(|id| COMPANY.stripe.discounts.get(id)).is_some_and(|row| row["coupon"] == "PARTNER100")
    };
    discounts.as_array().unwrap().iter().any(takes_all)
}

#[test]
fn mrr_is_the_sum_of_its_prices_and_grew_over_time() {
    let truth = COMPANY.truth(&Zone::utc());
    let mut by_currency: HashMap<&str, exact::Exact> = HashMap::new();
    for ((currency, _), amount) in &truth.mrr_by_price {
        *by_currency.entry(currency).or_default() += amount;
    }
    for (currency, amount) in &by_currency {
        assert_eq!(exact::round(amount), truth.mrr.get(*currency).copied(), "{currency}");
    }
    assert_eq!(by_currency.len(), 3);
    let day = |back: i32| Day::of(now(), &Zone::utc()).plus(-back);
    assert!(truth.mrr_history[&day(200)]["USD"] < truth.mrr_history[&day(1)]["USD"]);
    assert_eq!(truth.mrr_history.keys().last(), Some(&day(1)));
    let midnight = Zone::utc().start_of(day(30)).saturating_sub(jiff::SignedDuration::from_secs(1)).unwrap();
    assert_eq!(truth.mrr_history[&day(31)], COMPANY.mrr_at(midnight));
}

#[test]
fn days_follow_the_zone() {
    let utc = COMPANY.truth(&Zone::utc());
    let far = COMPANY.truth(&"Pacific/Kiritimati".parse().unwrap());
    assert_ne!(utc.money, far.money);
    let total = |truth: &crate::demo::Truth| truth.failed_payments.values().sum::<i64>();
    assert_eq!(total(&utc), total(&far));
}

#[test]
fn movements_lead_from_each_day_to_the_next() {
    let truth = COMPANY.truth(&Zone::utc());
    let mut before: BTreeMap<String, exact::Exact> = BTreeMap::new();
    let mut seen = [0; 5];
    for (day, moved) in &truth.movements {
        for (currency, movement) in &moved.by_currency {
            assert_eq!(before.remove(currency).unwrap_or_default(), movement.start, "{currency} on {day}");
            let parts =
                [&movement.new, &movement.reactivation, &movement.expansion, &movement.contraction, &movement.churned];
            let [new, reactivation, expansion, contraction, churned] = parts;
            let end = &movement.start + new + reactivation + expansion - contraction - churned;
            assert_eq!(end, movement.end, "{currency} on {day}");
            for (count, part) in seen.iter_mut().zip(parts) {
                *count += i32::from(!part.is_zero());
            }
            before.insert(currency.clone(), end.clone());
            if let Some(levels) = truth.mrr_history.get(day) {
                assert_eq!(exact::round(&end), levels.get(currency).copied(), "{currency} on {day}");
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 0), "every kind of movement occurs: {seen:?}");
    let today = Day::of(now(), &Zone::utc());
    for (currency, amount) in &truth.mrr {
        assert_eq!(exact::round(&truth.movements[&today].by_currency[currency].end), Some(*amount));
    }
    assert_eq!(truth.paying_history[&today], truth.paying_customers);
    let month = &truth.months[&today];
    assert_eq!(month.customers_at_start, truth.paying_history[&today.plus(-30)]);
    let present =
        month.customers_at_start - month.customers_churned + month.customers_new + month.customers_reactivated;
    assert_eq!(present, truth.paying_customers);
}
