//! Who may ask how Dashtray is, and what it does.

use dashtray::{config::Config, integrations::Registry};

use super::visitor::Visitor;
use crate::support::site::Site;

async fn site(set: impl FnOnce(&mut Config)) -> Site {
    Site::start_over(Registry::builtin(), set).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_for_those_that_the_operator_named() {
    let off = site(|_| {}).await;
    assert_eq!(Visitor::stranger(&off).get("/metrics").await.status, 404);

    let on = site(|config| config.metrics = true).await;
    let stranger = Visitor::stranger(&on);
    let answer = stranger.get("/metrics").await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(stranger.ask("POST", "/metrics", &[], "").await.status, 405);
    // A proxy on this machine that nobody named would let in everybody.
    for header in ["X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Real-IP: 127.0.0.1"] {
        assert_eq!(stranger.ask("GET", "/metrics", &[header], "").await.status, 403, "{header}");
    }

    let elsewhere = site(|config| {
        config.metrics = true;
        config.metrics_networks = vec!["10.0.0.0/8".parse().unwrap()];
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    });
    let elsewhere = elsewhere.await;
    let stranger = Visitor::stranger(&elsewhere);
    for (header, status) in
        [("X: y", 403), ("X-Forwarded-For: 10.1.2.3", 200), ("X-Forwarded-For: 10.1.2.3, 192.0.2.1", 403)]
    {
        let answer = stranger.ask("GET", "/metrics", &[header], "").await;
        assert_eq!(answer.status, status, "{header}");
        assert!(status == 200 || answer.body.contains("may not ask for metrics"), "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_readiness_say_so_where_the_database_does_not_answer() {
    let site = site(|config| config.metrics = true).await;
    let stranger = Visitor::stranger(&site);
    assert!(stranger.get("/metrics").await.body.contains("\ndashtray_database_up 1\n"));
    site.app.store.close().await;
    let answer = stranger.get("/metrics").await;
    assert!(answer.status == 200 && answer.body.contains("\ndashtray_database_up 0\n"), "{answer:?}");
    assert!(!answer.body.contains("dashtray_connections{"), "{answer:?}");
    let answer = stranger.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(stranger.get("/healthz").await.status, 200, "the process itself is well");
}
