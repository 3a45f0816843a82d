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

#[tokio::test]
async fn the_days_of_stars_past_the_40000th_are_beyond_retention() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/stargazers" => {
            let page = call.page();
            assert!(page <= 400, "GitHub answers 422");
            let day = if page == 400 { 10 } else { 8 };
            let mut stars = vec![json!({ "starred_at": "2026-03-09T00:00:00Z" })];
            stars.resize(100, json!({ "starred_at": format!("2026-03-{day:02}T01:00:00Z") }));
            Reply(200, stars.into(), vec![("link", call.link(page, 400))])
        }
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/a"], &["github_new_stars"]).await;
    assert_eq!(report.outcomes["github_new_stars"], Outcome::Ok);
    for series in [None, Some("octo/a")] {
        let (days, why) = gap(&recorded, "github_new_stars", series).unwrap();
        assert_eq!((days, why), (period("2026-03-10", "2026-03-10"), Why::BeyondRetention));
    }
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

#[tokio::test]
async fn too_many_workflow_runs_are_read_in_shorter_pieces() {
    let (address, calls) = provider(|call| match call.query.get("created").map(String::as_str) {
        Some("2026-03-09..2026-03-09") => json!({ "total_count": 1001, "workflow_runs": [] }).into(),
        Some("2026-03-10..2026-03-10") => {
            serde_json::from_str::<Json>(include_str!("../fixtures/runs.json")).unwrap().into()
        }
        Some("2026-03-07..2026-03-08") => json!({ "total_count": 0, "workflow_runs": [] }).into(),
        Some(_) => json!({ "total_count": 1500, "workflow_runs": [] }).into(),
        None => usual(call),
    })
    .await;
    let metric = "github_workflow_runs";
    let (report, recorded) = try_fetch(address, &["octo/a"], &[metric], period("2026-03-07", "2026-03-10")).await;
    let Outcome::Failed(error) = &report.unwrap().outcomes[metric] else { panic!() };
    assert!(error.to_string().contains("1001 workflow runs on 2026-03-09"), "{error}");
    assert_eq!(values(&recorded, metric, None), [on("10", 4)]);
    assert_eq!(gap(&recorded, metric, None).unwrap().0, period("2026-03-09", "2026-03-09"));
    assert_eq!(calls.lock().unwrap().iter().filter(|call| call.contains("created")).count(), 5);
}

#[tokio::test]
async fn a_pull_request_that_two_pages_show_counts_once() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/pulls" => {
            let pull = |id: u32| json!({ "id": id, "created_at": "2026-03-09T00:00:00Z", "updated_at": NOW });
            let page = call.page();
            Reply(200, json!([pull(page), pull(page + 1)]), vec![("link", call.link(page, 2))])
        }
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_prs_opened"]).await;
    assert_eq!(values(&recorded, "github_prs_opened", None), [on("09", 3)]);
}
