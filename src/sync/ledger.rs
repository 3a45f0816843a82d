//! From what an integration hands in to rows of the ledger. Pure: what stands is an argument, what to write the result.
//!
//! Each metric has one *carrier*, the series whose marks are the state of (connection, metric, day). It is the total in
//! the account's currency; of a table metric it has no currency and no values. Other series (further currencies, values
//! of the dimension) have rows only where something was said of them: where they have none, an answered carrier means
//! zero, see `series`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::{
    http::Error,
    integrations::{Gap, Why},
    metric::{
        Answer, Currency, Day, Definition, FailureKind, Kind, Mark, Period, Quality, Sample, Scope, State, Value,
        WidgetType,
    },
};

/// Names a series within its metric: the dimension's value (empty for the total) and the currency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesKey {
    pub(super) dimension: String,
    pub(super) currency: Option<Currency>,
}

/// What is known of one day of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) value: Option<i64>,
    pub(super) denominator: Option<i64>,
    pub(super) mark: Mark,
}

/// The rows that stand, of all series that an entry may touch.
pub(super) type Standing = BTreeMap<(SeriesKey, Day), Cell>;

/// A row to write.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change {
    pub(super) series: SeriesKey,
    pub(super) day: Day,
    pub(super) cell: Cell,
    /// What stood and was restated by this.
    pub(super) restated: Option<Cell>,
    /// Metadata of the value, where it has any.
    pub(super) note: Option<Json>,
}

/// Which day it is, and in what zero is counted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) today: Day,
    pub(super) currency: Currency,
}

/// The series whose marks are the metric's state.
pub(super) fn carrier(definition: &Definition, frame: Frame) -> SeriesKey {
    let valued = definition.widget_type != WidgetType::Table;
    SeriesKey { dimension: String::new(), currency: (valued && definition.has_currency()).then_some(frame.currency) }
}

/// The series that an entry of this scope fills day by day.
fn filled(definition: &Definition, scope: &Scope, frame: Frame) -> SeriesKey {
    match scope {
        Scope::Total | Scope::EveryDimension => carrier(definition, frame),
        Scope::One(dimension) => {
            SeriesKey { dimension: dimension.clone(), currency: definition.has_currency().then_some(frame.currency) }
        }
    }
}

/// Whether an entry of this scope speaks of a series.
pub(super) fn covers(scope: &Scope, series: &SeriesKey) -> bool {
    match scope {
        Scope::Total => series.dimension.is_empty(),
        Scope::One(dimension) => series.dimension == *dimension,
        Scope::EveryDimension => !series.dimension.is_empty(),
    }
}

/// The rows that an answer changes.
pub(super) fn answer(
    definition: &Definition,
    answer: &Answer,
    standing: &Standing,
    frame: Frame,
) -> Result<Vec<Change>, Error> {
    let period = answer.period.intersect(Period::inclusive(answer.period.start(), frame.today));
    let mut said = BTreeMap::new();
    for sample in &answer.samples {
        check(definition, answer, sample)?;
        if !period.contains(sample.day) {
            return Err(wrong(definition, format!("a value of {} lies outside of {}", sample.day, answer.period)));
        }
        let key = (series_of(definition, sample, frame), sample.day);
        if said.insert(key, sample).is_some() {
            return Err(wrong(definition, format!("two values for {}", sample.day)));
        }
    }
    // What a rebuilt day leaves unsaid is no surer than what it says.
    let mut qualities: BTreeMap<Day, Quality> = BTreeMap::new();
    for ((_, day), sample) in &said {
        let quality = qualities.entry(*day).or_insert(sample.quality);
        *quality = (*quality).max(sample.quality);
    }
    let quality_of = |day: Day| qualities.get(&day).copied().unwrap_or(Quality::Exact);
    let whole = filled(definition, &answer.scope, frame);
    let is_table_state = answer.scope == Scope::EveryDimension;
    let mut cells: BTreeMap<(SeriesKey, Day), (Cell, Option<Json>)> = BTreeMap::new();
    for ((series, day), sample) in &said {
        let note = sample.metadata.clone().map(Json::Object);
        cells.insert((series.clone(), *day), (cell_of(definition, *day, sample.value, sample.quality, frame), note));
    }
    for (series, day) in standing.keys() {
        let forgotten = covers(&answer.scope, series) && period.contains(*day);
        if forgotten && !cells.contains_key(&(series.clone(), *day)) {
            cells.insert((series.clone(), *day), (unsaid(definition, *day, quality_of(*day), frame), None));
        }
    }
    let days_with_value: BTreeSet<Day> =
        said.iter().filter(|(_, sample)| sample.value.is_some()).map(|((_, day), _)| *day).collect();
    for day in period.days() {
        let cell = if is_table_state {
            let state = if days_with_value.contains(&day) { State::Value } else { State::Zero };
            Cell { value: None, denominator: None, mark: mark(definition, day, state, quality_of(day), frame) }
        } else {
            unsaid(definition, day, quality_of(day), frame)
        };
        cells.entry((whole.clone(), day)).or_insert((cell, None));
    }
    Ok(cells
        .into_iter()
        .filter_map(|((series, day), said)| {
            let stands = standing.get(&(series.clone(), day)).copied();
            let of_metric = standing.get(&(whole.clone(), day)).copied();
            change(series, day, said, stands, of_metric)
        })
        .collect())
}

/// The rows that a gap changes: values that stand are kept and marked stale, in each series that the gap speaks of; a
/// day of the filled series without one takes the gap's state.
pub(super) fn gap(definition: &Definition, gap: &Gap, standing: &Standing, frame: Frame) -> Vec<Change> {
    unread(definition, gap, standing, frame, |series| covers(&gap.scope, series))
}

/// The same for days of a metric that a whole call left unread: what stands of its dimension is stale as well.
pub(super) fn left(definition: &Definition, gap: &Gap, standing: &Standing, frame: Frame) -> Vec<Change> {
    unread(definition, gap, standing, frame, |_| true)
}

fn unread(
    definition: &Definition,
    gap: &Gap,
    standing: &Standing,
    frame: Frame,
    speaks_of: impl Fn(&SeriesKey) -> bool,
) -> Vec<Change> {
    let period = gap.period.intersect(Period::inclusive(gap.period.start(), frame.today));
    let state = state_of(&gap.why);
    let filled = filled(definition, &gap.scope, frame);
    let kept = standing
        .iter()
        .filter(|((series, day), cell)| {
            period.contains(*day) && (speaks_of(series) || *series == filled) && cell.mark.state.is_answered()
        })
        .map(|((series, day), cell)| (series.clone(), *day, Cell { mark: Mark { stale: true, ..cell.mark }, ..*cell }));
    let lost = period
        .days()
        .filter(|day| !standing.get(&(filled.clone(), *day)).is_some_and(|cell| cell.mark.state.is_answered()))
        .map(|day| (filled.clone(), day, Cell { value: None, denominator: None, mark: Mark::new(state) }));
    let note = reason(&gap.why).map(|text| serde_json::json!({ "reason": text }));
    kept.chain(lost)
        .filter(|(series, day, cell)| standing.get(&(series.clone(), *day)) != Some(cell))
        .map(|(series, day, cell)| {
            let note = note.clone().filter(|_| !cell.mark.stale);
            Change { series, day, cell, restated: None, note }
        })
        .collect()
}

/// What the plan or the permissions do not include is unsupported; anything else that went wrong has failed.
fn state_of(why: &Why) -> State {
    match why {
        Why::Failed(error) if is_withheld(error.kind()) => State::Unsupported,
        Why::Failed(error) => State::Failed(error.kind()),
        Why::BeyondRetention => State::BeyondRetention,
        Why::Unsupported(_) => State::Unsupported,
    }
}

/// Whether a failure means that the plan or the permissions do not include what was asked for.
pub(super) fn is_withheld(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Forbidden | FailureKind::PlanRequired)
}

fn reason(why: &Why) -> Option<String> {
    match why {
        Why::Unsupported(reason) => Some(reason.clone()),
        Why::Failed(error) if is_withheld(error.kind()) => Some(error.to_string()),
        Why::Failed(_) | Why::BeyondRetention => None,
    }
}

/// A row to write, unless it stands already. A value of a day that was over when it was read is restated by another.
///
/// What has settled is never replaced by something less sure, such as a snapshot by what was rebuilt of that day. As long
/// as it is provisional it is: a day is while it settles, and again when a setting or the formula has changed. A series
/// without a row that day is as sure as its metric is (`of_metric`), see the module.
fn change(
    series: SeriesKey,
    day: Day,
    (cell, note): (Cell, Option<Json>),
    stands: Option<Cell>,
    of_metric: Option<Cell>,
) -> Option<Change> {
    let is_over = |old: &Cell| old.mark.state.is_answered() && !old.mark.partial;
    let is_surer = |old: Cell| is_over(&old) && !old.mark.provisional && old.mark.quality < cell.mark.quality;
    if stands.or(of_metric).is_some_and(is_surer) {
        // The provider was reached again, so what stands is not stale any more.
        let old = stands.filter(|old| old.mark.stale)?;
        let cell = Cell { mark: Mark { stale: false, ..old.mark }, ..old };
        return Some(Change { series, day, cell, restated: None, note: None });
    }
    if stands == Some(cell) {
        return None;
    }
    let parts = |cell: &Cell| (cell.value, cell.denominator, cell.mark.state);
    let restated = stands.filter(is_over).filter(|old| parts(old) != parts(&cell));
    Some(Change { series, day, cell, restated, note })
}

fn series_of(definition: &Definition, sample: &Sample, frame: Frame) -> SeriesKey {
    let said = sample.value.and_then(|value| value.currency());
    SeriesKey {
        dimension: sample.dimension.clone().unwrap_or_default(),
        currency: definition.has_currency().then(|| said.unwrap_or(frame.currency)),
    }
}

fn check(definition: &Definition, answer: &Answer, sample: &Sample) -> Result<(), Error> {
    let dimension = sample.dimension.as_deref().unwrap_or_default();
    let agrees = match &answer.scope {
        Scope::Total => dimension.is_empty(),
        Scope::One(of) => dimension == of,
        Scope::EveryDimension => !dimension.is_empty(),
    };
    if !agrees {
        return Err(wrong(definition, "a value's dimension is not the answer's".to_owned()));
    }
    let Some(value) = sample.value else { return Ok(()) };
    definition.check(&value).map_err(|error| wrong(definition, error.to_string()))?;
    if definition.valid.holds(&value) {
        return Ok(());
    }
    let shown = value.normalised(definition.unit).unwrap_or_else(|| "a value past 64 bits".to_owned());
    Err(wrong(definition, format!("{shown} on {} is out of the valid range", sample.day)))
}

fn wrong(definition: &Definition, message: String) -> Error {
    Error::invalid_response(message).context("metric", &definition.id)
}

/// What an answered day is on which nothing was said.
fn unsaid(definition: &Definition, day: Day, quality: Quality, frame: Frame) -> Cell {
    let (state, value) = match definition.kind {
        Kind::Flow | Kind::Level | Kind::Distinct => (State::Zero, Some(0)),
        Kind::Ratio | Kind::Statistic => (State::Empty, None),
    };
    Cell { value, denominator: None, mark: mark(definition, day, state, quality, frame) }
}

fn cell_of(definition: &Definition, day: Day, value: Option<Value>, quality: Quality, frame: Frame) -> Cell {
    let mark = mark(definition, day, State::of(value), quality, frame);
    let (value, denominator) = value.map_or((None, None), |value| {
        let (value, denominator) = value.parts();
        (Some(value), denominator)
    });
    Cell { value, denominator, mark }
}

/// A day may be restated until `settles_after_days` days after its end; today is never final.
fn mark(definition: &Definition, day: Day, state: State, quality: Quality, frame: Frame) -> Mark {
    let age = frame.today.number() - day.number();
    Mark {
        state,
        provisional: age <= i32::from(definition.settles_after_days),
        stale: false,
        partial: age <= 0,
        quality,
    }
}

/// The rows a metric needs so that each of its days has a state: pending, or beyond retention where the provider
/// cannot answer any more and never has.
pub(super) fn opening(definition: &Definition, standing: &Standing, asked: Period, frame: Frame) -> Vec<Change> {
    let series = carrier(definition, frame);
    let answerable = answerable(definition, frame);
    asked
        .days()
        .filter_map(|day| {
            let stands = standing.get(&(series.clone(), day)).copied();
            let open = match stands.map(|cell| cell.mark.state) {
                None => true,
                Some(State::Pending | State::Failed(_)) => !answerable.contains(day),
                Some(_) => false,
            };
            let state = if answerable.contains(day) { State::Pending } else { State::BeyondRetention };
            let cell = Cell { value: None, denominator: None, mark: Mark::new(state) };
            open.then(|| Change { series: series.clone(), day, cell, restated: None, note: None })
        })
        .collect()
}

/// The rows that have to be read again, since what they depend on has changed: what was answered is provisional, and
/// what was out of reach may be within it now.
pub(super) fn reopening(standing: &Standing) -> Vec<Change> {
    standing
        .iter()
        .filter_map(|((series, day), cell)| {
            let cell = match cell.mark.state {
                State::BeyondRetention => Cell { mark: Mark::new(State::Pending), ..*cell },
                state if state.is_answered() => Cell { mark: Mark { provisional: true, ..cell.mark }, ..*cell },
                _ => return None,
            };
            let is_new = standing.get(&(series.clone(), *day)) != Some(&cell);
            is_new.then(|| Change { series: series.clone(), day: *day, cell, restated: None, note: None })
        })
        .collect()
}

/// The days that the provider can still answer.
pub(super) fn answerable(definition: &Definition, frame: Frame) -> Period {
    match definition.retention_days {
        None => Period::inclusive(Day::from_number(0).unwrap_or(frame.today), frame.today),
        Some(days) => {
            let back = i32::try_from(days.saturating_sub(1)).unwrap_or(i32::MAX);
            Period::inclusive(frame.today.plus(back.saturating_neg()), frame.today)
        }
    }
}

/// The days of a metric that have to be read: never read, failed, not included so far, stale, or still provisional.
pub(super) fn due(definition: &Definition, standing: &Standing, asked: Period, frame: Frame) -> BTreeSet<Day> {
    let series = carrier(definition, frame);
    let reach = asked.intersect(answerable(definition, frame));
    reach
        .days()
        .filter(|day| match standing.get(&(series.clone(), *day)) {
            None => true,
            Some(cell) => match cell.mark.state {
                State::Pending | State::Failed(_) => true,
                State::Value | State::Zero | State::Empty => cell.mark.provisional || cell.mark.stale,
                // A plan or permission may have been added; where not, the newest window tells at once.
                State::Unsupported => true,
                State::BeyondRetention => false,
            },
        })
        .collect()
}
