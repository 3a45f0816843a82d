//! The engine against the rules of providers.md 8.1 to 8.3 that no row of the table shows.

use serde_json::{Value as Json, json};

use super::{
    answers::Customer,
    facts::Facts,
    invoice::Invoice,
    mrr::{self, Around, PriceKey, Reason},
    scripted::parsed,
    vectors::{
        DAY, NOW, active, coupon_facts, discounted, item, month, mrr_of, off, percent, rounded, rules, subscription,
        value, value_with, with,
    },
};
use crate::metric::{Exact, exact};

#[test]
fn a_price_of_another_currency_counts_with_its_amount_in_the_subscriptions() {
    let sub = subscription(with(active(&[month(2000)]), json!({"currency": "eur"})));
    let key = PriceKey { id: "price_2000_month_1".to_owned(), tiers_of: None };
    assert_eq!(mrr::needs(&sub, &Around::default(), NOW).prices, [key.clone()].into());
    let fetched = with(
        month(2000)["price"].clone(),
        json!({"currency_options": {"eur": {"unit_amount": 1850, "unit_amount_decimal": "1850.5"}}}),
    );
    let facts = Facts::of(vec![(key, parsed(fetched))], Vec::new());
    let valuation = value_with(&sub, &facts, &rules(json!({})), NOW);
    assert_eq!(valuation.worth, exact::fraction(3701, 2).unwrap());
    let without = mrr::value(&sub, &Around::default(), &rules(json!({})), NOW);
    assert!(matches!(without.excluded, Some(Reason::Unreadable(_))));
}

#[test]
fn discounts_of_items_come_before_those_of_the_subscription() {
    let own = with(month(10_000), json!({"discounts": [off(500)]}));
    assert_eq!(mrr_of(discounted(&[own], json!([percent(10.0, "forever")]))), 8550);
}

#[test]
fn an_amount_is_taken_in_the_subscriptions_currency_or_not_at_all() {
    let eur = with(
        active(&[with(month(5000), json!({"price": {"currency": "eur"}}))]),
        json!({"currency": "eur", "discounts": [off(1000)]}),
    );
    assert_eq!(mrr_of(eur.clone()), 5000);
    let facts = coupon_facts(
        json!({"id": "off1000", "amount_off": 1000, "currency": "usd", "duration": "forever", "currency_options": {"eur": {"amount_off": 900}}}),
    );
    let valuation = value_with(&subscription(eur), &facts, &rules(json!({})), NOW);
    assert_eq!(rounded(&valuation), 4100);
}

#[test]
fn an_amount_is_spread_over_the_items_in_proportion_and_then_normalised() {
    // 8.3, steps 3 and 4: 26,000 less 1,000 is 25/26 of each item, then 2,000 a month and 24,000 a year are 4,000.
    let mixed = value(discounted(&[month(2000), item(24_000, "year", 1)], json!([off(1000)])), json!({}));
    assert_eq!(mixed.worth, exact::fraction(4000 * 25, 26).unwrap());
    assert_eq!(mixed.plans.iter().map(|plan| &plan.worth).sum::<Exact>(), mixed.worth);
}

#[test]
fn a_discount_counts_from_its_start_to_its_end() {
    let from = |start: i64, end: Json| {
        discounted(&[month(1000)], json!([with(percent(50.0, "repeating"), json!({"start": start, "end": end}))]))
    };
    assert_eq!(mrr_of(from(NOW + 1, Json::Null)), 1000);
    assert_eq!(mrr_of(from(NOW, Json::Null)), 500);
    assert_eq!(mrr_of(from(NOW - DAY, json!(NOW))), 1000);
    assert_eq!(mrr_of(from(NOW - DAY, json!(NOW + 1))), 500);
}

#[test]
fn a_customers_discount_applies_where_the_subscription_has_none_of_its_own() {
    let customer: Customer = parsed(json!({"id": "cus_1", "discount": percent(50.0, "forever")}));
    let around = Around { customer_discount: customer.discount.clone(), ..Around::default() };
    let of = |sub: Json| rounded(&mrr::value(&subscription(sub), &around, &rules(json!({})), NOW));
    assert_eq!(of(active(&[month(1000)])), 500);
    assert_eq!(of(discounted(&[month(1000)], json!([off(100)]))), 900);
    let expired = with(off(100), json!({"end": NOW - 1}));
    assert_eq!(of(discounted(&[month(1000)], json!([expired]))), 500, "an expired discount is none");
    let item_discount = with(month(1000), json!({"discounts": [off(100)]}));
    assert_eq!(of(active(&[item_discount])), 450, "a discount of an item is not the subscription's own");
}

#[test]
fn both_shapes_of_a_discount_are_read() {
    let old =
        json!({"start": NOW - DAY, "end": null, "coupon": {"id": "c", "percent_off": 33.33, "duration": "forever"}});
    let basil = discounted(&[month(10_000)], json!([old]));
    assert_eq!(value(basil, json!({})).worth, exact::from_int(6667));
    let mut before = active(&[month(10_000)]);
    before.as_object_mut().unwrap().remove("discounts");
    assert_eq!(value(with(before, json!({"discount": old})), json!({})).worth, exact::from_int(6667));
}

#[test]
fn what_is_not_known_of_a_discount_is_noted() {
    let unread = |discount: Json| value(discounted(&[month(1000)], json!([discount])), json!({})).notes;
    let note = [(Reason::DiscountUnread, exact::from_int(0))];
    assert_eq!(unread(json!("di_1")), note);
    assert_eq!(unread(json!({"start": 1, "end": null, "source": {"coupon": "c_1"}})), note);
    assert_eq!(unread(json!({"start": 1, "end": null, "source": {"coupon": null}})), note);
}

#[test]
fn a_discount_that_does_not_count_says_what_it_would_take() {
    let valuation = value(discounted(&[month(10_000)], json!([percent(50.0, "once")])), json!({}));
    assert!(valuation.notes.contains(&(Reason::DiscountNotCounted, exact::from_int(-5000))));
}

#[test]
fn trials_count_from_their_end() {
    let trial =
        |status: &str, end: i64| mrr_of(with(active(&[month(2900)]), json!({"status": status, "trial_end": end})));
    assert_eq!(trial("active", NOW + 1), 0);
    assert_eq!(trial("active", NOW), 2900);
    assert_eq!(trial("past_due", NOW - DAY), 2900);
    assert_eq!(mrr_of(with(active(&[month(2900)]), json!({"start_date": NOW + 1}))), 0, "not started");
}

#[test]
fn a_pause_ends_when_it_says_so() {
    let paused = |resumes_at: i64| {
        mrr_of(with(
            active(&[month(5000)]),
            json!({"pause_collection": {"behavior": "void", "resumes_at": resumes_at}}),
        ))
    };
    assert_eq!(paused(NOW + 1), 0);
    assert_eq!(paused(NOW), 5000);
}

#[test]
fn a_cancellation_takes_effect_when_the_period_ends() {
    let ends = |patch: Json, settings: Json| rounded(&value(with(active(&[month(5000)]), patch), settings));
    assert_eq!(ends(json!({"cancel_at": NOW + 1}), json!({})), 5000);
    assert_eq!(ends(json!({"cancel_at": NOW + 1}), json!({"cancel_at_period_end": "at_request"})), 0);
    assert_eq!(ends(json!({"cancel_at": NOW}), json!({})), 0);
    let ended = with(month(5000), json!({"current_period_end": NOW}));
    assert_eq!(mrr_of(with(active(&[ended]), json!({"cancel_at_period_end": true}))), 0);
    let before_basil = with(month(5000), json!({"current_period_end": null}));
    let sub = with(active(&[before_basil]), json!({"cancel_at_period_end": true, "current_period_end": NOW + 5}));
    assert_eq!(mrr_of(sub), 5000);
}

#[test]
fn inclusive_tax_is_the_sum_of_the_inclusive_rates() {
    let taxed = |behavior: &str, rates: Json| {
        mrr_of(active(&[with(month(12_600), json!({"price": {"tax_behavior": behavior}, "tax_rates": rates}))]))
    };
    let rate = |percentage: f64, inclusive: bool| json!({"percentage": percentage, "inclusive": inclusive});
    assert_eq!(taxed("unspecified", json!([rate(20.0, true), rate(6.0, true)])), 10_000);
    assert_eq!(taxed("inclusive", json!([rate(5.0, true), rate(9.975, false)])), 12_000);
    assert_eq!(taxed("unspecified", json!([rate(5.0, false)])), 12_600);
    assert_eq!(taxed("exclusive", json!([rate(5.0, true)])), 12_600);
    assert_eq!(
        taxed("inclusive", json!([{"percentage": 20.0, "effective_percentage": 5.0, "inclusive": true}])),
        12_000
    );
    let default = with(
        active(&[with(month(12_600), json!({"price": {"tax_behavior": "inclusive"}}))]),
        json!({"default_tax_rates": [rate(5.0, true)]}),
    );
    assert_eq!(mrr_of(default), 12_000);
}

#[test]
fn the_tax_of_an_invoice_is_read_in_both_shapes() {
    let tax = |invoice: Json| {
        mrr::invoiced_tax(&serde_json::from_value::<Invoice>(with(json!({"id": "in_1"}), invoice)).unwrap())
    };
    let fifth = exact::fraction(1, 5);
    assert_eq!(tax(json!({"total_excluding_tax": 1000, "total_taxes": [{"amount": 150}, {"amount": 50}]})), fifth);
    assert_eq!(tax(json!({"total_excluding_tax": 1000, "total_tax_amounts": [{"amount": 200}]})), fifth);
    assert_eq!(tax(json!({"total_excluding_tax": 1000, "total_taxes": []})), Some(exact::from_int(0)));
    assert_eq!(tax(json!({"total_excluding_tax": 0, "total_taxes": []})), None);
    assert_eq!(tax(json!({"total_excluding_tax": 1000})), None);
}

#[test]
fn decimal_amounts_and_quantities_are_exact() {
    let sub = active(&[with(
        month(0),
        json!({"price": {"unit_amount": null, "unit_amount_decimal": "0.000000000001"}, "quantity": 1_000_000}),
    )]);
    assert_eq!(value(sub, json!({})).worth, exact::fraction(1, 1_000_000).unwrap());
    let sub = active(&[with(month(1000), json!({"quantity": 2, "quantity_decimal": "2.5"}))]);
    assert_eq!(mrr_of(sub), 2500);
    let sub = active(&[with(month(1000), json!({"quantity": null}))]);
    assert_eq!(mrr_of(sub), 1000, "no quantity is one");
    let down = json!({"price": {"transform_quantity": {"divide_by": 10, "round": "down"}}, "quantity": 23});
    assert_eq!(mrr_of(active(&[with(month(500), down)])), 1000);
}

#[test]
fn what_the_buyer_sets_has_no_amount() {
    let custom = with(
        month(0),
        json!({"price": {"unit_amount": null, "unit_amount_decimal": null, "custom_unit_amount": {"minimum": 100}}}),
    );
    let valuation = value(active(&[custom]), json!({}));
    assert_eq!(valuation.excluded, Some(Reason::BuyerSetsAmount));
}

#[test]
fn nonsense_excludes_the_subscription_and_says_why() {
    let cases = [
        json!({"price": {"unit_amount_decimal": "-5"}}),
        json!({"price": {"unit_amount_decimal": "1e3"}}),
        json!({"price": {"unit_amount": null, "unit_amount_decimal": null}}),
        json!({"quantity": -1}),
        json!({"price": {"recurring": {"interval": "decade"}}}),
        json!({"price": {"recurring": {"interval_count": 0}}}),
        json!({"price": {"recurring": {"usage_type": "guessed"}}}),
        json!({"price": {"billing_scheme": "guessed"}}),
        json!({"price": {"tax_behavior": "guessed"}}),
        json!({"price": {"billing_scheme": "tiered", "tiers_mode": "volume",
            "tiers": [{"up_to": null, "unit_amount": 5}, {"up_to": null, "unit_amount": 4}]}}),
        json!({"price": {"transform_quantity": {"divide_by": 0, "round": "up"}}}),
        json!({"price": {"transform_quantity": {"divide_by": 1, "round": "sideways"}}}),
        json!({"discounts": [percent(101.0, "forever")]}),
        json!({"discounts": [off(-1)]}),
        json!({"tax_rates": [{"percentage": -1, "inclusive": true}]}),
    ];
    for patch in cases {
        let valuation = value(active(&[with(month(1000), patch.clone())]), json!({}));
        assert!(matches!(valuation.excluded, Some(Reason::Unreadable(_))), "{patch}: {valuation:?}");
    }
    assert_eq!(
        value(with(active(&[month(1)]), json!({"status": "dreaming"})), json!({})).excluded,
        Some(Reason::UnknownStatus)
    );
    let paused = with(active(&[month(1000)]), json!({"pause_collection": {"behavior": "dreaming"}}));
    assert_eq!(value(paused.clone(), json!({})).excluded, Some(Reason::UnknownPause));
    assert_eq!(rounded(&value(paused, json!({"paused": "include"}))), 1000);
}
