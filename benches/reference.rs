//! What a dashboard costs without Dashtray's own work: an axum handler that runs the same statements and renders the same
//! templates from their rows. It knows no states, units, zones, gaps or words; a number is what stands in its row.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use askama::Template;
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, header},
    response::Html,
    routing::get,
};
use dashtray::{
    app::App,
    metric::{Day, Interval, Period, Zone},
    secret::Secret,
    store::PointRow,
};
use jiff::Timestamp;
use tokio::net::TcpListener;

use crate::pages;

/// The templates of a dashboard of cards, with what they ask for.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"{% extends "layout.html" %}{% import "board.html" as board %}
{% block tabs %}{% call board::tab_list(tabs, false) %}{% endcall %}{% endblock %}
{% block keys %}{% call board::range_keys() %}{% endcall %}{% endblock %}
{% block content %}
<div class="page-head"><div><h1>{{ name }}</h1><p class="quiet">{{ dates.days }}</p></div>
  <div class="row">{% call board::range_menu(dates) %}{% endcall %}</div></div>
<div id="widgets" class="widgets">
{% for one in cards %}<div class="widget s">{% call board::kpi(one, dates.query) %}{% endcall %}</div>{% endfor %}
</div>
{% endblock %}"#
)]
struct Page {
    frame: Frame,
    bars: Bars,
    tabs: Vec<Tab>,
    dates: Dates,
    name: String,
    cards: Vec<Card>,
}

struct Frame {
    title: String,
    theme: Theme,
}

struct Theme;

impl Theme {
    fn name(&self) -> &'static str {
        "system"
    }
}

impl Frame {
    fn asset(&self, name: &str) -> String {
        format!("/static/{name}")
    }
}

#[derive(PartialEq)]
struct Section(&'static str, &'static str, &'static str);

impl Section {
    fn label(&self) -> &'static str {
        self.0
    }

    fn address(&self) -> &'static str {
        self.1
    }

    fn icon(&self) -> &'static str {
        self.2
    }
}

const SECTIONS: [Section; 3] =
    [Section("Overview", "/", "overview"), Section("Integrations", "/i", "plug"), Section("Settings", "/s", "sliders")];

struct Bars {
    section: Section,
    csrf: String,
    user: String,
    email: String,
    project: String,
    projects: Vec<String>,
    notice: Option<String>,
}

impl Bars {
    fn sections(&self) -> &'static [Section] {
        &SECTIONS
    }

    fn may_make_projects(&self) -> bool {
        true
    }

    fn initials(&self) -> String {
        self.user.chars().take(2).collect()
    }
}

struct Tab {
    address: String,
    name: String,
    key: String,
    is_current: bool,
}

struct Choice {
    address: String,
    label: String,
    key: &'static str,
    is_current: bool,
}

struct Dates {
    label: String,
    days: String,
    earlier: String,
    later: String,
    presets: Vec<Choice>,
    compares: Vec<Choice>,
    from: String,
    to: String,
    today: String,
    compare: &'static str,
    query: String,
}

struct Card {
    metric_id: String,
    name: String,
    icon: String,
    description: String,
    value: String,
    full: String,
    words: String,
    delta: Option<Delta>,
    spark: Option<Paths>,
    also: Vec<String>,
    age: Age,
    is_waiting: bool,
}

struct Delta {
    arrow: &'static str,
    spoken: &'static str,
    tone: &'static str,
    text: String,
    against: String,
}

struct Paths {
    line: String,
    open: String,
    area: String,
}

struct Age {
    text: String,
    title: String,
    is_stale: bool,
}

/// Serves it until the standard input ends, and says where.
pub(crate) async fn serve(directory: &Path) {
    let app = pages::open(directory).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let router = Router::new().route("/d/board", get(board)).with_state(Arc::new(app));
    tokio::select! {
        ended = axum::serve(listener, router) => ended.unwrap(),
        _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())) => {}
    }
    std::process::exit(0);
}

async fn board(State(app): State<Arc<App>>, headers: HeaderMap) -> Html<String> {
    let cookie = headers[header::COOKIE].to_str().unwrap().strip_prefix("dashtray=").unwrap();
    let session = app.users.session(&Secret::new(cookie)).await.unwrap().unwrap();
    let project = session.membership().unwrap().project.clone();
    let store = &app.store;
    let views = app.connections.list(&project.slug).await.unwrap();
    let connections = store.connections(project.id).await.unwrap();
    let dashboards = store.dashboards(project.id).await.unwrap();
    let dashboard = dashboards.iter().find(|one| one.slug == "board").unwrap();
    let widgets = store.widgets(project.id, dashboard.id).await.unwrap();
    let project = store.project(&project.slug).await.unwrap().unwrap();
    let ids: Vec<&str> = connections.iter().map(|one| one.integration_id.as_str()).collect();
    let connections = store.connections_among(project.id, &ids).await.unwrap();

    let today = Day::of(Timestamp::now(), &Zone::utc());
    let (days, then) = (Period::new(today.plus(-28), today.next()), Period::new(today.plus(-56), today.plus(-28)));
    let both = Period::new(then.start(), days.end());
    let descriptors: Vec<_> = app.registry.descriptors().collect();
    let mut found: BTreeMap<String, Vec<PointRow>> = BTreeMap::new();
    for connection in &connections {
        let descriptor = descriptors.iter().find(|one| one.id == connection.integration_id).unwrap();
        let of_it: Vec<&str> =
            widgets.iter().map(|one| one.metric_id.as_str()).filter(|id| descriptor.metric(id).is_some()).collect();
        let series = store.series(connection.key, Interval::Day, Some(&of_it)).await.unwrap();
        let ids: Vec<i64> = series.iter().map(|row| row.id).collect();
        let points = store.points(project.id, &ids, both).await.unwrap();
        store.notes(project.id, &ids, both).await.unwrap();
        for row in series {
            let own = points.iter().filter(|point| point.series_id == row.id).copied().collect();
            found.insert(row.metric_id, own);
        }
    }
    let cards = widgets.iter().map(|widget| {
        let of_it = |one: &&Arc<dashtray::integrations::Descriptor>| one.metric(&widget.metric_id).is_some();
        let descriptor = descriptors.iter().find(of_it).unwrap();
        let metric = descriptor.metric(&widget.metric_id).unwrap();
        let points = found.get(&widget.metric_id).map(Vec::as_slice).unwrap_or_default();
        let view = views.iter().find(|view| view.integration_id == descriptor.id).unwrap();
        card(metric, &descriptor.icon, points, (days, then), &view.last_synced_at.unwrap().to_string())
    });
    let user = &session.user;
    let page = Page {
        frame: Frame { title: dashboard.name.clone(), theme: Theme },
        bars: Bars {
            section: Section("Overview", "/", "overview"),
            csrf: session.session.csrf.clone(),
            user: user.name.clone(),
            email: user.email.clone(),
            project: project.slug.clone(),
            projects: session.memberships.iter().map(|one| one.project.slug.clone()).collect(),
            notice: None,
        },
        tabs: dashboards
            .iter()
            .map(|one| Tab {
                address: format!("/d/{}", one.slug),
                name: one.name.clone(),
                key: "1".to_owned(),
                is_current: one.id == dashboard.id,
            })
            .collect(),
        dates: dates(days, today),
        name: dashboard.name.clone(),
        cards: cards.collect(),
    };
    Html(page.render().unwrap())
}

fn dates(days: Period, today: Day) -> Dates {
    let choices = |count: usize| {
        let choice = |at: usize| Choice {
            address: format!("?range={at}d&compare=previous"),
            label: format!("Last {at} days"),
            key: "w",
            is_current: at == 3,
        };
        (0..count).map(choice).collect()
    };
    Dates {
        label: "Last 28 days".to_owned(),
        days: format!("{} – {today}", days.start()),
        earlier: "?range=earlier".to_owned(),
        later: "?range=later".to_owned(),
        presets: choices(11),
        compares: choices(4),
        from: days.start().to_string(),
        to: today.to_string(),
        today: today.to_string(),
        compare: "previous",
        query: "?range=28d&compare=previous".to_owned(),
    }
}

fn card(
    metric: &dashtray::metric::Definition,
    icon: &str,
    points: &[PointRow],
    (days, then): (Period, Period),
    synced: &str,
) -> Card {
    let of = |period: Period| points.iter().filter(move |point| period.contains(point.day)).filter_map(|one| one.value);
    let (now, before): (i64, i64) = (of(days).sum(), of(then).sum());
    let (low, high) = (of(days).min().unwrap_or(0), of(days).max().unwrap_or(1));
    let place = |value: i64| 2000 - (value - low) * 2000 / (high - low).max(1);
    let spots = of(days).zip(0_i64..).map(|(value, at)| format!("L{} {}", at * 6000 / 28, place(value)));
    let line: String = spots.collect();
    Card {
        metric_id: metric.id.clone(),
        name: metric.name.clone(),
        icon: icon.to_owned(),
        description: metric.description.clone(),
        value: now.to_string(),
        full: now.to_string(),
        words: String::new(),
        delta: Some(Delta {
            arrow: "▲",
            spoken: "up",
            tone: "good",
            text: format!("+{} % +{}", (now - before) * 100 / before.max(1), now - before),
            against: format!("vs {} – {}", then.start(), then.end()),
        }),
        spark: Some(Paths { area: format!("M0 2000{line}Z"), open: String::new(), line: format!("M0 0{line}") }),
        also: Vec::new(),
        age: Age { text: format!("synced {synced}"), title: synced.to_owned(), is_stale: false },
        is_waiting: false,
    }
}
