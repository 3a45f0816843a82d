//! How a request is signed. An integration names the fields; only this module sees their values.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Error;
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
}

/// The secrets of one connection by field key. Opened by the vault, handed to the session, seen by nobody else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials(BTreeMap<String, Secret>);

impl Credentials {
    /// Takes the fields.
    pub fn new(fields: BTreeMap<String, Secret>) -> Self {
        Self(fields)
    }

    /// One field's value.
    pub fn get(&self, key: &str) -> Option<&Secret> {
        self.0.get(key)
    }

    /// All fields in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }
}

impl Auth {
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
