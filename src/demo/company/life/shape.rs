//! What a subscription is at an instant: in the books, and as the provider shows it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{billing::Seen, books::Segment, catalog},
    subscription::Life,
    terms::{Discount, Line, apply},
};
use crate::metric::{Exact, exact};

impl Life<'_> {
    /// Each licensed item with what a period costs and what is left after discounts, and what each discount took of it.
    pub(super) fn period_amounts(&self, at: Timestamp, with_once: bool) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            let Some(quantity) = item.quantity else { continue };
            let gross = item.price.amount(self.currency, quantity);
            lines.push(Line { item: index, gross: gross.clone(), net: gross, taken: Vec::new() });
        }
        for line in &mut lines {
            for discount in &self.items[line.item].discounts {
                apply(discount, std::slice::from_mut(line), &self.items, self.currency, at, with_once);
            }
        }
        for discount in self.own_or_customers() {
            apply(discount, &mut lines, &self.items, self.currency, at, with_once);
        }
        lines
    }

    /// The subscription's discounts. The customer's stands in only where it has none of its own.
    pub(super) fn own_or_customers(&self) -> impl Iterator<Item = &Discount> {
        let customers = self.customers_discount.iter().filter(|_| self.discounts.is_empty());
        self.discounts.iter().chain(customers)
    }

    /// Writes what it is worth a month from here on into the books.
    pub(super) fn record(&mut self, at: Timestamp) {
        let counts = matches!(self.status, "active" | "past_due")
            && !matches!(self.pause, Some(("void" | "mark_uncollectible", _)));
        let mut monthly = BTreeMap::new();
        if counts {
            for Line { item, net, .. } in self.period_amounts(at, false) {
                let price = self.items[item].price;
                let tax = if self.inclusive { exact::fraction(100, 100 + catalog::TAX_PERCENT) } else { None };
                let amount = net * price.every.a_month() * tax.unwrap_or_else(|| exact::from_int(1));
                if !amount.is_zero() {
                    *monthly.entry(price.id).or_insert_with(Exact::default) += amount;
                }
            }
        }
        if !monthly.is_empty() && self.book.paying_from.is_none() {
            // Who took a trial begins when it ends, or later where it ended without a card.
            self.book.paying_from = Some(if self.trial_end.is_some() { at } else { self.start_date() });
        }
        match self.status {
            "unpaid" => self.book.unpaid_from = self.book.unpaid_from.or(Some(at)),
            "active" => self.book.unpaid_from = None,
            _ => {}
        }
        self.book.segments.push(Segment { at, status: self.status, monthly });
    }

    fn start_date(&self) -> Timestamp {
        self.back_dated.map_or(self.created, |before| self.created - before)
    }

    /// Records the state and tells the event log what changed.
    pub(super) fn note(&mut self, at: Timestamp) {
        self.record(at);
        let now = self.json();
        let was = self.last.take();
        if was.as_ref() != Some(&now) {
            let name = "customer.subscription.updated";
            self.ledger.event(&mut self.dice, at, name, &Seen("subscription", &now), was.as_ref());
        }
        self.last = Some(now);
    }

    /// Tells the event log of something, whatever changed.
    pub(super) fn tell(&mut self, at: Timestamp, event: &str) {
        let now = self.json();
        self.ledger.event(&mut self.dice, at, event, &Seen("subscription", &now), None);
        self.last = Some(now);
    }

    pub(super) fn json(&self) -> Value {
        let second = |at: Option<Timestamp>| at.map(Timestamp::as_second);
        let ids = |discounts: &[Discount]| discounts.iter().map(|discount| discount.id.clone()).collect::<Vec<_>>();
        let items: Vec<Value> = self
            .items
            .iter()
            .map(|item| {
                let mut row = json!({ "id": item.id, "created": item.created.as_second(), "price": item.price.id,
                    "subscription": self.id, "discounts": ids(&item.discounts),
                    "current_period_start": self.period.0.as_second(), "current_period_end": self.period.1.as_second() });
                if let Some(quantity) = item.quantity {
                    row["quantity"] = json!(quantity);
                }
                row
            })
            .collect();
        let opened = self.ledger.opened.as_second() - 20 * 86_400;
        let paused =
            |(behavior, until): (&str, Option<Timestamp>)| json!({ "behavior": behavior, "resumes_at": second(until) });
        json!({
            "id": self.id, "created": self.created.as_second(), "billing_cycle_anchor": self.anchor.as_second(),
            "cancel_at": second(self.cancel_at), "cancel_at_period_end": self.cancel_at.is_some(),
            "canceled_at": second(self.cancel_requested),
            "cancellation_details": { "comment": null, "feedback": null, "reason": self.reason },
            "collection_method": if self.by_invoice { "send_invoice" } else { "charge_automatically" },
            "currency": self.currency, "customer": self.customer,
            "days_until_due": self.by_invoice.then_some(30),
            "default_tax_rates": if self.inclusive { json!([catalog::tax_rate(opened)]) } else { json!([]) },
            "discounts": ids(&self.discounts), "ended_at": second(self.ended_at), "items": items,
            "latest_invoice": self.invoices.last().map(|invoice| invoice["id"].clone()),
            "pause_collection": self.pause.map(paused),
            "start_date": self.start_date().as_second(), "status": self.status, "trial_end": second(self.trial_end),
            "trial_start": second(self.trial_end.map(|_| self.created)),
        })
    }
}
