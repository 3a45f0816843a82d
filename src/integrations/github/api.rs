//! GitHub's REST API: one function an endpoint, answers with only the fields in use.
//!
//! What later runs ask for again has the same URL for all runs of a day at least, so that it is answered 304 while nothing
//! changed, which GitHub does not count against the limit (providers.md 4.3).

use jiff::Timestamp;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use url::Url;

use crate::{
    http::{Answer, Error, Http, Next, Pages, Request},
    integrations::{not_null, nullable},
    metric::{Day, Interval},
};

pub(super) const COMMITS: &str = "/repos/{+repository}/commits";
pub(super) const ISSUES: &str = "/repos/{+repository}/issues";
pub(super) const PULLS: &str = "/repos/{+repository}/pulls";
pub(super) const RUNS: &str = "/repos/{+repository}/actions/runs";
const PER_PAGE: usize = 100;

/// The token's user.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: u64,
    pub(super) login: String,
    pub(super) plan: Option<Plan>,
}

/// A user's plan; only shown to the user.
#[derive(Debug, Deserialize)]
pub(super) struct Plan {
    pub(super) name: String,
}

/// A user or an organisation.
#[derive(Debug, Deserialize)]
pub(super) struct Owner {
    pub(super) id: u64,
    pub(super) login: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// A repository with its counts. `watchers_count` is a copy of the stars, and `open_issues_count` holds pull requests.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Repository {
    pub(super) id: u64,
    pub(super) full_name: String,
    pub(super) stargazers_count: i64,
    pub(super) forks_count: i64,
    pub(super) subscribers_count: i64,
    pub(super) open_issues_count: i64,
    /// Of the last push to any branch.
    pub(super) pushed_at: Option<Timestamp>,
    /// Of the last change of the repository's own fields.
    pub(super) updated_at: Option<Timestamp>,
    pub(super) default_branch: Option<String>,
    /// Read-only for everybody.
    #[serde(default)]
    pub(super) archived: bool,
    pub(super) has_issues: Option<bool>,
}

/// A repository in a list.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) id: u64,
    pub(super) full_name: String,
    pub(super) fork: bool,
}

/// A commit.
#[derive(Debug, Deserialize)]
pub(super) struct Commit {
    pub(super) sha: String,
    /// Null, or without a number, where no account is known to have the author's address.
    #[serde(deserialize_with = "nullable")]
    pub(super) author: Option<Account>,
    pub(super) commit: CommitDetail,
}

/// An account, by its number.
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    #[serde(default, deserialize_with = "not_null")]
    pub(super) id: Option<u64>,
}

/// Git's part of a commit.
#[derive(Debug, Deserialize)]
pub(super) struct CommitDetail {
    /// Null where Git could not tell.
    #[serde(deserialize_with = "nullable")]
    pub(super) committer: Option<Signature>,
    #[serde(deserialize_with = "nullable")]
    pub(super) author: Option<Signature>,
}

/// Who wrote a commit or put it where it is, and when.
#[derive(Debug, Deserialize)]
pub(super) struct Signature {
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) date: Timestamp,
}

/// An issue, or a pull request where `pull_request` is there.
#[derive(Debug, Deserialize)]
pub(super) struct Issue {
    pub(super) id: u64,
    pub(super) state: String,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    #[serde(deserialize_with = "nullable")]
    pub(super) closed_at: Option<Timestamp>,
    #[serde(default, deserialize_with = "not_null")]
    pub(super) pull_request: Option<IgnoredAny>,
}

/// A pull request.
#[derive(Debug, Deserialize)]
pub(super) struct Pull {
    pub(super) id: u64,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    #[serde(deserialize_with = "nullable")]
    pub(super) merged_at: Option<Timestamp>,
}

/// A release.
#[derive(Debug, Deserialize)]
pub(super) struct Release {
    pub(super) id: u64,
    pub(super) draft: bool,
    #[serde(deserialize_with = "nullable")]
    pub(super) published_at: Option<Timestamp>,
    pub(super) assets: Vec<Asset>,
}

/// A file of a release.
#[derive(Debug, Deserialize)]
pub(super) struct Asset {
    pub(super) download_count: i64,
}

/// A page of workflow runs.
#[derive(Debug, Deserialize)]
pub(super) struct Runs {
    pub(super) total_count: u64,
    pub(super) workflow_runs: Vec<Run>,
}

/// A workflow run.
#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) id: u64,
    pub(super) created_at: Timestamp,
    /// Of the last attempt.
    #[serde(default, deserialize_with = "not_null")]
    pub(super) run_started_at: Option<Timestamp>,
    /// The end, of a completed one.
    pub(super) updated_at: Timestamp,
    pub(super) status: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) conclusion: Option<String>,
}

/// A star that still stands.
#[derive(Debug, Deserialize)]
pub(super) struct Star {
    pub(super) starred_at: Timestamp,
    pub(super) user: Option<Account>,
}

/// Views or clones of the last 14 days; days or weeks without any are left out. Of the week in which the 14 days begin only
/// a part is told.
#[derive(Debug, Deserialize)]
pub(super) struct Traffic {
    #[serde(alias = "views", alias = "clones")]
    pub(super) buckets: Vec<TrafficBucket>,
}

/// The traffic of a day, or of a week that begins on its Monday.
#[derive(Debug, Deserialize)]
pub(super) struct TrafficBucket {
    pub(super) timestamp: Timestamp,
    pub(super) count: i64,
    pub(super) uniques: i64,
}

/// Reads a list by its `Link` headers.
pub(super) fn follow<T>(_page: &Answer<T>) -> Result<Next, Error> {
    Ok(Next::Link)
}

/// Whose token it is. Installation tokens are nobody's: 403.
pub(super) async fn user(http: &Http) -> Result<Answer<User>, Error> {
    http.get("/user").conditional().json().await
}

/// Whether it is an installation token of an app.
pub(super) async fn installation(http: &Http) -> Result<(), Error> {
    http.get("/installation/repositories").query("per_page", 1).json::<IgnoredAny>().await.map(drop)
}

/// A user or an organisation by name.
pub(super) async fn owner(http: &Http, name: &str) -> Result<Owner, Error> {
    Ok(http.get("/users/{owner}").path("owner", name).conditional().json().await?.body)
}

/// What the token's user may choose from, the most lively first.
pub(super) async fn choices(http: &Http) -> Result<Vec<Listed>, Error> {
    let request = http.get("/user/repos").query("affiliation", "owner,collaborator,organization_member");
    Ok(request.query("sort", "pushed").query("per_page", PER_PAGE).json().await?.body)
}

/// Whose repositories are listed, and as whom.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owned<'a> {
    /// An organisation's, private ones included where the token may read them.
    Organisation(&'a str),
    /// The public ones of a user.
    User(&'a str),
    /// Those that the token's own user owns, private ones included.
    TokensUser,
}

/// The repositories of an owner.
pub(super) fn owned(http: &Http, by: Owned<'_>) -> Pages<Vec<Listed>, impl Follow<Vec<Listed>> + use<>> {
    let request = match by {
        Owned::Organisation(name) => http.get("/orgs/{owner}/repos").path("owner", name).query("type", "all"),
        Owned::User(name) => http.get("/users/{owner}/repos").path("owner", name).query("type", "owner"),
        Owned::TokensUser => http.get("/user/repos").query("affiliation", "owner"),
    };
    request.query("sort", "full_name").query("per_page", PER_PAGE).conditional().pages(follow)
}

/// A repository. A renamed one is found under its old name too, until somebody else takes that.
pub(super) async fn repository(http: &Http, name: &str) -> Result<Repository, Error> {
    Ok(http.get("/repos/{+repository}").path("repository", name).conditional().json().await?.body)
}

/// A repository by its number, whatever it is called now.
pub(super) async fn repository_by_number(http: &Http, id: u64) -> Result<Repository, Error> {
    Ok(http.get("/repositories/{id}").path("id", &id.to_string()).json().await?.body)
}

/// How many pull requests are open: with one on each page it is the number of the last page.
pub(super) async fn open_pulls(http: &Http, repository: &str) -> Result<i64, Error> {
    let request = http.get(PULLS).path("repository", repository).query("state", "open").query("per_page", 1);
    let page: Answer<Vec<IgnoredAny>> = request.conditional().json().await?;
    Ok(match last_page(&page)? {
        Some(last) => i64::from(last),
        None => i64::try_from(page.body.len()).unwrap_or(i64::MAX),
    })
}

/// Commits of the default branch that were committed on these days; without an end, also those dated later than now. An
/// empty repository answers 409.
pub(super) fn commits(http: &Http, repository: &str, list: Dated<Day>) -> Pages<Vec<Commit>, impl Follow<Vec<Commit>>> {
    let request = http.get(COMMITS).path("repository", repository).query("since", midnight(list.from));
    let request = list.to.map_or(request.clone(), |end| request.query("until", midnight(end)));
    conditional(request.query("per_page", PER_PAGE), list.again).pages(follow)
}

/// A part of a list by date.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dated<T> {
    /// From here on.
    pub(super) from: T,
    /// Up to but not including this.
    pub(super) to: Option<T>,
    /// Whether later runs will ask for the same, so that it is worth to keep the answer.
    pub(super) again: bool,
}

fn conditional(request: Request, again: bool) -> Request {
    if again { request.conditional() } else { request }
}

/// Something that the last changed of comes first in its list.
pub(super) trait Changing {
    /// Never changes.
    fn id(&self) -> u64;
    /// When anything about it last changed.
    fn updated_at(&self) -> Timestamp;
}

impl Changing for Issue {
    fn id(&self) -> u64 {
        self.id
    }

    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
}

impl Changing for Pull {
    fn id(&self) -> u64 {
        self.id
    }

    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
}

/// Issues (with pull requests among them) or pull requests, the last changed first, down to those that were not changed
/// since `start`. Its first page has the same address every day, so that it answers 304 until something changes.
pub(super) fn changed<T: Changing + DeserializeOwned>(
    http: &Http,
    list: &'static str,
    repository: &str,
    start: Timestamp,
) -> Pages<Vec<T>, impl Follow<Vec<T>>> {
    let request = http.get(list).path("repository", repository).query("state", "all");
    let request = request.query("sort", "updated").query("direction", "desc").query("per_page", PER_PAGE);
    request.conditional().pages(move |page: &Answer<Vec<T>>| {
        let is_past = page.body.last().is_some_and(|last| last.updated_at() < start);
        Ok(if is_past { Next::Done } else { Next::Link })
    })
}

/// All releases, the newest first.
pub(super) fn releases(http: &Http, repository: &str) -> Pages<Vec<Release>, impl Follow<Vec<Release>>> {
    let request = http.get("/repos/{+repository}/releases").path("repository", repository);
    request.query("per_page", PER_PAGE).conditional().pages(follow)
}

/// Workflow runs that were created in a length of time of whole seconds. GitHub lists at most 1,000.
pub(super) fn runs(http: &Http, repository: &str, created: &str, again: bool) -> Pages<Runs, impl Follow<Runs>> {
    let request = http.get(RUNS).path("repository", repository).query("created", created);
    conditional(request.query("per_page", PER_PAGE), again).pages(follow)
}

/// One page of the stars that stand, the oldest first.
pub(super) async fn stars(http: &Http, repository: &str, page: u32) -> Result<Answer<Vec<Star>>, Error> {
    let request = http.get("/repos/{+repository}/stargazers").path("repository", repository);
    let request = request.header("accept", "application/vnd.github.star+json").query("per_page", PER_PAGE);
    request.query("page", page).conditional().json().await
}

/// Views of the last 14 days, by day or by week.
pub(super) async fn views(http: &Http, repository: &str, per: Interval) -> Result<Traffic, Error> {
    let request = http.get("/repos/{+repository}/traffic/views").path("repository", repository);
    Ok(request.query("per", per.name()).conditional().json().await?.body)
}

/// Clones of the last 14 days, by day or by week.
pub(super) async fn clones(http: &Http, repository: &str, per: Interval) -> Result<Traffic, Error> {
    let request = http.get("/repos/{+repository}/traffic/clones").path("repository", repository);
    Ok(request.query("per", per.name()).conditional().json().await?.body)
}

/// Asks for one entry of a list, to see whether the token may read it.
pub(super) async fn probe(http: &Http, list: &'static str, repository: &str) -> Result<(), Error> {
    http.get(list).path("repository", repository).query("per_page", 1).json::<IgnoredAny>().await.map(drop)
}

/// The number of a list's last page, where it has more than this one.
pub(super) fn last_page<T>(page: &Answer<T>) -> Result<Option<u32>, Error> {
    let Some(last) = page.link("last") else {
        // Without a following page this is the last one; with one, the number is needed and missing.
        return match page.link("next") {
            None => Ok(None),
            Some(_) => Err(Error::invalid_response("the Link header names a next page and no last one")),
        };
    };
    let number = Url::parse(&last).ok().and_then(|url| {
        let page = url.query_pairs().find(|(key, _)| key == "page")?;
        page.1.parse().ok()
    });
    number.map(Some).ok_or_else(|| Error::invalid_response("the last page of the Link header has no number"))
}

/// How the pages of a list follow each other.
pub(super) trait Follow<T>: FnMut(&Answer<T>) -> Result<Next, Error> + Send {}
impl<T, F: FnMut(&Answer<T>) -> Result<Next, Error> + Send> Follow<T> for F {}

fn midnight(day: Day) -> String {
    format!("{day}T00:00:00Z")
}
