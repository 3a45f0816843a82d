//! Nothing changed: only requests that are answered 304, and no day that is settled.

use super::*;

/// What a second sync asked, but for what was answered 304.
async fn second_sync(company: Company, token: GithubToken, settings: Json) -> (Place, Process, Vec<String>) {
    let name = token.token.clone();
    let options = Options { github_tokens: vec![token], rate_limits: false, ..Options::default() };
    let place = Place::with(company, options).await;
    let app = place.open(NOW).await;
    connect(&app, "main", &name, settings).await;
    app.run("main").await;
    let (before, asked) = (seen(&app, &CODE).await, place.asked());
    let run = app.run("main").await;
    assert_eq!(run.samples_written, 0, "nothing is written twice");
    assert_eq!(seen(&app, &CODE).await, before);
    let requests = place.since(asked);
    assert!(requests.len() > 8, "{requests:?}");
    let other = requests.iter().filter(|request| request.status != 304).map(line).collect();
    (place, app, other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_and_an_owner_are_asked_by_conditional_requests_alone() {
    let names: Vec<String> = company().github.repositories.iter().map(|one| one.full_name()).collect();
    for settings in [json!({ "repositories": names }), json!({ "owner": "fernwerk" })] {
        let (_, _, other) = second_sync(company(), GithubToken::full(GITHUB_TOKEN), settings).await;
        assert_eq!(other, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_repository_costs_its_own_question_and_nothing_else() {
    let settings = json!({ "repositories": ["fernwerk/fern", "fernwerk/nothing", "fernwerk/website"] });
    let (place, app, other) = second_sync(company(), GithubToken::full(GITHUB_TOKEN), settings).await;
    assert_eq!(other, ["404 /repos/fernwerk/nothing?"]);
    let total = &series(&app, "github_commits", false).await[0];
    assert!(total.points.iter().all(|point| point.value.is_none()), "a sum without one part would be wrong");

    // It appears, and its days are read; those of the others are known.
    let asked = place.asked();
    place.emulators.company_mut(|company| {
        company.github.repositories.iter_mut().find(|one| one.name == "ideas").unwrap().name = "nothing".to_owned();
    });
    app.run("main").await;
    let truth = place.emulators.company().truth(&dashtray::metric::Zone::utc()).repositories;
    let total = &series(&app, "github_commits", false).await[0];
    for point in &total.points {
        let expected: i64 = ["fern", "website", "nothing"]
            .iter()
            .map(|name| truth[&format!("fernwerk/{name}")].commits.get(&point.date).copied().unwrap_or(0))
            .sum();
        assert_eq!(serde_json::json!(point.value), serde_json::json!(expected), "{}", point.date);
    }
    let others: Vec<String> = place
        .since(asked)
        .iter()
        .filter(|request| request.status != 304 && !request.path.contains("nothing"))
        .map(line)
        .collect();
    assert_eq!(others, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_permission_is_tried_again_in_few_places_and_once_a_run() {
    let token = GithubToken::read_only(GITHUB_TOKEN).without("actions");
    let (_, _, mut other) = second_sync(with_repositories(30), token, json!({ "owner": "fernwerk" })).await;
    let parts = ["/traffic/views", "/traffic/clones", "/actions/runs"].map(|part| {
        let of_part = other.iter().filter(|line| line.starts_with("403") && line.contains(part)).count();
        other.retain(|line| !line.contains(part));
        of_part
    });
    assert_eq!((parts, other), ([10, 10, 10], Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_is_read_and_days_asked_for_by_name_are_read_anew() {
    let settings = json!({ "repositories": ["fernwerk/fern", "fernwerk/fern-cli"] });
    let (place, app, _) = second_sync(company(), GithubToken::full(GITHUB_TOKEN), settings).await;
    // Somebody writes the history of a settled day anew, and pushes today.
    place.emulators.company_mut(|company| {
        let commits = &mut company.github.repositories[0].commits;
        let settled = commits.iter().position(|commit| Day::of(commit.committed, &utc()) > day("2026-03-01")).unwrap();
        commits.remove(settled);
        let mut pushed = commits.last().unwrap().clone();
        (pushed.sha, pushed.committed) = ("f".repeat(40), now());
        commits.push(pushed);
    });
    let before = sums(&app).await;
    app.run("main").await;
    let after = sums(&app).await;
    assert_eq!(after, (before.0, before.1 + 1), "today is read, settled days stay");
    let range = Range { from: Some(day("2026-03-01")), to: Some(day("2026-03-31")) };
    app.run_range("main", range).await;
    assert_eq!(sums(&app).await, (after.0 - 1, after.1));
}

fn utc() -> dashtray::metric::Zone {
    dashtray::metric::Zone::utc()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// Commits of the settled days, and of today.
async fn sums(app: &Process) -> (i64, i64) {
    let points = series(app, "github_commits", false).await.remove(0).points;
    let value = |at: usize| serde_json::json!(points[at].value).as_i64().unwrap();
    ((0..points.len() - 1).map(value).sum(), value(points.len() - 1))
}
