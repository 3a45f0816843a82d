//! The past of subscriptions, rebuilt from events and invoices in Stripe's shapes.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    answers::{Event, Price},
    evidence::{self, Evidence, Reach},
    invoice::Invoice,
    mrr::{self, Around},
    rebuild,
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
        self.prices.push(serde_json::from_value(price).unwrap());
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
            at.extend([sub.trial_end, sub.ended_at, sub.start_date, sub.canceled_at].into_iter().flatten());
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
    let event: Event = serde_json::from_str(&event.to_string()).unwrap();
    if let Some((id, told)) = evidence::told(&event) {
        assert_eq!(id, "sub_1");
        evidence.learn(told);
    }
}

fn bill(evidence: &mut Evidence, invoice: &Json) {
    let invoice: Invoice = serde_json::from_str(&invoice.to_string()).unwrap();
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
    assert_eq!(before.pause_collection, Some(serde_json::from_value(expected).unwrap()));
    assert_eq!(before.discount, serde_json::from_value(off("12.5")["discount"].clone()).unwrap());
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

fn discount(id: &str, fields: Json) -> Json {
    with(with(percent(50.0, "forever"), json!({"id": id, "subscription": "sub_1", "start": ago(300)})), fields)
}

/// Renewals with a discount on those that begin in a time, which the invoices show whole or not at all.
fn with_discount(case: Case, discount: &Json, from: i64, to: i64, is_shown: bool) -> Case {
    renewals(|start, end| vec![line(1000, 1, start, end)]).into_iter().fold(case, |case, mut invoice| {
        let start = invoice["created"].as_i64().unwrap();
        if from <= start && start < to {
            let amounts = json!([{"amount": 500, "discount": discount["id"]}]);
            invoice["lines"]["data"][0]["discount_amounts"] = amounts;
            invoice["discounts"] = if is_shown { json!([discount]) } else { json!([discount["id"]]) };
        }
        case.invoice(invoice)
    })
}

#[test]
fn a_discount_that_ended_counts_while_it_lasted() {
    let plain = || Case::of(active(&[month(1000)]));
    let removed = discount("di_1", json!({}));
    let case = with_discount(plain(), &removed, ago(280), ago(60), true);
    let expected = [(0, 0), (ago(400), 1000), (ago(300), 500), (ago(40), 1000)];
    assert_eq!(case.told(), expected, "removed: gone with the first period without it");
    let ended = discount("di_1", json!({"end": ago(61), "source": {"coupon": {"duration": "repeating"}}}));
    let case = with_discount(plain(), &ended, ago(280), ago(60), true);
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000), (ago(300), 500), (ago(61), 1000)], "it says its end");
    let of_item = discount("di_1", json!({"subscription": null, "subscription_item": "si_1"}));
    assert_eq!(with_discount(plain(), &of_item, ago(280), ago(60), true).told(), expected, "of an item");
    let customers = discount("di_1", json!({"subscription": null}));
    assert_eq!(with_discount(plain(), &customers, ago(280), ago(60), true).told(), expected, "of the customer");
    let of_invoice = discount("di_1", json!({"subscription": null, "invoice": "in_1"}));
    let case = with_discount(plain(), &of_invoice, ago(280), ago(60), true);
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000)], "given on an invoice alone");
}

#[test]
fn a_discount_of_one_period_lasts_that_period() {
    let once = discount("di_1", json!({"start": ago(71), "source": {"coupon": {"duration": "once"}}}));
    let case = with_discount(Case::of(active(&[month(1000)])), &once, ago(71), ago(60), true);
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000)]);
    let all = case.told_under(json!({"discounts": "all"}));
    assert_eq!(all, [(0, 0), (ago(400), 1000), (ago(71), 500), (ago(40), 1000)]);
}

#[test]
fn a_discount_that_nobody_shows_is_noted() {
    let case = with_discount(Case::of(active(&[month(1000)])), &discount("di_1", json!({})), ago(280), ago(60), false);
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000)]);
    let (states, _) = case.rebuilt();
    let noted = |at: i64| {
        let state = states.iter().rev().find(|state| state.since <= at).unwrap();
        let notes = mrr::value(&state.sub, &state.around, &rules(json!({})), at).notes;
        notes.iter().any(|(reason, _)| *reason == mrr::Reason::DiscountUnread)
    };
    assert!(noted(ago(100)) && !noted(ago(39)) && !noted(NOW));
}

#[test]
fn events_name_discounts_that_invoices_or_the_subscription_show() {
    let given = discount("di_1", json!({"start": ago(20)}));
    let now =
        discounted(&[month(1000)], json!([with(given.clone(), json!({"source": {"coupon": {"percent_off": 20}}}))]));
    let object = with(active(&[month(1000)]), json!({"discounts": ["di_1"]}));
    let case = Case::of(now).event(updated(ago(20), object, json!({"discounts": []})));
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000), (ago(20), 800)], "as the subscription shows it");
    let case = with_discount(Case::of(active(&[month(1000)])), &discount("di_1", json!({})), ago(280), NOW, true);
    let case = case.event(updated(ago(4), active(&[month(1000)]), json!({"discounts": ["di_1"]})));
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000), (ago(300), 500), (ago(4), 1000)], "as invoices show it");
}

fn skipped(at: i64, status: &str) -> Json {
    with(invoice(at, status, vec![line(1000, 1, at, at + 30 * DAY)]), json!({"attempt_count": 0}))
}

#[test]
fn collection_was_paused_while_invoices_were_given_up_untried() {
    let case = |status: &str| {
        renewals(|from, to| vec![line(1000, 1, from, to)]).into_iter().fold(
            Case::of(active(&[month(1000)])),
            |case, invoice| {
                let at = invoice["created"].as_i64().unwrap();
                case.invoice(if (ago(130)..ago(70)).contains(&at) { skipped(at, status) } else { invoice })
            },
        )
    };
    let expected = [(0, 0), (ago(400), 1000), (ago(130), 0), (ago(70), 1000)];
    assert_eq!(case("void").told(), expected);
    assert_eq!(case("uncollectible").told(), expected);
    let behaviors: Vec<_> =
        case("uncollectible").rebuilt().0.into_iter().map(|state| state.sub.pause_collection).collect();
    assert_eq!(behaviors[1].as_ref().unwrap().behavior, "mark_uncollectible");
    let by_hand = with(skipped(ago(70), "void"), json!({"collection_method": "send_invoice"}));
    let case = Case::of(active(&[month(1000)])).invoice(by_hand);
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000)], "an invoice that is sent is not tried");
}

#[test]
fn what_is_paused_now_was_paid_before() {
    let paused = || {
        let pause = json!({"pause_collection": {"behavior": "void", "resumes_at": null}});
        Case::of(with(active(&[month(1000)]), pause))
    };
    let paid_until = |case: Case| case.invoice(paid(ago(100), vec![line(1000, 1, ago(100), ago(70))]));
    let case = paid_until(paused()).invoice(skipped(ago(70), "void")).invoice(skipped(ago(40), "void"));
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000), (ago(70), 0)]);
    assert_eq!(paid_until(paused()).told(), [(0, 0), (ago(400), 1000), (ago(70), 0)]);
    let mut unread = paused();
    unread.reach.invoices = false;
    assert_eq!(unread.told(), [(0, 0), (ago(400), 1000), (HORIZON, 0)]);
    assert_eq!(paused().told(), [(0, 0)], "it was never paid");
}

#[test]
fn what_is_unpaid_was_active_as_long_as_it_was_paid() {
    let sub = || Case::of(with(active(&[month(1000)]), json!({"status": "unpaid"})));
    let open = invoice(ago(70), "open", vec![line(1000, 1, ago(70), ago(40))]);
    let case = sub().invoice(paid(ago(100), vec![line(1000, 1, ago(100), ago(70))])).invoice(open.clone());
    assert_eq!(case.told(), [(0, 0), (ago(400), 1000), (ago(70), 0)]);
    assert_eq!(sub().invoice(open).told(), [(0, 0)], "never paid as far as invoices were read");
    let mut unread = sub();
    unread.reach.invoices = false;
    assert_eq!(unread.told(), [(0, 0), (ago(400), 1000), (HORIZON, 0)]);
    let told = sub().event(updated(
        ago(9),
        with(active(&[month(1000)]), json!({"status": "unpaid"})),
        json!({"status": "past_due"}),
    ));
    assert_eq!(told.told(), [(0, 0), (ago(400), 1000), (ago(9), 0)]);
}

#[test]
fn a_change_whose_invoice_was_voided_never_came_to_be() {
    let (case, mut invoices) = upgraded();
    let parts = invoices.pop().unwrap();
    let lines = |from: i64, to: i64| vec![line(5000, 1, from, to)];
    let case = with_renewals(case, lines).invoice(with(parts, json!({"status": "void"})));
    assert_eq!(case.told(), [(0, 0), (ago(400), 5000)]);
}

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// Rows 68 and 69: a line of 2,000 for the last ten days of a month, at a price that nobody shows any more.
#[test]
fn rows_68_and_69_a_part_of_a_month_is_scaled_by_its_real_length() {
    for (from, to, expected) in
        [("2025-11-21T00:00:00Z", "2025-12-01T00:00:00Z", 6000), ("2025-12-22T00:00:00Z", "2026-01-01T00:00:00Z", 6200)]
    {
        let (from, to) = (at(from), at(to));
        let case = Case::of(active(&[month(7000)]))
            .invoice(paid(from, vec![part(line_of("si_1", "price_gone", 2000, 1, from, to))]))
            .invoice(paid(to, vec![line(7000, 1, to, to + 31 * DAY)]));
        assert_eq!(case.told(), [(0, 0), (ago(400), expected), (to, 7000)]);
    }
}

#[test]
fn a_price_that_cannot_be_read_costs_what_was_billed() {
    let case = with_renewals(Case::of(active(&[month(1000)])), |from, to| {
        let old = line_of("si_1", "price_gone", 36_000, 3, from, to);
        vec![if from < ago(60) { old } else { line(1000, 1, from, to) }]
    });
    // Periods of 30 days that are no months.
    let monthly = 36_000 * 365 / 12 / 30;
    assert_eq!(case.told(), [(0, 0), (ago(400), monthly), (ago(40), 1000)]);
    let half = discount("di_1", json!({"start": ago(350)}));
    let case = Case { current: Case::of(discounted(&[month(1000)], json!([half]))).current, ..case };
    assert_eq!(case.told()[2..], [(ago(350), monthly / 2), (ago(40), 500)], "discounts are taken off it as of any");
    let needed: Vec<String> = case.evidence.prices_needed(&case.current).into_iter().collect();
    assert_eq!(needed, ["price_gone"]);
}

fn tiered(quantity: i64) -> Json {
    let price = json!({"id": "price_t", "billing_scheme": "tiered", "tiers_mode": "graduated", "unit_amount": null,
        "unit_amount_decimal": null, "tiers": [
            {"up_to": 10, "unit_amount": 1000, "flat_amount": 500}, {"up_to": null, "unit_amount": 800}]});
    with(month(0), json!({"price": price, "quantity": quantity}))
}

#[test]
fn tiers_are_lines_of_their_own_and_told_by_what_they_come_to() {
    let lines = |quantity: i64| {
        move |from: i64, to: i64| {
            let of = |amount: i64, count: i64| line_of("si_1", "price_t", amount, count, from, to);
            vec![of(10_000, 10), of(500, 1), of((quantity - 10) * 800, quantity - 10)]
        }
    };
    let case = with_renewals(Case::of(active(&[tiered(15)])), lines(15));
    assert_eq!(case.told(), [(0, 0), (ago(400), 14_500)]);
    let case = with_renewals(Case::of(active(&[tiered(15)])), |from, to| {
        lines(if from < ago(60) { 12 } else { 15 })(from, to)
    });
    assert_eq!(case.told(), [(0, 0), (ago(400), 12_100), (ago(40), 14_500)], "what was billed, of whatever number");
}

#[test]
fn packages_are_told_by_what_they_come_to() {
    let package = |quantity: i64| {
        let price = json!({"id": "price_p", "transform_quantity": {"divide_by": 10, "round": "up"}});
        with(month(500), json!({"price": price, "quantity": quantity}))
    };
    let lines = |quantity: i64, amount: i64| {
        move |from: i64, to: i64| vec![line_of("si_1", "price_p", amount, quantity, from, to)]
    };
    for told in [23, 3] {
        let case = with_renewals(Case::of(active(&[package(23)])), lines(told, 1500));
        assert_eq!(case.told(), [(0, 0), (ago(400), 1500)], "as units or as packages");
    }
}

#[test]
fn a_hole_in_what_was_billed_ends_what_is_known() {
    let case = Case::of(active(&[month(1000)]))
        .invoice(paid(ago(100), vec![line(1000, 1, ago(100), ago(70))]))
        .invoice(paid(ago(40), vec![line(1000, 1, ago(40), ago(10))]));
    assert_eq!(case.rebuilt().1, ago(40));
    let case = case.invoice(invoice(ago(70), "open", vec![line(1000, 1, ago(70), ago(40))]));
    assert_eq!(case.rebuilt().1, ago(100));
}

#[test]
fn evidence_of_one_subscription_is_bounded() {
    let days = 0..700;
    let case = days.fold(Case::of(active(&[month(1000)])), |case, day| {
        case.invoice(paid(ago(800 - day), vec![line(1000, day + 2, ago(800 - day), ago(799 - day))]))
    });
    assert_eq!(case.evidence.lines.len(), 500);
    assert_eq!(case.evidence.unknown_before, Some(ago(600)));
    let events = (0..700).fold(Case::of(active(&[month(1000)])), |case, n| {
        let was = json!({"items": {"data": [with(month(1000), json!({"quantity": n + 2}))]}});
        case.event(updated(ago(20) + n, active(&[month(1000)]), was))
    });
    assert_eq!(events.evidence.changes.len(), 500);
    assert_eq!(events.rebuilt().1, ago(20) + 199);
}

/// A life of changes at known times, billed with parts, and told by events where they are young enough.
fn life(changes: &[(i64, i64, i64)]) -> (Json, Vec<Json>, Vec<Json>) {
    let start = ago(10 + 30 * 11);
    let config = |at: i64| {
        let last = changes.iter().rev().find(|(since, ..)| *since <= at);
        last.map_or((1000, 1), |(_, amount, quantity)| (*amount, *quantity))
    };
    let sub = |at: i64| {
        let (amount, quantity) = config(at);
        let born = json!({"created": start, "start_date": start});
        with(active(&[with(month(amount), json!({"quantity": quantity, "created": start}))]), born)
    };
    let mut invoices = renewals(|from, to| {
        let (amount, quantity) = config(from);
        vec![line(amount, quantity, from, to)]
    });
    let mut events = Vec::new();
    for (at, ..) in changes {
        let end = at + 30 * DAY - (at - start) % (30 * DAY);
        let parts = |(amount, quantity): (i64, i64)| {
            let rest = amount * quantity * (end - at) / (30 * DAY);
            with(line(amount, quantity, *at, end), json!({ "amount": rest }))
        };
        if config(at - 1) != config(*at) {
            invoices.push(paid(*at, vec![credit(parts(config(at - 1))), part(parts(config(*at)))]));
        }
        if *at >= HORIZON {
            let was = sub(at - 1)["items"].clone();
            events.push(updated(*at, sub(*at), json!({ "items": was })));
        }
    }
    (sub(NOW), invoices, events)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_life_is_rebuilt_to_the_second_whatever_comes_first_and_however_often(
        changes in prop::collection::btree_map(0_i64..320, (1_i64..=3, 1_i64..4, 0_i64..DAY), 0..12),
        order in Just((0_usize..80).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let start = ago(10 + 30 * 11);
        let mut changes: Vec<(i64, i64, i64)> = changes
            .into_iter()
            // No change in the last day of a period: what is left of it may come to nothing.
            .filter(|(day, _)| day % 30 != 29 && day % 30 != 0)
            .map(|(day, (amount, quantity, second))| (start + day * DAY + second, amount * 1000, quantity))
            .collect();
        changes.dedup_by_key(|(at, ..)| *at / 300);
        let (sub, invoices, events) = life(&changes);
        let mut case = Case::of(sub);
        case.prices = (1..=3).map(|n| serde_json::from_value(month(n * 1000)["price"].clone()).unwrap()).collect();
        for place in order.iter().chain(&order[..10]) {
            if let Some(event) = events.get(*place) {
                learn(&mut case.evidence, event);
            }
            if let Some(invoice) = invoices.get(*place) {
                bill(&mut case.evidence, invoice);
            }
        }
        let (states, from) = case.rebuilt();
        prop_assert_eq!(from, 0);
        let rules = rules(json!({}));
        let mut expected = 1000;
        prop_assert_eq!(worth(&states, &rules, start), expected);
        for (at, amount, quantity) in changes {
            prop_assert_eq!(worth(&states, &rules, at - 1), expected);
            expected = amount * quantity;
            prop_assert_eq!(worth(&states, &rules, at), expected);
        }
        prop_assert_eq!(worth(&states, &rules, NOW), expected);
        prop_assert!(case.evidence.lines.len() <= 40);
    }
}
