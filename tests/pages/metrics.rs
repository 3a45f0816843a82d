//! The page of a metric: what was changed after the fact, and where its reckoning became another.

use dashtray::metric::{Day, Zone};

use super::visitor::Visitor;
use crate::support::{
    fake::value_of,
    measured::{measured, sync},
    site::{EMAIL, Site},
};

fn today(site: &Site) -> Day {
    Day::of(site.app.users.now(), &Zone::utc())
}

/// The value of an attribute of the chart's frame.
fn told<'a>(page: &'a str, name: &str) -> &'a str {
    let rest = page.split("data-plot ").nth(1).unwrap_or_else(|| panic!("no chart: {page}"));
    rest.split(&format!("data-{name}=\"")).nth(1).unwrap().split('"').next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_day_has_a_dot_in_both_charts_and_its_old_value_in_the_table() {
    let (site, script) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let before = ada.get("/m/fake_events?range=7d").await.body;
    assert!(!before.contains("chart-dot") && told(&before, "dots").is_empty(), "{before}");

    script.shift(1);
    sync(&site).await;
    let yesterday = today(&site).plus(-1);
    let page = ada.get("/m/fake_events?range=7d").await.body;
    assert!(page.contains("class=\"chart-dot\" d=\"M"), "{page}");
    // A day settles after a day: of seven only the last two were read again, and today is not shown.
    assert_eq!(told(&page, "dots"), "6", "{page}");
    let old = format!("changed after the fact: was {} until ", value_of(yesterday));
    let notes: Vec<&str> = told(&page, "notes").split('|').collect();
    assert!(notes.len() == 7 && notes[6].contains(&old) && notes[5].is_empty(), "{notes:?}");
    let row = page.split(&format!("<time datetime=\"{yesterday}\">")).nth(1).unwrap().split("</tr>").next().unwrap();
    assert!(row.contains(&old), "{row}");
    // A week that holds it has it, too.
    let weeks = ada.get("/m/fake_events?range=28d&interval=week").await.body;
    assert!(weeks.contains("class=\"chart-dot\"") && weeks.contains(">Week by week<"), "{weeks}");
    assert!(told(&weeks, "notes").contains("changed after the fact"), "{weeks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_settings_change_a_line_stands() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let days = format!("from={}&to={}", today(&site).plus(-6), today(&site));
    let page = format!("/m/fake_events?{days}");
    sync(&site).await;
    let before = ada.get(&page).await.body;
    assert!(!before.contains("chart-post") && before.contains("No day of this range was changed"), "{before}");
    site.app.connections.set("default", "Fake shop", &[("flavour".into(), "mint".into())]).await.unwrap();
    sync(&site).await;
    let after = ada.get(&page).await.body;
    assert!(after.contains("class=\"chart-post\" d=\"M"), "{after}");
    assert_eq!(told(&after, "posts"), "6");
    assert!(after.contains("settings or formula of Fake shop changed"), "{after}");
    // Another stream does not depend on it, and neither do days before.
    assert!(!ada.get(&format!("/m/fake_total?{days}")).await.body.contains("chart-post"));
    assert!(!ada.get("/m/fake_events?range=7d").await.body.contains("chart-post"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_script_is_told_the_days_before_on_the_same_scale() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let from = today(&site).plus(-3);
    let page = ada.get(&format!("/m/fake_events?from={from}&to={}", from.plus(1))).await.body;
    let line = page.split("data-line ").nth(1).unwrap().split("</span>").next().unwrap();
    assert!(line.contains(" data-before"), "{line}");
    let values = |day: Day| format!("{}.0000,{}.0000", value_of(day), value_of(day.next()));
    assert!(line.contains(&format!("data-values=\"{}\"", values(from.plus(-2)))), "{line}");
    let line = page.split("data-line ").nth(2).unwrap().split("</span>").next().unwrap();
    assert!(line.contains(&format!("data-values=\"{}\"", values(from))) && !line.contains("data-before"), "{line}");
    // The highest of all four days is within it.
    let highest = (-2..2).map(|day| value_of(from.plus(day))).max().unwrap();
    let high: i64 = told(&page, "high").split('.').next().unwrap().parse().unwrap();
    assert!(high >= highest, "{high} {highest}");
    let alone = ada.get(&format!("/m/fake_events?from={from}&to={}&compare=none", from.plus(1))).await.body;
    assert!(!alone.contains("data-before") && !alone.contains(">Before<"), "{alone}");
    // An interval is offered where it shows more than one point.
    assert!(!alone.contains(">Weeks<") && ada.get("/m/fake_events?range=28d").await.body.contains(">Weeks<"));
}
