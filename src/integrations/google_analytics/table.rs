//! One table, read page by page in the order of its days: a day is handed in when it is complete, so that memory stays
//! flat. Pure.

use std::collections::BTreeMap;

use super::{
    api::ReportRequest,
    flags::Flags,
    metrics::Row,
    sheet::{Figure, Sheet, buckets},
};
use crate::{
    integrations::Error,
    metric::{Answer, Day, Interval, Period, Sample, Value},
};

/// Rows of a page. An answer of so many is a few megabytes; hardly a site has more in the days that are read again.
const PAGE: u32 = 25_000;
/// What Google calls what has no name.
const UNNAMED: &str = "(not set)";

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) row: &'static Row,
    by: &'static str,
    period: Period,
    days: BTreeMap<String, Day>,
    /// The first day that is not handed in.
    open: Day,
    /// By day and name.
    figures: BTreeMap<Day, BTreeMap<String, Figure<i64>>>,
    /// Different rows that came, and how many the table has.
    seen: usize,
    total: Option<usize>,
    flags: Flags,
}

impl Listing {
    /// The table of a metric over some days.
    pub(super) fn new(row: &'static Row, by: &'static str, period: Period) -> Self {
        let (_, days) = buckets(Interval::Day, period);
        Self {
            row,
            by,
            period,
            days,
            open: period.start(),
            figures: BTreeMap::new(),
            seen: 0,
            total: None,
            flags: Flags::default(),
        }
    }

    /// The page that is due.
    pub(super) fn request(&self) -> ReportRequest {
        let fields: Vec<&'static str> = self.row.formula.fields().collect();
        ReportRequest::new(Some(self.period), &["date", self.by], &fields).page(self.seen, PAGE)
    }

    /// Whether all of it has come.
    pub(super) fn is_complete(&self) -> bool {
        self.total == Some(self.seen)
    }

    /// Takes the page, and gives the days that it completes.
    pub(super) fn take(&mut self, sheet: &Sheet, zone: &str) -> Result<Answer, Error> {
        if self.total.is_some_and(|total| total != sheet.row_count) {
            return Err(changed());
        }
        self.total = Some(sheet.row_count);
        let flags = sheet.flags(zone);
        if !flags.is_exact() {
            self.flags = flags;
        }
        let before = self.seen;
        for (of, cells) in sheet.rows() {
            let [day, name] = of.as_slice() else { return Err(changed()) };
            let day = *self.days.get(*day).ok_or_else(|| Error::invalid_response("a row of a day not asked for"))?;
            // What is handed in already came once more, as in a list that moved under the page.
            if day < self.open {
                continue;
            }
            let figure = self.row.formula.fields().next().map_or(Ok(Figure::sure(0)), |field| cells.count(field))?;
            match self.figures.entry(day).or_default().insert((*name).to_owned(), figure) {
                None => self.seen += 1,
                Some(known) if known == figure => {}
                Some(_) => return Err(changed()),
            }
        }
        let total = sheet.row_count;
        if self.seen > total || (self.seen == before && self.seen < total) {
            return Err(changed());
        }
        // Rows of the last day may go on on the next page.
        let last = self.figures.keys().next_back().copied().unwrap_or(self.open);
        Ok(self.hand_in(if self.is_complete() { self.period.end() } else { last }))
    }

    /// The days up to but not at `until`.
    fn hand_in(&mut self, until: Day) -> Answer {
        let answered = Period::new(self.open, until);
        self.open = answered.end();
        let rest = self.figures.split_off(&until);
        let complete = std::mem::replace(&mut self.figures, rest);
        let samples = complete.into_iter().flat_map(|(day, names)| self.samples(day, names)).collect();
        Answer::every_dimension(self.row.id, answered, samples)
    }

    fn samples(&self, day: Day, names: BTreeMap<String, Figure<i64>>) -> Vec<Sample> {
        let mut shown: BTreeMap<String, Figure<i64>> = BTreeMap::new();
        for (name, figure) in names {
            let name = if name.is_empty() { UNNAMED.to_owned() } else { name };
            let sum = shown.entry(name).or_insert(Figure::sure(0));
            *sum =
                Figure { value: sum.value.saturating_add(figure.value), is_fitted: sum.is_fitted || figure.is_fitted };
        }
        let sample = |(name, figure): (String, Figure<i64>)| {
            self.flags.mark(Sample::new(day, Value::Count(figure.value)).of(&name), figure.is_fitted)
        };
        shown.into_iter().map(sample).collect()
    }
}

fn changed() -> Error {
    Error::invalid_response("the report changed while it was read")
}
