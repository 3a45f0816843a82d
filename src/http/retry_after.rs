//! What an answer's headers say about waiting and about what is left. Nonsense counts as not said.

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::limits::{LimitHeaders, ResetForm};

/// A `Retry-After` beyond this was not meant.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(366 * 24);
/// No provider counts calls in longer windows.
const LONGEST_WINDOW: SignedDuration = SignedDuration::from_hours(32 * 24);

/// The instant that `Retry-After` names, as seconds or as an HTTP date. What is past, now, negative or absurd is not
/// said.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let said = text(headers, RETRY_AFTER.as_str())?;
    let at = if said.bytes().all(|byte| byte.is_ascii_digit()) {
        in_seconds(said.parse().ok()?, now)?
    } else {
        by_our_clock(http_date(said)?, headers, now)
    };
    (at > now && at.duration_since(now) <= LONGEST_WAIT).then_some(at)
}

/// What a provider said about one of its windows. Each field is `None` where it said nothing, or nonsense.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) limit: Option<i64>,
    pub(super) remaining: Option<i64>,
    pub(super) resets_at: Option<Timestamp>,
    pub(super) resource: Option<String>,
}

/// Reads the descriptor's limit headers.
pub(super) fn said(headers: &HeaderMap, names: &LimitHeaders, now: Timestamp) -> Said {
    let number = |name: &str| text(headers, name)?.parse::<i64>().ok().filter(|n| *n >= 0);
    let limit = number(&names.limit);
    let remaining = number(&names.remaining);
    // A window without any calls (0/0) and one with more left than it has are no windows.
    let is_nonsense = limit == Some(0) || limit.zip(remaining).is_some_and(|(limit, left)| left > limit);
    let (limit, remaining) = if is_nonsense { (None, None) } else { (limit, remaining) };
    let resets_at = number(&names.reset).and_then(|n| match names.reset_form {
        ResetForm::EpochSeconds => Timestamp::from_second(n).ok().map(|at| by_our_clock(at, headers, now)),
        ResetForm::EpochMillis => Timestamp::from_millisecond(n).ok().map(|at| by_our_clock(at, headers, now)),
        ResetForm::DeltaSeconds => in_seconds(n, now),
    });
    Said {
        limit,
        remaining,
        resets_at: resets_at.filter(|at| *at > now && at.duration_since(now) <= LONGEST_WINDOW),
        resource: names.resource.as_deref().and_then(|name| text(headers, name)).map(str::to_owned),
    }
}

/// A clock that is further from ours was never set, or the instant of runs is frozen in the past: then it says nothing.
const WRONG_AT_MOST: SignedDuration = SignedDuration::from_hours(48);

/// An instant that a provider named, as we see it: as long from now as it was from the provider's own `Date`, however wrong
/// its clock is, or ours.
fn by_our_clock(at: Timestamp, headers: &HeaderMap, now: Timestamp) -> Timestamp {
    let theirs = date(headers).filter(|theirs| theirs.duration_since(now).abs() <= WRONG_AT_MOST);
    theirs.and_then(|theirs| now.checked_add(at.duration_since(theirs)).ok()).unwrap_or(at)
}

/// The provider's own clock.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    text(headers, DATE.as_str()).and_then(http_date)
}

fn http_date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

fn in_seconds(seconds: i64, now: Timestamp) -> Option<Timestamp> {
    now.checked_add(SignedDuration::from_secs(seconds)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn now() -> Timestamp {
        "2026-03-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn reads_retry_after_in_every_form() {
        for (value, expected) in [
            ("0", None),
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("86400", Some(86_400)),
            ("Sun, 01 Mar 2026 00:00:30 GMT", Some(30)),
            ("Sunday, 01-Mar-26 00:00:30 GMT", Some(30)),
            ("Sun Mar  1 00:00:30 2026", Some(30)),
            ("Sat, 28 Feb 2026 23:59:59 GMT", None),
            ("Sun, 01 Mar 2026 00:00:00 GMT", None),
            ("Sun, 01 Mar 2037 00:00:00 GMT", None),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("31622401", None),
            ("99999999999999999999999", None),
            ("9223372036854775807", None),
            ("soon", None),
            ("", None),
        ] {
            let at = retry_after(&headers(&[("retry-after", value)]), now());
            assert_eq!(at.map(|at| at.duration_since(now()).as_secs()), expected, "{value:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now()), None);
    }

    #[test]
    fn a_date_counts_from_the_providers_own() {
        for (date, retry_after_date, expected) in [
            // Hours before us, and after us.
            ("Sat, 28 Feb 2026 21:00:00 GMT", "Sat, 28 Feb 2026 21:00:30 GMT", Some(30)),
            ("Sun, 01 Mar 2026 05:00:00 GMT", "Sun, 01 Mar 2026 05:00:30 GMT", Some(30)),
            // By its own clock it is over.
            ("Sun, 01 Mar 2026 00:01:00 GMT", "Sun, 01 Mar 2026 00:00:30 GMT", None),
            ("the day before yesterday", "Sun, 01 Mar 2026 00:00:30 GMT", Some(30)),
        ] {
            let at = retry_after(&headers(&[("date", date), ("retry-after", retry_after_date)]), now());
            assert_eq!(at.map(|at| at.duration_since(now()).as_secs()), expected, "{date}: {retry_after_date}");
        }
        let reset = (now().as_second() - 7200 + 60).to_string();
        let answer = headers(&[("date", "Sat, 28 Feb 2026 22:00:00 GMT"), ("x-reset", &reset)]);
        let resets_at = said(&answer, &limit_headers(ResetForm::EpochSeconds), now()).resets_at;
        assert_eq!(resets_at.map(|at| at.duration_since(now()).as_secs()), Some(60));
    }

    fn limit_headers(reset_form: ResetForm) -> LimitHeaders {
        LimitHeaders {
            limit: "x-limit".into(),
            remaining: "x-left".into(),
            reset: "x-reset".into(),
            reset_form,
            resource: Some("x-resource".into()),
        }
    }

    #[test]
    fn reads_what_is_left_in_every_form() {
        let soon = now().as_second() + 60;
        for (form, reset) in [
            (ResetForm::EpochSeconds, soon.to_string()),
            (ResetForm::EpochMillis, (soon * 1000).to_string()),
            (ResetForm::DeltaSeconds, "60".to_owned()),
        ] {
            let answer =
                headers(&[("x-limit", "5000"), ("x-left", "12"), ("x-reset", &reset), ("x-resource", "search")]);
            let expected = Said {
                limit: Some(5000),
                remaining: Some(12),
                resets_at: Some(Timestamp::from_second(soon).unwrap()),
                resource: Some("search".to_owned()),
            };
            assert_eq!(said(&answer, &limit_headers(form), now()), expected);
        }
    }

    #[test]
    fn nonsense_is_not_said() {
        for (limit, left, reset) in [
            ("0", "0", "-1"),
            ("-1", "-1", "0"),
            ("10", "11", "garbage"),
            ("many", "few", "1e9"),
            ("", "", "9223372036854775807"),
            ("0", "5", "2764801"),
        ] {
            let answer = headers(&[("x-limit", limit), ("x-left", left), ("x-reset", reset)]);
            let read = said(&answer, &limit_headers(ResetForm::DeltaSeconds), now());
            assert_eq!(read, Said::default(), "{limit} {left} {reset}");
        }
        let past = headers(&[("x-reset", "1500000000")]);
        assert_eq!(said(&past, &limit_headers(ResetForm::EpochSeconds), now()).resets_at, None);
    }
}
