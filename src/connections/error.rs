//! What can go wrong with a connection.

use serde_json::{Value as Json, json};

use super::{ErrorView, SignInError};
use crate::{
    http,
    integrations::{FieldError, UnknownIntegration},
    store, vault,
};

/// Why an operation on a connection failed. Every sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No integration has that id.
    #[error(transparent)]
    UnknownIntegration(#[from] UnknownIntegration),
    /// No project has that slug.
    #[error("there is no project \"{0}\"; make it with `dashtray project {0}`")]
    UnknownProject(String),
    /// No connection has that id or name.
    #[error("there is no connection \"{given}\"; {}", known_connections(known))]
    UnknownConnection {
        /// What was asked for.
        given: String,
        /// Names of the connections that there are.
        known: Vec<String>,
    },
    /// Nothing is read through it.
    #[error(
        "\"{0}\" holds what programs push to the API: it has no credentials, settings or runs; `dashtray disconnect` \
         removes it with its numbers"
    )]
    NotSynced(String),
    /// Fields are missing or wrong.
    #[error("{}", fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    InvalidFields {
        /// Each of them.
        fields: Vec<FieldError>,
    },
    /// The account is connected already.
    #[error(
        "this account is connected already as \"{name}\"; use `dashtray reconnect \"{name}\"` to give it another key"
    )]
    AlreadyConnected {
        /// The other connection.
        name: String,
    },
    /// Somebody else was faster; says what stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// The name is taken.
    #[error("there is a connection named \"{0}\" already; choose another name")]
    NameTaken(String),
    /// New credentials open another account.
    #[error(
        "these credentials open {found}, but \"{name}\" is connected to {expected}; use credentials of the same \
         account, or make a new connection"
    )]
    AccountMismatch {
        /// The connection.
        name: String,
        /// The account it is connected to.
        expected: String,
        /// The account that the credentials open.
        found: String,
    },
    /// The service is connected with a key.
    #[error("{integration} has no sign-in; connect it with a key, see `dashtray integrations {id}`")]
    NoSignIn {
        /// Its name.
        integration: String,
        /// Its id.
        id: String,
    },
    /// The operator has registered no OAuth client.
    #[error(
        "no OAuth client for {integration} is configured; register one at the provider with the redirect URI \
         {redirect_uri} and set {id} and {secret} (or {id}_FILE and {secret}_FILE)"
    )]
    NoClient {
        /// Name of the service.
        integration: String,
        /// The variable of the client's id.
        id: String,
        /// The variable of its secret.
        secret: String,
        /// What has to be registered.
        redirect_uri: String,
    },
    /// A sign-in came to nothing.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The provider did not accept or did not answer.
    #[error(transparent)]
    Provider(#[from] http::Error),
    /// Sealed credentials cannot be opened.
    #[error("the credentials of \"{name}\" cannot be read: {source}; nothing was changed")]
    Unreadable {
        /// The connection.
        name: String,
        /// Why.
        source: vault::Error,
    },
    /// Sealing failed.
    #[error(transparent)]
    Vault(#[from] vault::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

fn known_connections(known: &[String]) -> String {
    match known {
        [] => "none is made yet, see `dashtray connect --help`".to_owned(),
        known => format!("there are: {}", known.join(", ")),
    }
}

impl Error {
    /// The stable code that programs go by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownIntegration(_) => "integration_not_found",
            Self::UnknownProject(_) => "project_not_found",
            Self::UnknownConnection { .. } => "connection_not_found",
            Self::NotSynced(_) => "not_synced",
            Self::InvalidFields { .. } => "invalid_fields",
            Self::AlreadyConnected { .. } => "already_connected",
            Self::Conflict(_) => "conflict",
            Self::NameTaken(_) => "name_taken",
            Self::AccountMismatch { .. } => "account_mismatch",
            Self::NoSignIn { .. } => "no_sign_in",
            Self::NoClient { .. } => "oauth_client_missing",
            Self::SignIn(SignInError::Cancelled) => "cancelled",
            Self::SignIn(_) => "sign_in",
            Self::Provider(error) => error.kind().name(),
            Self::Unreadable { .. } => "credentials_unreadable",
            Self::Vault(_) => "vault",
            Self::Store(_) => "database",
        }
    }

    /// What programs may want to know besides; the same on the command line and in the API.
    pub fn details(&self) -> Json {
        match self {
            Self::InvalidFields { fields } => {
                let fields = fields.iter().map(|error| json!({"field": error.field, "message": error.message}));
                json!({"fields": fields.collect::<Vec<_>>()})
            }
            Self::Provider(error) => json!(ErrorView::from(error)),
            _ => Json::Null,
        }
    }

    /// Whether what was asked is at fault: an unknown id or a bad field.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::UnknownIntegration(_)
            | Self::UnknownProject(_)
            | Self::UnknownConnection { .. }
            | Self::NotSynced(_)
            | Self::InvalidFields { .. }
            | Self::NoSignIn { .. }
            | Self::NoClient { .. }
            | Self::NameTaken(_) => true,
            Self::Provider(error) => error.kind() == crate::metric::FailureKind::InvalidSettings,
            Self::AlreadyConnected { .. }
            | Self::Conflict(_)
            | Self::AccountMismatch { .. }
            | Self::SignIn(_)
            | Self::Unreadable { .. }
            | Self::Vault(_)
            | Self::Store(_) => false,
        }
    }
}
