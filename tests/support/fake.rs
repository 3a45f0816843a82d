//! An integration without a provider: what it answers, and how it fails, is up to the test.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use dashtray::{
    integrations::{
        AccountInfo, Batch, Context, Descriptor, Error, FetchReport, Integration, Order, Outcome, Record, Shape, Stream,
    },
    metric::{Answer, Day, Definition, Kind, Period, Sample, Value},
};
use tokio::sync::Notify;

use super::frame;

/// What the fake does when it is asked.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// Answers.
    Answer,
    /// The whole call fails.
    Fail(Error),
    /// One metric fails, the others are answered.
    FailMetric(&'static str, Error),
    /// One metric is not included.
    Unsupported(&'static str),
    /// Panics after it has committed half.
    Panic,
    /// Commits half and then never comes back.
    Hang,
    /// Commits half and then asks for records for ever.
    AskForEver,
    /// Commits half and then keeps its thread until it is let go.
    Spin,
    /// Says that all went well and answers nothing.
    Lie,
    /// Panics when it is tested.
    PanicTest,
    /// Never comes back from a test.
    HangTest,
}

/// Shared between the test and the integration.
#[derive(Debug)]
pub(crate) struct Script {
    id: &'static str,
    state: Mutex<State>,
    /// Notified when a hanging call has committed its half.
    pub(crate) hanging: Notify,
    /// Whether a spinning call keeps its thread.
    pub(crate) spinning: AtomicBool,
}

#[derive(Debug)]
struct State {
    behaviour: Behaviour,
    shift: i64,
    calls: Vec<(Vec<String>, Period)>,
    tests: usize,
    running: BTreeMap<String, usize>,
    overlaps: usize,
    pace: Duration,
}

impl Script {
    pub(crate) fn new() -> Arc<Self> {
        Self::named("fake")
    }

    /// For an integration of another id.
    pub(crate) fn named(id: &'static str) -> Arc<Self> {
        let state = State {
            behaviour: Behaviour::Answer,
            shift: 0,
            calls: Vec::new(),
            tests: 0,
            running: BTreeMap::new(),
            overlaps: 0,
            pace: Duration::ZERO,
        };
        Arc::new(Self { id, state: Mutex::new(state), hanging: Notify::new(), spinning: AtomicBool::new(false) })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.state().behaviour = behaviour;
    }

    /// Moves every value from now on, as a provider that restates.
    pub(crate) fn shift(&self, by: i64) {
        self.state().shift = by;
    }

    /// Lets every call take this long, so that runs have a chance to overlap.
    pub(crate) fn pace(&self, pace: Duration) {
        self.state().pace = pace;
    }

    /// The calls since the last time this was asked.
    pub(crate) fn take_calls(&self) -> Vec<(Vec<String>, Period)> {
        std::mem::take(&mut self.state().calls)
    }

    /// How often a connection was tested since the last time this was asked.
    pub(crate) fn take_tests(&self) -> usize {
        std::mem::take(&mut self.state().tests)
    }

    /// How often two runs of one connection were under way at once.
    pub(crate) fn overlaps(&self) -> usize {
        self.state().overlaps
    }
}

/// Two streams: `events` by day, `account` walked whole with records.
#[derive(Debug)]
pub(crate) struct Fake(pub(crate) Arc<Script>);

fn definition(id: &str, kind: Kind, stream: &str) -> Definition {
    Definition {
        settles_after_days: u16::from(kind == Kind::Flow),
        retention_days: (kind == Kind::Level).then_some(1),
        ..frame::definition(id, kind, stream)
    }
}

/// The value of a day before any shift.
pub(crate) fn value_of(day: Day) -> i64 {
    i64::from(day.number() % 7) * 10
}

#[async_trait]
impl Integration for Fake {
    fn descriptor(&self) -> Arc<Descriptor> {
        let stream =
            |id: &str, shape| Stream { id: id.to_owned(), shape, version: 1, cost: "none".to_owned(), periods: false };
        let streams = vec![stream("events", Shape::ByDay { window_days: 10 }), stream("account", Shape::WholeAccount)];
        let metrics = vec![
            definition("fake_events", Kind::Flow, "events"),
            definition("fake_users", Kind::Distinct, "events"),
            definition("fake_total", Kind::Level, "account"),
        ];
        let settings = vec![frame::setting("flavour", &["events"])];
        Arc::new(Descriptor { name: "Fake".to_owned(), settings, ..frame::descriptor(self.0.id, streams, metrics) })
    }

    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error> {
        let behaviour = {
            let mut state = self.0.state();
            state.tests += 1;
            state.behaviour.clone()
        };
        match behaviour {
            Behaviour::Fail(error) => return Err(error),
            Behaviour::PanicTest => panic!("the fake panics with a secret: canary-4711"),
            Behaviour::HangTest => {
                self.0.hanging.notify_one();
                std::future::pending::<()>().await;
            }
            _ => {}
        }
        Ok(frame::account(ctx.settings.text("flavour").unwrap_or("plain"), "Fake account"))
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        let (behaviour, shift, pace) = {
            let mut state = self.0.state();
            state.calls.push((metrics.to_vec(), period));
            (state.behaviour.clone(), state.shift, state.pace)
        };
        let _running = self.0.enter(ctx.settings.text("flavour").unwrap_or("plain"));
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
        let descriptor = self.descriptor();
        let mut report = FetchReport::new(&descriptor, metrics);
        if let Behaviour::Fail(error) = behaviour {
            return Err(error);
        }
        for id in metrics {
            match &behaviour {
                Behaviour::Lie => {
                    report.set(id, Outcome::Ok);
                    continue;
                }
                Behaviour::FailMetric(failing, error) if failing == id => {
                    report.set(id, Outcome::Failed(error.clone()));
                    continue;
                }
                Behaviour::Unsupported(missing) if missing == id => {
                    report.set(id, Outcome::Unsupported("the plan does not include it".to_owned()));
                    continue;
                }
                _ => {}
            }
            let samples = |period: Period| {
                period.days().map(|day| Sample::new(day, Value::Count(value_of(day) + shift))).collect::<Vec<_>>()
            };
            let today = ctx.today();
            let answers = if id == "fake_total" { Period::single(today).intersect(period) } else { period };
            let days: Vec<Day> = answers.days().collect();
            let (late, early) = days.split_at(days.len() / 2);
            for half in [early, late] {
                let (Some(first), Some(last)) = (half.first(), half.last()) else { continue };
                let part = Period::inclusive(*first, *last);
                let mut batch = Batch::new().answer(Answer::total(id, part, samples(part)));
                if id == "fake_total" {
                    batch = batch
                        .upsert("account", Record { key: "a".into(), group: "g".into(), bytes: vec![1, 2, 3] })
                        .checkpoint("account", b"walked".to_vec());
                }
                ctx.commit(batch).await?;
                match &behaviour {
                    Behaviour::Panic => panic!("the fake panics with a secret: canary-4711"),
                    Behaviour::Hang => {
                        self.0.hanging.notify_one();
                        std::future::pending::<()>().await;
                    }
                    Behaviour::AskForEver => {
                        self.0.hanging.notify_one();
                        loop {
                            ctx.scan("account", Order::Key, None, 1).await?;
                        }
                    }
                    Behaviour::Spin => {
                        self.0.spinning.store(true, Ordering::Relaxed);
                        while self.0.spinning.load(Ordering::Relaxed) {
                            std::hint::spin_loop();
                        }
                        self.0.behave(Behaviour::Answer);
                        return Ok(report);
                    }
                    _ => {}
                }
            }
            if id == "fake_total" {
                let records = ctx.scan("account", Order::Group, None, 10).await?;
                assert_eq!(records.len(), 1, "what was committed can be read in the same run");
            }
            report.set(id, Outcome::Ok);
        }
        Ok(report)
    }
}

impl Script {
    fn enter(self: &Arc<Self>, connection: &str) -> Running {
        let mut state = self.state();
        let running = state.running.entry(connection.to_owned()).or_default();
        *running += 1;
        if *running > 1 {
            state.overlaps += 1;
        }
        Running { script: self.clone(), connection: connection.to_owned() }
    }
}

/// A call that is under way.
struct Running {
    script: Arc<Script>,
    connection: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(running) = self.script.state().running.get_mut(&self.connection) {
            *running -= 1;
        }
    }
}
