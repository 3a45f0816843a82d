//! Master keys that are wrong, lost or replaced: nothing that is sealed is ever deleted or written over by it (H1), and a
//! rotation that dies goes on (H2).

use std::sync::Arc;

use dashtray::{clock::Clock, connections, secret::Secret, sync::RunStatus};
use tokio_util::sync::CancellationToken;

use super::{NOW, everything, fake, now};
use crate::support::{
    app::{MASTER_KEY, Process},
    database::{Database, on_both},
    fake::Script,
    points::{killed_at, points_of},
    summary::tell,
};

on_both! {
    a_process_with_another_key_leaves_a_shared_database_alone,
    a_lost_key_is_repaired_by_the_key_or_by_reconnecting,
    a_rotation_that_is_killed_anywhere_goes_on,
}

const OTHER_KEY: &str = "abababababababababababababababababababababababababababababababab";
const ROTATED: usize = 5;

async fn process(db: &Database, script: &Arc<Script>, keys: &str) -> Process {
    Process::start_with(db, fake(script), Clock::ticking_from(now()), keys).await
}

/// Sealed credentials, byte for byte.
async fn sealed(db: &Database) -> Vec<String> {
    let hex = if db.url.starts_with("sqlite:") { ["hex(", ")"] } else { ["encode(", ", 'hex')"] };
    let [open, close] = hex;
    let sql = format!(
        "SELECT concat_ws(' ', connection_id, key_id, {open}wrapped_key{close}, {open}body{close}) FROM credentials
         ORDER BY connection_id"
    );
    db.texts(&sql).await
}

/// How all connections stand, for everybody.
async fn states(db: &Database) -> Vec<String> {
    db.texts(
        "SELECT concat_ws(' ', name, state, COALESCE(reason, '-'), failures, due_at) FROM connections ORDER BY name",
    )
    .await
}

/// The first connection as a process shows it: state and reason.
async fn shown(process: &Process) -> (String, String) {
    let view = process.connections.list("default").await.unwrap().remove(0);
    (view.state, view.reason.unwrap_or_default())
}

async fn a_process_with_another_key_leaves_a_shared_database_alone(db: Database) {
    let script = Script::new();
    let right = process(&db, &script, MASTER_KEY).await;
    right.connect("fake", "main", serde_json::json!({})).await;
    let (sealed_before, states_before) = (sealed(&db).await, states(&db).await);
    let wrong = process(&db, &script, OTHER_KEY).await;

    // It is due, and the scheduler of the wrong process lets it be.
    let stop = CancellationToken::new();
    let (worker, until) = (wrong.sync.clone(), stop.clone());
    let work = tokio::spawn(async move { worker.work(until).await });
    wrong.connect("fake", "its own", serde_json::json!({ "flavour": "another" })).await;
    wrong.sync.wake();
    while script.take_calls().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    work.await.unwrap().unwrap();
    assert!(right.sync.runs("default", "main", 10).await.unwrap().is_empty(), "it was not even tried");

    // By hand it says what is wrong, and the others see nothing of it.
    let run = wrong.run("main").await;
    assert_eq!(run.status, RunStatus::Failed);
    assert!(run.error.unwrap().message.contains("sealed with a master key that is not here"));
    for _ in 0..3 {
        wrong.connections.test("default", "main").await.unwrap_err();
        wrong.connections.pause("default", "main").await.unwrap();
        wrong.connections.list("default").await.unwrap();
        assert_eq!(wrong.connections.rotate_keys().await.unwrap().unreadable, ["main"]);
    }
    let (state, reason) = shown(&wrong).await;
    assert_eq!(state, "paused", "what the user did comes first");
    right.connections.resume("default", "main").await.unwrap();
    let changed = wrong.connections.set("default", "main", &[("flavour".into(), "x".into())]).await.unwrap_err();
    assert!(matches!(changed, connections::Error::Unreadable { .. }), "{changed}");
    assert!(reason.contains("start dashtray with that key") && reason.contains("reconnect"), "{reason}");
    assert_eq!(shown(&wrong).await.0, "credentials_unreadable");
    assert_eq!(shown(&right).await, ("ok".to_owned(), String::new()));
    assert_eq!(sealed(&db).await[..1], sealed_before[..]);
    let without_time = |line: &String| line.rsplit_once(' ').unwrap().0.to_owned();
    let stands: Vec<String> = states(&db).await.iter().map(without_time).collect();
    assert!(stands.contains(&without_time(&states_before[0])), "{stands:?}");
    assert_eq!(right.run("main").await.status, RunStatus::Ok);
    // And the other way round.
    assert_eq!(right.run("its own").await.status, RunStatus::Failed);
    assert_eq!(wrong.run("its own").await.status, RunStatus::Ok);
}

async fn a_lost_key_is_repaired_by_the_key_or_by_reconnecting(db: Database) {
    let script = Script::new();
    let right = process(&db, &script, MASTER_KEY).await;
    right.connect("fake", "main", serde_json::json!({})).await;
    right.run("main").await;
    let (before, sealed_before) = (everything(&right).await, sealed(&db).await);
    let fresh = process(&db, &script, OTHER_KEY).await;
    assert_eq!(everything(&fresh).await, before, "reading needs no key");
    assert_eq!(sealed(&db).await, sealed_before);
    // The key comes back beside the new one.
    let both = process(&db, &script, &format!("{OTHER_KEY},{MASTER_KEY}")).await;
    assert_eq!(both.run("main").await.status, RunStatus::Ok);
    assert_eq!(sealed(&db).await, sealed_before, "only a rotation seals anew");
    // It does not come back.
    let credentials = [("api_key".to_owned(), Secret::new("another"))].into();
    fresh.connections.reconnect("default", "main", credentials).await.unwrap();
    assert_eq!(shown(&fresh).await, ("ok".to_owned(), String::new()));
    assert_eq!(fresh.run("main").await.status, RunStatus::Ok);
    assert_eq!(everything(&fresh).await, before, "history stays");
    assert_ne!(sealed(&db).await, sealed_before);
}

async fn a_rotation_that_is_killed_anywhere_goes_on(db: Database) {
    let script = Script::new();
    let old = process(&db, &script, MASTER_KEY).await;
    for number in 0..ROTATED {
        let settings = serde_json::json!({ "flavour": format!("account {number}") });
        old.connect("fake", &format!("c{number}"), settings).await;
    }
    let bodies = |rows: Vec<String>| -> Vec<String> {
        rows.iter().map(|row| row.rsplit(' ').next().unwrap().to_owned()).collect()
    };
    let before = bodies(sealed(&db).await);
    old.store.close().await;
    let keys = format!("{OTHER_KEY},{MASTER_KEY}");

    let undisturbed = db.copy().await;
    let rotating = process(&undisturbed, &script, &keys).await;
    let (rotation, points) = points_of(rotating.connections.rotate_keys()).await;
    assert_eq!(rotation.unwrap().rotated, ROTATED as u64);
    assert_eq!(points.len(), 2 * ROTATED + 2, "{points:?}");

    for number in 0..points.len() {
        let copy = db.copy().await;
        let dying = process(&copy, &script, &keys).await;
        let point = killed_at(number, |_| true, dying.connections.rotate_keys()).await.unwrap();
        let killed = format!("killed {point} (number {number})");
        let next = process(&copy, &script, &keys).await;
        let readable = async |process: &Process| {
            let mut readable = 0;
            for number in 0..ROTATED {
                readable += u64::from(process.connections.test("default", &format!("c{number}")).await.is_ok());
            }
            readable
        };
        assert_eq!(readable(&next).await, ROTATED as u64, "{killed}: with both keys everything opens");
        let done = (number / 2 + number % 2).min(ROTATED) as u64;
        let only_new = process(&copy, &script, OTHER_KEY).await;
        assert_eq!(readable(&only_new).await, done, "{killed}");
        let rest = next.connections.rotate_keys().await.unwrap();
        assert_eq!((rest.rotated, rest.unreadable.len()), (ROTATED as u64 - done, 0), "{killed}");
        assert_eq!(readable(&only_new).await, ROTATED as u64, "{killed}, then on: the new key is enough");
        assert_eq!(bodies(sealed(&copy).await), before, "{killed}: only keys are wrapped anew");
        assert_eq!(next.connections.rotate_keys().await.unwrap().rotated, 0, "{killed}: it is through");
    }
    let kind = if db.url.starts_with("sqlite:") { "SQLite" } else { "PostgreSQL" };
    tell(format_args!(
        "key rotation of {ROTATED} connections, {kind}: killed at each of {} points, all open",
        points.len()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_vault_tells_its_connections_apart_from_broken_ones() {
    let (db, script) = (Database::sqlite().await, Script::new());
    let right = Process::start(&db, fake(&script), NOW).await;
    right.connect("fake", "main", serde_json::json!({})).await;
    // Damaged for everybody, whatever key they have.
    db.execute("UPDATE credentials SET body = x'00'").await;
    let run = right.run("main").await;
    assert!(run.error.unwrap().message.contains("damaged"));
    assert_eq!(states(&db).await[0].split(' ').nth(1), Some("credentials_unreadable"));
    assert_eq!(shown(&right).await.0, "credentials_unreadable");
}
