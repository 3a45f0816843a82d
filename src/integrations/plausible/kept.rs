//! What is remembered so that nothing is asked for twice while nothing happens.
//!
//! One question tells the figures of the whole site by day. As long as they are the same, nobody came and nothing was
//! done: then pages, sources, countries and goals of those days are what they were, and their last answer is taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    api,
    metrics::SETTLES_AFTER_DAYS,
    table::{Question, Row},
};
use crate::{
    integrations::{Context, Error},
    metric::{Day, Period},
};

/// So many rows are kept, at most.
const MOST_ROWS: usize = 2_000;
/// So many names of parts are kept, at most: goals are set up by hand.
const MOST_NAMES: usize = 1_000;

/// What the figures of the site were on days that may change, and the run that saw them.
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
        self.days.retain(|day, _| *day >= unsettled(ctx));
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

    /// What stands for all that happened on the days that may change. `None` unless it is known as of this run.
    fn state(&self, ctx: &Context) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        for day in Period::inclusive(unsettled(ctx), ctx.today()).days() {
            let (_, figures) = self.days.get(&day).filter(|(at, _)| *at == ctx.now)?;
            figures.hash(&mut hasher);
        }
        Some(hasher.finish())
    }
}

/// The first day that may still change.
fn unsettled(ctx: &Context) -> Day {
    ctx.today().plus(-i32::from(SETTLES_AFTER_DAYS))
}

/// What a stream of parts remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// Parts that were ever told of, for metrics whose parts are told one by one.
    names: BTreeSet<String>,
    last: Option<Last>,
}

/// The last answer to a question, as far as it is about days that may change.
#[derive(Debug, Serialize, Deserialize)]
struct Last {
    question: String,
    state: u64,
    /// Once a day it is asked anyway: a goal may have been renamed.
    asked_on: Day,
    rows: Vec<Row>,
}

impl Memory {
    /// What the stream remembers.
    pub(super) async fn load(ctx: &Context, stream: &str) -> Result<Self, Error> {
        Ok(read(ctx.checkpoint(stream).await?))
    }

    /// The answer to this question, if it was asked on this day already and nothing has happened since.
    pub(super) fn known(&self, ctx: &Context, seen: &Seen, question: &Question<'_>) -> Option<Vec<Row>> {
        let (state, last) = (seen.state(ctx)?, self.last.as_ref()?);
        let is_same = last.state == state && last.asked_on == ctx.today() && last.question == api::text(question);
        if !is_same || ctx.forced || question.days().start() < unsettled(ctx) {
            return None;
        }
        Some(last.rows.iter().filter(|row| question.days().contains(row.day)).cloned().collect())
    }

    /// Takes an answer over, where it is worth it. Says whether it did.
    pub(super) fn keep(&mut self, ctx: &Context, seen: &Seen, question: &Question<'_>, rows: &[Row]) -> bool {
        let first = unsettled(ctx);
        let newest: Vec<Row> = rows.iter().filter(|row| row.day >= first).cloned().collect();
        let is_whole = question.days().contains(first) && question.days().contains(ctx.today());
        let Some(state) = seen.state(ctx).filter(|_| is_whole && newest.len() <= MOST_ROWS) else { return false };
        let question = api::text(question);
        self.last = Some(Last { question, state, asked_on: ctx.today(), rows: newest });
        true
    }

    /// All parts that are known, with these among them from now on.
    pub(super) fn names<'a>(&mut self, more: impl Iterator<Item = &'a String>) -> &BTreeSet<String> {
        for name in more {
            if self.names.len() < MOST_NAMES {
                self.names.insert(name.clone());
            }
        }
        &self.names
    }

    /// As it is kept.
    pub(super) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What cannot be read is what an earlier version kept: it is forgotten.
fn read<T: for<'a> Deserialize<'a> + Default>(bytes: Option<Vec<u8>>) -> T {
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}
