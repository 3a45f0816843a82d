//! Who asks, and what they may see.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::problem::Problem;
use crate::demo::{
    authorization::{AuthorizationServer, Bearer, Denied, Rules},
    server::Incoming,
};

/// The number of the Google Cloud project to which all credentials belong.
pub(super) const PROJECT: &str = "600000000001";
/// The service names of the two APIs.
pub(super) const DATA_API: &str = "analyticsdata.googleapis.com";
pub(super) const ADMIN_API: &str = "analyticsadmin.googleapis.com";
/// What a token must be granted for.
const SCOPE: &str = "https://www.googleapis.com/auth/analytics.readonly";
/// What it may be granted for besides.
const OTHER_SCOPES: [&str; 2] = ["openid", "https://www.googleapis.com/auth/userinfo.email"];

/// A user or a service account.
#[derive(Debug, Clone)]
pub struct GoogleAccount {
    /// The address.
    pub address: String,
    /// Numbers of the properties on which it has a role; `None`: on all.
    pub properties: Option<BTreeSet<String>>,
    /// Whether its role hides revenue.
    pub hides_revenue: bool,
    /// APIs that are switched off in its project: `analyticsdata`, `analyticsadmin`.
    pub switched_off: BTreeSet<String>,
}

impl GoogleAccount {
    /// An account that may read each property.
    pub fn full(address: &str) -> Self {
        Self { address: address.to_owned(), properties: None, hides_revenue: false, switched_off: BTreeSet::new() }
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
}

/// Where they get their tokens.
pub(super) fn authorization(accounts: &[GoogleAccount]) -> AuthorizationServer {
    AuthorizationServer::new(Rules {
        scopes: [SCOPE].into_iter().chain(OTHER_SCOPES).map(str::to_owned).collect(),
        service_accounts: accounts.iter().map(|account| account.address.clone()).collect(),
        ..Rules::default()
    })
}

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a>(&'a GoogleAccount);

impl<'a> Caller<'a> {
    /// Whose the token is. It must be good, for this, and used in a project that has the API.
    pub(super) fn of(
        accounts: &'a [GoogleAccount],
        authorization: &AuthorizationServer,
        request: &Incoming,
        service: &str,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let given = request.header("authorization");
        let Bearer { subject, scopes } = authorization.bearer(given, now).map_err(|denied| match denied {
            Denied::Over => Problem::expired(service),
            Denied::Unknown => Problem::unauthenticated(service, given.is_some()),
        })?;
        let account = accounts.iter().find(|account| account.address == subject);
        let account = account.ok_or_else(|| Problem::unauthenticated(service, true))?;
        let (name, short) = match service {
            ADMIN_API => ("Google Analytics Admin API", "analyticsadmin"),
            _ => ("Google Analytics Data API", "analyticsdata"),
        };
        if account.switched_off.contains(short) {
            return Err(Problem::switched_off(service, name));
        }
        if scopes.contains(SCOPE) { Ok(Self(account)) } else { Err(Problem::scope_insufficient(service)) }
    }

    pub(super) fn sees(self, property: &str) -> bool {
        self.0.properties.as_ref().is_none_or(|properties| properties.contains(property))
    }

    pub(super) fn hides_revenue(self) -> bool {
        self.0.hides_revenue
    }
}
