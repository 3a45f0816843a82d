//! C17: a secret is in no log line, error, view, panic or byte of the database, in no form.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io,
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use dashtray::{app::DEFAULT_PROJECT, secret::Secret, series};
use serde_json::{Value as Json, json};
use tracing_subscriber::{
    Layer as _, filter::dynamic_filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    conformance::{
        front::{Act, Form, Front, Reply},
        stand::{Account, Fields, Stand},
        whole::Whole,
    },
    support::canary::{Seen, forms},
};

/// One check listens at a time, or a broken twin would be heard by another.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// Whether one does.
static LISTENING: AtomicBool = AtomicBool::new(false);
/// What was logged, and what panics said, meanwhile. Other tests may be heard too; they tell none of the secrets.
static HEARD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Ear;

impl io::Write for Ear {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hears everything that is logged, at every level, and what panics say, until it is dropped.
struct Listening {
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

impl Listening {
    async fn begin() -> Self {
        let turn = TURN.lock().await;
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let all = dynamic_filter_fn(|_, _| LISTENING.load(Ordering::Relaxed));
            let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Ear).with_filter(all);
            tracing_subscriber::registry().with(layer).init();
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if LISTENING.load(Ordering::Relaxed) {
                    let _ = io::Write::write(&mut Ear, panic.to_string().as_bytes());
                }
                usual(panic);
            }));
        });
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).clear();
        LISTENING.store(true, Ordering::Relaxed);
        Self { _turn: turn }
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&HEARD.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENING.store(false, Ordering::Relaxed);
    }
}

/// C17
pub(crate) async fn keeps_the_secret(stand: &Stand) -> Result<(), String> {
    let secrets: Vec<String> = stand.valid.values().chain(stand.fake.values()).map(|s| s.expose().to_owned()).collect();
    let forms: BTreeSet<String> =
        secrets.iter().flat_map(|secret| secret_parts(secret)).flat_map(|secret| forms(&secret)).collect();
    ensure!(secrets.iter().all(|secret| secret.len() >= 20), "the stand's credentials are too short to be looked for");
    let listening = Listening::begin().await;
    let mut seen = Seen::default();

    let whole = Whole::open(stand, Account::Busy).await?;
    echo(&whole.front, &secrets);
    seen.result("a refusal of wrong credentials", &whole.connect(&stand.fake).await);
    let garbled: Fields =
        stand.fake.iter().map(|(k, v)| (k.clone(), Secret::new(format!("{}\n!", v.expose())))).collect();
    seen.result("a refusal of garbled credentials", &whole.connect(&garbled).await);
    let misplaced = stand.fake.values().next().map(|v| Fields::from([(v.expose().to_owned(), v.clone())]));
    seen.result("a refusal of a misplaced credential", &whole.connect(&misplaced.unwrap_or_default()).await);
    let connected = whole.connect(&stand.valid).await;
    ensure!(connected.is_ok(), "it does not connect where the provider repeats the credentials: {connected:?}");
    seen.result("the view of a new connection", &connected);
    everything(stand, &whole, "a good run", &mut seen).await?;

    let known: Vec<&str> = stand.valid.values().map(Secret::expose).collect();
    for status in [400, 403, 401] {
        for (secret, form) in known.iter().flat_map(|secret| [(secret, Form::Whole), (secret, Form::Split(20))]) {
            let reply = repeating(status, secret).form(form);
            whole.front.rule(move |_| Act::Reply(reply.clone()));
            everything(stand, &whole, &format!("a run that ends in {status}"), &mut seen).await?;
        }
    }
    for secret in stand.fake.values() {
        let reply = repeating(401, secret.expose());
        whole.front.rule(move |_| Act::Reply(reply.clone()));
        seen.result("a refusal that repeats what was refused", &whole.connect(&stand.fake).await);
    }
    seen.note("the debug form of all", format!("{:?}", whole.app));
    seen.note("the log, or a panic", listening.heard());
    seen.files(whole.directory.path()).map_err(|error| error.to_string())?;
    seen.holds_none_of(&forms)
}

/// What of a credential is secret: of a key file, which holds addresses and names as well, some lines of the key.
fn secret_parts(credential: &str) -> Vec<String> {
    let file: Json = serde_json::from_str(credential).unwrap_or_default();
    match file.get("private_key").and_then(Json::as_str) {
        Some(pem) => pem.lines().filter(|line| !line.starts_with("-----")).step_by(5).map(str::to_owned).collect(),
        None => vec![credential.to_owned()],
    }
}

/// A text as a header can hold it.
fn on_one_line(text: &str) -> String {
    text.replace('\n', " ")
}

/// A refusal that repeats the credential in every form.
fn repeating(status: u16, secret: &str) -> Reply {
    let encoded = BASE64_STANDARD_NO_PAD.encode(secret);
    let body = json!({
        "message": format!("bad key {secret}, Basic {encoded}, ?key={secret}&x {}…", &secret[..14]),
        "error": { "message": format!("Invalid key: {secret}. It is \"{secret}\" ({})", percent(secret)) },
        "detail": format!("{} {}", percent(secret).replace('%', ""), BASE64_STANDARD_NO_PAD.encode(format!("k={secret}"))),
    });
    Reply::json(status, &body.to_string()).header("x-echo", on_one_line(secret))
}

fn percent(secret: &str) -> String {
    secret.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02x}");
        text
    })
}

/// A provider that repeats the credentials wherever it may.
fn echo(front: &Front, secrets: &[String]) {
    let all = secrets.join(" ");
    front.rule(move |asked| {
        let all = all.clone();
        let repeat = move |reply: &mut Reply| {
            reply.headers.push(("x-echo".to_owned(), on_one_line(&all)));
            if let Ok(Json::Object(mut body)) = serde_json::from_slice(&reply.body) {
                body.insert("echo".to_owned(), json!(all));
                reply.body = Json::Object(body).to_string().into_bytes();
            }
        };
        Act::Edit(asked.target(), Box::new(repeat))
    });
}

/// Does and looks at everything that a person can do and look at.
async fn everything(stand: &Stand, whole: &Whole, place: &str, seen: &mut Seen) -> Result<(), String> {
    let name = whole.connection().await?.public_id.to_string();
    let app = &whole.app;
    seen.result(&format!("the test, {place}"), &app.connections.test(DEFAULT_PROJECT, &name).await);
    seen.result(&format!("the report, {place}"), &whole.sync().await);
    seen.result(&format!("the runs, {place}"), &app.sync.runs(DEFAULT_PROJECT, &name, 20).await);
    seen.result(&format!("the connections, {place}"), &app.connections.list(DEFAULT_PROJECT).await);
    for metric in &stand.integration.descriptor().metrics {
        seen.result(&format!("the series of {}, {place}", metric.id), &whole.series(metric).await);
        let receipt = series::explain(&app.store, &app.registry, DEFAULT_PROJECT, &metric.id, None, None).await;
        seen.result(&format!("the receipt of {}, {place}", metric.id), &receipt);
    }
    Ok(())
}
