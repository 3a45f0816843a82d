//! A sign-in: the address that the user opens, the code that comes back, and giving access back.

use std::sync::atomic::AtomicU64;

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use url::Url;
use zeroize::Zeroizing;

use super::{
    Grant, OAuth, OAuthClient,
    token::{Meaning, Question},
};
use crate::{
    http::{
        Client, Error, Service,
        target::{actual_of, is_safe},
    },
    metric::FailureKind,
    secret::Secret,
};

/// A sign-in that begins.
#[derive(Debug)]
pub struct SignIn {
    /// What the user opens.
    pub url: Url,
    /// Comes back with the code, and proves that it belongs to this sign-in.
    pub state: Secret,
    /// Proves to the token endpoint that who brings the code has begun the sign-in (PKCE).
    pub verifier: Secret,
}

impl SignIn {
    /// Makes the address.
    pub fn begin(service: &Service, oauth: &OAuth, client: &OAuthClient, redirect_uri: &str) -> Result<Self, Error> {
        let (state, verifier) = (random()?, random()?);
        let page = Url::parse(&oauth.authorise_url)
            .map_err(|_| Error::internal("the descriptor's authorisation page is no URL"))?;
        let mut url = actual_of(service, &page);
        if !is_safe(&url) {
            return Err(Error::internal("the descriptor's authorisation page is not an https URL"));
        }
        let scopes: Vec<&str> = oauth.scopes.iter().chain(&oauth.optional_scopes).map(String::as_str).collect();
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("client_id", &client.id);
            query.append_pair("redirect_uri", redirect_uri);
            query.append_pair("response_type", "code");
            if !scopes.is_empty() {
                query.append_pair("scope", &scopes.join(" "));
            }
            query.append_pair("state", state.expose());
            if oauth.pkce {
                query.append_pair("code_challenge", &challenge(&verifier));
                query.append_pair("code_challenge_method", "S256");
            }
            query.extend_pairs(&oauth.parameters);
        }
        Ok(Self { url, state, verifier })
    }
}

impl Client {
    /// Exchanges the code of a sign-in for its grant.
    pub async fn redeem(
        &self,
        service: &Service,
        oauth: &OAuth,
        client: &OAuthClient,
        code: &Secret,
        redirect_uri: &str,
        verifier: &Secret,
    ) -> Result<Grant, Error> {
        let mut form = Question::of_client(client);
        form.push(("grant_type", text("authorization_code")));
        form.push(("code", text(code.expose())));
        form.push(("redirect_uri", text(redirect_uri)));
        if oauth.pkce {
            form.push(("code_verifier", text(verifier.expose())));
        }
        let sent = AtomicU64::new(0);
        let asked_at = self.now();
        let question = Question { client: self, service, url: &oauth.token_url, form, may_repeat: false, sent: &sent };
        let tokens = question.tokens().await.map_err(|refusal| match refusal.meaning {
            Meaning::Dead => Error::new(
                FailureKind::Rejected,
                "the provider did not take the code of this sign-in: it is over or was used; sign in again",
            )
            .with_provider_message(&refusal.said.unwrap_or_default()),
            _ => refusal.error,
        })?;
        let mut grant = tokens.into_grant(asked_at, None);
        grant.consented_at = Some(asked_at);
        // Where the provider does not say, it is what was asked for (RFC 6749, 5.1).
        let missing: Vec<&str> = match grant.scopes.is_empty() {
            true => Vec::new(),
            false => oauth.scopes.iter().filter(|scope| !grant.scopes.contains(*scope)).map(String::as_str).collect(),
        };
        if !missing.is_empty() {
            let message = format!(
                "not all that is needed was allowed; sign in again and leave every box ticked (missing: {})",
                missing.join(", ")
            );
            return Err(Error::new(FailureKind::Forbidden, message));
        }
        if grant.expires_at.is_some() && grant.refresh_token.is_none() {
            let message = "the provider gave access that cannot be renewed; remove this application in your account's \
                           settings at the provider and sign in again";
            return Err(Error::new(FailureKind::Forbidden, message));
        }
        Ok(grant)
    }

    /// Gives access back. Says whether the provider has a place for that.
    pub async fn give_back(&self, service: &Service, oauth: &OAuth, grant: &Grant) -> Result<bool, Error> {
        let Some(url) = &oauth.revoke_url else { return Ok(false) };
        let token = grant.refresh_token.as_ref().unwrap_or(&grant.access_token);
        let form = vec![("token", text(token.expose()))];
        let sent = AtomicU64::new(0);
        Question { client: self, service, url, form, may_repeat: false, sent: &sent }.done().await?;
        Ok(true)
    }
}

fn text(value: &str) -> Zeroizing<String> {
    Zeroizing::new(value.to_owned())
}

/// 256 bits, as both the state and the verifier of PKCE should have, and whatever else nobody may guess.
pub fn random() -> Result<Secret, Error> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut()).map_err(|_| Error::internal("this machine gives no random numbers"))?;
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(*bytes)))
}

/// What the verifier proves itself against (RFC 7636, S256).
fn challenge(verifier: &Secret) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
