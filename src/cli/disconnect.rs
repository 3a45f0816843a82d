//! `dashtray disconnect`

use serde_json::json;

use super::{
    Invocation, ProjectArg,
    failure::{Done, Failure},
};
use crate::connections::Access;

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
    let disconnected = app.connections.disconnect(&args.project.project, &args.connection).await?;
    let view = json!({"disconnected": args.connection, "access": disconnected.access});
    invocation.out.show(&view, |_| {
        let access = match disconnected.access {
            Access::None => "",
            Access::GivenBack => " Its access was given back to the provider.",
            Access::Left => {
                " Its access was not given back; if no other connection needs it, remove this application in your \
                 account's settings at the provider."
            }
        };
        format!("Removed \"{}\" and all its data.{access}", args.connection)
    })?;
    Ok(Done::All)
}
