//! Connections as they leave: the same JSON on the command line and in the API.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::{
    integrations::{AccountInfo, Check, Choice, Error},
    metric::{Currency, FailureKind},
    store::Project,
};

/// A connection that was just made or made anew.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectedView {
    /// Public id.
    pub connection_id: Uuid,
    /// Which integration it belongs to.
    pub integration_id: String,
    /// The user's name for it, unique in its project.
    pub name: String,
    /// Whose account it is.
    pub account: AccountView,
    /// What was tried, one by one.
    pub checks: Vec<Check>,
    /// For a setting: the values this account offers.
    pub choices: BTreeMap<String, Vec<Choice>>,
}

/// Whose account a connection opens.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccountView {
    /// The provider's id of the account.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Its time zone by IANA name, where the provider says.
    pub zone: Option<String>,
    /// Its currency, where it has one.
    pub currency: Option<Currency>,
    /// Further facts.
    pub info: Map<String, Json>,
}

impl From<&AccountInfo> for AccountView {
    fn from(account: &AccountInfo) -> Self {
        Self {
            id: account.id.clone(),
            label: account.label.clone(),
            zone: account.zone.clone(),
            currency: account.currency,
            info: account.info.clone(),
        }
    }
}

/// A project.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProjectView {
    /// What it is called in commands and addresses.
    pub slug: String,
    /// Name of the zone of connections that name none.
    pub zone: String,
    /// Its currency.
    pub currency: Currency,
}

impl From<&Project> for ProjectView {
    fn from(project: &Project) -> Self {
        Self { slug: project.slug.clone(), zone: project.zone.name().to_owned(), currency: project.currency }
    }
}

/// How a connection stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConnectionView {
    /// Public id.
    pub connection_id: Uuid,
    /// Which integration it belongs to.
    pub integration_id: String,
    /// The user's name for it.
    pub name: String,
    /// `ok`, `degraded`, `rate_limited`, `needs_reconnect`, `credentials_unreadable`, `failing` or `paused`.
    pub state: String,
    /// Why it is not `ok`, in a sentence.
    pub reason: Option<String>,
    /// Until when the provider asked to wait.
    pub until: Option<Timestamp>,
    /// Whether a run is under way.
    pub syncing: bool,
    /// When the last run that read something ended.
    pub last_synced_at: Option<Timestamp>,
    /// When the next run is due; `None` while paused.
    pub next_sync_at: Option<Timestamp>,
    /// What the newest run of the last thirty days found different from what was kept, and put right.
    pub corrected: Option<CorrectedView>,
}

/// What a run found different from what was kept, and put right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorrectedView {
    /// When that run ended.
    pub at: Timestamp,
    /// What it was, in words.
    pub message: String,
}

/// What a test of a connection found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestView {
    /// Public id.
    pub connection_id: Uuid,
    /// Whether the credentials work. A missing permission is a failed check, not a failed test.
    pub success: bool,
    /// Whether the grant had to be refreshed for it.
    pub refreshed: bool,
    /// Why it failed.
    pub error: Option<ErrorView>,
    /// Whose account it is; `None` when the test failed.
    pub account: Option<AccountView>,
    /// What was tried, one by one.
    pub checks: Vec<Check>,
}

/// A failure at the provider as it leaves: redacted, with the time of the next try where the provider named one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// What it is.
    pub kind: FailureKind,
    /// What was tried and what came of it, in a sentence.
    pub message: String,
    /// When the provider allows the next try.
    pub retry_at: Option<Timestamp>,
}

impl From<&Error> for ErrorView {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.to_string(), retry_at: error.retry_at() }
    }
}
