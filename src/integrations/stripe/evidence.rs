//! What Stripe still tells of a subscription's past, in the compact form in which it is kept until the past is rebuilt.
//!
//! Two things tell. Events, remembered for 30 days, show what was before a change. Lines of invoices show what was
//! billed for a time. Both are taken in so that neither order nor repetition matters, and what tells nothing new takes
//! no room: renewals change nothing, and lines that say the same of one period after the other become one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::{
    answers::{Discount, Event, Expandable, Subscription},
    codec,
    invoice::{Invoice, Line},
    timeline::{self, State},
};
use crate::metric::{Exact, exact};

/// Events that tell of the past. That something was created tells nothing that its own date does not.
pub(super) const KINDS: [&str; 5] = [UPDATED, DELETED, PAUSED, RESUMED, APPLIED];
const UPDATED: &str = "customer.subscription.updated";
const DELETED: &str = "customer.subscription.deleted";
const PAUSED: &str = "customer.subscription.paused";
const RESUMED: &str = "customer.subscription.resumed";
const APPLIED: &str = "customer.subscription.pending_update_applied";

/// What an event's `previous_attributes` must name to be looked at.
const OF_WORTH: [&str; 13] = [
    "status",
    "items",
    "discounts",
    "discount",
    "pause_collection",
    "trial_end",
    "cancel_at",
    "cancel_at_period_end",
    "canceled_at",
    "ended_at",
    "start_date",
    "default_tax_rates",
    "currency",
];

/// Changes, lines or discounts that are kept of one subscription. What is older counts as not known.
const MOST: usize = 500;
/// Objects in objects that an event's change is looked for in.
const DEEPEST: u8 = 16;

/// How far back what Stripe tells is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Reach {
    /// From when on all events were read; `None` where they may not be read.
    pub(super) events: Option<i64>,
    /// Whether invoices were read.
    pub(super) invoices: bool,
}

/// All that is kept of one subscription.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Evidence {
    /// Oldest first.
    pub(super) changes: Vec<Change>,
    pub(super) lines: Vec<Billed>,
    /// Whole ones, by id: events and lines only name them.
    pub(super) discounts: Vec<Discount>,
    /// Something before it could not be read or kept.
    pub(super) unknown_before: Option<i64>,
}

/// A change that an event told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) at: i64,
    /// The event's.
    pub(super) id: String,
    /// The subscription before; `None` where the event does not tell.
    pub(super) before: Option<Subscription>,
    /// Its status afterwards.
    pub(super) status: String,
    /// The print of what it was afterwards, to tell the order of changes of one second.
    pub(super) after: u64,
}

/// What a line of an invoice says, and all that say the same of the periods that follow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Billed {
    /// The subscription's item; `None` where the line only names its price.
    pub(super) item: Option<String>,
    pub(super) price: Option<String>,
    pub(super) product: Option<String>,
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
    /// How many, as a plain decimal.
    pub(super) quantity: String,
    /// Of one period, in minor units, before discounts.
    pub(super) amount: i64,
    /// Lines that it was billed in: one for each tier perhaps.
    pub(super) parts: i64,
    /// Ids of what was taken off.
    pub(super) discounts: Vec<String>,
    pub(super) start: i64,
    pub(super) end: i64,
    /// Start of the newest period of those that it covers.
    pub(super) newest: i64,
}

/// What sort of line it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A period, billed as it begins.
    Period,
    /// What was used in a period that is over.
    Usage,
    /// The rest of a period is credited: so it was until its start.
    Until,
    /// The rest of a period is billed: so it was from its start on.
    From,
}

/// What became of the invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Outcome {
    Paid,
    /// Not paid yet, or given up after it was tried.
    Unpaid,
    /// Voided by hand, or the invoice of a change that never came to be.
    Void,
    /// Voided and never tried: collection was paused.
    SkippedAsVoid,
    /// Marked uncollectible and never tried: collection was paused.
    SkippedAsUncollectible,
}

/// What an event tells of the past.
#[derive(Debug)]
pub(super) enum Told {
    Change(Box<Change>),
    /// It cannot be read; it happened then.
    Unreadable(i64),
}

/// What an event tells, and of which subscription; `None` where nothing changed that matters.
pub(super) fn told(event: &Event) -> Option<(String, Told)> {
    let previous = event.data.previous_attributes.as_deref().filter(|previous| is_of_worth(previous));
    if previous.is_none() && [UPDATED, APPLIED].contains(&event.kind.as_str()) {
        return None;
    }
    let id = subject(event)?;
    match change(event, previous) {
        Ok(change) => change.map(|change| (id, Told::Change(Box::new(change)))),
        Err(_) => Some((id, Told::Unreadable(event.created))),
    }
}

/// The id of what an event is about.
pub(super) fn subject(event: &Event) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    serde_json::from_str::<Named>(event.data.object.get()).ok().map(|subject| subject.id)
}

fn is_of_worth(previous: &RawValue) -> bool {
    let named: Result<BTreeMap<String, IgnoredAny>, _> = serde_json::from_str(previous.get());
    named.map_or(true, |named| OF_WORTH.iter().any(|field| named.contains_key(*field)))
}

fn change(event: &Event, previous: Option<&RawValue>) -> serde_json::Result<Option<Change>> {
    let object = event.data.object.as_ref();
    let after: Subscription = serde_json::from_str(object.get())?;
    let before = match (previous, event.kind.as_str()) {
        (Some(previous), _) => Some(serde_json::from_str(merged(object, previous, 0)?.get())?),
        // The status has this name only after a trial that ended without a way to pay, and these two events tell no
        // previous attributes: an event of an update tells the same, but not in every account.
        (None, PAUSED) => Some(Subscription { status: "trialing".to_owned(), ..after.clone() }),
        (None, RESUMED) => Some(Subscription { status: "paused".to_owned(), ..after.clone() }),
        (None, _) => None,
    };
    if before.as_ref().is_some_and(|before| timeline::gist(before) == timeline::gist(&after)) {
        return Ok(None);
    }
    let (id, status) = (event.id.clone(), after.status.clone());
    Ok(Some(Change { at: event.created, id, before, status, after: print(&after) }))
}

/// Tells subscriptions apart that are worth something else.
pub(super) fn print(sub: &Subscription) -> u64 {
    // FNV-1a: two changes of one second must be told apart, nobody tries to deceive.
    let bytes = codec::encode(&timeline::gist(sub)).unwrap_or_default();
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |print, byte| (print ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// `base` with what is other in `patch`: of objects field by field, of all else the whole. Numbers stay the text that
/// they were sent as.
fn merged(base: &RawValue, patch: &RawValue, depth: u8) -> serde_json::Result<Box<RawValue>> {
    let are_objects = [base, patch].iter().all(|value| value.get().starts_with('{'));
    if !are_objects || depth == DEEPEST {
        return Ok(patch.to_owned());
    }
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(base.get())?;
    for (name, other) in serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(patch.get())? {
        let value = match fields.get(&name) {
            Some(base) => merged(base, &other, depth + 1)?,
            None => other,
        };
        fields.insert(name, value);
    }
    serde_json::value::to_raw_value(&fields)
}

/// What the lines of an invoice say, by subscription. All its lines must be there.
pub(super) fn billed(invoice: &Invoice) -> BTreeMap<String, Vec<Billed>> {
    let outcome = outcome(invoice);
    let mut billed: BTreeMap<String, Vec<(Billed, Exact)>> = BTreeMap::new();
    for line in &invoice.lines.data {
        let Some(subscription) = line.subscription().or(invoice.subscription()) else { continue };
        let Some(seen) = seen(line, invoice.created, outcome) else { continue };
        let quantity = quantity(line);
        let of_sub = billed.entry(subscription.to_owned()).or_default();
        // Tiers are billed in a line each.
        match of_sub.iter_mut().find(|(other, _)| other.is_part_of_the_same(&seen)) {
            Some((whole, quantities)) => {
                *quantities += quantity;
                whole.amount = whole.amount.saturating_add(seen.amount);
                whole.parts += 1;
                whole.discounts.extend(seen.discounts);
            }
            None => of_sub.push((seen, quantity)),
        }
    }
    let whole = |(mut billed, quantity): (Billed, Exact)| {
        if billed.kind == Kind::Usage {
            // Only that it was billed matters.
            billed.parts = 1;
            return billed;
        }
        billed.quantity = plain(&quantity);
        billed.discounts.sort_unstable();
        billed.discounts.dedup();
        billed
    };
    billed.into_iter().map(|(id, lines)| (id, lines.into_iter().map(whole).collect())).collect()
}

fn outcome(invoice: &Invoice) -> Outcome {
    let is_tried = invoice.attempt_count > 0 || invoice.collection_method.as_deref() == Some("send_invoice");
    match invoice.status.as_deref() {
        Some("paid") => Outcome::Paid,
        Some("void") if is_tried => Outcome::Void,
        Some("void") => Outcome::SkippedAsVoid,
        Some("uncollectible") if !is_tried => Outcome::SkippedAsUncollectible,
        _ => Outcome::Unpaid,
    }
}

fn seen(line: &Line, invoiced_at: i64, outcome: Outcome) -> Option<Billed> {
    let (start, end) = (line.period.start, line.period.end);
    let kind = match (line.is_proration(), line.amount.signum()) {
        (true, 0) => return None,
        (true, sign) => {
            if sign < 0 {
                Kind::Until
            } else {
                Kind::From
            }
        }
        (false, _) if end <= invoiced_at => Kind::Usage,
        (false, _) => Kind::Period,
    };
    // What was added by hand belongs to no item. A part of a period that was never paid for may be of a change that
    // never came to be.
    let is_ours = line.item().is_some() || line.is_proration();
    if !is_ours || start >= end || (line.is_proration() && outcome == Outcome::Void) {
        return None;
    }
    let mut billed = Billed {
        item: line.item().map(str::to_owned),
        price: None,
        product: None,
        kind,
        outcome,
        quantity: String::new(),
        amount: 0,
        parts: 1,
        discounts: Vec::new(),
        start,
        end,
        newest: start,
    };
    if kind != Kind::Usage {
        billed.price = line.price().map(str::to_owned);
        billed.product = line.product().map(str::to_owned);
        billed.amount = line.amount;
        let taken = line.discount_amounts.iter().filter(|taken| taken.amount != 0);
        billed.discounts = taken.map(|taken| taken.discount.0.clone()).collect();
    }
    Some(billed)
}

/// How many a line bills.
fn quantity(line: &Line) -> Exact {
    let decimal = line.quantity_decimal.as_ref().and_then(|decimal| exact::parse_decimal(&decimal.0));
    decimal.unwrap_or_else(|| exact::from_int(line.quantity.unwrap_or(1)))
}

fn plain(quantity: &Exact) -> String {
    if let Some(whole) = quantity.to_i64() {
        return whole.to_string();
    }
    let digits = exact::to_decimal(quantity, 12).unwrap_or_default();
    digits.trim_end_matches('0').to_owned()
}

impl Billed {
    /// How many.
    pub(super) fn quantity(&self) -> Exact {
        exact::parse_decimal(&self.quantity).unwrap_or_else(Exact::zero)
    }

    pub(super) fn is_part(&self) -> bool {
        matches!(self.kind, Kind::Until | Kind::From)
    }

    pub(super) fn is_skipped(&self) -> bool {
        matches!(self.outcome, Outcome::SkippedAsVoid | Outcome::SkippedAsUncollectible)
    }

    /// Whether two lines of an invoice bill the same together.
    fn is_part_of_the_same(&self, other: &Self) -> bool {
        let same = |billed: &Self| (billed.item.clone(), billed.price.clone(), billed.kind, billed.start, billed.end);
        same(self) == same(other)
    }

    /// Takes in a line that says the same of a time that follows or overlaps. Whether it did. It must not begin earlier.
    fn absorb(&mut self, later: &Self) -> bool {
        let (start, end, newest) = (later.start, later.end, later.newest);
        let says_the_same = Self { start, end, newest, ..self.clone() } == *later;
        if !says_the_same || start > self.end || (self.is_part() && (start, end) != (self.start, self.end)) {
            return false;
        }
        self.end = self.end.max(end);
        self.newest = self.newest.max(newest);
        true
    }
}

impl Evidence {
    /// Takes in what an event told.
    pub(super) fn learn(&mut self, told: Told) {
        let change = match told {
            Told::Change(change) => *change,
            Told::Unreadable(at) => return self.forget(at),
        };
        let place = self.changes.binary_search_by(|known| (known.at, &known.id).cmp(&(change.at, &change.id)));
        if let Err(place) = place {
            self.changes.insert(place, change);
        }
        if self.changes.len() > MOST {
            let dropped = self.changes.remove(0);
            self.forget(dropped.at);
        }
    }

    /// Takes in what an invoice's lines said, and the discounts that it shows.
    pub(super) fn bill(&mut self, lines: Vec<Billed>, discounts: &[Expandable<Discount>]) {
        self.lines.extend(lines);
        self.lines.sort_unstable();
        self.lines.dedup_by(|later, earlier| earlier.absorb(later));
        while self.lines.len() > MOST {
            let oldest = (0..self.lines.len()).min_by_key(|place| self.lines.get(*place).map(|line| line.end));
            let dropped = self.lines.remove(oldest.unwrap_or_default());
            self.forget(dropped.end);
        }
        for discount in discounts {
            if let Expandable::Object(discount) = discount {
                self.keep(discount);
            }
        }
    }

    fn keep(&mut self, discount: &Discount) {
        // The same discount comes in the shapes of several versions.
        let rank = |discount: &Discount| {
            let is_whole = matches!(discount.coupon(), Some(Expandable::Object(_)));
            (is_whole, codec::encode(discount).unwrap_or_default())
        };
        match self.discounts.binary_search_by(|known| known.id.cmp(&discount.id)) {
            Ok(place) => {
                if let Some(known) = self.discounts.get_mut(place).filter(|known| rank(discount) > rank(known)) {
                    *known = discount.clone();
                }
            }
            Err(place) if self.discounts.len() < MOST => self.discounts.insert(place, discount.clone()),
            Err(_) => {}
        }
    }

    fn forget(&mut self, before: i64) {
        self.unknown_before = self.unknown_before.max(Some(before));
    }

    /// The prices that lines name and the subscription does not show: they must be fetched before its past is rebuilt.
    pub(super) fn prices_needed(&self, current: &State) -> BTreeSet<String> {
        let shown = |id: &String| current.sub.items.data.iter().any(|item| item.price.id == *id);
        self.lines.iter().filter_map(|line| line.price.clone()).filter(|id| !shown(id)).collect()
    }
}
