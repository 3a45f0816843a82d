//! Limits that are told and limits that are not, and several connections of one token.

use super::*;

fn limited(token: GithubToken) -> Options {
    Options { github_tokens: vec![token], ..Options::default() }
}

fn refused(requests: &[Request]) -> Vec<String> {
    requests.iter().filter(|request| !matches!(request.status, 200 | 304)).map(line).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_of_one_token_stay_within_its_limit_together() {
    let token = GithubToken::full(GITHUB_TOKEN).hourly(120);
    let place = Place::with(with_repositories(12), limited(token)).await;
    // Two processes: what they know of each other is in the database.
    let (one, two) = (place.open(NOW).await, place.open(NOW).await);
    let names = |from: u32| (from..from + 6).map(|n| format!("fernwerk/part-{n:03}")).collect::<Vec<_>>();
    connect(&one, "one", GITHUB_TOKEN, json!({ "repositories": names(0) })).await;
    connect(&two, "two", GITHUB_TOKEN, json!({ "repositories": names(6) })).await;
    let (first, second) = tokio::join!(one.run("one"), two.run("two"));
    let requests = place.since(0);
    assert_eq!(refused(&requests), Vec::<String>::new(), "the limit is never run into");
    let counted = requests.iter().filter(|request| request.status == 200).count();
    assert!((110..=120).contains(&counted), "{counted} of 120 were used");
    for run in [first, second] {
        assert_eq!(run.status.name(), "rate_limited", "both need more: {run:?}");
        let wait = run.retry_at.unwrap().duration_since(now());
        assert!((3500..=3600).contains(&wait.as_secs()), "{wait}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unchanged_takes_nothing_from_the_limit() {
    let token = GithubToken::full(GITHUB_TOKEN).hourly(150);
    let place = Place::with(with_repositories(6), limited(token)).await;
    let (one, two) = (place.open(NOW).await, place.open(NOW).await);
    let names = |from: u32| (from..from + 3).map(|n| format!("fernwerk/part-{n:03}")).collect::<Vec<_>>();
    connect(&one, "one", GITHUB_TOKEN, json!({ "repositories": names(0) })).await;
    connect(&two, "two", GITHUB_TOKEN, json!({ "repositories": names(3) })).await;
    for (app, name) in [(&one, "one"), (&two, "two")] {
        assert_eq!(app.run(name).await.status.name(), "ok");
    }
    let asked = place.asked();
    for _ in 0..6 {
        for (app, name) in [(&one, "one"), (&two, "two")] {
            assert_eq!(app.run(name).await.status.name(), "ok");
        }
    }
    let unchanged = place.since(asked);
    assert!(unchanged.len() > 250, "more than the limit has: {}", unchanged.len());
    assert!(unchanged.iter().all(|request| request.status == 304));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secondary_limit_that_says_how_long_hands_the_run_back() {
    // That is more than a worker sleeps on.
    let limit = SecondaryLimit { requests: 25, seconds: 120, told: true };
    let token = GithubToken::full(GITHUB_TOKEN).secondary(limit);
    let place = Place::with(with_repositories(4), limited(token)).await;
    let app = place.open(NOW).await;
    connect(&app, "main", GITHUB_TOKEN, json!({ "owner": "fernwerk" })).await;
    let run = app.run("main").await;
    assert_eq!(run.status.name(), "rate_limited", "{run:?}");
    let wait = run.retry_at.unwrap().duration_since(now());
    assert!((115..=125).contains(&wait.as_secs()), "{wait}");
    assert_eq!(refused(&place.since(0)).len(), 1, "one refusal is enough");
    let another = app.run("main").await;
    assert_eq!(another.status.name(), "rate_limited");
    assert_eq!(refused(&place.since(0)).len(), 1, "nobody asks before the time is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_sign_on_that_is_due_names_the_link_and_no_secret() {
    let link = "https://github.com/orgs/fernwerk/sso?authorization_request=AZXSJ4LTRD6N3CQ7";
    let token = GithubToken::full(GITHUB_TOKEN).without_sign_on(link);
    let place = Place::with(company(), limited(token)).await;
    let app = place.open(NOW).await;
    for settings in [json!({ "owner": "fernwerk" }), json!({ "repositories": ["fernwerk/fern"] })] {
        let error = app.connections.connect(request("main", GITHUB_TOKEN, &settings)).await.unwrap_err().to_string();
        assert!(error.contains(link) && !error.contains(GITHUB_TOKEN), "{error}");
    }
    // One that was authorised when it was connected, and is not any more.
    let place = Place::with(company(), limited(GithubToken::full(GITHUB_TOKEN))).await;
    connect(&place.open(NOW).await, "main", GITHUB_TOKEN, json!({ "repositories": ["fernwerk/fern"] })).await;
    let place = place.known_to(GithubToken::full(GITHUB_TOKEN).without_sign_on(link)).await;
    let app = place.open(NOW).await;
    app.run("main").await;
    let points = series(&app, "github_commits", false).await.remove(0).points;
    let reason = points.last().and_then(|point| point.reason.clone()).unwrap();
    assert!(reason.contains("single sign-on") && reason.contains(link), "{reason}");
    let connection = app.connections.list("default").await.unwrap().remove(0);
    assert!(connection.reason.unwrap().contains(link));
}
