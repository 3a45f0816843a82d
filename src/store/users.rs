//! People, and the projects that they see.

use jiff::Timestamp;
use serde_json::json;

use super::{
    Act, Action, Actor, Error, NewProject, Project, Store, audit,
    db::{Arg, Column, Row, Tx, args},
    links::take,
    projects,
};

/// A person.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Unique.
    pub id: i64,
    /// As it is compared: in small letters.
    pub email: String,
    /// What pages call them.
    pub name: String,
    /// A PHC string; without one nobody signs in by password.
    pub password_hash: Option<String>,
    /// When they were added.
    pub created_at: Timestamp,
    /// The days that they chose last, and what these were compared with; empty before the first time.
    pub last_range: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("email", &self.email).finish_non_exhaustive()
    }
}

/// A person to add.
#[derive(Clone)]
pub struct NewUser {
    /// As in [`User::email`].
    pub email: String,
    /// As in [`User::name`].
    pub name: String,
    /// As in [`User::password_hash`].
    pub password_hash: Option<String>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewUser").field("email", &self.email).finish_non_exhaustive()
    }
}

/// What somebody may do in a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Changes dashboards and connections too.
    Editor,
    /// Changes the project and who sees it too.
    Owner,
}

impl Role {
    /// All there are, the one that may most first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Editor, Self::Viewer];

    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == word).ok_or("use owner, editor or viewer")
    }
}

impl From<Role> for Arg {
    fn from(role: Role) -> Self {
        Self::from(role.name())
    }
}

impl Column for Role {
    fn of(row: &Row, column: &str) -> Result<Self, Error> {
        let word: String = row.get(column)?;
        let strange = |_| Error::Corrupt(format!("the database holds a role that dashtray never writes ({column})"));
        word.parse().map_err(strange)
    }
}

/// A project that somebody sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The project.
    pub project: Project,
    /// What they may do in it.
    pub role: Role,
}

const INSERT: &str = "INSERT INTO users (email, name, password_hash, created_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (email) DO NOTHING RETURNING *";

impl Store {
    /// Somebody who acts for themselves before they are signed in.
    pub(super) fn actor_is(&self, user: &User) -> Actor {
        Actor::User { id: user.id, email: user.email.clone(), address: self.actor.address().to_owned() }
    }

    /// Whether there is anybody.
    pub async fn has_users(&self) -> Result<bool, Error> {
        Ok(self.db.first("SELECT user_id FROM users LIMIT 1", args![]).await?.is_some())
    }

    /// All people, oldest first.
    pub async fn users(&self) -> Result<Vec<User>, Error> {
        self.db.all("SELECT * FROM users ORDER BY user_id", args![]).await?.iter().map(user).collect()
    }

    /// The person of that address.
    pub async fn user(&self, email: &str) -> Result<Option<User>, Error> {
        self.db.first("SELECT * FROM users WHERE email = $1", args![email]).await?.as_ref().map(user).transpose()
    }

    /// Makes the first account and gives it all projects, in return for an open set-up link. `None` when the link is
    /// none, or there is an account already; of several who try at once, one gets it.
    pub async fn set_up(&self, link_hash: &[u8], new: &NewUser, now: Timestamp) -> Result<Option<User>, Error> {
        let mut tx = self.db.begin().await?;
        let is_open = take(&mut tx, "set_up", link_hash, now).await?.is_some();
        if !is_open || tx.first("SELECT user_id FROM users LIMIT 1", args![]).await?.is_some() {
            return Ok(None);
        }
        let user = insert(&mut tx, new, now).await?;
        let sql = "INSERT INTO members (project_id, user_id, role) SELECT project_id, $1, $2 FROM projects";
        tx.execute(sql, args![user.id, Role::Owner]).await?;
        let act = Act::of_user(user.id, Action::AccountMade, &user.email);
        audit::insert(&mut tx, &self.actor_is(&user), act).await?;
        tx.commit("first account").await?;
        Ok(Some(user))
    }

    /// Adds a person to a project. [`Error::Conflict`] when the address is taken.
    pub async fn insert_user(&self, new: &NewUser, project: i64, role: Role, now: Timestamp) -> Result<User, Error> {
        let mut tx = self.db.begin().await?;
        let user = insert(&mut tx, new, now).await?;
        join(&mut tx, project, user.id, role).await?;
        self.noted(&mut tx, Act::of_user(user.id, Action::AccountMade, &user.email)).await?;
        self.noted(&mut tx, added(project, &user.email, role)).await?;
        tx.commit("new user").await?;
        Ok(user)
    }

    /// Lets somebody see a project; says whether they did not before.
    pub async fn insert_member(&self, project_id: i64, user_id: i64, role: Role) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        if !join(&mut tx, project_id, user_id, role).await? {
            return Ok(false);
        }
        let email = email(&mut tx, user_id).await?;
        self.noted(&mut tx, added(project_id, &email, role)).await?;
        tx.commit("new member").await?;
        Ok(true)
    }

    /// Changes a password and ends all sessions of its user but one.
    pub async fn set_password(&self, user_id: i64, hash: &str, keep: Option<i64>) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        tx.execute("UPDATE users SET password_hash = $2 WHERE user_id = $1", args![user_id, hash]).await?;
        let sql = "DELETE FROM web_sessions WHERE user_id = $1 AND session_id <> $2";
        tx.execute(sql, args![user_id, keep.unwrap_or(0)]).await?;
        let email = email(&mut tx, user_id).await?;
        self.noted(&mut tx, Act::of_user(user_id, Action::PasswordChanged, email)).await?;
        tx.commit("new password").await
    }

    /// Keeps the days that somebody chose.
    pub async fn set_last_range(&self, user_id: i64, range: &str) -> Result<(), Error> {
        let sql = "UPDATE users SET last_range = $2 WHERE user_id = $1";
        self.db.execute(sql, args![user_id, range]).await.map(drop)
    }

    /// The projects that somebody sees, oldest first.
    pub async fn memberships(&self, user_id: i64) -> Result<Vec<Membership>, Error> {
        let sql = "SELECT p.*, m.role FROM projects p JOIN members m ON m.project_id = p.project_id
             WHERE m.user_id = $1 ORDER BY p.project_id";
        let rows = self.db.all(sql, args![user_id]).await?;
        rows.iter().map(|row| Ok(Membership { project: projects::project(row)?, role: row.get("role")? })).collect()
    }

    /// Makes a project of somebody's own. [`Error::Conflict`] when there is one of that slug.
    pub async fn insert_project_of(&self, user_id: i64, new: &NewProject, now: Timestamp) -> Result<Project, Error> {
        let mut tx = self.db.begin().await?;
        let project = projects::insert(&mut tx, new, now).await?;
        join(&mut tx, project.id, user_id, Role::Owner).await?;
        self.noted(&mut tx, Act::of(project.id, Action::ProjectMade, &project.slug)).await?;
        tx.commit("new project").await?;
        Ok(project)
    }
}

pub(super) async fn insert(tx: &mut Tx, new: &NewUser, now: Timestamp) -> Result<User, Error> {
    let row = tx.first(INSERT, args![&new.email, &new.name, new.password_hash.clone(), now]).await?;
    user(&row.ok_or_else(|| Error::Conflict(format!("{} has an account already", new.email)))?)
}

/// Says whether they were not in before: who was keeps their role.
pub(super) async fn join(tx: &mut Tx, project_id: i64, user_id: i64, role: Role) -> Result<bool, Error> {
    let sql = "INSERT INTO members (project_id, user_id, role) VALUES ($1, $2, $3)
         ON CONFLICT (project_id, user_id) DO NOTHING";
    Ok(tx.execute(sql, args![project_id, user_id, role]).await? > 0)
}

/// The address of an account; empty where there is none.
pub(super) async fn email(tx: &mut Tx, user_id: i64) -> Result<String, Error> {
    let row = tx.first("SELECT email FROM users WHERE user_id = $1", args![user_id]).await?;
    row.map_or(Ok(String::new()), |row| row.get("email"))
}

fn added(project_id: i64, email: &str, role: Role) -> Act {
    Act::of(project_id, Action::MemberAdded, email).with(json!({"role": role.name()}))
}

pub(super) fn user(row: &Row) -> Result<User, Error> {
    Ok(User {
        id: row.get("user_id")?,
        email: row.get("email")?,
        name: row.get("name")?,
        password_hash: row.get("password_hash")?,
        created_at: row.get("created_at")?,
        last_range: row.get("last_range")?,
    })
}
