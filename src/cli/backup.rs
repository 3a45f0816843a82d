//! `dashtray backup`

use std::path::PathBuf;

use serde_json::json;

use super::{
    Invocation,
    failure::{Done, Failure},
};

/// Write all that is kept into one file
///
/// Works while `dashtray serve` runs. The file is opened again and checked before it gets its name, and holds the same
/// whichever database it was made of: a backup of SQLite can be restored into PostgreSQL and the other way round.
/// Credentials in it are sealed; the master key is not part of it and has to be kept elsewhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dashtray backup /mnt/backups/dashtray-$(date +%F).backup")]
pub(super) struct Args {
    /// The new file; one that is there is never overwritten
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let manifest = app.backup(&args.file).await?;
    let file = args.file.display().to_string();
    invocation.out.show(&json!({"file": file, "backup": manifest}), |_| {
        let rows: i64 = manifest.rows.values().sum();
        let key = match manifest.key_ids.as_slice() {
            [] => String::new(),
            keys => format!(
                " Its credentials are sealed with the master key {}: keep that too, elsewhere.",
                keys.join(", ")
            ),
        };
        format!("{file} holds {rows} rows and was opened to check it.{key}")
    })?;
    Ok(Done::All)
}
