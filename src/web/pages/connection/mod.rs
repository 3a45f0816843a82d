//! `/connections/{id}`: how a connection stands, what its runs did, and what can be done about it.

pub(super) mod acts;
mod calendar;
mod days;
pub(super) mod diagnostics;
pub(super) mod now;
mod reach;
mod runs;

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Html,
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::connect::form::{self, Input, Refusal};
use crate::{
    app::App,
    connections::ConnectionView,
    integrations::{AccountInfo, Check, Descriptor},
    series::format,
    store::Connection,
    users::Permission,
    web::{
        Error,
        auth::Viewer,
        frame::{Bars, Frame, Section, framed, render},
        live::Stage,
    },
};
use calendar::Calendar;
use days::Days;
use now::Now;
use reach::Reach;
use runs::RunLine;

/// As many runs as are shown.
const RUNS: u32 = 50;

#[derive(Template)]
#[template(path = "connection.html")]
struct Page {
    frame: Frame,
    bars: Bars,
    id: String,
    name: String,
    service: String,
    icon: String,
    account: String,
    may_change: bool,
    /// Whether they may delete what was read, too.
    may_delete: bool,
    is_paused: bool,
    /// How it stands: the same piece that is fetched when that changes.
    now: String,
    /// What the last test said, permission by permission.
    checks: Vec<Check>,
    facts: Vec<(&'static str, String)>,
    calendar: Calendar,
    /// How much of each metric was read.
    reach: Vec<Reach>,
    is_first: bool,
    live: Stage,
    runs: Vec<RunLine>,
    settings: Vec<Input>,
    refusal: Refusal,
    /// Where the integration's own dashboard is.
    dashboard: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Done {
    done: Option<String>,
}

/// The connection of that id, if it is of the viewer's project.
pub(in crate::web) async fn found(app: &App, viewer: &Viewer, id: &str) -> Result<Connection, Error> {
    // By id alone: a name may change, and an address should not.
    let id: Uuid = id.parse().map_err(|_| Error::NotFound)?;
    Ok(app.connections.find(&viewer.project, &id.to_string()).await?)
}

/// The same as it is told to people.
async fn told(app: &App, viewer: &Viewer, connection: &Connection) -> Result<ConnectionView, Error> {
    let views = app.connections.views(&viewer.project, std::slice::from_ref(connection)).await?;
    views.into_iter().next().ok_or(Error::NotFound)
}

/// `None` where an integration is gone from this version: what was read of it can still be looked at.
fn descriptor_of(app: &App, connection: &Connection) -> Option<Arc<Descriptor>> {
    app.registry.get(&connection.integration_id).ok().map(|integration| integration.descriptor())
}

pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(done): Query<Done>,
) -> Result<Html<String>, Error> {
    let connection = found(&app, &viewer, &id).await?;
    let notice = match done.done.as_deref().unwrap_or_default() {
        "connected" => Some("Connected. The first sync has begun: the newest days come first."),
        "reconnected" => Some("Connected again. What is missing is being read."),
        "tested" => Some("The service accepts what it was connected with."),
        "asked" => Some("A sync begins now."),
        "paused" => Some("Paused. What was read stays; nothing more is read."),
        "resumed" => Some("It goes on."),
        "changed" => Some("Saved. What these settings change is read again."),
        _ => None,
    };
    render(&page(&app, &viewer, &connection, notice, Refusal::default(), None).await?)
}

/// The page of a connection; with what was typed into its settings, if that was refused.
async fn page(
    app: &App,
    viewer: &Viewer,
    connection: &Connection,
    notice: Option<&str>,
    mut refusal: Refusal,
    typed: Option<Map<String, Json>>,
) -> Result<Page, Error> {
    // First: what changes while the rest is read is told afterwards.
    let changes = app.store.changes(&[viewer.project.id]).await?;
    let descriptor = descriptor_of(app, connection);
    let view = told(app, viewer, connection).await?;
    let rows = app.sync.runs(&viewer.project.slug, &connection.public_id.to_string(), RUNS).await?;
    let account: Option<AccountInfo> = serde_json::from_value(connection.account.clone()).ok();
    let given = typed.or_else(|| connection.settings.values.as_object().cloned()).unwrap_or_default();
    let settings = descriptor.as_deref().map_or_else(Vec::new, |descriptor| {
        let choices = account.as_ref().map(|account| account.choices.clone()).unwrap_or_default();
        let mut inputs = form::settings(descriptor, &given, &choices, &mut refusal);
        inputs.extend(form::of_sync(&given, descriptor.sync_interval_minutes, &mut refusal));
        inputs
    });
    refusal.rest_on_top();
    let now = app.now();
    let days = Days::read(app, viewer, connection).await?;
    let name_of = |id: &str| {
        let known = descriptor.as_deref().and_then(|descriptor| descriptor.metric(id));
        known.map_or_else(|| id.to_owned(), |metric| metric.name.clone())
    };
    let dashboards = app.store.dashboards(viewer.project.id).await?;
    let starter = dashboards.iter().find(|one| one.integration_id.as_deref() == Some(&connection.integration_id));
    let (frame, bars) = framed(viewer, Section::Integrations, connection.name.as_str());
    let service = descriptor.as_ref().map_or_else(|| connection.integration_id.clone(), |one| one.name.clone());
    let mut checks = account.as_ref().map(|account| account.checks.clone()).unwrap_or_default();
    checks.iter_mut().for_each(|check| check.costs.iter_mut().for_each(|id| *id = name_of(id)));
    Ok(Page {
        frame,
        bars: bars.with_notice(notice),
        id: connection.public_id.to_string(),
        name: connection.name.clone(),
        icon: descriptor.as_ref().map(|one| one.icon.clone()).unwrap_or_default(),
        account: account.as_ref().map_or_else(|| connection.account_id.clone(), |one| one.label.clone()),
        may_delete: viewer.can(Permission::Disconnect),
        may_change: viewer.can(Permission::Connect),
        is_paused: connection.paused,
        now: render(&Now::of(&view, rows.first(), &service, viewer, now))?.0,
        checks,
        facts: facts(connection, &view, account.as_ref(), now),
        calendar: Calendar::of(&days),
        reach: reach::of(&days, &name_of),
        is_first: view.last_synced_at.is_none(),
        live: Stage::of_one(&connection.public_id.to_string(), connection.key.connection_id, &changes),
        runs: rows.iter().map(|run| RunLine::of(run, &name_of, now)).collect(),
        settings,
        refusal,
        dashboard: starter.map(|dashboard| format!("/d/{}", dashboard.slug)),
        service,
    })
}

fn facts(
    connection: &Connection,
    view: &ConnectionView,
    account: Option<&AccountInfo>,
    now: jiff::Timestamp,
) -> Vec<(&'static str, String)> {
    let at = |at: jiff::Timestamp| format!("{} ({})", format::age(at, now), format::instant(at));
    let mut facts = vec![
        ("Account", format!("{} ({})", account.map_or("", |one| one.label.as_str()), connection.account_id)),
        ("Last read", view.last_synced_at.map_or_else(|| "not yet".to_owned(), at)),
        ("Next run", view.next_sync_at.map_or_else(|| "none while it is paused".to_owned(), at)),
        ("Time zone", connection.settings.zone.name().to_owned()),
        ("Currency", connection.settings.currency.to_string()),
        ("History since", connection.settings.history_start.to_string()),
        ("Connected", format::instant(connection.created_at)),
    ];
    if let Some(corrected) = &view.corrected {
        facts.push(("Put right", format!("{}, {}", corrected.message, format::age(corrected.at, now))));
    }
    facts
}
