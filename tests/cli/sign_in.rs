//! Signing in from the command line: the real program on one side, the simulated authorisation server on the other, and a
//! browser in between that does what a test wants.

use std::{process::Output, sync::Arc, time::Duration};

use dashtray::demo::{
    GOOGLE_PROPERTY, GOOGLE_USER, GoogleAccount, OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, Options,
    authorization::{AuthorizationServer, Consent, Fault},
    browser::{self, Page},
};
use dashtray::metric::{Day, Period};
use futures_util::stream;
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout},
    sync::{Mutex, MutexGuard},
};
use url::Url;

use super::{
    provider::{Scripted, answer},
    sandbox::{Ended, Sandbox, company},
    text,
};

const REDIRECT: &str = "http://127.0.0.1:8573/oauth/callback";
const CONNECT: &str = "connect google-analytics --name site --oauth --credentials settings.json";
const RECONNECT: &str = "reconnect site --oauth";
const ID: &str = "DASHTRAY_GOOGLE_ANALYTICS_CLIENT_ID";
const SECRET: &str = "DASHTRAY_GOOGLE_ANALYTICS_CLIENT_SECRET";
/// Somebody who has no role on the property.
const STRANGER: &str = "eve@elsewhere.example";
/// Where a browser comes back to can be listened on once.
static PORT: Mutex<()> = Mutex::const_new(());

/// A sandbox with Google, before any client is registered.
async fn without_client() -> Sandbox {
    let google_accounts = vec![GoogleAccount::full(GOOGLE_USER), GoogleAccount::full(STRANGER).on(&[])];
    let mut sandbox = Sandbox::with(company(), Options { google_accounts, ..Options::default() }).await;
    sandbox.provider("google-analytics", &sandbox.emulators.url("google-analytics"));
    sandbox.file("settings.json", json!({"settings": {"property": GOOGLE_PROPERTY}}).to_string());
    sandbox
}

async fn sandbox() -> Sandbox {
    let mut sandbox = without_client().await;
    sandbox.set(ID, OAUTH_CLIENT_ID);
    sandbox.set(SECRET, OAUTH_CLIENT_SECRET);
    sandbox
}

fn google(sandbox: &Sandbox) -> Arc<AuthorizationServer> {
    sandbox.emulators.google_authorization().unwrap()
}

/// The program, waiting for its browser.
pub(super) struct Waiting {
    child: Child,
    stdout: BufReader<ChildStdout>,
    shown: String,
    address: Url,
    _port: MutexGuard<'static, ()>,
}

impl Waiting {
    /// Starts a command that prints an address to open.
    pub(super) async fn begin(sandbox: &Sandbox, arguments: &str) -> Self {
        let port = PORT.lock().await;
        let mut tries = 0;
        loop {
            let mut child = sandbox.command(arguments).spawn().unwrap();
            let mut stdout = BufReader::new(child.stdout.take().unwrap());
            let mut shown = String::new();
            while stdout.read_line(&mut shown).await.unwrap() > 0 {
                let address = shown.lines().last().filter(|line| line.starts_with("http"));
                if let Some(address) = address.map(|line| line.parse().unwrap()) {
                    return Self { child, stdout, shown, address, _port: port };
                }
            }
            // Another test run on this machine may have the port for a moment.
            let ended = child.wait_with_output().await.unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert!(said.contains("is in use") && tries < 100, "it prints an address: {shown}{said}");
            tries += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Says yes or no at the provider, as the server was told, and gives where that leads.
    async fn consent(&self) -> Url {
        let back = browser::open(&self.address).await.unwrap().location.expect("the browser is sent back");
        assert!(back.as_str().starts_with(REDIRECT), "{back}");
        back
    }

    /// How the program ends.
    async fn ended(mut self) -> Ended {
        self.stdout.read_to_string(&mut self.shown).await.unwrap();
        let Output { status, stderr, .. } = self.child.wait_with_output().await.unwrap();
        Ended::of("a sign-in", Output { status, stdout: self.shown.into_bytes(), stderr })
    }

    /// The whole way of a browser.
    pub(super) async fn through(self) -> (Page, Ended) {
        let back = self.consent().await;
        let page = browser::open(&back).await.unwrap();
        (page, self.ended().await)
    }
}

async fn state(sandbox: &Sandbox) -> Json {
    sandbox.json("connections").await["connections"][0].clone()
}

/// The days of users as they stand, and as the company's books have them.
async fn users(sandbox: &Sandbox) -> (Vec<Json>, Vec<Json>) {
    let zone = "Europe/Berlin".parse().unwrap();
    let points = sandbox.points("ga_users --from 2026-03-20 --to 2026-03-31").await;
    let day = |point: &Json| -> Day { text(&point["date"]).parse().unwrap() };
    let told = |point: &Json| json!(company().analytics(Period::single(day(point)), &zone).users);
    (points.iter().map(|point| point["value"].clone()).collect(), points.iter().map(told).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_connects_renews_itself_ends_and_comes_back_with_its_history() {
    let sandbox = sandbox().await;
    let google = google(&sandbox);
    let (page, ended) = Waiting::begin(&sandbox, CONNECT).await.through().await;
    assert!(page.status == 200 && page.text.contains("is connected as \"site\""), "{page:?}");
    assert!(ended.status == 0 && ended.stdout.contains("Next: dashtray sync site"), "{ended:?}");
    sandbox.sync("site", 0).await;
    let (read, expected) = users(&sandbox).await;
    assert!(read == expected && read.len() == 12, "{read:?}, not {expected:?}");

    // An hour later the access is over, and is renewed by whoever needs it.
    sandbox.emulators.wait(Duration::from_secs(3_600));
    let tested = sandbox.json("test site").await;
    assert_eq!((&tested["success"], &tested["refreshed"]), (&json!(true), &json!(true)));
    assert_eq!(sandbox.json("test site").await["refreshed"], json!(false), "what was renewed is kept");
    sandbox.sync("site", 0).await;
    assert_eq!(google.counts().refreshes, 1);

    // The user removes the application in his account.
    google.end_grants();
    let run = sandbox.sync("site", 1).await;
    assert_eq!(run["error"]["kind"], "unauthorized", "{run}");
    let view = state(&sandbox).await;
    assert_eq!(view["state"], "needs_reconnect");
    assert!(text(&view["reason"]).starts_with("OAuth token expired. Please reconnect."), "{view}");
    assert_eq!(users(&sandbox).await.0, read);

    // Somebody else's account does not do in its place.
    google.user(STRANGER);
    let (page, ended) = Waiting::begin(&sandbox, RECONNECT).await.through().await;
    assert!(page.status == 400 && page.text.contains("no role on the property"), "{page:?}");
    assert!(ended.status == 1 && ended.stderr.contains("add the Google account that signed in as Viewer"), "{ended:?}");
    assert_eq!(state(&sandbox).await["state"], "needs_reconnect");

    google.user(GOOGLE_USER);
    let (_, ended) = Waiting::begin(&sandbox, RECONNECT).await.through().await;
    assert!(ended.status == 0 && ended.stdout.contains("Reconnected"), "{ended:?}");
    let again = state(&sandbox).await;
    assert_eq!((&again["state"], &again["connection_id"]), (&json!("ok"), &view["connection_id"]));
    assert_eq!(users(&sandbox).await.0, read, "nothing of its history is lost");
    sandbox.sync("site", 0).await;
    assert_eq!(sandbox.json("disconnect site").await["access"], "given_back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_client_it_says_what_to_set_and_what_to_register() {
    let mut sandbox = without_client().await;
    let sentence = sandbox.refused(CONNECT, 2).await;
    assert!(sentence.starts_with("oauth_client_missing: "), "{sentence}");
    for part in [ID, SECRET, &format!("{ID}_FILE"), &format!("redirect URI {REDIRECT}")] {
        assert!(sentence.contains(part), "{sentence} says {part}");
    }
    sandbox.set(SECRET, OAUTH_CLIENT_SECRET);
    let sentence = sandbox.refused(CONNECT, 2).await;
    assert!(sentence.contains(ID) && sentence.contains("give both"), "{sentence}");
    assert_eq!(sandbox.emulators.count("google-analytics"), 0);

    // A client that the provider does not know under this secret.
    sandbox.set(ID, OAUTH_CLIENT_ID);
    sandbox.set(SECRET, "C4n4ryNotARealSecret4711");
    let (page, ended) = Waiting::begin(&sandbox, CONNECT).await.through().await;
    assert!(page.status == 400 && page.text.contains("OAuth client"), "{page:?}");
    assert_eq!(ended.status, 2, "{ended:?}");
    assert!(ended.stderr.contains("does not accept this installation's OAuth client; check"), "{ended:?}");
    assert!(ended.stderr.contains(ID) && ended.stderr.contains(SECRET), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_property_that_is_missing_is_offered() {
    let sandbox = sandbox().await;
    let (page, ended) = Waiting::begin(&sandbox, "connect google-analytics --oauth").await.through().await;
    assert!(page.status == 400 && page.text.contains(GOOGLE_PROPERTY), "{page:?}");
    assert_eq!(ended.status, 2, "{ended:?}");
    let offered = ["these credentials can read: ", GOOGLE_PROPERTY, "--credentials FILE", "{\"settings\":{…}}"];
    for part in offered {
        assert!(ended.stderr.contains(part), "{ended:?} says {part}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_other_way_back_is_said_in_browser_and_terminal_and_ends_nothing_else() {
    let sandbox = sandbox().await;
    let google = google(&sandbox);
    google.consent(Consent::Deny);
    let waiting = Waiting::begin(&sandbox, CONNECT).await;
    let denied = waiting.consent().await;
    let page = browser::open(&denied).await.unwrap();
    let said = "access was not allowed, and nothing was changed; begin again to allow it";
    assert!(page.status == 400 && page.text.contains(said), "{page:?}");
    let ended = waiting.ended().await;
    assert!(ended.status == 1 && ended.stderr.contains(&format!("error: {said}")), "{ended:?}");

    google.consent(Consent::Allow);
    let waiting = Waiting::begin(&sandbox, CONNECT).await;
    let back = waiting.consent().await;
    let other = back.as_str().replace("state=", "state=x");
    for (address, said) in [(denied.as_str(), "this sign-in was used already"), (&other, "was not begun here")] {
        let page = browser::open(&address.parse().unwrap()).await.unwrap();
        assert!(page.status == 400 && page.text.contains(said), "{page:?} says {said}");
    }
    let page = browser::open(&back).await.unwrap();
    assert!(page.status == 200, "the one that is waited for is not disturbed: {page:?}");
    let ended = waiting.ended().await;
    assert!(
        ended.status == 0 && ended.stderr.contains("came back with another sign-in: this sign-in was used already")
    );

    // What came back is worth nothing any more, whoever waits.
    let waiting = Waiting::begin(&sandbox, &CONNECT.replace("site", "other")).await;
    let page = browser::open(&back).await.unwrap();
    assert!(page.status == 400 && page.text.contains("used already"), "{page:?}");

    // And of this one an hour goes by.
    let late = waiting.consent().await;
    sandbox.database().execute("UPDATE sign_ins SET started_at = 0 WHERE used_at IS NULL").await;
    let page = browser::open(&late).await.unwrap();
    let said = "this sign-in took longer than an hour and is over; begin again";
    assert!(page.status == 400 && page.text.contains(said), "{page:?}");
    let ended = waiting.ended().await;
    assert!(ended.status == 1 && ended.stderr.contains(&format!("error: {said}")), "{ended:?}");

    // The same account is there already.
    let (_, ended) = Waiting::begin(&sandbox, &CONNECT.replace("site", "other")).await.through().await;
    assert!(ended.status == 1 && ended.stderr.contains("connected already as \"site\""), "{ended:?}");
    assert_eq!(sandbox.json("connections").await["connections"].as_array().unwrap().len(), 1);
    assert_eq!(sandbox.json("test site").await["success"], true);
}

/// What a token endpoint may answer, the kind of failure, and words of the sentence.
const FAULTS: [(Fault, &str, &str); 4] = [
    (Fault::Html, "invalid_response", "something that is no token; if a proxy or a login page stands in between"),
    (Fault::Status(500), "unavailable", "token endpoint has a fault; try again later"),
    (Fault::Empty, "invalid_response", "something that is no token"),
    (Fault::ErrorWith200, "unauthorized", "OAuth token expired. Please reconnect."),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_token_endpoint_answers_no_access_is_lost() {
    let sandbox = sandbox().await;
    let google = google(&sandbox);
    for (fault, _, words) in FAULTS {
        let words = if fault == Fault::ErrorWith200 { "did not take the code of this sign-in" } else { words };
        google.fail(&[fault]);
        let (page, ended) = Waiting::begin(&sandbox, CONNECT).await.through().await;
        assert!(page.status == 400 && ended.status == 1 && ended.stderr.contains(words), "{fault:?}: {ended:?}");
    }
    assert_eq!(sandbox.json("connections").await, json!({"connections": []}));
    let (_, ended) = Waiting::begin(&sandbox, CONNECT).await.through().await;
    assert_eq!(ended.status, 0, "{ended:?}");

    for (fault, kind, words) in FAULTS {
        google.end_access();
        google.fail(&[fault, fault]);
        let tested = sandbox.run("test site --json").await.json(1);
        says(&tested, kind, words);
        google.fail(&[]);
        assert_eq!(sandbox.json("test site").await["success"], true, "{fault:?} cost the access");
    }
    // No answer at all: the connection breaks, or nothing comes.
    let unsigned = || answer(401, "application/json", "{}");
    let breaks = Scripted::new(move |request, _| match request.uri().path() {
        "/token" => {
            answer(200, "application/json", axum::body::Body::from_stream(stream::iter([Err::<&str, _>("cut")])))
        }
        _ => unsigned(),
    })
    .await;
    let hangs = Scripted::new(move |request, _| match request.uri().path() {
        "/token" => {
            let never = stream::pending::<Result<&str, std::io::Error>>();
            answer(200, "application/json", axum::body::Body::from_stream(never))
        }
        _ => unsigned(),
    })
    .await;
    for (silent, words) in [(breaks, "; try again later"), (hangs, "took too long; try again later")] {
        google.end_access();
        let mut command = sandbox.command("test site --json");
        command.env("DASHTRAY_PROVIDER_URL_GOOGLE_ANALYTICS", &silent.url);
        let tested = Ended::of("test", command.output().await.unwrap()).json(1);
        says(&tested, "unavailable", words);
        assert_eq!(sandbox.json("test site").await["success"], true, "no answer cost the access");
    }
}

#[track_caller]
fn says(tested: &Json, kind: &str, words: &str) {
    let error = &tested["error"];
    assert_eq!((&tested["success"], &error["kind"]), (&json!(false), &json!(kind)), "{tested}");
    assert!(text(&error["message"]).contains(words), "{tested} says {words}");
}
