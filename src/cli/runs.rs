//! `dashtray runs`

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    Invocation, ProjectArg,
    failure::{Done, Failure},
    output::{instant, number, table, text, with_lines},
};
use crate::sync::{OutcomeWord, RunView};

/// List a connection's latest runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  dashtray runs stripe --limit 5")]
pub(super) struct Args {
    /// Name or id of the connection
    #[arg(value_name = "C")]
    connection: String,
    /// How many, newest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let runs = app.sync.runs(&args.project.project, &args.connection, args.limit).await?;
    if runs.is_empty() && !invocation.out.json {
        invocation.out.note("it was never synced; `dashtray sync C` does it now");
        return Ok(Done::All);
    }
    invocation.out.show(&json!({"runs": runs}), |_| human(&runs))?;
    Ok(Done::All)
}

fn human(runs: &[RunView]) -> String {
    let mut rows = table(&["started", "took", "status", "metrics", "written", "requests", "bytes", "waited", "error"]);
    for run in runs {
        let took = run.ended_at.map_or_else(|| "-".to_owned(), |end| duration(run.started_at, end));
        rows.add_row([
            instant(Some(run.started_at)).into(),
            number(took),
            run.status.name().into(),
            number(metrics(run)),
            number(run.samples_written),
            number(run.requests),
            number(run.bytes),
            number(format!("{} s", run.waited_ms / 1000)),
            error(run).into(),
        ]);
    }
    let corrected = runs.iter().flat_map(|run| corrections(&instant(Some(run.started_at)), run));
    with_lines(&text(&rows), corrected)
}

/// What a run found different and put right, a line each, after what names the run.
pub(super) fn corrections(name: &str, run: &RunView) -> Vec<String> {
    run.corrections.iter().map(|correction| format!("{name}: {}", correction.message)).collect()
}

/// How many of the metrics were read.
pub(super) fn metrics(run: &RunView) -> String {
    let read = run.metrics.iter().filter(|m| matches!(m.outcome, OutcomeWord::Ok | OutcomeWord::Unchanged)).count();
    format!("{read}/{}", run.metrics.len())
}

/// What went wrong with the run as a whole, and when it goes on.
pub(super) fn error(run: &RunView) -> String {
    let mut text = run.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
    if run.retry_at.is_some() {
        let again = format!("again at {}", instant(run.retry_at));
        text = if text.is_empty() { again } else { format!("{text}; {again}") };
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

/// How long something took, in the unit that people would use.
pub(super) fn duration(from: Timestamp, to: Timestamp) -> String {
    let took = to.duration_since(from).max(SignedDuration::ZERO);
    match took.as_secs() {
        0 => format!("{} ms", took.as_millis()),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
