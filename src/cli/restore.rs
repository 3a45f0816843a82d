//! `dashtray restore`

use std::path::PathBuf;

use serde_json::json;

use super::{
    Invocation,
    failure::{Done, Failure},
};
use crate::app::{RestoreRequest, restore};

/// Put a backup in the place of the database
///
/// Wholly or not at all, and only while no dashtray uses the database. Everybody has to sign in again afterwards. Exits with
/// 3 when credentials stay locked because their master key is not here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray restore dashtray-2026-11-23.backup\n  \
    dashtray restore dashtray-2026-11-23.backup --database-url postgres://dashtray@db/dashtray")]
pub(super) struct Args {
    /// What `dashtray backup` wrote, of either database
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace what the database holds
    #[arg(long)]
    force: bool,
    /// Restore although the master key that sealed the credentials is not here
    #[arg(long)]
    without_key: bool,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let request = RestoreRequest { file: &args.file, force: args.force, without_key: args.without_key };
    let (manifest, locked) = restore(invocation.config(), request).await?;
    let file = args.file.display().to_string();
    invocation.out.show(&json!({"file": file, "backup": manifest, "locked": locked}), |_| {
        let rows: i64 = manifest.rows.values().sum();
        let locked = match locked.as_slice() {
            [] => String::new(),
            names => format!(
                " The credentials of {} stay locked until their master key is here again, or they are reconnected.",
                names.join(", ")
            ),
        };
        let made = manifest.made_at.strftime("%Y-%m-%d %H:%M UTC");
        format!("Restored {rows} rows from {file}, made on {made}. Everybody has to sign in again.{locked}")
    })?;
    Ok(if locked.is_empty() { Done::All } else { Done::Part })
}
