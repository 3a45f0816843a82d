//! GitHub's refusals.

use serde_json::json;

use crate::demo::server::Reply;

const DOCS: &str = "https://docs.github.com/rest";

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    message: String,
    errors: Vec<serde_json::Value>,
    location: Option<String>,
    headers: Vec<(&'static str, String)>,
}

impl Problem {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), errors: Vec::new(), location: None, headers: Vec::new() }
    }

    pub(super) fn bad_credentials() -> Self {
        Self::new(401, "Bad credentials")
    }

    pub(super) fn requires_authentication() -> Self {
        Self::new(401, "Requires authentication")
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "Not Found")
    }

    pub(super) fn not_accessible(installation: bool) -> Self {
        let holder = if installation { "integration" } else { "personal access token" };
        Self::new(403, format!("Resource not accessible by {holder}"))
    }

    /// Both reasons share the status; GitHub tells them apart by the message alone.
    pub(super) fn no_push_access() -> Self {
        Self::new(403, "Must have push access to repository")
    }

    pub(super) fn invalid(field: &str, message: &str) -> Self {
        let mut problem = Self::new(422, "Validation Failed");
        problem.errors.push(json!({ "resource": "Search", "field": field, "code": "invalid", "message": message }));
        problem
    }

    pub(super) fn too_many_pages() -> Self {
        Self::new(422, "In order to keep the API fast for everyone, pagination is limited for this resource.")
    }

    pub(super) fn empty_repository() -> Self {
        Self::new(409, "Git Repository is empty.")
    }

    pub(super) fn issues_disabled() -> Self {
        Self::new(410, "Issues are disabled for this repo")
    }

    pub(super) fn version(asked: &str) -> Self {
        Self::new(410, format!("The API version \"{asked}\" is not supported"))
    }

    pub(super) fn unknown_parameter(name: &str) -> Self {
        Self::new(400, format!("Unknown parameter \"{name}\": GitHub would ignore it, this emulator does not"))
    }

    pub(super) fn limit_reached(known: bool) -> Self {
        if known {
            Self::new(403, "API rate limit exceeded for user ID 9000001.")
        } else {
            Self::new(
                403,
                "API rate limit exceeded for 127.0.0.1. (But here's the good news: Authenticated requests get a higher rate \
                 limit. Check out the documentation for more details.)",
            )
        }
    }

    /// Of the limit that is never told; `seconds` where it says how long it lasts.
    pub(super) fn secondary_limit(seconds: Option<i64>) -> Self {
        let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        let headers = seconds.map(|seconds| ("retry-after", seconds.to_string())).into_iter().collect();
        Self { headers, ..Self::new(403, message) }
    }

    pub(super) fn sign_on_required(link: &str) -> Self {
        let message = "Resource protected by organization SAML enforcement. You must grant your Personal Access token \
                       access to this organization.";
        Self { headers: vec![("x-github-sso", format!("required; url={link}"))], ..Self::new(403, message) }
    }

    pub(super) fn moved(location: String) -> Self {
        Self { location: Some(location), ..Self::new(301, "Moved Permanently") }
    }

    pub(super) fn reply(self) -> Reply {
        let mut body = json!({ "message": self.message, "documentation_url": DOCS, "status": self.status.to_string() });
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        if let Some(location) = &self.location {
            body["url"] = json!(location);
        }
        let mut reply = Reply::compact(self.status, &body);
        if let Some(location) = self.location {
            reply.header("location", location);
        }
        reply.headers.extend(self.headers);
        reply
    }
}
