//! The dashboard that an integration begins with, made from what it says of itself.

use std::collections::BTreeSet;

use serde_json::json;

use super::Connections;
use crate::{
    integrations::Descriptor,
    metric::{Definition, Kind, WidgetType},
    store::{self, NewDashboard, Project, Widget},
};

const CARDS: usize = 8;
const CHARTS: usize = 4;
const TABLES: usize = 4;

impl Connections {
    /// Makes the dashboards that are missing: of each integration that is connected, one.
    pub async fn make_starters(&self) -> Result<(), store::Error> {
        for project in self.store.projects().await? {
            let connections = self.store.connections(project.id).await?;
            let connected: BTreeSet<String> = connections.into_iter().map(|one| one.integration_id).collect();
            for id in connected {
                // What an older version knew may be gone from this one.
                if let Ok(integration) = self.registry.get(&id) {
                    self.make_starter(&project, &integration.descriptor()).await?;
                }
            }
        }
        Ok(())
    }

    /// Makes an integration's dashboard unless the project has it.
    pub async fn make_starter(&self, project: &Project, descriptor: &Descriptor) -> Result<(), store::Error> {
        let dashboards = self.store.dashboards(project.id).await?;
        if dashboards.iter().any(|one| one.integration_id.as_ref() == Some(&descriptor.id)) {
            return Ok(());
        }
        let new = NewDashboard {
            slug: descriptor.id.clone(),
            name: descriptor.name.clone(),
            integration_id: Some(descriptor.id.clone()),
            widgets: widgets(descriptor),
        };
        match self.store.insert_dashboard(project.id, &new, self.clock.now()).await {
            // Somebody else made it this moment, or calls one of their own so.
            Ok(_) | Err(store::Error::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The first metrics as cards, then charts, the first of them wide, then tables.
fn widgets(descriptor: &Descriptor) -> Vec<Widget> {
    let metrics = || descriptor.metrics.iter();
    let of_type = |kind: WidgetType| metrics().filter(move |metric| metric.widget_type == kind);
    let mut widgets: Vec<Widget> = cards(descriptor).into_iter().map(|metric| widget("metric", metric, "s")).collect();
    // What stands first is worth a wide chart, whatever it is, if there is a line to see from the first day.
    let mut lines = metrics().filter(|metric| metric.widget_type != WidgetType::Table);
    let first = lines.clone().find(|metric| metric.has_past()).or_else(|| lines.next());
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

/// The metrics that stand first: those meant for cards, filled up with others that are no tables. Whole rows of four,
/// those last that begin with the first sync: for weeks they have nothing to be compared with.
pub(crate) fn cards(descriptor: &Descriptor) -> Vec<&Definition> {
    let metrics = || descriptor.metrics.iter();
    let of_type = |kind: WidgetType| metrics().filter(move |metric| metric.widget_type == kind);
    let mut cards: Vec<&Definition> = of_type(WidgetType::Metric).take(CARDS - 2).collect();
    cards.extend(of_type(WidgetType::Chart).take(CARDS - cards.len()));
    if cards.len() > 4 {
        cards.truncate(cards.len() / 4 * 4);
    }
    cards.sort_by_key(|metric| !metric.has_past());
    cards
}

/// A widget that is new.
pub(crate) fn widget(kind: &str, metric: &Definition, size: &str) -> Widget {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrations::Registry;

    #[test]
    fn what_begins_with_the_first_sync_stands_behind_what_has_a_past() {
        for descriptor in Registry::builtin().descriptors() {
            let id = &descriptor.id;
            let past: Vec<bool> = cards(&descriptor).into_iter().map(Definition::has_past).collect();
            assert!(past.is_sorted_by(|first, second| first >= second), "{id}: {past:?}");
            let wide = widgets(&descriptor).into_iter().find(|widget| widget.size == "l").unwrap();
            assert_eq!(wide.kind, "chart", "{id}");
            assert!(descriptor.metric(&wide.metric_id).unwrap().has_past(), "{id}: {}", wide.metric_id);
        }
    }
}
