//! Links that let whoever opens them into a project. Only the hash of what they hold is here.

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{
    Act, Action, Actor, Error, NewUser, Project, Role, Store, User, audit,
    db::{Row, Tx, args},
    projects, users,
};

/// A link that lets somebody in, once.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Invitation {
    /// Public id; says nothing of what the link holds.
    #[serde(rename = "invitation_id")]
    pub id: Uuid,
    /// What they will be.
    pub role: Role,
    /// Whom it is for; `None`: whoever has the link.
    pub email: Option<String>,
    /// Who made it; `None`: the command line.
    #[serde(rename = "invited_by")]
    pub by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it works.
    pub expires_at: Timestamp,
}

/// A link to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvitation {
    /// The hash of what it holds.
    pub token_hash: Vec<u8>,
    /// As in [`Invitation::role`].
    pub role: Role,
    /// As in [`Invitation::email`].
    pub email: Option<String>,
    /// As in [`Invitation::expires_at`].
    pub expires_at: Timestamp,
}

/// What became of an invitation that somebody used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joining {
    /// They are in.
    Joined,
    /// It was used, revoked, replaced, or never made; or it is for another address.
    NotOpen,
    /// They were in before, and it is as good as it was.
    MemberAlready,
}

impl Store {
    /// Makes an invitation. It is whose this store acts for.
    pub async fn insert_invitation(
        &self,
        project_id: i64,
        new: &NewInvitation,
        now: Timestamp,
    ) -> Result<Invitation, Error> {
        // As the database keeps them.
        let whole = |at: Timestamp| Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let (id, now, expires_at) = (super::new_id(now), whole(now), whole(new.expires_at));
        let mut tx = self.db.begin().await?;
        let sql = "INSERT INTO invitations
             (project_id, invitation_id, token_hash, role, email, user_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let by = self.actor.user_id();
        let values = args![project_id, id, &new.token_hash, new.role, new.email.clone(), by, now, expires_at];
        tx.execute(sql, values).await?;
        let act = Act::of(project_id, Action::InvitationMade, new.email.clone().unwrap_or_default());
        self.noted(&mut tx, act.with(json!({"role": new.role.name()}))).await?;
        tx.commit("new invitation").await?;
        let by = if let Actor::User { email, .. } = &*self.actor { Some(email.clone()) } else { None };
        Ok(Invitation { id, role: new.role, email: new.email.clone(), by, created_at: now, expires_at })
    }

    /// The invitations of a project that still work, the newest first.
    pub async fn invitations(&self, project_id: i64, now: Timestamp) -> Result<Vec<Invitation>, Error> {
        let sql = "SELECT i.*, i.created_at AS made_at, u.email AS invited_by FROM invitations i LEFT JOIN users u ON u.user_id = i.user_id
             WHERE i.project_id = $1 AND i.expires_at > $2 ORDER BY i.created_at DESC, i.invitation_id DESC";
        self.db.all(sql, args![project_id, now]).await?.iter().map(invitation).collect()
    }

    /// The invitation of a link, if it still works, and the project that it is to.
    pub async fn invitation(&self, token_hash: &[u8], now: Timestamp) -> Result<Option<(Invitation, Project)>, Error> {
        let sql = "SELECT p.*, i.invitation_id, i.role, i.email, i.created_at AS made_at, i.expires_at,
                    u.email AS invited_by
             FROM invitations i JOIN projects p ON p.project_id = i.project_id
             LEFT JOIN users u ON u.user_id = i.user_id WHERE i.token_hash = $1 AND i.expires_at > $2";
        let row = self.db.first(sql, args![token_hash, now]).await?;
        row.map(|row| Ok((invitation(&row)?, projects::project(&row)?))).transpose()
    }

    /// Makes an invitation useless; says whether there was one.
    pub async fn delete_invitation(&self, project_id: i64, id: Uuid) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        let sql = "DELETE FROM invitations WHERE project_id = $1 AND invitation_id = $2 RETURNING role, email";
        let Some(row) = tx.first(sql, args![project_id, id]).await? else { return Ok(false) };
        let (role, email): (Role, Option<String>) = (row.get("role")?, row.get("email")?);
        let act = Act::of(project_id, Action::InvitationRevoked, email.unwrap_or_default());
        self.noted(&mut tx, act.with(json!({"role": role.name()}))).await?;
        tx.commit("revocation of an invitation").await?;
        Ok(true)
    }

    /// Uses an invitation up for somebody who has an account. Of several who try, one gets it.
    pub async fn accept_invitation(&self, token_hash: &[u8], user: &User, now: Timestamp) -> Result<Joining, Error> {
        let mut tx = self.db.begin().await?;
        let Some(taken) = take(&mut tx, token_hash, &user.email, now).await? else { return Ok(Joining::NotOpen) };
        if !users::join(&mut tx, taken.project_id, user.id, taken.role).await? {
            // Dropped, the transaction leaves the invitation as it is.
            return Ok(Joining::MemberAlready);
        }
        self.noted(&mut tx, taken.act(&user.email)).await?;
        tx.commit("use of an invitation").await?;
        Ok(Joining::Joined)
    }

    /// Uses an invitation up for an account that is made for it. `None` when it does not work, or not for that address;
    /// [`Error::Conflict`] when the address has an account already.
    pub async fn accept_invitation_as(
        &self,
        token_hash: &[u8],
        new: &NewUser,
        now: Timestamp,
    ) -> Result<Option<User>, Error> {
        let mut tx = self.db.begin().await?;
        let Some(taken) = take(&mut tx, token_hash, &new.email, now).await? else { return Ok(None) };
        let user = users::insert(&mut tx, new, now).await?;
        users::join(&mut tx, taken.project_id, user.id, taken.role).await?;
        let actor = self.actor_is(&user);
        audit::insert(&mut tx, &actor, Act::of_user(user.id, Action::AccountMade, &user.email)).await?;
        audit::insert(&mut tx, &actor, taken.act(&user.email)).await?;
        tx.commit("account by an invitation").await?;
        Ok(Some(user))
    }
}

/// What an invitation gave.
struct Taken {
    project_id: i64,
    role: Role,
    by: Option<String>,
}

impl Taken {
    fn act(&self, email: &str) -> Act {
        let by = self.by.as_deref().unwrap_or("the command line");
        let details = json!({"role": self.role.name(), "invited_by": by});
        Act::of(self.project_id, Action::MemberAdded, email).with(details)
    }
}

/// Takes an invitation in a transaction, if it is for that address or for anybody.
async fn take(tx: &mut Tx, token_hash: &[u8], email: &str, now: Timestamp) -> Result<Option<Taken>, Error> {
    let sql = "DELETE FROM invitations WHERE token_hash = $1 AND expires_at > $2 AND (email IS NULL OR email = $3)
         RETURNING project_id, role, user_id";
    let Some(row) = tx.first(sql, args![token_hash, now, email]).await? else { return Ok(None) };
    let by = match row.get::<Option<i64>>("user_id")? {
        None => None,
        Some(id) => tx.first("SELECT email FROM users WHERE user_id = $1", args![id]).await?,
    };
    let by = by.map(|row| row.get("email")).transpose()?;
    Ok(Some(Taken { project_id: row.get("project_id")?, role: row.get("role")?, by }))
}

fn invitation(row: &Row) -> Result<Invitation, Error> {
    Ok(Invitation {
        id: row.get("invitation_id")?,
        role: row.get("role")?,
        email: row.get("email")?,
        by: row.get("invited_by")?,
        created_at: row.get("made_at")?,
        expires_at: row.get("expires_at")?,
    })
}
