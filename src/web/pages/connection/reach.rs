//! How much of each metric was read, and how far back.

use std::collections::BTreeMap;

use super::days::Days;
use crate::metric::{Day, State};

/// One metric.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) name: String,
    /// Days that were answered, and those that there are to be had.
    pub(super) read: usize,
    pub(super) days: usize,
    /// The oldest day that was answered; empty where none was.
    pub(super) oldest: String,
}

impl Reach {
    /// From 0 to 100.
    pub(super) fn hundredths(&self) -> usize {
        (self.read * 100).checked_div(self.days).unwrap_or(0)
    }
}

/// Of every metric, in the order in which they were first read.
pub(super) fn of(days: &Days, name_of: &impl Fn(&str) -> String) -> Vec<Reach> {
    let mut order: Vec<&str> = Vec::new();
    let mut states: BTreeMap<&str, BTreeMap<Day, bool>> = BTreeMap::new();
    for (metric, marks) in &days.totals {
        if !order.contains(&metric.as_str()) {
            order.push(metric);
        }
        let of_metric = states.entry(metric).or_default();
        for (day, mark) in marks {
            match mark.map(|mark| mark.state) {
                // The provider has none of them.
                Some(State::BeyondRetention | State::Unsupported) => {}
                // Whatever its currency, an answer was for all.
                state => *of_metric.entry(*day).or_default() |= state.is_some_and(State::is_answered),
            }
        }
    }
    let reach = |metric: &str| {
        let states = states.remove(metric).unwrap_or_default();
        let read = || states.iter().filter(|(_, is_read)| **is_read).map(|(day, _)| day);
        Reach {
            name: name_of(metric),
            read: read().count(),
            days: states.len(),
            oldest: read().next().map(|day| day.date().strftime("%-d %b %Y").to_string()).unwrap_or_default(),
        }
    };
    order.into_iter().map(reach).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Mark, Period};

    #[test]
    fn what_was_answered_counts_whatever_its_currency_and_what_nobody_has_does_not() {
        let first: Day = "2026-03-01".parse().unwrap();
        let marks = |states: &[State]| -> BTreeMap<Day, Option<Mark>> {
            (0..).zip(states).map(|(at, state)| (first.plus(at), Some(Mark::new(*state)))).collect()
        };
        use State::{BeyondRetention, Pending, Value, Zero};
        let days = Days {
            period: Period::inclusive(first, first.plus(3)),
            totals: vec![
                ("mrr".to_owned(), marks(&[BeyondRetention, Pending, Pending, Zero])),
                ("mrr".to_owned(), BTreeMap::from([(first.plus(2), Some(Mark::new(Value)))])),
                ("users".to_owned(), BTreeMap::from([(first, None)])),
            ],
        };
        let reach = of(&days, &str::to_uppercase);
        let expected = Reach { name: "MRR".to_owned(), read: 2, days: 3, oldest: "3 Mar 2026".to_owned() };
        assert_eq!((&reach[0], reach[0].hundredths()), (&expected, 66));
        assert_eq!((reach[1].read, reach[1].days, reach[1].oldest.as_str()), (0, 1, ""));
    }
}
