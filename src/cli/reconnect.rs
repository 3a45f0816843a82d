//! `dashtray reconnect`

use std::path::PathBuf;

use super::{
    Invocation, ProjectArg, connect, credentials,
    failure::{Done, Failure},
};
use crate::{connections::ConnectionView, nearest::nearest};

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
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let project = args.project.project.as_str();
    let known = app.connections.list(project).await?;
    let found = known.iter().find(|view| [view.name.clone(), view.connection_id.to_string()].contains(&args.connection));
    let Some(found) = found else { return Err(unknown(&args.connection, &known)) };
    let integration = app.registry.get(&found.integration_id);
    let integration = integration.map_err(|unknown| Failure::usage("unknown_integration", unknown.to_string()))?;
    let given = credentials::read(args.credentials.as_deref(), &integration.descriptor(), false)?;
    if !given.settings.is_empty() {
        let message = "reconnect takes credentials alone; change settings with `dashtray set C KEY=VALUE`";
        return Err(Failure::usage("bad_credentials_file", message));
    }
    let connected = app.connections.reconnect(project, &args.connection, given.credentials).await?;
    invocation.out.show(&connected, |view| connect::human(view, "Reconnected"))?;
    Ok(Done::All)
}

fn unknown(connection: &str, known: &[ConnectionView]) -> Failure {
    let shown: String = connection.chars().filter(|c| !c.is_control()).take(80).collect();
    let hint = match nearest(connection, known.iter().map(|view| view.name.as_str())) {
        Some(name) => format!("did you mean {name}?"),
        None => "`dashtray connections` lists them".to_owned(),
    };
    Failure::usage("unknown_connection", format!("there is no connection \"{shown}\"; {hint}"))
}
