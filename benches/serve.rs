//! The running program: how soon it answers, how little it needs when it has nothing to do.

use std::{
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
};

use crate::process::{Figures, memory};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dashtray");

/// `dashtray serve`, until it is dropped.
pub(crate) struct Serve {
    child: Child,
    /// Where it answers.
    pub(crate) address: String,
    /// From the start of the process to its first answer.
    pub(crate) first_answer: Duration,
}

impl Serve {
    /// Starts it over a data directory; `stripe` stands in for the provider.
    pub(crate) async fn start(directory: &Path, stripe: Option<&str>) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let started = Instant::now();
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--listen", &address, "--data-dir"]).arg(directory);
        command.envs(stripe.map(|url| ("DASHTRAY_PROVIDER_URL_STRIPE", url)));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        while !answers(&address).await {
            assert!(started.elapsed() < Duration::from_secs(30), "serve does not answer");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Self { child, address, first_answer: started.elapsed() }
    }

    pub(crate) fn process(&self) -> String {
        self.child.id().unwrap().to_string()
    }
}

/// The first start makes the database, the second finds it.
pub(crate) async fn start() -> Figures {
    let directory = tempfile::tempdir().unwrap();
    let mut first = Serve::start(directory.path(), None).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let idle_kib = memory(&first.process(), "VmRSS:");
    first.child.kill().await.unwrap();
    let second = Serve::start(directory.path(), None).await;
    let binary = std::fs::metadata(PROGRAM).unwrap().len();
    let milliseconds = |serve: &Serve| serve.first_answer.as_secs_f64() * 1000.0;
    Figures::from([
        ("first_answer_ms".to_owned(), milliseconds(&first)),
        ("next_answer_ms".to_owned(), milliseconds(&second)),
        ("idle_kib".to_owned(), idle_kib),
        ("binary_kib".to_owned(), (binary / 1024) as f64),
    ])
}

async fn answers(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    if stream.write_all(request.as_bytes()).await.is_err() {
        return false;
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.is_ok() && answer.starts_with("HTTP/1.1 200")
}
