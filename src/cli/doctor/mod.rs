//! `dashtray doctor`

mod inside;
mod key;
mod machine;
mod outside;

use serde::Serialize;
use serde_json::json;

use super::{
    Invocation,
    failure::{Done, Failure},
};
use crate::{
    app,
    integrations::Registry,
    store::{Connection, Store},
    vault::{KeyError, Vault},
};

/// Examine the installation and say what to do about what is wrong
///
/// Looks at configuration, key, database, disk, clock and certificates, and calls each provider once without a key.
/// Changes nothing, also where something is broken, and may be run beside a running Dashtray. Exits with 1 when there
/// is a problem; a warning is none.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dashtray doctor\n  dashtray doctor --json")]
pub(super) struct Args {}

/// How something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Finding {
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Problem,
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    id: &'static str,
    status: Finding,
    message: String,
    /// What to do.
    advice: Option<String>,
}

impl Check {
    fn ok(id: &'static str, message: impl Into<String>) -> Self {
        Self { id, status: Finding::Ok, message: message.into(), advice: None }
    }

    fn warning(id: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { id, status: Finding::Warning, message: message.into(), advice: Some(advice.into()) }
    }

    fn problem(id: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { id, status: Finding::Problem, message: message.into(), advice: Some(advice.into()) }
    }
}

/// What could be opened, for whoever looks further.
struct Patient<'a> {
    invocation: &'a Invocation,
    registry: Registry,
    store: Option<Store>,
    vault: Result<Vault, KeyError>,
}

impl Patient<'_> {
    /// What is connected, as far as that can be read.
    async fn connections(&self) -> Vec<Connection> {
        let mut all = Vec::new();
        if let Some(store) = &self.store {
            for descriptor in self.registry.descriptors() {
                all.extend(store.connections_of(&descriptor.id).await.unwrap_or_default());
            }
        }
        all
    }
}

pub(super) async fn run(invocation: &Invocation) -> Result<Done, Failure> {
    let config = invocation.config();
    let mut checks = machine::configuration(invocation);
    let (store, mut of_database) = inside::database(config).await;
    let vault = Vault::load(&app::vault_keys(config, false));
    let patient = Patient { invocation, registry: Registry::builtin(), store, vault };
    checks.extend(key::checks(&patient).await);
    checks.append(&mut of_database);
    checks.extend(machine::disk(config));
    checks.push(inside::zones(&patient).await);
    checks.extend(outside::checks(&patient).await);
    if let Some(store) = &patient.store {
        store.close().await;
    }
    let worst = checks.iter().map(|check| check.status).max().unwrap_or(Finding::Ok);
    invocation.out.show(&json!({"status": worst, "checks": checks}), |_| human(&checks))?;
    Ok(if worst == Finding::Problem { Done::Nothing } else { Done::All })
}

fn human(checks: &[Check]) -> String {
    let mut lines = Vec::new();
    for check in checks {
        let word = match check.status {
            Finding::Ok => "ok",
            Finding::Warning => "warning",
            Finding::Problem => "PROBLEM",
        };
        lines.push(format!("{word:8} {:13} {}", check.id, check.message));
        lines.extend(check.advice.as_ref().map(|advice| format!("{:22} -> {advice}", "")));
    }
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let (problems, warnings) = (count(Finding::Problem), count(Finding::Warning));
    let of = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    lines.push(format!("\n{}, {}.", of(problems, "problem"), of(warnings, "warning")));
    lines.join("\n")
}
