//! Points: a day's value and state, one small row each; their sparse metadata; and what they were before a change.

use jiff::Timestamp;
use serde_json::Value as Json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    Error, Store, Write,
    columns::strange,
    db::{Arg, Row, Tx, args},
    dialect::list,
};
use crate::metric::{Day, Period};

/// A day of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointRow {
    /// Which series.
    pub series_id: i64,
    /// Which day.
    pub day: Day,
    /// The value in its smallest unit, or a ratio's numerator.
    pub value: Option<i64>,
    /// A ratio's denominator.
    pub denominator: Option<i64>,
    /// State and flags: [`crate::metric::Mark::to_code`].
    pub mark: i16,
}

/// Metadata of a point.
#[derive(Debug, Clone, PartialEq)]
pub struct NoteRow {
    /// Which series.
    pub series_id: i64,
    /// Which day.
    pub day: Day,
    /// The facts.
    pub body: Json,
}

/// What a point was before a run changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestatementRow {
    /// What it was.
    pub old: PointRow,
    /// When it was changed.
    pub changed_at: Timestamp,
    /// By which run.
    pub run_id: Uuid,
}

/// Series in one statement. More would only make it slow to prepare.
const SERIES_AT_ONCE: usize = 500;
/// Series of which the points are handed over in one row.
const SERIES_IN_A_ROW: usize = 32;

impl Store {
    /// The points of some series in a period, ordered by series and day.
    pub async fn points(&self, project_id: i64, series: &[i64], period: Period) -> Result<Vec<PointRow>, Error> {
        let mut points = Vec::new();
        for chunk in in_order(series).chunks(SERIES_IN_A_ROW) {
            let (sql, values) = select_packed(self.db.packed(POINT), project_id, chunk, period);
            if let Some(row) = self.db.first(sql, values).await? {
                unpack(&row, &mut points)?;
            }
        }
        Ok(points)
    }

    /// The metadata of points, ordered by series and day.
    pub async fn notes(&self, project_id: i64, series: &[i64], period: Period) -> Result<Vec<NoteRow>, Error> {
        let mut notes = Vec::new();
        for chunk in in_order(series).chunks(SERIES_AT_ONCE) {
            let (sql, values) = select("notes", "series_id, day", project_id, chunk, period);
            for row in self.db.all(sql, values).await? {
                notes.push(NoteRow { series_id: row.get("series_id")?, day: row.get("day")?, body: row.get("body")? });
            }
        }
        Ok(notes)
    }

    /// What points were before, ordered by series, day and time of change.
    pub async fn restatements(
        &self,
        project_id: i64,
        series: &[i64],
        period: Period,
    ) -> Result<Vec<RestatementRow>, Error> {
        let mut restatements = Vec::new();
        for chunk in in_order(series).chunks(SERIES_AT_ONCE) {
            let (sql, values) = select("restatements", "series_id, day, changed_at, run_id", project_id, chunk, period);
            for row in self.db.all(sql, values).await? {
                let old = PointRow {
                    series_id: row.get("series_id")?,
                    day: row.get("day")?,
                    value: row.get("old_value")?,
                    denominator: row.get("old_denominator")?,
                    mark: row.get("old_mark")?,
                };
                let (changed_at, run_id) = (row.get("changed_at")?, row.get("run_id")?);
                restatements.push(RestatementRow { old, changed_at, run_id });
            }
        }
        Ok(restatements)
    }
}

impl Write {
    /// Forgets the points of some series over a period, with their metadata.
    pub async fn delete_points(&mut self, series: &[i64], period: Period) -> Result<(), Error> {
        let project_id = self.key().project_id;
        for id in series {
            for sql in [
                "DELETE FROM points WHERE project_id = $1 AND series_id = $2 AND day >= $3 AND day < $4",
                "DELETE FROM notes WHERE project_id = $1 AND series_id = $2 AND day >= $3 AND day < $4",
            ] {
                let gone = self.tx.execute(sql, args![project_id, *id, period.start(), period.end()]).await?;
                self.news(gone);
            }
        }
        Ok(())
    }

    /// As [`Store::points`], with what this transaction has written.
    pub async fn points(&mut self, series: &[i64], period: Period) -> Result<Vec<PointRow>, Error> {
        let mut points = Vec::new();
        for chunk in in_order(series).chunks(SERIES_IN_A_ROW) {
            let (sql, values) = select_packed(self.tx.packed(POINT), self.key().project_id, chunk, period);
            if let Some(row) = self.tx.first(sql, values).await? {
                unpack(&row, &mut points)?;
            }
        }
        Ok(points)
    }

    /// Writes points over those of the same day, and says how many rows that changed: what is the same is not written.
    /// Of several points of one day the last counts.
    pub async fn upsert_points(&mut self, points: &[PointRow]) -> Result<u64, Error> {
        let project_id = self.key().project_id;
        let changed = upsert(&mut self.tx, project_id, points).await?;
        Ok(self.news(changed))
    }

    /// Sets a point's metadata, or removes it.
    pub async fn put_note(&mut self, series_id: i64, day: Day, body: Option<&Json>) -> Result<(), Error> {
        let mut values = args![self.key().project_id, series_id, day];
        let sql = match body {
            None => "DELETE FROM notes WHERE project_id = $1 AND series_id = $2 AND day = $3",
            Some(body) => {
                values.push(Arg::from(body));
                "INSERT INTO notes (project_id, series_id, day, body) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (project_id, series_id, day) DO UPDATE SET body = excluded.body
                 WHERE notes.body <> excluded.body"
            }
        };
        self.tx.execute(sql, values).await.map(drop)
    }

    /// Keeps what a point was before this run changed it. A second change by the same run at the same time keeps the
    /// first.
    pub async fn insert_restatement(&mut self, restatement: &RestatementRow) -> Result<(), Error> {
        let RestatementRow { old, changed_at, run_id } = *restatement;
        let sql = "INSERT INTO restatements
             (project_id, series_id, day, changed_at, run_id, old_value, old_denominator, old_mark)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
        let project_id = self.key().project_id;
        let values =
            args![project_id, old.series_id, old.day, changed_at, run_id, old.value, old.denominator, old.mark];
        self.tx.execute(sql, values).await.map(drop)
    }
}

/// Writes points over those of the same day; see [`Write::upsert_points`].
pub(super) async fn upsert(tx: &mut Tx, project_id: i64, points: &[PointRow]) -> Result<u64, Error> {
    // In the order of the key, so that neighbours are written together; and PostgreSQL wants each key once.
    let mut sorted: Vec<&PointRow> = points.iter().rev().collect();
    sorted.sort_by_key(|point| (point.series_id, point.day));
    sorted.dedup_by_key(|point| (point.series_id, point.day));
    let rows = sorted
        .into_iter()
        .map(|point| args![project_id, point.series_id, point.day, point.value, point.denominator, point.mark]);
    let head = "INSERT INTO points (project_id, series_id, day, value, denominator, mark)";
    let tail = "ON CONFLICT (project_id, series_id, day) DO UPDATE
         SET value = excluded.value, denominator = excluded.denominator, mark = excluded.mark
         WHERE points.value IS DISTINCT FROM excluded.value
            OR points.denominator IS DISTINCT FROM excluded.denominator
            OR points.mark <> excluded.mark";
    tx.insert_many(head, tail, 6, rows).await
}

/// What is handed over of a point.
const POINT: &str = "series_id, day, value, denominator, mark";
type Point = (i64, i32, Option<i64>, Option<i64>, i16);

/// The points of some series in a period, all in one row. The drivers are slow with rows, each of which wakes whoever waits
/// for it: as one row each, points took four times as long to read.
fn select_packed(packed: String, project_id: i64, series: &[i64], period: Period) -> (AssertSqlSafe<String>, Vec<Arg>) {
    let mut values = args![project_id, period.start(), period.end()];
    let ids = list(values.len(), series.len());
    values.extend(series.iter().copied().map(Arg::from));
    let sql = format!(
        "SELECT {packed} AS points FROM points
         WHERE project_id = $1 AND day >= $2 AND day < $3 AND series_id IN {ids}"
    );
    (AssertSqlSafe(sql), values)
}

fn unpack(row: &Row, points: &mut Vec<PointRow>) -> Result<(), Error> {
    // Of no rows PostgreSQL makes nothing, SQLite an empty array.
    let Some(packed) = row.get::<Option<String>>("points")? else { return Ok(()) };
    let mut found: Vec<Point> = serde_json::from_str(&packed).map_err(|_| strange("points"))?;
    // They come in the order of the key, but nobody promises it.
    found.sort_by_key(|(series_id, day, ..)| (*series_id, *day));
    points.reserve(found.len());
    for (series_id, day, value, denominator, mark) in found {
        let day = Day::from_number(day).ok_or_else(|| strange("day"))?;
        points.push(PointRow { series_id, day, value, denominator, mark });
    }
    Ok(())
}

/// Rows of some series in a period.
fn select(
    table: &'static str,
    order: &'static str,
    project_id: i64,
    series: &[i64],
    period: Period,
) -> (AssertSqlSafe<String>, Vec<Arg>) {
    let mut values = args![project_id, period.start(), period.end()];
    let ids = list(values.len(), series.len());
    values.extend(series.iter().copied().map(Arg::from));
    let sql = format!(
        "SELECT * FROM {table} WHERE project_id = $1 AND day >= $2 AND day < $3 AND series_id IN {ids} ORDER BY {order}"
    );
    (AssertSqlSafe(sql), values)
}

fn in_order(series: &[i64]) -> Vec<i64> {
    let mut series = series.to_vec();
    series.sort_unstable();
    series.dedup();
    series
}
