//! `dashtray keys`

use serde_json::json;

use super::{
    Invocation,
    failure::{Done, Failure},
};

/// The master key that seals credentials
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Seal all credentials with the newest key
    ///
    /// Can be interrupted and run again. Keep the old key until it is through: what it cannot open stays as it is.
    Rotate,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let Command::Rotate = args.command;
    let app = invocation.open().await?;
    let rotation = app.connections.rotate_keys().await?;
    invocation.out.show(&json!(rotation), |_| {
        let unreadable = match rotation.unreadable.as_slice() {
            [] => String::new(),
            names => format!(" No known key opens those of {}; they stay as they are.", names.join(", ")),
        };
        format!("Sealed {} credential sets with the newest key.{unreadable}", rotation.rotated)
    })?;
    Ok(if rotation.unreadable.is_empty() { Done::All } else { Done::Part })
}
