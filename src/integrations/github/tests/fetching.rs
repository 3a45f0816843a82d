//! Repositories, totals and failures.

use super::*;

#[tokio::test]
async fn every_day_of_every_metric_gets_one_state_in_every_series() {
    let (address, _) = provider(usual).await;
    let all: Vec<&str> = METRICS.iter().map(|row| row.id).collect();
    let asked = period("2026-02-20", "2026-03-10");
    let (report, recorded) = try_fetch(address, &["octo/a", "octo/b"], &all, asked).await;
    assert!(report.unwrap().outcomes.values().all(|outcome| *outcome == Outcome::Ok));
    for metric in &all {
        for repository in [None, Some("octo/a"), Some("octo/b")] {
            let answers =
                recorded.answers.iter().filter(|one| one.metric_id == *metric && one.scope == scope(repository));
            let gaps = recorded.gaps.iter().filter(|one| one.metric_id == *metric && one.scope == scope(repository));
            let mut days: Vec<_> =
                answers.map(|one| one.period).chain(gaps.map(|one| one.period)).flat_map(|one| one.days()).collect();
            days.sort();
            assert_eq!(days, asked.days().collect::<Vec<_>>(), "{metric} {repository:?}");
        }
    }
    assert_eq!(values(&recorded, "github_stars", None), [on("10", 160)]);
    assert_eq!(values(&recorded, "github_open_issues", Some("octo/a")), [on("10", 6)]);
    assert_eq!(values(&recorded, "github_commits", None), [on("08", 2), on("09", 2), on("10", 2)]);
    let (lost, why) = gap(&recorded, "github_traffic_views", None).unwrap();
    assert_eq!((lost, why), (period("2026-02-20", "2026-02-24"), Why::BeyondRetention));
}

#[tokio::test]
async fn uniques_of_two_repositories_have_no_total_and_of_one_they_have() {
    let (address, _) = provider(usual).await;
    let metric = "github_traffic_unique_views";
    let (report, recorded) = fetch(address, &["octo/a", "octo/b"], &[metric]).await;
    assert_eq!(report.outcomes[metric], Outcome::Ok);
    assert_eq!(values(&recorded, metric, Some("octo/b")), [on("09", 5), on("10", 4)]);
    assert_eq!(values(&recorded, metric, None), []);
    let (_, why) = gap(&recorded, metric, None).unwrap();
    assert!(matches!(why, Why::Unsupported(reason) if reason.contains("overlap")));
    let (_, recorded) = fetch(address, &["octo/a"], &[metric]).await;
    assert_eq!(values(&recorded, metric, None), [on("09", 5), on("10", 4)]);
}

#[tokio::test]
async fn a_renamed_repository_is_read_under_its_new_name_and_keeps_its_series() {
    let (address, calls) = provider(|call| match call.path {
        "/repos/octo/old" => Reply(301, json!({}), vec![("location", format!("http://{}/repositories/42", call.host))]),
        "/repositories/42" => repository(42, "octo/new").into(),
        path if path.starts_with("/repos/octo/old/") => refuse(500, "the old name was used"),
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/old"], &["github_commits", "github_stars"]).await;
    assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{report:?}");
    assert_eq!(values(&recorded, "github_commits", Some("octo/old")), [on("09", 1), on("10", 1)]);
    assert!(calls.lock().unwrap().iter().any(|call| call.starts_with("/repos/octo/new/commits?")));
    let account = test(address, json!({ "repositories": ["octo/old"] })).await.unwrap();
    assert_eq!(account.checks[0].message, "octo/old can be read; it is called octo/new now");
}

#[tokio::test]
async fn one_failing_repository_costs_its_series_and_the_total_and_nothing_else() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/gone" => refuse(404, "Not Found"),
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/gone", "octo/a"], &["github_commits", "github_nonsense"]).await;
    let Outcome::Failed(error) = &report.outcomes["github_commits"] else { panic!("{report:?}") };
    assert_eq!(error.kind(), FailureKind::NotFound);
    assert!(error.to_string().contains("octo/gone"), "{error}");
    assert_eq!(report.outcomes["github_nonsense"], Outcome::Unknown);
    assert_eq!(values(&recorded, "github_commits", Some("octo/a")), [on("09", 1), on("10", 1)]);
    for failed in [None, Some("octo/gone")] {
        let (days, why) = gap(&recorded, "github_commits", failed).unwrap();
        assert_eq!(days, period("2026-03-09", "2026-03-10"));
        assert!(matches!(why, Why::Failed(_)), "{failed:?}");
        assert_eq!(values(&recorded, "github_commits", failed), []);
    }
}

#[tokio::test]
async fn traffic_without_its_permission_fails_alone_and_names_it() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/traffic/views" => refuse(403, "Must have push access to repository"),
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/a"], &["github_traffic_views", "github_traffic_clones"]).await;
    let Outcome::Failed(error) = &report.outcomes["github_traffic_views"] else { panic!("{report:?}") };
    assert_eq!(error.kind(), FailureKind::Forbidden);
    let reason = error.to_string();
    assert!(reason.contains("octo/a") && reason.contains("Administration: read") && reason.contains("push access"));
    assert!(matches!(gap(&recorded, "github_traffic_views", None), Some((_, Why::Failed(_)))));
    assert_eq!(report.outcomes["github_traffic_clones"], Outcome::Ok);
}

#[tokio::test]
async fn without_a_token_what_needs_one_is_unsupported_and_the_rest_goes_on() {
    let (address, _) = provider(|call| match call.path {
        "/user" | "/repos/octo/a/traffic/views" => refuse(401, "Requires authentication"),
        _ => usual(call),
    })
    .await;
    let (report, _) = fetch(address, &["octo/a"], &["github_traffic_views", "github_commits"]).await;
    let Outcome::Unsupported(reason) = &report.outcomes["github_traffic_views"] else { panic!("{report:?}") };
    assert!(reason.contains("needs a token"), "{reason}");
    assert_eq!(report.outcomes["github_commits"], Outcome::Ok);
    let account = test(address, json!({ "repositories": ["octo/a"] })).await.unwrap();
    let failed: Vec<&str> = account.checks.iter().filter(|check| !check.ok).map(|check| check.id.as_str()).collect();
    assert_eq!(failed, ["traffic"]);
    assert_eq!(account.info["token"], "none");
}

#[tokio::test]
async fn a_limit_said_with_403_ends_the_fetch_until_the_reset() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/b/commits" => Reply(
            403,
            json!({ "message": "API rate limit exceeded" }),
            vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", "1773147600".to_owned())],
        ),
        _ => usual(call),
    })
    .await;
    let days = period("2026-03-09", "2026-03-10");
    let (report, recorded) = try_fetch(address, &["octo/a", "octo/b"], &["github_commits"], days).await;
    let error = report.unwrap_err();
    assert_eq!(error.kind(), FailureKind::RateLimited);
    assert_eq!(error.retry_at().unwrap().to_string(), "2026-03-10T13:00:00Z");
    assert_eq!(values(&recorded, "github_commits", Some("octo/a")).len(), 2);
    assert_eq!(values(&recorded, "github_commits", None), []);
}

#[tokio::test(start_paused = true)]
async fn a_secondary_limit_of_unsaid_length_is_waited_for_once_and_then_handed_back() {
    for status in [403, 429] {
        let (address, calls) = provider(move |call| match call.path {
            "/repos/octo/a/commits" => Reply(
                status,
                json!({ "message": "You have exceeded a secondary rate limit." }),
                // The primary limit is far away, and so is its reset.
                vec![("x-ratelimit-remaining", "4000".to_owned()), ("x-ratelimit-reset", "1773147600".to_owned())],
            ),
            _ => usual(call),
        })
        .await;
        let begun = tokio::time::Instant::now();
        let days = period("2026-03-09", "2026-03-10");
        let (report, _) = try_fetch(address, &["octo/a"], &["github_commits"], days).await;
        let error = report.unwrap_err();
        assert_eq!(error.kind(), FailureKind::RateLimited);
        let (waited, until) = (begun.elapsed(), error.retry_at().unwrap());
        assert!((60..65).contains(&waited.as_secs()), "{waited:?}");
        let now: jiff::Timestamp = NOW.parse().unwrap();
        assert!((175..190).contains(&until.duration_since(now).as_secs()), "a minute, and two more: {until}");
        assert_eq!(calls.lock().unwrap().iter().filter(|call| call.contains("/commits")).count(), 2);
    }
}

#[tokio::test]
async fn two_runs_of_a_day_ask_the_very_same_urls() {
    let (address, calls) = provider(usual).await;
    let metrics: Vec<String> = METRICS.iter().map(|row| row.id.to_owned()).collect();
    let mut asked = Vec::new();
    for now in ["2026-03-10T00:00:01Z", "2026-03-10T23:59:59Z"] {
        calls.lock().unwrap().clear();
        let (ctx, _) = context(&Github, address, &[], json!({ "repositories": ["octo/a"] }), now);
        Github.fetch_metrics(&ctx, &metrics, period("2026-03-08", "2026-03-10")).await.unwrap();
        asked.push(calls.lock().unwrap().clone());
    }
    assert_eq!(asked[0], asked[1]);
    assert_eq!(asked[0].len(), 10, "as the guide says: {asked:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_still_being_made_is_asked_for_again() {
    let asked = std::sync::atomic::AtomicU32::new(0);
    let (address, _) = provider(move |call| match call.path {
        "/repos/octo/a/commits" if asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 => {
            Reply(202, json!({}), Vec::new())
        }
        _ => usual(call),
    })
    .await;
    let (report, recorded) = fetch(address, &["octo/a"], &["github_commits"]).await;
    assert_eq!(report.outcomes["github_commits"], Outcome::Ok);
    assert_eq!(values(&recorded, "github_commits", None).len(), 2);
}

#[tokio::test]
async fn missing_settings_are_said_before_any_call() {
    let (address, calls) = provider(usual).await;
    let (ctx, _) = connect(address, json!({}));
    let fetched = Github.fetch_metrics(&ctx, &["github_stars".to_owned()], period("2026-03-10", "2026-03-10")).await;
    assert_eq!(fetched.unwrap_err().kind(), FailureKind::InvalidSettings);
    assert_eq!(Github.test_connection(&ctx).await.unwrap_err().kind(), FailureKind::InvalidSettings);
    assert!(calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_failed_list_leaves_days_without_a_past_beyond_retention() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/releases" => refuse(404, "Not Found"),
        _ => usual(call),
    })
    .await;
    let (_, recorded) = fetch(address, &["octo/a"], &["github_release_downloads", "github_releases"]).await;
    let gaps =
        |metric: &str| recorded.gaps.iter().filter(|gap| gap.metric_id == metric && gap.scope == Scope::Total).count();
    assert_eq!(
        gap(&recorded, "github_release_downloads", None),
        Some((period("2026-03-09", "2026-03-09"), Why::BeyondRetention))
    );
    assert_eq!((gaps("github_release_downloads"), gaps("github_releases")), (2, 1));
}

#[tokio::test]
async fn refused_pull_requests_cost_the_open_ones_and_not_the_stars() {
    let (address, _) = provider(|call| match call.path {
        "/repos/octo/a/pulls" => refuse(403, "Resource not accessible by personal access token"),
        _ => usual(call),
    })
    .await;
    let (report, recorded) =
        fetch(address, &["octo/a"], &["github_open_prs", "github_open_issues", "github_stars"]).await;
    for metric in ["github_open_prs", "github_open_issues"] {
        let Outcome::Failed(error) = &report.outcomes[metric] else { panic!("{report:?}") };
        assert!(error.to_string().contains("Pull requests: read"), "{error}");
    }
    assert_eq!(report.outcomes["github_stars"], Outcome::Ok);
    assert_eq!(values(&recorded, "github_stars", None), [on("10", 80)]);
}

#[tokio::test]
async fn unique_visitors_are_asked_for_by_week_and_not_at_all_by_month() {
    let (address, calls) = provider(|call| match call.path {
        "/repos/octo/a/traffic/views" if call.asks("per", "week") => json!({ "count": 60, "uniques": 30, "views": [
            { "timestamp": "2026-02-23T00:00:00Z", "count": 20, "uniques": 9 },
            { "timestamp": "2026-03-02T00:00:00Z", "count": 30, "uniques": 12 },
            { "timestamp": "2026-03-09T00:00:00Z", "count": 10, "uniques": 7 },
        ] })
        .into(),
        _ => usual(call),
    })
    .await;
    let metric = "github_traffic_unique_views";
    let by = async |grain, first, last| {
        let (mut ctx, recorder) = connect(address, json!({ "repositories": ["octo/a"] }));
        ctx.grain = grain;
        let report = Github.fetch_metrics(&ctx, &[metric.to_owned()], period(first, last)).await.unwrap();
        assert_eq!(report.outcomes[metric], Outcome::Ok);
        recorder.recorded()
    };
    // Of the week before only its last six days are among the fourteen.
    let weeks = by(Interval::Week, "2026-02-23", "2026-03-15").await;
    for scope in [None, Some("octo/a")] {
        assert_eq!(values(&weeks, metric, scope), [on("02", 12), on("09", 7)]);
        assert_eq!(gap(&weeks, metric, scope), Some((period("2026-02-23", "2026-03-01"), Why::BeyondRetention)));
    }
    calls.lock().unwrap().clear();
    let months = by(Interval::Month, "2026-03-01", "2026-03-31").await;
    for scope in [None, Some("octo/a")] {
        assert_eq!(values(&months, metric, scope), []);
        let Some((_, Why::Unsupported(reason))) = gap(&months, metric, scope) else { panic!("{months:?}") };
        assert!(reason.contains("not of months"), "{reason}");
    }
    let asked = calls.lock().unwrap().clone();
    assert!(asked.iter().all(|call| !call.contains("/traffic/")), "{asked:?}");
}
