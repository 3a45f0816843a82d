//! The API: how fast a series is read, how fast values are pushed, how little an export needs.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use axum::{Router, extract::State, routing::get};
use dashtray::{
    app::App,
    metric::{Currency, Day, Interval, Period, Zone},
    store::{PointRow, Scope, Store},
    web,
};
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::{points, process::Figures, sync};

const CLIENTS: usize = 16;
/// Requests of each client.
const REQUESTS: usize = 250;
const DAYS: i32 = 90;
const METRIC: &str = "stripe_mrr";
const BATCH: usize = 1000;
const BATCHES: usize = 200;
/// Metrics of an export.
const METRICS: usize = 10;

/// The whole program behind an address, without its hourly limit; `key` opens the first project.
struct Site {
    app: App,
    address: String,
    key: String,
}

impl Site {
    async fn start(directory: &Path) -> Self {
        Self::over(sync::open(directory, "http://127.0.0.1:9").await).await
    }

    async fn over(app: App) -> Self {
        let project = app.store.project("default").await.unwrap().unwrap();
        let key = app.users.make_api_key(&project, "bench", Scope::Write).await.unwrap().secret.expose().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(web::serve(listener, app.clone(), CancellationToken::new()));
        Self { app, address, key }
    }
}

/// A connection that stays open, as that of a program does.
struct Client {
    stream: TcpStream,
    head: String,
    buffer: Vec<u8>,
}

impl Client {
    async fn new(address: &str, key: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let head = format!("Host: {address}\r\nAuthorization: Bearer {key}\r\n");
        Self { stream, head, buffer: Vec::new() }
    }

    async fn send(&mut self, method: &str, path: &str, body: &str) {
        let (head, length) = (&self.head, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await.unwrap();
    }

    /// Asks, and reads an answer of known length.
    async fn ask(&mut self, method: &str, path: &str, body: &str) {
        self.send(method, path, body).await;
        self.buffer.clear();
        let (end, length) = loop {
            let read = self.stream.read_buf(&mut self.buffer).await.unwrap();
            assert!(read > 0, "the server hangs up");
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.buffer[..end]).to_lowercase();
                assert!(head.starts_with("http/1.1 200"), "{head}");
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                break (end + 4, length.parse::<usize>().unwrap());
            }
        };
        while self.buffer.len() < end + length {
            assert!(self.stream.read_buf(&mut self.buffer).await.unwrap() > 0, "the server hangs up");
        }
    }

    /// Asks, and reads to the end of an answer that is sent in pieces. Gives its size.
    async fn download(&mut self, path: &str) -> u64 {
        self.send("GET", path, "").await;
        let (mut size, mut buffer) = (0, vec![0; 1 << 16]);
        loop {
            let read = self.stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the server hangs up");
            size += read as u64;
            if buffer[..read].ends_with(b"0\r\n\r\n") {
                return size;
            }
        }
    }
}

/// Requests a second of so many clients, and the median and 99th percentile of one answer in milliseconds.
async fn load(address: &str, key: &str, path: &str) -> [f64; 3] {
    let started = Instant::now();
    let clients = (0..CLIENTS).map(|_| async move {
        let mut client = Client::new(address, key).await;
        let mut times = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let asked = Instant::now();
            client.ask("GET", path, "").await;
            times.push(asked.elapsed());
        }
        times
    });
    let mut times: Vec<Duration> = join_all(clients).await.concat();
    let per_second = times.len() as f64 / started.elapsed().as_secs_f64();
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    [per_second, ms(times[times.len() / 2]), ms(times[times.len() * 99 / 100])]
}

/// Our answer against a handler that runs the same SQL and nothing else around it: no key, no states, no series.
pub(crate) async fn timeseries(directory: &Path) -> Figures {
    let site = Site::start(directory).await;
    let today = Day::of(Timestamp::now(), &Zone::utc());
    fill(&site, today).await;
    let path = format!("/api/v1/metrics/{METRIC}/timeseries?start_date={}&end_date={today}", today.plus(1 - DAYS));
    let bare = bare(site.app.store.clone(), today).await;
    // Both are warm before either is measured.
    load(&site.address, &site.key, &path).await;
    load(&bare, "", "/").await;
    let [ours, median, p99] = load(&site.address, &site.key, &path).await;
    let [theirs, ..] = load(&bare, "", "/").await;
    Figures::from([
        ("per_second".to_owned(), ours),
        ("against_bare".to_owned(), ours / theirs),
        ("median_ms".to_owned(), median),
        ("p99_against_median".to_owned(), p99 / median),
    ])
}

/// The same while a large account is synced for the first time: `url` is its provider.
pub(crate) async fn timeseries_during_sync(directory: &Path, url: &str) -> Figures {
    let site = Site::over(sync::open(directory, url).await).await;
    let today = Day::of(Timestamp::now(), &Zone::utc());
    fill(&site, today).await;
    let path = format!("/api/v1/metrics/{METRIC}/timeseries?start_date={}&end_date={today}", today.plus(1 - DAYS));
    // In the same database, so that it is the one writer that reading goes on beside.
    points::project(&site.app.store, "large").await;
    sync::connect(&site.app, "large", "rk_test_Benchmark000000000000").await;
    let app = site.app.clone();
    let sync = tokio::spawn(async move { sync::sync_project(&app, "large").await });
    let mut worst: f64 = 0.0;
    let mut medians = Vec::new();
    while !sync.is_finished() {
        let [_, median, p99] = load(&site.address, &site.key, &path).await;
        worst = worst.max(p99 / median);
        medians.push(median);
    }
    sync.await.unwrap();
    medians.sort_by(f64::total_cmp);
    Figures::from([("p99_against_median".to_owned(), worst), ("median_ms".to_owned(), medians[medians.len() / 2])])
}

/// One connection with ninety days of a metric.
async fn fill(site: &Site, today: Day) {
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let claim = points::connection(&site.app.store, &project, "stripe").await;
    let mut write = site.app.store.write(&claim).await.unwrap();
    let id = write.ensure_series(METRIC, Interval::Day, "", Some(Currency::USD), 1).await.unwrap();
    write.commit().await.unwrap();
    let days = usize::try_from(DAYS).unwrap();
    points::put(&site.app.store, &claim, &[id], today.plus(1 - DAYS), days).await;
}

/// A handler that runs the statements of a timeseries and sends their rows as JSON.
async fn bare(store: Store, today: Day) -> String {
    let handler = move |State(store): State<Store>| async move {
        let project = store.project("default").await.unwrap().unwrap();
        let connections = store.connections_among(project.id, &["stripe"]).await.unwrap();
        let period = Period::inclusive(today.plus(1 - DAYS), today);
        let mut rows = Vec::new();
        for connection in connections {
            let series = store.series(connection.key, Interval::Day, Some(&[METRIC])).await.unwrap();
            let ids: Vec<i64> = series.iter().map(|one| one.id).collect();
            let points = store.points(project.id, &ids, period).await.unwrap();
            store.notes(project.id, &ids, period).await.unwrap();
            rows.extend(points.iter().map(|point| serde_json::json!({"date": point.day, "value": point.value})));
        }
        axum::Json(serde_json::json!({"points": rows}))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new().route("/", get(handler)).with_state(store);
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Values a second in batches of a thousand: new ones, over HTTP, one batch after another.
pub(crate) async fn push(directory: &Path) -> Figures {
    let site = Site::start(directory).await;
    let today = Day::of(Timestamp::now(), &Zone::utc());
    let batch = |number: usize| {
        let entry = |place: usize| {
            let day = today.plus(-i32::try_from(place % 500).unwrap());
            format!(
                r#"{{"metric_id":"bench_{}","value":"{number}.{place}","date":"{day}","dimension":"{number}"}}"#,
                place / 500
            )
        };
        format!("{{\"metrics\":[{}]}}", (0..BATCH).map(entry).collect::<Vec<_>>().join(","))
    };
    let batches: Vec<String> = (0..BATCHES).map(batch).collect();
    let mut client = Client::new(&site.address, &site.key).await;
    let started = Instant::now();
    for batch in &batches {
        client.ask("POST", "/api/v1/metrics", batch).await;
    }
    let per_second = (BATCH * BATCHES) as f64 / started.elapsed().as_secs_f64();
    Figures::from([("per_second".to_owned(), per_second.round())])
}

/// Fills a project with so many pushed points, for [`export`].
pub(crate) async fn fill_export(directory: &Path, count: usize) -> Figures {
    let site = Site::start(directory).await;
    let today = Day::of(Timestamp::now(), &Zone::utc());
    let mut client = Client::new(&site.address, &site.key).await;
    // The metric, its connection and its first day come as they do in life; the rest is written in bulk.
    let days = 1000;
    let first = today.plus(1 - days);
    let entry = |metric: usize| {
        format!(r#"{{"metric_id":"bench_{metric}","value":1,"unit":"count","date":"{first}","dimension":"0"}}"#)
    };
    let entries: Vec<String> = (0..METRICS).map(entry).collect();
    client.ask("POST", "/api/v1/metrics", &format!("{{\"metrics\":[{}]}}", entries.join(","))).await;
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let key = site.app.store.connections(project.id).await.unwrap().remove(0).key;
    let lease = Duration::from_secs(3600);
    let claim = site.app.store.claim(key, "bench", Timestamp::now(), lease).await.unwrap();
    let dashtray::store::ClaimOutcome::Claimed(claim) = claim else { panic!("nobody else is here") };
    for number in 0..count / usize::try_from(days).unwrap() {
        let mut write = site.app.store.write(&claim).await.unwrap();
        let metric = format!("bench_{}", number % METRICS);
        let id = write.ensure_series(&metric, Interval::Day, &(number / METRICS).to_string(), None, 1).await.unwrap();
        let row = |day: i32| PointRow {
            series_id: id,
            day: first.plus(day),
            value: Some(i64::from(day)),
            denominator: None,
            mark: 0,
        };
        write.upsert_points(&(0..days).map(row).collect::<Vec<_>>()).await.unwrap();
        write.commit().await.unwrap();
    }
    site.app.store.close().await;
    Figures::new()
}

/// Downloads all points; the peak memory of this process is that of server and client.
pub(crate) async fn export(directory: &Path) -> Figures {
    let site = Site::start(directory).await;
    let mut client = Client::new(&site.address, &site.key).await;
    let started = Instant::now();
    let bytes = client.download("/api/v1/export?format=csv").await;
    let seconds = started.elapsed().as_secs_f64();
    Figures::from([("bytes".to_owned(), bytes as f64), ("seconds".to_owned(), seconds)])
}
