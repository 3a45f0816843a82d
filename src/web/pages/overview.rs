//! `/`: the first numbers of everything that is connected, in the catalogue's order.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Html,
};

use crate::{
    app::App,
    connections::starter,
    store::Widget,
    users::Permission,
    web::{
        Error,
        auth::Viewer,
        board::{
            card::{Card, card},
            dates::{Banner, Dates, Tab, banner, tabs},
            progress::{FirstSync, first_syncs},
            read::Board,
        },
        frame::{Bars, Frame, Section, framed, render},
        live::Stage,
    },
};

/// Cards of one integration.
const CARDS: usize = 4;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    bars: Bars,
    tabs: Vec<Tab>,
    dates: Dates,
    banner: Option<Banner>,
    first_syncs: Vec<FirstSync>,
    live: Stage,
    groups: Vec<Group>,
    may_change: bool,
}

/// The cards of one integration.
struct Group {
    id: String,
    name: String,
    icon: String,
    address: String,
    cards: Vec<Card>,
}

pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Result<Html<String>, Error> {
    let board = Board::open(&app, &viewer, &asked).await?;
    let dashboards = board.dashboards(&app).await?;
    let mut connected: Vec<_> = board.connected().cloned().collect();
    connected.sort_by_key(|descriptor| descriptor.category);
    let widgets = |descriptor| starter::cards(descriptor).into_iter().take(CARDS);
    let all: Vec<Widget> = connected
        .iter()
        .filter(|descriptor| board.is_asked(&descriptor.id))
        .flat_map(|descriptor| widgets(descriptor).map(|metric| starter::widget("metric", metric, "s")))
        .collect();
    let shown = board.read(&app, &all, None).await?;
    let dates = Dates::of(&board.range, "");
    let groups = connected.iter().filter(|descriptor| board.is_asked(&descriptor.id)).map(|descriptor| {
        let starter = dashboards.iter().find(|one| one.integration_id.as_ref() == Some(&descriptor.id));
        let of_it = shown.iter().flatten().filter(|shown| shown.descriptor.id == descriptor.id);
        Group {
            id: descriptor.id.clone(),
            name: descriptor.name.clone(),
            icon: descriptor.icon.clone(),
            address: starter.map(|one| format!("/d/{}{}", one.slug, dates.query)).unwrap_or_default(),
            cards: of_it.map(|shown| card(shown, &board)).collect(),
        }
    });
    let groups: Vec<Group> = groups.collect();
    let ids: Vec<&str> = connected.iter().map(|one| one.id.as_str()).collect();
    let (frame, bars) = framed(&viewer, Section::Overview, "Overview");
    render(&Overview {
        frame,
        bars,
        tabs: tabs(&dashboards, None, &dates.query),
        banner: banner(&board, &ids),
        first_syncs: first_syncs(&app, &board, &ids).await?,
        live: board.stage(ids.iter().copied()),
        dates,
        groups,
        may_change: viewer.can(Permission::Connect),
    })
}
