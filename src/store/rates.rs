//! Daily exchange rates. They belong to no project.

use super::{Error, Store, db::args};
use crate::metric::{Currency, Day, Period};

/// What one unit of `base` was worth in `quote` on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// Which day.
    pub day: Day,
    /// What is converted.
    pub base: Currency,
    /// What it is converted to.
    pub quote: Currency,
    /// A decimal number, as it was published.
    pub rate: String,
}

impl Store {
    /// Keeps rates, over those of the same day and pair, and says how many that changed. Of several the last counts.
    pub async fn load_rates(&self, rates: &[Rate]) -> Result<u64, Error> {
        let mut sorted: Vec<&Rate> = rates.iter().rev().collect();
        sorted.sort_by_key(|rate| (rate.day, rate.base, rate.quote));
        sorted.dedup_by_key(|rate| (rate.day, rate.base, rate.quote));
        let rows = sorted.into_iter().map(|rate| args![rate.day, rate.base, rate.quote, &rate.rate]);
        let head = "INSERT INTO rates (day, base, quote, rate)";
        let tail =
            "ON CONFLICT (day, base, quote) DO UPDATE SET rate = excluded.rate WHERE rates.rate <> excluded.rate";
        let mut tx = self.db.begin().await?;
        let changed = tx.insert_many(head, tail, 4, rows).await?;
        tx.commit("rates").await?;
        Ok(changed)
    }

    /// The rates of a period ordered by day, base and quote.
    pub async fn rates(&self, period: Period) -> Result<Vec<Rate>, Error> {
        let sql = "SELECT day, base, quote, rate FROM rates
             WHERE day >= $1 AND day < $2 ORDER BY day, base, quote";
        let rows = self.db.all(sql, args![period.start(), period.end()]).await?;
        rows.iter()
            .map(|row| {
                let (base, quote) = (row.get("base")?, row.get("quote")?);
                Ok(Rate { day: row.get("day")?, base, quote, rate: row.get("rate")? })
            })
            .collect()
    }
}
