//! Gold: what comes late is taken in as long as a day settles, is noted, and then stands.

use std::collections::{BTreeMap, BTreeSet};

use dashtray::{
    metric::{Definition, Interval, Kind, Period, Quality},
    store::RestatementRow,
    sync::{Range, RunView},
};

use super::windows::age;
use crate::{
    conformance::{
        machine::{HISTORY_DAYS, Machine},
        rows::{Place, Row, Rows, restatements},
        stand::{Account, LATENESS, Stand},
    },
    support::database::Database,
};

type Checked = Result<(), String>;

/// Days that pass after the late data have come.
const DAYS_AFTER: i32 = 4;

/// What was read of a provider that lags behind, and again when it had caught up.
struct Caught<'a> {
    stand: &'a Stand,
    machine: &'a Machine,
    /// As first read.
    late: Rows,
    /// What was read again.
    again: Rows,
    /// What a first read of the provider comes to that has caught up.
    right: Rows,
    /// What comes of it where the first run was the same and the next one only came when the provider had caught up.
    punctual: Rows,
    restated: BTreeMap<Place, Vec<RestatementRow>>,
    runs: Vec<RunView>,
}

/// C45
pub(crate) async fn settles(stand: &Stand) -> Checked {
    let mut machine = Machine::new(stand, Account::Late).await?;
    let fresh = machine.connected(Database::sqlite().await).await?;
    let database = fresh.as_it_lies();
    machine.good_runs(&database, Range::default()).await?;
    let punctual = database.as_it_lies();
    is_marked(stand, &machine, &database).await.map_err(|why| format!("after the first run: {why}"))?;
    // Days go by of which the provider knows nothing yet.
    for _ in 0..LATENESS.as_hours() / 24 {
        machine.let_a_day_pass().await;
    }
    machine.good_runs(&database, Range::default()).await?;
    let late = machine.rows(&database).await?;
    is_marked(stand, &machine, &database).await.map_err(|why| format!("while its provider lags behind: {why}"))?;

    machine.let_late_data_come();
    let runs = machine.good_runs(&database, Range::default()).await?;
    for other in [&fresh, &punctual] {
        machine.good_runs(other, Range::default()).await?;
    }
    let process = machine.process(&database).await;
    let restated = restatements(&process).await?;
    process.store.close().await;
    let (again, right) = (machine.rows(&database).await?, machine.rows(&fresh).await?);
    let punctual = machine.rows(&punctual).await?;
    is_marked(stand, &machine, &database).await.map_err(|why| format!("after the late data came: {why}"))?;
    Caught { stand, machine: &machine, late, again: again.clone(), right, punctual, restated, runs }.is_honest()?;

    let mut known = again;
    for day in 1..=DAYS_AFTER {
        machine.let_a_day_pass().await;
        machine.good_runs(&database, Range::default()).await?;
        let rows = machine.rows(&database).await?;
        is_marked(stand, &machine, &database).await.map_err(|why| format!("{day} days later: {why}"))?;
        for (place, row) in &known.0 {
            let is_final = row.mark.state.is_answered() && !row.mark.provisional;
            let is_same = rows.get(place) == Some(row);
            ensure!(!is_final || is_same, "{place:?} was final as {row:?} and is {:?} later", rows.get(place));
        }
        known = rows;
    }
    Ok(())
}

/// Whether each day is provisional as long as its metric settles, and no longer.
async fn is_marked(stand: &Stand, machine: &Machine, database: &Database) -> Checked {
    let descriptor = stand.integration.descriptor();
    let today = machine.today();
    for definition in &descriptor.metrics {
        let settles = i32::from(definition.settles_after_days);
        ensure!(settles < HISTORY_DAYS - 1, "{} settles after {settles} days: it is never final", definition.id);
    }
    let history = Period::inclusive(today.plus(2 - HISTORY_DAYS), today);
    for (place, told) in machine.told(database, history).await? {
        let is_day = place.grain == Interval::Day && ["value", "zero", "empty"].contains(&told.state);
        let definition = definition(stand, &place)?;
        let (age, settles) = (age(today, place.day), definition.settles_after_days);
        let is_right = !is_day || told.provisional == can_change(&definition, age);
        ensure!(is_right, "{place:?}, {age} days old and settled after {settles}, is {told:?}");
    }
    Ok(())
}

/// Whether a day may still be restated. What cannot be read again does not change any more.
fn can_change(definition: &Definition, age: i32) -> bool {
    let is_in_reach = definition.retention_days.is_none_or(|days| i64::from(age) < i64::from(days));
    age <= i32::from(definition.settles_after_days) && is_in_reach
}

fn is_read(row: &Row) -> bool {
    row.mark.state.is_answered()
}

fn definition(stand: &Stand, place: &Place) -> Result<Definition, String> {
    let found = stand.integration.descriptor().metric(&place.metric).cloned();
    found.ok_or_else(|| format!("{} is no metric", place.metric))
}

impl Caught<'_> {
    fn is_honest(&self) -> Checked {
        let today = self.machine.today();
        let (mut taken_in, mut left) = (BTreeSet::new(), 0);
        let days = |rows: &Rows| -> BTreeSet<Place> {
            rows.0.keys().filter(|place| place.grain == Interval::Day).cloned().collect()
        };
        for place in days(&self.again).union(&days(&self.right)) {
            let definition = definition(self.stand, place)?;
            let age = age(today, place.day);
            let [late, again, right] = [&self.late, &self.again, &self.right].map(|rows| rows.get(place));
            let said = |row: Option<&Row>| row.map(Row::said);
            if can_change(&definition, age) {
                // Where a rate looks back on days that a first read rebuilds, what was followed knows more of them.
                let is_rebuilt = right.is_some_and(|row| row.mark.quality != Quality::Exact);
                let looks_back = definition.kind == Kind::Ratio && is_rebuilt;
                let right = if looks_back { self.punctual.get(place) } else { right };
                let is_right = said(again) == said(right) || is_nothing(again) && is_nothing(right);
                ensure!(is_right, "{place:?}, {age} days old, came late and is {again:?}, not {right:?}");
                self.is_noted(place, age, late, again)?;
                if said(late) != said(again) {
                    taken_in.insert(place.metric.clone());
                }
                continue;
            }
            ensure!(again == late, "{place:?}, {age} days old, had settled as {late:?} and is {again:?}");
            ensure!(!self.restated.contains_key(place), "{place:?} had settled and was restated");
            left += usize::from(said(late) != said(right));
            // Yesterday's data are late at every provider, unless it can be asked for the present moment alone.
            let is_yesterday = age == 1 && definition.kind != Kind::Level;
            ensure!(!is_yesterday || said(late) == said(right), "{place:?} is final before what came late was read");
        }
        ensure!(!taken_in.is_empty() && left > 0, "nothing came late ({taken_in:?}, {left}); nothing could be judged");
        self.weeks_follow()
    }

    /// A day that was over and is another now says what it was, since when, and by which run.
    fn is_noted(&self, place: &Place, age: i32, late: Option<&Row>, again: Option<&Row>) -> Checked {
        let notes = self.restated.get(place).map(Vec::as_slice).unwrap_or_default();
        let Some(late) = late.filter(|late| is_read(late) && age > 0 && again.map(Row::said) != Some(late.said()))
        else {
            ensure!(notes.is_empty(), "{place:?} was not restated, and it says so: {notes:?}");
            return Ok(());
        };
        let [note] = notes else {
            return Err(format!("{place:?} was {late:?} and is {again:?}, of which {} notes are kept", notes.len()));
        };
        let old = (note.old.value, note.old.denominator, note.old.mark);
        let is_right = old == (late.value, late.denominator, late.mark.to_code())
            && self.runs.iter().any(|run| {
                let is_during =
                    note.changed_at >= run.started_at && run.ended_at.is_some_and(|end| note.changed_at <= end);
                note.run_id == run.run_id && is_during
            });
        ensure!(is_right, "{place:?} was {late:?}, and the note of it is {note:?}");
        Ok(())
    }

    /// A week or month that holds a day that was restated was asked for again, unless other days of it are not what the
    /// provider says by now.
    fn weeks_follow(&self) -> Checked {
        for (place, row) in self.again.0.iter().filter(|(place, _)| place.grain != Interval::Day) {
            let bucket = place.grain.bucket(place.day);
            let day = |day| Place { grain: Interval::Day, day, ..place.clone() };
            let said = |rows: &Rows, place: &Place| rows.get(place).map(Row::said);
            let is_restated = bucket.days().any(|of| self.restated.contains_key(&day(of)));
            let is_up_to_date = bucket.days().all(|of| said(&self.again, &day(of)) == said(&self.right, &day(of)));
            let right = self.right.get(place);
            let is_right = !is_restated || !is_up_to_date || Some(row.said()) == right.map(Row::said);
            ensure!(is_right, "{place:?} is {row:?}, not {right:?}, after a late day");
        }
        Ok(())
    }
}

/// Whether a series says nothing there, or zero: a part may have a row of zero that another reading never had.
fn is_nothing(row: Option<&Row>) -> bool {
    row.is_none_or(|row| row.mark.state.name() == "zero" || row.mark.state.name() == "empty")
}
