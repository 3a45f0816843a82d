//! A report as columns that were asked for and figures that are exact. Pure.

use std::collections::BTreeMap;

use super::{
    api::{Header, Metadata, Name, Report, ReportRequest, Row},
    flags::Flags,
};
use crate::{
    integrations::Error,
    metric::{Currency, Day, Exact, Interval, Period, exact},
};

/// The report that answers a request. Its columns are those that were asked for, and each row has all of them.
#[derive(Debug)]
pub(super) struct Sheet {
    fields: Vec<Name>,
    rows: Vec<Row>,
    /// Rows of the whole report, of which these are a page.
    pub(super) row_count: usize,
    metadata: Metadata,
}

/// A figure, and whether it is what Google said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Figure<T> {
    pub(super) value: T,
    /// It had to be made to fit.
    pub(super) is_fitted: bool,
}

impl<T> Figure<T> {
    /// What Google said.
    pub(super) fn sure(value: T) -> Self {
        Self { value, is_fitted: false }
    }

    /// The same of what is made of it.
    pub(super) fn map<U>(self, make: impl FnOnce(T) -> U) -> Figure<U> {
        Figure { value: make(self.value), is_fitted: self.is_fitted }
    }
}

impl Sheet {
    /// Reads an answer; one with other columns is not understood.
    pub(super) fn read(report: Report, asked: &ReportRequest) -> Result<Self, Error> {
        let is_asked = |headers: &[Header], names: &[Name]| {
            headers.iter().map(|header| header.name.as_str()).eq(names.iter().map(|name| name.name))
        };
        if !is_asked(&report.dimension_headers, &asked.dimensions) || !is_asked(&report.metric_headers, &asked.metrics)
        {
            return Err(Error::invalid_response("the report's columns are not those that were asked for"));
        }
        let is_whole = |row: &Row| {
            row.dimension_values.len() == asked.dimensions.len() && row.metric_values.len() == asked.metrics.len()
        };
        if !report.rows.iter().all(is_whole) || report.rows.len() > report.row_count {
            return Err(Error::invalid_response("the report's rows do not fit its columns or their count"));
        }
        let Report { rows, row_count, metadata, .. } = report;
        Ok(Self { fields: asked.metrics.clone(), rows, row_count, metadata })
    }

    /// Fails where this is not the whole report.
    pub(super) fn whole(self) -> Result<Self, Error> {
        match self.rows.len() == self.row_count {
            true => Ok(self),
            false => Err(Error::invalid_response("the report is cut short")),
        }
    }

    /// Each row: what it is of, and its figures.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Vec<&str>, Cells<'_>)> {
        self.rows.iter().map(|row| {
            let of = row.dimension_values.iter().map(|cell| cell.value.as_str()).collect();
            (of, Cells { fields: &self.fields, row })
        })
    }

    /// How sure the figures are, for a connection whose days are cut in a zone.
    pub(super) fn flags(&self, zone: &str) -> Flags {
        Flags::of(&self.metadata, zone)
    }

    /// What amounts are counted in; `usual` where the report says nothing, as one without amounts may.
    pub(super) fn currency(&self, usual: Currency) -> Result<Currency, Error> {
        match &self.metadata.currency_code {
            None => Ok(usual),
            Some(code) => code.parse().map_err(|_| Error::invalid_response("the report's currency is none")),
        }
    }

    /// The property's zone.
    pub(super) fn zone(&self) -> Option<String> {
        self.metadata.time_zone.clone()
    }

    /// Whether the asker's role hides a metric, so that its zeros say nothing.
    pub(super) fn hides(&self, field: &str) -> bool {
        let hidden = &self.metadata.schema_restriction_response.active_metric_restrictions;
        hidden.iter().any(|restriction| restriction.metric_name == field)
    }
}

/// The figures of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells<'a> {
    fields: &'a [Name],
    row: &'a Row,
}

impl Cells<'_> {
    fn exact(&self, field: &str) -> Result<Exact, Error> {
        let place = self.fields.iter().position(|name| name.name == field);
        let cell = place.and_then(|place| self.row.metric_values.get(place));
        cell.and_then(|cell| decimal(&cell.value)).ok_or_else(|| no_figure(field))
    }

    /// A whole number. Some key events count in parts, where they are credited to several sources.
    pub(super) fn count(&self, field: &str) -> Result<Figure<i64>, Error> {
        let exact = self.exact(field)?;
        let value = exact::round(&exact).ok_or_else(|| no_figure(field))?;
        Ok(Figure { value, is_fitted: !exact.is_integer() })
    }

    /// `figure × 10^digits`, rounded once.
    pub(super) fn scaled(&self, field: &str, digits: u8) -> Result<i64, Error> {
        exact::round_scaled(&self.exact(field)?, digits).ok_or_else(|| no_figure(field))
    }

    /// A count and the count that it is a part of. Google estimates both where they are large, so that a part can come out
    /// larger than the whole: then it is all of it.
    pub(super) fn part(&self, part: &str, of: &str) -> Result<Figure<(i64, i64)>, Error> {
        let (part, whole) = (self.count(part)?, self.count(of)?);
        let fits = part.value <= whole.value;
        Ok(Figure {
            value: (part.value.min(whole.value), whole.value),
            is_fitted: part.is_fitted || whole.is_fitted || !fits,
        })
    }
}

fn no_figure(field: &str) -> Error {
    Error::invalid_response("a figure of the report is none").context("metric", field)
}

/// Reads a figure: a decimal, with an exponent where it is very large or small, as floats are written.
fn decimal(text: &str) -> Option<Exact> {
    /// No figure that anybody counts is larger or smaller.
    const MOST: i32 = 30;
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok().filter(|exponent| (-MOST..=MOST).contains(exponent))?;
    let power = exact::power_of_ten(exponent.unsigned_abs());
    let value = exact::parse_decimal(digits)?;
    Some(if exponent < 0 { value / power } else { value * power })
}

/// The buckets of a period by the names that a report has for them: the dimension, and each name with the bucket's first
/// day.
pub(super) fn buckets(grain: Interval, period: Period) -> (&'static str, BTreeMap<String, Day>) {
    let (dimension, name): (_, fn(Day) -> String) = match grain {
        Interval::Day => ("date", |day| day.date().strftime("%Y%m%d").to_string()),
        Interval::Week => ("isoYearIsoWeek", |day| day.date().strftime("%G%V").to_string()),
        Interval::Month => ("yearMonth", |day| day.date().strftime("%Y%m").to_string()),
    };
    let first_days = period.days().map(|day| grain.bucket(day).start());
    (dimension, first_days.map(|day| (name(day), day)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_they_are_written() {
        let shown = |text: &str| decimal(text).and_then(|value| exact::to_decimal(&value, 4));
        for (text, expected) in [
            ("0", "0.0000"),
            ("1234.5", "1234.5000"),
            ("-12.75", "-12.7500"),
            ("1.23456789E7", "12345678.9000"),
            ("4.0e-4", "0.0004"),
            ("0.66666666666666663", "0.6667"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
        for bad in ["", "NaN", "Infinity", "1e", "e5", "1e31", "1e-31", "1,5", "1e5e5", "(not set)"] {
            assert_eq!(decimal(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn buckets_are_named_as_reports_name_them() {
        let period = |from: &str, to: &str| Period::inclusive(from.parse().unwrap(), to.parse().unwrap());
        let shown = |grain, period| {
            let (dimension, buckets) = buckets(grain, period);
            (dimension, buckets.into_iter().map(|(name, day)| format!("{name} {day}")).collect::<Vec<_>>())
        };
        let new_year = period("2026-12-30", "2027-01-01");
        let days = ["20261230 2026-12-30", "20261231 2026-12-31", "20270101 2027-01-01"];
        assert_eq!(shown(Interval::Day, new_year), ("date", days.map(str::to_owned).to_vec()));
        let weeks = period("2026-12-21", "2027-01-10");
        let expected = ["202652 2026-12-21", "202653 2026-12-28", "202701 2027-01-04"];
        assert_eq!(shown(Interval::Week, weeks), ("isoYearIsoWeek", expected.map(str::to_owned).to_vec()));
        let expected = ["202612 2026-12-01", "202701 2027-01-01"];
        let months = period("2026-12-01", "2027-01-31");
        assert_eq!(shown(Interval::Month, months), ("yearMonth", expected.map(str::to_owned).to_vec()));
    }
}
