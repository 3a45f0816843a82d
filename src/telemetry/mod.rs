//! What this process has done since it was started, in numbers for whoever watches it.
//!
//! The numbers are the process's, as its log is, so there is one [`Telemetry`] for all of it, and whoever does something
//! counts it where it happens. What the database knows (connections, what is due) is not counted here but asked for when
//! somebody wants to know. Labels are short lists: integrations, states, kinds; never a connection, a project or a host.

mod process;
mod text;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use process::Process;
pub use text::{Kind, Page};

/// Upper ends of the buckets of how long the database took, in microseconds.
const BOUNDS: [u64; 8] = [500, 1_000, 5_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000];

/// What was done with the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Rows were read, outside any transaction.
    Read,
    /// A statement changed rows, or read them within a transaction.
    Write,
    /// A transaction began; on SQLite with the wait for the one that writes.
    Begin,
    /// A transaction was made durable.
    Commit,
}

impl Operation {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Read, "read"), (Self::Write, "write"), (Self::Begin, "begin"), (Self::Commit, "commit")];
}

/// Counters of a process. They only rise.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// By integration and how they ended.
    runs: Counts<2>,
    /// By integration and kind.
    failures: Counts<2>,
    /// By integration and class of status.
    calls: Counts<2>,
    /// Microseconds by integration.
    calling: Counts<1>,
    /// Milliseconds by integration.
    waiting: Counts<1>,
    /// By integration.
    points: Counts<1>,
    /// By [`Operation`], in the order of [`Operation::ALL`].
    database: [Histogram; 4],
    /// Under way.
    running: AtomicU64,
}

/// A run, as long as it is under way.
#[derive(Debug)]
pub struct Running<'a>(&'a Telemetry);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

static OURS: Telemetry = Telemetry::new();

/// That of this process.
pub fn ours() -> &'static Telemetry {
    &OURS
}

impl Telemetry {
    const fn new() -> Self {
        Self {
            runs: Counts::new(),
            failures: Counts::new(),
            calls: Counts::new(),
            calling: Counts::new(),
            waiting: Counts::new(),
            points: Counts::new(),
            database: [Histogram::new(), Histogram::new(), Histogram::new(), Histogram::new()],
            running: AtomicU64::new(0),
        }
    }

    /// A run begins.
    pub fn run_begins(&self) -> Running<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self)
    }

    /// A run ended, and these kinds of failures were in it, each named once.
    pub fn run_ended(&self, integration: &str, status: &str, failures: impl IntoIterator<Item = &'static str>) {
        self.runs.add([integration, status], 1);
        failures.into_iter().for_each(|kind| self.failures.add([integration, kind], 1));
    }

    /// A provider was called, and answered with this status or not at all.
    pub fn called(&self, integration: &str, status: Option<u16>, took: Duration) {
        let class = match status {
            Some(200..=299) => "2xx",
            Some(300..=399) => "3xx",
            Some(400..=499) => "4xx",
            Some(500..=599) => "5xx",
            Some(_) => "other",
            None => "none",
        };
        self.calls.add([integration, class], 1);
        self.calling.add([integration], micros(took));
    }

    /// Somebody waited for a provider's limit, or to try again.
    pub fn waited(&self, integration: &str, wait: Duration) {
        self.waiting.add([integration], u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    }

    /// Points were written that are new or changed.
    pub fn wrote(&self, integration: &str, points: u64) {
        self.points.add([integration], points);
    }

    /// The database did something.
    pub fn database(&self, operation: Operation, took: Duration) {
        let at = Operation::ALL.iter().position(|(known, _)| *known == operation).unwrap_or_default();
        if let Some(histogram) = self.database.get(at) {
            histogram.add(micros(took));
        }
    }

    /// Writes all of it.
    pub fn write(&self, page: &mut Page) {
        let counter = Kind::Counter;
        page.family(
            "dashtray_runs_total",
            counter,
            "Runs of connections that ended in this process, by how they ended.",
        );
        self.runs.each(|[integration, status], count| {
            page.sample("", &[("integration", integration), ("status", status)], count);
        });
        page.family(
            "dashtray_run_failures_total",
            counter,
            "Runs in which something failed, once for each kind of failure.",
        );
        self.failures.each(|[integration, kind], count| {
            page.sample("", &[("integration", integration), ("kind", kind)], count);
        });
        page.family("dashtray_runs_in_progress", Kind::Gauge, "Runs under way in this process.");
        page.sample("", &[], self.running.load(Ordering::Relaxed));
        page.family(
            "dashtray_provider_calls_total",
            counter,
            "Calls to providers, by class of the answer's status; none: no answer.",
        );
        self.calls.each(|[integration, class], count| {
            page.sample("", &[("integration", integration), ("status", class)], count);
        });
        page.family("dashtray_provider_call_seconds_total", counter, "Time that calls to providers took.");
        self.calling.each(|[integration], micros| page.seconds("", &[("integration", integration)], micros));
        page.family(
            "dashtray_provider_wait_seconds_total",
            counter,
            "Time spent waiting for providers' limits and between tries.",
        );
        self.waiting.each(|[integration], millis| {
            page.seconds("", &[("integration", integration)], millis.saturating_mul(1000));
        });
        page.family("dashtray_points_written_total", counter, "Points that were new or changed.");
        self.points.each(|[integration], count| page.sample("", &[("integration", integration)], count));
        page.family(
            "dashtray_database_seconds",
            Kind::Histogram,
            "Time that the database took; begin includes the wait for other writers.",
        );
        for ((_, name), histogram) in Operation::ALL.iter().zip(&self.database) {
            histogram.write(page, name);
        }
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// Numbers by their labels.
#[derive(Debug, Default)]
struct Counts<const N: usize>(Mutex<BTreeMap<[String; N], u64>>);

impl<const N: usize> Counts<N> {
    const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[String; N], u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, labels: [&str; N], count: u64) {
        let mut all = self.lock();
        let sum = all.entry(labels.map(str::to_owned)).or_default();
        *sum = sum.saturating_add(count);
    }

    fn each(&self, mut tell: impl FnMut([&str; N], u64)) {
        for (labels, count) in self.lock().iter() {
            tell(labels.each_ref().map(String::as_str), *count);
        }
    }
}

/// How often something took how long.
#[derive(Debug, Default)]
struct Histogram {
    /// The last one is for what took longer than all bounds.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BOUNDS.len() + 1], micros: AtomicU64::new(0) }
    }

    fn add(&self, micros: u64) {
        let at = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, page: &mut Page, operation: &str) {
        let mut so_far = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            so_far += bucket.load(Ordering::Relaxed);
            let bound = BOUNDS.get(at).map_or_else(|| "+Inf".to_owned(), |bound| text::seconds(*bound));
            page.sample("_bucket", &[("operation", operation), ("le", &bound)], so_far);
        }
        page.seconds("_sum", &[("operation", operation)], self.micros.load(Ordering::Relaxed));
        page.sample("_count", &[("operation", operation)], so_far);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_written_once_with_its_labels() {
        let telemetry = Telemetry::default();
        let running = telemetry.run_begins();
        telemetry.run_ended("acme", "ok", []);
        telemetry.run_ended("acme", "partial", ["forbidden", "unavailable"]);
        telemetry.run_ended("acme", "ok", []);
        telemetry.called("acme", Some(204), Duration::from_micros(1_500_001));
        telemetry.called("acme", Some(429), Duration::ZERO);
        telemetry.called("acme", None, Duration::ZERO);
        telemetry.waited("acme", Duration::from_millis(2050));
        telemetry.wrote("acme", 7);
        telemetry.database(Operation::Commit, Duration::from_micros(500));
        telemetry.database(Operation::Commit, Duration::from_secs(60));
        let mut page = Page::default();
        telemetry.write(&mut page);
        let text = page.into_text();
        for line in [
            "# TYPE dashtray_runs_total counter",
            "dashtray_runs_total{integration=\"acme\",status=\"ok\"} 2",
            "dashtray_runs_total{integration=\"acme\",status=\"partial\"} 1",
            "dashtray_run_failures_total{integration=\"acme\",kind=\"forbidden\"} 1",
            "dashtray_runs_in_progress 1",
            "dashtray_provider_calls_total{integration=\"acme\",status=\"2xx\"} 1",
            "dashtray_provider_calls_total{integration=\"acme\",status=\"none\"} 1",
            "dashtray_provider_call_seconds_total{integration=\"acme\"} 1.500001",
            "dashtray_provider_wait_seconds_total{integration=\"acme\"} 2.05",
            "dashtray_points_written_total{integration=\"acme\"} 7",
            "dashtray_database_seconds_bucket{operation=\"commit\",le=\"0.0005\"} 1",
            "dashtray_database_seconds_bucket{operation=\"commit\",le=\"10\"} 1",
            "dashtray_database_seconds_bucket{operation=\"commit\",le=\"+Inf\"} 2",
            "dashtray_database_seconds_sum{operation=\"commit\"} 60.0005",
            "dashtray_database_seconds_count{operation=\"commit\"} 2",
            "dashtray_database_seconds_count{operation=\"read\"} 0",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in\n{text}");
        }
        drop(running);
        let mut page = Page::default();
        telemetry.write(&mut page);
        assert!(page.into_text().contains("\ndashtray_runs_in_progress 0\n"));
    }
}
