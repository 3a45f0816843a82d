//! `dashtray api-key`

use serde_json::json;

use super::{
    Invocation, ProjectArg,
    failure::{Done, Failure},
    output::{instant, table, text},
};
use crate::store::{ApiKey, Scope};

/// The keys that programs use the API with
///
/// A key belongs to one project. It is printed once, when it is made; Dashtray keeps only its hash.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray api-key create \"nightly export\"\n  \
    dashtray api-key create deploys --scope write\n  \
    dashtray api-key list\n  \
    dashtray api-key revoke deploys")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key and print it, once
    Create {
        /// What it is for
        #[arg(value_name = "NAME")]
        name: String,
        /// read: look at everything of the project; write: push metrics and change connections, too
        #[arg(long, value_name = "SCOPE", default_value = "read")]
        scope: Scope,
        #[command(flatten)]
        project: ProjectArg,
    },
    /// Show all keys of the project, revoked ones too
    List {
        #[command(flatten)]
        project: ProjectArg,
    },
    /// Make a key useless
    Revoke {
        /// Its id or name
        #[arg(value_name = "KEY")]
        key: String,
        #[command(flatten)]
        project: ProjectArg,
    },
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    match args.command {
        Command::Create { name, scope, project } => {
            let project = app.connections.project(&project.project).await?;
            let made = app.users.make_api_key(&project, &name, scope).await?;
            let mut view = json!(made.key);
            view["key"] = made.secret.expose().into();
            invocation.out.show(&view, |_| made.secret.expose().to_owned())?;
            if !invocation.out.json {
                invocation.out.note("this is the only time that the key is shown; keep it where secrets are kept");
            }
        }
        Command::List { project } => {
            let project = app.connections.project(&project.project).await?;
            let keys = app.users.api_keys(&project).await?;
            invocation.out.show(&json!({"api_keys": keys}), |_| human(&keys))?;
        }
        Command::Revoke { key, project } => {
            let project = app.connections.project(&project.project).await?;
            let revoked = app.users.revoke_api_key(&project, &key).await?;
            invocation.out.show(&revoked, |key| format!("\"{}\" opens nothing any more.", key.name))?;
        }
    }
    Ok(Done::All)
}

fn human(keys: &[ApiKey]) -> String {
    if keys.is_empty() {
        return "No keys yet. `dashtray api-key create NAME` makes one.".to_owned();
    }
    let mut rows = table(&["name", "key", "scope", "since", "last used", "revoked", "id"]);
    for key in keys {
        rows.add_row([
            key.name.clone(),
            format!("dk_…{}", key.last_four),
            key.scope.name().to_owned(),
            instant(Some(key.created_at)),
            instant(key.last_used_at),
            instant(key.revoked_at),
            key.id.to_string(),
        ]);
    }
    text(&rows)
}
