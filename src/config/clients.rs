//! The OAuth clients that the operator registered, one an integration: `DASHTRAY_<ID>_CLIENT_ID` and `_CLIENT_SECRET`, or
//! the same with `_FILE`.

use std::{collections::BTreeMap, path::Path};

use super::{Error, PREFIX, values::read_secret};
use crate::{http::OAuthClient, secret::Secret};

const ID: &str = "_CLIENT_ID";
const SECRET: &str = "_CLIENT_SECRET";
const FILE: &str = "_FILE";

/// Whether a variable's name, without the prefix, is that of a client.
pub(super) fn is_of_client(rest: &str) -> bool {
    let plain = rest.strip_suffix(FILE).unwrap_or(rest);
    [ID, SECRET].iter().any(|suffix| plain.strip_suffix(suffix).is_some_and(|id| !id.is_empty()))
}

/// Reads them.
pub(super) fn oauth_clients(environment: &BTreeMap<String, String>) -> Result<BTreeMap<String, OAuthClient>, Error> {
    let given: BTreeMap<&str, &str> = environment
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value.as_str())))
        .filter(|(rest, _)| is_of_client(rest))
        .collect();
    let mut clients = BTreeMap::new();
    for rest in given.keys() {
        let plain = rest.strip_suffix(FILE).unwrap_or(rest);
        let Some(name) = plain.strip_suffix(ID).or_else(|| plain.strip_suffix(SECRET)) else { continue };
        let value = |suffix: &str| value(&given, &format!("{name}{suffix}"));
        let Some(id) = value(ID)? else {
            return Err(Error(format!("{PREFIX}{rest} is given and {PREFIX}{name}{ID} is not; give both")));
        };
        let client = OAuthClient { id: id.expose().to_owned(), secret: value(SECRET)? };
        clients.insert(name.to_lowercase().replace('_', "-"), client);
    }
    Ok(clients)
}

fn value(given: &BTreeMap<&str, &str>, name: &str) -> Result<Option<Secret>, Error> {
    let file = format!("{name}{FILE}");
    match (given.get(name), given.get(file.as_str())) {
        (Some(_), Some(_)) => Err(Error(format!("{PREFIX}{name} and {PREFIX}{file} are both given; keep one of them"))),
        (Some(text), None) => Ok(Some(Secret::new(text.trim()))),
        (None, Some(path)) => read_secret(&format!("{PREFIX}{file}"), Path::new(path)).map(Some),
        (None, None) => Ok(None),
    }
}
