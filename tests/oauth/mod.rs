//! Sign-ins and service accounts from end to end, over both databases: C30 to C36, and what users can do wrong.

mod acme;
pub(crate) mod checks;
mod flow;
mod kills;
mod renewal;
mod service_account;

use std::{any::Any, collections::BTreeMap, sync::Arc};

use dashtray::{
    clock::Clock,
    connections::{Callback, Connections, Error, Overrides, SignInFor, SignInRequest, SignedIn, TestView},
    demo::{
        OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET,
        authorization::{Asked, AuthorizationServer},
    },
    http::{ClientConfig, OAuthClient},
    integrations::Integration,
    secret::Secret,
    sync::Syncer,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json};
use url::Url;

use crate::support::{
    app::{MASTER_KEY, Outside, Process},
    database::Database,
    fake::{Fake, Script},
};

const REDIRECT: &str = "http://127.0.0.1:8573/oauth/callback";

/// A service that is running together with its authorisation server, at one address.
pub(crate) struct Site {
    pub(crate) integration: Arc<dyn Integration>,
    pub(crate) settings: Map<String, Json>,
    pub(crate) url: Url,
    pub(crate) auth: Arc<AuthorizationServer>,
    /// The instant that it lives in.
    pub(crate) now: Timestamp,
    pub(crate) _running: Box<dyn Any + Send + Sync>,
}

impl Site {
    fn id(&self) -> String {
        self.integration.descriptor().id.clone()
    }

    fn clock(&self) -> Clock {
        Clock::ticking_from(self.now)
    }

    /// A clock so many seconds ahead.
    fn later(&self, seconds: i64) -> Clock {
        Clock::ticking_from(self.now + SignedDuration::from_secs(seconds))
    }

    /// A browser that opens an address: where it is sent, or what it reads.
    fn browse(&self, url: &Url) -> Result<Url, String> {
        let asked = Asked {
            method: "GET",
            path: url.path(),
            query: url.query().unwrap_or_default(),
            content_type: None,
            body: &[],
            now: self.now,
        };
        let answered = self.auth.answer(&asked).ok_or("there is no such page")?;
        match answered.headers.iter().find(|(name, _)| *name == "location") {
            Some((_, address)) => Ok(address.parse().unwrap()),
            None => Err(String::from_utf8(answered.body).unwrap()),
        }
    }

    fn new_connection(&self, name: &str) -> SignInFor {
        let (name, settings) = (Some(name.to_owned()), self.settings.clone());
        SignInFor::Connect { integration_id: self.id(), name, settings }
    }
}

/// A process that goes to the service.
async fn process(db: &Database, site: &Site, clock: Clock) -> Process {
    let client = OAuthClient { id: OAUTH_CLIENT_ID.to_owned(), secret: Some(Secret::new(OAUTH_CLIENT_SECRET)) };
    process_with(db, site, clock, BTreeMap::from([(site.id(), client)])).await
}

async fn process_with(db: &Database, site: &Site, clock: Clock, clients: BTreeMap<String, OAuthClient>) -> Process {
    let integrations: Vec<Arc<dyn Integration>> = vec![site.integration.clone(), Arc::new(Fake(Script::new()))];
    let provider_urls = BTreeMap::from([(site.id(), site.url.clone())]);
    let outside = Outside { client: ClientConfig::default(), overrides: Overrides { provider_urls, now: None } };
    let process = Process::start_over(db, integrations, clock, MASTER_KEY, outside).await;
    let connections = process.connections.with_clients(clients);
    Process { sync: Syncer::new(connections.clone(), 4), connections, ..process }
}

async fn begin(connections: &Connections, purpose: SignInFor) -> Result<Url, Error> {
    let request = SignInRequest { project: "default".to_owned(), redirect_uri: REDIRECT.to_owned(), purpose };
    Ok(connections.begin_sign_in(request).await?.url)
}

/// What the provider sends back in an address.
fn callback(address: &Url) -> Callback {
    let get = |key: &str| address.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
    assert!(address.as_str().starts_with(REDIRECT));
    Callback { state: get("state").map(Secret::new), code: get("code").map(Secret::new), error: get("error") }
}

/// The whole way through a sign-in.
async fn sign_in(process: &Process, site: &Site, purpose: SignInFor) -> Result<SignedIn, Error> {
    let url = begin(&process.connections, purpose).await?;
    process.connections.finish_sign_in(callback(&site.browse(&url).unwrap())).await
}

/// A connection named `main` that was made by a sign-in.
async fn signed_in(db: &Database, site: &Site) -> Process {
    let process = process(db, site, site.clock()).await;
    sign_in(&process, site, site.new_connection("main")).await.unwrap();
    process
}

async fn test(process: &Process) -> TestView {
    process.connections.test("default", "main").await.unwrap()
}

/// Why a test fails: kind and sentence.
async fn failure(process: &Process) -> (String, String) {
    let error = test(process).await.error.expect("the test fails");
    (error.kind.name().to_owned(), error.message)
}

/// A hundred and more concurrent callers ask for one thing.
async fn all<T: Send + 'static>(calls: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let tasks: Vec<_> = calls.map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}
