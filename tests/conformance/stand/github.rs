//! GitHub's stand: a repository of the simulated company, and the same on the day it was made.

use std::sync::{Arc, LazyLock};

use dashtray::{
    demo::{Company, GithubToken, Options, company::Commit},
    integrations::github::Github,
};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::{
    Account, COMPANIES, Drift, Endpoint, Fields, List, Optional, Provider, Stand, emulate, field, now,
    numbers::Happenings, run,
};
use crate::conformance::front::Reply;

const TOKEN: &str = "github_pat_Qx7CanaryGithub9fTz4Wm2Lk8";
const WRONG: &str = "github_pat_Qx7WrongGithub9fTz4Wm2Lk8x";

/// By the name of a permission: the parts of a repository that cannot be read without it.
const PERMISSIONS: [(&str, &[&str]); 5] = [
    ("contents", &["commits", "releases"]),
    ("issues", &["issues"]),
    ("pull_requests", &["pulls"]),
    ("actions", &["actions"]),
    ("administration", &["traffic"]),
];

const OPTIONAL: &[Optional] = &[
    Optional {
        drift: Drift::Removed,
        endpoint: "/commits",
        path: "/*/author/id",
        _why: "the account of an address that belongs to none is an empty object",
    },
    Optional { drift: Drift::Null, endpoint: "/commits", path: "/*/author", _why: "or it is null" },
    Optional { drift: Drift::Null, endpoint: "/commits", path: "/*/commit/author", _why: "Git could not tell" },
    Optional { drift: Drift::Null, endpoint: "/commits", path: "/*/commit/committer", _why: "Git could not tell" },
    Optional {
        drift: Drift::Removed,
        endpoint: "/actions/runs",
        path: "/workflow_runs/*/run_started_at",
        _why: "servers of one's own did not have it, and the schema does not require it: such a run has no duration",
    },
    Optional {
        drift: Drift::Removed,
        endpoint: "/issues",
        path: "/*/pull_request",
        _why: "that it is not there is what makes an issue",
    },
    Optional { drift: Drift::Null, endpoint: "/pulls", path: "/*/merged_at", _why: "closed without being merged" },
];

static SMALL: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(lately((*COMPANIES.busy).clone())));
static QUIET: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(emptied((*COMPANIES.busy).clone())));

pub(crate) fn stand() -> Stand {
    let names: Vec<Json> = measured(&COMPANIES.busy).iter().map(|name| json!(name)).collect();
    Stand {
        integration: Arc::new(Github),
        now: now(),
        settings: Map::from_iter([("repositories".to_owned(), Json::Array(names))]),
        valid: field("token", TOKEN),
        fake: field("token", WRONG),
        without: PERMISSIONS.iter().map(|(name, _)| (*name, lacking(name))).collect(),
        start,
        endpoint: Endpoint { is: |path| path.ends_with("/commits"), feeds: &["github_commits", "github_contributors"] },
        lists: vec![
            list("commits", |path| path.ends_with("/commits")),
            list("issues", |path| path.ends_with("/issues")),
            List {
                entries: "/workflow_runs",
                total: Some("/total_count"),
                ..list("workflow runs", |path| path.ends_with("/actions/runs"))
            },
        ],
        throttles: vec![
            Reply::json(403, r#"{"message":"API rate limit exceeded for user ID 1."}"#)
                .header("x-ratelimit-limit", 5000)
                .header("x-ratelimit-remaining", 0)
                .header("x-ratelimit-reset", now().as_second() + 900),
            Reply::json(403, r#"{"message":"You have exceeded a secondary rate limit."}"#).header("retry-after", 120),
            Reply::json(403, r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}"#),
        ],
        optional: OPTIONAL,
        happenings: Happenings { metric: "github_commits", start: committing },
        takings: None,
        switches: None,
    }
}

/// The first repository that everybody may see. One, since distinct counts of several have no total.
fn measured(company: &Company) -> Vec<String> {
    let public = company.github.repositories.iter().filter(|repository| !repository.private);
    public.map(|repository| repository.full_name()).take(1).collect()
}

fn lacking(permission: &str) -> Fields {
    field("token", &token_without(permission))
}

fn token_without(permission: &str) -> String {
    format!("github_pat_Qx7CanaryGithubWithout_{permission}")
}

fn start(account: Account) -> BoxFuture<'static, Provider> {
    let without = PERMISSIONS.iter().map(|(name, parts)| {
        parts.iter().fold(GithubToken::full(&token_without(name)), |token, part| token.without(part))
    });
    let tokens = std::iter::once(GithubToken::full(TOKEN)).chain(without).collect();
    let options = Options { github_tokens: tokens, ..Options::default() };
    if account == Account::Small {
        return Box::pin(run("github", SMALL.clone(), options));
    }
    Box::pin(emulate("github", account, || QUIET.clone(), options))
}

/// Commits, and nothing else.
fn committing(at: Vec<Timestamp>, _zone: &'static str) -> BoxFuture<'static, Provider> {
    let mut company = (**QUIET).clone();
    let own = measured(&company);
    let repository = company.github.repositories.iter_mut().find(|one| own.contains(&one.full_name()));
    repository.expect("a public repository").commits = at
        .iter()
        .enumerate()
        .map(|(number, at)| Commit {
            sha: format!("{number:040x}"),
            author: 0,
            has_account: true,
            authored: *at,
            committed: *at,
            message: "One more".to_owned(),
        })
        .collect();
    let options = Options { github_tokens: vec![GithubToken::full(TOKEN)], ..Options::default() };
    Box::pin(run("github", Arc::new(company), options))
}

/// The same repositories with no more than happened last.
fn lately(mut company: Company) -> Company {
    fn newest<T>(all: &mut Vec<T>, most: usize) {
        let old = all.len().saturating_sub(most);
        all.drain(..old);
    }
    for repository in &mut company.github.repositories {
        repository.issues.sort_by_key(|issue| issue.updated);
        newest(&mut repository.issues, 12);
        newest(&mut repository.stars, 5);
        newest(&mut repository.commits, 8);
        newest(&mut repository.runs, 8);
        newest(&mut repository.releases, 3);
    }
    company
}

/// The same repositories on the day they were made.
fn emptied(mut company: Company) -> Company {
    for repository in &mut company.github.repositories {
        repository.stars.clear();
        repository.commits.clear();
        repository.issues.clear();
        repository.releases.clear();
        repository.runs.clear();
        repository.traffic.clear();
        (repository.forks, repository.watchers) = (0, 0);
    }
    company
}

fn list(name: &'static str, is: fn(&str) -> bool) -> List {
    List { name, is, size: "per_page", cursor: "page", entries: "", empty, total: None, gone: None }
}

/// An empty page whose link leads to the page that should have come.
fn empty(page: &mut Reply, asked: &str) {
    let mut body: Json = serde_json::from_slice(&page.body).unwrap_or_default();
    match body.get_mut("workflow_runs") {
        Some(runs) => *runs = json!([]),
        None => body = json!([]),
    }
    page.body = body.to_string().into_bytes();
    page.headers.retain(|(name, _)| name != "link");
    let link = format!("<{}{asked}&inserted=1>; rel=\"next\"", "https://api.github.com");
    page.headers.push(("link".to_owned(), link));
}
