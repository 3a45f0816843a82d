//! `/d/{slug}`: a dashboard.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Html,
};

use crate::{
    app::App,
    store::Widget,
    users::Permission,
    web::{
        Error,
        auth::Viewer,
        board::{
            card::{Card, card},
            chart::{Chart, chart},
            dates::{Banner, Dates, Tab, banner, tabs},
            progress::{FirstSync, first_syncs},
            read::{Board, Shown},
            rows::{Rows, Sort, rows},
        },
        frame::{Bars, Frame, Section, framed, render},
        live::Stage,
    },
};

/// Rows of a table on a dashboard; the page of the metric has more.
const ROWS: usize = 8;

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Page {
    frame: Frame,
    bars: Bars,
    tabs: Vec<Tab>,
    dates: Dates,
    banner: Option<Banner>,
    first_syncs: Vec<FirstSync>,
    live: Stage,
    name: String,
    slug: String,
    may_change: bool,
    widgets: Vec<Placed>,
}

/// A widget in its place.
struct Placed {
    id: i64,
    size: &'static str,
    content: Content,
}

enum Content {
    Card(Box<Card>),
    Chart(Box<Chart>),
    Table(Box<Rows>),
    /// No integration measures it any more.
    Gone(String),
}

pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path(slug): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Result<Html<String>, Error> {
    let board = Board::open(&app, &viewer, &asked).await?;
    let dashboards = board.dashboards(&app).await?;
    let dashboard = dashboards.iter().find(|one| one.slug == slug).ok_or(Error::NotFound)?;
    let mut widgets = app.store.widgets(viewer.project.id, dashboard.id).await?;
    let integration = |widget: &Widget| board.metric(&widget.metric_id).map(|(descriptor, _)| descriptor.id.clone());
    let ids: BTreeSet<String> = widgets.iter().filter_map(integration).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    widgets.retain(|widget| integration(widget).is_none_or(|id| board.is_asked(&id)));
    let shown = board.read(&app, &widgets, None).await?;
    let sort = Sort::of(asked.get("sort").map_or("", String::as_str));
    let placed = widgets.iter().zip(&shown).map(|(widget, shown)| Placed {
        id: widget.id,
        size: size(&widget.size),
        content: match shown {
            Some(shown) => content(shown, &board, sort),
            None => Content::Gone(widget.metric_id.clone()),
        },
    });
    let placed: Vec<Placed> = placed.collect();
    let dates = Dates::of(&board.range, "");
    let is_new = asked.get("done").is_some_and(|done| done == "connected");
    let notice = is_new.then_some("Connected. The first sync has begun: the newest days come first.");
    let (frame, bars) = framed(&viewer, Section::Overview, dashboard.name.clone());
    render(&Page {
        frame,
        bars: bars.with_notice(notice),
        tabs: tabs(&dashboards, Some(&slug), &dates.query),
        banner: banner(&board, &ids),
        first_syncs: first_syncs(&app, &board, &ids).await?,
        live: board.stage(ids.iter().copied()),
        dates,
        name: dashboard.name.clone(),
        slug: slug.clone(),
        may_change: viewer.can(Permission::EditDashboards),
        widgets: placed,
    })
}

fn content(shown: &Shown, board: &Board, sort: Sort) -> Content {
    match shown.widget.kind.as_str() {
        "chart" => Content::Chart(Box::new(chart(shown, board))),
        "table" => Content::Table(Box::new(rows(shown, board, sort, ROWS))),
        _ => Content::Card(Box::new(card(shown, board))),
    }
}

/// What the grid knows.
fn size(text: &str) -> &'static str {
    match text {
        "l" => "l",
        "m" => "m",
        _ => "s",
    }
}
