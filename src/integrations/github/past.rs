//! What earlier runs read of one repository: a day that is settled is read once and never asked for again.
//!
//! Kept beside the values themselves, since the total over all repositories has to be made anew when one of them could
//! be read later than the others.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    descriptor::HISTORY_DAYS,
    metrics::{Reading, SETTLES_AFTER_DAYS},
    refusal::Lack,
    repositories::State,
    series::{Cell, Part},
};
use crate::{
    integrations::{Batch, Context, Error, Record},
    metric::{Day, Period},
};

/// A push is proven not to have been followed by another in the same second, or to be shown late, after this.
const PUSH_IS_OLD: SignedDuration = SignedDuration::from_mins(5);
/// What was under way when a repository was archived is over after this.
const ARCHIVE_IS_OLD: SignedDuration = SignedDuration::from_hours(72);

/// What is known of one repository by one reading.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Past {
    /// Days that were read after GitHub could still restate them: first day and the day after the last, in order.
    settled: Vec<(i32, i32)>,
    /// What days hold, by metric and day; a day that was read and is not here holds nothing.
    cells: BTreeMap<String, BTreeMap<i32, Cell>>,
    /// The newest days that GitHub may still restate, where the last reading told everything of them: first day and the
    /// day after the last. Weeks and months are made of them without another look.
    recent: Option<(i32, i32)>,
    /// Since when all days are known, as long as the repository stays as it was.
    seen: Option<Seen>,
    /// The last page of a list that grows at its end.
    pub(super) last_page: Option<u32>,
    /// Why it could not be read the last time, where only somebody else's doing can change that.
    refused: Option<Refused>,
}

/// All days from this one on were read while the repository was like that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    from: i32,
    state: State,
}

/// A refusal, and the day on which it was heard last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Refused {
    day: i32,
    lack: Lack,
}

impl Past {
    /// What is kept of a repository.
    pub(super) async fn load(ctx: &Context, reading: Reading, id: u64) -> Result<Self, Error> {
        let records = ctx.records(reading.stream(), &[key(reading, id)]).await?;
        // What cannot be read any more is read again.
        Ok(records.first().and_then(|record| postcard::from_bytes(&record.bytes).ok()).unwrap_or_default())
    }

    /// Adds what is to be kept to a batch, unless `before` is the same.
    pub(super) fn save(&self, batch: Batch, reading: Reading, id: u64, before: &Self) -> Result<Batch, Error> {
        let mut kept = self.clone();
        if !reading.has_past() {
            kept = Self { refused: kept.refused, ..Self::default() };
        }
        let from = kept.seen.as_ref().map_or(i32::MAX, |seen| seen.from);
        let settled = std::mem::take(&mut kept.settled);
        let is_within = |day: i32, (first, end): &(i32, i32)| (*first..*end).contains(&day);
        let is_known = |day: i32| day >= from || settled.iter().chain(&kept.recent).any(|days| is_within(day, days));
        kept.cells.values_mut().for_each(|days| days.retain(|day, _| is_known(*day)));
        kept.cells.retain(|_, days| !days.is_empty());
        kept.settled = settled;
        if kept == *before {
            return Ok(batch);
        }
        let bytes =
            postcard::to_allocvec(&kept).map_err(|error| Error::internal(format!("writing a record: {error}")))?;
        Ok(batch.upsert(reading.stream(), Record { key: key(reading, id), group: String::new(), bytes }))
    }

    /// Whether nothing was ever read.
    pub(super) fn is_empty(&self) -> bool {
        self.settled.is_empty() && self.seen.is_none()
    }

    /// The days of a period that have to be asked for, from the first to the last of them.
    pub(super) fn open_days(&self, period: Period) -> Period {
        let is_open = |day: &Day| !self.is_settled(*day);
        match (period.days().find(is_open), period.days().rfind(is_open)) {
            (Some(first), Some(last)) => Period::inclusive(first, last),
            _ => Period::new(period.start(), period.start()),
        }
    }

    fn is_settled(&self, day: Day) -> bool {
        self.settled.iter().any(|(first, end)| (*first..*end).contains(&day.number()))
    }

    /// What is known of a period.
    pub(super) fn part(&self, reading: Reading, period: Period) -> Result<Part, Error> {
        let mut part = Part::new(period);
        for row in reading.rows() {
            let days = self.cells.get(row.id).into_iter().flatten();
            for (day, cell) in days.filter_map(|(day, cell)| Some((Day::from_number(*day)?, cell))) {
                part.add(row.id, day, cell)?;
            }
        }
        Ok(part)
    }

    /// Takes in what was read of the days of `covered`, whole but for those with a reason.
    pub(super) fn take(&mut self, reading: Reading, part: &Part, covered: Period, today: Day) {
        let inside = |day: i32| (covered.start().number()..covered.end().number()).contains(&day);
        let mut lost: Vec<i32> = Vec::new();
        for row in reading.rows() {
            let days = part.days(row.id);
            let mine = self.cells.entry(row.id.to_owned()).or_default();
            mine.retain(|day, _| !inside(*day));
            let read = days.cells().iter().map(|(day, cell)| (day.number(), cell.clone()));
            mine.extend(read.filter(|(day, _)| inside(*day)));
            lost.extend(days.gaps().keys().map(|day| day.number()));
        }
        if covered.contains(today) {
            let open = first_open(today).max(covered.start()).number()..today.next().number();
            let is_whole = !lost.iter().any(|day| open.contains(day));
            self.recent = is_whole.then_some((open.start, open.end));
        }
        lost.sort_unstable();
        let end = covered.end().number().min(first_open(today).number());
        let mut first = covered.start().number();
        for day in lost.into_iter().filter(|day| inside(*day)) {
            self.settle(first, day.min(end));
            first = day + 1;
        }
        self.settle(first, end);
        self.refused = None;
    }

    fn settle(&mut self, first: i32, end: i32) {
        if first >= end {
            return;
        }
        let mut joined = (first, end);
        self.settled.retain(|(start, stop)| {
            let touches = *start <= joined.1 && joined.0 <= *stop;
            if touches {
                joined = (joined.0.min(*start), joined.1.max(*stop));
            }
            !touches
        });
        self.settled.push(joined);
        self.settled.sort_unstable();
    }

    /// Notes that all days from this one on were read while the repository was as it is now, as far as that can prove
    /// anything later.
    pub(super) fn note_state(&mut self, reading: Reading, state: Option<&State>, from: Day, now: Timestamp) {
        let state = state.filter(|state| can_prove(reading, state, now));
        self.seen = state.map(|state| Seen { from: from.number(), state: state.clone() });
    }

    /// Whether nothing can have happened in the repository since all of these days were read. The days that are over by
    /// now are settled then.
    pub(super) fn is_unchanged(&mut self, reading: Reading, state: Option<&State>, asked: Period, today: Day) -> bool {
        let Some((seen, state)) = self.seen.as_ref().zip(state) else { return false };
        let is_same = seen.from <= asked.start().number() && proves_the_same(reading, &seen.state, state);
        let from = seen.from;
        if is_same {
            self.settle(from, first_open(today).number());
            self.refused = None;
        }
        is_same
    }

    /// Whether the last reading told everything of these days, in this run or in one of today that nothing came after.
    pub(super) fn is_recent(&self, asked: Period) -> bool {
        self.recent.is_some_and(|(first, end)| first <= asked.start().number() && asked.end().number() <= end)
    }

    /// A reading has failed: what the one before it told of the newest days may be old.
    pub(super) fn forget_recent(&mut self) {
        self.recent = None;
    }

    /// The refusal that was heard last, and whether that was on this day.
    pub(super) fn refusal(&self, today: Day) -> Option<(&Lack, bool)> {
        self.refused.as_ref().map(|refused| (&refused.lack, refused.day == today.number()))
    }

    /// Remembers a refusal.
    pub(super) fn refuse(&mut self, lack: Option<Lack>, today: Day) {
        self.refused = lack.map(|lack| Refused { day: today.number(), lack });
    }
}

/// The first day that GitHub may still restate.
pub(super) fn first_open(today: Day) -> Day {
    today.plus(-i32::from(SETTLES_AFTER_DAYS))
}

/// The first day that a first sync asks for.
pub(super) fn first_of_history(today: Day) -> Day {
    today.plus(1 - i32::from(HISTORY_DAYS))
}

/// Views and clones share a stream.
fn key(reading: Reading, id: u64) -> String {
    if reading == Reading::Clones { format!("clones {id}") } else { id.to_string() }
}

/// Whether a later state that is the same would prove that nothing happened.
pub(super) fn can_prove(reading: Reading, state: &State, now: Timestamp) -> bool {
    let is_older = |at: Option<Timestamp>, age: SignedDuration| at.is_some_and(|at| now.duration_since(at) > age);
    match reading {
        Reading::Commits => is_older(state.pushed_at, PUSH_IS_OLD),
        Reading::Issues | Reading::Pulls | Reading::Workflows => {
            state.archived && is_older(state.updated_at, ARCHIVE_IS_OLD)
        }
        _ => false,
    }
}

/// Commits come by pushes alone, and which branch is shown is said. An archived repository is read-only; that it was
/// opened and archived again in between would have changed it.
fn proves_the_same(reading: Reading, then: &State, now: &State) -> bool {
    let pushed = then.pushed_at.is_some() && then.pushed_at == now.pushed_at;
    match reading {
        Reading::Commits => pushed && then.default_branch == now.default_branch,
        Reading::Issues | Reading::Pulls | Reading::Workflows => {
            then.archived && now.archived && then.updated_at.is_some() && then.updated_at == now.updated_at && pushed
        }
        _ => false,
    }
}
