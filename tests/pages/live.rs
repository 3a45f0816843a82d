//! Pages that change while somebody looks: what is told to whom, and what is fetched then.

use std::sync::Arc;

use dashtray::{
    app::App,
    metric::Currency,
    store::{NewProject, NewUser, Role},
    sync::Range,
};
use tokio_util::sync::CancellationToken;

use super::{
    connecting::{connected, site},
    visitor::Visitor,
};
use crate::support::{
    fake::Script,
    measured::{measured, sync},
    site::{EMAIL, Site},
};

/// Another process over the same database.
async fn another(site: &Site) -> App {
    App::open((*site.app.config).clone(), site.app.registry.clone()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_any_process_writes_is_told_to_every_page_that_shows_it() {
    let (site, script) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let other = another(&site).await;
    for (shift, page) in ["/?range=7d", "/d/fake?range=7d", "/m/fake_events?range=7d"].into_iter().enumerate() {
        let (stream, seen) = ada.get(page).await.stage();
        assert_eq!(stream, "/live?of=fake", "{page}");
        let stream = format!("{stream}&seen={seen}");
        let hears = ada.hears(&stream, &["event: numbers", "data: fake"]);
        script.shift(i64::try_from(shift).unwrap() + 1);
        let run = async {
            let stop = CancellationToken::new();
            other.sync.sync_now("default", &[], Range::default(), &stop, Arc::new(|_| {})).await.unwrap();
        };
        let (heard, ()) = tokio::join!(hears, run);
        // Whoever comes back with what it heard last is told no second time.
        let last = heard.split("id: ").nth(1).unwrap().lines().next().unwrap();
        assert_ne!(last, seen, "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_knows_everything_hears_nothing_until_something_happens() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let (stream, seen) = ada.get("/").await.stage();
    let quiet = format!("{stream}&seen={seen}");
    // Others hear of everything meanwhile.
    let all = async {
        let heard = ada.hears(&format!("{stream}&seen="), &["event: numbers", "id: "]).await;
        assert!(heard.contains("data: fake") && heard.contains(&format!("id: {seen}")), "{heard}");
        sync(&site).await;
    };
    let (heard, ()) = tokio::join!(ada.hears(&quiet, &["event: numbers", "id: "]), all);
    assert!(heard.contains("data: fake") && !heard.contains(&format!("id: {seen}\n")), "{heard}");
    // It ends when the program does, whoever listens.
    let (stream, seen) = ada.get("/").await.stage();
    let quiet = format!("{stream}&seen={seen}");
    let ends = ada.hears_to_the_end(&quiet);
    let stops = async {
        ada.hears(&format!("{stream}&seen="), &["event: numbers"]).await;
        site.stop().await;
    };
    let (heard, ()) = tokio::join!(ends, stops);
    assert!(heard.starts_with("HTTP/1.1 200") && !heard.contains("event:"), "{heard}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_is_fetched_with_what_has_changed_alone() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    for page in ["/?range=7d", "/d/fake?range=7d"] {
        let cards =
            async |of: &str| ada.get(&format!("{page}{of}")).await.body.matches("href=\"/m/fake_events").count();
        let all = cards("").await;
        assert!(all > 0, "{page}");
        assert_eq!((cards("&of=fake").await, cards("&of=*").await), (all, all), "{page}");
        assert_eq!((cards("&of=").await, cards("&of=other,more").await), (0, 0), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_what_is_not_theirs() {
    let site = site(&Script::named("example-service")).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    connected(&ada, "mint").await;
    let new = NewProject { slug: "other".into(), zone: "UTC".into(), currency: Currency::USD };
    let other = site.app.store.insert_project(&new, site.app.now()).await.unwrap();
    let eve = NewUser { email: "eve@example.com".into(), name: "Eve".into(), password_hash: None };
    site.app.store.insert_user(&eve, other.id, Role::Owner, site.app.now()).await.unwrap();
    let eve = Visitor::signed_in(&site, "eve@example.com").await;
    assert_eq!(Visitor::stranger(&site).get("/live?of=example-service").await.status, 303);
    let listens = eve.hears_to_the_end("/live?of=example-service&seen=");
    let meanwhile = async {
        let heard = ada.hears("/live?of=example-service&seen=", &["event: numbers"]).await;
        assert!(heard.contains("data: example-service"), "{heard}");
        site.stop().await;
    };
    let (heard, ()) = tokio::join!(listens, meanwhile);
    assert!(heard.starts_with("HTTP/1.1 200") && !heard.contains("event:"), "{heard}");
}
