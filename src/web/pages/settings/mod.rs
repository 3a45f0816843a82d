//! `/settings`: what is one's own, and what is the project's.

pub(super) mod account;
pub(super) mod appearance;
pub(super) mod audit;
pub(super) mod keys;
pub(super) mod people;
pub(super) mod projects;
pub(super) mod sessions;

use axum::response::Redirect;
use serde::Deserialize;

/// Behind a form that was done: `?done=word`, of which each page makes its sentence.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct Done {
    done: Option<String>,
}

impl Done {
    /// The word; empty where nothing was done.
    fn word(&self) -> &str {
        self.done.as_deref().unwrap_or_default()
    }
}

pub(super) async fn index() -> Redirect {
    Redirect::to("/settings/account")
}
