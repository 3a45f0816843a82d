//! Durations, ages and instants in words.

use jiff::Timestamp;

use super::{MINUS, THIN, UNWRITABLE, trimmed};
use crate::metric::{Exact, exact};

/// Seconds in the two largest units: `430 ms`, `4.3 s`, `3 m 12 s`, `2 d 4 h`.
pub fn duration(seconds: &Exact) -> String {
    let magnitude = seconds.abs();
    let sign = if seconds.is_negative() { MINUS.to_string() } else { String::new() };
    let (Some(ms), Some(whole)) = (exact::round_scaled(&magnitude, 3), exact::round(&magnitude)) else {
        return UNWRITABLE.to_owned();
    };
    let text = match (ms, whole) {
        (0, _) => format!("0{THIN}s"),
        (..1000, _) => format!("{ms}{THIN}ms"),
        (..9950, _) => format!("{}{THIN}s", trimmed(&magnitude, 1)),
        (_, ..60) => format!("{whole}{THIN}s"),
        (_, ..3600) => two((whole / 60, "m"), (whole % 60, "s")),
        (_, ..86_400) => two((whole / 3600, "h"), (whole % 3600 / 60, "m")),
        _ => two((whole / 86_400, "d"), (whole % 86_400 / 3600, "h")),
    };
    format!("{sign}{text}")
}

fn two(large: (i64, &str), small: (i64, &str)) -> String {
    let first = format!("{}{THIN}{}", large.0, large.1);
    if small.0 == 0 { first } else { format!("{first} {}{THIN}{}", small.0, small.1) }
}

/// How long ago something was: `just now`, `12 min ago`, `3 h ago`, `2 days ago`. With [`instant`] as its title.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    match seconds {
        ..-60 => format!("in {}", span(-seconds)),
        -60..60 => "just now".to_owned(),
        _ => format!("{} ago", span(seconds)),
    }
}

/// The same of what should be newer: `12 h old`.
pub fn old(then: Timestamp, now: Timestamp) -> String {
    match now.duration_since(then).as_secs() {
        ..60 => "just read".to_owned(),
        seconds => format!("{} old", span(seconds)),
    }
}

fn span(seconds: i64) -> String {
    match (seconds / 60, seconds / 3600, seconds / 86_400) {
        (minutes, 0, _) => format!("{minutes}{THIN}min"),
        (_, hours, 0) => format!("{hours}{THIN}h"),
        (_, _, 1) => "1 day".to_owned(),
        (_, _, days) => format!("{days} days"),
    }
}

/// An instant to the minute, in UTC.
pub fn instant(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        let written = |text: &str| duration(&exact::parse_decimal(text).unwrap()).replace(THIN, " ");
        let cases = [
            ("0", "0 s"),
            ("0.43", "430 ms"),
            ("4.32", "4.3 s"),
            ("9.96", "10 s"),
            ("43.4", "43 s"),
            ("59.7", "1 m"),
            ("192", "3 m 12 s"),
            ("3599.9", "1 h"),
            ("18180", "5 h 3 m"),
            ("187200", "2 d 4 h"),
            ("-192", "−3 m 12 s"),
        ];
        for (given, expected) in cases {
            assert_eq!(written(given), expected, "{given}");
        }
    }

    #[test]
    fn an_age_is_told_roughly() {
        let now: Timestamp = "2026-03-31T12:00:00Z".parse().unwrap();
        let ago = |then: &str| age(then.parse().unwrap(), now).replace(THIN, " ");
        assert_eq!(ago("2026-03-31T11:59:30Z"), "just now");
        assert_eq!(ago("2026-03-31T11:48:00Z"), "12 min ago");
        assert_eq!(ago("2026-03-31T09:00:01Z"), "2 h ago");
        assert_eq!(ago("2026-03-30T11:00:00Z"), "1 day ago");
        assert_eq!(ago("2026-03-01T11:00:00Z"), "30 days ago");
        assert_eq!(ago("2026-03-31T12:20:00Z"), "in 20 min");
        let old = |then: &str| old(then.parse().unwrap(), now).replace(THIN, " ");
        assert_eq!([old("2026-03-31T11:59:30Z"), old("2026-03-31T00:00:00Z")], ["just read", "12 h old"]);
        assert_eq!(instant(now), "31 Mar 2026, 12:00 UTC");
    }
}
