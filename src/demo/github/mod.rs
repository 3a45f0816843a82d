//! The GitHub emulator: what every request goes through, and where it goes.

mod access;
mod changes;
mod page;
mod problem;
mod repository;
mod search;
mod show;
mod work;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Mutex,
};

use jiff::Timestamp;
use serde_json::Value;

pub use self::access::{GithubToken, SecondaryLimit};
use self::{
    access::{Budget, Budgets, Caller, Resource},
    changes::Changes,
    page::{Page, Params, Reach},
    problem::Problem,
};
use super::{
    Company,
    company::{Code, Repository},
    random::Dice,
    server::{Incoming, Reply, Site, lock},
};

const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// What the emulator remembers between requests.
#[derive(Debug, Default)]
pub(super) struct Emulator {
    budgets: Budgets,
    changes: Changes,
    requests: Mutex<u64>,
}

/// A good answer.
#[derive(Debug)]
struct Found {
    body: Value,
    link: Option<String>,
}

impl From<Value> for Found {
    fn from(body: Value) -> Self {
        Self { body, link: None }
    }
}

/// What answering needs to know.
#[derive(Debug, Clone, Copy)]
struct Ask<'a> {
    request: &'a Incoming,
    caller: Caller<'a>,
    code: &'a Code,
    changes: &'a Changes,
    url: &'a str,
    now: Timestamp,
    strict: bool,
}

impl<'a> Ask<'a> {
    fn params(self, known: &[&str]) -> Result<Params<'a>, Problem> {
        Params(&self.request.pairs).only(self.strict, known)
    }

    fn page<T>(self, rows: &[T], path: &str, reach: Reach, show: impl Fn(&T) -> Value) -> Result<Found, Problem> {
        let Page { rows, link } = page::page(rows, self.request, self.url, path, reach)?;
        Ok(Found { body: rows.iter().map(show).collect(), link })
    }
}

impl Emulator {
    pub(super) fn answer(&self, site: &Site, request: &Incoming) -> Reply {
        let number = {
            let mut requests = lock(&self.requests);
            *requests += 1;
            *requests
        };
        let company = site.company();
        let (mut reply, budget) = self.judge(site, request, &company);
        if let Some(budget) = budget {
            budget.headers(&mut reply);
        }
        if reply.status != 304 {
            reply.header("content-type", "application/json; charset=utf-8");
        }
        let star = request.header("accept").is_some_and(|accept| accept.contains("star+json"));
        reply.header(
            "x-github-media-type",
            if star { "github.v3; param=star; format=json" } else { "github.v3; format=json" },
        );
        reply.header(
            "x-github-api-version-selected",
            request.header("x-github-api-version").unwrap_or(VERSIONS[0]).to_owned(),
        );
        reply.header("x-github-request-id", format!("{}:1", Dice::new(number).hex(16).to_uppercase()));
        reply
    }

    fn judge(&self, site: &Site, request: &Incoming, company: &Company) -> (Reply, Option<Budget>) {
        let now = site.now();
        if request.header("user-agent").is_none_or(str::is_empty) {
            let message =
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
            return (Problem::new(403, message).reply(), None);
        }
        let caller = match Caller::of(&site.options.github_tokens, request) {
            Ok(caller) => caller,
            Err(problem) => return (problem.reply(), None),
        };
        let segments = request.segments();
        if let Err(refused) = self.budgets.rush(caller, now) {
            return (refused.reply(), Some(self.budgets.spend(caller, Resource::Core, 0, now)));
        }
        let resource = if segments.first() == Some(&"search") { Resource::Search } else { Resource::Core };
        let free = segments == ["rate_limit"];
        let before = self.budgets.spend(caller, resource, 0, now);
        if before.is_spent() && !free && site.options.rate_limits {
            return (Problem::limit_reached(caller.token().is_some()).reply(), Some(before));
        }
        let version = request.header("x-github-api-version").unwrap_or(VERSIONS[0]);
        let (code, changes, strict) = (&company.github, &self.changes, site.options.strict);
        let ask = Ask { request, caller, code, changes, url: &site.url, now, strict };
        let found = match () {
            () if !VERSIONS.contains(&version) => Err(Problem::version(&version.chars().take(40).collect::<String>())),
            () if request.method != "GET" => Err(Problem::not_found()),
            () if free => Ok(self.budgets.overview(caller, now, version == VERSIONS[1]).into()),
            () => route(ask, &segments),
        };
        let reply = match found {
            Ok(found) => conditional(found, request, caller),
            Err(problem) => problem.reply(),
        };
        // What has not changed is free for those who are known.
        let cost = i64::from(!(free || reply.status == 304 && caller.token().is_some()));
        let budget = self.budgets.spend(caller, resource, cost, now);
        (reply, Some(budget))
    }
}

/// The whole answer with its tag, or the word that it is still the same.
fn conditional(found: Found, request: &Incoming, caller: Caller<'_>) -> Reply {
    let mut reply = Reply::compact(200, &found.body);
    // The tag depends on who asks and in which form, as GitHub's does.
    let mut hasher = DefaultHasher::new();
    (&reply.body, caller.token().map(|token| &token.token), request.header("accept")).hash(&mut hasher);
    let tag = format!("W/\"{}\"", Dice::new(hasher.finish()).hex(64));
    let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let known = request.header("if-none-match").unwrap_or_default();
    if known.split(',').any(|one| weak(one) == weak(&tag)) {
        reply.status = 304;
        reply.body.clear();
    }
    reply.header("etag", tag);
    reply.header(
        "cache-control",
        if caller.token().is_some() { "private, max-age=60, s-maxage=60" } else { "public, max-age=60" },
    );
    reply.header("vary", "Accept, Authorization, Cookie, Accept-Encoding");
    if let Some(link) = found.link {
        reply.header("link", link);
    }
    reply
}

fn route(ask: Ask<'_>, segments: &[&str]) -> Result<Found, Problem> {
    match segments {
        ["user"] => repository::user(ask),
        ["users", login] => repository::account(ask, login),
        ["orgs", login] if *login == ask.code.organization => repository::account(ask, login),
        ["user", "repos"] => repository::own(ask),
        ["orgs" | "users", login, "repos"] => {
            ask.caller.signed_on()?;
            repository::of_owner(ask, login, segments[0])
        }
        ["installation", "repositories"] => repository::of_installation(ask),
        ["search", "issues"] => search::issues(ask),
        ["repos", owner, name, rest @ ..] => {
            let same = |known: &str, asked: &str| known.eq_ignore_ascii_case(asked);
            let mut repositories =
                ask.code.repositories.iter().filter(|known| same(&known.owner, owner) && ask.caller.sees(known));
            if let Some(found) = repositories.clone().find(|known| same(&known.name, name)) {
                return of_repository(ask, found, rest);
            }
            let renamed = repositories.find(|known| known.old_names.iter().any(|old| same(old, name)));
            let renamed = renamed.ok_or_else(Problem::not_found)?;
            let rest: String = rest.iter().map(|segment| format!("/{segment}")).collect();
            let query = if ask.request.query.is_empty() { String::new() } else { format!("?{}", ask.request.query) };
            Err(Problem::moved(format!("{}/repositories/{}{rest}{query}", ask.url, renamed.id)))
        }
        ["repositories", id, rest @ ..] => {
            let id: u64 = id.parse().map_err(|_| Problem::not_found())?;
            let found = ask.code.repositories.iter().find(|known| known.id == id && ask.caller.sees(known));
            of_repository(ask, found.ok_or_else(Problem::not_found)?, rest)
        }
        _ => Err(Problem::not_found()),
    }
}

fn of_repository(ask: Ask<'_>, repository: &Repository, rest: &[&str]) -> Result<Found, Problem> {
    ask.caller.signed_on()?;
    ask.caller.reads(rest.first().unwrap_or(&"metadata"))?;
    match rest {
        [] => repository::one(ask, repository),
        ["commits"] => work::commits(ask, repository),
        ["issues"] => work::issues(ask, repository),
        ["pulls"] => work::pulls(ask, repository),
        ["releases"] => work::releases(ask, repository),
        ["actions", "runs"] => work::runs(ask, repository),
        ["stargazers"] => work::stargazers(ask, repository),
        ["traffic", "views"] => work::traffic(ask, repository, "views"),
        ["traffic", "clones"] => work::traffic(ask, repository, "clones"),
        _ => Err(Problem::not_found()),
    }
}
