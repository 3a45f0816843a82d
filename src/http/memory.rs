//! What `http` must remember between runs and between processes. `store` implements it, `app` wires it.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{conditional::Kept, grant::Grant};

/// A durable memory, shared by all processes that use one database.
#[async_trait]
pub trait Memory: Send + Sync + 'static {
    /// Takes up to `wanted` calls out of a window, atomically among all processes. A window that is over starts anew.
    async fn reserve(&self, reservation: &Reservation) -> Result<Allowance, MemoryError>;

    /// Whether other processes take calls out of it at the same time. Where they do not, each knows by itself when it made
    /// its calls, and need not ask for every one.
    fn is_shared(&self) -> bool {
        false
    }

    /// Notes what the provider said about a window, so that other runs and processes know it too.
    async fn learn(&self, learned: &Learned) -> Result<(), MemoryError>;

    /// The answer kept for a request of a connection.
    async fn recall(&self, connection_id: &str, request_key: &str) -> Result<Option<Kept>, MemoryError>;

    /// Takes the lease on a connection's grant and notes the intent to renew it, in one transaction, unless another
    /// holds the lease or the grant is not the one any more that the caller knows.
    ///
    /// A memory that keeps no grants need not do this or what follows.
    async fn begin_renewal(&self, _wish: &RenewalWish) -> Result<Renewal, MemoryError> {
        Err(MemoryError("no grant is kept here".to_owned()))
    }

    /// Keeps a renewed grant in place of the one of that version, and gives the lease back. The new version; `None`
    /// where another one was kept meanwhile.
    async fn keep_grant(
        &self,
        _connection_id: &str,
        _version: i64,
        _grant: &Grant,
    ) -> Result<Option<i64>, MemoryError> {
        Err(MemoryError("no grant is kept here".to_owned()))
    }

    /// Gives the lease back without a new grant. Where it is open whether the provider renewed it, since when.
    async fn end_renewal(
        &self,
        _connection_id: &str,
        _owner: &str,
        _open_since: Option<Timestamp>,
    ) -> Result<(), MemoryError> {
        Err(MemoryError("no grant is kept here".to_owned()))
    }

    /// The grant that is kept for a connection; `None` when the connection is gone.
    async fn grant(&self, _connection_id: &str) -> Result<Option<KeptGrant>, MemoryError> {
        Err(MemoryError("no grant is kept here".to_owned()))
    }
}

/// A wish to renew the grant of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalWish {
    /// Which connection.
    pub connection_id: String,
    /// The version of its credentials that the caller knows.
    pub version: i64,
    /// Who wants to.
    pub owner: String,
    /// The present instant.
    pub now: Timestamp,
    /// When the lease is over, should the caller not come back.
    pub until: Timestamp,
}

/// What becomes of the wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// The lease is the caller's and the intent is noted.
    Begun {
        /// When an earlier renewal began of which no answer was kept.
        interrupted_at: Option<Timestamp>,
    },
    /// Another one is at it.
    Busy,
    /// Another one has done it.
    Newer(KeptGrant),
}

/// A grant as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptGrant {
    /// Rises with everything that changes the connection's credentials.
    pub version: i64,
    /// The grant, if the credentials have one.
    pub grant: Option<Grant>,
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
    /// For so long each call counts, from when it was taken: in a window that the provider may count from any instant on,
    /// and that several processes share. They are made at once.
    pub slides_ms: Option<i64>,
    /// The present instant.
    pub now: Timestamp,
}

/// What was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
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
    async fn reserve(&self, reservation: &Reservation) -> Result<Allowance, MemoryError> {
        Ok(Allowance { granted: reservation.wanted, resets_at: reservation.now })
    }

    async fn learn(&self, _learned: &Learned) -> Result<(), MemoryError> {
        Ok(())
    }

    async fn recall(&self, _connection_id: &str, _request_key: &str) -> Result<Option<Kept>, MemoryError> {
        Ok(None)
    }
}
