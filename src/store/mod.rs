//! The database: every SQL statement, and nothing else.
//!
//! [`Store`] is SQLite or PostgreSQL, with one schema (`migrations/`) and one set of statements. Reading and small
//! changes are methods of [`Store`]; what a run writes goes through a [`Write`], one transaction under the run's
//! fencing number: see [`Store::write`].
//!
//! The store knows nothing of cryptography: sealed things pass through it as [`SealedRow`].

mod api_hours;
mod api_keys;
mod audit;
mod backup;
mod budgets;
mod changes;
mod columns;
mod connections;
mod custom;
mod dashboards;
mod db;
mod dialect;
mod error;
mod grants;
mod guesses;
mod handling;
mod invitations;
mod kept;
mod links;
mod look;
mod members;
mod overview;
mod points;
mod projects;
mod queue;
mod rates;
mod receipts;
mod records;
mod retention;
mod runs;
mod series;
mod sign_ins;
mod users;
mod web_sessions;
mod write;

pub use api_keys::{ApiKey, NewApiKey, Scope};
pub use audit::{Act, Action, ActionGroup, Actor, AuditQuery, AuditRow};
pub use backup::{BackupError, Manifest, Staged};
pub use changes::ChangeRow;
pub use connections::{Connection, ConnectionKey, ConnectionSettings, ConnectionState, NewConnection, SealedRow};
pub use custom::{CustomMetric, MetricChange, Push, PushConnection, PushedPoint};
pub use dashboards::{Dashboard, NewDashboard, Widget};
pub use error::Error;
pub use grants::{CredentialsRow, RenewalRow};
pub use guesses::Guesser;
pub use invitations::{Invitation, Joining, NewInvitation};
pub use kept::KeptRow;
pub use members::{Member, MemberChange};
pub use overview::{Queue, Schema};
pub use points::{NoteRow, PointRow, RestatementRow};
pub use projects::{NewProject, Project};
pub use queue::{Claim, ClaimOutcome};
pub use rates::Rate;
pub use records::RecordRow;
pub use retention::Retention;
pub use runs::{CorrectedRow, RunCounts, RunEnd, RunRow};
pub use series::SeriesRow;
pub use sign_ins::SignInRow;
pub use users::{Membership, NewUser, Role, User};
pub use web_sessions::{NewWebSession, WebSession};
pub use write::Write;

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use db::{Db, args};

/// The database. Cheap to clone; all clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
    /// On whose behalf it changes things.
    actor: Arc<Actor>,
}

impl Store {
    /// Opens `sqlite:PATH` (made with mode 0600 if missing) or `postgres://…` and brings its schema up to date.
    ///
    /// An older SQLite file that has to be migrated is copied beside itself first, as `PATH.before-VERSION`.
    ///
    /// # Errors
    ///
    /// [`Error::NewerSchema`] when a newer program migrated it, [`Error::Corrupt`] when the file is damaged or is no
    /// database, [`Error::Unavailable`] when it cannot be reached, read or written; nothing is changed then.
    pub async fn open(url: &str) -> Result<Self, Error> {
        Ok(Self { db: Db::open(url).await?, actor: Arc::default() })
    }

    /// Whether this is SQLite, which serves one process that syncs.
    pub fn is_sqlite(&self) -> bool {
        matches!(self.db, Db::Sqlite { .. })
    }

    /// Whether the database answers and has our tables.
    pub async fn ping(&self) -> Result<(), Error> {
        self.db.first("SELECT count(*) AS n FROM projects", args![]).await.map(drop)
    }

    /// Waits until all connections are given back, then closes them.
    pub async fn close(&self) {
        match &self.db {
            Db::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }
}

/// A new public id (UUID version 7): unique, and sorted by the time it was made.
pub fn new_id(now: Timestamp) -> Uuid {
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds))
}
