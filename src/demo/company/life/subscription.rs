//! One subscription, lived event by event until now.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    super::{
        billing::{Kind, Ledger},
        books::Book,
        catalog::{self, Coupon, Every, Price},
    },
    change::Proration,
    terms::{Discount, Item, months_after},
};
use crate::demo::random::Dice;

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
    TrialWillEnd,
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
    /// The debt of an unpaid subscription is paid after all.
    PayUp(usize),
    /// What has come to its end is taken off.
    DiscountsEnd,
    /// The customer's own discount is taken away.
    CustomersDiscountEnds,
    AddDiscount(&'static Coupon),
    RemoveDiscount,
    SwitchDiscount(&'static Coupon),
    ChangeQuantity(i64, Proration),
    /// Another price for the first item, for so many.
    MoveTo(&'static Price, i64, Proration),
    /// Another price that is billed by the year, from here on.
    MoveToYears(&'static Price),
    AddItem(&'static Price, i64, Proration),
    RemoveItem(Proration),
    Pause(&'static str, Option<Timestamp>),
    Resume,
    /// A card is given after the trial had ended without one.
    ResumeTrial,
    AskToCancel,
    ChangeMind,
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
    pub(super) customers_discount: Option<Discount>,
    pub(super) currency: &'static str,
    pub(super) status: &'static str,
    pub(super) items: Vec<Item>,
    pub(super) discounts: Vec<Discount>,
    pub(super) created: Timestamp,
    pub(super) trial: Option<Fate>,
    pub(super) trial_end: Option<Timestamp>,
    pub(super) back_dated: Option<SignedDuration>,
    pub(super) by_invoice: bool,
    pub(super) inclusive: bool,
    pub(super) first_charge_fails: bool,
    /// A one-off charge on the first invoice.
    pub(super) onboarding: bool,
    /// From here on no charge succeeds.
    pub(super) doomed: Option<Timestamp>,
    /// From here on every charge does.
    pub(super) solvent: bool,
    pub(super) anchor: Timestamp,
    /// How many periods have begun since the anchor.
    periods: i32,
    pub(super) period: (Timestamp, Timestamp),
    pub(super) cancel_requested: Option<Timestamp>,
    /// When a cancellation that was asked for takes effect.
    pub(super) cancel_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) reason: Option<&'static str>,
    pub(super) pause: Option<(&'static str, Option<Timestamp>)>,
    pub(super) invoices: Vec<Value>,
    /// Proration lines that wait for the next invoice.
    pub(super) pending: Vec<Value>,
    /// When a payment failed and when the debt was paid.
    pub(super) debts: Vec<(Timestamp, bool)>,
    queue: BTreeMap<(Timestamp, u32), Action>,
    queued: u32,
    pub(super) last: Option<Value>,
    pub(super) seen_discounts: BTreeMap<String, Value>,
    pub(super) book: Book,
}

impl<'a> Life<'a> {
    pub(super) fn new(
        ledger: &'a mut Ledger,
        mut dice: Dice,
        customer: &str,
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
            customers_discount: None,
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
            onboarding: false,
            doomed: None,
            solvent: false,
            anchor: created,
            periods: 0,
            period: (created, created),
            cancel_requested: None,
            cancel_at: None,
            ended_at: None,
            reason: None,
            pause: None,
            invoices: Vec::new(),
            pending: Vec::new(),
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
        if let Some(fate) = self.trial {
            let end = start + DAY * 14;
            (self.status, self.trial_end, self.anchor, self.period) = ("trialing", Some(end), end, (start, end));
            self.trial_invoice(start);
            if fate == Fate::CancelsInTrial {
                let asked = start + SignedDuration::from_secs(self.dice.between(3_600, 13 * 86_400));
                self.plan(asked, Action::AskToCancel);
            }
            self.plan(end - DAY * 3, Action::TrialWillEnd);
            self.plan(end, Action::TrialEnds);
        } else {
            self.period = (start, self.boundary(1));
            self.plan(self.period.1, Action::Renew);
            if self.first_charge_fails {
                self.status = "incomplete";
                self.plan(start + HOUR * 23, Action::Expire);
            }
        }
        self.give_discounts(start);
        if self.trial.is_none() {
            self.bill(start, "subscription_create");
        }
        if let Some(before) = self.back_dated {
            self.record(start - before);
        }
        self.record(start);
        self.tell(start, "customer.subscription.created");
    }

    fn boundary(&self, periods: i32) -> Timestamp {
        match self.items[0].price.every {
            Every::Week => self.anchor + DAY * 7 * periods,
            Every::Month => months_after(self.anchor, periods),
            Every::Quarter => months_after(self.anchor, 3 * periods),
            Every::Year => months_after(self.anchor, 12 * periods),
        }
    }

    /// Begins the first period of a new cycle.
    pub(super) fn new_cycle(&mut self, at: Timestamp) {
        (self.anchor, self.periods) = (at, 0);
        self.period = (at, self.boundary(1));
        self.plan(self.period.1, Action::Renew);
    }

    fn happen(&mut self, at: Timestamp, action: Action) {
        let settled = self.status == "active" && self.cancel_requested.is_none();
        let changeable = settled && self.pause.is_none();
        match action {
            Action::TrialWillEnd => self.tell(at, "customer.subscription.trial_will_end"),
            Action::TrialEnds => self.trial_ends(at),
            // The boundary of a cycle that was left means nothing any more.
            Action::Renew if at == self.period.1 => self.renew(at),
            Action::Finalize(invoice) => self.finalize(at, invoice),
            Action::Attempt(invoice, attempt) => self.attempt(at, invoice, attempt),
            Action::Transfer(invoice) => self.transfer(at, invoice),
            Action::Due(invoice) => self.due(at, invoice),
            Action::PayUp(invoice) if self.status == "unpaid" => self.pay_up(at, invoice),
            Action::DiscountsEnd => self.discounts_end(at),
            Action::CustomersDiscountEnds => {
                self.customers_discount = None;
                self.record(at);
            }
            Action::Expire if self.status == "incomplete" => {
                self.void(at, 0);
                self.end(at, "incomplete_expired", None);
            }
            Action::ChangeQuantity(by, proration) if changeable => self.change_quantity(at, by, proration),
            Action::MoveTo(price, quantity, proration) if changeable => {
                self.change(at, proration, |items| {
                    (items[0].price, items[0].quantity) = (price, Some(quantity));
                });
            }
            Action::MoveToYears(price) if changeable && self.items.len() == 1 => self.move_to_years(at, price),
            Action::AddItem(price, quantity, proration) if changeable => {
                let item = Item::new(&mut self.dice, price, Some(quantity), at);
                self.change(at, proration, |items| items.push(item));
            }
            Action::RemoveItem(proration) if changeable && self.items.len() > 1 => {
                self.change(at, proration, |items| items.truncate(items.len() - 1));
            }
            Action::AddDiscount(coupon) if settled => self.add_discount(at, coupon),
            Action::RemoveDiscount if settled && !self.discounts.is_empty() => {
                let removed = self.discounts.remove(0);
                self.take_away(at, vec![(removed, None)]);
                self.note(at);
            }
            Action::SwitchDiscount(coupon) if settled && self.discounts.len() == 1 => self.switch_discount(at, coupon),
            Action::Pause(behavior, until) if settled => {
                self.pause = Some((behavior, until));
                self.note(at);
            }
            Action::Resume if self.pause.is_some() => {
                self.pause = None;
                self.note(at);
            }
            Action::ResumeTrial if self.status == "paused" => {
                self.status = "active";
                self.new_cycle(at);
                self.bill(at, "subscription_update");
                self.note(at);
                self.tell(at, "customer.subscription.resumed");
            }
            Action::AskToCancel if settled || self.status == "trialing" => {
                (self.cancel_requested, self.cancel_at) = (Some(at), Some(self.period.1));
                self.reason = Some("cancellation_requested");
                self.note(at);
            }
            Action::ChangeMind if self.status == "active" && self.cancel_at.is_some() => {
                (self.cancel_requested, self.cancel_at, self.reason) = (None, None, None);
                self.note(at);
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
            self.note(at);
            return self.tell(at, "customer.subscription.paused");
        }
        self.status = "active";
        self.new_cycle(at);
        self.bill(at, "subscription_cycle");
        self.note(at);
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
        self.bill(at, "subscription_cycle");
        self.note(at);
    }

    fn change_quantity(&mut self, at: Timestamp, by: i64, proration: Proration) {
        let Some(quantity) = self.items[0].quantity else { return };
        // Only what is sold by the seat; one person stays one person.
        let changes = quantity >= 2 && quantity + by >= 2 && by != 0;
        if changes && self.items[0].price.id != catalog::FREE_PRICE.id {
            self.change(at, proration, |items| items[0].quantity = Some(quantity + by));
        }
    }

    pub(super) fn end(&mut self, at: Timestamp, status: &'static str, reason: Option<&'static str>) {
        (self.status, self.ended_at, self.reason) = (status, Some(at), reason);
        self.cancel_requested.get_or_insert(at);
        self.book.ended = Some(at);
        for invoice in &mut self.invoices {
            invoice["auto_advance"] = Value::Bool(false);
        }
        if status == "canceled" {
            self.record(at);
            self.tell(at, "customer.subscription.deleted");
        } else {
            self.note(at);
        }
    }
}
