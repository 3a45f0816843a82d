//! A hostile proxy before an emulator: it forwards, and for chosen requests answers otherwise than a provider should.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Map, Value as Json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, advance, sleep},
};
use url::Url;

use super::query::{body_of, query_of};

/// A run that asks more often than this never ends.
const MOST_REQUESTS: usize = 3_000;

/// A request as it came. What a POST asks for in a JSON object is told as its query, so that rules read and change it like
/// any other: `{"pagination": {"limit": 5}}` is `pagination.limit=5`, and `{"requests": [{"limit": "5"}]}` `requests.0.limit="5"`.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// On tokio's clock, which most checks pause.
    pub(crate) at: Instant,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Whether the query stands in the body.
    in_body: bool,
}

impl Asked {
    /// What is asked for, in one line.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target())
    }

    pub(crate) fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The same with another query.
    pub(crate) fn with_target(&self, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self { path: path.to_owned(), query: query.to_owned(), ..self.clone() }
    }

    /// The value of a parameter; a text of a JSON body without its quotes.
    pub(crate) fn param(&self, key: &str) -> Option<String> {
        let (_, value) = url::form_urlencoded::parse(self.query.as_bytes()).find(|(name, _)| name == key)?;
        let text = if self.in_body { serde_json::from_str(&value).ok() } else { None };
        Some(text.unwrap_or_else(|| value.into_owned()))
    }

    /// Whether the query has this parameter.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.query.split('&').any(|pair| pair.split('=').next() == Some(key))
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) form: Form,
}

/// How an answer is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// As it should be.
    Whole,
    /// Says its length and closes after half of it.
    Cut,
    /// In two pieces, split in the middle of this many bytes before the end.
    Split(usize),
    /// One byte at a time.
    Drip(Duration),
    /// Says its length, sends half of it and resets the connection.
    Reset,
    /// Says this length, whatever comes.
    Announced(u64),
    /// Nothing ever comes.
    Silence,
    /// The same, and the clock stands still unless somebody else moves it.
    Held,
    /// The connection is closed without a word.
    Closed,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.as_bytes().to_vec(), form: Form::Whole }
    }

    pub(crate) fn html() -> Self {
        Self::json(200, "<!doctype html><title>Sign in</title>").header("content-type", "text/html; charset=utf-8")
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }
}

/// What becomes of a request.
pub(crate) enum Act {
    Forward,
    Reply(Reply),
    /// Asks the provider for this in place of what was asked for.
    Ask(String),
    /// The same, and changes the answer.
    Edit(String, Box<dyn FnOnce(&mut Reply) + Send>),
}

type Rule = Arc<dyn Fn(&Asked) -> Act + Send + Sync>;

/// The proxy, running until it is dropped.
pub(crate) struct Front {
    pub(crate) url: Url,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    /// `host:port` of the provider; empty where there is none and every request is noted only.
    upstream: String,
    /// What it calls itself in place of the provider.
    own: Mutex<String>,
    /// Where time stands still, it goes on as long as this front keeps somebody waiting.
    steps: AtomicBool,
    state: Mutex<State>,
}

struct State {
    rule: Rule,
    asked: Vec<Asked>,
    overrun: bool,
    /// Answers by what they depend on, where they are remembered.
    known: Option<HashMap<String, Reply>>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    /// Forwards everything to the provider.
    pub(crate) async fn before(provider: &Url) -> io::Result<Self> {
        let port = provider.port_or_known_default().unwrap_or(80);
        Self::start(format!("{}:{port}", provider.host_str().unwrap_or("127.0.0.1"))).await
    }

    /// Nobody is behind it: whoever asks is noted and gets 404.
    pub(crate) async fn alone() -> io::Result<Self> {
        let front = Self::start(String::new()).await?;
        front.rule(|_| Act::Reply(Reply::json(404, "{}")));
        Ok(front)
    }

    async fn start(upstream: String) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = format!("http://{}", listener.local_addr()?);
        let url = own.parse().map_err(io::Error::other)?;
        let state = State { rule: Arc::new(|_| Act::Forward), asked: Vec::new(), overrun: false, known: None };
        let shared = Arc::new(Shared {
            upstream,
            own: Mutex::new(own),
            steps: AtomicBool::new(false),
            state: Mutex::new(state),
        });
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = serving.clone();
                // A caller that hangs up is no concern of anybody.
                tokio::spawn(async move { serve(stream, shared).await });
            }
        });
        Ok(Self { url, shared, task })
    }

    /// From now on it moves the clock where it keeps somebody waiting: for [`Pace::Stepped`](super::Pace).
    pub(crate) fn steps(&self) {
        self.shared.steps.store(true, Ordering::Relaxed);
    }

    /// From now on it calls itself by this origin in what it answers.
    pub(crate) fn is_known_as(&self, origin: &str) {
        origin.clone_into(&mut self.shared.own.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// From now on it asks the provider the same thing once only, which is as well where the provider never changes and an
    /// answer takes it long.
    pub(crate) fn remembers(&self) {
        self.shared.state().known = Some(HashMap::new());
    }

    /// From now on this decides.
    pub(crate) fn rule(&self, rule: impl Fn(&Asked) -> Act + Send + Sync + 'static) {
        self.shared.state().rule = Arc::new(rule);
    }

    /// From now on everything is forwarded again.
    pub(crate) fn behave(&self) {
        self.rule(|_| Act::Forward);
    }

    /// The requests since the last time this was asked.
    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.state().asked)
    }

    /// Whether there were so many requests that it stopped to answer.
    pub(crate) fn overrun(&self) -> bool {
        self.shared.state().overrun
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, asked: Asked) -> io::Result<Reply> {
        let rule = {
            let mut state = self.state();
            state.asked.push(asked.clone());
            state.overrun |= state.asked.len() > MOST_REQUESTS;
            if state.overrun {
                return Ok(Reply::json(200, "").form(Form::Silence));
            }
            state.rule.clone()
        };
        match rule(&asked) {
            Act::Reply(reply) => Ok(reply),
            Act::Forward => self.forward(&asked, &asked.target()).await,
            Act::Ask(target) => self.forward(&asked, &target).await,
            Act::Edit(target, edit) => {
                let mut reply = self.forward(&asked, &target).await?;
                edit(&mut reply);
                Ok(reply)
            }
        }
    }

    async fn forward(&self, asked: &Asked, target: &str) -> io::Result<Reply> {
        let about = ["authorization", "accept", "if-none-match", "if-modified-since"].map(|name| asked.header(name));
        let body = if asked.in_body { Vec::new() } else { asked.body.clone() };
        let key = format!("{} {target} {about:?} {body:?}", asked.method);
        if let Some(known) = self.state().known.as_ref().and_then(|known| known.get(&key)) {
            return Ok(known.clone());
        }
        let reply = self.ask(asked, target).await?;
        if let Some(known) = &mut self.state().known {
            known.insert(key, reply.clone());
        }
        Ok(reply)
    }

    async fn ask(&self, asked: &Asked, target: &str) -> io::Result<Reply> {
        let mut stream = TcpStream::connect(&self.upstream).await?;
        let (target, body) = match target.split_once('?') {
            Some((path, query)) if asked.in_body => (path, body_of(query)),
            _ => (target, asked.body.clone()),
        };
        let mut head =
            format!("{} {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", asked.method, self.upstream);
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        for (name, value) in &asked.headers {
            if !["host", "connection", "accept-encoding", "content-length"]
                .contains(&name.to_ascii_lowercase().as_str())
            {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        stream.set_nodelay(true)?;
        let mut bytes = format!("{head}\r\n").into_bytes();
        bytes.extend_from_slice(&body);
        stream.write_all(&bytes).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        let end = end_of_head(&bytes).ok_or_else(|| io::Error::other("the provider hung up"))?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(502);
        // What a provider says of itself must lead back to the front, as it would to the provider's own name.
        let origin = format!("http://{}", self.upstream);
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let headers = headers_of(&head)
            .filter(|(name, _)| !["content-length", "connection", "transfer-encoding"].contains(&name.as_str()))
            .map(|(name, value)| (name, value.replace(&origin, &own)))
            .collect();
        Ok(Reply { status, headers, body: bytes.split_off(end + 4), form: Form::Whole })
    }

    /// Gives whether the connection may go on.
    async fn write(&self, stream: &mut TcpStream, reply: &Reply) -> io::Result<bool> {
        let length = if let Form::Announced(length) = reply.form { length } else { reply.body.len() as u64 };
        let mut head = format!("HTTP/1.1 {} X\r\ncontent-length: {length}\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = format!("{head}\r\n").into_bytes();
        let body = &reply.body;
        match reply.form {
            Form::Whole => {
                bytes.extend_from_slice(body);
                stream.write_all(&bytes).await?;
            }
            Form::Cut | Form::Announced(_) => {
                bytes.extend_from_slice(&body[..body.len() / 2]);
                stream.write_all(&bytes).await?;
                return Ok(false);
            }
            Form::Reset => {
                bytes.extend_from_slice(&body[..body.len() / 2]);
                stream.write_all(&bytes).await?;
                stream.set_zero_linger()?;
                return Ok(false);
            }
            Form::Split(before_end) => {
                let (first, second) = body.split_at(body.len().saturating_sub(before_end));
                bytes.extend_from_slice(first);
                stream.write_all(&bytes).await?;
                self.dawdle(stream, Duration::from_millis(20)).await?;
                stream.write_all(second).await?;
            }
            Form::Drip(pause) => {
                stream.write_all(&bytes).await?;
                for byte in body {
                    stream.write_all(&[*byte]).await?;
                    self.dawdle(stream, pause).await?;
                }
            }
            Form::Closed => return Ok(false),
            Form::Silence => loop {
                self.dawdle(stream, Duration::from_secs(5)).await?;
            },
            Form::Held => until_hung_up(stream).await?,
        }
        Ok(true)
    }

    /// Lets a length of time pass. An error when the caller hangs up meanwhile.
    async fn dawdle(&self, stream: &TcpStream, pause: Duration) -> io::Result<()> {
        let passing =
            async { if self.steps.load(Ordering::Relaxed) { advance(pause).await } else { sleep(pause).await } };
        tokio::select! {
            biased;
            gone = until_hung_up(stream) => gone,
            () = passing => Ok(()),
        }
    }
}

/// Ends, with an error, when the caller hangs up.
async fn until_hung_up(stream: &TcpStream) -> io::Result<()> {
    loop {
        stream.readable().await?;
        match stream.try_read(&mut [0]) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            // Nobody asks for more before there was an answer.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
    // A piece that waits for the other side's word would be a real wait, in which a paused clock runs ahead.
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(asked) = read(&mut stream, &mut buffer).await? {
        let is_last = asked.header("connection") == Some("close");
        let reply = shared.answer(asked).await?;
        if !shared.write(&mut stream, &reply).await? || is_last {
            return Ok(());
        }
    }
    Ok(())
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<Asked>> {
    let end = loop {
        if let Some(end) = end_of_head(buffer) {
            break end;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let headers: Vec<(String, String)> = headers_of(&head).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let whole = end + 4 + length.unwrap_or(0);
    while buffer.len() < whole {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = buffer[end + 4..whole].to_vec();
    let in_body = serde_json::from_slice::<Map<String, Json>>(&body).ok().filter(|_| query.is_empty());
    let asked = Asked {
        at: Instant::now(),
        method: method.to_owned(),
        path: path.to_owned(),
        in_body: in_body.is_some(),
        query: in_body.map_or_else(|| query.to_owned(), |body| query_of(&body)),
        body,
        headers,
    };
    buffer.drain(..whole);
    Ok(Some(asked))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n")
}

/// Names in small letters, with values.
fn headers_of(head: &str) -> impl Iterator<Item = (String, String)> {
    let pair = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    head.lines().skip(1).filter_map(pair)
}
