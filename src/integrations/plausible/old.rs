//! Version 1 of the Stats API, for Plausibles that do not know version 2. It has no dimension beside time, so that each
//! day is asked for by itself where there is one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    metrics::CONVERSION_RATE_FIGURE,
    number,
    table::{Question, Row, Rows},
};
use crate::{
    http::{Answer, Error, Http, Next, Request},
    metric::{Day, FailureKind, Interval, Period, exact},
};

/// Rows of a page; the most that Plausible gives.
const PER_PAGE: usize = 1000;

/// Figures by their names, with the day or the dimension's value among them.
type Figures = BTreeMap<String, Box<RawValue>>;

#[derive(Debug, Deserialize)]
struct Listed {
    results: Vec<Figures>,
}

#[derive(Debug, Deserialize)]
struct Aggregated {
    results: BTreeMap<String, Single>,
}

#[derive(Debug, Deserialize)]
struct Single {
    value: Box<RawValue>,
}

/// Asks the old way. What version 1 does not tell at all is refused as `plan_required`, without a request.
pub(super) async fn query(http: &Http, question: &Question<'_>) -> Result<Vec<Row>, Error> {
    let mut rows = Rows::default();
    match (question.by, question.grain) {
        (Some(by), _) => {
            for bucket in question.buckets() {
                breakdown(http, question, by, bucket, &mut rows).await?;
            }
        }
        (None, Interval::Day) => {
            let told = timeseries(http, question).await?;
            for figures in &told {
                let day = text(figures, "date")?.parse::<Day>();
                let day =
                    day.map_err(|_| Error::invalid_response("a row of the answer does not say which day it is of"))?;
                rows.take(question, day, None, figures_of(question, figures)?)?;
            }
        }
        (None, _) => {
            for bucket in question.buckets() {
                let told = aggregate(http, question.site, question.metrics, bucket).await?;
                rows.take(question, bucket.start(), None, figures_of(question, &told)?)?;
            }
        }
    }
    let rows = rows.finish();
    // Here days without anything are told as well, so that one that is missing was left out.
    let is_told = |bucket: &Period| rows.iter().any(|row| row.day == bucket.start());
    match question.buckets().iter().find(|bucket| question.by.is_none() && !is_told(bucket)) {
        Some(bucket) => Err(Error::invalid_response(format!("the answer does not speak of {}", bucket.start()))),
        None => Ok(rows),
    }
}

/// Days. Very old ones do not know `interval`, and give days for any range.
async fn timeseries(http: &Http, question: &Question<'_>) -> Result<Vec<Figures>, Error> {
    let request = http.get("/api/v1/stats/timeseries").query("site_id", question.site);
    let request = over(request, question.days()).query("metrics", question.metrics.join(","));
    let answer: Result<Answer<Listed>, Error> = request.clone().query("interval", "day").json().await;
    Ok(match answer {
        Err(error) if error.kind() == FailureKind::Rejected => request.json().await?,
        answer => answer?,
    }
    .body
    .results)
}

async fn aggregate(http: &Http, site: &str, metrics: &[&str], days: Period) -> Result<Figures, Error> {
    let request = over(http.get("/api/v1/stats/aggregate").query("site_id", site), days);
    let answer: Answer<Aggregated> = request.query("metrics", metrics.join(",")).json().await?;
    Ok(answer.body.results.into_iter().map(|(name, single)| (name, single.value)).collect())
}

/// The values of a dimension in one bucket.
async fn breakdown(
    http: &Http,
    question: &Question<'_>,
    by: &'static str,
    bucket: Period,
    rows: &mut Rows,
) -> Result<(), Error> {
    let asked: Vec<&str> = question.metrics.iter().copied().filter(|name| *name != CONVERSION_RATE_FIGURE).collect();
    // The share of goals is not told; who was there is.
    let everybody = match asked.len() < question.metrics.len() {
        true => Some(aggregate(http, question.site, &["visitors"], bucket).await?),
        false => None,
    };
    let request = over(http.get("/api/v1/stats/breakdown").query("site_id", question.site), bucket);
    let request = request.query("property", by).query("metrics", asked.join(",")).query("limit", PER_PAGE);
    let mut page_number = 1;
    let mut pages = request.query("page", page_number).pages(move |page: &Answer<Listed>| {
        page_number += 1;
        let is_last = page.body.results.len() < PER_PAGE;
        Ok(if is_last { Next::Done } else { Next::Query("page", page_number.to_string()) })
    });
    let key = by.split_once(':').map_or(by, |(_, key)| key);
    while let Some(page) = pages.next().await? {
        for mut figures in page.body.results {
            let name = text(&figures, key)?;
            if !question.goals.is_empty() && !question.goals.contains(&name) {
                continue;
            }
            if let Some(everybody) = &everybody {
                let rate = rate(raw(&figures, "visitors")?, raw(everybody, "visitors")?)?;
                figures.insert(CONVERSION_RATE_FIGURE.to_owned(), rate);
            }
            rows.take(question, bucket.start(), Some(&name), figures_of(question, &figures)?)?;
        }
    }
    Ok(())
}

/// The percentage that version 2 would tell, which rounds it to two decimals.
fn rate(converted: &RawValue, everybody: &RawValue) -> Result<Box<RawValue>, Error> {
    let (converted, everybody) = (number::count(converted.get())?, number::count(everybody.get())?);
    let percent = exact::fraction(converted, everybody).map(|share| share * exact::from_int(100));
    let text = percent.and_then(|percent| exact::to_decimal(&percent, 2)).unwrap_or_else(|| "null".to_owned());
    RawValue::from_string(text).map_err(|_| Error::internal("a number could not be written"))
}

fn over(request: Request, days: Period) -> Request {
    let last = days.last().unwrap_or(days.start());
    request.query("period", "custom").query("date", format!("{},{last}", days.start()))
}

fn raw<'a>(figures: &'a Figures, name: &str) -> Result<&'a RawValue, Error> {
    let missing = || Error::invalid_response("a row of the answer leaves a figure out").context("figure", name);
    figures.get(name).map(AsRef::as_ref).ok_or_else(missing)
}

fn text(figures: &Figures, name: &str) -> Result<String, Error> {
    let text: Option<String> = serde_json::from_str(raw(figures, name)?.get())
        .map_err(|_| Error::invalid_response("a row of the answer has no name").context("field", name))?;
    Ok(text.unwrap_or_default())
}

fn figures_of(question: &Question<'_>, figures: &Figures) -> Result<Vec<String>, Error> {
    question.metrics.iter().map(|name| Ok(raw(figures, name)?.get().to_owned())).collect()
}
