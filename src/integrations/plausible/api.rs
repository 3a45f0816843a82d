//! Plausible's Stats API, version 2: one question for everything. And what of version 1 is asked for everywhere.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value as Json, json, value::RawValue};

use super::table::{Question, Row, Rows};
use crate::{
    http::{Answer, Error, Http, Next},
    metric::{Day, Interval},
};

const QUERY: &str = "/api/v2/query";
/// Rows of a page; the most that Plausible gives.
const PER_PAGE: usize = 10_000;

/// A page of rows. Figures stand in the order in which they were asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) results: Vec<Entry>,
    pub(super) meta: Meta,
}

/// One row.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) metrics: Vec<Box<RawValue>>,
    pub(super) dimensions: Vec<Option<String>>,
}

/// What is said about the rows.
#[derive(Debug, Deserialize)]
pub(super) struct Meta {
    /// The buckets that were looked at, those without a row among them.
    pub(super) time_labels: Option<Vec<Day>>,
    pub(super) total_rows: Option<usize>,
}

/// The sites of a key.
#[derive(Debug, Deserialize)]
pub(super) struct Sites {
    pub(super) sites: Vec<Site>,
}

/// One site.
#[derive(Debug, Deserialize)]
pub(super) struct Site {
    pub(super) domain: String,
    pub(super) timezone: Option<String>,
}

fn body(question: &Question<'_>) -> Json {
    let time = match question.grain {
        Interval::Day => "time:day",
        Interval::Week => "time:week",
        Interval::Month => "time:month",
    };
    let days = question.days();
    let dimensions: Vec<&str> = std::iter::once(time).chain(question.by).collect();
    // In an order of its own, pages fit each other.
    let order: Vec<[&str; 2]> = dimensions.iter().map(|name| [*name, "asc"]).collect();
    let mut body = json!({
        "site_id": question.site,
        "metrics": question.metrics,
        "date_range": [days.start(), days.last().unwrap_or(days.start())],
        "dimensions": dimensions,
        "order_by": order,
        "include": { "time_labels": true, "total_rows": true },
        "pagination": { "limit": PER_PAGE },
    });
    if !question.goals.is_empty() {
        body["filters"] = json!([["is", "event:goal", question.goals]]);
    }
    body
}

/// The same question from a row on.
fn from(body: &Json, offset: usize) -> Json {
    let mut body = body.clone();
    body["pagination"]["offset"] = json!(offset);
    body
}

/// What stands for a question, whatever days it is about.
pub(super) fn text(question: &Question<'_>) -> String {
    let mut body = body(question);
    body["date_range"] = Json::Null;
    body.to_string()
}

/// Asks. The answer speaks of every bucket that was asked for, or it is an error.
pub(super) async fn query(http: &Http, question: &Question<'_>) -> Result<Vec<Row>, Error> {
    let (mut seen, mut most): (HashSet<Vec<Option<String>>>, usize) = (HashSet::new(), 0);
    let first = body(question);
    let mut pages = http.query(QUERY, &first).pages(move |page: &Answer<Page>| {
        let before = seen.len();
        seen.extend(page.body.results.iter().map(|row| row.dimensions.clone()));
        let Some(total) = page.body.meta.total_rows else {
            let is_last = page.body.results.len() < PER_PAGE;
            return Ok(if is_last { Next::Done } else { Next::Body(from(&first, seen.len())) });
        };
        if total < most {
            return Err(Error::invalid_response("the list became shorter while it was read"));
        }
        most = total;
        match seen.len() {
            all if all >= total => Ok(Next::Done),
            all if all == before => Err(Error::invalid_response("the list ends before its end")),
            all => Ok(Next::Body(from(&first, all))),
        }
    });
    let mut rows = Rows::default();
    while let Some(page) = pages.next().await? {
        check_labels(question, page.body.meta.time_labels.as_deref())?;
        for entry in page.body.results {
            let bucket = entry.dimensions.first().cloned().flatten();
            let day = bucket
                .and_then(|text| text.parse::<Day>().ok())
                .ok_or_else(|| Error::invalid_response("a row of the answer does not say which day it is of"))?;
            let figures = entry.metrics.iter().map(|raw| raw.get().to_owned()).collect();
            let name = entry.dimensions.get(1).and_then(Option::as_deref);
            rows.take(question, day, name, figures)?;
        }
    }
    Ok(rows.finish())
}

/// Rows of buckets without anything are left out. That they were looked at is said by the labels alone.
fn check_labels(question: &Question<'_>, labels: Option<&[Day]>) -> Result<(), Error> {
    let labels = labels.ok_or_else(|| Error::invalid_response("the answer does not say which days it speaks of"))?;
    match question.buckets().iter().find(|bucket| !labels.contains(&bucket.start())) {
        Some(bucket) => Err(Error::invalid_response(format!("the answer does not speak of {}", bucket.start()))),
        None => Ok(()),
    }
}

/// Who is on the site now: a number and nothing around it.
pub(super) async fn current_visitors(http: &Http, site: &str) -> Result<Box<RawValue>, Error> {
    Ok(http.get("/api/v1/stats/realtime/visitors").query("site_id", site).json().await?.body)
}

/// The sites that the key may see. Not every plan includes the list.
pub(super) async fn sites(http: &Http) -> Result<Sites, Error> {
    Ok(http.get("/api/v1/sites").query("limit", 100).json().await?.body)
}
