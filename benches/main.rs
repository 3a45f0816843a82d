//! Benchmarks, run by `scripts/bench`. Each figure is measured in a process of its own, which reads its CPU time and
//! its peak memory from the kernel; figures that are compared alternate in one run. Nothing here asserts a time.

#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads clocks")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

mod api;
mod connections;
mod floor;
mod load;
mod pages;
mod points;
#[path = "../tests/support/postgres.rs"]
#[expect(dead_code, reason = "tests share one server, and here each figure has its own")]
mod postgres;
mod process;
mod reference;
mod series;
mod serve;
mod sync;
mod table;
mod traffic;
mod workers;

use std::path::Path;

use process::{Figures, Provider, Reference, measured};
use serve::Serve;
use table::{Bar, line, median, ratio, repeated};

/// Runs of each figure; medians are printed. A build that is not optimised is only to see that it works.
const RUNS: usize = if cfg!(debug_assertions) { 1 } else { 5 };
/// Requests of the dashboard in a run, and after how many memory is looked at.
const REQUESTS: usize = if cfg!(debug_assertions) { 400 } else { 4_000 };
const MANY_REQUESTS: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
/// What can be named to run alone.
const BENCHES: [&str; 17] = [
    "first-sync",
    "changes",
    "limits",
    "points",
    "series",
    "connections",
    "due-at-once",
    "quiet-traffic",
    "refresh",
    "timeseries",
    "push",
    "export",
    "serve",
    "dashboard",
    "pages",
    "memory-after-10000",
    "workers",
];
/// Connections that are due at once.
const CONNECTIONS: usize = 100;
/// Connections that workers share.
const SHARED: usize = if cfg!(debug_assertions) { 60 } else { 1_000 };
/// Callers of one grant.
const CALLERS: usize = 100;

fn main() {
    // As the program does.
    dashtray::cli::share_heap();
    tokio::runtime::Runtime::new().unwrap().block_on(run());
}

async fn run() {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["figure", "provider", subscriptions, latency, limit] => {
            let [subscriptions, latency] = [subscriptions, latency].map(|number| number.parse().unwrap());
            sync::provide(subscriptions, latency, limit.parse().unwrap()).await;
        }
        ["figure", "reference", directory] => reference::serve(Path::new(directory)).await,
        ["figure", name, args @ ..] => process::report(figure(name, args).await),
        [] => table(&BENCHES).await,
        chosen => table(chosen).await,
    }
}

async fn figure(name: &str, args: &[&str]) -> Figures {
    let number = |text: &str| text.parse().unwrap();
    match (name, args) {
        ("floor", [url, count]) => floor::read(url, count.parse().unwrap()).await,
        ("sync", [directory, url]) => sync::sync(Path::new(directory), url).await,
        ("points", [count]) => points::upsert(number(count)).await,
        ("fill", [directory, count]) => series::fill(Path::new(directory), number(count)).await,
        ("read", [directory]) => series::read(Path::new(directory)).await,
        ("connect", [directory, url, count]) => {
            connections::connect_all(Path::new(directory), url, number(count)).await
        }
        ("connect-one-account", [directory, url, count]) => {
            connections::connect_one_account(Path::new(directory), url, number(count)).await
        }
        ("one-by-one", [directory, url, count]) => {
            connections::one_by_one(Path::new(directory), url, number(count)).await
        }
        ("at-once", [directory, url, count]) => connections::at_once(Path::new(directory), url, number(count)).await,
        ("quiet", []) => traffic::quiet().await,
        ("renew", [callers]) => traffic::renew(callers.parse().unwrap()).await,
        ("idle", [directory, url]) => connections::idle(Path::new(directory), url).await,
        ("timeseries", [directory]) => api::timeseries(Path::new(directory)).await,
        ("timeseries-during-sync", [directory, url]) => api::timeseries_during_sync(Path::new(directory), url).await,
        ("push", [directory]) => api::push(Path::new(directory)).await,
        ("fill-export", [directory, count]) => api::fill_export(Path::new(directory), number(count)).await,
        ("export", [directory]) => api::export(Path::new(directory)).await,
        ("connect-shared", [directory, database, url, count]) => {
            workers::connect(Path::new(directory), database, url, number(count)).await
        }
        ("workers", [directory, database, url, count]) => {
            workers::read(Path::new(directory), database, url, number(count)).await
        }
        ("serve", []) => serve::start().await,
        ("fill-pages", [directory]) => pages::fill(Path::new(directory)).await,
        ("speed", [host, directory, count]) => pages::speed(host, Path::new(directory), number(count)).await,
        ("sizes", [directory]) => pages::sizes(Path::new(directory)).await,
        ("after-many", [directory, count]) => pages::after_many(Path::new(directory), number(count)).await,
        other => panic!("unknown figure {other:?}"),
    }
}

async fn table(chosen: &[&str]) {
    if let Some(unknown) = chosen.iter().find(|name| !BENCHES.contains(name)) {
        panic!("there is no benchmark {unknown:?}; there are {}", BENCHES.join(", "));
    }
    table::head();
    for name in chosen {
        match *name {
            "first-sync" => first_sync().await,
            "changes" => changes().await,
            "limits" => limits().await,
            "points" => bulk_points().await,
            "series" => read_series().await,
            "connections" => many_connections().await,
            "due-at-once" => due_at_once().await,
            "quiet-traffic" => quiet_traffic().await,
            "refresh" => refresh().await,
            "dashboard" => dashboard().await,
            "pages" => page_sizes().await,
            "memory-after-10000" => after_many().await,
            "timeseries" => timeseries().await,
            "push" => push().await,
            "export" => export().await,
            "workers" => several_workers().await,
            _ => running().await,
        }
    }
}

async fn first_sync() {
    let mut peaks = Vec::new();
    for subscriptions in [20_000_u64, 100_000] {
        let provider = Provider::start(subscriptions, 0, 0).await;
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let directory = tempfile::tempdir().unwrap();
            floor.push(measured(&["floor", &provider.url, &subscriptions.to_string()]).await);
            ours.push(measured(&["sync", text(directory.path()), &provider.url]).await);
        }
        let of = format!("first sync of {subscriptions} subscriptions:");
        line(&format!("{of} CPU against the minimal reader's"), ratio(&ours, &floor, "cpu_ms"), "", Bar::AtMost(1.5));
        line(&format!("{of} CPU"), median(&ours, "cpu_ms") / 1000.0, "s", Bar::None);
        line(&format!("{of} peak memory"), median(&ours, "peak_kib") / 1024.0, "MiB", Bar::AtMost(40.0));
        peaks.push(median(&ours, "peak_kib"));
    }
    line("first sync: peak memory of the large account against the small", peaks[1] / peaks[0], "", Bar::AtMost(1.1));
}

/// A sync with nothing new, and one after a hundredth has changed, each against the first.
async fn changes() {
    const SUBSCRIPTIONS: u64 = 20_000;
    let (mut first, mut same, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut singly, mut differing) = (Vec::new(), 0);
    for _ in 0..RUNS {
        let mut provider = Provider::start(SUBSCRIPTIONS, 0, 0).await;
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [followed, fresh] = directories.each_ref().map(|directory| text(directory.path()));
        first.push(measured(&["sync", followed, &provider.url]).await);
        same.push(measured(&["sync", followed, &provider.url]).await);
        let before = provider.order("counts").await;
        let news = provider.order(&format!("change {}", SUBSCRIPTIONS / 100)).await;
        changed.push(measured(&["sync", followed, &provider.url]).await);
        let after = provider.order("counts").await;
        singly.push((after["of_one"] - before["of_one"]) / news["discounted"]);
        measured(&["sync", fresh, &provider.url]).await;
        differing += sync::differing(Path::new(followed), Path::new(fresh));
    }
    let of = format!("{SUBSCRIPTIONS} subscriptions, nothing changed:");
    line(&format!("{of} requests of all four streams"), median(&same, "requests"), "", Bar::AtMost(8.0));
    line(&format!("{of} samples written"), median(&same, "samples"), "", Bar::AtMost(0.0));
    line(&format!("{of} CPU against the first sync"), ratio(&same, &first, "cpu_ms"), "", Bar::None);
    let of = format!("{SUBSCRIPTIONS} subscriptions, 1 % changed:");
    line(&format!("{of} requests against the first sync"), ratio(&changed, &first, "requests"), "", Bar::None);
    line(&format!("{of} CPU against the first sync"), ratio(&changed, &first, "cpu_ms"), "", Bar::AtMost(0.05));
    singly.sort_by(f64::total_cmp);
    line(&format!("{of} requests for each with a discount"), singly[RUNS / 2], "", Bar::AtMost(1.0));
    line(&format!("{of} values other than a fresh sync's, all runs"), differing as f64, "", Bar::AtMost(0.0));
}

/// A first sync where answers take long and calls are limited.
async fn limits() {
    const SUBSCRIPTIONS: u64 = 20_000;
    const PER_SECOND: u64 = 25;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let mut provider = Provider::start(SUBSCRIPTIONS, 150, PER_SECOND).await;
        let directory = tempfile::tempdir().unwrap();
        let mut run = measured(&["sync", text(directory.path()), &provider.url]).await;
        let counts = provider.order("counts").await;
        run.insert("refused".to_owned(), counts["refused"] / counts["requests"] * 100.0);
        runs.push(run);
    }
    let forced = (SUBSCRIPTIONS / 100 / PER_SECOND) as f64;
    let of = format!("{SUBSCRIPTIONS} subscriptions, {PER_SECOND} calls a second, 150 ms an answer:");
    line(&format!("{of} time"), median(&runs, "wall_s"), "s", Bar::None);
    line(&format!("{of} against what the limit forces"), median(&runs, "wall_s") / forced, "", Bar::AtMost(1.25));
    line(&format!("{of} answers 429"), median(&runs, "refused"), "%", Bar::AtMost(2.0));
}

async fn bulk_points() {
    let points = repeated(&["points", "1000000"]).await;
    line("points in bulk: written", median(&points, "per_second"), "a second", Bar::AtLeast(400_000.0));
    line("points in bulk: size", median(&points, "bytes_each"), "bytes", Bar::AtMost(30.0));
}

async fn read_series() {
    let counts = [1_000_000, 10_000_000];
    let directories = counts.map(|_| tempfile::tempdir().unwrap());
    for (directory, count) in directories.iter().zip(counts) {
        measured(&["fill", text(directory.path()), &count.to_string()]).await;
    }
    let mut reads = counts.map(|_| Vec::new());
    for _ in 0..RUNS {
        for (directory, reads) in directories.iter().zip(&mut reads) {
            reads.push(measured(&["read", text(directory.path())]).await);
        }
    }
    for (count, reads) in counts.iter().zip(&reads) {
        let what = format!("series: 90 days of 10 metrics out of {count} points, CPU");
        line(&what, median(reads, "read_ms"), "ms", Bar::AtMost(1.0));
    }
}

async fn many_connections() {
    let provider = Provider::start(connections::EACH, 0, 0).await;
    let count = CONNECTIONS.to_string();
    let (mut singly, mut at_once, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [first, second] = directories.each_ref().map(|directory| text(directory.path()));
        for directory in [first, second] {
            measured(&["connect", directory, &provider.url, &count]).await;
        }
        singly.push(measured(&["one-by-one", first, &provider.url, &count]).await);
        at_once.push(measured(&["at-once", second, &provider.url, &count]).await);
        idle.push(measured(&["idle", second, &provider.url]).await);
    }
    let of = format!("{CONNECTIONS} connections");
    let against = ratio(&at_once, &singly, "cpu_ms");
    line(&format!("{of} due at once: CPU against the sum of single syncs"), against, "", Bar::AtMost(1.2));
    line(&format!("{of} due at once: CPU"), median(&at_once, "cpu_ms") / 1000.0, "s", Bar::None);
    line(&format!("{of} due at once: peak memory"), median(&at_once, "peak_kib") / 1024.0, "MiB", Bar::AtMost(80.0));
    line(&format!("{of}, none due: share of a core"), median(&idle, "core_percent"), "%", Bar::AtMost(0.1));
    line(&format!("{of}, none due: memory of serve"), median(&idle, "idle_kib") / 1024.0, "MiB", Bar::None);
}

/// Connections of one account that were read before and are all due again, as after a night without the program: its limits
/// are what they all wait for.
async fn due_at_once() {
    const COUNT: usize = 200;
    const PER_SECOND: u64 = 25;
    let (count, mut runs) = (COUNT.to_string(), Vec::new());
    let prepared = tempfile::tempdir().unwrap();
    let before = Provider::start(connections::SMALL, 0, 0).await;
    measured(&["connect-one-account", text(prepared.path()), &before.url, &count]).await;
    measured(&["at-once", text(prepared.path()), &before.url, &count]).await;
    for _ in 0..RUNS {
        let directory = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(prepared.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
        }
        let mut provider = Provider::start(connections::SMALL, 50, PER_SECOND).await;
        let mut run = measured(&["at-once", text(directory.path()), &provider.url, &count]).await;
        let counts = provider.order("counts").await;
        let forced = (counts["busiest"] / PER_SECOND as f64).max((counts["requests"] - counts["refused"]) / 100.0);
        run.insert("against_forced".to_owned(), run["wall_s"] / forced);
        run.insert("forced_s".to_owned(), forced);
        run.insert("refused".to_owned(), counts["refused"] / counts["requests"] * 100.0);
        run.insert("requests".to_owned(), counts["requests"]);
        runs.push(run);
    }
    let of = format!("{COUNT} due at once, 50 ms an answer:");
    line(&format!("{of} time"), median(&runs, "wall_s"), "s", Bar::None);
    line(&format!("{of} what limits force"), median(&runs, "forced_s"), "s", Bar::None);
    line(&format!("{of} time against it"), median(&runs, "against_forced"), "", Bar::AtMost(1.2));
    line(&format!("{of} requests"), median(&runs, "requests"), "", Bar::None);
    line(&format!("{of} answers 429"), median(&runs, "refused"), "%", Bar::AtMost(0.0));
    line(&format!("{of} CPU"), median(&runs, "cpu_ms") / 1000.0, "s", Bar::None);
    line(&format!("{of} peak memory"), median(&runs, "peak_kib") / 1024.0, "MiB", Bar::AtMost(80.0));
}

async fn quiet_traffic() {
    let runs = repeated(&["quiet"]).await;
    let of = "Plausible and Google Analytics, nothing changed:";
    line(&format!("{of} requests"), median(&runs, "requests"), "", Bar::AtMost(11.0));
    line(&format!("{of} samples written"), median(&runs, "samples"), "", Bar::None);
    line("Plausible and Google Analytics, first sync: requests", median(&runs, "first_requests"), "", Bar::None);
}

async fn refresh() {
    let runs = repeated(&["renew", &CALLERS.to_string()]).await;
    let of = format!("{CALLERS} callers of one expired grant:");
    line(&format!("{of} refreshes"), median(&runs, "refreshes"), "", Bar::AtMost(1.0));
    line(&format!("{of} calls of the token endpoint"), median(&runs, "asked"), "", Bar::AtMost(1.0));
    let mut against: Vec<f64> = runs.iter().map(|run| run["slowest_ms"] / run["alone_ms"]).collect();
    against.sort_by(f64::total_cmp);
    line(&format!("{of} the slowest against one alone"), against[RUNS / 2], "", Bar::AtMost(1.1));
}

/// Each run over a database of its own, so that none is warmer than another.
async fn timeseries() {
    const SUBSCRIPTIONS: u64 = 100_000;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let directory = tempfile::tempdir().unwrap();
        alone.push(measured(&["timeseries", text(directory.path())]).await);
        let provider = Provider::start(SUBSCRIPTIONS, 0, 0).await;
        let directory = tempfile::tempdir().unwrap();
        beside.push(measured(&["timeseries-during-sync", text(directory.path()), &provider.url]).await);
    }
    let of = "timeseries of 90 days, 16 clients:";
    line(&format!("{of} requests a second"), median(&alone, "per_second"), "", Bar::None);
    line(&format!("{of} against a bare handler"), median(&alone, "against_bare"), "", Bar::AtLeast(0.6));
    line(&format!("{of} p99 against the median"), median(&alone, "p99_against_median"), "", Bar::None);
    let of = format!("{of} during a sync of {SUBSCRIPTIONS}:");
    line(&format!("{of} p99 against the median"), median(&beside, "p99_against_median"), "", Bar::AtMost(10.0));
}

async fn push() {
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let directory = tempfile::tempdir().unwrap();
        runs.push(measured(&["push", text(directory.path())]).await);
    }
    line("push in batches of 1,000: values a second", median(&runs, "per_second"), "", Bar::AtLeast(50_000.0));
}

async fn export() {
    const POINTS: usize = 10_000_000;
    let directory = tempfile::tempdir().unwrap();
    measured(&["fill-export", text(directory.path()), &POINTS.to_string()]).await;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(measured(&["export", text(directory.path())]).await);
    }
    let of = format!("export of {POINTS} points:");
    line(
        &format!("{of} peak memory, the client's included"),
        median(&runs, "peak_kib") / 1024.0,
        "MiB",
        Bar::AtMost(64.0),
    );
    line(&format!("{of} time"), median(&runs, "seconds"), "s", Bar::None);
}

/// The same connections, all of which are due again, by one worker and by two.
async fn several_workers() {
    let directory = tempfile::tempdir().unwrap();
    let server = postgres::Server::start(workers::SETTINGS);
    let (template, count) = (server.new_database_like("template1").await, SHARED.to_string());
    let quick = Provider::start(connections::SMALL, 0, 0).await;
    measured(&["connect-shared", text(directory.path()), &template, &quick.url, &count]).await;
    let first = measured(&["workers", text(directory.path()), &template, &quick.url, "2"]).await;
    let provider = Provider::start(connections::SMALL, 200, 0).await;
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..RUNS.min(3) {
        for (workers, runs) in [("1", &mut one), ("2", &mut two)] {
            let database = server.new_database_like("test_0").await;
            runs.push(measured(&["workers", text(directory.path()), &database, &provider.url, workers]).await);
        }
    }
    let each = |run: &Figures, name: &str| run[name] / run["runs"];
    let of = format!("{SHARED} first syncs on PostgreSQL, two workers, no latency:");
    line(&format!("{of} time"), first["wall_s"], "s", Bar::None);
    line("  each: CPU of workers", each(&first, "cpu_ms"), "ms", Bar::None);
    line("  each: CPU of PostgreSQL", each(&first, "database_cpu_ms"), "ms", Bar::None);
    line("  each: points", each(&first, "points"), "", Bar::None);
    line("  bytes a point on PostgreSQL, with its index", first["bytes_each"], "", Bar::None);
    let of = format!("{SHARED} syncs on PostgreSQL, 200 ms an answer:");
    line(&format!("{of} one worker"), median(&one, "wall_s"), "s", Bar::None);
    line(&format!("{of} two workers"), median(&two, "wall_s"), "s", Bar::None);
    line(&format!("{of} faster by two"), ratio(&one, &two, "wall_s"), "times", Bar::AtLeast(1.8));
    line(&format!("{of} not ok"), median(&two, "failed"), "", Bar::AtMost(0.0));
    let two = &two[two.len() / 2];
    line("  each: requests", each(two, "requests"), "", Bar::None);
    line("  each: CPU of workers", each(two, "cpu_ms"), "ms", Bar::None);
    line("  each: CPU of PostgreSQL", each(two, "database_cpu_ms"), "ms", Bar::None);
    line("  peak memory of a worker", two["peak_kib"] / 1024.0, "MiB", Bar::None);
    line("  sessions at PostgreSQL", two["sessions"], "", Bar::None);
}

async fn running() {
    let serve = repeated(&["serve"]).await;
    line("serve: memory when idle", median(&serve, "idle_kib") / 1024.0, "MiB", Bar::AtMost(20.0));
    line("serve: first answer after the first start ever", median(&serve, "first_answer_ms"), "ms", Bar::AtMost(50.0));
    line("serve: first answer after a later start", median(&serve, "next_answer_ms"), "ms", Bar::AtMost(50.0));
    line("size of the release binary", median(&serve, "binary_kib") / 1024.0, "MiB", Bar::AtMost(20.0));
}

/// A data directory with three years of a hundred metrics.
async fn company() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    measured(&["fill-pages", text(directory.path())]).await;
    directory
}

async fn dashboard() {
    let company = company().await;
    let directory = text(company.path());
    let (serve, reference) = (Serve::start(company.path(), None).await, Reference::start(company.path()).await);
    let count = REQUESTS.to_string();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ours.push(measured(&["speed", &serve.address, directory, &count]).await);
        theirs.push(measured(&["speed", &reference.address, directory, &count]).await);
    }
    let of = format!("dashboard of {} cards, {} clients:", pages::CARDS, load::CLIENTS);
    let against = ratio(&ours, &theirs, "per_second");
    line(&format!("{of} pages against the plain handler's"), against, "", Bar::AtLeast(0.3));
    line(&format!("{of} pages"), median(&ours, "per_second"), "a second", Bar::None);
    line(&format!("{of} pages of the plain handler"), median(&theirs, "per_second"), "a second", Bar::None);
    line(&format!("{of} median"), median(&ours, "median_ms"), "ms", Bar::None);
    let mut tails: Vec<f64> = ours.iter().map(|run| run["p99_ms"] / run["median_ms"]).collect();
    tails.sort_by(f64::total_cmp);
    line(&format!("{of} p99 against the median"), tails[RUNS / 2], "", Bar::AtMost(5.0));
    line(&format!("{of} bytes of HTML"), median(&ours, "bytes"), "", Bar::AtMost(60_000.0));
    line(&format!("{of} bytes of HTML of the plain handler"), median(&theirs, "bytes"), "", Bar::None);
}

async fn page_sizes() {
    let company = company().await;
    let sizes = measured(&["sizes", text(company.path())]).await;
    line("pages: the largest of five, HTML", sizes["html"], "bytes", Bar::AtMost(60_000.0));
    line("pages: the largest first load, compressed", sizes["compressed"], "bytes", Bar::AtMost(90_000.0));
    line("pages: the most requests of a first load", sizes["requests"], "", Bar::AtMost(12.0));
}

async fn after_many() {
    let company = company().await;
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(measured(&["after-many", text(company.path()), &MANY_REQUESTS.to_string()]).await);
    }
    let of = format!("serve after {MANY_REQUESTS} pages:");
    line(&format!("{of} memory"), median(&runs, "resident_kib") / 1024.0, "MiB", Bar::AtMost(60.0));
    line(&format!("{of} highest memory"), median(&runs, "highest_kib") / 1024.0, "MiB", Bar::None);
    line(&format!("{of} pages"), median(&runs, "per_second"), "a second", Bar::None);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
