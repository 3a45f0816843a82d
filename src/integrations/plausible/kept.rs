//! What is remembered so that nothing is asked for twice while nothing happens.
//!
//! One question tells the figures of the whole site by day. As long as they are the same, nobody came and nothing was
//! done: then pages, sources, countries and goals of those days are what they were, and their last answer is taken.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    metrics::SETTLES_AFTER_DAYS,
    table::{Question, Row},
};
use crate::{
    integrations::{Context, Error},
    metric::{Day, Period},
};

/// So many rows are kept, at most: an answer of the newest days, not of a whole history.
const MOST_ROWS: usize = 2_000;
/// For so many days the figures are remembered.
const REMEMBERED_DAYS: i32 = 100;

/// What the figures of the site were, by day, and the run that saw them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    days: BTreeMap<Day, (Timestamp, u64)>,
    /// The day on which it was found that there is no version 2 of the API.
    old_on: Option<Day>,
}

impl Seen {
    /// What the stream `days` remembers.
    pub(super) async fn load(ctx: &Context) -> Result<Self, Error> {
        Ok(read(ctx.checkpoint("days").await?))
    }

    /// Takes over what was read of some days.
    pub(super) fn take(&mut self, ctx: &Context, days: Period, rows: &[Row]) {
        for day in days.days() {
            let figures: Vec<&Row> = rows.iter().filter(|row| row.day == day).collect();
            let mut hasher = DefaultHasher::new();
            figures.iter().for_each(|row| row.figures.hash(&mut hasher));
            self.days.insert(day, (ctx.now, hasher.finish()));
        }
        self.days.retain(|day, _| *day > ctx.today().plus(-REMEMBERED_DAYS));
    }

    /// Forgets days that may have changed: they could not be read. Gives whether there were any.
    pub(super) fn doubt(&mut self, ctx: &Context) -> bool {
        let before = self.days.len();
        self.days.retain(|day, _| *day < unsettled(ctx));
        self.days.len() < before
    }

    /// Whether there was no version 2 when it was last looked for, which is once a day.
    pub(super) fn is_old(&self, ctx: &Context) -> bool {
        self.old_on == Some(ctx.today())
    }

    /// Notes whether there is a version 2.
    pub(super) fn note(&mut self, ctx: &Context, is_old: bool) {
        self.old_on = is_old.then(|| ctx.today());
    }

    /// As it is kept.
    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What stands for all that happened on some days. `None` unless it is known as of this run for days that may change.
    fn state(&self, ctx: &Context, days: Period) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        for day in days.days() {
            let (at, figures) = self.days.get(&day)?;
            if day >= unsettled(ctx) && *at != ctx.now {
                return None;
            }
            figures.hash(&mut hasher);
        }
        Some(hasher.finish())
    }
}

/// The first day that may still change.
fn unsettled(ctx: &Context) -> Day {
    ctx.today().plus(-i32::from(SETTLES_AFTER_DAYS))
}

/// The last answer to a question.
#[derive(Debug, Serialize, Deserialize)]
struct Last {
    question: String,
    state: u64,
    /// Once a day it is asked anyway: a goal may have been renamed.
    asked_on: Day,
    rows: Vec<Row>,
}

/// The answer to this question, if it was asked on this day already and nothing has happened since.
pub(super) async fn known(
    ctx: &Context,
    seen: &Seen,
    stream: &str,
    question: &Question<'_>,
) -> Result<Option<Vec<Row>>, Error> {
    let Some(state) = seen.state(ctx, question.days()).filter(|_| !ctx.forced) else { return Ok(None) };
    let last: Option<Last> = read(ctx.checkpoint(stream).await?);
    let same = |last: &Last| {
        last.state == state && last.asked_on == ctx.today() && last.question == super::api::text(question)
    };
    Ok(last.filter(same).map(|last| last.rows))
}

/// The answer as it is kept, where it is worth it.
pub(super) fn keep(ctx: &Context, seen: &Seen, question: &Question<'_>, rows: &[Row]) -> Option<Vec<u8>> {
    let is_worth_it = rows.len() <= MOST_ROWS && question.days().contains(ctx.today());
    let state = seen.state(ctx, question.days()).filter(|_| is_worth_it)?;
    let question = super::api::text(question);
    let last = Last { question, state, asked_on: ctx.today(), rows: rows.to_vec() };
    serde_json::to_vec(&last).ok()
}

/// What cannot be read is what an earlier version kept: it is forgotten.
fn read<T: for<'a> Deserialize<'a> + Default>(bytes: Option<Vec<u8>>) -> T {
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}
