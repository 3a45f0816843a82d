//! Who did what. A [`Store`] knows on whose behalf it works ([`Store::acting`]), and what it changes for people it notes in
//! the same transaction: what is kept is noted, and what came to nothing is not.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{
    Error, Store,
    db::{Arg, Row, Tx, args},
    dialect::list,
};

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Actor {
    /// The program by itself.
    #[default]
    Dashtray,
    /// Whoever may start the program on its machine.
    CommandLine,
    /// Somebody who is not signed in yet.
    Visitor {
        /// Where from.
        address: String,
    },
    /// Somebody who is signed in.
    User {
        /// Their number.
        id: i64,
        /// Their e-mail address.
        email: String,
        /// Where from.
        address: String,
    },
    /// A program with a key.
    ApiKey {
        /// What its owner calls it, with the end by which it is told from others.
        name: String,
        /// Where from.
        address: String,
    },
}

impl Actor {
    fn kind(&self) -> &'static str {
        match self {
            Self::Dashtray => "dashtray",
            Self::CommandLine => "command_line",
            Self::Visitor { .. } => "visitor",
            Self::User { .. } => "user",
            Self::ApiKey { .. } => "api_key",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Dashtray => "Dashtray",
            Self::CommandLine => "command line",
            Self::Visitor { .. } => "visitor",
            Self::User { email, .. } => email,
            Self::ApiKey { name, .. } => name,
        }
    }

    pub(super) fn address(&self) -> &str {
        match self {
            Self::Dashtray | Self::CommandLine => "",
            Self::Visitor { address } | Self::User { address, .. } | Self::ApiKey { address, .. } => address,
        }
    }

    pub(super) fn user_id(&self) -> Option<i64> {
        if let Self::User { id, .. } = self { Some(*id) } else { None }
    }
}

macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $action:ident $name:literal $label:literal $group:ident,)*) => {
        /// What is noted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Action { $($(#[doc = $doc])+ $action,)* }

        impl Action {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$action),*];

            /// The word for programs.
            pub fn name(self) -> &'static str {
                match self { $(Self::$action => $name,)* }
            }

            /// The words for people.
            pub fn label(self) -> &'static str {
                match self { $(Self::$action => $label,)* }
            }

            /// What it belongs to.
            pub fn group(self) -> ActionGroup {
                match self { $(Self::$action => ActionGroup::$group,)* }
            }
        }
    };
}

actions! {
    /// Somebody signed in.
    SignedIn "signed_in" "Signed in" SignIns,
    /// Somebody gave a wrong password for an account.
    SignInFailed "sign_in_failed" "Wrong password" SignIns,
    /// A browser was signed out, by itself or from another one.
    SignedOut "signed_out" "Signed out" SignIns,
    /// A password was changed; other browsers of the account were signed out.
    PasswordChanged "password_changed" "Password changed" SignIns,
    /// A link was made that signs somebody in.
    SignInLinkMade "sign_in_link_made" "Sign-in link made" SignIns,
    /// An account was made.
    AccountMade "account_made" "Account made" People,
    /// Somebody was let into a project.
    MemberAdded "member_added" "Joined" People,
    /// Somebody was given another role.
    RoleChanged "role_changed" "Role changed" People,
    /// Somebody was removed from a project, or left it.
    MemberRemoved "member_removed" "Removed" People,
    /// An invitation was made.
    InvitationMade "invitation_made" "Invitation made" People,
    /// An invitation was revoked before anybody used it.
    InvitationRevoked "invitation_revoked" "Invitation revoked" People,
    /// A key was made.
    ApiKeyMade "api_key_made" "API key made" ApiKeys,
    /// A key was revoked.
    ApiKeyRevoked "api_key_revoked" "API key revoked" ApiKeys,
    /// A project was made.
    ProjectMade "project_made" "Project made" Project,
    /// A project's zone or currency was changed.
    ProjectChanged "project_changed" "Project changed" Project,
    /// The master key was changed.
    KeysRotated "keys_rotated" "Credentials sealed anew" Project,
    /// A service was connected.
    Connected "connected" "Connected" Connections,
    /// A connection was given other credentials.
    Reconnected "reconnected" "Reconnected" Connections,
    /// A connection was given another name.
    ConnectionRenamed "connection_renamed" "Renamed" Connections,
    /// A connection's settings were changed.
    ConnectionChanged "connection_changed" "Settings changed" Connections,
    /// A connection was paused.
    ConnectionPaused "connection_paused" "Paused" Connections,
    /// A connection goes on.
    ConnectionResumed "connection_resumed" "Resumed" Connections,
    /// A connection was removed with its numbers.
    Disconnected "disconnected" "Disconnected" Connections,
    /// Somebody asked for a run.
    SyncAsked "sync_asked" "Sync asked for" Connections,
    /// A dashboard was made.
    DashboardMade "dashboard_made" "Dashboard made" Dashboards,
    /// A dashboard was changed.
    DashboardChanged "dashboard_changed" "Dashboard changed" Dashboards,
    /// A dashboard was removed.
    DashboardRemoved "dashboard_removed" "Dashboard removed" Dashboards,
}

/// What actions belong to, for whoever looks for one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionGroup {
    /// Signing in and out, and passwords.
    SignIns,
    /// Who is in a project, as what.
    People,
    /// What programs use.
    ApiKeys,
    /// The project itself, and the installation.
    Project,
    /// Connections.
    Connections,
    /// Dashboards.
    Dashboards,
}

impl ActionGroup {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::SignIns, Self::People, Self::ApiKeys, Self::Project, Self::Connections, Self::Dashboards];

    /// The word in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::SignIns => "sign-ins",
            Self::People => "people",
            Self::ApiKeys => "api-keys",
            Self::Project => "project",
            Self::Connections => "connections",
            Self::Dashboards => "dashboards",
        }
    }
}

/// Something that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    action: Action,
    project_id: i64,
    user_id: Option<i64>,
    subject: String,
    details: Json,
}

impl Act {
    /// Of a project.
    pub fn of(project_id: i64, action: Action, subject: impl Into<String>) -> Self {
        Self { action, project_id, user_id: None, subject: subject.into(), details: json!({}) }
    }

    /// Of an account, and of no project.
    pub fn of_user(user_id: i64, action: Action, subject: impl Into<String>) -> Self {
        Self { user_id: Some(user_id), ..Self::of(0, action, subject) }
    }

    /// What else is to be known: words and numbers by name, and never a secret.
    #[must_use]
    pub fn with(self, details: Json) -> Self {
        Self { details, ..self }
    }
}

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditRow {
    /// Rises with time.
    #[serde(rename = "audit_id")]
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Slug of the project; `None` for what is of none.
    pub project: Option<String>,
    /// `user`, `api_key`, `command_line`, `visitor` or `dashtray`.
    pub actor_kind: String,
    /// Who, by the name then.
    pub actor: String,
    /// What, as in [`Action::name`].
    pub action: String,
    /// What it was done to, by its name then.
    pub subject: String,
    /// What else is to be known.
    pub details: Json,
    /// Where from; empty for what was done on the machine itself.
    pub address: String,
}

/// Which of them are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Those of a project, and of the accounts of its members; else all.
    pub project_id: Option<i64>,
    /// Of this group alone.
    pub group: Option<ActionGroup>,
    /// With this in the name of who acted or of what was changed, whatever its case.
    pub text: String,
    /// Those before this one.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: u32,
}

impl Store {
    /// The same on somebody's behalf: what it changes is noted as theirs.
    #[must_use]
    pub fn acting(&self, actor: Actor) -> Self {
        Self { db: self.db.clone(), actor: Arc::new(actor) }
    }

    /// Notes what was done by whom this store acts for, where it changes no row of ours.
    pub async fn note(&self, act: Act) -> Result<(), Error> {
        self.db.execute(INSERT, row_to_be(&self.actor, act)).await.map(drop)
    }

    /// The same with what the transaction changes.
    pub(super) async fn noted(&self, tx: &mut Tx, act: Act) -> Result<(), Error> {
        insert(tx, &self.actor, act).await
    }

    /// What was done, the newest first.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
        let mut values = args![
            query.project_id,
            query.before.unwrap_or(Uuid::max()),
            format!("%{}%", escaped(&query.text.to_lowercase())),
            query.limit,
        ];
        let of_group: Vec<&Action> =
            Action::ALL.iter().filter(|action| query.group.is_none_or(|group| action.group() == group)).collect();
        // Without a group any action counts, also one that only a newer version knows.
        let only = match query.group {
            None => String::new(),
            Some(_) => format!("AND a.action IN {}", list(values.len(), of_group.len())),
        };
        if query.group.is_some() {
            values.extend(args_of(&of_group));
        }
        let sql = format!(
            "SELECT a.*, p.slug FROM audit a LEFT JOIN projects p ON p.project_id = a.project_id
             WHERE (CAST($1 AS BIGINT) IS NULL OR a.project_id = $1 OR (a.project_id = 0
                 AND a.user_id IN (SELECT m.user_id FROM members m WHERE m.project_id = $1)))
             AND a.audit_id < $2 AND lower(a.actor || ' ' || a.subject) LIKE $3 ESCAPE '!' {only}
             ORDER BY a.audit_id DESC LIMIT $4"
        );
        self.db.all(sqlx::AssertSqlSafe(sql), values).await?.iter().map(row_of).collect()
    }

    /// Forgets what was done before an instant; says how much.
    pub async fn delete_audit_before(&self, before: Timestamp) -> Result<u64, Error> {
        self.db.drop_old("audit", "project_id, audit_id", "at", before).await
    }
}

fn args_of(actions: &[&Action]) -> Vec<Arg> {
    actions.iter().map(|action| action.name().into()).collect()
}

/// A text that stands for itself in a pattern.
fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

/// Longer names are cut: whoever signs in writes them.
const LONGEST: usize = 200;

const INSERT: &str = "INSERT INTO audit
     (project_id, audit_id, at, actor_kind, actor, user_id, action, subject, details, address)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Notes what somebody does with what a transaction changes.
pub(super) async fn insert(tx: &mut Tx, actor: &Actor, act: Act) -> Result<(), Error> {
    tx.execute(INSERT, row_to_be(actor, act)).await.map(drop)
}

fn row_to_be(actor: &Actor, act: Act) -> Vec<Arg> {
    // Of the machine's own clock, whatever runs take for now; and one after the other also within a millisecond.
    let id = Uuid::now_v7();
    let (seconds, nanoseconds) = id.get_timestamp().map(|at| at.to_unix()).unwrap_or_default();
    let at = i64::try_from(seconds).unwrap_or(0).saturating_mul(1000) + i64::from(nanoseconds / 1_000_000);
    let short = |text: &str| text.chars().take(LONGEST).collect::<String>();
    args![
        act.project_id,
        id,
        at,
        actor.kind(),
        short(actor.name()),
        act.user_id,
        act.action.name(),
        short(&act.subject),
        &act.details,
        short(actor.address()),
    ]
}

fn row_of(row: &Row) -> Result<AuditRow, Error> {
    Ok(AuditRow {
        id: row.get("audit_id")?,
        at: row.get("at")?,
        project: row.get("slug")?,
        actor_kind: row.get("actor_kind")?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        details: row.get("details")?,
        address: row.get("address")?,
    })
}
