//! `dashtray connections`

use serde_json::json;

use super::{
    Invocation, ProjectArg,
    failure::{Done, Failure},
    output::{instant, table, text, with_lines},
};
use crate::connections::ConnectionView;

/// List the connections and how they stand
#[derive(Debug, clap::Args)]
#[command(
    after_help = "States: ok, degraded (some metrics fail), rate_limited (until the time shown), needs_reconnect,\n\
    credentials_unreadable (wrong master key), failing (tried again ever more seldom), paused.\n\n\
    Examples:\n  dashtray connections\n  dashtray connections --json"
)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let views = app.connections.list(&args.project.project).await?;
    if views.is_empty() && !invocation.out.json {
        invocation.out.note("there is no connection yet; make one with `dashtray connect ID`");
        return Ok(Done::All);
    }
    invocation.out.show(&json!({"connections": views}), |_| human(&views))?;
    Ok(Done::All)
}

/// One row a connection.
pub(super) fn human(views: &[ConnectionView]) -> String {
    let mut rows = table(&["name", "integration", "state", "last synced", "next sync", "reason", "id"]);
    for view in views {
        let mut state = view.state.clone();
        if view.syncing {
            state.push_str(", syncing");
        }
        if view.until.is_some() {
            state.push_str(&format!(" until {}", instant(view.until)));
        }
        let reason = view.reason.as_deref().unwrap_or("-");
        rows.add_row([
            &view.name,
            &view.integration_id,
            &state,
            &instant(view.last_synced_at),
            &instant(view.next_sync_at),
            reason,
            &view.connection_id.to_string(),
        ]);
    }
    let corrected = views.iter().filter_map(|view| {
        let corrected = view.corrected.as_ref()?;
        Some(format!("{}: {} on {}", view.name, corrected.message, instant(Some(corrected.at))))
    });
    with_lines(&text(&rows), corrected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::CorrectedView;

    #[test]
    fn a_row_says_how_a_connection_stands() {
        let view = ConnectionView {
            connection_id: uuid::Uuid::nil(),
            integration_id: "github".to_owned(),
            name: "web".to_owned(),
            state: "rate_limited".to_owned(),
            reason: Some("GitHub asks to wait".to_owned()),
            until: "2026-03-31T13:00:00Z".parse().ok(),
            syncing: true,
            last_synced_at: None,
            next_sync_at: "2026-03-31T13:00:00Z".parse().ok(),
            corrected: Some(CorrectedView {
                at: "2026-03-30T12:00:00Z".parse().unwrap(),
                message: "1 repository differed and was corrected".to_owned(),
            }),
        };
        let shown = human(&[view]);
        assert!(shown.contains("rate_limited, syncing until 2026-03-31 13:00 UTC"), "{shown}");
        assert!(shown.starts_with("NAME"), "{shown}");
        let last = "web: 1 repository differed and was corrected on 2026-03-30 12:00 UTC";
        assert_eq!(shown.lines().last(), Some(last));
    }
}
