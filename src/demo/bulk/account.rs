//! What is in a bulk account, from the number of each subscription and what was changed about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use jiff::Timestamp;

use super::Changed;

/// Years over which the subscriptions came.
const YEARS: u64 = 4;
const DAY: i64 = 86_400;
/// Plans that they have in common.
pub(super) const PLANS: u64 = 97;
/// Percent that each coupon takes off for ever.
pub(super) const COUPONS: [u64; 3] = [10, 20, 50];

/// What can be different about a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) plan: u64,
    /// Which of the coupons, if any.
    pub(super) coupon: Option<usize>,
    pub(super) ended: Option<i64>,
}

impl State {
    /// Cents a month before discounts.
    pub(super) fn amount(self) -> u64 {
        900 + self.plan * 100
    }

    /// Cents a month; all amounts are whole dollars, so that nothing is rounded.
    fn worth(self) -> u64 {
        let off = self.coupon.map_or(0, |coupon| COUPONS[coupon]);
        if self.ended.is_some() { 0 } else { self.amount() * (100 - off) / 100 }
    }
}

/// Something that happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event {
    pub(super) at: i64,
    pub(super) what: What,
    pub(super) number: u64,
    pub(super) was: State,
    pub(super) is: State,
}

/// What an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Updated,
    Deleted,
    DiscountCreated,
    DiscountDeleted,
}

impl What {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Updated => "customer.subscription.updated",
            Self::Deleted => "customer.subscription.deleted",
            Self::DiscountCreated => "customer.discount.created",
            Self::DiscountDeleted => "customer.discount.deleted",
        }
    }
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) subscriptions: u64,
    /// When the account was as it was at first.
    pub(super) opened: i64,
    /// The same, or the instant of the last change.
    pub(super) now: i64,
    discounted: u64,
    changed: BTreeMap<u64, State>,
    /// Oldest first.
    pub(super) events: Vec<Event>,
    rounds: u64,
}

impl Account {
    pub(super) fn new(subscriptions: u64, now: Timestamp, discounted: u64) -> Self {
        let now = now.as_second();
        Self { subscriptions, opened: now, now, discounted, changed: BTreeMap::new(), events: Vec::new(), rounds: 0 }
    }

    /// Newest first: number 0 came yesterday, the last one [`YEARS`] years before it, and more came later than earlier.
    pub(super) fn created(&self, number: u64) -> i64 {
        let (number, all) = (u128::from(number), u128::from(self.subscriptions.max(1)));
        let span = u128::from(YEARS * 365 * DAY.unsigned_abs());
        let age = span * (number * all + number * number) / (2 * all * all);
        self.opened - DAY - i64::try_from(age).unwrap_or(i64::MAX / 2)
    }

    /// The numbers of those created from `after` on and before `before`.
    pub(super) fn created_within(&self, after: i64, before: i64) -> Range<u64> {
        let first_older_than = |limit: i64| {
            let (mut low, mut high) = (0, self.subscriptions);
            while low < high {
                let middle = low.midpoint(high);
                if self.created(middle) < limit { high = middle } else { low = middle + 1 }
            }
            low
        };
        first_older_than(before)..first_older_than(after)
    }

    pub(super) fn state(&self, number: u64) -> State {
        self.changed.get(&number).copied().unwrap_or_else(|| self.first(number))
    }

    /// As it came.
    fn first(&self, number: u64) -> State {
        // Spread over the plans, the coupons and time, each in a step of its own.
        let has_coupon = number.wrapping_mul(37) % 100 < self.discounted;
        let coupon = usize::try_from(number / 7 % COUPONS.len() as u64).unwrap_or(0);
        State { plan: number % PLANS, coupon: has_coupon.then_some(coupon), ended: None }
    }

    pub(super) fn change(&mut self, count: u64, at: Timestamp) -> Changed {
        let at = at.as_second();
        self.now = self.now.max(at);
        self.rounds += 1;
        let before = self.events.len();
        let mut changed = Changed::default();
        let step = self.subscriptions / count.clamp(1, self.subscriptions.max(1)) + 1;
        let mut number = self.rounds * 11;
        // Whom no step meets that has not ended is found by going on from there.
        let mut left = self.subscriptions;
        let mut taken = BTreeSet::new();
        while changed.subscriptions < count && left > 0 {
            number %= self.subscriptions;
            if self.state(number).ended.is_some() || !taken.insert(number) {
                (number, left) = (number + 1, left - 1);
                continue;
            }
            let is = self.change_one(number, at, changed.subscriptions % 10);
            changed.subscriptions += 1;
            changed.discounted += u64::from(is.coupon.is_some());
            number += step;
        }
        changed.events = (self.events.len() - before) as u64;
        changed
    }

    fn change_one(&mut self, number: u64, at: i64, kind: u64) -> State {
        let was = self.state(number);
        let mut is = was;
        let told: &[What] = match (kind, was.coupon) {
            (3, _) => {
                is.ended = Some(at);
                &[What::Deleted]
            }
            (7, Some(_)) => {
                is.coupon = None;
                &[What::DiscountDeleted, What::Updated]
            }
            (7, None) => {
                is.coupon = Some(1);
                &[What::DiscountCreated, What::Updated]
            }
            _ => {
                is.plan = (was.plan + 1 + self.rounds) % PLANS;
                &[What::Updated]
            }
        };
        self.events.extend(told.iter().map(|what| Event { at, what: *what, number, was, is }));
        self.changed.insert(number, is);
        is
    }

    fn all(&self) -> impl Iterator<Item = State> {
        (0..self.subscriptions).map(|number| self.state(number))
    }

    pub(super) fn mrr(&self) -> u64 {
        self.all().map(State::worth).sum()
    }

    pub(super) fn active(&self) -> u64 {
        self.all().filter(|state| state.ended.is_none()).count() as u64
    }

    pub(super) fn discounted(&self) -> u64 {
        self.all().filter(|state| state.ended.is_none() && state.coupon.is_some()).count() as u64
    }
}
