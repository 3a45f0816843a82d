//! Set-up links, sign-in links and passwords of whoever has none.

use super::visitor::Visitor;
use crate::support::site::{EMAIL, PASSWORD, Site};

fn account(token: &str) -> [(&str, &str); 4] {
    [("token", token), ("name", "Mallory"), ("email", "mallory@example.com"), ("password", "mallory's password")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_set_up_form_is_useless_without_its_link() {
    let site = Site::start().await;
    let stranger = Visitor::stranger(&site);
    let first = site.app.users.set_up_token().await.unwrap().unwrap();
    let newest = site.app.users.set_up_token().await.unwrap().unwrap();
    for token in ["", "guess", first.expose()] {
        let page = stranger.get(&format!("/setup?token={token}")).await;
        assert!(page.status == 403 && !page.body.contains("<form"), "{page:?}");
        let answer = stranger.post("/setup", &account(token)).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    assert!(site.app.users.needs_set_up().await.unwrap());

    let page =
        stranger.post("/setup", &[("token", newest.expose()), ("email", "no\"><b>"), ("password", "short")]).await;
    assert_eq!(page.status, 422);
    assert!(
        page.body.contains("give an e-mail address") && page.body.contains("at least 10 characters"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("<b>"), "what was typed is escaped");

    let made = stranger.post("/setup", &account(newest.expose())).await;
    assert_eq!((made.status, made.header("location")), (303, "/"), "{made:?}");
    assert!(made.header("set-cookie").contains("HttpOnly; Path=/; SameSite=Lax"), "{made:?}");
    let again = stranger.post("/setup", &account(newest.expose())).await;
    assert_eq!(again.status, 403, "{again:?}");
    assert_eq!(stranger.get("/setup").await.header("location"), "/login");
    assert_eq!(site.app.users.all().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_wrong_passwords_are_answered_with_a_wait() {
    let site = Site::with_account().await;
    let stranger = Visitor::stranger(&site);
    let mut statuses = std::collections::BTreeMap::new();
    for guess in 0..1000 {
        let answer = stranger.post("/login", &[("email", EMAIL), ("password", &format!("guess {guess}"))]).await;
        *statuses.entry(answer.status).or_insert(0) += 1;
        match answer.status {
            401 => assert!(answer.body.contains("E-mail or password is wrong."), "{answer:?}"),
            _ => {
                assert!(answer.body.contains("Too many wrong passwords. Try again in"), "{answer:?}");
                let wait: u64 = answer.header("retry-after").parse().unwrap();
                assert!((1..=900).contains(&wait), "{wait}");
            }
        }
    }
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), [(401, 10), (429, 990)]);
    let right = stranger.post("/login", &[("email", " ADA@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(right.status, 429, "also the right one waits, or the wait would tell which it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_signs_in_once_and_nobody_knows_who_has_an_account() {
    let site = Site::with_account().await;
    let stranger = Visitor::stranger(&site);
    let link = site.link(EMAIL).await;
    let path = link.strip_prefix(&site.url("")).unwrap();
    let (_, token) = path.split_once("token=").unwrap();
    // Programs look at links before people do: looking uses nothing up.
    for method in ["HEAD", "GET", "GET"] {
        let page = stranger.ask(method, path, &[], "").await;
        assert!(page.status == 200 && page.header("set-cookie").is_empty(), "{page:?}");
    }
    assert_eq!(stranger.get(path).await.hidden("token"), token);
    let used = stranger.post("/login/link", &[("token", token)]).await;
    assert!(used.status == 303 && used.header("set-cookie").starts_with("dashtray="), "{used:?}");
    for again in [stranger.get(path).await, stranger.post("/login/link", &[("token", token)]).await] {
        assert!(again.status == 403 && again.body.contains("was used already"), "{again:?}");
    }
    assert_eq!(stranger.get("/login/link").await.status, 403);

    let known = stranger.post("/login", &[("email", EMAIL), ("password", "wrong password")]).await;
    let unknown = stranger.post("/login", &[("email", "bob@example.com"), ("password", "wrong password")]).await;
    assert_eq!(known.status, unknown.status);
    assert_eq!(known.body.replace(EMAIL, ""), unknown.body.replace("bob@example.com", ""));
}
