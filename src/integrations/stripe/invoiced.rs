//! What a subscription was like before events tell of it, from the lines of its invoices.
//!
//! A line says what one item was when its period began. Going back, where two lines that follow each other differ, the
//! change was when the newer one begins, or where the older one ends if that is earlier. Parts of periods, billed or
//! credited when something changes, tell the very second. What changes together is a change of one instant.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    answers::{Discount, Expandable, Item, PauseCollection},
    evidence::{Billed, Kind, Outcome},
    lines::{self, Lookup},
    mrr,
    timeline::{self, State},
};

const DAY: i64 = 24 * 60 * 60;
/// Changes that lie closer together are one change: requests of one action, or the second before it.
const MOMENT: i64 = 60;

/// A subscription as it was at the horizon, and the lines that tell of the time before.
pub(super) struct Invoiced<'a> {
    pub(super) last: &'a State,
    pub(super) horizon: i64,
    /// Those that begin before the horizon.
    pub(super) lines: &'a [&'a Billed],
    /// Whether the account's invoices were read, so that what has no line was not billed.
    pub(super) are_read: bool,
    pub(super) known: Lookup<'a>,
    /// Discounts that can be seen whole.
    pub(super) discounts: &'a BTreeMap<&'a str, &'a Discount>,
}

/// What an item was from an instant on, oldest first; `None` where it was not there.
type Steps = Vec<(i64, Option<Item>)>;

/// A discount that had ended at the horizon.
struct Ended {
    discount: Discount,
    end: i64,
    place: Place,
}

#[derive(PartialEq)]
enum Place {
    Subscription,
    Item(String),
    Customer,
}

/// When collection was paused.
struct Pause {
    from: i64,
    to: i64,
    /// `None`: as at the horizon.
    behavior: Option<&'static str>,
}

impl Invoiced<'_> {
    /// All states up to and including the one at the horizon, oldest first.
    pub(super) fn states(&self) -> Vec<State> {
        let histories: BTreeMap<String, Steps> =
            self.items().into_iter().map(|id| (id.clone(), self.history(&id))).collect();
        let (pauses, ended) = (self.pauses(), self.ended());
        let mut cuts: BTreeSet<i64> = [self.standing_cut(), self.trial_cut()].into_iter().flatten().collect();
        cuts.extend(histories.values().flatten().map(|(at, _)| *at));
        cuts.extend(pauses.iter().flat_map(|pause| [pause.from, pause.to]));
        cuts.extend(ended.iter().map(|ended| ended.end));
        let starts = std::iter::once(0).chain(cuts.into_iter().filter(|cut| 0 < *cut && *cut <= self.horizon));
        let mut states: Vec<State> = starts.map(|at| self.state(at, &histories, &pauses, &ended)).collect();
        fill_gaps(&mut states);
        let at_horizon = |since: i64| State { since, ..self.last.clone() };
        match states.last_mut() {
            Some(newest) if newest.is_like(self.last) => *newest = at_horizon(newest.since),
            _ => states.push(at_horizon(self.horizon)),
        }
        settle(states)
    }

    /// From when on lines tell of it without a hole, up to the horizon.
    pub(super) fn backed_from(&self) -> i64 {
        let sub = &self.last.sub;
        let mut from = self.horizon.min(sub.ended_at.unwrap_or(i64::MAX));
        let mut spans: Vec<(i64, i64)> = self.lines.iter().map(|line| (line.start, line.end)).collect();
        spans.sort_unstable_by_key(|(start, end)| Reverse((*end, *start)));
        for (start, end) in spans {
            if end < from - DAY {
                break;
            }
            from = from.min(start);
        }
        if from <= sub.created + DAY { 0 } else { from }
    }

    /// Lines that say what an item was.
    fn telling(&self) -> impl DoubleEndedIterator<Item = &Billed> {
        self.lines.iter().copied().filter(|line| line.kind != Kind::Usage && line.outcome != Outcome::Void)
    }

    fn periods(&self) -> impl DoubleEndedIterator<Item = &Billed> {
        self.telling().filter(|line| line.kind == Kind::Period)
    }

    /// The item that a line is about. Where it names only its price, the one that has or had it.
    fn owner<'s>(&'s self, line: &'s Billed) -> Option<&'s str> {
        if line.item.is_some() {
            return line.item.as_deref();
        }
        let has_it = |item: &&Item| Some(&item.price.id) == line.price.as_ref();
        let billed =
            || self.lines.iter().filter(|other| other.price == line.price).find_map(|other| other.item.as_deref());
        billed().or_else(|| self.last.sub.items.data.iter().find(has_it).map(|item| item.id.as_str()))
    }

    fn items(&self) -> BTreeSet<String> {
        let shown = self.last.sub.items.data.iter().map(|item| item.id.clone());
        shown.chain(self.telling().filter_map(|line| self.owner(line)).map(str::to_owned)).collect()
    }

    /// What an item was, as its lines tell.
    fn history(&self, id: &str) -> Steps {
        let present = self.last.sub.items.data.iter().find(|item| item.id == id);
        let sibling = present.or(self.last.sub.items.data.first());
        let mut told: Vec<&Billed> = self.telling().filter(|line| self.owner(line) == Some(id)).collect();
        told.sort_unstable_by_key(|line| Reverse((says_at(line), *line)));
        let mut steps = Steps::new();
        let (mut item, mut known_from) = (present.cloned(), self.horizon);
        let mut is_told = false;
        for line in told {
            let Some(older) = lines::item(line, id, item.as_ref().or(sibling), self.known) else { continue };
            if item.as_ref().is_none_or(|item| !is_same(item, &older)) {
                let until = match item {
                    None if !is_told && line.kind != Kind::Until => self.replaced_at(id, line),
                    _ => until(line),
                };
                steps.push((until.min(known_from), item.replace(older)));
            }
            (known_from, is_told) = (says_at(line), true);
        }
        let created = present.map(|item| item.created).filter(|created| *created > 0);
        let begins = created.into_iter().chain(is_told.then_some(known_from)).min();
        if let Some(begins) = begins.filter(|begins| self.stood_before(id, *begins)) {
            steps.push((begins, item.take()));
        }
        steps.push((0, item));
        steps.reverse();
        steps
    }

    /// When an item went that is not there any more and was not credited: when another came, else where its last
    /// period ends.
    fn replaced_at(&self, id: &str, line: &Billed) -> i64 {
        let end = until(line).min(self.horizon);
        let created = self.last.sub.items.data.iter().filter(|item| item.id != id).map(|item| item.created);
        let billed = self.items().into_iter().filter(|other| other != id).filter_map(|other| {
            self.telling().filter(|line| self.owner(line) == Some(&other)).map(|line| line.start).min()
        });
        created.chain(billed).filter(|at| line.start < *at && *at < end).min().unwrap_or(end)
    }

    /// Whether another item was billed before an instant, so that one that came then was an addition.
    fn stood_before(&self, id: &str, at: i64) -> bool {
        // What was used is billed when it is over, and other items with it. Months differ by up to three days.
        let billed_at = |line: &Billed| match line.kind {
            Kind::Usage => line.start + (line.end - line.newest) + 4 * DAY,
            _ => line.start,
        };
        self.lines.iter().any(|line| billed_at(line) < at && self.owner(line).is_some_and(|owner| owner != id))
    }

    /// The newest period that was paid.
    fn last_paid(&self) -> Option<&Billed> {
        let paid = self.periods().filter(|line| line.outcome == Outcome::Paid);
        // Of items with several intervals the shortest tells best.
        paid.max_by_key(|line| (line.newest, Reverse(line.end)))
    }

    /// Up to when it was paid, as far as is known: what was never paid was like this all the time.
    fn paid_until(&self) -> Option<i64> {
        match self.last_paid() {
            Some(paid) => Some(paid.end.min(self.horizon)),
            None => (!self.are_read).then_some(self.horizon),
        }
    }

    /// When it took the status that it has at the horizon, where it had another before.
    fn standing_cut(&self) -> Option<i64> {
        match self.last.sub.status.as_str() {
            "unpaid" => self.paid_until(),
            "past_due" => self.last.around.past_due_since.filter(|since| *since < self.horizon).or(self.paid_until()),
            "paused" => self.last.sub.trial_end.filter(|end| *end < self.horizon),
            _ => None,
        }
    }

    /// When a trial began that was given to a subscription that had been paid before.
    fn trial_cut(&self) -> Option<i64> {
        let trial_end = self.last.sub.trial_end?;
        let was_billed = |line: &&Billed| line.amount > 0 && line.start < trial_end;
        let billed = self.periods().filter(was_billed).max_by_key(|line| line.newest)?;
        let free = self.periods().filter(|line| line.amount == 0 && line.start > billed.newest).map(|line| line.start);
        free.chain([billed.end, self.horizon]).min()
    }

    /// When collection was paused: periods were billed and given up without a try.
    fn pauses(&self) -> Vec<Pause> {
        let paid_from = |from: i64| {
            let paid = self.periods().filter(|line| line.outcome == Outcome::Paid && line.start > from);
            paid.map(|line| line.start).min()
        };
        let is_paused = self.last.sub.pause_collection.is_some();
        let last_paid = self.last_paid().map(|line| line.newest);
        let mut pauses = Vec::new();
        let mut first_skipped: Option<i64> = None;
        for line in self.periods().filter(|line| line.is_skipped()) {
            if is_paused && last_paid.is_none_or(|paid| line.start > paid) {
                first_skipped = Some(first_skipped.map_or(line.start, |first| first.min(line.start)));
                continue;
            }
            let behavior = if line.outcome == Outcome::SkippedAsVoid { "void" } else { "mark_uncollectible" };
            let to = paid_from(line.start).unwrap_or(i64::MAX).min(line.end).min(self.horizon);
            pauses.push(Pause { from: line.start, to, behavior: Some(behavior) });
        }
        if is_paused {
            let from = first_skipped.or(self.paid_until()).unwrap_or(0);
            pauses.push(Pause { from, to: i64::MAX, behavior: None });
        }
        pauses
    }

    /// Discounts that were taken off and are not there any more.
    fn ended(&self) -> Vec<Ended> {
        let State { sub, around, .. } = self.last;
        let mut present: BTreeSet<&str> = timeline::discounts(sub).map(|discount| discount.id.as_str()).collect();
        present.extend(around.customer_discount.iter().map(|discount| discount.id.as_str()));
        let of_items = sub.items.data.iter().flat_map(|item| &item.discounts);
        present.extend(sub.discounts.iter().chain(of_items).filter_map(|discount| match discount {
            Expandable::Id(id) => Some(id.as_str()),
            Expandable::Object(_) => None,
        }));
        let ids: BTreeSet<&str> = self.periods().flat_map(|line| &line.discounts).map(String::as_str).collect();
        ids.difference(&present).filter_map(|id| self.ended_discount(id)).collect()
    }

    fn ended_discount(&self, id: &str) -> Option<Ended> {
        let bears = |line: &&Billed| line.discounts.iter().any(|known| known == id);
        let first = self.periods().filter(bears).min_by_key(|line| line.start)?;
        let last = self.periods().filter(bears).max_by_key(|line| line.newest)?;
        let items: BTreeSet<Option<&str>> = self.periods().filter(bears).map(|line| self.owner(line)).collect();
        let without = self.periods().filter(|line| line.start > last.newest && items.contains(&self.owner(line)));
        let gone = without.map(|line| line.start).min().unwrap_or(last.end);
        let known = self.discounts.get(id).copied();
        let mut discount = known.cloned().unwrap_or_else(|| Discount::unread(id));
        let end = discount.end.unwrap_or(i64::MAX).min(gone).min(self.horizon);
        discount.start.get_or_insert(first.start);
        discount.end = Some(end);
        let place = match (&discount.subscription_item, &discount.subscription) {
            // It was given on one invoice and is none of the subscription's.
            _ if discount.invoice.is_some() => return None,
            (Some(item), _) => Place::Item(item.0.clone()),
            (None, None) if known.is_some() => Place::Customer,
            _ => Place::Subscription,
        };
        Some(Ended { discount, end, place })
    }

    /// What it was like at an instant.
    fn state(&self, at: i64, histories: &BTreeMap<String, Steps>, pauses: &[Pause], ended: &[Ended]) -> State {
        let mut state = State { since: at, ..self.last.clone() };
        let State { sub, around, .. } = &mut state;
        let order = |id: &str| self.last.sub.items.data.iter().position(|item| item.id == id).unwrap_or(usize::MAX);
        let mut items: Vec<Item> = histories.values().filter_map(|steps| step(steps, at).cloned()).collect();
        items.sort_by_key(|item| order(&item.id));
        sub.items.data = items;
        if self.standing_cut().is_some_and(|cut| at < cut) {
            let before = if sub.status == "paused" { "trialing" } else { "active" };
            sub.status = before.to_owned();
        }
        if self.trial_cut().is_some_and(|cut| at < cut) {
            sub.trial_end = None;
            if matches!(sub.status.as_str(), "trialing" | "paused") {
                sub.status = "active".to_owned();
            }
        }
        let pause = pauses.iter().find(|pause| pause.from <= at && at < pause.to);
        sub.pause_collection = pause.and_then(|pause| match pause.behavior {
            Some(behavior) => Some(PauseCollection { behavior: behavior.to_owned(), resumes_at: None }),
            None => self.last.sub.pause_collection.clone(),
        });
        let mut there: Vec<&Ended> = ended.iter().filter(|ended| at < ended.end).collect();
        there.sort_by_key(|ended| (ended.discount.start, ended.end));
        for Ended { discount, place, .. } in there {
            let whole = Expandable::Object(discount.clone());
            match place {
                Place::Subscription => insert(&mut sub.discounts, whole),
                Place::Item(id) => {
                    if let Some(item) = sub.items.data.iter_mut().find(|item| item.id == *id) {
                        insert(&mut item.discounts, whole);
                    }
                }
                // A customer has one at a time.
                Place::Customer => {
                    let later = around.customer_discount.as_ref().is_none_or(|known| known.start > discount.start);
                    if later {
                        around.customer_discount = Some(discount.clone());
                    }
                }
            }
        }
        state
    }
}

/// Discounts stand in the order in which they were given.
fn insert(discounts: &mut Vec<Expandable<Discount>>, discount: Expandable<Discount>) {
    let start = |discount: &Expandable<Discount>| mrr::object(discount).and_then(|discount| discount.start);
    let place = discounts.iter().position(|known| start(known) > start(&discount)).unwrap_or(discounts.len());
    discounts.insert(place, discount);
}

/// The instant of which a line says what was: a credit, of the second before.
fn says_at(line: &Billed) -> i64 {
    if line.kind == Kind::Until { line.start - 1 } else { line.start }
}

/// Up to when what a line says holds.
fn until(line: &Billed) -> i64 {
    if line.kind == Kind::Until { line.start } else { line.end }
}

fn is_same(one: &Item, other: &Item) -> bool {
    one.price == other.price && lines::quantity(one) == lines::quantity(other)
}

fn step(steps: &Steps, at: i64) -> Option<&Item> {
    steps.iter().rev().find(|(since, _)| *since <= at)?.1.as_ref()
}

/// A plan that is changed by taking one item away and adding another is no time without any.
fn fill_gaps(states: &mut [State]) {
    let is_empty = |state: &State| state.sub.items.data.is_empty();
    let Some(first) = states.iter().position(|state| !is_empty(state)) else { return };
    let mut items = states.get(first).map(|state| state.sub.items.clone()).unwrap_or_default();
    for state in states {
        if is_empty(state) {
            state.sub.items = items.clone();
        } else {
            items.clone_from(&state.sub.items);
        }
    }
}

/// Drops what stood for a moment only, and joins what is alike.
fn settle(states: Vec<State>) -> Vec<State> {
    let mut settled: Vec<State> = Vec::new();
    for state in states.into_iter().rev() {
        match settled.last_mut() {
            Some(newer) if newer.is_like(&state) => newer.since = state.since,
            Some(newer) if state.since > 0 && newer.since - state.since < MOMENT => {}
            _ => settled.push(state),
        }
    }
    settled.reverse();
    settled
}
