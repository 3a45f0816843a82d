//! How our own types stand in a column.

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{
    Error,
    db::{Arg, Column, Row},
};
use crate::metric::{Currency, Day, Interval, Zone};

impl From<Timestamp> for Arg {
    fn from(at: Timestamp) -> Self {
        Self::from(at.as_millisecond())
    }
}

impl From<Option<Timestamp>> for Arg {
    fn from(at: Option<Timestamp>) -> Self {
        Self::from(at.map(Timestamp::as_millisecond))
    }
}

impl From<Day> for Arg {
    fn from(day: Day) -> Self {
        Self::from(day.number())
    }
}

/// The migration that made the column says these numbers too.
impl From<Interval> for Arg {
    fn from(grain: Interval) -> Self {
        Self::from(match grain {
            Interval::Day => 0_i64,
            Interval::Week => 1,
            Interval::Month => 2,
        })
    }
}

impl From<Currency> for Arg {
    fn from(currency: Currency) -> Self {
        Self::from(currency.code())
    }
}

impl From<Option<Currency>> for Arg {
    fn from(currency: Option<Currency>) -> Self {
        Self::from(currency.as_ref().map(Currency::code))
    }
}

impl From<&Zone> for Arg {
    fn from(zone: &Zone) -> Self {
        Self::from(zone.name())
    }
}

impl From<&Json> for Arg {
    fn from(json: &Json) -> Self {
        Self::from(json.to_string())
    }
}

impl From<Option<&Json>> for Arg {
    fn from(json: Option<&Json>) -> Self {
        Self::from(json.map(Json::to_string))
    }
}

impl Column for Timestamp {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        Self::from_millisecond(row.get(column)?).map_err(|_| strange(column))
    }
}

impl Column for Option<Timestamp> {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        let at: Option<i64> = row.get(column)?;
        at.map(Timestamp::from_millisecond).transpose().map_err(|_| strange(column))
    }
}

impl Column for i32 {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        Self::try_from(row.get::<i64>(column)?).map_err(|_| strange(column))
    }
}

impl Column for i16 {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        Self::try_from(row.get::<i64>(column)?).map_err(|_| strange(column))
    }
}

impl Column for Option<i16> {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        row.get::<Option<i64>>(column)?.map(i16::try_from).transpose().map_err(|_| strange(column))
    }
}

impl Column for Day {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        Self::from_number(row.get(column)?).ok_or_else(|| strange(column))
    }
}

impl Column for Interval {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        match row.get::<i64>(column)? {
            0 => Ok(Self::Day),
            1 => Ok(Self::Week),
            2 => Ok(Self::Month),
            _ => Err(strange(column)),
        }
    }
}

impl Column for Currency {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        row.get::<String>(column)?.parse().map_err(|_| strange(column))
    }
}

/// Days are cut in it: in another zone all numbers would be others, so nothing is put in the place of one that is none.
impl Column for Zone {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        let name: String = row.get(column)?;
        name.parse().map_err(|_| {
            let name: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
            Error::Corrupt(format!(
                "the database holds \"{name}\" as a time zone, which this version does not know; install the newest version, or \
                 restore a backup"
            ))
        })
    }
}

/// Both NULL and the empty text mean that there is none: in a key a column cannot be NULL.
impl Column for Option<Currency> {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        match row.get::<Option<String>>(column)?.as_deref() {
            None | Some("") => Ok(None),
            Some(code) => code.parse().map(Some).map_err(|_| strange(column)),
        }
    }
}

impl Column for Json {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        serde_json::from_str(&row.get::<String>(column)?).map_err(|_| strange(column))
    }
}

impl Column for Option<Json> {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        let text: Option<String> = row.get(column)?;
        text.as_deref().map(serde_json::from_str).transpose().map_err(|_| strange(column))
    }
}

/// Of a column whose value cannot be ours.
pub(super) fn strange(column: &str) -> Error {
    Error::Corrupt(format!(
        "the database holds a value that dashtray never writes, in column {column}; put a backup in its place: dashtray restore FILE --force"
    ))
}
