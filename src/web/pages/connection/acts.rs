//! What can be done to a connection. Each is a form of its page.

use axum::{
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{found, page};
use crate::{
    app::App,
    store::Connection,
    users::Permission,
    web::{
        Error,
        auth::{Posted, Viewer},
        frame::render,
        pages::connect::form::{self, Refusal, Typed},
    },
};

/// The connection that a form is about, of somebody who may change it.
async fn ours(app: &App, viewer: &Viewer, id: &str) -> Result<Connection, Error> {
    viewer.may(Permission::Connect)?;
    found(app, viewer, id).await
}

fn back(connection: &Connection, done: &str) -> Response {
    Redirect::to(&format!("/connections/{}?done={done}", connection.public_id)).into_response()
}

async fn refused(
    app: &App,
    viewer: &Viewer,
    connection: &Connection,
    refusal: Refusal,
    typed: Option<Typed>,
) -> Result<Response, Error> {
    let typed = typed.map(|typed| typed.settings);
    let page = page(app, viewer, connection, None, refusal, typed).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
}

pub(in crate::web) async fn test(Path(id): Path<String>, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, .. } = posted;
    let connection = ours(&app, &viewer, &id).await?;
    let refusal = match app.connections.test(&viewer.project.slug, &id).await {
        Ok(view) => match view.error {
            None => return Ok(back(&connection, "tested")),
            Some(error) => Refusal::because(error.message),
        },
        Err(error) => Refusal::of(&app, &viewer, error).await?,
    };
    refused(&app, &viewer, &connection, refusal, None).await
}

pub(in crate::web) async fn sync(Path(id): Path<String>, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, .. } = posted;
    let connection = ours(&app, &viewer, &id).await?;
    app.sync.sync_soon(&connection).await?;
    Ok(back(&connection, "asked"))
}

pub(in crate::web) async fn pause(Path(id): Path<String>, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, .. } = posted;
    let connection = ours(&app, &viewer, &id).await?;
    app.connections.pause(&viewer.project.slug, &id).await?;
    Ok(back(&connection, "paused"))
}

pub(in crate::web) async fn resume(Path(id): Path<String>, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, .. } = posted;
    let connection = ours(&app, &viewer, &id).await?;
    app.connections.resume(&viewer.project.slug, &id).await?;
    app.sync.wake();
    Ok(back(&connection, "resumed"))
}

pub(in crate::web) async fn set(Path(id): Path<String>, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    let connection = ours(&app, &viewer, &id).await?;
    let descriptor = app.registry.get(&connection.integration_id)?.descriptor();
    let mut typed = Typed::of(&descriptor, &fields);
    let errors = std::mem::take(&mut typed.errors);
    if !errors.is_empty() {
        return refused(&app, &viewer, &connection, Refusal::of_fields(errors), Some(typed)).await;
    }
    let value = |key: &str| typed.settings.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let shown = form::shown(&descriptor, &fields).into_iter();
    let changes: Vec<(String, String)> = shown.map(|key| (key.clone(), value(&key))).collect();
    match app.connections.set(&viewer.project.slug, &id, &changes).await {
        Ok(_) => {
            app.sync.wake();
            Ok(back(&connection, "changed"))
        }
        Err(error) => {
            let refusal = Refusal::of(&app, &viewer, error).await?;
            refused(&app, &viewer, &connection, refusal, Some(typed)).await
        }
    }
}

pub(in crate::web) async fn disconnect(Path(id): Path<String>, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    let connection = ours(&app, &viewer, &id).await?;
    match fields.text("data") {
        "keep" => {
            app.connections.pause(&viewer.project.slug, &id).await?;
            Ok(back(&connection, "paused"))
        }
        "delete" => {
            viewer.may(Permission::Disconnect)?;
            app.connections.disconnect(&viewer.project.slug, &id).await?;
            Ok(Redirect::to("/integrations?done=disconnected").into_response())
        }
        _ => {
            let refusal = Refusal::because("Say what happens to the numbers: keep them, or delete them.");
            refused(&app, &viewer, &connection, refusal, None).await
        }
    }
}
