//! Page views and visitors, project by project.

use std::collections::BTreeMap;

use super::{
    api,
    metrics::{PAGEVIEWS, Row, VISITORS, amount},
    projects::{Project, Projects},
    series::{Buckets, Series},
};
use crate::{
    integrations::{Batch, Context, Error, Outcome, Why},
    metric::{Day, FailureKind, Interval, Period, Zone},
};

/// So many answers and gaps are kept at once.
const AT_ONCE: usize = 200;
const PLAN: &str = "the plan at Vercel does not include Web Analytics, or not that far back";

/// What one project's visits are: page views and visitors of each bucket.
type Visits = BTreeMap<Day, (i64, i64)>;

/// Reads the visits of each project that counts them and commits what they come to.
pub(super) async fn read(
    ctx: &Context,
    rows: &[&'static Row],
    projects: &Projects,
    buckets: &Buckets,
) -> Result<BTreeMap<&'static str, Outcome>, Error> {
    let beyond = rows.iter().filter_map(|row| row.retention_days()).max();
    let beyond = beyond.map(|days| ctx.today().plus(1 - i32::from(days)));
    let mut batch = Batch::new();
    let mut totals: Vec<Series> = rows.iter().map(|_| Series::default()).collect();
    let (mut counted, mut off) = (0, None);
    // Of all that count: the first day on which any did, and what was counted.
    let (mut since, mut all, none) = (None, Visits::new(), Visits::new());
    for project in projects.present() {
        let answer = match project.counts_since {
            Some(_) => of_project(ctx, projects, project, buckets, beyond).await,
            None => Err(Why::Unsupported(switched_off(&project.name))),
        };
        if let Err(Why::Failed(error)) = &answer
            && error.is_connection_wide()
        {
            return Err(error.clone());
        }
        let is_off = matches!(answer, Err(Why::Unsupported(_)));
        if !is_off {
            counted += 1;
            since = since.into_iter().chain(project.counts_since).min();
            all.extend(answer.iter().flatten());
        }
        // One that does not count is not among what was measured.
        for (row, total) in rows.iter().zip(&mut totals).filter(|_| !is_off) {
            let mut series = series(row, &answer, buckets, beyond);
            let sum = total.add(&series);
            sum.ok_or_else(|| Error::invalid_response("a sum of what was answered does not fit 64 bits"))?;
            lose_uncounted(&mut series, project.counts_since, answer.as_ref().unwrap_or(&none), buckets);
            batch = series.write(batch, row.id, Some(&project.name), buckets);
        }
        if batch.answers.len() + batch.gaps.len() >= AT_ONCE {
            ctx.commit(std::mem::take(&mut batch)).await?;
        }
        if let Err(why @ Why::Unsupported(_)) = answer {
            let is_plan = why == Why::Unsupported(PLAN.to_owned());
            off.get_or_insert(why);
            if is_plan {
                // It is the same for all of them.
                break;
            }
        }
    }
    let mut outcomes = BTreeMap::new();
    for (row, mut total) in rows.iter().zip(totals) {
        let lack = match &off {
            _ if counted > 1 && row.id == VISITORS => {
                Some(Why::Unsupported(format!("visitors of {counted} projects overlap; see each")))
            }
            Some(why) if counted == 0 => Some(why.clone()),
            _ => None,
        };
        lose_uncounted(&mut total, since, &all, buckets);
        let missing = projects.missing();
        let lacks = missing.iter().map(|(_, why)| why).chain(&lack);
        lacks.for_each(|why| buckets.list.iter().for_each(|bucket| total.lose(*bucket, why)));
        batch = total.write(batch, row.id, None, buckets);
        outcomes.insert(row.id, total.outcome());
    }
    ctx.commit(batch).await?;
    Ok(outcomes)
}

/// What a project's buckets hold, or why that is not known.
async fn of_project(
    ctx: &Context,
    projects: &Projects,
    project: &Project,
    buckets: &Buckets,
    beyond: Option<Day>,
) -> Result<Visits, Why> {
    let team = projects.team.as_ref();
    let start = beyond.map_or(buckets.days.start(), |first| buckets.days.start().max(first));
    let days = Period::new(start, buckets.days.end());
    if days.is_empty() {
        return Ok(Visits::new());
    }
    let why = |error| refusal(error, &project.name);
    if buckets.grain == Interval::Day {
        let answer = api::visits_by_day(&ctx.http, team, &project.id, days).await.map_err(why)?;
        return by_day(&answer, days).map_err(why);
    }
    let mut visits = Visits::new();
    // The days of a week or month that are kept no more are not told by those that are.
    for bucket in buckets.list.iter().filter(|bucket| days.contains(bucket.start())) {
        let answer = api::visits_together(&ctx.http, team, &project.id, bucket.intersect(days)).await.map_err(why)?;
        visits.insert(bucket.start(), together(&answer).map_err(why)?);
    }
    Ok(visits)
}

fn by_day(answer: &api::DaysOfVisits, days: Period) -> Result<Visits, Error> {
    let mut visits = Visits::new();
    for row in &answer.data {
        let day = Day::of(row.timestamp, &Zone::utc());
        let is_midnight = Zone::utc().start_of(day) == row.timestamp;
        if !is_midnight || !days.contains(day) || visits.insert(day, (row.pageviews, row.visitors)).is_some() {
            return Err(Error::invalid_response("the days of the visits are not those that were asked for"));
        }
    }
    Ok(visits)
}

/// Production alone was asked for, so that there is one row at most.
fn together(answer: &api::Visits) -> Result<(i64, i64), Error> {
    match answer.data.as_slice() {
        [] => Ok((0, 0)),
        [one] if one.environment == "production" => Ok((one.pageviews, one.visitors)),
        _ => Err(Error::invalid_response("the visits are not those of production alone")),
    }
}

/// What a metric comes to in each bucket.
fn series(row: &Row, answer: &Result<Visits, Why>, buckets: &Buckets, beyond: Option<Day>) -> Series {
    let mut series = Series::default();
    if let Some(first) = beyond {
        series.lose_before(first, buckets, &Why::BeyondRetention);
    }
    for bucket in &buckets.list {
        match answer {
            Ok(visits) => {
                let (pageviews, visitors) = visits.get(&bucket.start()).copied().unwrap_or_default();
                let number = if row.id == PAGEVIEWS { pageviews } else { visitors };
                series.set(*bucket, Some(amount(row, number)));
            }
            Err(why) => series.lose(*bucket, why),
        }
    }
    series
}

/// Nobody was counted before a day: that says nothing of how many came.
fn lose_uncounted(series: &mut Series, since: Option<i32>, visits: &Visits, buckets: &Buckets) {
    let Some(since) = since.and_then(Day::from_number) else { return };
    let is_uncounted = |bucket: &&Period| bucket.end() <= since && !visits.contains_key(&bucket.start());
    buckets.list.iter().filter(is_uncounted).for_each(|bucket| series.lose(*bucket, &Why::BeyondRetention));
}

fn switched_off(project: &str) -> String {
    format!("{project}: Web Analytics is not switched on for this project")
}

/// What an error says about one project.
pub(super) fn refusal(error: Error, project: &str) -> Why {
    match (error.kind(), error.status()) {
        (FailureKind::PlanRequired, Some(400)) => Why::Unsupported(switched_off(project)),
        (FailureKind::PlanRequired, _) => Why::Unsupported(PLAN.to_owned()),
        (FailureKind::Forbidden, _) => {
            let said = error.provider_message().map(|said| format!(" (Vercel: {said})")).unwrap_or_default();
            let message = format!("{project}: the token's owner may not read Web Analytics{said}");
            Why::Failed(Error::new(FailureKind::Forbidden, message))
        }
        _ => Why::Failed(error.context("project", project)),
    }
}
