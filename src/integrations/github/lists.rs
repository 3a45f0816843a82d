//! Reading what one repository has: each list in the way that GitHub gives it.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::{
    activity,
    api::{self, Changing, Dated},
    metrics::{
        OPEN_ISSUES, OPEN_PRS, Reading, TRAFFIC_CLONES, TRAFFIC_UNIQUE_CLONES, TRAFFIC_UNIQUE_VIEWS, TRAFFIC_VIEWS,
    },
    past::{Past, can_prove, first_of_history, first_open},
    refusal,
    repositories::{self, Found, Repository},
    series::{Part, utc_day},
    stars, workflows,
};
use crate::{
    http::Pages,
    integrations::{Batch, Context, Error},
    metric::{Day, FailureKind, Period, Zone},
};

/// So often a list is looked at again that changes while it is read.
const MOST_LOOKS: u32 = 10;

/// What one reading of one repository gave.
pub(super) struct Read {
    pub(super) part: Part,
    /// The days of which it tells everything, but for those with a reason.
    pub(super) covered: Period,
}

/// All days, those to come included: of a list that was read to its end everything is known.
pub(super) fn ever() -> Period {
    let first = Day::from_number(0).unwrap_or_else(|| utc_day(Timestamp::UNIX_EPOCH));
    since(first)
}

/// All days from one on.
pub(super) fn since(first: Day) -> Period {
    Period::new(first, first.plus(i32::MAX))
}

/// Does one reading of one repository, for these days at least.
pub(super) async fn read(
    ctx: &Context,
    reading: Reading,
    found: &Found,
    days: Period,
    past: &mut Past,
) -> Result<Read, Error> {
    let path = &found.full_name;
    let mut part = Part::new(ever());
    let covered = match reading {
        Reading::Counts => return Err(Error::internal("the counts are no list")),
        Reading::Commits => commits(ctx, found, days, &mut part, past.is_empty()).await?,
        Reading::Issues => changed(ctx, api::ISSUES, path, days, |issue| activity::issue(&mut part, issue)).await?,
        Reading::Pulls => changed(ctx, api::PULLS, path, days, |pull| activity::pull(&mut part, pull)).await?,
        Reading::Releases => {
            let pages = api::releases(&ctx.http, path);
            each(ctx, pages, |release| release.id, |release| activity::release(&mut part, release, ctx.today()))
                .await?;
            ever()
        }
        Reading::Workflows => workflows::read(ctx, path, days, &mut part, past.is_empty()).await?,
        Reading::Stars => stars::read(ctx, found, days, &mut part, past).await?,
        Reading::Views => {
            let views = api::views(&ctx.http, path, ctx.grain).await?;
            activity::traffic(&mut part, &views, TRAFFIC_VIEWS, TRAFFIC_UNIQUE_VIEWS)?;
            days
        }
        Reading::Clones => {
            let clones = api::clones(&ctx.http, path, ctx.grain).await?;
            activity::traffic(&mut part, &clones, TRAFFIC_CLONES, TRAFFIC_UNIQUE_CLONES)?;
            days
        }
    };
    if covered.end() > ctx.today() && covered.start() <= days.start() {
        past.note_state(reading, found.state(ctx), covered.start(), ctx.now);
    }
    Ok(Read { part, covered })
}

/// Takes every thing of a list once. A list that moves on while it is read repeats things of the page before.
async fn each<T, K, F>(
    ctx: &Context,
    mut pages: Pages<Vec<T>, F>,
    key: impl Fn(&T) -> K,
    mut take: impl FnMut(&T) -> Result<(), Error>,
) -> Result<(), Error>
where
    T: DeserializeOwned,
    K: PartialEq,
    F: api::Follow<Vec<T>>,
{
    let mut before: Vec<K> = Vec::new();
    while let Some(page) = pages.next().await? {
        let keys: Vec<K> = page.body.iter().map(&key).collect();
        let fresh = page.body.iter().zip(&keys).filter(|(_, key)| !before.contains(key));
        fresh.map(|(thing, _)| thing).try_for_each(&mut take)?;
        before = keys;
        keep(ctx, page.link("next").is_some() && !page.not_modified).await?;
    }
    Ok(())
}

/// Lets go of the pages of a long list, so that memory stays flat. They may be kept before the values made of them:
/// asked again, "not modified" gives the very same page.
pub(super) async fn keep(ctx: &Context, is_long: bool) -> Result<(), Error> {
    if is_long { ctx.commit(Batch::new()).await } else { Ok(()) }
}

/// Takes every thing of a list with the last changed first, down to what was not changed since these days began. Gives
/// the days of which that tells everything.
///
/// What is changed while the list is read comes to its front, where it was passed already. So a list of several pages is
/// looked at from its front again, until one page shows all that has moved.
async fn changed<T: Changing + DeserializeOwned>(
    ctx: &Context,
    list: &'static str,
    path: &str,
    days: Period,
    mut take: impl FnMut(&T) -> Result<(), Error>,
) -> Result<Period, Error> {
    let mut seen: HashSet<u64> = HashSet::new();
    let mut covered = ever();
    let mut down_to = Zone::utc().start_of(days.start());
    for look in 0..MOST_LOOKS {
        let mut pages = api::changed::<T>(&ctx.http, list, path, down_to);
        let (mut count, mut newest, known) = (0, None, seen.len());
        while let Some(page) = pages.next().await? {
            count += 1;
            newest = newest.or(page.body.first().map(T::updated_at));
            page.body.iter().filter(|thing| seen.insert(thing.id())).try_for_each(&mut take)?;
            let last = page.body.last().map(T::updated_at);
            let stopped = last.filter(|last| *last < down_to && page.link("next").is_some());
            if let Some(last) = stopped.filter(|_| look == 0) {
                covered = since(utc_day(last).next());
            }
            keep(ctx, stopped.is_none() && page.link("next").is_some() && !page.not_modified).await?;
        }
        let is_still = look > 0 && seen.len() == known;
        let Some(newest) = newest.filter(|_| count > 1 && !is_still) else { return Ok(covered) };
        down_to = newest;
    }
    Err(Error::new(FailureKind::Unavailable, "the list changes faster than it can be read"))
}

/// Reads commits. Gives the days of which that tells everything.
async fn commits(ctx: &Context, found: &Found, days: Period, part: &mut Part, is_first: bool) -> Result<Period, Error> {
    match commits_of_some(ctx, found, days, part, is_first).await {
        // An empty repository.
        Err(error) if error.status() == Some(409) => Ok(ever()),
        covered => covered,
    }
}

/// The days before those that GitHub may restate are asked for apart, unless a later run will see without asking that
/// nothing was pushed: the same address is to be asked for then.
async fn commits_of_some(
    ctx: &Context,
    found: &Found,
    days: Period,
    part: &mut Part,
    is_first: bool,
) -> Result<Period, Error> {
    let is_newest = days.end() > ctx.today();
    let is_proven_later = found.state(ctx).is_some_and(|state| can_prove(Reading::Commits, state, ctx.now));
    if is_first && is_newest && is_proven_later {
        let covered = since(first_of_history(ctx.today()).min(days.start()));
        if commits_at_once(ctx, found, covered, part).await? {
            return Ok(covered);
        }
    }
    let open = first_open(ctx.today()).max(days.start());
    let lists: Vec<(Period, Dated<Day>)> = match (is_newest, is_proven_later || open == days.start()) {
        (false, _) => vec![(days, Dated { from: days.start(), to: Some(days.end()), again: false })],
        (true, true) => vec![(since(days.start()), Dated { from: days.start(), to: None, again: !is_proven_later })],
        (true, false) => vec![
            (since(open), Dated { from: open, to: None, again: true }),
            (Period::new(days.start(), open), Dated { from: days.start(), to: Some(open), again: false }),
        ],
    };
    for (period, list) in lists {
        part.count_only(period);
        let pages = api::commits(&ctx.http, &found.full_name, list);
        each(ctx, pages, |commit| commit.sha.clone(), |commit| activity::commit(part, commit)).await?;
    }
    Ok(if is_newest { since(days.start()) } else { days })
}

/// Of most repositories one page holds all that a first sync will ask for. Says whether it does; else nothing is taken.
async fn commits_at_once(ctx: &Context, found: &Found, days: Period, part: &mut Part) -> Result<bool, Error> {
    let list = Dated { from: days.start(), to: None, again: false };
    let page = api::commits(&ctx.http, &found.full_name, list).next().await?;
    let Some(page) = page.filter(|page| page.link("next").is_none()) else { return Ok(false) };
    part.count_only(days);
    page.body.iter().try_for_each(|commit| activity::commit(part, commit))?;
    Ok(true)
}

/// The counts of a repository, and how many of its open issues are pull requests, unless it is not found any more. What is
/// to be kept of the repository goes to the batch.
pub(super) async fn counts(
    ctx: &Context,
    repository: &mut Repository,
    part: &mut Part,
    batch: &mut Batch,
) -> Result<(), Error> {
    let Some(fresh) = repositories::refresh(ctx, repository, batch).await? else { return Ok(()) };
    let found = match &repository.found {
        Ok(found) => found,
        Err(_) => return Ok(()),
    };
    activity::counts(part, &fresh, ctx.today())?;
    let pulls = match fresh.open_issues_count {
        0 => Ok(0),
        _ => api::open_pulls(&ctx.http, &found.full_name).await,
    };
    let Err(error) = pulls.and_then(|pulls| activity::open(part, &fresh, pulls, ctx.today())) else { return Ok(()) };
    if error.is_connection_wide() {
        return Err(error);
    }
    let (why, today) = (refusal::why(error, Reading::Pulls, &repository.name), Period::single(ctx.today()));
    [OPEN_ISSUES, OPEN_PRS].iter().for_each(|metric| part.lose(metric, today, &why));
    Ok(())
}
