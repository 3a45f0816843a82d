//! What stands behind the question mark. What a route does not know is refused by name.

use std::collections::BTreeMap;

use serde_json::json;
use url::form_urlencoded;

use super::refusal::Refusal;
use crate::{
    metric::{Currency, Day},
    nearest::nearest,
};

/// Entries of a page where nobody says.
const LIMIT: usize = 100;
/// Entries of a page at most.
pub(super) const MOST: usize = 1000;
/// Longer than any text that means something.
const LONGEST: usize = 500;

/// One parameter that a route knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it does, in a sentence.
    pub(super) about: &'static str,
}

/// What values a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Day,
    /// One of these; the first where nobody says.
    OneOf(&'static [&'static str]),
    /// Three letters.
    Currency,
    Limit,
    Offset,
    Cursor,
}

/// Where a list goes on.
pub(super) const PAGING: [Param; 3] = [
    Param { name: "limit", kind: Kind::Limit, about: "How many entries at most." },
    Param { name: "cursor", kind: Kind::Cursor, about: "Where to go on: the `next_cursor` of the page before." },
    Param { name: "offset", kind: Kind::Offset, about: "How many entries to pass over, from there on." },
];

pub(super) const START_DATE: Param =
    Param { name: "start_date", kind: Kind::Day, about: "The first day, such as 2026-03-01." };
pub(super) const END_DATE: Param =
    Param { name: "end_date", kind: Kind::Day, about: "The last day, which is included." };
pub(super) const METRIC_ID: Param = Param { name: "metric_id", kind: Kind::Text, about: "This metric alone." };
pub(super) const CONNECTION_ID: Param =
    Param { name: "connection_id", kind: Kind::Text, about: "This connection alone, by id or name." };

/// The parameters of a request, each of which is known and well-formed.
#[derive(Debug, Default)]
pub(super) struct Params(BTreeMap<&'static str, String>);

/// Where a page of a list begins, and how long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) limit: usize,
    pub(super) offset: usize,
    pub(super) cursor: Option<String>,
}

impl Params {
    /// Reads what stands behind the question mark.
    pub(super) fn read(query: Option<&str>, known: &[Param]) -> Result<Self, Refusal> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let Some(param) = known.iter().find(|param| param.name == name) else {
                return Err(unknown(&name, known));
            };
            // A text that is left empty is not given.
            if value.is_empty() && matches!(param.kind, Kind::Text | Kind::Cursor) {
                continue;
            }
            param.check(&value)?;
            if params.insert(param.name, value.into_owned()).is_some() {
                let message = format!("the parameter {} is given twice; give it once", param.name);
                return Err(Refusal::bad("duplicate_parameter", message).with(json!({"parameter": param.name})));
            }
        }
        Ok(Self(params))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn day(&self, name: &str) -> Option<Day> {
        self.text(name)?.parse().ok()
    }

    pub(super) fn page(&self) -> Page {
        let number = |name: &str| self.text(name).and_then(|text| text.parse().ok());
        Page {
            limit: number("limit").unwrap_or(LIMIT),
            offset: number("offset").unwrap_or(0),
            cursor: self.text("cursor").map(str::to_owned),
        }
    }
}

impl Param {
    fn check(&self, value: &str) -> Result<(), Refusal> {
        let within = |most: usize, least: usize| {
            value.len() < 12
                && value.bytes().all(|byte| byte.is_ascii_digit())
                && value.parse::<usize>().is_ok_and(|number| (least..=most).contains(&number))
        };
        let expected = match self.kind {
            Kind::Day if value.parse::<Day>().is_err() => "a day such as 2026-03-31".to_owned(),
            Kind::Limit if !within(MOST, 1) => format!("a whole number from 1 to {MOST}"),
            Kind::Offset if !within(1_000_000_000, 0) => "a whole number from 0 to 1000000000".to_owned(),
            Kind::OneOf(words) if !words.contains(&value) => format!("one of {}", words.join(", ")),
            Kind::Currency if value.parse::<Currency>().is_err() => "three letters such as EUR".to_owned(),
            Kind::Text | Kind::Cursor if value.chars().count() > LONGEST => {
                format!("at most {LONGEST} characters long")
            }
            _ => return Ok(()),
        };
        let message = format!("the parameter {} must be {expected}, and is \"{}\"", self.name, shown(value));
        Err(Refusal::bad("invalid_parameter", message).with(json!({"parameter": self.name})))
    }
}

fn unknown(name: &str, known: &[Param]) -> Refusal {
    let names: Vec<&str> = known.iter().map(|param| param.name).collect();
    let name = shown(name);
    let hint = match nearest(&name, names.iter().copied()) {
        Some(meant) => format!("did you mean {meant}?"),
        None if names.is_empty() => "it takes none".to_owned(),
        None => format!("there are {}", names.join(", ")),
    };
    let message = format!("there is no parameter \"{name}\" here; {hint}");
    Refusal::bad("unknown_parameter", message).with(json!({"parameter": name}))
}

/// What somebody wrote, short enough for a sentence.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_query_is_too_strange(query in any::<String>(), like in "(limit|offset|cursor|start_date)=[0-9%&=a-f+-]{0,30}") {
            let known = [PAGING[0], PAGING[1], PAGING[2], START_DATE];
            for query in [query, like] {
                match Params::read(Some(&query), &known) {
                    Ok(params) => {
                        let page = params.page();
                        prop_assert!((1..=MOST).contains(&page.limit) && page.offset <= 1_000_000_000);
                        let _ = params.day("start_date");
                    }
                    Err(refusal) => prop_assert!(refusal.message.len() < 600, "{}", refusal.message),
                }
            }
        }
    }

    fn code(query: &str) -> &'static str {
        let known = [PAGING[0], PAGING[1], PAGING[2], START_DATE];
        Params::read(Some(query), &known).err().map_or("ok", |refusal| refusal.code)
    }

    #[test]
    fn what_is_unknown_or_malformed_is_refused() {
        assert_eq!(code("limit=5&start_date=2026-03-01"), "ok");
        assert_eq!(code("cursor=&offset=3"), "ok");
        for wrong in [
            "limit=-1",
            "limit=0",
            "limit=1001",
            "limit=1e2",
            "limit=%2B5",
            "offset=-1",
            "limit=",
            "limit=9999999999999",
        ] {
            assert_eq!(code(wrong), "invalid_parameter", "{wrong}");
        }
        for wrong in ["start_date=0000-01-01", "start_date=2026-02-30", "start_date=1", "start_date="] {
            assert_eq!(code(wrong), "invalid_parameter", "{wrong}");
        }
        assert_eq!(code("limits=5"), "unknown_parameter");
        assert_eq!(code("limit=5&limit=6"), "duplicate_parameter");
        let refusal = Params::read(Some("limits=5"), &PAGING).unwrap_err();
        assert_eq!(refusal.message, "there is no parameter \"limits\" here; did you mean limit?");
    }
}
