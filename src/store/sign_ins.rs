//! Sign-ins under way. Found by the hash of their state; the state itself is nowhere.

use jiff::Timestamp;

use super::{Error, SealedRow, Store, connections::sealed, db::args};

/// What is found for a state that comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInRow {
    /// It is there, and used from now on.
    Taken {
        /// Its project.
        project_id: i64,
        /// When it began.
        started_at: Timestamp,
        /// What belongs to it.
        sealed: SealedRow,
    },
    /// It was used before.
    Used,
    /// There is none, or none any more.
    Unknown,
}

impl Store {
    /// Notes a sign-in that begins.
    pub async fn insert_sign_in(
        &self,
        project_id: i64,
        state_hash: &[u8],
        sealed: &SealedRow,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO sign_ins (project_id, state_hash, started_at, key_id, wrapped_key, body)
             VALUES ($1, $2, $3, $4, $5, $6)";
        let values = args![project_id, state_hash, now, &sealed.key_id, &sealed.wrapped_key, &sealed.body];
        tx.execute(sql, values).await?;
        tx.commit("new sign-in").await
    }

    /// Takes the sign-in of a state. Of several who try, one gets it.
    pub async fn take_sign_in(&self, state_hash: &[u8], now: Timestamp) -> Result<SignInRow, Error> {
        let mut tx = self.db.begin().await?;
        let sql = tx.locking("SELECT * FROM sign_ins WHERE state_hash = $1");
        let Some(row) = tx.first(sql, args![state_hash]).await? else { return Ok(SignInRow::Unknown) };
        if row.get::<Option<Timestamp>>("used_at")?.is_some() {
            return Ok(SignInRow::Used);
        }
        let taken = SignInRow::Taken {
            project_id: row.get("project_id")?,
            started_at: row.get("started_at")?,
            sealed: sealed(&row)?,
        };
        tx.execute("UPDATE sign_ins SET used_at = $2 WHERE state_hash = $1", args![state_hash, now]).await?;
        tx.commit("use of a sign-in").await?;
        Ok(taken)
    }

    /// Forgets sign-ins that began before an instant.
    pub async fn prune_sign_ins(&self, before: Timestamp) -> Result<u64, Error> {
        self.db.drop_old("sign_ins", "project_id, state_hash", "started_at", before).await
    }
}
