//! `/integrations`: what can be connected, drawn from the descriptors alone.

use askama::Template;
use axum::{
    extract::{Query, State},
    response::Html,
};
use serde::Deserialize;

use crate::{
    app::App,
    connections::ConnectionView,
    integrations::{Category, Descriptor, Tier},
    users::Permission,
    web::{
        Error,
        auth::Viewer,
        board::standing::standing,
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
    connections: Vec<Line>,
    groups: Vec<Group>,
}

/// A connection that there is.
struct Line {
    id: String,
    name: String,
    service: String,
    icon: String,
    tone: &'static str,
    state: &'static str,
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
    /// How good it is, and what that means.
    tier: Option<(&'static str, &'static str)>,
    /// How long it takes to connect.
    time: &'static str,
    /// Names of the first metrics, and how many more there are.
    metrics: Vec<String>,
    more: usize,
    /// How many connections there are.
    connected: usize,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    q: Option<String>,
    done: Option<String>,
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
        Group { id, title, cards: of_it.map(|one| card(&app, &one, connected(&one.id))).collect() }
    });
    let groups = groups.filter(|group| !group.cards.is_empty()).collect();
    let lines = if query.is_empty() { app.connections.list(&viewer.project.slug).await? } else { Vec::new() };
    let lines = lines.iter().map(|view| line(&app, view)).collect();
    let is_gone = asked.done.as_deref() == Some("disconnected");
    let notice = is_gone.then_some("Disconnected. Its key and all that was read through it are gone.");
    let (frame, bars) = framed(&viewer, Section::Integrations, "Integrations");
    let (bars, may_connect) = (bars.with_notice(notice), viewer.can(Permission::Connect));
    render(&Integrations { frame, bars, query, may_connect, connections: lines, groups })
}

fn line(app: &App, view: &ConnectionView) -> Line {
    let descriptor = app.registry.get(&view.integration_id).ok().map(|integration| integration.descriptor());
    let service = descriptor.as_ref().map_or_else(|| view.integration_id.clone(), |one| one.name.clone());
    let (tone, state, _, _) = standing(view, &service);
    let icon = descriptor.map(|one| one.icon.clone()).unwrap_or_default();
    Line { id: view.connection_id.to_string(), name: view.name.clone(), service, icon, tone, state }
}

/// Whether every word of a search is somewhere in what the integration says of itself.
fn matches(descriptor: &Descriptor, category: &str, query: &str) -> bool {
    let metrics: String = descriptor.metrics.iter().map(|metric| format!("{} ", metric.name)).collect();
    let text = format!("{} {} {} {category} {metrics}", descriptor.id, descriptor.name, descriptor.summary);
    let text = text.to_lowercase();
    query.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// In words for people who do not know the suite.
fn tier(id: &str) -> Option<(&'static str, &'static str)> {
    match Tier::of(id) {
        Tier::Unrated | Tier::T0 => None,
        Tier::Bronze => Some(("Bronze", "Honest: what it cannot tell it does not make up.")),
        Tier::Silver => Some(("Silver", "Reliable, whatever its provider does.")),
        Tier::Gold => Some(("Gold", "Its numbers are tested to be right, however they are asked for.")),
    }
}

/// Until it is connected: a key has to be made first, and a sign-in may have to be set up once.
fn time(app: &App, descriptor: &Descriptor) -> &'static str {
    if descriptor.auth.oauth().is_some() && app.config.oauth_clients.contains_key(&descriptor.id) {
        "about a minute"
    } else if descriptor.credentials.is_empty() {
        "about ten minutes, the first time"
    } else {
        "about two minutes"
    }
}

fn card(app: &App, descriptor: &Descriptor, connected: usize) -> Card {
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
        tier: tier(&descriptor.id),
        time: time(app, descriptor),
        more: names.len().saturating_sub(SHOWN_METRICS),
        metrics: names.into_iter().take(SHOWN_METRICS).collect(),
        connected,
    }
}
