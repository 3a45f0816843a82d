//! Running a figure in a process of its own.

use std::{collections::BTreeMap, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Named numbers.
pub(crate) type Figures = BTreeMap<String, f64>;

/// The kernel counts CPU time in hundredths of a second on every platform that has `/proc`.
const MS_PER_TICK: f64 = 10.0;

/// Runs this program again with these arguments and gives what it reports.
pub(crate) async fn measured(args: &[&str]) -> Figures {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program).args(args).stderr(Stdio::inherit()).output().await.unwrap();
    assert!(output.status.success(), "{args:?} failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Prints figures for [`measured`], with the CPU time and peak memory of this process.
pub(crate) fn report(mut figures: Figures) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = [fields[11], fields[12]].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    figures.entry("cpu_ms".to_owned()).or_insert(ticks * MS_PER_TICK);
    figures.entry("peak_kib".to_owned()).or_insert_with(|| memory("self", "VmHWM:"));
    println!("{}", serde_json::to_string(&figures).unwrap());
}

/// A line of a process's status, in KiB.
pub(crate) fn memory(process: &str, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|text| text.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The provider in a process of its own, so that its work is not counted as ours.
pub(crate) struct Provider {
    pub(crate) url: String,
    _child: Child,
}

impl Provider {
    pub(crate) async fn start(subscriptions: u64) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args(["provider", &subscriptions.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.next_line().await.unwrap().unwrap();
        Self { url, _child: child }
    }
}
