//! Parameters, pages and their links, and ranges of dates.

use jiff::{SignedDuration, Timestamp};

use super::problem::Problem;
use crate::{
    demo::server::Incoming,
    metric::{Day, Zone},
};

/// The parameters of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Params<'a>(pub(super) &'a [(String, String)]);

impl<'a> Params<'a> {
    pub(super) fn get(self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A parameter that must be one of these words; the first stands for nothing given.
    pub(super) fn word(self, name: &str, words: &[&'static str]) -> Result<&'static str, Problem> {
        let first = words.first().copied().unwrap_or_default();
        let Some(given) = self.get(name) else { return Ok(first) };
        words.iter().find(|word| **word == given).copied().ok_or_else(|| Problem::invalid(name, "is not one of its values"))
    }

    pub(super) fn time(self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let time = text.parse().ok().or_else(|| Span::day(text).map(|(from, _)| from));
        time.map(Some).ok_or_else(|| Problem::invalid(name, "is not a time"))
    }

    /// Refuses, when strict, what GitHub would ignore.
    pub(super) fn only(self, strict: bool, known: &[&str]) -> Result<Self, Problem> {
        match self.0.iter().find(|(name, _)| strict && !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Problem::unknown_parameter(name)),
            None => Ok(self),
        }
    }

    fn number(self, name: &str) -> Option<usize> {
        self.get(name).and_then(|text| text.parse().ok()).filter(|number| *number > 0)
    }
}

/// A part of a list, and the links to its other parts.
#[derive(Debug)]
pub(super) struct Page<'a, T> {
    pub(super) rows: &'a [T],
    pub(super) link: Option<String>,
}

/// How far one may turn pages.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reach {
    All,
    /// Past so many pages there is a 422.
    Pages(usize),
    /// Past so many rows there is nothing.
    Rows(usize),
}

/// The page that a request asks for. More than 100 a page are 100, nonsense is the default of 30, and past the end is
/// nothing. `path` is that of the links, which name a repository by its number.
pub(super) fn page<'a, T>(
    rows: &'a [T],
    request: &Incoming,
    url: &str,
    path: &str,
    reach: Reach,
) -> Result<Page<'a, T>, Problem> {
    let params = Params(&request.pairs);
    let size = params.number("per_page").unwrap_or(30).min(100);
    let page = params.number("page").unwrap_or(1);
    let rows = match reach {
        Reach::Rows(most) => &rows[..rows.len().min(most)],
        _ => rows,
    };
    let mut last = rows.len().div_ceil(size).max(1);
    if let Reach::Pages(most) = reach {
        if page > most {
            return Err(Problem::too_many_pages());
        }
        last = last.min(most);
    }
    let start = page.saturating_sub(1).saturating_mul(size).min(rows.len());
    let shown = &rows[start..rows.len().min(start + size)];
    let address = |page: usize| {
        let kept = request.query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("page="));
        let query: Vec<String> = kept.map(str::to_owned).chain([format!("page={page}")]).collect();
        format!("<{url}{path}?{}>", query.join("&"))
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(format!("{}; rel=\"prev\"", address((page - 1).min(last))));
    }
    if page < last {
        links.push(format!("{}; rel=\"next\"", address(page + 1)));
        links.push(format!("{}; rel=\"last\"", address(last)));
    }
    if page > 1 {
        links.push(format!("{}; rel=\"first\"", address(1)));
    }
    Ok(Page { rows: shown, link: (!links.is_empty()).then(|| links.join(", ")) })
}

/// Instants from one up to but not including another, as searches write them: `2026-01-01..2026-01-31`, `>=2026-01-01`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl Span {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let all = Self { from: Timestamp::MIN, to: Timestamp::MAX };
        if let Some((from, to)) = text.split_once("..") {
            let from = if from == "*" { all.from } else { Self::day(from)?.0 };
            let to = if to == "*" { all.to } else { Self::day(to)?.1 };
            return Some(Self { from, to });
        }
        let after = |prefix: &str| text.strip_prefix(prefix).map(Self::day);
        Some(match (after(">="), after("<="), after(">"), after("<")) {
            (Some(day), ..) => Self { from: day?.0, ..all },
            (_, Some(day), ..) => Self { to: day?.1, ..all },
            (_, _, Some(day), _) => Self { from: day?.1, ..all },
            (.., Some(day)) => Self { to: day?.0, ..all },
            _ => Self::day(text).map(|(from, to)| Self { from, to })?,
        })
    }

    pub(super) fn holds(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// A whole UTC day, or the second that a time names.
    fn day(text: &str) -> Option<(Timestamp, Timestamp)> {
        if let Ok(day) = text.parse::<Day>() {
            return Some((Zone::utc().start_of(day), Zone::utc().start_of(day.next())));
        }
        let at: Timestamp = text.parse().ok()?;
        Some((at, at.saturating_add(SignedDuration::from_secs(1)).ok()?))
    }
}
