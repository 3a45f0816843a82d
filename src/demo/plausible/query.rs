//! Version 2: one question for everything, read strictly.

use serde_json::{Map, Value, json};

use super::{
    problem::Problem,
    table::{Asked, Cut, Filter, Row},
};
use crate::{
    demo::server::{Incoming, Reply},
    metric::{Day, Interval, Period, Zone},
};

const METRICS: [&str; 9] = [
    "visitors",
    "visits",
    "pageviews",
    "views_per_visit",
    "bounce_rate",
    "visit_duration",
    "events",
    "conversion_rate",
    "total_revenue",
];
const SESSION_METRICS: [&str; 3] = ["views_per_visit", "bounce_rate", "visit_duration"];
const FIELDS: [&str; 8] =
    ["site_id", "metrics", "date_range", "dimensions", "filters", "order_by", "include", "pagination"];
const MOST_ROWS: u64 = 10_000;

/// The question, as an object of known fields.
pub(super) fn parse(request: &Incoming) -> Result<Map<String, Value>, Problem> {
    let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
        return Err(Problem::bad("#: The body is no JSON object"));
    };
    match body.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        Some(key) => Err(Problem::bad(format!("#/{key}: Schema does not allow additional properties."))),
        None => Ok(body),
    }
}

/// A question that is understood.
struct Query<'a> {
    asked: &'a Asked,
    metrics: Vec<&'a str>,
    period: Period,
    dimensions: Vec<&'a str>,
    grain: Option<Interval>,
    cuts: Vec<Cut>,
    filters: Vec<Filter>,
}

pub(super) fn answer(asked: &Asked, body: &Map<String, Value>) -> Result<Reply, Problem> {
    let query = Query::read(asked, body)?;
    let mut rows = asked.rows(query.period, query.grain, &query.cuts, &query.filters);
    if rows.is_empty() && query.dimensions.is_empty() {
        rows.push(Asked::nothing(None));
    }
    let mut shown: Vec<(Vec<String>, Vec<Value>)> =
        rows.iter().map(|row| (query.names(row), query.metrics_of(row))).collect();
    for (place, is_metric, ascends) in query.order(body.get("order_by"))?.into_iter().rev() {
        shown.sort_by(|a, b| {
            let number = |value: &Value| value.as_f64().unwrap_or(0.0);
            let order = match is_metric {
                true => number(&a.1[place]).total_cmp(&number(&b.1[place])),
                false => a.0[place].cmp(&b.0[place]),
            };
            if ascends { order } else { order.reverse() }
        });
    }
    let (limit, offset) = pagination(body.get("pagination"))?;
    let mut meta = Map::new();
    let include = body.get("include").and_then(Value::as_object).cloned().unwrap_or_default();
    for (key, value) in &include {
        let wanted = value.as_bool().ok_or_else(|| Problem::bad(format!("#/include/{key}: Type mismatch.")))?;
        match key.as_str() {
            "time_labels" if wanted => {
                let grain = query
                    .grain
                    .ok_or_else(|| Problem::bad("Invalid include.time_labels: requires a time dimension."))?;
                let labels = asked.buckets(query.period, grain);
                meta.insert(key.clone(), labels.iter().map(|bucket| json!(bucket.start())).collect());
            }
            "total_rows" if wanted => {
                meta.insert(key.clone(), json!(shown.len()));
            }
            "time_labels" | "total_rows" | "imports" => {}
            _ => return Err(Problem::bad(format!("#/include/{key}: Schema does not allow additional properties."))),
        }
    }
    let page = shown.into_iter().skip(offset).take(limit);
    let results: Vec<Value> =
        page.map(|(dimensions, metrics)| json!({ "metrics": metrics, "dimensions": dimensions })).collect();
    let mut echo = body.clone();
    echo.insert("date_range".to_owned(), query.told_range());
    Ok(Reply::compact(200, &json!({ "results": results, "meta": meta, "query": echo })))
}

impl<'a> Query<'a> {
    fn read(asked: &'a Asked, body: &'a Map<String, Value>) -> Result<Self, Problem> {
        let metrics = texts(body.get("metrics"), "metrics")?;
        if metrics.is_empty() {
            return Err(Problem::bad("#/metrics: Expected a minimum of 1 items but got 0."));
        }
        if let Some((place, name)) = metrics.iter().enumerate().find(|(_, name)| !METRICS.contains(name)) {
            return Err(Problem::bad(format!("#/metrics/{place}: Invalid metric \"{name}\"")));
        }
        let dimensions = match body.get("dimensions") {
            Some(given) => texts(Some(given), "dimensions")?,
            None => Vec::new(),
        };
        let (mut grain, mut cuts) = (None, Vec::new());
        for (place, name) in dimensions.iter().enumerate() {
            let interval = match *name {
                "time:day" => Some(Interval::Day),
                "time:week" => Some(Interval::Week),
                "time:month" => Some(Interval::Month),
                _ => None,
            };
            match (interval, Cut::parse(name)) {
                // Labels stand in front; nobody here asks for them elsewhere.
                (Some(interval), _) if grain.is_none() && place == 0 => grain = Some(interval),
                (None, Some(cut)) => cuts.push(cut),
                _ => return Err(Problem::bad(format!("#/dimensions/{place}: Invalid dimension \"{name}\""))),
            }
        }
        let filters = filters(asked, body.get("filters"))?;
        let period = period(asked, body.get("date_range"))?;
        let query = Self { asked, metrics, period, dimensions, grain, cuts, filters };
        query.check()?;
        Ok(query)
    }

    /// What may not be asked for together.
    fn check(&self) -> Result<(), Problem> {
        let of_events = self.cuts.contains(&Cut::Goal);
        let of_session = self.metrics.iter().find(|name| SESSION_METRICS.contains(name));
        if let Some(name) = of_session.filter(|_| of_events) {
            return Err(Problem::bad(format!(
                "Session metric(s) `{name}` cannot be queried along with event dimensions"
            )));
        }
        if self.metrics.contains(&"views_per_visit") && self.cuts.contains(&Cut::Page) {
            return Err(Problem::bad("Metric `views_per_visit` cannot be queried with `event:page`."));
        }
        let has_goal = of_events || self.filters.iter().any(|filter| filter.cut == Cut::Goal);
        let of_goals = self.metrics.iter().find(|name| ["conversion_rate", "total_revenue"].contains(name));
        match of_goals {
            Some(name) if !has_goal => {
                Err(Problem::bad(format!("Metric `{name}` can only be queried with event:goal filters or dimensions.")))
            }
            Some(_) if self.metrics.contains(&"total_revenue") && !self.asked.server.revenue => {
                Err(Problem::no_revenue())
            }
            _ => Ok(()),
        }
    }

    fn names(&self, row: &Row) -> Vec<String> {
        row.bucket.iter().map(Day::to_string).chain(row.names.iter().cloned()).collect()
    }

    fn metrics_of(&self, row: &Row) -> Vec<Value> {
        let goal = self.cuts.iter().position(|cut| *cut == Cut::Goal).and_then(|place| row.names.get(place));
        let goals = &self.asked.server.goals;
        let currency = goal.and_then(|name| goals.iter().find(|goal| goal.name == *name)?.currency);
        self.metrics.iter().map(|metric| row.metric(metric, currency)).collect()
    }

    /// What rows are sorted by: the place among the metrics or dimensions, and whether it ascends.
    fn order(&self, given: Option<&Value>) -> Result<Vec<(usize, bool, bool)>, Problem> {
        let Some(given) = given else {
            let usual = if self.grain.is_some() { (0, false, true) } else { (0, true, false) };
            return Ok(vec![usual]);
        };
        let wrong = || Problem::bad("Invalid order_by: name a metric or dimension of the query, and asc or desc.");
        let entries = given.as_array().ok_or_else(wrong)?;
        let entry = |entry: &Value| {
            let (name, direction) = (entry.get(0)?.as_str()?, entry.get(1)?.as_str()?);
            let ascends = ["desc", "asc"].iter().position(|known| *known == direction)? == 1;
            let of_metric = self.metrics.iter().position(|metric| *metric == name).map(|place| (place, true, ascends));
            of_metric.or_else(|| Some((self.dimensions.iter().position(|one| *one == name)?, false, ascends)))
        };
        entries.iter().map(|one| entry(one).ok_or_else(wrong)).collect()
    }

    /// The instants of the range in the site's zone, as the answer repeats them.
    fn told_range(&self) -> Value {
        let (from, to) = self.asked.zone.bounds(self.period);
        let last = to.saturating_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(to);
        json!([told(from, &self.asked.zone), told(last, &self.asked.zone)])
    }
}

fn told(at: jiff::Timestamp, zone: &Zone) -> String {
    let zoned = at.in_tz(zone.name()).map(|zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
    zoned.unwrap_or_default()
}

fn texts<'a>(given: Option<&'a Value>, name: &str) -> Result<Vec<&'a str>, Problem> {
    let given = given.ok_or_else(|| Problem::bad(format!("#: Required property {name} was not present.")))?;
    let list = given.as_array().and_then(|list| list.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
    list.ok_or_else(|| Problem::bad(format!("#/{name}: Type mismatch. Expected a list of strings.")))
}

fn period(asked: &Asked, given: Option<&Value>) -> Result<Period, Problem> {
    let wrong = |shown: &Value| Problem::bad(format!("#/date_range: Invalid date range {shown}"));
    let given = given.ok_or_else(|| Problem::bad("#: Required property date_range was not present."))?;
    let today = asked.today();
    if let Some(word) = given.as_str() {
        // Days that are over, since version 3.
        let back = |days: i32| Period::new(today.plus(-days), today);
        return match word {
            "day" => Ok(Period::single(today)),
            "7d" => Ok(back(7)),
            "28d" => Ok(back(28)),
            "30d" => Ok(back(30)),
            "91d" => Ok(back(91)),
            _ => Err(wrong(given)),
        };
    }
    let day = |place: usize| given.get(place)?.as_str()?.parse::<Day>().ok();
    match (day(0), day(1), given.as_array().map(Vec::len)) {
        (Some(first), Some(last), Some(2)) if first <= last => Ok(Period::inclusive(first, last)),
        _ => Err(wrong(given)),
    }
}

fn filters(asked: &Asked, given: Option<&Value>) -> Result<Vec<Filter>, Problem> {
    let wrong = |shown: &Value| Problem::bad(format!("#/filters: Invalid filter {shown}"));
    let Some(given) = given else { return Ok(Vec::new()) };
    let list = given.as_array().ok_or_else(|| wrong(given))?;
    let one = |filter: &Value| {
        let cut = filter.get(1).and_then(Value::as_str).and_then(Cut::parse);
        let excludes = match filter.get(0).and_then(Value::as_str) {
            Some("is") => false,
            Some("is_not") => true,
            _ => return Err(wrong(filter)),
        };
        let values = texts(filter.get(2), "filters")?;
        let (Some(cut), false) = (cut, values.is_empty()) else { return Err(wrong(filter)) };
        if cut == Cut::Goal {
            values.iter().try_for_each(|name| asked.goal(name).map(drop))?;
        }
        Ok(Filter { cut, values: values.into_iter().map(str::to_owned).collect(), excludes })
    };
    list.iter().map(one).collect()
}

fn pagination(given: Option<&Value>) -> Result<(usize, usize), Problem> {
    let Some(given) = given else { return Ok((10_000, 0)) };
    let number = |key: &str, usual: u64| match given.get(key) {
        None => Some(usual),
        Some(value) => value.as_u64(),
    };
    let limit = number("limit", MOST_ROWS).filter(|limit| (1..=MOST_ROWS).contains(limit));
    let size = |number: u64| usize::try_from(number).ok();
    let read = limit.and_then(size).zip(number("offset", 0).and_then(size));
    read.ok_or_else(|| Problem::bad("#/pagination: limit is from 1 to 10000, and offset 0 or more."))
}
