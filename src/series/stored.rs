//! The rows that readings are made of. What several readings need of one connection is loaded together, with as few
//! statements as one needs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use super::points::Reading;
use crate::{
    metric::{Day, Interval, Period},
    store::{self, ConnectionKey, PointRow, SeriesRow, Store},
};

/// The rows of some metrics of one connection.
#[derive(Default)]
pub(super) struct Stored {
    series: Vec<SeriesRow>,
    /// What people call values of a dimension, by metric and value, where they call them anything else.
    labels: BTreeMap<(String, String), String>,
    points: BTreeMap<i64, Vec<PointRow>>,
    notes: BTreeMap<i64, BTreeMap<Day, Map<String, Json>>>,
}

impl Stored {
    /// What these readings of a connection need, over all of their days.
    pub(super) async fn load(
        store: &Store,
        key: ConnectionKey,
        readings: &[&Reading<'_>],
    ) -> Result<Self, store::Error> {
        let metrics: Vec<&str> = readings.iter().map(|reading| reading.definition.id.as_str()).collect();
        let grains: BTreeSet<Interval> = readings.iter().map(|reading| reading.grain).collect();
        let mut series = Vec::new();
        for grain in grains {
            series.extend(store.series(key, grain, Some(&metrics)).await?);
        }
        let needed = |row: &&SeriesRow| readings.iter().any(|reading| reading.needs(row));
        let ids: Vec<i64> = series.iter().filter(needed).map(|row| row.id).collect();
        let start = readings.iter().map(|reading| reading.reach().start()).min();
        let end = readings.iter().map(|reading| reading.reach().end()).max();
        let Some(period) = start.zip(end).map(|(start, end)| Period::new(start, end)) else {
            return Ok(Self::default());
        };
        let labelled = series.iter().filter(|row| !row.label.is_empty());
        let label = |row: &SeriesRow| ((row.metric_id.clone(), row.dimension.clone()), row.label.clone());
        // Of several the first one counts.
        let labels = labelled.rev().map(label).collect();
        let mut stored = Self { series, labels, ..Self::default() };
        for point in store.points(key.project_id, &ids, period).await? {
            stored.points.entry(point.series_id).or_default().push(point);
        }
        for note in store.notes(key.project_id, &ids, period).await? {
            if let Json::Object(body) = note.body {
                stored.notes.entry(note.series_id).or_default().insert(note.day, body);
            }
        }
        Ok(stored)
    }

    /// The series of a metric and grain, in the order they were made.
    pub(super) fn series(&self, metric_id: &str, grain: Interval) -> impl Iterator<Item = &SeriesRow> {
        self.series.iter().filter(move |row| row.metric_id == metric_id && row.grain == grain)
    }

    /// What people call a value of a metric's dimension.
    pub(super) fn label(&self, metric_id: &str, dimension: &str) -> Option<&str> {
        if self.labels.is_empty() {
            return None;
        }
        self.labels.get(&(metric_id.to_owned(), dimension.to_owned())).map(String::as_str)
    }

    /// The points of a series in a period, in the order of their days, each with its metadata.
    pub(super) fn points(
        &self,
        series_id: i64,
        period: Period,
    ) -> impl Iterator<Item = (&PointRow, Option<&Map<String, Json>>)> {
        let notes = self.notes.get(&series_id);
        let points = self.points.get(&series_id).into_iter().flatten().filter(move |point| period.contains(point.day));
        points.map(move |point| (point, notes.and_then(|notes| notes.get(&point.day))))
    }
}
