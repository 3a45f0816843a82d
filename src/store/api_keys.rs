//! What programs sign requests with.

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{
    Act, Action, Error, Project, Store,
    columns::strange,
    db::{Row, args},
    projects,
};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Look at everything of its project.
    Read,
    /// Change it, too.
    Write,
}

impl Scope {
    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            _ => Err("use read or write"),
        }
    }
}

/// A key, without what would open anything.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ApiKey {
    /// Public id; says nothing of the key.
    #[serde(rename = "api_key_id")]
    pub id: Uuid,
    /// What its owner calls it.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Its last four characters, to tell it from others.
    pub last_four: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// About when it was last used.
    pub last_used_at: Option<Timestamp>,
    /// Since when it opens nothing any more.
    pub revoked_at: Option<Timestamp>,
}

/// A key to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// As in [`ApiKey::name`].
    pub name: String,
    /// As in [`ApiKey::scope`].
    pub scope: Scope,
    /// The hash of the key.
    pub key_hash: Vec<u8>,
    /// As in [`ApiKey::last_four`].
    pub last_four: String,
}

impl Store {
    /// Keeps a key.
    pub async fn insert_api_key(&self, project_id: i64, new: &NewApiKey, now: Timestamp) -> Result<ApiKey, Error> {
        let sql = "INSERT INTO api_keys (project_id, api_key_id, name, scope, key_hash, last_four, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        // As the database keeps it.
        let now = Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now);
        let id = super::new_id(now);
        let values = args![project_id, id, &new.name, new.scope.name(), &new.key_hash, &new.last_four, now];
        let mut tx = self.db.begin().await?;
        tx.execute(sql, values).await?;
        let act = Act::of(project_id, Action::ApiKeyMade, &new.name);
        let details = json!({"scope": new.scope.name(), "last_four": new.last_four});
        self.noted(&mut tx, act.with(details)).await?;
        tx.commit("new API key").await?;
        let NewApiKey { name, scope, last_four, .. } = new.clone();
        Ok(ApiKey { id, name, scope, last_four, created_at: now, last_used_at: None, revoked_at: None })
    }

    /// A project's keys, the newest first.
    pub async fn api_keys(&self, project_id: i64) -> Result<Vec<ApiKey>, Error> {
        let sql = "SELECT *, created_at AS made_at FROM api_keys WHERE project_id = $1 ORDER BY created_at DESC, api_key_id DESC";
        self.db.all(sql, args![project_id]).await?.iter().map(key).collect()
    }

    /// The key of that hash, revoked or not, and the project that it opens.
    pub async fn api_key(&self, key_hash: &[u8]) -> Result<Option<(ApiKey, Project)>, Error> {
        let sql = "SELECT p.*, k.api_key_id, k.name, k.scope, k.last_four, k.created_at AS made_at, k.last_used_at,
                    k.revoked_at
             FROM api_keys k JOIN projects p ON p.project_id = k.project_id WHERE k.key_hash = $1";
        let row = self.db.first(sql, args![key_hash]).await?;
        row.map(|row| Ok((key(&row)?, projects::project(&row)?))).transpose()
    }

    /// Notes that a key was used, unless that was noted since `before`.
    pub async fn touch_api_key(
        &self,
        project_id: i64,
        id: Uuid,
        now: Timestamp,
        before: Timestamp,
    ) -> Result<(), Error> {
        let sql = "UPDATE api_keys SET last_used_at = $3
             WHERE project_id = $1 AND api_key_id = $2 AND (last_used_at IS NULL OR last_used_at < $4)";
        self.db.execute(sql, args![project_id, id, now, before]).await.map(drop)
    }

    /// Takes a key's power away; says whether there was one that had any.
    pub async fn revoke_api_key(&self, project_id: i64, id: Uuid, now: Timestamp) -> Result<bool, Error> {
        let sql = "UPDATE api_keys SET revoked_at = $3
             WHERE project_id = $1 AND api_key_id = $2 AND revoked_at IS NULL RETURNING name, last_four";
        let mut tx = self.db.begin().await?;
        let Some(row) = tx.first(sql, args![project_id, id, now]).await? else { return Ok(false) };
        let act = Act::of(project_id, Action::ApiKeyRevoked, row.get::<String>("name")?);
        self.noted(&mut tx, act.with(json!({"last_four": row.get::<String>("last_four")?}))).await?;
        tx.commit("revocation of an API key").await?;
        Ok(true)
    }
}

fn key(row: &Row) -> Result<ApiKey, Error> {
    Ok(ApiKey {
        id: row.get("api_key_id")?,
        name: row.get("name")?,
        scope: row.get::<String>("scope")?.parse().map_err(|_| strange("scope"))?,
        last_four: row.get("last_four")?,
        created_at: row.get("made_at")?,
        last_used_at: row.get("last_used_at")?,
        revoked_at: row.get("revoked_at")?,
    })
}
