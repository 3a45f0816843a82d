//! The two services that count visits: what a sync costs while nobody comes, and who waits how long for access.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use dashtray::{
    app::App,
    config::{Config, Flags},
    connections::{Callback, ConnectRequest, SignInFor, SignInRequest},
    demo::{
        Company, Emulators, GOOGLE_PROPERTY, GOOGLE_READER, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, Options,
        PLAUSIBLE_KEY, PLAUSIBLE_SITE,
        authorization::{Asked, AuthorizationServer, service_account_key},
        browser,
    },
    http::{self, Kept, OAuthClient},
    integrations::{Batch, Host, Order, Position, Record, Registry, catalogue::COMMAND_LINE_REDIRECT},
    metric::Interval,
    secret::Secret,
    sync::{Range, RunStatus},
};
use jiff::SignedDuration;
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::process::Figures;

const PROJECT: &str = "default";
const ANALYTICS: &str = "google-analytics";
const PLAUSIBLE: &str = "plausible";
/// How long the token endpoint takes.
const RENEWAL: Duration = Duration::from_secs(1);

async fn company() -> Emulators {
    let company = Company::generate(7, jiff::Timestamp::now());
    Emulators::start(Arc::new(company), Options::default()).await.unwrap()
}

async fn open(directory: &Path, urls: &[(&str, String)]) -> App {
    let flags = Flags { data_dir: Some(directory.to_owned()), ..Flags::default() };
    let mut config = Config::load(&flags).unwrap().config;
    for (id, url) in urls {
        config.provider_urls.insert((*id).to_owned(), url.parse().unwrap());
    }
    let client = OAuthClient { id: OAUTH_CLIENT_ID.to_owned(), secret: Some(Secret::new(OAUTH_CLIENT_SECRET)) };
    config.oauth_clients.insert(ANALYTICS.to_owned(), client);
    App::open(config, Registry::builtin()).await.unwrap()
}

/// Requests of a sync of both after which nothing happened, and after which nothing happened again.
pub(crate) async fn quiet() -> Figures {
    let (directory, emulators) = (tempfile::tempdir().unwrap(), company().await);
    let app = open(directory.path(), &[ANALYTICS, PLAUSIBLE].map(|id| (id, emulators.url(id)))).await;
    let key = service_account_key(GOOGLE_READER);
    for (id, field, secret, settings) in [
        (ANALYTICS, "service_account", key.as_str(), json!({ "property": GOOGLE_PROPERTY })),
        (PLAUSIBLE, "api_key", PLAUSIBLE_KEY, json!({ "site_id": PLAUSIBLE_SITE })),
    ] {
        let request = ConnectRequest {
            project: PROJECT.to_owned(),
            integration_id: id.to_owned(),
            name: None,
            credentials: BTreeMap::from([(field.to_owned(), Secret::new(secret))]),
            settings: settings.as_object().cloned().unwrap(),
        };
        app.connections.connect(request).await.unwrap();
    }
    let asked = || emulators.count(ANALYTICS) + emulators.count(PLAUSIBLE);
    let mut figures = Figures::new();
    for name in ["first_requests", "requests"] {
        let before = asked();
        let stop = CancellationToken::new();
        let runs = app.sync.sync_now(PROJECT, &[], Range::default(), &stop, Arc::new(|_| {})).await.unwrap();
        assert!(runs.iter().all(|run| run.status == RunStatus::Ok), "{runs:?}");
        figures.insert(name.to_owned(), (asked() - before) as f64);
        figures.insert("samples".to_owned(), runs.iter().map(|run| run.samples_written).sum::<u64>() as f64);
    }
    figures
}

/// One caller of a grant whose access is over, and then so many: how long the slowest waits.
pub(crate) async fn renew(callers: usize) -> Figures {
    let (directory, emulators) = (tempfile::tempdir().unwrap(), company().await);
    let authorization = emulators.google_authorization().unwrap();
    let app = open(directory.path(), &[(ANALYTICS, emulators.url(ANALYTICS))]).await;
    sign_in(&app).await;
    app.store.close().await;
    let slow = Slow { authorization: authorization.clone(), renewals: AtomicU64::new(0) };
    let (url, slow) = slow.start().await;
    let app = open(directory.path(), &[(ANALYTICS, url)]).await;
    let alone = slowest(&app, &slow, 1).await;
    let (asked, before) = (slow.renewals.load(Ordering::Relaxed), authorization.counts().refreshes);
    let together = slowest(&app, &slow, callers).await;
    Figures::from([
        ("alone_ms".to_owned(), alone),
        ("slowest_ms".to_owned(), together),
        ("asked".to_owned(), (slow.renewals.load(Ordering::Relaxed) - asked) as f64),
        ("refreshes".to_owned(), (authorization.counts().refreshes - before) as f64),
    ])
}

async fn sign_in(app: &App) {
    let settings = json!({ "property": GOOGLE_PROPERTY }).as_object().cloned().unwrap();
    let purpose = SignInFor::Connect { integration_id: ANALYTICS.to_owned(), name: None, settings };
    let redirect_uri = COMMAND_LINE_REDIRECT.to_owned();
    let request = SignInRequest { project: PROJECT.to_owned(), redirect_uri, purpose };
    let begun = app.connections.begin_sign_in(request).await.unwrap();
    let back = browser::open(&begun.url).await.unwrap().location.unwrap();
    let get =
        |key: &str| back.query_pairs().find(|(name, _)| name == key).map(|(_, value)| Secret::new(value.as_ref()));
    let callback = Callback { state: get("state"), code: get("code"), error: None };
    app.connections.finish_sign_in(callback).await.unwrap();
}

/// Ends the access and lets so many ask for something at once. Milliseconds of the slowest.
async fn slowest(app: &App, slow: &Slow, callers: usize) -> f64 {
    slow.authorization.end_access();
    let project = app.store.project(PROJECT).await.unwrap().unwrap();
    let connection = app.store.connections(project.id).await.unwrap().remove(0);
    let integration = app.registry.get(ANALYTICS).unwrap();
    let mut asking = Vec::new();
    for _ in 0..callers {
        let budget = SignedDuration::from_secs(60);
        let context = app.connections.context(&connection, integration.as_ref(), budget, Arc::new(Nowhere)).await;
        asking.push(context.unwrap());
    }
    let begun = Instant::now();
    let tasks: Vec<_> = asking
        .into_iter()
        .map(|context| {
            tokio::spawn(async move {
                let answer = context.http.get("/v1beta/anything").json::<Json>().await;
                answer.unwrap();
                begun.elapsed()
            })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for task in tasks {
        slowest = slowest.max(task.await.unwrap());
    }
    slowest.as_secs_f64() * 1000.0
}

/// A service that answers at once, and takes its time to renew access.
struct Slow {
    authorization: Arc<AuthorizationServer>,
    renewals: AtomicU64,
}

impl Slow {
    async fn start(self) -> (String, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Arc::new(self);
        let router = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, site)
    }
}

async fn answer(State(slow): State<Arc<Slow>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let (path, now) = (head.uri.path(), jiff::Timestamp::now());
    let asked =
        Asked { method: head.method.as_str(), path, query: "", content_type: header("content-type"), body: &body, now };
    let (status, body) = match slow.authorization.answer(&asked) {
        Some(answered) => {
            slow.renewals.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(RENEWAL).await;
            (answered.status, answered.body)
        }
        None if slow.authorization.bearer(header("authorization"), now).is_ok() => (200, b"{}".to_vec()),
        None => (401, b"{}".to_vec()),
    };
    Response::builder().status(status).header("content-type", "application/json").body(Body::from(body)).unwrap()
}

/// There is nothing to read and nothing to commit.
struct Nowhere;

#[async_trait]
impl Host for Nowhere {
    async fn checkpoint(&self, _: &str) -> Result<Option<Vec<u8>>, http::Error> {
        Ok(None)
    }

    async fn records(&self, _: &str, _: &[String]) -> Result<Vec<Record>, http::Error> {
        Ok(Vec::new())
    }

    async fn groups(&self, _: &str, _: &[String]) -> Result<Vec<Record>, http::Error> {
        Ok(Vec::new())
    }

    async fn scan(&self, _: &str, _: Order, _: Option<Position>, _: u32) -> Result<Vec<Record>, http::Error> {
        Ok(Vec::new())
    }

    async fn commit(&self, _: Interval, _: Batch, _: Vec<Kept>) -> Result<(), http::Error> {
        Ok(())
    }
}
