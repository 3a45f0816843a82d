//! The dashboard that an integration begins with, made from what it says of itself.

use serde_json::{Value as Json, json};

use super::read::Board;
use crate::{
    app::App,
    integrations::Descriptor,
    metric::{Definition, Kind, WidgetType},
    store::{self, Dashboard, NewDashboard, Widget},
    web::Error,
};

const CARDS: usize = 8;
const CHARTS: usize = 4;
const TABLES: usize = 4;

/// The dashboards of a project. Whatever is connected and has none yet gets one.
pub(in crate::web) async fn dashboards(app: &App, board: &Board) -> Result<Vec<Dashboard>, Error> {
    let mut dashboards = app.store.dashboards(board.project.id).await?;
    for descriptor in board.connected() {
        if dashboards.iter().any(|one| one.integration_id.as_ref() == Some(&descriptor.id)) {
            continue;
        }
        let new = NewDashboard {
            slug: descriptor.id.clone(),
            name: descriptor.name.clone(),
            integration_id: Some(descriptor.id.clone()),
            widgets: widgets(descriptor),
        };
        match app.store.insert_dashboard(board.project.id, &new, app.users.now()).await {
            Ok(made) => dashboards.push(made),
            // Somebody else's page made it this moment, or calls one of their own so.
            Err(store::Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // Of what is not connected any more there is nothing to see.
    let is_connected = |id: &str| board.connections.iter().any(|one| one.integration_id == id);
    dashboards.retain(|one| one.integration_id.as_deref().is_none_or(is_connected));
    Ok(dashboards)
}

/// The first metrics as cards, then charts, the first of them wide, then tables.
pub(in crate::web) fn widgets(descriptor: &Descriptor) -> Vec<Widget> {
    let metrics = || descriptor.metrics.iter();
    let of_type = |kind: WidgetType| metrics().filter(move |metric| metric.widget_type == kind);
    let mut widgets: Vec<Widget> = cards(descriptor).into_iter().map(|metric| widget("metric", metric, "s")).collect();
    // What stands first is worth a wide chart, whatever it is.
    let first = metrics().find(|metric| metric.widget_type != WidgetType::Table);
    let others = of_type(WidgetType::Chart).filter(|metric| first.is_none_or(|first| first.id != metric.id));
    for (at, metric) in first.into_iter().chain(others.take(CHARTS)).enumerate() {
        widgets.push(widget("chart", metric, if at == 0 { "l" } else { "m" }));
    }
    let parted = of_type(WidgetType::Chart).filter(|metric| metric.dimension.is_some() && metric.kind == Kind::Flow);
    for metric in of_type(WidgetType::Table).chain(parted.take(2)).take(TABLES) {
        widgets.push(widget("table", metric, "m"));
    }
    // One that stands alone in its row fills it.
    let tables = widgets.iter().filter(|one| one.kind == "table").count();
    if let Some(last) = widgets.last_mut().filter(|_| tables % 2 == 1) {
        "l".clone_into(&mut last.size);
    }
    widgets
}

/// The metrics that stand first: those meant for cards, filled up with others that are no tables. Whole rows of four.
pub(in crate::web) fn cards(descriptor: &Descriptor) -> Vec<&Definition> {
    let metrics = || descriptor.metrics.iter();
    let of_type = |kind: WidgetType| metrics().filter(move |metric| metric.widget_type == kind);
    let mut cards: Vec<&Definition> = of_type(WidgetType::Metric).take(CARDS - 2).collect();
    cards.extend(of_type(WidgetType::Chart).take(CARDS - cards.len()));
    if cards.len() > 4 {
        cards.truncate(cards.len() / 4 * 4);
    }
    cards
}

/// A widget that is new.
pub(in crate::web) fn widget(kind: &str, metric: &Definition, size: &str) -> Widget {
    Widget {
        id: 0,
        kind: kind.to_owned(),
        metric_id: metric.id.clone(),
        connection_id: None,
        dimension: None,
        size: size.to_owned(),
        options: json!({}),
    }
}

/// The options of a widget that is drawn in a style.
pub(in crate::web) fn drawn(style: &str) -> Json {
    if style.is_empty() { json!({}) } else { json!({"style": style}) }
}
