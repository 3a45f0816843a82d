//! `dashtray audit`

use serde_json::json;

use super::{
    Invocation,
    failure::{Done, Failure},
    output::{instant, table, text},
};
use crate::store::{AuditQuery, AuditRow};

/// Who did what
///
/// Sign-ins and wrong passwords, people and roles, API keys, projects, connections, dashboards: the newest first, of all
/// projects. What is noted is never changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray audit\n  \
    dashtray audit --project shop --limit 500 --json\n  \
    dashtray audit --of ada@example.com")]
pub(super) struct Args {
    /// Of this project and its people alone
    #[arg(long, value_name = "SLUG")]
    project: Option<String>,
    /// With this in the name of who acted, or of what it was done to
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    of: String,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let project_id = match &args.project {
        Some(slug) => Some(app.connections.project(slug).await?.id),
        None => None,
    };
    let query = AuditQuery { project_id, text: args.of, limit: args.limit, ..AuditQuery::default() };
    let found = app.users.audit(&query).await?;
    invocation.out.show(&json!({"audit": found}), |_| human(&found))?;
    Ok(Done::All)
}

fn human(found: &[AuditRow]) -> String {
    if found.is_empty() {
        return "Nothing yet.".to_owned();
    }
    let mut rows = table(&["when", "who", "from", "project", "what", "to", "details"]);
    for one in found {
        let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let details = if one.details.as_object().is_none_or(serde_json::Map::is_empty) {
            "-".to_owned()
        } else {
            one.details.to_string()
        };
        rows.add_row([
            instant(Some(one.at)),
            one.actor.clone(),
            or_none(&one.address),
            or_none(one.project.as_deref().unwrap_or_default()),
            one.action.clone(),
            or_none(&one.subject),
            details,
        ]);
    }
    text(&rows)
}
