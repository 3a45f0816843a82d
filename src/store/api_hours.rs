//! How many requests of an hour are used up, among all processes.

use jiff::{SignedDuration, Timestamp};

use super::{Error, Store, db::args};

impl Store {
    /// Counts `calls` requests of a project in the hour that begins at `hour`; gives how many that makes since then. A
    /// process whose clock is behind counts in the hour that others have begun, unless that is so far ahead that their
    /// clock was wrong.
    pub async fn count_api_calls(&self, project_id: i64, hour: Timestamp, calls: i64) -> Result<i64, Error> {
        let sql = "INSERT INTO api_hours (project_id, hour_at, used) VALUES ($1, $2, $3)
             ON CONFLICT (project_id) DO UPDATE SET
                 used = CASE WHEN api_hours.hour_at BETWEEN excluded.hour_at AND $4 THEN api_hours.used ELSE 0 END
                     + excluded.used,
                 hour_at = CASE WHEN api_hours.hour_at BETWEEN excluded.hour_at AND $4 THEN api_hours.hour_at
                                ELSE excluded.hour_at END
             RETURNING used";
        let mut tx = self.db.begin().await?;
        let next = hour.checked_add(SignedDuration::from_hours(1)).unwrap_or(hour);
        let row = tx.first(sql, args![project_id, hour, calls, next]).await?;
        tx.commit("count of requests").await?;
        row.ok_or_else(|| Error::Unavailable("requests could not be counted; try again".to_owned()))?.get("used")
    }
}
