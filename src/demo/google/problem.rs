//! Google's refusals.

use serde_json::{Value, json};

use super::access::PROJECT;
use crate::demo::server::Reply;

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Problem {
    code: u16,
    status: &'static str,
    message: String,
    details: Vec<Value>,
}

impl Problem {
    fn new(code: u16, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), details: Vec::new() }
    }

    fn reason(mut self, reason: &str, metadata: Value) -> Self {
        let kind = "type.googleapis.com/google.rpc.ErrorInfo";
        let detail = json!({ "@type": kind, "reason": reason, "domain": "googleapis.com", "metadata": metadata });
        self.details.push(detail);
        self
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message)
    }

    /// JSON of another form than the API's.
    pub(super) fn unknown_field(field: &str, place: &str) -> Self {
        let at = if place.is_empty() { String::new() } else { format!(" at '{place}'") };
        let message = format!("Invalid JSON payload received. Unknown name \"{field}\"{at}: Cannot find field.");
        let violation = json!({ "field": place, "description": message });
        let mut problem = Self::invalid(message);
        let kind = "type.googleapis.com/google.rpc.BadRequest";
        problem.details.push(json!({ "@type": kind, "fieldViolations": [violation] }));
        problem
    }

    pub(super) fn no_such_path(path: &str) -> Self {
        Self::new(404, "NOT_FOUND", format!("The requested URL {path} was not found on this server."))
    }

    /// No token at all, or one that is not known.
    pub(super) fn unauthenticated(service: &str, is_given: bool) -> Self {
        let (what, reason) = match is_given {
            true => ("had invalid authentication credentials", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
            false => ("is missing required authentication credential", "CREDENTIALS_MISSING"),
        };
        let message = format!(
            "Request {what}. Expected OAuth 2 access token, login cookie or other valid authentication credential. See \
             https://developers.google.com/identity/sign-in/web/devconsole-project."
        );
        Self::new(401, "UNAUTHENTICATED", message).reason(reason, json!({ "service": service }))
    }

    pub(super) fn expired(service: &str) -> Self {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
                       valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
        Self::new(401, "UNAUTHENTICATED", message).reason("ACCESS_TOKEN_EXPIRED", json!({ "service": service }))
    }

    pub(super) fn scope_insufficient(service: &str) -> Self {
        let message = "Request had insufficient authentication scopes.";
        Self::new(403, "PERMISSION_DENIED", message)
            .reason("ACCESS_TOKEN_SCOPE_INSUFFICIENT", json!({ "service": service }))
    }

    pub(super) fn switched_off(service: &str, name: &str) -> Self {
        let page = format!("https://console.developers.google.com/apis/api/{service}/overview?project={PROJECT}");
        let message = format!(
            "{name} has not been used in project {PROJECT} before or it is disabled. Enable it by visiting {page} then retry. \
             If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
        );
        let metadata = json!({ "service": service, "consumer": format!("projects/{PROJECT}"), "activationUrl": page,
            "serviceTitle": name });
        Self::new(403, "PERMISSION_DENIED", message).reason("SERVICE_DISABLED", metadata)
    }

    /// Also of a property that does not exist: nobody learns which there are.
    pub(super) fn no_role() -> Self {
        let message = "User does not have sufficient permissions for this property. To learn more about Property ID, see \
                       https://developers.google.com/analytics/devguides/reporting/data/v1/property-id.";
        Self::new(403, "PERMISSION_DENIED", message)
    }

    /// A quota by the words that Google has for it. There is no Retry-After.
    pub(super) fn exhausted(message: &str) -> Self {
        Self::new(429, "RESOURCE_EXHAUSTED", message)
    }

    pub(super) fn reply(self) -> Reply {
        let Self { code, status, message, details } = self;
        let mut error = json!({ "code": code, "message": message, "status": status });
        if !details.is_empty() {
            error["details"] = Value::Array(details);
        }
        let mut reply = Reply::pretty(code, &json!({ "error": error }));
        if code == 401 {
            let challenge = "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"";
            reply.header("www-authenticate", challenge);
        }
        reply
    }
}
