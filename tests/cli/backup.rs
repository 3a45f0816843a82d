//! `dashtray backup` and `dashtray restore`, as an operator meets them.

use std::{fs, os::unix::fs::PermissionsExt};

use dashtray::demo::{GITHUB_TOKEN, STRIPE_KEY};
use serde_json::json;

use super::{
    has_keys,
    kills::{copy, killed_at, points_of},
    list,
    sandbox::{NEW_KEY, OLD_KEY, Sandbox, stripe_file},
    serve::serving,
    text,
};
use crate::support::{database::Database, summary::tell};

/// A sandbox that has read one repository under the old key.
async fn filled() -> Sandbox {
    let mut sandbox = Sandbox::new().await;
    sandbox.set("DASHTRAY_MASTER_KEY", OLD_KEY);
    let settings = json!({"repositories": ["fernwerk/ideas"]});
    sandbox.connect("github", &json!({"credentials": {"token": GITHUB_TOKEN}, "settings": settings})).await;
    sandbox.sync("github", 0).await;
    sandbox
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_of_a_running_server_brings_everything_to_another_machine() {
    let sandbox = filled().await;
    sandbox.file("password", "correct horse battery");
    sandbox.json("user add ada@example.com --password password").await;
    sandbox.json("api-key create deploys --scope write").await;
    let (running, _) = serving(&sandbox).await;
    let made = sandbox.json("backup monday.backup").await;
    has_keys(&made, "file backup");
    has_keys(&made["backup"], "format program schema made_at database key_ids rows bytes sha256");
    assert_eq!((&made["file"], &made["backup"]["database"]), (&json!("monday.backup"), &json!("sqlite")));
    assert_eq!(fs::metadata(sandbox.path("monday.backup")).unwrap().permissions().mode() & 0o777, 0o600);
    let sentence = sandbox.refused("backup monday.backup", 1).await;
    assert!(sentence.starts_with("file_exists: ") && sentence.contains("monday.backup"), "{sentence}");
    let sentence = sandbox.refused("backup nowhere/monday.backup", 1).await;
    assert!(sentence.starts_with("file: ") && sentence.contains("nowhere/monday.backup"), "{sentence}");
    let sentence = sandbox.refused("restore monday.backup --force", 1).await;
    assert!(sentence.starts_with("in_use: ") && sentence.contains("stop every dashtray"), "{sentence}");
    running.stop("TERM").await;
    let sentence = sandbox.refused("restore monday.backup", 1).await;
    assert!(sentence.starts_with("not_empty: ") && sentence.contains("connections: 1"), "{sentence}");

    // What a person may ask for, but for times that go on.
    let asked = [
        "get github_commits",
        "get github_stars --by-dimension",
        "runs github",
        "user list",
        "api-key list",
        "project default",
    ];
    let postgres = Database::postgres().await;
    for elsewhere in ["--data-dir elsewhere".to_owned(), format!("--data-dir third --database-url {}", postgres.url)] {
        let restored = sandbox.json(&format!("restore monday.backup {elsewhere}")).await;
        has_keys(&restored, "file backup locked");
        assert_eq!((&restored["backup"], &restored["locked"]), (&made["backup"], &json!([])));
        for command in asked {
            let there = sandbox.json(&format!("{command} {elsewhere}")).await;
            assert_eq!(there, sandbox.json(command).await, "{command}");
        }
        assert_eq!(sandbox.json(&format!("test github {elsewhere}")).await["success"], true);
        sandbox.sync(&format!("github {elsewhere}"), 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_key_a_backup_is_refused_or_restored_locked() {
    let mut sandbox = filled().await;
    let made = sandbox.json("backup a.backup").await;
    let key_id = text(&made["backup"]["key_ids"][0]).to_owned();
    for key in ["", NEW_KEY] {
        sandbox.set("DASHTRAY_MASTER_KEY", key);
        let sentence = sandbox.refused("restore a.backup --data-dir new", 1).await;
        assert!(sentence.starts_with("wrong_key: "), "{sentence}");
        for part in ["GitHub", key_id.as_str(), "DASHTRAY_MASTER_KEY_FILE", "--without-key"] {
            assert!(sentence.contains(part), "{sentence} says {part}");
        }
        assert_eq!(fs::read_dir(sandbox.path("new")).unwrap().count(), 0, "no database, and no key that opens nothing");
    }
    let shown = sandbox.run("restore a.backup --data-dir new --without-key --json").await.json(3);
    assert_eq!(shown["locked"], json!(["GitHub"]));
    let view = sandbox.json("connections --data-dir new").await;
    assert_eq!(view["connections"][0]["state"], "credentials_unreadable", "{view}");
    let numbers = sandbox.json("get github_commits --data-dir new").await;
    sandbox.set("DASHTRAY_MASTER_KEY", OLD_KEY);
    assert_eq!(sandbox.json("test github --data-dir new").await["success"], true, "they stayed as they were");
    assert_eq!(sandbox.json("get github_commits").await, numbers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_backup_is_refused_by_its_name() {
    let sandbox = Sandbox::new().await;
    sandbox.file("notes.txt", "hello\n");
    let sentence = sandbox.refused("restore notes.txt", 1).await;
    assert!(sentence.starts_with("invalid_backup: ") && sentence.contains("notes.txt is no backup"), "{sentence}");
    let sentence = sandbox.refused("restore nothing.backup", 1).await;
    assert!(sentence.starts_with("file: ") && sentence.contains("nothing.backup"), "{sentence}");
    let sentence = sandbox.failed("restore", 2).await;
    assert!(sentence.contains("<FILE>"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_or_backup_that_is_killed_anywhere_loses_nothing() {
    let mut sandbox = filled().await;
    sandbox.json("backup a.backup").await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let old = sandbox.database().row_counts().await;
    let postgres = Database::postgres().await;
    for database in ["sqlite", "postgres"] {
        let target = if database == "sqlite" {
            copy(&sandbox.data(), &sandbox.path("target"));
            Database::at(sandbox.path("target/dashtray.db"))
        } else {
            sandbox.set("DASHTRAY_DATABASE_URL", &postgres.url);
            sandbox.json("restore a.backup --data-dir target").await;
            sandbox.json("project more --data-dir target").await;
            postgres.copy().await
        };
        let url = target.url.clone();
        sandbox.set("DASHTRAY_DATABASE_URL", &url);
        let old = if database == "sqlite" { old.clone() } else { target.row_counts().await };
        let restore = "restore a.backup --force --data-dir target";
        // Of a copy, so that the target is as it was.
        let undisturbed = target.copy().await;
        sandbox.set("DASHTRAY_DATABASE_URL", &undisturbed.url);
        let points = points_of(&sandbox, restore).await;
        sandbox.set("DASHTRAY_DATABASE_URL", &url);
        let backed_up = undisturbed.figures().await;
        assert!(backed_up.len() > 100);
        for (number, point) in points.iter().enumerate() {
            assert!(killed_at(&sandbox, restore, number).await, "{point}");
            if point == "after the restore" {
                assert!(target.figures().await == backed_up, "{point}");
            } else {
                assert_eq!(target.row_counts().await, old, "{point}");
            }
            sandbox.json("connections --data-dir target").await;
        }
        sandbox.json(restore).await;
        assert!(target.figures().await == backed_up);
        let left = fs::read_dir(sandbox.path("target")).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).filter(|name| name != "dashtray.db").collect();
        assert!(left.is_empty(), "{left:?}");
        tell(format_args!("a restore into {database}: the program killed at each of {} points", points.len()));

        let points = points_of(&sandbox, "backup undisturbed --data-dir target").await;
        for (number, point) in points.iter().enumerate() {
            let name = format!("{number}.backup");
            assert!(killed_at(&sandbox, &format!("backup {name} --data-dir target"), number).await, "{point}");
            assert_eq!(sandbox.path(&name).exists(), point == "after the backup", "{point}");
            if !sandbox.path(&name).exists() {
                sandbox.json(&format!("backup {name} --data-dir target")).await;
                assert!(!sandbox.path(&format!("{name}.part")).exists(), "{point}: what it left is gone");
            }
            fs::remove_file(sandbox.path(&name)).unwrap();
        }
        fs::remove_file(sandbox.path("undisturbed")).unwrap();
        fs::remove_dir_all(sandbox.path("target")).unwrap();
    }
    assert!(
        !list(&sandbox.json("connections --data-dir data --database-url sqlite:data/dashtray.db").await["connections"])
            .is_empty()
    );
}
