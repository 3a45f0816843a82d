//! Reading the metrics: repository by repository, each kept as soon as it is read, and the totals at the end.

use std::collections::BTreeMap;

use super::{
    api, lists,
    metrics::{self, Reading, Row},
    repositories::{self, Repository},
    series::{Part, beyond_retention},
    settings::Measured,
    totals::Totals,
};
use crate::{
    integrations::{Batch, Context, Error, FetchReport, Outcome, Why},
    metric::{FailureKind, Period},
};

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
    let relist = wanted.iter().any(|row| row.reading == Reading::Counts);
    let repositories = repositories::resolve(ctx, &Measured::parse(&ctx.settings)?, relist).await?;
    let period = period.intersect(Period::new(period.start(), ctx.today().next()));
    for reading in Reading::ALL {
        let rows: Vec<&Row> = wanted.iter().copied().filter(|row| row.reading == reading).collect();
        if rows.is_empty() {
            continue;
        }
        for (row, outcome) in read(ctx, reading, &rows, &repositories, period).await? {
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
    repositories: &[Repository],
    period: Period,
) -> Result<BTreeMap<&'static str, Outcome>, Error> {
    let lost: Vec<Period> = rows.iter().map(|row| beyond_retention(row, period, ctx.today())).collect();
    let start = lost.iter().map(|lost| lost.end()).min().unwrap_or(period.start());
    let readable = Period::new(start, period.end());
    let mut totals = Totals::new(rows, repositories.len());
    for repository in repositories {
        let mut part = Part::new(readable);
        if !readable.is_empty() {
            match lists::read(ctx, reading, repository, &mut part).await {
                Ok(()) => {}
                Err(error) => part = without(ctx, error, reading, repository, readable).await?,
            }
        }
        totals.add(&part)?;
        let mut batch = Batch::new();
        for (row, lost) in rows.iter().zip(&lost) {
            let mut days = part.days(row.id);
            days.lose(*lost, &Why::BeyondRetention);
            batch = days.write(batch, row.id, Some(&repository.name), period);
        }
        ctx.commit(batch).await?;
    }
    let (days, outcomes) = totals.finish(readable);
    let mut batch = Batch::new();
    for ((row, lost), mut days) in rows.iter().zip(&lost).zip(days) {
        days.lose(*lost, &Why::BeyondRetention);
        batch = days.write(batch, row.id, None, period);
    }
    ctx.commit(batch).await?;
    Ok(outcomes)
}

/// The part of a repository that could not be read. Gives back what concerns the whole connection.
async fn without(
    ctx: &Context,
    error: Error,
    reading: Reading,
    repository: &Repository,
    readable: Period,
) -> Result<Part, Error> {
    Ok(match missing(ctx, error, reading, repository).await? {
        Missing::Why(why) => Part::without(readable, reading, &why),
        Missing::Absent(reason) => Part::absent(readable, reading, reason),
    })
}

/// Why a repository's reading gave nothing.
pub(super) enum Missing {
    /// It could not be had, so the total cannot either.
    Why(Why),
    /// The repository has no such thing, so the total is whole without it.
    Absent(String),
}

/// What an error says about one repository. Gives it back where nothing else of the run can succeed either.
pub(super) async fn missing(
    ctx: &Context,
    error: Error,
    reading: Reading,
    repository: &Repository,
) -> Result<Missing, Error> {
    let name = &repository.name;
    if error.kind() == FailureKind::Unauthorized {
        // Without a token GitHub answers 401 where a token is needed. With a refused one it does so everywhere.
        api::repository(&ctx.http, name).await?;
        return Ok(Missing::Why(Why::Unsupported(format!(
            "{name}: this needs a token with the permission {}",
            reading.permission()
        ))));
    }
    if error.is_connection_wide() {
        return Err(error);
    }
    Ok(match (error.kind(), error.status()) {
        (_, Some(410)) if reading == Reading::Issues => {
            Missing::Absent(format!("{name}: issues are switched off in this repository"))
        }
        (_, Some(451)) => Missing::Why(Why::Unsupported(format!("{name}: GitHub blocks it for legal reasons"))),
        (FailureKind::Forbidden, _) => {
            Missing::Why(Why::Failed(Error::new(FailureKind::Forbidden, refusal(&error, reading, name))))
        }
        _ => Missing::Why(Why::Failed(error.context("repository", name))),
    })
}

/// The sentence for a missing permission.
pub(super) fn refusal(error: &Error, reading: Reading, name: &str) -> String {
    let said = error.provider_message().map(|said| format!(" (GitHub: {said})")).unwrap_or_default();
    format!("{name}: the token lacks the permission {}{said}", reading.permission())
}
