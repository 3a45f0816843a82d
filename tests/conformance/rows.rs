//! What lies in the ledger of a process: its rows, as checks compare them.

use std::collections::BTreeMap;

use dashtray::{
    metric::{Currency, Day, Interval, Mark, Period, Quality, State},
    series::{self, GetRequest, PointView, SeriesView},
    store::{Connection, RestatementRow},
};
use jiff::Timestamp;

use super::machine::NAME;
use crate::support::app::Process;

/// Which row: of a metric's days, weeks or months, of a value of its dimension (empty for the total), of a currency, on
/// the first day of its bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) metric: String,
    pub(crate) grain: Interval,
    pub(crate) dimension: String,
    pub(crate) currency: Option<Currency>,
    pub(crate) day: Day,
}

/// What is known there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) value: Option<i64>,
    pub(crate) denominator: Option<i64>,
    pub(crate) mark: Mark,
}

impl Row {
    /// What it says, and not how sure it is.
    pub(crate) fn said(&self) -> (Option<i64>, Option<i64>, &'static str) {
        (self.value, self.denominator, self.mark.state.name())
    }
}

/// All rows of the one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rows(pub(crate) BTreeMap<Place, Row>);

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Rows {
    pub(crate) async fn read(process: &Process) -> Result<Self, String> {
        let connection = connection(process).await?;
        let (places, always) = (places(process, &connection).await?, always()?);
        let ids: Vec<i64> = places.keys().copied().collect();
        let points = process.store.points(connection.key.project_id, &ids, always).await.map_err(shown)?;
        let rows = points.iter().map(|point| {
            let mark = Mark::from_code(point.mark).ok_or_else(|| format!("the mark {} is none", point.mark))?;
            let place = places.get(&point.series_id).ok_or("a point of no series")?;
            let row = Row { value: point.value, denominator: point.denominator, mark };
            Ok::<_, String>((Place { day: point.day, ..place.clone() }, row))
        });
        Ok(Self(rows.collect::<Result<_, _>>()?))
    }

    pub(crate) fn get(&self, place: &Place) -> Option<&Row> {
        self.0.get(place)
    }
}

/// What people get, by place: the value in words, the state, and whether it may still change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) value: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) provisional: bool,
    stale: bool,
    pub(crate) quality: Quality,
}

/// All series of the one connection as people get them. Of a value of the dimension that never has one nothing is told.
pub(crate) async fn told(process: &Process, period: Period, now: Timestamp) -> Result<BTreeMap<Place, Told>, String> {
    let mut all = BTreeMap::new();
    for definition in process.registry.descriptors().flat_map(|descriptor| descriptor.metrics.clone()) {
        for (interval, by_dimension) in Interval::ALL.into_iter().flat_map(|grain| [(grain, false), (grain, true)]) {
            if by_dimension && definition.dimension.is_none() {
                continue;
            }
            let request = GetRequest {
                project: "default".to_owned(),
                metric_id: definition.id.clone(),
                connection: None,
                from: Some(period.start()),
                to: period.last(),
                interval,
                by_dimension,
                now,
            };
            for series in series::get(&process.store, &process.registry, &request).await.map_err(shown)? {
                let is_silent = series.points.iter().all(|point| point.state != State::Value);
                if series.dimension.is_none() || !is_silent {
                    all.extend(series.points.iter().map(|point| (place_of(&series, interval, point), told_of(point))));
                }
            }
        }
    }
    Ok(all)
}

fn place_of(series: &SeriesView, grain: Interval, point: &PointView) -> Place {
    let (metric, dimension) = (series.metric_id.clone(), series.dimension.clone().unwrap_or_default());
    Place { metric, grain, dimension, currency: series.currency, day: point.date }
}

fn told_of(point: &PointView) -> Told {
    let value = point.value.as_ref().map(ToString::to_string);
    let PointView { provisional, stale, quality, .. } = *point;
    Told { value, state: point.state.name(), provisional, stale, quality }
}

/// What was restated, oldest first, by place.
pub(crate) async fn restatements(process: &Process) -> Result<BTreeMap<Place, Vec<RestatementRow>>, String> {
    let connection = connection(process).await?;
    let places = places(process, &connection).await?;
    let ids: Vec<i64> = places.keys().copied().collect();
    let rows = process.store.restatements(connection.key.project_id, &ids, always()?).await.map_err(shown)?;
    let mut restated: BTreeMap<Place, Vec<RestatementRow>> = BTreeMap::new();
    for row in rows {
        let place = places.get(&row.old.series_id).ok_or("a restatement of no series")?;
        restated.entry(Place { day: row.old.day, ..place.clone() }).or_default().push(row);
    }
    Ok(restated)
}

pub(crate) async fn connection(process: &Process) -> Result<Connection, String> {
    let project = process.connections.project("default").await.map_err(shown)?;
    process.connections.find(&project, NAME).await.map_err(shown)
}

/// By series: its place on no day in particular.
async fn places(process: &Process, connection: &Connection) -> Result<BTreeMap<i64, Place>, String> {
    let mut places = BTreeMap::new();
    for grain in Interval::ALL {
        for row in process.store.series(connection.key, grain, None).await.map_err(shown)? {
            let (metric, dimension, day) = (row.metric_id, row.dimension, always()?.start());
            places.insert(row.id, Place { metric, grain, dimension, currency: row.currency, day });
        }
    }
    Ok(places)
}

fn always() -> Result<Period, String> {
    let start = Day::from_number(0).ok_or("no first day")?;
    Ok(Period::new(start, start.plus(60_000)))
}
