//! Syncs of a large account through the whole program.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use dashtray::{
    app::App,
    config::{Config, Flags},
    connections::ConnectRequest,
    demo::bulk::{Bulk, Count, Options},
    integrations::Registry,
    metric::{Day, Interval, Zone},
    secret::Secret,
    series::{self, GetRequest},
    sync::{Range, RunStatus, RunView},
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::sync::CancellationToken;

use crate::process::{Figures, cpu_ms, memory};

const PROJECT: &str = "default";
/// What a data directory showed after its last sync.
const SHOWN: &str = "shown.json";

/// Serves a large account until its standard input ends. Each answer takes some milliseconds, and each endpoint takes so
/// many calls a second (0: any number).
pub(crate) async fn provide(subscriptions: u64, latency_ms: u64, calls_a_second: usize) {
    let options = Options {
        latency: Duration::from_millis(latency_ms),
        per_second: (calls_a_second > 0).then_some(calls_a_second),
        ..Options::default()
    };
    let bulk = Bulk::start_with(subscriptions, jiff::Timestamp::now(), options).await.unwrap();
    println!("{}", bulk.url());
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = orders.next_line().await.unwrap() {
        let done = match order.split_once(' ') {
            None if order == "counts" => {
                let counts = bulk.counts();
                let sum = |of: fn(&Count) -> u64| counts.values().map(of).sum::<u64>() as f64;
                let single = counts.iter().filter(|(path, _)| path.ends_with("subscriptions/{id}"));
                Figures::from([
                    ("requests".to_owned(), sum(|count| count.requests)),
                    ("refused".to_owned(), sum(|count| count.refused)),
                    ("busiest".to_owned(), counts.values().map(taken).max().unwrap_or(0) as f64),
                    ("of_one".to_owned(), single.map(|(_, count)| count.requests).sum::<u64>() as f64),
                ])
            }
            Some(("change", count)) => {
                let changed = bulk.change(count.parse().unwrap(), jiff::Timestamp::now());
                Figures::from([("discounted".to_owned(), changed.discounted as f64)])
            }
            _ => panic!("unknown order {order:?}"),
        };
        println!("{}", serde_json::to_string(&done).unwrap());
    }
}

fn taken(count: &Count) -> u64 {
    count.requests - count.refused
}

/// Opens a data directory; all of Stripe is at `url`.
pub(crate) async fn open(directory: &Path, url: &str) -> App {
    open_at(directory, None, url).await
}

/// The same over a database that is not the directory's own.
pub(crate) async fn open_at(directory: &Path, database: Option<&str>, url: &str) -> App {
    let database_url = database.map(Secret::new);
    let flags = Flags { data_dir: Some(directory.to_owned()), database_url, ..Flags::default() };
    let mut config = Config::load(&flags).unwrap().config;
    config.provider_urls.insert("stripe".to_owned(), url.parse().unwrap());
    config.api_requests_per_hour = 0;
    App::open(config, Registry::builtin()).await.unwrap()
}

pub(crate) async fn connect(app: &App, project: &str, key: &str) {
    let request = ConnectRequest {
        project: project.to_owned(),
        integration_id: "stripe".to_owned(),
        name: None,
        credentials: BTreeMap::from([("api_key".to_owned(), Secret::new(key))]),
        settings: serde_json::Map::new(),
    };
    app.connections.connect(request).await.unwrap();
}

pub(crate) async fn sync_project(app: &App, project: &str) -> RunView {
    let stop = CancellationToken::new();
    let mut runs = app.sync.sync_now(project, &[], Range::default(), &stop, Arc::new(|_| {})).await.unwrap();
    let run = runs.pop().unwrap();
    assert_eq!(run.status, RunStatus::Ok, "{:?} {:?}", run.error, run.metrics);
    run
}

/// Syncs the account, which is connected first where it is not, and writes down what it shows then.
pub(crate) async fn sync(directory: &Path, url: &str) -> Figures {
    let app = open(directory, url).await;
    let project = app.store.project(PROJECT).await.unwrap().unwrap();
    if app.store.connections(project.id).await.unwrap().is_empty() {
        connect(&app, PROJECT, "rk_test_Benchmark000000000000").await;
    }
    let started = Instant::now();
    let run = sync_project(&app, PROJECT).await;
    let figures = Figures::from([
        ("cpu_ms".to_owned(), cpu_ms("self")),
        ("peak_kib".to_owned(), memory("self", "VmHWM:")),
        ("wall_s".to_owned(), started.elapsed().as_secs_f64()),
        ("requests".to_owned(), run.requests as f64),
        ("samples".to_owned(), run.samples_written as f64),
    ]);
    let shown = serde_json::to_vec(&values(&app).await).unwrap();
    std::fs::write(directory.join(SHOWN), shown).unwrap();
    app.store.close().await;
    figures
}

/// How many values two data directories show differently, of all that either shows.
pub(crate) fn differing(one: &Path, other: &Path) -> usize {
    let [one, other]: [BTreeMap<String, String>; 2] =
        [one, other].map(|directory| serde_json::from_slice(&std::fs::read(directory.join(SHOWN)).unwrap()).unwrap());
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    keys.into_iter().filter(|key| one.get(*key) != other.get(*key)).count()
}

/// The values of all metrics on all days.
async fn values(app: &App) -> BTreeMap<String, String> {
    let (now, descriptor) = (jiff::Timestamp::now(), app.registry.get("stripe").unwrap().descriptor());
    let from = Day::of(now, &Zone::utc()).plus(1 - i32::try_from(descriptor.history_days).unwrap());
    let mut values = BTreeMap::new();
    for metric in &descriptor.metrics {
        for by_dimension in [false, true] {
            if by_dimension && metric.dimension.is_none() {
                continue;
            }
            let request = GetRequest {
                project: PROJECT.to_owned(),
                metric_id: metric.id.clone(),
                connection: None,
                from: Some(from),
                to: None,
                interval: Interval::Day,
                by_dimension,
                now,
            };
            for series in series::get(&app.store, &app.registry, &request).await.unwrap() {
                for point in series.points {
                    let (dimension, currency) = (&series.dimension, series.currency);
                    let key = format!("{} {dimension:?} {currency:?} {}", metric.id, point.date);
                    let value = point.value.map_or_else(|| point.state.name().to_owned(), |value| value.to_string());
                    values.insert(key, value);
                }
            }
        }
    }
    values
}
