//! Vercel's REST API: one function an endpoint, answers with only the fields in use. Each endpoint has a version of its own
//! in its path.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::settings::Team;
use crate::{
    http::{Answer, Error, Http, Next, Pages, Request},
    integrations::nullable,
    metric::Period,
};

const PER_PAGE: usize = 100;
/// The filter for visits of what is in production, which Vercel's own screen shows.
const PRODUCTION: &str = "environment eq 'production'";

/// The token's user.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) username: Option<String>,
    /// The token is limited, and shows only a part of the user.
    #[serde(default)]
    pub(super) limited: bool,
}

#[derive(Debug, Deserialize)]
struct UserAnswer {
    user: User,
}

/// A team.
#[derive(Debug, Deserialize)]
pub(super) struct FoundTeam {
    pub(super) id: String,
    pub(super) slug: String,
    pub(super) name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct TeamsPage {
    teams: Vec<FoundTeam>,
}

/// A page of projects.
#[derive(Debug, Deserialize)]
pub(super) struct ProjectsPage {
    pub(super) projects: Vec<ListedProject>,
    pagination: Pagination,
}

/// A project in a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedProject {
    pub(super) id: String,
    pub(super) name: String,
    /// The team or user that it belongs to.
    pub(super) account_id: Option<String>,
    /// There where visitors are or were counted.
    pub(super) web_analytics: Option<WebAnalytics>,
}

/// Since when visitors are counted, or until when they were.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebAnalytics {
    pub(super) enabled_at: Option<i64>,
    pub(super) disabled_at: Option<i64>,
    pub(super) canceled_at: Option<i64>,
}

/// A page of deployments, the newest first.
#[derive(Debug, Deserialize)]
pub(super) struct DeploymentsPage {
    pub(super) deployments: Vec<Listed>,
    pagination: Pagination,
}

/// A deployment in a list. Instants are milliseconds since 1970.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    pub(super) uid: String,
    /// What the project was called then.
    pub(super) name: String,
    pub(super) project_id: Option<String>,
    pub(super) created: i64,
    pub(super) building_at: Option<i64>,
    pub(super) ready: Option<i64>,
    pub(super) state: Option<String>,
    pub(super) ready_state: Option<String>,
    pub(super) target: Option<String>,
    pub(super) error_code: Option<String>,
}

/// Where a list goes on: null at its end.
#[derive(Debug, Deserialize)]
struct Pagination {
    #[serde(deserialize_with = "nullable")]
    next: Option<i64>,
}

/// Visits by day.
#[derive(Debug, Deserialize)]
pub(super) struct DaysOfVisits {
    pub(super) data: Vec<DayOfVisits>,
}

/// One day's visits.
#[derive(Debug, Deserialize)]
pub(super) struct DayOfVisits {
    pub(super) timestamp: Timestamp,
    pub(super) pageviews: i64,
    pub(super) visitors: i64,
}

/// Visits of a length of time, in one row; in none where there were none.
#[derive(Debug, Deserialize)]
pub(super) struct Visits {
    pub(super) data: Vec<VisitsTogether>,
}

/// Visits of one environment.
#[derive(Debug, Deserialize)]
pub(super) struct VisitsTogether {
    pub(super) environment: String,
    pub(super) pageviews: i64,
    pub(super) visitors: i64,
}

/// What can be asked of observability.
#[derive(Debug, Deserialize)]
pub(super) struct Schema {
    pub(super) metrics: Vec<SchemaMetric>,
}

/// One metric by its id, such as `vercel.request.count`.
#[derive(Debug, Deserialize)]
pub(super) struct SchemaMetric {
    pub(super) id: String,
}

/// The answer to a query. Each row has a column that is named after the metric, so that rows are maps.
#[derive(Debug, Deserialize)]
pub(super) struct Queried {
    pub(super) data: Vec<BTreeMap<String, Box<RawValue>>>,
    /// What was asked, as it was understood.
    pub(super) query: Option<Understood>,
}

/// From when on the answer speaks: later than was asked where the past is not kept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Understood {
    pub(super) start_time: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Query<'a> {
    metric: &'a str,
    scope: QueryScope<'a>,
    aggregation: &'static str,
    group_by: [&'static str; 1],
    granularity: Granularity,
    limit: usize,
    start_time: String,
    end_time: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QueryScope<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    owner_id: &'a str,
    project_ids: &'a [&'a str],
}

#[derive(Debug, Serialize)]
struct Granularity {
    days: u32,
}

/// Asks for a team, where there is one.
fn of(team: Option<&Team>, request: Request) -> Request {
    match team {
        Some(Team::Id(id)) => request.query("teamId", id),
        Some(Team::Slug(slug)) => request.query("slug", slug),
        None => request,
    }
}

/// Whose token it is. One that is limited to a team is nobody's: 403.
pub(super) async fn user(http: &Http) -> Result<User, Error> {
    Ok(http.get("/v2/user").json::<UserAnswer>().await?.body.user)
}

/// The teams that the token sees, the first hundred of them.
pub(super) async fn teams(http: &Http) -> Result<Vec<FoundTeam>, Error> {
    Ok(http.get("/v2/teams").query("limit", PER_PAGE).json::<TeamsPage>().await?.body.teams)
}

/// A team by its id or name.
pub(super) async fn team(http: &Http, team: &Team) -> Result<FoundTeam, Error> {
    Ok(http.get("/v2/teams/{team}").path("team", team.text()).json().await?.body)
}

/// All projects, those that were changed last first.
pub(super) fn projects(http: &Http, team: Option<&Team>) -> Pages<ProjectsPage, impl Follow<ProjectsPage> + use<>> {
    of(team, http.get("/v10/projects")).query("limit", PER_PAGE).pages(|page: &Answer<ProjectsPage>| {
        Ok(match page.body.pagination.next {
            Some(next) => Next::Query("from", next.to_string()),
            None => Next::Done,
        })
    })
}

/// Deployments that were made from an instant on, up to and with another, the newest first.
///
/// A list goes on from an instant. Of several deployments in that millisecond a page may hold a part, so that the next
/// one begins a millisecond later, with what was shown already; whoever reads it knows each by its `uid`.
pub(super) fn deployments(
    http: &Http,
    team: Option<&Team>,
    projects: &[&str],
    since_ms: i64,
    until_ms: Option<i64>,
) -> Pages<DeploymentsPage, impl Follow<DeploymentsPage> + use<>> {
    let request = of(team, http.get("/v7/deployments")).query("limit", PER_PAGE).query("since", since_ms);
    let request = projects.iter().fold(request, |request, id| request.query("projectIds", id));
    let request = until_ms.map_or(request.clone(), |until_ms| request.query("until", until_ms));
    request.pages(|page: &Answer<DeploymentsPage>| {
        Ok(match page.body.pagination.next {
            Some(next) => Next::Query("until", next.saturating_add(1).to_string()),
            None => Next::Done,
        })
    })
}

/// Asks for one deployment, to see whether the token may.
pub(super) async fn probe_deployments(http: &Http, team: Option<&Team>) -> Result<(), Error> {
    of(team, http.get("/v7/deployments")).query("limit", 1).json::<IgnoredAny>().await.map(drop)
}

/// Page views and visitors of each day; at most 62.
pub(super) async fn visits_by_day(
    http: &Http,
    team: Option<&Team>,
    project: &str,
    days: Period,
) -> Result<DaysOfVisits, Error> {
    let request = visits(http, team, project, "day", days).query("limit", PER_PAGE);
    Ok(request.json().await?.body)
}

/// Page views and visitors of some days together. Weeks and months are asked for so, since where Vercel's own begin is
/// not said.
pub(super) async fn visits_together(
    http: &Http,
    team: Option<&Team>,
    project: &str,
    days: Period,
) -> Result<Visits, Error> {
    let request = visits(http, team, project, "environment", days).query("filter", PRODUCTION);
    Ok(request.json().await?.body)
}

fn visits(http: &Http, team: Option<&Team>, project: &str, by: &str, days: Period) -> Request {
    // Both ends belong to what is asked for.
    let last = days.last().unwrap_or(days.start());
    let request = of(team, http.get("/v1/query/web-analytics/visits/aggregate")).query("projectId", project);
    let request = request.query("by", by).query("since", format!("{}T00:00:00.000Z", days.start()));
    request.query("until", format!("{last}T23:59:59.999Z"))
}

/// What observability can be asked for.
pub(super) async fn schema(http: &Http, team: Option<&Team>) -> Result<Schema, Error> {
    Ok(of(team, http.get("/v2/observability/schema")).json().await?.body)
}

/// A metric summed by day and project.
pub(super) async fn query(
    http: &Http,
    team: Option<&Team>,
    metric: &str,
    owner_id: &str,
    project_ids: &[&str],
    days: Period,
) -> Result<Queried, Error> {
    let query = Query {
        metric,
        scope: QueryScope { kind: "project", owner_id, project_ids },
        aggregation: "sum",
        group_by: [PROJECT],
        granularity: Granularity { days: 1 },
        // Whatever is past it would be one row, "Others".
        limit: project_ids.len() + 1,
        start_time: format!("{}T00:00:00.000Z", days.start()),
        end_time: format!("{}T00:00:00.000Z", days.end()),
    };
    Ok(of(team, http.query("/v2/observability/query", &query)).json().await?.body)
}

/// The column by which rows of a query are grouped.
pub(super) const PROJECT: &str = "project_id";

/// How the pages of a list follow each other.
pub(super) trait Follow<T>: FnMut(&Answer<T>) -> Result<Next, Error> + Send {}
impl<T, F: FnMut(&Answer<T>) -> Result<Next, Error> + Send> Follow<T> for F {}
