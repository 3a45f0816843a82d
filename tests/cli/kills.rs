//! The program, ended at its fail points as if it were killed: with nothing flushed and nothing handed back.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use dashtray::demo::{GITHUB_TOKEN, STRIPE_KEY};
use serde_json::json;

use super::{
    list,
    sandbox::{NEW_KEY, OLD_KEY, Sandbox, stripe_file},
    text,
};
use crate::support::{database::Database, summary::tell};

/// Kills of a walk, spread over its points.
const KILLS: usize = 8;

/// Runs a command and gives the names of the fail points that it passes.
pub(super) async fn points_of(sandbox: &Sandbox, arguments: &str) -> Vec<String> {
    let mut command = sandbox.command(arguments);
    command.env("DASHTRAY_LOG_FILTER", "dashtray::fail_point=trace").env("DASHTRAY_LOG_FORMAT", "json");
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{arguments}: {output:?}");
    let lines = String::from_utf8(output.stderr).unwrap();
    let reached = lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let points: Vec<String> = reached.map(|line| text(&line["fields"]["point"]).to_owned()).collect();
    assert!(points.len() > 2, "{arguments}: {points:?}");
    points
}

/// Runs a command that ends at the fail point of this number, from 0. Says whether it came to it: pages that are read side
/// by side do not take the same number of calls out of a budget each time, so that a few points more or less are reached.
pub(super) async fn killed_at(sandbox: &Sandbox, arguments: &str, number: usize) -> bool {
    let output = sandbox.command(arguments).env("DASHTRAY_FAIL_AT", (number + 1).to_string()).output().await.unwrap();
    if output.status.success() {
        return false;
    }
    assert_eq!(output.status.code(), None, "{arguments} ends by a signal at point {number}: {output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("the program ends at a fail point"), "{said}");
    true
}

/// Lets the lease of a dead process be over; that it is waited for is tried in `crash`.
async fn let_the_lease_run_out(directory: &Path) {
    let database = Database::at(directory.join("dashtray.db"));
    database.execute("UPDATE connections SET lease_until = 0 WHERE lease_until IS NOT NULL").await;
}

pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_is_killed_at_a_point_goes_on_to_the_same_numbers() {
    for service in ["stripe", "github"] {
        let mut sandbox = Sandbox::new().await;
        let file = match service {
            "stripe" => stripe_file(STRIPE_KEY),
            _ => json!({"credentials": {"token": GITHUB_TOKEN}, "settings": {"repositories": ["fernwerk/ideas"]}}),
        };
        sandbox.connect(service, &file).await;
        for walk in ["first walk", "the day after"] {
            copy(&sandbox.data(), &sandbox.path("undisturbed"));
            let points = points_of(&sandbox, "sync --data-dir undisturbed").await;
            let expected = Database::at(sandbox.path("undisturbed/dashtray.db")).figures().await;
            let mut killed = 0;
            for kill in 0..KILLS {
                let number = kill * (points.len() - 1) / (KILLS - 1);
                copy(&sandbox.data(), &sandbox.path("killed"));
                killed += usize::from(killed_at(&sandbox, "sync --data-dir killed", number).await);
                let_the_lease_run_out(&sandbox.path("killed")).await;
                let runs = sandbox.json("sync --data-dir killed").await;
                assert!(list(&runs["runs"]).iter().all(|run| run["status"] == "ok"), "{runs}");
                let found = Database::at(sandbox.path("killed/dashtray.db")).figures().await;
                assert!(found == expected, "{service}, {walk}, killed {}: other figures", points[number]);
                fs::remove_dir_all(sandbox.path("killed")).unwrap();
            }
            assert!(killed + 1 >= KILLS, "only the last point may not be reached, and {killed} were");
            tell(format_args!(
                "{service}, {walk}: the program killed at {killed} of {} points; same figures",
                points.len()
            ));
            fs::remove_dir_all(sandbox.data()).unwrap();
            fs::rename(sandbox.path("undisturbed"), sandbox.data()).unwrap();
            sandbox.set("DASHTRAY_NOW", "2026-04-01T12:00:00Z");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_rotation_that_is_killed_anywhere_goes_on() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("DASHTRAY_MASTER_KEY", OLD_KEY);
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    for repository in ["fern", "fern-cli", "ideas"] {
        let settings = json!({"repositories": [format!("fernwerk/{repository}")]});
        sandbox.connect("github", &json!({"credentials": {"token": GITHUB_TOKEN}, "settings": settings})).await;
    }
    let names: Vec<String> = {
        let view = sandbox.json("connections").await;
        list(&view["connections"]).iter().map(|connection| text(&connection["connection_id"]).to_owned()).collect()
    };
    sandbox.set("DASHTRAY_MASTER_KEY", &format!("{NEW_KEY},{OLD_KEY}"));
    copy(&sandbox.data(), &sandbox.path("undisturbed"));
    let points = points_of(&sandbox, "keys rotate --data-dir undisturbed").await;
    assert_eq!(points.len(), 2 * names.len() + 2, "{points:?}");
    for (number, point) in points.iter().enumerate() {
        copy(&sandbox.data(), &sandbox.path("killed"));
        assert!(killed_at(&sandbox, "keys rotate --data-dir killed", number).await, "{point}");
        for name in &names {
            let test = sandbox.json(&format!("test {name} --data-dir killed")).await;
            assert_eq!(test["success"], true, "killed {point}: {test}");
        }
        sandbox.json("keys rotate --data-dir killed").await;
        let keys =
            Database::at(sandbox.path("killed/dashtray.db")).texts("SELECT DISTINCT key_id FROM credentials").await;
        assert_eq!(keys.len(), 1, "killed {point}: {keys:?}");
        fs::remove_dir_all(sandbox.path("killed")).unwrap();
    }
    sandbox.set("DASHTRAY_MASTER_KEY", NEW_KEY);
    for name in &names {
        let test = sandbox.json(&format!("test {name} --data-dir undisturbed")).await;
        assert_eq!(test["success"], true, "{test}");
    }
    let connections = names.len();
    tell(format_args!(
        "keys rotate of {connections} connections: the program killed at each of {} points",
        points.len()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_killed_while_it_migrates_loses_nothing() {
    let sandbox = Sandbox::new().await;
    // A database from before the first migration.
    fs::create_dir(sandbox.path("old")).unwrap();
    let old = Database::at(sandbox.path("old/dashtray.db"));
    old.execute("CREATE TABLE old (body TEXT); INSERT INTO old VALUES ('precious')").await;
    copy(&sandbox.path("old"), &sandbox.path("undisturbed"));
    let points = points_of(&sandbox, "connections --data-dir undisturbed").await;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (number, point) in points.iter().enumerate() {
        copy(&sandbox.path("old"), &sandbox.path("killed"));
        assert!(killed_at(&sandbox, "connections --data-dir killed", number).await, "{number}");
        sandbox.json("connections --data-dir killed").await;
        let files = fs::read_dir(sandbox.path("killed")).unwrap().map(|entry| entry.unwrap().path());
        let kept = |file: &PathBuf| {
            let name = file.file_name().unwrap().to_str().unwrap();
            name == "dashtray.db" || name.starts_with("dashtray.db.before-")
        };
        let databases: Vec<PathBuf> = files.filter(kept).collect();
        assert_eq!(databases.len(), 2, "killed {point}: {databases:?}");
        for file in databases {
            let kept = Database::at(file.clone()).texts("SELECT body FROM old").await;
            assert_eq!(kept, ["precious"], "killed {point}: {}", file.display());
        }
        fs::remove_dir_all(sandbox.path("killed")).unwrap();
        *counts.entry(point).or_default() += 1;
    }
    for step in ["copy of an older database", "migration", "new project"] {
        assert!(points.iter().any(|point| point.ends_with(step)), "{points:?}");
    }
    tell(format_args!("a start that migrates: the program killed at each of {} points {counts:?}", points.len()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_number_is_refused() {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("DASHTRAY_FAIL_AT", "soon");
    let sentence = sandbox.refused("connections", 2).await;
    assert!(sentence.contains("DASHTRAY_FAIL_AT"), "{sentence}");
}
