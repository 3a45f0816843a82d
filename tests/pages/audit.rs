//! Who did what: noted as theirs, shown to owners alone, and never with a secret.

use dashtray::{
    metric::Currency,
    store::{AuditQuery, AuditRow, NewProject, NewUser, Role},
};
use serde_json::json;

use super::{
    connecting::{KEY, connected, send, site},
    visitor::Visitor,
};
use crate::{
    api::program::Program,
    support::{
        fake::Script,
        site::{EMAIL, PASSWORD, Site},
    },
};

/// What was done to the project, the oldest first.
async fn log(site: &Site) -> Vec<AuditRow> {
    let query = AuditQuery { limit: 1000, ..AuditQuery::default() };
    let mut rows = site.app.users.audit(&query).await.unwrap();
    rows.reverse();
    rows
}

/// The words of what was done after so many.
async fn since(site: &Site, seen: usize) -> Vec<String> {
    log(site).await.iter().skip(seen).map(|row| format!("{} {} {}", row.actor, row.action, row.subject)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_does_is_noted_as_theirs_without_any_secret() {
    let site = site(&Script::named("example-service")).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let seen = log(&site).await.len();
    let address = connected(&ada, "mint").await;
    for act in ["sync", "pause", "resume"] {
        assert_eq!(send(&ada, &format!("{address}/{act}"), &[]).await.status, 303, "{act}");
    }
    let flavour =
        [("shown", "s-flavour"), ("s-flavour", "mint"), ("shown", "s-sync_interval"), ("s-sync_interval", "90")];
    assert_eq!(send(&ada, &format!("{address}/settings"), &flavour).await.status, 303);
    let other = [("action", "connect"), ("c-api_key", "canary-key-4712")];
    assert_eq!(send(&ada, &format!("{address}/reconnect"), &other).await.status, 303);
    assert_eq!(send(&ada, &format!("{address}/disconnect"), &[("data", "delete")]).await.status, 303);
    let done =
        ["connected", "sync_asked", "connection_paused", "connection_resumed", "connection_changed", "reconnected"];
    let mut expected: Vec<String> = done.iter().map(|action| format!("{EMAIL} {action} mint")).collect();
    expected.push(format!("{EMAIL} disconnected mint"));
    assert_eq!(since(&site, seen).await, expected);
    let rows = log(&site).await;
    let changed = rows.iter().find(|row| row.action == "connection_changed").unwrap();
    assert_eq!((&changed.details, changed.address.as_str()), (&json!({"settings": ["sync_interval"]}), "127.0.0.1"));

    let seen = rows.len();
    send(&ada, "/settings/keys", &[("name", "cron"), ("scope", "write")]).await;
    send(&ada, "/settings/people/invite", &[("role", "editor"), ("email", "bob@example.com")]).await;
    send(&ada, "/settings/projects", &[("zone", "Asia/Tokyo"), ("currency", "JPY")]).await;
    send(&ada, "/dashboards", &[("name", "Mine")]).await;
    send(&ada, "/d/mine/delete", &[]).await;
    let password = [("password", PASSWORD), ("new_password", "another horse battery")];
    assert_eq!(send(&ada, "/settings/account", &password).await.status, 303);
    let done = [
        "api_key_made cron",
        "invitation_made bob@example.com",
        "project_changed default",
        "dashboard_made Mine",
        "dashboard_removed Mine",
        "password_changed ada@example.com",
    ];
    assert_eq!(since(&site, seen).await, done.map(|done| format!("{EMAIL} {done}")));

    let seen = log(&site).await.len();
    let program = Program::with_key(&site, dashtray::store::Scope::Write).await;
    let new = json!({"integration_id": "example-service", "credentials": {"api_key": KEY}, "settings": {}});
    let made = program.send("POST", "/api/v1/connections", &new).await;
    assert_eq!(made.status, 201, "{made:?}");
    let by = format!("test (…{})", &program.key[program.key.len() - 4..]);
    assert_eq!(since(&site, seen).await, ["Dashtray api_key_made test".to_owned(), format!("{by} connected Fake")]);

    let all = format!("{:?}", log(&site).await);
    for secret in [KEY, "canary-key-4712", PASSWORD, "another horse", &program.key, "dk_", "$argon2"] {
        assert!(!all.contains(secret), "{secret} is in {all}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_act_is_no_act_and_a_wrong_password_of_an_account_is_noted() {
    let site = Site::with_account().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let seen = log(&site).await.len();
    send(&ada, "/settings/keys", &[("name", "")]).await;
    send(&ada, "/settings/people/invite", &[("role", "editor"), ("email", "nonsense")]).await;
    send(&ada, "/settings/people/role", &[("user", "1"), ("role", "viewer")]).await;
    assert_eq!(since(&site, seen).await, [""; 0]);

    let stranger = Visitor::stranger(&site);
    let guess = [("email", "nobody@example.com"), ("password", "wrong")];
    assert_eq!(stranger.post("/login", &guess).await.status, 401);
    let guess = [("email", EMAIL), ("password", "wrong-4711")];
    assert_eq!(stranger.post("/login", &guess).await.status, 401);
    // It is noted in the background, so that the time says nothing of who has an account.
    let noted = async {
        while log(&site).await.len() == seen {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), noted).await.unwrap();
    let rows = log(&site).await;
    let row = rows.last().unwrap();
    assert_eq!(
        (row.actor_kind.as_str(), row.action.as_str(), row.subject.as_str()),
        ("visitor", "sign_in_failed", EMAIL)
    );
    assert_eq!((row.address.as_str(), row.project.as_ref()), ("127.0.0.1", None));
    assert!(!format!("{rows:?}").contains("wrong-4711"));
    let right = [("email", EMAIL), ("password", PASSWORD)];
    assert_eq!(stranger.post("/login", &right).await.status, 303);
    assert_eq!(since(&site, seen + 1).await, [format!("{EMAIL} signed_in {EMAIL}")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_see_their_project_and_its_people_by_pages_and_by_what_they_look_for() {
    let site = Site::with_account().await;
    let (store, now) = (&site.app.store, site.app.now());
    let default = store.project("default").await.unwrap().unwrap();
    let new = NewProject { slug: "secret-shop".into(), zone: "UTC".into(), currency: Currency::USD };
    let shop = store.insert_project(&new, now).await.unwrap();
    let user = |name: &str| NewUser { email: format!("{name}@example.com"), name: name.into(), password_hash: None };
    store.insert_user(&user("eve"), shop.id, Role::Owner, now).await.unwrap();
    store.insert_user(&user("ed"), default.id, Role::Editor, now).await.unwrap();
    let eve = Visitor::signed_in(&site, "eve@example.com").await;
    let ed = Visitor::signed_in(&site, "ed@example.com").await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    assert_eq!(ed.get("/settings/audit").await.status, 403);

    let (hers, ours) = (eve.get("/settings/audit").await.body, ada.get("/settings/audit").await.body);
    assert!(hers.contains("secret-shop") && hers.contains("Signed in</strong> eve@example.com"), "{hers}");
    assert!(!hers.contains(EMAIL) && !hers.contains("ed@example.com"), "{hers}");
    assert!(ours.contains("Signed in</strong> ed@example.com") && ours.contains(EMAIL), "{ours}");
    assert!(!ours.contains("secret-shop") && !ours.contains("eve@example.com"), "{ours}");

    for number in 0..60 {
        let project = &default;
        site.app.users.make_api_key(project, &format!("key {number:02}"), dashtray::store::Scope::Read).await.unwrap();
    }
    let first = ada.get("/settings/audit?what=api-keys").await.body;
    assert!(first.contains("key 59") && first.contains("key 10") && !first.contains("key 09"), "{first}");
    assert!(!first.contains("Signed in") && !first.contains(">Newest<"), "{first}");
    let older = first.split("href=\"/settings/audit?").nth(1).unwrap().split('"').next().unwrap();
    let older = older.replace("&#38;", "&").replace("&amp;", "&");
    let second = ada.get(&format!("/settings/audit?{older}")).await.body;
    assert!(second.contains("key 09") && second.contains("key 00") && !second.contains("key 10"), "{second}");
    assert!(second.contains(">Newest<") && !second.contains(">Older<"), "{second}");
    let found = ada.get("/settings/audit?who=KEY+3").await.body;
    assert_eq!(found.matches("API key made</strong>").count(), 10, "{found}");
    for (looked_for, nothing) in [("%25", true), ("_", true), ("!", true), ("%27%3B--", true), ("ada%40", false)] {
        let page = ada.get(&format!("/settings/audit?who={looked_for}")).await;
        assert_eq!((page.status, page.body.contains("Nothing matches")), (200, nothing), "{looked_for}");
    }
    for odd in ["?before=nonsense", "?what=nonsense", "?before=00000000-0000-0000-0000-000000000000", "?x=1"] {
        assert_eq!(ada.get(&format!("/settings/audit{odd}")).await.status, 200, "{odd}");
    }
}
