//! Plausible's refusals.

use serde_json::json;

use crate::demo::server::Reply;

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    /// `None` where it answers with a page instead of JSON.
    message: Option<String>,
}

impl Problem {
    fn new(status: u16, message: &str) -> Self {
        Self { status, message: Some(message.to_owned()) }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, message: Some(message.into()) }
    }

    pub(super) fn missing_key() -> Self {
        Self::new(401, "Missing API key. Please use a valid Plausible API key as a Bearer Token.")
    }

    /// One sentence for both causes, so that nobody learns which sites there are.
    pub(super) fn no_access() -> Self {
        Self::new(
            401,
            "Invalid API key or site ID. Please make sure you're using a valid API key with access to the site you've \
             requested.",
        )
    }

    pub(super) fn missing_site() -> Self {
        Self::bad("Missing site ID. Please provide the required site_id parameter with your request.")
    }

    pub(super) fn no_plan() -> Self {
        Self::new(
            402,
            "The account that owns this API key does not have access to Stats API. Please make sure you're using the API \
             key of a subscriber account and that the subscription plan has Stats API access",
        )
    }

    pub(super) fn no_sites_api() -> Self {
        Self::new(402, "Your current subscription plan does not include Sites API access")
    }

    pub(super) fn too_many() -> Self {
        Self::new(429, "Too many API requests. The limit is 600 per hour. Please contact us to request more capacity.")
    }

    pub(super) fn unknown_goal(name: &str) -> Self {
        Self::bad(format!(
            "Invalid filters. The goal `{name}` is not configured for this site. Find out how to configure goals here: \
             https://plausible.io/docs/stats-api#filtering-by-goals"
        ))
    }

    pub(super) fn no_revenue() -> Self {
        Self::bad("The owner of this site does not have access to the revenue metrics feature.")
    }

    pub(super) fn no_route() -> Self {
        Self { status: 404, message: None }
    }

    pub(super) fn reply(self) -> Reply {
        match self.message {
            Some(message) => Reply::compact(self.status, &json!({ "error": message })),
            None => {
                let body = b"<!DOCTYPE html><title>404 Not Found</title>".to_vec();
                let headers = vec![("content-type", "text/html; charset=utf-8".to_owned())];
                Reply { status: self.status, headers, body }
            }
        }
    }
}
