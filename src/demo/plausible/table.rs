//! What both versions of the API are made of: rows of metrics by dimensions.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{PlausibleGoal, PlausibleServer, problem::Problem};
use crate::{
    demo::company::{Company, Hit, SITE_ZONE, Tally, Visit, country_name, tally, tally_by},
    metric::{Day, Interval, Period, Zone},
};

/// The site as one request sees it.
pub(super) struct Asked {
    pub(super) company: Arc<Company>,
    pub(super) server: PlausibleServer,
    pub(super) now: Timestamp,
    pub(super) zone: Zone,
    pub(super) strict: bool,
}

/// What rows are cut by, besides time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Page,
    Goal,
    Source,
    Country,
    CountryName,
    Device,
    EntryPage,
}

/// Only these hits and visits count.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    pub(super) cut: Cut,
    pub(super) values: Vec<String>,
    pub(super) excludes: bool,
}

/// A row before its metrics are worked out.
pub(super) struct Row {
    /// First day of its bucket, where it is cut by time.
    pub(super) bucket: Option<Day>,
    pub(super) names: Vec<String>,
    tally: Tally,
    /// Everybody who was there in its bucket, whatever the filters say.
    everybody: i64,
}

impl Cut {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "event:page" => Self::Page,
            "event:goal" => Self::Goal,
            "visit:source" => Self::Source,
            "visit:country" => Self::Country,
            "visit:country_name" => Self::CountryName,
            "visit:device" => Self::Device,
            "visit:entry_page" => Self::EntryPage,
            _ => return None,
        })
    }

    fn name(self, visit: &Visit, hit: &Hit, goals: &[PlausibleGoal]) -> Option<String> {
        Some(match self {
            // What is reached on a page is no view of it, but belongs to it.
            Self::Page => hit.page.to_owned(),
            Self::Goal => goals.iter().find(|goal| goal.takes(hit))?.name.clone(),
            Self::Source => visit.source.to_owned(),
            Self::Country => visit.country.to_owned(),
            Self::CountryName => country_name(visit.country).unwrap_or(visit.country).to_owned(),
            Self::Device => visit.device.to_owned(),
            Self::EntryPage => visit.entry_page().to_owned(),
        })
    }
}

impl Asked {
    pub(super) fn new(company: Arc<Company>, server: PlausibleServer, now: Timestamp, strict: bool) -> Self {
        let zone = SITE_ZONE.parse().unwrap_or_else(|_| Zone::utc());
        Self { company, server, now, zone, strict }
    }

    pub(super) fn today(&self) -> Day {
        Day::of(self.now, &self.zone)
    }

    /// The buckets of a period, those at its ends cut by it.
    pub(super) fn buckets(&self, period: Period, grain: Interval) -> Vec<Period> {
        let mut buckets = Vec::new();
        let mut day = period.start();
        while day < period.end() {
            let bucket = grain.bucket(day).intersect(period);
            buckets.push(bucket);
            day = bucket.end();
        }
        buckets
    }

    /// The rows of a period, of those buckets and names alone under which something happened.
    pub(super) fn rows(&self, period: Period, grain: Option<Interval>, cuts: &[Cut], filters: &[Filter]) -> Vec<Row> {
        let goals = &self.server.goals;
        let is_let_through = |visit: &Visit, hit: &Hit| {
            filters.iter().all(|filter| {
                let name = filter.cut.name(visit, hit, goals);
                name.is_some_and(|name| filter.values.contains(&name)) != filter.excludes
            })
        };
        let buckets = grain.map_or_else(|| vec![period], |grain| self.buckets(period, grain));
        let mut rows = Vec::new();
        for bucket in buckets {
            let visits = self.company.web().period(bucket, &self.zone);
            let everybody = tally(visits).visitors();
            let tallies = tally_by(visits, |visit, hit| {
                let names: Option<Vec<String>> = cuts.iter().map(|cut| cut.name(visit, hit, goals)).collect();
                names.filter(|_| is_let_through(visit, hit))
            });
            rows.extend(tallies.into_iter().map(|(names, tally)| Row {
                bucket: grain.map(|_| bucket.start()),
                names,
                tally,
                everybody,
            }));
        }
        rows
    }

    /// A row of nothing, for what is told although nothing happened.
    pub(super) fn nothing(bucket: Option<Day>) -> Row {
        Row { bucket, names: Vec::new(), tally: Tally::default(), everybody: 0 }
    }

    /// A goal by its name, or the refusal.
    pub(super) fn goal(&self, name: &str) -> Result<&PlausibleGoal, Problem> {
        self.server.goals.iter().find(|goal| goal.name == name).ok_or_else(|| Problem::unknown_goal(name))
    }
}

impl Row {
    /// A metric as Plausible tells it: rounded, and without what lies under nothing.
    pub(super) fn metric(&self, name: &str, currency: Option<&str>) -> Value {
        let tally = &self.tally;
        match name {
            "visitors" => json!(tally.visitors()),
            "visits" => json!(tally.visits),
            "pageviews" => json!(tally.pageviews),
            "events" => json!(tally.events()),
            "bounce_rate" if tally.visits > 0 => json!(half_up(100 * tally.bounces, tally.visits)),
            "visit_duration" if tally.visits > 0 => json!(half_up(tally.duration_secs, tally.visits)),
            "views_per_visit" if tally.visits > 0 => hundredths(half_up(100 * tally.pageviews, tally.visits)),
            "conversion_rate" if self.everybody > 0 => hundredths(half_up(10_000 * tally.visitors(), self.everybody)),
            "total_revenue" => currency.map_or(Value::Null, |currency| {
                let shown = hundredths(tally.revenue);
                json!({ "value": shown, "currency": currency, "short": format!("${shown}"), "long": format!("${shown}") })
            }),
            _ => Value::Null,
        }
    }
}

fn half_up(a: i64, b: i64) -> i64 {
    (2 * a + b) / (2 * b)
}

/// A number with decimals as Plausible writes it: a float, whatever it stands for.
fn hundredths(value: i64) -> Value {
    let text = format!("{}.{:02}", value / 100, value % 100);
    serde_json::from_str(&text).unwrap_or_default()
}
