//! Rebuilds what a subscription was like before it was first seen, from what Stripe still tells of it.
//!
//! Events of the last 30 days show what was before each change; the lines of invoices tell of the time before them. What
//! nothing speaks against is assumed to have been as it was afterwards. A trial, a start, an end and a discount's time
//! stand in the subscription itself, so that no state is needed for them.

use std::collections::{BTreeMap, HashMap};

use super::{
    answers::{Discount, Expandable, Item, Price, Subscription},
    evidence::{self, Billed, Change, Evidence, Reach},
    follow,
    invoiced::Invoiced,
    lines::{self, Lookup},
    timeline::{self, State},
};

const DAY: i64 = 24 * 60 * 60;

/// What it was like up to `observed`, where it was first seen as `current`: oldest first, the last one is `current`.
/// And from when on that is backed by evidence. `prices` are those that were fetched, of
/// [`Evidence::prices_needed`].
pub(super) fn rebuild(
    current: &State,
    observed: i64,
    reach: Reach,
    evidence: &Evidence,
    prices: &dyn Fn(&str) -> Option<Price>,
) -> (Vec<State>, i64) {
    let book = Book::new(current, evidence, prices);
    let horizon = reach.events.unwrap_or(observed).min(observed);
    let mut states = book.followed(observed, horizon);
    let last = match states.first() {
        Some(oldest) => oldest.clone(),
        None => current.clone(),
    };
    let mut lines: Vec<&Billed> = evidence.lines.iter().filter(|line| line.start < horizon).collect();
    lines.sort_unstable_by_key(|line| (line.start, *line));
    let find = |id: &str| book.price(id);
    let invoiced = Invoiced {
        last: &last,
        horizon,
        lines: &lines,
        are_read: reach.invoices,
        known: Lookup { currency: &current.sub.currency, prices: &find, lines: &lines },
        discounts: &book.discounts,
    };
    let is_younger = current.sub.created >= horizon;
    let from = if is_younger { 0 } else { invoiced.backed_from() };
    states.splice(..1, if is_younger { vec![last.clone()] } else { invoiced.states() });
    note_past_due(&mut states);
    let mut states = joined(states);
    if let Some(newest) = states.last_mut() {
        *newest = State { since: newest.since, ..current.clone() };
    }
    (states, from.max(evidence.unknown_before.unwrap_or(0)).min(observed))
}

/// From when on a subscription is known of which nothing is told but that no event changed it from the horizon on.
pub(super) fn unchanged_from(sub: &Subscription, horizon: i64) -> i64 {
    let from = horizon.min(sub.ended_at.unwrap_or(i64::MAX));
    if from <= sub.created + DAY { 0 } else { from }
}

/// What is known of prices and discounts, to read what only names them.
struct Book<'a> {
    current: &'a State,
    evidence: &'a Evidence,
    prices: &'a dyn Fn(&str) -> Option<Price>,
    discounts: BTreeMap<&'a str, &'a Discount>,
}

impl<'a> Book<'a> {
    fn new(current: &'a State, evidence: &'a Evidence, prices: &'a dyn Fn(&str) -> Option<Price>) -> Self {
        let before = evidence.changes.iter().filter_map(|change| change.before.as_ref());
        let told = before.flat_map(timeline::discounts).chain(&evidence.discounts);
        let own = timeline::discounts(&current.sub).chain(&current.around.customer_discount);
        // What the subscription itself shows is the most complete.
        let discounts = told.chain(own).map(|discount| (discount.id.as_str(), discount)).collect();
        Self { current, evidence, prices, discounts }
    }

    fn items(&self) -> &'a [Item] {
        &self.current.sub.items.data
    }

    fn price(&self, id: &str) -> Option<Price> {
        let shown =
            |sub: &Subscription| sub.items.data.iter().find(|item| item.price.id == id).map(|item| item.price.clone());
        let of_events = || self.evidence.changes.iter().find_map(|change| shown(change.before.as_ref()?));
        shown(&self.current.sub).or_else(|| (self.prices)(id)).or_else(of_events)
    }

    /// What it was like from the horizon on, oldest first.
    fn followed(&self, observed: i64, horizon: i64) -> Vec<State> {
        let seen: Vec<&Change> =
            self.evidence.changes.iter().filter(|change| (horizon..=observed).contains(&change.at)).collect();
        let mut states = Vec::new();
        // What it was like from the change that is looked at on; `None` where the one after it does not tell.
        let mut held = Some(self.current.clone());
        for second in seen.chunk_by(|one, other| one.at == other.at).rev() {
            let (first, last) = ends(second);
            let state = held.take().unwrap_or_else(|| self.as_of(last));
            states.push(State { since: first.at, ..state });
            held = first.before.as_ref().map(|before| self.shown(before, first.at));
        }
        let oldest = held.or_else(|| states.last().cloned());
        states.extend(oldest.map(|oldest| State { since: 0, ..oldest }));
        states.reverse();
        states
    }

    /// What it was like before it ended, of which only the status is told.
    fn as_of(&self, change: &Change) -> State {
        let mut state = self.current.clone();
        state.sub.status.clone_from(&change.status);
        state.sub.ended_at = None;
        state
    }

    /// A subscription as an event shows it, in the form in which the list shows it.
    fn shown(&self, told: &Subscription, at: i64) -> State {
        let mut sub = told.clone();
        if std::mem::take(&mut sub.items.has_more) {
            let is_missing =
                |item: &&Item| item.created <= at && told.items.data.iter().all(|known| known.id != item.id);
            sub.items.data.extend(self.items().iter().filter(is_missing).cloned());
        }
        let place = |id: &str| self.items().iter().position(|item| item.id == id);
        for item in &mut sub.items.data {
            if let Some(price) = self.price(&item.price.id) {
                item.price = price;
            }
            let now = place(&item.id).and_then(|place| self.items().get(place));
            if let Some(now) = now.filter(|now| lines::quantity(now) == lines::quantity(item)) {
                item.quantity = now.quantity;
                item.quantity_decimal.clone_from(&now.quantity_decimal);
            }
        }
        sub.items.data.sort_by_key(|item| place(&item.id).unwrap_or(usize::MAX));
        if let Some(discount) = sub.discount.take()
            && sub.discounts.is_empty()
        {
            sub.discounts.push(Expandable::Id(discount.id));
        }
        let whole: HashMap<&str, &Discount> = self.discounts.iter().map(|(id, discount)| (*id, *discount)).collect();
        follow::adopt(&mut sub, &whole);
        State { since: at, sub, around: self.current.around.clone() }
    }
}

/// The first and the last of the changes of one second. Events have no order of their own: what one was before is what
/// another was afterwards.
fn ends<'a>(second: &[&'a Change]) -> (&'a Change, &'a Change) {
    let before = |change: &Change| change.before.as_ref().map(evidence::print);
    let is_first = |change: &&&Change| {
        let was = before(change);
        was.is_some() && !second.iter().any(|other| other.id != change.id && Some(other.after) == was)
    };
    let is_last =
        |change: &&&Change| !second.iter().any(|other| other.id != change.id && before(other) == Some(change.after));
    let (any_first, any_last) = (second[0], second[second.len() - 1]);
    (
        second.iter().find(is_first).copied().unwrap_or(any_first),
        second.iter().find(is_last).copied().unwrap_or(any_last),
    )
}

/// Notes since when it was past due in states before the newest, where nothing else tells: since it took that status.
fn note_past_due(states: &mut [State]) {
    let Some((newest, older)) = states.split_last_mut() else { return };
    let mut since = None;
    for state in older.iter_mut() {
        if state.sub.status != "past_due" {
            since = None;
            continue;
        }
        since = since.or((state.since > 0).then_some(state.since));
        state.around.past_due_since = since;
    }
    let until_now = older.iter_mut().rev().take_while(|state| state.sub.status == "past_due");
    if newest.sub.status == "past_due" && newest.around.past_due_since.is_some() {
        until_now.for_each(|state| state.around.past_due_since = newest.around.past_due_since);
    }
}

/// Joins neighbours that are alike; the newer one tells more of it.
fn joined(states: Vec<State>) -> Vec<State> {
    let mut joined: Vec<State> = Vec::new();
    for state in states.into_iter().rev() {
        match joined.last_mut() {
            Some(newer) if newer.is_like(&state) => newer.since = state.since,
            _ => joined.push(state),
        }
    }
    joined.reverse();
    joined
}
