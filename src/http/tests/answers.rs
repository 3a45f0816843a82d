//! What becomes of answers.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::provider::{Provider, Reply, reply};
use crate::{
    clock::Clock,
    http::{Auth, Client, ClientConfig, Credentials, Forgetful, Http, Limits, Memory, Service, Session},
    metric::FailureKind,
    secret::Secret,
};

pub(super) const KEY: &str = "sk_live_canary_81549300";
pub(super) const NOW: &str = "2026-03-01T00:00:00Z";

/// A service whose calls all go to a scripted provider.
pub(super) fn service(provider: &Provider) -> Service {
    Service {
        id: "acme".into(),
        base_url: "https://api.acme.example/v1".parse().unwrap(),
        hosts: vec!["api.acme.example".into()],
        user_given_url: false,
        headers: vec![("Acme-Version".into(), "7".into())],
        auth: Auth::Bearer { field: "key".into() },
        limits: Limits { windows: Vec::new(), concurrent: 4, headers: None, wait_unless_said: Duration::from_secs(5) },
        exceptions: Vec::new(),
        override_url: Some(provider.url().parse().unwrap()),
    }
}

pub(super) fn session(service: Service) -> Session {
    let fields = [("key".to_owned(), Secret::new(KEY))].into_iter().collect();
    Session {
        service: Arc::new(service),
        credentials: Credentials::new(fields),
        connection_id: "connection".into(),
        quota_share_permille: 1000,
        deadline: None,
    }
}

pub(super) fn client(config: ClientConfig, memory: Arc<dyn Memory>) -> Client {
    Client::new(config, memory, Clock::ticking_from(NOW.parse().unwrap())).unwrap()
}

pub(super) fn http(service: Service) -> Http {
    client(ClientConfig::default(), Arc::new(Forgetful)).session(session(service))
}

#[tokio::test(start_paused = true)]
async fn asks_as_the_descriptor_and_the_request_say() {
    let provider = Provider::scripted(vec![reply(200, r#"{"name":"x"}"#).header("X-Total", 3)]).await;
    let http = http(service(&provider));
    let request = http.get("/repos/{owner}/{+path}").path("owner", "a b").path("path", "c/d?e").query("q", "1 2");
    let answer = request.query("q", 3).header("X-Mine", "yes").json::<Value>().await.unwrap();
    assert_eq!((answer.status, answer.body, answer.not_modified), (200, json!({"name": "x"}), false));

    let asked = &provider.asked()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/v1/repos/a%20b/c/d%3Fe?q=1+2&q=3"));
    for (name, value) in [
        ("authorization", "Bearer sk_live_canary_81549300"),
        ("user-agent", concat!("dashtray/", env!("CARGO_PKG_VERSION"))),
        ("acme-version", "7"),
        ("x-mine", "yes"),
        ("accept", "application/json"),
        ("accept-encoding", "gzip"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    let counters = http.counters();
    assert_eq!((counters.requests, counters.bytes, counters.waited_ms), (1, 12, 0));
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_passes() {
    let provider = Provider::scripted(vec![
        reply(500, "{}"),
        Reply::closed(),
        reply(200, r#"{"long":"body"}"#).cut_after(5),
        reply(200, "[1]"),
    ])
    .await;
    let http = http(service(&provider));
    assert_eq!(http.get("/x").json::<Vec<i64>>().await.unwrap().body, [1]);
    assert_eq!(http.counters().requests, 4);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_not_sent_again() {
    let provider = Provider::scripted(vec![reply(401, r#"{"error":{"message":"bad key"}}"#)]).await;
    let http = http(service(&provider));
    let error = http.get("/x").json::<Value>().await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unauthorized);
    assert_eq!(error.to_string(), "the credentials were refused: bad key (HTTP 401), endpoint: /x");
    assert_eq!(provider.asked().len(), 1);
}
