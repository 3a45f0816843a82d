//! Pages, exports and series of what changes while they are read.

use std::collections::BTreeSet;

use dashtray::{
    custom::{self, Batch},
    integrations::Registry,
    metric::{Day, Interval},
    series::{self, GetRequest, SeriesView, Walk, WalkRequest},
    store::{NewDashboard, Scope},
};
use serde_json::{Value as Json, json};

use super::program::Program;
use crate::support::site::Site;

/// Pushes one value.
async fn push(site: &Site, metric: &str, date: &str, dimension: &str, value: &str) {
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let mut entry = json!({"metric_id": metric, "value": value, "date": date});
    if !dimension.is_empty() {
        entry["dimension"] = dimension.into();
    }
    let batch: Batch = serde_json::from_str(&json!({"metrics": [entry]}).to_string()).unwrap();
    custom::push(&site.app.store, &Registry::builtin(), &project, &batch, site.app.now()).await.unwrap();
}

async fn dashboard(site: &Site, slug: &str) {
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let new = NewDashboard { slug: slug.to_owned(), name: slug.to_owned(), integration_id: None, widgets: Vec::new() };
    site.app.store.insert_dashboard(project.id, &new, site.app.now()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_and_goes_between_two_pages_of_a_list_moves_no_other_entry() {
    let site = Site::start().await;
    let program = Program::with_key(&site, Scope::Read).await;
    let store = &site.app.store;
    let project = store.project("default").await.unwrap().unwrap();
    for slug in ["a", "b", "c", "d", "e", "f"] {
        dashboard(&site, slug).await;
    }
    let page = async |cursor: &str| {
        let told = program.get(&format!("/api/v1/dashboards?limit=2{cursor}")).await.json;
        let shown: Vec<String> = told["data"]["dashboards"]
            .as_array()
            .unwrap_or_else(|| panic!("{told}"))
            .iter()
            .map(|one| one["dashboard_id"].as_str().unwrap().to_owned())
            .collect();
        (shown, told["next_cursor"].as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default())
    };
    let gone = async |slug: &str| {
        let dashboard = store.dashboard(project.id, slug).await.unwrap().unwrap();
        store.delete_dashboard(project.id, dashboard.id).await.unwrap();
    };
    let (shown, cursor) = page("").await;
    assert_eq!(shown, ["a", "b"]);
    // One that was shown goes, and another the very last of them: what follows is found all the same.
    gone("a").await;
    assert_eq!(page(&cursor).await.0, ["c", "d"]);
    gone("b").await;
    let (shown, cursor) = page(&cursor).await;
    assert_eq!(shown, ["c", "d"]);
    // One comes, to the front.
    dashboard(&site, "new").await;
    let ids: Vec<i64> = store.dashboards(project.id).await.unwrap().iter().map(|one| one.id).collect();
    let turned: Vec<i64> = ids.iter().rev().take(1).chain(ids.iter().take(ids.len() - 1)).copied().collect();
    store.order_dashboards(project.id, &turned).await.unwrap();
    assert_eq!(page("").await.0, ["new", "c"]);
    let (shown, end) = page(&cursor).await;
    assert_eq!((shown, end.as_str()), (vec!["e".to_owned(), "f".to_owned()], ""));
    // Where nothing is left that the cursor names, it says so.
    gone("d").await;
    gone("e").await;
    let told = program.get(&format!("/api/v1/dashboards?limit=2{cursor}")).await;
    assert_eq!((told.status, told.code()), (404, "invalid_cursor"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_that_come_between_two_pages_of_points_move_no_other_point() {
    let site = Site::start().await;
    let program = Program::with_key(&site, Scope::Read).await;
    for day in 1..=9 {
        for part in ["m", "n"] {
            push(&site, "sales", &format!("2026-03-0{day}"), part, &day.to_string()).await;
        }
    }
    let first = "/api/v1/metrics?metric_id=sales&dimension=*&limit=4&start_date=2026-03-01&end_date=2026-03-09";
    let whole = program.get(&first.replace("limit=4", "limit=1000")).await.json;
    let points = |told: &Json| told["data"]["points"].as_array().unwrap_or_else(|| panic!("{told}")).clone();
    let named = |point: &Json| format!("{} {}", point["dimension"], point["date"]);
    let before: BTreeSet<String> = points(&whole).iter().map(named).collect();
    assert_eq!(before.len(), 3 * 9);
    let (mut shown, mut path, mut turn) = (Vec::new(), first.to_owned(), 0);
    loop {
        let told = program.get(&path).await.json;
        shown.extend(points(&told).iter().map(named));
        let Some(cursor) = told["next_cursor"].as_str() else { break };
        path = format!("{first}&cursor={cursor}");
        // Before all that was shown, and behind it.
        if turn < 6 {
            for part in ["a", "z"] {
                push(&site, "sales", "2026-03-05", &format!("{part}{turn}"), "1").await;
            }
        }
        turn += 1;
    }
    assert!(turn > 5, "{turn}");
    let distinct: BTreeSet<String> = shown.iter().cloned().collect();
    assert_eq!(distinct.len(), shown.len(), "none is there twice");
    assert!(before.is_subset(&distinct), "none is left out: {:?}", before.difference(&distinct));
}

async fn walk(site: &Site) -> Walk {
    let request = WalkRequest { project: "default".to_owned(), ..WalkRequest::default() };
    Walk::begin(&site.app.store, &site.app.registry, &request, |_| site.app.now()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_removed_in_an_export_has_no_more_lines() {
    let site = Site::start().await;
    for metric in ["a", "b"] {
        push(&site, metric, "2026-03-01", "", "1").await;
    }
    let mut walk = walk(&site).await;
    assert!(walk.next().await.unwrap().is_some());
    site.app.connections.disconnect("default", "custom").await.unwrap();
    assert!(walk.next().await.unwrap().is_none(), "not days that nobody has read yet");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digits_that_come_while_it_is_read_change_no_value() {
    let site = Site::start().await;
    let today = Day::of(site.app.now(), &"UTC".parse().unwrap()).to_string();
    push(&site, "ratio", &today, "", "1.5").await;
    let mut walk = walk(&site).await;
    // From here on all values have four digits.
    push(&site, "ratio", &today, "part", "0.0001").await;
    let piece = walk.next().await.unwrap().unwrap();
    let values = |series: &[SeriesView]| -> Vec<String> {
        let points = series.iter().filter(|one| one.dimension.is_none()).flat_map(|one| &one.points);
        points.filter_map(|point| point.value.as_ref()).map(ToString::to_string).collect()
    };
    assert_eq!(values(&piece.series), ["1.5000"]);

    // The same of a series, which is read again and again while digits come.
    let request = GetRequest {
        project: "default".to_owned(),
        metric_id: "ratio".to_owned(),
        connection: None,
        from: None,
        to: None,
        interval: Interval::Day,
        by_dimension: false,
        now: site.app.now(),
    };
    let pushing = async {
        for digits in 5..=9 {
            push(&site, "ratio", &today, "part", &format!("0.{:0>digits$}", 1)).await;
        }
    };
    let reading = async {
        for _ in 0..40 {
            let series = series::get(&site.app.store, &site.app.registry, &request).await.unwrap();
            let read = values(&series).pop().unwrap();
            assert_eq!(read.trim_end_matches('0'), "1.5", "{read}");
        }
    };
    tokio::join!(pushing, reading);
}
