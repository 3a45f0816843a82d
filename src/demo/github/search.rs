//! Searching issues and pull requests.

use serde_json::json;

use super::{
    Ask, Found, Problem, Reach,
    page::{Params, Span},
    show,
};
use crate::demo::company::{Issue, Repository};

/// What a search asks for.
#[derive(Debug, Default)]
struct Terms<'a> {
    repositories: Vec<&'a str>,
    owners: Vec<&'a str>,
    pulls: Option<bool>,
    closed: Option<bool>,
    merged: Option<bool>,
    private: Option<bool>,
    created: Option<Span>,
    closed_at: Option<Span>,
    merged_at: Option<Span>,
    updated: Option<Span>,
}

impl<'a> Terms<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut terms = Self::default();
        for term in text.split_whitespace() {
            let (name, value) = term.split_once(':')?;
            match (name, value) {
                ("repo", name) => terms.repositories.push(name),
                ("org" | "user", name) => terms.owners.push(name),
                ("is" | "type", "issue") => terms.pulls = Some(false),
                ("is" | "type", "pr" | "pull-request") => terms.pulls = Some(true),
                ("is" | "state", "open") => terms.closed = Some(false),
                ("is" | "state", "closed") => terms.closed = Some(true),
                ("is", "merged") => terms.merged = Some(true),
                ("is", "unmerged") => terms.merged = Some(false),
                ("is", "public") => terms.private = Some(false),
                ("is", "private") => terms.private = Some(true),
                ("created", span) => terms.created = Some(Span::parse(span)?),
                ("closed", span) => terms.closed_at = Some(Span::parse(span)?),
                ("merged", span) => terms.merged_at = Some(Span::parse(span)?),
                ("updated", span) => terms.updated = Some(Span::parse(span)?),
                _ => return None,
            }
        }
        Some(terms)
    }

    fn searches(&self, repository: &Repository) -> bool {
        let name = repository.full_name();
        let named = self.repositories.is_empty() && self.owners.is_empty()
            || self.repositories.iter().any(|wanted| wanted.eq_ignore_ascii_case(&name))
            || self.owners.iter().any(|wanted| wanted.eq_ignore_ascii_case(&repository.owner));
        named && self.private.is_none_or(|private| private == repository.private)
    }

    fn accepts(&self, issue: &Issue) -> bool {
        let merged = issue.pull.as_ref().and_then(|pull| pull.merged);
        let within = |span: Option<Span>, at: Option<jiff::Timestamp>| span.is_none_or(|span| at.is_some_and(|at| span.holds(at)));
        self.pulls.is_none_or(|pulls| pulls == issue.pull.is_some())
            && self.closed.is_none_or(|closed| closed == issue.closed.is_some())
            && self.merged.is_none_or(|wanted| wanted == merged.is_some())
            && within(self.created, Some(issue.created))
            && within(self.closed_at, issue.closed)
            && within(self.merged_at, merged)
            && within(self.updated, Some(issue.updated))
    }
}

/// `/search/issues`: counts all, shows 1,000.
pub(super) fn issues(ask: Ask<'_>) -> Result<Found, Problem> {
    let params: Params<'_> = ask.params(&["q", "sort", "order", "per_page", "page", "advanced_search"])?;
    let text = params.get("q").filter(|text| !text.is_empty()).ok_or_else(|| Problem::invalid("q", "is missing"))?;
    let terms = Terms::parse(text).ok_or_else(|| Problem::invalid("q", "The search contains a term that is not understood."))?;
    if terms.pulls.is_none() {
        return Err(Problem::invalid("q", "Query must include 'is:issue' or 'is:pull-request'"));
    }
    let page: usize = params.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let size: usize = params.get("per_page").and_then(|size| size.parse().ok()).unwrap_or(30).clamp(1, 100);
    if page.saturating_sub(1).saturating_mul(size) >= 1_000 {
        return Err(Problem::new(422, "Only the first 1000 search results are available"));
    }
    let repositories: Vec<&Repository> =
        ask.code.repositories.iter().filter(|known| terms.searches(known) && ask.caller.sees(known)).collect();
    if repositories.is_empty() {
        let message = "The listed users and repositories cannot be searched either because the resources do not exist or you do \
                       not have permission to view them.";
        return Err(Problem::invalid("q", message));
    }
    let mut rows: Vec<(&Repository, &Issue)> = Vec::new();
    for repository in repositories {
        rows.extend(repository.issues.iter().filter(|issue| terms.accepts(issue)).map(|issue| (repository, issue)));
    }
    rows.sort_by_key(|(_, issue)| std::cmp::Reverse((issue.created, issue.id)));
    let mut found = ask.page(&rows, "/search/issues", Reach::Rows(1_000), |(repository, issue)| {
        let mut body = show::issue(ask, repository, issue);
        body["score"] = json!(1.0);
        body
    })?;
    found.body = json!({ "total_count": rows.len(), "incomplete_results": false, "items": found.body });
    Ok(found)
}
