//! How many customers there are, from a walk over all of them and from what happened since.
//!
//! Each customer counts once. A walk counts what its list shows. Whoever was created after its first page was asked for
//! stands before that page's newest customer, where the walk never comes by, and is counted by the event of its
//! creation: [`Front`] tells the two apart, also where they share a second. Who is deleted while the walk goes on may or
//! may not have been met. So the walk notes whom it has met, and its end takes off again only those of the deleted that
//! it met, or that an event had added. From then on a deletion is always of one that was counted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    super::{answers::Customer, metrics},
    events::{Happened, What},
};
use crate::{
    integrations::Error,
    metric::{Day, Period, Zone},
};

/// All customers, and those created on each day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    /// The first day of which it is known how many were new.
    pub(super) since: Day,
    pub(super) total: i64,
    /// Those of them that were created on a day.
    pub(super) new: BTreeMap<Day, i64>,
}

/// The newest customers when a walk began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Front {
    created: Option<i64>,
    /// Those created in that very second.
    ids: BTreeSet<String>,
}

/// By how much the number of customers at the end of days differs from what the days of creation suggest, as
/// differences between neighbouring days: who was deleted is in no list any more, but was there until then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gone(BTreeMap<Day, i64>);

impl Counts {
    pub(super) fn new(since: Day) -> Self {
        Self { since, total: 0, new: BTreeMap::new() }
    }

    /// Counts one that was created on a day.
    pub(super) fn add(&mut self, born: Day) {
        self.total = self.total.saturating_add(1);
        if self.since <= born {
            add(&mut self.new, born, 1);
        }
    }

    /// Takes one off that was created on a day.
    pub(super) fn remove(&mut self, born: Day) {
        self.total = self.total.saturating_sub(1).max(0);
        if self.new.contains_key(&born) {
            add(&mut self.new, born, -1);
        }
    }

    /// How many there were at the end of each day of a period, oldest day first.
    pub(super) fn levels(&self, gone: &Gone, period: Period) -> Vec<(Day, i64)> {
        let after =
            |by_day: &BTreeMap<Day, i64>, day: Day| by_day.range(day.next()..).map(|(_, count)| count).sum::<i64>();
        let level = |day: Day| self.total.saturating_sub(after(&self.new, day)).saturating_sub(after(&gone.0, day));
        period.days().map(|day| (day, level(day).max(0))).collect()
    }

    /// How many customers it takes at least to tell one from the other: day by day, and all older ones together.
    pub(super) fn distance(&self, other: &Self) -> u64 {
        let since = self.since.max(other.since);
        let days: BTreeSet<&Day> =
            self.new.range(since..).chain(other.new.range(since..)).map(|(day, _)| day).collect();
        let of = |counts: &Self, day: &Day| counts.new.get(day).copied().unwrap_or(0);
        let (mut distance, mut older) = (0_u64, self.total.saturating_sub(other.total));
        for day in days {
            let more = of(self, day).saturating_sub(of(other, day));
            distance = distance.saturating_add(more.unsigned_abs());
            older = older.saturating_sub(more);
        }
        distance.saturating_add(older.unsigned_abs())
    }
}

impl Front {
    /// The newest of a walk's first page.
    pub(super) fn of(page: &[Customer]) -> Self {
        Self { created: page.iter().map(|customer| customer.created).max(), ids: BTreeSet::new() }
    }

    /// Notes one that the list shows. Whether the walk counts it.
    pub(super) fn meet(&mut self, customer: &Customer) -> bool {
        if self.created == Some(customer.created) {
            self.ids.insert(customer.id.clone());
        }
        self.created.is_some_and(|newest| customer.created <= newest)
    }

    /// Whether one that the event of its creation tells of was created after the walk began.
    pub(super) fn is_before(&self, id: &str, created: i64) -> bool {
        self.created.is_none_or(|newest| newest < created || (newest == created && !self.ids.contains(id)))
    }
}

impl Gone {
    /// Of the deletions among what happened.
    pub(super) fn of(happened: &[Happened], zone: &Zone) -> Result<Self, Error> {
        let mut gone = Self::default();
        gone.extend(happened, zone)?;
        Ok(gone)
    }

    /// The same for what happened since.
    pub(super) fn extend(&mut self, happened: &[Happened], zone: &Zone) -> Result<(), Error> {
        for deleted in happened.iter().filter(|happened| happened.what == What::Deleted) {
            add(&mut self.0, metrics::day_of(deleted.born_at, zone)?, 1);
            add(&mut self.0, metrics::day_of(deleted.at, zone)?, -1);
        }
        Ok(())
    }

    pub(super) fn forget_before(&mut self, day: Day) {
        self.0.retain(|known, _| day <= *known);
    }
}

/// Adds to a day's number; none is kept that is zero.
fn add(by_day: &mut BTreeMap<Day, i64>, day: Day, count: i64) {
    let sum = by_day.entry(day).or_default();
    *sum = sum.saturating_add(count);
    if *sum == 0 {
        by_day.remove(&day);
    }
}
