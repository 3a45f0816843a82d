//! Money that moves: charges, refunds, disputes, payouts and the balance transactions behind them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Stripe, Table, books, books::Books};
use crate::demo::random::Dice;

/// The account while its history is written.
///
/// It draws nothing of its own: who writes brings dice, so that what one customer does never moves what another draws.
#[derive(Debug)]
pub(super) struct Ledger {
    /// When the account's history begins.
    pub(super) opened: Timestamp,
    /// What is later than this has not happened yet.
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

/// An object as an event shows it, and what kind of object it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a>(pub(super) &'static str, pub(super) &'a Value);

/// A line of the balance.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    currency: &'a str,
    amount: i64,
    fee: i64,
    source: &'a str,
    description: &'a str,
}

impl<'a> Bill<'a> {
    fn entry(&self, amount: i64, fee: i64, source: &'a str, description: &'a str) -> Entry<'a> {
        Entry { currency: self.currency, amount, fee, source, description }
    }
}

const DECLINES: [(i64, (&str, &str, &str)); 4] = [
    (55, ("card_declined", "Your card was declined.", "issuer_declined")),
    (25, ("card_declined", "Your card has insufficient funds.", "issuer_declined")),
    (15, ("expired_card", "Your card has expired.", "issuer_declined")),
    (5, ("card_declined", "Your card was declined.", "blocked")),
];

impl Ledger {
    pub(super) fn new(opened: Timestamp, now: Timestamp) -> Self {
        Self { opened, now, books: Books::default(), rows: BTreeMap::new() }
    }

    pub(super) fn put(&mut self, kind: Kind, object: Value) {
        self.rows.entry(kind).or_default().push(object);
    }

    /// Notes an event: what the object is from then on and, where it tells of a change, what it was before. Only those of
    /// the last 30 days are remembered, but each draws its id.
    pub(super) fn event(&mut self, dice: &mut Dice, at: Timestamp, name: &str, object: &Seen<'_>, was: Option<&Value>) {
        let id = dice.id("evt");
        if at < super::before(self.now, 30) || at > self.now {
            return;
        }
        let event =
            json!({ "id": id, "created": at.as_second(), "type": name, "kind": object.0, "is": object.1, "was": was });
        self.put(Kind::Event, event);
    }

    /// A charge that succeeds, with what may follow it: a refund or a dispute, where they are not after now.
    pub(super) fn charge(&mut self, dice: &mut Dice, at: Timestamp, bill: Bill<'_>) -> String {
        // What has not happened yet draws nothing, and nobody else draws from these.
        let mut dice = dice.fork();
        let id = dice.id(if bill.transfer { "py" } else { "ch" });
        self.books.charges.push(books::ChargeEntry { at, succeeded: true });
        let fee = if bill.transfer { bill.amount.min(500) } else { card_fee(bill.amount, bill.currency) };
        let types = if bill.transfer { ("payment", "charge") } else { ("charge", "charge") };
        let balance = self.balance(&mut dice, at, types, bill.entry(bill.amount, fee, &id, bill.description));
        let mut charge = json!({
            "id": id, "created": at.as_second(), "amount": bill.amount, "amount_captured": bill.amount,
            "balance_transaction": balance, "currency": bill.currency, "customer": bill.customer,
            "description": bill.description, "payment_intent": bill.payment_intent,
        });
        self.event(&mut dice, at, "charge.succeeded", &Seen("charge", &charge), None);
        if dice.chance(3) {
            let whole = dice.chance(60);
            let amount = if whole { bill.amount } else { (bill.amount / 2).max(1) };
            let later = at + SignedDuration::from_secs(dice.between(3_600, 20 * 86_400));
            self.refund(&mut dice, later, &mut charge, bill, amount);
        } else if !bill.transfer && dice.chance(1) {
            let later = at + SignedDuration::from_secs(dice.between(5 * 86_400, 30 * 86_400));
            self.dispute(&mut dice, later, &mut charge, bill);
        }
        self.put(Kind::Charge, charge);
        id
    }

    /// A charge that the bank or Stripe's own rules declined.
    pub(super) fn decline(&mut self, dice: &mut Dice, at: Timestamp, bill: Bill<'_>) {
        let id = dice.id("ch");
        self.books.charges.push(books::ChargeEntry { at, succeeded: false });
        let (code, message, outcome) = dice.weighted(&DECLINES);
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
        self.event(dice, at, "charge.failed", &Seen("charge", &charge), None);
        self.put(Kind::Charge, charge);
    }

    fn refund(&mut self, dice: &mut Dice, at: Timestamp, charge: &mut Value, bill: Bill<'_>, amount: i64) {
        if at > self.now {
            return;
        }
        let id = dice.id("re");
        let types = if bill.transfer { ("payment_refund", "refund") } else { ("refund", "refund") };
        let balance = self.balance(dice, at, types, bill.entry(-amount, 0, &id, "REFUND FOR CHARGE"));
        let was = charge.clone();
        charge["amount_refunded"] = json!(amount);
        charge["refunded"] = json!(amount == bill.amount);
        let refund = json!({ "id": id, "created": at.as_second(), "amount": amount, "balance_transaction": balance,
            "charge": charge["id"], "currency": bill.currency, "payment_intent": bill.payment_intent });
        self.put(Kind::Refund, refund);
        self.event(dice, at, "charge.refunded", &Seen("charge", charge), Some(&was));
    }

    /// The bank takes the money back and a fee; some are won and come back.
    fn dispute(&mut self, dice: &mut Dice, at: Timestamp, charge: &mut Value, bill: Bill<'_>) {
        if at > self.now {
            return;
        }
        let id = dice.id("du");
        let types = ("adjustment", "dispute");
        let mut balances =
            vec![self.balance(dice, at, types, bill.entry(-bill.amount, 1_500, &id, "Chargeback withdrawal"))];
        let mut dispute = json!({ "id": id, "created": at.as_second(), "amount": bill.amount, "balance_transactions": balances,
            "charge": charge["id"], "currency": bill.currency, "payment_intent": bill.payment_intent, "status": "needs_response" });
        self.event(dice, at, "charge.dispute.created", &Seen("dispute", &dispute), None);
        charge["disputed"] = json!(true);
        charge["dispute"] = json!(id);
        let decided = at + SignedDuration::from_hours(24 * 20);
        if decided <= self.now {
            let won = dice.chance(40);
            if won {
                let types = ("adjustment", "dispute_reversal");
                let entry = bill.entry(bill.amount, 0, &id, "Chargeback reversal");
                balances.push(self.balance(dice, decided, types, entry));
            }
            let was = dispute.clone();
            dispute["status"] = json!(if won { "won" } else { "lost" });
            dispute["balance_transactions"] = json!(balances);
            self.event(dice, decided, "charge.dispute.closed", &Seen("dispute", &dispute), Some(&was));
        }
        self.put(Kind::Dispute, dispute);
    }

    /// Books an amount of the presentment currency in the currency in which it is settled: yen become dollars.
    fn balance(
        &mut self,
        dice: &mut Dice,
        at: Timestamp,
        (kind, category): (&str, &'static str),
        entry: Entry<'_>,
    ) -> String {
        let id = dice.id("txn");
        let Entry { currency, amount, fee, source, description } = entry;
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
    pub(super) fn payouts_and_fees(&mut self, dice: &mut Dice) {
        let mut at = self.opened + SignedDuration::from_hours(24 * 7);
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
                    let source = dice.id("po");
                    let entry = Entry { currency, amount: -due, fee: 0, source: &source, description: "STRIPE PAYOUT" };
                    self.balance(dice, at, ("payout", "payout"), entry);
                }
            }
            if week % 4 == 0 {
                let description = "Billing - Usage Fee";
                let entry = Entry { currency: "usd", amount: -1_200, fee: 0, source: "", description };
                self.balance(dice, at, ("stripe_fee", "fee"), entry);
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
