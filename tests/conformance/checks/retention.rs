//! Gold: no further back than a provider can answer.

use std::collections::BTreeSet;

use dashtray::{
    metric::{Definition, Interval, Period, State},
    sync::Range,
};

use super::windows::age;
use crate::{
    conformance::{
        direct::Direct,
        machine::{Machine, hurried},
        rows::{Place, Rows},
        stand::{Account, Stand},
    },
    support::database::Database,
};

type Checked = Result<(), String>;

/// So many days further back than the longest reach.
const DAYS_BEYOND: i32 = 10;

/// C46
pub(crate) async fn is_clamped(stand: &Stand) -> Checked {
    let machine = Machine::new(stand, Account::Busy).await?;
    let descriptor = stand.integration.descriptor();
    let today = machine.today();
    let reach = descriptor.metrics.iter().filter_map(|definition| definition.retention_days).max().unwrap_or(0);
    let history = Period::inclusive(today.plus(1 - DAYS_BEYOND - i32::try_from(reach).unwrap_or(i32::MAX)), today);
    answers_no_further(stand, &machine, history).await?;

    let days = i32::try_from(history.len()).unwrap_or(i32::MAX);
    let database = machine.connected_for(days, Database::sqlite().await).await?;
    machine.good_runs(&database, Range::default()).await?;
    let rows = machine.rows(&database).await?;
    for definition in &descriptor.metrics {
        for grain in descriptor.grains(definition) {
            is_labelled(&machine, definition, *grain, history, &rows)?;
        }
    }
    knows_its_edges(stand, &machine, &database).await?;
    asks_no_further(stand, &machine, &database, history).await
}

/// Asked for more than its provider can answer, an integration answers what it can.
async fn answers_no_further(stand: &Stand, machine: &Machine, history: Period) -> Checked {
    let direct = Direct::open(stand, &machine.front.url, &stand.valid)?.over(history);
    let fetched = hurried(direct.fetch()).await;
    fetched.is_whole(&fetched)?;
    for definition in &stand.integration.descriptor().metrics {
        let answered = fetched.facts.answered_days(&definition.id);
        let beyond = answered.iter().find(|day| is_beyond(definition, age(machine.today(), **day)));
        ensure!(beyond.is_none(), "{} is answered for {beyond:?}, which its provider has forgotten", definition.id);
    }
    Ok(())
}

fn is_beyond(definition: &Definition, age: i32) -> bool {
    definition.retention_days.is_some_and(|days| i64::from(age) >= i64::from(days))
}

/// Exactly what begins further back than the provider can answer is called so, and all else is answered.
fn is_labelled(machine: &Machine, definition: &Definition, grain: Interval, history: Period, rows: &Rows) -> Checked {
    let states =
        |day| rows.0.iter().filter(move |(at, _)| at.metric == definition.id && at.grain == grain && at.day == day);
    for day in grain.starts(history) {
        let is_beyond = is_beyond(definition, age(machine.today(), day));
        let mut there = states(day).peekable();
        ensure!(there.peek().is_some(), "{} of the {} of {day} has no state", definition.id, grain.name());
        for (place, row) in there {
            let is_right =
                if is_beyond { row.mark.state == State::BeyondRetention } else { row.mark.state.is_answered() };
            ensure!(is_right, "{place:?} with a reach of {:?} days is {:?}", definition.retention_days, row.mark.state);
        }
    }
    Ok(())
}

/// The oldest day within reach is what it is when nothing else is asked for.
async fn knows_its_edges(stand: &Stand, machine: &Machine, database: &Database) -> Checked {
    let reaches: BTreeSet<u32> =
        stand.integration.descriptor().metrics.iter().filter_map(|definition| definition.retention_days).collect();
    for reach in reaches {
        let edge = machine.today().plus(1 - i32::try_from(reach).unwrap_or(i32::MAX));
        let alone = machine.connected_for(i32::try_from(reach).unwrap_or(i32::MAX), Database::sqlite().await).await?;
        machine.good_runs(&alone, Range { from: Some(edge), to: Some(edge) }).await?;
        let (told, alone) =
            (machine.told(database, Period::single(edge)).await?, machine.told(&alone, Period::single(edge)).await?);
        let on_edge = |place: &&Place| place.grain == Interval::Day;
        for place in told.keys().chain(alone.keys()).filter(on_edge) {
            let (whole, alone) = (told.get(place), alone.get(place));
            ensure!(whole == alone, "{place:?} is {whole:?}, and alone {alone:?}");
        }
    }
    Ok(())
}

/// Asked by name for days that are out of reach, it asks for nothing but what has no edge, and the days stay what they are.
async fn asks_no_further(stand: &Stand, machine: &Machine, database: &Database, history: Period) -> Checked {
    let descriptor = stand.integration.descriptor();
    let reach = descriptor.metrics.iter().filter_map(|definition| definition.retention_days).max().unwrap_or(0);
    let edge = machine.today().plus(-i32::try_from(reach).unwrap_or(i32::MAX));
    let beyond = Period::inclusive(history.start(), edge);
    let (edged, endless): (Vec<&Definition>, Vec<&Definition>) =
        descriptor.metrics.iter().partition(|definition| definition.retention_days.is_some());
    let before = machine.rows(database).await?;

    machine.front.take();
    let range = Range { from: Some(beyond.start()), to: beyond.last() };
    machine.good_runs(database, range).await?;
    let asked: BTreeSet<String> = machine.front.take().into_iter().map(|asked| asked.path).collect();
    let direct = Direct::open(stand, &machine.front.url, &stand.valid)?.over(beyond);
    let ids: Vec<String> = endless.iter().map(|definition| definition.id.clone()).collect();
    if !ids.is_empty() {
        hurried(direct.fetch_only(&ids)).await.map_err(|error| error.to_string())?;
    }
    let mut needed: BTreeSet<String> = machine.front.take().into_iter().map(|asked| asked.path).collect();
    needed.extend(stand.token_path());
    let too_much: Vec<&String> = asked.difference(&needed).collect();
    ensure!(too_much.is_empty(), "for days out of reach it asks {too_much:?}, which nothing within reach needs");

    let after = machine.rows(database).await?;
    for (place, row) in after.0.iter().filter(|(place, _)| edged.iter().any(|metric| metric.id == place.metric)) {
        ensure!(before.get(place) == Some(row), "{place:?} was {:?} and is {row:?}", before.get(place));
    }
    Ok(())
}
