//! The first account, signing in and out, and sessions.

use super::{close, driver::Browser, signed_in};
use crate::support::site::{EMAIL, PASSWORD, Site};

async fn sign_in(browser: &Browser, password: &str) {
    browser.fill("#email", EMAIL).await;
    browser.fill("#password", password).await;
    browser.click("button.primary").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_set_up_link_to_a_revoked_session() {
    let site = Site::start().await;
    let token = site.app.users.set_up_token().await.unwrap().unwrap();
    let browser = Browser::open().await;

    browser.go(&site.url(&format!("/setup?token={}", token.expose()))).await;
    browser.fill("#name", "Ada Lovelace").await;
    browser.fill("#email", EMAIL).await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button.primary").await;
    browser.sees("Connect your first source").await;

    browser.click(".person summary").await;
    browser.click("form[action='/logout'] button").await;
    browser.sees("Sign in").await;
    assert_eq!(browser.url().await, site.url("/login"));

    // Back to where one wanted to go.
    browser.go(&site.url("/settings/sessions")).await;
    assert_eq!(browser.url().await, site.url("/login?next=%2Fsettings%2Fsessions"));
    sign_in(&browser, "a wrong password").await;
    browser.sees("E-mail or password is wrong.").await;
    // That the answer's status is an error is the only thing that the browser may remark on.
    let (complaints, _) = browser.complaints_and_hosts().await;
    assert!(complaints.len() == 1 && complaints[0].contains("401"), "{complaints:?}");
    sign_in(&browser, PASSWORD).await;
    browser.sees("this browser").await;

    // The other browser is signed out from here, and notices at its next step.
    let other = signed_in(&site).await;
    other.sees("Connect your first source").await;
    browser.go(&site.url("/settings/sessions")).await;
    browser.click("form[action='/settings/sessions/others'] button").await;
    browser.sees("All other browsers are signed out.").await;
    other.go(&site.url("/settings/account")).await;
    other.sees("Password lost?").await;
    other.close().await;
    close(site, browser).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_an_invitation_to_a_project_and_out_of_it() {
    let site = Site::with_account().await;
    let owner = signed_in(&site).await;
    owner.go(&site.url("/settings/people")).await;
    owner.click("input[value='editor']").await;
    owner.click("#new button").await;
    owner.sees("Your invitation").await;
    let link = owner.run("return document.getElementById('invitation').textContent").await;

    let guest = Browser::open().await;
    guest.go(link.as_str().unwrap()).await;
    guest.fill("#name", "Bob").await;
    guest.fill("#email", "bob@example.com").await;
    guest.fill("#password", PASSWORD).await;
    guest.click("button.primary").await;
    guest.sees("Connect your first source").await;

    owner.go(&site.url("/settings/people")).await;
    owner.sees("bob@example.com").await;
    owner.click(".ask summary").await;
    owner.click("form[action='/settings/people/remove'] button").await;
    owner.sees("They see nothing of this project any more.").await;
    guest.go(&site.url("/")).await;
    guest.sees("Password lost?").await;
    guest.close().await;
    owner.go(&site.url("/settings/audit")).await;
    owner.sees("Removed bob@example.com").await;
    close(site, owner).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_fit_a_phone_follow_the_chosen_theme_and_know_their_keys() {
    let site = Site::with_account().await;
    let browser = signed_in(&site).await;
    for width in [390, 1440] {
        browser.size(width, 844).await;
        for page in [
            "/",
            "/integrations",
            "/connect/stripe",
            "/connect/google-analytics",
            "/settings/account",
            "/settings/sessions",
            "/settings/projects",
            "/settings/keys",
            "/settings/people",
            "/settings/audit",
            "/docs/api",
        ] {
            browser.go(&site.url(page)).await;
            let scrolls = browser.run("return document.documentElement.scrollWidth > innerWidth").await;
            assert_eq!(scrolls, false, "{page} is wider than {width} pixels");
        }
    }
    browser.go(&site.url("/settings/appearance")).await;
    browser.click("button[value='dark']").await;
    browser.go(&site.url("/integrations")).await;
    assert_eq!(browser.run("return getComputedStyle(document.body).colorScheme").await, "dark");
    assert_eq!(browser.title().await, "Integrations · Dashtray");

    browser.press("?").await;
    browser.sees("Everywhere").await;
    browser.press("\u{e00c}").await;
    browser.press("/").await;
    browser.press("z").await;
    assert_eq!(browser.run("return document.activeElement.id + document.activeElement.value").await, "qz");
    browser.sees("Nothing matches “z”").await;
    close(site, browser).await;
}
