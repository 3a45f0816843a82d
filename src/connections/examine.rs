//! Looking at what is kept without a whole app around it: for whoever examines an installation that may be broken.

use std::{collections::BTreeMap, sync::Arc};

use url::Url;
use uuid::Uuid;

use super::{memory, options, settings_of};
use crate::{
    http::Service,
    integrations::Descriptor,
    store::{Connection, SealedRow},
    vault::{self, Vault},
};

/// Whether sealed credentials open.
pub fn opens(vault: &Vault, connection_id: Uuid, sealed: &SealedRow) -> Result<(), vault::Error> {
    vault.open(&memory::credentials_label(connection_id), &memory::from_row(sealed.clone())).map(drop)
}

/// How the provider of a connection is reached; `None` where its settings make no sense any more.
pub fn service_of(
    descriptor: &Arc<Descriptor>,
    connection: Option<&Connection>,
    provider_urls: &BTreeMap<String, Url>,
) -> Option<Service> {
    let given = connection.map(settings_of).unwrap_or_default();
    let settings = match options::parse(descriptor, &given) {
        Ok((_, settings)) => settings,
        // Of one that nobody has connected the required settings are missing; its address is its own.
        Err(_) if connection.is_none() => Default::default(),
        Err(_) => return None,
    };
    descriptor.service(&settings, provider_urls.get(&descriptor.id).cloned()).ok()
}
