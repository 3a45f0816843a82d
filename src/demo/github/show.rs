//! Objects in the form in which GitHub sends them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Ask;
use crate::demo::company::{Commit, Issue, Release, Repository, Run};

/// Adds fields to an object.
pub(super) fn extend(object: &mut Value, more: Value) {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
}

/// Whole seconds, in UTC.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn time_or_null(at: Option<Timestamp>) -> Option<String> {
    at.map(time)
}

fn node(kind: &str, id: u64) -> String {
    format!("{kind}_kwDO{id:010}")
}

/// A person or the organisation, in short.
pub(super) fn person(ask: Ask<'_>, login: &str) -> Value {
    let organization = login == ask.code.organization;
    let known = ask.code.people.iter().find(|(known, _)| known == login).map(|(_, id)| *id);
    // Strangers have an id too; it follows from their name.
    let stranger = login.bytes().fold(17_u64, |sum, byte| (sum * 131 + u64::from(byte)) % 80_000_000) + 10_000_000;
    let id = if organization { ask.code.organization_id } else { known.unwrap_or(stranger) };
    let url = format!("{}/users/{login}", ask.url);
    json!({
        "login": login, "id": id, "node_id": node(if organization { "O" } else { "U" }, id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"), "gravatar_id": "", "url": url,
        "html_url": format!("https://github.com/{login}"), "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"), "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"), "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"), "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"), "received_events_url": format!("{url}/received_events"),
        "type": if organization { "Organization" } else { "User" }, "user_view_type": "public", "site_admin": false,
    })
}

fn member(ask: Ask<'_>, place: usize) -> Value {
    ask.code.people.get(place).map_or(Value::Null, |(login, _)| person(ask, login))
}

/// A repository; whole ones have a few fields more.
pub(super) fn repository(ask: Ask<'_>, repository: &Repository, whole: bool) -> Value {
    let name = repository.full_name();
    let url = format!("{}/repos/{name}", ask.url);
    let open = repository.issues.iter().filter(|issue| issue.closed.is_none()).count();
    let stars = repository.stars.len();
    let seen = ask.changes.of(repository, ask.now);
    let mut body = json!({
        "id": repository.id, "node_id": node("R", repository.id), "name": repository.name, "full_name": name,
        "private": repository.private, "owner": person(ask, &repository.owner), "html_url": format!("https://github.com/{name}"),
        "description": repository.description, "fork": false, "url": url,
    });
    for part in [
        "forks",
        "teams",
        "hooks",
        "events",
        "tags",
        "languages",
        "stargazers",
        "contributors",
        "subscribers",
        "subscription",
        "merges",
        "downloads",
        "deployments",
    ] {
        body[format!("{part}_url")] = json!(format!("{url}/{part}"));
    }
    for part in [
        "keys{/key_id}",
        "collaborators{/collaborator}",
        "branches{/branch}",
        "commits{/sha}",
        "issues{/number}",
        "pulls{/number}",
        "milestones{/number}",
        "labels{/name}",
        "releases{/id}",
    ] {
        let field = part.split('{').next().unwrap_or(part);
        body[format!("{field}_url")] = json!(format!("{url}/{part}"));
    }
    extend(
        &mut body,
        json!({
            "created_at": time(repository.created), "updated_at": time(seen.updated), "pushed_at": time(seen.pushed),
            "git_url": format!("git://github.com/{name}.git"), "ssh_url": format!("git@github.com:{name}.git"),
            "clone_url": format!("https://github.com/{name}.git"), "svn_url": format!("https://github.com/{name}"),
            "homepage": null, "size": repository.commits.len() * 3, "stargazers_count": stars, "watchers_count": stars,
            "language": repository.language, "has_issues": repository.has_issues, "has_projects": true, "has_wiki": false,
            "has_pages": false, "has_discussions": false, "forks_count": repository.forks, "mirror_url": null, "archived": repository.archived,
            "disabled": false, "open_issues_count": open, "license": null, "allow_forking": true, "is_template": false,
            "web_commit_signoff_required": false, "topics": [],
            "visibility": if repository.private { "private" } else { "public" }, "forks": repository.forks, "open_issues": open,
            "watchers": stars, "default_branch": "main",
        }),
    );
    if ask.caller.token().is_some() {
        let push = ask.caller.pushes();
        body["permissions"] = json!({ "admin": push, "maintain": push, "push": push, "triage": push, "pull": true });
    }
    if whole {
        let more = json!({ "temp_clone_token": "", "organization": person(ask, &repository.owner),
            "network_count": repository.forks, "subscribers_count": repository.watchers });
        extend(&mut body, more);
    }
    body
}

/// A commit of a list.
pub(super) fn commit(ask: Ask<'_>, repository: &Repository, commit: &Commit, parent: Option<&Commit>) -> Value {
    let (login, sha) = (ask.code.people.get(commit.author).map_or("ghost", |(login, _)| login.as_str()), &commit.sha);
    let url = format!("{}/repos/{}", ask.url, repository.full_name());
    // Git takes an address as it is written, now so and now so.
    let host =
        if sha.as_bytes().first().is_some_and(u8::is_ascii_digit) { "fernwerk.example" } else { "Fernwerk.Example" };
    let signed = |at: Timestamp| json!({ "name": login, "email": format!("{login}@{host}"), "date": time(at) });
    let account = if commit.has_account { member(ask, commit.author) } else { Value::Null };
    let parents: Vec<Value> = parent
        .iter()
        .map(|parent| {
            json!({ "sha": parent.sha, "url": format!("{url}/commits/{}", parent.sha),
                "html_url": format!("https://github.com/{}/commit/{}", repository.full_name(), parent.sha) })
        })
        .collect();
    json!({
        "sha": sha, "node_id": format!("C_kwDO{sha}"),
        "commit": {
            "author": signed(commit.authored), "committer": signed(commit.committed), "message": commit.message,
            "tree": { "sha": sha.chars().rev().collect::<String>(), "url": format!("{url}/git/trees/{sha}") },
            "url": format!("{url}/git/commits/{sha}"), "comment_count": 0,
            "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null },
        },
        "url": format!("{url}/commits/{sha}"), "html_url": format!("https://github.com/{}/commit/{sha}", repository.full_name()),
        "comments_url": format!("{url}/commits/{sha}/comments"), "author": account,
        "committer": account, "parents": parents,
    })
}

/// An issue, or a pull request as an issue.
pub(super) fn issue(ask: Ask<'_>, repository: &Repository, issue: &Issue) -> Value {
    let number = issue.number;
    let base = format!("{}/repos/{}", ask.url, repository.full_name());
    let url = format!("{base}/issues/{number}");
    let site = format!("https://github.com/{}", repository.full_name());
    let page = if issue.pull.is_some() { format!("{site}/pull/{number}") } else { format!("{site}/issues/{number}") };
    let mut body = json!({
        "url": url, "repository_url": base, "labels_url": format!("{url}/labels{{/name}}"), "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"), "html_url": page, "id": issue.id, "node_id": node("I", issue.id), "number": number,
        "title": issue.title, "user": member(ask, issue.author), "labels": [], "state": state(issue), "locked": false,
        "assignee": null, "assignees": [], "milestone": null, "comments": issue.comments, "created_at": time(issue.created),
        "updated_at": time(issue.updated), "closed_at": time_or_null(issue.closed), "author_association": "MEMBER",
        "active_lock_reason": null, "body": "What happens, and what should.", "closed_by": null,
        "reactions": { "url": format!("{url}/reactions"), "total_count": 0, "+1": 0, "-1": 0, "laugh": 0, "hooray": 0, "confused": 0,
            "heart": 0, "rocket": 0, "eyes": 0 },
        "timeline_url": format!("{url}/timeline"), "performed_via_github_app": null,
        "state_reason": issue.closed.map(|_| "completed"),
    });
    if let Some(pull) = &issue.pull {
        body["draft"] = json!(pull.draft);
        body["pull_request"] = json!({ "url": format!("{base}/pulls/{number}"), "html_url": page, "diff_url": format!("{page}.diff"),
            "patch_url": format!("{page}.patch"), "merged_at": time_or_null(pull.merged) });
    }
    body
}

fn state(issue: &Issue) -> &'static str {
    if issue.closed.is_some() { "closed" } else { "open" }
}

/// A pull request of a list.
pub(super) fn pull(ask: Ask<'_>, repository: &Repository, issue: &Issue) -> Value {
    let Some(pull) = &issue.pull else { return Value::Null };
    let number = issue.number;
    let base = format!("{}/repos/{}", ask.url, repository.full_name());
    let (url, page) =
        (format!("{base}/pulls/{number}"), format!("https://github.com/{}/pull/{number}", repository.full_name()));
    let branch = |name: String| {
        json!({ "label": format!("{}:{name}", repository.owner), "ref": name, "sha": format!("{:040x}", pull.id),
            "user": person(ask, &repository.owner), "repo": { "id": repository.id, "full_name": repository.full_name() } })
    };
    json!({
        "url": url, "id": pull.id, "node_id": node("PR", pull.id), "html_url": page, "diff_url": format!("{page}.diff"),
        "patch_url": format!("{page}.patch"), "issue_url": format!("{base}/issues/{number}"), "number": number, "state": state(issue),
        "locked": false, "title": issue.title, "user": member(ask, issue.author), "body": null,
        "created_at": time(issue.created), "updated_at": time(issue.updated), "closed_at": time_or_null(issue.closed),
        "merged_at": time_or_null(pull.merged), "merge_commit_sha": pull.merged.map(|_| format!("{:040x}", pull.id + 1)),
        "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [], "labels": [], "milestone": null,
        "draft": pull.draft, "commits_url": format!("{url}/commits"), "review_comments_url": format!("{url}/comments"),
        "statuses_url": format!("{base}/statuses/{:040x}", pull.id), "head": branch(format!("work-{number}")),
        "base": branch("main".to_owned()), "author_association": "MEMBER", "auto_merge": null, "active_lock_reason": null,
    })
}

/// A release with its files.
pub(super) fn release(ask: Ask<'_>, repository: &Repository, release: &Release) -> Value {
    let url = format!("{}/repos/{}/releases/{}", ask.url, repository.full_name(), release.id);
    let page = format!("https://github.com/{}/releases", repository.full_name());
    let (login, tag) = (&ask.code.owner, &release.tag);
    let assets: Vec<Value> = release
        .assets
        .iter()
        .map(|asset| {
            json!({
                "url": format!("{}/repos/{}/releases/assets/{}", ask.url, repository.full_name(), asset.id), "id": asset.id,
                "node_id": node("RA", asset.id), "name": asset.name, "label": "", "uploader": person(ask, login),
                "content_type": "application/octet-stream", "state": "uploaded", "size": 4_194_304, "digest": null,
                "download_count": asset.downloads, "created_at": time(release.created), "updated_at": time(release.created),
                "browser_download_url": format!("{page}/download/{tag}/{}", asset.name),
            })
        })
        .collect();
    json!({
        "url": url, "assets_url": format!("{url}/assets"), "upload_url": format!("{url}/assets{{?name,label}}"),
        "html_url": format!("{page}/tag/{tag}"), "id": release.id, "author": person(ask, login), "node_id": node("RE", release.id),
        "tag_name": tag, "target_commitish": "main", "name": tag, "draft": release.published.is_none(), "immutable": false,
        "prerelease": release.prerelease, "created_at": time(release.created), "updated_at": time(release.created),
        "published_at": time_or_null(release.published), "assets": assets,
        "tarball_url": format!("{url}/tarball/{tag}"), "zipball_url": format!("{url}/zipball/{tag}"), "body": "What is new.",
    })
}

/// A workflow run.
pub(super) fn run(ask: Ask<'_>, repository: &Repository, run: &Run) -> Value {
    let url = format!("{}/repos/{}/actions/runs/{}", ask.url, repository.full_name(), run.id);
    let workflow = run.name.len() as u64;
    json!({
        "id": run.id, "name": run.name, "node_id": node("WFR", run.id), "head_branch": "main", "head_sha": format!("{:040x}", run.id),
        "path": format!(".github/workflows/{}.yml", run.name), "display_title": run.name, "run_number": run.number, "event": "push",
        "status": if run.conclusion.is_some() { "completed" } else { "in_progress" }, "conclusion": run.conclusion,
        "workflow_id": 50_000 + workflow, "check_suite_id": run.id + 7, "check_suite_node_id": node("CS", run.id + 7), "url": url,
        "html_url": format!("https://github.com/{}/actions/runs/{}", repository.full_name(), run.id), "pull_requests": [],
        "created_at": time(run.created), "updated_at": time(run.updated), "actor": person(ask, &ask.code.owner),
        "run_attempt": run.attempt, "referenced_workflows": [], "run_started_at": time(run.started),
        "triggering_actor": person(ask, &ask.code.owner), "jobs_url": format!("{url}/jobs"), "logs_url": format!("{url}/logs"),
        "check_suite_url": format!("{url}/check-suite"), "artifacts_url": format!("{url}/artifacts"),
        "cancel_url": format!("{url}/cancel"), "rerun_url": format!("{url}/rerun"), "previous_attempt_url": null,
        "workflow_url": format!("{}/repos/{}/actions/workflows/{}", ask.url, repository.full_name(), 50_000 + workflow),
        "head_commit": { "id": format!("{:040x}", run.id), "tree_id": format!("{:040x}", run.id + 1), "message": "Work",
            "timestamp": time(run.created), "author": { "name": ask.code.owner, "email": "ada@fernwerk.example" },
            "committer": { "name": ask.code.owner, "email": "ada@fernwerk.example" } },
        "repository": { "id": repository.id, "name": repository.name, "full_name": repository.full_name(), "private": repository.private,
            "owner": person(ask, &repository.owner) },
    })
}
