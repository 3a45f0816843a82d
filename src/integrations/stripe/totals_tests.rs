//! Sums, movements and rates over timelines, against the definitions of providers.md 9.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    codec, daily,
    figures::{Figures, MOVEMENTS},
    mrr::Around,
    settings::Rules,
    timeline::{State, Timeline},
    totals::{Frame, Totals},
    vectors::{active, month, rules, subscription, with},
};
use crate::metric::{Currency, Day, Exact, Money, Period, Quality, Sample, Unit, Value, Zone, exact};

const DAY: i64 = 86_400;
const FIRST: &str = "2026-01-01";
const DAYS: i32 = 90;

fn first() -> Day {
    FIRST.parse().unwrap()
}

fn noon(day: i32) -> i64 {
    Zone::utc().start_of(first().plus(day)).as_second() + DAY / 2
}

/// A subscription that is worth amounts from the noon of days on; `None`: it does not count.
fn life(currency: &str, steps: &[(i32, Option<i64>)]) -> Timeline {
    let state = |(day, amount): &(i32, Option<i64>)| {
        let sub = match amount {
            Some(amount) => active(&[month(*amount)]),
            None => with(active(&[month(1)]), json!({"pause_collection": {"behavior": "void"}})),
        };
        let item = json!({"price": {"currency": currency}});
        let items: Vec<Json> =
            sub["items"]["data"].as_array().unwrap().iter().map(|i| with(i.clone(), item.clone())).collect();
        let sub = with(sub, json!({"currency": currency, "start_date": 1, "items": {"data": items}}));
        State { since: noon(*day), sub: subscription(sub), around: Around::default() }
    };
    let mut states = steps.iter().map(state);
    let mut timeline = Timeline::new(1, 0, State { since: 0, ..states.next().unwrap() });
    for state in states {
        timeline.note(state);
    }
    timeline
}

/// A subscription that begins on a day.
fn begun(day: i32, amount: i64) -> Timeline {
    life("usd", &[(-500, None), (day, Some(amount))])
}

fn totals(customers: &[(String, Vec<Timeline>)], rules: &Rules) -> Totals {
    let zone = Zone::utc();
    let as_of = noon(DAYS - 1);
    let frame = Frame::new(rules, &zone, first().plus(-1), as_of).unwrap();
    let mut totals = Totals::new(first().plus(-1), as_of);
    for (customer, timelines) in customers {
        totals.add(customer, &named(customer, timelines), &frame).unwrap();
    }
    totals.tidy();
    totals
}

fn named(customer: &str, timelines: &[Timeline]) -> Vec<(String, Timeline)> {
    timelines.iter().enumerate().map(|(n, timeline)| (format!("sub_{customer}_{n}"), timeline.clone())).collect()
}

fn usd() -> Currency {
    "USD".parse().unwrap()
}

/// The value of a metric on a day of the period, as it leaves.
fn value(totals: &Totals, metric_id: &str, unit: Unit, day: i32, currency: &str) -> Option<String> {
    let period = Period::inclusive(first(), first().plus(DAYS - 1));
    let figures = Figures::new(totals, period, usd(), first().plus(-1), false);
    let answer = figures.answer(metric_id).unwrap();
    let of = |value: &Value| value.currency().is_none_or(|code| code.code() == currency);
    let sample = answer.samples.iter().find(|s| s.day == first().plus(day) && s.value.as_ref().is_some_and(of));
    sample?.value?.normalised(unit)
}

#[test]
fn the_checked_example_of_the_providers_document() {
    // 400 customers pay 10,000.00; 12 leave with 700.00; 80 come with 1,200.00; and so on.
    let mut customers: Vec<(String, Vec<Timeline>)> = Vec::new();
    let mut add = |count: usize, timeline: &dyn Fn(usize) -> Timeline| {
        for n in 0..count {
            customers.push((format!("cus_{}", customers.len()), vec![timeline(n)]));
        }
    };
    let before = -400;
    add(10, &|_| life("usd", &[(before, Some(6000)), (50, None)]));
    add(2, &|_| life("usd", &[(before, Some(5000)), (55, None)]));
    add(8, &|_| life("usd", &[(before, Some(10_000)), (52, Some(20_000))]));
    add(8, &|_| life("usd", &[(before, Some(10_000)), (53, Some(5000))]));
    add(80, &|_| begun(54, 1500));
    add(3, &|_| life("usd", &[(before, Some(4000)), (-200, None), (56, Some(10_000))]));
    // The rest of the 400, with the rest of 10,000.00.
    add(372, &|n| life("usd", &[(before, Some(if n == 0 { 28_000 } else { 2000 }))]));
    let totals = totals(&customers, &rules(json!({})));
    let of = |metric: &str, unit: Unit| value(&totals, metric, unit, 60, "USD");
    assert_eq!(value(&totals, "stripe_mrr", Unit::Currency, 30, "USD").unwrap(), "10000.00");
    let expected = [
        ("stripe_mrr", Unit::Currency, "11200.00"),
        ("stripe_churn_rate", Unit::Percent, "3.00"),
        ("stripe_mrr_churn_rate", Unit::Percent, "11.00"),
        ("stripe_net_mrr_churn_rate", Unit::Percent, "0.00"),
        ("stripe_nrr", Unit::Percent, "97.00"),
        ("stripe_grr", Unit::Percent, "89.00"),
        ("stripe_quick_ratio", Unit::Ratio, "2.0909"),
        // 11,200.00 of 471 customers, divided by 3 percent.
        ("stripe_ltv", Unit::Currency, "792.64"),
    ];
    for (metric, unit, shown) in expected {
        assert_eq!(of(metric, unit).as_deref(), Some(shown), "{metric}");
    }
    for (metric, day, shown) in [
        ("stripe_mrr_churned", 50, "600.00"),
        ("stripe_mrr_churned", 55, "100.00"),
        ("stripe_mrr_expansion", 52, "800.00"),
        ("stripe_mrr_contraction", 53, "400.00"),
        ("stripe_mrr_new", 54, "1200.00"),
        ("stripe_mrr_reactivation", 56, "300.00"),
    ] {
        assert_eq!(value(&totals, metric, Unit::Currency, day, "USD").as_deref(), Some(shown), "{metric}");
    }
}

#[test]
fn a_rate_needs_thirty_days() {
    let customers = [("cus".to_owned(), vec![begun(-400, 1000)])];
    let totals = totals(&customers, &rules(json!({})));
    assert_eq!(value(&totals, "stripe_nrr", Unit::Percent, 28, "USD"), None);
    assert_eq!(value(&totals, "stripe_nrr", Unit::Percent, 29, "USD").as_deref(), Some("100.00"));
    assert_eq!(value(&totals, "stripe_churn_rate", Unit::Percent, 28, ""), None);
    assert_eq!(value(&totals, "stripe_churn_rate", Unit::Percent, 29, "").as_deref(), Some("0.00"));
    assert_eq!(value(&totals, "stripe_quick_ratio", Unit::Ratio, 89, "USD"), None, "nothing was lost");
    assert_eq!(value(&totals, "stripe_ltv", Unit::Currency, 89, "USD"), None, "nobody was lost");
}

#[test]
fn a_customer_is_taken_as_a_whole() {
    // One subscription goes and another comes on the same day, in another currency.
    let moved = vec![life("usd", &[(-400, Some(5000)), (40, None)]), life("eur", &[(-400, None), (40, Some(4000))])];
    let totals = totals(&[("cus".to_owned(), moved)], &rules(json!({})));
    let on = |metric: &str, currency: &str| value(&totals, metric, Unit::Currency, 40, currency);
    assert_eq!(on("stripe_mrr_contraction", "USD").as_deref(), Some("50.00"));
    assert_eq!(on("stripe_mrr_expansion", "EUR").as_deref(), Some("40.00"));
    for metric in ["stripe_mrr_new", "stripe_mrr_churned", "stripe_mrr_reactivation"] {
        assert!([on(metric, "USD"), on(metric, "EUR")].into_iter().flatten().all(|value| value == "0.00"), "{metric}");
    }
    assert_eq!(value(&totals, "stripe_churn_rate", Unit::Percent, 60, "").as_deref(), Some("0.00"));
}

#[test]
fn who_comes_and_goes_within_thirty_days_is_in_no_rate() {
    let customers = [
        ("stays".to_owned(), vec![begun(-400, 1000)]),
        ("visits".to_owned(), vec![life("usd", &[(-400, None), (50, Some(9000)), (60, None)])]),
    ];
    let totals = totals(&customers, &rules(json!({})));
    assert_eq!(value(&totals, "stripe_mrr_churned", Unit::Currency, 60, "USD").as_deref(), Some("90.00"));
    assert_eq!(value(&totals, "stripe_churn_rate", Unit::Percent, 70, "").as_deref(), Some("0.00"));
    assert_eq!(value(&totals, "stripe_nrr", Unit::Percent, 70, "USD").as_deref(), Some("100.00"));
    assert_eq!(
        value(&totals, "stripe_churn_rate", Unit::Percent, 85, "").as_deref(),
        Some("50.00"),
        "it paid 30 days ago"
    );
}

/// The same by looking at each customer on each day.
fn by_hand(customers: &[(String, Vec<Timeline>)], rules: &Rules, day: i32) -> Exact {
    let end = Zone::utc().start_of(first().plus(day + 1)).as_second() - 1;
    let until = end.min(noon(DAYS - 1));
    let worth = |timeline: &Timeline| {
        let phases = timeline.phases(rules, until);
        phases.last().and_then(|phase| phase.counted.as_ref()).map_or_else(Exact::zero, |counted| counted.worth.clone())
    };
    customers.iter().flat_map(|(_, timelines)| timelines).map(worth).sum()
}

fn lives() -> impl Strategy<Value = Vec<(String, Vec<Timeline>)>> {
    let steps = prop::collection::btree_map(-40..DAYS, prop::option::weighted(0.7, 1_i64..100_000), 1..5);
    let life = (steps, prop::bool::ANY).prop_map(|(steps, is_yen)| {
        let steps: Vec<(i32, Option<i64>)> = steps.into_iter().collect();
        let mut whole = vec![(-500, None)];
        whole.extend(steps);
        life(if is_yen { "jpy" } else { "usd" }, &whole)
    });
    let customer = prop::collection::vec(life, 1..4);
    prop::collection::vec(customer, 1..6)
        .prop_map(|all| all.into_iter().enumerate().map(|(n, lives)| (format!("cus_{n}"), lives)).collect())
}

proptest! {
    #[test]
    fn a_record_that_is_damaged_is_refused_or_read_and_stops_nobody(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = codec::encode(&life("usd", &[(3, Some(1_000)), (40, Some(2_500)), (60, None)])).unwrap();
        let mut flipped = whole.clone();
        for (at, byte) in flips {
            *at.get_mut(&mut flipped) = byte;
        }
        prop_assert!(codec::decode::<Timeline>(&whole[..cut.index(whole.len())]).is_err(), "a part of it is not it");
        let Ok(timeline) = codec::decode::<Timeline>(&flipped) else { return Ok(()) };
        let zone = Zone::utc();
        let rules = rules(json!({}));
        let frame = Frame::new(&rules, &zone, first().plus(-1), noon(DAYS - 1)).unwrap();
        let mut totals = Totals::new(first().plus(-1), noon(DAYS - 1));
        if totals.add("cus_1", &named("cus_1", &[timeline]), &frame).is_ok() {
            totals.tidy();
            let period = Period::inclusive(first(), first().plus(DAYS - 1));
            let _ = Figures::new(&totals, period, usd(), first().plus(-1), false).answer("stripe_mrr");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn days_are_what_each_subscription_says_and_movements_lead_from_one_to_the_next(customers in lives()) {
        let rules = rules(json!({}));
        let totals = totals(&customers, &rules);
        let period = Period::inclusive(first(), first().plus(DAYS - 1));
        let days = daily::days(&totals, Period::new(totals.base, period.end()));
        let figures = Figures::new(&totals, period, usd(), first(), false);
        for day in 0..DAYS {
            let date = first().plus(day);
            let sum: Exact = days[&date].currencies.values().map(|of| &of.mrr).sum();
            prop_assert_eq!(&sum, &by_hand(&customers, &rules, day), "{}", date);
            for (currency, of) in &days[&date].currencies {
                let nothing = Exact::zero();
                let before = days[&date.plus(-1)].currencies.get(currency).map_or(&nothing, |of| &of.mrr);
                let rounded = figures.rounded(date, *currency, of).unwrap();
                let moved: i64 = MOVEMENTS.iter().map(|(_, kind)| if kind.is_gain() { rounded(*kind) } else { -rounded(*kind) }).sum();
                prop_assert_eq!(exact::round(before).unwrap() + moved, exact::round(&of.mrr).unwrap());
                let exactly: Exact = of.moves.parts().iter().map(|(kind, amount)| if kind.is_gain() { (*amount).clone() } else { -*amount }).sum();
                prop_assert_eq!(before + exactly, of.mrr.clone());
                let over_window: Exact = of.window.parts().iter().map(|(kind, amount)| if kind.is_gain() { (*amount).clone() } else { -*amount }).sum();
                if let Some(start) = figures.window(date, *currency) {
                    prop_assert_eq!(start.start + over_window, of.mrr.clone());
                }
            }
        }
    }

    #[test]
    fn whoever_is_taken_out_leaves_no_trace(customers in lives(), others in lives()) {
        let rules = rules(json!({}));
        let zone = Zone::utc();
        let alone = totals(&customers, &rules);
        let mut together = alone.clone();
        let frame = Frame::new(&rules, &zone, together.base, together.as_of).unwrap();
        for (customer, timelines) in &others {
            let customer = format!("other_{customer}");
            together.add(&customer, &named(&customer, timelines), &frame).unwrap();
        }
        for (customer, timelines) in &others {
            let customer = format!("other_{customer}");
            together.remove(&customer, &named(&customer, timelines), &frame).unwrap();
        }
        together.tidy();
        prop_assert_eq!(together, alone);
    }
}

/// What is said of a metric on the newest day: dimension, value and whether it is an estimate.
fn told(totals: &Totals, metric_id: &str) -> Vec<(Option<String>, Option<Value>, bool)> {
    let period = Period::single(first().plus(DAYS - 1));
    let answer = Figures::new(totals, period, usd(), first().plus(-1), false).answer(metric_id).unwrap();
    let told = |sample: Sample| (sample.dimension, sample.value, sample.quality == Quality::Estimated);
    answer.samples.into_iter().map(told).collect()
}

#[test]
fn what_nobody_can_value_makes_estimates_of_all_that_it_may_be_part_of() {
    let price = Some("price_1000_month_1".to_owned());
    let unread = with(active(&[month(1000)]), json!({"status": "unheard_of"}));
    let of_status = Timeline::new(1, 0, State { since: 0, sub: subscription(unread), around: Around::default() });
    for unknown in [of_status, life("unheard_of", &[(-500, Some(1000))])] {
        let totals = totals(&[("cus_1".to_owned(), vec![unknown])], &rules(json!({})));
        let nothing = Some(Value::Money(Money::new(0, usd())));
        assert_eq!(told(&totals, "stripe_mrr"), [(None, nothing, true)]);
        assert_eq!(told(&totals, "stripe_mrr_new"), [(None, nothing, true)]);
        assert_eq!(told(&totals, "stripe_active_subscriptions"), [(None, Some(Value::Count(0)), true)]);
        assert_eq!(told(&totals, "stripe_mrr_by_plan"), [(price.clone(), None, true)]);
        for ratio in ["stripe_arpu", "stripe_ltv", "stripe_churn_rate", "stripe_nrr"] {
            assert_eq!(told(&totals, ratio), [(None, None, true)], "{ratio}");
        }
    }
}
