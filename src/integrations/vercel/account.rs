//! Testing a connection: whose token it is, what it may read, and what that costs.

use serde_json::{Map, Value as Json};

use super::{
    api::{self, FoundTeam, ListedProject},
    metrics::{METRICS, Reading, Row, observed_as},
    projects::not_found,
    settings::{Measured, Team},
    usage, visits,
};
use crate::{
    integrations::{AccountInfo, Check, Choice, Context, Error, Outcome, Why},
    metric::{FailureKind, Period},
};

/// Tests a connection.
pub(super) async fn test(ctx: &Context) -> Result<AccountInfo, Error> {
    let measured = Measured::parse(&ctx.settings)?;
    let mut info = Map::new();
    let user = identify(ctx, &mut info).await?;
    let teams = teams(ctx).await?;
    let team = match &measured.team {
        Some(team) => Some(found(ctx, team, &teams).await?),
        None => None,
    };
    let (id, label) = match (&team, user) {
        (Some(team), _) => (format!("team:{}", team.id), team.name.clone().unwrap_or_else(|| team.slug.clone())),
        (None, Some((id, name))) => (format!("user:{id}"), name),
        (None, None) => {
            return Err(Error::invalid_settings(format!(
                "team: this token is limited to a team, so give its name{}",
                or_list(&teams)
            )));
        }
    };
    let projects = all_projects(ctx, measured.team.as_ref()).await?;
    let chosen = chosen(&projects, &measured.projects)?;
    let mut checks = name_checks(&measured, &chosen, &teams);
    let present: Vec<&ListedProject> = chosen.iter().filter_map(|(_, project)| *project).collect();
    checks.push(deployments(ctx, measured.team.as_ref()).await?);
    checks.extend(web_analytics(ctx, measured.team.as_ref(), &present).await?);
    checks.extend(observability(ctx, measured.team.as_ref(), &present).await?);
    let choices = [("team", team_choices(&teams)), ("projects", project_choices(&projects))];
    let choices = choices.into_iter().map(|(key, list)| (key.to_owned(), list)).collect();
    let id = identity(id, &measured, &chosen);
    let label = if measured.projects.is_empty() { label } else { format!("{label}: {}", measured.projects.join(", ")) };
    Ok(AccountInfo { id, label, zone: None, currency: None, info, checks, choices })
}

/// Notes whose token it is. One that is limited to a team is nobody's.
async fn identify(ctx: &Context, info: &mut Map<String, Json>) -> Result<Option<(String, String)>, Error> {
    match api::user(&ctx.http).await {
        Ok(user) => {
            let name = user.username.unwrap_or_else(|| user.id.clone());
            info.insert("token".to_owned(), if user.limited { "limited" } else { "user" }.into());
            info.insert("user".to_owned(), name.as_str().into());
            Ok(Some((user.id, name)))
        }
        Err(error) if matches!(error.kind(), FailureKind::Forbidden | FailureKind::NotFound) => {
            info.insert("token".to_owned(), "team".into());
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Only an offer, and of use for sentences: a token that may not list teams still reads the one that it is given.
async fn teams(ctx: &Context) -> Result<Vec<FoundTeam>, Error> {
    match api::teams(&ctx.http).await {
        Err(error) if error.is_connection_wide() => Err(error),
        listed => Ok(listed.unwrap_or_default()),
    }
}

/// The team that a setting names.
async fn found(ctx: &Context, team: &Team, teams: &[FoundTeam]) -> Result<FoundTeam, Error> {
    api::team(&ctx.http, team).await.map_err(|error| match error.kind() {
        FailureKind::Forbidden | FailureKind::NotFound => {
            let message = format!("team: this token sees no team \"{}\"{}", team.text(), or_list(teams));
            Error::not_found(message)
                .with_offer("team", team_choices(teams).into_iter().map(|one| (one.value, one.label)))
        }
        _ => error,
    })
}

fn or_list(teams: &[FoundTeam]) -> String {
    let names: Vec<&str> = teams.iter().map(|team| team.slug.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("; it sees {}", names.join(", ")) }
}

async fn all_projects(ctx: &Context, team: Option<&Team>) -> Result<Vec<ListedProject>, Error> {
    let mut pages = api::projects(&ctx.http, team);
    let mut projects: Vec<ListedProject> = Vec::new();
    while let Some(page) = pages.next().await? {
        // A list that changes while it is read repeats what it showed.
        let is_new = |one: &ListedProject| projects.iter().all(|known| known.id != one.id);
        let new: Vec<ListedProject> = page.body.projects.into_iter().filter(is_new).collect();
        projects.extend(new);
    }
    Ok(projects)
}

/// What is measured, each by the name that the setting gives it; all where it gives none.
fn chosen<'a>(
    projects: &'a [ListedProject],
    named: &[String],
) -> Result<Vec<(String, Option<&'a ListedProject>)>, Error> {
    if named.is_empty() {
        return Ok(projects.iter().map(|project| (project.name.clone(), Some(project))).collect());
    }
    let find = |name: &String| projects.iter().find(|project| project.id == *name || project.name == *name);
    let chosen: Vec<(String, Option<&ListedProject>)> = named.iter().map(|name| (name.clone(), find(name))).collect();
    if let Some((first, _)) = chosen.first().filter(|_| chosen.iter().all(|(_, project)| project.is_none())) {
        return Err(Error::not_found(not_found(first)));
    }
    for (at, (name, project)) in chosen.iter().enumerate() {
        let same = |other: &&(String, Option<&ListedProject>)| {
            project.is_some() && other.1.map(|one| &one.id) == project.map(|one| &one.id)
        };
        if let Some((other, _)) = chosen.iter().take(at).find(same) {
            return Err(Error::invalid_settings(format!(
                "projects: {other} and {name} are the same project; leave one of them out"
            )));
        }
    }
    Ok(chosen)
}

/// Ids in order, so that neither a new name nor another order looks like another account.
fn identity(owner: String, measured: &Measured, chosen: &[(String, Option<&ListedProject>)]) -> String {
    if measured.projects.is_empty() {
        return owner;
    }
    let id = |(name, project): &(String, Option<&ListedProject>)| project.map_or(name.clone(), |one| one.id.clone());
    let mut ids: Vec<String> = chosen.iter().map(id).collect();
    ids.sort();
    format!("{owner}:{}", ids.join(","))
}

fn name_checks(measured: &Measured, chosen: &[(String, Option<&ListedProject>)], teams: &[FoundTeam]) -> Vec<Check> {
    let check = |id: String, ok: bool, message: String| Check { id, ok, message, costs: all_metrics() };
    if measured.projects.is_empty() {
        let message = match (chosen.len(), &measured.team, teams) {
            (0, None, [_, ..]) => {
                format!("there is no project in the token's own account: give a team{}", or_list(teams))
            }
            (0, ..) => "there is no project yet; those that come are measured".to_owned(),
            (count, ..) => format!("{count} projects"),
        };
        let is_misplaced = chosen.is_empty() && measured.team.is_none() && !teams.is_empty();
        return vec![check("projects".to_owned(), !is_misplaced, message)];
    }
    let of_each = chosen.iter().map(|(name, project)| {
        let message = if project.is_some() { format!("{name} can be read") } else { not_found(name) };
        check(format!("project:{name}"), project.is_some(), message)
    });
    of_each.collect()
}

async fn deployments(ctx: &Context, team: Option<&Team>) -> Result<Check, Error> {
    let tried = api::probe_deployments(&ctx.http, team).await;
    let (ok, message) = match tried {
        Ok(()) => (true, "can be read".to_owned()),
        Err(error) if error.is_connection_wide() => return Err(error),
        Err(error) => (false, error.to_string()),
    };
    Ok(Check { id: "deployments".to_owned(), ok, message, costs: costs(Reading::Builds) })
}

/// Tries the first project that counts visitors.
async fn web_analytics(ctx: &Context, team: Option<&Team>, present: &[&ListedProject]) -> Result<Option<Check>, Error> {
    let check =
        |ok, message| Some(Check { id: "web_analytics".to_owned(), ok, message, costs: costs(Reading::Visits) });
    let is_on = |project: &&&ListedProject| super::projects::counts_since(project).is_some();
    let Some(project) = present.iter().find(is_on) else {
        let none = (!present.is_empty()).then_some("no project has Web Analytics switched on".to_owned());
        return Ok(none.and_then(|message| check(false, message)));
    };
    let today = Period::single(ctx.today());
    Ok(match api::visits_by_day(&ctx.http, team, &project.id, today).await {
        Ok(_) => check(true, format!("can be read of {}", project.name)),
        Err(error) if error.is_connection_wide() => return Err(error),
        Err(error) => check(false, sentence(&visits::refusal(error, &project.name))),
    })
}

fn sentence(why: &Why) -> String {
    match why {
        Why::Failed(error) => error.to_string(),
        Why::Unsupported(reason) => reason.clone(),
        Why::BeyondRetention => "it is not kept any more".to_owned(),
    }
}

/// Asks for the usage of today, of one project.
async fn observability(ctx: &Context, team: Option<&Team>, present: &[&ListedProject]) -> Result<Option<Check>, Error> {
    let found = present.iter().find_map(|project| Some((project, project.account_id.as_deref()?)));
    let Some((project, owner)) = found else { return Ok(None) };
    let ids: Vec<&str> = METRICS.iter().filter_map(|row: &Row| observed_as(row.id).first().copied()).collect();
    let tried = async {
        let schema = api::schema(&ctx.http, team).await?;
        let is_known = |id: &&&str| schema.metrics.iter().any(|metric| metric.id == **id);
        let Some(metric) = ids.iter().find(is_known) else { return Ok(false) };
        let today = Period::single(ctx.today());
        api::query(&ctx.http, team, metric, owner, &[&project.id], today).await.map(|_| true)
    };
    let (ok, message) = match tried.await {
        Ok(true) => (true, "can be queried".to_owned()),
        Ok(false) => (false, "Vercel's observability offers none of the metrics any more".to_owned()),
        Err(error) if error.is_connection_wide() => return Err(error),
        Err(error) => match usage::refusal(error) {
            Outcome::Unsupported(reason) => (false, reason),
            Outcome::Failed(error) => (false, error.to_string()),
            Outcome::Ok | Outcome::Unknown => (true, "can be queried".to_owned()),
        },
    };
    Ok(Some(Check { id: "observability".to_owned(), ok, message, costs: costs(Reading::Usage) }))
}

fn costs(reading: Reading) -> Vec<String> {
    reading.ids().map(str::to_owned).collect()
}

fn all_metrics() -> Vec<String> {
    METRICS.iter().map(|row| row.id.to_owned()).collect()
}

fn team_choices(teams: &[FoundTeam]) -> Vec<Choice> {
    let choice = |team: &FoundTeam| Choice {
        value: team.slug.clone(),
        label: team.name.clone().unwrap_or_else(|| team.slug.clone()),
    };
    teams.iter().map(choice).collect()
}

fn project_choices(projects: &[ListedProject]) -> Vec<Choice> {
    let choice = |project: &ListedProject| Choice { value: project.name.clone(), label: project.name.clone() };
    projects.iter().map(choice).collect()
}
