//! Behind a reverse proxy: under a path of a host that others share, and told by the proxy who asks.

use std::{collections::BTreeSet, sync::Arc};

use dashtray::{http::OAuthClient, integrations::Registry};

use super::visitor::{FORM, Visitor, form};
use crate::support::{
    fake::{Fake, Script},
    measured::{connect, sync},
    site::{EMAIL, PASSWORD, Site},
};

const PUBLIC: &str = "http://example.com/numbers/of-ours";
const BASE: &str = "/numbers/of-ours";

async fn under_a_path(registry: Registry) -> Site {
    let site = Site::start_over(registry, |config| {
        config.public_url = PUBLIC.parse().ok();
        config
            .oauth_clients
            .insert("google-analytics".to_owned(), OAuthClient { id: "an-id".to_owned(), secret: None });
    });
    site.await.joined_by_ada().await
}

/// Name and value of every attribute that holds a path.
fn paths(html: &str) -> impl Iterator<Item = (&str, &str)> {
    html.match_indices("=\"/").map(|(at, _)| {
        let name = html[..at].rsplit(|c: char| c.is_ascii_whitespace()).next().unwrap();
        (name, html[at + 2..].split('"').next().unwrap())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_address_of_every_page_is_under_the_path_and_works() {
    let site = under_a_path(Registry::new(vec![Arc::new(Fake(Script::new()))])).await;
    connect(&site, "Fake shop", &[]).await;
    sync(&site).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let mut open = vec![BASE.to_owned(), format!("{BASE}/login"), format!("{BASE}/nowhere")];
    let mut seen: BTreeSet<String> = open.iter().cloned().collect();
    while let Some(address) = open.pop() {
        let answer = ada.get(&address).await;
        let expected: &[u16] = if address.ends_with("/nowhere") { &[404] } else { &[200, 303] };
        assert!(expected.contains(&answer.status), "{address}: {}", answer.status);
        let to = answer.header("location");
        assert!(to.is_empty() || to.starts_with(BASE), "{address} leads to {to}");
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        for (name, value) in paths(&answer.body) {
            if ["value", "data-key", "placeholder"].contains(&name) {
                continue;
            }
            assert!(value.starts_with(BASE), "{address} has {name}=\"{value}\"");
            // Days and orders of a page are the same page.
            let bare = value.split(['?', '#']).next().unwrap().to_owned();
            let is_link = ["href", "src", "data-part"].contains(&name);
            if is_link && seen.insert(bare) {
                open.push(value.replace("&#38;", "&"));
            }
        }
    }
    for page in ["", "/d/fake", "/m/fake_events", "/integrations", "/connect/fake", "/settings/projects", "/docs/api"] {
        assert!(
            seen.contains(&format!("{BASE}{page}")) || seen.contains(&format!("{BASE}{page}/")),
            "{page}: {seen:?}"
        );
    }
    assert!(seen.iter().any(|one| one.starts_with(&format!("{BASE}/static/app."))), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_may_take_the_path_off_or_leave_it() {
    let site = under_a_path(Registry::builtin()).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let document = |path: &'static str| {
        let ada = &ada;
        async move { ada.get(path).await.body }
    };
    let (with, without) =
        (document("/numbers/of-ours/api/v1/openapi.json").await, document("/api/v1/openapi.json").await);
    assert!(with.contains(&format!("\"servers\":[{{\"url\":\"{BASE}\"}}]")), "{with:.300}");
    assert_eq!(with, without);
    for path in ["/healthz", "/api/v1/health", "/settings/account"] {
        for base in ["", BASE] {
            assert_eq!(ada.get(&format!("{base}{path}")).await.status, 200, "{base}{path}");
        }
    }

    // Signing in, and where a provider sends back to.
    let stranger = Visitor::stranger(&site);
    let asked = stranger.get(&format!("{BASE}/settings/keys?x=1")).await;
    assert_eq!(asked.header("location"), format!("{BASE}/login?next=%2Fsettings%2Fkeys%3Fx%3D1"));
    let fields = [("email", EMAIL), ("password", PASSWORD), ("next", "/settings/keys?x=1")];
    let origin = "Origin: http://example.com";
    let answer = stranger.ask("POST", &format!("{BASE}/login"), &[origin, FORM], &form(&fields)).await;
    assert_eq!(answer.header("location"), format!("{BASE}/settings/keys?x=1"));
    assert!(answer.header("set-cookie").contains("; Path=/numbers/of-ours; SameSite=Lax"), "{answer:?}");
    let fragment = stranger.ask("GET", &format!("{BASE}/integrations"), &["HX-Request: true"], "").await;
    assert_eq!(fragment.header("hx-redirect"), format!("{BASE}/login"));
    let connecting = ada.get(&format!("{BASE}/connect/google-analytics")).await;
    assert!(connecting.body.contains(&format!("{PUBLIC}/oauth/callback")), "{}", connecting.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_heard_under_the_path() {
    let site = under_a_path(Registry::new(vec![Arc::new(Fake(Script::new()))])).await;
    connect(&site, "Fake shop", &[]).await;
    sync(&site).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let (stream, _) = ada.get(BASE).await.stage();
    assert_eq!(stream, format!("{BASE}/live?of=fake"));
    let heard = ada.hears(&format!("{stream}&seen="), &["event: numbers"]).await;
    assert!(heard.contains("x-accel-buffering: no") && !heard.contains("content-encoding"), "{heard}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_is_what_a_trusted_proxy_says_and_nobody_else() {
    for (trusted, expected) in [("127.0.0.0/8", "198.51.100.7"), ("10.0.0.0/8", "127.0.0.1")] {
        let set = |config: &mut dashtray::config::Config| config.trusted_proxies = vec![trusted.parse().unwrap()];
        let site = Site::start_over(Registry::builtin(), set).await.joined_by_ada().await;
        let stranger = Visitor::stranger(&site);
        let origin = format!("Origin: http://{}", site.host);
        let told = "X-Forwarded-For: 203.0.113.66, 198.51.100.7";
        let fields = form(&[("email", EMAIL), ("password", PASSWORD)]);
        let answer = stranger.ask("POST", "/login", &[&origin, told, FORM], &fields).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let user = site.app.users.find(EMAIL).await.unwrap();
        let sessions = site.app.users.sessions(&user).await.unwrap();
        assert!(sessions.iter().any(|session| session.address == expected), "{trusted}: {sessions:?}");
        assert!(sessions.iter().all(|session| session.address != "203.0.113.66"), "{trusted}: {sessions:?}");
    }
}
