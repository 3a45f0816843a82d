//! Version 1, with a path for each form of answer. Here days on which nothing happened are told.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    problem::Problem,
    table::{Asked, Cut, Filter, Row},
};
use crate::{
    demo::server::Reply,
    metric::{Day, Interval, Period},
};

const METRICS: [&str; 7] =
    ["visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration", "events"];
const MOST_ROWS: usize = 1000;

type Pairs<'a> = BTreeMap<&'a str, &'a str>;

pub(super) fn answer(asked: &Asked, path: &str, pairs: &Pairs<'_>) -> Result<Reply, Problem> {
    let own: &[&str] = match path {
        "/api/v1/stats/realtime/visitors" => &[],
        "/api/v1/stats/timeseries" => &["period", "date", "metrics", "filters", "interval", "with_imported"],
        "/api/v1/stats/aggregate" => &["period", "date", "metrics", "filters", "with_imported"],
        "/api/v1/stats/breakdown" => {
            &["period", "date", "metrics", "filters", "property", "limit", "page", "with_imported"]
        }
        _ => return Err(Problem::no_route()),
    };
    if let Some(strange) = pairs.keys().find(|key| **key != "site_id" && !own.contains(key) && asked.strict) {
        return Err(Problem::bad(format!(
            "Unknown parameter `{strange}`: Plausible would ignore it, this emulator does not"
        )));
    }
    let body = match path {
        "/api/v1/stats/realtime/visitors" => return Ok(realtime(asked)),
        "/api/v1/stats/timeseries" => timeseries(asked, pairs)?,
        "/api/v1/stats/aggregate" => aggregate(asked, pairs)?,
        _ => breakdown(asked, pairs)?,
    };
    Ok(Reply::compact(200, &json!({ "results": body })))
}

/// Whoever did something in the last five minutes. The body is a number and nothing else.
fn realtime(asked: &Asked) -> Reply {
    Reply::compact(200, &json!(asked.company.web().present(asked.now, 5)))
}

fn timeseries(asked: &Asked, pairs: &Pairs<'_>) -> Result<Value, Problem> {
    let grain = match pairs.get("interval").copied() {
        Some(_) if !asked.server.interval => return Err(Problem::bad("Invalid parameter `interval`.")),
        None | Some("day") => Interval::Day,
        Some("month") => Interval::Month,
        Some(other) => return Err(Problem::bad(format!("Invalid interval `{other}`."))),
    };
    let (period, metrics, filters) = (period(asked, pairs)?, metrics(pairs)?, filters(asked, pairs)?);
    let rows = asked.rows(period, Some(grain), &[], &filters);
    let bucket = |bucket: Period| {
        let row = rows.iter().find(|row| row.bucket == Some(bucket.start()));
        let mut told = told(row.unwrap_or(&Asked::nothing(None)), &metrics);
        told.insert("date".to_owned(), json!(bucket.start()));
        Value::Object(told)
    };
    Ok(asked.buckets(period, grain).into_iter().map(bucket).collect())
}

fn aggregate(asked: &Asked, pairs: &Pairs<'_>) -> Result<Value, Problem> {
    let (period, metrics, filters) = (period(asked, pairs)?, metrics(pairs)?, filters(asked, pairs)?);
    let rows = asked.rows(period, None, &[], &filters);
    let told = told(rows.first().unwrap_or(&Asked::nothing(None)), &metrics);
    Ok(told.into_iter().map(|(name, value)| (name, json!({ "value": value }))).collect::<Map<_, _>>().into())
}

fn breakdown(asked: &Asked, pairs: &Pairs<'_>) -> Result<Value, Problem> {
    let name = pairs.get("property").copied().unwrap_or_default();
    let cut = Cut::parse(name).ok_or_else(|| Problem::bad(format!("Invalid property `{name}`.")))?;
    let (period, metrics, filters) = (period(asked, pairs)?, metrics(pairs)?, filters(asked, pairs)?);
    if let Some(wrong) = metrics.iter().find(|metric| cut == Cut::Goal && !["visitors", "events"].contains(metric)) {
        return Err(Problem::bad(format!("The metric `{wrong}` cannot be queried with the property `event:goal`.")));
    }
    let number = |key: &str, usual: usize| match pairs.get(key) {
        None => Ok(usual),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| Problem::bad(format!("Please provide {key} as a number greater than 0."))),
    };
    let (limit, page) = (number("limit", 100)?, number("page", 1)?);
    if limit > MOST_ROWS {
        return Err(Problem::bad("Please provide limit as a number between 1 and 1000."));
    }
    let mut rows = asked.rows(period, None, &[cut], &filters);
    let visitors = |row: &Row| row.metric("visitors", None).as_i64().unwrap_or(0);
    rows.sort_by_key(|row| (-visitors(row), row.names.clone()));
    let key = name.split_once(':').map_or(name, |(_, key)| key);
    let shown = rows.iter().skip((page - 1) * limit).take(limit).map(|row| {
        let mut told = told(row, &metrics);
        told.insert(key.to_owned(), json!(row.names.first()));
        Value::Object(told)
    });
    Ok(shown.collect())
}

fn told(row: &Row, metrics: &[&str]) -> Map<String, Value> {
    metrics.iter().map(|metric| ((*metric).to_owned(), row.metric(metric, None))).collect()
}

fn metrics<'a>(pairs: &Pairs<'a>) -> Result<Vec<&'a str>, Problem> {
    let names: Vec<&str> = pairs.get("metrics").copied().unwrap_or("visitors").split(',').map(str::trim).collect();
    match names.iter().find(|name| !METRICS.contains(name)) {
        Some(name) => Err(Problem::bad(format!(
            "The metric `{name}` is not recognized. Find valid metrics from the documentation: \
             https://plausible.io/docs/stats-api#metrics"
        ))),
        None => Ok(names),
    }
}

fn period(asked: &Asked, pairs: &Pairs<'_>) -> Result<Period, Problem> {
    let date = pairs.get("date").copied();
    let wrong = || Problem::bad(format!("Error parsing `date` parameter: {date:?}."));
    let day = |text: &str| text.parse::<Day>().map_err(|_| wrong());
    match pairs.get("period").copied().unwrap_or("30d") {
        "day" => Ok(Period::single(date.map_or(Ok(asked.today()), day)?)),
        "custom" => {
            let (first, last) = date.and_then(|date| date.split_once(',')).ok_or_else(wrong)?;
            let (first, last) = (day(first)?, day(last)?);
            if first <= last { Ok(Period::inclusive(first, last)) } else { Err(wrong()) }
        }
        other => Err(Problem::bad(format!("Error parsing `period` parameter: invalid period `{other}`."))),
    }
}

/// `event:goal==Signup|Purchase;visit:country==DE`.
fn filters(asked: &Asked, pairs: &Pairs<'_>) -> Result<Vec<Filter>, Problem> {
    let given = pairs.get("filters").copied().unwrap_or_default();
    let one = |text: &str| {
        let (excludes, parts) = match text.split_once("!=") {
            Some(parts) => (true, Some(parts)),
            None => (false, text.split_once("==")),
        };
        let (name, values) = parts.ok_or_else(|| Problem::bad(format!("Invalid filter `{text}`.")))?;
        let cut = Cut::parse(name).ok_or_else(|| Problem::bad(format!("Invalid filter property `{name}`.")))?;
        let values: Vec<String> = values.split('|').map(str::to_owned).collect();
        if cut == Cut::Goal {
            values.iter().try_for_each(|name| asked.goal(name).map(drop))?;
        }
        Ok(Filter { cut, values, excludes })
    };
    given.split(';').filter(|text| !text.is_empty()).map(one).collect()
}
