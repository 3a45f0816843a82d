//! Processes that die, and processes that share a database.

use std::{sync::Arc, time::Duration};

use dashtray::{
    clock::Clock,
    sync::{Range, RunStatus},
};
use tokio_util::sync::CancellationToken;

use super::{NOW, connected, everything, fake, now};
use crate::support::{
    app::{MASTER_KEY, Process},
    database::{Database, on_both},
    fake::{Behaviour, Script},
};

on_both! {
    a_run_that_dies_loses_nothing_and_doubles_nothing,
    a_run_that_lost_its_connection_writes_nothing_more,
    a_run_under_way_is_joined_not_doubled,
    stopping_hands_the_connection_back,
    a_paused_connection_is_left_alone,
}

/// A process whose clock runs ahead, so that a dead one's lease is over.
async fn later(db: &Database, script: &Arc<Script>) -> Process {
    let clock = Clock::ticking_from("2026-03-31T12:00:40Z".parse().unwrap());
    Process::start_with(db, fake(script), clock, MASTER_KEY).await
}

async fn a_run_that_dies_loses_nothing_and_doubles_nothing(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    script.behave(Behaviour::Hang);
    let dying = process.clone();
    let run = tokio::spawn(async move { dying.run("main").await });
    script.hanging.notified().await;
    run.abort();
    let _ = run.await;
    script.behave(Behaviour::Answer);
    let survivor = later(&db, &script).await;
    assert_eq!(survivor.run("main").await.status, RunStatus::Ok);

    let undisturbed = Database::sqlite().await;
    let other = connected(&undisturbed, &script).await;
    other.run("main").await;
    assert_eq!(everything(&survivor).await, everything(&other).await);
    let runs = survivor.sync.runs("default", "main", 10).await.unwrap();
    assert_eq!(runs.len(), 2);
    assert!(runs[1].error.as_ref().unwrap().message.contains("interrupted"), "{runs:?}");
}

async fn a_run_that_lost_its_connection_writes_nothing_more(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    // Slow enough that the other process takes over between two commits.
    script.pace(Duration::from_millis(300));
    let slow = process.clone();
    let run = tokio::spawn(async move { slow.run("main").await });
    while script.take_calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let taker = later(&db, &script).await;
    let taken = taker.run("main").await;
    assert_eq!(taken.status, RunStatus::Ok);
    let lost = run.await.unwrap();
    assert_ne!(lost.status, RunStatus::Ok, "its fence is gone");
    let connection = taker.connections.list("default").await.unwrap().remove(0);
    assert_eq!(connection.state, "ok", "the loser does not speak for the connection");
}

async fn a_run_under_way_is_joined_not_doubled(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    script.pace(Duration::from_millis(100));
    let (one, two) = (process.clone(), Process::start(&db, fake(&script), NOW).await);
    let (first, second) = tokio::join!(one.run("main"), two.run("main"));
    assert_eq!(first.run_id, second.run_id);
    assert_eq!(script.overlaps(), 0);
    assert_eq!(first.status, RunStatus::Ok);
}

async fn stopping_hands_the_connection_back(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    script.behave(Behaviour::Hang);
    let stop = CancellationToken::new();
    let (worker, until) = (process.sync.clone(), stop.clone());
    let work = tokio::spawn(async move { worker.work(until).await });
    script.hanging.notified().await;
    stop.cancel();
    work.await.unwrap().unwrap();
    script.behave(Behaviour::Answer);
    let view = process.connections.list("default").await.unwrap().remove(0);
    assert!(!view.syncing, "the lease is given back at once");
    assert_eq!(view.state, "ok");
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
}

async fn a_paused_connection_is_left_alone(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.connections.pause("default", "main").await.unwrap();
    let project = process.connections.project("default").await.unwrap();
    let key = process.connections.find(&project, "main").await.unwrap().key_id.unwrap();
    let keys = [key.as_str()];
    let claims = process.store.claim_due("someone", now(), Duration::from_secs(1), 10, &keys).await.unwrap();
    assert!(claims.is_empty());
    assert_eq!(process.run("main").await.status, RunStatus::Ok, "by hand it runs all the same");
    assert_eq!(process.connections.list("default").await.unwrap()[0].state, "paused");
    process.connections.resume("default", "main").await.unwrap();
    let soon = now() + jiff::SignedDuration::from_mins(1);
    assert_eq!(process.store.claim_due("someone", soon, Duration::from_secs(1), 10, &keys).await.unwrap().len(), 1);
}

/// Two workers of their own on one PostgreSQL, 50 connections: no two runs of one connection overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_never_run_one_connection_at_once() {
    let db = Database::postgres().await;
    let script = Script::new();
    script.pace(Duration::from_millis(2));
    let processes = [Process::start(&db, fake(&script), NOW).await, Process::start(&db, fake(&script), NOW).await];
    for number in 0..50 {
        let settings = serde_json::json!({ "flavour": format!("account {number}"), "sync_interval": 1 });
        processes[0].connect("fake", &format!("c{number}"), settings).await;
    }
    let stop = CancellationToken::new();
    let workers: Vec<_> = processes
        .iter()
        .map(|process| {
            let (sync, stop) = (process.sync.clone(), stop.clone());
            tokio::spawn(async move { sync.work(stop).await })
        })
        .collect();
    // Meanwhile somebody asks for runs by hand.
    let by_hand = processes[1].sync.sync_now("default", &[], Range::default(), &stop, Arc::new(|_| {})).await.unwrap();
    assert_eq!(by_hand.len(), 50);
    stop.cancel();
    for worker in workers {
        worker.await.unwrap().unwrap();
    }
    assert_eq!(script.overlaps(), 0);
    for view in processes[0].connections.list("default").await.unwrap() {
        assert_eq!(view.state, "ok", "{view:?}");
    }
}
