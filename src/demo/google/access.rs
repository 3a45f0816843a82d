//! Who asks, and what they may see.

use std::collections::BTreeSet;

use super::problem::Problem;
use crate::demo::server::Incoming;

/// The number of the Google Cloud project to which all credentials belong.
pub(super) const PROJECT: &str = "600000000001";
/// The service names of the two APIs.
pub(super) const DATA_API: &str = "analyticsdata.googleapis.com";
pub(super) const ADMIN_API: &str = "analyticsadmin.googleapis.com";

/// An access token of the simulated company. Obviously made up.
#[derive(Debug, Clone)]
pub struct GoogleToken {
    /// What stands behind `Bearer`.
    pub token: String,
    /// Numbers of the properties on which it has a role; `None`: on all.
    pub properties: Option<BTreeSet<String>>,
    /// Whether its role hides revenue.
    pub hides_revenue: bool,
    /// Whether it is over.
    pub expired: bool,
    /// Whether it was granted for Google Analytics.
    pub in_scope: bool,
    /// APIs that are switched off in its project: `analyticsdata`, `analyticsadmin`.
    pub switched_off: BTreeSet<String>,
}

impl GoogleToken {
    /// A token that may read each property.
    pub fn full(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            properties: None,
            hides_revenue: false,
            expired: false,
            in_scope: true,
            switched_off: BTreeSet::new(),
        }
    }

    /// As it is, but with a role on these properties alone.
    pub fn on(mut self, properties: &[&str]) -> Self {
        self.properties = Some(properties.iter().map(|number| (*number).to_owned()).collect());
        self
    }

    /// As it is, but with a role that hides revenue.
    pub fn without_revenue(mut self) -> Self {
        self.hides_revenue = true;
        self
    }

    /// As it is, but in a project in which an API is switched off.
    pub fn without_api(mut self, api: &str) -> Self {
        self.switched_off.insert(api.to_owned());
        self
    }

    /// As it is, but granted for something else.
    pub fn out_of_scope(mut self) -> Self {
        self.in_scope = false;
        self
    }

    /// As it is, but over.
    pub fn expired(mut self) -> Self {
        self.expired = true;
        self
    }
}

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a>(&'a GoogleToken);

impl<'a> Caller<'a> {
    pub(super) fn of(tokens: &'a [GoogleToken], request: &Incoming, service: &str) -> Result<Self, Problem> {
        let given = request.header("authorization");
        let bearer = given.and_then(|given| given.strip_prefix("Bearer "));
        match bearer.and_then(|given| tokens.iter().find(|token| token.token == given)) {
            Some(token) if token.expired => Err(Problem::expired(service)),
            Some(token) => Ok(Self(token)),
            None => Err(Problem::unauthenticated(service, given.is_some())),
        }
    }

    /// Refuses where the token or its project leaves an API out.
    pub(super) fn uses(self, service: &str) -> Result<(), Problem> {
        let (name, short) = match service {
            ADMIN_API => ("Google Analytics Admin API", "analyticsadmin"),
            _ => ("Google Analytics Data API", "analyticsdata"),
        };
        if self.0.switched_off.contains(short) {
            return Err(Problem::switched_off(service, name));
        }
        if self.0.in_scope { Ok(()) } else { Err(Problem::scope_insufficient(service)) }
    }

    pub(super) fn sees(self, property: &str) -> bool {
        self.0.properties.as_ref().is_none_or(|properties| properties.contains(property))
    }

    pub(super) fn hides_revenue(self) -> bool {
        self.0.hides_revenue
    }
}
