//! Integrations that panic, never come back or never let go (H3): that is their run's failure, and the others go on.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use dashtray::{
    connections::ConnectionView,
    integrations::Integration,
    sync::{RunStatus, RunView},
};
use tokio::time::advance;
use tokio_util::sync::CancellationToken;

use super::{NOW, connected, fake};
use crate::support::{
    app::Process,
    database::Database,
    fake::{Behaviour, Fake, Script},
};

/// The host looks after an integration as often.
const LOOK: Duration = Duration::from_secs(15);

/// Stops the clock of this test, which then moves with [`let_pass`] alone: not while the database works.
fn stop_the_clock() -> std::sync::mpsc::Sender<()> {
    let (running, until_dropped) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || until_dropped.recv());
    tokio::time::pause();
    running
}

/// Lets time pass; the host has its turn after each step.
async fn let_pass(steps: u32, step: Duration, process: &Process) {
    for _ in 0..steps {
        advance(step).await;
        for _ in 0..10 {
            process.store.ping().await.unwrap();
        }
    }
}

fn message(run: &RunView) -> &str {
    run.error.as_ref().map_or("", |error| error.message.as_str())
}

#[tokio::test]
async fn one_that_never_comes_back_is_given_up() {
    let (db, script) = (Database::sqlite().await, Script::new());
    let process = connected(&db, &script).await;
    script.behave(Behaviour::Hang);
    let running = process.clone();
    let run = tokio::spawn(async move { running.run("main").await });
    script.hanging.notified().await;
    let _running = stop_the_clock();
    let_pass(3, LOOK, &process).await;
    assert!(!run.is_finished(), "it may take its time");
    let_pass(2, LOOK, &process).await;
    tokio::time::resume();
    let run = run.await.unwrap();
    assert!(message(&run).contains("was given up"), "{run:?}");
    assert_eq!(run.status, RunStatus::Partial, "what it had handed in stands");
    let view = process.connections.list("default").await.unwrap().remove(0);
    assert!(!view.syncing && view.reason.unwrap().contains("given up"), "its lease is free");
    script.behave(Behaviour::Answer);
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
}

#[tokio::test]
async fn one_that_asks_without_end_is_given_up_in_the_end() {
    let (db, script) = (Database::sqlite().await, Script::new());
    let process = connected(&db, &script).await;
    script.behave(Behaviour::AskForEver);
    let running = process.clone();
    let run = tokio::spawn(async move { running.run("main").await });
    script.hanging.notified().await;
    let _running = stop_the_clock();
    let_pass(3, Duration::from_secs(1800), &process).await;
    assert!(!run.is_finished(), "it asks, so it lives");
    let_pass(1, Duration::from_secs(3600), &process).await;
    tokio::time::resume();
    assert!(message(&run.await.unwrap()).contains("does not come to an end"));
}

#[tokio::test]
async fn a_test_that_never_comes_back_is_given_up() {
    let (db, script) = (Database::sqlite().await, Script::new());
    let process = connected(&db, &script).await;
    script.behave(Behaviour::HangTest);
    let testing = process.clone();
    let test = tokio::spawn(async move { testing.connections.test("default", "main").await });
    script.hanging.notified().await;
    let _running = stop_the_clock();
    let_pass(1, Duration::from_secs(61), &process).await;
    tokio::time::resume();
    let view = test.await.unwrap().unwrap();
    assert!(!view.success && view.error.unwrap().message.contains("given up"));
    script.behave(Behaviour::PanicTest);
    let view = process.connections.test("default", "main").await.unwrap();
    let error = view.error.unwrap().message;
    assert!(error.contains("panicked") && !error.contains("canary"), "{error}");
}

/// All badly behaved ones beside a good one, through the scheduler.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_ones_do_not_stop_others() {
    let db = Database::sqlite().await;
    let bad = [Behaviour::Panic, Behaviour::Hang, Behaviour::Spin, Behaviour::Lie];
    let names = ["panics", "hangs", "spins", "lies"];
    let scripts = names.map(Script::named);
    let good = Script::new();
    let mut integrations: Vec<Arc<dyn Integration>> = fake(&good);
    for script in &scripts {
        integrations.push(Arc::new(Fake(script.clone())));
    }
    let process = Process::start(&db, integrations, NOW).await;
    for (name, (script, behaviour)) in names.iter().zip(scripts.iter().zip(bad)) {
        process.connect(name, name, serde_json::json!({})).await;
        script.behave(behaviour);
    }
    for number in 0..10 {
        let settings = serde_json::json!({ "flavour": format!("account {number}") });
        process.connect("fake", &format!("good {number}"), settings).await;
    }
    let stop = CancellationToken::new();
    let (worker, until) = (process.sync.clone(), stop.clone());
    let work = tokio::spawn(async move { worker.work(until).await });
    loop {
        let views = process.connections.list("default").await.unwrap();
        let is_through = |view: &ConnectionView| match view.name.as_str() {
            "hangs" | "spins" => true,
            "panics" | "lies" => view.state != "ok",
            _ => view.last_synced_at.is_some(),
        };
        if views.iter().all(is_through) {
            break;
        }
    }
    assert!(scripts[2].spinning.load(Ordering::Relaxed), "one of two threads is held all the while");
    stop.cancel();
    scripts[2].spinning.store(false, Ordering::Relaxed);
    work.await.unwrap().unwrap();
    for view in process.connections.list("default").await.unwrap() {
        let expected = match view.name.as_str() {
            "panics" | "lies" => &["failing", "degraded"][..],
            _ => &["ok"],
        };
        assert!(expected.contains(&view.state.as_str()) && !view.syncing, "{view:?}");
    }
}
