//! What a body asks for, read as strictly as the API reads it: each field is known and has its type.

use serde_json::{Map, Value};

use super::{
    problem::Problem,
    quota::Pool,
    schema::{DIMENSIONS, Dimension, METRICS, Metric, REALTIME_DIMENSIONS, REALTIME_METRICS},
};
use crate::metric::{Day, Period};

const MOST_DIMENSIONS: usize = 9;
const MOST_METRICS: usize = 10;
const MOST_ROWS: i64 = 250_000;
const USUAL_ROWS: i64 = 10_000;
const SCHEMA: &str = "https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema";
/// No report begins before 2015-08-14.
const FIRST_DAY: i32 = 16_661;

/// A column of figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) metric: Metric,
    pub(super) kind: &'static str,
}

/// How rows are ordered: by which column, and whether the largest come first.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    Dimension(usize, bool),
    Metric(usize, bool),
}

/// One question.
#[derive(Debug)]
pub(super) struct Ask {
    /// None of a question about now.
    pub(super) period: Option<Period>,
    pub(super) dimensions: Vec<(&'static str, Dimension)>,
    pub(super) columns: Vec<Column>,
    pub(super) orders: Vec<Order>,
    pub(super) offset: usize,
    pub(super) limit: usize,
    pub(super) tells_quota: bool,
}

/// An object of a body, with the place it stands in.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    place: &'a str,
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value, place: &'a str, known: &[&str]) -> Result<Self, Problem> {
        let map = value.as_object().ok_or_else(|| wrong(place, "an object"))?;
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(unknown) => Err(Problem::unknown_field(unknown, place)),
            None => Ok(Self { map, place }),
        }
    }

    fn list(&self, name: &str) -> Result<&'a [Value], Problem> {
        match self.map.get(name) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(wrong(name, "a list")),
        }
    }

    fn text(&self, name: &str) -> Result<&'a str, Problem> {
        let text = self.map.get(name).and_then(Value::as_str);
        text.ok_or_else(|| wrong(&format!("{}.{name}", self.place), "a text"))
    }

    fn truth(&self, name: &str) -> Result<bool, Problem> {
        match self.map.get(name) {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(*truth),
            Some(_) => Err(wrong(name, "true or false")),
        }
    }

    /// A number of 64 bits: a JSON number, or a text as Google writes them.
    fn number(&self, name: &str, usual: i64) -> Result<i64, Problem> {
        match self.map.get(name) {
            None => Ok(usual),
            Some(Value::String(text)) => text.parse().map_err(|_| wrong(name, "a whole number")),
            Some(value) => value.as_i64().ok_or_else(|| wrong(name, "a whole number")),
        }
    }
}

fn wrong(place: &str, expected: &str) -> Problem {
    Problem::invalid(format!("Invalid value at '{place}': expected {expected}"))
}

/// The questions of a batch.
pub(super) fn batch(body: &[u8]) -> Result<Vec<Value>, Problem> {
    let body = json(body)?;
    let fields = Fields::of(&body, "", &["requests"])?;
    let requests = fields.list("requests")?;
    match requests.len() {
        1..=5 => Ok(requests.to_vec()),
        0 => Err(Problem::invalid("At least one request is required")),
        _ => Err(Problem::invalid("Batch requests are allowed up to 5 requests")),
    }
}

/// The body as JSON.
pub(super) fn json(body: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(body).map_err(|_| Problem::invalid("Invalid JSON payload received. Unexpected token."))
}

impl Ask {
    /// Reads a question about days, or about now.
    pub(super) fn parse(body: &Value, pool: Pool, today: Day) -> Result<Self, Problem> {
        let mut known = vec!["dimensions", "metrics", "orderBys", "limit", "returnPropertyQuota"];
        if pool == Pool::Core {
            known.extend(["dateRanges", "offset", "keepEmptyRows"]);
        }
        let fields = Fields::of(body, "", &known)?;
        let (dimensions, columns) = names(&fields, pool)?;
        let limit = fields.number("limit", USUAL_ROWS)?;
        if !(1..=MOST_ROWS).contains(&limit) {
            return Err(Problem::invalid(format!("limit must be from 1 to {MOST_ROWS}, and is {limit}")));
        }
        let offset = fields.number("offset", 0)?;
        let orders = orders(&fields, &dimensions, &columns)?;
        // Rows without figures are never left out here in the first place.
        fields.truth("keepEmptyRows")?;
        Ok(Self {
            period: if pool == Pool::Core { Some(period(&fields, today)?) } else { None },
            orders,
            offset: usize::try_from(offset).map_err(|_| Problem::invalid("offset must not be negative"))?,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            tells_quota: fields.truth("returnPropertyQuota")?,
            dimensions,
            columns,
        })
    }
}

type Names = (Vec<(&'static str, Dimension)>, Vec<Column>);

fn names(fields: &Fields<'_>, pool: Pool) -> Result<Names, Problem> {
    let (mut dimensions, mut columns): Names = Default::default();
    for one in fields.list("dimensions")? {
        let name = Fields::of(one, "dimensions", &["name"])?.text("name")?;
        let found = DIMENSIONS.iter().find(|(known, _)| *known == name);
        let found = found.filter(|_| pool == Pool::Core || REALTIME_DIMENSIONS.contains(&name));
        let found = found.ok_or_else(|| not_valid(name, "dimension"))?;
        if dimensions.iter().any(|(known, _)| *known == name) {
            return Err(Problem::invalid(format!("Dimension {name} is requested more than once")));
        }
        dimensions.push(*found);
    }
    for one in fields.list("metrics")? {
        let name = Fields::of(one, "metrics", &["name"])?.text("name")?;
        let found = METRICS.iter().find(|(known, ..)| *known == name);
        let found = found.filter(|_| pool == Pool::Core || REALTIME_METRICS.contains(&name));
        let (name, metric, kind) = *found.ok_or_else(|| not_valid(name, "metric"))?;
        if columns.iter().any(|known| known.name == name) {
            return Err(Problem::invalid(format!("Metric {name} is requested more than once")));
        }
        columns.push(Column { name, metric, kind });
    }
    let (many, much) = (dimensions.len(), columns.len());
    if many > MOST_DIMENSIONS {
        return Err(Problem::invalid(format!(
            "This request has {many} dimensions. Requests are allowed up to {MOST_DIMENSIONS} dimensions."
        )));
    }
    if much > MOST_METRICS {
        return Err(Problem::invalid(format!(
            "This request has {much} metrics. Requests are allowed up to {MOST_METRICS} metrics."
        )));
    }
    match many + much {
        0 => Err(Problem::invalid("Please specify at least one dimension or metric in the request.")),
        _ => Ok((dimensions, columns)),
    }
}

fn not_valid(name: &str, what: &str) -> Problem {
    Problem::invalid(format!(
        "Field {name} is not a valid {what}. For a list of valid dimensions and metrics, see {SCHEMA} "
    ))
}

fn orders(
    fields: &Fields<'_>,
    dimensions: &[(&'static str, Dimension)],
    columns: &[Column],
) -> Result<Vec<Order>, Problem> {
    let order = |one: &Value| {
        let one = Fields::of(one, "orderBys", &["desc", "metric", "dimension"])?;
        let desc = one.truth("desc")?;
        let missing = || Problem::invalid("Ordering by a field that is not in the request");
        if let Some(by) = one.map.get("dimension") {
            let name = Fields::of(by, "orderBys.dimension", &["dimensionName"])?.text("dimensionName")?;
            let place = dimensions.iter().position(|(known, _)| *known == name).ok_or_else(missing)?;
            return Ok(Order::Dimension(place, desc));
        }
        let by = one.map.get("metric").ok_or_else(|| wrong("orderBys", "dimension or metric"))?;
        let name = Fields::of(by, "orderBys.metric", &["metricName"])?.text("metricName")?;
        let place = columns.iter().position(|known| known.name == name).ok_or_else(missing)?;
        Ok(Order::Metric(place, desc))
    };
    fields.list("orderBys")?.iter().map(order).collect()
}

/// The one range of days; a second is allowed at Google and asked for by nobody here.
fn period(fields: &Fields<'_>, today: Day) -> Result<Period, Problem> {
    let [range] = fields.list("dateRanges")? else {
        return Err(Problem::invalid("Exactly one date range is required"));
    };
    let range = Fields::of(range, "dateRanges", &["startDate", "endDate"])?;
    let (first, last) = (day(range.text("startDate")?, today)?, day(range.text("endDate")?, today)?);
    if first > last {
        return Err(Problem::invalid(format!("startDate {first} must not be after endDate {last}")));
    }
    if first.number() < FIRST_DAY {
        return Err(Problem::invalid(format!("startDate {first} must not be before 2015-08-14")));
    }
    if last > today {
        return Err(Problem::invalid(format!("endDate {last} is in the future")));
    }
    Ok(Period::inclusive(first, last))
}

fn day(text: &str, today: Day) -> Result<Day, Problem> {
    let ago = |days: i32| Ok(today.plus(-days));
    match (text, text.strip_suffix("daysAgo").and_then(|days| days.parse().ok())) {
        ("today", _) => ago(0),
        ("yesterday", _) => ago(1),
        (_, Some(days)) => ago(days),
        (text, None) => text.parse().map_err(|_| {
            Problem::invalid(format!("Invalid date: {text}. Use YYYY-MM-DD, NdaysAgo, yesterday or today."))
        }),
    }
}
