//! `dashtray set`

use super::{
    Invocation, ProjectArg, connections,
    failure::{Done, Failure},
};

/// Change settings of a connection
///
/// Takes the integration's own settings (`dashtray integrations ID` lists them) and those of every connection: zone,
/// sync_interval (minutes) and max_quota_share (0 to 1). An empty value goes back to the default. Where a setting changes how
/// numbers are computed, they are read again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray set stripe past_due=exclude sync_interval=60\n  \
    dashtray set github repositories=acme/web,acme/api")]
pub(super) struct Args {
    /// Name or id of the connection
    #[arg(value_name = "C")]
    connection: String,
    /// What to change
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = pair)]
    changes: Vec<(String, String)>,
    #[command(flatten)]
    project: ProjectArg,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write it as KEY=VALUE, such as sync_interval=60".to_owned()),
    }
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let view = app.connections.set(&args.project.project, &args.connection, &args.changes).await?;
    invocation.out.show(&view, |view| connections::human(std::slice::from_ref(view)))?;
    Ok(Done::All)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_key_and_a_value_that_may_be_empty() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("a").is_err());
        assert!(pair("=b").is_err());
    }
}
