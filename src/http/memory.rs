//! What `http` must remember between runs and between processes. `store` implements it, `app` wires it.

use async_trait::async_trait;
use jiff::Timestamp;

use super::conditional::Kept;

/// A durable memory, shared by all processes that use one database.
#[async_trait]
pub trait Memory: Send + Sync + 'static {
    /// Takes up to `wanted` calls out of a window, atomically among all processes. A window that is over starts anew.
    async fn reserve(&self, reservation: &Reservation) -> Result<Grant, MemoryError>;

    /// Notes what the provider said about a window, so that other runs and processes know it too.
    async fn learn(&self, learned: &Learned) -> Result<(), MemoryError>;

    /// The answer kept for a request of a connection.
    async fn recall(&self, connection_id: &str, request_key: &str) -> Result<Option<Kept>, MemoryError>;
}

/// A wish for calls out of one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// Provider and credential: `<integration id>:<hex of a hash>`; never the credential itself.
    pub budget: String,
    /// Which window of it: its scope and length.
    pub window: String,
    /// Length of the window.
    pub window_ms: i64,
    /// Calls the window has as far as this caller knows, `max_quota_share` already applied.
    pub capacity: i64,
    /// How many calls are wanted.
    pub wanted: i64,
    /// The present instant.
    pub now: Timestamp,
}

/// What was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// How many calls; zero when the window is used up or the provider asked everyone to wait.
    pub granted: i64,
    /// When the window starts anew, or the wait is over.
    pub resets_at: Timestamp,
}

/// What a provider said about one of its windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// As in [`Reservation::budget`].
    pub budget: String,
    /// As in [`Reservation::window`].
    pub window: String,
    /// Calls the window has, if said.
    pub limit: Option<i64>,
    /// Calls left, if said.
    pub remaining: Option<i64>,
    /// When it starts anew, if said.
    pub resets_at: Option<Timestamp>,
    /// Nobody may call before this instant, if the provider asked to wait.
    pub blocked_until: Option<Timestamp>,
    /// The present instant.
    pub now: Timestamp,
}

/// The memory could not be reached. The run fails as `internal`; nothing is lost.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct MemoryError(pub String);

/// Remembers nothing and grants everything. For a `test_connection` before anything is saved, and for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forgetful;

#[async_trait]
impl Memory for Forgetful {
    async fn reserve(&self, reservation: &Reservation) -> Result<Grant, MemoryError> {
        Ok(Grant { granted: reservation.wanted, resets_at: reservation.now })
    }

    async fn learn(&self, _learned: &Learned) -> Result<(), MemoryError> {
        Ok(())
    }

    async fn recall(&self, _connection_id: &str, _request_key: &str) -> Result<Option<Kept>, MemoryError> {
        Ok(None)
    }
}
