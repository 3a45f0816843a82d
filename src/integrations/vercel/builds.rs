//! Reading deployments, and what is kept of them by day.
//!
//! A day is read until it has settled, and not again: Vercel deletes deployments by age, and a day that shrinks must not
//! take the place of what was seen. So a record holds all of a day's deployments; the 95th percentile of a month is made of
//! them without asking once more.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    api,
    deployment::{Built, is_deleted},
    metrics::{self, DEPLOYMENTS_TODAY, Reading, Row, SETTLES_AFTER_DAYS},
    projects::Projects,
    series::{Buckets, Series},
};
use crate::{
    integrations::{Batch, Context, Error, Outcome, Record, Why},
    metric::{Day, Interval, Period, Zone},
};

const DAY_MS: i64 = 86_400_000;
/// So many answers and gaps are kept at once.
const AT_ONCE: usize = 200;

/// A day's deployments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Shelf {
    /// Whether it was read when nothing of it could change any more.
    settled: bool,
    deployments: Vec<Built>,
}

type Shelves = BTreeMap<Day, Shelf>;

/// Reads the deployments of some buckets and commits what they come to.
pub(super) async fn read(
    ctx: &Context,
    rows: &[&'static Row],
    projects: &mut Projects,
    buckets: &Buckets,
) -> Result<BTreeMap<&'static str, Outcome>, Error> {
    let today = ctx.today();
    let is_today_wanted = rows.iter().any(|row| row.id == DEPLOYMENTS_TODAY) && buckets.days.contains(today);
    // The last 24 hours began yesterday.
    let first = if is_today_wanted { buckets.days.start().min(today.plus(-1)) } else { buckets.days.start() };
    let days = Period::new(first, buckets.days.end());
    let missing = projects.missing();
    if projects.present().next().is_none()
        && let Some((_, Why::Failed(error))) = missing.first()
    {
        return Err(error.clone());
    }
    let mut shelves = load(ctx, days).await?;
    let is_open = |day: &Day| {
        let is_settled = shelves.get(day).is_some_and(|shelf| shelf.settled);
        // Weeks and months are made of what this run has read of their days.
        let is_read = buckets.grain != Interval::Day && (is_settled || projects.is_read(*day));
        !is_read && (ctx.forced || !is_settled)
    };
    if let (Some(first), Some(last)) = (days.days().find(is_open), days.days().rfind(is_open)) {
        list(ctx, projects, Period::inclusive(first, last), &mut shelves).await?;
        // What lies between was read by this run as well.
        projects.note_read(first, last.next());
    }
    let lost = |row: &Row| row.retention_days().map(|days| today.plus(1 - i32::from(days)));
    let all: Vec<&Built> = shelves.values().flat_map(|shelf| &shelf.deployments).collect();
    let mut batch = projects.keep(Batch::new())?;
    let mut outcomes = BTreeMap::new();
    for row in rows {
        for project in projects.ever() {
            let of_project: Vec<&Built> = all.iter().copied().filter(|one| one.project == project.id).collect();
            if project.gone && of_project.is_empty() {
                continue;
            }
            let series = series(ctx, row, &of_project, buckets, lost(row));
            batch = series.write(batch, row.id, Some(&project.name), buckets);
            if batch.answers.len() + batch.gaps.len() >= AT_ONCE {
                ctx.commit(std::mem::take(&mut batch)).await?;
            }
        }
        let mut total = series(ctx, row, &all, buckets, lost(row));
        for (name, why) in projects.missing() {
            let mut unknown = Series::default();
            buckets.list.iter().for_each(|bucket| unknown.lose(*bucket, &why));
            buckets.list.iter().for_each(|bucket| total.lose(*bucket, &why));
            batch = unknown.write(batch, row.id, Some(name), buckets);
        }
        batch = total.write(batch, row.id, None, buckets);
        outcomes.insert(row.id, total.outcome());
    }
    ctx.commit(batch).await?;
    Ok(outcomes)
}

/// What a metric comes to in each bucket.
fn series(ctx: &Context, row: &Row, of: &[&Built], buckets: &Buckets, beyond: Option<Day>) -> Series {
    let mut series = Series::default();
    if let Some(first) = beyond {
        series.lose_before(first, buckets, &Why::BeyondRetention);
    }
    let mut by_bucket: BTreeMap<Day, Vec<&Built>> = BTreeMap::new();
    for one in of {
        let Ok(day) = one.day() else { continue };
        by_bucket.entry(buckets.grain.bucket(day).start()).or_default().push(one);
    }
    for bucket in &buckets.list {
        let empty = Vec::new();
        let inside = by_bucket.get(&buckets.grain.bucket(bucket.start()).start()).unwrap_or(&empty);
        let recent: Vec<&Built>;
        let inside = if row.id == DEPLOYMENTS_TODAY {
            let now = ctx.now.as_millisecond();
            let is_recent = |one: &&&Built| now.saturating_sub(one.created_ms) < DAY_MS;
            recent = of.iter().filter(is_recent).copied().collect();
            &recent
        } else {
            inside
        };
        match metrics::measure(row.id, inside) {
            Ok(value) => series.set(*bucket, value),
            Err(state) => {
                let message = format!("Vercel says of a deployment \"{state}\", which this version does not know");
                series.lose(*bucket, &Why::Failed(Error::invalid_response(message)));
            }
        }
    }
    series
}

async fn load(ctx: &Context, days: Period) -> Result<Shelves, Error> {
    let keys: Vec<String> = days.days().map(|day| day.to_string()).collect();
    let records = ctx.records(Reading::Builds.stream(), &keys).await?;
    // What cannot be read any more is read again.
    let read = |record: &Record| Some((record.key.parse().ok()?, postcard::from_bytes(&record.bytes).ok()?));
    Ok(records.iter().filter_map(read).collect())
}

/// Reads the list of all deployments that were made on these days, the newest first, and keeps each day as soon as it is
/// whole, so that a run that was stopped goes on behind it.
async fn list(ctx: &Context, projects: &mut Projects, days: Period, shelves: &mut Shelves) -> Result<(), Error> {
    let zone = Zone::utc();
    let (from, to) = zone.bounds(days);
    // What is made while the list is read may as well be shown.
    let until_ms = (days.end() <= ctx.today()).then(|| to.as_millisecond() - 1);
    let mut pages =
        api::deployments(&ctx.http, projects.team.as_ref(), &projects.ids(), from.as_millisecond(), until_ms);
    let mut open: BTreeMap<Day, BTreeMap<String, (Built, bool)>> = BTreeMap::new();
    let mut end = days.end();
    while let Some(page) = pages.next().await? {
        let mut oldest = None;
        for listed in &page.body.deployments {
            let mut built = Built::of(listed);
            if let Some(id) = projects.called(&listed.name).filter(|_| listed.project_id.is_none()) {
                id.clone_into(&mut built.project);
            }
            let day = built.day()?;
            if day >= days.end() && until_ms.is_none() {
                // Tomorrow has begun.
                continue;
            }
            let is_known =
                || shelves.get(&day).is_some_and(|shelf| shelf.deployments.iter().any(|one| one.uid == built.uid));
            if !days.contains(day) || day >= end && !is_known() {
                return Err(Error::invalid_response(
                    "the list of deployments holds what was not asked for, or is not in order",
                ));
            }
            if day < end {
                projects.note(&built.project, &listed.name);
                open.entry(day).or_default().insert(built.uid.clone(), (built, is_deleted(listed)));
            }
            oldest = Some(day);
        }
        // The day of the last one goes on with the next page.
        if let Some(oldest) = oldest.filter(|oldest| oldest.next() < end) {
            let batch = keep(ctx, shelves, &mut open, Period::new(oldest.next(), end))?;
            end = oldest.next();
            ctx.commit(batch).await?;
        }
    }
    let batch = keep(ctx, shelves, &mut open, Period::new(days.start(), end))?;
    ctx.commit(batch).await
}

/// Takes whole days over what was kept of them.
fn keep(
    ctx: &Context,
    shelves: &mut Shelves,
    open: &mut BTreeMap<Day, BTreeMap<String, (Built, bool)>>,
    days: Period,
) -> Result<Batch, Error> {
    let mut batch = Batch::new();
    for day in days.days() {
        let settled = day < ctx.today().plus(-i32::from(SETTLES_AFTER_DAYS));
        let listed = open.remove(&day).unwrap_or_default();
        let before = shelves.get(&day);
        let shelf =
            Shelf { settled, deployments: merged(before.map(|shelf| shelf.deployments.as_slice()), listed, settled) };
        if before != Some(&shelf) {
            let bytes =
                postcard::to_allocvec(&shelf).map_err(|error| Error::internal(format!("writing a record: {error}")))?;
            let record = Record { key: day.to_string(), group: String::new(), bytes };
            batch = batch.upsert(Reading::Builds.stream(), record);
            shelves.insert(day, shelf);
        }
    }
    Ok(batch)
}

/// What is known of a day now. Of one that has settled nothing is taken away: what is not listed any more was deleted by
/// age. What is listed as deleted does not say what became of it any more, so that what was known stands.
fn merged(before: Option<&[Built]>, listed: BTreeMap<String, (Built, bool)>, settled: bool) -> Vec<Built> {
    let known: BTreeMap<&str, &Built> = before.unwrap_or_default().iter().map(|one| (one.uid.as_str(), one)).collect();
    let shown: BTreeSet<String> = listed.keys().cloned().collect();
    let mut all: Vec<Built> = listed
        .into_values()
        .map(|(built, is_deleted)| match known.get(built.uid.as_str()) {
            Some(known) if is_deleted => (*known).clone(),
            _ => built,
        })
        .collect();
    if settled {
        all.extend(known.values().filter(|one| !shown.contains(&one.uid)).map(|one| (*one).clone()));
    }
    all.sort_by(|one, other| (one.created_ms, &one.uid).cmp(&(other.created_ms, &other.uid)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrations::vercel::deployment::{End, Target};

    fn built(uid: &str, end: End) -> Built {
        let (uid, project) = (uid.to_owned(), "prj_1".to_owned());
        Built { uid, project, created_ms: 5, end, target: Target::Preview, build_ms: Some(9), queue_ms: None }
    }

    fn listed(all: &[(Built, bool)]) -> BTreeMap<String, (Built, bool)> {
        all.iter().map(|(one, is_deleted)| (one.uid.clone(), (one.clone(), *is_deleted))).collect()
    }

    #[test]
    fn an_old_day_never_shrinks_and_a_young_one_is_as_it_is_listed() {
        let before = [built("a", End::Ready), built("b", End::Failed)];
        let now = listed(&[(built("b", End::Failed), false), (built("c", End::Open), false)]);
        let names = |settled| -> Vec<String> {
            merged(Some(&before), now.clone(), settled).into_iter().map(|one| one.uid).collect()
        };
        assert_eq!(names(true), ["a", "b", "c"]);
        assert_eq!(names(false), ["b", "c"]);
    }

    #[test]
    fn what_was_seen_stands_over_what_is_deleted_since() {
        let before = [built("a", End::Ready)];
        let gone = Built { build_ms: None, ..built("a", End::Neither) };
        assert_eq!(merged(Some(&before), listed(&[(gone.clone(), true)]), true), before);
        assert_eq!(merged(None, listed(&[(gone.clone(), true)]), true), [gone]);
        let done = Built { build_ms: Some(70), ..built("a", End::Ready) };
        assert_eq!(merged(Some(&[built("a", End::Open)]), listed(&[(done.clone(), false)]), false), [done]);
    }
}
