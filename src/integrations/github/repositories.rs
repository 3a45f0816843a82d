//! Which repositories are measured, and what they are called at GitHub by now.

use serde::{Deserialize, Serialize};

use super::{
    api::{self, Listed},
    settings::Measured,
};
use crate::{
    integrations::{Batch, Context, Error, Order, Record},
    metric::FailureKind,
};

/// The stream whose records say what a repository is called, so that only its own stream has to ask.
pub(super) const STREAM: &str = "repositories";

/// A repository that is measured.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// What its series are called: as configured, also after it was renamed. Of an owner's: its present name.
    pub(super) name: String,
    /// Where it is found, or why it is not.
    pub(super) found: Result<Found, Error>,
}

/// What GitHub calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    /// Never changes.
    pub(super) id: u64,
    /// Its present name. A redirect from the old one may lose the query, so it is not relied upon for lists.
    pub(super) full_name: String,
}

impl Found {
    /// The record under a repository's name.
    pub(super) fn record(&self, name: &str) -> Result<Record, Error> {
        let bytes = serde_json::to_vec(self).map_err(|error| Error::internal(format!("writing a record: {error}")))?;
        Ok(Record { key: name.to_owned(), group: String::new(), bytes })
    }

    fn parse(record: &Record) -> Option<Self> {
        serde_json::from_slice(&record.bytes).ok()
    }
}

/// The repositories to read, one after another. What earlier runs found out is not asked again, but for an owner's list
/// when `relist` is set.
pub(super) async fn resolve(ctx: &Context, measured: &Measured, relist: bool) -> Result<Vec<Repository>, Error> {
    match measured {
        Measured::Repositories(names) => resolve_names(ctx, names).await,
        Measured::Owner(owner) => {
            let known = if relist { Vec::new() } else { known(ctx).await? };
            if !known.is_empty() {
                return Ok(known);
            }
            let (_, listed) = of_owner(ctx, owner).await?;
            if listed.kept.is_empty() {
                return Err(Error::not_found(format!("{owner} has no repository that can be read")));
            }
            let mut batch = Batch::new().clear(STREAM);
            let mut repositories = Vec::with_capacity(listed.kept.len());
            for one in listed.kept {
                let found = Found { id: one.id, full_name: one.full_name };
                batch = batch.upsert(STREAM, found.record(&found.full_name)?);
                repositories.push(Repository { name: found.full_name.clone(), found: Ok(found) });
            }
            ctx.commit(batch).await?;
            Ok(repositories)
        }
    }
}

async fn resolve_names(ctx: &Context, names: &[String]) -> Result<Vec<Repository>, Error> {
    let records = ctx.records(STREAM, names).await?;
    let mut batch = Batch::new();
    let mut repositories = Vec::with_capacity(names.len());
    for name in names {
        let known = records.iter().find(|record| record.key == *name).and_then(Found::parse);
        let found = match known {
            Some(found) => Ok(found),
            None => find(ctx, name).await,
        };
        match &found {
            Ok(found) => batch = batch.upsert(STREAM, found.record(name)?),
            Err(error) if error.is_connection_wide() => return Err(error.clone()),
            Err(_) => {}
        }
        repositories.push(Repository { name: name.clone(), found });
    }
    if !batch.records.is_empty() {
        ctx.commit(batch).await?;
    }
    refuse_twice(&repositories)?;
    Ok(repositories)
}

/// Looks for a repository under the name that a user gave.
pub(super) async fn find(ctx: &Context, name: &str) -> Result<Found, Error> {
    let repository = api::repository(&ctx.http, name).await?;
    Ok(Found { id: repository.id, full_name: repository.full_name })
}

/// An old and a new name of one repository would count it twice.
pub(super) fn refuse_twice(repositories: &[Repository]) -> Result<(), Error> {
    let mut ids = std::collections::BTreeMap::new();
    for repository in repositories {
        let Ok(found) = &repository.found else { continue };
        if let Some(other) = ids.insert(found.id, &repository.name) {
            return Err(Error::invalid_settings(format!(
                "repositories: {other} and {} are the same repository; leave one of them out",
                repository.name
            )));
        }
    }
    Ok(())
}

async fn known(ctx: &Context) -> Result<Vec<Repository>, Error> {
    const AT_ONCE: u32 = 500;
    let mut repositories = Vec::new();
    let mut last: Option<Record> = None;
    loop {
        let records = ctx.scan(STREAM, Order::Key, last.as_ref(), AT_ONCE).await?;
        let found = records.iter().filter_map(|record| Some((record.key.clone(), Found::parse(record)?)));
        repositories.extend(found.map(|(name, found)| Repository { name, found: Ok(found) }));
        last = records.into_iter().next_back();
        if last.is_none() {
            return Ok(repositories);
        }
    }
}

/// An owner's repositories: archived ones count, forks are mostly somebody else's work and do not.
#[derive(Debug, Default)]
pub(super) struct OwnersList {
    pub(super) kept: Vec<Listed>,
    pub(super) forks: usize,
}

/// Lists the repositories of a user or an organisation.
pub(super) async fn of_owner(ctx: &Context, owner: &str) -> Result<(api::Owner, OwnersList), Error> {
    let http = &ctx.http;
    let owner = api::owner(http, owner).await.map_err(|error| match error.kind() {
        FailureKind::NotFound => Error::not_found(format!("GitHub has no user or organisation \"{owner}\"")),
        _ => error,
    })?;
    let mut list = OwnersList::default();
    let mut take = |page: Vec<Listed>| {
        let (forks, kept): (Vec<Listed>, Vec<Listed>) = page.into_iter().partition(|one| one.fork);
        list.forks += forks.len();
        list.kept.extend(kept);
    };
    if owner.kind == "Organization" {
        let mut pages = api::organisation_repositories(http, &owner.login);
        while let Some(page) = pages.next().await? {
            take(page.body);
        }
    } else if is_own(ctx, &owner).await? {
        let mut pages = api::own_repositories(http);
        while let Some(page) = pages.next().await? {
            take(page.body);
        }
    } else {
        let mut pages = api::user_repositories(http, &owner.login);
        while let Some(page) = pages.next().await? {
            take(page.body);
        }
    }
    list.kept.sort_by_key(|one| one.id);
    list.kept.dedup_by_key(|one| one.id);
    Ok((owner, list))
}

/// Whether the token is the owner's own. GitHub shows a user's private repositories in no other list.
async fn is_own(ctx: &Context, owner: &api::Owner) -> Result<bool, Error> {
    match api::user(&ctx.http).await {
        Ok(user) => Ok(user.body.id == owner.id),
        // No token, or one of an app: the owner itself was readable, so the token is not at fault.
        Err(error) if matches!(error.kind(), FailureKind::Unauthorized | FailureKind::Forbidden) => Ok(false),
        Err(error) => Err(error),
    }
}
