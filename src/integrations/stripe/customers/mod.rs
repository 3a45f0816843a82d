//! How many customers there are, how many are new, and which have a discount of their own.
//!
//! All of them are walked once a day. In between, events tell what happened: who was created or deleted, and whose
//! discount changed, which is then read for that customer alone. What a walk finds different from what was followed is
//! put right and counted.

mod discounts;
mod events;
mod headcount;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use self::{
    events::{Happened, What},
    headcount::{Counts, Front, Gone},
    walk::Walk,
};
use super::{
    answers::Discount,
    codec::{decode, encode},
    feed::Cursor,
    metrics,
};
use crate::{
    integrations::{Batch, Context, Correction, Error},
    metric::{Answer, Day, Period, Quality, Sample, Value},
};

/// The stream's id. Its records are the discounts of customers, by customer; whose discount changed, by [`CHANGED`] and
/// the customer; and whom a walk under way has met, page by page.
pub(super) const STREAM: &str = "customers";

/// How the key of a record begins that says that a customer's discount may have changed. It holds since when, in seconds
/// since 1970. Whoever acts on it removes it.
pub(super) const CHANGED: &str = "changed:";

const DAY: i64 = 24 * 60 * 60;
/// Stripe remembers events for 30 days. What was followed longer ago than this says nothing about now.
const REMEMBERED: i64 = 25 * DAY;

/// The stream's checkpoint, beside the walk that is under way.
#[derive(Debug, Default)]
struct State {
    /// Of the newest walk that was begun. The discounts that it meets are kept under it.
    generation: u64,
    /// What is known, once a walk has come to its end.
    known: Option<Known>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    /// The run that last brought it up to date, in seconds since 1970.
    at: i64,
    /// The run in which the walk began that it rests on.
    walked_at: i64,
    counts: Counts,
    front: Front,
    gone: Gone,
    /// From here on everybody who was deleted is known. `None` where events may not be read.
    exact_from: Option<Day>,
    /// Up to where events were followed. `None` where they may not be read, or were not for too long.
    cursor: Option<Cursor>,
}

/// Brings what is known of customers up to date and answers the wanted metrics. Gives what a walk found different although
/// events were followed.
pub(super) async fn read(ctx: &Context, wanted: &[&str], period: Period) -> Result<Option<Correction>, Error> {
    let (mut state, unfinished) = State::load(ctx).await?;
    let now = ctx.now.as_second();
    if wanted.is_empty() && state.known.as_ref().is_some_and(|known| known.at == now) {
        // Only the discounts are wanted, and this run has just read them.
        return Ok(None);
    }
    follow(ctx, &mut state).await?;
    // Discounts need no days of the past.
    let from = if wanted.is_empty() { ctx.today() } else { period.start() };
    if let Some(known) = state.known.as_ref().filter(|known| known.is_followed() && known.counts.since <= from) {
        let batch = Batch { answers: known.answers(wanted, period, ctx.today()), ..Batch::new() };
        ctx.commit(state.noted(unfinished.as_ref(), batch)?).await?;
        if unfinished.is_none() && is_of_today(known.walked_at, now) {
            return Ok(None);
        }
    }
    let goes_on = |walk: &Walk| is_of_today(walk.began_at, now) && walk.counts.since <= from;
    let mut walk = match unfinished {
        Some(walk) if goes_on(&walk) => walk,
        abandoned => Walk::begin(ctx, &mut state, abandoned, from).await?,
    };
    walk.go_on(ctx, &state).await?;
    end(ctx, state, walk, wanted, period).await
}

/// The discounts of some customers, as they were last read.
pub(super) async fn discounts(ctx: &Context, customers: &[String]) -> Result<HashMap<String, Discount>, Error> {
    discounts::of(ctx, customers).await
}

/// Whether something that began in a run is less than a day old. Both are times of ours.
fn is_of_today(began_at: i64, now: i64) -> bool {
    (0..DAY).contains(&now.saturating_sub(began_at))
}

/// Takes in what happened since the last time, where events can tell.
async fn follow(ctx: &Context, state: &mut State) -> Result<(), Error> {
    let Some(known) = &mut state.known else { return Ok(()) };
    let now = ctx.now.as_second();
    let is_remembered = now.saturating_sub(known.at) < REMEMBERED;
    let Some(cursor) = known.cursor.take().filter(|_| is_remembered) else { return Ok(()) };
    let Some((happened, next)) = events::since(&ctx.http, &cursor).await? else { return Ok(()) };
    known.take_in(ctx, &happened)?;
    known.cursor = Some(next);
    known.at = now;
    discounts::reread(ctx, state.generation, &happened).await
}

/// What a walk found takes the place of what was known.
async fn end(
    ctx: &Context,
    mut state: State,
    mut walk: Walk,
    wanted: &[&str],
    period: Period,
) -> Result<Option<Correction>, Error> {
    let news = match &walk.cursor {
        Some(cursor) => events::since(&ctx.http, cursor).await?,
        None => None,
    };
    let (happened, cursor) = news.unzip();
    let happened = happened.unwrap_or_default();
    let mut followed = state.known.clone().filter(|known| known.is_followed() && cursor.is_some());
    let is_new = |happened: &&Happened| match followed.as_ref().and_then(|known| known.cursor.as_ref()) {
        Some(cursor) => cursor.is_new(&happened.event, happened.at),
        None => true,
    };
    let unknown: Vec<Happened> = happened.iter().filter(is_new).cloned().collect();
    discounts::reread(ctx, state.generation, &unknown).await?;
    walk.take_in(ctx, &happened).await?;
    walk.drop_unmet(ctx, &state).await?;

    let mut corrections = 0;
    if let Some(followed) = &mut followed {
        // What happened during the walk is no difference.
        followed.take_in(ctx, &unknown)?;
        corrections = followed.counts.distance(&walk.counts).saturating_add(walk.differing.beside(&happened));
    }
    let exact_from = match &followed {
        Some(followed) => followed.exact_from,
        None => cursor.is_some().then_some(walk.day),
    };
    let mut gone = match followed {
        Some(followed) => followed.gone,
        None => Gone::of(&unknown, &ctx.zone)?,
    };
    gone.forget_before(walk.counts.since);
    let batch = walk.without_met(Batch::new());
    let known = Known {
        at: ctx.now.as_second(),
        walked_at: walk.began_at,
        counts: walk.counts,
        front: walk.front,
        gone,
        exact_from,
        cursor,
    };
    let batch = Batch { answers: known.answers(wanted, period, ctx.today()), ..batch };
    state.known = Some(known);
    ctx.commit(state.noted(None, batch)?).await?;
    Ok((corrections > 0).then(|| correction(corrections)))
}

fn correction(count: u64) -> Correction {
    let (noun, verb) = if count == 1 { ("customer", "was") } else { ("customers", "were") };
    let message = format!("{count} {noun} differed from what was kept and {verb} corrected");
    Correction { stream: STREAM.to_owned(), count, message }
}

impl State {
    async fn load(ctx: &Context) -> Result<(Self, Option<Walk>), Error> {
        let Some(bytes) = ctx.checkpoint(STREAM).await? else { return Ok((Self::default(), None)) };
        let (generation, known, walk) = decode(&bytes)?;
        Ok((Self { generation, known }, walk))
    }

    /// The batch with the stream's checkpoint.
    fn noted(&self, walk: Option<&Walk>, batch: Batch) -> Result<Batch, Error> {
        Ok(batch.checkpoint(STREAM, encode(&(self.generation, &self.known, walk))?))
    }
}

impl Known {
    fn is_followed(&self) -> bool {
        self.cursor.is_some()
    }

    fn take_in(&mut self, ctx: &Context, happened: &[Happened]) -> Result<(), Error> {
        for Happened { customer, born_at, what, .. } in happened {
            match what {
                What::Created if self.front.is_before(customer, *born_at) => {
                    self.counts.add(metrics::day_of(*born_at, &ctx.zone)?);
                }
                What::Deleted => self.counts.remove(metrics::day_of(*born_at, &ctx.zone)?),
                What::Created | What::Discounted => {}
            }
        }
        self.gone.extend(happened, &ctx.zone)
    }

    /// The wanted metrics on all days of a period.
    fn answers(&self, wanted: &[&str], period: Period, today: Day) -> Vec<Answer> {
        let level = |(day, count)| {
            let is_exact = day == today || self.exact_from.is_some_and(|from| from <= day);
            let quality = if is_exact { Quality::Exact } else { Quality::Estimated };
            Sample::new(day, Value::Count(count)).with_quality(quality)
        };
        let answer = |id: &&str| match *id {
            "stripe_new_customers" => metrics::counts(id, period, &self.counts.new),
            _ => Answer::total(id, period, self.counts.levels(&self.gone, period).into_iter().map(level).collect()),
        };
        wanted.iter().map(answer).collect()
    }
}
