//! `dashtray test`

use super::{
    Invocation, ProjectArg, connect,
    failure::{Done, Failure},
};
use crate::connections::TestView;

/// Test whether a connection's credentials still work
///
/// Reads nothing and changes nothing. Exits with 1 when the credentials are refused; a missing permission is shown and is
/// no failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dashtray test stripe")]
pub(super) struct Args {
    /// Name or id of the connection
    #[arg(value_name = "C")]
    connection: String,
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let view = app.connections.test(&args.project.project, &args.connection).await?;
    invocation.out.show(&view, human)?;
    Ok(if view.success { Done::All } else { Done::Nothing })
}

fn human(view: &TestView) -> String {
    let mut text = match (&view.account, &view.error) {
        (Some(account), None) => format!("✓ {} ({}) answers\n", account.label, account.id),
        (_, Some(error)) => format!("✗ {}\n", error.message),
        (None, None) => "✓ the service answers\n".to_owned(),
    };
    if view.refreshed {
        text.push_str("  its access was renewed for this\n");
    }
    text + &connect::checks(&view.checks)
}
