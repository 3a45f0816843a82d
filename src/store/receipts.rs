//! The newest receipt of each computed metric.

use serde_json::Value as Json;

use super::{ConnectionKey, Error, Store, Write, db::args};
use crate::metric::{Currency, Day};

impl Store {
    /// The newest receipts of a metric, one a currency, ordered by currency.
    pub async fn receipts(&self, key: ConnectionKey, metric_id: &str) -> Result<Vec<Json>, Error> {
        let sql = "SELECT currency, body FROM receipts WHERE project_id = $1 AND connection_id = $2 AND metric_id = $3
             ORDER BY currency";
        let rows = self.db.all(sql, args![key.project_id, key.connection_id, metric_id]).await?;
        rows.iter().map(|row| row.get("body")).collect()
    }
}

impl Write {
    /// Keeps a receipt, unless there is one of a later day.
    pub async fn put_receipt(
        &mut self,
        metric_id: &str,
        currency: Option<Currency>,
        day: Day,
        body: &Json,
    ) -> Result<(), Error> {
        let key = self.key();
        let currency = currency.as_ref().map_or("", Currency::code);
        let sql = "INSERT INTO receipts (project_id, connection_id, metric_id, currency, day, body)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (project_id, connection_id, metric_id, currency) DO UPDATE
             SET day = excluded.day, body = excluded.body WHERE excluded.day >= receipts.day";
        let values = args![key.project_id, key.connection_id, metric_id, currency, day, body];
        self.tx.execute(sql, values).await.map(drop)
    }
}
