//! Dashboards and the page of a metric: numbers and words, bad addresses, editing by several people.

use std::sync::Arc;

use dashtray::{
    integrations::Error,
    metric::{Currency, Day, FailureKind},
    store::{NewProject, NewUser, Role},
    sync::Range,
};
use tokio_util::sync::CancellationToken;

use super::{connecting::send, visitor::Visitor};
use crate::support::{
    fake::{Behaviour, value_of},
    measured::{measured, sync},
    site::{EMAIL, Site},
};

/// Reads all connections once more.
async fn sync_all(site: &Site) {
    let stop = CancellationToken::new();
    site.app.sync.sync_now("default", &[], Range::default(), &stop, Arc::new(|_| {})).await.unwrap();
}

fn today(site: &Site) -> Day {
    Day::of(site.app.users.now(), &dashtray::metric::Zone::utc())
}

/// Text of a page: without tags, and its blanks plain.
fn text(html: &str) -> String {
    let parts = html.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim());
    parts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ").replace(['\u{202f}', '\u{a0}'], " ")
}

/// What a card says.
fn card(page: &str, metric: &str) -> String {
    let rest = page.split(&format!("<a class=\"kpi\" href=\"/m/{metric}")).nth(1);
    let card = rest.unwrap_or_else(|| panic!("no card of {metric}: {page}")).split("</a>").next().unwrap();
    text(&format!("<a {card}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cards_tell_values_and_changes_against_named_days() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let today = today(&site);

    // Three days that are over, against the three before.
    let (from, to) = (today.plus(-3), today.plus(-1));
    let sum = |first: i32| (first..first + 3).map(|day| value_of(today.plus(day))).sum::<i64>();
    let (now, then) = (sum(-3), sum(-6));
    let sign = if now > then { "▲ up" } else { "▼ down" };
    let page = ada.get(&format!("/d/fake?from={from}&to={to}")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let said = card(&page.body, "fake_events");
    assert!(said.starts_with(&format!("fake_events {now} {sign} ")), "{now} after {then}: {said}");
    assert!(said.contains(" vs ") && said.contains("synced just now"), "{said}");

    // Any seven days add up to the same.
    let week = card(&ada.get("/?range=7d").await.body, "fake_events");
    assert!(week.starts_with("fake_events 210 no change vs "), "{week}");
    // Each is counted once a day, so the newest day stands for the range, and says so.
    let users = card(&ada.get("/?range=7d").await.body, "fake_users");
    assert!(users.starts_with(&format!("fake_users {} ", value_of(to))), "{users}");
    let weekday = to.date().strftime("%a %-d %b").to_string();
    assert!(users.contains(&weekday), "{users}");
    // The history is 30 days long.
    let month = card(&ada.get("/?range=28d").await.body, "fake_events");
    assert!(month.starts_with("fake_events 840 no earlier data"), "{month}");
    let alone = card(&ada.get("/?range=7d&compare=none").await.body, "fake_events");
    assert!(alone.starts_with("fake_events 210") && !alone.contains("vs"), "{alone}");
    // A day that is not over is compared with none that is.
    let running = card(&ada.get(&format!("/?from={today}&to={today}")).await.body, "fake_events");
    assert!(running.contains("so far") && !running.contains("vs"), "{running}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metric_s_page_has_its_days_as_a_table_and_as_csv() {
    let (site, script) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let day = today(&site).plus(-1);
    let page = ada.get("/m/fake_events?range=7d").await;
    assert!(page.status == 200 && page.body.len() < 60_000, "{} {}", page.status, page.body.len());
    let row = page.body.split(&format!("<time datetime=\"{day}\">")).nth(1).unwrap().split("</tr>").next().unwrap();
    let row = text(&format!("<time>{row}"));
    assert!(row.contains(&format!(" {} ", value_of(day))) && row.ends_with("may still change"), "{row}");
    let said = text(&page.body);
    assert!(said.contains("days add up to weeks and months") && said.contains("Runs that read it"), "{said}");
    assert!(said.contains("No day of this range was changed"), "{said}");

    let csv = ada.get("/m/fake_events/data.csv?range=7d").await;
    assert_eq!((csv.status, csv.header("content-type")), (200, "text/csv; charset=utf-8"));
    assert_eq!(csv.body.lines().count(), 8, "{}", csv.body);
    let line = csv.body.lines().find(|line| line.starts_with(&day.to_string())).unwrap();
    assert!(line.contains(&format!(",{},", value_of(day))), "{line}");

    // The provider says something else afterwards.
    script.shift(1);
    sync(&site).await;
    let said = text(&ada.get("/m/fake_events?range=7d").await.body);
    assert!(said.contains(&format!(": was {} until ", value_of(day))), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_is_named_once_and_its_last_values_stand() {
    let (site, script) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    script.behave(Behaviour::Fail(Error::new(FailureKind::Unauthorized, "the key was refused")));
    sync(&site).await;
    let id = site.app.connections.list("default").await.unwrap()[0].connection_id;
    for page in ["/?range=7d", "/d/fake?range=7d"] {
        let page = ada.get(page).await;
        assert_eq!(page.body.matches(&format!("href=\"/connections/{id}\"")).count(), 1, "{}", page.body);
        let said = text(&page.body);
        let sentence = "Fake shop does not sync. Fake does not accept what it was connected with any more. ";
        assert!(said.contains(sentence) && said.contains("Reconnect"), "{said}");
        assert!(said.contains("Why") && said.contains("the key was refused"), "{said}");
        assert!(said.contains("210") && page.body.contains("kpi is-stale"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absurd_addresses_get_a_page_and_the_right_status() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    for page in ["/d/nowhere", "/d/nowhere/edit", "/m/fake_nothing", "/m/fake_nothing/data.csv", "/d/%3Cscript%3E"] {
        let answer = ada.get(page).await;
        assert!(answer.status == 404 && answer.body.contains("<h1>Not here</h1>"), "{page} {}", answer.status);
    }
    for (query, words) in [
        ("from=2026-03-05&to=2026-03-01", "runs backwards"),
        ("from=2999-01-01&to=2999-01-02", "is in the future"),
        ("from=1970-01-01", "twenty years"),
        ("from=yesterday", "is not a date"),
        ("range=forever", "no such range"),
        ("compare=me", "no such comparison"),
    ] {
        for page in ["/", "/d/fake", "/m/fake_events", "/m/fake_events/data.csv"] {
            let answer = ada.get(&format!("{page}?{query}")).await;
            assert!(
                answer.status == 400 && answer.body.contains(words),
                "{page}?{query} {}: {}",
                answer.status,
                answer.body
            );
        }
    }
    let answer = ada.get("/m/fake_events?interval=hour").await;
    assert!(answer.status == 400 && answer.body.contains("is not an interval"), "{}", answer.body);
    // Days before all history are days of which nothing is known, and no error.
    let answer = ada.get("/d/fake?from=2015-01-01&to=2015-02-01").await;
    assert!(answer.status == 200 && answer.body.contains("no data for this period"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_project_shows_nothing_of_this_one() {
    let (site, _) = measured().await;
    let (store, now) = (&site.app.store, site.app.users.now());
    let ada = Visitor::signed_in(&site, EMAIL).await;
    assert!(ada.get("/d/fake").await.status == 200);
    let new = NewProject { slug: "other".into(), zone: "UTC".into(), currency: Currency::USD };
    let other = store.insert_project(&new, now).await.unwrap();
    let bob = NewUser { email: "bob@example.com".into(), name: "Bob".into(), password_hash: None };
    store.insert_user(&bob, other.id, Role::Viewer, now).await.unwrap();
    let bob = Visitor::signed_in(&site, "bob@example.com").await;
    assert_eq!(bob.get("/d/fake").await.status, 404);
    assert!(bob.get("/").await.body.contains("Connect your first source"));
    let metric = bob.get("/m/fake_events").await;
    assert!(metric.body.contains("is not connected") && !metric.body.contains("Fake shop"), "{}", metric.body);
    assert_eq!(bob.get("/m/fake_events/data.csv").await.body.lines().count(), 1);
    // Who may only look changes nothing.
    let csrf = bob.get("/").await.csrf();
    assert_eq!(bob.post("/dashboards", &[("csrf", &csrf), ("name", "Mine")]).await.status, 403);
    assert_eq!(bob.get("/d/fake/edit").await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dashboard_is_made_filled_arranged_and_removed() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let csrf = ada.get("/dashboards").await.csrf();
    let long = "x".repeat(10_000);
    for bad in ["", " ", &long, "a\u{0}b"] {
        let answer = ada.post("/dashboards", &[("csrf", &csrf), ("name", bad)]).await;
        assert!(answer.status == 422 && answer.body.len() < 60_000, "{} {}", answer.status, answer.body.len());
    }
    let made = ada.post("/dashboards", &[("csrf", &csrf), ("name", "Board <b>1</b>")]).await;
    assert_eq!((made.status, made.header("location")), (303, "/d/board-b-1-b/edit"));
    assert_eq!(ada.post("/dashboards", &[("csrf", &csrf), ("name", "board b 1 b")]).await.status, 422);
    let path = "/d/board-b-1-b/edit";
    let page = ada.get("/d/board-b-1-b").await;
    assert!(page.body.contains("Nothing stands here yet") && !page.body.contains("<b>1"), "{}", page.body);

    let project = site.app.store.project("default").await.unwrap().unwrap().id;
    let board = async || site.app.store.dashboard(project, "board-b-1-b").await.unwrap().unwrap();
    let widgets = async || {
        let widgets = site.app.store.widgets(project, board().await.id).await.unwrap();
        widgets
            .into_iter()
            .map(|one| (one.id, format!("{} {} {}", one.kind, one.metric_id, one.size)))
            .collect::<Vec<_>>()
    };
    let step = async |fields: &[(&str, &str)]| {
        let version = board().await.version.to_string();
        let mut all = vec![("csrf", csrf.as_str()), ("version", &version)];
        all.extend(fields);
        ada.post(path, &all).await.status
    };
    assert_eq!(step(&[("do", "add"), ("metric", "fake_events"), ("kind", "metric")]).await, 303);
    assert_eq!(step(&[("do", "add"), ("metric", "fake_total"), ("kind", "chart line")]).await, 303);
    for bad in [("fake_nothing", "metric"), ("fake_events", "table"), ("fake_events", "pie")] {
        assert_eq!(step(&[("do", "add"), ("metric", bad.0), ("kind", bad.1)]).await, 422, "{bad:?}");
    }
    let (first, second) = (widgets().await[0].0, widgets().await[1].0);
    assert_eq!(step(&[("do", &format!("down {first}"))]).await, 303);
    assert_eq!(step(&[("do", &format!("size {second} l"))]).await, 303);
    let expected = [(second, "chart fake_total l".to_owned()), (first, "metric fake_events s".to_owned())];
    assert_eq!(widgets().await, expected);
    for bad in ["up 999999", "size 1 huge", "explode 1", "", "up"] {
        assert_eq!(step(&[("do", bad)]).await, 422, "{bad}");
    }
    assert_eq!(step(&[("do", "rename"), ("name", &long)]).await, 422);
    assert_eq!(step(&[("do", "rename"), ("name", "Monday")]).await, 303);

    // A page that was opened before all that is told, and what was typed into it stays.
    let fields = [("csrf", csrf.as_str()), ("version", "0"), ("do", "rename"), ("name", "Tuesday")];
    let late = ada.post(path, &fields).await;
    assert!(late.status == 409 && late.body.contains("Somebody else changed this dashboard"), "{}", late.body);
    assert!(late.body.contains("value=\"Tuesday\""), "{}", late.body);
    assert_eq!((board().await.name.as_str(), widgets().await.len()), ("Monday", 2));

    assert_eq!(step(&[("do", &format!("remove {first}"))]).await, 303);
    assert_eq!(widgets().await.len(), 1);
    assert_eq!(ada.post("/d/fake/delete", &[("csrf", &csrf)]).await.status, 400);
    assert_eq!(ada.post("/d/board-b-1-b/delete", &[("csrf", &csrf)]).await.status, 303);
    assert_eq!(ada.get("/d/board-b-1-b").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_days_that_were_chosen_last_are_shown_where_an_address_names_none() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let shown = async |visitor: &Visitor, page: &str| {
        let page = visitor.get(page).await.body;
        let label = text(
            page.split("<summary class=\"button small\">").nth(1).unwrap().split("<span class=\"quiet").next().unwrap(),
        );
        (label, page.contains("compared with"))
    };
    assert_eq!(shown(&ada, "/").await, ("Last 28 days".to_owned(), true));
    assert_eq!(shown(&ada, "/?range=7d&compare=none").await, ("Last 7 days".to_owned(), false));
    // On every page, in every browser of theirs, and for each part of the address by itself.
    let phone = Visitor::signed_in(&site, EMAIL).await;
    for page in ["/", "/d/fake", "/m/fake_events"] {
        assert_eq!(shown(&phone, page).await, ("Last 7 days".to_owned(), false), "{page}");
    }
    assert_eq!(shown(&phone, "/d/fake?compare=previous").await, ("Last 7 days".to_owned(), true));
    assert_eq!(shown(&phone, "/").await, ("Last 7 days".to_owned(), true));
    // Days that are named grow old, and a part that a page fetches is nobody's choice.
    let today = today(&site);
    shown(&ada, &format!("/?from={today}&to={today}")).await;
    shown(&ada, "/d/fake?range=30d&of=fake").await;
    assert_eq!(ada.get("/?range=never").await.status, 400);
    assert_eq!(shown(&ada, "/").await, ("Last 7 days".to_owned(), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_widget_shows_all_connections_or_the_one_that_is_chosen() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    // Of one connection there is nothing to choose.
    assert!(!ada.get("/d/fake/edit").await.body.contains("All connections"));
    let fields = [("action", "connect"), ("c-api_key", "another-key"), ("s-flavour", "mint"), ("name", "Mint shop")];
    assert_eq!(send(&ada, "/connect/fake", &fields).await.status, 303);
    sync_all(&site).await;
    let project = site.app.store.project("default").await.unwrap().unwrap().id;
    let ids: Vec<String> =
        site.app.store.connections(project).await.unwrap().iter().map(|one| one.public_id.to_string()).collect();

    assert_eq!(send(&ada, "/dashboards", &[("name", "Own")]).await.status, 303);
    let step = async |fields: &[(&str, &str)]| {
        let board = site.app.store.dashboard(project, "own").await.unwrap().unwrap();
        let version = board.version.to_string();
        let answer = send(&ada, "/d/own/edit", &[&[("version", version.as_str())], fields].concat()).await;
        let widgets = site.app.store.widgets(project, board.id).await.unwrap();
        (answer.status, widgets.iter().map(|one| one.connection_id).collect::<Vec<_>>())
    };
    let add = [("do", "add"), ("metric", "fake_events"), ("kind", "metric")];
    assert_eq!(step(&add).await, (303, vec![None]));
    let (status, bound) = step(&[add.as_slice(), &[("connection", ids[1].as_str())]].concat()).await;
    assert!(status == 303 && bound[1].is_some(), "{bound:?}");
    for bad in ["0192d3b4-0000-7000-8000-000000000000", "<b>", "2"] {
        assert_eq!(step(&[add.as_slice(), &[("connection", bad)]].concat()).await.0, 422, "{bad}");
    }
    let page = ada.get("/d/own?range=7d").await;
    let said = text(&page.body);
    assert!(said.contains("fake_events 210 ") && said.contains("also 210 Mint shop"), "{said}");
    assert!(said.contains("fake_events · Mint shop 210 "), "{said}");

    // And otherwise later on.
    let board = site.app.store.dashboard(project, "own").await.unwrap().unwrap();
    let widget = site.app.store.widgets(project, board.id).await.unwrap()[0].id;
    let (status, bound) = step(&[("do", &format!("show {widget} {}", ids[0]))]).await;
    assert!(status == 303 && bound[0].is_some() && bound[0] != bound[1], "{bound:?}");
    assert_eq!(step(&[("do", &format!("show {widget} all"))]).await, (303, vec![None, bound[1]]));
    assert_eq!(step(&[("do", &format!("show {widget} nobody"))]).await.0, 422);
    assert_eq!(step(&[("do", "show 999 all")]).await.0, 422);
    // What is dropped somewhere stands there; beyond the last it is the last.
    let order = async || {
        let widgets = site.app.store.widgets(project, board.id).await.unwrap();
        widgets.iter().map(|one| one.connection_id).collect::<Vec<_>>()
    };
    assert_eq!(step(&[("do", &format!("place {widget} 99"))]).await.0, 303);
    assert_eq!(order().await, [bound[1], None]);
    for bad in ["place 999 0", &format!("place {widget} -1"), &format!("place {widget}")] {
        assert_eq!(step(&[("do", bad)]).await.0, 422, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_has_not_begun_everywhere_is_no_error() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    // The project is a day ahead of its connection at any time.
    let fields = [
        ("action", "connect"),
        ("c-api_key", "k"),
        ("s-flavour", "mint"),
        ("shown", "s-zone"),
        ("s-zone", "Etc/GMT+12"),
    ];
    assert_eq!(send(&ada, "/connect/fake", &fields).await.status, 303);
    sync_all(&site).await;
    let project = site.app.store.project("default").await.unwrap().unwrap();
    site.app.store.update_project(project.id, "Pacific/Kiritimati", project.currency).await.unwrap();
    let today = Day::of(site.app.now(), &"Pacific/Kiritimati".parse().unwrap());
    for page in ["/", "/d/fake", "/m/fake_events", "/m/fake_events/data.csv"] {
        for interval in ["day", "week", "month"] {
            let page = format!("{page}?from={today}&to={today}&interval={interval}");
            assert_eq!(ada.get(&page).await.status, 200, "{page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_makes_no_dashboard_connecting_does() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let project = site.app.store.project("default").await.unwrap().unwrap().id;
    let boards = async || {
        let boards = site.app.store.dashboards(project).await.unwrap();
        boards.into_iter().map(|one| (one.id, one.slug)).collect::<Vec<_>>()
    };
    let made = boards().await;
    assert_eq!(made.iter().map(|(_, slug)| slug.as_str()).collect::<Vec<_>>(), ["fake"]);
    // As an older version may have left it.
    assert!(site.app.store.delete_dashboard(project, made[0].0).await.unwrap());
    for page in ["/", "/dashboards", "/m/fake_events"] {
        assert_eq!(ada.get(page).await.status, 200, "{page}");
    }
    assert_eq!((ada.get("/d/fake").await.status, boards().await), (404, vec![]));
    // A start makes up for it, and once is enough.
    for _ in 0..2 {
        site.app.connections.make_starters().await.unwrap();
    }
    assert_eq!(boards().await.len(), 1);
    assert_eq!(ada.get("/d/fake").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_one_day_says_which() {
    let (site, _) = measured().await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let today = today(&site);
    let day = |day: Day| day.date().strftime("%a %-d %b").to_string();
    let page = text(&ada.get(&format!("/m/fake_total?from={}&to={today}", today.plus(-3))).await.body);
    assert!(page.contains(&format!("{} on {} ", value_of(today), day(today))), "{page}");
    let page = text(&ada.get("/m/fake_users?range=7d").await.body);
    assert!(page.contains(&format!("{} on {} ", value_of(today.plus(-1)), day(today.plus(-1)))), "{page}");
    let page = text(&ada.get("/m/fake_events?range=7d").await.body);
    assert!(page.contains(" 210 ") && !page.contains("210 on"), "{page}");
}
