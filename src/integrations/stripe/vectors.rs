//! The engine against the rows of providers.md 8.4 that speak of subscriptions.

use serde_json::{Value as Json, json};

use super::{
    amount::Amount,
    answers::{Coupon, Price, Subscription},
    facts::Facts,
    mrr::{self, Around, PriceKey, Reason, Valuation},
    scripted::parsed,
    settings::{self, Rules},
};
use crate::{
    integrations::Settings,
    metric::{Exact, exact},
};

/// 2026-03-15T12:00:00Z.
pub(super) const NOW: i64 = 1_773_576_000;
pub(super) const DAY: i64 = 86_400;

pub(super) fn item(amount: i64, interval: &str, count: i64) -> Json {
    let price = json!({
        "id": format!("price_{amount}_{interval}_{count}"), "product": "prod_A", "currency": "usd", "type": "recurring",
        "recurring": {"interval": interval, "interval_count": count, "usage_type": "licensed"},
        "billing_scheme": "per_unit", "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
        "tax_behavior": "unspecified",
    });
    json!({"id": "si_1", "price": price, "quantity": 1, "current_period_end": NOW + 10 * DAY, "discounts": [], "tax_rates": []})
}

pub(super) fn month(amount: i64) -> Json {
    item(amount, "month", 1)
}

/// The same with other fields; those of an object are merged.
pub(super) fn with(mut base: Json, patch: Json) -> Json {
    merge(&mut base, patch);
    base
}

fn merge(base: &mut Json, patch: Json) {
    match (base, patch) {
        (Json::Object(base), Json::Object(patch)) => {
            for (key, value) in patch {
                merge(base.entry(key).or_insert(Json::Null), value);
            }
        }
        (base, patch) => *base = patch,
    }
}

pub(super) fn active(items: &[Json]) -> Json {
    json!({
        "id": "sub_1", "status": "active", "customer": "cus_1", "currency": "usd", "created": NOW - 400 * DAY,
        "start_date": NOW - 400 * DAY, "items": {"data": items, "has_more": false}, "discounts": [],
    })
}

pub(super) fn percent(off: f64, duration: &str) -> Json {
    json!({"start": NOW - 30 * DAY, "end": null, "source": {"type": "coupon", "coupon":
        {"id": format!("pct{off}{duration}"), "percent_off": off, "duration": duration}}})
}

pub(super) fn off(amount: i64) -> Json {
    json!({"start": NOW - 30 * DAY, "end": null, "source": {"type": "coupon", "coupon":
        {"id": format!("off{amount}"), "amount_off": amount, "currency": "usd", "duration": "forever"}}})
}

pub(super) fn discounted(items: &[Json], discounts: Json) -> Json {
    with(active(items), json!({ "discounts": discounts }))
}

pub(super) fn rules(settings: Json) -> Rules {
    Rules::new(&Settings::parse(&settings::fields(), settings.as_object().unwrap()).unwrap())
}

pub(super) fn subscription(sub: Json) -> Subscription {
    parsed(sub)
}

pub(super) fn value(sub: Json, settings: Json) -> Valuation {
    mrr::value(&subscription(sub), &Around::default(), &rules(settings), NOW)
}

/// The value of a subscription of which this was fetched.
pub(super) fn value_with(sub: &Subscription, facts: &Facts, rules: &Rules, at: i64) -> Valuation {
    let (mut sub, mut around) = (sub.clone(), Around::default());
    facts.put(&mut sub, &mut around);
    mrr::value(&sub, &around, rules, at)
}

/// What counts, exactly.
fn counted(valuation: &Valuation) -> Exact {
    if valuation.excluded.is_none() { valuation.worth.clone() } else { exact::from_int(0) }
}

pub(super) fn rounded(valuation: &Valuation) -> i64 {
    exact::round(&counted(valuation)).unwrap()
}

pub(super) fn mrr_of(sub: Json) -> i64 {
    rounded(&value(sub, json!({})))
}

/// Numbers are those of the rows in providers.md 8.4: row, subscription, settings, expected.
fn rows() -> Vec<(&'static str, Json, Json, i64)> {
    let none = || json!({});
    let metered =
        || with(item(10, "month", 1), json!({"price": {"recurring": {"usage_type": "metered"}}, "quantity": null}));
    let status = |status: &str| with(active(&[month(2900)]), json!({ "status": status }));
    let repeating = |end: i64| with(percent(20.0, "repeating"), json!({ "end": end }));
    let jpy =
        |item: Json| with(active(&[with(item, json!({"price": {"currency": "jpy"}}))]), json!({"currency": "jpy"}));
    let cancelling = || with(active(&[month(5000)]), json!({"cancel_at_period_end": true}));
    let paused = |behavior: &str| with(active(&[month(5000)]), json!({"pause_collection": {"behavior": behavior}}));
    let vat = |inclusive: bool| json!([{"percentage": 20.0, "inclusive": inclusive}]);
    let package = json!({"price": {"transform_quantity": {"divide_by": 10, "round": "up"}}, "quantity": 23});
    let mut rows = vec![
        ("1", active(&[month(2900)]), none(), 2900),
        ("2", active(&[item(120_000, "year", 1)]), none(), 10_000),
        ("4", active(&[item(9000, "month", 3)]), none(), 3000),
        ("5", active(&[item(6000, "month", 2)]), none(), 3000),
        ("6", active(&[item(12_000, "year", 1)]), none(), 1000),
        ("7", active(&[item(48_000, "year", 2)]), none(), 2000),
        ("8", active(&[item(2000, "week", 1)]), none(), 8667),
        ("8 paddle", active(&[item(2000, "week", 1)]), json!({"interval_factors": "paddle"}), 8660),
        ("8 average_year", active(&[item(2000, "week", 1)]), json!({"interval_factors": "average_year"}), 8696),
        ("8 simple", active(&[item(2000, "week", 1)]), json!({"interval_factors": "simple"}), 8000),
        ("10", active(&[item(1000, "day", 1)]), none(), 30_417),
        ("10 paddle", active(&[item(1000, "day", 1)]), json!({"interval_factors": "paddle"}), 30_000),
        ("10 average_year", active(&[item(1000, "day", 1)]), json!({"interval_factors": "average_year"}), 30_438),
        ("10 simple", active(&[item(1000, "day", 1)]), json!({"interval_factors": "simple"}), 30_000),
        ("12", active(&[with(month(1200), json!({"quantity": 7}))]), none(), 8400),
        ("13", active(&[month(5000), with(month(1000), json!({"quantity": 3}))]), none(), 8000),
        ("14", active(&[month(2000), item(24_000, "year", 1)]), none(), 4000),
        ("17", active(&[month(4900), metered()]), none(), 4900),
        ("18", active(&[metered()]), none(), 0),
        ("19", with(status("trialing"), json!({"trial_end": NOW + DAY})), none(), 0),
        ("20", with(status("active"), json!({"trial_end": NOW - DAY})), none(), 2900),
        ("21", status("past_due"), none(), 2900),
        ("21 exclude", status("past_due"), json!({"past_due": "exclude"}), 0),
        ("24", discounted(&[month(1000)], json!([percent(50.0, "forever")])), none(), 500),
        ("25", discounted(&[month(2900)], json!([off(500)])), none(), 2400),
        ("27", discounted(&[month(10_000)], json!([percent(50.0, "once")])), none(), 10_000),
        ("27 all", discounted(&[month(10_000)], json!([percent(50.0, "once")])), json!({"discounts": "all"}), 5000),
        ("28", discounted(&[month(10_000)], json!([repeating(NOW + DAY)])), none(), 8000),
        (
            "28 forever",
            discounted(&[month(10_000)], json!([repeating(NOW + DAY)])),
            json!({"discounts": "forever"}),
            10_000,
        ),
        (
            "28 none",
            discounted(&[month(10_000)], json!([percent(20.0, "forever")])),
            json!({"discounts": "none"}),
            10_000,
        ),
        ("29", discounted(&[month(10_000)], json!([repeating(NOW - DAY)])), none(), 10_000),
        ("30", discounted(&[month(2900)], json!([percent(100.0, "forever")])), none(), 0),
        ("31", discounted(&[month(10_000)], json!([percent(10.0, "forever"), off(500)])), none(), 8500),
        ("32", discounted(&[month(10_000)], json!([off(500), percent(10.0, "forever")])), none(), 8550),
        ("35", discounted(&[month(2900)], json!([off(5000)])), none(), 0),
        ("36", discounted(&[month(3000), month(7000)], json!([off(1000)])), none(), 9000),
        (
            "39",
            active(&[with(month(10_000), json!({"price": {"tax_behavior": "exclusive"}, "tax_rates": vat(false)}))]),
            none(),
            10_000,
        ),
        (
            "40",
            active(&[with(month(12_000), json!({"price": {"tax_behavior": "inclusive"}, "tax_rates": vat(true)}))]),
            none(),
            10_000,
        ),
        ("41", active(&[with(month(12_000), json!({"price": {"tax_behavior": "inclusive"}}))]), none(), 12_000),
        ("47", active(&[with(month(500), package)]), none(), 1500),
        ("50", jpy(month(3000)), none(), 3000),
        ("51", jpy(item(36_000, "year", 1)), none(), 3000),
        (
            "52",
            with(active(&[with(month(5000), json!({"price": {"currency": "kwd"}}))]), json!({"currency": "kwd"})),
            none(),
            5000,
        ),
        ("56", cancelling(), none(), 5000),
        ("56 at_request", cancelling(), json!({"cancel_at_period_end": "at_request"}), 0),
        ("57", with(cancelling(), json!({"ended_at": NOW, "status": "canceled"})), none(), 0),
        ("57 not yet moved", with(cancelling(), json!({"ended_at": NOW})), none(), 0),
        ("58", paused("void"), none(), 0),
        ("58 include", paused("void"), json!({"paused": "include"}), 5000),
        ("58 mark_uncollectible", paused("mark_uncollectible"), none(), 0),
        ("59", paused("keep_as_draft"), none(), 5000),
        ("61", active(&[month(5000)]), none(), 5000),
        (
            "62",
            with(
                active(&[month(5000)]),
                json!({"schedule": "sub_sched_1", "pending_update": {"subscription_items": []}}),
            ),
            none(),
            5000,
        ),
        ("63", with(active(&[month(5000)]), json!({"latest_invoice": "in_1"})), none(), 5000),
        (
            "64",
            with(
                discounted(&[item(30_000, "month", 6)], json!([percent(25.0, "forever")])),
                json!({"collection_method": "send_invoice"}),
            ),
            none(),
            3750,
        ),
        ("66", active(&[month(0)]), none(), 0),
        ("67", with(active(&[month(10_000)]), json!({"application_fee_percent": 10.0})), none(), 10_000),
        ("70", active(&[with(month(1000), json!({"quantity": 0}))]), none(), 0),
    ];
    for (name, status_of_row_23) in [
        ("23 unpaid", "unpaid"),
        ("23 canceled", "canceled"),
        ("23 incomplete", "incomplete"),
        ("23 incomplete_expired", "incomplete_expired"),
        ("23 paused", "paused"),
    ] {
        rows.push((name, status(status_of_row_23), none(), 0));
        rows.push((name, status(status_of_row_23), json!({"paused": "include", "discounts": "none"}), 0));
    }
    rows
}

#[test]
fn every_row_of_the_table_gives_its_number() {
    for (row, sub, settings, expected) in rows() {
        assert_eq!(rounded(&value(sub, settings)), expected, "row {row}");
    }
}

#[test]
fn row_8_as_arr_is_twelve_times_the_exact_mrr() {
    let weekly = value(active(&[item(2000, "week", 1)]), json!({}));
    assert_eq!(exact::round(&(counted(&weekly) * exact::from_int(12))), Some(104_000));
}

#[test]
fn rows_18_30_66_and_70_say_why_they_are_not_paying() {
    let metered = with(month(10), json!({"price": {"recurring": {"usage_type": "metered"}}}));
    let excluded = |sub: Json| value(sub, json!({})).excluded;
    assert_eq!(excluded(active(&[metered])), Some(Reason::Metered));
    assert_eq!(excluded(discounted(&[month(1)], json!([percent(100.0, "forever")]))), Some(Reason::FullyDiscounted));
    assert_eq!(excluded(active(&[month(0)])), Some(Reason::Free));
    assert_eq!(excluded(active(&[with(month(1000), json!({"quantity": 0}))])), Some(Reason::Free));
}

#[test]
fn row_22_past_due_for_longer_than_allowed_is_left_out() {
    let sub = subscription(with(active(&[month(2900)]), json!({"status": "past_due"})));
    let past_due = |days: i64, settings: Json| {
        let around = Around { past_due_since: Some(NOW - days * DAY), ..Around::default() };
        rounded(&mrr::value(&sub, &around, &rules(settings), NOW))
    };
    assert_eq!(past_due(31, json!({"max_past_due_days": 30})), 0);
    assert_eq!(past_due(30, json!({"max_past_due_days": 30})), 2900, "not more than 30 days ago");
    assert_eq!(past_due(31, json!({})), 2900);
    let unknown = mrr::value(&sub, &Around::default(), &rules(json!({"max_past_due_days": 30})), NOW);
    assert_eq!(rounded(&unknown), 2900);
}

pub(super) fn coupon_facts(coupon: Json) -> Facts {
    let coupon: Coupon = parsed(coupon);
    Facts::of(Vec::new(), vec![coupon])
}

#[test]
fn row_34_a_coupon_applies_to_its_products_alone() {
    let other = with(month(6000), json!({"price": {"product": "prod_B"}}));
    let sub = subscription(discounted(&[month(4000), other], json!([percent(50.0, "forever")])));
    let facts = coupon_facts(
        json!({"id": "pct50forever", "percent_off": 50, "duration": "forever", "applies_to": {"products": ["prod_A"]}}),
    );
    let valuation = value_with(&sub, &facts, &rules(json!({})), NOW);
    assert_eq!(rounded(&valuation), 8000);
    assert_eq!(valuation.notes, []);
    assert_eq!(mrr::needs(&sub, &Around::default(), NOW).coupons, ["pct50forever".to_owned()].into());
}

#[test]
fn row_41_an_unknown_inclusive_tax_is_noted() {
    let sub = active(&[with(month(12_000), json!({"price": {"tax_behavior": "inclusive"}}))]);
    assert_eq!(value(sub.clone(), json!({})).notes, [(Reason::TaxUnread, exact::from_int(0))]);
    let sub = subscription(sub);
    assert!(mrr::needs_invoiced_tax(&sub));
    let around = Around { invoiced_tax: exact::fraction(1, 5).map(Amount), ..Around::default() };
    assert_eq!(rounded(&mrr::value(&sub, &around, &rules(json!({})), NOW)), 10_000);
}

fn tiered(mode: &str, tiers: Json, quantity: i64, facts: bool) -> Valuation {
    let listed = json!({"price": {"id": "price_t", "billing_scheme": "tiered", "tiers_mode": mode, "unit_amount": null, "unit_amount_decimal": null}, "quantity": quantity});
    let item = with(month(0), listed);
    let price: Price = parsed(with(item["price"].clone(), json!({ "tiers": tiers })));
    let key = PriceKey { id: "price_t".to_owned(), tiers_of: None };
    let sub = subscription(active(&[item]));
    assert_eq!(mrr::needs(&sub, &Around::default(), NOW).prices, [key.clone()].into());
    let facts = if facts { Facts::of(vec![(key, price)], Vec::new()) } else { Facts::default() };
    value_with(&sub, &facts, &rules(json!({})), NOW)
}

#[test]
fn rows_42_to_45_tiers() {
    let steps = || json!([{"up_to": 10, "unit_amount": 1000}, {"up_to": null, "unit_amount": 800, "unit_amount_decimal": "800"}]);
    let flat = || json!([{"up_to": 5, "flat_amount": 5000, "unit_amount": 0}, {"up_to": null, "unit_amount": 700}]);
    let cases = [
        ("42", "graduated", steps(), 15, 14_000),
        ("43", "volume", steps(), 15, 12_000),
        ("44", "volume", steps(), 10, 10_000),
        ("44 graduated", "graduated", steps(), 10, 10_000),
        ("45", "graduated", flat(), 8, 7100),
        ("45 within the first tier", "graduated", flat(), 5, 5000),
        ("no unit, no flat amount", "graduated", flat(), 0, 0),
        ("no unit, no flat amount", "volume", flat(), 0, 0),
    ];
    for (row, mode, tiers, quantity, expected) in cases {
        assert_eq!(rounded(&tiered(mode, tiers, quantity, true)), expected, "row {row}");
    }
}

#[test]
fn tiers_that_cannot_be_read_or_end_too_soon_exclude_the_subscription() {
    let reason = |valuation: Valuation| match valuation.excluded {
        Some(Reason::Unreadable(sentence)) => sentence,
        other => panic!("{other:?}"),
    };
    let short = || json!([{"up_to": 10, "unit_amount": 1000}]);
    assert_eq!(reason(tiered("volume", short(), 11, true)), "a quantity is above the last tier of its price");
    assert_eq!(reason(tiered("graduated", short(), 11, true)), "a quantity is above the last tier of its price");
    assert_eq!(reason(tiered("steps", short(), 1, true)), "a price has tiers of an unknown kind");
    assert_eq!(reason(tiered("volume", short(), 1, false)), "a tiered price could not be read");
    let unordered = json!([{"up_to": 10, "unit_amount": 1}, {"up_to": 5, "unit_amount": 1}, {"up_to": null}]);
    assert_eq!(reason(tiered("graduated", unordered, 20, true)), "the tiers of a price are out of order");
}

#[test]
fn rows_53_and_54_convert_the_exact_value_and_round_once() {
    let eur =
        |item: Json| with(active(&[with(item, json!({"price": {"currency": "eur"}}))]), json!({"currency": "eur"}));
    let converted = |sub: Json, rate: &str| counted(&value(sub, json!({}))) * exact::parse_decimal(rate).unwrap();
    let sum = counted(&value(active(&[month(10_000)]), json!({}))) + converted(eur(month(10_000)), "1.10");
    assert_eq!(exact::round(&sum), Some(21_000));
    assert_eq!(exact::round(&converted(eur(item(118_800, "year", 1)), "1.08")), Some(10_692));
}
