//! What each list does in its own way.

use super::*;

#[tokio::test]
async fn an_empty_repository_has_no_commits() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/empty/commits" => refuse(409, "Git Repository is empty."),
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/empty", "octo/a"], &["github_commits"]).await;
    assert_eq!(report.outcomes["github_commits"], Outcome::Ok);
    assert_eq!(values(&recorded, "github_commits", Some("octo/empty")), []);
    assert_eq!(gap(&recorded, "github_commits", Some("octo/empty")), None);
    assert_eq!(values(&recorded, "github_commits", None), [on("09", 1), on("10", 1)]);
}

#[tokio::test]
async fn issues_that_are_switched_off_leave_the_total_whole() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/off/issues" => refuse(410, "Issues has been disabled in this repository."),
        _ => usual(call),
    })
    .await;
    let metric = "github_issues_opened";
    let (report, recorded) = fetch(address, &["octo/off", "octo/a"], &[metric]).await;
    assert_eq!(report.outcomes[metric], Outcome::Ok);
    assert!(matches!(gap(&recorded, metric, Some("octo/off")), Some((_, Why::Unsupported(_)))));
    assert_eq!(values(&recorded, metric, None), [on("09", 1)]);
    let (report, _) = fetch(address, &["octo/off"], &[metric]).await;
    assert!(matches!(report.outcomes[metric], Outcome::Unsupported(_)));
}

#[tokio::test]
async fn stars_are_walked_back_from_the_newest() {
    let (address, calls) = provider(|call| match call.path {
        "/repos/octo/a/stargazers" => {
            let page = call.page();
            let day = [1, 2, 9, 10][page as usize - 1];
            let stars = json!([{ "starred_at": format!("2026-03-{day:02}T00:00:00Z") }]);
            Reply(200, stars, vec![("link", call.link(page, 4))])
        }
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_new_stars"]).await;
    assert_eq!(values(&recorded, "github_new_stars", None), [on("09", 1), on("10", 1)]);
    let pages = calls.lock().unwrap().iter().filter(|call| call.contains("stargazers")).count();
    assert_eq!(pages, 4, "the first, and three from the end");
}

/// A repository with so many stars; GitHub lists 40,000 of them, the last hundred on the tenth.
fn starred(call: &Call<'_>, count: u32) -> Reply {
    match call.path {
        "/repos/octo/a" => {
            let mut body = repository(5, "octo/a");
            body["stargazers_count"] = count.into();
            body.into()
        }
        "/repos/octo/a/stargazers" => {
            let page = call.page();
            assert!(page <= 400, "GitHub answers 422");
            let (first, others) = if page == 400 { ("09", "10") } else { ("08", "08") };
            let mut stars = vec![json!({ "starred_at": format!("2026-03-{first}T00:00:00Z") })];
            stars.resize(100, json!({ "starred_at": format!("2026-03-{others}T01:00:00Z") }));
            Reply(200, stars.into(), vec![("link", call.link(page, 400))])
        }
        _ => usual(call),
    }
}

#[tokio::test]
async fn the_days_of_stars_past_the_40000th_are_beyond_retention() {
    let (address, _) = provider(|call| starred(call, 40_001)).await;
    let (report, recorded) = fetch(address, &["octo/a"], &["github_new_stars"]).await;
    assert_eq!(report.outcomes["github_new_stars"], Outcome::Ok);
    for series in [None, Some("octo/a")] {
        let (days, why) = gap(&recorded, "github_new_stars", series).unwrap();
        assert_eq!((days, why), (period("2026-03-10", "2026-03-10"), Why::BeyondRetention));
    }
}

#[tokio::test]
async fn exactly_40000_stars_lose_no_day() {
    let (address, _) = provider(|call| starred(call, 40_000)).await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_new_stars"]).await;
    assert_eq!(gap(&recorded, "github_new_stars", None), None);
    assert_eq!(values(&recorded, "github_new_stars", None), [on("09", 1), on("10", 99)]);
}

#[tokio::test]
async fn a_full_last_page_of_stars_is_looked_behind_and_a_taken_back_one_counts_once() {
    let (address, calls) = provider(|call| match call.path {
        "/repos/octo/a/stargazers" => {
            let star = |user: u32, day: u32| {
                json!({ "starred_at": format!("2026-03-{day:02}T00:00:00Z"), "user": { "id": user } })
            };
            // While page 2 was read, somebody on page 1 took a star back: 100 is on both.
            let stars: Vec<Json> = match call.page() {
                1 => (1..=100).map(|user| star(user, if user == 1 { 1 } else { 9 })).collect(),
                2 => (100..200).map(|user| star(user, 10)).collect(),
                _ => Vec::new(),
            };
            Reply(200, stars.into(), vec![("link", call.link(call.page(), 2))])
        }
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_new_stars"]).await;
    assert_eq!(values(&recorded, "github_new_stars", None), [on("09", 98), on("10", 100)]);
    let pages: Vec<String> = calls.lock().unwrap().iter().filter(|call| call.contains("stargazers")).cloned().collect();
    let numbers: Vec<&str> = pages.iter().filter_map(|page| page.split("page=").nth(2)).collect();
    assert_eq!(numbers, ["1", "2", "3", "1"]);
}

#[tokio::test]
async fn open_pull_requests_are_the_number_of_the_last_page() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/pulls" => Reply(200, json!([{ "id": 1 }]), vec![("link", call.link(1, 5))]),
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_open_prs", "github_open_issues"]).await;
    assert_eq!(values(&recorded, "github_open_prs", None), [on("10", 5)]);
    assert_eq!(values(&recorded, "github_open_issues", None), [on("10", 2)]);
}

/// So many runs an hour, each a second after the other and a minute long, as GitHub lists them.
fn busy(call: &Call<'_>, each_hour: i64) -> Reply {
    let Some((from, to)) = call.query.get("created").and_then(|range| range.split_once("..")) else {
        return usual(call);
    };
    let second = |text: &str, end: i64| match text.parse::<jiff::Timestamp>() {
        Ok(at) => at.as_second(),
        Err(_) => format!("{text}T00:00:00Z").parse::<jiff::Timestamp>().unwrap().as_second() + end,
    };
    let (from, to) = (second(from, 0), second(to, 86_399));
    let created: Vec<i64> = (from..=to).rev().filter(|at| at % 3600 < each_hour).collect();
    let shown = created.iter().take(1000).skip(100 * (call.page() as usize - 1)).take(100);
    let at = |second: i64| jiff::Timestamp::from_second(second).unwrap().to_string();
    let runs: Vec<Json> = shown
        .map(|second| {
            json!({ "id": second, "status": "completed", "conclusion": "success", "created_at": at(*second),
                "run_started_at": at(*second), "updated_at": at(second + 60) })
        })
        .collect();
    let last = u32::try_from(created.len().min(1000).div_ceil(100)).unwrap().max(1);
    let url = |page: u32| format!("http://{}{}?created={}&page={page}", call.host, call.path, call.query["created"]);
    let next = format!("<{}>; rel=\"next\"", url(call.page() + 1));
    let link = if call.page() < last { vec![("link", next)] } else { Vec::new() };
    Reply(200, json!({ "total_count": created.len(), "workflow_runs": runs }), link)
}

#[tokio::test]
async fn a_day_with_more_runs_than_github_lists_is_read_in_shorter_pieces() {
    for each_hour in [100, 41] {
        let (address, calls) = provider(move |call| busy(call, each_hour)).await;
        let metrics = ["github_workflow_runs", "github_workflow_duration"];
        let (report, recorded) = fetch(address, &["octo/a"], &metrics).await;
        assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{report:?}");
        let runs = 24 * each_hour;
        assert_eq!(values(&recorded, "github_workflow_runs", None), [on("09", runs), on("10", runs)]);
        assert_eq!(
            values(&recorded, "github_workflow_duration", None),
            [on("09", 60_000 * runs), on("10", 60_000 * runs)]
        );
        let cut = calls.lock().unwrap().iter().any(|call| call.contains("T12%3A00%3A00Z..2026-03-10T23%3A59%3A59Z"));
        assert_eq!(cut, each_hour == 100, "984 runs a day need no cut within it");
    }
}

/// Answers that a length of time has so many runs, and none of them.
fn crowded(range: &str, second: Option<&str>) -> Reply {
    let (from, to) = range.split_once("..").unwrap();
    let to = if to.len() == 10 { format!("{to}T23:59:59Z") } else { to.to_owned() };
    let is_inside = second.is_none_or(|second| from <= second && second <= to.as_str());
    json!({ "total_count": if is_inside { 1001 } else { 0 }, "workflow_runs": [] }).into()
}

#[tokio::test]
async fn a_second_with_more_runs_than_github_lists_costs_its_day() {
    let (address, calls) = provider(|call| match call.query.get("created") {
        Some(range) if range.starts_with("2026-03-09") => crowded(range, Some("2026-03-09T06:00:01Z")),
        _ => usual(call),
    })
    .await;
    let metric = "github_workflow_runs";
    let (report, recorded) = fetch(address, &["octo/a"], &[metric]).await;
    let Outcome::Failed(error) = &report.outcomes[metric] else { panic!() };
    assert!(error.to_string().contains("1001 workflow runs at 2026-03-09T06:00:01Z"), "{error}");
    assert_eq!(values(&recorded, metric, None), [on("10", 4)]);
    assert_eq!(gap(&recorded, metric, None).unwrap().0, period("2026-03-09", "2026-03-09"));
    assert!(calls.lock().unwrap().len() < 50);
}

#[tokio::test]
async fn a_total_that_never_gets_smaller_is_not_followed_for_ever() {
    let (address, calls) = provider(|call| match call.query.get("created") {
        Some(range) => crowded(range, None),
        _ => usual(call),
    })
    .await;
    let metric = "github_workflow_runs";
    let (report, recorded) = fetch(address, &["octo/a"], &[metric]).await;
    assert!(matches!(&report.outcomes[metric], Outcome::Failed(_)));
    let gaps = recorded.gaps.iter().filter(|gap| gap.scope == Scope::Total);
    assert_eq!(gaps.map(|gap| gap.period.len()).sum::<usize>(), 2);
    assert!(calls.lock().unwrap().len() < 600);
}

#[tokio::test]
async fn what_is_changed_while_a_list_is_turned_is_not_missed() {
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let (address, _) = provider(move |call| match call.path {
        "/repos/octo/a/issues" => {
            let issue = |id: u32, created: &str, updated: &str| {
                json!({ "id": id, "created_at": created, "updated_at": updated, "state": "open", "closed_at": null })
            };
            let old = |id: u32| issue(id, "2026-03-09T00:00:00Z", "2026-03-10T01:00:00Z");
            // The one at the end is changed while the first page is on its way.
            let time = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let moved = issue(9, "2026-03-09T00:00:00Z", NOW);
            let all: Vec<Json> = match time {
                0 => vec![old(1), old(2), old(3), old(9)],
                _ => vec![moved, old(1), old(2), old(3)],
            };
            let page = call.page() as usize;
            let shown = all[2 * (page - 1)..2 * page].to_vec();
            Reply(200, shown.into(), vec![("link", call.link(call.page(), 2))])
        }
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_issues_opened"]).await;
    assert_eq!(values(&recorded, "github_issues_opened", None), [on("09", 4)]);
}

#[tokio::test]
async fn a_pull_request_that_two_pages_show_counts_once() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/pulls" => {
            let pull = |id: u32| json!({ "id": id, "created_at": "2026-03-09T00:00:00Z", "updated_at": NOW, "merged_at": null });
            let page = call.page();
            Reply(200, json!([pull(page), pull(page + 1)]), vec![("link", call.link(page, 2))])
        }
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_prs_opened"]).await;
    assert_eq!(values(&recorded, "github_prs_opened", None), [on("09", 3)]);
}
