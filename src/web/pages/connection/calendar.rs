//! The calendar of a connection: each day with what is known of all its metrics, as squares and as a table.

use std::collections::BTreeMap;

use super::days::Days;
use crate::metric::{Day, Mark, State};

/// From square to square.
const PITCH: i32 = 14;
/// Above the squares, for the months' names.
const TOP: i32 = 18;

/// Squares and table of the same days.
#[derive(Default)]
pub(super) struct Calendar {
    pub(super) width: i32,
    pub(super) height: i32,
    pub(super) squares: Vec<Square>,
    pub(super) months: Vec<(i32, String)>,
    /// Days in a row of which the same is known, newest first.
    pub(super) stretches: Vec<Stretch>,
    /// Of all days, in one sentence.
    pub(super) summary: String,
}

pub(super) struct Square {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) tone: &'static str,
    pub(super) title: String,
}

pub(super) struct Stretch {
    pub(super) days: String,
    pub(super) words: String,
}

/// How many metrics stand how on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    known: u32,
    open: u32,
    pending: u32,
    failed: u32,
    missing: u32,
}

impl Tally {
    fn count(&mut self, mark: Option<Mark>) {
        // A damaged mark is as good as none.
        let Some(mark) = mark else {
            self.pending += 1;
            return;
        };
        match mark.state {
            State::Failed(_) => self.failed += 1,
            _ if mark.stale => self.failed += 1,
            State::Pending => self.pending += 1,
            State::BeyondRetention | State::Unsupported => self.missing += 1,
            State::Value | State::Zero | State::Empty if mark.provisional || mark.partial => self.open += 1,
            State::Value | State::Zero | State::Empty => self.known += 1,
        }
    }

    fn tone(self) -> &'static str {
        match self {
            Self { failed: 1.., .. } => "is-failed",
            Self { pending: 1.., .. } => "is-pending",
            Self { open: 1.., .. } => "is-open",
            Self { known: 1.., .. } => "is-known",
            _ => "is-missing",
        }
    }

    fn words(self) -> String {
        let all = self.known + self.open + self.pending + self.failed + self.missing;
        if all == 0 {
            return "nothing is known".to_owned();
        }
        if self.known == all {
            return format!("complete: {all} of {all} metrics");
        }
        let parts = [
            (self.failed, "could not be read"),
            (self.pending, "still to be read"),
            (self.open, "may still change"),
            (self.known, "complete"),
            (self.missing, "not to be had"),
        ];
        let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}"));
        parts.collect::<Vec<_>>().join(", ")
    }
}

impl Calendar {
    pub(super) fn of(days: &Days) -> Self {
        let mut tallies: BTreeMap<Day, Tally> = days.period.days().map(|day| (day, Tally::default())).collect();
        for (day, mark) in days.totals.iter().flat_map(|(_, marks)| marks) {
            tallies.entry(*day).or_default().count(*mark);
        }
        Self::drawn(&tallies)
    }

    fn drawn(days: &BTreeMap<Day, Tally>) -> Self {
        let Some((first, _)) = days.first_key_value() else { return Self::default() };
        let weekday = |day: Day| i32::from(day.date().weekday().to_monday_zero_offset());
        let monday = first.plus(-weekday(*first));
        let mut calendar = Self { height: TOP + 7 * PITCH, ..Self::default() };
        let mut month = None;
        for (day, tally) in days {
            let at = day.number() - monday.number();
            let (x, y) = (at / 7 * PITCH, TOP + at % 7 * PITCH);
            let title = format!("{}: {}", day.date().strftime("%a %-d %b %Y"), tally.words());
            calendar.squares.push(Square { x, y, tone: tally.tone(), title });
            let date = day.date();
            if month != Some(date.month()) && (month.is_none() || date.day() <= 7) {
                // Of names that would run into each other the first is that of a few days alone.
                if calendar.months.last().is_some_and(|(last, _)| x - last < 2 * PITCH) {
                    calendar.months.pop();
                }
                calendar.months.push((x, date.strftime("%b").to_string()));
                month = Some(date.month());
            }
            calendar.width = x + PITCH;
        }
        calendar.stretches = stretches(days);
        let complete = days.values().filter(|tally| tally.tone() == "is-known").count();
        let failed = days.values().filter(|tally| tally.failed > 0).count();
        calendar.summary = match failed {
            0 => format!("{complete} of {} days are complete.", days.len()),
            failed => format!("{complete} of {} days are complete, {failed} could not be read whole.", days.len()),
        };
        calendar
    }
}

fn stretches(days: &BTreeMap<Day, Tally>) -> Vec<Stretch> {
    let mut runs: Vec<(Day, Day, Tally)> = Vec::new();
    for (day, tally) in days.iter().rev() {
        match runs.last_mut() {
            Some((from, _, same)) if same == tally => *from = *day,
            _ => runs.push((*day, *day, *tally)),
        }
    }
    let write = |day: Day| day.date().strftime("%-d %b %Y").to_string();
    let stretch = |(from, to, tally): (Day, Day, Tally)| Stretch {
        days: if from == to { write(to) } else { format!("{} – {}", write(from), write(to)) },
        words: tally.words(),
    };
    runs.into_iter().map(stretch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Period;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_as_good_as_its_worst_metric() {
        let mut tally = Tally::default();
        assert_eq!((tally.tone(), tally.words().as_str()), ("is-missing", "nothing is known"));
        tally.count(Some(Mark::new(State::Zero)));
        tally.count(Some(Mark::new(State::Value)));
        assert_eq!((tally.tone(), tally.words().as_str()), ("is-known", "complete: 2 of 2 metrics"));
        tally.count(Some(Mark::new(State::Unsupported)));
        assert_eq!((tally.tone(), tally.words().as_str()), ("is-known", "2 complete, 1 not to be had"));
        tally.count(Some(Mark { provisional: true, ..Mark::new(State::Value) }));
        assert_eq!(tally.tone(), "is-open");
        tally.count(None);
        assert_eq!(tally.tone(), "is-pending");
        tally.count(Some(Mark { stale: true, ..Mark::new(State::Value) }));
        assert_eq!(tally.tone(), "is-failed");
    }

    #[test]
    fn squares_and_table_say_the_same() {
        let (known, failed) =
            (Tally { known: 3, ..Tally::default() }, Tally { known: 2, failed: 1, ..Tally::default() });
        // A Thursday.
        let mut days: BTreeMap<Day, Tally> =
            Period::inclusive(day("2026-01-01"), day("2026-02-20")).days().map(|day| (day, known)).collect();
        days.insert(day("2026-01-05"), failed);
        let calendar = Calendar::drawn(&days);
        assert_eq!(calendar.squares.len(), days.len());
        assert_eq!((calendar.squares[0].x, calendar.squares[0].y), (0, TOP + 3 * PITCH));
        assert_eq!((calendar.squares[4].x, calendar.squares[4].y), (PITCH, TOP));
        assert_eq!(calendar.squares[4].title, "Mon 5 Jan 2026: 1 could not be read, 2 complete");
        let rows: Vec<(&str, &str)> =
            calendar.stretches.iter().map(|row| (row.days.as_str(), row.words.as_str())).collect();
        assert_eq!(
            rows,
            [
                ("6 Jan 2026 – 20 Feb 2026", "complete: 3 of 3 metrics"),
                ("5 Jan 2026", "1 could not be read, 2 complete"),
                ("1 Jan 2026 – 4 Jan 2026", "complete: 3 of 3 metrics"),
            ]
        );
        assert_eq!(calendar.summary, "50 of 51 days are complete, 1 could not be read whole.");
        assert_eq!(calendar.months.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["Jan", "Feb"]);
    }
}
