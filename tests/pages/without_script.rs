//! Everything can be read and done without a script: links lead, forms have addresses and buttons, and each chart is a table.

use super::visitor::{Answer, Visitor};
use crate::support::{
    fake::value_of,
    measured::measured,
    site::{EMAIL, Site},
};

const PAGES: [&str; 11] = [
    "/",
    "/d/fake",
    "/d/fake/edit",
    "/dashboards",
    "/m/fake_events",
    "/integrations",
    "/connect/fake",
    "CONNECTION",
    "/settings/account",
    "/settings/sessions",
    "/settings/projects",
];

/// Elements of a page by their first words, with all that is within.
fn elements<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let parts = page.split(open.as_str()).skip(1).filter(|part| part.starts_with([' ', '>']));
    parts.map(|part| part.split(close.as_str()).next().unwrap()).collect()
}

async fn page(site: &Site, visitor: &Visitor, path: &str) -> Answer {
    let id = site.app.connections.list("default").await.unwrap()[0].connection_id;
    visitor.get(&path.replace("CONNECTION", &format!("/connections/{id}"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_lead_forms_have_buttons_and_no_button_is_dead() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    for path in PAGES {
        let answer = page(&site, &ada, path).await;
        assert_eq!(answer.status, 200, "{path}");
        for link in elements(&answer.body, "a") {
            let tag = link.split('>').next().unwrap();
            assert!(tag.contains("href=\"") && !tag.contains("href=\"#\""), "{path}: <a{tag}>");
        }
        for form in elements(&answer.body, "form") {
            let tag = form.split('>').next().unwrap();
            // Without an address it asks for this page, which is what the dates want.
            let leads =
                tag.contains("action=\"/") || tag.contains("method=\"get\"") || tag.contains("method=\"dialog\"");
            assert!(leads && form.contains("<button"), "{path}: <form{tag}>");
        }
        for button in elements(&answer.body, "button").iter().filter(|button| button.contains("type=\"button\"")) {
            assert!(button.contains(" hidden"), "{path}: only a script could press <button{button}");
        }
        // What is fetched in parts is shown whole to begin with, or is a form's field.
        for asks in answer.body.split('<').filter(|tag| tag.contains("hx-get=") || tag.contains("hx-post=")) {
            let has_way = ["input ", "button "].iter().any(|form| asks.starts_with(form)) || asks.contains("sse:");
            assert!(has_way, "{path}: only a script could ask for <{asks}");
        }
        assert!(!answer.body.contains("<noscript"), "{path}: there is one page for all");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_intervals_and_order_are_links_and_every_chart_is_a_table_too() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    for path in ["/", "/d/fake", "/m/fake_events"] {
        let answer = ada.get(path).await;
        let own = elements(&answer.body, "a").into_iter().filter_map(|link| link.split("href=\"?").nth(1));
        let mut own: Vec<String> = own.map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&")).collect();
        own.sort();
        own.dedup();
        assert!(own.len() >= 15, "{path}: {own:?}");
        for query in own {
            let led = ada.get(&format!("{path}?{query}")).await;
            assert_eq!(led.status, 200, "{path}?{query}");
        }
    }
    let page = ada.get("/m/fake_events?range=7d&interval=day").await.body;
    let today = dashtray::metric::Day::of(site.app.users.now(), &dashtray::metric::Zone::utc());
    let table = elements(&page, "table").into_iter().find(|table| table.contains("<time ")).unwrap();
    for day in 1..=7 {
        let day = today.plus(-day);
        let row = table.split(&format!("<time datetime=\"{day}\">")).nth(1).unwrap().split("</tr>").next().unwrap();
        assert!(row.contains(&format!(">{}</td>", value_of(day))), "{row}");
    }
    // The picture is there before any script is, and says in words what it shows.
    let picture = elements(&page, "svg").into_iter().find(|svg| svg.contains("class=\"chart\"")).unwrap();
    assert!(picture.contains("role=\"img\" aria-label=\"fake_events, ") && picture.contains("210"), "{picture}");
    assert!(!page.contains("chart-frame\" hidden"));
    for chart in elements(&ada.get("/d/fake").await.body, "section").iter().filter(|one| one.contains("Chart: ")) {
        assert!(chart.contains("href=\"/m/fake_"), "its table is a link away: {chart}");
    }
}
