//! What became of a value since an earlier one, in the product's words.

use super::{Figure, MINUS, THIN, percent};
use crate::metric::{Exact, Unit, exact};

/// Where a value went. Whether that is good is the metric's polarity, and not said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It is greater.
    Up,
    /// It is smaller.
    Down,
    /// It is the same.
    Same,
    /// It cannot be said.
    Unknown,
}

/// A change, ready to be shown beside a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The arrow.
    pub direction: Direction,
    /// `+4.2 %`, `+1.3 pp`; `None` where a quotient would say nothing.
    pub relative: Option<String>,
    /// `+€503`; `None` where nothing changed.
    pub absolute: Option<String>,
    /// The word in place of numbers, or before them: `new`, `no change`, `no earlier data`.
    pub words: Option<&'static str>,
}

/// What became of a value. Both are of one metric and one currency.
pub fn change(current: Option<&Figure>, previous: Option<&Figure>) -> Change {
    let (current, previous) = match (current, previous) {
        (None, _) => return unknown("no data for this period"),
        (_, None) => return unknown("no earlier data"),
        (Some(current), Some(previous)) if current.currency != previous.currency => {
            return unknown("no earlier data in this currency");
        }
        (Some(current), Some(previous)) => (current, previous),
    };
    let difference = current.amount() - previous.amount();
    if difference.is_zero() {
        return Change { direction: Direction::Same, relative: None, absolute: None, words: Some("no change") };
    }
    let direction = if difference.is_positive() { Direction::Up } else { Direction::Down };
    let sign = if difference.is_positive() { '+' } else { MINUS };
    // What is less or more than can be told has the arrow alone.
    let signed = |text: String| if text.starts_with(['<', '>']) { text } else { format!("{sign}{text}") };
    if current.unit == Unit::Percent {
        let points = signed(points(&difference.abs()));
        return Change { direction, relative: Some(points), absolute: None, words: None };
    }
    let absolute = Figure { amount: difference.abs(), ..current.clone() }.short();
    let is_new = previous.amount().is_zero();
    // A share of something negative turns its sign; the amount says what there is to say.
    let relative = (!is_new && previous.amount().is_positive()).then(|| share(&(&difference / previous.amount())));
    Change {
        direction,
        relative: relative.map(signed),
        absolute: Some(signed(absolute)),
        words: is_new.then_some("new"),
    }
}

fn unknown(words: &'static str) -> Change {
    Change { direction: Direction::Unknown, relative: None, absolute: None, words: Some(words) }
}

/// A quotient as a magnitude in percent. What rounds to nothing is not nothing, and nobody compares beyond a tenfold.
fn share(quotient: &Exact) -> String {
    let amount = quotient.abs() * exact::from_int(100);
    if amount >= exact::from_int(1000) {
        return format!(">999{THIN}%");
    }
    if exact::round_scaled(&amount, 1) == Some(0) {
        return format!("<0.1{THIN}%");
    }
    percent(&amount)
}

/// A difference of two shares is in points: the share of a share would say something else.
fn points(difference: &Exact) -> String {
    if exact::round_scaled(difference, 1) == Some(0) {
        return format!("<0.1{THIN}pp");
    }
    format!("{}{THIN}pp", percent(difference).trim_end_matches('%').trim_end_matches(THIN))
}

#[cfg(test)]
mod tests {
    use super::{super::super::Number, *};

    fn figure(text: &str, unit: Unit) -> Figure {
        let currency = (unit == Unit::Currency).then(|| "EUR".parse().unwrap());
        Figure::of(&Number::Decimal(text.to_owned()), unit, currency).unwrap()
    }

    /// `▲ relative absolute words`, with plain blanks.
    fn said(current: &str, previous: &str, unit: Unit) -> String {
        let figure = |text: &str| (!text.is_empty()).then(|| figure(text, unit));
        let change = change(figure(current).as_ref(), figure(previous).as_ref());
        let arrow = match change.direction {
            Direction::Up => "▲",
            Direction::Down => "▼",
            Direction::Same => "=",
            Direction::Unknown => "?",
        };
        let words = change.words.map(str::to_owned);
        let parts: Vec<String> =
            [Some(arrow.to_owned()), change.relative, change.absolute, words].into_iter().flatten().collect();
        parts.join(" ").replace(THIN, " ")
    }

    #[test]
    fn a_change_is_told_relatively_and_absolutely() {
        assert_eq!(said("12480", "11977", Unit::Currency), "▲ +4.2 % +€503.00");
        assert_eq!(said("80", "100", Unit::Count), "▼ −20 % −20");
        assert_eq!(said("120", "60", Unit::Seconds), "▲ +100 % +1 m");
    }

    #[test]
    fn awkward_values_have_words() {
        assert_eq!(said("5", "0", Unit::Count), "▲ +5 new");
        assert_eq!(said("0", "0", Unit::Count), "= no change");
        assert_eq!(said("7", "7", Unit::Count), "= no change");
        assert_eq!(said("7", "", Unit::Count), "? no earlier data");
        assert_eq!(said("", "7", Unit::Count), "? no data for this period");
        assert_eq!(said("0", "7", Unit::Count), "▼ −100 % −7");
        assert_eq!(said("5", "-5", Unit::Count), "▲ +10");
        assert_eq!(said("100001", "100000", Unit::Count), "▲ <0.1 % +1");
        assert_eq!(said("5000", "5", Unit::Count), "▲ >999 % +4,995");
    }

    #[test]
    fn shares_change_by_points() {
        assert_eq!(said("43.12", "41.80", Unit::Percent), "▲ +1.3 pp");
        assert_eq!(said("10", "43.12", Unit::Percent), "▼ −33 pp");
        assert_eq!(said("10.01", "10", Unit::Percent), "▲ <0.1 pp");
    }
}
