//! The only errors that have an answer.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// What a request gets in place of an answer: a status, and JSON with a stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Nothing is there.
    NotFound,
    /// Something is there, but not for this method.
    MethodNotAllowed,
    /// The database does not answer; says why.
    Unavailable(String),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code, message) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is nothing at this address".to_owned()),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this address does not take that method".to_owned(),
            ),
            Self::Unavailable(message) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", message),
        };
        (status, Json(json!({"error": {"code": code, "message": message, "details": null}}))).into_response()
    }
}
