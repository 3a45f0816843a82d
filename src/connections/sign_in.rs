//! Connecting by a sign-in at the provider: where the user goes, and what comes back. For page and command line alike.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{ConnectRequest, ConnectedView, Connections, Error, connect::check_settings, memory};
use crate::{
    http::{self, Credentials, OAuthClient, Service, SignIn, grant::client_variables},
    integrations::{AccountInfo, Descriptor, Settings},
    secret::Secret,
    store::{SealedRow, SignInRow},
};

/// A sign-in that takes longer is begun anew.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// What a sign-in is for.
#[derive(Debug, Clone, PartialEq)]
pub enum SignInFor {
    /// A new connection.
    Connect {
        /// Which service.
        integration_id: String,
        /// The user's name for it.
        name: Option<String>,
        /// The settings, the host's among them.
        settings: Map<String, Json>,
    },
    /// Other access to the account of a connection, by id or name.
    Reconnect {
        /// The connection.
        connection: String,
    },
}

/// A sign-in to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct SignInRequest {
    /// Slug of the project.
    pub project: String,
    /// Where the provider sends the user back to; registered there to the letter.
    pub redirect_uri: String,
    /// What it is for.
    pub purpose: SignInFor,
}

/// A sign-in that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignInView {
    /// The address to open.
    pub url: Url,
    /// Until when the provider has to send the user back.
    pub expires_at: Timestamp,
}

/// What a provider sends the user back with.
#[derive(Debug, Clone, Default)]
pub struct Callback {
    /// What the address of the sign-in held.
    pub state: Option<Secret>,
    /// What is exchanged for access.
    pub code: Option<Secret>,
    /// Why there is none.
    pub error: Option<String>,
}

/// Why a sign-in came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The state is none of ours.
    #[error("this sign-in was not begun here, or long ago; begin again and open the address that is shown")]
    Unknown,
    /// The state came back a second time.
    #[error("this sign-in was used already; if the connection is not there, begin again")]
    Used,
    /// It took too long.
    #[error("this sign-in took longer than an hour and is over; begin again")]
    Late,
    /// The user said no.
    #[error("access was not allowed, and nothing was changed; begin again to allow it")]
    Cancelled,
    /// The provider refused.
    #[error("the provider refused the sign-in ({0}), and nothing was changed; begin again")]
    Refused(String),
    /// Neither a code nor an error came back.
    #[error("the provider sent nothing back that could be used; begin again")]
    Empty,
}

/// What is sealed beside a sign-in's state.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Begun {
    pub(super) project: String,
    pub(super) redirect_uri: String,
    pub(super) verifier: String,
    pub(super) integration_id: String,
    pub(super) name: Option<String>,
    pub(super) settings: Map<String, Json>,
    pub(super) reconnect: Option<String>,
    /// Who began it; empty for the command line.
    #[serde(default)]
    pub(super) holder: String,
}

/// Access that a user has just given, and no connection's yet. It is kept nowhere else, unless it is put aside
/// ([`Connections::put_aside`]).
#[derive(Clone)]
pub struct Allowed {
    pub(super) begun: Begun,
    pub(super) credentials: Credentials,
    /// What the provider has just said, with these settings, of whose account it is: it is not asked again.
    pub(super) account: Option<AccountInfo>,
}

impl Allowed {
    /// Which service it is of.
    pub fn integration_id(&self) -> &str {
        &self.begun.integration_id
    }

    /// Whether a connection is made of it, so that its settings can still be chosen.
    pub fn is_new(&self) -> bool {
        self.begun.reconnect.is_none()
    }

    /// The settings as they are chosen by now.
    pub fn settings(&self) -> &Map<String, Json> {
        &self.begun.settings
    }

    /// Takes other settings for some of the new connection's; null for none.
    pub fn choose(&mut self, settings: Map<String, Json>) {
        self.account = None;
        self.begun.settings.extend(settings);
        self.begun.settings.retain(|_, value| !value.is_null());
    }

    /// Takes another name for the new connection.
    pub fn call(&mut self, name: Option<String>) {
        self.begun.name = name;
    }

    /// The user's name for it, if there is one by now.
    pub fn name(&self) -> Option<&str> {
        self.begun.name.as_deref()
    }
}

impl std::fmt::Debug for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allowed").field("integration_id", &self.begun.integration_id).finish_non_exhaustive()
    }
}

/// What a sign-in ended with.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedIn {
    /// The connection.
    pub view: ConnectedView,
    /// Whether it was there before.
    pub is_reconnect: bool,
}

impl Connections {
    /// The client by which a provider knows this installation.
    pub(super) fn oauth_client(&self, integration_id: &str) -> Option<OAuthClient> {
        self.clients.get(integration_id).cloned()
    }

    /// Begins a sign-in: all that can be wrong before the user goes to the provider is found here.
    pub async fn begin_sign_in(&self, request: SignInRequest) -> Result<SignInView, Error> {
        self.begin_sign_in_of("", request).await
    }

    /// The same for one of several who may begin them: it counts for nobody else.
    pub async fn begin_sign_in_of(&self, holder: &str, request: SignInRequest) -> Result<SignInView, Error> {
        let project = self.project(&request.project).await?;
        let (integration_id, name, settings, reconnect) = match request.purpose {
            SignInFor::Connect { integration_id, name, settings } => (integration_id, name, settings, None),
            SignInFor::Reconnect { connection } => {
                let connection = self.find(&project, &connection).await?;
                let settings = super::settings_of(&connection);
                (connection.integration_id, None, settings, Some(connection.public_id.to_string()))
            }
        };
        let descriptor = self.registry.get(&integration_id)?.descriptor();
        let (service, client) = self.sign_in_at(&descriptor, &settings, &request.redirect_uri)?;
        let oauth = descriptor.auth.oauth().ok_or_else(|| no_oauth(&descriptor))?;
        if reconnect.is_none() {
            self.check_name(&project, name.as_deref()).await?;
        }
        let sign_in = SignIn::begin(&service, oauth, &client, &request.redirect_uri)?;
        let begun = Begun {
            project: request.project,
            redirect_uri: request.redirect_uri,
            verifier: sign_in.verifier.expose().to_owned(),
            integration_id,
            name,
            settings,
            reconnect,
            holder: holder.to_owned(),
        };
        let bytes = zeroize::Zeroizing::new(serde_json::to_vec(&begun).unwrap_or_default());
        let hash = hash(&sign_in.state);
        let sealed = memory::to_row(self.vault.seal(&label(&hash), &bytes)?);
        let now = self.clock.now();
        self.store.insert_sign_in(project.id, &hash, &sealed, now).await?;
        Ok(SignInView { url: sign_in.url, expires_at: now.checked_add(LONGEST).unwrap_or(now) })
    }

    /// Ends a sign-in with what the provider sent the user back with.
    pub async fn finish_sign_in(&self, callback: Callback) -> Result<SignedIn, Error> {
        self.settle_sign_in(&mut self.redeem_sign_in(callback).await?).await
    }

    /// Exchanges what the provider sent the user back with for access. A state counts once, whatever comes of it.
    pub async fn redeem_sign_in(&self, callback: Callback) -> Result<Allowed, Error> {
        self.redeem_sign_in_of("", callback).await
    }

    /// The same for who began it as one of several.
    pub async fn redeem_sign_in_of(&self, holder: &str, callback: Callback) -> Result<Allowed, Error> {
        let state = callback.state.ok_or(SignInError::Unknown)?;
        let hash = hash(&state);
        let sealed = self.take_sign_in(&hash).await?;
        if let Some(error) = callback.error {
            return Err(refused(&error).into());
        }
        let code = callback.code.filter(|code| !code.expose().is_empty()).ok_or(SignInError::Empty)?;
        let plain = self.vault.open(&label(&hash), &memory::from_row(sealed))?;
        let begun: Begun = serde_json::from_slice(&plain).map_err(|_| crate::vault::Error::Corrupt)?;
        if begun.holder != holder {
            return Err(SignInError::Unknown.into());
        }
        let descriptor = self.registry.get(&begun.integration_id)?.descriptor();
        let (service, client) = self.sign_in_at(&descriptor, &begun.settings, &begun.redirect_uri)?;
        let oauth = descriptor.auth.oauth().ok_or_else(|| no_oauth(&descriptor))?;
        let verifier = Secret::new(begun.verifier.as_str());
        let grant = self.client.redeem(&service, oauth, &client, &code, &begun.redirect_uri, &verifier).await?;
        let credentials = Credentials::default().with_grant(Some(grant)).with_client(Some(client));
        Ok(Allowed { begun, credentials, account: None })
    }

    /// Makes a connection of what was allowed, or gives it to the one that it is for. Where a setting is wrong it can be
    /// tried again with another one.
    pub async fn settle_sign_in(&self, allowed: &mut Allowed) -> Result<SignedIn, Error> {
        let Allowed { begun, credentials, account } = allowed;
        match &begun.reconnect {
            Some(connection) => {
                let view = self.reconnect_with(&begun.project, connection, credentials).await?;
                Ok(SignedIn { view, is_reconnect: true })
            }
            None => {
                let begun = begun.clone();
                let request = ConnectRequest {
                    project: begun.project,
                    integration_id: begun.integration_id,
                    name: begun.name,
                    credentials: Default::default(),
                    settings: begun.settings,
                };
                Ok(SignedIn {
                    view: self.connect_with(request, credentials, account.take()).await?,
                    is_reconnect: false,
                })
            }
        }
    }

    /// What is sealed beside a state, once.
    pub(super) async fn take_sign_in(&self, hash: &[u8]) -> Result<SealedRow, Error> {
        let now = self.clock.now();
        match self.store.take_sign_in(hash, now).await? {
            SignInRow::Taken { started_at, .. } if now.duration_since(started_at) > LONGEST => {
                Err(SignInError::Late.into())
            }
            SignInRow::Taken { sealed, .. } => Ok(sealed),
            SignInRow::Used => Err(SignInError::Used.into()),
            SignInRow::Unknown => Err(SignInError::Unknown.into()),
        }
    }

    /// What both ends of a sign-in need.
    fn sign_in_at(
        &self,
        descriptor: &Descriptor,
        settings: &Map<String, Json>,
        redirect_uri: &str,
    ) -> Result<(Service, OAuthClient), Error> {
        if descriptor.auth.oauth().is_none() {
            return Err(no_oauth(descriptor));
        }
        let client = self.oauth_client(&descriptor.id).ok_or_else(|| {
            let [id, secret] = client_variables(&descriptor.id);
            Error::NoClient { integration: descriptor.name.clone(), id, secret, redirect_uri: redirect_uri.to_owned() }
        })?;
        let (_, settings) = check_settings(descriptor, settings)?;
        Ok((self.service(descriptor, &settings)?, client))
    }

    /// What the HTTP layer needs to know of a service, with the address of a sandbox where there is one.
    pub(super) fn service(&self, descriptor: &Descriptor, settings: &Settings) -> Result<Service, http::Error> {
        descriptor.service(settings, self.overrides.provider_urls.get(&descriptor.id).cloned())
    }
}

fn no_oauth(descriptor: &Descriptor) -> Error {
    Error::NoSignIn { integration: descriptor.name.clone(), id: descriptor.id.clone() }
}

pub(super) fn hash(state: &Secret) -> Vec<u8> {
    Sha256::digest(state.expose().as_bytes()).to_vec()
}

fn label(hash: &[u8]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sign-in {hex}")
}

/// What the provider says instead of a code. It is a word of the standard, or it is not shown.
fn refused(error: &str) -> SignInError {
    match error {
        "access_denied" => SignInError::Cancelled,
        word => {
            let is_word = word.len() <= 60 && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            SignInError::Refused(if is_word { word } else { "it does not say why" }.to_owned())
        }
    }
}
