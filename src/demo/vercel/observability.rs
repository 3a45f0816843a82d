//! Observability: what requests and functions used, by query.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Ask, Problem, list::of_scope};
use crate::{
    demo::company::{Project, TEAM_ID, Usage},
    metric::{Day, Period, Zone},
};

const NAME: &str = "Observability Plus";
/// So many days are kept, today among them.
const KEPT_DAYS: i32 = 30;
/// Id, unit and what it says of a day.
type Metric = (&'static str, &'static str, &'static str, fn(Usage) -> i64);

const METRICS: [Metric; 4] = [
    ("vercel.function_invocation.count", "count", "Function Invocations", |usage| usage.invocations),
    ("vercel.function_invocation.function_duration_ms", "milliseconds", "Function Duration", |usage| {
        usage.invocations * 80
    }),
    ("vercel.request.count", "count", "Edge Requests", |usage| usage.requests),
    ("vercel.request.fdt_total_bytes", "bytes", "Fast Data Transfer", |usage| usage.bytes),
];
const FIELDS: [&str; 12] = [
    "metric",
    "scope",
    "aggregation",
    "groupBy",
    "filter",
    "limit",
    "orderBy",
    "orderDirection",
    "granularity",
    "startTime",
    "endTime",
    "bucketTimezone",
];

pub(super) fn schema(ask: Ask<'_>) -> Result<Value, Problem> {
    ask.params(&[])?;
    ask.reads("observability_schema", NAME)?;
    let list: Vec<Value> = METRICS.iter().map(|(id, _, text, _)| json!({ "id": id, "description": text })).collect();
    Ok(json!({ "metrics": list }))
}

/// A metric, or all whose id begins so.
pub(super) fn metric(ask: Ask<'_>, asked: &str) -> Result<Value, Problem> {
    ask.params(&[])?;
    let list: Vec<Value> = METRICS
        .iter()
        .filter(|(id, ..)| id.starts_with(asked))
        .map(|(id, unit, text, _)| {
            json!({ "id": id, "description": text, "unit": unit, "aggregations": ["sum", "avg"], "defaultAggregation": "sum",
                "dimensions": [{ "name": "project_id", "label": "Project" }, { "name": "route", "label": "Route" }] })
        })
        .collect();
    if list.is_empty() { Err(Problem::not_found("There is no such metric")) } else { Ok(Value::Array(list)) }
}

/// Days of one metric, by project.
pub(super) fn query(ask: Ask<'_>) -> Result<Value, Problem> {
    ask.params(&[])?;
    ask.reads("observability", NAME)?;
    let body: Map<String, Value> = serde_json::from_slice(&ask.request.body)
        .map_err(|_| Problem::bad_request("Invalid request: the body is no JSON object"))?;
    if let Some(name) = body.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(Problem::bad_request(format!("Invalid request: should NOT have additional property `{name}`")));
    }
    let wrong = |name: &str| Problem::bad_request(format!("Invalid request: `{name}` is missing or wrong"));
    let asked = body.get("metric").and_then(Value::as_str).ok_or_else(|| wrong("metric"))?;
    let (id, _, _, of) = METRICS.iter().find(|(id, ..)| *id == asked).ok_or_else(|| wrong("metric"))?;
    if body.get("aggregation").is_some_and(|word| word != "sum")
        || body.get("granularity") != Some(&json!({ "days": 1 }))
    {
        return Err(wrong("aggregation or granularity"));
    }
    let is_grouped = match body.get("groupBy") {
        None => false,
        Some(groups) if *groups == json!([]) => false,
        Some(groups) if *groups == json!(["project_id"]) => true,
        Some(_) => return Err(wrong("groupBy")),
    };
    let limit = body.get("limit").map_or(Some(10), Value::as_u64).filter(|limit| (1..=500).contains(limit));
    let limit = usize::try_from(limit.ok_or_else(|| wrong("limit"))?).unwrap_or(10);
    let projects = scope(ask, body.get("scope").ok_or_else(|| wrong("scope"))?)?;
    let period = period(ask, &body)?;
    let column = format!("{}_sum", id.replace('.', "_"));
    let mut data = Vec::new();
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for day in period.days() {
        let mut groups: BTreeMap<&str, i64> = BTreeMap::new();
        for (place, project) in projects.iter().enumerate() {
            let group = match is_grouped {
                false => "",
                true if place < limit => project.id.as_str(),
                true => "Others",
            };
            let used = of(ask.company.usage(project, day));
            *groups.entry(group).or_default() += used;
            *sums.entry(group).or_default() += used;
        }
        data.extend(groups.into_iter().map(|(group, used)| {
            let timestamp = format!("{day}T00:00:00.000Z");
            row(is_grouped, group, &column, used, Some(timestamp))
        }));
    }
    let summary: Vec<Value> = sums.into_iter().map(|(group, sum)| row(is_grouped, group, &column, sum, None)).collect();
    let (start, end) = (format!("{}T00:00:00.000Z", period.start()), format!("{}T00:00:00.000Z", period.end()));
    Ok(json!({ "data": data, "summary": summary, "statistics": { "rowsRead": 4711 },
        "query": { "metric": id, "aggregation": "sum", "startTime": start, "endTime": end, "granularity": { "days": 1 } } }))
}

fn row(is_grouped: bool, group: &str, column: &str, used: i64, timestamp: Option<String>) -> Value {
    let mut row = json!({ column: used });
    if let Some(timestamp) = timestamp {
        row["timestamp"] = json!(timestamp);
    }
    if is_grouped {
        row["project_id"] = json!(group);
    }
    row
}

fn scope(ask: Ask<'_>, scope: &Value) -> Result<Vec<Project>, Problem> {
    let is_teams = scope["type"] == "project" && scope["ownerId"] == TEAM_ID;
    let Some(ids) = scope["projectIds"].as_array().filter(|_| is_teams && ask.for_team) else {
        return Err(Problem::bad_request("Invalid request: `scope` is missing or wrong"));
    };
    let projects = of_scope(ask);
    let find = |id: &Value| projects.iter().find(|project| *id == project.id.as_str()).cloned();
    ids.iter().map(|id| find(id).ok_or_else(|| Problem::forbidden("Not authorized"))).collect()
}

/// Whole days, rounded outwards; days that are not kept any more are left out, which `query.startTime` tells.
fn period(ask: Ask<'_>, body: &Map<String, Value>) -> Result<Period, Problem> {
    let zone = Zone::utc();
    let at = |name: &str| body.get(name).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
    let (Some(start), Some(end)) = (at("startTime"), at("endTime")) else {
        return Err(Problem::bad_request("Invalid request: `startTime` and `endTime` should be instants"));
    };
    let last = end.saturating_sub(jiff::SignedDuration::from_millis(1)).unwrap_or(end);
    let today = Day::of(ask.company.now, &zone);
    let kept = Period::inclusive(today.plus(1 - KEPT_DAYS), today);
    Ok(Period::inclusive(Day::of(start, &zone), Day::of(last, &zone)).intersect(kept))
}
