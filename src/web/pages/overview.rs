//! `/`: what is connected, and what there is to see.

use askama::Template;
use axum::{extract::State, response::Html};

use crate::{
    app::App,
    web::{
        Error,
        auth::Viewer,
        frame::{Bars, Frame, Section, framed, render},
    },
};

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    bars: Bars,
    connections: usize,
}

pub(super) async fn show(State(app): State<App>, viewer: Viewer) -> Result<Html<String>, Error> {
    let connections = app.store.connections(viewer.project.id).await?.len();
    let (frame, bars) = framed(&viewer, Section::Overview, "Overview");
    render(&Overview { frame, bars, connections })
}
