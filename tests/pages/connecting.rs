//! From a key to a connection, of an integration that no page has heard of: all of it comes from the descriptor.

use std::sync::Arc;

use dashtray::{
    integrations::Registry,
    metric::{Currency, Day, Zone},
    store::{NewProject, NewUser, Role},
};

use super::visitor::{Answer, Visitor};
use crate::support::{
    fake::{Fake, Script},
    site::{EMAIL, Site},
};

pub(super) const CONNECT: &str = "/connect/example-service";
pub(super) const KEY: &str = "canary-key-4711";

pub(super) async fn site(script: &Arc<Script>) -> Site {
    Site::start_with(Registry::new(vec![Arc::new(Fake(script.clone()))])).await.joined_by_ada().await
}

/// A form with the token of its session.
pub(super) async fn send(visitor: &Visitor, path: &str, fields: &[(&str, &str)]) -> Answer {
    let csrf = visitor.get("/settings/projects").await.csrf();
    let fields: Vec<(&str, &str)> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
    visitor.post(path, &fields).await
}

/// Connects and gives the address of the connection's page.
pub(super) async fn connected(visitor: &Visitor, flavour: &str) -> String {
    let fields = [("action", "connect"), ("c-api_key", KEY), ("s-flavour", flavour), ("name", flavour)];
    let answer = send(visitor, CONNECT, &fields).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/d/example-service?done=connected"), "{answer:?}");
    visitor.get("/integrations").await.connection(flavour)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_no_page_knows_is_tested_chosen_and_connected() {
    let script = Script::named("example-service");
    let site = site(&script).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let form = ada.get(CONNECT).await;
    assert_eq!(form.status, 200);
    for part in [
        "Connect Fake",
        "name=\"c-api_key\" type=\"password\"",
        "required",
        "name=\"s-flavour\"",
        "placeholder=\"key\"",
    ] {
        assert!(form.body.contains(part), "{part}: {}", form.body);
    }

    let empty = send(&ada, CONNECT, &[("action", "test"), ("c-api_key", "  ")]).await;
    assert!(empty.status == 422 && empty.body.contains("id=\"c-api_key-error\">Key is required"), "{}", empty.body);

    // A test keeps nothing that anybody sees, and asks for the key no second time.
    let tested = send(&ada, CONNECT, &[("action", "test"), ("c-api_key", KEY), ("s-flavour", "mint")]).await;
    assert!(tested.status == 200 && tested.body.contains("Key accepted"), "{}", tested.body);
    assert!(tested.body.contains("Fake account") && !tested.body.contains(KEY), "{}", tested.body);
    let draft = tested.hidden("draft");
    let other = Visitor::signed_in(&site, EMAIL).await;
    let theft = send(&other, CONNECT, &[("action", "finish"), ("draft", &draft)]).await;
    assert!(theft.status == 422 && theft.body.contains("used already"), "another session: {}", theft.body);

    let tested = send(&ada, CONNECT, &[("action", "test"), ("c-api_key", KEY), ("s-flavour", "mint")]).await;
    let draft = tested.hidden("draft");
    let made = send(&ada, CONNECT, &[("action", "finish"), ("draft", &draft), ("name", "The shop")]).await;
    // What it begins with opens at once, and fills.
    assert_eq!((made.status, made.header("location")), (303, "/d/example-service?done=connected"), "{made:?}");
    let board = ada.get(made.header("location")).await;
    for part in
        ["The first sync has begun", "The shop</strong>: the first sync begins in a moment", "href=\"/m/fake_events"]
    {
        assert!(board.status == 200 && board.body.contains(part), "{part}: {}", board.body);
    }
    let address = ada.get("/integrations").await.connection("The shop");
    let page = ada.get(&address).await;
    assert!(page.status == 200 && page.body.contains("<h1>The shop</h1>"), "{}", page.body);
    assert!(page.body.contains("Waiting for its first sync") && !page.body.contains(KEY), "{}", page.body);
    let again = send(&ada, CONNECT, &[("action", "finish"), ("draft", &draft)]).await;
    assert!(again.status == 422 && again.body.contains("used already"), "{}", again.body);

    // The same account leads to where it is connected.
    let twice = send(&ada, CONNECT, &[("action", "connect"), ("c-api_key", KEY), ("s-flavour", "mint")]).await;
    assert!(twice.status == 422 && twice.body.contains("connected already, as “The shop”"), "{}", twice.body);
    assert!(twice.body.contains(&format!("href=\"{address}\"")), "{}", twice.body);
    let name = [("action", "connect"), ("c-api_key", KEY), ("s-flavour", "lime"), ("name", "the SHOP")];
    let name = send(&ada, CONNECT, &name).await;
    assert!(name.status == 422 && name.body.contains("id=\"name-error\""), "{}", name.body);

    // What was just tried is not tried again to be saved.
    script.take_tests();
    connected(&ada, "lime").await;
    assert_eq!(script.take_tests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_far_back_the_first_sync_reads_is_chosen_when_connecting() {
    let site = site(&Script::named("example-service")).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let project = site.app.store.project("default").await.unwrap().unwrap();
    assert!(
        ada.get(CONNECT).await.body.contains("name=\"s-history_days\" type=\"number\" value=\"\" placeholder=\"30\"")
    );
    let connect = async |flavour: &str, days: &str| {
        let fields = [("action", "connect"), ("c-api_key", KEY), ("s-flavour", flavour), ("s-history_days", days)];
        send(&ada, CONNECT, &fields).await
    };
    for bad in ["0", "-1", "4000", "1.5", "all"] {
        let answer = connect("mint", bad).await;
        assert!(answer.status == 422 && answer.body.contains("id=\"s-history_days-error\""), "{bad}: {}", answer.body);
    }
    assert_eq!(connect("mint", "7").await.status, 303);
    assert_eq!(connect("lime", "").await.status, 303);
    let today = Day::of(site.app.now(), &Zone::utc());
    let all = site.app.store.connections(project.id).await.unwrap();
    let first = all.iter().map(|one| one.settings.history_start).collect::<Vec<_>>();
    assert_eq!(first, [today.plus(-6), today.plus(-29)]);
    // Later on it means nothing any more.
    let change = [("history_days".to_owned(), "9".to_owned())];
    let refused = site.app.connections.set("default", &all[0].public_id.to_string(), &change).await.unwrap_err();
    assert!(refused.to_string().contains("is for new connections"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_no_sense_gets_a_form_or_a_page() {
    let site = site(&Script::named("example-service")).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    for path in ["/connect/nothing", "/connections/nothing", "/connections/0192d3b4-0000-7000-8000-000000000000"] {
        assert_eq!(ada.get(path).await.status, 404, "{path}");
    }
    for path in ["/connect/nothing", "/connections/x/sync", "/connections/x/disconnect", "/connections/x/reconnect"] {
        assert_eq!(send(&ada, path, &[]).await.status, 404, "{path}");
    }
    let long = send(&ada, CONNECT, &[("action", "connect"), ("c-api_key", &"x".repeat(30_000))]).await;
    assert!(long.status == 422 && long.body.contains("longer than any such value") && long.body.len() < 60_000);
    let long =
        send(&ada, CONNECT, &[("action", "connect"), ("c-api_key", KEY), ("s-flavour", &"x".repeat(10_000))]).await;
    assert!(long.status == 422 && long.body.contains("id=\"s-flavour-error\"") && long.body.len() < 60_000);
    let long = send(&ada, CONNECT, &[("action", "connect"), ("c-api_key", KEY), ("name", &"x".repeat(10_000))]).await;
    assert!(long.status == 422 && long.body.contains("at most 80"), "{}", long.body);
    let odd = [("action", "<b>"), ("c-api_key", KEY), ("s-zone", "Mars/<script>"), ("s-secret", "x"), ("c-other", "x")];
    let odd = send(&ada, CONNECT, &odd).await;
    assert!(
        odd.status == 422 && !odd.body.contains("<script>") && odd.body.contains("id=\"s-zone-error\""),
        "{}",
        odd.body
    );
    let draft = send(&ada, CONNECT, &[("action", "finish"), ("draft", "guess")]).await;
    assert!(draft.status == 422 && draft.body.contains("Begin again"), "{}", draft.body);
    let project = site.app.store.project("default").await.unwrap().unwrap();
    assert!(site.app.store.connections(project.id).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_look_changes_nothing_and_others_see_nothing() {
    let site = site(&Script::named("example-service")).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let address = connected(&ada, "mint").await;
    let (store, now) = (&site.app.store, site.app.users.now());
    let project = store.project("default").await.unwrap().unwrap();
    let new = NewProject { slug: "other-shop".into(), zone: "UTC".into(), currency: Currency::USD };
    let other = store.insert_project(&new, now).await.unwrap();
    for (email, project, role) in
        [("bob@example.com", project.id, Role::Viewer), ("eve@example.com", other.id, Role::Owner)]
    {
        let user = NewUser { email: email.into(), name: "Somebody".into(), password_hash: None };
        store.insert_user(&user, project, role, now).await.unwrap();
    }
    let (bob, eve) =
        (Visitor::signed_in(&site, "bob@example.com").await, Visitor::signed_in(&site, "eve@example.com").await);
    let page = bob.get(&address).await;
    assert!(
        page.status == 200 && !page.body.contains("Sync now") && !page.body.contains("Disconnect"),
        "{}",
        page.body
    );
    assert_eq!(bob.get(CONNECT).await.status, 403);
    assert_eq!(bob.get(&format!("{address}/reconnect")).await.status, 403);
    for (visitor, status) in [(&bob, 403), (&eve, 404)] {
        for act in ["test", "sync", "pause", "resume", "settings", "disconnect", "reconnect"] {
            let answer = send(visitor, &format!("{address}/{act}"), &[("data", "delete"), ("c-api_key", KEY)]).await;
            assert_eq!(answer.status, status, "{act}");
        }
    }
    for part in ["", "/now", "/diagnostics", "/reconnect"] {
        assert_eq!(eve.get(&format!("{address}{part}")).await.status, 404, "{part}");
    }
    let id = address.strip_prefix("/connections/").unwrap();
    assert_eq!(eve.get(&format!("/live?connection={id}")).await.status, 404);
    assert_eq!(send(&bob, CONNECT, &[("action", "connect"), ("c-api_key", KEY)]).await.status, 403);
    assert_eq!(ada.get(&address).await.status, 200);
}
