//! Whose token it is, and the lists: teams, projects, deployments.

use serde_json::{Value, json};

use super::{Ask, Problem, params::page};
use crate::demo::company::{Deployment, NAME, Project, TEAM_ID, TEAM_SLUG};

const USER_ID: &str = "FernwerkDemoUserNotReal1";

/// A token that is limited to a team is nobody's.
pub(super) fn user(ask: Ask<'_>) -> Result<Value, Problem> {
    ask.params(&[])?;
    if ask.token.of_team {
        return Err(Problem::forbidden("The token is limited to a team"));
    }
    Ok(json!({ "user": { "id": USER_ID, "email": "ada@fernwerk.example", "name": "Ada Fern", "username": "ada-fern",
        "defaultTeamId": null, "avatar": null, "createdAt": 1_600_000_000_000_i64 } }))
}

pub(super) fn teams(ask: Ask<'_>) -> Result<Value, Problem> {
    let params = ask.params(&["limit", "since", "until"])?;
    let row = vec![(1_600_000_000_000_i64, ())];
    Ok(page(row, params.ms("until")?, params.limit(20)?, "teams", |()| show_team()))
}

pub(super) fn team(ask: Ask<'_>, team: &str) -> Result<Value, Problem> {
    ask.params(&[])?;
    match team {
        TEAM_ID | TEAM_SLUG => Ok(show_team()),
        _ => Err(Problem::forbidden("Not authorized")),
    }
}

fn show_team() -> Value {
    json!({ "id": TEAM_ID, "slug": TEAM_SLUG, "name": NAME, "createdAt": 1_600_000_000_000_i64, "avatar": null,
        "membership": { "role": "MEMBER", "confirmed": true } })
}

/// The projects of whom it is asked for; the person's own are none.
pub(super) fn of_scope(ask: Ask<'_>) -> Vec<Project> {
    if ask.for_team { ask.company.projects() } else { Vec::new() }
}

/// The last made first, going on `from` an instant.
pub(super) fn projects(ask: Ask<'_>) -> Result<Value, Problem> {
    let params = ask.params(&["limit", "from", "search"])?;
    let wanted = |project: &Project| params.get("search").is_none_or(|text| project.name.contains(text));
    let mut rows: Vec<(i64, Project)> =
        of_scope(ask).into_iter().filter(wanted).map(|one| (one.created_ms, one)).collect();
    rows.sort_by(|one, other| (one.0, &one.1.id).cmp(&(other.0, &other.1.id)));
    Ok(page(rows, params.ms("from")?, params.limit(20)?, "projects", |project| {
        let mut shown = json!({ "id": project.id, "name": project.name, "accountId": TEAM_ID, "framework": "nextjs",
            "createdAt": project.created_ms, "updatedAt": project.created_ms,
            "link": { "type": "github", "repo": project.repository.split('/').next_back(), "productionBranch": "main" } });
        if project.analytics {
            shown["webAnalytics"] =
                json!({ "id": format!("wa_{}", project.name), "enabledAt": project.created_ms, "hasData": true });
        }
        shown
    }))
}

const STATES: [&str; 8] = ["BUILDING", "ERROR", "INITIALIZING", "QUEUED", "READY", "CANCELED", "BLOCKED", "DELETED"];

/// The newest first, going on with those made up to `until`.
pub(super) fn deployments(ask: Ask<'_>) -> Result<Value, Problem> {
    let params = ask.params(&["limit", "since", "until", "projectId", "projectIds", "target", "state", "app"])?;
    let (since, until, limit) = (params.ms("since")?, params.ms("until")?, params.limit(20)?);
    let named: Vec<&str> = [params.all("projectId"), params.all("projectIds")].concat();
    let states: Vec<&str> = params.get("state").map(|text| text.split(',').collect()).unwrap_or_default();
    if let Some(state) = states.iter().find(|state| !STATES.contains(state)) {
        return Err(Problem::bad_request(format!("Invalid request: `state` has no value {state}")));
    }
    let projects = of_scope(ask);
    if let Some(id) = named.iter().find(|id| projects.iter().all(|project| project.id != **id)) {
        return Err(Problem::not_found(&format!("Project {id} not found")));
    }
    let is_asked = |project: &&Project| named.is_empty() || named.contains(&project.id.as_str());
    let mut rows: Vec<(i64, (&Project, &Deployment))> = projects
        .iter()
        .filter(is_asked)
        .flat_map(|project| project.deployments.iter().map(move |one| (one.created_ms, (project, one))))
        .filter(|(at, _)| since.is_none_or(|since| *at >= since))
        .filter(|(_, (_, one))| states.is_empty() || states.contains(&state(one)))
        .filter(|(_, (_, one))| params.get("target").is_none_or(|target| one.target == Some(target)))
        .collect();
    rows.sort_by(|one, other| (one.0, &one.1.1.uid).cmp(&(other.0, &other.1.1.uid)));
    Ok(page(rows, until, limit, "deployments", |(project, one)| show(project, one)))
}

fn state(one: &Deployment) -> &'static str {
    if one.expired { "DELETED" } else { one.state }
}

fn show(project: &Project, one: &Deployment) -> Value {
    let mut shown = json!({
        "uid": one.uid, "name": project.name, "projectId": project.id, "created": one.created_ms,
        "createdAt": one.created_ms, "url": format!("{}-{}.vercel.app", project.name, &one.uid[4..13].to_lowercase()),
        "state": state(one), "readyState": state(one), "type": "LAMBDAS", "source": one.source,
        "creator": { "uid": USER_ID, "username": "ada-fern" }, "inspectorUrl": null,
        "meta": { "githubCommitSha": one.sha, "githubRepo": project.repository },
    });
    if let Some(at) = one.building_ms {
        shown["buildingAt"] = json!(at);
    }
    if let Some(at) = one.ready_ms {
        shown["ready"] = json!(at);
        shown["readySubstate"] = json!(if one.target == Some("production") { "PROMOTED" } else { "STAGED" });
    }
    match one.target {
        Some(target) => shown["target"] = json!(target),
        // Older answers leave it out, newer ones say null; both mean a preview.
        None if one.created_ms % 2 == 0 => shown["target"] = Value::Null,
        None => {}
    }
    if one.state == "ERROR" {
        shown["errorCode"] = json!("BUILD_UTILS_SPAWN_1");
        shown["errorMessage"] = json!("Command \"npm run build\" exited with 1");
    }
    if one.expired {
        shown["softDeletedByRetention"] = json!(true);
    }
    shown
}
