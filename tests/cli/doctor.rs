//! `dashtray doctor`: over a sound installation, and over broken ones, none of which it changes.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _, path::Path};

use dashtray::demo::STRIPE_KEY;
use serde_json::Value as Json;

use super::{
    list,
    sandbox::{NEW_KEY, SECRETS, Sandbox, stripe_file},
    text,
};

/// With a stand-in for every provider: where nothing is connected all of them are called.
async fn place() -> Sandbox {
    let mut sandbox = Sandbox::new().await;
    for service in ["vercel", "google-analytics", "plausible"] {
        sandbox.provider(service, &sandbox.emulators.url(service));
    }
    sandbox
}

/// Runs it and gives its checks by id; the exit status has to go with them.
async fn examined(sandbox: &Sandbox) -> BTreeMap<String, (String, String)> {
    let before = files(&sandbox.data());
    let ended = sandbox.run("doctor --json").await;
    let found: Json = serde_json::from_str(&ended.stdout).unwrap();
    let checks: BTreeMap<String, (String, String)> = list(&found["checks"])
        .iter()
        .map(|check| {
            let is_well = check["status"] == "ok";
            assert_eq!(check["advice"].is_null(), is_well, "what is wrong says what to do: {check}");
            let said = format!("{} {}", text(&check["message"]), check["advice"].as_str().unwrap_or_default());
            (text(&check["id"]).to_owned(), (text(&check["status"]).to_owned(), said))
        })
        .collect();
    let has_problem = checks.values().any(|(status, _)| status == "problem");
    assert_eq!((ended.status, found["status"] == "problem"), (i32::from(has_problem), has_problem), "{ended:?}");
    for secret in SECRETS {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret), "{ended:?}");
    }
    assert_eq!(files(&sandbox.data()), before, "it changes nothing");
    checks
}

/// Everything in a directory, by name: mode and content.
fn files(directory: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(directory) else { return BTreeMap::new() };
    let each = entries.map(|entry| {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        (entry.file_name().into_string().unwrap(), (mode, std::fs::read(entry.path()).unwrap()))
    });
    each.collect()
}

fn status<'a>(checks: &'a BTreeMap<String, (String, String)>, id: &str) -> &'a str {
    checks.get(id).map_or("none", |(status, _)| status)
}

#[track_caller]
fn says(checks: &BTreeMap<String, (String, String)>, id: &str, expected: &str, words: &str) {
    let (status, said) = checks.get(id).unwrap_or_else(|| panic!("no {id}: {checks:?}"));
    assert!(status == expected && said.contains(words), "{id}: {status}: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sound_installation_has_no_problem_and_one_that_is_not_begun_neither() {
    let sandbox = place().await;
    let checks = examined(&sandbox).await;
    says(&checks, "key", "ok", "the first start makes it");
    says(&checks, "database", "ok", "the first start makes it");
    assert!(!sandbox.data().exists());

    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let checks = examined(&sandbox).await;
    says(&checks, "key", "ok", "its owner alone may read");
    says(&checks, "credentials", "ok", "opens all 1 sets");
    says(&checks, "database", "ok", "SQLite answers");
    says(&checks, "provider", "ok", "stripe: api.stripe.com answers");
    says(&checks, "clock", "ok", "goes with");
    for id in ["schema", "integrity", "data_dir", "zones", "certificates", "configuration"] {
        assert_eq!(status(&checks, id), "ok", "{id}: {checks:?}");
    }
    let shown = sandbox.run("doctor").await;
    assert!(shown.status == 0 && shown.stdout.contains("\n0 problems, "), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_thing_that_is_broken_is_named_with_what_to_do() {
    let mut sandbox = place().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    let (key, database) = (sandbox.data().join("master.key"), sandbox.data().join("dashtray.db"));

    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    says(&examined(&sandbox).await, "key", "warning", "chmod 600");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();

    sandbox.set("DASHTRAY_MASTER_KEY", NEW_KEY);
    says(&examined(&sandbox).await, "credentials", "problem", "reconnect");
    sandbox.set("DASHTRAY_MASTER_KEY", "");
    let kept = std::fs::read(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    says(&examined(&sandbox).await, "key", "problem", "put the key back");
    std::fs::write(&key, "no key\n").unwrap();
    says(&examined(&sandbox).await, "key", "problem", "32 random bytes");
    std::fs::write(&key, kept).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();

    // A provider that is not there, and settings that leave the door open.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let right = sandbox.emulators.url("stripe");
    sandbox.provider("stripe", &format!("http://{address}"));
    sandbox.set("DASHTRAY_LISTEN", "0.0.0.0:8080");
    let checks = examined(&sandbox).await;
    says(&checks, "provider", "problem", "firewall");
    says(&checks, "clock", "warning", "no provider said");
    says(&checks, "listen", "warning", "reverse proxy");
    sandbox.provider("stripe", &right);
    sandbox.set("DASHTRAY_EXTRA_CA_FILE", "nowhere.pem");
    says(&examined(&sandbox).await, "certificates", "problem", "ca-certificates");
    sandbox.set("DASHTRAY_EXTRA_CA_FILE", "");

    // Pages in the middle of the file.
    let whole = std::fs::read(&database).unwrap();
    let mut damaged = whole.clone();
    let (from, to) = (damaged.len() / 2, damaged.len() / 2 + 3 * 4096);
    damaged[from..to].fill(0x5a);
    std::fs::write(&database, &damaged).unwrap();
    let checks = examined(&sandbox).await;
    assert!(["integrity", "database"].iter().any(|id| status(&checks, id) == "problem"), "{checks:?}");
    std::fs::write(&database, b"no database at all, whatever its name may say\n".repeat(200)).unwrap();
    let checks = examined(&sandbox).await;
    says(&checks, "database", "problem", "restore a backup");
    says(&checks, "provider", "ok", "answers");
    std::fs::write(&database, &whole).unwrap();
    assert_eq!(status(&examined(&sandbox).await, "integrity"), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_another_version_is_told_and_not_migrated() {
    let sandbox = place().await;
    sandbox.json("project").await;
    let database = sandbox.database();
    database
        .execute(
            "UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
        )
        .await;
    says(&examined(&sandbox).await, "schema", "problem", "of a newer version");
    database.execute("DELETE FROM _sqlx_migrations WHERE version = 9999").await;
    says(&examined(&sandbox).await, "schema", "warning", "the next start brings it up to date");
}
