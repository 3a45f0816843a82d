//! One subscription, lived event by event until now.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{
        billing::{Kind, Ledger, Seen},
        books::{Book, Segment},
        catalog::{self, Every, Lasts},
    },
    terms::{Discount, Item, Line, apply, months_after},
};
use crate::{
    demo::random::Dice,
    metric::{Exact, exact},
};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How a trial ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Converts,
    CancelsInTrial,
    HasNoCard,
}

/// What happens to a subscription at an instant.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    TrialEnds,
    Renew,
    /// An invoice leaves its draft hour.
    Finalize(usize),
    /// The n-th attempt to charge an invoice.
    Attempt(usize, usize),
    /// A bank transfer for an invoice arrives.
    Transfer(usize),
    /// An invoice that is paid by transfer falls due.
    Due(usize),
    DiscountEnds,
    ChangeQuantity(i64),
    MoveToTeam(i64),
    Pause(&'static str, Timestamp),
    Resume,
    Apologise,
    AskToCancel,
    CancelNow,
    Expire,
}

/// The state of a subscription while it is lived.
#[derive(Debug)]
pub(super) struct Life<'a> {
    pub(super) ledger: &'a mut Ledger,
    pub(super) dice: Dice,
    pub(super) id: String,
    pub(super) customer: String,
    customers_discount: Option<Discount>,
    pub(super) currency: &'static str,
    pub(super) status: &'static str,
    pub(super) items: Vec<Item>,
    pub(super) discounts: Vec<Discount>,
    created: Timestamp,
    pub(super) trial: Option<Fate>,
    trial_end: Option<Timestamp>,
    pub(super) back_dated: Option<SignedDuration>,
    pub(super) by_invoice: bool,
    pub(super) inclusive: bool,
    pub(super) first_charge_fails: bool,
    /// From here on no charge succeeds.
    pub(super) doomed: Option<Timestamp>,
    anchor: Timestamp,
    /// How many periods have begun since the anchor.
    periods: i32,
    pub(super) period: (Timestamp, Timestamp),
    cancel_requested: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    reason: Option<&'static str>,
    pub(super) pause: Option<(&'static str, Timestamp)>,
    pub(super) invoices: Vec<Value>,
    /// When a payment failed and when the debt was paid.
    pub(super) debts: Vec<(Timestamp, bool)>,
    queue: BTreeMap<(Timestamp, u32), Action>,
    queued: u32,
    last: Option<Value>,
    seen_discounts: BTreeMap<String, Value>,
    book: Book,
}

impl<'a> Life<'a> {
    pub(super) fn new(
        ledger: &'a mut Ledger,
        mut dice: Dice,
        customer: &str,
        customers_discount: Option<Discount>,
        currency: &'static str,
        items: Vec<Item>,
        created: Timestamp,
    ) -> Self {
        let book = Book {
            customer: customer.to_owned(),
            currency: currency.to_uppercase(),
            paying_from: None,
            ended: None,
            unpaid_from: None,
            segments: Vec::new(),
        };
        Self {
            id: dice.id("sub"),
            ledger,
            dice,
            customer: customer.to_owned(),
            customers_discount,
            currency,
            status: "active",
            items,
            discounts: Vec::new(),
            created,
            trial: None,
            trial_end: None,
            back_dated: None,
            by_invoice: false,
            inclusive: false,
            first_charge_fails: false,
            doomed: None,
            anchor: created,
            periods: 0,
            period: (created, created),
            cancel_requested: None,
            ended_at: None,
            reason: None,
            pause: None,
            invoices: Vec::new(),
            debts: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            last: None,
            seen_discounts: BTreeMap::new(),
            book,
        }
    }

    /// Whether it ever was worth anything.
    pub(super) fn paid(&self) -> bool {
        self.book.paying_from.is_some()
    }

    /// Lets something happen later.
    pub(super) fn plan(&mut self, at: Timestamp, action: Action) {
        self.queued += 1;
        self.queue.insert((at, self.queued), action);
    }

    /// Lives until now, or until it ends, and puts it all down.
    pub(super) fn run(&mut self) {
        self.begin();
        while self.ended_at.is_none() {
            let Some(((at, _), action)) = self.queue.pop_first().filter(|((at, _), _)| *at <= self.ledger.now) else {
                break;
            };
            self.happen(at, action);
        }
        let row = self.json();
        self.ledger.put(Kind::Subscription, row);
        for discount in std::mem::take(&mut self.seen_discounts).into_values() {
            self.ledger.put(Kind::Discount, discount);
        }
        for invoice in std::mem::take(&mut self.invoices) {
            self.ledger.put(Kind::Invoice, invoice);
        }
        self.ledger.books.subscriptions.push(self.book.clone());
    }

    fn begin(&mut self) {
        let start = self.created;
        let ends: Vec<Timestamp> = self.discounts.iter().filter_map(|discount| discount.end).collect();
        for end in ends {
            self.plan(end, Action::DiscountEnds);
        }
        if let Some(fate) = self.trial {
            let end = start + DAY * 14;
            (self.status, self.trial_end, self.anchor, self.period) = ("trialing", Some(end), end, (start, end));
            self.trial_invoice(start);
            if fate == Fate::CancelsInTrial {
                let asked = start + SignedDuration::from_secs(self.dice.between(3_600, 13 * 86_400));
                self.plan(asked, Action::AskToCancel);
            }
            self.plan(end, Action::TrialEnds);
        } else {
            self.period = (start, self.boundary(1));
            self.plan(self.period.1, Action::Renew);
            if self.first_charge_fails {
                self.status = "incomplete";
                self.plan(start + HOUR * 23, Action::Expire);
            }
            self.bill(start, "subscription_create");
        }
        if let Some(before) = self.back_dated {
            self.record(start - before);
        }
        self.note(start, "customer.subscription.created");
    }

    fn boundary(&self, periods: i32) -> Timestamp {
        match self.items[0].price.every {
            Every::Week => self.anchor + DAY * 7 * periods,
            Every::Month => months_after(self.anchor, periods),
            Every::Quarter => months_after(self.anchor, 3 * periods),
            Every::Year => months_after(self.anchor, 12 * periods),
        }
    }

    fn happen(&mut self, at: Timestamp, action: Action) {
        let settled = self.status == "active" && self.cancel_requested.is_none();
        match action {
            Action::TrialEnds => self.trial_ends(at),
            Action::Renew => self.renew(at),
            Action::Finalize(invoice) => self.finalize(at, invoice),
            Action::Attempt(invoice, attempt) => self.attempt(at, invoice, attempt),
            Action::Transfer(invoice) => self.transfer(at, invoice),
            Action::Due(invoice) => self.due(at, invoice),
            Action::DiscountEnds => self.record(at),
            Action::Expire if self.status == "incomplete" => self.end(at, "incomplete_expired", None),
            Action::ChangeQuantity(by) if settled && self.pause.is_none() => self.change_quantity(at, by),
            Action::MoveToTeam(seats) if settled && self.pause.is_none() => self.move_to_team(at, seats),
            Action::Pause(behavior, until) if settled => {
                self.pause = Some((behavior, until));
                self.note(at, "customer.subscription.updated");
            }
            Action::Resume if self.pause.is_some() => {
                self.pause = None;
                self.note(at, "customer.subscription.updated");
            }
            Action::Apologise if settled => {
                let discount = Discount::new(&mut self.dice, &catalog::SORRY, at);
                self.discounts.push(discount);
                self.note(at, "customer.subscription.updated");
            }
            Action::AskToCancel if settled || self.status == "trialing" => {
                self.cancel_requested = Some(at);
                self.reason = Some("cancellation_requested");
                self.note(at, "customer.subscription.updated");
            }
            Action::CancelNow if settled || self.status == "trialing" => {
                self.end(at, "canceled", Some("cancellation_requested"));
            }
            _ => {}
        }
    }

    fn trial_ends(&mut self, at: Timestamp) {
        if self.cancel_requested.is_some() {
            return self.end(at, "canceled", self.reason);
        }
        if self.trial == Some(Fate::HasNoCard) {
            self.status = "paused";
            return self.note(at, "customer.subscription.paused");
        }
        self.status = "active";
        self.period = (at, self.boundary(1));
        self.plan(self.period.1, Action::Renew);
        self.bill(at, "subscription_cycle");
        self.note(at, "customer.subscription.updated");
    }

    fn renew(&mut self, at: Timestamp) {
        if self.cancel_requested.is_some() {
            return self.end(at, "canceled", self.reason);
        }
        if !matches!(self.status, "active" | "past_due" | "unpaid") {
            return;
        }
        self.periods += 1;
        self.period = (at, self.boundary(self.periods + 1));
        self.plan(self.period.1, Action::Renew);
        self.discounts.retain(|discount| discount.end.is_none_or(|end| at < end));
        self.bill(at, "subscription_cycle");
        self.note(at, "customer.subscription.updated");
    }

    /// Coupons that work once are spent with the invoice that takes them.
    pub(super) fn spend_once(&mut self) {
        self.discounts.retain(|discount| discount.coupon.lasts != Lasts::Once);
    }

    fn change_quantity(&mut self, at: Timestamp, by: i64) {
        let Some(quantity) = self.items[0].quantity else { return };
        // Only what is sold by the seat; one person stays one person.
        if quantity < 2 || quantity + by < 2 || by == 0 {
            return;
        }
        let before = self.period_net(at);
        self.items[0].quantity = Some(quantity + by);
        self.prorate(at, before);
        self.note(at, "customer.subscription.updated");
    }

    fn move_to_team(&mut self, at: Timestamp, seats: i64) {
        let before = self.period_net(at);
        self.items[0].price = &catalog::TEAM_MONTHLY;
        self.items[0].quantity = Some(seats);
        self.prorate(at, before);
        self.note(at, "customer.subscription.updated");
    }

    pub(super) fn end(&mut self, at: Timestamp, status: &'static str, reason: Option<&'static str>) {
        (self.status, self.ended_at, self.reason) = (status, Some(at), reason);
        self.cancel_requested.get_or_insert(at);
        self.book.ended = Some(at);
        let name = if status == "canceled" { "customer.subscription.deleted" } else { "customer.subscription.updated" };
        self.note(at, name);
    }

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
        // The customer's own discount stands in only where the subscription has none of its own.
        let customers = self.customers_discount.iter().filter(|_| self.discounts.is_empty());
        for discount in self.discounts.iter().chain(customers) {
            apply(discount, &mut lines, &self.items, self.currency, at, with_once);
        }
        lines
    }

    /// What a period costs after lasting discounts, rounded.
    pub(super) fn period_net(&self, at: Timestamp) -> i64 {
        self.period_amounts(at, false).iter().filter_map(|line| exact::round(&line.net)).sum()
    }

    /// Writes what it is worth a month from here on into the books.
    fn record(&mut self, at: Timestamp) {
        let counts = matches!(self.status, "active" | "past_due")
            && !matches!(self.pause, Some(("void" | "mark_uncollectible", _)));
        let mut monthly = BTreeMap::new();
        if counts {
            for Line { item, net, .. } in self.period_amounts(at, false) {
                let price = self.items[item].price;
                let tax = if self.inclusive { exact::fraction(100, 100 + catalog::TAX_PERCENT) } else { None };
                let amount = net * price.every.a_month() * tax.unwrap_or_else(|| exact::from_int(1));
                if !exact::is_zero(&amount) {
                    *monthly.entry(price.id).or_insert_with(Exact::default) += amount;
                }
            }
        }
        if !monthly.is_empty() && self.book.paying_from.is_none() {
            self.book.paying_from = Some(self.trial_end.unwrap_or_else(|| self.start_date()));
        }
        if self.status == "unpaid" {
            self.book.unpaid_from.get_or_insert(at);
        }
        self.book.segments.push(Segment { at, status: self.status, monthly });
    }

    fn start_date(&self) -> Timestamp {
        self.back_dated.map_or(self.created, |before| self.created - before)
    }

    /// Records the state and tells the event log what changed.
    pub(super) fn note(&mut self, at: Timestamp, event: &str) {
        self.record(at);
        let now = self.json();
        let was = self.last.take().filter(|_| event == "customer.subscription.updated");
        if was.as_ref() != Some(&now) {
            self.ledger.event(&mut self.dice, at, event, &Seen("subscription", &now), was.as_ref());
        }
        self.last = Some(now);
    }

    fn json(&mut self) -> Value {
        for item in &self.items {
            for discount in &item.discounts {
                let row = discount.json(&self.customer, Some(&self.id), Some(&item.id));
                self.seen_discounts.insert(discount.id.clone(), row);
            }
        }
        for discount in &self.discounts {
            let row = discount.json(&self.customer, Some(&self.id), None);
            self.seen_discounts.insert(discount.id.clone(), row);
        }
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
        let at_period_end = self.cancel_requested.is_some() && self.ended_at.is_none();
        let opened = self.ledger.opened.as_second() - 20 * 86_400;
        json!({
            "id": self.id, "created": self.created.as_second(), "billing_cycle_anchor": self.anchor.as_second(),
            "cancel_at": at_period_end.then(|| self.period.1.as_second()), "cancel_at_period_end": at_period_end,
            "canceled_at": second(self.cancel_requested),
            "cancellation_details": { "comment": null, "feedback": null, "reason": self.reason },
            "collection_method": if self.by_invoice { "send_invoice" } else { "charge_automatically" },
            "currency": self.currency, "customer": self.customer,
            "days_until_due": self.by_invoice.then_some(30),
            "default_tax_rates": if self.inclusive { json!([catalog::tax_rate(opened)]) } else { json!([]) },
            "discounts": ids(&self.discounts), "ended_at": second(self.ended_at), "items": items,
            "latest_invoice": self.invoices.last().map(|invoice| invoice["id"].clone()),
            "pause_collection": self.pause.map(|(behavior, until)| json!({ "behavior": behavior, "resumes_at": until.as_second() })),
            "start_date": self.start_date().as_second(), "status": self.status, "trial_end": second(self.trial_end),
            "trial_start": second(self.trial_end.map(|_| self.created)),
        })
    }
}
