//! Series: a metric of a connection, by grain, dimension value and currency. Points hang on their small ids.

use sqlx::AssertSqlSafe;

use super::{
    ConnectionKey, Error, Store, Write,
    connections::next_id,
    db::{Arg, Row, args},
    dialect::list,
};
use crate::metric::{Currency, Interval};

/// A series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesRow {
    /// Unique in its project.
    pub id: i64,
    /// Which metric.
    pub metric_id: String,
    /// Whether its points are days, or whole weeks or months, which lie on their first day.
    pub grain: Interval,
    /// The dimension's value; empty for the total.
    pub dimension: String,
    /// What people call that value; empty where it is the value itself.
    pub label: String,
    /// What amounts are counted in, if it is money.
    pub currency: Option<Currency>,
    /// The version of the metric's formula that its points were made with.
    pub definition: i32,
}

impl Store {
    /// A connection's series of a grain, or those of some metrics, in the order they were made.
    pub async fn series(
        &self,
        key: ConnectionKey,
        grain: Interval,
        metrics: Option<&[&str]>,
    ) -> Result<Vec<SeriesRow>, Error> {
        let mut values = args![key.project_id, key.connection_id, grain];
        let mut sql = "SELECT * FROM series WHERE project_id = $1 AND connection_id = $2 AND grain = $3".to_owned();
        if let Some(metrics) = metrics {
            sql.push_str(&format!(" AND metric_id IN {}", list(values.len(), metrics.len())));
            values.extend(metrics.iter().map(|id| Arg::from(*id)));
        }
        sql.push_str(" ORDER BY series_id");
        self.db.all(AssertSqlSafe(sql), values).await?.iter().map(series).collect()
    }
}

impl Write {
    /// The id of a series, which is made if it is not there. A new version of the definition is noted.
    pub async fn ensure_series(
        &mut self,
        metric_id: &str,
        grain: Interval,
        dimension: &str,
        currency: Option<Currency>,
        definition: i32,
    ) -> Result<i64, Error> {
        let ConnectionKey { project_id, connection_id } = self.key();
        let currency = currency.as_ref().map_or("", Currency::code);
        let sql = "SELECT series_id, definition FROM series WHERE project_id = $1 AND connection_id = $2
             AND metric_id = $3 AND grain = $4 AND dimension = $5 AND currency = $6";
        let values = args![project_id, connection_id, metric_id, grain, dimension, currency];
        if let Some(row) = self.tx.first(sql, values).await? {
            let id: i64 = row.get("series_id")?;
            if row.get::<i32>("definition")? != definition {
                let sql = "UPDATE series SET definition = $3 WHERE project_id = $1 AND series_id = $2";
                self.tx.execute(sql, args![project_id, id, definition]).await?;
            }
            return Ok(id);
        }
        let id = next_id(&mut self.tx, project_id).await?;
        let sql =
            "INSERT INTO series (project_id, series_id, connection_id, metric_id, grain, dimension, currency, definition)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = args![project_id, id, connection_id, metric_id, grain, dimension, currency, definition];
        self.tx.execute(sql, values).await?;
        Ok(id)
    }

    /// Sets what people call a series.
    pub async fn label_series(&mut self, series_id: i64, label: &str) -> Result<(), Error> {
        let sql = "UPDATE series SET label = $3 WHERE project_id = $1 AND series_id = $2";
        let changed = self.tx.execute(sql, args![self.key().project_id, series_id, label]).await?;
        self.news(changed);
        Ok(())
    }

    /// As [`Store::series`], of all metrics, with what this transaction has made.
    pub async fn series_of_all(&mut self, grain: Interval) -> Result<Vec<SeriesRow>, Error> {
        let key = self.key();
        let sql = "SELECT * FROM series WHERE project_id = $1 AND connection_id = $2 AND grain = $3 ORDER BY series_id";
        self.tx.all(sql, args![key.project_id, key.connection_id, grain]).await?.iter().map(series).collect()
    }

    /// The series of one metric and grain, in the order they were made.
    pub async fn series_of(&mut self, metric_id: &str, grain: Interval) -> Result<Vec<SeriesRow>, Error> {
        let key = self.key();
        let sql = "SELECT * FROM series WHERE project_id = $1 AND connection_id = $2 AND metric_id = $3 AND grain = $4
             ORDER BY series_id";
        let rows = self.tx.all(sql, args![key.project_id, key.connection_id, metric_id, grain]).await?;
        rows.iter().map(series).collect()
    }

    /// The same of the total and of one value of the dimension, however many there are.
    pub async fn series_of_part(
        &mut self,
        metric_id: &str,
        grain: Interval,
        dimension: &str,
    ) -> Result<Vec<SeriesRow>, Error> {
        let key = self.key();
        let sql = "SELECT * FROM series WHERE project_id = $1 AND connection_id = $2 AND metric_id = $3 AND grain = $4
             AND dimension IN ('', $5) ORDER BY series_id";
        let values = args![key.project_id, key.connection_id, metric_id, grain, dimension];
        let rows = self.tx.all(sql, values).await?;
        rows.iter().map(series).collect()
    }
}

fn series(row: &Row) -> Result<SeriesRow, Error> {
    Ok(SeriesRow {
        id: row.get("series_id")?,
        metric_id: row.get("metric_id")?,
        grain: row.get("grain")?,
        dimension: row.get("dimension")?,
        label: row.get("label")?,
        currency: row.get("currency")?,
        definition: row.get("definition")?,
    })
}
