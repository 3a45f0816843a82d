//! How a connection stands right now, and the stream that says when that has changed. Events only announce; the page
//! then fetches the part that is concerned.

use std::{convert::Infallible, time::Duration};

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::{
        Html, IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{descriptor_of, found, told, words};
use crate::{
    app::App,
    connections::ConnectionView,
    series::format,
    store::ConnectionKey,
    sync::RunView,
    web::{Error, auth::Viewer, frame::render},
};

/// How often is looked; runs of other processes are seen as well.
const LOOK: Duration = Duration::from_millis(400);
/// Looks of one stream. Then the browser asks anew, and is asked anew who it is.
const LOOKS: u32 = 1_500;

/// The part of the page that changes while somebody looks.
#[derive(Template)]
#[template(path = "connection_now.html")]
pub(super) struct Now {
    pub(super) id: String,
    pub(super) csrf: String,
    pub(super) may_change: bool,
    pub(super) tone: &'static str,
    pub(super) title: &'static str,
    pub(super) sentence: String,
    /// What the last run said.
    pub(super) reason: String,
    pub(super) until: String,
    pub(super) help: &'static str,
    pub(super) progress: Option<Progress>,
}

/// How far the run under way is.
pub(super) struct Progress {
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) label: String,
    pub(super) since: String,
}

impl Now {
    pub(super) fn of(
        view: &ConnectionView,
        newest: Option<&RunView>,
        service: &str,
        viewer: &Viewer,
        now: Timestamp,
    ) -> Self {
        let (tone, title, sentence, help) = words::standing(view, service);
        let running = newest.filter(|run| run.ended_at.is_none() && view.syncing);
        Self {
            id: view.connection_id.to_string(),
            csrf: viewer.session.session.csrf.clone(),
            may_change: viewer.may_change().is_ok(),
            tone,
            title,
            sentence,
            reason: view.reason.clone().filter(|_| running.is_none()).unwrap_or_default(),
            until: view
                .until
                .map(|at| format!("{} ({})", format::age(at, now), format::instant(at)))
                .unwrap_or_default(),
            help: help.word(),
            progress: running.map(progress),
        }
    }
}

fn progress(run: &RunView) -> Progress {
    let number = |key: &str| run.progress.as_ref().and_then(|told| told.get(key)?.as_u64()).unwrap_or(0);
    let label = run.progress.as_ref().and_then(|told| told.get("label")?.as_str()).unwrap_or("asking who it is");
    Progress {
        done: number("done"),
        total: number("total").max(1),
        label: label.to_owned(),
        since: format::instant(run.started_at),
    }
}

/// `/connections/{id}/now`
pub(in crate::web) async fn now(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Html<String>, Error> {
    let connection = found(&app, &viewer, &id).await?;
    let view = told(&app, &viewer, &connection).await?;
    let runs = app.sync.runs(&viewer.project.slug, &id, 1).await?;
    let service =
        descriptor_of(&app, &connection).map_or_else(|| connection.integration_id.clone(), |one| one.name.clone());
    render(&Now::of(&view, runs.first(), &service, &viewer, app.users.now()))
}

/// `/connections/{id}/events`: `changed` when it stands otherwise, `ended` when a run has ended.
pub(in crate::web) async fn events(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    Extension(stop): Extension<CancellationToken>,
) -> Result<Response, Error> {
    let connection = found(&app, &viewer, &id).await?;
    let watch = Watch { app, key: connection.key, stop, seen: None, looks: 0 };
    let events = stream::unfold(watch, |mut watch| async move {
        let name = watch.next().await?;
        // An event without data is none to a browser.
        Some((Ok::<Event, Infallible>(Event::default().event(name).data("1")), watch))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// What was seen last.
struct Watch {
    app: App,
    key: ConnectionKey,
    stop: CancellationToken,
    seen: Option<Seen>,
    looks: u32,
}

#[derive(PartialEq)]
struct Seen {
    standing: String,
    ended: Option<Timestamp>,
}

impl Watch {
    /// The name of the next event; `None` when the stream ends.
    async fn next(&mut self) -> Option<&'static str> {
        loop {
            let seen = self.look().await?;
            let before = self.seen.replace(seen);
            let now = self.seen.as_ref()?;
            match before {
                // What the page shows may be older than the stream.
                None => return Some("changed"),
                Some(before) if before.ended != now.ended => return Some("ended"),
                Some(before) if before != *now => return Some("changed"),
                Some(_) => {}
            }
            self.looks += 1;
            if self.looks > LOOKS {
                return None;
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// `None` when the connection is gone, or the database.
    async fn look(&self) -> Option<Seen> {
        let connection = self.app.store.connection(self.key).await.ok()?;
        let newest = self.app.store.runs(self.key, 1, None).await.ok()?.into_iter().next();
        let (run, ended) = newest.map_or((None, None), |run| (run.progress, run.ended_at));
        let (state, is_held) = (&connection.state, connection.lease_until.is_some());
        let standing = format!("{} {:?} {} {is_held} {run:?}", state.state, state.reason, connection.paused);
        Some(Seen { standing, ended })
    }
}
