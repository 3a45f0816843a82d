//! `/connections/{id}/diagnostics`: what somebody who helps needs to know, and nothing that opens anything.

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{RUNS, found, told};
use crate::{
    app::App,
    series::format,
    web::{Error, auth::Viewer},
};

pub(in crate::web) async fn download(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let connection = found(&app, &viewer, &id).await?;
    let settings = &connection.settings;
    let told = json!({
        "dashtray": env!("CARGO_PKG_VERSION"),
        "at": format::instant(app.now()),
        "connection": told(&app, &viewer, &connection).await?,
        "failures_in_a_row": connection.state.failures,
        "settings": settings.values,
        "zone": settings.zone.name(),
        "currency": settings.currency,
        "history_start": settings.history_start,
        "account": connection.account,
        "runs": app.sync.runs(&viewer.project.slug, &id, RUNS).await?,
    });
    let file = format!("attachment; filename=\"dashtray-{}-{id}.json\"", connection.integration_id);
    Ok(([(header::CONTENT_DISPOSITION, file)], Json(told)).into_response())
}
