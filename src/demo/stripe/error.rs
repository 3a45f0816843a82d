//! Stripe's refusals, word for word where they are known.

use serde_json::{Map, Value, json};

use crate::demo::server::Reply;

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
}

impl Refusal {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, code: None, message: message.into(), param: None }
    }

    fn with(mut self, code: &'static str, param: impl Into<String>) -> Self {
        self.code = Some(code);
        self.param = Some(param.into());
        self
    }

    pub(super) fn no_key() -> Self {
        Self::new(
            401,
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer \
             auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for \
             details, or we can help at https://support.stripe.com/.",
        )
    }

    pub(super) fn wrong_key(key: &str) -> Self {
        Self::new(401, format!("Invalid API Key provided: {}", mask(key)))
    }

    pub(super) fn expired_key(key: &str) -> Self {
        let mut refusal = Self::new(401, format!("Expired API Key provided: {}", mask(key)));
        refusal.code = Some("api_key_expired");
        refusal
    }

    pub(super) fn permission(key: &str, account: &str, permission: &str) -> Self {
        Self::new(
            403,
            format!(
                "The provided key '{}' does not have the required permissions for this endpoint on account '{account}'. \
                 Having the '{permission}' permission would allow this request to continue.",
                mask(key)
            ),
        )
    }

    pub(super) fn version(version: &str) -> Self {
        Self::new(400, format!("Invalid Stripe API version: {version}"))
    }

    pub(super) fn unknown_url(method: &str, path: &str) -> Self {
        Self::new(
            404,
            format!(
                "Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at \
                 https://support.stripe.com/."
            ),
        )
    }

    pub(super) fn unknown_parameter(name: &str) -> Self {
        Self::new(400, format!("Received unknown parameter: {name}")).with("parameter_unknown", name)
    }

    pub(super) fn not_an_integer(param: &str, text: &str) -> Self {
        Self::new(400, format!("Invalid integer: {text}")).with("parameter_invalid_integer", param)
    }

    pub(super) fn out_of_range(param: &str, value: i64) -> Self {
        let bound = if value < 1 { "greater than or equal to 1" } else { "less than or equal to 100" };
        Self::new(400, format!("This value must be {bound} (it currently is '{value}')."))
            .with("parameter_invalid_integer", param)
    }

    pub(super) fn missing_parameter(param: &str) -> Self {
        Self::new(400, format!("Missing required param: {param}.")).with("parameter_missing", param)
    }

    pub(super) fn exclusive(first: &str, second: &str) -> Self {
        let mut refusal = Self::new(400, format!("You may only specify one of these parameters: {first}, {second}."));
        refusal.param = Some(first.to_owned());
        refusal
    }

    pub(super) fn too_many(param: &str, most: usize) -> Self {
        let mut refusal = Self::new(400, format!("Array {param} exceeded maximum {most} allowed elements."));
        refusal.param = Some(param.to_owned());
        refusal
    }

    pub(super) fn choice(param: &str, allowed: &[&str]) -> Self {
        let mut refusal = Self::new(400, format!("Invalid {param}: must be one of {}", allowed.join(", ")));
        refusal.param = Some(param.to_owned());
        refusal
    }

    pub(super) fn missing_object(status: u16, kind: &str, id: &str, param: &str) -> Self {
        Self::new(status, format!("No such {kind}: '{id}'")).with("resource_missing", param)
    }

    pub(super) fn cannot_expand(path: &str, on_list: bool) -> Self {
        let hint =
            if on_list { format!(" You may want to try expanding 'data.{path}' instead.") } else { String::new() };
        let mut refusal = Self::new(400, format!("This property cannot be expanded ({path}).{hint}"));
        refusal.param = Some("expand".to_owned());
        refusal
    }

    pub(super) fn too_deep(path: &str) -> Self {
        let mut refusal =
            Self::new(400, format!("You cannot expand more than 4 levels of a property. Property: {path}"));
        refusal.param = Some("expand".to_owned());
        refusal
    }

    pub(super) fn too_fast() -> Self {
        let mut refusal = Self::new(
            429,
            "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.",
        );
        refusal.code = Some("rate_limit");
        refusal
    }

    pub(super) fn reply(&self, request_id: &str) -> Reply {
        let mut error = Map::new();
        if let Some(code) = self.code {
            error.insert("code".to_owned(), json!(code));
            error.insert(
                "doc_url".to_owned(),
                json!(format!("https://stripe.com/docs/error-codes/{}", code.replace('_', "-"))),
            );
        }
        error.insert("message".to_owned(), json!(self.message));
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), json!(param));
        }
        let log = format!("https://dashboard.stripe.com/test/logs/{request_id}");
        error.insert("request_log_url".to_owned(), json!(log));
        error.insert("type".to_owned(), json!("invalid_request_error"));
        let mut reply =
            Reply::pretty(self.status, &Value::Object(Map::from_iter([("error".to_owned(), Value::Object(error))])));
        match self.status {
            401 => reply.header("www-authenticate", "Bearer realm=\"Stripe\""),
            429 => reply.header("stripe-rate-limited-reason", "endpoint-rate"),
            _ => {}
        }
        reply
    }
}

/// As Stripe echoes it: the prefix and the last four characters stay, each other character is a star.
fn mask(key: &str) -> String {
    let characters: Vec<char> = key.chars().take(200).collect();
    let start = match key.match_indices('_').nth(1) {
        Some((at, _)) if at < 12 => at + 1,
        _ => characters.len().min(2),
    };
    let end = characters.len().saturating_sub(4).max(start);
    characters
        .iter()
        .enumerate()
        .map(|(at, character)| if at >= start && at < end { '*' } else { *character })
        .collect()
}
