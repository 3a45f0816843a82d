//! A service with a sign-in: an account and visits behind an authorisation server, and the integration that reads them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::Response,
};
use dashtray::{
    clock::Clock,
    demo::authorization::{Asked, AuthorizationServer, Rules},
    http::{Auth, Expiry, Limits, OAuth, ServiceAccount, ShortLived, When},
    integrations::{
        AccountInfo, BaseUrl, Batch, Context, CredentialField, Descriptor, Error, FetchReport, Integration, Outcome,
        Shape, Stream,
    },
    metric::{Answer, Kind, Period, Sample, Value},
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::task::AbortOnDropHandle;

use super::Site;
use crate::support::frame;

pub(crate) const SCOPE: &str = "https://acme.example/auth/visits.readonly";
pub(crate) const READER: &str = "reader@acme-demo.iam.example";
pub(crate) const TOKEN_URL: &str = "https://oauth2.acme.example/token";
/// What is said of grants of a week's age.
pub(crate) const WEEK: &str = "Acme ends the access of applications in testing after seven days: publish it.";

/// How the service says that an access token is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Unauthorized,
    In200,
    In400,
    In403,
}

/// The service, running until it is dropped.
pub(crate) struct Acme {
    site: Site,
    shared: Arc<Shared>,
}

impl std::ops::Deref for Acme {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

struct Shared {
    auth: Arc<AuthorizationServer>,
    clock: Clock,
    says: Mutex<Says>,
    /// Requests by path.
    asked: Mutex<BTreeMap<String, u64>>,
    /// Set where the next answer of the token endpoint is held back until it is notified.
    held: Mutex<Option<Arc<Notify>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Acme {
    pub(crate) async fn start() -> Self {
        let now: Timestamp = "2026-03-31T12:00:00Z".parse().unwrap();
        let rules = Rules {
            scopes: [SCOPE.to_owned(), "email".to_owned()].into(),
            service_accounts: [READER.to_owned()].into(),
            audience: TOKEN_URL.to_owned(),
            ..Rules::default()
        };
        let auth = Arc::new(AuthorizationServer::new(rules));
        let shared = Arc::new(Shared {
            auth: auth.clone(),
            clock: Clock::ticking_from(now),
            says: Mutex::new(Says::Unauthorized),
            asked: Mutex::default(),
            held: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let running = AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, router).await }));
        let (integration, settings) = (Arc::new(AcmeVisits), serde_json::Map::new());
        Self { site: Site { integration, settings, url, auth, now, _running: Box::new(running) }, shared }
    }

    pub(crate) fn says(&self, says: Says) {
        *lock(&self.shared.says) = says;
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> u64 {
        lock(&self.shared.asked).get(path).copied().unwrap_or(0)
    }

    /// Holds the next answer of the token endpoint back. It is made already.
    pub(crate) fn hold(&self) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        *lock(&self.shared.held) = Some(notify.clone());
        notify
    }
}

async fn answer(State(site): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    *lock(&site.asked).entry(head.uri.path().to_owned()).or_default() += 1;
    let content_type = header("content-type");
    let asked = Asked {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        content_type: content_type.as_deref(),
        body: &body,
        now: site.clock.now(),
    };
    let date = site.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    if let Some(answered) = site.auth.answer(&asked) {
        let held = lock(&site.held).take();
        if let Some(held) = held {
            held.notified().await;
        }
        let response = Response::builder().status(answered.status).header("date", date);
        let response =
            answered.headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
        return response.body(Body::from(answered.body)).unwrap();
    }
    let (status, body) = match site.auth.bearer(header("authorization").as_deref(), site.clock.now()) {
        Ok(bearer) => (200, json!({ "account": bearer.subject, "visits": 7 })),
        Err(_) => match *lock(&site.says) {
            Says::Unauthorized => (401, json!({ "error": { "message": "Invalid credentials" } })),
            Says::In200 => (200, json!({ "ok": false, "reason": "token_expired" })),
            Says::In400 => (400, json!({ "error": { "message": "SESSION_EXPIRED" } })),
            Says::In403 => (403, json!({ "error": { "message": "ACCESS_TOKEN_EXPIRED" } })),
        },
    };
    let response = Response::builder().status(status).header("content-type", "application/json").header("date", date);
    response.body(Body::from(serde_json::to_vec(&body).unwrap())).unwrap()
}

/// The integration. Its account is who signed in.
#[derive(Debug)]
pub(crate) struct AcmeVisits;

#[async_trait]
impl Integration for AcmeVisits {
    fn descriptor(&self) -> Arc<Descriptor> {
        let sign = |status: u16, text: &str| Expiry { status, when: When::BodyContains(text.to_owned()) };
        let expiry = vec![sign(200, "token_expired"), sign(400, "SESSION_EXPIRED"), sign(403, "ACCESS_TOKEN_EXPIRED")];
        let token_url = TOKEN_URL.to_owned();
        let oauth = OAuth {
            authorise_url: "https://accounts.acme.example/o/oauth2/v2/auth".to_owned(),
            token_url: token_url.clone(),
            revoke_url: Some("https://oauth2.acme.example/revoke".to_owned()),
            scopes: vec![SCOPE.to_owned()],
            optional_scopes: vec!["email".to_owned()],
            parameters: vec![
                ("access_type".to_owned(), "offline".to_owned()),
                ("prompt".to_owned(), "consent".to_owned()),
            ],
            pkce: true,
            expiry: expiry.clone(),
            short_lived: Some(ShortLived { days: 7, hint: WEEK.to_owned() }),
        };
        let service_account = ServiceAccount {
            field: "service_account".to_owned(),
            token_url,
            former_hosts: vec!["accounts.acme.example".to_owned()],
            scopes: vec![SCOPE.to_owned()],
            expiry,
        };
        let streams = vec![Stream {
            id: "visits".to_owned(),
            shape: Shape::ByDay { window_days: 10 },
            version: 1,
            cost: "one call".to_owned(),
            periods: false,
        }];
        let frame = frame::descriptor(
            "acme-visits",
            streams,
            vec![frame::definition("acme_visits_visits", Kind::Flow, "visits")],
        );
        let key = frame.credentials[0].clone();
        Arc::new(Descriptor {
            name: "Acme".to_owned(),
            auth: Auth::AnyOf(vec![Auth::ServiceAccount(service_account), Auth::OAuth(oauth)]),
            credentials: vec![CredentialField { key: "service_account".to_owned(), required: false, ..key }],
            base_url: BaseUrl::Fixed("https://api.acme.example".to_owned()),
            limits: Limits { concurrent: 4, ..frame.limits.clone() },
            ..frame
        })
    }

    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error> {
        let account = ask(ctx).await?;
        let subject = account["account"].as_str().unwrap_or_default().to_owned();
        Ok(AccountInfo { currency: None, ..frame::account(&subject, &subject) })
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        let mut report = FetchReport::new(&self.descriptor(), metrics);
        let visits = ask(ctx).await?["visits"].as_i64().unwrap_or_default();
        for id in metrics {
            let samples = period.days().map(|day| Sample::new(day, Value::Count(visits))).collect();
            ctx.commit(Batch::new().answer(Answer::total(id, period, samples))).await?;
            report.set(id, Outcome::Ok);
        }
        Ok(report)
    }
}

async fn ask(ctx: &Context) -> Result<Json, Error> {
    Ok(ctx.http.get("/v1/visits").json::<Json>().await?.body)
}
