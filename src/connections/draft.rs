//! Connections that are tried and not made yet: what a user gave is tried first, and put aside, sealed, until the rest is
//! chosen. So nobody types a key twice, and no page ever holds one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    AccountView, Allowed, ConnectRequest, Connections, Error, SignInError,
    connect::{check_account_is_new, check_settings},
    memory,
    sign_in::{Begun, hash},
};
use crate::{
    http::grant::random,
    integrations::{Check, Choice},
    secret::Secret,
    vault,
};

/// What a provider said of a connection that is not made yet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialView {
    /// Whose account it is.
    pub account: AccountView,
    /// What was tried, one by one.
    pub checks: Vec<Check>,
    /// For a setting: the values this account offers.
    pub choices: BTreeMap<String, Vec<Choice>>,
}

/// What is sealed beside the token of what was put aside.
#[derive(Serialize, Deserialize)]
struct Aside {
    begun: Begun,
    credentials: String,
}

impl Connections {
    /// Checks what a user gave, before anybody is asked.
    pub async fn draft(&self, mut request: ConnectRequest) -> Result<Allowed, Error> {
        let project = self.project(&request.project).await?;
        let descriptor = self.registry.get(&request.integration_id)?.descriptor();
        let given = std::mem::take(&mut request.credentials);
        let credentials = self.check_input(&descriptor, given, &request.settings)?;
        self.check_name(&project, request.name.as_deref()).await?;
        let begun = Begun {
            project: request.project,
            redirect_uri: String::new(),
            verifier: String::new(),
            integration_id: request.integration_id,
            name: request.name,
            settings: request.settings,
            reconnect: None,
            holder: String::new(),
        };
        Ok(Allowed { begun, credentials, account: None })
    }

    /// Asks the provider what it would be, and keeps nothing. Saved right away, it is not asked again.
    pub async fn try_draft(&self, allowed: &mut Allowed) -> Result<TrialView, Error> {
        let Allowed { begun, credentials, account: known } = allowed;
        let project = self.project(&begun.project).await?;
        let integration = self.registry.get(&begun.integration_id)?;
        let descriptor = integration.descriptor();
        let (_, settings) = check_settings(&descriptor, &begun.settings)?;
        let account = self.try_out(&project, integration.as_ref(), &settings, credentials).await?;
        check_account_is_new(&descriptor, &account, &self.store.connections(project.id).await?)?;
        let view =
            TrialView { account: (&account).into(), checks: account.checks.clone(), choices: account.choices.clone() };
        *known = Some(account);
        Ok(view)
    }

    /// Puts access aside for an hour, for one of several who may have some. Gives what finds it again, once.
    pub async fn put_aside(&self, holder: &str, allowed: &Allowed) -> Result<Secret, Error> {
        let project = self.project(&allowed.begun.project).await?;
        let credentials = memory::plain(&allowed.credentials);
        let credentials = std::str::from_utf8(&credentials).map_err(|_| vault::Error::Corrupt)?.to_owned();
        let aside = Aside { begun: Begun { holder: holder.to_owned(), ..allowed.begun.clone() }, credentials };
        let bytes = zeroize::Zeroizing::new(serde_json::to_vec(&aside).unwrap_or_default());
        let token = random()?;
        let hash = hash(&token);
        let sealed = memory::to_row(self.vault.seal(&label(&hash), &bytes)?);
        self.store.insert_sign_in(project.id, &hash, &sealed, self.clock.now()).await?;
        Ok(token)
    }

    /// What was put aside, once and for who did it.
    pub async fn take_aside(&self, holder: &str, token: &Secret) -> Result<Allowed, Error> {
        let hash = hash(token);
        let sealed = self.take_sign_in(&hash).await?;
        let Ok(plain) = self.vault.open(&label(&hash), &memory::from_row(sealed)) else {
            return Err(SignInError::Unknown.into());
        };
        let aside: Aside = serde_json::from_slice(&plain).map_err(|_| vault::Error::Corrupt)?;
        if aside.begun.holder != holder {
            return Err(SignInError::Unknown.into());
        }
        let client = self.oauth_client(&aside.begun.integration_id);
        let credentials = memory::of_plain(aside.credentials.as_bytes())?.with_client(client);
        Ok(Allowed { begun: aside.begun, credentials, account: None })
    }
}

/// Not that of a sign-in's state: the one never opens as the other.
fn label(hash: &[u8]) -> String {
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("aside {hex}")
}
