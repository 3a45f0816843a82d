//! Parameters, and pages that go on from an instant.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::Problem;
use crate::metric::{Day, Zone};

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Params<'a>(pub(super) &'a [(String, String)]);

impl<'a> Params<'a> {
    pub(super) fn get(self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn all(self, name: &str) -> Vec<&'a str> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn required(self, name: &str) -> Result<&'a str, Problem> {
        self.get(name).ok_or_else(|| Problem::bad_request(format!("Invalid request: should have `{name}`")))
    }

    /// Refuses, when strict, what Vercel refuses by its schemas or would ignore.
    pub(super) fn only(self, strict: bool, known: &[&str]) -> Result<Self, Problem> {
        let is_known = |name: &str| known.contains(&name) || ["teamId", "slug"].contains(&name);
        match self.0.iter().find(|(name, _)| strict && !is_known(name)) {
            Some((name, _)) => {
                Err(Problem::bad_request(format!("Invalid request: should NOT have additional property `{name}`")))
            }
            None => Ok(self),
        }
    }

    /// From 1 to 100.
    pub(super) fn limit(self, unless_said: usize) -> Result<usize, Problem> {
        let Some(text) = self.get("limit") else { return Ok(unless_said) };
        let limit = text.parse().ok().filter(|limit| (1..=100).contains(limit));
        limit.ok_or_else(|| Problem::bad_request("Invalid request: `limit` should be >= 1 and <= 100"))
    }

    /// Milliseconds since 1970.
    pub(super) fn ms(self, name: &str) -> Result<Option<i64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        // Seconds would be taken for a day of 1970, which nobody means.
        let ms = text.parse::<i64>().ok().filter(|ms| *ms > 100_000_000_000);
        ms.map(Some).ok_or_else(|| Problem::bad_request(format!("Invalid request: `{name}` should be milliseconds")))
    }

    /// Milliseconds, an instant or a day; of a day its end where `is_end`.
    pub(super) fn instant(self, name: &str, is_end: bool) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let zone = Zone::utc();
        let day = |day: Day| zone.start_of(if is_end { day.next() } else { day });
        let of_ms = || Timestamp::from_millisecond(text.parse().ok().filter(|ms: &i64| *ms > 100_000_000_000)?).ok();
        let at = text.parse::<Day>().ok().map(day).or_else(|| text.parse().ok()).or_else(of_ms);
        at.map(Some).ok_or_else(|| Problem::bad_request(format!("Invalid request: `{name}` is no date")))
    }
}

/// A page of rows, newest first. `until` takes rows of that very millisecond in, so that a page may begin with the last
/// row of the one before.
pub(super) fn page<T>(
    mut rows: Vec<(i64, T)>,
    until: Option<i64>,
    limit: usize,
    name: &str,
    show: impl Fn(&T) -> Value,
) -> Value {
    rows.retain(|(at, _)| until.is_none_or(|until| *at <= until));
    rows.reverse();
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|(at, _)| *at);
    let prev = rows.first().map(|(at, _)| *at);
    let shown: Vec<Value> = rows.iter().map(|(_, row)| show(row)).collect();
    let mut body = json!({ "pagination": { "count": shown.len(), "next": next, "prev": prev } });
    body[name] = Value::Array(shown);
    body
}
