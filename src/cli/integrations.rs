//! `dashtray integrations`

use serde_json::json;

use super::{
    Invocation,
    failure::{Done, Failure},
    output::{number, table, text},
};
use crate::{
    http::grant::client_variables,
    integrations::{Descriptor, Registry, Tier, catalogue, guide},
};

/// What can be connected
///
/// Lists the integrations, or shows one whole: what it needs, what it measures, how to get the key.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  dashtray integrations\n  dashtray integrations stripe\n  dashtray integrations github --json"
)]
pub(super) struct Args {
    /// Show this integration whole
    #[arg(value_name = "ID")]
    id: Option<String>,
}

pub(super) fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let registry = Registry::builtin();
    match args.id {
        None => {
            let descriptors: Vec<_> = registry.descriptors().collect();
            let entries: Vec<_> = descriptors.iter().map(|descriptor| catalogue::entry(descriptor)).collect();
            let list = || descriptors.iter().map(AsRef::as_ref);
            invocation.out.show(&json!({"integrations": entries}), |_| list_human(list()))?;
        }
        Some(id) => {
            let descriptor = registry.get(&id)?.descriptor();
            invocation.out.show(&catalogue::entry(&descriptor), |_| entry_human(&descriptor))?;
        }
    }
    Ok(Done::All)
}

fn list_human<'a>(descriptors: impl Iterator<Item = &'a Descriptor>) -> String {
    let mut rows = table(&["id", "name", "category", "tier", "metrics", "what it measures"]);
    for descriptor in descriptors {
        rows.add_row([
            descriptor.id.as_str().into(),
            descriptor.name.as_str().into(),
            catalogue::word(&descriptor.category).into(),
            Tier::of(&descriptor.id).name().into(),
            number(descriptor.metrics.len()),
            descriptor.summary.as_str().into(),
        ]);
    }
    text(&rows)
}

fn entry_human(descriptor: &Descriptor) -> String {
    let mut out = format!("{} ({})\n{}\n", descriptor.name, descriptor.id, descriptor.summary);
    out.push_str(&format!(
        "\nSynced every {} minutes; the first sync reads {} days.\n",
        descriptor.sync_interval_minutes, descriptor.history_days
    ));
    out.push_str(&format!("Conformance: {}.\n", Tier::of(&descriptor.id).name()));
    if descriptor.auth.oauth().is_some() {
        let [id, secret] = client_variables(&descriptor.id);
        out.push_str(&format!(
            "\nSign in with: dashtray connect {} --oauth\nIt needs an OAuth client: set {id} and {secret} (or the same \
             with _FILE), and register {} as redirect URI.\n",
            descriptor.id,
            catalogue::COMMAND_LINE_REDIRECT
        ));
    }
    let mut credentials = table(&["credential", "required", "what it is"]);
    for field in &descriptor.credentials {
        let required = if field.required { "yes" } else { "no" };
        credentials.add_row([field.key.as_str(), required, &field.help_text]);
    }
    let mut settings = table(&["setting", "default", "what it does"]);
    for field in &descriptor.settings {
        settings.add_row([field.key.as_str(), field.default.as_deref().unwrap_or("-"), &field.help_text]);
    }
    for part in [credentials, settings].iter().filter(|part| part.row_count() > 0) {
        out.push_str(&format!("\n{}", text(part)));
    }
    let guide = guide::shown(descriptor, |part| {
        let head = part.head(descriptor);
        let mut rows = table(&head.iter().map(String::as_str).collect::<Vec<_>>());
        for row in part.rows(descriptor) {
            rows.add_row(row.iter().map(|cell| cell.replace('`', "")));
        }
        text(&rows)
    });
    format!("{out}\n{}\n", guide.trim())
}
