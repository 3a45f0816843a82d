//! The life of a subscription as it is kept: its states, each from an instant on.
//!
//! What a subscription adds to recurring revenue is never kept. It is a function of the state it is in, of the rules and
//! of the instant: trials and discounts end, cancellations and pauses take effect, without anything being written.

use serde::{Deserialize, Serialize};

use super::{
    answers::{Discount, Expandable, Subscription},
    mrr::{self, Around, Plan, Reason, Valuation},
    settings::Rules,
};
use crate::metric::{Currency, Exact, exact};

const DAY: i64 = 24 * 60 * 60;

/// A subscription's record: its key is the subscription, its group the customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Timeline {
    /// Of the walk that saw it last.
    pub(super) generation: u64,
    /// When it was first seen. From here on each change is known by the instant at which it happened.
    pub(super) observed: i64,
    /// From here on up to `observed` its states were rebuilt from what Stripe still tells. What was before is assumed to
    /// have been the same.
    pub(super) rebuilt: i64,
    /// Oldest first, at least one.
    states: Vec<State>,
}

/// What a subscription was like from an instant on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// Seconds since 1970; zero where it is not known to have ever been otherwise.
    pub(super) since: i64,
    pub(super) sub: Subscription,
    pub(super) around: Around,
}

/// A time in which the subscription added the same.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Phase {
    pub(super) since: i64,
    /// What it added; `None` while it did not count.
    pub(super) counted: Option<Counted>,
    /// The plans that would add something if it could be known what.
    pub(super) unvalued: Vec<Plan>,
    pub(super) is_trial: bool,
    /// Whether something about it could not be known.
    pub(super) is_assumed: bool,
}

/// What a subscription that counts adds in a month, in minor units.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counted {
    pub(super) worth: Exact,
    pub(super) plans: Vec<Plan>,
}

impl State {
    /// Whether two states are worth the same at all times.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.around == other.around && gist(&self.sub) == gist(&other.sub)
    }
}

/// The subscription without what changes with each period and is worth nothing.
pub(super) fn gist(sub: &Subscription) -> Subscription {
    let mut gist = sub.clone();
    if gist.cancel_at.is_some() || !gist.cancel_at_period_end {
        gist.current_period_end = None;
        gist.items.data.iter_mut().for_each(|item| item.current_period_end = None);
    }
    gist
}

impl Timeline {
    /// A subscription that was always like this, as far as is known.
    pub(super) fn new(generation: u64, observed: i64, state: State) -> Self {
        Self { generation, observed, rebuilt: observed, states: vec![state] }
    }

    /// A subscription that is seen from its creation on. One that was dated back counts from where it was dated to.
    pub(super) fn begun(generation: u64, mut state: State) -> Self {
        state.since = state.since.min(state.sub.start_date);
        Self::new(generation, state.since, state)
    }

    /// A subscription that no event told of. What was there at the first walk and was not seen counts from then on.
    pub(super) fn found(generation: u64, first_walk: i64, sub: Subscription, around: Around) -> Self {
        let created = sub.created;
        if created < first_walk {
            return Self::new(generation, first_walk, State { since: first_walk, sub, around });
        }
        Self::begun(generation, State { since: created, sub, around })
    }

    /// What it is like now.
    pub(super) fn newest(&self) -> Option<&State> {
        self.states.last()
    }

    /// What it was like at an instant; `None` before it was there.
    pub(super) fn at(&self, at: i64) -> Option<&State> {
        self.states.iter().rev().find(|state| state.since <= at)
    }

    /// Notes what it was like from `state.since` on, until the next state that is known. Whether that is news.
    pub(super) fn note(&mut self, state: State) -> bool {
        let place = self.states.partition_point(|known| known.since <= state.since);
        let is_newest = place == self.states.len();
        if let Some(before) = place.checked_sub(1).and_then(|before| self.states.get_mut(before)) {
            if before.is_like(&state) {
                if is_newest {
                    // A new period perhaps.
                    before.sub = state.sub;
                }
                return false;
            }
            if before.since == state.since {
                *before = state;
                return true;
            }
        }
        self.states.insert(place, state);
        true
    }

    /// Puts other states, oldest first, in the place of those up to an instant, and notes from when on they are backed.
    pub(super) fn rebuild(&mut self, up_to: i64, mut past: Vec<State>, rebuilt: i64) {
        let followed = self.states.iter().filter(|state| state.since > up_to).cloned();
        past.retain(|state| state.since <= up_to);
        if past.is_empty() {
            past.extend(self.states.first().cloned());
        }
        past.extend(followed);
        past.dedup_by(|later, earlier| earlier.is_like(later));
        self.states = past;
        self.rebuilt = rebuilt.min(up_to);
    }

    /// All discounts that any state shows whole, for states that only name them.
    pub(super) fn discounts(&self) -> impl Iterator<Item = &Discount> {
        self.states.iter().flat_map(|state| discounts(&state.sub))
    }

    /// What it added up to an instant, oldest first. Neighbours differ.
    pub(super) fn phases(&self, rules: &Rules, until: i64) -> Vec<Phase> {
        let mut phases: Vec<Phase> = Vec::new();
        for (index, state) in self.states.iter().enumerate() {
            let end = self.states.get(index + 1).map_or(i64::MAX, |next| next.since).min(until.saturating_add(1));
            if state.since >= end {
                continue;
            }
            for since in std::iter::once(state.since).chain(turns(state, rules, state.since, end)) {
                let phase = phase(state, rules, since);
                let is_same = phases.last().is_some_and(|last| {
                    let parts = |phase: &Phase| (phase.is_trial, phase.is_assumed);
                    (&last.counted, &last.unvalued, parts(last)) == (&phase.counted, &phase.unvalued, parts(&phase))
                });
                if !is_same {
                    phases.push(phase);
                }
            }
        }
        phases
    }

    /// The first instant after another at which it may be worth something else although nothing happens.
    pub(super) fn next_turn(&self, rules: &Rules, after: i64) -> Option<i64> {
        turns(self.newest()?, rules, after, i64::MAX).into_iter().next()
    }

    /// When it stopped being a subscription that is paid: its end, or the instant at which Stripe gave up on its
    /// invoices.
    pub(super) fn lost_at(&self) -> Option<i64> {
        let newest = self.newest()?;
        let is_unpaid = |state: &&State| state.sub.status == "unpaid";
        let settled = self.states.iter().rev().skip(usize::from(newest.sub.ended_at.is_some()));
        let unpaid_since = settled.take_while(is_unpaid).last().map(|state| state.since);
        match (newest.sub.ended_at, unpaid_since) {
            (Some(ended), Some(unpaid)) => Some(ended.min(unpaid)),
            (ended, unpaid) => ended.or(unpaid),
        }
    }
}

/// The discounts that a subscription and its items show whole.
pub(super) fn discounts(sub: &Subscription) -> impl Iterator<Item = &Discount> {
    let of_items = sub.items.data.iter().flat_map(|item| &item.discounts);
    sub.discounts.iter().chain(of_items).filter_map(mrr::object).chain(&sub.discount)
}

/// Whether a discount is only named.
pub(super) fn names_discounts(sub: &Subscription) -> bool {
    let of_items = sub.items.data.iter().flat_map(|item| &item.discounts);
    sub.discounts.iter().chain(of_items).any(|discount| matches!(discount, Expandable::Id(_)))
}

/// What a state is worth at an instant, for the totals and the receipt.
pub(super) fn valuation(state: &State, rules: &Rules, at: i64) -> (Option<Currency>, Valuation) {
    let currency: Option<Currency> = state.sub.currency.parse().ok();
    let mut valuation = mrr::value(&state.sub, &state.around, rules, at);
    // What is no amount of money that can be kept is left out.
    let fits = exact::round(&(&valuation.worth * exact::from_int(12))).is_some();
    if currency.is_none() || !fits {
        let why = if fits { "its currency is not known" } else { "its amount is too large" };
        valuation.excluded.get_or_insert_with(|| Reason::Unreadable(why.to_owned()));
        valuation.worth = exact::from_int(0);
    }
    (currency, valuation)
}

fn phase(state: &State, rules: &Rules, since: i64) -> Phase {
    let (counted, is_trial, is_assumed) = match mrr::standing(&state.sub, state.around.past_due_since, rules, since) {
        Some(standing) => (None, standing == Reason::Trialing, standing.is_assumption()),
        None => {
            let (_, valuation) = valuation(state, rules, since);
            let notes = valuation.notes.iter().map(|(reason, _)| reason).chain(&valuation.excluded);
            let is_assumed = { notes }.any(Reason::is_assumption);
            let counts = valuation.excluded.is_none();
            let counted = counts.then_some(Counted { worth: valuation.worth, plans: valuation.plans });
            (counted, false, is_assumed)
        }
    };
    let unvalued = if is_assumed && counted.is_none() { mrr::plans(&state.sub) } else { Vec::new() };
    Phase { since, counted, unvalued, is_trial, is_assumed }
}

/// The instants after one and before another at which a state may be worth something else, in order.
fn turns(state: &State, rules: &Rules, after: i64, before: i64) -> Vec<i64> {
    let State { sub, around, .. } = state;
    let longest = rules.max_past_due_days.map(|days| days.saturating_mul(DAY).saturating_add(1));
    let overdue = around.past_due_since.zip(longest).map(|(since, longest)| since.saturating_add(longest));
    let mut turns = vec![
        Some(sub.start_date),
        sub.trial_end,
        sub.canceled_at,
        sub.ended_at,
        mrr::ends_at(sub),
        sub.pause_collection.as_ref().and_then(|pause| pause.resumes_at),
        overdue,
    ];
    for discount in discounts(sub).chain(&around.customer_discount) {
        turns.extend([discount.start, discount.end]);
    }
    let mut turns: Vec<i64> = turns.into_iter().flatten().filter(|at| after < *at && *at < before).collect();
    turns.sort_unstable();
    turns.dedup();
    turns
}
