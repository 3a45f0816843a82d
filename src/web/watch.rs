//! `GET /metrics`: what Dashtray does, as Prometheus reads it. Off unless the operator switches it on, and then for the
//! networks that the operator names.

use axum::{
    extract::{FromRequestParts, State},
    http::{HeaderName, header, request::Parts},
    response::IntoResponse,
};

use super::{Error, auth};
use crate::{
    app::App,
    telemetry::{self, Kind, Page, Process},
};

const FORMAT: [(HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];

/// States that a connection can be in: each is told, also where no connection is in it.
const STATES: [&str; 7] =
    ["ok", "degraded", "rate_limited", "needs_reconnect", "credentials_unreadable", "failing", "paused"];

/// Somebody who may ask.
pub(super) struct Watcher;

impl FromRequestParts<App> for Watcher {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let config = &app.config;
        if !config.metrics {
            return Err(Error::NotFound);
        }
        let address = auth::address(parts, &config.trusted_proxies);
        let is_named = address.is_some_and(|address| config.metrics_networks.iter().any(|one| one.contains(address)));
        if is_named && !came_through_a_stranger(parts, app) {
            return Ok(Self);
        }
        let sentence = "this address may not ask for metrics; see metrics_networks and trusted_proxies";
        Err(Error::Forbidden(sentence.to_owned()))
    }
}

/// Whether a proxy passed it on that is none of ours: then the address is the proxy's, and who asks is not known. A proxy
/// on this machine would open the metrics to everybody otherwise.
fn came_through_a_stranger(parts: &Parts, app: &App) -> bool {
    let is_passed_on =
        ["x-forwarded-for", "forwarded", "x-real-ip"].iter().any(|name| parts.headers.contains_key(*name));
    is_passed_on && !auth::is_of_proxy(parts, &app.config.trusted_proxies)
}

/// `GET /metrics`
pub(super) async fn metrics(State(app): State<App>, _: Watcher) -> impl IntoResponse {
    let mut page = Page::default();
    page.family("dashtray_build_info", Kind::Gauge, "Which version this is, over which database; always 1.");
    let database = if app.store.is_sqlite() { "sqlite" } else { "postgresql" };
    page.sample("", &[("version", env!("CARGO_PKG_VERSION")), ("database", database)], 1);
    Process::now().write(&mut page, app.started_at.as_second());
    telemetry::ours().write(&mut page);
    queue(&app, &mut page).await;
    (FORMAT, page.into_text())
}

/// What the database knows, of all processes; that it does not answer is told too.
async fn queue(app: &App, page: &mut Page) {
    let found = app.store.queue(app.now()).await;
    page.family("dashtray_database_up", Kind::Gauge, "Whether the database answered just now.");
    page.sample("", &[], u8::from(found.is_ok()));
    let queue = match found {
        Ok(queue) => queue,
        Err(error) => return tracing::warn!(%error, "metrics of connections could not be read"),
    };
    page.family("dashtray_connections", Kind::Gauge, "Connections of all processes by state.");
    for state in STATES {
        page.sample("", &[("state", state)], queue.states.get(state).copied().unwrap_or(0));
    }
    page.family(
        "dashtray_queue_connections",
        Kind::Gauge,
        "Connections that are due and that no process has begun with.",
    );
    page.sample("", &[], queue.due);
    page.family("dashtray_queue_age_seconds", Kind::Gauge, "Since when the first of those is due.");
    let age = queue.oldest_due.map_or(0, |due| app.now().duration_since(due).as_secs().max(0));
    page.sample("", &[], age);
}
