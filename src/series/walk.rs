//! Going through all points of a project in pieces that fit into memory, as they are kept: in their own currencies, each
//! value of a dimension for itself.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use uuid::Uuid;

use super::{Error, SeriesView, check_range, points::Reading, stored::Stored};
use crate::{
    custom,
    integrations::{Descriptor, Registry},
    metric::{Day, Definition, Interval, Period, WidgetType},
    store::{self, Connection, Store},
};

/// Points of one piece, about.
const PIECE: usize = 5_000;

/// What to go through.
#[derive(Debug, Clone, Default)]
pub struct WalkRequest {
    /// Slug of the project.
    pub project: String,
    /// One metric; all where none is named.
    pub metric_id: Option<String>,
    /// Id or name of one connection; all where none is named.
    pub connection: Option<String>,
    /// The first day; the first of each connection's history where none is named.
    pub from: Option<Day>,
    /// The last day; today where none is named.
    pub to: Option<Day>,
    /// Totals alone, and not each value of a dimension besides.
    pub totals_only: bool,
}

/// A place between two pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The connection of the next piece.
    pub connection_id: Uuid,
    /// Its metric.
    pub metric_id: String,
    /// Its days.
    pub period: Period,
}

/// Some days of one metric of one connection.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Where it begins.
    pub place: Place,
    /// The total of each currency, then the values of the dimension.
    pub series: Vec<SeriesView>,
}

/// The days of one metric of one connection that are still to be read.
struct Part {
    connection: Arc<Connection>,
    descriptor: Arc<Descriptor>,
    definition: Definition,
    period: Period,
    today: Day,
    /// Series that it has, once somebody has looked.
    series: Option<usize>,
    /// Where the next piece ends, if it was read before.
    until: Option<Day>,
}

/// All points of a project, piece by piece: by connection, metric and day.
pub struct Walk {
    store: Store,
    parts: VecDeque<Part>,
    totals_only: bool,
}

impl std::fmt::Debug for Walk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("parts", &self.parts.len()).finish_non_exhaustive()
    }
}

impl Walk {
    /// Finds out what there is to be read. `now_for` says what time it is for runs of an integration.
    pub async fn begin(
        store: &Store,
        registry: &Registry,
        request: &WalkRequest,
        now_for: impl Fn(&str) -> Timestamp,
    ) -> Result<Self, Error> {
        let slug = &request.project;
        let project = store.project(slug).await?.ok_or_else(|| Error::UnknownProject(slug.clone()))?;
        let pushed = custom::descriptor(store, project.id).await?;
        let descriptors: Vec<Arc<Descriptor>> = registry.descriptors().chain(pushed).collect();
        if let Some(id) = &request.metric_id
            && !descriptors.iter().any(|descriptor| descriptor.metric(id).is_some())
        {
            let ids = descriptors.iter().flat_map(|one| &one.metrics).map(|metric| metric.id.as_str());
            let nearest = crate::nearest::nearest(id, ids).map(str::to_owned);
            return Err(Error::UnknownMetric { given: id.chars().take(60).collect(), nearest });
        }
        let mut connections = store.connections(project.id).await?;
        if let Some(named) = &request.connection {
            let wanted = named.to_lowercase();
            connections.retain(|one| one.public_id.to_string() == wanted || one.name.to_lowercase() == wanted);
            if connections.is_empty() {
                return Err(Error::UnknownConnection(named.chars().take(60).collect()));
            }
        }
        check_range(request.from, request.to, now_for(""))?;
        let mut parts = VecDeque::new();
        for connection in connections.into_iter().map(Arc::new) {
            let of_it = descriptors.iter().find(|descriptor| descriptor.id == connection.integration_id);
            let Some(descriptor) = of_it else { continue };
            let today = Day::of(now_for(&descriptor.id), &connection.settings.zone);
            let start = connection.settings.history_start;
            let first = request.from.map_or(start, |from| from.max(start));
            let last = request.to.map_or(today, |to| to.min(today));
            if last < first {
                continue;
            }
            let is_asked = |metric: &&Definition| request.metric_id.as_ref().is_none_or(|id| *id == metric.id);
            parts.extend(descriptor.metrics.iter().filter(is_asked).map(|definition| Part {
                connection: connection.clone(),
                descriptor: descriptor.clone(),
                definition: definition.clone(),
                period: Period::inclusive(first, last),
                today,
                series: None,
                until: None,
            }));
        }
        Ok(Self { store: store.clone(), parts, totals_only: request.totals_only })
    }

    /// Goes on with the piece of a place, which has the same days then; says whether there is such a place.
    pub fn go_on(&mut self, place: &Place) -> bool {
        let is_there =
            |part: &Part| part.connection.public_id == place.connection_id && part.definition.id == place.metric_id;
        let Some(at) = self.parts.iter().position(is_there) else { return false };
        self.parts.drain(..at);
        if let Some(part) = self.parts.front_mut() {
            part.period = Period::new(part.period.start().max(place.period.start()), part.period.end());
            part.until = Some(place.period.end());
        }
        true
    }

    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Piece>, Error> {
        loop {
            let Some(mut part) = self.parts.pop_front() else { return Ok(None) };
            if part.period.is_empty() {
                continue;
            }
            let count = match part.series {
                Some(count) => count,
                None => {
                    let ids = [part.definition.id.as_str()];
                    self.store.series(part.connection.key, Interval::Day, Some(&ids)).await?.len()
                }
            };
            part.series = Some(count);
            let days = i32::try_from((PIECE / count.max(1)).max(1)).unwrap_or(i32::MAX);
            let start = part.period.start();
            let end = part.until.take().unwrap_or_else(|| start.plus(days)).min(part.period.end());
            let period = Period::new(start, end.max(start));
            let place =
                Place { connection_id: part.connection.public_id, metric_id: part.definition.id.clone(), period };
            let mut series = self.read(&part, period).await?;
            while let Some(definition) = self.rescaled(&part).await? {
                part.definition = definition;
                series = self.read(&part, period).await?;
            }
            match self.store.connection(part.connection.key).await {
                Ok(_) => {}
                // Of one that was removed meanwhile all days would look as if nobody had read them yet.
                Err(store::Error::NotFound(_)) => {
                    self.parts.retain(|other| other.connection.key != part.connection.key);
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            part.period = Period::new(period.end(), part.period.end());
            self.parts.push_front(part);
            return Ok(Some(Piece { place, series }));
        }
    }

    /// What a pushed metric is by now, if its digits behind the point have grown since: all its values have with them.
    async fn rescaled(&self, part: &Part) -> Result<Option<Definition>, Error> {
        if part.descriptor.id != custom::ID {
            return Ok(None);
        }
        let now = custom::descriptor(&self.store, part.connection.key.project_id).await?;
        let now = now.and_then(|descriptor| descriptor.metric(&part.definition.id).cloned());
        Ok(now.filter(|definition| definition.unit != part.definition.unit))
    }

    async fn read(&self, part: &Part, period: Period) -> Result<Vec<SeriesView>, Error> {
        let retention = part.definition.retention_days;
        let total = Reading {
            store: &self.store,
            connection: &part.connection,
            descriptor: &part.descriptor,
            definition: &part.definition,
            period,
            reach_from: retention.map(|days| part.today.plus(1_i32.saturating_sub_unsigned(days))),
            asked_from: period.start(),
            interval: Interval::Day,
            grain: Interval::Day,
            ends_early: false,
            by_dimension: false,
            as_kept: true,
            with_whole: false,
        };
        let parted = Reading { by_dimension: true, ..total };
        // A table has its values alone, whatever is asked.
        let has_both = part.definition.dimension.is_some() && part.definition.widget_type != WidgetType::Table;
        let readings = if has_both && !self.totals_only { vec![&total, &parted] } else { vec![&total] };
        let stored = Stored::load(&self.store, part.connection.key, &readings).await?;
        let mut series = Vec::new();
        for reading in readings {
            series.extend(reading.series(&stored).await?);
        }
        Ok(series)
    }
}
