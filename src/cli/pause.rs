//! `dashtray pause` and `dashtray resume`

use super::{
    Invocation, ProjectArg, connections,
    failure::{Done, Failure},
};

/// Stop syncing a connection until it is resumed
///
/// All that was read stays. `dashtray sync C` still reads it once when asked.
#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    of: Of,
}

/// Sync a paused connection again
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    of: Of,
}

#[derive(Debug, clap::Args)]
struct Of {
    /// Name or id of the connection
    #[arg(value_name = "C")]
    connection: String,
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn pause(invocation: &Invocation, args: PauseArgs) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let view = app.connections.pause(&args.of.project.project, &args.of.connection).await?;
    invocation.out.show(&view, |view| connections::human(std::slice::from_ref(view)))?;
    Ok(Done::All)
}

pub(super) async fn resume(invocation: &Invocation, args: ResumeArgs) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let view = app.connections.resume(&args.of.project.project, &args.of.connection).await?;
    invocation.out.show(&view, |view| connections::human(std::slice::from_ref(view)))?;
    Ok(Done::All)
}
