//! Invoices of a subscription: what stands on them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{
        billing::{Seen, half_up},
        catalog,
    },
    subscription::{Action, Life},
    terms::{Item, Line},
};
use crate::metric::exact;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Life<'_> {
    /// Bills the period that has just begun, with what was changed in the one before.
    pub(super) fn bill(&mut self, at: Timestamp, reason: &str) {
        let items = self.items.clone();
        let mut lines = Vec::new();
        for Line { item, gross, net, taken } in self.period_amounts(at, true) {
            let item = &items[item];
            let (gross, net) = (exact::round(&gross).unwrap_or(0), exact::round(&net).unwrap_or(0));
            let mut line = self.line(item, item.quantity.unwrap_or(0), gross, net, self.period);
            let amounts = taken.iter().map(|(id, amount)| json!({ "amount": amount, "discount": id }));
            line["discount_amounts"] = amounts.collect();
            line["discounts"] = item.discounts.iter().filter(|own| own.works(at)).map(|own| json!(own.id)).collect();
            lines.push(line);
        }
        if reason == "subscription_cycle" {
            self.usage_lines(&mut lines);
        }
        if reason == "subscription_create" && self.onboarding {
            let line = self.onboarding_line(at);
            lines.push(line);
        }
        // Newest first: what was changed, then what is renewed.
        lines.reverse();
        let discounts: Vec<String> =
            self.own_or_customers().filter(|own| own.works(at)).map(|own| own.id.clone()).collect();
        let due = |lines: &[Value]| -> i64 { lines.iter().map(due).sum() };
        if due(&self.pending) + due(&lines) >= 0 {
            let mut all: Vec<Value> = self.pending.drain(..).rev().collect();
            all.append(&mut lines);
            lines = all;
        }
        self.spend_once(at);
        let invoice = self.invoice(at, reason, lines, discounts);
        match self.pause {
            Some(("void", _)) => self.void(at, invoice),
            Some(("mark_uncollectible", _)) => {
                self.set(invoice, at, "open", "finalized_at");
                self.set(invoice, at, "uncollectible", "marked_uncollectible_at");
                self.say(at, "invoice.marked_uncollectible", invoice);
            }
            Some(_) => self.invoices[invoice]["auto_advance"] = json!(false),
            None if self.status == "unpaid" => self.invoices[invoice]["auto_advance"] = json!(false),
            None if reason == "subscription_cycle" => self.plan(at + HOUR, Action::Finalize(invoice)),
            None => self.finalize(at, invoice),
        }
    }

    /// Bills what was changed, at once.
    pub(super) fn bill_change(&mut self, at: Timestamp) {
        let lines = self.pending.drain(..).rev().collect();
        let invoice = self.invoice(at, "subscription_update", lines, Vec::new());
        self.open(at, invoice);
        self.pay(at, invoice, self.by_invoice);
    }

    /// Metered prices are billed when the period is over, for what was used in it.
    fn usage_lines(&mut self, lines: &mut Vec<Value>) {
        let length = self.period.1.duration_since(self.period.0);
        for item in self.items.clone().iter().filter(|item| item.price.metered()) {
            let used = self.dice.between(0, 2_000);
            let amount = exact::round(&item.price.amount(self.currency, used)).unwrap_or(0);
            let past = (self.period.0 - length, self.period.0);
            lines.push(self.line(item, used, amount, amount, past));
        }
    }

    /// A one-off charge: nothing of it recurs.
    fn onboarding_line(&mut self, at: Timestamp) -> Value {
        let (price, product, amount) = catalog::ONBOARDING;
        json!({
            "id": self.dice.id("il"), "amount": amount, "currency": self.currency, "description": "Onboarding",
            "discount_amounts": [], "discountable": false, "discounts": [], "invoice_item": self.dice.id("ii"), "one_off": true,
            "period": { "start": at.as_second(), "end": at.as_second() }, "price": price, "product": product,
            "proration": false, "quantity": 1, "subscription": self.id, "subtotal": amount, "taxes": [],
        })
    }

    /// The invoice of nothing with which a trial begins.
    pub(super) fn trial_invoice(&mut self, at: Timestamp) {
        let mut lines = Vec::new();
        for item in self.items.clone().iter().rev() {
            if let Some(quantity) = item.quantity {
                let mut line = self.line(item, quantity, 0, 0, self.period);
                line["description"] = json!(format!("Trial period for {}", item.price.nickname));
                lines.push(line);
            }
        }
        let invoice = self.invoice(at, "subscription_create", lines, Vec::new());
        self.finalize(at, invoice);
    }

    pub(super) fn line(
        &mut self,
        item: &Item,
        quantity: i64,
        amount: i64,
        net: i64,
        period: (Timestamp, Timestamp),
    ) -> Value {
        let taxes = if self.inclusive { json!([tax(net)]) } else { json!([]) };
        json!({
            "id": self.dice.id("il"), "amount": amount, "currency": self.currency,
            "description": format!("{quantity} × {}", item.price.nickname),
            "discount_amounts": [], "discountable": true, "discounts": [],
            "period": { "start": period.0.as_second(), "end": period.1.as_second() },
            "price": item.price.id, "product": item.price.product, "proration": false, "quantity": quantity,
            "subscription": self.id, "subscription_item": item.id, "subtotal": amount, "taxes": taxes,
        })
    }

    /// A new draft; gives its place among the invoices.
    fn invoice(&mut self, at: Timestamp, reason: &str, mut lines: Vec<Value>, discounts: Vec<String>) -> usize {
        let (id, intent) = (self.dice.id("in"), self.dice.id("pi"));
        for line in &mut lines {
            line["invoice"] = json!(id);
        }
        let subtotal: i64 = lines.iter().filter_map(|line| line["amount"].as_i64()).sum();
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
        let total: i64 = lines.iter().map(due).sum();
        let taxes = if self.inclusive { json!([tax(total)]) } else { json!([]) };
        let tax = taxes[0]["amount"].as_i64().unwrap_or(0);
        let number = self.invoices.len() + 1;
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

    pub(super) fn set(&mut self, invoice: usize, at: Timestamp, status: &str, moment: &str) {
        let row = &mut self.invoices[invoice];
        row["status"] = json!(status);
        row["status_transitions"][moment] = json!(at.as_second());
        row["auto_advance"] = json!(false);
    }

    pub(super) fn void(&mut self, at: Timestamp, invoice: usize) {
        if self.invoices[invoice]["status"] == "draft" {
            self.set(invoice, at, "open", "finalized_at");
        }
        self.set(invoice, at, "void", "voided_at");
        self.say(at, "invoice.voided", invoice);
    }

    pub(super) fn say(&mut self, at: Timestamp, event: &str, invoice: usize) {
        self.ledger.event(&mut self.dice, at, event, &Seen("invoice", &self.invoices[invoice]), None);
    }
}

/// What is left of a line after discounts.
fn due(line: &Value) -> i64 {
    let off = line["discount_amounts"].as_array().into_iter().flatten().filter_map(|amount| amount["amount"].as_i64());
    line["amount"].as_i64().unwrap_or(0) - off.sum::<i64>()
}

fn tax(total: i64) -> Value {
    let rate = catalog::TAX_PERCENT;
    json!({ "amount": half_up(total * rate, 100 + rate), "tax_behavior": "inclusive",
        "tax_rate_details": { "tax_rate": catalog::TAX_RATE }, "taxability_reason": "standard_rated",
        "taxable_amount": half_up(total * 100, 100 + rate), "type": "tax_rate_details" })
}
