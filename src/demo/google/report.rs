//! The Data API: reports, batches of them, what happens now, and which fields there are.

use serde_json::{Value, json};

use super::{
    Question,
    admin::find,
    ask::{self, Ask},
    cell,
    problem::Problem,
    property::GoogleProperty,
    quota::Pool,
    rows::{self, Row},
    schema::{DIMENSIONS, METRICS, Metric},
    written,
};
use crate::metric::{Day, Zone};

/// `:runReport` and `:runRealtimeReport`
pub(super) fn one(question: Question<'_>, number: &str, pool: Pool) -> Result<Value, Problem> {
    let property = find(question, number)?;
    question.budgets.admit(property, pool, question.site.now())?;
    report(question, property, &ask::json(&question.request.body)?, pool)
}

/// `:batchRunReports`
pub(super) fn batch(question: Question<'_>, number: &str) -> Result<Value, Problem> {
    let property = find(question, number)?;
    question.budgets.admit(property, Pool::Core, question.site.now())?;
    let requests = ask::batch(&question.request.body)?;
    // One that is wrong spoils them all.
    let reports: Result<Vec<Value>, Problem> =
        requests.iter().map(|request| report(question, property, request, Pool::Core)).collect();
    Ok(json!({ "reports": reports?, "kind": "analyticsData#batchRunReports" }))
}

fn report(question: Question<'_>, property: &GoogleProperty, body: &Value, pool: Pool) -> Result<Value, Problem> {
    let zone: Zone = property.zone.parse().unwrap_or_else(|_| Zone::utc());
    let company = question.company;
    let now = question.site.now();
    let ask = Ask::parse(body, pool, Day::of(now, &zone))?;
    let hides_revenue = question.caller.hides_revenue();
    let all = match property.is_site {
        true => rows::rows(&ask, company, &zone, hides_revenue, now),
        false => Vec::new(),
    };
    let page: Vec<Value> = all.iter().skip(ask.offset).take(ask.limit).map(shown).collect();

    let names = ask.dimensions.iter().map(|(name, _)| json!({ "name": name }));
    let columns = ask.columns.iter().map(|column| json!({ "name": column.name, "type": column.kind }));
    let kind = match pool {
        Pool::Core => "analyticsData#runReport",
        Pool::Realtime => "analyticsData#runRealtimeReport",
    };
    let mut report = json!({
        "dimensionHeaders": names.collect::<Vec<_>>(),
        "metricHeaders": columns.collect::<Vec<_>>(),
        "rowCount": all.len(),
        "kind": kind,
    });
    if pool == Pool::Core {
        report["metadata"] = metadata_of(&ask, property, hides_revenue, all.is_empty());
    }
    let quota = question.budgets.charge(property, pool, tokens(&ask, page.len()), now);
    if ask.tells_quota {
        report["propertyQuota"] = quota;
    }
    let mut report = written(report);
    if !page.is_empty() {
        // A cell says its value even where that is nothing.
        report["rows"] = Value::Array(page);
    }
    Ok(report)
}

fn shown(row: &Row) -> Value {
    let figures: Vec<Value> = row.figures.iter().map(|figure| cell(&rows::shown(figure))).collect();
    let mut shown = json!({ "metricValues": figures });
    if !row.of.is_empty() {
        shown["dimensionValues"] = row.of.iter().map(|name| cell(name)).collect();
    }
    shown
}

/// What a report costs grows with its columns, days and rows; most cost less than ten.
fn tokens(ask: &Ask, rows: usize) -> i64 {
    let days = ask.period.map_or(0, |period| period.len());
    let parts = ask.dimensions.len() + ask.columns.len() / 5 + days / 30 + rows / 500;
    1 + i64::try_from(parts).unwrap_or(i64::MAX - 1)
}

fn metadata_of(ask: &Ask, property: &GoogleProperty, hides_revenue: bool, is_empty: bool) -> Value {
    let uncertain = property.uncertain;
    let hidden = ask.columns.iter().filter(|column| hides_revenue && column.metric == Metric::TotalRevenue);
    let hidden = hidden.map(|column| json!({ "metricName": column.name, "restrictedMetricTypes": ["REVENUE_DATA"] }));
    let sampling =
        uncertain.sampled.then(|| json!({ "samplesReadCount": "10000000", "samplingSpaceSize": "24680135" }));
    json!({
        "currencyCode": property.currency,
        "timeZone": property.zone,
        "schemaRestrictionResponse": { "activeMetricRestrictions": hidden.collect::<Vec<_>>() },
        "samplingMetadatas": sampling.into_iter().collect::<Vec<_>>(),
        "subjectToThresholding": uncertain.thresholded,
        "dataLossFromOtherRow": uncertain.other_row,
        "emptyReason": if is_empty { "NO_DATA" } else { "" },
    })
}

/// `GET /v1beta/properties/{number}/metadata`
pub(super) fn metadata(question: Question<'_>, number: &str) -> Result<Value, Problem> {
    let property = find(question, number)?;
    let dimensions = DIMENSIONS.iter().map(|(name, _)| json!({ "apiName": name, "uiName": name }));
    let metrics = METRICS.iter().map(|(name, metric, kind)| {
        let is_blocked = question.caller.hides_revenue() && *metric == Metric::TotalRevenue;
        let reasons = if is_blocked { vec!["NO_REVENUE_METRICS"] } else { Vec::new() };
        json!({ "apiName": name, "uiName": name, "type": kind, "blockedReasons": reasons })
    });
    Ok(written(json!({
        "name": format!("properties/{}/metadata", property.number),
        "dimensions": dimensions.collect::<Vec<_>>(),
        "metrics": metrics.collect::<Vec<_>>(),
    })))
}
