//! What is sold and what is taken off it, changed in the middle of a period.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{
        billing::Seen,
        catalog::{Coupon, Lasts, Price},
    },
    subscription::{Action, Life},
    terms::{Discount, Item},
};
use crate::metric::{Exact, exact};

/// How a change within a period is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proration {
    /// At once, on an invoice of its own (`always_invoice`).
    Now,
    /// With the next invoice (`create_prorations`).
    Next,
    /// Not at all (`none`).
    Never,
}

/// An item with what a period of it costs after lasting discounts.
type Costs = Vec<(Item, Exact)>;

impl Life<'_> {
    fn costs(&self, at: Timestamp) -> Costs {
        let lines = self.period_amounts(at, false).into_iter();
        lines.map(|line| (self.items[line.item].clone(), line.net)).collect()
    }

    /// Changes the items and bills what the change costs.
    pub(super) fn change(&mut self, at: Timestamp, proration: Proration, change: impl FnOnce(&mut Vec<Item>)) {
        let before = self.costs(at);
        change(&mut self.items);
        let after = self.costs(at);
        self.prorate(at, &before, &after, proration);
        self.note(at);
    }

    /// A negative line for the rest of the period at what an item cost, and a positive one at what it costs now.
    fn prorate(&mut self, at: Timestamp, before: &Costs, after: &Costs, proration: Proration) {
        if proration == Proration::Never || at >= self.period.1 {
            return;
        }
        let same = |(old, _): &(Item, Exact), (new, _): &(Item, Exact)| {
            (&old.id, old.price.id, old.quantity) == (&new.id, new.price.id, new.quantity)
        };
        let gone = before.iter().filter(|old| !after.iter().any(|new| same(old, new)));
        let come = after.iter().filter(|new| !before.iter().any(|old| same(old, new)));
        let mut lines: Vec<Value> = gone.map(|(item, net)| self.unused(at, item, net)).collect();
        lines.extend(come.map(|(item, net)| self.remaining(at, item, net)).collect::<Vec<_>>());
        let sum = |lines: &[Value]| lines.iter().filter_map(|line| line["amount"].as_i64()).sum::<i64>();
        let due = sum(&self.pending) + sum(&lines);
        let next: i64 = after.iter().filter_map(|(_, net)| exact::round(net)).sum();
        if proration == Proration::Now && due > 0 {
            self.pending.extend(lines);
            self.bill_change(at);
        } else if due + next >= 0 {
            self.pending.extend(lines);
        }
        // More than the next invoice could bear is not given back: no invoice of this company is negative.
    }

    fn share_left(&self, at: Timestamp) -> Exact {
        let (left, whole) =
            (self.period.1.as_second() - at.as_second(), self.period.1.as_second() - self.period.0.as_second());
        exact::fraction(left, whole).unwrap_or_default()
    }

    fn unused(&mut self, at: Timestamp, item: &Item, net: &Exact) -> Value {
        let amount = -exact::round(&(net * self.share_left(at))).unwrap_or(0);
        let mut line = self.proration(at, item, amount, "Unused time on");
        let credited = self.invoices.iter().rev().find_map(|invoice| {
            let lines = invoice["lines"].as_array()?;
            let of_item = |line: &&Value| line["subscription_item"] == item.id && line["amount"].as_i64() >= Some(0);
            let debit = lines.iter().find(of_item)?;
            Some(json!({ "invoice": invoice["id"], "invoice_line_items": [debit["id"]] }))
        });
        line["credited_items"] = credited.unwrap_or_default();
        line
    }

    fn remaining(&mut self, at: Timestamp, item: &Item, net: &Exact) -> Value {
        let amount = exact::round(&(net * self.share_left(at))).unwrap_or(0);
        self.proration(at, item, amount, "Remaining time on")
    }

    fn proration(&mut self, at: Timestamp, item: &Item, amount: i64, what: &str) -> Value {
        let mut line = self.line(item, item.quantity.unwrap_or(0), amount, amount, (at, self.period.1));
        let (quantity, name) = (item.quantity.unwrap_or(1), item.price.nickname);
        line["description"] = json!(format!("{what} {quantity} × {name} after {}", at.strftime("%d %b %Y")));
        line["discountable"] = json!(false);
        line["proration"] = json!(true);
        line["invoice_item"] = json!(self.dice.id("ii"));
        line
    }

    /// Gives back the rest of the month and begins a cycle of years, billed at once.
    pub(super) fn move_to_years(&mut self, at: Timestamp, price: &'static Price) {
        let before = self.costs(at);
        if let Some((item, net)) = before.first().filter(|_| at < self.period.1) {
            let line = self.unused(at, item, net);
            self.pending.push(line);
        }
        self.items[0].price = price;
        self.new_cycle(at);
        self.bill(at, "subscription_update");
        self.note(at);
    }

    /// Shows what came with the subscription to the event log, and plans where it ends.
    pub(super) fn give_discounts(&mut self, at: Timestamp) {
        let of_items = self.items.iter().flat_map(|item| {
            let with_item = |discount: &Discount| (discount.clone(), Some(item.id.clone()));
            item.discounts.iter().map(with_item).collect::<Vec<_>>()
        });
        let own = self.discounts.iter().map(|discount| (discount.clone(), None));
        for (discount, item) in own.chain(of_items).collect::<Vec<_>>() {
            self.give(at, &discount, item.as_deref());
        }
    }

    fn give(&mut self, at: Timestamp, discount: &Discount, item: Option<&str>) {
        if let Some(end) = discount.end {
            self.plan(end, Action::DiscountsEnd);
        }
        let row = self.see(discount, item);
        self.ledger.event(&mut self.dice, at, "customer.discount.created", &Seen("discount", &row), None);
    }

    /// Remembers a discount for whoever asks for it later, and gives its row.
    pub(super) fn see(&mut self, discount: &Discount, item: Option<&str>) -> Value {
        let row = discount.json(&self.customer, Some(&self.id), item);
        self.seen_discounts.insert(discount.id.clone(), row.clone());
        row
    }

    /// Tells that discounts are gone; they have been taken off already.
    pub(super) fn take_away(&mut self, at: Timestamp, gone: Vec<(Discount, Option<String>)>) {
        for (discount, item) in gone {
            let row = discount.json(&self.customer, Some(&self.id), item.as_deref());
            self.ledger.event(&mut self.dice, at, "customer.discount.deleted", &Seen("discount", &row), None);
        }
    }

    /// Takes off what has come to its end. One that was replaced before has no end here any more.
    pub(super) fn discounts_end(&mut self, at: Timestamp) {
        let over = |discount: &mut Discount| discount.end.is_some_and(|end| end <= at);
        let mut gone: Vec<(Discount, Option<String>)> =
            self.discounts.extract_if(.., over).map(|discount| (discount, None)).collect();
        for item in &mut self.items {
            let id = item.id.clone();
            gone.extend(item.discounts.extract_if(.., over).map(|discount| (discount, Some(id.clone()))));
        }
        if !gone.is_empty() {
            self.take_away(at, gone);
            self.note(at);
        }
    }

    /// Coupons that work once are spent with the invoice that takes them.
    pub(super) fn spend_once(&mut self, at: Timestamp) {
        let once = |discount: &mut Discount| discount.coupon.lasts == Lasts::Once;
        let gone = self.discounts.extract_if(.., once).map(|discount| (discount, None)).collect();
        self.take_away(at, gone);
    }

    pub(super) fn add_discount(&mut self, at: Timestamp, coupon: &'static Coupon) {
        let discount = Discount::new(&mut self.dice, coupon, at);
        self.give(at, &discount, None);
        self.discounts.push(discount);
        self.note(at);
    }

    /// Another coupon instead of the only one.
    pub(super) fn switch_discount(&mut self, at: Timestamp, coupon: &'static Coupon) {
        let discount = Discount::new(&mut self.dice, coupon, at);
        if let Some(end) = discount.end {
            self.plan(end, Action::DiscountsEnd);
        }
        let is = self.see(&discount, None);
        let old = std::mem::replace(&mut self.discounts, vec![discount]);
        let was = old.first().map(|old| old.json(&self.customer, Some(&self.id), None));
        let name = "customer.discount.updated";
        self.ledger.event(&mut self.dice, at, name, &Seen("discount", &is), was.as_ref());
        self.note(at);
    }
}
