//! Who sees what, and whose forms are taken.

use dashtray::{
    metric::Currency,
    store::{NewProject, NewUser, Role},
};

use super::visitor::{FORM, Visitor, form};
use crate::support::site::{EMAIL, Site};

const PAGES: [&str; 18] = [
    "/",
    "/d/stripe",
    "/d/stripe/edit",
    "/m/stripe_mrr",
    "/dashboards",
    "/connect/stripe",
    "/connections/0192d3b4-0000-7000-8000-000000000000",
    "/oauth/callback",
    "/integrations",
    "/settings",
    "/settings/account",
    "/settings/sessions",
    "/settings/projects",
    "/settings/keys",
    "/settings/people",
    "/settings/audit",
    "/docs/api",
    "/settings/appearance",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_sent_to_the_sign_in_and_changes_nothing() {
    let site = Site::with_account().await;
    let stranger = Visitor::stranger(&site);
    for page in PAGES {
        let answer = stranger.get(page).await;
        assert_eq!(answer.status, 303, "{page}");
        assert!(["/login", "/settings/account"].iter().any(|to| answer.header("location").starts_with(to)), "{page}");
        assert!(!answer.body.contains("Ada"));
    }
    let connection = "/connections/0192d3b4-0000-7000-8000-000000000000";
    let acts = ["test", "sync", "pause", "resume", "settings", "disconnect", "reconnect"]
        .map(|act| format!("{connection}/{act}"));
    let forms = [
        "/logout",
        "/settings/account",
        "/settings/sessions",
        "/settings/projects",
        "/settings/projects/new",
        "/settings/keys",
        "/settings/keys/revoke",
        "/settings/people/invite",
        "/settings/people/remove",
        "/invitation/join",
        "/connect/stripe",
    ];
    for form in forms.into_iter().chain(acts.iter().map(String::as_str)) {
        let answer = stranger.post(form, &[("csrf", "guess")]).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/login"), "{form}");
    }
    let fragment = stranger.ask("GET", "/integrations", &["HX-Request: true"], "").await;
    assert_eq!((fragment.status, fragment.header("hx-redirect")), (401, "/login"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_is_taken_from_our_own_page_of_this_session_alone() {
    let site = Site::with_account().await;
    let (ada, same) = (Visitor::signed_in(&site, EMAIL).await, Visitor::signed_in(&site, EMAIL).await);
    let csrf = ada.get("/settings/projects").await.csrf();
    let fields = |csrf: &str| form(&[("csrf", csrf), ("zone", "Europe/Berlin"), ("currency", "EUR")]);
    let own = format!("Origin: http://{}", site.host);
    let other = same.get("/settings/projects").await.csrf();
    for (origin, csrf) in [
        ("Origin: https://evil.example.com", csrf.as_str()),
        ("Sec-Fetch-Site: cross-site", &csrf),
        ("Origin: null", &csrf),
        ("X: y", &csrf),
        (&own, &other),
        (&own, ""),
    ] {
        let answer = ada.ask("POST", "/settings/projects", &[origin, FORM], &fields(csrf)).await;
        assert_eq!(answer.status, 403, "{origin} {csrf}");
        assert!(answer.body.contains("<h1>Not allowed</h1>"), "{}", answer.body);
    }
    let project = || async { site.app.store.project("default").await.unwrap().unwrap() };
    assert_eq!(project().await.zone.name(), "UTC");
    let answer = ada.ask("POST", "/settings/projects", &[&own, FORM], &fields(&csrf)).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert_eq!((project().await.zone.name(), project().await.currency.code()), ("Europe/Berlin", "EUR"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_sees_or_changes_what_is_not_theirs() {
    let site = Site::with_account().await;
    let (store, now) = (&site.app.store, site.app.users.now());
    let new = NewProject { slug: "secret-shop".into(), zone: "UTC".into(), currency: Currency::USD };
    let shop = store.insert_project(&new, now).await.unwrap();
    let bob = NewUser { email: "bob@example.com".into(), name: "Bob".into(), password_hash: None };
    store.insert_user(&bob, shop.id, Role::Viewer, now).await.unwrap();
    let (ada, bob) = (Visitor::signed_in(&site, EMAIL).await, Visitor::signed_in(&site, "bob@example.com").await);

    let page = ada.get("/settings/projects").await;
    assert!(!page.body.contains("secret-shop"));
    let csrf = page.csrf();
    let answer = ada.post("/settings/projects/choose", &[("csrf", &csrf), ("project", "secret-shop")]).await;
    assert_eq!(answer.status, 404);
    let taken = [("csrf", csrf.as_str()), ("new-slug", "secret-shop"), ("new-zone", "UTC"), ("new-currency", "USD")];
    assert_eq!(ada.post("/settings/projects/new", &taken).await.status, 422);

    // Bob may look and not change.
    let page = bob.get("/settings/projects").await;
    assert!(page.body.contains("secret-shop") && page.body.contains("Only an owner"), "{}", page.body);
    let change = [("csrf", page.csrf()), ("zone", "Asia/Tokyo".to_owned()), ("currency", "JPY".to_owned())];
    let change: Vec<(&str, &str)> = change.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(bob.post("/settings/projects", &change).await.status, 403);
    assert_eq!(store.project("secret-shop").await.unwrap().unwrap().zone.name(), "UTC");

    // Nor end Ada's session.
    let ada_user = site.app.users.find(EMAIL).await.unwrap();
    let session = site.app.users.sessions(&ada_user).await.unwrap()[0].id.to_string();
    let csrf = bob.get("/settings/sessions").await.csrf();
    assert_eq!(bob.post("/settings/sessions", &[("csrf", &csrf), ("session", &session)]).await.status, 404);
    assert_eq!(ada.get("/settings/sessions").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_gets_a_page_and_the_right_status() {
    let site = Site::with_account().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let csrf = ada.get("/settings/projects").await.csrf();
    let project = |slug: &str| {
        let fields = [
            ("csrf", csrf.clone()),
            ("new-slug", slug.to_owned()),
            ("new-zone", "UTC".into()),
            ("new-currency", "USD".into()),
        ];
        form(&fields.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>())
    };
    let own = format!("Origin: http://{}", site.host);
    let long = ada.ask("POST", "/settings/projects/new", &[&own, FORM], &project(&"x".repeat(10_000))).await;
    assert!(long.status == 422 && long.body.contains("at most 60") && long.body.len() < 60_000, "{}", long.status);
    let markup = ada.ask("POST", "/settings/projects/new", &[&own, FORM], &project("<script>x</script>")).await;
    assert!(markup.status == 422 && !markup.body.contains("<script>x"), "{}", markup.body);
    let huge = ada.ask("POST", "/settings/projects/new", &[&own, FORM], &project(&"x".repeat(1 << 20))).await;
    assert!(huge.status == 413 && huge.body.contains("more than Dashtray takes"), "{huge:?}");
    let json = ada.ask("POST", "/settings/projects", &[&own, "Content-Type: application/json"], "{}").await;
    assert!(json.status == 415 && json.body.contains("could not make sense"), "{json:?}");
    assert_eq!(ada.ask("DELETE", "/settings/projects", &[&own], "").await.status, 405);
    let nowhere = ada.get("/nowhere/%ff?x=%00").await;
    assert!(nowhere.status == 404 && nowhere.body.contains("<h1>Not here</h1>"), "{nowhere:?}");
    let search = ada.get("/integrations?q=%3Cb%3E%22zzz").await;
    assert!(
        search.status == 200 && !search.body.contains("<b>") && search.body.contains("Nothing matches"),
        "{search:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_forbids_what_pages_do_not_need() {
    let site = Site::with_account().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let page = ada.get("/").await;
    let style = page.body.split("href=\"/static/app.").nth(1).unwrap().split('"').next().unwrap();
    let style = format!("/static/app.{style}");
    for path in ["/", "/nowhere", "/login", &style] {
        let answer = ada.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
        assert_eq!(answer.header("strict-transport-security"), "", "only behind https");
    }
    assert_eq!(page.header("cache-control"), "no-store");
    let asset = ada.ask("GET", &style, &["Accept-Encoding: gzip"], "").await;
    assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!((asset.header("content-encoding"), asset.header("content-type")), ("gzip", "text/css; charset=utf-8"));
    let tag = format!("If-None-Match: {}", asset.header("etag"));
    assert_eq!(ada.ask("GET", &style, &[&tag], "").await.status, 304);
    assert_eq!(ada.ask("GET", "/", &["Accept-Encoding: gzip"], "").await.header("content-encoding"), "gzip");
    assert_eq!(ada.get("/static/app.0.css").await.status, 404);
}
