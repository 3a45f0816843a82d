//! Web Analytics: page views and visitors of the one project that counts them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Ask, Problem, list::of_scope, params::Params};
use crate::{
    demo::company::{Tally, tally},
    metric::{Day, Interval, Period, Zone},
};

const PRODUCTION: &str = "environment eq 'production'";
/// So many days may be asked for one by one.
const MOST_DAYS: usize = 62;
const HISTORY_DAYS: i32 = 92;

/// The days that are asked for: from the one that `since` is in to the one that `until` is in.
fn period(ask: Ask<'_>, params: Params<'_>) -> Result<Period, Problem> {
    let zone = Zone::utc();
    let first = Day::of(ask.company.now, &zone).plus(1 - HISTORY_DAYS);
    let since = params.instant("since", false)?.map_or(first, |at| Day::of(at, &zone));
    let until = params.instant("until", true)?.map_or(ask.company.now, |at| before(at).max(zone.start_of(since)));
    Ok(Period::inclusive(since, Day::of(until, &zone)).intersect(Period::new(first, first.plus(36_500))))
}

/// An end at midnight does not take the day in that begins there.
fn before(at: Timestamp) -> Timestamp {
    at.saturating_sub(jiff::SignedDuration::from_millis(1)).unwrap_or(at)
}

fn prepare(ask: Ask<'_>, known: &[&str]) -> Result<Period, Problem> {
    let params = ask.params(known)?;
    ask.reads("web_analytics", "Web Analytics")?;
    let id = params.required("projectId")?;
    if params.get("filter").is_some_and(|filter| filter != PRODUCTION) {
        return Err(Problem::bad_request("Invalid request: `filter` is not one that this emulator knows"));
    }
    let project = of_scope(ask).into_iter().find(|project| project.id == id || project.name == id);
    let project = project.ok_or_else(|| Problem::not_found("Project not found"))?;
    if !project.analytics {
        let message = "Web Analytics is not enabled for this project";
        return Err(Problem::new(400, "web_analytics_not_enabled", message));
    }
    period(ask, params)
}

fn counted(ask: Ask<'_>, period: Period) -> Tally {
    tally(ask.company.web().period(period, &Zone::utc()))
}

/// One number each for all of the time.
pub(super) fn count(ask: Ask<'_>) -> Result<Value, Problem> {
    let seen = counted(ask, prepare(ask, &["projectId", "since", "until", "filter"])?);
    Ok(json!({ "data": { "pageviews": seen.pageviews, "visitors": seen.visitors() } }))
}

/// By a length of time, or by environment. The groups past `limit` are one, "Others".
pub(super) fn aggregate(ask: Ask<'_>) -> Result<Value, Problem> {
    let period = prepare(ask, &["projectId", "since", "until", "filter", "by", "limit"])?;
    let params = Params(&ask.request.pairs);
    let limit = params.limit(10)?;
    let rows: Vec<Value> = match params.required("by")? {
        "environment" => {
            let seen = counted(ask, period);
            let row = json!({ "environment": "production", "pageviews": seen.pageviews, "visitors": seen.visitors() });
            (seen.visits > 0).then_some(row).into_iter().collect()
        }
        "day" if period.len() > MOST_DAYS => {
            return Err(Problem::new(400, "invalid_group_by", "Can only query up to 62 days"));
        }
        by @ ("day" | "week" | "month") => {
            let interval: Interval = by.parse().map_err(Problem::bad_request)?;
            let mut starts: Vec<Day> = period.days().map(|day| interval.bucket(day).start()).collect();
            starts.dedup();
            let bucket = |start: Day| (start, counted(ask, interval.bucket(start).intersect(period)));
            let seen = starts.into_iter().map(bucket).filter(|(_, seen)| seen.visits > 0);
            seen.map(|(start, seen)| {
                json!({ "timestamp": format!("{start}T00:00:00.000Z"), "pageviews": seen.pageviews, "visitors": seen.visitors() })
            })
            .collect()
        }
        other => return Err(Problem::new(400, "invalid_group_by", format!("Cannot group by {other}"))),
    };
    let (shown, others) = rows.split_at(rows.len().min(limit));
    let mut shown = shown.to_vec();
    if !others.is_empty() {
        let sum = |key: &str| others.iter().filter_map(|row| row[key].as_i64()).sum::<i64>();
        shown.push(json!({ "timestamp": "Others", "pageviews": sum("pageviews"), "visitors": sum("visitors") }));
    }
    Ok(json!({ "data": shown }))
}
