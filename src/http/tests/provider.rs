//! A scripted provider on a real socket, plain or over TLS.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query.
    pub(super) path: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
    /// On tokio's clock.
    pub(super) at: tokio::time::Instant,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// An answer to give.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Whole,
    /// Says its whole length and stops after so many bytes.
    CutAfter(usize),
    /// One byte at a time.
    Drip(Duration),
    /// Never answers.
    Silence,
    /// Closes at once.
    Closed,
}

/// An answer with a JSON body.
pub(super) fn reply(status: u16, body: &str) -> Reply {
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    Reply { status, headers, body: body.as_bytes().to_vec(), form: Form::Whole }
}

impl Reply {
    pub(super) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.retain(|(key, _)| key != name || name == "Link");
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn bytes(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    pub(super) fn cut_after(mut self, bytes: usize) -> Self {
        self.form = Form::CutAfter(bytes);
        self
    }

    pub(super) fn drip(mut self, pause: Duration) -> Self {
        self.form = Form::Drip(pause);
        self
    }

    pub(super) fn silence() -> Self {
        Self { form: Form::Silence, ..reply(200, "") }
    }

    pub(super) fn closed() -> Self {
        Self { form: Form::Closed, ..reply(200, "") }
    }
}

/// A provider that is running until it is dropped.
pub(super) struct Provider {
    pub(super) at: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    /// Answers as the function says; its second argument counts the requests from 0.
    pub(super) async fn answering(answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, answer).await
    }

    /// Gives these answers in this order, and the last one from then on.
    pub(super) async fn scripted(replies: Vec<Reply>) -> Self {
        Self::answering(move |_, at| replies[at.min(replies.len() - 1)].clone()).await
    }

    /// Over TLS.
    pub(super) async fn start(
        tls: Option<Arc<rustls::ServerConfig>>,
        answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, seen) = (Arc::new(answer), asked.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, seen, tls) = (answer.clone(), seen.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &*answer, &seen).await,
                        Some(config) => {
                            let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
                            serve(stream, &*answer, &seen).await;
                        }
                    }
                });
            }
        });
        Self { at, asked, task }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// What was asked so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request, one answer, one connection.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: &(dyn Fn(&Asked, usize) -> Reply + Send + Sync),
    seen: &Mutex<Vec<Asked>>,
) {
    let Some(asked) = read(&mut stream).await else { return };
    let reply = {
        let mut seen = seen.lock().unwrap();
        seen.push(asked.clone());
        answer(&asked, seen.len() - 1)
    };
    let Reply { status, headers, body, form } = reply;
    let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for (name, value) in &headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if status != 304 && status != 204 && !headers.iter().any(|(name, _)| name == "Content-Length") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let sent = match form {
        Form::Closed => return,
        Form::Silence => return std::future::pending().await,
        Form::Whole => stream.write_all(&[head.as_bytes(), &body].concat()).await,
        Form::CutAfter(bytes) => stream.write_all(&[head.as_bytes(), &body[..bytes]].concat()).await,
        Form::Drip(pause) => {
            stream.write_all(head.as_bytes()).await.unwrap();
            for byte in body {
                tokio::time::sleep(pause).await;
                if stream.write_all(&[byte]).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
            }
            Ok(())
        }
    };
    if sent.is_ok() {
        let _ = stream.shutdown().await;
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Asked> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers: Vec<(String, String)> = lines.filter_map(split).collect();
    let mut asked = Asked { method, path, headers, body: String::new(), at: tokio::time::Instant::now() };
    let length: usize = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    asked.body = String::from_utf8(bytes[head_end + 4..].to_vec()).unwrap();
    Some(asked)
}

/// A certificate authority of a test's own.
pub(super) struct Authority {
    pub(super) pem: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem().into_bytes();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// What a server for a name needs; valid until the end of the given year.
    pub(super) fn server(&self, name: &str, until: i32) -> Arc<rustls::ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        Arc::new(config.with_single_cert(vec![certificate], key).unwrap())
    }
}
