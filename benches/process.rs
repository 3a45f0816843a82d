//! Running a figure in a process of its own, and what the kernel says of processes.

use std::{collections::BTreeMap, path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// Named numbers.
pub(crate) type Figures = BTreeMap<String, f64>;

/// The kernel counts CPU time in hundredths of a second on every platform that has `/proc`.
const MS_PER_TICK: f64 = 10.0;

/// Runs this program again with these arguments and gives what it reports.
pub(crate) async fn measured(args: &[&str]) -> Figures {
    let output = itself(args).stderr(Stdio::inherit()).output().await.unwrap();
    assert!(output.status.success(), "{args:?} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn itself(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("figure").args(args);
    command
}

/// Prints figures for [`measured`], with the CPU time and peak memory of this process.
pub(crate) fn report(mut figures: Figures) {
    figures.entry("cpu_ms".to_owned()).or_insert_with(|| cpu_ms("self"));
    figures.entry("peak_kib".to_owned()).or_insert_with(|| memory("self", "VmHWM:"));
    println!("{}", serde_json::to_string(&figures).unwrap());
}

/// User and system time that a process has used, in milliseconds.
pub(crate) fn cpu_ms(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    ticks * MS_PER_TICK
}

/// A line of a process's status, in KiB.
pub(crate) fn memory(process: &str, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|text| text.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A server in a process of its own, what it says after this, and where it is, which it says first.
async fn started(args: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>, String) {
    let mut child = itself(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut says = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = says.next_line().await.unwrap().unwrap();
    (child, says, address)
}

/// The provider in a process of its own, so that its work is not counted as ours. It ends with its standard input.
pub(crate) struct Provider {
    pub(crate) url: String,
    says: Lines<BufReader<ChildStdout>>,
    hears: ChildStdin,
    _child: Child,
}

impl Provider {
    /// An account of so many subscriptions; each answer takes `latency_ms`, and so many calls a second are allowed of
    /// each endpoint (0: any number).
    pub(crate) async fn start(subscriptions: u64, latency_ms: u64, calls_a_second: u64) -> Self {
        let args = [subscriptions, latency_ms, calls_a_second].map(|number| number.to_string());
        let (mut child, says, url) = started(&["provider", &args[0], &args[1], &args[2]]).await;
        let hears = child.stdin.take().unwrap();
        Self { url, says, hears, _child: child }
    }

    /// Gives the provider an order and what it answers.
    pub(crate) async fn order(&mut self, order: &str) -> Figures {
        self.hears.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        serde_json::from_str(&self.says.next_line().await.unwrap().unwrap()).unwrap()
    }
}

/// The reference in a process of its own, which ends with its standard input.
pub(crate) struct Reference {
    pub(crate) address: String,
    _child: Child,
}

impl Reference {
    /// Over a data directory that the program has filled.
    pub(crate) async fn start(directory: &Path) -> Self {
        let (child, _, address) = started(&["reference", directory.to_str().unwrap()]).await;
        Self { address, _child: child }
    }
}
