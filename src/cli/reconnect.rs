//! `dashtray reconnect`

use std::path::PathBuf;

use super::{
    Invocation, ProjectArg, connect, credentials,
    failure::{Done, Failure},
    sign_in::sign_in,
};
use crate::connections::SignInFor;

/// Give a connection new credentials
///
/// They must open the same account. All that was read so far stays, and so do the settings.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray reconnect stripe\n  \
    dashtray reconnect stripe --credentials new-key.json")]
pub(super) struct Args {
    /// Name or id of the connection
    #[arg(value_name = "C")]
    connection: String,
    /// File with {"credentials":{…}}, or - for stdin
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Sign in at the provider in a browser
    #[arg(long, conflicts_with = "credentials")]
    oauth: bool,
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let slug = args.project.project.as_str();
    let connection = app.connections.find(&app.connections.project(slug).await?, &args.connection).await?;
    if args.oauth {
        let purpose = SignInFor::Reconnect { connection: args.connection };
        let signed_in = sign_in(invocation, &app, slug, purpose).await?;
        invocation.out.show(&signed_in.view, |view| connect::human(view, "Reconnected"))?;
        return Ok(Done::All);
    }
    let integration = app.registry.get(&connection.integration_id)?;
    let given = credentials::read(args.credentials.as_deref(), &integration.descriptor(), false)?;
    if !given.settings.is_empty() {
        let message = "reconnect takes credentials alone; change settings with `dashtray set C KEY=VALUE`";
        return Err(Failure::usage("bad_credentials_file", message));
    }
    let connected = app.connections.reconnect(slug, &args.connection, given.credentials).await?;
    invocation.out.show(&connected, |view| connect::human(view, "Reconnected"))?;
    Ok(Done::All)
}
