//! Reading the metrics: repository by repository, each kept as soon as it is read, and the totals at the end.

use std::collections::BTreeMap;

use super::{
    lists::{self, Read},
    metrics::{self, Reading, Row},
    past::Past,
    refusal::{Missing, missing, switched_off},
    repositories::{self, Found, Repository},
    series::{Part, beyond_retention},
    settings::Measured,
    totals::Totals,
};
use crate::{
    integrations::{Batch, Context, Error, FetchReport, Outcome, Why},
    metric::{Interval, Period},
};

/// Of so many repositories that refused a reading the last time, each run tries it again; of the others once a day. A
/// token that lacks a permission lacks it for all of them, and a refusal is never free.
const TRIED_AGAIN: u32 = 10;
/// So many answers and gaps that change nothing are kept at once.
const AT_ONCE: usize = 200;
/// Why a month has no unique visitors.
const NO_MONTHS: &str = "GitHub tells unique visitors and cloners of days and weeks, not of months";

/// Reads the requested metrics and notes each one's outcome in the report.
pub(super) async fn fetch(
    ctx: &Context,
    mut report: FetchReport,
    metrics: &[String],
    period: Period,
) -> Result<FetchReport, Error> {
    let wanted: Vec<&'static Row> = metrics.iter().filter_map(|id| metrics::find(id)).collect();
    if wanted.is_empty() {
        return Ok(report);
    }
    let anew = wanted.iter().any(|row| row.reading == Reading::Counts);
    let mut repositories = repositories::resolve(ctx, &Measured::parse(&ctx.settings)?, anew).await?;
    let period = period.intersect(Period::new(period.start(), ctx.today().next()));
    for reading in Reading::ALL {
        let rows: Vec<&Row> = wanted.iter().copied().filter(|row| row.reading == reading).collect();
        if rows.is_empty() {
            continue;
        }
        for (row, outcome) in read(ctx, reading, &rows, &mut repositories, period).await? {
            report.set(row, outcome);
        }
    }
    Ok(report)
}

/// Does one reading for all repositories. What concerns the whole connection ends it; repositories that were read
/// until then are kept.
async fn read(
    ctx: &Context,
    reading: Reading,
    rows: &[&'static Row],
    repositories: &mut [Repository],
    period: Period,
) -> Result<BTreeMap<&'static str, Outcome>, Error> {
    let (lost, why): (Vec<Period>, Why) = match reading.tells(ctx.grain) {
        true => (rows.iter().map(|row| beyond_retention(row, period, ctx.today())).collect(), Why::BeyondRetention),
        false => (vec![period; rows.len()], Why::Unsupported(NO_MONTHS.to_owned())),
    };
    let start = lost.iter().map(|lost| lost.end()).min().unwrap_or(period.start());
    let readable = Period::new(start, period.end());
    let mut totals = Totals::new(rows, repositories.len());
    let mut tries = Tries { ctx, reading, refused_again: 0, granted: false };
    let mut batch = Batch::new();
    let mut bytes = ctx.http.counters().bytes;
    for repository in repositories {
        let part = match readable.is_empty() {
            true => Part::new(readable),
            false => tries.of(repository, readable, &mut batch).await?,
        };
        totals.add(&part)?;
        for (row, lost) in rows.iter().zip(&lost) {
            let mut days = part.days(row.id);
            days.lose(*lost, &why);
            let days = days.in_buckets(ctx.grain, row.kind)?;
            batch = days.write(batch, row.id, Some(&repository.name), ctx.grain.whole(period));
        }
        // What was answered in full is kept at once; of what is unchanged several go together.
        let is_news = ctx.http.counters().bytes > bytes;
        if is_news || batch.answers.len() + batch.gaps.len() >= AT_ONCE {
            bytes = ctx.http.counters().bytes;
            ctx.commit(std::mem::take(&mut batch)).await?;
        }
    }
    let (days, outcomes) = totals.finish(readable);
    for ((row, lost), mut days) in rows.iter().zip(&lost).zip(days) {
        days.lose(*lost, &why);
        let days = days.in_buckets(ctx.grain, row.kind)?;
        batch = days.write(batch, row.id, None, ctx.grain.whole(period));
    }
    ctx.commit(batch).await?;
    Ok(outcomes)
}

/// One reading of one repository after another, and how often it was refused on the way.
struct Tries<'a> {
    ctx: &'a Context,
    reading: Reading,
    refused_again: u32,
    /// What was refused the last time is not refused any more.
    granted: bool,
}

impl Tries<'_> {
    /// What is known of a repository's days: read now, or by an earlier run where they are settled.
    async fn of(&mut self, repository: &mut Repository, days: Period, batch: &mut Batch) -> Result<Part, Error> {
        let (ctx, reading) = (self.ctx, self.reading);
        let mut part = Part::new(days);
        if reading == Reading::Counts {
            lists::counts(ctx, repository, &mut part, batch).await?;
        }
        let found = match &repository.found {
            Ok(_) if reading == Reading::Counts => return Ok(part),
            Ok(found) => found.clone(),
            Err(why) => {
                part.lose_all(days, reading, why);
                return Ok(part);
            }
        };
        let before = Past::load(ctx, reading, found.id).await?;
        let mut past = before.clone();
        // Weeks and months are made of what their days hold, which were read anew before them; those of traffic are asked for.
        let is_of_days = ctx.grain == Interval::Day;
        let forced = ctx.forced && is_of_days;
        let open = if forced { days } else { past.open_days(days) };
        let is_read = !is_of_days && past.is_recent(open);
        let is_known =
            open.is_empty() || is_read || !forced && past.is_unchanged(reading, found.state(ctx), open, ctx.today());
        let read = if is_known { Ok(None) } else { self.ask(repository, &found, open, &mut past).await? };
        part = match &read {
            Ok(Some(Read { part, covered })) => {
                past.take(reading, part, *covered, ctx.today());
                let mut known = past.part(reading, days)?;
                known.lose_as(part, open, reading);
                known
            }
            Ok(None) | Err(_) => past.part(reading, days)?,
        };
        if read.is_err() {
            past.forget_recent();
        }
        match read {
            Ok(_) => {}
            Err(Missing::Why(why)) => part.lose_all(open, reading, &why),
            Err(Missing::Absent(reason)) => part.be_absent(open, reading, reason),
        }
        *batch = past.save(std::mem::take(batch), reading, found.id, &before)?;
        Ok(part)
    }

    /// Asks for days of a repository, unless it is clear what the answer would be.
    async fn ask(
        &mut self,
        repository: &Repository,
        found: &Found,
        open: Period,
        past: &mut Past,
    ) -> Result<Result<Option<Read>, Missing>, Error> {
        let (ctx, reading) = (self.ctx, self.reading);
        if reading == Reading::Issues && found.state(ctx).is_some_and(|state| state.has_issues == Some(false)) {
            return Ok(Err(Missing::Absent(switched_off(&repository.name))));
        }
        let was_refused = past.refusal(ctx.today()).map(|(lack, is_of_today)| (lack.clone(), is_of_today));
        if let Some((lack, is_of_today)) = was_refused.clone().filter(|_| !ctx.forced) {
            // The window that ends today has tried it, or will.
            let is_newest = open.contains(ctx.today()) && ctx.grain == Interval::Day;
            let is_enough = is_of_today && !self.granted && self.refused_again >= TRIED_AGAIN;
            if !is_newest || is_enough {
                return Ok(Err(Missing::from(lack)));
            }
        }
        let error = match lists::read(ctx, reading, found, open, past).await {
            Ok(read) => {
                self.granted |= was_refused.is_some();
                return Ok(Ok(Some(read)));
            }
            Err(error) => error,
        };
        let missing = missing(ctx, error, reading, repository, found).await?;
        let lack = missing.lack();
        self.refused_again += u32::from(lack.is_some() && was_refused.is_some());
        past.refuse(lack, ctx.today());
        Ok(Err(missing))
    }
}
