//! Who gets in, and what a key may do.

use dashtray::{
    metric::Currency,
    store::{NewProject, Scope},
};
use serde_json::json;

use super::program::{JSON, Program};
use crate::{
    pages::visitor::Visitor,
    support::{
        database::{Database, on_both},
        site::{EMAIL, Site},
    },
};

on_both! {
    a_key_is_kept_as_a_hash_found_by_it_and_revoked,
    the_last_use_is_noted_once_a_minute,
}

async fn a_key_is_kept_as_a_hash_found_by_it_and_revoked(db: Database) {
    let (users, project) = users(&db).await;
    let made = users.make_api_key(&project, " nightly export ", Scope::Read).await.unwrap();
    let secret = made.secret.expose().to_owned();
    assert!(secret.starts_with("dk_") && secret.len() == 46 && secret.ends_with(&made.key.last_four), "{made:?}");
    assert_eq!((made.key.name.as_str(), made.key.last_four.len()), ("nightly export", 4));
    let kept = db.texts("SELECT concat_ws(' ', name, scope, last_four) FROM api_keys").await;
    assert_eq!(kept, [format!("nightly export read {}", made.key.last_four)]);
    let (found, of) = users.api_key(&made.secret).await.unwrap().unwrap();
    assert_eq!((&found, of.id), (&made.key, project.id));
    assert_eq!(users.api_keys(&project).await.unwrap(), [found]);
    let other = dashtray::secret::Secret::new(format!("dk_{}", "A".repeat(43)));
    assert_eq!(users.api_key(&other).await.unwrap(), None);

    let revoked = users.revoke_api_key(&project, "Nightly Export").await.unwrap();
    assert!(revoked.revoked_at.is_some());
    let (found, _) = users.api_key(&made.secret).await.unwrap().unwrap();
    assert!(found.revoked_at.is_some(), "it is still known, so that its program is told");
    assert!(users.revoke_api_key(&project, "nightly export").await.is_err(), "a name is of keys with power");
    for name in ["", "  ", &"x".repeat(81)] {
        assert!(users.make_api_key(&project, name, Scope::Read).await.is_err(), "{name:?}");
    }
}

async fn the_last_use_is_noted_once_a_minute(db: Database) {
    let (users, project) = users(&db).await;
    let made = users.make_api_key(&project, "cron", Scope::Write).await.unwrap();
    assert!(users.is_worth_noting(&made.key));
    users.note_use(&project, &made.key).await.unwrap();
    let (found, _) = users.api_key(&made.secret).await.unwrap().unwrap();
    let first = found.last_used_at.unwrap();
    assert!(!users.is_worth_noting(&found));
    users.note_use(&project, &found).await.unwrap();
    let (again, _) = users.api_key(&made.secret).await.unwrap().unwrap();
    assert_eq!(again.last_used_at, Some(first), "it was noted just now");
}

async fn users(db: &Database) -> (dashtray::users::Users, dashtray::store::Project) {
    let store = db.open().await;
    let clock = dashtray::clock::Clock::System;
    let new = NewProject { slug: "default".into(), zone: "UTC".into(), currency: Currency::USD };
    let project = store.insert_project(&new, clock.now()).await.unwrap();
    (dashtray::users::Users::new(store, clock), project)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_good_key_nothing_is_told() {
    let site = Site::start().await;
    let good = Program::with_key(&site, Scope::Read).await;
    assert_eq!(good.get("/api/v1/projects").await.status, 200);
    let wrong = format!("{}x", good.key);
    for (key, code) in [("", "key_missing"), ("dk_guess", "key_invalid"), ("", "key_missing"), (&wrong, "key_invalid")]
    {
        let told = Program::showing(&site, key).get("/api/v1/connections").await;
        assert_eq!((told.status, told.code()), (401, code), "{told:?}");
        assert_eq!(told.answer.header("www-authenticate"), "Bearer");
        assert!(!key.is_empty() || told.message().contains("Authorization: Bearer dk_"));
    }
    let basic = good.ask("GET", "/api/v1/projects", &["Authorization: Basic eDp5"], "").await;
    assert_eq!(basic.status, 401, "of two headers the first one counts");
    site.app.users.revoke_api_key(&site.app.store.project("default").await.unwrap().unwrap(), "test").await.unwrap();
    let told = good.get("/api/v1/projects").await;
    assert_eq!((told.status, told.code()), (401, "key_revoked"));
    assert_eq!(Program::showing(&site, "").get("/api/v1/health").await.status, 200);
    assert_eq!(Program::showing(&site, "").get("/api/v1/openapi.json").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_to_look_changes_nothing() {
    let site = Site::start().await;
    let reader = Program::with_key(&site, Scope::Read).await;
    let document = reader.get("/api/v1/openapi.json").await.json;
    let mut tried = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys().filter(|method| *method != "get") {
            let path = path.replace(['{', '}'], "");
            let told = reader.ask(&method.to_uppercase(), &path, &[JSON], "{}").await;
            assert_eq!((told.status, told.code()), (403, "scope_insufficient"), "{method} {path}");
            tried += 1;
        }
    }
    assert_eq!(tried, 6, "a route that changes something is new; is it tried?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_opens_its_own_project_alone() {
    let site = Site::start().await;
    let new = NewProject { slug: "shop".into(), zone: "UTC".into(), currency: Currency::USD };
    site.app.store.insert_project(&new, site.app.users.now()).await.unwrap();
    let ours = Program::with_key(&site, Scope::Write).await;
    let theirs = Program::of_project(&site, "shop", Scope::Write).await;
    let batch = json!({"metrics": [{"metric_id": "signups", "value": 1, "date": "2026-01-01"}]});
    assert_eq!(ours.send("POST", "/api/v1/metrics", &batch).await.status, 200);
    let list = ours.get("/api/v1/connections").await.json;
    let id = list["data"]["connections"][0]["connection_id"].as_str().unwrap().to_owned();

    assert_eq!(theirs.get("/api/v1/projects").await.json["data"]["projects"][0]["slug"], "shop");
    assert_eq!(theirs.get("/api/v1/connections").await.json["data"]["connections"], json!([]));
    let paths = [("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/test"), ("POST", "/sync"), ("GET", "/runs")];
    for (method, rest) in paths {
        let told = theirs.ask(method, &format!("/api/v1/connections/{id}{rest}"), &[JSON], "{}").await;
        assert_eq!((told.status, told.code()), (404, "connection_not_found"), "{method} {rest}");
        assert!(!told.message().contains("custom"), "{}", told.message());
    }
    let told = theirs.get("/api/v1/metrics/signups/timeseries").await;
    assert_eq!((told.status, told.code()), (404, "metric_not_found"));
    assert_eq!(theirs.get("/api/v1/export").await.json["data"]["points"], json!([]));
    assert_eq!(ours.get(&format!("/api/v1/connections/{id}")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_made_and_revoked_on_their_page_and_shown_once() {
    let site = Site::with_account().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let csrf = ada.get("/settings/keys").await.csrf();
    let refused = ada.post("/settings/keys", &[("csrf", &csrf), ("name", "")]).await;
    assert!(refused.status == 422 && refused.body.contains("what the key is for"), "{refused:?}");
    let made = ada.post("/settings/keys", &[("csrf", &csrf), ("name", "deploys"), ("scope", "write")]).await;
    let key = made.body.split("<code class=\"key\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(made.header("cache-control"), "no-store");
    let program = Program::showing(&site, &key);
    assert_eq!(program.get("/api/v1/projects").await.status, 200);
    let page = ada.get("/settings/keys").await;
    assert!(page.body.contains("deploys") && page.body.contains(&key[key.len() - 4..]) && !page.body.contains(&key));
    let id = page.body.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(ada.post("/settings/keys/revoke", &[("csrf", &csrf), ("key", id)]).await.status, 303);
    assert_eq!(program.get("/api/v1/projects").await.code(), "key_revoked");

    // Who may only look makes none.
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let bob = dashtray::store::NewUser { email: "bob@example.com".into(), name: "Bob".into(), password_hash: None };
    let viewer = dashtray::store::Role::Viewer;
    site.app.store.insert_user(&bob, project.id, viewer, site.app.users.now()).await.unwrap();
    let bob = Visitor::signed_in(&site, "bob@example.com").await;
    let page = bob.get("/settings/keys").await;
    assert!(page.body.contains("deploys") && !page.body.contains("Make the key"));
    assert_eq!(bob.post("/settings/keys", &[("csrf", &page.csrf()), ("name", "mine")]).await.status, 403);
}
