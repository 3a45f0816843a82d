//! Many connections that are due at the same time, and then not.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use dashtray::{
    app::App,
    metric::Currency,
    store::{Connection, NewProject},
};
use tokio_util::sync::CancellationToken;

use crate::{
    process::{Figures, cpu_ms, memory},
    serve::Serve,
    sync::{connect, open, open_at, sync_project},
};

/// Subscriptions of each account.
pub(crate) const EACH: u64 = 500;
/// Subscriptions of an account where it is not they that count.
pub(crate) const SMALL: u64 = 100;
/// How long the program is watched that has nothing to do.
const IDLE: Duration = Duration::from_secs(60);

fn slug(number: usize) -> String {
    format!("bench-{number}")
}

/// Connects so many accounts, each in a project of its own with a key of its own.
pub(crate) async fn connect_all(directory: &Path, url: &str, count: usize) -> Figures {
    connect_each(directory, url, count, |number| format!("rk_test_Benchmark{number:012}")).await
}

/// Connects one account with one key in so many projects.
pub(crate) async fn connect_one_account(directory: &Path, url: &str, count: usize) -> Figures {
    connect_each(directory, url, count, |_| "rk_test_Benchmark000000000000".to_owned()).await
}

async fn connect_each(directory: &Path, url: &str, count: usize, key: fn(usize) -> String) -> Figures {
    connect_each_at(directory, None, url, count, key).await
}

/// The same over a database that is not the directory's own.
pub(crate) async fn connect_each_at(
    directory: &Path,
    database: Option<&str>,
    url: &str,
    count: usize,
    key: fn(usize) -> String,
) -> Figures {
    let app = open_at(directory, database, url).await;
    for number in 0..count {
        let project = NewProject { slug: slug(number), zone: "UTC".to_owned(), currency: Currency::USD };
        app.store.insert_project(&project, jiff::Timestamp::now()).await.unwrap();
        connect(&app, &slug(number), &key(number)).await;
    }
    app.store.close().await;
    Figures::new()
}

/// Syncs all of them, one after another.
pub(crate) async fn one_by_one(directory: &Path, url: &str, count: usize) -> Figures {
    let app = open(directory, url).await;
    for number in 0..count {
        sync_project(&app, &slug(number)).await;
    }
    Figures::new()
}

/// Lets the scheduler sync them, who finds all of them due.
pub(crate) async fn at_once(directory: &Path, url: &str, count: usize) -> Figures {
    let app = open(directory, url).await;
    let (started, now) = (Instant::now(), jiff::Timestamp::now());
    for number in 0..count {
        for connection in connections(&app, number).await {
            app.store.set_due(connection.key, now).await.unwrap();
        }
    }
    let stop = CancellationToken::new();
    let work = tokio::spawn({
        let (sync, stop) = (app.sync.clone(), stop.clone());
        async move { sync.work(stop).await }
    });
    for number in 0..count {
        while connections(&app, number).await.iter().any(|one| one.state.last_synced_at.is_none_or(|at| at < now)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let wall_s = started.elapsed().as_secs_f64();
    stop.cancel();
    work.await.unwrap().unwrap();
    app.store.close().await;
    Figures::from([("wall_s".to_owned(), wall_s)])
}

async fn connections(app: &App, number: usize) -> Vec<Connection> {
    let project = app.store.project(&slug(number)).await.unwrap().unwrap();
    app.store.connections(project.id).await.unwrap()
}

/// Share of a core that `serve` uses over connections none of which is due, and its memory.
pub(crate) async fn idle(directory: &Path, url: &str) -> Figures {
    let serve = Serve::start(directory, Some(url)).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = cpu_ms(&serve.process());
    tokio::time::sleep(IDLE).await;
    let used = cpu_ms(&serve.process()) - before;
    let percent = used / IDLE.as_millis() as f64 * 100.0;
    Figures::from([("core_percent".to_owned(), percent), ("idle_kib".to_owned(), memory(&serve.process(), "VmRSS:"))])
}
