//! The four processes.

use std::{
    fs::OpenOptions,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value as Json;
use tokio::process::{Child, Command};

use crate::{judge::Verdict, world::World};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dashtray");
const NAMES: [&str; 4] = ["serve-1", "worker-1", "serve-2", "worker-2"];
/// Opens nothing but this.
const MASTER_KEY: &str = "3333333333333333333333333333333333333333333333333333333333333333";

/// Runs commands of the program over one database.
#[derive(Clone)]
pub(crate) struct Program {
    directory: PathBuf,
    database: String,
}

impl Program {
    /// With a data directory of its own.
    pub(crate) fn new(directory: &Path, database: &str) -> Self {
        Self { directory: directory.to_owned(), database: database.to_owned() }
    }

    pub(crate) fn command(&self, world: &World, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).args(["--data-dir"]).arg(&self.directory).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("DASHTRAY_MASTER_KEY", MASTER_KEY);
        command.env("DASHTRAY_API_REQUESTS_PER_HOUR", "0").env("DASHTRAY_LOG_FILTER", "info");
        command.env("DASHTRAY_DATABASE_URL", &self.database);
        world.set(&mut command);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs one to its end; says what it printed, or why not.
    pub(crate) async fn run(&self, world: &World, arguments: &[&str]) -> Result<Json, String> {
        let output = self.command(world, &[arguments, &["--json"]].concat()).output().await.unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        match serde_json::from_str(&printed) {
            Ok(json) if output.status.success() => Ok(json),
            _ => Err(format!("{arguments:?}: {printed} {}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Connects a team's accounts, in a project of its own, as often as it takes.
    pub(crate) async fn connect(&self, world: &World, team: usize, project: &str) {
        let mut tries = 0;
        while let Err(error) = self.run(world, &["project", project]).await {
            tries += 1;
            assert!(tries < 10, "{error}");
        }
        for (integration, file) in World::accounts(team) {
            let path = self.directory.join(format!("{project}-{integration}.json"));
            std::fs::write(&path, file.to_string()).unwrap();
            let arguments = ["connect", integration, "--project", project, "--credentials", path.to_str().unwrap()];
            let mut tries = 0;
            while let Err(error) = self.run(world, &arguments).await {
                // It was made, and only the answer was lost.
                if error.contains("connected already") {
                    break;
                }
                tries += 1;
                assert!(tries < 10, "{error}");
            }
        }
    }
}

/// Two serves and two workers.
pub(crate) struct Cluster {
    pub(crate) program: Program,
    pub(crate) hosts: [String; 2],
    pub(crate) key: String,
    pub(crate) link: String,
    processes: Vec<Child>,
    directory: PathBuf,
}

impl Cluster {
    pub(crate) async fn start(world: &World, directory: &Path, database: &str) -> Self {
        let directory = directory.join("cluster");
        std::fs::create_dir_all(&directory).unwrap();
        let program = Program::new(&directory, database);
        let ports = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        let hosts = ports.map(|port| port.to_string());
        let password = directory.join("password");
        std::fs::write(&password, "correct horse battery").unwrap();
        let password = password.to_str().unwrap();
        program.run(world, &["user", "add", "ada@example.com", "--password", password]).await.unwrap();
        let link = program.run(world, &["user", "link", "ada@example.com"]).await.unwrap();
        let made = program.run(world, &["api-key", "create", "soak", "--scope", "write"]).await.unwrap();
        let text = |json: &Json, name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let (key, link) = (text(&made, "key"), text(&link, "url"));
        let mut cluster = Self { program, hosts, key, link, processes: Vec::new(), directory };
        for at in 0..NAMES.len() {
            let process = cluster.spawn(world, at);
            cluster.processes.push(process);
        }
        cluster
    }

    fn spawn(&self, world: &World, at: usize) -> Child {
        let log = OpenOptions::new().create(true).append(true).open(self.log(NAMES[at])).unwrap();
        let mut command = match at {
            0 | 2 => self.program.command(world, &["serve", "--listen", &self.hosts[at / 2]]),
            _ => self.program.command(world, &["worker"]),
        };
        command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A further team.
    pub(crate) async fn join(&self, world: &World, team: usize) {
        self.program.connect(world, team, &format!("team-{team}")).await;
    }

    /// Ends the next of the four, as a power cut would, and starts it again. Gives its name.
    pub(crate) async fn kill(&mut self, world: &World, number: usize) -> &'static str {
        let at = number % NAMES.len();
        assert!(self.processes[at].try_wait().unwrap().is_none(), "{} has ended by itself", NAMES[at]);
        self.processes[at].kill().await.unwrap();
        self.processes[at] = self.spawn(world, at);
        NAMES[at]
    }

    /// Memory of each, in MiB.
    pub(crate) fn memory(&self) -> Vec<f64> {
        let resident = |process: &Child| -> Option<f64> {
            let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()?)).ok()?;
            let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
            Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
        };
        self.processes.iter().map(|process| resident(process).unwrap_or(0.0)).collect()
    }

    /// A backup of the database as it is now; `None` where the program cannot make one.
    pub(crate) async fn back_up(&self, world: &World) -> Option<PathBuf> {
        if !self.program.command(world, &["backup", "--help"]).output().await.unwrap().status.success() {
            return None;
        }
        let file = self.directory.join("backup");
        self.program.run(world, &["backup", file.to_str().unwrap()]).await.unwrap();
        Some(file)
    }

    /// Stops all of them in good order.
    pub(crate) async fn stop(mut self, verdict: &mut Verdict) {
        for (process, name) in self.processes.iter_mut().zip(NAMES) {
            let id = process.id().unwrap_or_default().to_string();
            let _ = Command::new("kill").args(["-TERM", &id]).status().await;
            let ended = tokio::time::timeout(Duration::from_secs(20), process.wait()).await;
            let is_well = ended.is_ok_and(|status| status.is_ok_and(|status| status.success()));
            verdict.check(is_well, || format!("{name} stops in good order when it is told to"));
        }
        for name in NAMES {
            let log = std::fs::read_to_string(self.log(name)).unwrap_or_default();
            let faults: Vec<&str> = log.lines().filter(|line| line.contains("panicked")).take(3).collect();
            verdict.check(faults.is_empty(), || format!("{name} panics nowhere: {faults:?}"));
            verdict.note_log(&log);
        }
    }
}
