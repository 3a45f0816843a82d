//! Who asks, and how much is left to them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::problem::Problem;
use crate::demo::{
    company::Repository,
    server::{Incoming, Reply, lock},
};

/// A token of the simulated company. Obviously made up, and in the shape of a real one.
#[derive(Debug, Clone)]
pub struct GithubToken {
    /// What stands behind `Bearer`.
    pub token: String,
    /// Whether it sees private repositories.
    pub private: bool,
    /// Whether it may push, which traffic asks for.
    pub push: bool,
    /// Whether an app's installation holds it, not a person.
    pub installation: bool,
    /// Parts of a repository that it may not read: `commits`, `issues`, `pulls`, `releases`, `actions`, `traffic` …
    pub denied: BTreeSet<String>,
    /// Requests an hour, unless it is as many as for everybody.
    pub hourly: Option<i64>,
    /// The limit of which nothing is told beforehand, if there is to be one.
    pub secondary: Option<SecondaryLimit>,
    /// Where it has to be authorised for the organisation's single sign-on, unless it is.
    pub sign_on: Option<String>,
}

/// GitHub's secondary limit.
#[derive(Debug, Clone, Copy)]
pub struct SecondaryLimit {
    /// So many requests in a minute are answered.
    pub requests: i64,
    /// For so long nothing is, then.
    pub seconds: i64,
    /// Whether `retry-after` says how long.
    pub told: bool,
}

impl GithubToken {
    /// A person's token that may do everything.
    pub fn full(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            private: true,
            push: true,
            installation: false,
            denied: BTreeSet::new(),
            hourly: None,
            secondary: None,
            sign_on: None,
        }
    }

    /// A person's token that reads everything but has no push access.
    pub fn read_only(token: &str) -> Self {
        Self { push: false, ..Self::full(token) }
    }

    /// The token of an app's installation.
    pub fn installation(token: &str) -> Self {
        Self { installation: true, ..Self::full(token) }
    }

    /// As it is, but with so many requests an hour.
    pub fn hourly(mut self, requests: i64) -> Self {
        self.hourly = Some(requests);
        self
    }

    /// As it is, but with a limit of which nothing is told beforehand.
    pub fn secondary(mut self, limit: SecondaryLimit) -> Self {
        self.secondary = Some(limit);
        self
    }

    /// As it is, but not authorised for the organisation's single sign-on; that can be done at this address.
    pub fn without_sign_on(mut self, link: &str) -> Self {
        self.sign_on = Some(link.to_owned());
        self
    }

    /// As it is, but without access to a part of each repository.
    pub fn without(mut self, part: &str) -> Self {
        self.denied.insert(part.to_owned());
        self
    }
}

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a>(Option<&'a GithubToken>);

impl<'a> Caller<'a> {
    pub(super) fn of(tokens: &'a [GithubToken], request: &Incoming) -> Result<Self, Problem> {
        let Some(header) = request.header("authorization") else { return Ok(Self(None)) };
        let (scheme, given) = header.split_once(' ').unwrap_or(("", header));
        let known = tokens.iter().find(|token| token.token == given.trim());
        match known {
            Some(token) if ["bearer", "token"].contains(&scheme.to_lowercase().as_str()) => Ok(Self(Some(token))),
            _ => Err(Problem::bad_credentials()),
        }
    }

    pub(super) fn token(self) -> Option<&'a GithubToken> {
        self.0
    }

    pub(super) fn sees(self, repository: &Repository) -> bool {
        !repository.private || self.0.is_some_and(|token| token.private)
    }

    pub(super) fn pushes(self) -> bool {
        self.0.is_some_and(|token| token.push)
    }

    pub(super) fn signed_in(self) -> Result<&'a GithubToken, Problem> {
        self.0.ok_or_else(Problem::requires_authentication)
    }

    /// Refuses what belongs to the organisation where a single sign-on is due.
    pub(super) fn signed_on(self) -> Result<(), Problem> {
        match self.0.and_then(|token| token.sign_on.as_ref()) {
            Some(link) => Err(Problem::sign_on_required(link)),
            None => Ok(()),
        }
    }

    /// Refuses a part of a repository that the token leaves out.
    pub(super) fn reads(self, part: &str) -> Result<(), Problem> {
        match self.0 {
            Some(token) if token.denied.contains(part) => Err(Problem::not_accessible(token.installation)),
            _ => Ok(()),
        }
    }
}

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Resource {
    Core,
    Search,
}

impl Resource {
    fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Search => "search",
        }
    }

    fn limit(self, known: bool) -> i64 {
        match (self, known) {
            (Self::Core, true) => 5000,
            (Self::Core, false) => 60,
            (Self::Search, true) => 30,
            (Self::Search, false) => 10,
        }
    }

    fn window(self) -> SignedDuration {
        match self {
            Self::Core => SignedDuration::from_hours(1),
            Self::Search => SignedDuration::from_mins(1),
        }
    }
}

/// What a caller has used in the window under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    resource: Resource,
    limit: i64,
    used: i64,
    reset: Timestamp,
}

impl Budget {
    pub(super) fn is_spent(self) -> bool {
        self.used >= self.limit
    }

    pub(super) fn headers(self, reply: &mut Reply) {
        reply.header("x-ratelimit-limit", self.limit.to_string());
        reply.header("x-ratelimit-remaining", (self.limit - self.used).max(0).to_string());
        reply.header("x-ratelimit-used", self.used.to_string());
        reply.header("x-ratelimit-reset", self.reset.as_second().to_string());
        reply.header("x-ratelimit-resource", self.resource.name());
    }

    fn json(self) -> Value {
        json!({ "limit": self.limit, "used": self.used, "remaining": (self.limit - self.used).max(0),
            "reset": self.reset.as_second() })
    }
}

/// The minute under way of a token: when it began, the requests in it, and until when all are refused.
#[derive(Debug, Clone, Copy)]
struct Rush {
    begun: Timestamp,
    requests: i64,
    refused_until: Timestamp,
}

/// The windows of every caller.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    told: Mutex<HashMap<(String, Resource), Budget>>,
    untold: Mutex<HashMap<String, Rush>>,
}

impl Budgets {
    /// The budget as it stands, after `cost` more; a window that is over begins anew.
    pub(super) fn spend(&self, caller: Caller<'_>, resource: Resource, cost: i64, now: Timestamp) -> Budget {
        let who = caller.token().map_or(String::new(), |token| token.token.clone());
        let own = caller.token().and_then(|token| token.hourly).filter(|_| resource == Resource::Core);
        let limit = own.unwrap_or_else(|| resource.limit(caller.token().is_some()));
        let fresh = Budget { resource, limit, used: 0, reset: now + resource.window() };
        let mut budgets = lock(&self.told);
        let budget = budgets.entry((who, resource)).or_insert(fresh);
        if budget.reset <= now {
            *budget = fresh;
        }
        budget.used += cost;
        *budget
    }

    /// Counts a request of whatever kind against the secondary limit, and refuses it where that is reached.
    pub(super) fn rush(&self, caller: Caller<'_>, now: Timestamp) -> Result<(), Problem> {
        let Some((token, limit)) = caller.token().and_then(|token| Some((token, token.secondary?))) else {
            return Ok(());
        };
        let mut minutes = lock(&self.untold);
        let fresh = Rush { begun: now, requests: 0, refused_until: now };
        let rush = minutes.entry(token.token.clone()).or_insert(fresh);
        if rush.refused_until <= now && now.duration_since(rush.begun) >= SignedDuration::from_mins(1) {
            *rush = fresh;
        }
        rush.requests += 1;
        if rush.requests > limit.requests && rush.refused_until <= now {
            *rush = Rush { begun: now, requests: 0, refused_until: now + SignedDuration::from_secs(limit.seconds) };
        }
        let left = rush.refused_until.duration_since(now).as_secs();
        if rush.refused_until > now { Err(Problem::secondary_limit(limit.told.then_some(left.max(1)))) } else { Ok(()) }
    }

    /// The answer of `/rate_limit`, which costs nothing.
    pub(super) fn overview(&self, caller: Caller<'_>, now: Timestamp, newest_version: bool) -> Value {
        let core = self.spend(caller, Resource::Core, 0, now).json();
        let search = self.spend(caller, Resource::Search, 0, now).json();
        let mut overview = json!({ "resources": { "core": core, "search": search } });
        if !newest_version {
            overview["rate"] = overview["resources"]["core"].clone();
        }
        overview
    }
}
