//! How a request is signed. An integration names the fields; only this module sees their values.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    Error, Grant, OAuth, OAuthClient, Service, ServiceAccount,
    grant::{Expiry, address_of, check_key},
};
use crate::{metric::FailureKind, secret::Secret};

/// How a request is signed, as data. The names are keys of credential fields. Where the named field is optional and
/// was left empty, requests go out unsigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// `Authorization: Bearer <field>`.
    Bearer {
        /// Key of the credential field.
        field: String,
    },
    /// `Authorization: Basic <user:password>`.
    Basic {
        /// Key of the field with the user name.
        user: String,
        /// Key of the field with the password; an empty password where there is none.
        password: Option<String>,
    },
    /// A header of its own.
    Header {
        /// The header's name.
        name: String,
        /// Key of the credential field.
        field: String,
    },
    /// A user signs in at the provider; `Authorization: Bearer <access token>`.
    #[serde(rename = "oauth")]
    OAuth(OAuth),
    /// A key signs assertions; `Authorization: Bearer <access token>`.
    ServiceAccount(ServiceAccount),
    /// The first of several ways for which there is a credential.
    AnyOf(Vec<Auth>),
}

/// The secrets of one connection. Opened by the vault, handed to the session, seen by nobody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    fields: BTreeMap<String, Secret>,
    grant: Option<Grant>,
    place: Option<Place>,
    client: Option<OAuthClient>,
}

/// Where credentials lie, so that a grant that was renewed goes there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which connection's they are.
    pub connection_id: String,
    /// Rises with everything that changes them.
    pub version: i64,
}

impl Credentials {
    /// Takes the fields by their keys.
    pub fn new(fields: BTreeMap<String, Secret>) -> Self {
        Self { fields, ..Self::default() }
    }

    /// The same with what the provider granted.
    #[must_use]
    pub fn with_grant(mut self, grant: Option<Grant>) -> Self {
        self.grant = grant;
        self
    }

    /// The same as they are kept: renewed grants go there.
    #[must_use]
    pub fn kept_at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// The same with the client by which the provider knows this installation.
    #[must_use]
    pub fn with_client(mut self, client: Option<OAuthClient>) -> Self {
        self.client = client;
        self
    }

    /// One field's value.
    pub fn get(&self, key: &str) -> Option<&Secret> {
        self.fields.get(key)
    }

    /// All fields in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.fields.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// What the provider granted.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    pub(super) fn client(&self) -> Option<&OAuthClient> {
        self.client.as_ref()
    }

    /// Everything that nobody may see.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let of_grant = self.grant.iter().flat_map(|grant| [Some(&grant.access_token), grant.refresh_token.as_ref()]);
        let of_client = self.client.iter().map(|client| client.secret.as_ref());
        self.fields.values().chain(of_grant.chain(of_client).flatten())
    }

    /// What tells these credentials from others as long as they stay: the fields, and of a sign-in its number.
    pub(super) fn identity(&self) -> impl Iterator<Item = &str> {
        let signed_in = self.grant.iter().filter(|grant| grant.consented_at.is_some()).map(|grant| grant.id.as_str());
        self.iter().flat_map(|(key, value)| [key, value.expose()]).chain(signed_in)
    }
}

impl Auth {
    /// The way that counts for these credentials; the first where none is given.
    pub(super) fn active(&self, credentials: &Credentials) -> &Self {
        match self {
            Self::AnyOf(ways) => {
                let given = ways.iter().find(|way| way.is_given(credentials));
                given.or(ways.first()).map_or(self, |way| way.active(credentials))
            }
            one => one,
        }
    }

    /// Whether there is a credential for it.
    pub fn is_given(&self, credentials: &Credentials) -> bool {
        let has = |field: &str| credentials.get(field).is_some_and(|value| !value.expose().is_empty());
        match self {
            Self::Bearer { field } | Self::Basic { user: field, .. } | Self::Header { field, .. } => has(field),
            Self::OAuth(_) => credentials.grant.as_ref().is_some_and(|grant| grant.consented_at.is_some()),
            Self::ServiceAccount(account) => has(&account.field),
            Self::AnyOf(ways) => ways.iter().any(|way| way.is_given(credentials)),
        }
    }

    /// How a user signs in, if that is one of the ways.
    pub fn oauth(&self) -> Option<&OAuth> {
        match self {
            Self::OAuth(oauth) => Some(oauth),
            Self::AnyOf(ways) => ways.iter().find_map(Self::oauth),
            Self::Bearer { .. } | Self::Basic { .. } | Self::Header { .. } | Self::ServiceAccount(_) => None,
        }
    }

    /// The service accounts' way, if that is one.
    pub fn service_account(&self) -> Option<&ServiceAccount> {
        match self {
            Self::ServiceAccount(account) => Some(account),
            Self::AnyOf(ways) => ways.iter().find_map(Self::service_account),
            Self::Bearer { .. } | Self::Basic { .. } | Self::Header { .. } | Self::OAuth(_) => None,
        }
    }

    /// The signs that access is over; `None` where there is no access that could be renewed.
    pub(super) fn expiry(&self, credentials: &Credentials) -> Option<&[Expiry]> {
        match self.active(credentials) {
            Self::OAuth(oauth) => Some(&oauth.expiry),
            Self::ServiceAccount(account) => Some(&account.expiry),
            _ => None,
        }
    }

    /// The address of the service account that signs, where one does.
    pub(super) fn address(&self, credentials: &Credentials) -> Option<String> {
        match self.active(credentials) {
            Self::ServiceAccount(account) => address_of(credentials.get(&account.field)?.expose()),
            _ => None,
        }
    }

    /// What is wrong with a credential that has a form of its own: the field, and a sentence without a word of it.
    pub fn check(&self, service: &Service, credentials: &Credentials) -> Result<(), (String, String)> {
        let Some(account) = self.service_account().filter(|account| Self::is_key_given(account, credentials)) else {
            return Ok(());
        };
        let text = credentials.get(&account.field).map_or("", Secret::expose);
        check_key(account, service, text).map_err(|why| (account.field.clone(), why))
    }

    fn is_key_given(account: &ServiceAccount, credentials: &Credentials) -> bool {
        credentials.get(&account.field).is_some_and(|value| !value.expose().is_empty())
    }

    /// The header of a grant.
    pub(super) fn bearer(grant: &Grant) -> Result<(HeaderName, HeaderValue), Error> {
        let text = Zeroizing::new(format!("Bearer {}", grant.access_token.expose()));
        let value = HeaderValue::from_str(&text).ok().filter(|_| text.is_ascii());
        let mut value =
            value.ok_or_else(|| Error::invalid_response("the provider gave an access token that cannot be sent"))?;
        value.set_sensitive(true);
        Ok((AUTHORIZATION, value))
    }

    /// The header that signs a request; `None` where the field was left empty. A credential that cannot stand in a
    /// header is `unauthorized`: no provider would accept it.
    pub(super) fn sign(&self, credentials: &Credentials) -> Result<Option<(HeaderName, HeaderValue)>, Error> {
        let field = |key: &str| credentials.get(key).map(Secret::expose).filter(|value| !value.is_empty());
        let (name, key, text) = match self {
            Self::Bearer { field: key } => {
                let Some(token) = field(key) else { return Ok(None) };
                (AUTHORIZATION, key, Zeroizing::new(format!("Bearer {token}")))
            }
            Self::Basic { user, password } => {
                let Some(name) = field(user) else { return Ok(None) };
                let password = password.as_deref().and_then(field).unwrap_or_default();
                (AUTHORIZATION, user, Zeroizing::new(format!("Basic {}", *basic_pair(name, password))))
            }
            Self::Header { name, field: key } => {
                let Some(value) = field(key) else { return Ok(None) };
                let name = HeaderName::try_from(name).map_err(|_| {
                    Error::internal("the descriptor names a header that is none").context("header", name)
                })?;
                (name, key, Zeroizing::new(value.to_owned()))
            }
            // What a grant signs is the keeper's.
            Self::OAuth(_) | Self::ServiceAccount(_) => return Ok(None),
            Self::AnyOf(_) => match self.active(credentials) {
                Self::AnyOf(_) => return Ok(None),
                way => return way.sign(credentials),
            },
        };
        let value = HeaderValue::from_str(&text).ok().filter(|_| text.is_ascii());
        let mut value = value.ok_or_else(|| {
            let message = "the credential has characters that cannot be sent; copy it again, without line breaks";
            Error::new(FailureKind::Unauthorized, message).context("field", key)
        })?;
        value.set_sensitive(true);
        Ok(Some((name, value)))
    }
}

/// User and password as basic authentication writes them.
pub(super) fn basic_pair(user: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    Zeroizing::new(BASE64_STANDARD.encode(pair.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(fields: &[(&str, &str)]) -> Credentials {
        Credentials::new(fields.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect())
    }

    fn bearer() -> Auth {
        Auth::Bearer { field: "key".into() }
    }

    #[test]
    fn signs_as_the_descriptor_says_and_marks_it_sensitive() {
        let given = credentials(&[("key", "k1"), ("password", "pw")]);
        let header = Auth::Header { name: "X-Api-Key".into(), field: "key".into() };
        let basic = Auth::Basic { user: "key".into(), password: None };
        let pair = Auth::Basic { user: "key".into(), password: Some("password".into()) };
        for (auth, name, expected) in [
            (bearer(), "authorization", "Bearer k1"),
            (header, "x-api-key", "k1"),
            (basic, "authorization", "Basic azE6"),
            (pair, "authorization", "Basic azE6cHc="),
        ] {
            let (header, value) = auth.sign(&given).unwrap().unwrap();
            assert_eq!((header.as_str(), value.to_str().unwrap()), (name, expected));
            assert!(value.is_sensitive());
        }
    }

    #[test]
    fn an_empty_optional_field_leaves_the_request_unsigned() {
        assert_eq!(bearer().sign(&credentials(&[])).unwrap(), None);
        assert_eq!(bearer().sign(&credentials(&[("key", "")])).unwrap(), None);
    }

    #[test]
    fn a_credential_that_no_header_can_hold_is_unauthorized() {
        for value in ["line\nbreak", "nul\0", "schlüssel", "a\r\nX-Injected: 1"] {
            let error = bearer().sign(&credentials(&[("key", value)])).unwrap_err();
            assert_eq!(error.kind(), FailureKind::Unauthorized);
            assert!(!error.to_string().contains(value));
        }
    }
}
