//! What Dashtray answers over HTTP: for now whether it is well.

mod error;
mod health;

use std::io;

use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
pub use error::Error;

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(health::process))
        .route("/readyz", get(health::database))
        .route("/api/v1/health", get(health::api))
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .with_state(app)
}

/// Serves until `stop` is cancelled and the answers under way are sent.
pub async fn serve(listener: TcpListener, app: App, stop: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router(app)).with_graceful_shutdown(async move { stop.cancelled().await }).await
}
