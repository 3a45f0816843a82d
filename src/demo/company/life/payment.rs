//! How invoices are paid, or not.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{billing::Bill, catalog},
    subscription::{Action, Life},
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Days until the next attempt, after the first, second and third.
const RETRIES: [i32; 3] = [3, 5, 7];

impl Life<'_> {
    pub(super) fn open(&mut self, at: Timestamp, invoice: usize) {
        self.set(invoice, at, "open", "finalized_at");
        self.invoices[invoice]["auto_advance"] = json!(true);
        self.say(at, "invoice.finalized", invoice);
    }

    pub(super) fn finalize(&mut self, at: Timestamp, invoice: usize) {
        self.open(at, invoice);
        if self.invoices[invoice]["total"].as_i64().unwrap_or(0) <= 0 {
            self.set(invoice, at, "paid", "paid_at");
            self.say(at, "invoice.paid", invoice);
        } else if self.by_invoice {
            let late = self.dice.chance(20);
            let days = if late { self.dice.between(32, 38) } else { self.dice.between(4, 26) };
            self.plan(at + SignedDuration::from_hours(24 * days), Action::Transfer(invoice));
            self.plan(at + DAY * 30, Action::Due(invoice));
        } else {
            self.attempt(at, invoice, 1);
        }
    }

    pub(super) fn attempt(&mut self, at: Timestamp, invoice: usize, attempt: usize) {
        self.invoices[invoice]["attempt_count"] = json!(attempt);
        self.invoices[invoice]["attempted"] = json!(true);
        let weekly = self.items[0].price.every == catalog::Every::Week;
        let succeeds = match attempt {
            _ if self.solvent => true,
            1 if self.invoices[invoice]["billing_reason"] == "subscription_create" => self.status != "incomplete",
            _ if self.doomed.is_some_and(|from| from <= at) => weekly && attempt > 1,
            1 => !self.dice.chance(5),
            _ => weekly || self.dice.chance(55),
        };
        if succeeds {
            self.pay(at, invoice, false);
            if matches!(self.status, "past_due" | "incomplete") {
                self.status = "active";
                self.note(at);
            }
            return;
        }
        self.debts.push((at, true));
        self.with_bill(invoice, false, |life, bill| life.ledger.decline(&mut life.dice, at, bill));
        self.say(at, "invoice.payment_failed", invoice);
        if self.status == "incomplete" {
            // The customer tries another card within the hour, or never.
            if attempt == 1 && self.dice.chance(50) {
                self.plan(at + HOUR, Action::Attempt(invoice, 2));
            }
            return;
        }
        match RETRIES.get(attempt - 1) {
            Some(days) => {
                let next = at + DAY * *days;
                self.invoices[invoice]["next_payment_attempt"] = json!(next.as_second());
                self.plan(next, Action::Attempt(invoice, attempt + 1));
                if self.status != "past_due" {
                    self.status = "past_due";
                    self.note(at);
                }
            }
            None if self.dice.chance(25) => {
                self.status = "unpaid";
                self.invoices[invoice]["next_payment_attempt"] = Value::Null;
                self.note(at);
                if self.dice.chance(40) {
                    let days = self.dice.between(6, 40);
                    self.plan(at + SignedDuration::from_hours(24 * days), Action::PayUp(invoice));
                }
            }
            None => {
                self.invoices[invoice]["next_payment_attempt"] = Value::Null;
                self.end(at, "canceled", Some("payment_failed"));
            }
        }
    }

    /// What was owed is paid, and the subscription goes on as if nothing had been.
    pub(super) fn pay_up(&mut self, at: Timestamp, invoice: usize) {
        self.pay(at, invoice, false);
        (self.status, self.doomed) = ("active", None);
        self.note(at);
    }

    pub(super) fn transfer(&mut self, at: Timestamp, invoice: usize) {
        self.pay(at, invoice, true);
        if self.status == "past_due" {
            self.status = "active";
            self.note(at);
        }
    }

    pub(super) fn due(&mut self, at: Timestamp, invoice: usize) {
        if self.invoices[invoice]["status"] == "open" && self.status == "active" {
            self.status = "past_due";
            self.note(at);
        }
    }

    pub(super) fn pay(&mut self, at: Timestamp, invoice: usize, transfer: bool) {
        let charge = self.with_bill(invoice, transfer, |life, bill| life.ledger.charge(&mut life.dice, at, bill));
        let row = &mut self.invoices[invoice];
        row["charge"] = json!(charge);
        row["amount_paid"] = row["total"].clone();
        row["amount_remaining"] = json!(0);
        row["next_payment_attempt"] = Value::Null;
        if row["attempt_count"] == 0 {
            row["attempt_count"] = json!(1);
            row["attempted"] = json!(true);
        }
        self.set(invoice, at, "paid", "paid_at");
        self.say(at, "invoice.paid", invoice);
        self.debts.push((at, false));
    }

    fn with_bill<T>(&mut self, invoice: usize, transfer: bool, give: impl FnOnce(&mut Self, Bill<'_>) -> T) -> T {
        let row = &self.invoices[invoice];
        let amount = row["total"].as_i64().unwrap_or(0);
        let intent = row["payment_intent"].as_str().unwrap_or_default().to_owned();
        let description = match row["billing_reason"].as_str() {
            Some("subscription_create") => "Subscription creation",
            _ => "Subscription update",
        };
        let customer = self.customer.clone();
        let currency = self.currency;
        give(self, Bill { customer: &customer, currency, amount, description, payment_intent: &intent, transfer })
    }
}
