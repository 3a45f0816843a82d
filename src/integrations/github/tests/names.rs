//! Repositories that are renamed, vanish, appear, or take another's name.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// What GitHub says at one time: the name, and the number it leads to.
type Names = &'static [(&'static str, u64, &'static str)];

/// A GitHub whose repositories are called differently at each time; the last one lasts. By name and by number, each
/// repository has as many commits a day as its number says.
async fn changing(times: Vec<Names>) -> (SocketAddr, Arc<Mutex<Vec<String>>>, Arc<AtomicUsize>) {
    let time = Arc::new(AtomicUsize::new(0));
    let now = time.clone();
    let (address, calls) = provider(move |call| {
        let names = times[now.load(Ordering::Relaxed).min(times.len() - 1)];
        if call.path == "/users/octo" {
            return json!({ "id": 9, "login": "octo", "type": "Organization" }).into();
        }
        if call.path == "/orgs/octo/repos" {
            let listed = |(asked, id, name): &(&str, u64, &str)| {
                (asked == name).then(|| json!({ "id": id, "full_name": name, "fork": false }))
            };
            return Json::from(names.iter().filter_map(listed).collect::<Vec<_>>()).into();
        }
        let path = call.path.strip_prefix("/repos/").unwrap_or_default();
        let mut parts = path.splitn(3, '/');
        let asked = format!("{}/{}", parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let found = match call.path.strip_prefix("/repositories/") {
            Some(id) => names.iter().find(|(_, known, _)| known.to_string() == id),
            None => names.iter().find(|(known, ..)| *known == asked),
        };
        let Some((_, id, name)) = found else { return refuse(404, "Not Found") };
        match parts.next() {
            None => repository(*id, name).into(),
            Some("commits") => {
                let commit = |n| {
                    let git = json!({ "author": null, "committer": { "date": NOW } });
                    json!({ "sha": format!("{n}"), "author": null, "commit": git })
                };
                Json::from((0..*id).map(commit).collect::<Vec<_>>()).into()
            }
            Some(_) => usual(call),
        }
    })
    .await;
    (address, calls, time)
}

async fn run(ctx: &Context, metrics: &[&str]) -> FetchReport {
    let metrics: Vec<String> = metrics.iter().map(|id| (*id).to_owned()).collect();
    Github.fetch_metrics(ctx, &metrics, period("2026-03-10", "2026-03-10")).await.unwrap()
}

/// Counts, then commits, as a run does; the commits of today by repository.
async fn commits(ctx: &Context, recorder: &Recorder, repository: &str) -> Option<i64> {
    run(ctx, &["github_stars"]).await;
    run(ctx, &["github_commits"]).await;
    let recorded = recorder.recorded();
    let scope = Scope::One(repository.to_owned());
    let last = recorded.answers.iter().rfind(|one| one.metric_id == "github_commits" && one.scope == scope)?;
    let gap = recorded.gaps.iter().rfind(|one| one.metric_id == "github_commits" && one.scope == scope);
    let is_lost = gap.is_some_and(|gap| matches!(gap.why, Why::Failed(_)) && recorded.gaps.last() == Some(gap));
    (!is_lost).then(|| last.samples.first()?.value?.parts().0.into()).flatten()
}

#[tokio::test]
async fn a_repository_is_looked_up_once_a_run_and_a_new_name_is_followed() {
    let (address, calls, time) = changing(vec![
        &[("octo/a", 5, "octo/a")],
        &[("octo/a", 5, "octo/b"), ("octo/b", 5, "octo/b")],
        &[("octo/b", 5, "octo/b")],
    ])
    .await;
    let (ctx, recorder) = connect(address, json!({ "repositories": ["octo/a"] }));
    assert_eq!(commits(&ctx, &recorder, "octo/a").await, Some(5));
    let lookups = || calls.lock().unwrap().iter().filter(|call| call.matches('/').count() == 3).count();
    assert_eq!(lookups(), 1);
    for later in [1, 2] {
        time.store(later, Ordering::Relaxed);
        calls.lock().unwrap().clear();
        assert_eq!(commits(&ctx, &recorder, "octo/a").await, Some(5));
        // When it is renamed it is asked under the new name at once, so that this is what is unchanged later.
        assert_eq!(lookups(), if later == 1 { 2 } else { 1 });
        // Nothing was pushed, so that commits need no asking.
        assert!(!calls.lock().unwrap().iter().any(|call| call.contains("/commits")));
        run(&ctx, &["github_issues_opened"]).await;
        assert!(calls.lock().unwrap().iter().any(|call| call.starts_with("/repos/octo/b/issues")));
    }
}

#[tokio::test]
async fn a_name_that_another_repository_took_does_not_go_on_with_the_series() {
    let (address, _, time) = changing(vec![
        &[("octo/a", 5, "octo/a")],
        &[("octo/a", 7, "octo/a"), ("octo/moved", 5, "octo/moved")],
        &[("octo/a", 7, "octo/a")],
    ])
    .await;
    let (ctx, recorder) = connect(address, json!({ "repositories": ["octo/a"] }));
    assert_eq!(commits(&ctx, &recorder, "octo/a").await, Some(5));
    time.store(1, Ordering::Relaxed);
    assert_eq!(commits(&ctx, &recorder, "octo/a").await, Some(5), "it is followed by its number");
    time.store(2, Ordering::Relaxed);
    let report = run(&ctx, &["github_stars"]).await;
    let Outcome::Failed(error) = &report.outcomes["github_stars"] else { panic!("{report:?}") };
    assert_eq!(error.kind(), FailureKind::NotFound);
    let report = run(&ctx, &["github_stars"]).await;
    let Outcome::Failed(error) = &report.outcomes["github_stars"] else { panic!("{report:?}") };
    assert!(error.to_string().contains("octo/a is the name of another repository now"), "{error}");
}

#[tokio::test]
async fn what_is_missing_is_asked_for_once_a_run_and_found_when_it_appears() {
    let (address, calls, time) =
        changing(vec![&[("octo/a", 5, "octo/a")], &[("octo/a", 5, "octo/a"), ("octo/late", 3, "octo/late")]]).await;
    let (ctx, recorder) = connect(address, json!({ "repositories": ["octo/a", "octo/late"] }));
    for _ in 0..2 {
        calls.lock().unwrap().clear();
        assert_eq!(commits(&ctx, &recorder, "octo/a").await, Some(5));
        run(&ctx, &["github_issues_opened"]).await;
        let missing = calls.lock().unwrap().iter().filter(|call| call.contains("octo/late")).count();
        assert_eq!(missing, 1);
    }
    let report = run(&ctx, &["github_commits"]).await;
    let Outcome::Failed(error) = &report.outcomes["github_commits"] else { panic!("{report:?}") };
    assert!(error.kind() == FailureKind::NotFound && error.to_string().contains("octo/late"), "{error}");
    time.store(1, Ordering::Relaxed);
    assert_eq!(commits(&ctx, &recorder, "octo/late").await, Some(3));
    assert_eq!(run(&ctx, &["github_commits"]).await.outcomes["github_commits"], Outcome::Ok);
}

#[tokio::test]
async fn an_owners_repositories_keep_their_series_by_number() {
    let (address, _, time) = changing(vec![
        &[("octo/a", 5, "octo/a"), ("octo/b", 6, "octo/b")],
        // One is renamed, and a new one has its name.
        &[("octo/c", 5, "octo/c"), ("octo/b", 6, "octo/b"), ("octo/a", 7, "octo/a")],
        // One is deleted, and a new one has its name.
        &[("octo/c", 5, "octo/c"), ("octo/b", 8, "octo/b"), ("octo/a", 7, "octo/a")],
    ])
    .await;
    let (ctx, recorder) = connect(address, json!({ "owner": "octo" }));
    assert_eq!(commits(&ctx, &recorder, "octo/a").await, Some(5));
    assert_eq!(commits(&ctx, &recorder, "octo/b").await, Some(6));
    time.store(1, Ordering::Relaxed);
    assert_eq!(commits(&ctx, &recorder, "octo/a").await, Some(5));
    assert_eq!(commits(&ctx, &recorder, "octo/a (7)").await, Some(7));
    time.store(2, Ordering::Relaxed);
    assert_eq!(commits(&ctx, &recorder, "octo/b (8)").await, Some(8));
    let before = recorder.recorded().answers.len();
    run(&ctx, &["github_commits"]).await;
    let recorded = recorder.recorded();
    let of_last: Vec<(&Scope, Option<i64>)> = recorded.answers[before..]
        .iter()
        .map(|one| (&one.scope, one.samples.first().and_then(|sample| Some(sample.value?.parts().0))))
        .collect();
    assert!(of_last.contains(&(&Scope::Total, Some(20))), "{of_last:?}");
    assert!(!of_last.iter().any(|(scope, _)| **scope == Scope::One("octo/b".to_owned())), "{of_last:?}");
}
