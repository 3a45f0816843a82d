//! Waits, on a virtual clock.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::Instant;

use super::{
    NOW, client, http,
    memory::Remembering,
    provider::{Provider, reply},
    service, session,
};
use crate::{
    clock::Clock,
    http::{Client, ClientConfig, Forgetful, Session},
    metric::FailureKind,
};

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_the_provider_asks() {
    for said in ["40", "Sun, 01 Mar 2026 00:00:40 GMT"] {
        let provider = Provider::scripted(vec![reply(429, "").header("Retry-After", said), reply(200, "[]")]).await;
        let http = http(service(&provider));
        http.get("/x").json::<Value>().await.unwrap();
        let asked = provider.asked();
        let between = asked[1].at - asked[0].at;
        assert!((Duration::from_secs(40)..Duration::from_millis(40_100)).contains(&between), "{said}: {between:?}");
        assert_eq!(http.counters().waited_ms.div_ceil(100), 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_is_handed_back_and_nobody_sleeps_on_it() {
    let provider = Provider::scripted(vec![reply(503, "").header("Retry-After", 3600)]).await;
    let started = Instant::now();
    let error = http(service(&provider)).get("/x").json::<Value>().await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::RateLimited);
    assert_eq!(error.retry_at().unwrap().to_string(), "2026-03-01T01:00:00Z");
    assert_eq!((provider.asked().len(), started.elapsed().as_secs()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_lasts_ends_as_rate_limited() {
    let provider = Provider::scripted(vec![reply(429, "").header("Retry-After", 10)]).await;
    let error = http(service(&provider)).get("/x").json::<Value>().await.unwrap_err();
    assert_eq!((error.kind(), provider.asked().len()), (FailureKind::RateLimited, 4));
    assert_eq!(error.retry_at().unwrap().as_second(), NOW.parse::<jiff::Timestamp>().unwrap().as_second() + 40);
}

#[tokio::test(start_paused = true)]
async fn others_wait_too_where_a_limit_was_reached() {
    let provider = Provider::scripted(vec![reply(429, "").header("Retry-After", 300), reply(200, "[]")]).await;
    let memory = Arc::new(Remembering::default());
    let first = client(ClientConfig::default(), memory.clone());
    let error = first.session(session(service(&provider))).get("/x").json::<Value>().await.unwrap_err();
    // Another run in this process, and another process.
    let second = client(ClientConfig::default(), memory);
    for client in [&first, &second] {
        let refused = client.session(session(service(&provider))).get("/y").json::<Value>().await.unwrap_err();
        assert_eq!((refused.kind(), refused.retry_at()), (FailureKind::RateLimited, error.retry_at()));
    }
    assert_eq!(provider.asked().len(), 1);
    tokio::time::advance(Duration::from_secs(301)).await;
    first.session(session(service(&provider))).get("/y").json::<Value>().await.unwrap();
    second.session(session(service(&provider))).get("/y").json::<Value>().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_frozen_clock_does_not_wait_for_ever() {
    let provider = Provider::scripted(vec![reply(429, "").header("Retry-After", 20), reply(200, "[]")]).await;
    let frozen = Clock::Frozen(NOW.parse().unwrap());
    let client = Client::new(ClientConfig::default(), Arc::new(Remembering::default()), frozen).unwrap();
    let http = client.session(session(service(&provider)));
    http.get("/x").json::<Value>().await.unwrap();
    assert_eq!(http.counters().waited_ms, 20_000);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline() {
    let provider = Provider::scripted(vec![reply(200, " ").drip(Duration::from_secs(20))]).await;
    let client = client(ClientConfig::default(), Arc::new(Forgetful));
    let deadline = Some("2026-03-01T00:00:08Z".parse().unwrap());
    let http = client.session(Session { deadline, ..session(service(&provider)) });
    let started = Instant::now();
    let error = http.get("/x").json::<Value>().await.unwrap_err();
    assert_eq!((error.kind(), started.elapsed().as_secs()), (FailureKind::Unavailable, 8));
    let error = http.get("/x").json::<Value>().await.unwrap_err();
    assert_eq!(error.message(), "the time of this run is over");
    assert_eq!(http.counters().requests, 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_at_once_than_the_limits_say() {
    let provider = Provider::scripted(vec![reply(200, "[]").drip(Duration::from_secs(5))]).await;
    let client = client(ClientConfig::default(), Arc::new(Forgetful));
    let mut limited = service(&provider);
    limited.limits.concurrent = 2;
    let started = Instant::now();
    let calls = (0..6).map(|_| {
        let http = client.session(session(limited.clone()));
        tokio::spawn(async move { http.get("/x").json::<Value>().await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    // Each takes two bytes of five seconds; two at a time.
    let took = started.elapsed().as_secs();
    assert!((30..32).contains(&took), "{took}");
    let asked = provider.asked();
    assert!(asked[2].at - asked[0].at >= Duration::from_secs(10), "three at once");
}
