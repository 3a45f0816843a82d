//! Those who use it meanwhile: a program that pushes, and people who look.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use crate::programs::Cluster;

/// Metrics that are pushed, and days of each.
const METRICS: u64 = 5;
const DAYS: u64 = 28;
/// An answer takes no longer, or is none.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was pushed and acknowledged: by metric and day.
#[derive(Default)]
pub(crate) struct Pushed {
    pub(crate) values: BTreeMap<(String, String), i64>,
    pub(crate) batches: u64,
    pub(crate) retried: u64,
    /// How often each status was answered to people; 0 where the process was gone.
    pub(crate) pages: BTreeMap<u16, u64>,
}

pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    pushing: JoinHandle<Pushed>,
    looking: JoinHandle<BTreeMap<u16, u64>>,
}

impl Traffic {
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let cookie = signed_in(cluster).await;
        let pushing = tokio::spawn(push(cluster.hosts.clone(), cluster.key.clone(), stop.clone()));
        let looking = tokio::spawn(look(cluster.hosts.clone(), cookie, stop.clone()));
        Self { stop, pushing, looking }
    }

    /// Ends it with what was pushed last.
    pub(crate) async fn stop(self) -> Pushed {
        self.stop.store(true, Ordering::Relaxed);
        let pages = self.looking.await.unwrap();
        Pushed { pages, ..self.pushing.await.unwrap() }
    }
}

/// Signs in at the first serve, once it answers.
async fn signed_in(cluster: &Cluster) -> String {
    let (_, token) = cluster.link.split_once("token=").unwrap();
    let host = &cluster.hosts[0];
    let form = "Content-Type: application/x-www-form-urlencoded";
    for _ in 0..600 {
        let headers = [form, &format!("Origin: http://{host}")].join("\r\n");
        if let Some((303, head)) = ask(host, "POST", "/login/link", &headers, &format!("token={token}")).await {
            let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
            return cookie.split(';').next().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("nobody can sign in");
}

/// Pushes batches, each until it is acknowledged by whichever serve is there.
async fn push(hosts: [String; 2], key: String, stop: Arc<AtomicBool>) -> Pushed {
    let mut pushed = Pushed::default();
    let headers = format!("Authorization: Bearer {key}\r\nContent-Type: application/json");
    while !stop.load(Ordering::Relaxed) {
        let number = pushed.batches;
        let point = |metric: u64, day: u64| {
            let date = format!("2026-03-{:02}", day + 1);
            (format!("soak_{metric}"), date, i64::try_from(number * 1_000 + metric * 100 + day).unwrap())
        };
        let batch: Vec<_> =
            (0..METRICS).flat_map(|metric| [number, number + 3].map(|n| point(metric, n % DAYS))).collect();
        let metrics: Vec<_> = batch
            .iter()
            .map(|(id, date, value)| json!({"metric_id": id, "date": date, "value": value, "unit": "count", "kind": "flow"}))
            .collect();
        let body = json!({ "metrics": metrics }).to_string();
        let mut tries = 0;
        loop {
            let host = &hosts[usize::try_from(number + tries).unwrap() % 2];
            match ask(host, "POST", "/api/v1/metrics", &headers, &body).await {
                Some((200 | 201, _)) => break,
                Some((status @ 400..=499, answer)) => panic!("a batch is refused with {status}: {answer}"),
                _ => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        pushed.retried += tries;
        pushed.batches += 1;
        pushed.values.extend(batch.into_iter().map(|(id, date, value)| ((id, date), value)));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    pushed
}

/// Looks at pages of either serve.
async fn look(hosts: [String; 2], cookie: String, stop: Arc<AtomicBool>) -> BTreeMap<u16, u64> {
    let mut statuses = BTreeMap::new();
    let pages = ["/", "/integrations", "/d/custom", "/m/soak_1", "/settings/sessions", "/readyz"];
    for (number, page) in pages.iter().cycle().enumerate() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let answer = ask(&hosts[number / pages.len() % 2], "GET", page, &format!("Cookie: {cookie}"), "").await;
        let status = answer.map_or(0, |(status, _)| status);
        *statuses.entry(status).or_insert(0) += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    statuses
}

/// Status and head of an answer that came whole; `None` where none did.
async fn ask(host: &str, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, String)> {
    let asked = async {
        let mut stream = TcpStream::connect(host).await.ok()?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, _) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, if status < 400 { head.to_owned() } else { answer }))
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}
