//! Reading and refusing query parameters as Stripe does.

use serde_json::Value;

use super::error::Refusal;

/// What a list may be filtered by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Filter {
    /// The field at this pointer is the parameter's text.
    Is(&'static str, &'static str),
    /// As [`Filter::Is`], with one of these words.
    OneOf(&'static str, &'static str, &'static [&'static str]),
    /// The field at this pointer is the parameter's `true` or `false`.
    Flag(&'static str, &'static str),
    /// `created[gte]` and its like.
    Range(&'static str, &'static str),
    /// Any item has this price or plan.
    HasPrice(&'static str),
    /// The status of subscriptions, with `all` and `ended`.
    Status,
    /// `type` of events, in which `*` stands for whatever follows.
    Type,
    /// `types[]` of events: at most [`MOST_TYPES`] whole names, and not beside `type`.
    Types,
    /// Must be given; the list is that of another object.
    Parent(&'static str),
}

/// How many names `types[]` takes.
const MOST_TYPES: usize = 20;

const STATUSES: [&str; 10] = [
    "active",
    "past_due",
    "unpaid",
    "canceled",
    "incomplete",
    "incomplete_expired",
    "trialing",
    "paused",
    "all",
    "ended",
];

impl Filter {
    fn name(self) -> &'static str {
        match self {
            Self::Is(name, _)
            | Self::OneOf(name, ..)
            | Self::Flag(name, _)
            | Self::Range(name, _)
            | Self::HasPrice(name)
            | Self::Parent(name) => name,
            Self::Status => "status",
            Self::Type => "type",
            Self::Types => "types",
        }
    }
}

#[derive(Debug)]
enum Condition {
    Text(&'static str, String),
    Flag(&'static str, bool),
    AtLeast(&'static str, i64),
    AtMost(&'static str, i64),
    Price(String),
    Status(String),
    Type(String),
    Types(Vec<String>),
}

/// The parameters of a request, checked.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) limit: usize,
    pub(super) starting_after: Option<String>,
    pub(super) ending_before: Option<String>,
    pub(super) expand: Vec<String>,
    pub(super) parent: Option<String>,
    conditions: Vec<Condition>,
}

impl Query {
    /// Parameters of one object: only `expand`.
    pub(super) fn of_object(pairs: &[(String, String)]) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for (name, value) in pairs {
            if base(name) != "expand" {
                return Err(Refusal::unknown_parameter(base(name)));
            }
            query.expand.push(value.clone());
        }
        Ok(query)
    }

    /// Parameters of a list with these filters.
    pub(super) fn of_list(pairs: &[(String, String)], filters: &[Filter]) -> Result<Self, Refusal> {
        let mut query = Self { limit: 10, ..Self::default() };
        for (name, value) in pairs {
            match base(name) {
                "limit" => query.limit = limit(value)?,
                "starting_after" => query.starting_after = Some(value.clone()),
                "ending_before" => query.ending_before = Some(value.clone()),
                "expand" => query.expand.push(value.clone()),
                other => match filters.iter().find(|filter| filter.name() == other) {
                    Some(filter) => query.filter(*filter, name, value)?,
                    None => return Err(Refusal::unknown_parameter(other)),
                },
            }
        }
        if query.starting_after.is_some() && query.ending_before.is_some() {
            return Err(Refusal::exclusive("starting_after", "ending_before"));
        }
        let has = |kind: fn(&Condition) -> bool| query.conditions.iter().any(kind);
        if has(|known| matches!(known, Condition::Type(_))) && has(|known| matches!(known, Condition::Types(_))) {
            return Err(Refusal::exclusive("type", "types"));
        }
        for filter in filters {
            match filter {
                Filter::Parent(name) if query.parent.is_none() => return Err(Refusal::missing_parameter(name)),
                Filter::Status
                    if !query.conditions.iter().any(|condition| matches!(condition, Condition::Status(_))) =>
                {
                    query.conditions.push(Condition::Status(String::new()));
                }
                _ => {}
            }
        }
        Ok(query)
    }

    fn filter(&mut self, filter: Filter, name: &str, value: &str) -> Result<(), Refusal> {
        let condition = match filter {
            Filter::Is(_, field) => Condition::Text(field, value.to_owned()),
            Filter::OneOf(name, _, words) if !words.contains(&value) => return Err(Refusal::choice(name, words)),
            Filter::OneOf(_, field, _) => Condition::Text(field, value.to_owned()),
            Filter::Flag(name, field) => match value {
                "true" => Condition::Flag(field, true),
                "false" => Condition::Flag(field, false),
                _ => return Err(Refusal::choice(name, &["true", "false"])),
            },
            Filter::Range(base, field) => {
                let number: i64 = value.parse().map_err(|_| Refusal::not_an_integer(name, value))?;
                match name.strip_prefix(base).unwrap_or_default() {
                    "" => {
                        self.conditions.push(Condition::AtLeast(field, number));
                        Condition::AtMost(field, number)
                    }
                    "[gte]" => Condition::AtLeast(field, number),
                    "[gt]" => Condition::AtLeast(field, number.saturating_add(1)),
                    "[lte]" => Condition::AtMost(field, number),
                    "[lt]" => Condition::AtMost(field, number.saturating_sub(1)),
                    _ => return Err(Refusal::unknown_parameter(name)),
                }
            }
            Filter::HasPrice(_) => Condition::Price(value.to_owned()),
            Filter::Status if STATUSES.contains(&value) => Condition::Status(value.to_owned()),
            Filter::Status => return Err(Refusal::choice("status", &STATUSES)),
            Filter::Type => Condition::Type(value.to_owned()),
            Filter::Types => match self.conditions.iter_mut().find(|known| matches!(known, Condition::Types(_))) {
                Some(Condition::Types(types)) if types.len() >= MOST_TYPES => {
                    return Err(Refusal::too_many("types", MOST_TYPES));
                }
                Some(Condition::Types(types)) => {
                    types.push(value.to_owned());
                    return Ok(());
                }
                _ => Condition::Types(vec![value.to_owned()]),
            },
            Filter::Parent(_) => {
                self.parent = Some(value.to_owned());
                return Ok(());
            }
        };
        self.conditions.push(condition);
        Ok(())
    }

    pub(super) fn accepts(&self, object: &Value) -> bool {
        self.conditions.iter().all(|condition| condition.holds(object))
    }
}

impl Condition {
    fn holds(&self, object: &Value) -> bool {
        let text = |field: &str| object.pointer(field).and_then(Value::as_str);
        match self {
            Self::Text(field, wanted) => text(field) == Some(wanted),
            // What an object leaves out is at its provider's default, which is true for each flag in use.
            Self::Flag(field, wanted) => object.pointer(field).and_then(Value::as_bool).unwrap_or(true) == *wanted,
            Self::AtLeast(field, bound) => object.pointer(field).and_then(Value::as_i64).is_some_and(|at| at >= *bound),
            Self::AtMost(field, bound) => object.pointer(field).and_then(Value::as_i64).is_some_and(|at| at <= *bound),
            Self::Price(price) => object["items"].as_array().into_iter().flatten().any(|item| item["price"] == *price),
            Self::Status(wanted) => match (wanted.as_str(), text("/status").unwrap_or_default()) {
                ("all", _) => true,
                // Without a word, all that are not canceled.
                ("", status) => status != "canceled",
                ("ended", status) => matches!(status, "canceled" | "incomplete_expired"),
                (wanted, status) => wanted == status,
            },
            Self::Type(wanted) => text("/type").is_some_and(|name| matches(wanted, name)),
            Self::Types(types) => text("/type").is_some_and(|name| types.iter().any(|wanted| wanted == name)),
        }
    }
}

/// `charge.*` stands for all that begins so.
fn matches(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => wanted == name,
    }
}

fn base(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

fn limit(text: &str) -> Result<usize, Refusal> {
    let number: i64 = text.parse().map_err(|_| Refusal::not_an_integer("limit", text))?;
    match usize::try_from(number) {
        Ok(limit @ 1..=100) => Ok(limit),
        _ => Err(Refusal::out_of_range("limit", number)),
    }
}
