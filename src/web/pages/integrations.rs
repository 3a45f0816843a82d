//! `/integrations`: what can be connected, drawn from the descriptors alone.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Html,
};
use serde::Deserialize;

use crate::{
    app::App,
    integrations::{Category, Descriptor},
    web::{
        Error,
        auth::Viewer,
        frame::{Bars, Frame, Section, framed, render},
    },
};

#[derive(Template)]
#[template(path = "integrations.html")]
struct Integrations {
    frame: Frame,
    bars: Bars,
    query: String,
    may_connect: bool,
    groups: Vec<Group>,
}

struct Group {
    id: &'static str,
    title: &'static str,
    cards: Vec<Card>,
}

struct Card {
    id: String,
    name: String,
    /// The descriptor's own SVG.
    icon: String,
    summary: String,
    badges: Vec<&'static str>,
    /// Names of the first metrics, and how many more there are.
    metrics: Vec<String>,
    more: usize,
    /// How many connections there are.
    connected: usize,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    q: Option<String>,
}

/// In the order in which they are shown.
const CATEGORIES: [(Category, &str, &str); 5] = [
    (Category::Payment, "payment", "Payments"),
    (Category::Development, "development", "Development"),
    (Category::Analytics, "analytics", "Analytics"),
    (Category::Marketing, "marketing", "Marketing"),
    (Category::Communication, "communication", "Communication"),
];
const SHOWN_METRICS: usize = 6;

pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    let query: String = asked.q.unwrap_or_default().trim().chars().take(80).collect();
    let connections = app.store.connections(viewer.project.id).await?;
    let connected = |id: &str| connections.iter().filter(|connection| connection.integration_id == id).count();
    let groups = CATEGORIES.iter().map(|(category, id, title)| {
        let of_it = app.registry.descriptors().filter(|one| one.category == *category && matches(one, title, &query));
        Group { id, title, cards: of_it.map(|one| card(&one, connected(&one.id))).collect() }
    });
    let groups = groups.filter(|group| !group.cards.is_empty()).collect();
    let (frame, bars) = framed(&viewer, Section::Integrations, "Integrations");
    render(&Integrations { frame, bars, query, may_connect: viewer.may_change().is_ok(), groups })
}

/// Whether every word of a search is somewhere in what the integration says of itself.
fn matches(descriptor: &Descriptor, category: &str, query: &str) -> bool {
    let metrics: String = descriptor.metrics.iter().map(|metric| format!("{} ", metric.name)).collect();
    let text = format!("{} {} {} {category} {metrics}", descriptor.id, descriptor.name, descriptor.summary);
    let text = text.to_lowercase();
    query.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

fn card(descriptor: &Descriptor, connected: usize) -> Card {
    let names: Vec<String> = descriptor.metrics.iter().map(|metric| metric.name.clone()).collect();
    let signs_in = descriptor.auth.oauth().is_some();
    let has_key = !descriptor.credentials.is_empty();
    let badges = [(has_key, "API key"), (signs_in, "Sign in")];
    Card {
        id: descriptor.id.clone(),
        name: descriptor.name.clone(),
        icon: descriptor.icon.clone(),
        summary: descriptor.summary.clone(),
        badges: badges.into_iter().filter(|(is_it, _)| *is_it).map(|(_, badge)| badge).collect(),
        more: names.len().saturating_sub(SHOWN_METRICS),
        metrics: names.into_iter().take(SHOWN_METRICS).collect(),
        connected,
    }
}
