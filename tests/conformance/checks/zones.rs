//! C42: whatever happens is counted on one day, whichever zone cuts the days and whatever its clocks do.

use std::collections::BTreeMap;

use dashtray::{
    connections,
    integrations::ZonePolicy,
    metric::{Day, Period, Value, Zone},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};

use crate::conformance::{
    direct::{Direct, Options},
    stand::{Account, Stand, numbers::civil_day},
    whole::Whole,
};

type Checked = Result<(), String>;

/// A zone, and the middle one of three days.
const CASES: [(&str, &str); 8] = [
    ("UTC", "2026-02-11"),
    ("Asia/Kathmandu", "2026-02-11"),
    ("America/St_Johns", "2026-02-11"),
    ("Pacific/Kiritimati", "2026-02-11"),
    // Clocks go forward, and back.
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2025-11-02"),
    // They do so at midnight: a day that begins at one o'clock, and one whose last hour comes twice.
    ("Asia/Beirut", "2026-03-29"),
    ("Asia/Beirut", "2025-10-25"),
];
const OFTEN: SignedDuration = SignedDuration::from_mins(30);
const A_SECOND: SignedDuration = SignedDuration::from_secs(1);

/// C42
pub(crate) async fn puts_everything_on_one_day(stand: &Stand) -> Checked {
    for (zone, middle) in CASES {
        let middle: Day = middle.parse().map_err(|_| format!("{middle} is no day"))?;
        counts_once(stand, zone, middle).await.map_err(|why| format!("{zone} around {middle}: {why}"))?;
    }
    is_frozen(stand).await
}

async fn counts_once(stand: &Stand, zone: &'static str, middle: Day) -> Checked {
    let period = Period::inclusive(middle.plus(-1), middle.next());
    // Who counts in UTC does so wherever people are.
    let cut_in = if stand.integration.descriptor().zone == ZonePolicy::Utc { "UTC" } else { zone };
    let at = instants(period, zone);
    let mut expected: BTreeMap<Day, i64> = BTreeMap::new();
    for at in &at {
        let day = civil_day(*at, cut_in);
        if period.contains(day) {
            *expected.entry(day).or_default() += 1;
        }
    }
    let provider = (stand.happenings.start)(at, zone).await;
    let metric = stand.happenings.metric;
    // At once, and each day for itself: no day takes what is its neighbour's.
    for windows in [vec![period], period.days().map(Period::single).collect()] {
        let zone: Zone = cut_in.parse().map_err(|_| "no zone")?;
        let options = Options { zone, ..Options::default() };
        let direct = Direct::open_with(stand, &provider.url, &stand.valid, options)?;
        let mut told = BTreeMap::new();
        for window in windows {
            let fetched = direct.fetch_days(&[metric], window).await?;
            let of_metric = fetched.facts.values().filter(|(id, dimension, ..)| *id == metric && dimension.is_empty());
            told = of_metric.map(|(_, _, day, value)| (day, value)).collect();
        }
        let expected = expected.iter().map(|(day, count)| (*day, Value::Count(*count))).collect();
        ensure!(told == expected, "{metric} should be {expected:?} and is {told:?}");
    }
    Ok(())
}

/// Each half hour from the day before to the day after, and the seconds around each midnight.
fn instants(period: Period, zone: &str) -> Vec<Timestamp> {
    let midnight = |day: Day| format!("{day}T00:00:00Z").parse::<Timestamp>().unwrap_or(Timestamp::UNIX_EPOCH);
    let day_long = SignedDuration::from_hours(24);
    let (mut at, end) = (midnight(period.start()) - day_long, midnight(period.end()) + day_long);
    let mut all = Vec::new();
    while at < end {
        let next = at + OFTEN;
        all.push(at);
        if civil_day(at, zone) != civil_day(next, zone) {
            // Zones are some quarters of an hour apart, so that a midnight lies on a quarter.
            let quarters = [15, 30].map(|minutes| at + SignedDuration::from_mins(minutes));
            all.extend(quarters.into_iter().flat_map(|quarter| [quarter - A_SECOND, quarter + A_SECOND]));
        }
        at = next;
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The zone of a connection is the provider's own, or the one that was chosen, and stays so.
async fn is_frozen(stand: &Stand) -> Checked {
    const CHOSEN: &str = "Asia/Kathmandu";
    let whole = Whole::open(stand, Account::Quiet).await?;
    let settings = Map::from_iter([("zone".to_owned(), json!(CHOSEN))]);
    let chosen = whole.connect_with(&stand.valid, settings).await;
    let policy = stand.integration.descriptor().zone;
    match (policy, chosen) {
        (ZonePolicy::Choosable, Ok(_)) => {
            let zone = whole.connection().await?.settings.zone;
            ensure!(zone.name() == CHOSEN, "{CHOSEN} was chosen and {zone} is taken");
            return Ok(());
        }
        (ZonePolicy::Choosable, Err(error)) => return Err(format!("a zone may be chosen and is refused: {error}")),
        (_, Ok(_)) => return Err(format!("{CHOSEN} is taken, and days are the provider's own")),
        (_, Err(connections::Error::InvalidFields { fields })) => {
            let names_it = fields.iter().any(|field| field.field == "zone");
            ensure!(names_it, "what is refused is not the zone: {fields:?}");
        }
        (_, Err(error)) => return Err(format!("a zone of its own is refused as {error}")),
    }
    let before = whole.connect(&stand.valid).await.map_err(|error| error.to_string())?;
    let zone = whole.connection().await?.settings.zone;
    let own = if policy == ZonePolicy::Utc { Some("UTC".to_owned()) } else { before.account.zone };
    ensure!(own.as_deref() == Some(zone.name()), "the days are those of {own:?}, and {zone} is taken");
    Ok(())
}
