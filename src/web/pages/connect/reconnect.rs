//! `/connections/{id}/reconnect`: other access to the same account. History, settings and dashboards stay.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse, Redirect, Response},
};

use super::{
    Connect,
    form::{self, Refusal, Typed},
    sign_in::{self, Way},
};
use crate::{
    app::App,
    connections::SignInFor,
    integrations::Descriptor,
    store::Connection,
    users::Permission,
    web::{
        Error,
        auth::{Posted, Viewer},
        frame::render,
        pages::connection::found,
    },
};

fn page(
    app: &App,
    headers: &HeaderMap,
    viewer: &Viewer,
    (connection, descriptor): (&Connection, &Descriptor),
    mut refusal: Refusal,
) -> Connect {
    let action = format!("/connections/{}/reconnect", connection.public_id);
    let page = Connect::new(viewer, descriptor, action, format!("Reconnect {}", connection.name));
    let inputs = form::credentials(descriptor, &mut refusal);
    refusal.rest_on_top();
    let account = connection.account.get("label").and_then(serde_json::Value::as_str).unwrap_or(&connection.account_id);
    let summary =
        format!("New access to the same account, {account}. History, settings and dashboards stay as they are.");
    Connect { way: Way::of(app, headers, descriptor), refusal, inputs, summary, is_reconnect: true, ..page }
}

pub(in crate::web) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Html<String>, Error> {
    viewer.may(Permission::Connect)?;
    let connection = found(&app, &viewer, &id).await?;
    let descriptor = app.registry.get(&connection.integration_id)?.descriptor();
    render(&page(&app, &headers, &viewer, (&connection, &descriptor), Refusal::default()))
}

pub(in crate::web) async fn act(Path(id): Path<String>, headers: HeaderMap, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::Connect)?;
    let connection = found(&app, &viewer, &id).await?;
    let descriptor = app.registry.get(&connection.integration_id)?.descriptor();
    let (project, name) = (&viewer.project.slug, connection.public_id.to_string());
    let refused = if fields.text("action") == "sign-in" {
        match sign_in::begin(&app, &headers, &viewer, SignInFor::Reconnect { connection: name }).await {
            Ok(begun) => return sign_in::leave(&viewer, &descriptor, &begun),
            Err(error) => Refusal::of(&app, &viewer, error).await?,
        }
    } else {
        let typed = Typed::of(&descriptor, &fields);
        if typed.errors.is_empty() {
            match app.connections.reconnect(project, &name, typed.credentials).await {
                Ok(_) => {
                    app.sync.wake();
                    return Ok(Redirect::to(&format!("/connections/{name}?done=reconnected")).into_response());
                }
                Err(error) => Refusal::of(&app, &viewer, error).await?,
            }
        } else {
            Refusal::of_fields(typed.errors)
        }
    };
    let page = page(&app, &headers, &viewer, (&connection, &descriptor), refused);
    Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
}
