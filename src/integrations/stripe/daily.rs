//! What the totals come to at the end of each day, from what changes on days.

use std::collections::BTreeMap;

use super::{
    amount::Amount,
    movements::Moves,
    totals::{Sureness, Totals},
};
use crate::metric::{Currency, Day, Exact, Period};

/// The end of a day, and what happened on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Daily {
    pub(super) active: i64,
    pub(super) trialing: i64,
    /// Customers that pay anything.
    pub(super) paying: i64,
    pub(super) new: i64,
    pub(super) churned: i64,
    /// Customers that paid 30 days before and do not now.
    pub(super) lost: i64,
    pub(super) sureness: Sureness,
    /// Subscriptions that may pay in a currency that is not known.
    pub(super) unpriced: i64,
    pub(super) currencies: BTreeMap<Currency, InCurrency>,
}

/// The same in one currency, in minor units.
#[derive(Debug, Clone, Default)]
pub(super) struct InCurrency {
    pub(super) mrr: Exact,
    pub(super) subscriptions: i64,
    pub(super) customers: i64,
    pub(super) sureness: Sureness,
    /// Movements of the day.
    pub(super) moves: Moves,
    /// Movements of the 30 days that end with it.
    pub(super) window: Moves,
}

impl Sureness {
    fn plus(&mut self, other: Self) {
        self.estimated += other.estimated;
        self.reconstructed += other.reconstructed;
    }
}

/// The days of a period that the totals tell of, the base among them.
pub(super) fn days(totals: &Totals, period: Period) -> BTreeMap<Day, Daily> {
    let mut days = BTreeMap::new();
    let mut running = Daily::default();
    for day in Period::new(totals.base, period.end()).days() {
        (running.new, running.churned) = (0, 0);
        running.currencies.values_mut().for_each(|now| now.moves = Moves::default());
        if let Some(counts) = totals.counts.get(&day) {
            running.active += counts.active;
            running.trialing += counts.trialing;
            running.paying += counts.paying;
            running.lost += counts.lost;
            (running.new, running.churned) = (counts.new, counts.churned);
            running.sureness.plus(counts.sureness);
            running.unpriced += counts.unpriced;
        }
        for (currency, total) in &totals.currencies {
            let Some(delta) = total.days.get(&day) else { continue };
            let now = running.currencies.entry(*currency).or_default();
            now.mrr += &delta.mrr.0;
            now.subscriptions += delta.subscriptions;
            now.customers += delta.customers;
            now.sureness.plus(delta.sureness);
            now.moves = delta.moves.clone();
            now.window.plus(&delta.window, 1);
        }
        if period.contains(day) {
            days.insert(day, running.clone());
        }
    }
    days
}

/// How many there are at the end of each day of a period.
pub(super) fn counted(changes: &BTreeMap<Day, i64>, period: Period) -> BTreeMap<Day, i64> {
    let mut now: i64 = changes.range(..period.start()).map(|(_, change)| change).sum();
    let mut days = BTreeMap::new();
    for day in period.days() {
        now += changes.get(&day).copied().unwrap_or(0);
        days.insert(day, now);
    }
    days
}

/// What a price comes to at the end of each day of a period.
pub(super) fn of_plan(changes: &BTreeMap<Day, Amount>, period: Period) -> BTreeMap<Day, Exact> {
    let mut now: Exact = changes.range(..period.start()).map(|(_, amount)| &amount.0).sum();
    let mut days = BTreeMap::new();
    for day in period.days() {
        if let Some(change) = changes.get(&day) {
            now += &change.0;
        }
        days.insert(day, now.clone());
    }
    days
}
