//! `dashtray disconnect`

use serde_json::json;

use super::{
    Invocation, ProjectArg,
    failure::{Done, Failure},
};

/// Remove a connection, its credentials and all that was read through it
///
/// This cannot be undone. Use `dashtray pause` to keep the numbers.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Name or id of the connection
    #[arg(value_name = "C")]
    connection: String,
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    app.connections.disconnect(&args.project.project, &args.connection).await?;
    let view = json!({"disconnected": args.connection});
    invocation.out.show(&view, |_| format!("Removed \"{}\" and all its data.", args.connection))?;
    Ok(Done::All)
}
