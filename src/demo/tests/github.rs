use std::collections::HashSet;

use serde_json::Value;

use super::{
    client::{Answer, get},
    now, start, unlimited,
};
use crate::{
    demo::{
        Emulators, GITHUB_APP_TOKEN, GITHUB_TOKEN, GITHUB_TOKEN_READ_ONLY, GithubToken, Options, SecondaryLimit,
        company::Star,
    },
    metric::Zone,
};

async fn ask_with(emulators: &Emulators, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("user-agent", "test")];
    all.extend_from_slice(headers);
    get(&emulators.url("github"), path, &all).await
}

async fn ask_as(emulators: &Emulators, token: &str, path: &str) -> Answer {
    ask_with(emulators, path, &[("authorization", &format!("Bearer {token}"))]).await
}

async fn ask(emulators: &Emulators, path: &str) -> Answer {
    ask_as(emulators, GITHUB_TOKEN, path).await
}

fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link").split(", ").find(|link| link.ends_with("rel=\"next\""))?;
    link.split_once('<')?.1.split_once('>').map(|(address, _)| address.to_owned())
}

/// All rows of a list, by its links.
async fn walk(emulators: &Emulators, path: &str) -> Vec<Value> {
    let (mut rows, mut path) = (Vec::new(), path.to_owned());
    loop {
        let page = ask(emulators, &path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        rows.extend(page.json().as_array().unwrap().iter().cloned());
        let Some(address) = next(&page) else { return rows };
        path = address.strip_prefix(&emulators.url("github")).unwrap().to_owned();
    }
}

#[tokio::test]
async fn who_does_not_say_who_asks_is_refused() {
    let emulators = unlimited().await;
    assert_eq!(get(&emulators.url("github"), "/user", &[]).await.status, 403);
    let wrong = ask_as(&emulators, "github_pat_wrong", "/user").await;
    assert_eq!((wrong.status, wrong.json()["message"].as_str()), (401, Some("Bad credentials")));
    assert_eq!(ask_with(&emulators, "/user", &[]).await.status, 401);
    assert_eq!(ask(&emulators, "/user").await.json()["login"], "ada-fern");
    let version = [("authorization", &*format!("Bearer {GITHUB_TOKEN}")), ("x-github-api-version", "2031-01-01")];
    assert_eq!(ask_with(&emulators, "/user", &version).await.status, 410);
}

#[tokio::test]
async fn what_the_real_one_refuses_is_refused() {
    let emulators = unlimited().await;
    let cases = [
        ("/repos/fernwerk/nothing", 404),
        ("/repos/fernwerk/ideas/commits", 409),
        ("/repos/fernwerk/website/issues", 410),
        ("/repos/fernwerk/fern/issues?state=ajar", 422),
        ("/repos/fernwerk/fern/issues?since=yesterday", 422),
        ("/repos/fernwerk/fern/stargazers?per_page=1&page=401", 422),
        ("/repos/fernwerk/fern/actions/runs?created=soon", 422),
        ("/repos/fernwerk/fern/commits?cursor=1", 400),
        ("/search/issues?q=repo:fernwerk/fern", 422),
        ("/search/issues?q=repo:fernwerk/none+is:pr", 422),
        ("/search/issues?q=is:pr&per_page=100&page=11", 422),
        ("/installation/repositories", 403),
        ("/orgs/ada-fern/repos", 404),
    ];
    for (path, status) in cases {
        assert_eq!(ask(&emulators, path).await.status, status, "{path}");
    }
    assert_eq!(ask_as(&emulators, GITHUB_APP_TOKEN, "/user").await.status, 403);
    assert_eq!(ask_as(&emulators, GITHUB_APP_TOKEN, "/installation/repositories").await.json()["total_count"], 5);
}

#[tokio::test]
async fn private_repositories_do_not_exist_for_strangers() {
    let emulators = unlimited().await;
    assert_eq!(ask_with(&emulators, "/repos/fernwerk/infrastructure", &[]).await.status, 404);
    assert_eq!(ask(&emulators, "/repos/fernwerk/infrastructure").await.status, 200);
    assert_eq!(ask_with(&emulators, "/repos/fernwerk/fern", &[]).await.status, 200);
    let names = |answer: Answer| answer.json().as_array().unwrap().len();
    assert_eq!(names(ask_with(&emulators, "/orgs/fernwerk/repos", &[]).await), 3);
    assert_eq!(names(ask(&emulators, "/orgs/fernwerk/repos").await), 5);
    assert_eq!(names(ask(&emulators, "/user/repos?sort=pushed").await), 5);
    assert_eq!(names(ask(&emulators, "/user/repos?affiliation=owner").await), 0);
}

#[tokio::test]
async fn traffic_needs_push_access_and_has_fourteen_days() {
    let emulators = unlimited().await;
    let path = "/repos/fernwerk/fern/traffic/views?per=day";
    assert_eq!(ask_as(&emulators, GITHUB_TOKEN_READ_ONLY, path).await.status, 403);
    assert_eq!(ask_with(&emulators, path, &[]).await.status, 403);
    let views = ask(&emulators, path).await.json();
    let days = views["views"].as_array().unwrap();
    assert!((10..=14).contains(&days.len()));
    assert_eq!(days.last().unwrap()["timestamp"], "2026-03-31T00:00:00Z");
    let sum = |of: &[Value], what: &str| of.iter().map(|one| one[what].as_i64().unwrap()).sum::<i64>();
    assert_eq!(views["count"].as_i64().unwrap(), sum(days, "count"));

    // Weeks begin on Monday and count who came back once.
    let weekly = ask(&emulators, "/repos/fernwerk/fern/traffic/views?per=week").await.json();
    let weeks = weekly["views"].as_array().unwrap();
    let mondays: Vec<&str> = weeks.iter().map(|week| week["timestamp"].as_str().unwrap()).collect();
    assert_eq!(mondays, ["2026-03-16T00:00:00Z", "2026-03-23T00:00:00Z", "2026-03-30T00:00:00Z"]);
    assert_eq!(sum(weeks, "count"), sum(days, "count"));
    assert!(sum(weeks, "uniques") < sum(days, "uniques"));
    assert!(views["uniques"].as_i64().unwrap() < sum(weeks, "uniques"));
    assert_eq!(ask(&emulators, "/repos/fernwerk/fern/traffic/views?per=month").await.status, 422);
}

#[tokio::test]
async fn a_token_can_lack_a_part() {
    let mut options = Options::default();
    options.github_tokens.push(GithubToken::full("github_pat_no_actions").without("actions"));
    let emulators = start(options).await;
    let refused = ask_as(&emulators, "github_pat_no_actions", "/repos/fernwerk/fern/actions/runs").await;
    assert_eq!(
        (refused.status, refused.json()["message"].as_str()),
        (403, Some("Resource not accessible by personal access token"))
    );
    assert_eq!(ask_as(&emulators, "github_pat_no_actions", "/repos/fernwerk/fern/commits").await.status, 200);
}

#[tokio::test]
async fn links_lead_through_every_row_once_and_the_totals_agree() {
    let emulators = unlimited().await;
    let truth = emulators.company().truth(&Zone::utc()).repositories["fernwerk/fern"].clone();
    let base = "/repos/fernwerk/fern";
    let total = |days: &crate::demo::company::Days| usize::try_from(days.values().sum::<i64>()).unwrap();
    let unique =
        |rows: &[Value], field: &str| rows.iter().map(|row| row[field].to_string()).collect::<HashSet<_>>().len();

    let commits = walk(&emulators, &format!("{base}/commits?per_page=100")).await;
    assert_eq!((commits.len(), unique(&commits, "sha")), (total(&truth.commits), commits.len()));
    assert!(commits.is_sorted_by(|a, b| a["commit"]["committer"]["date"].as_str() >= b["commit"]["committer"]["date"].as_str()));

    let issues = walk(&emulators, &format!("{base}/issues?state=all&per_page=100&sort=updated&direction=asc")).await;
    let (pulls, plain): (Vec<&Value>, Vec<&Value>) = issues.iter().partition(|row| row.get("pull_request").is_some());
    assert_eq!((plain.len(), pulls.len()), (total(&truth.issues_opened), total(&truth.prs_opened)));
    assert_eq!(unique(&issues, "number"), issues.len());
    assert!(issues.is_sorted_by(|a, b| a["updated_at"].as_str() <= b["updated_at"].as_str()));
    let merged = pulls.iter().filter(|row| row["pull_request"]["merged_at"].is_string()).count();
    assert_eq!(merged, total(&truth.prs_merged));

    let pulls = walk(&emulators, &format!("{base}/pulls?state=open&per_page=100")).await;
    assert_eq!(i64::try_from(pulls.len()).unwrap(), truth.open_prs);
    let releases = walk(&emulators, &format!("{base}/releases?per_page=10")).await;
    assert_eq!(releases.iter().filter(|row| row["draft"] == false).count(), total(&truth.releases));
    let whole = ask(&emulators, base).await.json();
    assert_eq!(whole["stargazers_count"].as_i64(), Some(truth.stars));
    assert_eq!(whole["subscribers_count"].as_i64(), Some(truth.watchers));
    assert_eq!(whole["open_issues_count"].as_i64(), Some(truth.open_issues + truth.open_prs));
}

#[tokio::test]
async fn links_say_where_one_stands() {
    let emulators = unlimited().await;
    let middle = ask(&emulators, "/repos/fernwerk/fern/commits?per_page=5&page=3").await;
    let relations: Vec<&str> = middle.header("link").split(", ").filter_map(|link| link.split("rel=").nth(1)).collect();
    assert_eq!(relations, ["\"prev\"", "\"next\"", "\"last\"", "\"first\""]);
    assert!(
        next(&middle)
            .unwrap()
            .starts_with(&format!("{}/repositories/800000001/commits?per_page=5&page=4", emulators.url("github")))
    );
    let many = ask(&emulators, "/repos/fernwerk/fern/commits?per_page=500").await;
    assert_eq!(many.json().as_array().unwrap().len(), 100);
    assert_eq!(ask(&emulators, "/repos/fernwerk/fern/commits?page=9999").await.json(), serde_json::json!([]));
}

#[tokio::test]
async fn what_is_unchanged_costs_nothing() {
    let emulators = start(Options::default()).await;
    let bearer = format!("Bearer {GITHUB_TOKEN}");
    let first = ask(&emulators, "/repos/fernwerk/fern").await;
    assert_eq!(first.header("x-ratelimit-used"), "1");
    assert!(first.header("etag").starts_with("W/\""));
    let tagged = [("authorization", bearer.as_str()), ("if-none-match", first.header("etag"))];
    let second = ask_with(&emulators, "/repos/fernwerk/fern", &tagged).await;
    assert_eq!((second.status, second.header("x-ratelimit-used"), second.body.as_str()), (304, "1", ""));
    emulators.company_mut(|company| company.github.repositories[0].forks += 1);
    let third = ask_with(&emulators, "/repos/fernwerk/fern", &tagged).await;
    assert_eq!((third.status, third.header("x-ratelimit-remaining")), (200, "4998"));
    assert_eq!(ask(&emulators, "/rate_limit").await.json()["resources"]["core"]["used"], 2);
}

#[tokio::test]
async fn a_spent_budget_is_refused_until_its_hour_is_over() {
    let emulators = start(Options::default()).await;
    tokio::time::pause();
    for _ in 0..60 {
        assert_eq!(ask_with(&emulators, "/users/fernwerk", &[]).await.status, 200);
    }
    let refused = ask_with(&emulators, "/users/fernwerk", &[]).await;
    assert_eq!((refused.status, refused.header("x-ratelimit-remaining")), (403, "0"));
    assert!(refused.json()["message"].as_str().unwrap().starts_with("API rate limit exceeded"));
    assert!(refused.header("x-ratelimit-reset").parse::<i64>().unwrap() >= now().as_second() + 3_590);
    assert_eq!(ask(&emulators, "/users/fernwerk").await.status, 200);
    tokio::time::advance(std::time::Duration::from_secs(3_601)).await;
    assert_eq!(ask_with(&emulators, "/users/fernwerk", &[]).await.status, 200);
}

#[tokio::test]
async fn stars_are_dated_only_on_request_and_end_at_forty_thousand() {
    let emulators = unlimited().await;
    let path = "/repos/fernwerk/fern/stargazers?per_page=100";
    let bearer = format!("Bearer {GITHUB_TOKEN}");
    let dated = [("authorization", bearer.as_str()), ("accept", "application/vnd.github.star+json")];
    assert!(ask_with(&emulators, path, &dated).await.json()[0]["starred_at"].is_string());
    assert!(ask(&emulators, path).await.json()[0].get("starred_at").is_none());
    emulators.company_mut(|company| {
        let star = Star { at: company.now, login: "someone".to_owned() };
        company.github.repositories[0].stars = vec![star; 40_050];
    });
    let last = ask(&emulators, &format!("{path}&page=400")).await;
    assert_eq!((last.status, last.json().as_array().unwrap().len(), next(&last)), (200, 100, None));
    assert_eq!(ask(&emulators, &format!("{path}&page=401")).await.status, 422);
}

#[tokio::test]
async fn a_renamed_repository_redirects_to_its_number() {
    let emulators = unlimited().await;
    let moved = ask(&emulators, "/repos/fernwerk/seedling/commits?per_page=1").await;
    let target = format!("{}/repositories/800000001/commits?per_page=1", emulators.url("github"));
    assert_eq!((moved.status, moved.header("location")), (301, target.as_str()));
    let path = target.strip_prefix(&emulators.url("github")).unwrap();
    assert_eq!(ask(&emulators, path).await.status, 200);
}

#[tokio::test]
async fn runs_are_counted_whole_and_shown_by_the_thousand() {
    let emulators = unlimited().await;
    let all = ask(&emulators, "/repos/fernwerk/fern/actions/runs?per_page=1").await.json();
    let since = ask(&emulators, "/repos/fernwerk/fern/actions/runs?per_page=1&created=*..2026-03-31").await.json();
    assert_eq!(all["total_count"], since["total_count"]);
    assert!(all["total_count"].as_i64().unwrap() > 1_000);
    let path = "/repos/fernwerk/fern/actions/runs?per_page=100&created=*..2026-03-31&page=";
    assert_eq!(ask(&emulators, &format!("{path}10")).await.json()["workflow_runs"].as_array().unwrap().len(), 100);
    assert_eq!(ask(&emulators, &format!("{path}11")).await.json()["workflow_runs"], serde_json::json!([]));
    let day =
        ask(&emulators, "/repos/fernwerk/fern/actions/runs?created=2026-03-30..2026-03-30&per_page=100").await.json();
    for run in day["workflow_runs"].as_array().unwrap() {
        assert!(run["created_at"].as_str().unwrap().starts_with("2026-03-30"));
    }
}

#[tokio::test]
async fn searches_count_what_the_books_count() {
    let emulators = unlimited().await;
    let truth = emulators.company().truth(&Zone::utc()).repositories["fernwerk/fern"].clone();
    let count = async |query: &str| {
        let answer = ask(&emulators, &format!("/search/issues?per_page=1&q=repo:fernwerk/fern+{query}")).await;
        assert_eq!(answer.header("x-ratelimit-resource"), "search");
        answer.json()["total_count"].as_i64().unwrap()
    };
    assert_eq!(count("is:issue+is:open").await, truth.open_issues);
    assert_eq!(count("is:pr+is:open").await, truth.open_prs);
    let day = "2026-03-10".parse().unwrap();
    let merged = truth.prs_merged.get(&day).copied().unwrap_or(0);
    assert_eq!(count("is:pr+merged:2026-03-10..2026-03-10").await, merged);
}

#[tokio::test]
async fn runs_can_be_asked_for_by_the_hour() {
    let emulators = unlimited().await;
    let count = async |range: &str| {
        let path = format!("/repos/fernwerk/fern/actions/runs?per_page=1&created={range}");
        ask(&emulators, &path).await.json()["total_count"].as_i64().unwrap()
    };
    let day = count("2026-03-30..2026-03-30").await;
    let (early, late) = (
        count("2026-03-30T00:00:00Z..2026-03-30T11:59:59Z").await,
        count("2026-03-30T12:00:00Z..2026-03-30T23:59:59Z").await,
    );
    assert!(early > 0 && late > 0 && early + late == day, "{early} and {late} are {day}");
}

#[tokio::test]
async fn a_push_is_seen_when_it_happens_and_an_answer_belongs_to_its_token() {
    let emulators = unlimited().await;
    let repository = async |token: &str| ask_as(&emulators, token, "/repos/fernwerk/fern").await;
    let before = repository(GITHUB_TOKEN).await;
    assert_ne!(before.header("etag"), repository(GITHUB_TOKEN_READ_ONLY).await.header("etag"));
    emulators.company_mut(|company| {
        let commits = &mut company.github.repositories[0].commits;
        commits.remove(commits.len() / 2);
    });
    let (before, after) = (before.json(), repository(GITHUB_TOKEN).await.json());
    assert!(after["pushed_at"].as_str() > before["pushed_at"].as_str(), "history that is written anew is pushed too");
    emulators.company_mut(|company| company.github.repositories[0].archived = true);
    let archived = repository(GITHUB_TOKEN).await.json();
    assert_eq!((&archived["archived"], &archived["pushed_at"]), (&serde_json::json!(true), &after["pushed_at"]));
}

#[tokio::test]
async fn a_secondary_limit_refuses_for_its_time_and_may_say_so() {
    for told in [true, false] {
        let limit = SecondaryLimit { requests: 3, seconds: 90, told };
        let tokens = vec![GithubToken::full(GITHUB_TOKEN).secondary(limit)];
        let emulators = start(Options { github_tokens: tokens, ..Options::default() }).await;
        tokio::time::pause();
        for _ in 0..3 {
            assert_eq!(ask(&emulators, "/user").await.status, 200);
        }
        let refused = ask(&emulators, "/user").await;
        assert_eq!((refused.status, refused.header("retry-after")), (403, if told { "90" } else { "" }));
        assert_eq!(refused.header("x-ratelimit-remaining"), "4997", "the other limit knows nothing of it");
        tokio::time::advance(std::time::Duration::from_secs(80)).await;
        assert_eq!(ask(&emulators, "/user").await.status, 403);
        tokio::time::advance(std::time::Duration::from_secs(11)).await;
        assert_eq!(ask(&emulators, "/user").await.status, 200);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_single_sign_on_that_is_due_is_refused_with_its_link() {
    let link = "https://github.com/orgs/fernwerk/sso?authorization_request=1";
    let tokens = vec![GithubToken::full(GITHUB_TOKEN).without_sign_on(link)];
    let emulators = start(Options { github_tokens: tokens, ..Options::default() }).await;
    for path in ["/repos/fernwerk/fern", "/repos/fernwerk/fern/commits", "/orgs/fernwerk/repos"] {
        let refused = ask(&emulators, path).await;
        assert_eq!((refused.status, refused.header("x-github-sso")), (403, &*format!("required; url={link}")));
    }
    assert_eq!(ask(&emulators, "/user").await.status, 200);
}

#[tokio::test]
async fn who_wrote_a_commit_and_how_long_runs_took_agree_with_the_books() {
    let emulators = unlimited().await;
    let truth = emulators.company().truth(&Zone::utc()).repositories["fernwerk/fern"].clone();
    let day = "2026-03-30";
    let commits = walk(
        &emulators,
        "/repos/fernwerk/fern/commits?per_page=100&since=2026-03-30T00:00:00Z&until=2026-03-30T23:59:59Z",
    )
    .await;
    let authors: HashSet<String> = commits
        .iter()
        .map(|row| match row["author"]["id"].as_u64() {
            Some(id) => id.to_string(),
            None => row["commit"]["author"]["email"].as_str().unwrap().to_lowercase(),
        })
        .collect();
    assert_eq!(authors.len(), truth.contributors[&day.parse().unwrap()].len());
    let runs =
        ask(&emulators, "/repos/fernwerk/fern/actions/runs?created=2026-03-30..2026-03-30&per_page=100").await.json();
    let second =
        |row: &Value, field: &str| row[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    let took = |row: &Value| second(row, "updated_at") - second(row, "run_started_at");
    let completed = runs["workflow_runs"].as_array().unwrap().iter().filter(|row| row["status"] == "completed");
    assert_eq!(completed.map(took).sum::<i64>(), truth.workflow_seconds[&day.parse().unwrap()]);
}
