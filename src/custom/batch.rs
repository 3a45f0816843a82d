//! A batch: read, checked as a whole, and written or refused as a whole.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, value::RawValue};
use uuid::Uuid;

use super::{
    ID, KINDS, UNITS,
    decimal::{Decimal, MOST_DIGITS},
    kind, unit,
};
use crate::{
    integrations::Registry,
    metric::{Currency, Day, Kind, Mark, Money, State, Unit, Value, Zone},
    store::{self, CustomMetric, MetricChange, Project, Push, PushConnection, PushedPoint, Store},
    telemetry,
};

/// Entries that one batch may have.
pub const LARGEST_BATCH: usize = 1000;
/// Problems that are told of one batch: whoever made them mends the first ones first.
const MOST_PROBLEMS: usize = 20;
/// Bytes of an entry's metadata.
const LARGEST_METADATA: usize = 2048;
/// How often a batch is checked anew because somebody else defined a metric meanwhile.
const ATTEMPTS: usize = 5;

/// What a program pushes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// The values.
    pub metrics: Vec<Entry>,
}

/// One value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Which metric.
    pub metric_id: String,
    /// What people call it; the id where it is new and nothing is said.
    pub metric_name: Option<String>,
    /// The number as it is written, so that no digit is lost: a number or a text.
    pub value: Box<RawValue>,
    /// What it is counted in.
    pub unit: Option<String>,
    /// What may be done with values of several days.
    pub kind: Option<String>,
    /// What an amount of money is counted in; the project's where nothing is said.
    pub currency: Option<String>,
    /// The instant it is of.
    pub timestamp: Option<String>,
    /// The day it is of, in place of an instant. Today where neither is said.
    pub date: Option<String>,
    /// The value of the dimension; the total where nothing is said.
    pub dimension: Option<String>,
    /// Further facts.
    pub metadata: Option<Map<String, Json>>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// Entries that were taken: all of them.
    pub accepted: usize,
    /// Values that are new or other than they were.
    pub changed: u64,
    /// Whether they are the first of their project.
    #[serde(skip)]
    pub are_first: bool,
}

/// What is wrong with one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// Which field.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
    /// Whether all that is wrong is what was defined before.
    #[serde(skip)]
    is_contradiction: bool,
}

/// Why nothing of a batch was taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Some entries cannot be used.
    #[error("{}", sentence(.0))]
    Invalid(Vec<Problem>),
    /// All would be well, had their metrics not been defined otherwise when they were pushed first.
    #[error("{}", sentence(.0))]
    Contradiction(Vec<Problem>),
    /// There are too many entries, or none.
    #[error("a batch has 1 to {LARGEST_BATCH} entries, and this one {0}; send several batches")]
    Size(usize),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// The stable code that programs go by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_metrics",
            Self::Contradiction(_) => "metric_defined_otherwise",
            Self::Size(_) => "batch_size",
            Self::Store(_) => "database",
        }
    }
}

fn sentence(problems: &[Problem]) -> String {
    let told = problems.iter().take(3).map(|one| format!("metrics[{}].{} {}", one.index, one.field, one.message));
    let told: Vec<String> = told.collect();
    let more = problems.len().saturating_sub(told.len());
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("nothing of this batch was kept: {}{more}", told.join("; "))
}

/// Takes a batch, all of it or nothing.
pub async fn push(
    store: &Store,
    registry: &Registry,
    project: &Project,
    batch: &Batch,
    now: Timestamp,
) -> Result<Pushed, Error> {
    if !(1..=LARGEST_BATCH).contains(&batch.metrics.len()) {
        return Err(Error::Size(batch.metrics.len()));
    }
    let mut attempts = 0;
    loop {
        let (push, accepted, are_first) = prepare(store, registry, project, batch, now).await?;
        attempts += 1;
        match store.push(&push).await.inspect(|changed| telemetry::ours().wrote(ID, *changed)) {
            Ok(changed) => return Ok(Pushed { accepted, changed, are_first }),
            // Somebody else's batch defined one of its metrics, or made the connection.
            Err(store::Error::Conflict(_)) if attempts < ATTEMPTS => {}
            Err(store::Error::TooLarge(metric_id)) => {
                let message =
                    format!("needs more digits behind the point, and values of {metric_id} are too large for that");
                let index = batch.metrics.iter().position(|entry| entry.metric_id == metric_id).unwrap_or(0);
                let problem = Problem { index, field: "value", message, is_contradiction: false };
                return Err(Error::Invalid(vec![problem]));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn prepare(
    store: &Store,
    registry: &Registry,
    project: &Project,
    batch: &Batch,
    now: Timestamp,
) -> Result<(Push, usize, bool), Error> {
    let connections = store.connections(project.id).await?;
    let own = connections.iter().find(|one| one.integration_id == ID);
    let zone = own.map_or(&project.zone, |own| &own.settings.zone).clone();
    let known = store.custom_metrics(project.id).await?;
    let mut reader = Reader {
        registry,
        known: known.into_iter().map(|metric| (metric.metric_id.clone(), metric)).collect(),
        changes: BTreeMap::new(),
        today: Day::of(now, &zone),
        // The day in the zone that is furthest ahead of all.
        newest: Day::of(now.checked_add(SignedDuration::from_hours(14)).unwrap_or(now), &Zone::utc()),
        zone,
        currency: own.map_or(project.currency, |own| own.settings.currency),
        problems: Vec::new(),
    };
    let read: Vec<Option<Read>> = batch.metrics.iter().enumerate().map(|(at, entry)| reader.read(at, entry)).collect();
    let mut points = BTreeMap::new();
    for (index, read) in read.into_iter().enumerate() {
        let Some(read) = read else { continue };
        if let Some(point) = reader.point(index, read) {
            // Of one bucket the last one stands.
            points.insert((point.metric_id.clone(), point.dimension.clone(), point.currency, point.day), point);
        }
    }
    if !reader.problems.is_empty() {
        reader.problems.sort_by_key(|problem| problem.index);
        let is_contradiction = reader.problems.iter().all(|problem| problem.is_contradiction);
        reader.problems.truncate(MOST_PROBLEMS);
        return Err(if is_contradiction {
            Error::Contradiction(reader.problems)
        } else {
            Error::Invalid(reader.problems)
        });
    }
    let numbered = (2..).map(|number| format!("{ID} {number}"));
    let mut names = std::iter::once(ID.to_owned()).chain(numbered);
    let is_free = |name: &String| connections.iter().all(|one| one.name.to_lowercase() != *name);
    let connection = PushConnection {
        integration_id: ID.to_owned(),
        public_id: Uuid::now_v7(),
        name: names.find(is_free).unwrap_or_else(|| ID.to_owned()),
        zone: reader.zone.name().to_owned(),
        currency: project.currency,
    };
    let metrics = reader.changes.into_values().collect();
    let points = points.into_values().collect();
    Ok((Push { project_id: project.id, connection, metrics, points, now }, batch.metrics.len(), own.is_none()))
}

/// Reads the entries of a batch one after another and keeps what is wrong with them.
struct Reader<'a> {
    registry: &'a Registry,
    known: BTreeMap<String, CustomMetric>,
    changes: BTreeMap<String, MetricChange>,
    zone: Zone,
    today: Day,
    newest: Day,
    currency: Currency,
    problems: Vec<Problem>,
}

/// An entry of which only the value's form is left to be made: that needs all digits of the batch.
struct Read {
    metric_id: String,
    dimension: String,
    currency: Option<Currency>,
    day: Day,
    number: Decimal,
    note: Option<Json>,
}

impl Reader<'_> {
    fn wrong(&mut self, index: usize, field: &'static str, message: String) {
        self.problems.push(Problem { index, field, message, is_contradiction: false });
    }

    fn read(&mut self, index: usize, entry: &Entry) -> Option<Read> {
        let before = self.problems.len();
        if let Err(message) = valid_id(&entry.metric_id) {
            self.wrong(index, "metric_id", message.to_owned());
            return None;
        }
        // Once for each metric of a batch: it asks all integrations.
        if !self.changes.contains_key(&entry.metric_id)
            && let Some(message) = reserved(&entry.metric_id, self.registry)
        {
            self.wrong(index, "metric_id", message);
            return None;
        }
        let number = number(&entry.value).and_then(|text| Decimal::parse(&text));
        let number = number.map_err(|message| self.wrong(index, "value", message.to_owned())).ok();
        let day = self.day(entry).map_err(|(field, message)| self.wrong(index, field, message)).ok();
        if let Some(dimension) = &entry.dimension
            && let Err(message) = valid_text(dimension)
        {
            self.wrong(index, "dimension", message.to_owned());
        }
        if let Some(metadata) = &entry.metadata
            && let Err(message) = valid_metadata(metadata)
        {
            self.wrong(index, "metadata", message.to_owned());
        }
        self.define(index, entry, number);
        let is_money = self.changes.get(&entry.metric_id).is_some_and(|change| change.after.unit == "currency");
        let currency = self.currency(index, entry, is_money);
        if self.problems.len() > before {
            return None;
        }
        Some(Read {
            metric_id: entry.metric_id.clone(),
            dimension: entry.dimension.clone().unwrap_or_default(),
            currency,
            day: day?,
            number: number?,
            note: entry.metadata.clone().filter(|map| !map.is_empty()).map(Json::Object),
        })
    }

    /// What the metric is after this entry: as it was, or as its first push says.
    fn define(&mut self, index: usize, entry: &Entry, number: Option<Decimal>) {
        let said_unit = entry.unit.as_deref();
        if let Some(word) = said_unit.filter(|word| !UNITS.contains(word)) {
            self.wrong(index, "unit", format!("\"{}\" is no unit; there are {}", shown(word), UNITS.join(", ")));
            return;
        }
        if let Some(word) = entry.kind.as_deref().filter(|word| !KINDS.contains(word)) {
            let message = if word == "ratio" {
                "ratio is made of two numbers; push the quotient as a statistic".to_owned()
            } else {
                format!("\"{}\" is no kind; there are {}", shown(word), KINDS.join(", "))
            };
            self.wrong(index, "kind", message);
            return;
        }
        if let Some(name) = entry.metric_name.as_deref()
            && let Err(message) = valid_text(name)
        {
            self.wrong(index, "metric_name", message.to_owned());
            return;
        }
        let known = self.known.get(&entry.metric_id).cloned();
        let standing = self.changes.get(&entry.metric_id).map(|change| change.after.clone()).or(known.clone());
        let mut after = match standing {
            None => {
                let unit = said_unit.unwrap_or(if entry.currency.is_some() { "currency" } else { "decimal" });
                let usual = if matches!(unit, "percent" | "ratio") { "statistic" } else { "flow" };
                CustomMetric {
                    metric_id: entry.metric_id.clone(),
                    name: entry.metric_name.clone().unwrap_or_else(|| entry.metric_id.clone()),
                    unit: unit.to_owned(),
                    scale: 0,
                    kind: entry.kind.clone().unwrap_or_else(|| usual.to_owned()),
                    has_dimension: false,
                }
            }
            Some(metric) => {
                let said = [
                    ("unit", said_unit, &metric.unit),
                    ("kind", entry.kind.as_deref(), &metric.kind),
                    ("metric_name", entry.metric_name.as_deref(), &metric.name),
                ];
                for (field, said, stands) in said {
                    if let Some(said) = said.filter(|said| *said != stands.as_str()) {
                        let id = &metric.metric_id;
                        let message = format!(
                            "is \"{}\", but {id} was defined with \"{stands}\" when it was pushed first; push another \
                             metric_id, or leave this out",
                            shown(said)
                        );
                        self.problems.push(Problem { index, field, message, is_contradiction: true });
                    }
                }
                metric
            }
        };
        if matches!(after.unit.as_str(), "percent" | "ratio") && after.kind != "statistic" {
            self.wrong(
                index,
                "kind",
                format!("must be statistic for {}: shares of several days make none", after.unit),
            );
        }
        after.has_dimension |= entry.dimension.as_deref().is_some_and(|dimension| !dimension.is_empty());
        if after.unit == "decimal" {
            after.scale = after.scale.max(number.map_or(0, Decimal::scale)).min(MOST_DIGITS);
        }
        self.changes.insert(entry.metric_id.clone(), MetricChange { before: known, after });
    }

    fn currency(&mut self, index: usize, entry: &Entry, is_money: bool) -> Option<Currency> {
        let is_defined = entry.unit.is_none();
        match entry.currency.as_deref() {
            None => is_money.then_some(self.currency),
            Some(_) if !is_money => {
                let message = "is only for metrics with the unit currency".to_owned();
                self.problems.push(Problem { index, field: "currency", message, is_contradiction: is_defined });
                None
            }
            Some(code) => code
                .parse()
                .map_err(|error: crate::metric::InvalidCurrency| self.wrong(index, "currency", error.to_string()))
                .ok(),
        }
    }

    fn day(&self, entry: &Entry) -> Result<Day, (&'static str, String)> {
        let (field, day) = match (&entry.date, &entry.timestamp) {
            (Some(_), Some(_)) => return Err(("date", "and timestamp are both given; give one of them".to_owned())),
            (None, None) => return Ok(self.today),
            (Some(date), None) => match date.parse::<Day>() {
                Ok(day) => ("date", day),
                Err(error) => return Err(("date", error.to_string())),
            },
            (None, Some(text)) => match text.parse::<Timestamp>() {
                Ok(at) if at >= Timestamp::UNIX_EPOCH => ("timestamp", Day::of(at, &self.zone)),
                Ok(_) => return Err(("timestamp", "is before 1970".to_owned())),
                Err(_) => {
                    let message = format!("\"{}\" is no instant; write it as 2026-03-31T12:00:00Z", shown(text));
                    return Err(("timestamp", message));
                }
            },
        };
        if day > self.newest {
            return Err((field, format!("{day} is in the future; give a day up to {}", self.newest)));
        }
        Ok(day)
    }

    fn point(&mut self, index: usize, read: Read) -> Option<PushedPoint> {
        let metric = &self.changes.get(&read.metric_id)?.after;
        let (unit, kind) = (unit(&metric.unit, metric.scale)?, kind(&metric.kind)?);
        match value(read.number, unit, kind, read.currency) {
            Err(message) => {
                self.wrong(index, "value", message);
                None
            }
            Ok(value) => {
                let (parts, denominator) = value.parts();
                Some(PushedPoint {
                    metric_id: read.metric_id,
                    dimension: read.dimension,
                    currency: read.currency,
                    day: read.day,
                    value: parts,
                    denominator,
                    mark: Mark::new(State::of(Some(value))).to_code(),
                    note: read.note,
                })
            }
        }
    }
}

/// The number in the form that its metric has.
fn value(number: Decimal, unit: Unit, kind: Kind, currency: Option<Currency>) -> Result<Value, String> {
    let most = match unit {
        Unit::Count | Unit::Bytes => 0,
        Unit::Seconds => 3,
        Unit::Currency => currency.map_or(0, Currency::digits),
        Unit::Decimal { scale } => scale,
        Unit::Percent | Unit::Ratio => MOST_DIGITS,
    };
    if number.scale() > most {
        return Err(match (most, currency) {
            (0, None) => format!("must be a whole number: {} counts whole things", unit.name()),
            (digits, Some(currency)) => format!("has more digits behind the point than the {digits} of {currency}"),
            (digits, None) => format!("has more than {digits} digits behind the point"),
        });
    }
    let scale = if matches!(unit, Unit::Percent | Unit::Ratio) { number.scale() } else { most };
    let scaled = number.scaled(scale).ok_or("is too large to be kept")?;
    let made = match unit {
        Unit::Count => Some(Value::Count(scaled)),
        Unit::Bytes => Some(Value::Bytes(scaled)),
        Unit::Seconds => Some(Value::Millis(scaled)),
        Unit::Decimal { .. } => Some(Value::Decimal(scaled)),
        Unit::Currency => currency.map(|currency| Value::Money(Money::new(scaled, currency))),
        Unit::Percent => Value::ratio(scaled, 10_i64.saturating_pow(u32::from(scale) + 2)),
        Unit::Ratio => Value::ratio(scaled, 10_i64.saturating_pow(u32::from(scale))),
    };
    let made = made.filter(|value| value.check(unit, kind).is_ok());
    made.ok_or_else(|| format!("does not fit a metric of {}", unit.name()))
}

/// The text of a number, whether it stands in quotes or not.
fn number(raw: &RawValue) -> Result<String, &'static str> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => serde_json::from_str(text).map_err(|_| "is no number"),
        Some(b'-' | b'0'..=b'9') => Ok(text.to_owned()),
        Some(b'n') => Err("is null; leave out what is not known"),
        _ => Err("must be a number, or a text with a number"),
    }
}

/// An id that may stand in addresses and commands.
fn valid_id(id: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if (1..=100).contains(&id.len()) && id.bytes().all(plain) && id.starts_with(|c: char| c.is_ascii_lowercase()) {
        Ok(())
    } else {
        Err("must be small letters, digits and underscores, at most 100, a letter first")
    }
}

/// Why an id is not the user's: an integration measures it, or may come to.
fn reserved(id: &str, registry: &Registry) -> Option<String> {
    let owner = registry.descriptors().find(|descriptor| {
        let prefix = format!("{}_", descriptor.id.replace('-', "_"));
        descriptor.metric(id).is_some() || id.starts_with(&prefix)
    })?;
    Some(format!("is kept for {}; choose another, such as custom_{id}", owner.name))
}

fn valid_text(text: &str) -> Result<(), &'static str> {
    match text.chars().count() {
        1..=200 if !text.chars().any(char::is_control) && text.trim() == text => Ok(()),
        _ => Err("must have 1 to 200 printable characters and no blanks around them"),
    }
}

fn valid_metadata(metadata: &Map<String, Json>) -> Result<(), &'static str> {
    if metadata.contains_key("reason") {
        return Err("has the key reason, which Dashtray uses itself; choose another");
    }
    match serde_json::to_string(metadata) {
        Ok(text) if text.len() <= LARGEST_METADATA => Ok(()),
        _ => Err("is longer than 2048 bytes"),
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
