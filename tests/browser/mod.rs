//! The pages as a person uses them, in a real browser.

mod barriers;
mod connecting;
mod dashboards;
mod driver;
mod live;
mod signing_in;
mod under_a_path;

use crate::support::site::{EMAIL, Site};
use driver::Browser;

/// A browser of somebody who is signed in. The sign-in itself is one test's.
async fn signed_in(site: &Site) -> Browser {
    let browser = Browser::open().await;
    browser.go(&site.link(EMAIL).await).await;
    browser.click("button.primary").await;
    browser.until("location.pathname === '/'").await;
    browser
}

/// Ends both. Nothing was complained of, and nobody else was asked.
async fn close(site: Site, browser: Browser) {
    let (complaints, hosts) = browser.complaints_and_hosts().await;
    assert_eq!(complaints, [""; 0], "the browser complains of nothing");
    assert_eq!(hosts, [site.host.as_str()], "no request to another host");
    browser.close().await;
    site.stop().await;
}
