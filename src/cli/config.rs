//! `dashtray config`

use serde_json::json;

use super::{
    Invocation,
    failure::{Done, Failure},
    output::{table, text},
};

/// Print the effective configuration and where each value came from
///
/// Secrets are masked. A value comes from an option, an environment variable, the configuration file or the defaults,
/// in this order.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  dashtray config\n  dashtray --config /etc/dashtray.toml config --json")]
pub(super) struct Args {}

pub(super) fn run(invocation: &Invocation) -> Result<Done, Failure> {
    let loaded = &invocation.loaded;
    let view = json!({"file": loaded.file, "settings": loaded.entries});
    invocation.out.show(&view, |_| {
        let mut rows = table(&["key", "value", "from"]);
        for entry in &loaded.entries {
            let value = if entry.value.is_empty() { "-" } else { &entry.value };
            rows.add_row([entry.key.as_str(), value, &entry.origin.to_string()]);
        }
        text(&rows)
    })?;
    Ok(Done::All)
}
