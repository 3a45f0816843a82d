//! How a connection stands right now: the part of its page that changes most.

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Html,
};
use jiff::Timestamp;

use super::{descriptor_of, found, told};
use crate::{
    app::App,
    connections::ConnectionView,
    series::format,
    sync::RunView,
    users::Permission,
    web::{
        Error,
        auth::Viewer,
        board::{progress::Progress, standing::standing},
        frame::render,
    },
};

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

impl Now {
    pub(super) fn of(
        view: &ConnectionView,
        newest: Option<&RunView>,
        service: &str,
        viewer: &Viewer,
        now: Timestamp,
    ) -> Self {
        let (tone, title, sentence, help) = standing(view, service);
        let running = newest.filter(|run| run.ended_at.is_none() && view.syncing);
        Self {
            id: view.connection_id.to_string(),
            csrf: viewer.session.session.csrf.clone(),
            may_change: viewer.can(Permission::Connect),
            tone,
            title,
            sentence,
            reason: view.reason.clone().filter(|_| running.is_none()).unwrap_or_default(),
            until: view
                .until
                .map(|at| format!("{} ({})", format::age(at, now), format::instant(at)))
                .unwrap_or_default(),
            help: help.word(),
            progress: running.map(Progress::of),
        }
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
    let newest = app.sync.newest_run(&connection).await?;
    let service =
        descriptor_of(&app, &connection).map_or_else(|| connection.integration_id.clone(), |one| one.name.clone());
    render(&Now::of(&view, newest.as_ref(), &service, &viewer, app.now()))
}
