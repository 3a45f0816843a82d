//! Dashtray under a path of a host that it shares, as a person uses it.

use std::sync::Arc;

use dashtray::integrations::Registry;

use super::{close, driver::Browser};
use crate::support::{
    fake::{Fake, Script},
    measured::{connect, sync},
    site::{EMAIL, Site},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_keys_theme_and_numbers_that_change_work_under_a_path() {
    let script = Script::new();
    let registry = Registry::new(vec![Arc::new(Fake(script.clone()))]);
    let site = Site::start_over(registry, |config| config.public_url = "http://example.com/numbers".parse().ok());
    let site = site.await.joined_by_ada().await;
    connect(&site, "Fake shop", &[]).await;
    sync(&site).await;
    let browser = Browser::open().await;
    browser.go(&site.link(EMAIL).await.replace("/login", "/numbers/login")).await;
    browser.click("button.primary").await;
    browser.until("location.pathname === '/numbers/'").await;

    browser.go(&site.url("/numbers/?range=7d")).await;
    browser.sees("210").await;
    script.shift(1);
    sync(&site).await;
    browser.sees("211").await;

    browser.press("g").await;
    browser.press("i").await;
    browser.until("location.pathname === '/numbers/integrations'").await;
    browser.press("/").await;
    browser.press("z").await;
    browser.sees("Nothing matches “z”").await;
    browser.go(&site.url("/numbers/settings/appearance")).await;
    browser.click("button[value='dark']").await;
    browser.until("document.documentElement.dataset.theme === 'dark'").await;
    browser.go(&site.url("/numbers")).await;
    assert_eq!(browser.run("return getComputedStyle(document.body).colorScheme").await, "dark");
    // Nothing of it is told to others on the same host.
    browser.go(&site.url("/login")).await;
    assert_eq!(browser.run("return document.cookie").await, "");
    browser.go(&site.url("/numbers/")).await;
    browser.click(".person summary").await;
    browser.click("form[action='/numbers/logout'] button").await;
    browser.until("location.pathname === '/numbers/login'").await;
    close(site, browser).await;
}
