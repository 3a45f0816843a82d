//! What requests and functions use, by observability's queries.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{
    api::{self, PROJECT, Queried, Schema},
    metrics::{Row, amount, observed_as},
    projects::{Project, Projects},
    series::{Buckets, Series},
};
use crate::{
    integrations::{Batch, Context, Error, Outcome, Why},
    metric::{Day, FailureKind, Period, Zone, exact},
};

/// So many projects are asked for at once.
const AT_ONCE: usize = 100;
/// A word for the column in which a query counts.
const SUM: &str = "sum";

/// Reads each metric that observability knows and commits what it comes to.
pub(super) async fn read(
    ctx: &Context,
    rows: &[&'static Row],
    projects: &Projects,
    buckets: &Buckets,
) -> Result<BTreeMap<&'static str, Outcome>, Error> {
    let present: Vec<&Project> = projects.present().collect();
    let mut outcomes = BTreeMap::new();
    let schema = match present.is_empty() {
        true => Ok(Schema { metrics: Vec::new() }),
        false => api::schema(&ctx.http, projects.team.as_ref()).await,
    };
    for row in rows {
        let outcome = match &schema {
            Ok(schema) => of_metric(ctx, row, schema, &present, projects, buckets).await,
            Err(error) => Err(error.clone()),
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) if error.is_connection_wide() => return Err(error),
            Err(error) => refusal(error),
        };
        outcomes.insert(row.id, outcome);
    }
    Ok(outcomes)
}

async fn of_metric(
    ctx: &Context,
    row: &Row,
    schema: &Schema,
    present: &[&Project],
    projects: &Projects,
    buckets: &Buckets,
) -> Result<Outcome, Error> {
    let known = observed_as(row.id).iter().find(|id| schema.metrics.iter().any(|metric| metric.id == **id));
    let Some(metric) = known.or(observed_as(row.id).first().filter(|_| present.is_empty())) else {
        return Ok(Outcome::Unsupported("Vercel's observability does not offer such a metric any more".to_owned()));
    };
    let first = row.retention_days().map(|days| ctx.today().plus(1 - i32::from(days)));
    let start = first.map_or(buckets.days.start(), |first| buckets.days.start().max(first));
    let days = Period::new(start, buckets.days.end());
    let mut used = Used { sums: BTreeMap::new(), since: days.start() };
    for some in present.chunks(AT_ONCE).filter(|_| !days.is_empty()) {
        let ids: Vec<&str> = some.iter().map(|project| project.id.as_str()).collect();
        let owner = some.iter().find_map(|project| project.owner.as_deref());
        let owner = owner.ok_or_else(|| Error::invalid_response("the projects do not say whose they are"))?;
        let answer = api::query(&ctx.http, projects.team.as_ref(), metric, owner, &ids, days).await?;
        used.take(&answer, metric, &ids, days)?;
    }
    let mut batch = Batch::new();
    let mut total = Series::default();
    for project in present {
        let series = used.series(row, project, buckets);
        batch = series.write(batch, row.id, Some(&project.name), buckets);
        let sum = total.add(&series);
        sum.ok_or_else(|| Error::invalid_response("a sum of what was answered does not fit 64 bits"))?;
    }
    total.lose_before(used.since, buckets, &Why::BeyondRetention);
    for (_, why) in projects.missing() {
        buckets.list.iter().for_each(|bucket| total.lose(*bucket, &why));
    }
    ctx.commit(total.write(batch, row.id, None, buckets)).await?;
    Ok(total.outcome())
}

/// What was used, by project and day.
struct Used<'a> {
    sums: BTreeMap<(&'a str, Day), i64>,
    /// The first day that is kept.
    since: Day,
}

impl<'a> Used<'a> {
    fn take(&mut self, answer: &Queried, metric: &str, ids: &[&'a str], days: Period) -> Result<(), Error> {
        let column = format!("{}_{SUM}", metric.replace(['.', '/'], "_"));
        if let Some(at) = answer.query.as_ref().and_then(|query| query.start_time) {
            // Where the past is not kept, what was asked for was cut, and says so.
            let (day, zone) = (Day::of(at, &Zone::utc()), Zone::utc());
            self.since = self.since.max(if zone.start_of(day) == at { day } else { day.next() });
        }
        let wrong = |what: &str| Error::invalid_response(format!("a row of {metric} {what}"));
        for row in &answer.data {
            let text = |key: &str| -> Option<String> { serde_json::from_str(row.get(key)?.get()).ok() };
            let at: Timestamp =
                text("timestamp").and_then(|at| at.parse().ok()).ok_or_else(|| wrong("has no timestamp"))?;
            let day = Day::of(at, &Zone::utc());
            let project = text(PROJECT).ok_or_else(|| wrong("names no project"))?;
            let project = ids.iter().find(|id| **id == project);
            let project = *project.ok_or_else(|| wrong("is of a project that was not asked for"))?;
            if !days.contains(day) || Zone::utc().start_of(day) != at {
                return Err(wrong("is of no day that was asked for"));
            }
            let number = row.get(&column).and_then(|value| whole(value)).ok_or_else(|| wrong("has no number"))?;
            if self.sums.insert((project, day), number).is_some() {
                return Err(wrong("comes twice"));
            }
        }
        Ok(())
    }

    fn series(&self, row: &Row, project: &Project, buckets: &Buckets) -> Series {
        let mut series = Series::default();
        series.lose_before(self.since, buckets, &Why::BeyondRetention);
        for bucket in &buckets.list {
            let number = self.sums.get(&(project.id.as_str(), bucket.start())).copied().unwrap_or(0);
            series.set(*bucket, Some(amount(row, number)));
        }
        series
    }
}

/// A whole number, however it is written: `12` or `12.0`. Null is nothing that was used.
fn whole(value: &RawValue) -> Option<i64> {
    if value.get() == "null" {
        return Some(0);
    }
    let number = exact::parse_decimal(value.get())?;
    if number.is_integer() { exact::round(&number) } else { None }
}

/// What a failure of observability means.
pub(super) fn refusal(error: Error) -> Outcome {
    match error.kind() {
        FailureKind::PlanRequired => {
            Outcome::Unsupported("the plan at Vercel does not include Observability Plus".to_owned())
        }
        FailureKind::Forbidden => {
            let said = error.provider_message().map(|said| format!(" (Vercel: {said})")).unwrap_or_default();
            let message = format!("the token's owner may not query observability{said}");
            Outcome::Failed(Error::new(FailureKind::Forbidden, message))
        }
        _ => Outcome::Failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: serde_json::Value) -> Queried {
        serde_json::from_str(&json.to_string()).unwrap()
    }

    fn take(json: serde_json::Value) -> Result<Used<'static>, String> {
        let days = Period::inclusive("2026-03-08".parse().unwrap(), "2026-03-10".parse().unwrap());
        let mut used = Used { sums: BTreeMap::new(), since: days.start() };
        let taken = used.take(&answer(json), "vercel.request.count", &["prj_1"], days);
        taken.map(|()| used).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_is_whole_however_it_is_written() {
        let whole = |text: &str| whole(serde_json::from_str::<&RawValue>(text).unwrap());
        assert_eq!(whole("9007199254740993"), Some(9_007_199_254_740_993));
        assert_eq!(whole("12.0"), Some(12));
        assert_eq!(whole("null"), Some(0));
        for bad in ["1.5", "\"12\"", "1e3", "99999999999999999999", "true"] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }

    #[test]
    fn rows_are_of_the_days_and_projects_that_were_asked_for() {
        let row = |at: &str, project: &str| serde_json::json!({ "timestamp": at, "project_id": project, "vercel_request_count_sum": 7 });
        let good = row("2026-03-09T00:00:00.000Z", "prj_1");
        let used = take(serde_json::json!({ "data": [good] })).unwrap();
        assert_eq!(used.sums.into_values().collect::<Vec<_>>(), [7]);
        assert_eq!(used.since.to_string(), "2026-03-08");
        for bad in [
            row("2026-03-07T00:00:00.000Z", "prj_1"),
            row("2026-03-09T01:00:00.000Z", "prj_1"),
            row("2026-03-09T00:00:00.000Z", "Others"),
            serde_json::json!({ "timestamp": "2026-03-09T00:00:00Z", "project_id": "prj_1" }),
            serde_json::json!({ "project_id": "prj_1", "vercel_request_count_sum": 7 }),
        ] {
            assert!(take(serde_json::json!({ "data": [bad] })).is_err(), "{bad}");
        }
        assert!(take(serde_json::json!({ "data": [good, good] })).is_err_and(|error| error.contains("twice")));
    }

    #[test]
    fn days_that_are_not_kept_are_none_that_were_answered() {
        let cut =
            |at: &str| take(serde_json::json!({ "data": [], "query": { "startTime": at } })).unwrap().since.to_string();
        assert_eq!(cut("2026-03-09T00:00:00.000Z"), "2026-03-09");
        assert_eq!(cut("2026-03-09T05:00:00.000Z"), "2026-03-10");
        assert_eq!(cut("2026-03-01T00:00:00.000Z"), "2026-03-08");
    }
}
