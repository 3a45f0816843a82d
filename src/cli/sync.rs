//! `dashtray sync`

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Invocation, ProjectArg,
    dates::Dates,
    failure::{Done, Failure},
    output::{number, table, text, with_lines},
    progress::Bars,
    runs, serve,
};
use crate::{
    app::App,
    sync::{OutcomeWord, Range, RunStatus, RunView, Watcher},
};

/// Read the connected services now
///
/// Reads what is new and what may still change, or the days that are asked for; all connections where none is named. A run
/// that is under way is joined, not doubled. Exits with 3 when some metrics could not be read, with 1 when a
/// connection failed or was rate limited before anything was written.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray sync\n  \
    dashtray sync stripe github\n  \
    dashtray sync stripe --from 2026-01-01 --to 2026-01-31")]
pub(super) struct Args {
    /// Names or ids of connections [default: all]
    #[arg(value_name = "C")]
    connections: Vec<String>,
    #[command(flatten)]
    dates: Dates,
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    args.dates.check(invocation.config().clock().now())?;
    let app = invocation.open().await?;
    let project = args.project.project.as_str();
    let runs = sync(&app, project, &args.connections, args.dates).await?;
    if runs.is_empty() && !invocation.out.json {
        invocation.out.note("there is no connection yet; make one with `dashtray connect ID`");
    }
    let names = app.connections.list(project).await?.into_iter().map(|view| (view.connection_id, view.name)).collect();
    invocation.out.show(&json!({"runs": runs}), |_| human(&runs, &names))?;
    Ok(done(&runs))
}

/// Reads with progress bars.
pub(super) async fn sync(
    app: &App,
    project: &str,
    connections: &[String],
    dates: Dates,
) -> Result<Vec<RunView>, Failure> {
    let bars = Arc::new(Bars::new());
    let watcher: Watcher = Arc::new({
        let bars = bars.clone();
        move |progress| bars.update(&progress)
    });
    let range = Range { from: dates.from, to: dates.to };
    let stop = CancellationToken::new();
    let runs = app.sync.sync_now(project, connections, range, &stop, watcher);
    tokio::pin!(runs);
    let ended = tokio::select! {
        ended = &mut runs => ended,
        () = serve::asked_to_stop() => {
            // What was read is committed; the run is handed back and goes on from there next time.
            stop.cancel();
            runs.await
        }
    };
    bars.clear();
    Ok(ended?)
}

/// The worst of all runs decides.
fn done(runs: &[RunView]) -> Done {
    let ends = runs.iter().map(|run| match run.status {
        RunStatus::Ok | RunStatus::Running => Done::All,
        RunStatus::Partial => Done::Part,
        RunStatus::RateLimited if run.samples_written > 0 => Done::Part,
        RunStatus::RateLimited | RunStatus::Failed => Done::Nothing,
    });
    ends.max().unwrap_or(Done::All)
}

/// A table of the runs, then what could not be read and why, then what was put right.
fn human(runs: &[RunView], names: &BTreeMap<Uuid, String>) -> String {
    let name = |run: &RunView| names.get(&run.connection_id).cloned().unwrap_or_else(|| run.connection_id.to_string());
    let mut rows = table(&["connection", "status", "metrics", "written", "requests", "took", "error"]);
    let mut missing = table(&["connection", "metric", "outcome", "reason"]);
    for run in runs {
        let took = run.ended_at.map_or_else(|| "-".to_owned(), |end| runs::duration(run.started_at, end));
        rows.add_row([
            name(run).into(),
            run.status.name().into(),
            number(runs::metrics(run)),
            number(run.samples_written),
            number(run.requests),
            number(took),
            runs::error(run).into(),
        ]);
        for metric in run.metrics.iter().filter(|m| !matches!(m.outcome, OutcomeWord::Ok | OutcomeWord::Unchanged)) {
            let reason = metric.error.as_ref().map_or("-", |error| error.message.as_str());
            missing.add_row([&name(run), &metric.metric_id, metric.outcome.name(), reason]);
        }
    }
    if runs.is_empty() {
        return String::new();
    }
    let tables = if missing.row_count() == 0 { text(&rows) } else { format!("{}\n{}", text(&rows), text(&missing)) };
    with_lines(&tables, runs.iter().flat_map(|run| runs::corrections(&name(run), run)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{connections::ErrorView, integrations::Correction, metric::FailureKind, sync::MetricOutcomeView};

    fn run_view(status: RunStatus, samples_written: u64) -> RunView {
        RunView {
            run_id: Uuid::nil(),
            connection_id: Uuid::nil(),
            status,
            started_at: "2026-03-31T12:00:00Z".parse().unwrap(),
            ended_at: "2026-03-31T12:01:05Z".parse().ok(),
            requests: 7,
            bytes: 1,
            waited_ms: 0,
            samples_written,
            retry_at: None,
            error: None,
            metrics: vec![],
            corrections: vec![],
            progress: None,
        }
    }

    #[test]
    fn the_worst_run_decides_the_exit_status() {
        let done = |runs: &[(RunStatus, u64)]| done(&runs.iter().map(|(s, n)| run_view(*s, *n)).collect::<Vec<_>>());
        assert_eq!(done(&[]), Done::All);
        assert_eq!(done(&[(RunStatus::Ok, 0)]), Done::All);
        assert_eq!(done(&[(RunStatus::Ok, 1), (RunStatus::Partial, 1)]), Done::Part);
        assert_eq!(done(&[(RunStatus::RateLimited, 1)]), Done::Part);
        assert_eq!(done(&[(RunStatus::RateLimited, 0)]), Done::Nothing);
        assert_eq!(done(&[(RunStatus::Partial, 1), (RunStatus::Failed, 0)]), Done::Nothing);
    }

    #[test]
    fn what_could_not_be_read_and_what_was_put_right_are_listed() {
        let message = "reading charges was refused".to_owned();
        let error = ErrorView { kind: FailureKind::Forbidden, message, retry_at: None };
        let metric = |id: &str, outcome, error| MetricOutcomeView { metric_id: id.to_owned(), outcome, error };
        let metrics = vec![
            metric("stripe_mrr", OutcomeWord::Ok, None),
            metric("stripe_fees", OutcomeWord::Unsupported, Some(error)),
        ];
        let message = "2 subscriptions differed and were corrected".to_owned();
        let corrections = vec![Correction { stream: "subscriptions".to_owned(), count: 2, message }];
        let runs = [RunView { metrics, corrections, ..run_view(RunStatus::Partial, 42) }];
        let names = [(Uuid::nil(), "shop".to_owned())].into();
        insta::assert_snapshot!(human(&runs, &names), @r#"
        CONNECTION  STATUS   METRICS  WRITTEN  REQUESTS  TOOK       ERROR
        shop        partial      1/2       42         7  1 min 5 s  -

        CONNECTION  METRIC       OUTCOME      REASON
        shop        stripe_fees  unsupported  reading charges was refused

        shop: 2 subscriptions differed and were corrected
        "#);
    }
}
