//! The days that a page shows and those that they are compared with. All of it stands in the address.

use std::collections::BTreeMap;

use jiff::ToSpan;

use crate::{
    metric::{Day, Interval, Period},
    web::Error,
};

/// A range that has a name: its word in the address, what people read, and its key.
pub(in crate::web) struct Preset {
    pub(in crate::web) word: &'static str,
    pub(in crate::web) label: &'static str,
    pub(in crate::web) key: &'static str,
}

/// Rolling ranges end yesterday; those "to date" include today.
pub(in crate::web) const PRESETS: [Preset; 11] = [
    Preset { word: "7d", label: "Last 7 days", key: "w" },
    Preset { word: "28d", label: "Last 28 days", key: "f" },
    Preset { word: "30d", label: "Last 30 days", key: "t" },
    Preset { word: "91d", label: "Last 91 days", key: "" },
    Preset { word: "month", label: "Month to date", key: "m" },
    Preset { word: "last-month", label: "Last month", key: "p" },
    Preset { word: "quarter", label: "Quarter to date", key: "" },
    Preset { word: "year", label: "Year to date", key: "y" },
    Preset { word: "6m", label: "Last 6 months", key: "s" },
    Preset { word: "12m", label: "Last 12 months", key: "l" },
    Preset { word: "all", label: "All", key: "a" },
];
const USUAL: &str = "28d";
/// More days than any history has.
const LONGEST: usize = 366 * 20;

/// What a range is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Compare {
    Previous,
    Year,
    /// The days before, moved so that Mondays meet Mondays.
    Weekday,
    Nothing,
}

impl Compare {
    pub(in crate::web) const ALL: [Self; 4] = [Self::Previous, Self::Year, Self::Weekday, Self::Nothing];

    pub(in crate::web) fn word(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Year => "year",
            Self::Weekday => "weekday",
            Self::Nothing => "none",
        }
    }

    pub(in crate::web) fn label(self) -> &'static str {
        match self {
            Self::Previous => "Previous period",
            Self::Year => "Same days last year",
            Self::Weekday => "Previous, same weekdays",
            Self::Nothing => "No comparison",
        }
    }
}

/// The days that a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Range {
    /// A preset's word; empty where both days were named.
    word: &'static str,
    pub(in crate::web) period: Period,
    pub(in crate::web) compare: Compare,
    pub(in crate::web) today: Day,
}

/// An address with what its reader chose last, wherever it says nothing itself. `last` is as [`Range::kept`] gave it.
pub(in crate::web) fn recalled(asked: &BTreeMap<String, String>, last: &str) -> BTreeMap<String, String> {
    let mut asked = asked.clone();
    let is_said = |asked: &BTreeMap<String, String>, name: &str| asked.get(name).is_some_and(|text| !text.is_empty());
    let mut words = last.split(' ');
    let (range, compare) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_named = ["range", "from", "to"].iter().any(|name| is_said(&asked, name));
    if !is_named && PRESETS.iter().any(|preset| preset.word == range) {
        asked.insert("range".to_owned(), range.to_owned());
    }
    if !is_said(&asked, "compare") && Compare::ALL.iter().any(|one| one.word() == compare) {
        asked.insert("compare".to_owned(), compare.to_owned());
    }
    asked
}

impl Range {
    /// Reads it out of an address. `oldest` is where "all" begins.
    pub(in crate::web) fn of(asked: &BTreeMap<String, String>, today: Day, oldest: Day) -> Result<Self, Error> {
        let text = |name: &str| asked.get(name).map_or("", String::as_str);
        let compare = match text("compare") {
            "" => Compare::Previous,
            word => *Compare::ALL.iter().find(|one| one.word() == word).ok_or_else(|| {
                Error::BadRequest("There is no such comparison. Choose one from the menu of the dates.".to_owned())
            })?,
        };
        if !text("from").is_empty() || !text("to").is_empty() {
            let day = |name: &str, usual: Day| match text(name) {
                "" => Ok(usual),
                given => given.parse::<Day>().map_err(|error| Error::BadRequest(format!("{error}."))),
            };
            let to = day("to", today)?;
            let from = day("from", to.plus(-27))?;
            return Self::named(from, to, compare, today);
        }
        let word = Some(text("range")).filter(|word| !word.is_empty()).unwrap_or(USUAL);
        let preset = PRESETS.iter().find(|preset| preset.word == word).ok_or_else(|| {
            Error::BadRequest("There is no such range. Choose one from the menu of the dates.".to_owned())
        })?;
        let period = preset_period(preset.word, today, oldest);
        Ok(Self { word: preset.word, period, compare, today })
    }

    fn named(from: Day, to: Day, compare: Compare, today: Day) -> Result<Self, Error> {
        if to < from {
            return Err(Error::BadRequest(format!("The range runs backwards: {from} is after {to}. Swap them.")));
        }
        if from > today {
            return Err(Error::BadRequest(format!("{from} is in the future. Give a day up to {today}.")));
        }
        let period = Period::inclusive(from, to.min(today));
        if period.len() > LONGEST {
            return Err(Error::BadRequest("That is more than twenty years. Name a later first day.".to_owned()));
        }
        Ok(Self { word: "", period, compare, today })
    }

    /// What is remembered of it; nothing where days were named, which grow old.
    pub(in crate::web) fn kept(&self) -> Option<String> {
        (!self.word.is_empty()).then(|| format!("{} {}", self.word, self.compare.word()))
    }

    /// The last day.
    pub(in crate::web) fn last(&self) -> Day {
        self.period.end().plus(-1)
    }

    /// The days that it is compared with: as many, or the same part of the month or year before.
    pub(in crate::web) fn compared(&self) -> Option<Period> {
        let length = i32::try_from(self.period.len()).unwrap_or(i32::MAX);
        let moved = |days: i32| Period::new(self.period.start().plus(-days), self.period.end().plus(-days));
        let before = |first: Day| Period::new(first, first.plus(length).min(self.period.start()));
        let year = || Period::inclusive(year_before(self.period.start()), year_before(self.last()));
        match self.compare {
            Compare::Nothing => None,
            Compare::Year => Some(year()),
            Compare::Weekday => Some(moved(length.saturating_add(6) / 7 * 7)),
            Compare::Previous => Some(match self.word {
                "month" => before(Interval::Month.bucket(self.period.start().plus(-1)).start()),
                "last-month" => Interval::Month.bucket(self.period.start().plus(-1)),
                "quarter" => before(quarter(self.period.start().plus(-1))),
                "year" => year(),
                _ => moved(length),
            }),
        }
    }

    /// What people call it.
    pub(in crate::web) fn label(&self) -> String {
        match PRESETS.iter().find(|preset| preset.word == self.word) {
            Some(preset) => preset.label.to_owned(),
            None => span(self.period, self.today),
        }
    }

    /// Its days in words.
    pub(in crate::web) fn days(&self) -> String {
        span(self.period, self.today)
    }

    pub(in crate::web) fn is_preset(&self, word: &str) -> bool {
        self.word == word
    }

    /// The same days compared with others.
    pub(in crate::web) fn with_compare(&self, compare: Compare) -> Self {
        Self { compare, ..self.clone() }
    }

    /// A preset with the same comparison, as an address has it.
    pub(in crate::web) fn preset_query(&self, word: &str) -> String {
        format!("?range={word}&compare={}", self.compare.word())
    }

    /// As an address has it.
    pub(in crate::web) fn query(&self) -> String {
        if self.word.is_empty() {
            let (from, to) = (self.period.start(), self.last());
            return format!("?from={from}&to={to}&compare={}", self.compare.word());
        }
        self.preset_query(self.word)
    }

    /// As many days before.
    pub(in crate::web) fn earlier(&self) -> Self {
        let length = i32::try_from(self.period.len()).unwrap_or(i32::MAX);
        let period = Period::new(self.period.start().plus(-length), self.period.start());
        Self { word: "", period, ..self.clone() }
    }

    /// As many days after, up to today; `None` where there are none.
    pub(in crate::web) fn later(&self) -> Option<Self> {
        let length = i32::try_from(self.period.len()).unwrap_or(i32::MAX);
        let end = self.period.end().plus(length).min(self.today.next());
        let period = Period::new(self.period.end(), end);
        (!period.is_empty()).then(|| Self { word: "", period, ..self.clone() })
    }

    /// How finely a chart shows it, so that its points can be told apart.
    pub(in crate::web) fn interval(&self) -> Interval {
        match self.period.len() {
            ..=120 => Interval::Day,
            121..=800 => Interval::Week,
            _ => Interval::Month,
        }
    }
}

fn preset_period(word: &str, today: Day, oldest: Day) -> Period {
    let rolling = |days: i32| Period::new(today.plus(-days), today);
    let to_date = |first: Day| Period::inclusive(first, today);
    let months = |count: i32| {
        let first = today.date().first_of_month().checked_sub(count.months()).ok().and_then(Day::from_date);
        Period::new(first.unwrap_or(today), Interval::Month.bucket(today).start())
    };
    match word {
        "7d" => rolling(7),
        "30d" => rolling(30),
        "91d" => rolling(91),
        "month" => to_date(Interval::Month.bucket(today).start()),
        "last-month" => months(1),
        "quarter" => to_date(quarter(today)),
        "year" => to_date(Day::from_date(today.date().first_of_year()).unwrap_or(today)),
        "6m" => months(6),
        "12m" => months(12),
        "all" => to_date(oldest.min(today)),
        _ => rolling(28),
    }
}

/// The first day of the quarter.
fn quarter(day: Day) -> Day {
    let month = Interval::Month.bucket(day).start().date();
    let into = i32::from(month.month() - 1) % 3;
    month.checked_sub(into.months()).ok().and_then(Day::from_date).unwrap_or(day)
}

/// The same date a year before; of 29 February the 28th.
fn year_before(day: Day) -> Day {
    day.date().checked_sub(1.year()).ok().and_then(Day::from_date).unwrap_or(day)
}

/// Days in words: `1–28 Sep`, `28 Aug – 3 Sep`, with the year where it is not this one.
pub(in crate::web) fn span(period: Period, today: Day) -> String {
    let Some(last) = period.last() else { return String::new() };
    let (from, to) = (period.start().date(), last.date());
    let year = if to.year() == today.date().year() { "" } else { " %Y" };
    if from == to {
        return to.strftime(&format!("%-d %b{year}")).to_string();
    }
    if (from.year(), from.month()) == (to.year(), to.month()) {
        return format!("{}–{}", from.day(), to.strftime(&format!("%-d %b{year}")));
    }
    let first_year = if from.year() == to.year() { "" } else { " %Y" };
    let last_year = if from.year() == to.year() { year } else { " %Y" };
    let from = from.strftime(&format!("%-d %b{first_year}")).to_string();
    let to = to.strftime(&format!("%-d %b{last_year}")).to_string();
    format!("{from} – {to}")
}

/// One day, or the week or month that begins on it.
pub(in crate::web) fn bucket_name(day: Day, interval: Interval, today: Day) -> String {
    let year = if day.date().year() == today.date().year() { "" } else { " %Y" };
    match interval {
        Interval::Day => day.date().strftime(&format!("%a %-d %b{year}")).to_string(),
        Interval::Week => format!("week of {}", day.date().strftime(&format!("%-d %b{year}"))),
        Interval::Month => day.date().strftime("%b %Y").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_address_is_too_strange(words in prop::collection::vec(("(range|from|to|compare|x)", any::<String>()), 0..4),
            numbers in (0_i32..60_000, 0_i32..60_000), last in any::<String>(), which in 0..PRESETS.len()) {
            let strange: BTreeMap<String, String> = words.into_iter().collect();
            let [from, to] = [numbers.0, numbers.1].map(|number| Day::from_number(number).unwrap().to_string());
            let named = [("from".to_owned(), from), ("to".to_owned(), to)].into();
            let preset = [("range".to_owned(), PRESETS[which].word.to_owned())].into();
            for asked in [strange, named, preset] {
                let asked = recalled(&asked, &last);
                let Ok(range) = Range::of(&asked, day("2026-03-10"), day("2025-01-05")) else { continue };
                let _ = (range.days(), range.label(), range.compared(), range.kept(), range.interval(), range.query());
                prop_assert!(range.last() <= day("2026-03-10"));
                let earlier = range.earlier();
                let _ = (earlier.days(), earlier.compared(), range.later().map(|later| later.days()));
            }
        }
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn range(asked: &[(&str, &str)]) -> Result<Range, Error> {
        let asked = asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Range::of(&asked, day("2026-03-10"), day("2025-01-05"))
    }

    /// The days, and those they are compared with.
    fn days(asked: &[(&str, &str)]) -> [String; 2] {
        let range = range(asked).unwrap();
        [range.days(), range.compared().map(|period| span(period, range.today)).unwrap_or_default()]
    }

    #[test]
    fn presets_are_compared_with_as_much() {
        assert_eq!(days(&[("range", "7d")]), ["3–9 Mar", "24 Feb – 2 Mar"]);
        assert_eq!(days(&[]), ["10 Feb – 9 Mar", "13 Jan – 9 Feb"]);
        assert_eq!(days(&[("range", "month")]), ["1–10 Mar", "1–10 Feb"]);
        assert_eq!(days(&[("range", "last-month")]), ["1–28 Feb", "1–31 Jan"]);
        assert_eq!(days(&[("range", "quarter")]), ["1 Jan – 10 Mar", "1 Oct – 8 Dec 2025"]);
        assert_eq!(days(&[("range", "year")]), ["1 Jan – 10 Mar", "1 Jan – 10 Mar 2025"]);
        assert_eq!(days(&[("range", "6m")])[0], "1 Sep 2025 – 28 Feb 2026");
        assert_eq!(days(&[("range", "all"), ("compare", "none")]), ["5 Jan 2025 – 10 Mar 2026", ""]);
        assert_eq!(days(&[("range", "30d"), ("compare", "weekday")])[1], "4 Jan – 2 Feb");
        assert_eq!(days(&[("range", "7d"), ("compare", "year")])[1], "3–9 Mar 2025");
    }

    #[test]
    fn a_month_is_never_compared_with_days_of_its_own() {
        let asked = BTreeMap::from([("range".to_owned(), "month".to_owned())]);
        let range = Range::of(&asked, day("2026-03-31"), day("2025-01-05")).unwrap();
        assert_eq!(span(range.compared().unwrap(), range.today), "1–28 Feb");
    }

    #[test]
    fn days_may_be_named_unless_they_make_no_sense() {
        assert_eq!(days(&[("from", "2026-03-01"), ("to", "2026-03-05")]), ["1–5 Mar", "24–28 Feb"]);
        assert_eq!(days(&[("from", "2026-03-01"), ("to", "2999-01-01")])[0], "1–10 Mar");
        for bad in [
            [("from", "2026-03-05"), ("to", "2026-03-01")],
            [("from", "2026-03-11"), ("to", "2026-03-12")],
            [("from", "1970-01-01"), ("to", "2026-03-01")],
            [("from", "soon"), ("to", "2026-03-01")],
            [("range", "7"), ("compare", "year")],
            [("range", "7d"), ("compare", "me")],
        ] {
            assert!(matches!(range(&bad), Err(Error::BadRequest(_))), "{bad:?}");
        }
    }

    #[test]
    fn what_an_address_leaves_open_is_as_it_was_chosen_last() {
        let seen = |asked: &[(&str, &str)], last: &str| {
            let asked = asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Range::of(&recalled(&asked, last), day("2026-03-10"), day("2025-01-05")).unwrap()
        };
        assert_eq!(seen(&[], "7d none").kept().as_deref(), Some("7d none"));
        assert_eq!(seen(&[("range", "30d")], "7d none").kept().as_deref(), Some("30d none"));
        assert_eq!(seen(&[("range", ""), ("compare", "year")], "7d none").kept().as_deref(), Some("7d year"));
        let named = seen(&[("from", "2026-03-01")], "7d none");
        assert_eq!((named.days().as_str(), named.compare, named.kept()), ("1–10 Mar", Compare::Nothing, None));
        for damaged in ["", "7", "soon later", "7d<script>"] {
            assert_eq!(seen(&[], damaged).kept().as_deref(), Some("28d previous"), "{damaged}");
        }
    }

    #[test]
    fn arrows_move_by_the_length_and_stop_today() {
        let week = range(&[("range", "7d")]).unwrap();
        assert_eq!(week.earlier().query(), "?from=2026-02-24&to=2026-03-02&compare=previous");
        assert_eq!(week.later().unwrap().days(), "10 Mar");
        assert_eq!(week.later().unwrap().later(), None);
    }
}
