//! Providers that are wrong, gone or hostile: a sentence, the right status, and every old value still there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{Response, StatusCode},
};
use dashtray::{clock::Clock, demo::STRIPE_KEY};
use futures_util::{StreamExt, stream};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;

use super::{
    list,
    sandbox::{Sandbox, github_file, stripe_file},
    text,
};

/// A provider that answers everything in one way.
pub(super) struct Scripted {
    pub(super) url: String,
    asked: Arc<AtomicU64>,
    task: tokio::task::AbortHandle,
}

impl Scripted {
    pub(super) async fn new(answer: impl Fn(&Request, u64) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        let router = Router::new().fallback(move |request: Request| {
            let reply = answer(&request, count.fetch_add(1, Ordering::Relaxed));
            async move { reply }
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Self { url, asked, task }
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) fn answer(status: u16, kind: &str, body: impl Into<Body>) -> Response<Body> {
    let builder = Response::builder().status(StatusCode::from_u16(status).unwrap()).header("content-type", kind);
    builder.body(body.into()).unwrap()
}

/// All values of three metrics, as they stand.
async fn values(sandbox: &Sandbox) -> Vec<Json> {
    let mut values = Vec::new();
    for metric in ["stripe_mrr", "stripe_revenue", "stripe_customers"] {
        for series in list(&sandbox.json(&format!("get {metric}")).await["series"]) {
            values.extend(list(&series["points"]).iter().map(|point| point["value"].clone()));
        }
    }
    assert!(values.iter().any(Json::is_string), "{values:?}");
    values
}

/// Connects and reads all that is right, then puts the wrong provider in its place.
async fn read_before(url: &str) -> (Sandbox, Vec<Json>) {
    let mut sandbox = Sandbox::new().await;
    sandbox.connect("stripe", &stripe_file(STRIPE_KEY)).await;
    sandbox.sync("stripe", 0).await;
    let before = values(&sandbox).await;
    sandbox.provider("stripe", url);
    (sandbox, before)
}

/// A sync that fails with this kind and words, keeps what was read, and is well again once the provider is.
async fn fails_and_recovers(url: &str, kind: &str, words: &[&str]) {
    let (mut sandbox, before) = read_before(url).await;
    // Even days that were settled are asked for again.
    let run = sandbox.sync("stripe --from 2026-03-01", 1).await;
    assert_eq!(run["status"], "failed", "{run}");
    for metric in list(&run["metrics"]) {
        assert_eq!((&metric["outcome"], &metric["error"]["kind"]), (&json!("failed"), &json!(kind)), "{metric}");
        let message = text(&metric["error"]["message"]);
        for word in words {
            assert!(message.contains(word), "{message} says {word}");
        }
    }
    assert_eq!(values(&sandbox).await, before, "the old values stand");
    let stale = sandbox.points("stripe_customers --from 2026-03-31").await;
    assert_eq!((&stale[0]["stale"], &stale[0]["state"]), (&json!(true), &json!("value")), "{stale:?}");
    let view = sandbox.json("connections").await["connections"][0].clone();
    assert_eq!(view["state"], "failing", "{view}");
    assert!(text(&view["reason"]).contains(words[0]), "{view}");

    sandbox.provider("stripe", &sandbox.emulators.url("stripe"));
    sandbox.sync("stripe", 0).await;
    assert_eq!(sandbox.json("connections").await["connections"][0]["state"], "ok");
    let fresh = sandbox.points("stripe_customers --from 2026-03-31").await;
    assert_eq!(fresh[0]["stale"], false);
    assert_eq!(values(&sandbox).await, before);
}

/// A first connect to such a provider: refused with this kind and words, and nothing is kept.
async fn is_not_connected(url: &str, kind: &str, words: &[&str]) {
    let mut sandbox = Sandbox::new().await;
    sandbox.provider("stripe", url);
    sandbox.file("credentials.json", stripe_file(STRIPE_KEY).to_string());
    let sentence = sandbox.failed("connect stripe --credentials credentials.json", 1).await;
    assert!(sentence.starts_with(&format!("{kind}: ")), "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "{sentence} says {word}");
    }
    assert_eq!(sandbox.json("connections").await, json!({"connections": []}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_refused_and_nothing_is_kept() {
    let sandbox = Sandbox::new().await;
    sandbox.file("credentials.json", stripe_file("rk_test_C4n4ryNotARealSecret4711").to_string());
    let sentence = sandbox.refused("connect stripe --credentials credentials.json", 1).await;
    assert!(sentence.starts_with("unauthorized: ") && sentence.contains("Invalid API Key"), "{sentence}");
    sandbox.file("credentials.json", github_file("github_pat_C4n4ryNotARealSecret4711").to_string());
    let sentence = sandbox.refused("connect github --credentials credentials.json", 1).await;
    assert!(sentence.starts_with("unauthorized: ") && sentence.contains("Bad credentials"), "{sentence}");
    assert_eq!(sandbox.json("connections").await, json!({"connections": []}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_was_revoked_asks_to_reconnect_and_keeps_the_numbers() {
    let refusal =
        json!({"error": {"type": "invalid_request_error", "message": "Invalid API Key provided: rk_test_*001"}});
    let provider = Scripted::new(move |_, _| answer(401, "application/json", refusal.to_string())).await;
    let (mut sandbox, before) = read_before(&provider.url).await;
    let run = sandbox.sync("stripe", 1).await;
    assert_eq!((&run["status"], provider.asked()), (&json!("failed"), 1), "a 401 is not asked again: {run}");
    assert_eq!(run["error"]["kind"], "unauthorized", "{run}");
    let view = sandbox.json("connections").await["connections"][0].clone();
    assert_eq!(view["state"], "needs_reconnect");
    let tested = sandbox.run("test stripe --json").await.json(1);
    assert_eq!((&tested["success"], &tested["error"]["kind"]), (&json!(false), &json!("unauthorized")));
    assert_eq!((&tested["account"], &tested["error"]["retry_at"]), (&Json::Null, &Json::Null));
    assert_eq!(values(&sandbox).await, before);
    sandbox.provider("stripe", &sandbox.emulators.url("stripe"));
    sandbox.json("reconnect stripe --credentials credentials.json").await;
    assert_eq!(sandbox.json("connections").await["connections"][0]["state"], "ok");
    sandbox.sync("stripe", 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_host_and_half_an_answer_are_said() {
    // Bound and let go: nobody listens there.
    let url = format!("http://{}", TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap());
    let url = url.as_str();
    let cut_off = Scripted::new(|_, _| {
        let half = stream::iter([Ok(r#"{"object":"list","has_more":false,"data":[{"id":"#), Err("cut off")]);
        answer(200, "application/json", Body::from_stream(half))
    })
    .await;
    tokio::join!(
        is_not_connected(&cut_off.url, "unavailable", &["it was closed"]),
        fails_and_recovers(&cut_off.url, "unavailable", &["it was closed"]),
        is_not_connected(url, "unavailable", &["no connection"]),
        fails_and_recovers(url, "unavailable", &["no connection"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn html_in_place_of_json_is_said() {
    let page = "<!DOCTYPE html><html><body>Please log in, C4n4ryNotARealSecret4711</body></html>";
    let provider = Scripted::new(move |_, _| answer(200, "text/html; charset=utf-8", page)).await;
    let words = ["web page instead of JSON"];
    tokio::join!(
        is_not_connected(&provider.url, "invalid_response", &words),
        fails_and_recovers(&provider.url, "invalid_response", &words)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_never_ends_is_noticed() {
    let customer = json!({"id": "cus_1", "object": "customer", "created": 1_700_000_000, "deleted": false});
    let page = json!({"object": "list", "url": "/v1/x", "has_more": true, "data": [customer]}).to_string();
    let provider = Scripted::new(move |_, _| answer(200, "application/json", page.clone())).await;
    let (sandbox, before) = read_before(&provider.url).await;
    let run = sandbox.sync("stripe", 1).await;
    assert_eq!(run["status"], "failed", "{run}");
    let (_, error) = super::outcome(&run, "stripe_customers");
    assert_eq!(error["kind"], "invalid_response", "{error}");
    assert!(text(&error["message"]).contains("page"), "{error}");
    assert!(provider.asked() < 20, "{} requests", provider.asked());
    assert_eq!(values(&sandbox).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_end_is_cut_off_and_not_held_in_memory() {
    let provider = Scripted::new(|_, _| {
        let piece = bytes::Bytes::from(vec![b' '; 1 << 20]);
        let endless = stream::repeat(piece).map(Ok::<_, std::io::Error>);
        answer(200, "application/json", Body::from_stream(endless))
    })
    .await;
    let words = ["too large"];
    is_not_connected(&provider.url, "invalid_response", &words).await;
    let announced = Scripted::new(|_, _| {
        let mut reply =
            answer(200, "application/json", Body::from_stream(stream::pending::<Result<&str, std::io::Error>>()));
        reply.headers_mut().insert("content-length", "2147483648".parse().unwrap());
        reply
    })
    .await;
    is_not_connected(&announced.url, "invalid_response", &words).await;
    fails_and_recovers(&provider.url, "invalid_response", &words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_asks_to_wait_is_obeyed() {
    let refusal = json!({"error": {"type": "invalid_request_error", "message": "Too many requests"}}).to_string();
    let provider = Scripted::new(move |_, _| {
        let mut reply = answer(429, "application/json", refusal.clone());
        reply.headers_mut().insert("retry-after", "7200".parse().unwrap());
        reply
    })
    .await;
    let (sandbox, before) = read_before(&provider.url).await;
    let begun = std::time::Instant::now();
    let run = sandbox.sync("stripe", 1).await;
    assert!(begun.elapsed() < Duration::from_secs(20), "no worker sleeps on it");
    assert_eq!((&run["status"], &run["samples_written"]), (&json!("rate_limited"), &json!(0)), "{run}");
    let wait = text(&run["retry_at"]).parse::<jiff::Timestamp>().unwrap().as_second() - Clock::System.now().as_second();
    assert!((7000..=7200).contains(&wait), "{wait}");
    let view = sandbox.json("connections").await["connections"][0].clone();
    assert_eq!((&view["state"], &view["until"]), (&json!("rate_limited"), &view["next_sync_at"]), "{view}");
    assert_eq!(values(&sandbox).await, before);
}
