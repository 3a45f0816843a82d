//! Owners with hundreds of repositories.

use super::*;

/// The list and the window that a request belongs to, by the day on which the window begins; nothing of other lists.
fn window(request: &Request) -> Option<(&'static str, String)> {
    let pairs: BTreeMap<&str, &str> = request.query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let date = |text: &str| text.chars().take(10).collect::<String>();
    match request.path.rsplit('/').next()? {
        "commits" => Some(("commits", date(pairs.get("since")?))),
        "runs" => Some(("runs", date(pairs.get("created")?))),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_days_of_all_come_before_the_older_ones_of_any() {
    let place = Place::new(with_lively_repositories(5)).await;
    let app = place.open(NOW).await;
    connect(&app, "main", GITHUB_TOKEN, json!({ "owner": "fernwerk" })).await;
    let asked = place.asked();
    assert_eq!(app.run("main").await.status.name(), "ok");
    let requests = place.since(asked);
    for list in ["commits", "runs"] {
        // Whether one page holds all is tried with the newest days; these are too lively.
        let is_try = |request: &&Request| {
            let is_all = request.query.contains("2026-01-01T") && !request.query.contains("until");
            is_all || request.query.contains("2026-01-01..2026-03-28")
        };
        let windows = requests.iter().filter(|request| !is_try(request)).filter_map(window);
        let mut starts: Vec<String> = windows.filter(|(name, _)| *name == list).map(|(_, start)| start).collect();
        // Of the newest runs those that may be restated are a list of their own.
        starts.iter_mut().filter(|start| *start == "2026-03-29").for_each(|start| *start = "2026-03-02".to_owned());
        starts.dedup();
        assert_eq!(starts, ["2026-03-02", "2026-01-31", "2026-01-01"], "{list}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_are_read_with_few_requests() {
    // As many as can be read without waiting for the 900 requests of a minute.
    const COUNT: u64 = 50;
    let place = Place::new(with_repositories(COUNT)).await;
    let app = place.open(NOW).await;
    connect(&app, "main", GITHUB_TOKEN, json!({ "owner": "fernwerk" })).await;
    let asked = place.asked();
    let run = app.run("main").await;
    assert_eq!(run.status.name(), "ok", "{run:?}");
    let first = place.since(asked);
    // Of each: itself, its open pull requests, commits, issues, pull requests, releases, two lists of runs, stars, views
    // and clones, both by day and by week.
    assert!(first.len() as u64 <= 13 * COUNT + 10, "{} requests", first.len());
    for metric in CODE {
        assert_eq!(series(&app, metric, true).await.len() as u64, COUNT, "{metric}");
    }

    let app = place.open("2026-03-31T12:02:00Z").await;
    let asked = place.asked();
    let run = app.run("main").await;
    let second = place.since(asked);
    let other: Vec<String> = second.iter().filter(|request| request.status != 304).map(line).collect();
    assert_eq!((other, run.samples_written), (Vec::new(), 0));
    // Itself, its open pull requests, issues, pull requests, releases, runs, stars, views and clones (by day, and by week since
    // their total over several repositories is asked for again); and the lists.
    assert!(second.len() as u64 <= 11 * COUNT + 4, "{} requests", second.len());

    // What is archived is asked for less: nothing can be opened, merged, pushed or run.
    place.emulators.company_mut(|company| company.github.repositories.iter_mut().for_each(|one| one.archived = true));
    place.open("2026-04-10T12:00:00Z").await.run("main").await;
    let app = place.open("2026-04-10T12:02:00Z").await;
    let asked = place.asked();
    app.run("main").await;
    let third = place.since(asked);
    assert!(third.iter().all(|request| request.status == 304));
    // Itself, its open pull requests, releases, stars, views and clones (by day and by week).
    assert!(third.len() as u64 <= 8 * COUNT + 4, "{} requests", third.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_sync_that_a_limit_cuts_short_goes_on_where_it_stopped() {
    let settings = json!({ "owner": "fernwerk" });
    let undisturbed = Place::new(with_repositories(20)).await;
    let app = undisturbed.open(NOW).await;
    connect(&app, "main", GITHUB_TOKEN, settings.clone()).await;
    let asked = undisturbed.asked();
    app.run("main").await;
    let (expected, needed) = (seen(&app, &CODE).await, undisturbed.since(asked).len());

    let options = Options { github_tokens: vec![GithubToken::full(GITHUB_TOKEN).hourly(90)], ..Options::default() };
    let place = Place::with(with_repositories(20), options).await;
    connect(&place.open(NOW).await, "main", GITHUB_TOKEN, settings).await;
    let mut all: Vec<Request> = Vec::new();
    let mut seen_so_far = place.asked();
    for hour in 0..8 {
        let at = now() + jiff::SignedDuration::from_mins(61 * hour);
        let app = place.open(&at.to_string()).await;
        let run = app.run("main").await;
        all.extend(place.since(seen_so_far));
        seen_so_far = place.asked();
        if run.status.name() == "ok" {
            break;
        }
        assert_eq!(run.status.name(), "rate_limited", "{run:?}");
        let wait = run.retry_at.unwrap().duration_since(at);
        assert!((3500..=3600).contains(&wait.as_secs()), "{wait}");
        place.emulators.wait(std::time::Duration::from_secs(61 * 60));
    }
    assert_eq!(seen(&place.open(NOW).await, &CODE).await, expected);
    assert!(all.iter().all(|request| matches!(request.status, 200 | 304)), "nothing was asked in vain");
    let full = all.iter().filter(|request| request.status == 200).count();
    assert!(full <= needed + 20, "{full} answers in full where {needed} are needed");
    let mut once: Vec<String> = all.iter().filter(|request| window(request).is_some()).map(line).collect();
    once.retain(|line| line.starts_with("200") && !line.contains("2026-03-29"));
    let asked = once.len();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), asked, "a settled window was read twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_appears_is_counted_from_then_on_and_one_that_vanishes_is_not() {
    let place = Place::new(with_repositories(3)).await;
    let app = place.open(NOW).await;
    connect(&app, "main", GITHUB_TOKEN, json!({ "owner": "fernwerk" })).await;
    app.run("main").await;
    let stars = async || {
        let view = series(&app, "github_stars", false).await.remove(0);
        serde_json::json!(view.points.last().unwrap().value).as_i64().unwrap()
    };
    assert_eq!(stars().await, 15);
    place.emulators.company_mut(|company| {
        let mut late = company.github.repositories[0].clone();
        (late.id, late.name) = (77, "late".to_owned());
        company.github.repositories.push(late);
    });
    assert_eq!(app.run("main").await.status.name(), "ok");
    assert_eq!(stars().await, 20);
    place.emulators.company_mut(|company| company.github.repositories.truncate(2));
    assert_eq!(app.run("main").await.status.name(), "ok");
    assert_eq!(stars().await, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failing_repository_of_an_owner_costs_its_own_days_and_the_totals() {
    let place = Place::new(with_repositories(3)).await;
    let app = place.open(NOW).await;
    connect(&app, "main", GITHUB_TOKEN, json!({ "owner": "fernwerk" })).await;
    place.emulators.company_mut(|company| company.github.repositories[1].has_issues = false);
    assert_eq!(app.run("main").await.status.name(), "ok");
    let issues = series(&app, "github_issues_opened", false).await.remove(0);
    assert!(issues.points.iter().all(|point| point.value.is_some()), "the total is whole without it");
}
