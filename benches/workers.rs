//! Several workers, real processes, on one PostgreSQL.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::process::{Child, Command};

use crate::{
    connections::connect_each_at,
    process::{Figures, cpu_ms, memory},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dashtray");
/// Runs in flight of each worker.
const IN_FLIGHT: &str = "16";
/// As it would be installed, but for memory: what is committed is on the disk.
pub(crate) const SETTINGS: &str = "-c max_connections=100 -c shared_buffers=128MB";

/// Connects so many accounts over a database, each in a project of its own with a key of its own.
pub(crate) async fn connect(directory: &Path, database: &str, url: &str, count: usize) -> Figures {
    connect_each_at(directory, Some(database), url, count, |number| format!("rk_test_Benchmark{number:012}")).await
}

/// Lets so many workers read all connections, which are due at once: from the start of the processes to the end of the last run.
pub(crate) async fn read(directory: &Path, database: &str, url: &str, count: usize) -> Figures {
    let mut connection = PgConnection::connect(database).await.unwrap();
    let due = "UPDATE connections SET due_at = 0, last_synced_at = NULL";
    sqlx::query(due).execute(&mut connection).await.unwrap();
    let runs_before = number(&mut connection, RUNS).await;
    let requests_before = number(&mut connection, REQUESTS).await;
    let database_cpu_before = database_cpu_ms(&mut connection).await;
    let started = Instant::now();
    let mut workers: Vec<Child> = (0..count).map(|_| start(directory, database, url)).collect();
    let unread = "SELECT count(*) FROM connections WHERE last_synced_at IS NULL";
    while number(&mut connection, unread).await > 0 {
        assert!(workers.iter_mut().all(|worker| worker.try_wait().unwrap().is_none()), "a worker has ended");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let wall_s = started.elapsed().as_secs_f64();
    let database_cpu = database_cpu_ms(&mut connection).await - database_cpu_before;
    let processes: Vec<String> = workers.iter().map(|worker| worker.id().unwrap().to_string()).collect();
    let peak = processes.iter().map(|process| memory(process, "VmHWM:")).fold(0.0, f64::max);
    let cpu = processes.iter().map(|process| cpu_ms(process)).sum::<f64>();
    let points = number(&mut connection, "SELECT count(*) FROM points").await;
    let failed = number(&mut connection, "SELECT count(*) FROM runs WHERE status <> 'ok'").await;
    let figures = Figures::from([
        ("wall_s".to_owned(), wall_s),
        ("peak_kib".to_owned(), peak),
        ("cpu_ms".to_owned(), cpu),
        ("failed".to_owned(), failed as f64),
        ("points".to_owned(), points as f64),
        ("runs".to_owned(), (number(&mut connection, RUNS).await - runs_before) as f64),
        ("requests".to_owned(), (number(&mut connection, REQUESTS).await - requests_before) as f64),
        ("database_cpu_ms".to_owned(), database_cpu),
        (
            "bytes_each".to_owned(),
            number(&mut connection, "SELECT pg_total_relation_size('points')").await as f64 / points as f64,
        ),
        ("sessions".to_owned(), number(&mut connection, SESSIONS).await as f64),
    ]);
    for worker in &mut workers {
        worker.kill().await.unwrap();
    }
    figures
}

const RUNS: &str = "SELECT count(*) FROM runs";
const REQUESTS: &str = "SELECT COALESCE(sum(requests), 0)::bigint FROM runs";
const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()";

fn start(directory: &Path, database: &str, url: &str) -> Child {
    let mut command = Command::new(PROGRAM);
    command.args(["worker", "--data-dir"]).arg(directory);
    command.env("DASHTRAY_DATABASE_URL", database).env("DASHTRAY_WORKERS", IN_FLIGHT);
    command.env("DASHTRAY_PROVIDER_URL_STRIPE", url).env("DASHTRAY_LOG_FILTER", "warn");
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

async fn number(connection: &mut PgConnection, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(connection).await.unwrap()
}

/// User and system time that the server and all its children have used, those that have ended too.
async fn database_cpu_ms(connection: &mut PgConnection) -> f64 {
    let backend = number(connection, "SELECT pg_backend_pid()::bigint").await;
    let fields = |process: &str| -> Option<Vec<f64>> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let (_, after) = stat.rsplit_once(')')?;
        Some(after.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0.0)).collect())
    };
    // After the name and the state: the parent first, then, from the tenth on, user and system time, and those of children that
    // have ended.
    let server = fields(&backend.to_string()).unwrap()[0];
    let times = |fields: &[f64], which: std::ops::Range<usize>| fields[which].iter().sum::<f64>() * 10.0;
    let mut all = times(&fields(&server.to_string()).unwrap(), 10..14);
    for entry in std::fs::read_dir("/proc").unwrap() {
        let child = fields(&entry.unwrap().file_name().to_string_lossy());
        if let Some(child) = child.filter(|child| child.first() == Some(&server)) {
            all += times(&child, 10..12);
        }
    }
    all
}
