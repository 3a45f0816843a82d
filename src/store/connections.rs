//! Connections: one account at one service, with its settings, state and sealed credentials.

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    Act, Action, Error, Store,
    changes::{Changed, tell},
    db::{Arg, Row, Tx, args},
    dialect::list,
};
use crate::metric::{Currency, Day, Zone};

/// The small numbers a connection's data is keyed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionKey {
    /// Its project.
    pub project_id: i64,
    /// Its number in the project; never given to another connection.
    pub connection_id: i64,
}

/// A connection as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// What its data is keyed by.
    pub key: ConnectionKey,
    /// What people and the API call it.
    pub public_id: Uuid,
    /// Which integration.
    pub integration_id: String,
    /// Unique in the project.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// The provider's stable id of the account; unique in the project among connections of the integration.
    pub account_id: String,
    /// What the last test said of the account: label, info, checks, choices.
    pub account: Json,
    /// Settings and how it is synced.
    pub settings: ConnectionSettings,
    /// How it is doing.
    pub state: ConnectionState,
    /// Paused by the user.
    pub paused: bool,
    /// Until when a worker holds it; in the future means that a run is under way.
    pub lease_until: Option<Timestamp>,
    /// The master key that its credentials are sealed with.
    /// `None` where it has none: nothing syncs it, programs push what it holds.
    pub key_id: Option<String>,
}

impl Connection {
    /// Whether runs read it from a provider; else programs push what it holds.
    pub fn is_synced(&self) -> bool {
        self.key_id.is_some()
    }
}

/// What a user may set of a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionSettings {
    /// The integration's own settings.
    pub values: Json,
    /// The zone that its days are cut in.
    pub zone: Zone,
    /// What zero is counted in: the account's currency, else the project's.
    pub currency: Currency,
    /// First day of its history.
    pub history_start: Day,
    /// Minutes between two runs; `None` for the integration's own default.
    pub sync_interval_minutes: Option<i64>,
    /// How much of the provider's quota it may use, in thousandths.
    pub max_quota_share_permille: i64,
}

/// How a connection is doing, and when it is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionState {
    /// `ok`, `degraded`, `rate_limited`, `needs_reconnect`, `credentials_unreadable` or `failing`.
    pub state: String,
    /// Why, for people.
    pub reason: Option<String>,
    /// When it will be better, if that is known.
    pub until: Option<Timestamp>,
    /// Failed runs in a row.
    pub failures: i64,
    /// When the next run should start.
    pub due_at: Timestamp,
    /// When a run last brought values. Writing `None` keeps what was known.
    pub last_synced_at: Option<Timestamp>,
}

/// A connection to make.
#[derive(Debug, Clone, PartialEq)]
pub struct NewConnection {
    /// Its project.
    pub project_id: i64,
    /// From [`super::new_id`]: known before, since the credentials are sealed for it.
    pub public_id: Uuid,
    /// Which integration.
    pub integration_id: String,
    /// Unique in the project.
    pub name: String,
    /// As in [`Connection::account_id`].
    pub account_id: String,
    /// As in [`Connection::account`].
    pub account: Json,
    /// Settings and how it is synced.
    pub settings: ConnectionSettings,
    /// When its first run should start.
    pub due_at: Timestamp,
    /// Its sealed credentials.
    pub credentials: SealedRow,
}

/// Something the vault sealed; the store only carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// Which master key wrapped the data key.
    pub key_id: String,
    /// The wrapped data key.
    pub wrapped_key: Vec<u8>,
    /// The sealed bytes.
    pub body: Vec<u8>,
}

impl Store {
    /// Makes a connection together with its credentials.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] names the other connection when the account is connected already or the name is taken.
    pub async fn insert_connection(&self, new: &NewConnection, now: Timestamp) -> Result<Connection, Error> {
        match self.try_insert_connection(new, now).await {
            Err(Error::Conflict(_)) => Err(self.name_conflict(new).await?),
            other => other,
        }
    }

    async fn try_insert_connection(&self, new: &NewConnection, now: Timestamp) -> Result<Connection, Error> {
        let mut tx = self.db.begin().await?;
        let key = ConnectionKey { project_id: new.project_id, connection_id: next_id(&mut tx, new.project_id).await? };
        let settings = &new.settings;
        let sql = "INSERT INTO connections (project_id, connection_id, public_id, integration_id, name, created_at,
             account_id, account, settings, zone, currency, history_start, sync_interval_minutes,
             max_quota_share_permille, state, due_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'ok', $15)";
        let values = args![
            key.project_id,
            key.connection_id,
            new.public_id,
            &new.integration_id,
            &new.name,
            now,
            &new.account_id,
            &new.account,
            &settings.values,
            &settings.zone,
            settings.currency,
            settings.history_start,
            settings.sync_interval_minutes,
            settings.max_quota_share_permille,
            new.due_at
        ];
        tx.execute(sql, values).await?;
        let sql = "INSERT INTO credentials (project_id, connection_id, key_id, wrapped_key, body)
             VALUES ($1, $2, $3, $4, $5)";
        tx.execute(sql, with_sealed(key, &new.credentials)).await?;
        let sql = "INSERT INTO changes (project_id, connection_id) VALUES ($1, $2)";
        tx.execute(sql, args![key.project_id, key.connection_id]).await?;
        let act = Act::of(key.project_id, Action::Connected, &new.name);
        self.noted(&mut tx, act.with(json!({"integration": new.integration_id}))).await?;
        tx.commit("new connection").await?;
        self.connection(key).await
    }

    /// Says in the user's words what stood in the way of a new connection.
    async fn name_conflict(&self, new: &NewConnection) -> Result<Error, Error> {
        let sql = "SELECT name FROM connections WHERE project_id = $1 AND integration_id = $2 AND account_id = $3";
        let other = self.db.first(sql, args![new.project_id, &new.integration_id, &new.account_id]).await?;
        Ok(Error::Conflict(match other {
            Some(row) => account_taken(&row.get::<String>("name")?),
            None => name_taken(&new.name),
        }))
    }

    /// A project's connections, oldest first.
    pub async fn connections(&self, project_id: i64) -> Result<Vec<Connection>, Error> {
        let sql = "SELECT c.*, s.key_id FROM connections c LEFT JOIN credentials s USING (project_id, connection_id)
             WHERE c.project_id = $1 ORDER BY c.connection_id";
        self.db.all(sql, args![project_id]).await?.iter().map(connection).collect()
    }

    /// A project's connections of some integrations, oldest first.
    pub async fn connections_among(&self, project_id: i64, integrations: &[&str]) -> Result<Vec<Connection>, Error> {
        let mut values = args![project_id];
        let ids = list(values.len(), integrations.len());
        values.extend(integrations.iter().map(|id| Arg::from(*id)));
        let sql = format!(
            "SELECT c.*, s.key_id FROM connections c LEFT JOIN credentials s USING (project_id, connection_id)
             WHERE c.project_id = $1 AND c.integration_id IN {ids} ORDER BY c.connection_id"
        );
        self.db.all(AssertSqlSafe(sql), values).await?.iter().map(connection).collect()
    }

    /// The connection of that key; [`Error::NotFound`] when it was deleted.
    pub async fn connection(&self, key: ConnectionKey) -> Result<Connection, Error> {
        let sql = "SELECT c.*, s.key_id FROM connections c LEFT JOIN credentials s USING (project_id, connection_id)
             WHERE c.project_id = $1 AND c.connection_id = $2";
        let row = self.db.first(sql, args![key.project_id, key.connection_id]).await?;
        connection(&row.ok_or_else(|| missing(key))?)
    }

    /// Keeps what a test said of the account. [`Error::Conflict`] names the connection that has this account already.
    pub async fn update_account(&self, key: ConnectionKey, account_id: &str, account: &Json) -> Result<(), Error> {
        let sql = "UPDATE connections SET account_id = $3, account = $4 WHERE project_id = $1 AND connection_id = $2";
        match self.change(key, sql, args![account_id, account]).await {
            Err(Error::Conflict(_)) => {
                let sql = "SELECT other.name FROM connections own JOIN connections other
                     ON other.project_id = own.project_id AND other.integration_id = own.integration_id
                     WHERE own.project_id = $1 AND own.connection_id = $2 AND other.account_id = $3";
                let other = self.db.first(sql, args![key.project_id, key.connection_id, account_id]).await?;
                let name = other.map(|row| row.get::<String>("name")).transpose()?;
                Err(Error::Conflict(account_taken(&name.unwrap_or_default())))
            }
            other => other,
        }
    }

    /// Sets when the next run should start.
    pub async fn set_due(&self, key: ConnectionKey, due_at: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE connections SET due_at = $3 WHERE project_id = $1 AND connection_id = $2";
        self.change(key, sql, args![due_at]).await
    }

    /// Says how it is doing, outside a run: after a test or a reconnect. A run says so with [`Store::release`].
    pub async fn set_state(&self, key: ConnectionKey, state: &ConnectionState) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        if set_state(&mut tx, key, state).await? == 0 {
            return Err(missing(key));
        }
        tx.commit("state of a connection").await
    }

    /// Puts credentials in the place of the old ones, only if they are still these; says whether they were. For key
    /// rotation, which must not undo a reconnect that happens meanwhile.
    pub async fn swap_credentials(&self, key: ConnectionKey, old: &SealedRow, new: &SealedRow) -> Result<bool, Error> {
        let sql = "UPDATE credentials SET key_id = $3, wrapped_key = $4, body = $5
             WHERE project_id = $1 AND connection_id = $2 AND wrapped_key = $6 AND body = $7";
        let mut values = with_sealed(key, new);
        values.extend(args![&old.wrapped_key, &old.body]);
        Ok(self.db.execute(sql, values).await? > 0)
    }

    /// How many credential sets are sealed with which master key, of all projects.
    pub async fn sealed_by_key(&self) -> Result<Vec<(String, i64)>, Error> {
        let sql = "SELECT key_id, count(*) AS sets FROM credentials GROUP BY key_id ORDER BY key_id";
        let rows = self.db.all(sql, args![]).await?;
        rows.iter().map(|row| Ok((row.get("key_id")?, row.get("sets")?))).collect()
    }

    /// The connections of an integration in all projects.
    pub async fn connections_of(&self, integration_id: &str) -> Result<Vec<Connection>, Error> {
        let sql = "SELECT c.*, s.key_id FROM connections c LEFT JOIN credentials s USING (project_id, connection_id)
             WHERE c.integration_id = $1 ORDER BY c.project_id, c.connection_id";
        self.db.all(sql, args![integration_id]).await?.iter().map(connection).collect()
    }

    /// Up to `limit` sealed credentials of all projects, after a key, in the order of keys.
    pub async fn all_sealed(
        &self,
        after: Option<ConnectionKey>,
        limit: u32,
    ) -> Result<Vec<(ConnectionKey, Uuid, SealedRow)>, Error> {
        let after = after.unwrap_or(ConnectionKey { project_id: 0, connection_id: 0 });
        let sql = "SELECT c.project_id, c.connection_id, c.public_id, s.key_id, s.wrapped_key, s.body
             FROM credentials s JOIN connections c USING (project_id, connection_id)
             WHERE (s.project_id, s.connection_id) > ($1, $2)
             ORDER BY s.project_id, s.connection_id LIMIT $3";
        let rows = self.db.all(sql, args![after.project_id, after.connection_id, limit]).await?;
        rows.iter().map(|row| Ok((key(row)?, row.get("public_id")?, sealed(row)?))).collect()
    }

    /// Runs an update whose `$1` and `$2` are the key.
    async fn change(&self, key: ConnectionKey, sql: &'static str, rest: Vec<Arg>) -> Result<(), Error> {
        let mut values = args![key.project_id, key.connection_id];
        values.extend(rest);
        match self.db.execute(sql, values).await? {
            0 => Err(missing(key)),
            _ => Ok(()),
        }
    }
}

/// The next small id of a project. They are never given out twice, so that an old claim never fits a new connection.
pub(super) async fn next_id(tx: &mut Tx, project_id: i64) -> Result<i64, Error> {
    next_ids(tx, project_id, 1).await
}

/// Takes several; gives the last of them.
pub(super) async fn next_ids(tx: &mut Tx, project_id: i64, count: i64) -> Result<i64, Error> {
    let sql = "UPDATE projects SET last_id = last_id + $2 WHERE project_id = $1 RETURNING last_id";
    let row = tx.first(sql, args![project_id, count]).await?;
    row.ok_or_else(|| Error::NotFound(format!("there is no project with number {project_id}")))?.get("last_id")
}

/// Writes a state and tells those who show the connection; says how many connections that were.
pub(super) async fn set_state(tx: &mut Tx, key: ConnectionKey, state: &ConnectionState) -> Result<u64, Error> {
    let sql = "UPDATE connections SET state = $3, reason = $4, until_at = $5, failures = $6, due_at = $7,
         last_synced_at = COALESCE($8, last_synced_at)
         WHERE project_id = $1 AND connection_id = $2";
    let values = args![
        key.project_id,
        key.connection_id,
        &state.state,
        state.reason.as_deref(),
        state.until,
        state.failures,
        state.due_at,
        state.last_synced_at
    ];
    let changed = tx.execute(sql, values).await?;
    // Behind the connection itself, as every write does: who took both rows the other way round could wait for ever.
    tell(tx, key, Changed::Numbers).await?;
    Ok(changed)
}

pub(super) fn key(row: &Row) -> Result<ConnectionKey, Error> {
    Ok(ConnectionKey { project_id: row.get("project_id")?, connection_id: row.get("connection_id")? })
}

pub(super) fn sealed(row: &Row) -> Result<SealedRow, Error> {
    Ok(SealedRow { key_id: row.get("key_id")?, wrapped_key: row.get("wrapped_key")?, body: row.get("body")? })
}

pub(super) fn missing(key: ConnectionKey) -> Error {
    Error::NotFound(format!("connection {} of project {} is not there any more", key.connection_id, key.project_id))
}

pub(super) fn with_sealed(key: ConnectionKey, sealed: &SealedRow) -> Vec<Arg> {
    args![key.project_id, key.connection_id, &sealed.key_id, &sealed.wrapped_key, &sealed.body]
}

fn account_taken(name: &str) -> String {
    format!("this account is connected already, as \"{name}\"")
}

fn name_taken(name: &str) -> String {
    format!("there is a connection named \"{name}\" already; choose another name")
}

fn connection(row: &Row) -> Result<Connection, Error> {
    Ok(Connection {
        key: key(row)?,
        public_id: row.get("public_id")?,
        integration_id: row.get("integration_id")?,
        name: row.get("name")?,
        created_at: row.get("created_at")?,
        account_id: row.get("account_id")?,
        account: row.get("account")?,
        settings: ConnectionSettings {
            values: row.get("settings")?,
            zone: row.get("zone")?,
            currency: row.get("currency")?,
            history_start: row.get("history_start")?,
            sync_interval_minutes: row.get("sync_interval_minutes")?,
            max_quota_share_permille: row.get("max_quota_share_permille")?,
        },
        state: ConnectionState {
            state: row.get("state")?,
            reason: row.get("reason")?,
            until: row.get("until_at")?,
            failures: row.get("failures")?,
            due_at: row.get("due_at")?,
            last_synced_at: row.get("last_synced_at")?,
        },
        paused: row.get("paused")?,
        lease_until: row.get("lease_until")?,
        key_id: row.get("key_id")?,
    })
}
