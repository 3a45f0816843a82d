//! The commands that run until they are stopped: serve and demo.

use std::{
    process::ExitStatus,
    time::{Duration, Instant},
};

use dashtray::demo::STRIPE_KEY;
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command},
};

use super::{
    list,
    sandbox::{Sandbox, stripe_file},
    text,
};

/// A program that runs until it is stopped.
pub(super) struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, stdout }
    }

    /// Lines of its output up to the first that holds this.
    pub(super) async fn until(&mut self, word: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let read = async {
            while let Some(line) = self.stdout.next_line().await.unwrap() {
                lines.push(line);
                if lines.last().unwrap().contains(word) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(120), read).await;
        assert!(lines.last().is_some_and(|line| line.contains(word)), "it says {word}: {lines:?}");
        lines
    }

    /// Sends a signal.
    pub(super) async fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id().unwrap());
        assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    }

    /// Ends it at once, with nothing handed back.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends a signal and waits for its end, which comes within seconds.
    pub(super) async fn stop(mut self, signal: &str) -> ExitStatus {
        let begun = Instant::now();
        self.signal(signal).await;
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await.expect("it stops").unwrap();
        assert!(begun.elapsed() < Duration::from_secs(12), "it stops within seconds: {:?}", begun.elapsed());
        status
    }
}

/// Starts `serve` on a free port and gives its URL.
pub(super) async fn serving(sandbox: &Sandbox) -> (Running, String) {
    let mut running = Running::start(sandbox.command("serve --listen 127.0.0.1:0"));
    let line = running.until("http://").await.pop().unwrap();
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
    (running, url)
}

/// Status and body of an answer.
pub(super) async fn fetch(url: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_answers_and_keeps_connections_up_to_date_until_it_is_stopped() {
    let sandbox = Sandbox::new().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let (running, url) = serving(&sandbox).await;
    assert_eq!(fetch(&url, "/healthz").await.0, 200);
    let (status, body) = fetch(&url, "/api/v1/health").await;
    assert_eq!(status, 200);
    let health: Json = serde_json::from_str(&body).unwrap();
    assert_eq!(health["data"]["status"], "ok", "{health}");
    assert_eq!(fetch(&url, "/nowhere").await.0, 404);
    assert_eq!(sandbox.json(&format!("health --url {url}")).await["status"], "ok");
    assert_eq!(sandbox.json(&format!("health --ready --url {url}")).await["status"], "ok");

    let port = url.rsplit(':').next().unwrap();
    let sentence = sandbox.refused(&format!("serve --listen 127.0.0.1:{port}"), 1).await;
    assert!(sentence.contains("is in use by another program") && sentence.contains("--listen"), "{sentence}");

    let view = synced(&sandbox).await;
    assert_eq!(view["state"], "ok", "{view}");
    assert!(sandbox.points("stripe_customers --from 2026-03-31").await[0]["value"].is_u64());
    assert_eq!(running.stop("TERM").await.code(), Some(0));
    let sentence = sandbox.refused(&format!("health --url {url}"), 1).await;
    assert!(sentence.starts_with("unhealthy: ") && sentence.contains(&url), "{sentence}");
}

/// The connection after its first scheduled run.
pub(super) async fn synced(sandbox: &Sandbox) -> Json {
    let begun = Instant::now();
    loop {
        let view = sandbox.json("connections").await["connections"][0].clone();
        if view["last_synced_at"].is_string() && view["syncing"] == false {
            return view;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the scheduler reads it: {view}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_start_prints_the_link_that_makes_the_first_account() {
    let sandbox = Sandbox::new().await;
    let mut running = Running::start(sandbox.command("serve --listen 127.0.0.1:0"));
    let line = running.until("/setup?token=").await.pop().unwrap();
    let (url, path) = line.trim().split_at(line.trim().find("/setup").unwrap());
    let (status, page) = fetch(url, path).await;
    assert!(status == 200 && page.contains("<form"), "{page}");
    let (status, page) = fetch(url, "/setup?token=guess").await;
    assert!(status == 403 && !page.contains("<form"), "{page}");

    sandbox.file("password", "correct horse battery");
    sandbox.json("user add ada@example.com --password password").await;
    assert_eq!(fetch(url, path).await.0, 303, "there is an account now");
    assert_eq!(running.stop("TERM").await.code(), Some(0));
    let mut running = Running::start(sandbox.command("serve --listen 127.0.0.1:0 --json"));
    let shown = running.until("setup_url").await;
    assert!(shown.last().unwrap().contains("null"), "{shown:?}");
    let url = shown.iter().find(|line| line.contains("http://")).unwrap().split('"').nth(3).unwrap();
    assert_eq!(fetch(url, "/healthz").await.0, 200, "and only then it is stopped");
    assert_eq!(running.stop("TERM").await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_in_the_middle_of_a_run_it_hands_the_run_back() {
    let sandbox = Sandbox::new().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let before = sandbox.emulators.count("stripe");
    let (running, _) = serving(&sandbox).await;
    while sandbox.emulators.count("stripe") < before + 5 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(running.stop("INT").await.code(), Some(0));
    let view = sandbox.json("connections").await["connections"][0].clone();
    assert_eq!((&view["state"], &view["syncing"]), (&json!("ok"), &json!(false)), "no failure of the connection");
    let begun = Instant::now();
    sandbox.sync("stripe", 0).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "no lease is left to wait for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_twice_to_stop_it_waits_for_nobody() {
    let sandbox = Sandbox::new().await;
    let (mut running, url) = serving(&sandbox).await;
    // A form that never comes to its end is waited for, for ten seconds.
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let head = format!(
        "POST /login HTTP/1.1\r\nHost: {host}\r\nOrigin: {url}\r\nContent-Length: 100\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut goes_on = [0; 12];
    stream.read_exact(&mut goes_on).await.unwrap();
    assert_eq!(&goes_on, b"HTTP/1.1 100", "it waits for the rest");
    let kill = format!("kill -TERM {}", running.child.id().unwrap());
    assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    while TcpStream::connect(host).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(running.child.try_wait().unwrap().is_none(), "an orderly stop waits for the form");
    let begun = Instant::now();
    assert_eq!(running.stop("TERM").await.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_none_is_refused() {
    let mut sandbox = Sandbox::new().await;
    let sentence = sandbox.refused("serve --listen nowhere", 2).await;
    assert!(sentence.contains("listen") && sentence.contains("127.0.0.1:8080"), "{sentence}");
    let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = taken.local_addr().unwrap();
    let sentence = sandbox.refused(&format!("demo --listen {address}"), 1).await;
    assert!(sentence.contains("is in use by another program"), "{sentence}");
    sandbox.set("DASHTRAY_LISTEN", &address.to_string());
    let sentence = sandbox.refused("serve", 1).await;
    assert!(sentence.contains(&address.to_string()), "{sentence}");
    assert!(!sandbox.data().exists(), "the port comes first");
    let sentence = sandbox.refused("health --url https://example.com", 2).await;
    assert!(sentence.contains("http://127.0.0.1:8080"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_agrees_with_its_company_can_be_asked_and_leaves_nothing() {
    let mut sandbox = Sandbox::new().await;
    for name in ["DASHTRAY_NOW", "DASHTRAY_PROVIDER_URL_STRIPE", "DASHTRAY_PROVIDER_URL_GITHUB"] {
        sandbox.set(name, "");
    }
    let temporary = sandbox.directory.path().to_str().unwrap().to_owned();
    sandbox.set("TMPDIR", &temporary);
    let mut demo = Running::start(sandbox.command("demo --listen 127.0.0.1:0"));
    let shown = demo.until("Ctrl-C").await;
    let all = shown.join("\n");
    assert!(!all.contains("differs"), "{all}");
    let sum = shown.iter().find(|line| line.contains("totals that the generator knows agree")).unwrap();
    let numbers: Vec<u32> = sum.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] == numbers[1] && numbers[0] > 30, "{sum}");
    for metric in
        ["stripe_mrr", "stripe_revenue", "github_commits", "github_stars", "ga_sessions", "ga_users", "ga_revenue"]
    {
        assert!(shown.iter().any(|line| line.starts_with(metric) && line.contains('✓')), "{metric}: {all}");
    }

    let link = shown.iter().find(|line| line.contains("/login/link?token=")).unwrap().trim();
    let (url, path) = link.split_at(link.find("/login").unwrap());
    let (status, page) = fetch(url, path).await;
    assert!(status == 200 && page.contains("Sign in"), "{page}");

    let directory = all.split_whitespace().find(|word| word.contains("dashtray-demo-")).unwrap();
    assert!(directory.starts_with(&temporary), "{directory}");
    for (name, url) in shown.iter().filter_map(|line| line.trim().strip_prefix("export ")?.split_once('=')) {
        sandbox.set(name, url);
    }
    let commands: Vec<&str> = shown.iter().filter_map(|line| line.trim().strip_prefix("dashtray ")).collect();
    assert!(commands.len() >= 4, "{all}");
    for command in commands {
        sandbox.json(command).await;
    }
    let mrr = sandbox.json(&format!("get stripe_mrr --data-dir {directory}")).await;
    assert!(list(&mrr["series"]).len() >= 2, "{mrr}");
    let receipt = sandbox.json(&format!("explain stripe_mrr --data-dir {directory}")).await;
    assert!(!text(&receipt["value"]).is_empty());
    let runs = sandbox.json(&format!("sync stripe --data-dir {directory}")).await;
    assert!(list(&runs["runs"]).iter().all(|run| run["status"] == "ok"), "{runs}");

    // All five are connected. One of them by a sign-in, whose access ends every three seconds: also another process renews it.
    let connections = sandbox.json(&format!("connections --data-dir {directory}")).await;
    let connections = list(&connections["connections"]);
    assert!(connections.len() == 5 && connections.iter().all(|one| one["state"] == "ok"), "{connections:?}");
    let signed_in = connections.iter().find(|one| one["integration_id"] == "google-analytics").unwrap();
    let id = text(&signed_in["connection_id"]);
    for _ in 0..2 {
        let runs = sandbox.json(&format!("sync {id} --data-dir {directory}")).await;
        assert!(list(&runs["runs"]).iter().all(|run| run["status"] == "ok"), "{runs}");
    }
    let left = sandbox.json(&format!("disconnect {id} --data-dir {directory}")).await;
    assert_eq!(left["access"], "given_back", "it was a sign-in");

    assert!(std::path::Path::new(directory).exists());
    assert_eq!(demo.stop("TERM").await.code(), Some(0));
    assert!(!std::path::Path::new(directory).exists(), "it removes its directory");
    assert!(!sandbox.data().exists(), "and never touched ours");
}
