//! The running program: how soon it answers, how little it needs when it has nothing to do.

use std::{
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
};

use crate::process::{Figures, memory};

pub(crate) async fn start() -> Figures {
    let program = env!("CARGO_BIN_EXE_dashtray");
    let directory = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(["serve", "--listen", &address, "--data-dir"])
        .arg(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while !answers(&address).await {
        assert!(started.elapsed() < Duration::from_secs(30), "serve does not answer");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let first_answer = started.elapsed();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let idle_kib = memory(&child.id().unwrap().to_string(), "VmRSS:");
    child.kill().await.unwrap();
    let binary = std::fs::metadata(program).unwrap().len();
    Figures::from([
        ("first_answer_ms".to_owned(), first_answer.as_millis() as f64),
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
