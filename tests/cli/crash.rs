//! Killed at any moment of a sync: the next one takes over and comes to the same numbers.

use std::{path::Path, time::Duration};

use dashtray::{
    clock::Clock,
    demo::{GITHUB_TOKEN, STRIPE_KEY},
};
use jiff::SignedDuration;
use serde_json::json;

use super::{
    list,
    sandbox::{Sandbox, stripe_file},
    text,
};
use crate::support::database::Database;

const MOMENTS: u64 = 10;

/// A sandbox with both connections made and nothing read.
async fn connected() -> Sandbox {
    let sandbox = Sandbox::new().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let one = json!({"credentials": {"token": GITHUB_TOKEN}, "settings": {"repositories": ["fernwerk/ideas"]}});
    sandbox.connect("github", &one).await;
    sandbox
}

fn asked(sandbox: &Sandbox) -> u64 {
    sandbox.emulators.count("stripe") + sandbox.emulators.count("github")
}

/// All that was kept of the providers' numbers, whatever its internal ids.
async fn everything(directory: &Path) -> Vec<String> {
    let database = Database::at(directory.join("dashtray.db"));
    let mut rows = Vec::new();
    for sql in [
        "SELECT concat_ws(' ', metric_id, dimension, currency, day, ifnull(value, '-'), ifnull(denominator, '-'), mark)
         FROM points JOIN series USING (project_id, series_id) ORDER BY 1",
        "SELECT concat_ws(' ', metric_id, dimension, currency, day, body)
         FROM notes JOIN series USING (project_id, series_id) ORDER BY 1",
        "SELECT metric_id || ' ' || body FROM receipts ORDER BY 1",
        "SELECT name || ' ' || record_key || ' ' || group_key
         FROM records JOIN streams USING (project_id, stream_id) ORDER BY 1",
    ] {
        rows.extend(database.texts(sql).await);
    }
    rows
}

/// A copy of a data directory as it was before anything was read.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Starts a sync and kills it once the providers were asked so many times. Says whether it was still running.
async fn killed_after(sandbox: &Sandbox, directory: &str, requests: u64) -> bool {
    let until = asked(sandbox) + requests;
    let mut sync = sandbox.command(&format!("sync --data-dir {directory}")).spawn().unwrap();
    while asked(sandbox) < until && sync.try_wait().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let was_running = sync.try_wait().unwrap().is_none();
    sync.kill().await.unwrap();
    was_running
}

/// Both at once: one of them mostly waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_is_taken_over_soon_and_comes_to_the_same_numbers() {
    tokio::join!(ten_moments(), a_dead_process_is_taken_over_within_thirty_seconds());
}

async fn ten_moments() {
    let sandbox = connected().await;
    copy(&sandbox.data(), &sandbox.path("undisturbed"));
    let begun = asked(&sandbox);
    sandbox.json("sync --data-dir undisturbed").await;
    let requests = asked(&sandbox) - begun;
    assert!(requests > 2 * MOMENTS, "{requests}");
    let expected = everything(&sandbox.path("undisturbed")).await;
    assert!(expected.len() > 1000, "{}", expected.len());

    for moment in 0..MOMENTS {
        let name = format!("killed-{moment}");
        let directory = sandbox.path(&name);
        copy(&sandbox.data(), &directory);
        let after = 1 + moment * (requests - 2) / (MOMENTS - 1);
        assert!(killed_after(&sandbox, &name, after).await, "it ended before request {after} of {requests}");
        // Its lease would be over in 25 s; the other half waits for that.
        let database = Database::at(directory.join("dashtray.db"));
        database.execute("UPDATE connections SET lease_until = 0 WHERE lease_until IS NOT NULL").await;
        sandbox.json(&format!("sync --data-dir {name}")).await;
        let found = everything(&directory).await;
        let odd = expected.iter().find(|row| !found.contains(row)).or(found.iter().find(|row| !expected.contains(row)));
        assert_eq!((found.len(), odd), (expected.len(), None), "killed after request {after} of {requests}");
        for connection in ["stripe", "github"] {
            let runs = sandbox.json(&format!("runs {connection} --data-dir {name}")).await;
            let runs = list(&runs["runs"]);
            assert_eq!(runs[0]["status"], "ok", "{runs:?}");
            for dead in runs.iter().skip(1).filter(|run| run["status"] != "ok") {
                assert!(text(&dead["error"]["message"]).contains("interrupted"), "{dead}");
            }
        }
    }
}

async fn a_dead_process_is_taken_over_within_thirty_seconds() {
    let sandbox = connected().await;
    assert!(killed_after(&sandbox, "data", 8).await);
    let killed = Clock::System.now();
    let view = sandbox.json("connections").await;
    assert!(list(&view["connections"]).iter().any(|connection| connection["syncing"] == true), "{view}");
    // Meanwhile everything that is no run works.
    sandbox.json("get stripe_mrr").await;
    let mut sync = sandbox.command("sync --json").spawn().unwrap();
    let status = tokio::time::timeout(Duration::from_secs(60), sync.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
    let first = sandbox.json("runs stripe").await["runs"][0].clone();
    let begun: jiff::Timestamp = text(&first["started_at"]).parse().unwrap();
    let waited = begun.duration_since(killed);
    assert!(waited < SignedDuration::from_secs(30), "taken over after {waited}");
}
