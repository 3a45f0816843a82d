//! The only errors that have an answer: JSON as they stand, and a page where a page was asked for (`pages/fault.rs`).

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{connections, integrations::UnknownIntegration, series, store, sync, users};

/// What a request gets in place of an answer: a status, and JSON with a stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Nothing is there, or nothing that the asker may see: the two are never told apart.
    NotFound,
    /// Something is there, but not for this method.
    MethodNotAllowed,
    /// The request makes no sense; says why.
    BadRequest(String),
    /// It is not allowed; says why.
    Forbidden(String),
    /// More was sent than anybody needs to.
    TooLarge,
    /// Too often; says so, and when it may be tried again.
    TooMany(String, Duration),
    /// Somebody else was faster; says at what.
    Conflict(String),
    /// The database does not answer, or not now; says why.
    Unavailable(String),
    /// A fault in Dashtray. What it was is in the log.
    Internal,
}

impl Error {
    /// A fault in Dashtray, noted in the log.
    pub fn fault(what: &dyn std::fmt::Display) -> Self {
        tracing::error!("a request could not be answered: {what}");
        Self::Internal
    }

    pub(super) fn parts(self) -> (StatusCode, &'static str, String) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is nothing at this address".to_owned()),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this address does not take that method".to_owned(),
            ),
            Self::BadRequest(message) => (StatusCode::BAD_REQUEST, "bad_request", message),
            Self::Forbidden(message) => (StatusCode::FORBIDDEN, "forbidden", message),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "this is more than anybody needs".to_owned())
            }
            Self::TooMany(message, _) => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message),
            Self::Conflict(message) => (StatusCode::CONFLICT, "conflict", message),
            Self::Unavailable(message) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", message),
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "a fault in Dashtray; its log says more".to_owned())
            }
        }
    }
}

/// The sentence of an error, for whoever makes a page of it.
#[derive(Debug, Clone)]
pub(super) struct Sentence(pub(super) String);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let wait = if let Self::TooMany(_, wait) = &self { Some(wait.as_secs().max(1)) } else { None };
        let (status, code, message) = self.parts();
        let sentence = Sentence(message.clone());
        let body = json!({"error": {"code": code, "message": message, "details": null}});
        let mut response = (status, Json(body)).into_response();
        response.extensions_mut().insert(sentence);
        if let Some(wait) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        response
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound(_) => Self::NotFound,
            store::Error::Conflict(message) => Self::Conflict(message),
            // The sentence may name the server's paths: it goes to the log and not to whoever asks.
            other => {
                tracing::warn!(error = %other, "the database does not answer");
                Self::Unavailable("the database does not answer".to_owned())
            }
        }
    }
}

impl From<users::Error> for Error {
    fn from(error: users::Error) -> Self {
        match error {
            users::Error::Store(error) => error.into(),
            users::Error::TooMany(wait) => Self::TooMany(error.to_string(), wait),
            users::Error::Busy => Self::Unavailable(error.to_string()),
            users::Error::Internal(_) => Self::fault(&error),
            users::Error::UnknownUser(_)
            | users::Error::UnknownKey(_)
            | users::Error::NoMember
            | users::Error::UnknownInvitation(_) => Self::NotFound,
            users::Error::LastOwner | users::Error::MemberAlready(_) => Self::Conflict(error.to_string()),
            users::Error::InvalidFields(_) => Self::BadRequest(error.to_string()),
            users::Error::WrongPassword
            | users::Error::LinkUsed
            | users::Error::InvitationUsed
            | users::Error::InvitationOfAnother(_)
            | users::Error::NotAllowed => Self::Forbidden(error.to_string()),
        }
    }
}

impl From<UnknownIntegration> for Error {
    fn from(_: UnknownIntegration) -> Self {
        Self::NotFound
    }
}

impl From<connections::Error> for Error {
    fn from(error: connections::Error) -> Self {
        match error {
            connections::Error::UnknownConnection { .. }
            | connections::Error::UnknownProject(_)
            | connections::Error::UnknownIntegration(_) => Self::NotFound,
            connections::Error::Store(error) => error.into(),
            other if other.is_usage() => Self::BadRequest(other.to_string()),
            other => Self::fault(&other),
        }
    }
}

impl From<sync::Error> for Error {
    fn from(error: sync::Error) -> Self {
        match error {
            sync::Error::Connection(error) => error.into(),
            other if other.is_usage() => Self::BadRequest(other.to_string()),
            other => Self::fault(&other),
        }
    }
}

impl From<series::Error> for Error {
    fn from(error: series::Error) -> Self {
        match error {
            series::Error::Store(error) => error.into(),
            series::Error::UnknownMetric { .. }
            | series::Error::UnknownProject(_)
            | series::Error::UnknownConnection(_) => Self::NotFound,
            other if other.is_usage() => Self::BadRequest(other.to_string()),
            other => Self::fault(&other),
        }
    }
}
