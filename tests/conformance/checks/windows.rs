//! Gold: the same numbers, however they are asked for.

use std::collections::BTreeSet;

use dashtray::{
    integrations::Shape,
    metric::{Day, Definition, Interval, Period, Quality},
    sync::Range,
};

use crate::{
    conformance::{
        direct::{Direct, Fetched},
        machine::Machine,
        rows::{Place, Told},
        stand::{Account, Stand},
    },
    support::database::Database,
};

type Checked = Result<(), String>;

/// Days of the stand's period before a cut: one, half of them, all but the present day.
const CUTS: [i32; 3] = [1, 5, 9];
/// Days that are read in chunks.
const BACKFILLED_DAYS: i32 = 8;
const UNREAD: [&str; 2] = ["pending", "failed"];

/// C43
pub(crate) async fn join(stand: &Stand) -> Checked {
    let provider = (stand.start)(Account::Busy).await;
    let descriptor = stand.integration.descriptor();
    // A walk of a whole account comes to the present day, whatever it was begun for.
    let walks = |metric: &&Definition| {
        descriptor.stream(&metric.stream).is_none_or(|stream| stream.shape == Shape::WholeAccount)
    };
    let by_day: BTreeSet<&str> =
        descriptor.metrics.iter().filter(|metric| !walks(metric)).map(|metric| metric.id.as_str()).collect();
    let read = async |period: Period| -> Result<Fetched, String> {
        let fetched = Direct::open(stand, &provider.url, &stand.valid)?.over(period).fetch().await;
        fetched.is_whole(&fetched).map_err(|why| format!("{period}: {why}"))?;
        let stray = fetched.facts.strays(period, &by_day);
        ensure!(stray.is_none(), "asked for {period} it speaks of {stray:?}");
        Ok(fetched)
    };
    let whole = read(stand.period()).await?;
    ensure!(!whole.facts.is_empty(), "the lively account has no values; nothing could be judged by it");
    let (start, end) = (stand.period().start(), stand.period().end());
    for cut in CUTS.map(|days| start.plus(days)) {
        let parts = (read(Period::new(start, cut)).await?, read(Period::new(cut, end)).await?);
        let joined = whole.facts.is_made_of(&[&parts.0.facts, &parts.1.facts]);
        joined.map_err(|why| format!("read in two windows that meet on {cut}: {why}"))?;
    }
    Ok(())
}

/// C44
pub(crate) async fn backfill_in_any_order(stand: &Stand) -> Checked {
    let descriptor = stand.integration.descriptor();
    let machine = Machine::new(stand, Account::Busy).await?;
    let base = machine.connected(Database::sqlite().await).await?;
    let first = machine.today().plus(1 - BACKFILLED_DAYS);
    let chunk = |from: i32, to: i32| Range { from: Some(first.plus(from)), to: Some(first.plus(to)) };
    let last = BACKFILLED_DAYS - 1;
    let by_day: Vec<Range> = (0..=last).map(|day| chunk(day, day)).collect();
    let newest_first = by_day.iter().rev().copied().collect();
    let ways: [(&str, Vec<Range>); 4] = [
        ("at once", vec![chunk(0, last)]),
        ("in three chunks, the one in the middle last", vec![chunk(5, last), chunk(0, 1), chunk(2, 4)]),
        ("day by day", by_day),
        ("day by day, the newest first", newest_first),
    ];
    let period = Period::new(first, machine.today().next());
    let mut expected = None;
    for (way, chunks) in ways {
        let database = base.as_it_lies();
        for range in &chunks {
            machine.good_runs(&database, *range).await.map_err(|why| format!("{way}, {range:?}: {why}"))?;
        }
        let mut told = machine.told(&database, period).await?;
        // What is not kept is made of days, which is told by another check.
        let is_kept = |at: &Place| {
            descriptor.metric(&at.metric).is_some_and(|metric| descriptor.grains(metric).contains(&at.grain))
        };
        told.retain(|at, _| is_kept(at));
        ensure!(told.len() > 20, "there are {} points; nothing could be judged by them", told.len());
        let unread = told.iter().find(|(at, point)| at.grain == Interval::Day && UNREAD.contains(&point.state));
        ensure!(unread.is_none(), "{way}: {unread:?}");
        match &expected {
            None => expected = Some(told),
            Some(expected) => {
                let places: BTreeSet<&Place> = told.keys().chain(expected.keys()).collect();
                let is_same = |place: &&Place| is_same(told.get(place), expected.get(place));
                let other = places.into_iter().find(|place| !is_same(place));
                let both = other.map(|place| (told.get(place), expected.get(place)));
                ensure!(other.is_none(), "read {way} {other:?} is what it is at once: {both:?}");
            }
        }
    }
    Ok(())
}

/// What is said to be an estimate may be another value. And a part that was not known yet when the other days were read may
/// be called not measured there, where it was nothing.
fn is_same(one: Option<&Told>, other: Option<&Told>) -> bool {
    let both = [one, other];
    let is = |told: Option<&Told>, states: &[&str]| told.is_none_or(|told| states.contains(&told.state));
    let is_estimate = both.iter().any(|told| told.is_some_and(|told| told.quality == Quality::Estimated));
    let is_unknown = both.iter().any(|told| told.is_some_and(|told| told.state == "unsupported"));
    one == other || is_estimate || (is_unknown && both.iter().all(|told| is(*told, &["zero", "empty", "unsupported"])))
}

/// How old a day is, 0 being the present one.
pub(super) fn age(today: Day, day: Day) -> i32 {
    today.number() - day.number()
}
