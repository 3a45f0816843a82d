//! What becomes of requests and answers.

use std::{io::Write, sync::Arc, time::Duration};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::{
    client, http,
    provider::{Provider, Reply, reply},
    service, session,
};
use crate::{
    http::{ClientConfig, Error, Exception, Forgetful, Meaning, Retry, When},
    metric::FailureKind,
};

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
        ("authorization", "Bearer sk_live_canary_8154Zq7x"),
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

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

async fn fails(reply: Reply) -> (Error, u64) {
    let provider = Provider::scripted(vec![reply]).await;
    let config = ClientConfig { max_answer_bytes: 10_000, max_decoded_bytes: 100_000, ..ClientConfig::default() };
    let http = client(config, Arc::new(Forgetful)).session(session(service(&provider)));
    let error = http.get("/x").json::<Value>().await.unwrap_err();
    (error, http.counters().requests)
}

#[tokio::test(start_paused = true)]
async fn compressed_answers_are_counted_as_they_came() {
    let text = format!("[{}0]", "0,".repeat(20_000));
    let packed = gzip(text.as_bytes());
    let (head, tail) = packed.split_at(packed.len() / 2);
    let provider = Provider::scripted(vec![
        reply(200, "").header("Content-Encoding", "gzip").bytes([head, tail].concat()),
        reply(200, "").header("Content-Encoding", "gzip").bytes([gzip(b"[1,"), gzip(b"2]")].concat()),
    ])
    .await;
    let http = http(service(&provider));
    assert_eq!(http.get("/x").json::<Vec<u8>>().await.unwrap().body.len(), 20_001);
    assert_eq!(http.counters().bytes, packed.len() as u64);
    assert_eq!(http.get("/x").json::<Vec<u8>>().await.unwrap().body, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_too_large_are_refused_at_once() {
    let large = format!("\"{}\"", "x".repeat(10_001));
    let bomb = gzip(&vec![b'0'; 5_000_000]);
    assert!(bomb.len() < 10_000);
    for answer in [
        reply(200, &large),
        // Nothing more than the head ever comes: what is announced is enough.
        reply(200, "").header("Content-Length", 10_001).drip(Duration::from_secs(1)),
        // And nothing is announced here.
        reply(200, &large).header("Transfer-Encoding", "identity").header("Content-Length", "10001"),
        reply(200, "").header("Content-Encoding", "gzip").bytes(bomb),
    ] {
        let (error, requests) = fails(answer).await;
        assert_eq!((error.kind(), error.message()), (FailureKind::InvalidResponse, "the answer is too large"));
        assert_eq!(requests, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_chunked_answer_is_cut_off_at_the_limit() {
    let mut chunked = Vec::new();
    for _ in 0..100 {
        chunked.extend_from_slice(b"3e8\r\n");
        chunked.extend_from_slice(&[b'0'; 1000]);
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = reply(200, "").header("Transfer-Encoding", "chunked").bytes(chunked);
    let (error, _) = fails(answer).await;
    assert_eq!(error.message(), "the answer is too large");
}

#[tokio::test(start_paused = true)]
async fn half_answers_are_asked_for_again_and_never_taken() {
    let packed = gzip(b"[1,2,3,4,5,6,7,8,9]");
    let half = packed[..packed.len() / 2].to_vec();
    for answer in [
        reply(200, "[1,2,3]").cut_after(3),
        reply(200, "").header("Content-Encoding", "gzip").bytes(half),
        reply(200, "").header("Transfer-Encoding", "chunked").bytes(b"5\r\n[1,2]\r\n".to_vec()),
    ] {
        let (error, requests) = fails(answer).await;
        assert_eq!((error.kind(), error.retry()), (FailureKind::Unavailable, Retry::BackOff));
        assert_eq!(error.message(), "the answer ended before its end");
        assert_eq!(requests, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn slow_answers_are_given_up() {
    // A byte a second keeps the read timeout away; the total timeout holds.
    let drip = reply(200, &format!("[{}1]", " ".repeat(500))).drip(Duration::from_secs(1));
    for (answer, seconds) in [(drip, 4 * 120), (Reply::silence(), 4 * 30)] {
        let started = tokio::time::Instant::now();
        let (error, requests) = fails(answer).await;
        assert_eq!((error.kind(), error.message()), (FailureKind::Unavailable, "the answer took too long"));
        assert_eq!(requests, 4);
        let took = started.elapsed().as_secs();
        assert!((seconds..seconds + 5).contains(&took), "{took}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_json_is_an_invalid_response() {
    let page = "answered with a web page instead of JSON; check the address (HTTP 200), endpoint: /x";
    for (answer, expected) in [
        (reply(200, "<html>").header("Content-Type", "text/html"), page),
        (reply(200, ""), "answered with nothing where JSON was expected (HTTP 200), endpoint: /x"),
        (reply(204, ""), "answered with nothing where JSON was expected (HTTP 204), endpoint: /x"),
        (reply(200, "[1").header("Content-Encoding", "br"), "the answer's compression cannot be read, endpoint: /x"),
        (
            reply(200, "[1,2,3,4,5,6]").header("Content-Encoding", "gzip"),
            "the answer's compression cannot be read, endpoint: /x",
        ),
    ] {
        let (error, requests) = fails(answer).await;
        assert_eq!((error.kind(), error.to_string().as_str()), (FailureKind::InvalidResponse, expected));
        assert_eq!(requests, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_allowed_status_is_an_answer() {
    let provider = Provider::scripted(vec![reply(404, "gone").header("X-Why", "because")]).await;
    let http = http(service(&provider));
    let answer = http.get("/x").allow(404).send().await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), answer.header("x-why")), (404, &b"gone"[..], Some("because")));
    assert_eq!(http.get("/x").send().await.unwrap_err().kind(), FailureKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn the_descriptors_exceptions_come_first() {
    let provider =
        Provider::scripted(vec![reply(200, r#"{"error":"No Plan"}"#), reply(400, "lock timeout"), reply(200, "{}")])
            .await;
    let exception = |status, text: &str, means| Exception { status, when: When::BodyContains(text.into()), means };
    let exceptions = vec![
        exception(200, "no plan", Meaning::Failure(FailureKind::PlanRequired)),
        exception(400, "LOCK", Meaning::Transient),
    ];
    let http = http(crate::http::Service { exceptions, ..service(&provider) });
    let error = http.get("/x").json::<Value>().await.unwrap_err();
    assert_eq!((error.kind(), error.provider_message()), (FailureKind::PlanRequired, Some("No Plan")));
    assert_eq!(http.get("/x").json::<Value>().await.unwrap().body, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_query_is_posted_as_json_and_may_be_repeated() {
    let provider = Provider::scripted(vec![reply(503, ""), reply(200, "[]")]).await;
    let http = http(service(&provider));
    http.query("/query", &json!({"metrics": ["visitors"]})).json::<Value>().await.unwrap();
    let asked = provider.asked();
    assert_eq!(asked.len(), 2);
    for ask in asked {
        assert_eq!((ask.method.as_str(), ask.body.as_str()), ("POST", r#"{"metrics":["visitors"]}"#));
        assert_eq!(ask.header("content-type"), Some("application/json"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_never_becomes_another_one() {
    let provider = Provider::scripted(vec![reply(200, "{}")]).await;
    let http = http(service(&provider));
    for (template, name, value) in [
        ("/a/{id}/b", "id", ""),
        ("/a/{id}", "id", "."),
        ("/a/{id}", "id", ".."),
        ("/a/{id}", "other", "x"),
        ("/a/{+id}", "id", "x/../y"),
        ("/a/{+id}", "id", "x//y"),
        ("/a/{+id}", "id", "/x"),
        ("/a/{+id}", "id", ""),
    ] {
        let error = http.get(template).path(name, value).json::<Value>().await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::InvalidSettings, "{template} {value:?}");
    }
    assert!(provider.asked().is_empty());
    for (value, path) in [
        ("../x", "/v1/a/..%2Fx"),
        ("%2e%2e", "/v1/a/%252e%252e"),
        ("x?y#z", "/v1/a/x%3Fy%23z"),
        ("a\\b\n", "/v1/a/a%5Cb%0A"),
        ("é", "/v1/a/%C3%A9"),
    ] {
        http.get("/a/{id}").path("id", value).json::<Value>().await.unwrap();
        assert_eq!(provider.asked().last().unwrap().path, path);
    }
}
