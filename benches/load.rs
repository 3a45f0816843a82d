//! Browsers that ask for pages as fast as they get them, over connections that stay open.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Browsers at once.
pub(crate) const CLIENTS: usize = 8;

/// One browser.
pub(crate) struct Client {
    stream: TcpStream,
    host: String,
    cookie: String,
}

/// What it got.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Of the body, as it came.
    pub(crate) bytes: usize,
    /// As text, unless it is compressed.
    pub(crate) body: String,
}

/// How long requests took: each, the shortest first, and all together.
pub(crate) struct Took {
    pub(crate) each: Vec<Duration>,
    pub(crate) all: Duration,
}

impl Client {
    pub(crate) async fn open(host: &str, cookie: &str) -> Self {
        let stream = TcpStream::connect(host).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, host: host.to_owned(), cookie: cookie.to_owned() }
    }

    pub(crate) async fn get(&mut self, path: &str, takes_gzip: bool) -> Answer {
        let accepts = if takes_gzip { "Accept-Encoding: gzip\r\n" } else { "" };
        let (host, cookie) = (&self.host, &self.cookie);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n{accepts}\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        let (mut answer, mut buffer) = (Vec::new(), [0; 16 * 1024]);
        loop {
            let read = self.stream.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{path}: the answer ends early");
            answer.extend_from_slice(&buffer[..read]);
            let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&answer[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap_or_else(|| panic!("{path}: no length: {text}")).parse().unwrap();
            if answer.len() < head + 4 + length {
                continue;
            }
            let status = text.split(' ').nth(1).unwrap().parse().unwrap();
            let body = String::from_utf8_lossy(&answer[head + 4..]).into_owned();
            return Answer { status, bytes: length, body };
        }
    }
}

/// So many requests in all, for some paths in turn.
pub(crate) async fn clients(host: &str, cookie: &str, paths: &[&str], requests: usize) -> Took {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let one = || {
        let (next, host, cookie) = (next.clone(), host.to_owned(), cookie.to_owned());
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        tokio::spawn(async move {
            let mut client = Client::open(&host, &cookie).await;
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return took;
                }
                let path = &paths[number % paths.len()];
                let asked = Instant::now();
                let answer = client.get(path, false).await;
                took.push(asked.elapsed());
                assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            }
        })
    };
    let tasks: Vec<_> = (0..CLIENTS).map(|_| one()).collect();
    let mut each = Vec::with_capacity(requests);
    for task in tasks {
        each.extend(task.await.unwrap());
    }
    let all = started.elapsed();
    each.sort_unstable();
    Took { each, all }
}
