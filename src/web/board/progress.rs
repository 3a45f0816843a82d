//! How far a run is, for those who watch it.

use crate::{
    app::App,
    metric::{Day, Unit, exact},
    series::format::{self, Figure},
    sync::RunView,
    web::Error,
};

use super::read::Board;

/// How far the run under way is.
pub(in crate::web) struct Progress {
    pub(in crate::web) done: u64,
    pub(in crate::web) total: u64,
    /// What is being read, and how far back.
    pub(in crate::web) label: String,
    /// What was asked and what came of it.
    pub(in crate::web) so_far: String,
    pub(in crate::web) since: String,
}

impl Progress {
    /// Of a run that has not ended.
    pub(in crate::web) fn of(run: &RunView) -> Self {
        let number = |key: &str| run.progress.as_ref().and_then(|told| told.get(key)?.as_u64()).unwrap_or(0);
        let label = run.progress.as_ref().and_then(|told| told.get("label")?.as_str()).unwrap_or("asking who it is");
        let count = |count: u64, one: &str| {
            let figure = Figure::new(exact::from_int(i64::try_from(count).unwrap_or(i64::MAX)), Unit::Count, None);
            format!("{} {one}{}", figure.full(), if count == 1 { "" } else { "s" })
        };
        Self {
            done: number("done"),
            total: number("total").max(1),
            label: dated(label),
            so_far: format!("{}, {}", count(run.requests, "call"), count(run.samples_written, "value")),
            since: format::instant(run.started_at),
        }
    }
}

/// The same with its date as people write it.
fn dated(label: &str) -> String {
    let date = |text: &str| text.parse::<Day>().ok().map(|day| day.date().strftime("%-d %b %Y").to_string());
    match label.rsplit_once(' ').and_then(|(what, last)| Some((what, date(last)?))) {
        Some((what, date)) => format!("{what} {date}"),
        None => label.to_owned(),
    }
}

/// A connection that is read for the first time.
pub(in crate::web) struct FirstSync {
    pub(in crate::web) name: String,
    pub(in crate::web) address: String,
    /// `None` until its run begins.
    pub(in crate::web) progress: Option<Progress>,
}

/// The connections of some integrations of which nothing was read to its end yet.
pub(in crate::web) async fn first_syncs(
    app: &App,
    board: &Board,
    integrations: &[&str],
) -> Result<Vec<FirstSync>, Error> {
    let mut found = Vec::new();
    for (connection, view) in board.connections.iter().zip(&board.views) {
        let is_first = view.last_synced_at.is_none() && view.state == "ok";
        if !is_first || !integrations.contains(&connection.integration_id.as_str()) {
            continue;
        }
        let newest = app.sync.newest_run(connection).await?.filter(|run| run.ended_at.is_none() && view.syncing);
        found.push(FirstSync {
            name: view.name.clone(),
            address: format!("/connections/{}", view.connection_id),
            progress: newest.as_ref().map(Progress::of),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_people_do() {
        assert_eq!(dated("events back to 2026-08-26"), "events back to 26 Aug 2026");
        assert_eq!(dated("asking who it is"), "asking who it is");
    }
}
