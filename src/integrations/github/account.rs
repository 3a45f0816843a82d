//! Testing a connection: whose token it is, what it may read, and what that costs.

use serde_json::{Map, Value as Json};

use super::{
    api,
    metrics::{METRICS, OPEN_ISSUES, OPEN_PRS, Reading},
    refusal::refusal,
    repositories::{self, Found, OwnersList},
    settings::Measured,
};
use crate::{
    integrations::{AccountInfo, Check, Choice, Context, Error},
    metric::{FailureKind, Interval},
};

/// Of how many repositories the permissions are tried one by one. A token's permissions are the same for most, and
/// without a token only 60 calls an hour are free.
const TRIED: usize = 3;

/// What is tried of a repository.
const TRIALS: [(&str, &[Reading]); 5] = [
    ("contents", &[Reading::Commits, Reading::Releases]),
    ("issues", &[Reading::Issues]),
    ("pull_requests", &[Reading::Pulls]),
    ("actions", &[Reading::Workflows]),
    ("traffic", &[Reading::Views, Reading::Clones]),
];

/// Tests a connection.
pub(super) async fn test(ctx: &Context) -> Result<AccountInfo, Error> {
    let measured = Measured::parse(&ctx.settings)?;
    let mut info = Map::new();
    let is_user = identify(ctx, &mut info).await?;
    let mut account = match &measured {
        Measured::Owner(owner) => of_owner(ctx, owner).await?,
        Measured::Repositories(names) => of_list(ctx, names).await?,
    };
    if is_user {
        // Only an offer: a token that may not list still reads what it is given.
        let listed = api::choices(&ctx.http).await;
        if let Err(error) = listed.as_ref()
            && error.is_connection_wide()
        {
            return Err(error.clone());
        }
        let choices = listed.unwrap_or_default().into_iter();
        let choices = choices.map(|one| Choice { value: one.full_name.clone(), label: one.full_name });
        account.choices.insert("repositories".to_owned(), choices.collect());
    }
    account.info = info;
    Ok(account)
}

/// Notes whose token it is; whether it is a user's. There may be none: then the repositories decide.
async fn identify(ctx: &Context, info: &mut Map<String, Json>) -> Result<bool, Error> {
    match api::user(&ctx.http).await {
        Ok(answer) => {
            info.insert("token".to_owned(), "user".into());
            info.insert("login".to_owned(), answer.body.login.as_str().into());
            info.extend(answer.body.plan.as_ref().map(|plan| ("plan".to_owned(), plan.name.as_str().into())));
            for (key, header) in
                [("token_expires", "github-authentication-token-expiration"), ("scopes", "x-oauth-scopes")]
            {
                let said = answer.header(header).filter(|value| !value.is_empty());
                info.extend(said.map(|value| (key.to_owned(), value.into())));
            }
            Ok(true)
        }
        Err(error) if error.kind() == FailureKind::Forbidden => {
            api::installation(&ctx.http).await?;
            info.insert("token".to_owned(), "app installation".into());
            Ok(false)
        }
        Err(error) if error.kind() == FailureKind::Unauthorized => {
            info.insert("token".to_owned(), "none".into());
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn of_owner(ctx: &Context, owner: &str) -> Result<AccountInfo, Error> {
    let (owner, mut pages) = repositories::of_owner(ctx, owner).await?;
    let mut list = OwnersList::default();
    while let Some(page) = pages.next().await? {
        list.take(page.body);
    }
    let names: Vec<&str> = list.kept.iter().map(|one| one.full_name.as_str()).collect();
    let (count, forks) = (names.len(), list.forks);
    let mut checks = vec![Check {
        id: "owner".to_owned(),
        ok: count > 0,
        message: match count {
            0 => format!("{} has no repository that can be read ({forks} forks are left out)", owner.login),
            _ => format!("{}: {count} repositories ({forks} forks are left out)", owner.login),
        },
        costs: all_metrics(),
    }];
    checks.extend(try_each(ctx, &names).await?);
    Ok(account(format!("owner:{}", owner.id), owner.login, checks))
}

async fn of_list(ctx: &Context, names: &[String]) -> Result<AccountInfo, Error> {
    let mut checks = Vec::new();
    let mut repositories = Vec::new();
    for name in names {
        let found = repositories::find(ctx, name).await;
        let message = match &found {
            Ok(found) if found.full_name.eq_ignore_ascii_case(name) => format!("{name} can be read"),
            Ok(Found { full_name, .. }) => format!("{name} can be read; it is called {full_name} now"),
            Err(error) if error.is_connection_wide() => return Err(error.clone()),
            Err(error) if error.kind() == FailureKind::NotFound => not_found(name),
            Err(error) if error.kind() == FailureKind::Forbidden => refusal(error, Reading::Counts, name),
            Err(error) => error.to_string(),
        };
        checks.push(Check { id: format!("repository:{name}"), ok: found.is_ok(), message, costs: all_metrics() });
        repositories.push((name.as_str(), found));
    }
    repositories::refuse_twice(repositories.iter().filter_map(|(name, found)| Some((*name, found.as_ref().ok()?.id))))?;
    if let Some((_, Err(error))) = repositories.first()
        && repositories.iter().all(|(_, found)| found.is_err())
    {
        let is_not_found = error.kind() == FailureKind::NotFound;
        return Err(if is_not_found { Error::not_found(not_found(&names.join(", "))) } else { error.clone() });
    }
    let readable: Vec<&Found> = repositories.iter().filter_map(|(_, found)| found.as_ref().ok()).collect();
    let paths: Vec<&str> = readable.iter().map(|found| found.full_name.as_str()).collect();
    checks.extend(try_each(ctx, &paths).await?);
    Ok(account(format!("repositories:{}", identities(&repositories).join(",")), label(names), checks))
}

/// Numbers in order, so that neither a new name nor another order looks like another account. What cannot be read has
/// no number and goes by its name.
fn identities(repositories: &[(&str, Result<Found, Error>)]) -> Vec<String> {
    let mut numbers: Vec<u64> = repositories.iter().filter_map(|(_, found)| Some(found.as_ref().ok()?.id)).collect();
    numbers.sort_unstable();
    let unread = repositories.iter().filter(|(_, found)| found.is_err());
    let mut names: Vec<String> = unread.map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    numbers.iter().map(u64::to_string).chain(names).collect()
}

fn label(names: &[String]) -> String {
    match names {
        [first, second, _, _, ..] => format!("{first}, {second} and {} more", names.len() - 2),
        _ => names.join(", "),
    }
}

fn not_found(names: &str) -> String {
    format!("{names} cannot be found; a private repository needs a token that may read it")
}

fn account(id: String, label: String, checks: Vec<Check>) -> AccountInfo {
    AccountInfo {
        id,
        label,
        zone: Some("UTC".to_owned()),
        currency: None,
        info: Map::new(),
        checks,
        choices: std::collections::BTreeMap::new(),
    }
}

fn all_metrics() -> Vec<String> {
    METRICS.iter().map(|row| row.id.to_owned()).collect()
}

/// Tries the permissions on the first of the repositories.
async fn try_each(ctx: &Context, paths: &[&str]) -> Result<Vec<Check>, Error> {
    let tried = paths.get(..TRIED).unwrap_or(paths);
    let mut checks = Vec::new();
    for (id, readings) in TRIALS.iter().filter(|_| !tried.is_empty()) {
        let mut refused = Vec::new();
        for path in tried {
            refused.extend(refused_by(ctx, readings, path).await?);
        }
        let message = match (refused.is_empty(), paths.len() - tried.len()) {
            (true, 0) => "can be read".to_owned(),
            (true, more) => format!("can be read in {}; {more} more were not tried", tried.join(", ")),
            (false, _) => refused.join("; "),
        };
        let fed = readings.iter().flat_map(|reading| reading.rows()).map(|row| row.id);
        // GitHub counts open pull requests among the issues: without the one neither can be told.
        let told_apart: &[&str] = if readings.contains(&Reading::Pulls) { &[OPEN_ISSUES, OPEN_PRS] } else { &[] };
        let costs = fed.chain(told_apart.iter().copied()).map(str::to_owned).collect();
        checks.push(Check { id: (*id).to_owned(), ok: refused.is_empty(), message, costs });
    }
    Ok(checks)
}

/// Why one repository's list cannot be read, if so.
async fn refused_by(ctx: &Context, readings: &[Reading], path: &str) -> Result<Option<String>, Error> {
    let http = &ctx.http;
    let Some(&reading) = readings.first() else { return Ok(None) };
    let tried = match reading {
        Reading::Views | Reading::Clones => api::views(http, path, Interval::Day).await.map(drop),
        Reading::Issues => api::probe(http, api::ISSUES, path).await,
        Reading::Pulls => api::probe(http, api::PULLS, path).await,
        Reading::Workflows => api::probe(http, api::RUNS, path).await,
        _ => api::probe(http, api::COMMITS, path).await,
    };
    let Err(error) = tried else { return Ok(None) };
    match (error.kind(), error.status()) {
        // An empty repository, or one without issues: the permission is not what is missing.
        (_, Some(409 | 410)) => Ok(None),
        (FailureKind::RateLimited, _) => Err(error),
        // The repository itself was readable, so without a token.
        (FailureKind::Unauthorized, _) => {
            Ok(Some(format!("{path}: this needs a token with the permission {}", reading.permission())))
        }
        (FailureKind::Forbidden, _) => Ok(Some(refusal(&error, reading, path))),
        _ => Ok(Some(format!("{path}: {error}"))),
    }
}
