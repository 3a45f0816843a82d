//! Rows of the ledger inside a transaction: what stands, and what is written over it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::ledger::{Cell, Change, SeriesKey, Standing};
use crate::{
    metric::{Definition, Interval, Mark, Period, State},
    store::{self, PointRow, RestatementRow, SeriesRow, Write},
};

/// The standing rows of some series of one metric and grain, inside a transaction.
pub(super) struct Book {
    grain: Interval,
    ids: BTreeMap<SeriesKey, i64>,
    /// Those that have one.
    labels: BTreeMap<i64, String>,
    pub(super) standing: Standing,
}

pub(super) fn key_of(row: &SeriesRow) -> SeriesKey {
    SeriesKey { dimension: row.dimension.clone(), currency: row.currency }
}

/// A damaged mark reads as nothing known, so that the day is asked for again.
fn cell_of(row: &PointRow) -> Option<Cell> {
    Some(Cell { value: row.value, denominator: row.denominator, mark: Mark::from_code(row.mark)? })
}

/// The series that carries the states of a metric, among all of a connection.
pub(super) fn carrying<'a>(rows: &'a [SeriesRow], (metric_id, carrier): &(&str, SeriesKey)) -> Vec<&'a SeriesRow> {
    rows.iter().filter(|row| row.metric_id == *metric_id && key_of(row) == *carrier).collect()
}

/// What stands of some series, among points that are in the order of their series.
pub(super) fn standing(rows: &[&SeriesRow], points: &[PointRow]) -> Standing {
    let mut standing = Standing::new();
    for row in rows {
        let (key, first) = (key_of(row), points.partition_point(|point| point.series_id < row.id));
        let of_it = points.iter().skip(first).take_while(|point| point.series_id == row.id);
        standing.extend(of_it.filter_map(|point| Some(((key.clone(), point.day), cell_of(point)?))));
    }
    standing
}

fn labels<'a>(rows: impl Iterator<Item = &'a SeriesRow>) -> BTreeMap<i64, String> {
    rows.filter(|row| !row.label.is_empty()).map(|row| (row.id, row.label.clone())).collect()
}

impl Book {
    /// The rows of the series that are concerned, over a period.
    pub(super) async fn load(
        write: &mut Write,
        definition: &Definition,
        grain: Interval,
        period: Period,
        concerned: impl Fn(&SeriesKey) -> bool,
    ) -> Result<Self, store::Error> {
        let rows = write.series_of(&definition.id, grain).await?;
        Self::of(write, &rows, grain, period, concerned).await
    }

    /// The same of series that are known already.
    pub(super) async fn of(
        write: &mut Write,
        rows: &[SeriesRow],
        grain: Interval,
        period: Period,
        concerned: impl Fn(&SeriesKey) -> bool,
    ) -> Result<Self, store::Error> {
        let concerned: Vec<&SeriesRow> = rows.iter().filter(|row| concerned(&key_of(row))).collect();
        let wanted: Vec<i64> = concerned.iter().map(|row| row.id).collect();
        let points = write.points(&wanted, period).await?;
        Ok(Self { labels: labels(rows.iter()), ..Self::new(grain, &concerned, &points) })
    }

    /// The rows of one series of each of several metrics, read at once: a book each, in their order. `rows` are the series of
    /// the connection.
    pub(super) async fn of_each(
        write: &mut Write,
        rows: &[SeriesRow],
        grain: Interval,
        period: Period,
        carriers: &[(&str, SeriesKey)],
    ) -> Result<Vec<Self>, store::Error> {
        let concerned: Vec<Vec<&SeriesRow>> = carriers.iter().map(|carrier| carrying(rows, carrier)).collect();
        let wanted: Vec<i64> = concerned.iter().flatten().map(|row| row.id).collect();
        let points = write.points(&wanted, period).await?;
        Ok(concerned.iter().map(|concerned| Self::new(grain, concerned, &points)).collect())
    }

    fn new(grain: Interval, rows: &[&SeriesRow], points: &[PointRow]) -> Self {
        let ids = rows.iter().map(|row| (key_of(row), row.id)).collect();
        Self { grain, ids, labels: labels(rows.iter().copied()), standing: standing(rows, points) }
    }

    /// Notes what people call values of the dimension, in all currencies.
    pub(super) async fn label(
        &mut self,
        write: &mut Write,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), store::Error> {
        for (series, id) in &self.ids {
            let Some(label) = labels.get(&series.dimension) else { continue };
            if self.labels.get(id) != Some(label) {
                write.label_series(*id, label).await?;
                self.labels.insert(*id, label.clone());
            }
        }
        Ok(())
    }

    /// Writes what changes, and keeps what is restated by a run.
    pub(super) async fn apply(
        &mut self,
        write: &mut Write,
        definition: &Definition,
        changes: Vec<Change>,
        restated: Option<(Uuid, jiff::Timestamp)>,
    ) -> Result<(), store::Error> {
        let version = i32::try_from(definition.definition).unwrap_or(i32::MAX);
        let mut rows = Vec::with_capacity(changes.len());
        for change in changes {
            let id = match self.ids.get(&change.series) {
                Some(id) => *id,
                None => {
                    let SeriesKey { dimension, currency } = &change.series;
                    let id = write.ensure_series(&definition.id, self.grain, dimension, *currency, version).await?;
                    self.ids.insert(change.series.clone(), id);
                    id
                }
            };
            if let (Some(old), Some((run_id, at))) = (change.restated, restated) {
                let row = PointRow {
                    series_id: id,
                    day: change.day,
                    value: old.value,
                    denominator: old.denominator,
                    mark: old.mark.to_code(),
                };
                write.insert_restatement(&RestatementRow { old: row, changed_at: at, run_id }).await?;
            }
            let stood = self.standing.get(&(change.series.clone(), change.day));
            let outdated = change.restated.is_some() || stood.is_some_and(|cell| cell.mark.state == State::Unsupported);
            if change.note.is_some() || outdated {
                write.put_note(id, change.day, change.note.as_ref()).await?;
            }
            rows.push(PointRow {
                series_id: id,
                day: change.day,
                value: change.cell.value,
                denominator: change.cell.denominator,
                mark: change.cell.mark.to_code(),
            });
        }
        write.upsert_points(&rows).await?;
        Ok(())
    }
}
