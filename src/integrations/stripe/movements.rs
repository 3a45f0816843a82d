//! How the revenue of a customer moves (providers.md 9): compared are two instants, over all its subscriptions and
//! currencies together.
//!
//! Who paid nothing and pays is new, or reactivated if it ever paid before. Who paid and pays nothing has churned. Who
//! paid and pays expands or contracts, in each currency for itself: who moves from one currency to another contracts in
//! one and expands in the other.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use crate::metric::{Currency, Day, Exact};

/// What a customer pays a month, by currency. Nothing is zero.
pub(super) type Level = BTreeMap<Currency, Exact>;

/// Which way revenue moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Kind {
    New,
    Reactivation,
    Expansion,
    Contraction,
    Churned,
}

/// Movements in one currency. None is negative.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Moves {
    pub(super) new: Amount,
    pub(super) reactivation: Amount,
    pub(super) expansion: Amount,
    pub(super) contraction: Amount,
    pub(super) churned: Amount,
}

/// What a customer adds to the movements of a time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Change {
    pub(super) moves: BTreeMap<Currency, Moves>,
    /// Whether it was lost, as a number.
    pub(super) lost: i64,
}

impl Kind {
    /// Whether it adds to what there was.
    pub(super) fn is_gain(self) -> bool {
        matches!(self, Self::New | Self::Reactivation | Self::Expansion)
    }
}

impl Moves {
    /// Each with its kind.
    pub(super) fn parts(&self) -> [(Kind, &Exact); 5] {
        [
            (Kind::New, &self.new.0),
            (Kind::Reactivation, &self.reactivation.0),
            (Kind::Expansion, &self.expansion.0),
            (Kind::Contraction, &self.contraction.0),
            (Kind::Churned, &self.churned.0),
        ]
    }

    pub(super) fn of(&mut self, kind: Kind) -> &mut Amount {
        match kind {
            Kind::New => &mut self.new,
            Kind::Reactivation => &mut self.reactivation,
            Kind::Expansion => &mut self.expansion,
            Kind::Contraction => &mut self.contraction,
            Kind::Churned => &mut self.churned,
        }
    }

    pub(super) fn plus(&mut self, other: &Self, sign: i64) {
        for (kind, amount) in other.parts() {
            if !amount.is_zero() {
                self.of(kind).plus(amount, sign);
            }
        }
    }
}

/// What a customer pays at the end of each day on which that changes, from what changes on days.
pub(super) fn levels(steps: BTreeMap<Day, BTreeMap<Currency, Amount>>, base: Day) -> Vec<(Day, Level)> {
    let mut level = Level::new();
    let mut levels = Vec::with_capacity(steps.len());
    for (day, changes) in steps {
        for (currency, change) in changes {
            *level.entry(currency).or_default() += change.0;
        }
        level.retain(|_, amount| !amount.is_zero());
        levels.push((day.max(base), level.clone()));
    }
    levels.dedup_by(|later, earlier| later.1 == earlier.1);
    levels
}

/// The movements from one level to another.
pub(super) fn between(before: &Level, after: &Level, paid_before: bool) -> Change {
    let mut change = Change::default();
    let mut note = |currency: Currency, kind: Kind, amount: &Exact| {
        change.moves.entry(currency).or_default().of(kind).plus(amount, 1);
    };
    if before.is_empty() {
        let kind = if paid_before { Kind::Reactivation } else { Kind::New };
        after.iter().for_each(|(currency, amount)| note(*currency, kind, amount));
    } else if after.is_empty() {
        before.iter().for_each(|(currency, amount)| note(*currency, Kind::Churned, amount));
        change.lost = 1;
    } else {
        let zero = Exact::zero();
        for currency in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let [was, is] = [before, after].map(|level| level.get(currency).unwrap_or(&zero));
            let moved = is - was;
            if moved.is_positive() {
                note(*currency, Kind::Expansion, &moved);
            } else if moved.is_negative() {
                note(*currency, Kind::Contraction, &-moved);
            }
        }
    }
    change
}

/// The movements over the `days` that end with each day, from `first` on, as what changes in them from day to day.
pub(super) fn windows(levels: &[(Day, Level)], first_paid: Option<Day>, first: Day, days: i32) -> Vec<(Day, Change)> {
    let at = |day: Day| {
        let place = levels.partition_point(|(since, _)| *since <= day);
        place.checked_sub(1).and_then(|place| levels.get(place)).map(|(_, level)| level)
    };
    // Only where the one end or the other passes a change is anything new.
    let turns = levels.iter().flat_map(|(day, _)| [*day, day.plus(days)]).filter(|day| *day > first);
    let turns: BTreeSet<Day> = turns.chain([first]).collect();
    let none = Level::new();
    let mut before = Change::default();
    let mut changes = Vec::new();
    for day in turns {
        let start = day.plus(-days);
        let paid_before = first_paid.is_some_and(|first| first <= start);
        let now = between(at(start).unwrap_or(&none), at(day).unwrap_or(&none), paid_before);
        if now == before {
            continue;
        }
        let mut change = Change { lost: now.lost - before.lost, ..Change::default() };
        for (of, sign) in [(&before, -1), (&now, 1)] {
            for (currency, moves) in &of.moves {
                change.moves.entry(*currency).or_default().plus(moves, sign);
            }
        }
        changes.push((day, change));
        before = now;
    }
    changes
}
