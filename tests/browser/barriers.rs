//! Nothing keeps people out: every page, both themes, both widths, judged by axe.

use dashtray::store::{NewUser, Role};

use super::{Browser, close, signed_in};
use crate::support::site::{EMAIL, Site};

/// Pages that need nothing to be made first.
const PAGES: [&str; 13] = [
    "/",
    "/connect/stripe",
    "/connect/google-analytics",
    "/integrations",
    "/integrations?q=nothing",
    "/settings/account",
    "/settings/sessions",
    "/settings/projects",
    "/settings/keys",
    "/settings/people",
    "/settings/audit",
    "/docs/api",
    "/settings/appearance",
];

/// Opens what the page itself has to open, or else the menus of the bars: both together would cover each other.
const OPEN: &str = "const own = document.querySelectorAll('main details'); \
     (own.length ? own : document.querySelectorAll('details')).forEach((menu) => { menu.open = true })";

/// What is found on pages, with their menus open.
pub(super) async fn barriers(browser: &Browser, site: &Site, pages: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (theme, width) in [("light", 390), ("dark", 390), ("light", 1440), ("dark", 1440)] {
        browser.prefer(theme).await;
        browser.size(width, 844).await;
        for page in pages {
            browser.go(&site.url(page)).await;
            browser.run(OPEN).await;
            found.extend(browser.barriers().await.into_iter().map(|line| format!("{page} {theme} {width} {line}")));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_keeps_anybody_out() {
    let site = Site::with_account().await;
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let bob = NewUser { email: "bob@example.com".into(), name: "Bob".into(), password_hash: None };
    site.app.store.insert_user(&bob, project.id, Role::Viewer, site.app.now()).await.unwrap();
    let invitation = site.app.users.invite(&project, Role::Editor, "").await.unwrap();
    let invitation = format!("/invitation?token={}", invitation.token.expose());
    let browser = signed_in(&site).await;
    let mut found = barriers(&browser, &site, &PAGES).await;
    // The judge sees what is wrong, or its silence would say nothing.
    browser.run("document.body.append(document.createElement('img'))").await;
    assert!(browser.barriers().await.iter().any(|line| line.starts_with("image-alt")));
    browser.go(&site.url("/")).await;
    browser.click(".person summary").await;
    browser.click("form[action='/logout'] button").await;
    browser.sees("Password lost?").await;
    let link = site.link(EMAIL).await.replace(&site.url(""), "");
    found.extend(barriers(&browser, &site, &["/login", &link, &invitation]).await);
    assert!(found.is_empty(), "{}", found.join("\n"));
    close(site, browser).await;
}
