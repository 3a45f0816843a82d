//! Whether Dashtray is well.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Error;
use crate::app::App;

/// `GET /healthz`: the process answers.
pub(super) async fn process() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /readyz`: the database answers too.
pub(super) async fn database(State(app): State<App>) -> Result<Json<Value>, Error> {
    // The sentence may name the server's paths: it goes to the log and not to whoever asks.
    app.store.ping().await.map_err(|error| {
        tracing::warn!(%error, "the database does not answer");
        Error::Unavailable("the database does not answer".to_owned())
    })?;
    Ok(Json(json!({"status": "ok"})))
}
