//! What makes no sense, comes twice, from elsewhere or from somebody else: a page in the product's words, and nothing lost.

use dashtray::{
    metric::Currency,
    store::{NewProject, NewUser, Role},
    web,
};

use super::visitor::{Answer, FORM, Visitor, form};
use crate::support::{
    measured::measured,
    site::{EMAIL, Site},
};

/// Each address that takes a form, filled with ids that are there.
async fn forms(site: &Site) -> Vec<String> {
    let connection = site.app.connections.list("default").await.unwrap()[0].connection_id.to_string();
    let paths = web::listed().into_iter().filter(|(method, path)| *method == "POST" && !path.starts_with("/api/"));
    let filled = paths.map(|(_, path)| {
        let path = path.replace("/connections/{id}", &format!("/connections/{connection}"));
        path.replace("/connect/{id}", "/connect/fake").replace("{slug}", "fake")
    });
    filled.collect()
}

/// All that could be lost.
async fn everything(site: &Site) -> String {
    let store = &site.app.store;
    let project = store.project("default").await.unwrap().unwrap();
    let dashboards = store.dashboards(project.id).await.unwrap();
    let mut widgets = Vec::new();
    for dashboard in &dashboards {
        widgets.push(store.widgets(project.id, dashboard.id).await.unwrap());
    }
    let connections = store.connections(project.id).await.unwrap();
    let users = store.users().await.unwrap();
    let projects = store.projects().await.unwrap();
    let points = store.series(connections[0].key, dashtray::metric::Interval::Day, None).await.unwrap();
    format!("{projects:?} {users:?} {connections:?} {dashboards:?} {widgets:?} {points:?}")
}

/// That it is a page of ours which says something, and shows nothing of the machine.
fn is_a_page(answer: &Answer, what: &str) {
    assert!(answer.body.contains("<title>") && answer.body.contains("<h1"), "{what}: {}", answer.body);
    for inside in ["panicked", "SELECT ", "sqlite", "/src/", "Error(", "None"] {
        assert!(!answer.body.contains(inside), "{what} shows {inside}: {}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_form_is_taken_from_elsewhere_without_its_token_or_with_another_s() {
    let (site, _) = measured().await;
    let (ada, same) = (Visitor::signed_in(&site, EMAIL).await, Visitor::signed_in(&site, EMAIL).await);
    let csrf = ada.get("/dashboards").await.csrf();
    let other = same.get("/dashboards").await.csrf();
    let before = everything(&site).await;
    let own = format!("Origin: http://{}", site.host);
    let fields = |csrf: &str| form(&[("csrf", csrf), ("data", "delete"), ("do", "rename"), ("name", "Mallory's")]);
    let paths = forms(&site).await;
    assert!(paths.len() > 15 && paths.contains(&"/d/fake/edit".to_owned()), "{paths:?}");
    for path in paths {
        let foreign = ada.ask("POST", &path, &["Origin: https://evil.example.com", FORM], &fields(&csrf)).await;
        assert!(foreign.status == 403 && foreign.body.contains("came from another address"), "{path} {foreign:?}");
        if ["/setup", "/login", "/login/link", "/invitation"].contains(&path.as_str()) {
            continue;
        }
        for token in ["", "guess", &other] {
            let answer = ada.ask("POST", &path, &[&own, FORM], &fields(token)).await;
            assert_eq!(answer.status, 403, "{path} with {token:?}: {answer:?}");
            assert!(answer.body.contains("This form is of an earlier sign-in"), "{path}: {}", answer.body);
        }
    }
    assert_eq!(everything(&site).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_comes_twice_counts_once() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let csrf = ada.get("/dashboards").await.csrf();
    let twice = async |path: &str, fields: &[(&str, &str)]| {
        let all: Vec<(&str, &str)> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
        let (first, second) = (ada.post(path, &all).await, ada.post(path, &all).await);
        (first.status, second.status, second.body)
    };
    let (first, second, said) = twice("/dashboards", &[("name", "Monday")]).await;
    assert_eq!((first, second), (303, 422));
    assert!(said.contains("There is a dashboard of that name"), "{said}");

    let add = [("version", "0"), ("do", "add"), ("metric", "fake_events"), ("kind", "metric")];
    let (first, second, said) = twice("/d/monday/edit", &add).await;
    assert_eq!((first, second), (303, 409));
    assert!(said.contains("Somebody else changed this dashboard"), "{said}");
    let project = site.app.store.project("default").await.unwrap().unwrap().id;
    let monday = site.app.store.dashboard(project, "monday").await.unwrap().unwrap();
    assert_eq!(site.app.store.widgets(project, monday.id).await.unwrap().len(), 1);

    let (first, second, said) = twice("/d/monday/delete", &[]).await;
    assert_eq!((first, second), (303, 404), "{said}");
    assert!(said.contains("<h1>Not here</h1>"), "{said}");

    let new = [("new-slug", "shop"), ("new-zone", "UTC"), ("new-currency", "USD")];
    let (first, second, said) = twice("/settings/projects/new", &new).await;
    assert_eq!((first, second), (303, 422), "{said}");

    // Ada looks at the new project now.
    assert_eq!(ada.post("/settings/projects/choose", &[("csrf", &csrf), ("project", "default")]).await.status, 303);
    let id = site.app.connections.list("default").await.unwrap()[0].connection_id;
    let (first, second, said) = twice(&format!("/connections/{id}/disconnect"), &[("data", "delete")]).await;
    assert_eq!((first, second), (303, 404), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_far_too_long_or_holds_markup_is_refused_or_shown_as_text() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let csrf = ada.get("/dashboards").await.csrf();
    let before = everything(&site).await;
    let id = site.app.connections.list("default").await.unwrap()[0].connection_id;
    let settings = format!("/connections/{id}/settings");
    let markup = "<img src=x onerror=alert(1)>\"'&amp;".repeat(3);
    let fields: [(&str, &[&str]); 9] = [
        ("/dashboards", &["name"]),
        ("/d/fake/edit", &["name", "do", "metric", "kind", "version"]),
        ("/connect/fake", &["name", "c-api_key", "s-flavour", "s-zone", "draft"]),
        (&settings, &["s-sync_interval", "s-max_quota_share"]),
        ("/settings/projects", &["zone", "currency"]),
        ("/settings/projects/new", &["new-slug", "new-zone", "new-currency"]),
        ("/settings/projects/choose", &["project"]),
        ("/settings/account", &["password", "new_password"]),
        ("/settings/sessions", &["session"]),
    ];
    for (path, names) in fields {
        for name in names {
            for value in ["x".repeat(10_000), "é".repeat(10_000), markup.clone(), "\u{202e}\u{0}".to_owned()] {
                let shown = format!("s-{}", name.trim_start_matches("s-"));
                let action = if *name == "draft" { "finish" } else { "test" };
                let step = if *name == "name" { "rename" } else { "add" };
                let all = [("csrf", csrf.as_str()), (name, &value), ("shown", &shown), ("action", action)];
                let all: Vec<(&str, &str)> =
                    if *name == "do" { all.to_vec() } else { [&all[..], &[("do", step)]].concat() };
                let answer = ada.post(path, &all).await;
                let what = format!("{path} {name} {} {}", value.chars().take(9).collect::<String>(), answer.status);
                assert!([400, 404, 409, 422].contains(&answer.status), "{what}: {}", answer.body);
                assert!(!answer.body.contains("<img src=x"), "{what}");
                assert!(answer.body.len() < 60_000, "{what}: {} bytes", answer.body.len());
                is_a_page(&answer, &what);
            }
        }
    }
    for query in ["q", "range", "from", "to", "compare", "interval", "sort", "at", "done", "next"] {
        for value in ["x".repeat(10_000), "%3Cimg%20src%3Dx%3E%22'".to_owned(), "%00%ff%E2%80%AE".to_owned()] {
            for path in ["/", "/d/fake", "/d/fake/edit", "/m/fake_events", "/integrations", "/settings/sessions"] {
                let answer = ada.get(&format!("{path}?{query}={value}")).await;
                let what = format!("{path}?{query} {}", answer.status);
                assert!([200, 400, 414, 431].contains(&answer.status), "{what}: {answer:?}");
                assert!(!answer.body.contains("<img src=x") && answer.body.len() < 60_000, "{what}");
            }
        }
    }
    assert_eq!(everything(&site).await, before);

    // A setting may hold what it likes, and is text wherever it is shown.
    let set = [("csrf", csrf.as_str()), ("shown", "s-flavour"), ("s-flavour", &markup)];
    assert_eq!(ada.post(&settings, &set).await.status, 303);
    let page = ada.get(&format!("/connections/{id}")).await;
    assert!(page.body.contains("&#60;img src=x") && !page.body.contains("<img src=x"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_of_what_is_not_there_or_not_theirs_say_the_same() {
    let (site, _) = measured().await;
    let (store, now) = (&site.app.store, site.app.users.now());
    let new = NewProject { slug: "other".into(), zone: "UTC".into(), currency: Currency::USD };
    let other = store.insert_project(&new, now).await.unwrap();
    let eve = NewUser { email: "eve@example.com".into(), name: "Eve".into(), password_hash: None };
    store.insert_user(&eve, other.id, Role::Owner, now).await.unwrap();
    let eve = Visitor::signed_in(&site, "eve@example.com").await;
    let csrf = eve.get("/dashboards").await.csrf();
    let id = site.app.connections.list("default").await.unwrap()[0].connection_id.to_string();
    let ada = Visitor::signed_in(&site, EMAIL).await;
    assert_eq!(ada.get("/d/fake").await.status, 200);
    let before = everything(&site).await;
    let nobody = "0192d3b4-0000-7000-8000-000000000000";
    let plain = |answer: Answer, id: &str| (answer.status, answer.body.replace(id, ""));
    for path in ["/connections/ID", "/connections/ID/reconnect", "/connections/ID/diagnostics", "/connections/ID/now"] {
        let theirs = plain(eve.get(&path.replace("ID", &id)).await, &id);
        assert_eq!(theirs, plain(eve.get(&path.replace("ID", nobody)).await, nobody), "{path}");
        assert_eq!(theirs.0, 404);
    }
    for act in ["sync", "test", "pause", "resume", "settings", "disconnect", "reconnect"] {
        let fields = [("csrf", csrf.as_str()), ("data", "delete"), ("c-api_key", "x")];
        let theirs = plain(eve.post(&format!("/connections/{id}/{act}"), &fields).await, &id);
        assert_eq!(theirs, plain(eve.post(&format!("/connections/{nobody}/{act}"), &fields).await, nobody), "{act}");
        assert_eq!(theirs.0, 404);
    }
    for path in ["/d/fake", "/d/fake/edit", "/d/none", "/d/none/edit"] {
        assert_eq!(eve.get(path).await.status, 404, "{path}");
        let fields = [("csrf", csrf.as_str()), ("version", "0"), ("do", "rename"), ("name", "Eve's")];
        let answer = eve.post(&format!("{}/edit", path.trim_end_matches("/edit")), &fields).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(eve.post("/d/fake/delete", &[("csrf", &csrf)]).await.status, 404);
    let odd = ["/d/..%2f..%2fetc", "/m/%00", "/m/-1", "/connections/-1", "/connections/%F0%9F%92%A9", "/static/../x"];
    for path in odd.into_iter().chain([format!("/m/{}", "x".repeat(10_000)).as_str()]) {
        let answer = ada.get(path).await;
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        is_a_page(&answer, path);
    }
    assert_eq!(everything(&site).await, before);
}
