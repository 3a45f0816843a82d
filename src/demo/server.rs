//! The emulators as servers on the loopback address, and what they remember of their callers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use axum::{
    Router,
    body::Body,
    extract::{Query, Request as HttpRequest, State},
    http::{HeaderMap, Response, Uri},
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    task::AbortHandle,
    time::{Duration, Instant},
};

use super::{
    Company,
    authorization::AuthorizationServer,
    github::{self, GithubToken},
    google::{self, GoogleAccount, GoogleProperty},
    plausible::{self, PlausibleKey, PlausibleServer},
    stripe::{self, StripeKey},
    vercel::{self, VercelToken},
};

/// How many of the newest requests are kept.
const LOG: usize = 50_000;
/// The longest body of a request that is read, in bytes.
const LONGEST_BODY: usize = 1 << 20;

/// How the emulators behave.
#[derive(Debug, Clone)]
pub struct Options {
    /// Keys that Stripe knows.
    pub stripe_keys: Vec<StripeKey>,
    /// The version of Stripe's API that the account is at: what a request gets that names none, and what all its events
    /// are in, whatever a request names. That of an older account, unless a test sets a newer one.
    pub stripe_version: &'static str,
    /// Tokens that GitHub knows.
    pub github_tokens: Vec<GithubToken>,
    /// Tokens that Vercel knows.
    pub vercel_tokens: Vec<VercelToken>,
    /// What the team's plan at Vercel does not include: `web_analytics`, `observability`.
    pub vercel_lacks: Vec<&'static str>,
    /// Keys that Plausible knows.
    pub plausible_keys: Vec<PlausibleKey>,
    /// How Plausible is set up.
    pub plausible: PlausibleServer,
    /// Users and service accounts that Google knows.
    pub google_accounts: Vec<GoogleAccount>,
    /// Properties of Google Analytics.
    pub google_properties: Vec<GoogleProperty>,
    /// Refuses what GitHub and Plausible's old API would ignore: unknown query parameters get 400. Stripe is always strict.
    pub strict: bool,
    /// Whether limits are enforced. They are counted and told either way.
    pub rate_limits: bool,
    /// How long each answer takes.
    pub latency: Duration,
}

impl Default for Options {
    /// The credentials of [`super`], strict, with limits, without delay.
    fn default() -> Self {
        Self {
            stripe_keys: vec![
                StripeKey::full(super::STRIPE_KEY),
                StripeKey::without(super::STRIPE_KEY_WITHOUT_CHARGES, &["rak_charge_read"]),
            ],
            stripe_version: stripe::OLD,
            github_tokens: vec![
                GithubToken::full(super::GITHUB_TOKEN),
                GithubToken::read_only(super::GITHUB_TOKEN_READ_ONLY),
                GithubToken::installation(super::GITHUB_APP_TOKEN),
            ],
            vercel_tokens: vec![
                VercelToken::full(super::VERCEL_TOKEN),
                VercelToken::full(super::VERCEL_TEAM_TOKEN).limited_to_team(),
            ],
            vercel_lacks: Vec::new(),
            plausible_keys: vec![
                PlausibleKey::full(super::PLAUSIBLE_KEY),
                PlausibleKey::full(super::PLAUSIBLE_KEY_WITHOUT_PLAN).without_plan(),
            ],
            plausible: PlausibleServer::default(),
            google_accounts: [super::GOOGLE_READER, super::GOOGLE_USER].map(GoogleAccount::full).to_vec(),
            google_properties: GoogleProperty::all(),
            strict: true,
            rate_limits: true,
            latency: Duration::ZERO,
        }
    }
}

/// A request that an emulator got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method, `GET`.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query as it was sent, without `?`.
    pub query: String,
    /// The status it was answered with.
    pub status: u16,
}

/// All emulators, running until this is dropped.
#[derive(Debug)]
pub struct Emulators {
    sites: Vec<Arc<Site>>,
    world: Arc<RwLock<World>>,
    tasks: Vec<AbortHandle>,
}

/// What all services are about: the company, and the time from which its clock went on.
#[derive(Debug)]
struct World {
    company: Arc<Company>,
    since: Instant,
    /// By how much the clock was moved on.
    waited: Duration,
}

impl Emulators {
    /// Binds a free port of 127.0.0.1 for each service and serves the company there.
    pub async fn start(company: Arc<Company>, options: Options) -> std::io::Result<Self> {
        let world = Arc::new(RwLock::new(World { company, since: Instant::now(), waited: Duration::ZERO }));
        let mut emulators = Self { sites: Vec::new(), world: world.clone(), tasks: Vec::new() };
        let services = [
            Service::Stripe(stripe::Emulator::default()),
            Service::Github(github::Emulator::default()),
            Service::Vercel(vercel::Emulator::default()),
            Service::Plausible(plausible::Emulator::default()),
            Service::Google(google::Emulator::new(&options)),
        ];
        for service in services {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let url = format!("http://{}", listener.local_addr()?);
            let log = Mutex::new(Log::default());
            let (world, options) = (world.clone(), options.clone());
            let site = Arc::new(Site { service, url, world, options, log });
            let router = Router::new().fallback(answer).with_state(site.clone());
            // The task ends when the handle is used or the process does; a listener that fails leaves refused connections.
            let task = tokio::spawn(async move { axum::serve(listener, router).await });
            emulators.tasks.push(task.abort_handle());
            emulators.sites.push(site);
        }
        Ok(emulators)
    }

    /// The address of a service by its integration's id, such as `http://127.0.0.1:40123`; empty for any other name.
    pub fn url(&self, service: &str) -> String {
        self.site(service).map(|site| site.url.clone()).unwrap_or_default()
    }

    /// The requests that a service got, oldest first; the newest 50,000 are kept.
    pub fn requests(&self, service: &str) -> Vec<Request> {
        self.site(service).map(|site| site.log().kept.iter().cloned().collect()).unwrap_or_default()
    }

    /// How many requests a service got in all.
    pub fn count(&self, service: &str) -> u64 {
        self.site(service).map_or(0, |site| site.log().total)
    }

    /// Changes the company under the running emulators; the next request sees it.
    pub fn company_mut(&self, change: impl FnOnce(&mut Company)) {
        let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut world.company));
    }

    /// Lets time pass until `now`, for all services: the next request sees the company as [`Company::at`] continues it,
    /// and a clock that goes on from there.
    pub fn advance(&self, now: Timestamp) {
        let later = Arc::new(self.company().at(now));
        let mut world = self.world.write().unwrap_or_else(PoisonError::into_inner);
        *world = World { company: later, since: Instant::now(), waited: Duration::ZERO };
    }

    /// Moves the clock of all services on and leaves the company as it is.
    pub fn wait(&self, by: Duration) {
        self.world.write().unwrap_or_else(PoisonError::into_inner).waited += by;
    }

    /// Where the tokens for Google come from.
    pub fn google_authorization(&self) -> Option<Arc<AuthorizationServer>> {
        self.sites.iter().find_map(|site| match &site.service {
            Service::Google(emulator) => Some(emulator.authorization()),
            _ => None,
        })
    }

    /// Uses up tokens of each property of Google Analytics, as a colleague's reports do.
    pub fn use_up_google_tokens(&self, tokens: i64) {
        for site in &self.sites {
            if let Service::Google(emulator) = &site.service {
                emulator.use_up(site, tokens);
            }
        }
    }

    /// The instant that all services live in.
    pub fn now(&self) -> Timestamp {
        now(&self.world)
    }

    /// The company as it is now.
    pub fn company(&self) -> Arc<Company> {
        company(&self.world)
    }

    fn site(&self, service: &str) -> Option<&Arc<Site>> {
        self.sites.iter().find(|site| site.service.name() == service)
    }
}

impl Drop for Emulators {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[derive(Debug)]
enum Service {
    Stripe(stripe::Emulator),
    Github(github::Emulator),
    Vercel(vercel::Emulator),
    Plausible(plausible::Emulator),
    Google(google::Emulator),
}

impl Service {
    fn name(&self) -> &'static str {
        match self {
            Self::Stripe(_) => "stripe",
            Self::Github(_) => "github",
            Self::Vercel(_) => "vercel",
            Self::Plausible(_) => "plausible",
            Self::Google(_) => "google-analytics",
        }
    }
}

/// What an emulator works with.
#[derive(Debug)]
pub(super) struct Site {
    service: Service,
    /// Its own address, for links.
    pub(super) url: String,
    world: Arc<RwLock<World>>,
    pub(super) options: Options,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    kept: VecDeque<Request>,
    total: u64,
}

impl Site {
    /// The company's clock: its own now, and on from there by the clock of tokio, which a test may pause.
    pub(super) fn now(&self) -> Timestamp {
        now(&self.world)
    }

    /// The company as this request sees it.
    pub(super) fn company(&self) -> Arc<Company> {
        company(&self.world)
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }
}

fn now(world: &RwLock<World>) -> Timestamp {
    let world = world.read().unwrap_or_else(PoisonError::into_inner);
    let (now, passed) = (world.company.now, world.since.elapsed() + world.waited);
    now.saturating_add(jiff::SignedDuration::try_from(passed).unwrap_or_default()).unwrap_or(now)
}

fn company(world: &RwLock<World>) -> Arc<Company> {
    world.read().unwrap_or_else(PoisonError::into_inner).company.clone()
}

/// A lock whose holder panicked still guards plain data.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request, read.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// The query's pairs, decoded, in their order.
    pub(super) pairs: Vec<(String, String)>,
    headers: HeaderMap,
    /// What was sent with it.
    pub(super) body: Vec<u8>,
}

impl Incoming {
    fn new(method: &str, uri: &Uri, headers: HeaderMap, body: Vec<u8>) -> Self {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default();
        let query = uri.query().unwrap_or_default().to_owned();
        Self { method: method.to_owned(), path: uri.path().to_owned(), query, pairs, headers, body }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|segment| !segment.is_empty()).collect()
    }
}

/// An answer before it is sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// JSON with two blanks a level, as Stripe sends it.
    pub(super) fn pretty(status: u16, value: &Value) -> Self {
        Self { status, headers: Vec::new(), body: serde_json::to_vec_pretty(value).unwrap_or_default() }
    }

    /// JSON without blanks, as GitHub sends it.
    pub(super) fn compact(status: u16, value: &Value) -> Self {
        Self { status, headers: Vec::new(), body: serde_json::to_vec(value).unwrap_or_default() }
    }

    pub(super) fn header(&mut self, name: &'static str, value: impl Into<String>) {
        self.headers.push((name, value.into()));
    }
}

async fn answer(State(site): State<Arc<Site>>, request: HttpRequest) -> Response<Body> {
    let (head, body) = request.into_parts();
    // What is longer, or breaks off, was not sent by anybody who is served here.
    let body = axum::body::to_bytes(body, LONGEST_BODY).await.unwrap_or_default();
    let incoming = Incoming::new(head.method.as_str(), &head.uri, head.headers, body.to_vec());
    let _under_way = match &site.service {
        Service::Google(emulator) => emulator.enter(&incoming),
        _ => None,
    };
    if !site.options.latency.is_zero() {
        tokio::time::sleep(site.options.latency).await;
    }
    let reply = match &site.service {
        Service::Stripe(emulator) => emulator.answer(&site, &incoming),
        Service::Github(emulator) => emulator.answer(&site, &incoming),
        Service::Vercel(emulator) => emulator.answer(&site, &incoming),
        Service::Plausible(emulator) => emulator.answer(&site, &incoming),
        Service::Google(emulator) => emulator.answer(&site, &incoming),
    };
    {
        let mut log = site.log();
        if log.kept.len() >= LOG {
            log.kept.pop_front();
        }
        let Incoming { method, path, query, .. } = incoming;
        log.kept.push_back(Request { method, path, query, status: reply.status });
        log.total += 1;
    }
    respond(reply, site.now())
}

fn respond(reply: Reply, now: Timestamp) -> Response<Body> {
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut builder = Response::builder().status(reply.status).header("date", date);
    for (name, value) in reply.headers {
        builder = builder.header(name, value);
    }
    // Only a header with a control character can fail, and none is made of what a caller sends.
    builder.body(Body::from(reply.body)).unwrap_or_default()
}
