//! The client of the process and the handle of one run.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Credentials, Error, Kept, Memory, Service, request::Request};
use crate::clock::Clock;

/// What the operator decides about outbound calls.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Lifts the refusal of private, link-local and loopback addresses for user-given URLs.
    pub allow_private_hosts: bool,
    /// Further certificate authorities (PEM).
    pub extra_ca: Vec<Vec<u8>>,
    /// Trust `extra_ca` alone and not the system's authorities. For tests.
    pub only_extra_ca: bool,
    /// Host names that are answered from here and not by DNS. For tests.
    pub resolve: Vec<(String, SocketAddr)>,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub read_timeout: Duration,
    /// For one whole answer.
    pub total_timeout: Duration,
    /// Largest answer in bytes as it comes over the wire.
    pub max_answer_bytes: u64,
    /// Largest answer in bytes once decompressed.
    pub max_decoded_bytes: u64,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            allow_private_hosts: false,
            extra_ca: Vec::new(),
            only_extra_ca: false,
            resolve: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            total_timeout: Duration::from_secs(120),
            max_answer_bytes: 32 << 20,
            max_decoded_bytes: 64 << 20,
        }
    }
}

/// The process's outbound client: connections, address rules, budgets. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    #[expect(dead_code, reason = "skeleton")]
    inner: Arc<()>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// What one run brings with it.
#[derive(Debug, Clone)]
pub struct Session {
    /// The provider, for this connection.
    pub service: Arc<Service>,
    /// Opened secrets.
    pub credentials: Credentials,
    /// Which connection: the key of kept answers. Empty before it is saved: nothing is recalled then.
    pub connection_id: String,
    /// Share of every window that this connection may use, in thousandths (1000: all of it).
    pub quota_share_permille: u32,
    /// No wait and no retry goes past this instant.
    pub deadline: Option<Timestamp>,
}

impl Client {
    /// Builds the client. Fails on a certificate authority that cannot be read.
    pub fn new(config: ClientConfig, memory: Arc<dyn Memory>, clock: Clock) -> Result<Self, Error> {
        let _ = (config, memory, clock);
        todo!("skeleton")
    }

    /// The handle of one run.
    pub fn session(&self, session: Session) -> Http {
        let _ = session;
        todo!("skeleton")
    }
}

/// How an integration talks to its provider during one run. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    #[expect(dead_code, reason = "skeleton")]
    inner: Arc<()>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").finish_non_exhaustive()
    }
}

/// What a run has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests sent, retries and redirects included.
    pub requests: u64,
    /// Bytes of answers as they came over the wire.
    pub bytes: u64,
    /// Milliseconds spent waiting for budgets and between tries.
    pub waited_ms: u64,
}

impl Http {
    /// A GET request. `template` is a path under the base URL with `{name}` for what [`Request::path`] fills in, so
    /// that it is also the endpoint's name in logs and budgets.
    pub fn get(&self, template: &'static str) -> Request {
        let _ = template;
        todo!("skeleton")
    }

    /// A POST request that changes nothing at the provider (a query), so that it may be repeated like a GET.
    pub fn query(&self, template: &'static str, body: &impl serde::Serialize) -> Request {
        let _ = (template, body);
        todo!("skeleton")
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        todo!("skeleton")
    }

    /// The answers to keep that have come since the last call. They are committed with the data made of them.
    pub fn take_kept(&self) -> Vec<Kept> {
        todo!("skeleton")
    }
}
