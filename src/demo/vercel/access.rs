//! Who asks, for which team, and how much is left to them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::demo::{
    company::{TEAM_ID, TEAM_SLUG},
    server::{Incoming, Reply, lock},
};

/// A token of the simulated company. Vercel's have no form that one could tell.
#[derive(Debug, Clone)]
pub struct VercelToken {
    /// What stands behind `Bearer`.
    pub token: String,
    /// Whether it is limited to the team, so that it is nobody's.
    pub of_team: bool,
    /// What its holder may not read: `web_analytics`, `observability`.
    pub denied: BTreeSet<&'static str>,
}

impl VercelToken {
    /// A person's token that reads all that the person may.
    pub fn full(token: &str) -> Self {
        Self { token: token.to_owned(), of_team: false, denied: BTreeSet::new() }
    }

    /// As it is, but limited to the team.
    #[must_use]
    pub fn limited_to_team(mut self) -> Self {
        self.of_team = true;
        self
    }

    /// As it is, but of somebody who may not read a part.
    #[must_use]
    pub fn without(mut self, part: &'static str) -> Self {
        self.denied.insert(part);
        self
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    error: serde_json::Value,
}

impl Problem {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, error: json!({ "code": code, "message": message.into() }) }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self::new(404, "not_found", message)
    }

    /// The token is none that Vercel knows.
    pub(super) fn invalid_token() -> Self {
        let mut problem = Self::new(403, "forbidden", "Not authorized");
        problem.error["invalidToken"] = json!(true);
        problem
    }

    /// The token is known, and may not.
    pub(super) fn forbidden(message: &str) -> Self {
        Self::new(403, "forbidden", message)
    }

    pub(super) fn payment_required(message: &str) -> Self {
        Self::new(402, "payment_required", message)
    }

    pub(super) fn reply(self) -> Reply {
        Reply::compact(self.status, &json!({ "error": self.error }))
    }
}

/// The token behind a request.
pub(super) fn token<'a>(tokens: &'a [VercelToken], request: &Incoming) -> Result<&'a VercelToken, Problem> {
    let given = request.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
    let Some(given) = given else {
        return Err(Problem::new(403, "forbidden", "The request is missing an authentication token"));
    };
    tokens.iter().find(|token| token.token == given).ok_or_else(Problem::invalid_token)
}

/// Whether a request is made for the team; without a word of it, it is for the person, who has nothing.
pub(super) fn is_for_team(request: &Incoming) -> Result<bool, Problem> {
    let given = |name: &str| request.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    match (given("teamId"), given("slug")) {
        (None, None) => Ok(false),
        (Some(TEAM_ID), None) | (None, Some(TEAM_SLUG)) => Ok(true),
        _ => Err(Problem::forbidden("Not authorized: Trying to access resource under another scope.")),
    }
}

/// How many requests a minute each endpoint takes, where it is not [`USUAL`].
const LIMITS: [(&str, i64); 2] = [("deployments", 500), ("web-analytics", 400)];
const USUAL: i64 = 200;
const WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// What is left of one endpoint's minute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    total: i64,
    used: i64,
    reset: Timestamp,
}

impl Budget {
    pub(super) fn is_spent(self) -> bool {
        self.used > self.total
    }

    fn remaining(self) -> i64 {
        (self.total - self.used).max(0)
    }

    /// The second after the window's end, or whoever waited for it would come too early.
    fn reset_second(self) -> i64 {
        self.reset.as_millisecond().div_euclid(1000) + 1
    }

    pub(super) fn headers(self, reply: &mut Reply) {
        reply.header("x-ratelimit-limit", self.total.to_string());
        reply.header("x-ratelimit-remaining", self.remaining().to_string());
        reply.header("x-ratelimit-reset", self.reset_second().to_string());
    }

    pub(super) fn refusal(self) -> Reply {
        let limit = json!({ "remaining": 0, "reset": self.reset_second(), "resetMs": self.reset.as_millisecond(), "total": self.total });
        let mut problem = Problem::new(429, "rate_limited", "Rate limit exceeded");
        problem.error["limit"] = limit;
        problem.reply()
    }
}

/// The minutes of every caller at every endpoint.
#[derive(Debug, Default)]
pub(super) struct Budgets(Mutex<HashMap<(String, String), Budget>>);

impl Budgets {
    /// Counts a request; a window that is over begins anew.
    pub(super) fn spend(&self, token: &str, endpoint: &str, now: Timestamp) -> Budget {
        let total = LIMITS.iter().find(|(name, _)| *name == endpoint).map_or(USUAL, |(_, total)| *total);
        let fresh = Budget { total, used: 0, reset: now + WINDOW };
        let mut budgets = lock(&self.0);
        let budget = budgets.entry((token.to_owned(), endpoint.to_owned())).or_insert(fresh);
        if budget.reset <= now {
            *budget = fresh;
        }
        budget.used += 1;
        *budget
    }
}
