//! Two serves and two workers on one PostgreSQL, against the simulated company whose providers misbehave, while one of the four
//! is killed every twenty seconds and started again. Run by `scripts/soak`; ends with an error where anything was lost, doubled
//! or stuck.

#![expect(clippy::print_stdout, reason = "what it finds is the result")]
#![expect(clippy::unwrap_used, reason = "what cannot go on stops")]

#[path = "../../tests/support/database.rs"]
#[expect(dead_code, unused_imports, unused_macros, reason = "shared with the tests, which use all of it")]
mod database;
#[path = "../../tests/conformance/front.rs"]
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
mod front;
mod judge;
#[path = "../../tests/support/postgres.rs"]
mod postgres;
mod programs;
#[path = "../../tests/conformance/query.rs"]
mod query;
mod traffic;
mod world;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use database::Database;
use judge::Verdict;
use programs::Cluster;
use traffic::Traffic;
use world::World;

/// A process is killed so often.
const KILLED_EVERY: Duration = Duration::from_secs(20);
/// A team joins so often, with an account of each service.
const JOINED_EVERY: Duration = Duration::from_secs(10);
/// What is read already is read again so often.
const READ_AGAIN_EVERY: Duration = Duration::from_secs(5);
/// Memory is looked at so often.
const WATCHED_EVERY: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let minutes = std::env::args().skip(1).find_map(|argument| argument.parse::<f64>().ok()).unwrap_or(10.0);
    tokio::runtime::Runtime::new().unwrap().block_on(soak(Duration::from_secs_f64(minutes * 60.0)))
}

async fn soak(length: Duration) -> ExitCode {
    let world = World::start().await;
    let directory = tempfile::tempdir().unwrap();
    let database = Database::postgres().await;
    println!("what an undisturbed run comes to …");
    let expected = judge::undisturbed(&world, directory.path()).await;

    let mut cluster = Cluster::start(&world, directory.path(), &database.url).await;
    let traffic = Traffic::start(&cluster).await;
    world.misbehave();
    println!("{:>6}  {:<10} {:>8}   memory of the four, MiB", "second", "killed", "teams");
    let started = Instant::now();
    let (mut killed, mut joined, mut again, mut watched) = (started, started - JOINED_EVERY, started, started);
    let (mut teams, mut next, mut backup) = (0, 0, None);
    let mut memory = Vec::new();
    while started.elapsed() < length {
        if joined.elapsed() >= JOINED_EVERY && teams < world::TEAMS {
            joined = Instant::now();
            cluster.join(&world, teams).await;
            teams += 1;
        }
        if again.elapsed() >= READ_AGAIN_EVERY {
            again = Instant::now();
            // As if somebody pressed the button.
            database.execute("UPDATE connections SET due_at = 0 WHERE lease_owner IS NULL AND random() < 0.2").await;
        }
        if backup.is_none() && started.elapsed() >= length / 2 {
            backup = Some(cluster.back_up(&world).await);
        }
        let mut name = "";
        if killed.elapsed() >= KILLED_EVERY {
            killed = Instant::now();
            name = cluster.kill(&world, next).await;
            next += 1;
        }
        if watched.elapsed() >= WATCHED_EVERY || !name.is_empty() {
            watched = Instant::now();
            let now = cluster.memory();
            let shown: Vec<String> = now.iter().map(|mib| format!("{mib:>6.1}")).collect();
            println!("{:>6}  {name:<10} {teams:>8}   {}", started.elapsed().as_secs(), shown.join(" "));
            memory.push((started.elapsed(), now));
        }
        world.forget_asked();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    println!("calm: everything is to come to its end");
    world.behave();
    let pushed = traffic.stop().await;
    let mut verdict = Verdict::default();
    judge::settle(&mut verdict, &database, &world).await;
    judge::numbers(&mut verdict, &database, &expected).await;
    judge::pushes(&mut verdict, &database, &pushed).await;
    judge::memory(&mut verdict, &memory);
    judge::backup(&mut verdict, backup.flatten(), &cluster, &world, &database).await;
    cluster.stop(&mut verdict).await;
    verdict.tell(next, &world)
}
