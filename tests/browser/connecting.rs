//! From the catalogue to numbers: a wrong key, the right one, the first sync as it goes, and a connection that breaks.

use std::{sync::Arc, time::Duration};

use dashtray::{
    clock::Clock,
    demo::{Company, Emulators, Options, STRIPE_KEY},
    integrations::Registry,
    store::ConnectionState,
};

use serde_json::json;

use super::{barriers::barriers, close, signed_in};
use crate::support::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_tested_connected_read_broken_and_replaced() {
    // Slow enough to be watched.
    let options = Options { latency: Duration::from_millis(100), ..Options::default() };
    let company = Company::empty(Clock::System.now());
    let emulators = Emulators::start(Arc::new(company), options).await.unwrap();
    let url = emulators.url("stripe").parse().unwrap();
    let set = |config: &mut dashtray::config::Config| {
        config.provider_urls.insert("stripe".to_owned(), url);
    };
    let site = Site::start_over(Registry::builtin(), set).await.joined_by_ada().await;
    site.work();
    let browser = signed_in(&site).await;

    browser.go(&site.url("/integrations")).await;
    browser.click("a[href='/connect/stripe']").await;
    // Known by its first letters, before anybody is asked; what was typed stays to be looked at.
    browser.fill("#c-api_key", "pk_live_4711").await;
    browser.click("button[value='test']").await;
    browser.sees("publishable").await;
    assert_eq!(browser.run("return document.getElementById('c-api_key').value").await, "pk_live_4711");
    browser.fill("#c-api_key", "rk_test_ofSomebodyElse00000000000000000000000000").await;
    browser.click("button[value='test']").await;
    browser.sees("refused").await;
    let (complaints, _) = browser.complaints_and_hosts().await;
    assert!(complaints.iter().all(|line| line.contains("422")), "{complaints:?}");

    browser.fill("#c-api_key", STRIPE_KEY).await;
    browser.click("button[value='test']").await;
    browser.sees("Key accepted").await;
    browser.click("button[value='finish']").await;
    // The starter dashboard opens at once, says how far the first sync is, and fills.
    browser.sees("The first sync has begun").await;
    assert_eq!(browser.url().await, site.url("/d/stripe?done=connected"));
    browser.run("window.opened = 1").await;
    browser.sees("back to").await;
    browser.sees(" so far").await;
    browser.sees("synced just now").await;
    assert_eq!(
        browser.run("return [window.opened, document.querySelectorAll('.first-sync').length]").await,
        json!([1, 0])
    );
    browser.go(&site.url("/integrations")).await;
    browser.click("a[href^='/connections/']").await;
    browser.sees("Working").await;
    browser.sees("all read").await;

    let address = browser.url().await;
    let path = address.strip_prefix(&site.url("")).unwrap().to_owned();
    let found = barriers(&browser, &site, &[&path, &format!("{path}/reconnect")]).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
    for width in [390, 1440] {
        browser.size(width, 844).await;
        browser.go(&site.url(&path)).await;
        let scrolls = browser.run("return document.documentElement.scrollWidth > innerWidth").await;
        assert_eq!(scrolls, false, "the connection is wider than {width} pixels");
    }

    // It breaks while somebody looks at it.
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let connection = site.app.store.connections(project.id).await.unwrap().remove(0);
    let reason = Some("the key was revoked".to_owned());
    let later = Clock::System.now() + jiff::SignedDuration::from_hours(1);
    let broken = ConnectionState { state: "needs_reconnect".to_owned(), reason, due_at: later, ..connection.state };
    site.app.store.set_state(connection.key, &broken).await.unwrap();
    browser.sees("Needs to be reconnected").await;
    browser.sees("the key was revoked").await;
    browser.click(".standing a.primary").await;
    browser.sees("New access to the same account").await;
    browser.fill("#c-api_key", STRIPE_KEY).await;
    browser.click("button[value='connect']").await;
    browser.sees("Connected again").await;
    browser.sees("Working").await;
    close(site, browser).await;
}
