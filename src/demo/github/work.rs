//! What happens in a repository: commits, issues, pull requests, releases, runs, stars and visits.

use serde_json::{Value, json};

use super::{
    Ask, Found, Problem, Reach,
    page::{Params, Span},
    show,
};
use crate::{
    demo::company::{Commit, Issue, Release, Repository, Run, Traffic},
    metric::{Day, Zone},
};

fn path(repository: &Repository, part: &str) -> String {
    format!("/repositories/{}/{part}", repository.id)
}

/// Newest first; `since` and `until` look at the committer's date.
pub(super) fn commits(ask: Ask<'_>, repository: &Repository) -> Result<Found, Problem> {
    let params = ask.params(&["sha", "since", "until", "per_page", "page"])?;
    if repository.commits.is_empty() {
        return Err(Problem::empty_repository());
    }
    if params.get("sha").is_some_and(|branch| branch != "main") {
        return Err(Problem::not_found());
    }
    let (since, until) = (params.time("since")?, params.time("until")?);
    let wanted = |commit: &Commit| {
        since.is_none_or(|since| commit.committed >= since) && until.is_none_or(|until| commit.committed <= until)
    };
    let rows: Vec<usize> = (0..repository.commits.len()).rev().filter(|at| wanted(&repository.commits[*at])).collect();
    ask.page(&rows, &path(repository, "commits"), Reach::All, |at| {
        let parent = at.checked_sub(1).map(|before| &repository.commits[before]);
        show::commit(ask, repository, &repository.commits[*at], parent)
    })
}

fn sorted<'a>(
    params: Params<'_>,
    issues: impl Iterator<Item = &'a Issue>,
    rises_unless_told: bool,
) -> Result<Vec<&'a Issue>, Problem> {
    let sort = params.word("sort", &["created", "updated", "comments", "popularity", "long-running"])?;
    let rises = match params.get("direction") {
        None => rises_unless_told && sort != "created",
        Some(_) => params.word("direction", &["asc", "desc"])? == "asc",
    };
    let mut rows: Vec<&Issue> = issues.collect();
    rows.sort_by_key(|issue| match sort {
        "created" => (issue.created.as_second(), issue.number),
        "updated" => (issue.updated.as_second(), issue.number),
        _ => (issue.comments, issue.number),
    });
    if !rises {
        rows.reverse();
    }
    Ok(rows)
}

fn in_state(state: &str, issue: &Issue) -> bool {
    state == "all" || (state == "closed") == issue.closed.is_some()
}

/// Issues, and pull requests among them.
pub(super) fn issues(ask: Ask<'_>, repository: &Repository) -> Result<Found, Problem> {
    let params = ask.params(&["state", "since", "sort", "direction", "per_page", "page"])?;
    if !repository.has_issues {
        return Err(Problem::issues_disabled());
    }
    let state = params.word("state", &["open", "closed", "all"])?;
    let since = params.time("since")?;
    let wanted = |issue: &&Issue| in_state(state, issue) && since.is_none_or(|since| issue.updated >= since);
    let rows = sorted(params, repository.issues.iter().filter(wanted), false)?;
    ask.page(&rows, &path(repository, "issues"), Reach::All, |issue| show::issue(ask, repository, issue))
}

/// Pull requests.
pub(super) fn pulls(ask: Ask<'_>, repository: &Repository) -> Result<Found, Problem> {
    let params = ask.params(&["state", "head", "base", "sort", "direction", "per_page", "page"])?;
    let state = params.word("state", &["open", "closed", "all"])?;
    let wanted = |issue: &&Issue| issue.pull.is_some() && in_state(state, issue);
    let rows = sorted(params, repository.issues.iter().filter(wanted), true)?;
    ask.page(&rows, &path(repository, "pulls"), Reach::All, |issue| show::pull(ask, repository, issue))
}

/// Newest first; drafts are for those who may push.
pub(super) fn releases(ask: Ask<'_>, repository: &Repository) -> Result<Found, Problem> {
    ask.params(&["per_page", "page"])?;
    let shown = |release: &&Release| release.published.is_some() || ask.caller.pushes();
    let rows: Vec<&Release> = repository.releases.iter().rev().filter(shown).collect();
    ask.page(&rows, &path(repository, "releases"), Reach::All, |release| show::release(ask, repository, release))
}

/// Workflow runs, newest first; with a filter at most 1,000 are shown, though all are counted.
pub(super) fn runs(ask: Ask<'_>, repository: &Repository) -> Result<Found, Problem> {
    let params = ask.params(&["created", "status", "branch", "event", "exclude_pull_requests", "per_page", "page"])?;
    let created = match params.get("created") {
        Some(text) => Some(Span::parse(text).ok_or_else(|| Problem::invalid("created", "is not a range of dates"))?),
        None => None,
    };
    let status = params.get("status");
    let wanted = |run: &&Run| {
        let status_of = if run.conclusion.is_some() { "completed" } else { "in_progress" };
        created.is_none_or(|span| span.holds(run.created))
            && status.is_none_or(|wanted| wanted == status_of || Some(wanted) == run.conclusion)
            && params.get("branch").is_none_or(|branch| branch == "main")
            && params.get("event").is_none_or(|event| event == "push")
    };
    let rows: Vec<&Run> = repository.runs.iter().rev().filter(wanted).collect();
    let filtered = ["created", "status", "branch", "event"].iter().any(|name| params.get(name).is_some());
    let reach = if filtered { Reach::Rows(1_000) } else { Reach::All };
    let mut found = ask.page(&rows, &path(repository, "actions/runs"), reach, |run| show::run(ask, repository, run))?;
    found.body = json!({ "total_count": rows.len(), "workflow_runs": found.body });
    Ok(found)
}

/// Oldest first, 400 pages at most; with the star media type each says when.
pub(super) fn stargazers(ask: Ask<'_>, repository: &Repository) -> Result<Found, Problem> {
    ask.params(&["per_page", "page"])?;
    let dated = ask.request.header("accept").is_some_and(|accept| accept.contains("star+json"));
    ask.page(&repository.stars, &path(repository, "stargazers"), Reach::Pages(400), |star| {
        let user = show::person(ask, &star.login);
        if dated { json!({ "starred_at": show::time(star.at), "user": user }) } else { user }
    })
}

/// The last 14 UTC days, today among them; days without a visit are left out.
pub(super) fn traffic(ask: Ask<'_>, repository: &Repository, what: &str) -> Result<Found, Problem> {
    let params = ask.params(&["per"])?;
    if !ask.caller.pushes() {
        return Err(Problem::no_push_access());
    }
    let weekly = params.word("per", &["day", "week"])? == "week";
    let zone = Zone::utc();
    let today = Day::of(ask.now, &zone);
    let mut rows: Vec<(Day, i64, Vec<i64>)> = Vec::new();
    for traffic in repository.traffic.iter().filter(|traffic| traffic.day > today.plus(-14) && traffic.day <= today) {
        let (count, uniques) = match what {
            "views" => (traffic.views, traffic.unique_views),
            _ => (traffic.clones, traffic.unique_clones),
        };
        let back = if weekly { i32::from(traffic.day.date().weekday().to_monday_zero_offset()) } else { 0 };
        let start = traffic.day.plus(-back);
        match rows.last_mut() {
            Some((day, all, unique)) if *day == start => {
                *all += count;
                unique.push(uniques);
            }
            _ if count > 0 => rows.push((start, count, vec![uniques])),
            _ => {}
        }
    }
    let row = |(day, count, uniques): &(Day, i64, Vec<i64>)| -> Value {
        let uniques = Traffic::different(uniques.iter().copied());
        json!({ "timestamp": show::time(zone.start_of(*day)), "count": count, "uniques": uniques })
    };
    let (count, uniques) =
        (rows.iter().map(|row| row.1).sum::<i64>(), rows.iter().flat_map(|row| row.2.iter().copied()));
    let mut body = json!({ "count": count, "uniques": Traffic::different(uniques) });
    body[what] = rows.iter().map(row).collect();
    Ok(body.into())
}
