//! Reading the metrics: repository by repository, each kept as soon as it is read, and the totals at the end.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::{
    activity, api,
    metrics::{self, NEW_STARS, OPEN_ISSUES, OPEN_PRS, Reading, Row},
    repositories::{self, Repository, STREAM},
    series::{Days, Part, beyond_retention},
    settings::Measured,
    workflows,
};
use crate::{
    http::Pages,
    integrations::{Batch, Context, Error, FetchReport, Outcome, Why},
    metric::{Day, FailureKind, Kind, Period, Zone},
};

/// GitHub lists no stars past this page, with 100 a page.
const LAST_STARS_PAGE: u32 = 400;

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
    rows: &[&Row],
    repositories: &[Repository],
    period: Period,
) -> Result<BTreeMap<&'static str, Outcome>, Error> {
    let today = ctx.today();
    let lost = |row: &Row| beyond_retention(row, period, today);
    let start = rows.iter().map(|row| lost(row).end()).min().unwrap_or(period.start());
    let readable = Period::new(start, period.end());
    let mut totals: BTreeMap<&str, Days> = BTreeMap::new();
    let mut outcomes: BTreeMap<&'static str, Outcome> = rows.iter().map(|row| (row.id, Outcome::Ok)).collect();
    let mut absent = Vec::new();
    for repository in repositories {
        let mut part = Part::new(readable);
        let mut counts = true;
        if !readable.is_empty() {
            match read_one(ctx, reading, repository, &mut part).await {
                Ok(()) => {}
                Err(Missing::Connection(error)) => return Err(error),
                Err(Missing::Why(why)) => {
                    part = Part::new(readable);
                    rows.iter().for_each(|row| part.lose(row.id, readable, &why));
                }
                Err(Missing::Absent(reason)) => {
                    counts = false;
                    part = Part::new(readable);
                    rows.iter().for_each(|row| part.lose(row.id, readable, &Why::Unsupported(reason.clone())));
                    absent.push(reason);
                }
            }
        }
        let mut batch = Batch::new();
        for row in rows {
            let mut days = part.days(row.id);
            if counts {
                note(&mut outcomes, row.id, &days);
                if row.kind != Kind::Distinct || repositories.len() == 1 {
                    totals.entry(row.id).or_default().absorb(&days, row.kind)?;
                }
            }
            days.lose(lost(row), &Why::BeyondRetention);
            batch = days.write(batch, row.id, Some(&repository.name), period);
        }
        ctx.commit(batch).await?;
    }
    let mut batch = Batch::new();
    for row in rows {
        let mut days = totals.remove(row.id).unwrap_or_default();
        if let Some(reason) = absent.first().filter(|_| absent.len() == repositories.len()) {
            days.lose(readable, &Why::Unsupported(reason.clone()));
            note(&mut outcomes, row.id, &days);
        }
        if row.kind == Kind::Distinct && repositories.len() > 1 {
            days.lose(readable, &Why::Unsupported(overlap(repositories.len())));
        }
        days.lose(lost(row), &Why::BeyondRetention);
        batch = days.write(batch, row.id, None, period);
    }
    ctx.commit(batch).await?;
    Ok(outcomes)
}

fn overlap(repositories: usize) -> String {
    format!("the visitors of {repositories} repositories overlap and cannot be added; see each repository")
}

/// A failure stands over everything, and the first of them is the one that is shown.
fn note(outcomes: &mut BTreeMap<&'static str, Outcome>, metric: &'static str, days: &Days) {
    let outcome = match (days.worst(), outcomes.get(metric)) {
        (Some(Why::Failed(error)), Some(Outcome::Ok | Outcome::Unsupported(_))) => Outcome::Failed(error.clone()),
        (Some(Why::Unsupported(reason)), Some(Outcome::Ok)) => Outcome::Unsupported(reason.clone()),
        _ => return,
    };
    outcomes.insert(metric, outcome);
}

/// Why a repository's reading gave nothing.
enum Missing {
    /// Nothing else of the run can succeed either.
    Connection(Error),
    /// It cannot be had, so the total cannot either.
    Why(Why),
    /// The repository has no such thing, so the total is whole without it.
    Absent(String),
}

async fn read_one(ctx: &Context, reading: Reading, repository: &Repository, part: &mut Part) -> Result<(), Missing> {
    let read = async {
        let path = &repository.found.clone()?.full_name;
        match reading {
            Reading::Counts => counts(ctx, repository, part).await,
            Reading::Commits => commits(ctx, path, part).await,
            Reading::Issues => {
                let pages = api::issues(&ctx.http, path, part.period());
                each(ctx, pages, |issue| issue.id, |issue| activity::issue(part, issue)).await
            }
            Reading::Pulls => {
                let pages = api::pulls(&ctx.http, path, Zone::utc().start_of(part.period().start()));
                each(ctx, pages, |pull| pull.id, |pull| activity::pull(part, pull)).await
            }
            Reading::Releases => {
                let pages = api::releases(&ctx.http, path);
                each(ctx, pages, |release| release.id, |release| activity::release(part, release, ctx.today())).await
            }
            Reading::Workflows => runs(ctx, path, part).await,
            Reading::Stars => stars(ctx, path, part).await,
            Reading::Views => {
                let views = api::views(&ctx.http, path).await?;
                activity::traffic(part, &views, metrics::TRAFFIC_VIEWS, metrics::TRAFFIC_UNIQUE_VIEWS)
            }
            Reading::Clones => {
                let clones = api::clones(&ctx.http, path).await?;
                activity::traffic(part, &clones, metrics::TRAFFIC_CLONES, metrics::TRAFFIC_UNIQUE_CLONES)
            }
        }
    };
    let Err(error) = read.await else { return Ok(()) };
    Err(missing(ctx, error, reading, repository).await)
}

/// What an error says about one repository.
async fn missing(ctx: &Context, error: Error, reading: Reading, repository: &Repository) -> Missing {
    let name = &repository.name;
    if error.kind() == FailureKind::Unauthorized {
        // Without a token GitHub answers 401 where a token is needed. With a refused one it does so everywhere.
        return match api::repository(&ctx.http, name).await {
            Ok(_) => Missing::Why(Why::Unsupported(format!(
                "{name}: this needs a token with the permission {}",
                reading.permission()
            ))),
            Err(error) if error.is_connection_wide() => Missing::Connection(error),
            Err(error) => Missing::Why(Why::Failed(error.context("repository", name))),
        };
    }
    if error.is_connection_wide() {
        return Missing::Connection(error);
    }
    match (error.kind(), error.status()) {
        (_, Some(410)) if reading == Reading::Issues => {
            Missing::Absent(format!("{name}: issues are switched off in this repository"))
        }
        (_, Some(451)) => Missing::Why(Why::Unsupported(format!("{name}: GitHub blocks it for legal reasons"))),
        (FailureKind::Forbidden, _) => Missing::Why(Why::Unsupported(refusal(&error, reading, name))),
        _ => Missing::Why(Why::Failed(error.context("repository", name))),
    }
}

/// The sentence for a missing permission.
pub(super) fn refusal(error: &Error, reading: Reading, name: &str) -> String {
    let said = error.provider_message().map(|said| format!(" (GitHub: {said})")).unwrap_or_default();
    format!("{name}: the token lacks the permission {}{said}", reading.permission())
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
async fn keep(ctx: &Context, is_long: bool) -> Result<(), Error> {
    if is_long { ctx.commit(Batch::new()).await } else { Ok(()) }
}

async fn counts(ctx: &Context, repository: &Repository, part: &mut Part) -> Result<(), Error> {
    // By the configured name: this is where a new name is noticed.
    let fresh = api::repository(&ctx.http, &repository.name).await?;
    let found = repositories::Found { id: fresh.id, full_name: fresh.full_name.clone() };
    if repository.found.as_ref() != Ok(&found) {
        ctx.commit(Batch::new().upsert(STREAM, found.record(&repository.name)?)).await?;
    }
    activity::counts(part, &fresh, ctx.today())?;
    let open = match api::open_pulls(&ctx.http, &found.full_name).await {
        Ok(pulls) => activity::open(part, &fresh, pulls, ctx.today()),
        Err(error) => Err(error),
    };
    let Err(error) = open else { return Ok(()) };
    let why = match missing(ctx, error, Reading::Pulls, repository).await {
        Missing::Connection(error) => return Err(error),
        Missing::Why(why) => why,
        Missing::Absent(reason) => Why::Unsupported(reason),
    };
    [OPEN_ISSUES, OPEN_PRS].iter().for_each(|metric| part.lose(metric, part.period(), &why));
    Ok(())
}

async fn commits(ctx: &Context, path: &str, part: &mut Part) -> Result<(), Error> {
    let pages = api::commits(&ctx.http, path, part.period());
    match each(ctx, pages, |commit| commit.sha.clone(), |commit| activity::commit(part, commit)).await {
        // An empty repository.
        Err(error) if error.status() == Some(409) => Ok(()),
        read => read,
    }
}

/// Cuts the days until GitHub lists all runs of each piece. A single day with more runs than that is a failed day.
async fn runs(ctx: &Context, path: &str, part: &mut Part) -> Result<(), Error> {
    let mut pieces = vec![part.period()];
    'pieces: while let Some(piece) = pieces.pop() {
        let mut pages = api::runs(&ctx.http, path, piece);
        let mut before: Vec<u64> = Vec::new();
        while let Some(page) = pages.next().await? {
            if before.is_empty() && page.body.total_count > workflows::MOST_LISTED {
                match workflows::halves(piece) {
                    Some(halves) => pieces.extend(halves),
                    None => {
                        let why = Why::Failed(workflows::too_many(piece.start(), page.body.total_count));
                        Reading::Workflows.rows().for_each(|row| part.lose(row.id, piece, &why));
                    }
                }
                continue 'pieces;
            }
            let fresh = page.body.workflow_runs.iter().filter(|run| !before.contains(&run.id));
            fresh.into_iter().try_for_each(|run| workflows::run(part, run))?;
            before = page.body.workflow_runs.iter().map(|run| run.id).collect();
            keep(ctx, page.link("next").is_some() && !page.not_modified).await?;
        }
    }
    Ok(())
}

/// Walks back from the newest stars. Past its last page GitHub shows none, and who starred then cannot be known.
async fn stars(ctx: &Context, path: &str, part: &mut Part) -> Result<(), Error> {
    let start = Zone::utc().start_of(part.period().start());
    let first = api::stars(&ctx.http, path, 1).await?;
    let last = api::last_page(&first)?.unwrap_or(1);
    let mut number = last.min(LAST_STARS_PAGE);
    let mut first = Some(first.body);
    while number > 0 {
        let page = match first.take_if(|_| number == 1) {
            Some(page) => page,
            None => api::stars(&ctx.http, path, number).await?.body,
        };
        if number == LAST_STARS_PAGE && (last > number || page.len() >= 100) {
            let from = page.last().map_or(part.period().start(), |star| Day::of(star.starred_at, &Zone::utc()));
            part.lose(
                NEW_STARS,
                Period::new(from, part.period().end()).intersect(part.period()),
                &Why::BeyondRetention,
            );
        }
        page.iter().try_for_each(|star| part.count(NEW_STARS, star.starred_at))?;
        if page.first().is_some_and(|star| star.starred_at < start) {
            break;
        }
        keep(ctx, number > 2).await?;
        number -= 1;
    }
    Ok(())
}
