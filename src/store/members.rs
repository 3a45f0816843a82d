//! Who is in a project, as what. A project always has an owner.

use serde_json::json;

use super::{
    Act, Action, Error, Role, Store, User,
    db::{Tx, args},
    users,
};

/// Somebody in a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// What they may do.
    pub role: Role,
}

/// What became of a change to who is in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    /// It is made, or there was nothing to change.
    Made,
    /// They are not in the project.
    NoMember,
    /// They are its last owner, so nothing was changed.
    LastOwner,
}

impl Store {
    /// Who is in a project: those who may most first, and by their addresses.
    pub async fn members(&self, project_id: i64) -> Result<Vec<Member>, Error> {
        let sql = "SELECT u.*, m.role FROM members m JOIN users u ON u.user_id = m.user_id
             WHERE m.project_id = $1 ORDER BY u.email";
        let rows = self.db.all(sql, args![project_id]).await?;
        let members = rows.iter().map(|row| Ok(Member { user: users::user(row)?, role: row.get("role")? }));
        let mut members = members.collect::<Result<Vec<Member>, Error>>()?;
        members.sort_by_key(|member| std::cmp::Reverse(member.role));
        Ok(members)
    }

    /// Gives somebody another role. Who is no owner any more takes their open invitations along.
    pub async fn set_role(&self, project_id: i64, user_id: i64, role: Role) -> Result<MemberChange, Error> {
        let mut tx = self.db.begin().await?;
        let before = match leaving(&mut tx, project_id, user_id).await? {
            Standing::None => return Ok(MemberChange::NoMember),
            Standing::LastOwner if role != Role::Owner => return Ok(MemberChange::LastOwner),
            Standing::LastOwner => Role::Owner,
            Standing::Of(before) => before,
        };
        if before == role {
            return Ok(MemberChange::Made);
        }
        let sql = "UPDATE members SET role = $3 WHERE project_id = $1 AND user_id = $2";
        tx.execute(sql, args![project_id, user_id, role]).await?;
        if role != Role::Owner {
            revoke_invitations(&mut tx, project_id, user_id).await?;
        }
        let act = Act::of(project_id, Action::RoleChanged, users::email(&mut tx, user_id).await?);
        self.noted(&mut tx, act.with(json!({"from": before.name(), "to": role.name()}))).await?;
        tx.commit("role of a member").await?;
        Ok(MemberChange::Made)
    }

    /// Takes somebody out of a project: their browsers forget it, and who is in none any more is signed out. The
    /// invitations that they made work no more.
    pub async fn delete_member(&self, project_id: i64, user_id: i64) -> Result<MemberChange, Error> {
        let mut tx = self.db.begin().await?;
        let before = match leaving(&mut tx, project_id, user_id).await? {
            Standing::None => return Ok(MemberChange::NoMember),
            Standing::LastOwner => return Ok(MemberChange::LastOwner),
            Standing::Of(before) => before,
        };
        for sql in [
            "DELETE FROM members WHERE project_id = $1 AND user_id = $2",
            "UPDATE web_sessions SET project_id = NULL WHERE project_id = $1 AND user_id = $2",
        ] {
            tx.execute(sql, args![project_id, user_id]).await?;
        }
        let sql = "DELETE FROM web_sessions WHERE user_id = $1
             AND NOT EXISTS (SELECT 1 FROM members m WHERE m.user_id = $1)";
        tx.execute(sql, args![user_id]).await?;
        revoke_invitations(&mut tx, project_id, user_id).await?;
        let act = Act::of(project_id, Action::MemberRemoved, users::email(&mut tx, user_id).await?);
        self.noted(&mut tx, act.with(json!({"role": before.name()}))).await?;
        tx.commit("removal of a member").await?;
        Ok(MemberChange::Made)
    }

    /// Whether a browser is signed in and its user in a project, at this very moment.
    pub async fn session_sees(&self, session_id: i64, project_id: i64) -> Result<bool, Error> {
        let sql = "SELECT 1 AS one FROM web_sessions s JOIN members m ON m.user_id = s.user_id
             WHERE s.session_id = $1 AND m.project_id = $2";
        Ok(self.db.first(sql, args![session_id, project_id]).await?.is_some())
    }
}

/// How somebody stands who is to have less.
enum Standing {
    None,
    LastOwner,
    Of(Role),
}

/// Of two owners who remove each other at once, one does: who comes second waits for the project's row.
async fn leaving(tx: &mut Tx, project_id: i64, user_id: i64) -> Result<Standing, Error> {
    let sql = tx.locking("SELECT project_id FROM projects WHERE project_id = $1");
    tx.first(sql, args![project_id]).await?;
    let rows = tx.all("SELECT user_id, role FROM members WHERE project_id = $1", args![project_id]).await?;
    let (mut role, mut owners) = (None, 0);
    for row in rows {
        let one: Role = row.get("role")?;
        owners += u32::from(one == Role::Owner);
        if row.get::<i64>("user_id")? == user_id {
            role = Some(one);
        }
    }
    Ok(match role {
        None => Standing::None,
        Some(Role::Owner) if owners == 1 => Standing::LastOwner,
        Some(role) => Standing::Of(role),
    })
}

/// Or somebody who is thrown out could let themselves in again.
async fn revoke_invitations(tx: &mut Tx, project_id: i64, user_id: i64) -> Result<(), Error> {
    let sql = "DELETE FROM invitations WHERE project_id = $1 AND user_id = $2";
    tx.execute(sql, args![project_id, user_id]).await.map(drop)
}
