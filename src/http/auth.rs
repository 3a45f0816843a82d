//! How a request is signed. An integration names the fields; only this module sees their values.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::secret::Secret;

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
