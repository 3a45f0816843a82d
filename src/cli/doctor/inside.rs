//! The database, and the zones that are named in it.

use std::collections::BTreeSet;

use super::{Check, Patient};
use crate::{
    config::Config,
    metric::Zone,
    store::{self, Schema, Store},
};

const RESTORE: &str =
    "stop Dashtray, keep a copy of the file as it is, and restore a backup; docs/operating.md says how";

/// Opens the database without changing it, and says how it is.
pub(super) async fn database(config: &Config) -> (Option<Store>, Vec<Check>) {
    let store = match Store::look(config.database_url.expose()).await {
        Ok(store) => store,
        Err(store::Error::NotFound(sentence)) => {
            return (None, vec![Check::ok("database", format!("{sentence}; the first start makes it"))]);
        }
        Err(store::Error::Corrupt(sentence)) => return (None, vec![Check::problem("database", sentence, RESTORE)]),
        Err(error) => {
            let advice = "see whether it runs, and whether its address in the configuration is right";
            return (None, vec![Check::problem("database", error.to_string(), advice)]);
        }
    };
    let kind = if store.is_sqlite() { "SQLite" } else { "PostgreSQL" };
    let schema = match store.schema().await {
        Ok(schema) => schema,
        Err(error) => {
            store.close().await;
            let message = format!("it answers and holds no tables of Dashtray: {error}");
            let advice = format!("see whether the address is that of Dashtray's database; if it is: {RESTORE}");
            return (None, vec![Check::problem("database", message, advice)]);
        }
    };
    let mut checks = vec![Check::ok("database", format!("{kind} answers")), self::schema(schema)];
    match store.faults().await {
        Ok(_) if !store.is_sqlite() => {}
        Ok(faults) if faults.is_empty() => checks.push(Check::ok("integrity", "the file is whole")),
        Ok(faults) => checks.push(Check::problem("integrity", faults.join("; "), RESTORE)),
        Err(error) => checks.push(Check::problem("integrity", error.to_string(), RESTORE)),
    }
    (Some(store), checks)
}

fn schema(Schema { found, known }: Schema) -> Check {
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Check::ok("schema", format!("is current ({known})")),
        std::cmp::Ordering::Less => {
            let message = format!("is {found}, and this version has {known}");
            let advice = "the next start brings it up to date, and copies a SQLite database first";
            Check::warning("schema", message, advice)
        }
        std::cmp::Ordering::Greater => {
            let message = format!("is {found}, of a newer version; this one knows {known} and will not start");
            Check::problem("schema", message, "install that version or a newer one, or restore a backup from before it")
        }
    }
}

/// Whether all zones are known by which days are cut.
pub(super) async fn zones(patient: &Patient<'_>) -> Check {
    let mut named = match &patient.store {
        Some(store) => store.zone_names().await.unwrap_or_default(),
        None => BTreeSet::new(),
    };
    // One that is no offset and has summer time, so that the data itself is tried.
    named.insert("Europe/Berlin".to_owned());
    let unknown: Vec<String> = named.into_iter().filter(|name| name.parse::<Zone>().is_err()).collect();
    if unknown.is_empty() {
        return Check::ok("zones", "all time zones in use are known");
    }
    let message = format!("not known: {}", unknown.join(", "));
    Check::problem("zones", message, "update Dashtray, which brings the data of time zones with it")
}
