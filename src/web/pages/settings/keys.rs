//! `/settings/keys`: what programs use the API with.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};

use super::{super::set_up::Errors, Done};
use crate::{
    app::App,
    series::format,
    store::{ApiKey, Scope},
    users::Permission,
    web::{
        Error,
        auth::{Posted, Viewer},
        frame::{Bars, Frame, Section, framed, render},
    },
};

#[derive(Template)]
#[template(path = "settings/keys.html")]
struct Keys {
    frame: Frame,
    bars: Bars,
    rows: Vec<Row>,
    may_change: bool,
    /// The key that was just made; shown this once.
    made: Option<String>,
    name: String,
    is_write: bool,
    errors: Errors,
}

struct Row {
    id: String,
    name: String,
    last_four: String,
    scope: &'static str,
    made: String,
    used: String,
    revoked: Option<String>,
}

async fn page(app: &App, viewer: &Viewer, notice: Option<&str>) -> Result<Keys, Error> {
    let (frame, bars) = framed(viewer, Section::Settings, "API keys");
    let now = app.now();
    let row = |key: ApiKey| Row {
        id: key.id.to_string(),
        name: key.name,
        last_four: key.last_four,
        scope: key.scope.name(),
        made: format::instant(key.created_at),
        used: key.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {}", format::age(at, now))),
        revoked: key.revoked_at.map(format::instant),
    };
    Ok(Keys {
        frame,
        bars: bars.with_notice(notice),
        rows: app.users.api_keys(&viewer.project).await?.into_iter().map(row).collect(),
        may_change: viewer.can(Permission::ManageKeys),
        made: None,
        name: String::new(),
        is_write: false,
        errors: Errors::default(),
    })
}

pub(in crate::web) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Query(done): Query<Done>,
) -> Result<Html<String>, Error> {
    let notice = (done.word() == "revoked").then_some("The key opens nothing any more.");
    render(&page(&app, &viewer, notice).await?)
}

/// The key is in this one answer and in no address: it must not lie in a browser's history.
pub(in crate::web) async fn make(posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::ManageKeys)?;
    let is_write = fields.text("scope") == "write";
    let scope = if is_write { Scope::Write } else { Scope::Read };
    match app.users.make_api_key(&viewer.project, fields.text("name"), scope).await {
        Ok(made) => {
            let page = Keys { made: Some(made.secret.expose().to_owned()), ..page(&app, &viewer, None).await? };
            Ok(render(&page)?.into_response())
        }
        Err(error) => {
            let name = fields.text("name").chars().take(200).collect();
            let page = Keys { errors: Errors::from(error)?, name, is_write, ..page(&app, &viewer, None).await? };
            Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
        }
    }
}

pub(in crate::web) async fn revoke(posted: Posted) -> Result<Redirect, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::ManageKeys)?;
    app.users.revoke_api_key(&viewer.project, fields.text("key")).await?;
    Ok(Redirect::to("/settings/keys?done=revoked"))
}
