//! What is asked, and what both versions of the API answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    integrations::Error,
    metric::{Day, Interval, Period},
};

/// One question: some metrics, by bucket and perhaps by one dimension.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    pub(super) site: &'a str,
    /// Always the same set for the same purpose: figures may differ a little by what they are asked together with.
    pub(super) metrics: &'a [&'static str],
    /// Whole buckets; the last may not be over.
    pub(super) period: Period,
    pub(super) grain: Interval,
    /// The dimension, such as `event:page`.
    pub(super) by: Option<&'static str>,
    /// Only these goals; all where it is empty.
    pub(super) goals: &'a [String],
    /// Later days are not asked for.
    pub(super) today: Day,
}

impl Question<'_> {
    /// The days that are asked for.
    pub(super) fn days(&self) -> Period {
        self.period.intersect(Period::inclusive(self.period.start(), self.today))
    }

    /// The buckets that are asked for, as far as they have come.
    pub(super) fn buckets(&self) -> Vec<Period> {
        let (days, mut buckets) = (self.days(), Vec::new());
        let mut day = days.start();
        while day < days.end() {
            let bucket = self.grain.bucket(day).intersect(days);
            buckets.push(bucket);
            day = bucket.end();
        }
        buckets
    }
}

/// One row: its bucket, the value of the dimension (empty without one), and the figures as they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) day: Day,
    pub(super) name: String,
    pub(super) figures: Vec<String>,
}

impl Row {
    /// The figure of a metric, by its place among those that were asked for.
    pub(super) fn figure(&self, place: usize) -> Result<&str, Error> {
        let figure = self.figures.get(place).map(String::as_str);
        figure.ok_or_else(|| Error::invalid_response("a row of the answer has fewer figures than were asked for"))
    }
}

/// What is put in place of a dimension's empty value, as Plausible's own pages do.
const NOT_SET: &str = "(not set)";

/// Rows, each once. What is told again is the same row, since lists move while they are read.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<(Day, String), Vec<String>>);

impl Rows {
    /// Takes a row over.
    pub(super) fn take(
        &mut self,
        question: &Question<'_>,
        day: Day,
        name: Option<&str>,
        figures: Vec<String>,
    ) -> Result<(), Error> {
        if !question.days().contains(day) {
            return Err(Error::invalid_response(format!("the answer speaks of {day}, which was not asked for")));
        }
        if figures.len() != question.metrics.len() {
            return Err(Error::invalid_response("a row of the answer has not as many figures as were asked for"));
        }
        let name = match question.by {
            Some(_) => name.filter(|name| !name.is_empty()).unwrap_or(NOT_SET),
            None => "",
        };
        self.0.insert((day, name.to_owned()), figures);
        Ok(())
    }

    /// All of them, by bucket and name.
    pub(super) fn finish(self) -> Vec<Row> {
        self.0.into_iter().map(|((day, name), figures)| Row { day, name, figures }).collect()
    }
}
