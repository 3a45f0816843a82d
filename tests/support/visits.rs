//! An integration of visitors who come again on other days: what may not be added up, of days, weeks and months.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use dashtray::{
    integrations::{
        AccountInfo, Batch, Context, Descriptor, Error, FetchReport, Integration, Outcome, Shape, Stream, ZonePolicy,
    },
    metric::{Answer, Day, Definition, Dimension, Interval, Kind, Period, Sample, Scope, Unit, Value, WidgetType},
};

use super::frame;

/// Visits of a day: they may be added.
pub(crate) const VISITS: &str = "visits_visits";
/// Different visitors.
pub(crate) const VISITORS: &str = "visits_visitors";
/// The middle one of the visitors' numbers, in seconds, each as often as it came.
pub(crate) const TYPICAL: &str = "visits_typical";
/// Different visitors of each page.
pub(crate) const PAGES: &str = "visits_pages";

/// What it does when it is asked for weeks or months.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Way {
    #[default]
    Right,
    /// One metric fails.
    FailMetric(&'static str, Error),
    /// The whole call fails.
    Fail(Error),
    /// Days are answered, as if nothing else was asked for.
    AnswerDays,
    /// The days up to the middle of the last week are answered.
    Cut,
    /// The first one is left out.
    LeaveOut,
    /// It speaks of what is added up by the host.
    AnswerFlow,
}

#[derive(Debug, Default)]
struct State {
    way: Way,
    days_fail: Option<Error>,
    late: BTreeMap<Day, BTreeSet<i64>>,
    retention_days: Option<u32>,
    calls: Vec<(Interval, Vec<String>, Period)>,
}

/// The integration, and what it is told to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visits(Arc<Mutex<State>>);

impl Visits {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers for weeks and months that way from now on.
    pub(crate) fn go(&self, way: Way) {
        self.state().way = way;
    }

    /// Fails whenever it is asked for days, or not any more.
    pub(crate) fn fail_days(&self, error: Option<Error>) {
        self.state().days_fail = error;
    }

    /// Of so many days back there is an answer.
    pub(crate) fn reach(&self, days: u32) {
        self.state().retention_days = Some(days);
    }

    /// Somebody was there that day who is only known of now.
    pub(crate) fn comes_late(&self, day: Day, visitor: i64) {
        self.state().late.entry(day).or_default().insert(visitor);
    }

    /// The calls since the last time this was asked: grain, metrics, period.
    pub(crate) fn take_calls(&self) -> Vec<(Interval, Vec<String>, Period)> {
        std::mem::take(&mut self.state().calls)
    }

    /// Who was there on each day of a period: visitor n on every nth day, so that some are there again and again.
    pub(crate) fn who(&self, period: Period) -> Vec<i64> {
        let late = self.state().late.clone();
        let regular = |day: Day| (1..=12).filter(move |visitor| i64::from(day.number()) % visitor == 0);
        period.days().flat_map(|day| regular(day).chain(late.get(&day).into_iter().flatten().copied())).collect()
    }

    /// Different visitors of a period, or of a page in it.
    pub(crate) fn different(&self, period: Period, page: Option<&str>) -> i64 {
        let visitors = self.who(period).into_iter().filter(|visitor| page.is_none_or(|page| page_of(*visitor) == page));
        i64::try_from(visitors.collect::<BTreeSet<i64>>().len()).unwrap()
    }

    fn samples(&self, id: &str, bucket: Period) -> Vec<Sample> {
        let mut who = self.who(bucket);
        who.sort_unstable();
        let count = |number: usize| Value::Count(i64::try_from(number).unwrap());
        let first = bucket.start();
        match id {
            VISITS => vec![Sample::new(first, count(who.len()))],
            VISITORS => vec![Sample::new(first, Value::Count(self.different(bucket, None)))],
            TYPICAL => {
                who.get(who.len() / 2).map(|n| Sample::new(first, Value::Millis(n * 1000))).into_iter().collect()
            }
            _ => {
                let pages: BTreeSet<&str> = who.iter().map(|visitor| page_of(*visitor)).collect();
                let of_page = |page| Value::Count(self.different(bucket, Some(page)));
                pages.into_iter().map(|page| Sample::new(first, of_page(page)).of(page).with("label", page)).collect()
            }
        }
    }
}

/// The page that a visitor looks at.
fn page_of(visitor: i64) -> &'static str {
    if visitor % 2 == 0 { "/prices" } else { "/" }
}

fn definition(id: &str, kind: Kind, retention_days: Option<u32>) -> Definition {
    let is_table = id == PAGES;
    Definition {
        unit: if kind == Kind::Statistic { Unit::Seconds } else { Unit::Count },
        widget_type: if is_table { WidgetType::Table } else { WidgetType::Metric },
        retention_days,
        dimension: is_table.then_some(Dimension::Page),
        ..frame::definition(id, kind, "visits")
    }
}

#[async_trait]
impl Integration for Visits {
    fn descriptor(&self) -> Arc<Descriptor> {
        let retention = self.state().retention_days;
        let streams = vec![Stream {
            id: "visits".to_owned(),
            shape: Shape::ByDay { window_days: 30 },
            version: 1,
            cost: "none".to_owned(),
            periods: true,
        }];
        let metrics =
            [(VISITS, Kind::Flow), (VISITORS, Kind::Distinct), (TYPICAL, Kind::Statistic), (PAGES, Kind::Distinct)]
                .map(|(id, kind)| definition(id, kind, retention));
        Arc::new(Descriptor {
            settings: vec![frame::setting("site", &["visits"])],
            zone: ZonePolicy::Utc,
            history_days: 60,
            ..frame::descriptor("visits", streams, metrics.into())
        })
    }

    async fn test_connection(&self, _ctx: &Context) -> Result<AccountInfo, Error> {
        Ok(frame::account("visits-1", "Visits"))
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        let (way, days_fail) = {
            let mut state = self.state();
            state.calls.push((ctx.grain, metrics.to_vec(), period));
            match ctx.grain {
                Interval::Day => (Way::Right, state.days_fail.clone()),
                _ => (state.way.clone(), None),
            }
        };
        if let Some(error) = days_fail {
            return Err(error);
        }
        if let Way::Fail(error) = way {
            return Err(error);
        }
        let mut report = FetchReport::new(&self.descriptor(), metrics);
        let last_week = ctx.grain.bucket(ctx.today()).start();
        let (grain, answered) = match way {
            Way::AnswerDays => (Interval::Day, period),
            Way::Cut => (ctx.grain, Period::new(period.start(), last_week.plus(-3))),
            Way::LeaveOut => (ctx.grain, Period::new(ctx.grain.bucket(period.start()).end(), period.end())),
            _ => (ctx.grain, period),
        };
        let until_now = Period::inclusive(answered.start(), ctx.today());
        for id in metrics {
            if let Way::FailMetric(failing, error) = &way
                && failing == id
            {
                report.set(id, Outcome::Failed(error.clone()));
                continue;
            }
            let answered_for = if way == Way::AnswerFlow { VISITS } else { id };
            let buckets = grain.starts(answered.intersect(until_now)).map(|first| grain.bucket(first));
            let samples = buckets.flat_map(|bucket| self.samples(id, bucket.intersect(until_now))).collect();
            let scope = if id == PAGES { Scope::EveryDimension } else { Scope::Total };
            let answer = Answer::new(answered_for, scope, answered, samples);
            report.record(&[id], ctx.commit(Batch::new().answer(answer)).await)?;
        }
        Ok(report)
    }
}
