//! From rows to samples.

use std::collections::BTreeMap;

use super::{
    metrics::{self, Reading},
    number,
    table::Row,
};
use crate::{
    integrations::Error,
    metric::{Currency, Day, Money, Sample, Value},
};

/// The samples of a metric: those of its total, and those of the values of its dimension.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Samples {
    pub(super) total: Vec<Sample>,
    pub(super) parts: Vec<Sample>,
}

/// What the rows of a reading say of one of its metrics.
pub(super) fn of(metric: &metrics::Row, rows: &[Row]) -> Result<Samples, Error> {
    let named = |value: fn(&Row) -> Result<Option<Value>, Error>| -> Result<Vec<Sample>, Error> {
        let sample = |row: &Row| Ok(Sample::new(row.day, value(row)?).of(&row.name));
        rows.iter().map(sample).collect()
    };
    Ok(match metric.reading {
        Reading::Days => {
            let sample = |row: &Row| Ok(Sample::new(row.day, of_site(metric.id, row)?));
            Samples { total: rows.iter().map(sample).collect::<Result<_, Error>>()?, parts: Vec::new() }
        }
        Reading::Now => Samples::default(),
        Reading::Goals if metric.id == metrics::CONVERSION_RATE => {
            Samples { total: Vec::new(), parts: named(|row| number::percent(row.figure(2)?))? }
        }
        Reading::Goals => Samples { total: sums(rows, 1)?, parts: named(|row| counted(row, 1))? },
        Reading::Revenue => revenue(rows)?,
        Reading::Pages | Reading::Sources | Reading::Countries => {
            Samples { total: Vec::new(), parts: named(|row| counted(row, 0))? }
        }
    })
}

/// The figures of the whole site, in the order of [`Reading::figures`].
fn of_site(metric: &str, row: &Row) -> Result<Option<Value>, Error> {
    let (visits, pageviews) = (number::count(row.figure(1)?)?, number::count(row.figure(2)?)?);
    Ok(match metric {
        metrics::VISITORS => counted(row, 0)?,
        metrics::VISITS => Some(Value::Count(visits)),
        metrics::PAGEVIEWS => Some(Value::Count(pageviews)),
        metrics::EVENTS => counted(row, 6)?,
        metrics::VIEWS_PER_VISIT => Value::ratio(pageviews, visits),
        // An average over nothing, for which some versions write zero.
        _ if visits == 0 => None,
        metrics::BOUNCE_RATE => number::percent(row.figure(4)?)?,
        metrics::VISIT_DURATION => number::millis(row.figure(5)?)?,
        _ => None,
    })
}

fn counted(row: &Row, place: usize) -> Result<Option<Value>, Error> {
    Ok(Some(Value::Count(number::count(row.figure(place)?)?)))
}

fn too_much() -> Error {
    Error::invalid_response("a sum of what was answered does not fit 64 bits")
}

/// All rows of a day together.
fn sums(rows: &[Row], place: usize) -> Result<Vec<Sample>, Error> {
    let mut sums: BTreeMap<Day, i64> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(row.day).or_default();
        *sum = sum.checked_add(number::count(row.figure(place)?)?).ok_or_else(too_much)?;
    }
    Ok(sums.into_iter().map(|(day, sum)| Sample::new(day, Value::Count(sum))).collect())
}

/// Money of goals that have any. Those of one currency add up.
fn revenue(rows: &[Row]) -> Result<Samples, Error> {
    let (mut sums, mut parts): (BTreeMap<(Day, Currency), i64>, Vec<Sample>) = (BTreeMap::new(), Vec::new());
    for row in rows {
        let Some(money) = number::money(row.figure(0)?)? else { continue };
        let sum = sums.entry((row.day, money.currency)).or_default();
        *sum = sum.checked_add(money.minor).ok_or_else(too_much)?;
        parts.push(Sample::new(row.day, Value::Money(money)).of(&row.name));
    }
    let total =
        sums.into_iter().map(|((day, currency), minor)| Sample::new(day, Value::Money(Money::new(minor, currency))));
    Ok(Samples { total: total.collect(), parts })
}

/// The sample of who is there now.
pub(super) fn now(today: Day, text: &str) -> Result<Sample, Error> {
    Ok(Sample::new(today, Value::Count(number::count(text)?)))
}
