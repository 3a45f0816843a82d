//! Pages over three years of a hundred metrics: how many a second, how large, and what `serve` holds after many of them.

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use dashtray::{
    app::App,
    config::{Config, Flags},
    integrations::Registry,
    metric::{Currency, Day, Definition, Interval, Kind, Mark, State, WidgetType, Zone},
    secret::Secret,
    store::{ConnectionState, NewConnection, NewDashboard, PointRow, SealedRow, Widget},
    users::{Account, Browser},
    vault::{Vault, VaultKeys},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    load::{Client, clients},
    points,
    process::{Figures, memory},
    serve::Serve,
};

/// Metrics of all integrations together.
const METRICS: usize = 100;
const DAYS: i32 = 3 * 365;
/// Of the dashboard.
pub(crate) const CARDS: usize = 12;
pub(crate) const DASHBOARD: &str = "/d/board?range=28d";
/// Pages that people look at first. The metric is the first one of the dashboard.
const PAGES: [&str; 5] = ["/", DASHBOARD, "/d/charts?range=12m", "/m/stripe_mrr?range=28d", "/connect/stripe"];

pub(crate) async fn open(directory: &Path) -> App {
    let flags = Flags { data_dir: Some(directory.to_owned()), ..Flags::default() };
    App::open(Config::load(&flags).unwrap().config, Registry::builtin()).await.unwrap()
}

/// What the cookie of the one who looks holds.
pub(crate) fn cookie(directory: &Path) -> String {
    format!("dashtray={}", std::fs::read_to_string(directory.join("session.txt")).unwrap())
}

/// Fills a data directory: one connection of each integration, somebody who looks, a dashboard of twelve cards and one of
/// their charts.
pub(crate) async fn fill(directory: &Path) -> Figures {
    let app = open(directory).await;
    let keys = VaultKeys::OwnFile { path: directory.join("master.key"), may_create: false };
    let key_id = Vault::load(&keys).unwrap().key_id().unwrap().to_owned();
    let project = app.store.project("default").await.unwrap().unwrap();
    let (now, mut left) = (Timestamp::now(), METRICS);
    let last = app.registry.descriptors().last().unwrap().id.clone();
    for descriptor in app.registry.descriptors() {
        let sealed = SealedRow { key_id: key_id.clone(), wrapped_key: vec![0; 60], body: vec![0; 60] };
        let name = descriptor.name.clone();
        let new = NewConnection { name, credentials: sealed, ..points::new_connection(&project, &descriptor.id) };
        let connection = app.store.insert_connection(&new, now).await.unwrap();
        let claim = points::claimed(&app.store, connection.key).await;
        let first = Day::of(now, &Zone::utc()).plus(1 - DAYS);
        // Of the last one so many more that no integration knows that there are a hundred.
        left = left.saturating_sub(descriptor.metrics.len());
        let is_last = descriptor.id == last;
        let more = (0..if is_last { left } else { 0 }).map(|number| (format!("bench_{number}"), Kind::Flow, "", None));
        let own = descriptor.metrics.iter().map(|metric| {
            let dimension = if is_table(metric) { "one" } else { "" };
            (metric.id.clone(), metric.kind, dimension, metric.has_currency().then_some(Currency::USD))
        });
        for (metric_id, kind, dimension, currency) in own.chain(more) {
            let mut write = app.store.write(&claim).await.unwrap();
            let id = write.ensure_series(&metric_id, Interval::Day, dimension, currency, 1).await.unwrap();
            let rows: Vec<PointRow> = (0..DAYS).map(|day| point(id, first, day, kind)).collect();
            write.upsert_points(&rows).await.unwrap();
            write.commit().await.unwrap();
        }
        // It was read this moment and is not due while anything is measured.
        let later = now + SignedDuration::from_hours(24 * 30);
        let state =
            ConnectionState { state: "ok".into(), due_at: later, last_synced_at: Some(now), ..connection.state };
        app.store.set_state(connection.key, &state).await.unwrap();
    }
    let cards = board(&app.registry);
    assert_eq!(cards.len(), CARDS);
    let charts = cards.iter().map(|card| Widget { kind: "chart".into(), size: "m".into(), ..card.clone() }).collect();
    for (slug, widgets) in [("board", cards), ("charts", charts)] {
        let new = NewDashboard { slug: slug.into(), name: slug.into(), integration_id: None, widgets };
        app.store.insert_dashboard(project.id, &new, now).await.unwrap();
    }
    let token = app.users.set_up_token().await.unwrap().unwrap();
    let account = Account {
        email: "ada@example.com".into(),
        name: "Ada Lovelace".into(),
        password: Secret::new("correct horse battery"),
    };
    let session = app.users.set_up(&token, account, Browser::default()).await.unwrap();
    std::fs::write(directory.join("session.txt"), session.expose()).unwrap();
    app.store.close().await;
    Figures::new()
}

/// Whether it has no series but those of its dimension.
fn is_table(metric: &Definition) -> bool {
    metric.widget_type == WidgetType::Table
}

/// Cards of every integration in turn.
fn board(registry: &Registry) -> Vec<Widget> {
    let of_each = registry.descriptors().map(|descriptor| {
        let metrics = descriptor.metrics.iter().filter(|metric| !is_table(metric));
        metrics.take(CARDS.div_ceil(registry.descriptors().count())).map(|metric| metric.id.clone()).collect()
    });
    let of_each: Vec<Vec<String>> = of_each.collect();
    let card = |metric_id: String| Widget {
        id: 0,
        kind: "metric".into(),
        metric_id,
        connection_id: None,
        dimension: None,
        size: "s".into(),
        options: json!({}),
    };
    of_each.into_iter().flatten().take(CARDS).map(card).collect()
}

fn point(series_id: i64, first: Day, day: i32, kind: Kind) -> PointRow {
    let value = i64::from(day) * 17 + i64::from(day * 7919 % 1009);
    let denominator = (kind == Kind::Ratio).then(|| value * 20 + 1);
    let mark = Mark { provisional: day > DAYS - 3, ..Mark::new(State::Value) };
    PointRow { series_id, day: first.plus(day), value: Some(value), denominator, mark: mark.to_code() }
}

/// Requests a second of the dashboard, and how long one takes, of the program or of the reference.
pub(crate) async fn speed(host: &str, directory: &Path, requests: usize) -> Figures {
    let cookie = cookie(directory);
    let page = Client::open(host, &cookie).await.get(DASHBOARD, false).await;
    let cards = page.body.matches("class=\"kpi").count() - page.body.matches("class=\"kpi-").count();
    assert!(page.status == 200 && cards == CARDS, "{} with {cards} cards: {}", page.status, page.body);
    let took = clients(host, &cookie, &[DASHBOARD], requests).await;
    let at = |share: usize| took.each[(took.each.len() * share / 1000).min(took.each.len() - 1)].as_secs_f64() * 1000.0;
    Figures::from([
        ("per_second".to_owned(), requests as f64 / took.all.as_secs_f64()),
        ("median_ms".to_owned(), at(500)),
        ("p99_ms".to_owned(), at(990)),
        ("bytes".to_owned(), page.body.len() as f64),
    ])
}

/// What a browser loads that comes for the first time: the largest of some pages.
pub(crate) async fn sizes(directory: &Path) -> Figures {
    let (serve, cookie) = (Serve::start(directory, None).await, cookie(directory));
    let mut client = Client::open(&serve.address, &cookie).await;
    let mut figures = Figures::new();
    for path in PAGES {
        let plain = client.get(path, false).await;
        assert_eq!(plain.status, 200, "{path}");
        let files = plain.body.split(['"', '\'']).filter(|part| part.starts_with("/static/"));
        let files: BTreeSet<&str> = files.collect();
        let mut compressed = client.get(path, true).await.bytes;
        for file in &files {
            compressed += client.get(file, true).await.bytes;
        }
        for (name, value) in [("html", plain.bytes), ("compressed", compressed), ("requests", files.len() + 1)] {
            let largest = figures.entry(name.to_owned()).or_default();
            *largest = largest.max(value as f64);
        }
    }
    figures
}

/// What `serve` holds after so many pages.
pub(crate) async fn after_many(directory: &Path, requests: usize) -> Figures {
    let serve = Serve::start(directory, None).await;
    let started = Instant::now();
    clients(&serve.address, &cookie(directory), &PAGES, requests).await;
    let seconds = started.elapsed().as_secs_f64();
    // What is freed a moment later is not held.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Figures::from([
        ("resident_kib".to_owned(), memory(&serve.process(), "VmRSS:")),
        ("highest_kib".to_owned(), memory(&serve.process(), "VmHWM:")),
        ("per_second".to_owned(), requests as f64 / seconds),
    ])
}
