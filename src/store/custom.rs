//! Metrics that programs push: what they are, and one batch of points in one transaction.
//!
//! They belong to a connection without credentials, so nothing claims it; its row is locked while a batch is written.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value as Json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    ConnectionKey, Error, PointRow, Store,
    changes::{Changed, tell},
    connections::next_ids,
    db::{Arg, Row, Tx, args},
    dialect::list,
    points,
};
use crate::metric::{Currency, Day, Interval};

/// What a pushed metric is. What the words mean is not the store's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomMetric {
    /// Unique in its project.
    pub metric_id: String,
    /// What people call it.
    pub name: String,
    /// What values are counted in.
    pub unit: String,
    /// Digits behind the point of stored values, where the unit leaves them open.
    pub scale: u8,
    /// What may be done with values of several days.
    pub kind: String,
    /// Whether it has values of a dimension.
    pub has_dimension: bool,
}

/// The connection that pushed metrics belong to, should it have to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushConnection {
    /// Its integration and account, by which it is found.
    pub integration_id: String,
    /// Its public id.
    pub public_id: Uuid,
    /// What people call it.
    pub name: String,
    /// Name of the zone its days are cut in.
    pub zone: String,
    /// What states are kept in where values are money.
    pub currency: Currency,
}

/// A metric of a batch: as it was read before, and as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricChange {
    /// As it was; `None` where it is new.
    pub before: Option<CustomMetric>,
    /// As it is from now on.
    pub after: CustomMetric,
}

/// One value of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct PushedPoint {
    /// Which metric.
    pub metric_id: String,
    /// The dimension's value; empty for the total.
    pub dimension: String,
    /// What it is counted in, if it is money.
    pub currency: Option<Currency>,
    /// Which day.
    pub day: Day,
    /// The value in its smallest unit, or a quotient's numerator.
    pub value: i64,
    /// A quotient's denominator.
    pub denominator: Option<i64>,
    /// As in [`PointRow::mark`].
    pub mark: i16,
    /// Further facts.
    pub note: Option<Json>,
}

/// All of it is written, or nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// Of which project.
    pub project_id: i64,
    /// What the values belong to.
    pub connection: PushConnection,
    /// All metrics that values are of.
    pub metrics: Vec<MetricChange>,
    /// The values. No two are of the same bucket.
    pub points: Vec<PushedPoint>,
    /// When it was pushed.
    pub now: Timestamp,
}

/// A series as it is found.
type SeriesKey = (String, String, String);

impl Store {
    /// The pushed metrics of a project, by id.
    pub async fn custom_metrics(&self, project_id: i64) -> Result<Vec<CustomMetric>, Error> {
        let sql = "SELECT * FROM custom_metrics WHERE project_id = $1 ORDER BY metric_id";
        self.db.all(sql, args![project_id]).await?.iter().map(metric).collect()
    }

    /// Writes a batch over what stands of the same buckets; says how many rows that changed.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when somebody else was faster and a metric is not what it was: read it and try again.
    pub async fn push(&self, push: &Push) -> Result<u64, Error> {
        let mut tx = self.db.begin().await?;
        let key = connection(&mut tx, push).await?;
        let known = known(&mut tx, push.project_id).await?;
        for change in &push.metrics {
            if known.get(&change.after.metric_id) != change.before.as_ref() {
                return Err(Error::Conflict(format!("{} was changed by somebody else", change.after.metric_id)));
            }
            if change.before.as_ref() != Some(&change.after) {
                define(&mut tx, key, change, push.now).await?;
            }
        }
        let series = series(&mut tx, key, &push.points).await?;
        let of = |point: &PushedPoint| series.get(&series_key(point)).copied();
        let rows: Vec<PointRow> = push.points.iter().filter_map(|point| Some(row(of(point)?, point))).collect();
        let changed = points::upsert(&mut tx, push.project_id, &rows).await?;
        let notes = push.points.iter().filter_map(|point| Some((of(point)?, point)));
        note(&mut tx, push.project_id, &notes.collect::<Vec<_>>()).await?;
        if let Some(first) = push.points.iter().map(|point| point.day).min() {
            let sql = "UPDATE connections SET last_synced_at = $3, history_start =
                 CASE WHEN history_start > $4 THEN $4 ELSE history_start END
                 WHERE project_id = $1 AND connection_id = $2";
            tx.execute(sql, args![key.project_id, key.connection_id, push.now, first]).await?;
        }
        // Also where only what a metric is has changed, or how old its values are.
        tell(&mut tx, key, Changed::Numbers).await?;
        tx.commit("pushed metrics").await?;
        Ok(changed)
    }
}

/// The connection, locked until the transaction ends; made where there is none.
async fn connection(tx: &mut Tx, push: &Push) -> Result<ConnectionKey, Error> {
    let PushConnection { integration_id, public_id, name, zone, currency } = &push.connection;
    let select = "SELECT connection_id FROM connections
         WHERE project_id = $1 AND integration_id = $2 AND account_id = $2";
    let select = tx.locking(select);
    let project_id = push.project_id;
    if let Some(row) = tx.first(select, args![project_id, integration_id]).await? {
        return Ok(ConnectionKey { project_id, connection_id: row.get("connection_id")? });
    }
    let connection_id = next_ids(tx, project_id, 1).await?;
    let first = push.points.iter().map(|point| point.day).min();
    let first = first.unwrap_or_else(|| Day::of(push.now, &crate::metric::Zone::utc()));
    let sql = "INSERT INTO connections (project_id, connection_id, public_id, integration_id, name, created_at,
         account_id, account, settings, zone, currency, history_start, max_quota_share_permille, state, due_at)
         VALUES ($1, $2, $3, $4, $5, $6, $4, '{}', '{}', $7, $8, $9, 1000, 'ok', $6)";
    let values = args![project_id, connection_id, *public_id, integration_id, name, push.now, zone, *currency, first];
    tx.execute(sql, values).await?;
    Ok(ConnectionKey { project_id, connection_id })
}

async fn known(tx: &mut Tx, project_id: i64) -> Result<BTreeMap<String, CustomMetric>, Error> {
    let rows = tx.all("SELECT * FROM custom_metrics WHERE project_id = $1", args![project_id]).await?;
    rows.iter().map(|row| metric(row).map(|metric| (metric.metric_id.clone(), metric))).collect()
}

async fn define(tx: &mut Tx, key: ConnectionKey, change: &MetricChange, now: Timestamp) -> Result<(), Error> {
    let MetricChange { before, after } = change;
    let sql = "INSERT INTO custom_metrics
         (project_id, metric_id, connection_id, name, unit, scale, kind, has_dimension, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (project_id, metric_id) DO UPDATE
         SET scale = excluded.scale, has_dimension = excluded.has_dimension";
    let values = args![
        key.project_id,
        &after.metric_id,
        key.connection_id,
        &after.name,
        &after.unit,
        i64::from(after.scale),
        &after.kind,
        after.has_dimension,
        now
    ];
    tx.execute(sql, values).await?;
    match before {
        Some(before) if before.scale < after.scale => rescale(tx, key, before, after.scale).await,
        _ => Ok(()),
    }
}

/// Gives stored values more digits behind the point.
async fn rescale(tx: &mut Tx, key: ConnectionKey, metric: &CustomMetric, scale: u8) -> Result<(), Error> {
    let factor = 10_i64.checked_pow(u32::from(scale.saturating_sub(metric.scale))).unwrap_or(i64::MAX);
    let of_metric = "project_id = $1 AND series_id IN
         (SELECT series_id FROM series WHERE project_id = $1 AND connection_id = $2 AND metric_id = $3)";
    let values = || args![key.project_id, key.connection_id, &metric.metric_id];
    let sql = format!("SELECT MAX(value) AS most, MIN(value) AS least FROM points WHERE {of_metric}");
    if let Some(row) = tx.first(AssertSqlSafe(sql), values()).await? {
        for end in ["most", "least"] {
            if row.get::<Option<i64>>(end)?.unwrap_or(0).checked_mul(factor).is_none() {
                return Err(Error::TooLarge(metric.metric_id.clone()));
            }
        }
    }
    let sql = format!("UPDATE points SET value = value * $4 WHERE {of_metric}");
    let mut values = values();
    values.push(Arg::from(factor));
    tx.execute(AssertSqlSafe(sql), values).await.map(drop)
}

/// The ids of the series that the points are of. Those that are missing are made.
async fn series(tx: &mut Tx, key: ConnectionKey, points: &[PushedPoint]) -> Result<BTreeMap<SeriesKey, i64>, Error> {
    let wanted: BTreeSet<SeriesKey> = points.iter().map(series_key).collect();
    let metrics: BTreeSet<&str> = points.iter().map(|point| point.metric_id.as_str()).collect();
    let mut found = BTreeMap::new();
    if metrics.is_empty() {
        return Ok(found);
    }
    let mut values = args![key.project_id, key.connection_id, Interval::Day];
    let mut sql = format!(
        "SELECT series_id, metric_id, dimension, currency FROM series
         WHERE project_id = $1 AND connection_id = $2 AND grain = $3 AND metric_id IN {}",
        list(values.len(), metrics.len())
    );
    values.extend(metrics.into_iter().map(Arg::from));
    let parts: BTreeSet<&str> = points.iter().map(|point| point.dimension.as_str()).collect();
    // Of a metric with many values of its dimension few are in one batch. More would only make it slow to prepare.
    if parts.len() <= 100 {
        sql.push_str(&format!(" AND dimension IN {}", list(values.len(), parts.len())));
        values.extend(parts.into_iter().map(Arg::from));
    }
    for row in tx.all(AssertSqlSafe(sql), values).await? {
        let key: SeriesKey = (row.get("metric_id")?, row.get("dimension")?, row.get("currency")?);
        if wanted.contains(&key) {
            found.insert(key, row.get("series_id")?);
        }
    }
    let missing: Vec<SeriesKey> = wanted.into_iter().filter(|key| !found.contains_key(key)).collect();
    if !missing.is_empty() {
        let count = i64::try_from(missing.len()).unwrap_or(i64::MAX);
        let last = next_ids(tx, key.project_id, count).await?;
        let numbered: Vec<(i64, SeriesKey)> = (last - count + 1..).zip(missing).collect();
        let head = "INSERT INTO series
             (project_id, series_id, connection_id, metric_id, grain, dimension, currency, definition)";
        let rows = numbered.iter().map(|(id, (metric_id, dimension, currency))| {
            args![key.project_id, *id, key.connection_id, metric_id, Interval::Day, dimension, currency, 1]
        });
        tx.insert_many(head, "", 8, rows).await?;
        found.extend(numbered.into_iter().map(|(id, key)| (key, id)));
    }
    Ok(found)
}

/// Keeps the notes of points, and drops those of earlier values that they replace.
async fn note(tx: &mut Tx, project_id: i64, points: &[(i64, &PushedPoint)]) -> Result<(), Error> {
    let ids: BTreeSet<i64> = points.iter().map(|(id, _)| *id).collect();
    let days = || points.iter().map(|(_, point)| point.day);
    let (Some(first), Some(last)) = (days().min(), days().max()) else { return Ok(()) };
    let mut values = args![project_id, first, last];
    let sql = format!(
        "SELECT series_id, day FROM notes WHERE project_id = $1 AND day >= $2 AND day <= $3 AND series_id IN {}",
        list(values.len(), ids.len())
    );
    values.extend(ids.into_iter().map(Arg::from));
    let mut standing = BTreeSet::new();
    for row in tx.all(AssertSqlSafe(sql), values).await? {
        standing.insert((row.get::<i64>("series_id")?, row.get::<Day>("day")?));
    }
    for (id, point) in points.iter().filter(|(id, point)| point.note.is_none() && standing.contains(&(*id, point.day)))
    {
        let sql = "DELETE FROM notes WHERE project_id = $1 AND series_id = $2 AND day = $3";
        tx.execute(sql, args![project_id, *id, point.day]).await?;
    }
    let noted: Vec<Vec<Arg>> =
        points.iter().filter_map(|(id, point)| Some(args![project_id, *id, point.day, point.note.as_ref()?])).collect();
    let head = "INSERT INTO notes (project_id, series_id, day, body)";
    let tail = "ON CONFLICT (project_id, series_id, day) DO UPDATE SET body = excluded.body";
    tx.insert_many(head, tail, 4, noted.into_iter()).await.map(drop)
}

fn series_key(point: &PushedPoint) -> SeriesKey {
    let currency = point.currency.as_ref().map_or("", Currency::code);
    (point.metric_id.clone(), point.dimension.clone(), currency.to_owned())
}

fn row(series_id: i64, point: &PushedPoint) -> PointRow {
    PointRow { series_id, day: point.day, value: Some(point.value), denominator: point.denominator, mark: point.mark }
}

fn metric(row: &Row) -> Result<CustomMetric, Error> {
    Ok(CustomMetric {
        metric_id: row.get("metric_id")?,
        name: row.get("name")?,
        unit: row.get("unit")?,
        scale: u8::try_from(row.get::<i64>("scale")?).map_err(|_| super::columns::strange("scale"))?,
        kind: row.get("kind")?,
        has_dimension: row.get("has_dimension")?,
    })
}
