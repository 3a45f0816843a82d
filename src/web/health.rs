//! Whether Dashtray is well. Says nothing of where things lie: anybody may ask.

use std::time::Duration;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{app::App, store::Schema, sync::Beating};

/// Whoever asks wants to know it now.
const PATIENCE: Duration = Duration::from_secs(3);

/// `GET /healthz`: the process answers.
pub(super) async fn process() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// What was looked at.
#[derive(Debug, Serialize)]
struct Check {
    id: &'static str,
    ok: bool,
    message: String,
}

impl Check {
    fn new(id: &'static str, found: Result<String, String>) -> Self {
        Self { id, ok: found.is_ok(), message: found.unwrap_or_else(|problem| problem) }
    }
}

/// `GET /readyz`: all that is needed to answer and to keep numbers up to date. 503 where something is missing.
pub(super) async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let found = tokio::time::timeout(PATIENCE, app.store.schema()).await;
    let database = match &found {
        Ok(Ok(_)) => Ok("answers".to_owned()),
        Ok(Err(error)) => {
            // The sentence may name the server's paths: it goes to the log and not to whoever asks.
            tracing::warn!(%error, "the database does not answer");
            Err("does not answer; the log says why".to_owned())
        }
        Err(_) => Err(format!("no answer within {} seconds", PATIENCE.as_secs())),
    };
    let schema = found.ok().and_then(Result::ok).map_or_else(|| Err("unknown".to_owned()), schema);
    let scheduler = match app.sync.beat() {
        Beating::Alive => Ok("looks for what is due".to_owned()),
        Beating::NotStarted => Err("was not started yet".to_owned()),
        Beating::Silent(silence) => Err(format!("has been silent for {} seconds", silence.as_secs())),
    };
    let checks = [Check::new("database", database), Check::new("schema", schema), Check::new("scheduler", scheduler)];
    let is_ready = checks.iter().all(|check| check.ok);
    let (status, word) = if is_ready { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "failed") };
    (status, Json(json!({"status": word, "checks": checks})))
}

fn schema(Schema { found, known }: Schema) -> Result<String, String> {
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(format!("is current ({known})")),
        std::cmp::Ordering::Greater => {
            Err(format!("is {found}, of a newer version; this one knows {known}: start the newer one"))
        }
        std::cmp::Ordering::Less => {
            Err(format!("is {found}, and this version needs {known}; start it anew, which brings it up to date"))
        }
    }
}
