//! Runs as lines of a table.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    metric::exact,
    series::format,
    sync::{OutcomeWord, RunStatus, RunView},
};

/// One run.
pub(super) struct RunLine {
    pub(super) started: String,
    pub(super) started_at: String,
    pub(super) tone: &'static str,
    pub(super) status: &'static str,
    pub(super) took: String,
    pub(super) calls: u64,
    pub(super) bytes: String,
    pub(super) waited: String,
    pub(super) written: u64,
    pub(super) error: String,
    /// What came of the metrics: the word, their names, and why.
    pub(super) outcomes: Vec<Outcome>,
}

/// The metrics that fared alike.
pub(super) struct Outcome {
    pub(super) word: &'static str,
    pub(super) count: usize,
    pub(super) names: String,
    pub(super) why: String,
}

impl RunLine {
    pub(super) fn of(run: &RunView, name_of: &impl Fn(&str) -> String, now: Timestamp) -> Self {
        let (tone, status) = match run.status {
            RunStatus::Running => ("info", "running"),
            RunStatus::Ok => ("good", "all read"),
            RunStatus::Partial => ("warn", "read in part"),
            RunStatus::RateLimited => ("warn", "asked to wait"),
            RunStatus::Failed => ("bad", "failed"),
        };
        let corrections = run.corrections.iter().map(|one| one.message.as_str());
        let said = run.error.iter().map(|error| error.message.as_str()).chain(corrections);
        Self {
            started: format::age(run.started_at, now),
            started_at: format::instant(run.started_at),
            tone,
            status,
            took: run.ended_at.map_or_else(String::new, |end| millis(end.duration_since(run.started_at).as_millis())),
            calls: run.requests,
            bytes: bytes(run.bytes),
            waited: if run.waited_ms == 0 { "–".to_owned() } else { millis(i128::from(run.waited_ms)) },
            written: run.samples_written,
            error: said.collect::<Vec<_>>().join(" "),
            outcomes: outcomes(run, name_of),
        }
    }
}

/// Metrics that fared alike, for the same reason, in one line.
fn outcomes(run: &RunView, name_of: &impl Fn(&str) -> String) -> Vec<Outcome> {
    let mut alike: BTreeMap<(u8, &str), Vec<String>> = BTreeMap::new();
    for metric in &run.metrics {
        let rank = match metric.outcome {
            OutcomeWord::Failed => 0,
            OutcomeWord::Unsupported => 1,
            OutcomeWord::Unknown => 2,
            OutcomeWord::Ok => 3,
            OutcomeWord::Unchanged => 4,
        };
        let why = metric.error.as_ref().map_or("", |error| error.message.as_str());
        alike.entry((rank, why)).or_default().push(name_of(&metric.metric_id));
    }
    let words = ["failed", "not available", "unknown", "read", "unchanged"];
    let line = |((rank, why), names): ((u8, &str), Vec<String>)| Outcome {
        word: words.get(usize::from(rank)).copied().unwrap_or_default(),
        count: names.len(),
        names: names.join(", "),
        why: why.to_owned(),
    };
    alike.into_iter().map(line).collect()
}

fn millis(millis: i128) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX).max(0);
    match exact::fraction(millis, 1000) {
        Some(seconds) if millis >= 1000 => format::duration(&seconds),
        _ => format!("{millis} ms"),
    }
}

/// Bytes for people: `812 B`, `14 kB`, `3.2 MB`.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([bytes(812), bytes(14_900), bytes(3_249_999)], ["812 B", "14 kB", "3.2 MB"]);
        assert_eq!(millis(840), "840 ms");
        assert_eq!(millis(-5), "0 ms");
    }
}
