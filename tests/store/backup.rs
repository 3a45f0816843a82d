//! Backups of either database, restored into either.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use dashtray::{
    clock::Clock,
    store::{BackupError, NewInvitation, NewUser, Rate, Role, Store},
    sync::RunStatus,
};
use serde_json::json;

use super::{at, currency, day};
use crate::support::{
    app::{MASTER_KEY, Process},
    backup::{LATER, Shelf, manifest},
    database::{Database, on_both},
    fake::{Fake, Script},
    points::{killed_at, points_of},
    summary::tell,
};

on_both! {
    a_backup_is_restored_into_either_database_and_nothing_differs,
    a_backup_that_is_made_while_others_write_is_of_one_instant,
    who_is_signed_in_is_no_part_of_a_backup,
    nothing_is_replaced_unasked_or_while_somebody_works_with_it,
    who_slept_through_a_restore_can_write_no_more,
    a_restore_that_is_killed_anywhere_leaves_one_or_the_other,
    a_backup_that_is_killed_anywhere_is_none_or_whole,
}

async fn process(db: &Database, script: &Arc<Script>) -> Process {
    let clock = Clock::ticking_from("2026-03-31T12:00:00Z".parse().unwrap());
    Process::start_with(db, vec![Arc::new(Fake(script.clone()))], clock, MASTER_KEY).await
}

/// A database with something of everything.
async fn full(db: &Database, script: &Arc<Script>) -> Process {
    let process = process(db, script).await;
    process.connect("fake", "main", json!({})).await;
    process.connect("fake", "Zürich \"2\" 🦔", json!({"flavour": "lime"})).await;
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
    // What had settled becomes another number, and is noted.
    script.shift(5);
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
    let store = &process.store;
    let project = store.project("default").await.unwrap().unwrap();
    let user =
        NewUser { email: "ada@example.com".into(), name: "Ada".into(), password_hash: Some("$argon2id$x".into()) };
    store.insert_user(&user, project.id, Role::Owner, at(0)).await.unwrap();
    let nobody = NewUser { email: "bob@example.com".into(), name: String::new(), password_hash: None };
    store.insert_user(&nobody, project.id, Role::Viewer, at(1)).await.unwrap();
    store.load_rates(&rates("1.2345")).await.unwrap();
    process
}

/// Two that are always written together.
fn rates(rate: &str) -> [Rate; 2] {
    ["EUR", "CHF"].map(|base| Rate {
        day: day("2026-03-01"),
        base: currency(base),
        quote: currency("USD"),
        rate: rate.to_owned(),
    })
}

async fn a_backup_is_restored_into_either_database_and_nothing_differs(db: Database) {
    let (script, shelf) = (Script::new(), Shelf::new());
    let original = full(&db, &script).await;
    let made = shelf.make(&original.store, "a").await;
    assert_eq!(manifest(&shelf.path("a")), json!(made));
    assert_eq!(made.database, if original.store.is_sqlite() { "sqlite" } else { "postgres" });
    assert!(made.rows["points"] >= 90 && made.rows["restatements"] > 0 && made.rows["credentials"] == 2, "{made:?}");
    assert_eq!(made.key_ids.len(), 1);
    let bytes = std::fs::read(shelf.path("a")).unwrap();
    assert_eq!(std::fs::metadata(shelf.path("a")).unwrap().permissions().mode() & 0o777, 0o600);
    for secret in ["canary-4711", MASTER_KEY] {
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret} is sealed or not there");
    }
    let views = |process: Process| async move {
        let list = process.connections.list("default").await.unwrap();
        let mut seen = vec![format!("{list:?}")];
        for metric in ["fake_events", "fake_users"] {
            seen.push(format!("{:?}", process.series(metric, "2026-03-31T12:00:00Z".parse().unwrap()).await));
        }
        seen
    };
    for (number, target) in [Database::sqlite().await, Database::postgres().await].into_iter().enumerate() {
        shelf.restore("a", &target, false).await.unwrap();
        let restored = process(&target, &script).await;
        let again = format!("again {number}");
        let remade = shelf.make(&restored.store, &again).await;
        assert_eq!(remade.rows, made.rows);
        assert_eq!(shelf.differences("a", &again).await, Vec::<String>::new());
        assert_eq!(views(restored.clone()).await, views(original.clone()).await);
        // Sealed credentials open again, ids go on behind those that are there, and work goes on.
        assert_eq!(restored.run("main").await.status, RunStatus::Ok);
        restored.connect("fake", "new", json!({"flavour": "mint"})).await;
        let new = NewUser { email: "eve@example.com".into(), name: String::new(), password_hash: None };
        let project = restored.store.project("default").await.unwrap().unwrap();
        restored.store.insert_user(&new, project.id, Role::Viewer, at(2)).await.unwrap();
    }
    assert_eq!(shelf.names(), ["a", "again 0", "again 1"], "nothing is left behind");
}

async fn a_backup_that_is_made_while_others_write_is_of_one_instant(db: Database) {
    let store = db.open().await;
    let shelf = Shelf::new();
    store.load_rates(&rates("0")).await.unwrap();
    // Another process, as far as the database knows.
    let writer = db.open().await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writing = tokio::spawn(async move {
        let mut count = 0_u64;
        while stopped.try_recv().is_err() {
            count += 1;
            writer.load_rates(&rates(&count.to_string())).await.unwrap();
        }
        count
    });
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..5 {
        let name = format!("backup {number}");
        shelf.make(&store, &name).await;
        let found = Database::at(shelf.path(&name)).texts("SELECT rate FROM rates ORDER BY base").await;
        assert!(found.len() == 2 && found[0] == found[1], "of two instants: {found:?}");
        seen.insert(found[0].clone());
    }
    stop.send(()).unwrap();
    let written = writing.await.unwrap();
    assert!(written > 5 && seen.len() > 1, "it was written meanwhile: {written} times, {seen:?}");
}

async fn who_is_signed_in_is_no_part_of_a_backup(db: Database) {
    let (script, shelf) = (Script::new(), Shelf::new());
    let original = full(&db, &script).await;
    let store = &original.store;
    let ada = store.user("ada@example.com").await.unwrap().unwrap();
    store.insert_sign_in_link(ada.id, &[7; 32], LATER.parse().unwrap()).await.unwrap();
    db.execute(
        "INSERT INTO web_sessions (token_hash, user_id, csrf, created_at, last_seen_at, agent, address)
         SELECT token_hash, user_id, 'x', 0, 0, 'agent-4711', '127.0.0.1' FROM one_time_links",
    )
    .await;
    // Or one that was used or revoked since would work again.
    let project = store.project("default").await.unwrap().unwrap();
    let (role, expires_at) = (Role::Owner, LATER.parse().unwrap());
    let invitation = NewInvitation { token_hash: vec![7; 32], role, email: None, expires_at };
    store.insert_invitation(project.id, &invitation, at(0)).await.unwrap();
    let made = shelf.make(store, "a").await;
    for table in ["web_sessions", "one_time_links", "sign_ins", "invitations"] {
        assert_eq!(made.rows[table], 0, "{table}");
    }
    let bytes = std::fs::read(shelf.path("a")).unwrap();
    assert!(!bytes.windows(10).any(|part| part == b"agent-4711") && !bytes.windows(32).any(|part| part == [7; 32]));
}

async fn nothing_is_replaced_unasked_or_while_somebody_works_with_it(db: Database) {
    let (script, shelf) = (Script::new(), Shelf::new());
    let original = full(&db, &script).await;
    shelf.make(&original.store, "a").await;
    let there = original.store.backup(&shelf.path("a"), "0", LATER.parse().unwrap()).await;
    assert!(matches!(there, Err(BackupError::Exists(_))), "{there:?}");

    let error = shelf.restore("a", &db, true).await.unwrap_err();
    assert!(matches!(error, BackupError::InUse(_)) && error.to_string().contains("stop every dashtray"), "{error}");
    original.store.close().await;
    db.execute("UPDATE projects SET slug = 'kept'").await;
    let error = shelf.restore("a", &db, false).await.unwrap_err();
    assert!(matches!(error, BackupError::NotEmpty(_)), "{error}");
    for part in ["connections: 2", "points: ", "--force"] {
        assert!(error.to_string().contains(part), "{error} says {part}");
    }
    assert_eq!(db.texts("SELECT slug FROM projects").await, ["kept"]);
    shelf.restore("a", &db, true).await.unwrap();
    assert_eq!(db.texts("SELECT slug FROM projects").await, ["default"]);
    assert_eq!(shelf.names(), ["a"], "nothing is left behind");

    // A first start alone leaves nothing that would be lost.
    let fresh = db.empty_like().await;
    process(&fresh, &script).await.store.close().await;
    shelf.restore("a", &fresh, false).await.unwrap();
}

async fn who_slept_through_a_restore_can_write_no_more(db: Database) {
    let shelf = Shelf::new();
    let store = db.open().await;
    let (connection, _) = super::claimed(&store).await;
    shelf.make(&store, "a").await;
    // It was claimed often since, the last time by somebody who dies without a word.
    db.execute("UPDATE connections SET fence = 40, lease_until = 0").await;
    let sleeper = super::claim(&store, &connection, "sleeper", at(100)).await;
    store.close().await;
    if !db.url.starts_with("sqlite:") {
        db.execute(&format!("UPDATE connections SET lease_until = {}", i64::MAX)).await;
        let error = shelf.restore("a", &db, true).await.unwrap_err();
        assert!(matches!(error, BackupError::InUse(_)) && error.to_string().contains("a run holds"), "{error}");
        db.execute("UPDATE connections SET lease_until = 0").await;
    }
    shelf.restore("a", &db, true).await.unwrap();
    let store = db.open().await;
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM connections WHERE lease_owner IS NOT NULL").await, ["0"]);
    // Not even when whoever slept claims again, and would come to the same number.
    let claim = super::claim(&store, &connection, "sleeper", at(200)).await;
    assert!(store.write(&claim).await.is_ok());
    assert_ne!(claim.fence, sleeper.fence);
    let late = store.write(&sleeper).await.map(drop);
    assert_eq!(late, Err(dashtray::store::Error::FenceLost));
}

/// What tells the old database from the one in the backup.
async fn which(db: &Database) -> Vec<String> {
    let mut told = db.texts("SELECT slug FROM projects ORDER BY slug").await;
    told.extend(db.figures().await);
    told
}

async fn a_restore_that_is_killed_anywhere_leaves_one_or_the_other(db: Database) {
    let (script, shelf) = (Script::new(), Shelf::new());
    let original = full(&db, &script).await;
    shelf.make(&original.store, "a").await;
    let new = which(&db).await;
    script.shift(9);
    original.run("main").await;
    original.store.close().await;
    db.execute("UPDATE projects SET slug = 'old'").await;
    let old = which(&db).await;
    assert_ne!(old, new);

    let undisturbed = db.copy().await;
    let (done, points) = points_of(shelf.restore("a", &undisturbed, true)).await;
    done.unwrap();
    assert_eq!(which(&undisturbed).await, new);
    assert!(points.iter().filter(|point| point.step == "restore").count() == 2, "{points:?}");
    for number in 0..points.len() {
        let target = db.copy().await;
        let point = killed_at(number, |_| true, shelf.restore("a", &target, true)).await.unwrap();
        let found = which(&target).await;
        let is_restored = point.step == "restore" && point.is_done;
        assert!(found == if is_restored { new.clone() } else { old.clone() }, "killed {point}");
        // What it left does not stand in the way, and goes.
        target.open().await.close().await;
        shelf.restore("a", &target, true).await.unwrap();
        assert!(which(&target).await == new, "again after it was killed {point}");
    }
    assert_eq!(shelf.names(), ["a"]);
    tell(format_args!("a restore, killed at each of {} points: the old database or the backup", points.len()));
}

async fn a_backup_that_is_killed_anywhere_is_none_or_whole(db: Database) {
    let (script, shelf) = (Script::new(), Shelf::new());
    let store: Store = full(&db, &script).await.store;
    let now = LATER.parse().unwrap();
    let path = shelf.path("undisturbed");
    let (done, points) = points_of(store.backup(&path, "0", now)).await;
    done.unwrap();
    for number in 0..points.len() {
        let name = format!("backup {number}");
        let path = shelf.path(&name);
        let point = killed_at(number, |_| true, store.backup(&path, "0", now)).await.unwrap();
        assert_eq!(path.exists(), point.step == "backup" && point.is_done, "killed {point}");
        if !path.exists() {
            store.backup(&path, "0", now).await.unwrap();
        }
        assert_eq!(shelf.differences("undisturbed", &name).await, Vec::<String>::new(), "killed {point}");
    }
    assert!(points.iter().filter(|point| point.step == "backup").count() == 2, "{points:?}");
}
