//! What lies in the ledger of a process: its rows, as checks compare them.

use std::collections::{BTreeMap, BTreeSet};

use dashtray::{
    metric::{Currency, Day, Interval, Mark, Period},
    store::{Connection, RestatementRow},
};

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

    /// The first place where these differ from others.
    pub(crate) fn same_as(&self, others: &Self) -> Result<(), String> {
        let places: BTreeSet<&Place> = self.0.keys().chain(others.0.keys()).collect();
        let differing = places.into_iter().find(|place| self.get(place) != others.get(place));
        match differing {
            Some(place) => Err(format!("{place:?} is {:?} and not {:?}", others.get(place), self.get(place))),
            None => Ok(()),
        }
    }
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
