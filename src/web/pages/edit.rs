//! `/d/{slug}/edit`: what stands on a dashboard. Every step is kept at once, and works with buttons alone.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde_json::json;

use super::dashboards::checked_name;
use crate::{
    app::App,
    connections::starter,
    custom,
    integrations::Descriptor,
    metric::Definition,
    store::{Connection, Dashboard, Widget},
    users::Permission,
    web::{
        Error,
        auth::{Fields, Posted, Viewer},
        board::{
            dates::{Tab, tabs},
            read::Board,
        },
        frame::{Bars, Frame, Section, framed, render},
    },
};

/// Widgets that a dashboard has at most.
const MOST: usize = 40;
const GONE: &str = "This widget is not on the dashboard any more.";
const SIZES: [(&str, &str); 3] = [("s", "Small"), ("m", "Half"), ("l", "Full")];
/// What a widget can be: kind, style of a chart, and what people read.
const KINDS: [(&str, &str, &str); 6] = [
    ("metric", "", "Card"),
    ("chart", "", "Chart"),
    ("chart", "line", "Line chart"),
    ("chart", "area", "Area chart"),
    ("chart", "bar", "Bar chart"),
    ("table", "", "Table"),
];

#[derive(Template)]
#[template(path = "edit.html")]
struct Page {
    frame: Frame,
    bars: Bars,
    tabs: Vec<Tab>,
    dashboard: Dashboard,
    rows: Vec<Row>,
    groups: Vec<(String, Vec<(String, String)>)>,
    kinds: Vec<(String, &'static str)>,
    /// The button that has the focus: the one that was pressed.
    at: String,
    /// What was typed and not taken.
    name: String,
    metric: String,
    kind: String,
    connection: String,
    /// Connections of integrations that have several: id and name.
    connections: Vec<(String, String)>,
    error: String,
    name_error: String,
}

/// A widget in the list.
struct Row {
    id: i64,
    name: String,
    kind: &'static str,
    size: String,
    is_first: bool,
    is_last: bool,
    /// The one connection that it shows; empty for all.
    connection: String,
    /// What there is to choose from, where it makes a difference: id and name.
    connections: Vec<(String, String)>,
}

impl Page {
    fn sizes(&self) -> &'static [(&'static str, &'static str)] {
        &SIZES
    }

    fn has_focus(&self, what: &str, id: &i64) -> bool {
        self.at == format!("{what}-{id}")
    }

    fn has_size_focus(&self, size: &str, id: &i64) -> bool {
        self.at == format!("size{size}-{id}")
    }
}

async fn page(app: &App, viewer: &Viewer, slug: &str) -> Result<Page, Error> {
    let board = Board::open(app, viewer, &BTreeMap::new()).await?;
    let dashboards = board.dashboards(app).await?;
    let dashboard = dashboards.iter().find(|one| one.slug == slug).ok_or(Error::NotFound)?.clone();
    let widgets = app.store.widgets(viewer.project.id, dashboard.id).await?;
    let last = widgets.len().saturating_sub(1);
    let several = |integration: &str| -> Vec<(String, String)> {
        let of_it = board.connections.iter().filter(|one| one.integration_id == integration);
        let all: Vec<_> = of_it.map(|one| (one.public_id.to_string(), one.name.clone())).collect();
        if all.len() > 1 { all } else { Vec::new() }
    };
    let bound =
        |widget: &Widget| board.connections.iter().find(|one| Some(one.key.connection_id) == widget.connection_id);
    let row = |(at, widget): (usize, &Widget)| Row {
        connection: bound(widget).map(|one| one.public_id.to_string()).unwrap_or_default(),
        connections: board.metric(&widget.metric_id).map(|(of, _)| several(&of.id)).unwrap_or_default(),
        id: widget.id,
        name: board.metric(&widget.metric_id).map_or(&widget.metric_id, |(_, metric)| &metric.name).clone(),
        kind: kind_of(widget),
        size: widget.size.clone(),
        is_first: at == 0,
        is_last: at == last,
    };
    let metrics = board.connected().map(|descriptor| {
        let names = descriptor.metrics.iter().map(|metric| (metric.id.clone(), metric.name.clone()));
        (descriptor.name.clone(), names.collect())
    });
    let (frame, bars) = framed(viewer, Section::Overview, format!("Edit {}", dashboard.name));
    Ok(Page {
        frame,
        bars,
        tabs: tabs(&dashboards, Some(slug), ""),
        rows: widgets.iter().enumerate().map(row).collect(),
        groups: metrics.collect(),
        kinds: KINDS
            .iter()
            .map(|(kind, style, label)| (format!("{kind} {style}").trim_end().to_owned(), *label))
            .collect(),
        at: String::new(),
        name: dashboard.name.clone(),
        metric: String::new(),
        kind: String::new(),
        connection: String::new(),
        connections: board.connected().flat_map(|descriptor| several(&descriptor.id)).collect(),
        error: String::new(),
        name_error: String::new(),
        dashboard,
    })
}

fn kind_of(widget: &Widget) -> &'static str {
    let style = widget.options["style"].as_str().unwrap_or_default();
    let known = KINDS.iter().find(|(kind, drawn, _)| *kind == widget.kind && *drawn == style);
    known.map_or("Card", |(_, _, label)| label)
}

pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path(slug): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Result<Html<String>, Error> {
    viewer.may(Permission::EditDashboards)?;
    let at = asked.get("at").cloned().unwrap_or_default();
    render(&Page { at, ..page(&app, &viewer, &slug).await? })
}

pub(super) async fn change(Path(slug): Path<String>, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::EditDashboards)?;
    let dashboard = app.store.dashboard(viewer.project.id, &slug).await?.ok_or(Error::NotFound)?;
    let mut widgets = app.store.widgets(viewer.project.id, dashboard.id).await?;
    let connections = app.store.connections(viewer.project.id).await?;
    // The form is of the version that its page showed: of two people who edit at once the second is told.
    let seen = Dashboard { version: fields.text("version").parse().unwrap_or(-1), ..dashboard.clone() };
    let mut name = dashboard.name.clone();
    let step = fields.text("do").split(' ').collect::<Vec<_>>();
    let done = match step.as_slice() {
        ["rename"] => match checked_name(fields.text("name")) {
            Ok(given) => {
                name = given;
                Ok("renamed".to_owned())
            }
            Err(error) => {
                let page = Page { name_error: error, ..typed(page(&app, &viewer, &slug).await?, &fields) };
                return Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response());
            }
        },
        ["add"] => add(&measured(&app, &viewer).await?, &connections, &mut widgets, &fields),
        ["show", id, connection] => {
            show_of(&measured(&app, &viewer).await?, &connections, &mut widgets, id, connection)
        }
        step => arrange(&mut widgets, step),
    };
    let done = match done {
        Ok(done) => done,
        Err(error) if seen.version == dashboard.version => {
            let page = Page { error, ..typed(page(&app, &viewer, &slug).await?, &fields) };
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response());
        }
        Err(_) => String::new(),
    };
    if !done.is_empty() && app.store.change_dashboard(viewer.project.id, &seen, &name, &widgets).await? {
        return Ok(Redirect::to(&format!("/d/{slug}/edit?at={done}")).into_response());
    }
    let error =
        "Somebody else changed this dashboard meanwhile. It is shown as it stands now, and your last step is not \
                 in it yet: look whether it is still wanted, and repeat it."
            .to_owned();
    let page = Page { error, ..typed(page(&app, &viewer, &slug).await?, &fields) };
    Ok((StatusCode::CONFLICT, render(&page)?).into_response())
}

/// The page with what was typed.
fn typed(page: Page, fields: &Fields) -> Page {
    let short = |name: &str| fields.text(name).chars().take(200).collect::<String>();
    let name = if fields.text("name").is_empty() { page.name.clone() } else { short("name") };
    Page { name, metric: short("metric"), kind: short("kind"), connection: short("connection"), ..page }
}

/// Puts a further widget last. Gives the button that has the focus then, or what is wrong.
fn add(
    measured: &[Arc<Descriptor>],
    connections: &[Connection],
    widgets: &mut Vec<Widget>,
    fields: &Fields,
) -> Result<String, String> {
    if widgets.len() >= MOST {
        return Err(format!("A dashboard holds at most {MOST} widgets. Remove one first."));
    }
    let (integration, metric) = metric(measured, fields.text("metric")).ok_or("Choose what the widget shows.")?;
    let connection_id = chosen(connections, integration, metric, fields.text("connection"))?;
    let known = KINDS.iter().find(|(kind, style, _)| format!("{kind} {style}").trim_end() == fields.text("kind"));
    let (kind, style, _) = known.ok_or("Choose how it is shown.")?;
    if *kind == "table" && metric.dimension.is_none() {
        return Err(format!("{} has nothing to break it down by. Show it as a card or a chart.", metric.name));
    }
    let size = if *kind == "metric" { "s" } else { "m" };
    let options = if style.is_empty() { json!({}) } else { json!({"style": style}) };
    widgets.push(Widget { options, connection_id, ..starter::widget(kind, metric, size) });
    Ok("add-0".to_owned())
}

/// What measures something, integrations and what was pushed.
async fn measured(app: &App, viewer: &Viewer) -> Result<Vec<Arc<Descriptor>>, Error> {
    let pushed = custom::descriptor(&app.store, viewer.project.id).await?;
    Ok(app.registry.descriptors().chain(pushed).collect())
}

/// A metric and the integration that it is of.
fn metric<'a>(measured: &'a [Arc<Descriptor>], metric_id: &str) -> Option<(&'a str, &'a Definition)> {
    measured.iter().find_map(|one| Some((one.id.as_str(), one.metric(metric_id)?)))
}

/// The small number of the connection of that id; `None` for all, which is what nothing says.
fn chosen(connections: &[Connection], integration: &str, metric: &Definition, id: &str) -> Result<Option<i64>, String> {
    if id.is_empty() || id == "all" {
        return Ok(None);
    }
    let one = connections.iter().find(|one| one.public_id.to_string() == id);
    let one = one.ok_or("This connection is not there any more. Choose another one.")?;
    if one.integration_id != integration {
        return Err(format!("{} does not measure {}. Choose another connection, or all.", one.name, metric.name));
    }
    Ok(Some(one.key.connection_id))
}

/// Lets one show a single connection, or all. Gives the button that has the focus then, or what is wrong.
fn show_of(
    measured: &[Arc<Descriptor>],
    connections: &[Connection],
    widgets: &mut [Widget],
    id: &str,
    connection: &str,
) -> Result<String, String> {
    let widget = widgets.iter_mut().find(|widget| widget.id.to_string() == id).ok_or(GONE)?;
    let (integration, metric) = metric(measured, &widget.metric_id).ok_or(GONE)?;
    widget.connection_id = chosen(connections, integration, metric, connection)?;
    Ok(format!("show-{id}"))
}

/// Moves, resizes or removes one. Gives the button that has the focus then, or what is wrong.
fn arrange(widgets: &mut Vec<Widget>, step: &[&str]) -> Result<String, String> {
    let id: i64 = step.get(1).and_then(|id| id.parse().ok()).ok_or(GONE)?;
    let at = widgets.iter().position(|widget| widget.id == id).ok_or(GONE)?;
    match step {
        ["up", _] if at > 0 => widgets.swap(at, at - 1),
        ["down", _] if at + 1 < widgets.len() => widgets.swap(at, at + 1),
        ["up" | "down", _] => {}
        // Where it was dropped: among the others, counted from 0.
        ["place", _, place] => {
            let place: usize = place.parse().map_err(|_| "There is no such place.")?;
            let widget = widgets.remove(at);
            widgets.insert(place.min(widgets.len()), widget);
        }
        ["remove", _] => {
            widgets.remove(at);
            let next = widgets.get(at).or_else(|| widgets.last());
            return Ok(next.map_or_else(|| "add-0".to_owned(), |next| format!("remove-{}", next.id)));
        }
        ["size", _, size] if SIZES.iter().any(|(known, _)| known == size) => {
            if let Some(widget) = widgets.get_mut(at) {
                (*size).clone_into(&mut widget.size);
            }
            return Ok(format!("size{size}-{id}"));
        }
        _ => return Err("There is no such step.".to_owned()),
    }
    Ok(format!("{}-{id}", step.first().copied().unwrap_or_default()))
}

/// Removes a dashboard of one's own. Those that integrations begin with come back by themselves.
pub(super) async fn delete(Path(slug): Path<String>, posted: Posted) -> Result<Redirect, Error> {
    let Posted { app, viewer, .. } = posted;
    viewer.may(Permission::EditDashboards)?;
    let project = viewer.project.id;
    let dashboard = app.store.dashboard(project, &slug).await?.ok_or(Error::NotFound)?;
    if dashboard.integration_id.is_some() {
        return Err(Error::BadRequest("This dashboard stays as long as its service is connected.".to_owned()));
    }
    app.store.delete_dashboard(project, dashboard.id).await?;
    Ok(Redirect::to("/dashboards"))
}
