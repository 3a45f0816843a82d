//! An integration's entry in the catalogue: the specification's keys in snake_case, and what Dashtray adds.

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::{BaseUrl, CredentialField, Descriptor, Tier};
use crate::http::grant::client_variables;

/// Where the command line waits for a browser that comes back from a sign-in.
pub const COMMAND_LINE_REDIRECT: &str = "http://127.0.0.1:8573/oauth/callback";

/// The whole entry, the same for command line and API.
pub fn entry(descriptor: &Descriptor) -> Json {
    let schema: Map<String, Json> =
        descriptor.credentials.iter().map(|field| (field.key.clone(), credential(field))).collect();
    let base_url = match &descriptor.base_url {
        BaseUrl::Fixed(address) | BaseUrl::Setting { default: address, .. } => address,
    };
    json!({
        "id": descriptor.id,
        "name": descriptor.name,
        "category": descriptor.category,
        "icon": descriptor.icon,
        "summary": descriptor.summary,
        "tier": Tier::of(&descriptor.id),
        "auth_type": descriptor.auth_type(),
        "oauth": oauth(descriptor),
        "credentials_schema": schema,
        "settings": descriptor.settings,
        "metrics": descriptor.metrics,
        "base_url": base_url,
        "hosts": descriptor.hosts,
        "streams": descriptor.streams,
        "limits": limits(descriptor),
        "sync_interval": descriptor.sync_interval_minutes,
        "zone": descriptor.zone,
        "history_days": descriptor.history_days,
        "guide": descriptor.guide,
    })
}

/// What a sign-in asks for, and the variables that the operator sets for it; null where there is none.
fn oauth(descriptor: &Descriptor) -> Json {
    let Some(oauth) = descriptor.auth.oauth() else { return Json::Null };
    let [client_id, client_secret] = client_variables(&descriptor.id);
    json!({
        "authorise_url": oauth.authorise_url,
        "scopes": oauth.scopes,
        "client_id_variable": client_id,
        "client_secret_variable": client_secret,
        "redirect_path": "/oauth/callback",
        "command_line_redirect_uri": COMMAND_LINE_REDIRECT,
    })
}

/// A field of the connect form. Its key is the entry's own.
fn credential(field: &CredentialField) -> Json {
    json!({
        "label": field.label,
        "placeholder": field.placeholder,
        "type": field.kind,
        "required": field.required,
        "help_text": field.help_text,
        "pattern": field.pattern,
        "link": field.link,
    })
}

fn limits(descriptor: &Descriptor) -> Json {
    let windows = descriptor
        .limits
        .windows
        .iter()
        .map(|window| json!({"scope": window.scope, "calls": window.calls, "per_secs": window.per.as_secs()}));
    json!({"windows": windows.collect::<Vec<_>>(), "concurrent": descriptor.limits.concurrent})
}

/// The word by which a plain value leaves: `payment`, `flow`, `repository`.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Json::String(word)) => word,
        _ => String::new(),
    }
}
