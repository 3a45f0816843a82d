//! `/settings/appearance`: light or dark, and what everything looks like.

use askama::Template;
use axum::{
    http::header,
    response::{Html, IntoResponse, Redirect, Response},
};

use crate::web::{
    Error,
    auth::{Posted, Viewer},
    cookies::Theme,
    frame::{Bars, Frame, Section, framed, render},
};

#[derive(Template)]
#[template(path = "settings/appearance.html")]
struct Appearance {
    frame: Frame,
    bars: Bars,
    themes: [(Theme, &'static str); 3],
}

pub(in crate::web) async fn show(viewer: Viewer) -> Result<Html<String>, Error> {
    let (frame, bars) = framed(&viewer, Section::Settings, "Appearance");
    let themes = [(Theme::System, "As the system says"), (Theme::Light, "Light"), (Theme::Dark, "Dark")];
    render(&Appearance { frame, bars, themes })
}

pub(in crate::web) async fn choose(posted: Posted) -> Response {
    let mut answer = Redirect::to("/settings/appearance").into_response();
    let cookie = Theme::of(posted.fields.text("theme")).cookie(&posted.app.config);
    answer.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    answer
}
