//! The client of the process and the handle of one run.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use reqwest::Method;
use tokio_util::task::TaskTracker;

use super::{
    AddressRules, Credentials, Error, Grant, Kept, Memory, Reset, Service,
    address::Resolver,
    budget::{Budget, Budgets, Claim, claims},
    grant::{Keeper, Keepers},
    pulse::Pulse,
    redact::Redactor,
    request::Request,
    target::Target,
};
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
    inner: Arc<Inner>,
}

struct Inner {
    config: ClientConfig,
    /// Judges the addresses that names lead to. For URLs that users gave.
    judging: OnceLock<reqwest::Client>,
    /// For the fixed URLs of descriptors.
    plain: OnceLock<reqwest::Client>,
    memory: Arc<dyn Memory>,
    budgets: Budgets,
    keepers: Keepers,
    /// Renewals under way.
    renewals: TaskTracker,
    clock: Clock,
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
    /// Makes the client. Fails on a certificate authority that cannot be read.
    pub fn new(config: ClientConfig, memory: Arc<dyn Memory>, clock: Clock) -> Result<Self, Error> {
        // Fails when it was done before, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        // Waits are real also where runs see a frozen instant: here it moves on, or no wait would ever be over.
        let clock = match clock {
            Clock::Frozen(at) => Clock::ticking_from(at),
            moving => moving,
        };
        let budgets = Budgets::new(memory.clone(), clock);
        let (judging, plain) = (OnceLock::new(), OnceLock::new());
        let (keepers, renewals) = (Keepers::default(), TaskTracker::new());
        let client =
            Self { inner: Arc::new(Inner { config, judging, plain, memory, budgets, keepers, renewals, clock }) };
        if !client.config().extra_ca.is_empty() {
            // Whoever gave an authority is to hear at once what is wrong with it.
            client.connections(false)?;
        }
        Ok(client)
    }

    /// The handle of one run.
    pub fn session(&self, session: Session) -> Http {
        let rules = AddressRules { allow_private: self.inner.config.allow_private_hosts };
        let inner = HttpInner {
            client: self.clone(),
            target: Target::new(&session.service, rules),
            budget: self.inner.budgets.of(&session.service, &session.credentials),
            redactor: RwLock::new(Arc::new(Redactor::new(&session.credentials, &session.service.auth))),
            keeper: self.inner.keepers.of(self, &session.service, &session.credentials),
            renewed: AtomicBool::new(false),
            session,
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            waited_ms: AtomicU64::new(0),
            pulse: Pulse::default(),
            kept: Mutex::default(),
        };
        Http { inner: Arc::new(inner) }
    }

    /// Reads the certificates that calls need, which the first call would do otherwise.
    pub fn prepare(&self) -> Result<(), Error> {
        self.connections(false).map(drop)
    }

    /// Waits until what providers were asked to renew is kept. For the end of a program.
    pub async fn settle(&self) {
        self.inner.renewals.close();
        self.inner.renewals.wait().await;
    }

    pub(super) fn renewals(&self) -> &TaskTracker {
        &self.inner.renewals
    }

    pub(super) fn config(&self) -> &ClientConfig {
        &self.inner.config
    }

    pub(super) fn memory(&self) -> &dyn Memory {
        &*self.inner.memory
    }

    pub(super) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The connections to use, by whether addresses are judged. Made for the first call: to read the system's
    /// certificates takes longer than all else at a start, and most commands call nobody.
    pub(super) fn connections(&self, is_judged: bool) -> Result<&reqwest::Client, Error> {
        let Inner { config, judging, plain, .. } = &*self.inner;
        let slot = if is_judged { judging } else { plain };
        if let Some(made) = slot.get() {
            return Ok(made);
        }
        let rules = is_judged.then_some(AddressRules { allow_private: config.allow_private_hosts });
        let made = build(config, Resolver { rules, fixed: Arc::new(config.resolve.clone()) })?;
        // Of two calls that make it at once, one is as good as the other.
        Ok(slot.get_or_init(|| made))
    }
}

fn build(config: &ClientConfig, resolver: Resolver) -> Result<reqwest::Client, Error> {
    let refused = |_| Error::invalid_settings("a certificate authority cannot be read; it must be a PEM file");
    let mut authorities = Vec::new();
    for pem in &config.extra_ca {
        let found = reqwest::Certificate::from_pem_bundle(pem).map_err(refused)?;
        if found.is_empty() {
            return Err(Error::invalid_settings("a certificate authority file holds no certificate"));
        }
        authorities.extend(found);
    }
    let builder = reqwest::Client::builder()
        .user_agent(concat!("dashtray/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        // A proxy would connect to what nobody judged.
        .no_proxy()
        .connect_timeout(config.connect_timeout)
        .read_timeout(config.read_timeout)
        .dns_resolver(Arc::new(resolver));
    let builder = match (config.only_extra_ca, authorities.is_empty()) {
        (true, _) => builder.tls_certs_only(authorities),
        (false, true) => builder,
        (false, false) => builder.tls_certs_merge(authorities),
    };
    builder.build().map_err(|_| Error::internal("the HTTP client could not be set up; are there system certificates?"))
}

/// How an integration talks to its provider during one run. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    pub(super) inner: Arc<HttpInner>,
}

pub(super) struct HttpInner {
    pub(super) client: Client,
    pub(super) session: Session,
    pub(super) target: Result<Target, Error>,
    pub(super) budget: Arc<Budget>,
    pub(super) redactor: RwLock<Arc<Redactor>>,
    /// Where the credentials renew themselves.
    pub(super) keeper: Option<Arc<Keeper>>,
    /// Whether access was renewed for this session.
    pub(super) renewed: AtomicBool,
    pub(super) requests: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) waited_ms: AtomicU64,
    pub(super) pulse: Pulse,
    pub(super) kept: Mutex<Vec<Kept>>,
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
        Request::new(self.clone(), Method::GET, template, None)
    }

    /// A POST request that changes nothing at the provider (a query), so that it may be repeated like a GET.
    pub fn query(&self, template: &'static str, body: &impl serde::Serialize) -> Request {
        Request::new(self.clone(), Method::POST, template, Some(serde_json::to_vec(body)))
    }

    /// The address of the service account that signs requests, where one does: what the user adds at the provider to let
    /// it read. It is no secret.
    pub fn service_account(&self) -> Option<String> {
        let Session { service, credentials, .. } = &self.inner.session;
        service.auth.address(credentials)
    }

    /// Nobody calls a resource with these credentials before its limit starts anew, in this process or another. For
    /// providers that tell in the body of an answer how much is left. A call that would come too soon is `rate_limited`.
    pub async fn used_up(&self, resource: &str, reset: Reset) -> Result<(), Error> {
        let Session { service, quota_share_permille, .. } = &self.inner.session;
        let mut claims = claims(&service.limits, "", Some(resource), *quota_share_permille);
        claims.retain(Claim::is_of_resource);
        self.inner.budget.block(&claims, reset.after(self.inner.client.now())).await
    }

    /// What was done so far.
    pub fn counters(&self) -> Counters {
        Counters {
            requests: self.inner.requests.load(Ordering::Relaxed),
            bytes: self.inner.bytes.load(Ordering::Relaxed),
            waited_ms: self.inner.waited_ms.load(Ordering::Relaxed),
        }
    }

    /// Whether a user's sign-in had to be renewed on the way.
    pub fn was_renewed(&self) -> bool {
        self.inner.renewed.load(Ordering::Relaxed)
    }

    /// The grant as it stands now, for whoever saves credentials that were tried.
    pub(crate) fn grant(&self) -> Option<Grant> {
        self.inner.keeper.as_ref()?.held().map(|grant| (*grant).clone())
    }

    /// Whether requests are made, waits between them included.
    pub fn pulse(&self) -> &Pulse {
        &self.inner.pulse
    }

    /// The answers to keep that have come since the last call. They are committed with the data made of them.
    pub fn take_kept(&self) -> Vec<Kept> {
        std::mem::take(&mut *self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
