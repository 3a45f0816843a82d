//! What people do to a connection: each is one transaction with the note of who did it.

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{
    Act, Action, ConnectionKey, ConnectionSettings, Error, SealedRow, Store,
    changes::{Changed, tell},
    connections::{missing, with_sealed},
    db::{Tx, args},
};

impl Store {
    /// Gives it another name. [`Error::Conflict`] when another connection has it.
    pub async fn rename_connection(&self, key: ConnectionKey, name: &str) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        let before = name_of(&mut tx, key).await?;
        let sql = "UPDATE connections SET name = $3 WHERE project_id = $1 AND connection_id = $2";
        tx.execute(sql, args![key.project_id, key.connection_id, name]).await?;
        tell(&mut tx, key, Changed::Numbers).await?;
        let act = Act::of(key.project_id, Action::ConnectionRenamed, name);
        self.noted(&mut tx, act.with(json!({"from": before}))).await?;
        tx.commit("name of a connection").await
    }

    /// Pauses it, or resumes it and makes it due.
    pub async fn set_paused(&self, key: ConnectionKey, paused: bool, now: Timestamp) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        let name = name_of(&mut tx, key).await?;
        let sql = "UPDATE connections SET paused = $3, due_at = CASE WHEN $3 THEN due_at ELSE $4 END
             WHERE project_id = $1 AND connection_id = $2";
        tx.execute(sql, args![key.project_id, key.connection_id, paused, now]).await?;
        tell(&mut tx, key, Changed::Numbers).await?;
        let action = if paused { Action::ConnectionPaused } else { Action::ConnectionResumed };
        self.noted(&mut tx, Act::of(key.project_id, action, name)).await?;
        tx.commit("pause of a connection").await
    }

    /// Replaces what a user may set.
    pub async fn set_settings(&self, key: ConnectionKey, settings: &ConnectionSettings) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        let before = tx.locking("SELECT name, settings FROM connections WHERE project_id = $1 AND connection_id = $2");
        let before = tx.first(before, args![key.project_id, key.connection_id]).await?;
        let before = before.ok_or_else(|| missing(key))?;
        let sql = "UPDATE connections SET settings = $3, zone = $4, currency = $5, history_start = $6,
             sync_interval_minutes = $7, max_quota_share_permille = $8
             WHERE project_id = $1 AND connection_id = $2";
        let values = args![
            key.project_id,
            key.connection_id,
            &settings.values,
            &settings.zone,
            settings.currency,
            settings.history_start,
            settings.sync_interval_minutes,
            settings.max_quota_share_permille
        ];
        tx.execute(sql, values).await?;
        let names = changed(&before.get("settings")?, &settings.values);
        if !names.is_empty() {
            let act = Act::of(key.project_id, Action::ConnectionChanged, before.get::<String>("name")?);
            self.noted(&mut tx, act.with(json!({"settings": names}))).await?;
        }
        tx.commit("settings of a connection").await
    }

    /// Removes a connection and everything of it. A run under way cannot write any more.
    pub async fn delete_connection(&self, key: ConnectionKey) -> Result<(), Error> {
        let of_connection = || args![key.project_id, key.connection_id];
        let mut tx = self.db.begin().await?;
        // First, and on PostgreSQL locked: a write of the run under way is over, and none can follow.
        let name = name_of(&mut tx, key).await?;
        // These hang on a series or stream without a foreign key; the rest goes with the connection.
        for sql in [
            "DELETE FROM points WHERE project_id = $1 AND series_id IN
                 (SELECT series_id FROM series WHERE project_id = $1 AND connection_id = $2)",
            "DELETE FROM notes WHERE project_id = $1 AND series_id IN
                 (SELECT series_id FROM series WHERE project_id = $1 AND connection_id = $2)",
            "DELETE FROM restatements WHERE project_id = $1 AND series_id IN
                 (SELECT series_id FROM series WHERE project_id = $1 AND connection_id = $2)",
            "DELETE FROM records WHERE project_id = $1 AND stream_id IN
                 (SELECT stream_id FROM streams WHERE project_id = $1 AND connection_id = $2)",
            "DELETE FROM connections WHERE project_id = $1 AND connection_id = $2",
        ] {
            tx.execute(sql, of_connection()).await?;
        }
        self.noted(&mut tx, Act::of(key.project_id, Action::Disconnected, name)).await?;
        tx.commit("removal of a connection").await
    }

    /// Puts new credentials in the place of the old ones. A renewal of those under way can keep nothing any more.
    pub async fn replace_credentials(&self, key: ConnectionKey, new: &SealedRow) -> Result<(), Error> {
        let sql = "UPDATE credentials SET key_id = $3, wrapped_key = $4, body = $5, version = version + 1,
             lease_owner = NULL, lease_until = NULL, renewal_at = NULL
             WHERE project_id = $1 AND connection_id = $2";
        let mut tx = self.db.begin().await?;
        let name = name_of(&mut tx, key).await?;
        if tx.execute(sql, with_sealed(key, new)).await? == 0 {
            return Err(missing(key));
        }
        self.noted(&mut tx, Act::of(key.project_id, Action::Reconnected, name)).await?;
        tx.commit("other credentials").await
    }
}

/// The name of a connection that stays as it is until the transaction ends.
async fn name_of(tx: &mut Tx, key: ConnectionKey) -> Result<String, Error> {
    let sql = tx.locking("SELECT name FROM connections WHERE project_id = $1 AND connection_id = $2");
    tx.first(sql, args![key.project_id, key.connection_id]).await?.ok_or_else(|| missing(key))?.get("name")
}

/// The names of the settings in which two differ. Their values are nobody's business.
fn changed(before: &Json, after: &Json) -> Vec<String> {
    let (empty, of) = (serde_json::Map::new(), |json: &Json, name: &str| json.get(name).cloned());
    let names = [before, after].into_iter().flat_map(|json| json.as_object().unwrap_or(&empty).keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    names.into_iter().filter(|name| of(before, name) != of(after, name)).cloned().collect()
}
