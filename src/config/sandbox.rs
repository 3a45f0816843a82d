//! What is for tests and sandboxes alone: other addresses for providers, and a frozen clock with them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use url::{Host, Url};

use super::{Error, PREFIX, PROVIDER_URL, cut};

/// In release builds it is a variable that is not known.
#[cfg(debug_assertions)]
pub(super) const FAIL_AT: &str = "DASHTRAY_FAIL_AT";

pub(super) fn provider_urls(environment: &BTreeMap<String, String>) -> Result<BTreeMap<String, Url>, Error> {
    let mut urls = BTreeMap::new();
    for (name, value) in environment {
        let Some(id) = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(PROVIDER_URL)) else { continue };
        if value.is_empty() {
            continue;
        }
        let url = Url::parse(value).ok().filter(is_loopback_origin).ok_or_else(|| {
            Error(format!(
                "{name} must be http:// or https:// with a loopback address and no path, such as http://127.0.0.1:9105"
            ))
        })?;
        urls.insert(id.to_lowercase().replace('_', "-"), url);
    }
    Ok(urls)
}

fn is_loopback_origin(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    loopback && bare && anonymous && matches!(url.scheme(), "http" | "https")
}

#[cfg(debug_assertions)]
pub(super) fn fail_at(environment: &BTreeMap<String, String>) -> Result<Option<u64>, Error> {
    let given = environment.get(FAIL_AT).filter(|text| !text.is_empty());
    let number =
        |text: &String| text.parse().map_err(|_| Error(format!("{FAIL_AT} must be the number of a fail point")));
    given.map(number).transpose()
}

pub(super) fn now(
    environment: &BTreeMap<String, String>,
    provider_urls: &BTreeMap<String, Url>,
    warnings: &mut Vec<String>,
) -> Result<Option<Timestamp>, Error> {
    let Some(text) = environment.get("DASHTRAY_NOW").filter(|text| !text.is_empty()) else { return Ok(None) };
    if provider_urls.is_empty() {
        warnings.push("DASHTRAY_NOW is ignored: it holds only together with a DASHTRAY_PROVIDER_URL_…".to_owned());
        return Ok(None);
    }
    let at = text.parse().map_err(|_| {
        Error(format!("DASHTRAY_NOW: \"{}\" is not a time; write it as 2026-03-31T12:00:00Z", cut(text)))
    })?;
    Ok(Some(at))
}
