//! Reading what one repository has: each list in the way that GitHub gives it.

use serde::de::DeserializeOwned;

use super::{
    activity, api,
    fetch::{Missing, missing},
    metrics::{
        NEW_STARS, OPEN_ISSUES, OPEN_PRS, Reading, TRAFFIC_CLONES, TRAFFIC_UNIQUE_CLONES, TRAFFIC_UNIQUE_VIEWS,
        TRAFFIC_VIEWS,
    },
    repositories::{self, Repository, STREAM},
    series::Part,
    workflows,
};
use crate::{
    http::Pages,
    integrations::{Batch, Context, Error, Why},
    metric::{Day, Period, Zone},
};

/// GitHub lists no stars past this page, with 100 a page.
const LAST_STARS_PAGE: u32 = 400;

/// Does one reading of one repository.
pub(super) async fn read(
    ctx: &Context,
    reading: Reading,
    repository: &Repository,
    part: &mut Part,
) -> Result<(), Error> {
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
            activity::traffic(part, &views, TRAFFIC_VIEWS, TRAFFIC_UNIQUE_VIEWS)
        }
        Reading::Clones => {
            let clones = api::clones(&ctx.http, path).await?;
            activity::traffic(part, &clones, TRAFFIC_CLONES, TRAFFIC_UNIQUE_CLONES)
        }
    }
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
    let why = match missing(ctx, error, Reading::Pulls, repository).await? {
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
