//! What Prometheus and logs say of real runs of the real program.

use std::collections::{BTreeMap, BTreeSet};

use dashtray::demo::{STRIPE_KEY, STRIPE_KEY_WITHOUT_CHARGES};
use serde_json::Value as Json;

use super::{
    list,
    sandbox::{OLD_KEY, Sandbox, stripe_file},
    serve::{Running, fetch, serving, synced},
};
use crate::support::database::Database;

/// A sample: its name, its labels, its value.
type Sample = (String, BTreeMap<String, String>, String);

/// Reads the text strictly: each family once and described before its samples, no sample twice.
fn parse(text: &str) -> Vec<Sample> {
    let (mut samples, mut family, mut kind) = (Vec::new(), String::new(), String::new());
    let mut families = BTreeSet::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap().to_owned();
            assert!(families.insert(family.clone()), "{family} twice");
            assert!(rest.ends_with('.'), "{line}");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, found) = rest.split_once(' ').unwrap();
            assert_eq!(name, family);
            kind = found.to_owned();
            assert!(["counter", "gauge", "histogram"].contains(&found), "{line}");
            assert_eq!(found == "counter", name.ends_with("_total"), "{line}");
        } else {
            let (head, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.iter().any(|suffix| name == format!("{family}{suffix}")), "{line} in {family}");
            let labels = labels.strip_suffix('}').unwrap();
            let labels: BTreeMap<String, String> = labels
                .split(',')
                .filter(|one| !one.is_empty())
                .map(|one| {
                    let (name, value) = one.split_once('=').unwrap();
                    (name.to_owned(), value.strip_prefix('"').unwrap().strip_suffix('"').unwrap().to_owned())
                })
                .collect();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            samples.push((name.to_owned(), labels, value.to_owned()));
        }
    }
    let distinct: BTreeSet<_> = samples.iter().map(|(name, labels, _)| (name, labels)).collect();
    assert_eq!(distinct.len(), samples.len(), "no sample twice");
    samples
}

/// What each label may say. A label that is not listed is not bounded.
fn may_say(label: &str) -> &'static [&'static str] {
    match label {
        "integration" => &["stripe", "github", "vercel", "google-analytics", "plausible", "custom"],
        "status" => {
            &["ok", "partial", "rate_limited", "failed", "interrupted", "2xx", "3xx", "4xx", "5xx", "other", "none"]
        }
        "kind" => &[
            "invalid_settings",
            "unauthorized",
            "forbidden",
            "plan_required",
            "not_found",
            "rate_limited",
            "unavailable",
            "invalid_response",
            "rejected",
            "internal",
        ],
        "operation" => &["read", "write", "begin", "commit"],
        "le" => &["0.0005", "0.001", "0.005", "0.025", "0.1", "0.5", "2.5", "10", "+Inf"],
        "state" => {
            &["ok", "degraded", "rate_limited", "needs_reconnect", "credentials_unreadable", "failing", "paused"]
        }
        "version" => &[env!("CARGO_PKG_VERSION")],
        "database" => &["sqlite"],
        other => panic!("the label {other} is not known to be bounded"),
    }
}

fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> u64 {
    let has =
        |sample: &Sample| labels.iter().all(|(label, value)| sample.1.get(*label).is_some_and(|one| one == value));
    let found = samples.iter().filter(|sample| sample.0 == name && has(sample));
    found.map(|sample| sample.2.parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_tell_what_runs_did_and_name_nobody() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("DASHTRAY_METRICS", "true");
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let (running, url) = serving(&sandbox).await;
    let view = synced(&sandbox).await;
    let runs = sandbox.json("runs stripe").await;
    let run = &list(&runs["runs"])[0];
    let (status, text) = fetch(&url, "/metrics").await;
    assert_eq!(status, 200, "{text}");
    let samples = parse(&text);
    for (name, labels, _) in &samples {
        for (label, value) in labels {
            assert!(may_say(label).contains(&value.as_str()), "{name} has {label}={value}");
        }
    }
    let stripe = ("integration", "stripe");
    assert_eq!(value(&samples, "dashtray_runs_total", &[stripe, ("status", "ok")]), 1, "{text}");
    assert_eq!(value(&samples, "dashtray_runs_total", &[]), 1);
    assert_eq!(value(&samples, "dashtray_run_failures_total", &[]), 0);
    assert_eq!(value(&samples, "dashtray_runs_in_progress", &[]), 0);
    assert_eq!(value(&samples, "dashtray_provider_calls_total", &[stripe]), run["requests"].as_u64().unwrap());
    assert_eq!(
        value(&samples, "dashtray_provider_calls_total", &[("status", "2xx")]),
        run["requests"].as_u64().unwrap()
    );
    assert_eq!(value(&samples, "dashtray_points_written_total", &[stripe]), run["samples_written"].as_u64().unwrap());
    assert!(run["samples_written"].as_u64().unwrap() > 0);
    assert!(value(&samples, "dashtray_database_seconds_count", &[("operation", "commit")]) > 0);
    assert_eq!(value(&samples, "dashtray_database_up", &[]), 1);
    assert_eq!(value(&samples, "dashtray_connections", &[("state", "ok")]), 1);
    assert_eq!(value(&samples, "dashtray_connections", &[]), 1);
    assert_eq!(value(&samples, "dashtray_queue_connections", &[]), 0);
    assert!(value(&samples, "process_resident_memory_bytes", &[]) > 1 << 20);
    assert!(value(&samples, "process_start_time_seconds", &[]) > 1_700_000_000);
    // Whoever reads this knows nothing of whose numbers they are.
    for name in ["default", view["connection_id"].as_str().unwrap(), "127.0.0.1", "Fernwerk"] {
        assert!(!text.contains(&format!("\"{name}\"")), "{name}: {text}");
    }

    // One that lacks a permission is read in part.
    let without = stripe_file(STRIPE_KEY_WITHOUT_CHARGES);
    sandbox.file("without.json", without.to_string());
    sandbox.json("reconnect stripe --credentials without.json").await;
    let failed = |samples: &[Sample]| value(samples, "dashtray_run_failures_total", &[stripe, ("kind", "forbidden")]);
    let begun = std::time::Instant::now();
    loop {
        let samples = parse(&fetch(&url, "/metrics").await.1);
        if failed(&samples) == 1 {
            assert_eq!(value(&samples, "dashtray_runs_total", &[stripe, ("status", "partial")]), 1);
            break;
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{samples:?}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(running.stop("TERM").await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_line_of_a_run_says_of_which_run_it_is() {
    let mut sandbox = Sandbox::new().await;
    let connected = sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    sandbox.set("DASHTRAY_LOG_FORMAT", "json");
    sandbox.set("DASHTRAY_LOG_FILTER", "dashtray=debug");
    let ended = sandbox.run("sync --json").await;
    let run_id = ended.json(0)["runs"][0]["run_id"].clone();
    let lines: Vec<Json> = ended.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_runs = lines.iter().filter(|line| {
        let message = line["fields"]["message"].as_str().unwrap();
        ["called a provider", "run ended"].contains(&message)
    });
    let mut count = 0;
    for line in of_runs {
        let span = &line["span"];
        assert_eq!(span["run.id"], run_id, "{line}");
        assert_eq!(span["connection.id"], connected["connection_id"], "{line}");
        assert_eq!(span["integration.id"], "stripe", "{line}");
        count += 1;
    }
    assert!(count > 10, "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_answers_those_who_look_after_it_and_nobody_else() {
    let mut sandbox = Sandbox::new().await;
    let database = Database::postgres().await;
    sandbox.set("DASHTRAY_DATABASE_URL", &database.url);
    sandbox.set("DASHTRAY_METRICS", "true");
    sandbox.set("DASHTRAY_MASTER_KEY", OLD_KEY);
    let mut running = Running::start(sandbox.command("worker --listen 127.0.0.1:0"));
    let line = running.until("http://").await.pop().unwrap();
    let url = line.split_whitespace().last().unwrap().to_owned();
    let begun = std::time::Instant::now();
    while fetch(&url, "/readyz").await.0 != 200 {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{:?}", fetch(&url, "/readyz").await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(fetch(&url, "/metrics").await.1.contains("database=\"postgresql\"} 1"));
    assert_eq!(sandbox.json(&format!("health --ready --url {url}")).await["status"], "ok");
    for path in ["/", "/login", "/api/v1/health", "/static/app.css"] {
        assert_eq!(fetch(&url, path).await.0, 404, "{path}");
    }
    assert_eq!(running.stop("TERM").await.code(), Some(0));
}
