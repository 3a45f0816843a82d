//! What a run asks for, in which order. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    integrations::{Descriptor, Shape},
    metric::{Day, Interval, Period},
};

/// What has to be read: the buckets of each metric, by their first days.
pub(super) type Due = BTreeMap<String, BTreeSet<Day>>;

/// One call of `fetch_metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) stream: String,
    pub(super) grain: Interval,
    pub(super) metrics: Vec<String>,
    pub(super) period: Period,
}

/// Orders what is due into steps: of every stream the newest window first, then all the second newest, so that the
/// days people look at are there early. A whole account is walked once, for all its days; and all the weeks of a stream
/// are one step, and all its months.
pub(super) fn steps(descriptor: &Descriptor, grain: Interval, due: &Due) -> Vec<Step> {
    let by_stream: Vec<Vec<Step>> = descriptor
        .streams
        .iter()
        .map(|stream| {
            let metrics: Vec<(&str, &BTreeSet<Day>)> = descriptor
                .metrics_of(&stream.id)
                .filter_map(|metric| due.get(&metric.id).map(|days| (metric.id.as_str(), days)))
                .collect();
            let days: BTreeSet<Day> = metrics.iter().flat_map(|(_, days)| days.iter().copied()).collect();
            let shape = if grain == Interval::Day { stream.shape } else { Shape::WholeAccount };
            windows(shape, &days)
                .into_iter()
                .map(|period| grain.whole(period))
                .map(|period| Step {
                    stream: stream.id.clone(),
                    grain,
                    metrics: metrics
                        .iter()
                        .filter(|(_, days)| days.range(period.start()..period.end()).next().is_some())
                        .map(|(id, _)| (*id).to_owned())
                        .collect(),
                    period,
                })
                .collect()
        })
        .collect();
    let rounds = by_stream.iter().map(Vec::len).max().unwrap_or(0);
    (0..rounds).flat_map(|round| by_stream.iter().filter_map(move |steps| steps.get(round)).cloned()).collect()
}

/// Windows that cover all due days, newest first, none longer than the stream allows and none wider than needed.
fn windows(shape: Shape, days: &BTreeSet<Day>) -> Vec<Period> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Vec::new() };
    let Shape::ByDay { window_days } = shape else { return vec![Period::inclusive(*first, *last)] };
    let back = i32::try_from(window_days.max(1) - 1).unwrap_or(i32::MAX);
    let mut windows = Vec::new();
    let mut newest = Some(*last);
    while let Some(end) = newest {
        let earliest = end.plus(-back);
        let start = days.range(earliest..=end).next().copied().unwrap_or(end);
        windows.push(Period::inclusive(start, end));
        newest = days.range(..start).next_back().copied();
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn shown(shape: Shape, days: &[&str]) -> Vec<String> {
        let days = days.iter().map(|text| day(text)).collect();
        windows(shape, &days).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn windows_cover_what_is_due_newest_first_and_nothing_more() {
        let days = ["2026-01-01", "2026-01-02", "2026-01-20", "2026-01-29", "2026-01-30"];
        assert_eq!(
            shown(Shape::ByDay { window_days: 10 }, &days),
            ["[2026-01-29, 2026-01-31)", "[2026-01-20, 2026-01-21)", "[2026-01-01, 2026-01-03)"]
        );
        assert_eq!(shown(Shape::WholeAccount, &days), ["[2026-01-01, 2026-01-31)"]);
        assert!(shown(Shape::WholeAccount, &[]).is_empty());
    }
}
