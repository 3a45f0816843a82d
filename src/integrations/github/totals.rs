//! The totals over all repositories, and how each metric fared.

use std::collections::BTreeMap;

use super::{
    metrics::{CONTRIBUTORS, Row},
    series::{Days, Part},
};
use crate::{
    integrations::{Error, Outcome, Why},
    metric::{Kind, Period},
};

/// Grows by one repository after another; memory depends on days alone.
pub(super) struct Totals {
    rows: Vec<&'static Row>,
    days: BTreeMap<&'static str, Days>,
    outcomes: BTreeMap<&'static str, Outcome>,
    repositories: usize,
    /// How many repositories have no such thing, and on which days none of them has.
    absent: usize,
    nowhere: Option<(Period, String)>,
}

impl Totals {
    /// Totals of these metrics over so many repositories.
    pub(super) fn new(rows: &[&'static Row], repositories: usize) -> Self {
        let outcomes = rows.iter().map(|row| (row.id, Outcome::Ok)).collect();
        Self { rows: rows.to_vec(), days: BTreeMap::new(), outcomes, repositories, absent: 0, nowhere: None }
    }

    /// Takes a repository in. One that has no such thing leaves the totals whole.
    pub(super) fn add(&mut self, part: &Part) -> Result<(), Error> {
        if let Some((period, reason)) = part.absent() {
            self.absent += 1;
            let known = self.nowhere.take().unwrap_or_else(|| (period, reason.to_owned()));
            self.nowhere = Some((known.0.intersect(period), known.1));
        }
        for row in &self.rows {
            let days = part.days(row.id);
            if part.absent().is_none() {
                note(&mut self.outcomes, row.id, &days);
                self.days.entry(row.id).or_default().lose_with(&days);
            }
            if !self.overlaps(row) {
                self.days.entry(row.id).or_default().add(&days, row.kind)?;
            }
        }
        Ok(())
    }

    /// The totals in the order of the metrics, and their outcomes.
    pub(super) fn finish(mut self, period: Period) -> (Vec<Days>, BTreeMap<&'static str, Outcome>) {
        let mut totals = Vec::with_capacity(self.rows.len());
        let nowhere = self.nowhere.as_ref().filter(|_| self.absent == self.repositories);
        for row in &self.rows {
            let mut days = self.days.remove(row.id).unwrap_or_default();
            if let Some((absent, reason)) = nowhere {
                days.lose(*absent, &Why::Unsupported(reason.clone()));
                note(&mut self.outcomes, row.id, &days);
            }
            if self.overlaps(row) {
                let count = self.repositories;
                days.lose(
                    period,
                    &Why::Unsupported(format!("unique counts of {count} repositories overlap; see each")),
                );
            }
            totals.push(days);
        }
        (totals, self.outcomes)
    }

    /// Whether the repositories' values may hold the same visitor twice. Who contributed is known by name.
    fn overlaps(&self, row: &Row) -> bool {
        row.kind == Kind::Distinct && row.id != CONTRIBUTORS && self.repositories > 1
    }
}

/// A failure stands over everything, and the first of them is the one that is shown.
fn note(outcomes: &mut BTreeMap<&'static str, Outcome>, metric: &'static str, days: &Days) {
    let outcome = match (days.worst(), outcomes.get(metric)) {
        (Some(Why::Failed(error)), Some(Outcome::Ok | Outcome::Unsupported(_))) => Outcome::Failed(error.clone()),
        (Some(Why::Unsupported(reason)), Some(Outcome::Ok)) => Outcome::Unsupported(reason.clone()),
        _ => return,
    };
    outcomes.insert(metric, outcome);
}
