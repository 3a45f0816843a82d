//! Which repositories are measured, and what they are called at GitHub by now.
//!
//! A repository is its number. Its name may change, and the old one may be taken by another repository, which must not go
//! on with the series of the first.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    api::{self, Listed, Owned},
    metrics::Reading,
    refusal::{self, Lack},
    settings::Measured,
};
use crate::{
    http::Pages,
    integrations::{Batch, Context, Error, Order, Record, Why},
    metric::FailureKind,
};

/// The stream whose records say what a repository is called and how it stands, so that only its own stream has to ask.
pub(super) const STREAM: &str = "repositories";

/// A repository that is measured.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    /// What its series are called: as configured, or of an owner's as it was first found; also after it was renamed.
    pub(super) name: String,
    /// Where it is found, or why it is not.
    pub(super) found: Result<Found, Why>,
    /// What GitHub just said of it, where it was asked.
    pub(super) fresh: Option<api::Repository>,
}

/// What GitHub calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Found {
    /// Never changes.
    pub(super) id: u64,
    /// Its present name. A redirect from the old one may lose the query, so it is not relied upon for lists.
    pub(super) full_name: String,
    /// How it stood when it was last asked for.
    pub(super) state: Option<State>,
}

/// What may prove that nothing happened in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The instant of the run that saw it, in milliseconds. In another run it proves nothing.
    seen_at_ms: i64,
    pub(super) pushed_at: Option<Timestamp>,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) default_branch: Option<String>,
    pub(super) archived: bool,
    pub(super) has_issues: Option<bool>,
    pub(super) stars: i64,
}

/// What is kept of a repository, under the name of its series.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// Where it was found the last time it was.
    found: Option<Found>,
    /// Why it is not found now.
    lost: Option<Lack>,
    /// An owner has it no more; its name stays its own.
    #[serde(default)]
    gone: bool,
}

impl Found {
    fn new(ctx: &Context, asked: &str, fresh: &api::Repository) -> Self {
        let state = State {
            seen_at_ms: ctx.now.as_millisecond(),
            pushed_at: fresh.pushed_at,
            updated_at: fresh.updated_at,
            default_branch: fresh.default_branch.clone(),
            archived: fresh.archived,
            has_issues: fresh.has_issues,
            stars: fresh.stargazers_count,
        };
        // The same address gives the kept answer; how it is written makes no difference to GitHub.
        let is_same = asked.eq_ignore_ascii_case(&fresh.full_name);
        let full_name = if is_same { asked.to_owned() } else { fresh.full_name.clone() };
        Self { id: fresh.id, full_name, state: Some(state) }
    }

    /// How it stands, if this run has seen it.
    pub(super) fn state(&self, ctx: &Context) -> Option<&State> {
        self.state.as_ref().filter(|state| state.seen_at_ms == ctx.now.as_millisecond())
    }
}

impl Entry {
    /// What says nothing counts as not there.
    fn parse(record: &Record) -> Option<Self> {
        let entry: Self = serde_json::from_slice(&record.bytes).ok()?;
        (entry.found.is_some() || entry.lost.is_some()).then_some(entry)
    }

    fn record(&self, name: &str) -> Result<Record, Error> {
        let bytes = serde_json::to_vec(self).map_err(|error| Error::internal(format!("writing a record: {error}")))?;
        Ok(Record { key: name.to_owned(), group: String::new(), bytes })
    }

    fn of(found: Found) -> Self {
        Self { found: Some(found), ..Self::default() }
    }

    /// What is known without asking.
    fn known(&self) -> Option<Result<Found, Why>> {
        match (&self.lost, &self.found) {
            (Some(lost), _) => Some(Err(lost.why())),
            (None, found) => found.clone().map(Ok),
        }
    }
}

/// The repositories to read, one after another. What earlier runs found out is asked again when `anew` is set, as it is
/// once a run: what a list of names lacks, and the list of an owner.
pub(super) async fn resolve(ctx: &Context, measured: &Measured, anew: bool) -> Result<Vec<Repository>, Error> {
    match measured {
        Measured::Repositories(names) => resolve_names(ctx, names, anew).await,
        Measured::Owner(owner) => {
            let entries = entries(ctx).await?;
            if !anew && entries.values().any(|entry| !entry.gone) {
                let present = entries.into_iter().filter(|(_, entry)| !entry.gone);
                let known = present.filter_map(|(name, entry)| Some((name, entry.known()?)));
                return Ok(known.map(|(name, found)| Repository { name, found, fresh: None }).collect());
            }
            resolve_owner(ctx, owner, entries).await
        }
    }
}

async fn resolve_names(ctx: &Context, names: &[String], anew: bool) -> Result<Vec<Repository>, Error> {
    let records = ctx.records(STREAM, names).await?;
    let mut repositories = Vec::with_capacity(names.len());
    for name in names {
        let entry = records.iter().find(|record| record.key == *name).and_then(Entry::parse).unwrap_or_default();
        let known = entry.known().filter(|known| known.is_ok() || !(anew || ctx.forced));
        if let Some(found) = known {
            repositories.push(Repository { name: name.clone(), found, fresh: None });
            continue;
        }
        let number = entry.found.as_ref().map(|found| found.id);
        let looked_up = match look_up(ctx, name, number).await {
            Err(error) if error.is_connection_wide() => return Err(error),
            looked_up => looked_up,
        };
        let (found, fresh) = match looked_up {
            Ok((found, fresh)) => (Ok(found), Some(fresh)),
            Err(error) => (Err(refusal::why(error, Reading::Counts, name)), None),
        };
        if let Some(record) = note(name, &entry, &found)? {
            ctx.commit(Batch::new().upsert(STREAM, record)).await?;
        }
        repositories.push(Repository { name: name.clone(), found, fresh });
    }
    refuse_twice(repositories.iter().filter_map(|one| Some((one.name.as_str(), one.found.as_ref().ok()?.id))))?;
    Ok(repositories)
}

/// What to keep of where a repository was found, or that it was not, if that is news.
fn note(name: &str, before: &Entry, found: &Result<Found, Why>) -> Result<Option<Record>, Error> {
    let entry = match found {
        Ok(found) => Entry::of(found.clone()),
        // A state that was not seen again proves nothing.
        Err(why) => Entry {
            found: before.found.clone().map(|found| Found { state: None, ..found }),
            lost: Lack::of(why),
            gone: false,
        },
    };
    if entry == *before { Ok(None) } else { entry.record(name).map(Some) }
}

/// Looks for a repository under the name that a user gave.
pub(super) async fn find(ctx: &Context, name: &str) -> Result<Found, Error> {
    Ok(look_up(ctx, name, None).await?.0)
}

/// Looks for a repository under a name. With its number, the name may belong to another one by now.
async fn look_up(ctx: &Context, name: &str, number: Option<u64>) -> Result<(Found, api::Repository), Error> {
    let mut fresh = api::repository(&ctx.http, name).await?;
    if let Some(number) = number.filter(|number| *number != fresh.id) {
        fresh = api::repository_by_number(&ctx.http, number).await.map_err(|error| match error.kind() {
            FailureKind::NotFound => Error::not_found(format!(
                "{name} is the name of another repository now, and the one that was measured is gone; connect again to \
                 measure the one that has its name"
            )),
            _ => error,
        })?;
    }
    if !fresh.full_name.eq_ignore_ascii_case(name) {
        // Asked once under its new name, so that the next run hears there that nothing changed.
        let renamed = api::repository(&ctx.http, &fresh.full_name).await;
        fresh = renamed.ok().filter(|renamed| renamed.id == fresh.id).unwrap_or(fresh);
    }
    Ok((Found::new(ctx, name, &fresh), fresh))
}

/// What GitHub says of a repository now, if it is found. This is where a new name, and that it is gone, are noticed; what
/// is to be kept of it goes to the batch.
pub(super) async fn refresh(
    ctx: &Context,
    repository: &mut Repository,
    batch: &mut Batch,
) -> Result<Option<api::Repository>, Error> {
    if let Some(fresh) = repository.fresh.take() {
        return Ok(Some(fresh));
    }
    let Ok(known) = repository.found.clone() else { return Ok(None) };
    let looked_up = match look_up(ctx, &known.full_name, Some(known.id)).await {
        // Its name leads nowhere any more; its number may.
        Err(error) if error.status() == Some(404) => match api::repository_by_number(&ctx.http, known.id).await {
            Ok(fresh) => look_up(ctx, &fresh.full_name, Some(known.id)).await,
            Err(_) => Err(error),
        },
        looked_up => looked_up,
    };
    let (found, fresh) = match looked_up {
        Err(error) if error.is_connection_wide() => return Err(error),
        Err(error) => (Err(refusal::why(error, Reading::Counts, &repository.name)), None),
        Ok((found, fresh)) => (Ok(found), Some(fresh)),
    };
    if let Some(record) = note(&repository.name, &Entry::of(known), &found)? {
        *batch = std::mem::take(batch).upsert(STREAM, record);
    }
    repository.found = found;
    Ok(fresh)
}

/// An old and a new name of one repository would count it twice. Takes names with their numbers.
pub(super) fn refuse_twice<'a>(repositories: impl Iterator<Item = (&'a str, u64)>) -> Result<(), Error> {
    let mut ids = BTreeMap::new();
    for (name, id) in repositories {
        if let Some(other) = ids.insert(id, name) {
            return Err(Error::invalid_settings(format!(
                "repositories: {other} and {name} are the same repository; leave one of them out"
            )));
        }
    }
    Ok(())
}

/// Lists an owner's repositories. Each keeps the name of its series, whatever it is called by now; a new one that has the
/// name of another's series gets its number behind it.
async fn resolve_owner(
    ctx: &Context,
    owner: &str,
    mut entries: BTreeMap<String, Entry>,
) -> Result<Vec<Repository>, Error> {
    let (account, mut pages) = of_owner(ctx, owner).await?;
    let mut list = OwnersList::default();
    while let Some(page) = pages.next().await? {
        list.take(page.body);
        ctx.commit(Batch::new()).await?;
    }
    let before = entries.clone();
    let number = |entry: &Entry| entry.found.as_ref().map(|found| found.id);
    let mut names: BTreeMap<u64, String> =
        entries.iter().filter_map(|(name, entry)| Some((number(entry)?, name.clone()))).collect();
    let listed: BTreeSet<u64> = list.kept.iter().map(|one| one.id).collect();
    for entry in entries.values_mut().filter(|entry| number(entry).is_none_or(|id| !listed.contains(&id))) {
        match number(entry).filter(|_| !entry.gone) {
            Some(id) => match still_owned(ctx, &account, id).await? {
                Some(one) => list.kept.push(one),
                None => entry.gone = true,
            },
            None => entry.gone = true,
        }
    }
    if list.kept.is_empty() {
        return Err(Error::not_found(format!("{owner} has no repository that can be read")));
    }
    let mut repositories = Vec::with_capacity(list.kept.len());
    for one in list.kept {
        let name = names.remove(&one.id).unwrap_or_else(|| match entries.contains_key(&one.full_name) {
            true => format!("{} ({})", one.full_name, one.id),
            false => one.full_name.clone(),
        });
        let entry = entries.entry(name.clone()).or_default();
        let state = entry.found.take().and_then(|found| found.state);
        let found = Found { id: one.id, full_name: one.full_name, state };
        (entry.found, entry.gone) = (Some(found.clone()), false);
        repositories.push(Repository { name, found: Ok(found), fresh: None });
    }
    let mut batch = Batch::new();
    for (name, entry) in entries.iter().filter(|(name, entry)| before.get(*name) != Some(*entry)) {
        batch = batch.upsert(STREAM, entry.record(name)?);
    }
    ctx.commit(batch).await?;
    Ok(repositories)
}

/// A repository that an owner's list does not show any more. A list that shrinks while it is read may pass one over, so
/// that its own word counts.
async fn still_owned(ctx: &Context, owner: &api::Owner, id: u64) -> Result<Option<Listed>, Error> {
    match api::repository_by_number(&ctx.http, id).await {
        Ok(fresh) => {
            let (its_owner, _) = fresh.full_name.split_once('/').unwrap_or_default();
            let is_owned = its_owner.eq_ignore_ascii_case(&owner.login);
            Ok(is_owned.then_some(Listed { id, full_name: fresh.full_name, fork: false }))
        }
        Err(error) if error.is_connection_wide() || error.kind() == FailureKind::Unavailable => Err(error),
        Err(_) => Ok(None),
    }
}

async fn entries(ctx: &Context) -> Result<BTreeMap<String, Entry>, Error> {
    const AT_ONCE: u32 = 500;
    let mut entries = BTreeMap::new();
    let mut last: Option<Record> = None;
    loop {
        let records = ctx.scan(STREAM, Order::Key, last.as_ref(), AT_ONCE).await?;
        entries.extend(records.iter().filter_map(|record| Some((record.key.clone(), Entry::parse(record)?))));
        last = records.into_iter().next_back();
        if last.is_none() {
            return Ok(entries);
        }
    }
}

/// An owner's repositories: archived ones count, forks are mostly somebody else's work and do not.
#[derive(Debug, Default)]
pub(super) struct OwnersList {
    pub(super) kept: Vec<Listed>,
    pub(super) forks: usize,
}

impl OwnersList {
    /// Adds a page of them.
    pub(super) fn take(&mut self, page: Vec<Listed>) {
        let (forks, kept): (Vec<Listed>, Vec<Listed>) = page.into_iter().partition(|one| one.fork);
        self.forks += forks.len();
        for one in kept {
            // A list that grows while it is read repeats what it showed.
            if self.kept.iter().all(|known| known.id != one.id) {
                self.kept.push(one);
            }
        }
    }
}

/// The pages of the repositories of a user or an organisation.
pub(super) async fn of_owner(
    ctx: &Context,
    owner: &str,
) -> Result<(api::Owner, Pages<Vec<Listed>, impl api::Follow<Vec<Listed>> + use<>>), Error> {
    let http = &ctx.http;
    let owner = api::owner(http, owner).await.map_err(|error| match error.kind() {
        FailureKind::NotFound => Error::not_found(format!("GitHub has no user or organisation \"{owner}\"")),
        _ => error,
    })?;
    let list = match owner.kind.as_str() {
        "Organization" => Owned::Organisation(&owner.login),
        _ if is_own(ctx, &owner).await? => Owned::TokensUser,
        _ => Owned::User(&owner.login),
    };
    let pages = api::owned(http, list);
    Ok((owner, pages))
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
