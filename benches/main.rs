//! Benchmarks, run by `scripts/bench`. Each figure is measured in a process of its own, which reads its CPU time and
//! its peak memory from the kernel; figures that are compared alternate in one run. Nothing here asserts a time.

#![expect(clippy::print_stdout, reason = "the table is the result")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads clocks")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on stops")]

mod floor;
mod points;
mod process;
mod serve;
mod sync;

use process::{Figures, measured};

/// Runs of each figure; medians are printed.
const RUNS: usize = 5;

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["provider", count] => sync::provide(count.parse().unwrap()).await,
        ["floor", url, count] => process::report(floor::read(url, count.parse().unwrap()).await),
        ["sync", url] => process::report(sync::first_sync(url).await),
        ["points", count] => process::report(points::upsert(count.parse().unwrap()).await),
        ["serve"] => process::report(serve::start().await),
        [] => table().await,
        other => panic!("unknown benchmark {other:?}; run without arguments"),
    }
}

async fn table() {
    println!("medians of {RUNS} runs, alternating; CPU in seconds of user and system time\n");
    for subscriptions in [20_000_u64, 100_000] {
        first_sync(subscriptions).await;
    }
    let points = repeated(&["points", "1000000"]).await;
    println!(
        "points: {} upserted a second, {} bytes a point",
        median(&points, "per_second"),
        median(&points, "bytes_each")
    );
    let serve = repeated(&["serve"]).await;
    println!(
        "serve: {} KiB when idle, first answer {} ms after start, binary {} KiB",
        median(&serve, "idle_kib"),
        median(&serve, "first_answer_ms"),
        median(&serve, "binary_kib")
    );
}

async fn first_sync(subscriptions: u64) {
    let provider = process::Provider::start(subscriptions).await;
    let count = subscriptions.to_string();
    let (mut floor, mut sync) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        floor.push(measured(&["floor", &provider.url, &count]).await);
        sync.push(measured(&["sync", &provider.url]).await);
    }
    let ratios: Vec<f64> = sync.iter().zip(&floor).map(|(ours, floor)| ours["cpu_ms"] / floor["cpu_ms"]).collect();
    println!("first sync of {subscriptions} subscriptions of 6 KB:");
    println!(
        "  CPU {:.2} s against {:.2} s of the minimal reader: ratio {:.2}",
        median(&sync, "cpu_ms") / 1000.0,
        median(&floor, "cpu_ms") / 1000.0,
        middle(ratios)
    );
    println!("  peak memory {} KiB against {} KiB", median(&sync, "peak_kib"), median(&floor, "peak_kib"));
}

async fn repeated(args: &[&str]) -> Vec<Figures> {
    let mut all = Vec::new();
    for _ in 0..RUNS {
        all.push(measured(args).await);
    }
    all
}

fn median(figures: &[Figures], name: &str) -> f64 {
    middle(figures.iter().map(|figures| figures[name]).collect())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
