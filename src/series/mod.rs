//! Reading what was kept: series and receipts, as people and programs see them.

mod convert;
mod csv;
mod exchange;
pub mod format;
mod points;
pub mod rates;
mod stored;
mod view;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    custom,
    integrations::{Descriptor, Registry},
    metric::{Currency, Day, Definition, Interval, Period, Zone},
    store::{self, Connection, ConnectionKey, Store},
};
use points::Reading;
use stored::Stored;

pub use csv::{HEAD as CSV_HEAD, csv, rows as csv_rows};
pub use view::{Number, PointView, ReceiptView, RowView, SeriesView};
pub use walk::{Piece, Place, Walk, WalkRequest};

/// Days that are shown where no range is named.
const DEFAULT_DAYS: i32 = 30;

/// What to read.
#[derive(Debug, Clone)]
pub struct GetRequest {
    /// Slug of the project.
    pub project: String,
    /// Which metric.
    pub metric_id: String,
    /// Id or name of one connection; all that measure it where none is named.
    pub connection: Option<String>,
    /// The first day.
    pub from: Option<Day>,
    /// The last day.
    pub to: Option<Day>,
    /// How finely.
    pub interval: Interval,
    /// Each value of the dimension for itself.
    pub by_dimension: bool,
    /// The present instant.
    pub now: Timestamp,
}

/// Why nothing can be read. Every sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No integration measures it.
    #[error("there is no metric \"{given}\"{}", nearest.as_ref().map(|id| format!("; did you mean {id}?")).unwrap_or_default())]
    UnknownMetric {
        /// What was asked for.
        given: String,
        /// The known id that is most like it.
        nearest: Option<String>,
    },
    /// No project has that slug.
    #[error("there is no project \"{0}\"; make it with `dashtray project {0}`")]
    UnknownProject(String),
    /// No connection of that name measures it.
    #[error("there is no connection \"{0}\" that measures this; see `dashtray connections`")]
    UnknownConnection(String),
    /// The range makes no sense.
    #[error("{0}")]
    InvalidRange(String),
    /// The metric has no dimension.
    #[error("{0} has no dimension to break it down by; leave --by-dimension out")]
    NoDimension(String),
    /// There is no receipt.
    #[error("{0}")]
    NoReceipt(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// The stable code that programs go by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownMetric { .. } => "metric_not_found",
            Self::UnknownProject(_) => "project_not_found",
            Self::UnknownConnection(_) => "connection_not_found",
            Self::InvalidRange(_) => "invalid_range",
            Self::NoDimension(_) => "no_dimension",
            Self::NoReceipt(_) => "no_receipt",
            Self::Store(_) => "database",
        }
    }

    /// Whether what was asked is at fault.
    pub fn is_usage(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::NoReceipt(_))
    }
}

/// The series of a metric: one a connection, currency and value of the dimension.
pub async fn get(store: &Store, registry: &Registry, request: &GetRequest) -> Result<Vec<SeriesView>, Error> {
    get_all(store, registry, std::slice::from_ref(request)).await
}

/// What several requests ask for, in their order. Of one connection it is all loaded together, so that the charts of a
/// page cost little more than one.
///
/// # Errors
///
/// That of the first request which cannot be answered.
pub async fn get_all(store: &Store, registry: &Registry, requests: &[GetRequest]) -> Result<Vec<SeriesView>, Error> {
    Ok(read_each(store, registry, requests, false).await?.into_iter().flatten().collect())
}

/// The same, the series of each request for themselves, and each also as one point: see [`SeriesView::whole`].
///
/// # Errors
///
/// As those of [`get_all`].
pub async fn get_each(
    store: &Store,
    registry: &Registry,
    requests: &[GetRequest],
) -> Result<Vec<Vec<SeriesView>>, Error> {
    read_each(store, registry, requests, true).await
}

async fn read_each(
    store: &Store,
    registry: &Registry,
    requests: &[GetRequest],
    with_whole: bool,
) -> Result<Vec<Vec<SeriesView>>, Error> {
    loop {
        let mut known = Known { store, registry, pushed: BTreeMap::new() };
        let read = read_known(&mut known, requests, with_whole).await?;
        if known.still_holds().await? {
            return Ok(read);
        }
    }
}

/// Reads with what is known of metrics by now.
async fn read_known(
    known: &mut Known<'_>,
    requests: &[GetRequest],
    with_whole: bool,
) -> Result<Vec<Vec<SeriesView>>, Error> {
    let store = known.store;
    let mut defined: Vec<(Arc<Descriptor>, Definition)> = Vec::with_capacity(requests.len());
    for request in requests {
        defined.push(known.metric(&request.project, &request.metric_id).await?);
    }
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (request, (descriptor, definition)) in requests.iter().zip(&defined) {
        if request.by_dimension && definition.dimension.is_none() {
            return Err(Error::NoDimension(definition.id.clone()));
        }
        wanted.entry(&request.project).or_default().insert(&descriptor.id);
    }
    let mut connections: BTreeMap<&str, Vec<Connection>> = BTreeMap::new();
    for (project, integrations) in wanted {
        connections.insert(project, of_project(store, project, integrations).await?);
    }
    let mut readings = Vec::new();
    for (place, (request, (descriptor, definition))) in requests.iter().zip(&defined).enumerate() {
        let of_project = connections.get(request.project.as_str()).map(Vec::as_slice).unwrap_or_default();
        let measuring = measuring(of_project, descriptor, request.connection.as_deref())?;
        check_range(request.from, request.to, request.now)?;
        for connection in measuring {
            let reading = reading(store, request, descriptor, definition, connection);
            readings.push((place, Reading { with_whole, ..reading }));
        }
    }
    let mut loaded: BTreeMap<ConnectionKey, Stored> = BTreeMap::new();
    let mut all = vec![Vec::new(); requests.len()];
    for (place, reading) in &readings {
        let key = reading.connection.key;
        if let std::collections::btree_map::Entry::Vacant(missing) = loaded.entry(key) {
            let of_it = readings.iter().map(|(_, other)| other).filter(|other| other.connection.key == key);
            let together: Vec<&Reading<'_>> = of_it.collect();
            missing.insert(Stored::load(store, key, &together).await?);
        }
        if let (Some(stored), Some(of_request)) = (loaded.get(&key), all.get_mut(*place)) {
            of_request.extend(reading.series(stored).await?);
        }
    }
    Ok(all)
}

/// What a request asks of one connection.
fn reading<'a>(
    store: &'a Store,
    request: &GetRequest,
    descriptor: &'a Descriptor,
    definition: &'a Definition,
    connection: &'a Connection,
) -> Reading<'a> {
    let today = Day::of(request.now, &connection.settings.zone);
    // A day that has not begun in its zone has in another one's: this connection has nothing of it yet.
    let last = request.to.unwrap_or(today).min(today);
    // Whole weeks and months, unless somebody asks for another first day.
    let default_first = || request.interval.bucket(last.plus(1 - DEFAULT_DAYS)).start();
    let asked_from = request.from.unwrap_or_else(default_first);
    let first = asked_from.max(connection.settings.history_start);
    let is_kept = descriptor.grains(definition).contains(&request.interval);
    Reading {
        store,
        connection,
        descriptor,
        definition,
        period: Period::inclusive(first, last),
        reach_from: definition.retention_days.map(|days| today.plus(1_i32.saturating_sub_unsigned(days))),
        asked_from,
        interval: request.interval,
        grain: if is_kept { request.interval } else { Interval::Day },
        ends_early: request.to.is_some_and(|to| to < today),
        by_dimension: request.by_dimension,
        as_kept: false,
        with_whole: false,
    }
}

/// The newest receipt of a metric: in the named currency, else in the account's.
pub async fn explain(
    store: &Store,
    registry: &Registry,
    project: &str,
    metric_id: &str,
    connection: Option<&str>,
    currency: Option<Currency>,
) -> Result<ReceiptView, Error> {
    let mut known = Known { store, registry, pushed: BTreeMap::new() };
    let (descriptor, definition) = known.metric(project, metric_id).await?;
    if !definition.explained {
        let message = format!("{metric_id} is counted by the provider and has no receipt; see `dashtray integrations`");
        return Err(Error::NoReceipt(message));
    }
    let connections = of_project(store, project, BTreeSet::from([descriptor.id.as_str()])).await?;
    for connection in measuring(&connections, &descriptor, connection)? {
        let bodies = store.receipts(connection.key, metric_id).await?;
        let receipts: Vec<crate::metric::Receipt> =
            bodies.into_iter().filter_map(|body| serde_json::from_value(body).ok()).collect();
        let wanted = currency.unwrap_or(connection.settings.currency);
        let named = receipts.iter().find(|receipt| receipt.currency == Some(wanted));
        // Unless a currency is named, one that something is counted in.
        let spoken = || receipts.iter().find(|receipt| !receipt.terms.is_empty());
        let chosen = match currency {
            Some(_) => named,
            None => named.filter(|receipt| !receipt.terms.is_empty()).or_else(spoken).or(named).or(receipts.first()),
        };
        if let Some(receipt) = chosen {
            return Ok(ReceiptView { connection_id: connection.public_id, receipt: receipt.clone() });
        }
    }
    let which = currency.map(|currency| format!(" in {currency}")).unwrap_or_default();
    Err(Error::NoReceipt(format!("there is no receipt of {metric_id}{which} yet; run `dashtray sync` first")))
}

/// Refuses a range that runs backwards, or ends where no zone has come to yet.
fn check_range(from: Option<Day>, to: Option<Day>, now: Timestamp) -> Result<(), Error> {
    // The day in the zone that is furthest ahead of all.
    let ahead = now.checked_add(jiff::SignedDuration::from_hours(14)).unwrap_or(now);
    let newest = Day::of(ahead, &Zone::utc());
    if let Some(day) = from.into_iter().chain(to).find(|day| *day > newest) {
        return Err(Error::InvalidRange(format!("{day} is in the future; give a day up to {newest}")));
    }
    match (from, to) {
        (Some(from), Some(to)) if to < from => {
            Err(Error::InvalidRange(format!("the range runs backwards: {from} is after {to}; swap them")))
        }
        _ => Ok(()),
    }
}

/// Which metrics there are: those of integrations, and those that were pushed to a project.
struct Known<'a> {
    store: &'a Store,
    registry: &'a Registry,
    /// By project, with its number; read where no integration has a metric.
    pushed: BTreeMap<String, Option<(i64, Arc<Descriptor>)>>,
}

impl Known<'_> {
    /// A metric and what it is of.
    async fn metric(&mut self, project: &str, metric_id: &str) -> Result<(Arc<Descriptor>, Definition), Error> {
        let measured = |descriptor: Arc<Descriptor>| {
            let definition = descriptor.metric(metric_id)?.clone();
            Some((descriptor, definition))
        };
        if let Some(found) = self.registry.descriptors().find_map(measured) {
            return Ok(found);
        }
        if !self.pushed.contains_key(project) {
            let found = self.store.project(project).await?;
            let found = found.ok_or_else(|| Error::UnknownProject(project.chars().take(60).collect()))?;
            let pushed = custom::descriptor(self.store, found.id).await?;
            self.pushed.insert(project.to_owned(), pushed.map(|descriptor| (found.id, descriptor)));
        }
        let pushed = self.pushed.get(project).cloned().flatten().map(|(_, descriptor)| descriptor);
        if let Some(found) = pushed.clone().and_then(measured) {
            return Ok(found);
        }
        let descriptors: Vec<_> = self.registry.descriptors().chain(pushed).collect();
        let ids = descriptors.iter().flat_map(|descriptor| &descriptor.metrics).map(|metric| metric.id.as_str());
        let nearest = crate::nearest::nearest(metric_id, ids).map(str::to_owned);
        Err(Error::UnknownMetric { given: metric_id.chars().take(60).collect(), nearest })
    }

    /// Whether pushed metrics still are what they were when they were first looked at: where digits behind the point have grown
    /// meanwhile, all their values have with them.
    async fn still_holds(&self) -> Result<bool, Error> {
        for pushed in self.pushed.values().flatten() {
            let units = |one: &Descriptor| one.metrics.iter().map(|one| (one.id.clone(), one.unit)).collect::<Vec<_>>();
            let now = custom::descriptor(self.store, pushed.0).await?;
            if now.is_some_and(|now| units(&now) != units(&pushed.1)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A project's connections of some integrations.
async fn of_project(store: &Store, slug: &str, integrations: BTreeSet<&str>) -> Result<Vec<Connection>, Error> {
    let project = store.project(slug).await?.ok_or_else(|| Error::UnknownProject(slug.to_owned()))?;
    let integrations: Vec<&str> = integrations.into_iter().collect();
    Ok(store.connections_among(project.id, &integrations).await?)
}

/// The connections of an integration, or the named one.
fn measuring<'a>(
    connections: &'a [Connection],
    integration: &Descriptor,
    named: Option<&str>,
) -> Result<Vec<&'a Connection>, Error> {
    let measuring = connections.iter().filter(|connection| connection.integration_id == integration.id);
    let Some(named) = named else { return Ok(measuring.collect()) };
    let wanted = named.to_lowercase();
    let found: Vec<&Connection> = measuring
        .filter(|connection| connection.public_id.to_string() == wanted || connection.name.to_lowercase() == wanted)
        .collect();
    if found.is_empty() { Err(Error::UnknownConnection(named.chars().take(60).collect())) } else { Ok(found) }
}
