//! What is measured: one row a metric, and what a number of deployments comes to.

use super::deployment::{Built, End, Target};
use crate::metric::{Definition, Dimension, Kind, Polarity, Unit, ValidRange, Value, WidgetType};

pub(super) const DEPLOYMENTS: &str = "vercel_deployments";
pub(super) const DEPLOYMENTS_TODAY: &str = "vercel_deployments_today";
pub(super) const DEPLOYMENTS_SUCCESS: &str = "vercel_deployments_success";
pub(super) const DEPLOYMENTS_FAILED: &str = "vercel_deployments_failed";
pub(super) const DEPLOYMENTS_PRODUCTION: &str = "vercel_deployments_production";
pub(super) const DEPLOYMENTS_PREVIEW: &str = "vercel_deployments_preview";
pub(super) const BUILD_TIME: &str = "vercel_build_time";
pub(super) const BUILD_TIME_P95: &str = "vercel_build_time_p95";
pub(super) const BUILD_SUCCESS_RATE: &str = "vercel_build_success_rate";
pub(super) const QUEUE_TIME: &str = "vercel_queue_time";
pub(super) const PAGEVIEWS: &str = "vercel_pageviews";
pub(super) const VISITORS: &str = "vercel_visitors";
pub(super) const FUNCTION_INVOCATIONS: &str = "vercel_function_invocations";
pub(super) const BANDWIDTH: &str = "vercel_bandwidth";
pub(super) const EDGE_REQUESTS: &str = "vercel_edge_requests";

/// How many days after its end a day is read again: what is under way then comes to an end.
pub(super) const SETTLES_AFTER_DAYS: u16 = 2;
/// How far back visits can be asked for, today included.
const VISITS_DAYS: u16 = 92;
/// How far back usage can be asked for, today included.
const USAGE_DAYS: u16 = 30;

/// What is read together. If it fails, exactly its metrics fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The list of deployments.
    Builds,
    /// Web Analytics.
    Visits,
    /// Observability.
    Usage,
}

impl Reading {
    /// The stream it belongs to.
    pub(super) fn stream(self) -> &'static str {
        match self {
            Self::Builds => "deployments",
            Self::Visits => "visits",
            Self::Usage => "usage",
        }
    }

    /// The ids of the metrics that it feeds.
    pub(super) fn ids(self) -> impl Iterator<Item = &'static str> {
        METRICS.iter().filter(move |row| row.reading == self).map(|row| row.id)
    }
}

/// One metric.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) reading: Reading,
    pub(super) kind: Kind,
    unit: Unit,
    name: &'static str,
    category: &'static str,
    polarity: Polarity,
    description: &'static str,
    differs: Option<&'static str>,
}

impl Row {
    /// With what Vercel's own screens show instead.
    const fn but(self, differs: &'static str) -> Self {
        Self { differs: Some(differs), ..self }
    }

    /// What it is read from.
    fn source(&self) -> String {
        match self.reading {
            Reading::Builds => "`/v7/deployments`".to_owned(),
            Reading::Visits => "`/v1/query/web-analytics/visits/aggregate`".to_owned(),
            Reading::Usage => {
                let observed = observed_as(self.id).first().copied().unwrap_or_default();
                format!("`/v2/observability/query`: `{observed}`")
            }
        }
    }

    /// How many days back Vercel can answer, today included; `None`: all that it still has.
    pub(super) fn retention_days(&self) -> Option<u16> {
        match (self.kind, self.reading) {
            (Kind::Level, _) => Some(1),
            (_, Reading::Builds) => None,
            (_, Reading::Visits) => Some(VISITS_DAYS),
            (_, Reading::Usage) => Some(USAGE_DAYS),
        }
    }

    /// The row as the host knows it.
    pub(super) fn definition(&self) -> Definition {
        Definition {
            id: self.id.to_owned(),
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            unit: self.unit,
            category: self.category.to_owned(),
            widget_type: if self.kind == Kind::Level { WidgetType::Metric } else { WidgetType::Chart },
            kind: self.kind,
            polarity: self.polarity,
            valid: if self.unit == Unit::Percent { ValidRange::Share } else { ValidRange::NotNegative },
            settles_after_days: if self.kind == Kind::Level { 0 } else { SETTLES_AFTER_DAYS },
            retention_days: self.retention_days().map(u32::from),
            definition: 1,
            dimension: Some(Dimension::Project),
            stream: self.reading.stream().to_owned(),
            source: self.source(),
            differs: self.differs.map(str::to_owned),
            explained: false,
            of_money: false,
            exchange_effect: None,
        }
    }
}

/// A metric's row by its id.
pub(super) fn find(id: &str) -> Option<&'static Row> {
    METRICS.iter().find(|row| row.id == id)
}

/// What some deployments come to, or the first state among them of which nobody here knows what it means.
pub(super) fn measure(id: &str, of: &[&Built]) -> Result<Option<Value>, String> {
    let count = |is: &dyn Fn(&Built) -> bool| {
        let number = of.iter().filter(|one| is(one)).count();
        i64::try_from(number).unwrap_or(i64::MAX)
    };
    let unknown = of.iter().find_map(|one| match &one.end {
        End::Unknown(state) => Some(state.clone()),
        _ => None,
    });
    let by_end = || unknown.map_or(Ok(()), Err);
    let lengths = |of_one: fn(&Built) -> Option<i64>| of.iter().filter_map(move |one| of_one(one));
    let mean = |of_one: fn(&Built) -> Option<i64>| -> Option<Value> {
        let (sum, builds) = lengths(of_one).fold((0_i64, 0), |(sum, builds), ms| (sum.saturating_add(ms), builds + 1));
        Value::ratio(sum, builds)
    };
    let ready = |one: &Built| one.end == End::Ready;
    let failed = |one: &Built| one.end == End::Failed;
    Ok(match id {
        DEPLOYMENTS | DEPLOYMENTS_TODAY => Some(Value::Count(count(&|_| true))),
        DEPLOYMENTS_PRODUCTION => Some(Value::Count(count(&|one| one.target == Target::Production))),
        DEPLOYMENTS_PREVIEW => Some(Value::Count(count(&|one| one.target == Target::Preview))),
        DEPLOYMENTS_SUCCESS => by_end().map(|()| Some(Value::Count(count(&ready))))?,
        DEPLOYMENTS_FAILED => by_end().map(|()| Some(Value::Count(count(&failed))))?,
        BUILD_SUCCESS_RATE => {
            by_end().map(|()| Value::ratio(count(&ready), count(&|one| ready(one) || failed(one))))?
        }
        BUILD_TIME => by_end().map(|()| mean(|one| one.build_ms))?,
        BUILD_TIME_P95 => by_end().map(|()| percentile_95(lengths(|one| one.build_ms).collect()).map(Value::Millis))?,
        QUEUE_TIME => mean(|one| one.queue_ms),
        _ => None,
    })
}

/// The 95th percentile by nearest rank: the smallest value that no less than 95 of a hundred do not exceed.
fn percentile_95(mut all: Vec<i64>) -> Option<i64> {
    all.sort_unstable();
    let rank = (95 * all.len()).div_ceil(100);
    all.get(rank.checked_sub(1)?).copied()
}

/// Ids under which observability may know a metric, the best first.
pub(super) fn observed_as(id: &str) -> &'static [&'static str] {
    match id {
        FUNCTION_INVOCATIONS => &["vercel.function_invocation.count", "vercel.function_invocations.count"],
        BANDWIDTH => &["vercel.request.fdt_total_bytes", "vercel.edge_requests.fdt_total_bytes"],
        EDGE_REQUESTS => &["vercel.request.count", "vercel.edge_requests.count", "vercel.edge_request.count"],
        _ => &[],
    }
}

/// A number of things of a metric that counts.
pub(super) fn amount(row: &Row, number: i64) -> Value {
    if row.unit == Unit::Bytes { Value::Bytes(number) } else { Value::Count(number) }
}

const fn row(
    id: &'static str,
    reading: Reading,
    kind: Kind,
    unit: Unit,
    polarity: Polarity,
    (category, name, description): (&'static str, &'static str, &'static str),
) -> Row {
    Row { id, reading, kind, unit, name, category, polarity, description, differs: None }
}

use Kind::{Distinct, Flow, Level, Ratio, Statistic};
use Polarity::{DownIsGood, Neutral, UpIsGood};
use Reading::{Builds, Usage, Visits};
use Unit::{Bytes, Count, Percent, Seconds};

/// What Vercel's list of deployments shows.
const LISTED: &str = "The list of deployments is in your browser's zone, and has at first only some states. Here a day is a UTC day, and a \
                      deployment belongs to the day on which it was made, also if it became ready the day after.";
/// What Vercel shows of a build.
const WHOLE: &str = "*Build duration* on a deployment's page includes what comes before and after the build proper.";
/// What *Web Analytics* shows.
const ANALYTICS: &str = "*Web Analytics* shows the chosen range in your zone. Here days, weeks and months are of UTC.";
/// What *Usage* shows.
const BILLED: &str = "*Usage* shows what is billed, in which some requests do not count.";

/// All metrics, in the order of the catalogue.
#[rustfmt::skip]
pub(super) static METRICS: [Row; 15] = [
    row(DEPLOYMENTS, Builds, Flow, Count, UpIsGood, ("deployments", "Deployments",
        "Deployments made on the day, whatever became of them.")).but(LISTED),
    row(DEPLOYMENTS_TODAY, Builds, Level, Count, UpIsGood, ("deployments", "Deployments in 24 hours",
        "Deployments made in the 24 hours before the sync. It has no past.")),
    row(DEPLOYMENTS_SUCCESS, Builds, Flow, Count, UpIsGood, ("deployments", "Successful deployments",
        "Deployments made on the day that became ready (READY).")).but(LISTED),
    row(DEPLOYMENTS_FAILED, Builds, Flow, Count, DownIsGood, ("deployments", "Failed deployments",
        "Deployments made on the day that failed (ERROR). Cancelled and blocked ones did not.")).but(LISTED),
    row(DEPLOYMENTS_PRODUCTION, Builds, Flow, Count, UpIsGood, ("deployments", "Production deployments",
        "Deployments made on the day whose target is production.")).but(LISTED),
    row(DEPLOYMENTS_PREVIEW, Builds, Flow, Count, Neutral, ("deployments", "Preview deployments",
        "Deployments made on the day without a target. Those to staging are neither preview nor production.")).but(LISTED),
    row(BUILD_TIME, Builds, Ratio, Seconds, DownIsGood, ("builds", "Build time",
        "Mean time from the start of a build until it was ready (`ready` − `buildingAt`), over the deployments made on the day \
         that became ready and were built. Of several days or projects it is the mean of all their builds.")).but(WHOLE),
    row(BUILD_TIME_P95, Builds, Statistic, Seconds, DownIsGood, ("builds", "Build time, 95th percentile",
        "Of the builds that build time is the mean of, the length that 95 of a hundred do not exceed (nearest rank). That of a week \
         or month is worked out anew from all its builds.")).but(WHOLE),
    row(BUILD_SUCCESS_RATE, Builds, Ratio, Percent, UpIsGood, ("builds", "Build success rate",
        "Deployments that became ready out of those that did or failed. Cancelled and blocked ones are neither.")),
    row(QUEUE_TIME, Builds, Ratio, Seconds, DownIsGood, ("builds", "Queue time",
        "Mean time from the making of a deployment to the start of its build (`buildingAt` − `created`), over the \
         deployments made on the day whose build has begun.")),
    row(PAGEVIEWS, Visits, Flow, Count, UpIsGood, ("traffic", "Page views",
        "Views of pages in production, as Web Analytics counts them.")).but(ANALYTICS),
    row(VISITORS, Visits, Distinct, Count, UpIsGood, ("traffic", "Visitors",
        "Different visitors in production, as Web Analytics counts them. Cannot be added over days or projects.")).but(ANALYTICS),
    row(FUNCTION_INVOCATIONS, Usage, Flow, Count, Neutral, ("usage", "Function invocations",
        "Functions that ran. Needs Observability Plus.")).but(BILLED),
    row(BANDWIDTH, Usage, Flow, Bytes, Neutral, ("usage", "Bandwidth",
        "Bytes between visitors and Vercel's edge, in and out (Fast Data Transfer). Needs Observability Plus."))
        .but("*Usage* shows what is billed, and may split it in Fast Data Transfer and Fast Origin \
              Transfer. Here it is the former."),
    row(EDGE_REQUESTS, Usage, Flow, Count, Neutral, ("usage", "Edge requests",
        "Requests that reached Vercel's edge. Needs Observability Plus.")).but(BILLED),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn built(end: End, build_ms: Option<i64>, queue_ms: Option<i64>) -> Built {
        let (uid, project) = (String::new(), String::new());
        Built { uid, project, created_ms: 0, end, target: Target::Preview, build_ms, queue_ms }
    }

    #[test]
    fn the_95th_percentile_is_a_build_that_there_was() {
        assert_eq!(percentile_95(Vec::new()), None);
        assert_eq!(percentile_95(vec![7]), Some(7));
        assert_eq!(percentile_95((1..=20).rev().collect()), Some(19));
        assert_eq!(percentile_95((1..=21).collect()), Some(20));
        assert_eq!(percentile_95((1..=100).collect()), Some(95));
        assert_eq!(percentile_95(vec![1, 1000]), Some(1000));
    }

    #[test]
    fn mean_and_percentile_are_of_the_same_builds() {
        let all = [
            built(End::Ready, Some(1000), Some(100)),
            built(End::Ready, Some(2000), Some(0)),
            // Redeployed without a build, failed, under way.
            built(End::Ready, None, None),
            built(End::Failed, None, Some(50)),
            built(End::Open, None, Some(90)),
        ];
        let all: Vec<&Built> = all.iter().collect();
        assert_eq!(measure(BUILD_TIME, &all), Ok(Value::ratio(3000, 2)));
        assert_eq!(measure(BUILD_TIME_P95, &all), Ok(Some(Value::Millis(2000))));
        assert_eq!(measure(QUEUE_TIME, &all), Ok(Value::ratio(240, 4)));
        assert_eq!(measure(BUILD_SUCCESS_RATE, &all), Ok(Value::ratio(3, 4)));
    }

    #[test]
    fn a_rate_of_nothing_is_no_value() {
        let open = built(End::Open, None, None);
        for id in [BUILD_SUCCESS_RATE, BUILD_TIME, BUILD_TIME_P95, QUEUE_TIME] {
            assert_eq!(measure(id, &[]), Ok(None), "{id}");
            assert_eq!(measure(id, &[&open]), Ok(None), "{id}");
        }
        assert_eq!(measure(DEPLOYMENTS, &[&open]), Ok(Some(Value::Count(1))));
    }

    #[test]
    fn a_state_that_nobody_knows_makes_no_wrong_number() {
        let new = built(End::Unknown("PARKED".to_owned()), None, None);
        assert_eq!(measure(DEPLOYMENTS, &[&new]), Ok(Some(Value::Count(1))));
        for id in [DEPLOYMENTS_SUCCESS, DEPLOYMENTS_FAILED, BUILD_SUCCESS_RATE, BUILD_TIME, BUILD_TIME_P95] {
            assert_eq!(measure(id, &[&new]), Err("PARKED".to_owned()), "{id}");
        }
    }
}
