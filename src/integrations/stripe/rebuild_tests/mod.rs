//! The past of subscriptions, rebuilt from events and invoices in Stripe's shapes.

mod amounts;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    answers::{Event, Price},
    evidence::{self, Evidence, Reach},
    invoice::Invoice,
    mrr::{self, Around},
    rebuild,
    scripted::{completed, parsed},
    timeline::State,
    vectors::{DAY, NOW, active, discounted, item, month, percent, rules, subscription, with},
};
use crate::metric::exact;

/// From here on events are read.
const HORIZON: i64 = NOW - 29 * DAY;
const READ: Reach = Reach { events: Some(HORIZON), invoices: true };

/// A subscription as it is listed now, and all that Stripe tells of its past.
struct Case {
    current: State,
    reach: Reach,
    evidence: Evidence,
    prices: Vec<Price>,
}

impl Case {
    fn of(sub: Json) -> Self {
        let current = State { since: 0, sub: subscription(sub), around: Around::default() };
        Self { current, reach: READ, evidence: Evidence::default(), prices: Vec::new() }
    }

    fn event(mut self, event: Json) -> Self {
        learn(&mut self.evidence, &event);
        self
    }

    fn invoice(mut self, invoice: Json) -> Self {
        bill(&mut self.evidence, &invoice);
        self
    }

    fn price(mut self, price: Json) -> Self {
        self.prices.push(parsed(price));
        self
    }

    fn rebuilt(&self) -> (Vec<State>, i64) {
        let find = |id: &str| self.prices.iter().find(|price| price.id == id).cloned();
        let (states, from) = rebuild::rebuild(&self.current, NOW, self.reach, &self.evidence, &find);
        let newest = states.last().unwrap();
        assert_eq!(
            (&newest.sub, &newest.around),
            (&self.current.sub, &self.current.around),
            "the last is what it is now"
        );
        assert_eq!(states[0].since, 0);
        assert!(states.is_sorted_by(|one, other| one.since < other.since && !one.is_like(other)));
        (states, from)
    }

    /// What it was worth at the start and, where that changed, from when on.
    fn told(&self) -> Vec<(i64, i64)> {
        self.told_under(json!({}))
    }

    fn told_under(&self, settings: Json) -> Vec<(i64, i64)> {
        let rules = rules(settings);
        let (states, _) = self.rebuilt();
        // The worth of every state at its start, and wherever something in it turns.
        let mut at: Vec<i64> = states.iter().map(|state| state.since).collect();
        for State { sub, around, .. } in &states {
            at.extend([sub.trial_end, sub.ended_at, Some(sub.start_date), sub.canceled_at].into_iter().flatten());
            for discount in super::timeline::discounts(sub).chain(&around.customer_discount) {
                at.extend([discount.start, discount.end].into_iter().flatten());
            }
        }
        at.sort_unstable();
        let worth = |at: i64| worth(&states, &rules, at);
        let mut told: Vec<(i64, i64)> = at.into_iter().map(|at| (at, worth(at))).collect();
        told.dedup_by(|later, earlier| later.1 == earlier.1);
        told
    }
}

fn worth(states: &[State], rules: &super::settings::Rules, at: i64) -> i64 {
    let state = states.iter().rev().find(|state| state.since <= at).unwrap();
    let value = mrr::value(&state.sub, &state.around, rules, at);
    if value.excluded.is_none() { exact::round(&value.worth).unwrap() } else { 0 }
}

fn learn(evidence: &mut Evidence, event: &Json) {
    let event: Event = serde_json::from_str(&completed(event.clone()).to_string()).unwrap();
    if let Some((id, told)) = evidence::told(&event) {
        assert_eq!(id, "sub_1");
        evidence.learn(told);
    }
}

fn bill(evidence: &mut Evidence, invoice: &Json) {
    let invoice: Invoice = serde_json::from_str(&completed(invoice.clone()).to_string()).unwrap();
    for (id, lines) in evidence::billed(&invoice) {
        assert_eq!(id, "sub_1");
        evidence.bill(lines, &invoice.discounts);
    }
}

fn updated(at: i64, object: Json, previous: Json) -> Json {
    event("updated", at, object, previous)
}

fn event(kind: &str, at: i64, object: Json, previous: Json) -> Json {
    json!({"id": format!("evt_{at}_{kind}"), "object": "event", "created": at,
        "type": format!("customer.subscription.{kind}"),
        "data": {"object": object, "previous_attributes": previous}})
}

/// An invoice as it was since basil.
fn invoice(at: i64, status: &str, lines: Vec<Json>) -> Json {
    json!({"id": format!("in_{at}"), "created": at, "status": status, "attempt_count": i64::from(status == "paid"),
        "collection_method": "charge_automatically", "discounts": [],
        "parent": {"type": "subscription_details", "subscription_details": {"subscription": "sub_1"}},
        "lines": {"data": lines, "has_more": false}})
}

fn paid(at: i64, lines: Vec<Json>) -> Json {
    invoice(at, "paid", lines)
}

/// A line of the price that `vectors::item` makes of an amount.
fn line(amount: i64, quantity: i64, from: i64, to: i64) -> Json {
    line_of("si_1", &format!("price_{amount}_month_1"), amount * quantity, quantity, from, to)
}

fn line_of(item: &str, price: &str, amount: i64, quantity: i64, from: i64, to: i64) -> Json {
    json!({"id": format!("il_{item}_{from}_{amount}"), "amount": amount, "quantity": quantity, "discount_amounts": [],
        "period": {"start": from, "end": to}, "subscription": "sub_1",
        "parent": {"type": "subscription_item_details", "invoice_item_details": null, "subscription_item_details":
            {"subscription": "sub_1", "subscription_item": item, "proration": false}},
        "pricing": {"type": "price_details", "price_details": {"price": price, "product": "prod_A"}}})
}

fn part(line: Json) -> Json {
    with(line, json!({"parent": {"subscription_item_details": {"proration": true}}}))
}

fn credit(line: Json) -> Json {
    let amount = -line["amount"].as_i64().unwrap();
    with(part(line), json!({ "amount": amount }))
}

/// The same invoice as it was before basil.
fn before_basil(invoice: &Json) -> Json {
    let mut old = invoice.clone();
    let fields = old.as_object_mut().unwrap();
    fields.remove("parent");
    fields.insert("subscription".to_owned(), json!("sub_1"));
    for line in fields["lines"]["data"].as_array_mut().unwrap() {
        let details = line["parent"]["subscription_item_details"].clone();
        let price = line["pricing"]["price_details"]["price"].clone();
        let line = line.as_object_mut().unwrap();
        line.retain(|name, _| name != "parent" && name != "pricing");
        line.insert("price".to_owned(), json!({"id": price, "product": "prod_A"}));
        line.insert("proration".to_owned(), details["proration"].clone());
        line.insert("subscription_item".to_owned(), details["subscription_item"].clone());
    }
    old
}

/// Days before now.
fn ago(days: i64) -> i64 {
    NOW - days * DAY
}

/// Twelve periods of 30 days, the newest of which is 10 days old.
fn renewals(lines: impl Fn(i64, i64) -> Vec<Json>) -> Vec<Json> {
    (0..12).map(|back| ago(10 + 30 * back)).map(|start| paid(start, lines(start, start + 30 * DAY))).collect()
}

fn with_renewals(case: Case, lines: impl Fn(i64, i64) -> Vec<Json>) -> Case {
    renewals(lines).into_iter().fold(case, Case::invoice)
}

#[test]
fn what_never_changed_is_one_state_and_backed_as_far_as_it_was_billed() {
    let case = with_renewals(Case::of(active(&[month(2900)])), |from, to| vec![line(2900, 1, from, to)]);
    assert_eq!(case.told(), [(0, 0), (ago(400), 2900)]);
    let (states, from) = case.rebuilt();
    assert_eq!((states.len(), from), (1, ago(340)));
    assert_eq!(case.evidence.lines.len(), 1, "periods of the same are one");
}

#[test]
fn without_invoices_it_is_known_as_far_as_events_go() {
    let mut case = Case::of(active(&[month(2900)]));
    assert_eq!(case.rebuilt().1, HORIZON);
    case.reach = Reach { events: None, invoices: true };
    assert_eq!(case.rebuilt().1, NOW);
    let young = with(active(&[month(2900)]), json!({"created": ago(20), "start_date": ago(20)}));
    assert_eq!(Case::of(young).rebuilt().1, 0, "all of its life is in the events");
}

#[test]
fn an_annual_subscription_of_eleven_months_ago_counts_all_the_time() {
    let sub = with(active(&[item(12_000, "year", 1)]), json!({"created": ago(335), "start_date": ago(335)}));
    let bought = line_of("si_1", "price_12000_year_1", 12_000, 1, ago(335), ago(-30));
    let case = Case::of(sub).invoice(paid(ago(335), vec![bought]));
    assert_eq!(case.told(), [(0, 0), (ago(335), 1000)]);
    assert_eq!(case.rebuilt().1, 0);
}

#[test]
fn an_event_shows_what_was_before() {
    let was = json!({"items": {"data": [with(month(2000), json!({"quantity": 3}))]}, "latest_invoice": "in_0"});
    let case = Case::of(active(&[month(5000)])).event(updated(ago(5), active(&[month(5000)]), was));
    assert_eq!(case.told(), [(0, 0), (ago(400), 6000), (ago(5), 5000)]);
    assert_eq!(case.rebuilt().0.len(), 2, "the day of the change counts once");
}

#[test]
fn renewals_and_what_is_worth_nothing_leave_nothing() {
    let renewed = with(month(2000), json!({"current_period_end": NOW - 5 * DAY}));
    let mut evidence = Evidence::default();
    let object = active(&[month(2000)]);
    learn(
        &mut evidence,
        &updated(ago(5), object.clone(), json!({"items": {"data": [renewed]}, "latest_invoice": "in_0"})),
    );
    learn(&mut evidence, &updated(ago(4), object.clone(), json!({"metadata": {"a": null}})));
    learn(&mut evidence, &event("pending_update_applied", ago(3), object, Json::Null));
    assert_eq!(evidence, Evidence::default());
}

#[test]
fn previous_attributes_are_merged_and_lists_replaced() {
    let pause = |behavior: &str| json!({"pause_collection": {"behavior": behavior, "resumes_at": 1}});
    let off = |digits: &str| -> Json {
        serde_json::from_str(&format!(r#"{{"discount": {{"id": "di_1", "coupon": {{"id": "c", "percent_off": {digits}, "duration": "forever"}}}}}}"#)).unwrap()
    };
    let object = with(with(active(&[month(1000), item(500, "month", 2)]), pause("void")), off("33.33"));
    let was = json!({"items": {"data": [month(1000)]}, "pause_collection": {"behavior": "keep_as_draft"},
        "discount": {"coupon": {"percent_off": 12.5}}});
    let mut evidence = Evidence::default();
    learn(&mut evidence, &updated(ago(5), object, was));
    let before = evidence.changes[0].before.clone().unwrap();
    assert_eq!(before.items.data.len(), 1);
    let expected = pause("keep_as_draft")["pause_collection"].clone();
    assert_eq!(before.pause_collection, Some(parsed(expected)));
    assert_eq!(before.discount, parsed(off("12.5")["discount"].clone()));
}

#[test]
fn an_event_that_cannot_be_read_ends_what_is_known() {
    let case = with_renewals(Case::of(active(&[month(2900)])), |from, to| vec![line(2900, 1, from, to)]);
    let odd = updated(ago(3), json!({"id": "sub_1", "status": 7}), json!({"status": "active"}));
    assert_eq!(case.event(odd).rebuilt().1, ago(3));
}

#[test]
fn events_of_one_second_are_put_in_their_order() {
    let of = |amount: i64| active(&[month(amount)]);
    let change = |id: &str, from: i64, to: i64| {
        with(updated(ago(5), of(to), json!({"items": {"data": [month(from)]}})), json!({ "id": id }))
    };
    let changes = [change("evt_b", 1000, 2000), change("evt_a", 2000, 3000), change("evt_c", 3000, 4000)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let case = order.iter().fold(Case::of(of(4000)), |case, place| case.event(changes[*place].clone()));
        assert_eq!(case.told(), [(0, 0), (ago(400), 1000), (ago(5), 4000)]);
    }
}

#[test]
fn what_ended_past_due_was_past_due_until_then() {
    let ended = json!({"status": "canceled", "ended_at": ago(2), "canceled_at": ago(2)});
    let object = |status: &str| with(active(&[month(900)]), json!({ "status": status }));
    let case = Case::of(with(active(&[month(900)]), ended.clone()))
        .event(updated(ago(9), object("past_due"), json!({"status": "active"})))
        .event(event("deleted", ago(2), with(active(&[month(900)]), ended), Json::Null));
    assert_eq!(case.told(), [(0, 0), (ago(400), 900), (ago(2), 0)]);
    assert_eq!(case.told_under(json!({"past_due": "exclude"})), [(0, 0), (ago(400), 900), (ago(9), 0)]);
    let (states, _) = case.rebuilt();
    assert_eq!(states[1].around.past_due_since, Some(ago(9)));
}

#[test]
fn what_came_to_pay_was_incomplete_before() {
    let sub =
        |status: &str| with(active(&[month(900)]), json!({"status": status, "created": ago(8), "start_date": ago(8)}));
    let case = Case::of(sub("active")).event(event("created", ago(8), sub("incomplete"), Json::Null)).event(updated(
        ago(7),
        sub("active"),
        json!({"status": "incomplete"}),
    ));
    assert_eq!(case.told(), [(0, 0), (ago(7), 900)]);
}

#[test]
fn a_trial_that_ended_without_a_way_to_pay_was_a_trial() {
    let sub = |status: &str| with(active(&[month(900)]), json!({"status": status, "trial_end": ago(6)}));
    let case = Case::of(sub("active")).event(event("paused", ago(6), sub("paused"), Json::Null)).event(event(
        "resumed",
        ago(2),
        sub("active"),
        Json::Null,
    ));
    assert_eq!(case.told(), [(0, 0), (ago(2), 900)]);
    let statuses: Vec<String> = case.rebuilt().0.into_iter().map(|state| state.sub.status).collect();
    assert_eq!(statuses, ["trialing", "paused", "active"]);
}

#[test]
fn a_trial_adds_nothing() {
    let sub = with(active(&[month(900)]), json!({"trial_end": ago(40), "created": ago(54), "start_date": ago(54)}));
    let trial = with(line(900, 1, ago(54), ago(40)), json!({"amount": 0}));
    let case = Case::of(sub)
        .invoice(paid(ago(54), vec![trial]))
        .invoice(paid(ago(40), vec![line(900, 1, ago(40), ago(10))]))
        .invoice(paid(ago(10), vec![line(900, 1, ago(10), ago(-20))]));
    assert_eq!(case.told(), [(0, 0), (ago(40), 900)]);
    assert_eq!(case.rebuilt().1, 0);
}

#[test]
fn a_trial_that_was_given_later_does_not_undo_what_was_paid() {
    let case = Case::of(with(active(&[month(900)]), json!({"trial_end": ago(35)})))
        .invoice(paid(ago(95), vec![line(900, 1, ago(95), ago(65))]))
        .invoice(paid(ago(65), vec![with(line(900, 1, ago(65), ago(35)), json!({"amount": 0}))]))
        .invoice(paid(ago(35), vec![line(900, 1, ago(35), ago(5))]));
    assert_eq!(case.told(), [(0, 0), (ago(400), 900), (ago(65), 0), (ago(35), 900)]);
}

fn upgraded() -> (Case, Vec<Json>) {
    // 2,000 until 50 days ago in the middle of a period, 5,000 from then on.
    let at = ago(50) + 3_601;
    let mut invoices = renewals(|from, to| vec![line(if from < at { 2000 } else { 5000 }, 1, from, to)]);
    let parts = vec![
        credit(with(line(2000, 1, at, ago(40)), json!({"amount": 666}))),
        part(with(line(5000, 1, at, ago(40)), json!({"amount": 1666}))),
    ];
    invoices.push(paid(at, parts));
    let case = Case::of(active(&[month(5000)])).price(month(2000)["price"].clone());
    (case, invoices)
}

#[test]
fn parts_of_a_period_tell_the_second_of_an_upgrade() {
    let (case, invoices) = upgraded();
    let case = invoices.into_iter().fold(case, Case::invoice);
    let expected = [(0, 0), (ago(400), 2000), (ago(50) + 3_601, 5000)];
    assert_eq!(case.told(), expected);
    assert_eq!(case.rebuilt().0.len(), 2);
    let (case, invoices) = upgraded();
    let case = invoices.iter().map(before_basil).fold(case, Case::invoice);
    assert_eq!(case.told(), expected, "as it was before basil");
}

#[test]
fn parts_may_name_only_their_price() {
    let (case, invoices) = upgraded();
    let by_hand = |mut line: Json| {
        if line["parent"]["subscription_item_details"]["proration"] == json!(true) {
            line["parent"] = json!({"type": "invoice_item_details", "subscription_item_details": null,
                "invoice_item_details": {"proration": true, "subscription": "sub_1", "invoice_item": "ii_1"}});
        }
        line
    };
    let case = invoices.into_iter().fold(case, |case, mut invoice| {
        let lines = invoice["lines"]["data"].as_array().unwrap().iter().cloned().map(by_hand).collect();
        invoice["lines"]["data"] = Json::Array(lines);
        case.invoice(invoice)
    });
    assert_eq!(case.told(), [(0, 0), (ago(400), 2000), (ago(50) + 3_601, 5000)]);
}

#[test]
fn a_change_without_parts_is_placed_where_the_new_period_begins() {
    let quantity = |from: i64| if from < ago(60) { 5 } else { 2 };
    let sub = active(&[with(month(1000), json!({"quantity": 2}))]);
    let case = with_renewals(Case::of(sub), |from, to| vec![line(1000, quantity(from), from, to)]);
    assert_eq!(case.told(), [(0, 0), (ago(400), 5000), (ago(40), 2000)]);
    assert_eq!(case.evidence.lines.len(), 2);
}

#[test]
fn a_change_that_no_event_tells_was_before_the_events() {
    // The period that was billed last at another quantity reaches into the time of the events.
    let sub = || active(&[with(month(1000), json!({"quantity": 2}))]);
    let before = |end: i64| Case::of(sub()).invoice(paid(ago(40), vec![line(1000, 5, ago(40), end)]));
    assert_eq!(before(ago(10)).told(), [(0, 0), (ago(400), 5000), (HORIZON, 2000)]);
    assert_eq!(before(ago(35)).told(), [(0, 0), (ago(400), 5000), (ago(35), 2000)]);
    let mut case = before(ago(10));
    case.reach.events = None;
    assert_eq!(case.told(), [(0, 0), (ago(400), 5000), (ago(10), 2000)]);
}

fn item_2(amount: i64, created: i64) -> Json {
    with(month(amount), json!({"id": "si_2", "created": created}))
}

#[test]
fn a_plan_changed_by_taking_one_item_and_adding_another_has_no_gap_and_counts_once() {
    let at = ago(50);
    let lines = |from: i64, to: i64| match from < at {
        true => vec![line_of("si_1", "price_2000_month_1", 2000, 1, from, to)],
        false => vec![line_of("si_2", "price_5000_month_1", 5000, 1, from, to)],
    };
    let case = || with_renewals(Case::of(active(&[item_2(5000, at)])), lines).price(month(2000)["price"].clone());
    let expected = [(0, 0), (ago(400), 2000), (at, 5000)];
    assert_eq!(case().told(), expected, "without parts");
    let parts = paid(
        at,
        vec![
            credit(line_of("si_1", "price_2000_month_1", 666, 1, at + 1, ago(40))),
            part(line_of("si_2", "price_5000_month_1", 1666, 1, at + 1, ago(40))),
        ],
    );
    assert_eq!(case().invoice(parts).told(), [(0, 0), (ago(400), 2000), (at + 1, 5000)], "with parts, a second later");
    let silent = Case::of(active(&[item_2(5000, at)]));
    assert_eq!(silent.told(), [(0, 0), (ago(400), 5000)], "nothing says that others stood before");
    let gone = Case::of(active(&[item_2(5000, ago(40))]))
        .price(month(2000)["price"].clone())
        .invoice(paid(ago(100), vec![line_of("si_1", "price_2000_month_1", 2000, 1, ago(100), ago(70))]));
    assert_eq!(gone.told(), [(0, 0), (ago(400), 2000), (ago(40), 5000)], "no time without any");
}

#[test]
fn an_item_that_was_added_counts_from_then_on_and_one_that_was_taken_until_then() {
    let case = with_renewals(Case::of(active(&[month(1000), item_2(300, ago(55))])), |from, to| {
        let mut lines = vec![line(1000, 1, from, to)];
        lines.extend((from > ago(55)).then(|| line_of("si_2", "price_300_month_1", 300, 1, from, to)));
        lines.extend((from < ago(90)).then(|| line_of("si_3", "price_50_month_1", 50, 1, from, to)));
        lines
    });
    let case = case.price(month(50)["price"].clone());
    assert_eq!(case.told(), [(0, 0), (ago(400), 1050), (ago(70), 1000), (ago(55), 1300)]);
    let credited = credit(line_of("si_3", "price_50_month_1", 17, 1, ago(80), ago(70)));
    let case = case.invoice(paid(ago(80), vec![credited]));
    assert_eq!(case.told(), [(0, 0), (ago(400), 1050), (ago(80), 1000), (ago(55), 1300)]);
}

#[test]
fn usage_and_what_was_added_by_hand_change_nothing() {
    let metered =
        with(item_2(10, ago(400)), json!({"price": {"id": "price_m", "recurring": {"usage_type": "metered"}}}));
    let case = with_renewals(Case::of(active(&[month(1000), metered])), |from, to| {
        let used = line_of("si_2", "price_m", from % 977, 7, from - 30 * DAY, from);
        let by_hand = json!({"id": "il_h", "amount": 9900, "quantity": 1, "period": {"start": from, "end": from}});
        vec![line(1000, 1, from, to), used, by_hand]
    });
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000)]);
    assert_eq!(case.evidence.lines.len(), 2);
}
