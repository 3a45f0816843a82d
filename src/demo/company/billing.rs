//! Money that moves: charges, refunds, disputes, payouts and the balance transactions behind them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Stripe, Table, books, books::Books};
use crate::demo::random::Dice;

/// The account while its history is written.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) dice: Dice,
    pub(super) now: Timestamp,
    pub(super) books: Books,
    pub(super) rows: BTreeMap<Kind, Vec<Value>>,
}

/// What a row of the account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Customer,
    DeletedCustomer,
    Subscription,
    Discount,
    Invoice,
    Charge,
    Refund,
    Dispute,
    Balance,
    Event,
}

/// Whom and what a charge is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bill<'a> {
    pub(super) customer: &'a str,
    pub(super) currency: &'a str,
    pub(super) amount: i64,
    pub(super) description: &'a str,
    pub(super) payment_intent: &'a str,
    /// By bank transfer: the balance transaction is a `payment`, not a `charge`.
    pub(super) transfer: bool,
}

const DECLINES: [(i64, (&str, &str, &str)); 4] = [
    (55, ("card_declined", "Your card was declined.", "issuer_declined")),
    (25, ("card_declined", "Your card has insufficient funds.", "issuer_declined")),
    (15, ("expired_card", "Your card has expired.", "issuer_declined")),
    (5, ("card_declined", "Your card was declined.", "blocked")),
];

impl Ledger {
    pub(super) fn new(dice: Dice, now: Timestamp) -> Self {
        Self { dice, now, books: Books::default(), rows: BTreeMap::new() }
    }

    pub(super) fn put(&mut self, kind: Kind, object: Value) {
        self.rows.entry(kind).or_default().push(object);
    }

    /// Notes an event if it is recent enough to be remembered: 30 days.
    pub(super) fn event(&mut self, at: Timestamp, name: &str, object: Value, previous: Option<Value>) {
        if at < super::before(self.now, 30) || at > self.now {
            return;
        }
        let event = json!({ "id": self.dice.id("evt"), "created": at.as_second(), "type": name, "data_object": object,
            "previous_attributes": previous });
        self.put(Kind::Event, event);
    }

    /// A charge that succeeds, with what may follow it: a refund or a dispute, where they are not after now.
    pub(super) fn charge(&mut self, at: Timestamp, bill: Bill<'_>) -> String {
        let id = self.dice.id(if bill.transfer { "py" } else { "ch" });
        self.books.charges.push(books::ChargeEntry { at, succeeded: true });
        let fee = if bill.transfer { bill.amount.min(500) } else { card_fee(bill.amount, bill.currency) };
        let types = if bill.transfer { ("payment", "charge") } else { ("charge", "charge") };
        let balance = self.balance(at, types, bill.currency, bill.amount, fee, &id, bill.description);
        let mut charge = json!({
            "id": id, "created": at.as_second(), "amount": bill.amount, "amount_captured": bill.amount,
            "balance_transaction": balance, "currency": bill.currency, "customer": bill.customer,
            "description": bill.description, "payment_intent": bill.payment_intent,
        });
        self.event(at, "charge.succeeded", json!({ "kind": "charge", "id": id }), None);
        if self.dice.chance(3) {
            let whole = self.dice.chance(60);
            let amount = if whole { bill.amount } else { (bill.amount / 2).max(1) };
            let later = at + SignedDuration::from_secs(self.dice.between(3_600, 20 * 86_400));
            self.refund(later, &mut charge, bill, amount);
        } else if !bill.transfer && self.dice.chance(1) {
            let later = at + SignedDuration::from_secs(self.dice.between(5 * 86_400, 30 * 86_400));
            self.dispute(later, &mut charge, bill);
        }
        self.put(Kind::Charge, charge);
        id
    }

    /// A charge that the bank or Stripe's own rules declined.
    pub(super) fn decline(&mut self, at: Timestamp, bill: Bill<'_>) {
        let id = self.dice.id("ch");
        self.books.charges.push(books::ChargeEntry { at, succeeded: false });
        let (code, message, outcome) = self.dice.weighted(&DECLINES);
        let charge = json!({
            "id": id, "created": at.as_second(), "amount": bill.amount, "amount_captured": 0, "balance_transaction": null,
            "captured": false, "currency": bill.currency, "customer": bill.customer, "description": bill.description,
            "failure_code": code, "failure_message": message, "paid": false, "payment_intent": bill.payment_intent,
            "status": "failed", "receipt_url": null,
            "outcome": { "advice_code": "try_again_later", "network_advice_code": null, "network_decline_code": "05",
                "network_status": if outcome == "blocked" { "not_sent_to_network" } else { "declined_by_network" },
                "reason": if outcome == "blocked" { "highest_risk_level" } else { "generic_decline" }, "risk_level": "normal",
                "seller_message": message, "type": outcome },
        });
        self.event(at, "charge.failed", json!({ "kind": "charge", "id": id }), None);
        self.put(Kind::Charge, charge);
    }

    fn refund(&mut self, at: Timestamp, charge: &mut Value, bill: Bill<'_>, amount: i64) {
        if at > self.now {
            return;
        }
        let id = self.dice.id("re");
        let types = if bill.transfer { ("payment_refund", "refund") } else { ("refund", "refund") };
        let balance = self.balance(at, types, bill.currency, -amount, 0, &id, "REFUND FOR CHARGE");
        charge["amount_refunded"] = json!(amount);
        charge["refunded"] = json!(amount == bill.amount);
        let refund = json!({ "id": id, "created": at.as_second(), "amount": amount, "balance_transaction": balance,
            "charge": charge["id"], "currency": bill.currency, "payment_intent": bill.payment_intent });
        self.put(Kind::Refund, refund);
        self.event(at, "charge.refunded", json!({ "kind": "charge", "id": charge["id"] }), None);
    }

    /// The bank takes the money back and a fee; some are won and come back.
    fn dispute(&mut self, at: Timestamp, charge: &mut Value, bill: Bill<'_>) {
        if at > self.now {
            return;
        }
        let id = self.dice.id("du");
        let fee = 1_500;
        let mut balances = vec![self.balance(
            at,
            ("adjustment", "dispute"),
            bill.currency,
            -bill.amount,
            fee,
            &id,
            "Chargeback withdrawal",
        )];
        let decided = at + SignedDuration::from_hours(24 * 20);
        let mut status = "needs_response";
        if decided <= self.now {
            status = if self.dice.chance(40) { "won" } else { "lost" };
            if status == "won" {
                let types = ("adjustment", "dispute_reversal");
                balances.push(self.balance(decided, types, bill.currency, bill.amount, 0, &id, "Chargeback reversal"));
            }
        }
        charge["disputed"] = json!(true);
        charge["dispute"] = json!(id);
        let dispute = json!({ "id": id, "created": at.as_second(), "amount": bill.amount, "balance_transactions": balances,
            "charge": charge["id"], "currency": bill.currency, "payment_intent": bill.payment_intent, "status": status });
        self.put(Kind::Dispute, dispute);
        self.event(at, "charge.dispute.created", json!({ "kind": "dispute", "id": id }), None);
    }

    /// Books an amount of the presentment currency in the currency in which it is settled: yen become dollars.
    #[expect(clippy::too_many_arguments, reason = "a row of the balance has this many columns")]
    fn balance(
        &mut self,
        at: Timestamp,
        (kind, category): (&str, &'static str),
        currency: &str,
        amount: i64,
        fee: i64,
        source: &str,
        description: &str,
    ) -> String {
        let id = self.dice.id("txn");
        let (settled, rate, amount, fee) = match currency {
            // One yen is 0.0066 dollars, so 0.66 cents.
            "jpy" => ("usd", Some(0.66), half_up(amount * 66, 100), half_up(fee * 66, 100)),
            other => (other, None, amount, fee),
        };
        let details = json!([{ "amount": fee, "application": null, "currency": settled, "description": "Stripe processing fees",
            "type": "stripe_fee" }]);
        let available = at + SignedDuration::from_hours(48);
        let row = json!({
            "id": id, "created": at.as_second(), "amount": amount, "available_on": available.as_second(), "currency": settled,
            "description": description, "exchange_rate": rate, "fee": fee,
            "fee_details": if fee == 0 { json!([]) } else { details }, "net": amount - fee, "reporting_category": category,
            "source": (!source.is_empty()).then_some(source), "status": if available > self.now { "pending" } else { "available" }, "type": kind,
        });
        self.put(Kind::Balance, row);
        self.books.balance.push(books::BalanceEntry { at, currency: settled.to_owned(), category, amount, fee });
        id
    }

    /// What is no revenue and stands among it all the same: weekly payouts and Stripe's monthly bill.
    pub(super) fn payouts_and_fees(&mut self, from: Timestamp) {
        let mut at = from + SignedDuration::from_hours(24 * 7);
        let mut week = 0;
        while at <= self.now {
            for currency in ["usd", "eur"] {
                let due: i64 = self
                    .books
                    .balance
                    .iter()
                    .filter(|entry| entry.currency == currency && entry.at < at - SignedDuration::from_hours(48))
                    .map(|entry| entry.amount - entry.fee)
                    .sum();
                if due > 10_000 {
                    let id = self.dice.id("po");
                    self.balance(at, ("payout", "payout"), currency, -due, 0, &id, "STRIPE PAYOUT");
                }
            }
            if week % 4 == 0 {
                self.balance(at, ("stripe_fee", "fee"), "usd", -1_200, 0, "", "Billing - Usage Fee");
            }
            week += 1;
            at += SignedDuration::from_hours(24 * 7);
        }
    }

    pub(super) fn finish(mut self) -> (Stripe, Books) {
        let mut table = |kind: Kind| Table::of(self.rows.remove(&kind).unwrap_or_default());
        let mut stripe = Stripe {
            customers: table(Kind::Customer),
            deleted_customers: table(Kind::DeletedCustomer),
            subscriptions: table(Kind::Subscription),
            discounts: table(Kind::Discount),
            invoices: table(Kind::Invoice),
            charges: table(Kind::Charge),
            refunds: table(Kind::Refund),
            disputes: table(Kind::Dispute),
            balance_transactions: table(Kind::Balance),
            events: table(Kind::Event),
            ..Stripe::default()
        };
        for entry in &self.books.balance {
            *stripe.balance.entry(entry.currency.clone()).or_default() += entry.amount - entry.fee;
        }
        (stripe, self.books)
    }
}

fn card_fee(amount: i64, currency: &str) -> i64 {
    let (tenths, fixed) = match currency {
        "eur" => (15, 25),
        "jpy" => (36, 0),
        _ => (29, 30),
    };
    (half_up(amount * tenths, 1000) + fixed).min(amount)
}

/// A quotient rounded half away from zero.
pub(super) fn half_up(numerator: i64, denominator: i64) -> i64 {
    (numerator.abs() * 2 + denominator) / (denominator * 2) * numerator.signum()
}
