//! The configuration as `dashtray config` prints it.

use url::Url;

use super::{Config, Entry, Origin, PREFIX, PROVIDER_URL, SECRETS, layers::Layer};

pub(super) fn entries(config: &Config, values: &Layer) -> Vec<Entry> {
    let mut entries: Vec<Entry> = values
        .iter()
        .map(|(key, (value, origin))| {
            let value = match key.as_str() {
                "database_url" => mask_url(config.database_url.expose()),
                secret if SECRETS.contains(&secret) && !value.is_empty() => "***".to_owned(),
                _ => value.clone(),
            };
            Entry { key: key.clone(), value, origin: origin.clone() }
        })
        .collect();
    for (id, client) in &config.oauth_clients {
        let name = format!("{PREFIX}{}", id.to_uppercase().replace('-', "_"));
        let entry = |key: &str, value: &str| Entry {
            key: format!("{key}_{id}"),
            value: value.to_owned(),
            origin: Origin::Environment(format!("{name}_{}", key.to_uppercase())),
        };
        entries.push(entry("client_id", &client.id));
        entries.extend(client.secret.as_ref().map(|_| entry("client_secret", "***")));
    }
    entries.extend(config.provider_urls.iter().map(|(id, url)| {
        let name = format!("{PREFIX}{PROVIDER_URL}{}", id.to_uppercase().replace('-', "_"));
        Entry { key: format!("provider_url_{id}"), value: url.to_string(), origin: Origin::Environment(name) }
    }));
    entries.extend(config.now.map(|now| {
        let origin = Origin::Environment("DASHTRAY_NOW".to_owned());
        Entry { key: "now".to_owned(), value: now.to_string(), origin }
    }));
    entries
}

/// A database URL without its password, wherever the password stands.
fn mask_url(url: &str) -> String {
    if url.starts_with("sqlite:") {
        return url.to_owned();
    }
    match Url::parse(url) {
        Ok(mut url) if !url.query().unwrap_or("").to_lowercase().contains("password") => {
            if url.password().is_some() && url.set_password(Some("***")).is_err() {
                return "***".to_owned();
            }
            url.to_string()
        }
        _ => "***".to_owned(),
    }
}
