//! Dashboards and the page of a metric, with keys and on a phone.

use dashtray::metric::{Day, Zone};

use super::{Browser, barriers::barriers, close, signed_in};
use crate::support::{fake::value_of, measured::measured};

pub(super) const TAB: &str = "\u{e004}";
pub(super) const ENTER: &str = "\u{e007}";
const LEFT: &str = "\u{e012}";
const HOME: &str = "\u{e011}";

/// What the element with the focus is called.
async fn focused(browser: &Browser) -> String {
    let label =
        browser.run("const e = document.activeElement; return e.getAttribute('aria-label') ?? e.innerText ?? ''").await;
    label.as_str().unwrap_or_default().trim().to_owned()
}

/// Goes from element to element until one of that name is reached.
async fn tab_to(browser: &Browser, name: &str) {
    for _ in 0..80 {
        if focused(browser).await == name {
            return;
        }
        browser.press(TAB).await;
    }
    panic!("{name} is not reached by the keyboard");
}

/// Waits until the widgets in the list begin with these, from top to bottom.
async fn ordered(browser: &Browser, names: &str) {
    let shown = "[...document.querySelectorAll('.edit-list strong')].map((one) => one.innerText).join(' ')";
    browser.until(&format!("{shown}.startsWith('{names}')")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_and_comparison_by_keys_and_editing_by_the_keyboard_alone() {
    let (site, _) = measured().await;
    let browser = signed_in(&site).await;
    browser.go(&site.url("/")).await;
    browser.press("w").await;
    browser.sees("no change").await;
    assert_eq!(browser.url().await, site.url("/?range=7d&compare=previous"));
    browser.press("x").await;
    browser.until("location.search === '?range=7d&compare=none'").await;
    browser.sees("Last 7 days").await;

    browser.press("1").await;
    browser.until("location.pathname === '/d/fake'").await;
    assert_eq!(browser.url().await, site.url("/d/fake?range=7d&compare=none"));
    // What was chosen last is chosen where an address says nothing.
    browser.go(&site.url("/")).await;
    browser.sees("Last 7 days").await;
    browser.press("1").await;
    browser.press("e").await;
    browser.sees("Every step is kept at once").await;
    ordered(&browser, "fake_events fake_users fake_total").await;
    tab_to(&browser, "Move fake_events down").await;
    browser.press(ENTER).await;
    ordered(&browser, "fake_users fake_events fake_total").await;
    // The same button has the focus again, so that it can be pressed once more.
    browser.until("document.activeElement.ariaLabel === 'Move fake_events down'").await;
    browser.press(ENTER).await;
    ordered(&browser, "fake_users fake_total fake_events").await;
    tab_to(&browser, "Remove fake_events").await;
    browser.press(ENTER).await;
    ordered(&browser, "fake_users fake_total").await;
    close(site, browser).await;
}

/// What the crosshair of the chart tells; nothing while it is nowhere.
async fn told(browser: &Browser) -> String {
    let script = "const tip = document.querySelector('.plot-tip'); return tip.hidden ? '' : tip.innerText";
    browser.run(script).await.as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_is_read_point_by_point_with_the_arrow_keys() {
    let (site, _) = measured().await;
    let browser = signed_in(&site).await;
    let address = site.url("/m/fake_events?range=7d&compare=previous");
    browser.go(&address).await;
    assert_eq!(told(&browser).await, "");
    browser.run("document.querySelector('.plot-holder').focus()").await;
    let today = Day::of(site.app.users.now(), &Zone::utc());
    let said = |day: Day| {
        let name = day.date().strftime("%a %-d %b %Y");
        format!("{name} fake_events {} Before {} Change no change", value_of(day), value_of(day.plus(-7)))
    };
    browser.press(LEFT).await;
    let newest = told(&browser).await;
    assert!(newest.starts_with(&said(today.plus(-1))) && newest.ends_with("may still change"), "{newest}");
    browser.press(LEFT).await;
    assert_eq!(told(&browser).await, said(today.plus(-2)));
    browser.press(HOME).await;
    assert_eq!(told(&browser).await, said(today.plus(-7)));
    let spoken = browser.run("return document.querySelector('.plot-holder [aria-live]').innerText").await;
    assert!(spoken.as_str().unwrap().contains(&value_of(today.plus(-7)).to_string()), "{spoken}");
    assert_eq!(browser.url().await, address, "the same keys change the dates elsewhere, and not here");

    // The legend takes the days before away and brings them back.
    browser.click(".legend-button").await;
    browser.run("document.querySelector('.plot-holder').focus()").await;
    browser.press(HOME).await;
    assert!(!told(&browser).await.contains("Before"));
    assert_eq!(browser.run("return document.querySelector('.legend-button').ariaPressed").await, "false");
    close(site, browser).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_fit_a_phone_draw_their_charts_and_keep_nobody_out() {
    let (site, _) = measured().await;
    let browser = signed_in(&site).await;
    let pages = ["/?range=7d", "/d/fake", "/d/fake/edit", "/m/fake_events?range=7d", "/dashboards"];
    for width in [390, 1440] {
        browser.size(width, 844).await;
        for page in pages {
            browser.go(&site.url(page)).await;
            let scrolls = browser.run("return document.documentElement.scrollWidth > innerWidth").await;
            assert_eq!(scrolls, false, "{page} is wider than {width} pixels");
        }
        browser.go(&site.url("/m/fake_events?range=7d")).await;
        assert_eq!(browser.run("return document.querySelectorAll('.plot canvas').length").await, 1);
        let day = "return document.querySelectorAll('.parts tbody tr').length";
        assert_eq!(browser.run(day).await, 7, "the same as a table");
    }
    let found = barriers(&browser, &site, &pages).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
    close(site, browser).await;
}
