//! What a request gets in place of an answer: a status, and JSON with a stable code and a sentence, as on the command line.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    connections, custom, integrations::UnknownIntegration, metric::FailureKind, series, store, sync, users, web,
};

/// A refusal. `details` is for programs, and differs by code.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Boxed, since every handler's answer has room for a refusal.
    pub(super) details: Box<Value>,
    pub(super) wait: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Box::default(), wait: None }
    }

    /// The request is not understood.
    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn with(self, details: Value) -> Self {
        Self { details: Box::new(details), ..self }
    }

    /// A fault in Dashtray, noted in the log.
    pub(super) fn fault(what: &dyn std::fmt::Display) -> Self {
        tracing::error!("a request could not be answered: {what}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "a fault in Dashtray; its log says more")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message, "details": self.details}});
        let mut response = (self.status, Json(body)).into_response();
        if let Some(wait) = self.wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<store::Error> for Refusal {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound(message) => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            store::Error::Conflict(message) => Self::new(StatusCode::CONFLICT, "conflict", message),
            // The sentence may name the server's paths: it goes to the log and not to whoever asks.
            other => {
                tracing::warn!(error = %other, "the database does not answer");
                let message = "the database does not answer; nothing was changed, try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "database", message)
            }
        }
    }
}

impl From<users::Error> for Refusal {
    fn from(error: users::Error) -> Self {
        match error {
            users::Error::Store(error) => error.into(),
            other => Self::fault(&other),
        }
    }
}

impl From<UnknownIntegration> for Refusal {
    fn from(unknown: UnknownIntegration) -> Self {
        connections::Error::from(unknown).into()
    }
}

impl From<connections::Error> for Refusal {
    fn from(error: connections::Error) -> Self {
        use connections::Error as E;
        let status = match &error {
            E::UnknownIntegration(_) | E::UnknownProject(_) | E::UnknownConnection { .. } => StatusCode::NOT_FOUND,
            E::InvalidFields { .. } | E::NoSignIn { .. } | E::NoClient { .. } | E::SignIn(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            E::AlreadyConnected { .. }
            | E::NotSynced(_)
            | E::Conflict(_)
            | E::NameTaken(_)
            | E::AccountMismatch { .. }
            | E::Unreadable { .. } => StatusCode::CONFLICT,
            E::Provider(error) => match error.kind() {
                FailureKind::Unavailable | FailureKind::InvalidResponse => StatusCode::BAD_GATEWAY,
                FailureKind::RateLimited => StatusCode::SERVICE_UNAVAILABLE,
                FailureKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            },
            E::Vault(_) => StatusCode::SERVICE_UNAVAILABLE,
            E::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        match error {
            E::Store(error) => error.into(),
            error => Self::new(status, error.code(), error.to_string()).with(error.details()),
        }
    }
}

impl From<sync::Error> for Refusal {
    fn from(error: sync::Error) -> Self {
        match error {
            sync::Error::Connection(error) => error.into(),
            sync::Error::Store(error) => error.into(),
            sync::Error::InvalidRange(_) => Self::bad(error.code(), error.to_string()),
        }
    }
}

impl From<series::Error> for Refusal {
    fn from(error: series::Error) -> Self {
        use series::Error as E;
        match error {
            E::Store(error) => error.into(),
            E::UnknownMetric { .. } | E::UnknownProject(_) | E::UnknownConnection(_) | E::NoReceipt(_) => {
                Self::new(StatusCode::NOT_FOUND, error.code(), error.to_string())
            }
            E::NoDimension(ref id) => {
                Self::bad(error.code(), format!("{id} has no dimension to break it down by; leave dimension out"))
            }
            E::InvalidRange(_) => Self::bad(error.code(), error.to_string()),
        }
    }
}

impl From<custom::Error> for Refusal {
    fn from(error: custom::Error) -> Self {
        let (code, message) = (error.code(), error.to_string());
        match error {
            custom::Error::Store(error) => error.into(),
            custom::Error::Invalid(problems) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message).with(json!({"problems": problems}))
            }
            custom::Error::Contradiction(problems) => {
                Self::new(StatusCode::CONFLICT, code, message).with(json!({"problems": problems}))
            }
            custom::Error::Size(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message),
        }
    }
}

impl From<web::Error> for Refusal {
    fn from(error: web::Error) -> Self {
        let (status, code, message) = error.parts();
        Self::new(status, code, message)
    }
}
