//! Civil days in a zone, half-open periods of them, and the buckets that people read.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A civil day, kept as days since 1970-01-01 so that it is a small key.
///
/// Days from 1970-01-01 to 9998-12-31 exist; the bounds leave room for the midnight after the last one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

const LAST_DAY: i32 = 2_932_531;

impl Day {
    /// From days since 1970-01-01; `None` outside the supported years.
    pub fn from_number(number: i32) -> Option<Self> {
        (0..=LAST_DAY).contains(&number).then_some(Self(number))
    }

    /// Days since 1970-01-01.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The day that `at` falls on in `zone`.
    pub fn of(at: Timestamp, zone: &Zone) -> Self {
        Self::clamped(at.to_zoned(zone.0.clone()).date())
    }

    /// The calendar date.
    pub fn date(self) -> Date {
        epoch().checked_add(i64::from(self.0).days()).unwrap_or(Date::MAX)
    }

    /// From a calendar date; `None` outside the supported years.
    pub fn from_date(date: Date) -> Option<Self> {
        Self::from_number(days_since_epoch(date))
    }

    /// This day moved by `days`, held at the first and last supported day.
    pub fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days).clamp(0, LAST_DAY))
    }

    /// The day after.
    pub fn next(self) -> Self {
        self.plus(1)
    }

    fn clamped(date: Date) -> Self {
        Self(days_since_epoch(date).clamp(0, LAST_DAY))
    }
}

fn epoch() -> Date {
    jiff::civil::date(1970, 1, 1)
}

fn days_since_epoch(date: Date) -> i32 {
    epoch().until(date).map_or(-1, |span| span.get_days())
}

impl FromStr for Day {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDate(text.chars().take(40).collect());
        let shape = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shape {
            return Err(invalid());
        }
        text.parse::<Date>().ok().and_then(Self::from_date).ok_or_else(invalid)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date())
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date())
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is no day that exists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a date; write it as 2026-03-31")]
pub struct InvalidDate(String);

/// Days from `start` up to but not including `end`, so that [a,b) and [b,c) join to [a,c) without a seam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    start: Day,
    end: Day,
}

impl Period {
    /// `[start, end)`; a period never runs backwards, so an `end` before `start` gives an empty one.
    pub fn new(start: Day, end: Day) -> Self {
        Self { start, end: end.max(start) }
    }

    /// Both days and all between them.
    pub fn inclusive(first: Day, last: Day) -> Self {
        Self::new(first, last.next())
    }

    /// One day.
    pub fn single(day: Day) -> Self {
        Self::inclusive(day, day)
    }

    /// The first day.
    pub fn start(self) -> Day {
        self.start
    }

    /// The day after the last.
    pub fn end(self) -> Day {
        self.end
    }

    /// The last day that is part of it; `None` when empty.
    pub fn last(self) -> Option<Day> {
        (!self.is_empty()).then(|| self.end.plus(-1))
    }

    /// How many days it has.
    pub fn len(self) -> usize {
        usize::try_from(self.end.0 - self.start.0).unwrap_or(0)
    }

    /// Whether it has no day.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `day` is part of it.
    pub fn contains(self, day: Day) -> bool {
        self.start <= day && day < self.end
    }

    /// Its days, oldest first.
    pub fn days(self) -> impl DoubleEndedIterator<Item = Day> + ExactSizeIterator {
        (self.start.0..self.end.0).map(Day)
    }

    /// What both have in common; empty when they do not meet.
    pub fn intersect(self, other: Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// Cuts it into windows of at most `days` days, newest first.
    pub fn windows(self, days: u32) -> Vec<Self> {
        let step = i32::try_from(days.max(1)).unwrap_or(i32::MAX);
        let mut windows = Vec::new();
        let mut end = self.end;
        while end > self.start {
            let start = end.plus(-step).max(self.start);
            windows.push(Self { start, end });
            end = start;
        }
        windows
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

/// A time zone of the IANA database by name. Days are cut in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// Its name, `UTC` or such as `Asia/Kathmandu`.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The first instant of a day. Where midnight does not exist, the first instant after the jump.
    pub fn start_of(&self, day: Day) -> Timestamp {
        day.date().to_zoned(self.0.clone()).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
    }

    /// The instants `[from, to)` that a period covers: 23 to 25 hours a day where clocks change.
    pub fn bounds(&self, period: Period) -> (Timestamp, Timestamp) {
        (self.start_of(period.start), self.start_of(period.end))
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name.eq_ignore_ascii_case("utc") {
            return Ok(Self::utc());
        }
        TimeZone::get(name).map(Self).map_err(|_| UnknownZone(name.chars().take(60).collect()))
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No zone of that name is in the IANA database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a time zone; use a name such as Europe/Berlin or UTC")]
pub struct UnknownZone(String);

/// How finely a series is read, and what one of its points stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Each civil day.
    Day,
    /// ISO 8601 weeks, Monday to Sunday.
    Week,
    /// Calendar months.
    Month,
}

impl Interval {
    /// All, the finest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Whether a bucket begins on `day`.
    pub fn begins_on(self, day: Day) -> bool {
        self.bucket(day).start() == day
    }

    /// The first days of the buckets that begin in a period, oldest first.
    pub fn starts(self, period: Period) -> impl Iterator<Item = Day> {
        let bucket = self.bucket(period.start());
        let first = if bucket.start() == period.start() { bucket.start() } else { bucket.end() };
        let next = move |day: &Day| Some(self.bucket(*day).end());
        std::iter::successors(Some(first), next).take_while(move |day| *day < period.end())
    }

    /// The whole buckets that have a day in common with a period.
    pub fn whole(self, period: Period) -> Period {
        let Some(last) = period.last() else { return period };
        Period::new(self.bucket(period.start()).start(), self.bucket(last).end())
    }

    /// The whole bucket that `day` is part of.
    pub fn bucket(self, day: Day) -> Period {
        let date = day.date();
        match self {
            Self::Day => Period::single(day),
            Self::Week => {
                let monday = day.plus(-i32::from(date.weekday().to_monday_zero_offset()));
                Period::new(monday, monday.plus(7))
            }
            Self::Month => {
                let first = Day::clamped(date.first_of_month());
                Period::inclusive(first, Day::clamped(date.last_of_month()))
            }
        }
    }
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            other => Err(format!(
                "\"{}\" is not an interval; use day, week or month",
                other.chars().take(20).collect::<String>()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ZONES: [&str; 7] = [
        "UTC",
        "Asia/Kathmandu",     // +05:45
        "America/St_Johns",   // -03:30 with summer time
        "Pacific/Kiritimati", // +14
        "Europe/Berlin",
        "America/Sao_Paulo",   // had days without a midnight
        "Australia/Lord_Howe", // summer time of half an hour
    ];

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn days_of_23_and_25_hours() {
        let hours = |zone_name: &str, date: &str| {
            let (from, to) = zone(zone_name).bounds(Period::single(day(date)));
            to.duration_since(from).as_hours()
        };
        assert_eq!(hours("Europe/Berlin", "2026-03-29"), 23);
        assert_eq!(hours("Europe/Berlin", "2026-10-25"), 25);
        assert_eq!(hours("UTC", "2026-03-29"), 24);
    }

    #[test]
    fn a_day_without_midnight_starts_after_the_jump() {
        let start = zone("America/Sao_Paulo").start_of(day("2018-11-04"));
        assert_eq!(start.to_string(), "2018-11-04T03:00:00Z");
    }

    #[test]
    fn an_instant_falls_on_the_day_of_its_zone() {
        let at: Timestamp = "2026-03-01T11:00:00Z".parse().unwrap();
        assert_eq!(Day::of(at, &zone("Pacific/Kiritimati")), day("2026-03-02"));
        assert_eq!(Day::of(at, &zone("Asia/Kathmandu")), day("2026-03-01"));
    }

    #[test]
    fn refuses_dates_that_do_not_exist() {
        for bad in [
            "2026-02-29",
            "2026-13-01",
            "26-01-01",
            "2026-1-1",
            "0000-01-01",
            "1969-12-31",
            "9999-12-31",
            "today",
            "2026-01-01T00",
        ] {
            assert!(bad.parse::<Day>().is_err(), "{bad}");
        }
        assert_eq!(day("9998-12-31").number(), LAST_DAY);
    }

    #[test]
    fn weeks_are_iso_weeks_and_months_are_calendar_months() {
        assert_eq!(Interval::Week.bucket(day("2026-01-01")).to_string(), "[2025-12-29, 2026-01-05)");
        assert_eq!(Interval::Month.bucket(day("2028-02-10")).to_string(), "[2028-02-01, 2028-03-01)");
    }

    #[test]
    fn buckets_begin_where_the_one_before_ends() {
        let begins = |interval: Interval, first: &str, end: &str| -> Vec<String> {
            interval.starts(Period::new(day(first), day(end))).map(|day| day.to_string()).collect()
        };
        assert_eq!(begins(Interval::Day, "2026-03-01", "2026-03-03"), ["2026-03-01", "2026-03-02"]);
        assert_eq!(begins(Interval::Week, "2026-03-02", "2026-03-17"), ["2026-03-02", "2026-03-09", "2026-03-16"]);
        assert_eq!(begins(Interval::Month, "2026-01-02", "2026-03-01"), ["2026-02-01"]);
        assert!(begins(Interval::Week, "2026-03-03", "2026-03-09").is_empty());
        assert!(begins(Interval::Month, "2026-03-01", "2026-03-01").is_empty());
        let cut = Period::new(day("2026-03-03"), day("2026-03-10"));
        assert_eq!(Interval::Week.whole(cut).to_string(), "[2026-03-02, 2026-03-16)");
        assert_eq!(Interval::Day.whole(cut), cut);
        assert!(Interval::Month.whole(Period::new(day("2026-03-03"), day("2026-03-03"))).is_empty());
    }

    #[test]
    fn windows_are_newest_first_and_cover_all() {
        let windows = Period::new(day("2026-01-01"), day("2026-01-08")).windows(3);
        let text: Vec<_> = windows.iter().map(ToString::to_string).collect();
        assert_eq!(text, ["[2026-01-05, 2026-01-08)", "[2026-01-02, 2026-01-05)", "[2026-01-01, 2026-01-02)"]);
    }

    proptest! {
        #[test]
        fn every_instant_is_in_exactly_one_day(seconds in 0_i64..4_102_444_800, which in 0_usize..ZONES.len()) {
            let zone = zone(ZONES[which]);
            let at = Timestamp::from_second(seconds).unwrap();
            let day = Day::of(at, &zone);
            let holders = [day.plus(-1), day, day.plus(1)]
                .into_iter()
                .filter(|candidate| {
                    let (from, to) = zone.bounds(Period::single(*candidate));
                    from <= at && at < to
                })
                .collect::<std::collections::BTreeSet<_>>();
            prop_assert_eq!(holders.into_iter().collect::<Vec<_>>(), vec![day]);
        }

        #[test]
        fn half_open_periods_join(a in 10_000_i32..30_000, b in 0_i32..400, c in 0_i32..400, which in 0_usize..ZONES.len()) {
            let zone = zone(ZONES[which]);
            let (a, b, c) = (Day(a), Day(a + b), Day(a + b + c));
            let whole = zone.bounds(Period::new(a, c));
            let (left, right) = (zone.bounds(Period::new(a, b)), zone.bounds(Period::new(b, c)));
            prop_assert_eq!(left.1, right.0);
            prop_assert_eq!((left.0, right.1), whole);
            let joined: Vec<Day> = Period::new(a, b).days().chain(Period::new(b, c).days()).collect();
            prop_assert_eq!(joined, Period::new(a, c).days().collect::<Vec<_>>());
        }

        #[test]
        fn no_text_is_too_strange_for_a_day(text in any::<String>(), digits in "[0-9-]{10}") {
            for text in [text, digits] {
                if let Ok(day) = text.parse::<Day>() {
                    prop_assert_eq!(day.to_string(), text);
                }
            }
        }

        #[test]
        fn a_day_reads_back_from_its_text(number in 0_i32..=LAST_DAY) {
            let day = Day(number);
            prop_assert_eq!(day.to_string().parse::<Day>().unwrap(), day);
        }
    }
}
