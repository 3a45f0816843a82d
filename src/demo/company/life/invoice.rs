//! Invoices of a subscription and how they are paid, or not.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{
        billing::{Bill, Seen, half_up},
        catalog,
    },
    subscription::{Action, Life},
    terms::Line,
};
use crate::metric::exact;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Days until the next attempt, after the first, second and third.
const RETRIES: [i32; 3] = [3, 5, 7];

impl Life<'_> {
    /// Bills the period that has just begun.
    pub(super) fn bill(&mut self, at: Timestamp, reason: &str) {
        let mut lines = Vec::new();
        for Line { item: index, gross, net, taken: discounts } in self.period_amounts(at, true) {
            let gross = exact::round(&gross).unwrap_or(0);
            let net = exact::round(&net).unwrap_or(0);
            let amounts: Vec<Value> =
                discounts.iter().map(|(id, amount)| json!({ "amount": amount, "discount": id })).collect();
            lines.push(self.line(index, gross, net, amounts, self.period, false));
        }
        if reason == "subscription_cycle" {
            self.usage_lines(&mut lines);
        }
        let discounts: Vec<String> = self.discounts.iter().map(|discount| discount.id.clone()).collect();
        self.spend_once();
        let invoice = self.invoice(at, reason, lines, discounts);
        match self.pause {
            Some(("void", _)) => self.set(invoice, at, "void", "voided_at"),
            Some(("mark_uncollectible", _)) => self.set(invoice, at, "uncollectible", "marked_uncollectible_at"),
            Some(_) => {}
            None if self.status == "unpaid" => {}
            None if reason == "subscription_create" => self.finalize(at, invoice),
            None => self.plan(at + HOUR, Action::Finalize(invoice)),
        }
    }

    /// Metered prices are billed when the period is over, for what was used in it.
    fn usage_lines(&mut self, lines: &mut Vec<Value>) {
        let length = self.period.1.duration_since(self.period.0);
        for index in 0..self.items.len() {
            if self.items[index].price.metered() {
                let used = self.dice.between(0, 2_000);
                let amount = exact::round(&self.items[index].price.amount(self.currency, used)).unwrap_or(0);
                let past = (self.period.0 - length, self.period.0);
                let mut line = self.line(index, amount, amount, Vec::new(), past, false);
                line["quantity"] = json!(used);
                lines.push(line);
            }
        }
    }

    /// The invoice of nothing with which a trial begins.
    pub(super) fn trial_invoice(&mut self, at: Timestamp) {
        let line = self.line(0, 0, 0, Vec::new(), self.period, false);
        let invoice = self.invoice(at, "subscription_create", vec![line], Vec::new());
        self.finalize(at, invoice);
    }

    /// Bills the rest of the period at the new price less the old; a step down waits for the next one.
    pub(super) fn prorate(&mut self, at: Timestamp, before: i64) {
        let after = self.period_net(at);
        if after <= before || at >= self.period.1 {
            return;
        }
        let (left, whole) =
            (self.period.1.as_second() - at.as_second(), self.period.1.as_second() - self.period.0.as_second());
        let unused = -half_up(before * left, whole);
        let remaining = half_up(after * left, whole);
        let rest = (at, self.period.1);
        let lines = vec![
            self.line(0, unused, unused, Vec::new(), rest, true),
            self.line(0, remaining, remaining, Vec::new(), rest, true),
        ];
        let invoice = self.invoice(at, "subscription_update", lines, Vec::new());
        self.open(at, invoice);
        self.pay(at, invoice, self.by_invoice);
    }

    fn line(
        &mut self,
        index: usize,
        gross: i64,
        net: i64,
        discounts: Vec<Value>,
        period: (Timestamp, Timestamp),
        proration: bool,
    ) -> Value {
        let id = self.dice.id("il");
        let item = &self.items[index];
        let taxes = if self.inclusive { json!([self.tax(net)]) } else { json!([]) };
        let what = if proration { "Remaining or unused time on " } else { "" };
        json!({
            "id": id, "amount": gross, "currency": self.currency, "description": format!("{what}{}", item.price.nickname),
            "discount_amounts": discounts, "discountable": !proration,
            "period": { "start": period.0.as_second(), "end": period.1.as_second() },
            "price": item.price.id, "product": item.price.product, "proration": proration,
            "quantity": item.quantity.unwrap_or(0), "subscription": self.id, "subscription_item": item.id,
            "subtotal": gross, "taxes": taxes,
        })
    }

    fn tax(&self, total: i64) -> Value {
        let rate = catalog::TAX_PERCENT;
        json!({ "amount": half_up(total * rate, 100 + rate), "tax_behavior": "inclusive",
            "tax_rate_details": { "tax_rate": catalog::TAX_RATE }, "taxability_reason": "standard_rated",
            "taxable_amount": half_up(total * 100, 100 + rate), "type": "tax_rate_details" })
    }

    /// A new draft; gives its place among the invoices.
    fn invoice(&mut self, at: Timestamp, reason: &str, lines: Vec<Value>, discounts: Vec<String>) -> usize {
        let sum = |field: &str| lines.iter().filter_map(|line| line[field].as_i64()).sum::<i64>();
        let subtotal = sum("amount");
        let mut off: Vec<Value> = Vec::new();
        for amount in lines.iter().filter_map(|line| line["discount_amounts"].as_array()).flatten() {
            match off.iter_mut().find(|known| known["discount"] == amount["discount"]) {
                Some(known) => {
                    known["amount"] =
                        json!(known["amount"].as_i64().unwrap_or(0) + amount["amount"].as_i64().unwrap_or(0));
                }
                None => off.push(amount.clone()),
            }
        }
        let total = subtotal - off.iter().filter_map(|amount| amount["amount"].as_i64()).sum::<i64>();
        let taxes = if self.inclusive { json!([self.tax(total)]) } else { json!([]) };
        let tax = taxes[0]["amount"].as_i64().unwrap_or(0);
        let number = self.invoices.len() + 1;
        let id = self.dice.id("in");
        let intent = self.dice.id("pi");
        let prefix = self.id.get(5..13).unwrap_or("FERN").to_uppercase();
        self.invoices.push(json!({
            "id": id, "created": at.as_second(), "amount_due": total, "amount_paid": 0, "amount_remaining": total,
            "attempt_count": 0, "attempted": false, "auto_advance": true, "billing_reason": reason,
            "collection_method": if self.by_invoice { "send_invoice" } else { "charge_automatically" },
            "currency": self.currency, "customer": self.customer, "discounts": discounts,
            "due_date": self.by_invoice.then(|| (at + DAY * 30).as_second()), "lines": lines,
            "number": format!("{prefix}-{number:04}"), "payment_intent": intent,
            "period_start": self.period.0.as_second(), "period_end": self.period.1.as_second(), "status": "draft",
            "status_transitions": { "finalized_at": null, "marked_uncollectible_at": null, "paid_at": null, "voided_at": null },
            "subscription": self.id, "subtotal": subtotal, "subtotal_excluding_tax": subtotal - tax, "total": total,
            "total_discount_amounts": off, "total_excluding_tax": total - tax, "total_taxes": taxes,
        }));
        self.say(at, "invoice.created", self.invoices.len() - 1);
        self.invoices.len() - 1
    }

    fn set(&mut self, invoice: usize, at: Timestamp, status: &str, moment: &str) {
        let row = &mut self.invoices[invoice];
        row["status"] = json!(status);
        row["status_transitions"][moment] = json!(at.as_second());
        row["auto_advance"] = json!(false);
    }

    fn open(&mut self, at: Timestamp, invoice: usize) {
        self.set(invoice, at, "open", "finalized_at");
        self.invoices[invoice]["auto_advance"] = json!(true);
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
            1 if self.invoices[invoice]["billing_reason"] == "subscription_create" => self.status != "incomplete",
            _ if self.doomed.is_some_and(|from| from <= at) => weekly && attempt > 1,
            1 => !self.dice.chance(5),
            _ => weekly || self.dice.chance(55),
        };
        if succeeds {
            self.pay(at, invoice, false);
            if matches!(self.status, "past_due" | "incomplete") {
                self.status = "active";
                self.note(at, "customer.subscription.updated");
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
                    self.note(at, "customer.subscription.updated");
                }
            }
            None if self.dice.chance(15) => {
                self.status = "unpaid";
                self.invoices[invoice]["next_payment_attempt"] = Value::Null;
                self.note(at, "customer.subscription.updated");
            }
            None => {
                self.invoices[invoice]["next_payment_attempt"] = Value::Null;
                self.end(at, "canceled", Some("payment_failed"));
            }
        }
    }

    pub(super) fn transfer(&mut self, at: Timestamp, invoice: usize) {
        self.pay(at, invoice, true);
        if self.status == "past_due" {
            self.status = "active";
            self.note(at, "customer.subscription.updated");
        }
    }

    pub(super) fn due(&mut self, at: Timestamp, invoice: usize) {
        if self.invoices[invoice]["status"] == "open" && self.status == "active" {
            self.status = "past_due";
            self.note(at, "customer.subscription.updated");
        }
    }

    fn pay(&mut self, at: Timestamp, invoice: usize, transfer: bool) {
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

    fn say(&mut self, at: Timestamp, event: &str, invoice: usize) {
        self.ledger.event(&mut self.dice, at, event, &Seen("invoice", &self.invoices[invoice]), None);
    }
}
