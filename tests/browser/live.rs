//! What changes while somebody looks at it, and what somebody moves while another one does.

use dashtray::store::Widget;
use serde_json::json;

use super::{
    Browser,
    barriers::barriers,
    close,
    dashboards::{ENTER, TAB},
    signed_in,
};
use crate::support::{
    measured::{connect, measured, sync},
    site::Site,
};

/// Marks the page as it stands: gone once it is loaded anew.
async fn mark(browser: &Browser) {
    browser.run("window.mark = 1").await;
}

async fn is_marked(browser: &Browser) -> bool {
    browser.run("return window.mark === 1").await == json!(true)
}

/// What keeps a page from being seen, as a tab behind another one.
async fn hide(browser: &Browser, state: &str) {
    let script = "Object.defineProperty(document, 'visibilityState', { value: 'STATE', configurable: true }); \
                  document.dispatchEvent(new Event('visibilitychange'))";
    browser.run(&script.replace("STATE", state)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_change_on_every_page_without_a_reload_and_what_is_open_stays_open() {
    let (site, script) = measured().await;
    let browser = signed_in(&site).await;
    // Of seven days one may still change.
    for (page, shift) in [("/?range=7d", 1), ("/d/fake?range=7d", 2)] {
        browser.go(&site.url(page)).await;
        browser.sees(&(209 + shift).to_string()).await;
        mark(&browser).await;
        script.shift(shift);
        sync(&site).await;
        browser.sees(&(210 + shift).to_string()).await;
        assert!(is_marked(&browser).await, "{page} was loaded again");
    }
    browser.go(&site.url("/m/fake_events?range=7d")).await;
    browser.sees("212").await;
    mark(&browser).await;
    script.shift(3);
    sync(&site).await;
    browser.sees("213").await;
    let chart = "const line = document.querySelector('[data-line]:not([data-before])').dataset.values.split(',').map(Number); \
                 return [line.reduce((sum, one) => sum + one), document.querySelectorAll('.plot canvas').length]";
    assert_eq!(browser.run(chart).await, json!([213, 1]), "the chart is drawn anew");
    assert!(is_marked(&browser).await);

    // Nobody looks: nothing is listened to, and what was missed is there when somebody does.
    let count = "window.streams = 0; window.EventSource = class extends EventSource { \
                 constructor(url) { super(url); window.streams += 1; } \
                 close() { super.close(); window.streams -= 1; } }";
    browser.run(count).await;
    hide(&browser, "hidden").await;
    script.shift(4);
    sync(&site).await;
    assert_eq!(browser.run("return window.streams").await, json!(0));
    hide(&browser, "visible").await;
    browser.sees("214").await;
    assert_eq!(browser.run("return window.streams").await, json!(1));
    hide(&browser, "hidden").await;
    assert_eq!(browser.run("return window.streams").await, json!(0));

    let id = site.app.connections.list("default").await.unwrap()[0].connection_id;
    browser.go(&site.url(&format!("/connections/{id}"))).await;
    mark(&browser).await;
    browser.click("#past details summary").await;
    let runs = "return document.querySelectorAll('.runs > tbody > tr').length";
    let before = browser.run(runs).await.as_i64().unwrap();
    sync(&site).await;
    let more = format!("document.querySelectorAll('.runs > tbody > tr').length === {}", before + 1);
    browser.until(&more).await;
    assert_eq!(browser.run("return document.querySelector('#past details').open").await, true);
    assert!(is_marked(&browser).await);
    close(site, browser).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_widget_is_bound_to_one_of_several_connections() {
    let (site, _) = measured().await;
    connect(&site, "Mint shop", &[("flavour", "mint")]).await;
    let browser = signed_in(&site).await;
    browser.go(&site.url("/d/fake/edit")).await;
    browser
        .run("document.querySelector('#connection').value = document.querySelector('#connection').options[2].value")
        .await;
    browser.click("main .stack button.primary").await;
    let chosen = "[...document.querySelectorAll('.edit-list summary')].at(-1)?.querySelector('span')?.nextSibling.textContent.trim()";
    browser.until(&format!("{chosen} === 'Mint shop'")).await;
    // By the keyboard, from the menu of the line.
    browser.run("[...document.querySelectorAll('.edit-list summary')].at(-1).focus()").await;
    browser.press(ENTER).await;
    browser.press(TAB).await;
    browser.press(ENTER).await;
    browser.until(&format!("{chosen} === 'All connections'")).await;
    let found = barriers(&browser, &site, &["/d/fake/edit"]).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
    for width in [390, 1440] {
        browser.size(width, 844).await;
        browser.go(&site.url("/d/fake/edit")).await;
        let scrolls = browser.run("return document.documentElement.scrollWidth > innerWidth").await;
        assert_eq!(scrolls, false, "it is wider than {width} pixels");
    }
    close(site, browser).await;
}

/// The names of the widgets in the list, from top to bottom.
async fn order(browser: &Browser) -> Vec<String> {
    let script = "return [...document.querySelectorAll('.edit-list strong')].map((one) => one.innerText)";
    browser.run(script).await.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

async fn stored(site: &Site) -> (i64, Vec<Widget>) {
    let project = site.app.store.project("default").await.unwrap().unwrap().id;
    let board = site.app.store.dashboard(project, "fake").await.unwrap().unwrap();
    (board.version, site.app.store.widgets(project, board.id).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_widget_is_dragged_to_its_place_unless_somebody_else_was_there() {
    let (site, _) = measured().await;
    let browser = signed_in(&site).await;
    browser.go(&site.url("/d/fake/edit")).await;
    let before = order(&browser).await;
    let [first, second, third] = [&before[0], &before[1], &before[2]];
    let line = |at: usize| format!(".edit-list > li:nth-child({at}) .handle");
    browser.drag(&line(1), &line(3), 8).await;
    browser.until("location.search.startsWith('?at=place-')").await;
    assert_eq!(order(&browser).await[..3], [second.clone(), third.clone(), first.clone()]);
    browser.drag(&line(3), &line(1), -8).await;
    // It is kept once the page is there that has the next version.
    browser.until("document.querySelector('input[name=version]')?.value === '2'").await;
    assert_eq!(order(&browser).await, before);
    let (version, widgets) = stored(&site).await;
    assert_eq!(version, 2);

    // Somebody else removes one meanwhile: that stays, and what was dragged is to be dragged again.
    let project = site.app.store.project("default").await.unwrap().unwrap().id;
    let board = site.app.store.dashboard(project, "fake").await.unwrap().unwrap();
    assert!(site.app.store.change_dashboard(project, &board, "Fake", &widgets[1..]).await.unwrap());
    browser.drag(&line(2), &line(1), -8).await;
    browser.sees("Somebody else changed this dashboard meanwhile").await;
    assert_eq!(order(&browser).await, before[1..]);
    assert_eq!(stored(&site).await.1, widgets[1..]);
    let (complaints, _) = browser.complaints_and_hosts().await;
    assert!(complaints.iter().all(|line| line.contains("409")), "{complaints:?}");
    browser.go(&site.url("/d/fake")).await;
    close(site, browser).await;
}
