//! The stars of a repository: a list of pages that grows at its end, and ends for good at the 40,000th.

use std::collections::HashSet;

use super::{
    api::{self, Star},
    lists::{ever, keep, since},
    metrics::NEW_STARS,
    past::Past,
    repositories::Found,
    series::{Part, utc_day},
};
use crate::{
    integrations::{Context, Error, Why},
    metric::{Period, Zone},
};

/// GitHub lists no stars past this page.
const LAST_PAGE: u32 = 400;
const PER_PAGE: usize = 100;
/// What is listed at most.
const MOST_LISTED: i64 = 40_000;

/// Walks back from the newest stars. Gives the days of which that tells everything.
pub(super) async fn read(
    ctx: &Context,
    found: &Found,
    days: Period,
    part: &mut Part,
    past: &mut Past,
) -> Result<Period, Error> {
    let count = found.state(ctx).map(|state| state.stars);
    if count == Some(0) {
        return Ok(ever());
    }
    let path = &found.full_name;
    let start = Zone::utc().start_of(days.start());
    let mut newest = newest_pages(ctx, path, past.last_page).await?;
    let last = newest.last().map_or(1, |(number, _)| *number);
    past.last_page = newest.iter().rev().find(|(_, page)| !page.is_empty()).map(|(number, _)| *number);

    let mut covered = ever();
    let mut seen: HashSet<u64> = HashSet::new();
    for number in (1..=last).rev() {
        let page = match newest.pop() {
            Some((_, page)) => page,
            None => api::stars(&ctx.http, path, number).await?.body,
        };
        let is_cut = number == LAST_PAGE && page.len() >= PER_PAGE && count.is_none_or(|count| count > MOST_LISTED);
        if let Some(last) = page.last().filter(|_| is_cut) {
            // Who starred later is not listed.
            let cut = utc_day(last.starred_at);
            covered = Period::new(covered.start(), cut);
            part.lose(NEW_STARS, since(cut).intersect(days), &Why::BeyondRetention);
        }
        // A star that is taken back while the pages are turned moves others to the page before.
        let fresh = |star: &&Star| star.user.as_ref().and_then(|user| user.id).is_none_or(|id| seen.insert(id));
        page.iter().filter(fresh).try_for_each(|star| part.count(NEW_STARS, star.starred_at))?;
        if let Some(first) = page.first().filter(|first| first.starred_at < start) {
            return Ok(Period::new(utc_day(first.starred_at).next(), covered.end()));
        }
        keep(ctx, number > 2).await?;
    }
    Ok(covered)
}

/// The last pages in their order. A full one is looked behind even where nothing should be, since the list may have
/// grown by just that.
async fn newest_pages(ctx: &Context, path: &str, known: Option<u32>) -> Result<Vec<(u32, Vec<Star>)>, Error> {
    let mut pages: Vec<(u32, Vec<Star>)> = Vec::new();
    let mut number = match known {
        Some(number) => number,
        None => {
            let first = api::stars(&ctx.http, path, 1).await?;
            let last = api::last_page(&first)?.unwrap_or(1).min(LAST_PAGE);
            if last == 1 {
                pages.push((1, first.body));
            }
            last
        }
    };
    loop {
        let is_held = pages.last().is_some_and(|(held, _)| *held == number);
        if !is_held {
            pages.push((number, api::stars(&ctx.http, path, number).await?.body));
        }
        let is_full = pages.last().is_some_and(|(_, page)| page.len() >= PER_PAGE);
        if !is_full || number >= LAST_PAGE {
            return Ok(pages);
        }
        number += 1;
    }
}
