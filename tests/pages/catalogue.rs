//! The catalogue is drawn from descriptors: an integration that the pages have never heard of stands in it.

use std::sync::Arc;

use dashtray::{
    integrations::{Registry, Tier},
    store::{NewUser, Role},
};

use super::visitor::Visitor;
use crate::support::{
    fake::{Fake, Script},
    site::{EMAIL, Site},
};

/// Text between tags, without blanks around it.
fn texts(html: &str) -> Vec<&str> {
    let parts = html.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim());
    parts.filter(|text| !text.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_integration_that_no_page_knows_is_listed_searched_and_leads_to_its_form() {
    let integration = Arc::new(Fake(Script::named("example-service")));
    let site = Site::start_with(Registry::new(vec![integration])).await.joined_by_ada().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let page = ada.get("/integrations").await;
    assert!(page.body.contains("href=\"/connect/example-service\""), "{}", page.body);
    let catalogue = page.body.split("id=\"catalogue\"").nth(1).unwrap();
    let shown = texts(catalogue);
    for text in ["Analytics", "Fake", "API key", "For tests", "Connected in about two minutes"] {
        assert!(shown.contains(&text), "{text}: {shown:?}");
    }
    // The suite has never heard of it either.
    assert!(!shown.contains(&"Gold") && !shown.contains(&"Bronze"), "{shown:?}");
    assert!(!shown.contains(&"Payments") && !shown.contains(&"Sign in"), "{shown:?}");

    for (query, is_found) in [("fake", true), ("TESTS%20analytics", true), ("fake%20payments", false)] {
        let found = ada.get(&format!("/integrations?q={query}")).await;
        assert_eq!(found.body.contains("/connect/example-service"), is_found, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_five_are_there_and_who_may_only_look_cannot_connect() {
    let site = Site::with_account().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let page = ada.get("/integrations").await;
    assert!(page.body.len() < 60_000, "{} bytes", page.body.len());
    for descriptor in site.app.registry.descriptors() {
        assert!(page.body.contains(&format!("href=\"/connect/{}\"", descriptor.id)), "{}", descriptor.id);
        assert!(page.body.contains(&descriptor.icon), "{}", descriptor.id);
        let has_sign_in = descriptor.auth.oauth().is_some();
        let card = page.body.split(&format!("/connect/{}\"", descriptor.id)).nth(1).unwrap();
        let card = card.split("</li>").next().unwrap();
        assert_eq!(texts(card).contains(&"Sign in"), has_sign_in, "{}", descriptor.id);
        let tier = Tier::of(&descriptor.id).name();
        assert!(texts(card).iter().any(|text| text.eq_ignore_ascii_case(tier)), "{}: {tier}", descriptor.id);
    }
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let bob = NewUser { email: "bob@example.com".into(), name: "Bob".into(), password_hash: None };
    site.app.store.insert_user(&bob, project.id, Role::Viewer, site.app.users.now()).await.unwrap();
    let bob = Visitor::signed_in(&site, "bob@example.com").await;
    let page = bob.get("/integrations").await;
    assert!(page.status == 200 && !page.body.contains("/connect/"), "{}", page.body);
}
