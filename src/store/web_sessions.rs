//! Browsers that are signed in.

use jiff::Timestamp;
use serde_json::json;

use super::{
    Act, Action, Actor, Error, Store, User, audit,
    db::{Row, args},
    users,
};

/// A browser that is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSession {
    /// Unique; says nothing of the token.
    pub id: i64,
    /// Whose it is.
    pub user_id: i64,
    /// The project that its pages show.
    pub project_id: Option<i64>,
    /// What its forms carry.
    pub csrf: String,
    /// When it signed in.
    pub created_at: Timestamp,
    /// About when it last asked for a page.
    pub last_seen_at: Timestamp,
    /// What the browser calls itself.
    pub agent: String,
    /// Where it came from when it signed in.
    pub address: String,
}

/// A browser that signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWebSession {
    /// The hash of what is in its cookie.
    pub token_hash: Vec<u8>,
    /// As in [`WebSession::user_id`].
    pub user_id: i64,
    /// As in [`WebSession::csrf`].
    pub csrf: String,
    /// As in [`WebSession::agent`].
    pub agent: String,
    /// As in [`WebSession::address`].
    pub address: String,
}

impl Store {
    /// Signs a browser in.
    pub async fn insert_web_session(&self, new: &NewWebSession, now: Timestamp) -> Result<(), Error> {
        let sql = "INSERT INTO web_sessions (token_hash, user_id, csrf, created_at, last_seen_at, agent, address)
             VALUES ($1, $2, $3, $4, $4, $5, $6)";
        let values = args![&new.token_hash, new.user_id, &new.csrf, now, &new.agent, &new.address];
        let mut tx = self.db.begin().await?;
        tx.execute(sql, values).await?;
        let email = users::email(&mut tx, new.user_id).await?;
        let actor = Actor::User { id: new.user_id, email: email.clone(), address: new.address.clone() };
        audit::insert(&mut tx, &actor, Act::of_user(new.user_id, Action::SignedIn, email)).await?;
        tx.commit("sign-in of a browser").await
    }

    /// The session of a token that was seen since an instant, and whose it is.
    pub async fn web_session(
        &self,
        token_hash: &[u8],
        seen_since: Timestamp,
    ) -> Result<Option<(WebSession, User)>, Error> {
        let sql = "SELECT s.session_id, s.project_id, s.csrf, s.last_seen_at, s.agent, s.address,
                    s.created_at AS signed_in_at, u.*
             FROM web_sessions s JOIN users u ON u.user_id = s.user_id WHERE s.token_hash = $1 AND s.last_seen_at > $2";
        let row = self.db.first(sql, args![token_hash, seen_since]).await?;
        row.map(|row| Ok((session(&row)?, users::user(&row)?))).transpose()
    }

    /// A user's sessions, the last seen first.
    pub async fn web_sessions(&self, user_id: i64) -> Result<Vec<WebSession>, Error> {
        let sql = "SELECT s.*, s.created_at AS signed_in_at FROM web_sessions s WHERE s.user_id = $1
             ORDER BY s.last_seen_at DESC, s.session_id DESC";
        self.db.all(sql, args![user_id]).await?.iter().map(session).collect()
    }

    /// Notes that a session was used.
    pub async fn touch_web_session(&self, id: i64, now: Timestamp) -> Result<(), Error> {
        let sql = "UPDATE web_sessions SET last_seen_at = $2 WHERE session_id = $1";
        self.db.execute(sql, args![id, now]).await.map(drop)
    }

    /// Turns a session to another project.
    pub async fn choose_project(&self, id: i64, project_id: i64) -> Result<(), Error> {
        let sql = "UPDATE web_sessions SET project_id = $2 WHERE session_id = $1";
        self.db.execute(sql, args![id, project_id]).await.map(drop)
    }

    /// Ends one session of a user; says whether there was one.
    pub async fn delete_web_session(&self, user_id: i64, id: i64) -> Result<bool, Error> {
        let sql = "DELETE FROM web_sessions WHERE user_id = $1 AND session_id = $2";
        Ok(self.end_sessions(user_id, sql, id).await? > 0)
    }

    /// Ends all sessions of a user but one; says how many.
    pub async fn delete_other_web_sessions(&self, user_id: i64, keep: i64) -> Result<u64, Error> {
        let sql = "DELETE FROM web_sessions WHERE user_id = $1 AND session_id <> $2";
        self.end_sessions(user_id, sql, keep).await
    }

    async fn end_sessions(&self, user_id: i64, sql: &'static str, session_id: i64) -> Result<u64, Error> {
        let mut tx = self.db.begin().await?;
        let ended = tx.execute(sql, args![user_id, session_id]).await?;
        if ended > 0 {
            let act = Act::of_user(user_id, Action::SignedOut, users::email(&mut tx, user_id).await?);
            self.noted(&mut tx, act.with(json!({"browsers": ended}))).await?;
            tx.commit("end of sessions").await?;
        }
        Ok(ended)
    }

    /// Forgets sessions that were not seen since an instant, and links and invitations that nobody can use any more.
    pub async fn prune_web_sessions(&self, seen_since: Timestamp, now: Timestamp) -> Result<u64, Error> {
        let mut links = self.db.execute("DELETE FROM one_time_links WHERE expires_at <= $1", args![now]).await?;
        links += self.db.execute("DELETE FROM invitations WHERE expires_at <= $1", args![now]).await?;
        let sql = "DELETE FROM web_sessions WHERE last_seen_at <= $1";
        Ok(links + self.db.execute(sql, args![seen_since]).await?)
    }
}

fn session(row: &Row) -> Result<WebSession, Error> {
    Ok(WebSession {
        id: row.get("session_id")?,
        user_id: row.get("user_id")?,
        project_id: row.get("project_id")?,
        csrf: row.get("csrf")?,
        created_at: row.get("signed_in_at")?,
        last_seen_at: row.get("last_seen_at")?,
        agent: row.get("agent")?,
        address: row.get("address")?,
    })
}
