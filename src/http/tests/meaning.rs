//! What answers mean, without a network.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;

use super::NOW;
use crate::{
    http::{
        Auth, Credentials, Exception, LimitHeaders, Limits, Meaning, ResetForm, Retry, When,
        redact::Redactor,
        retry::{Outcome, Rules, Verdict, decide},
        trouble::Trouble,
    },
    metric::FailureKind,
    secret::Secret,
};

struct Case {
    exceptions: Vec<Exception>,
    limits: Limits,
    allow: Vec<u16>,
    deadline: Option<Timestamp>,
    is_redirected: bool,
}

fn credentials() -> Credentials {
    Credentials::new([("key".to_owned(), Secret::new(super::KEY))].into_iter().collect())
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn case() -> Case {
    let headers = LimitHeaders {
        limit: "x-limit".into(),
        remaining: "x-left".into(),
        reset: "x-reset".into(),
        reset_form: ResetForm::DeltaSeconds,
        resource: None,
    };
    let wait_unless_said = Duration::from_secs(7);
    let limits = Limits { windows: Vec::new(), concurrent: 1, headers: Some(headers), wait_unless_said };
    Case { exceptions: Vec::new(), limits, allow: Vec::new(), deadline: None, is_redirected: false }
}

impl Case {
    fn decide(&self, status: u16, headers: &[(&'static str, &str)], body: &str, attempt: u32) -> Verdict {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        self.outcome(&Outcome::Answer { status, headers: &headers, head: body.as_bytes() }, attempt)
    }

    fn outcome(&self, outcome: &Outcome<'_>, attempt: u32) -> Verdict {
        let rules = Rules {
            exceptions: &self.exceptions,
            limits: &self.limits,
            allow: &self.allow,
            redactor: &Redactor::new(&credentials(), &Auth::Bearer { field: "key".into() }),
            is_redirected: self.is_redirected,
            deadline: self.deadline,
            now: now(),
        };
        decide(outcome, attempt, &rules)
    }
}

fn failed(verdict: Verdict) -> (FailureKind, Retry) {
    let Verdict::Fail(error) = verdict else { panic!("{verdict:?}") };
    (error.kind(), error.retry())
}

fn waits(verdict: &Verdict) -> Duration {
    let Verdict::Again(wait, _) = verdict else { panic!("{verdict:?}") };
    *wait
}

fn in_seconds(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

#[test]
fn every_status_means_one_thing() {
    use FailureKind::{Forbidden, InvalidResponse, NotFound, PlanRequired, Rejected, Unauthorized, Unavailable};
    for status in 200..600 {
        let verdict = case().decide(status, &[], "", 1);
        let kind = match status {
            200..=299 => {
                assert_eq!(verdict, Verdict::Take);
                continue;
            }
            304 => {
                assert_eq!(verdict, Verdict::NotModified);
                continue;
            }
            301 | 302 | 303 | 307 | 308 => {
                assert_eq!(verdict, Verdict::Redirect);
                continue;
            }
            408 | 425 | 429 | 500 | 502 | 503 | 504 => {
                assert!(matches!(verdict, Verdict::Again(..)), "{status}");
                continue;
            }
            300..=399 => InvalidResponse,
            401 => Unauthorized,
            402 => PlanRequired,
            403 => Forbidden,
            404 | 410 | 451 => NotFound,
            400..=499 => Rejected,
            _ => Unavailable,
        };
        assert_eq!(failed(verdict).0, kind, "{status}");
    }
}

#[test]
fn tries_four_times_and_says_what_it_was() {
    for (status, kind) in [
        (408, FailureKind::Unavailable),
        (425, FailureKind::Unavailable),
        (429, FailureKind::RateLimited),
        (500, FailureKind::Unavailable),
        (503, FailureKind::Unavailable),
    ] {
        for attempt in 1..=3 {
            assert!(matches!(case().decide(status, &[], "", attempt), Verdict::Again(..)), "{status} {attempt}");
        }
        assert_eq!(failed(case().decide(status, &[], "", 4)).0, kind);
    }
}

#[test]
fn backs_off_with_full_jitter() {
    for (attempt, most) in [(1, 500), (2, 1000), (3, 2000)] {
        let draws: Vec<u128> = (0..300).map(|_| waits(&case().decide(500, &[], "", attempt)).as_millis()).collect();
        let (least, largest) = (*draws.iter().min().unwrap(), *draws.iter().max().unwrap());
        assert!(least < most / 10 && largest > most * 9 / 10 && largest <= most, "{attempt}: {least} to {largest}");
    }
}

#[test]
fn the_providers_word_about_waiting_wins() {
    for status in [429, 500, 503] {
        let date = "Sun, 01 Mar 2026 00:00:42 GMT";
        assert_eq!(waits(&case().decide(status, &[("retry-after", "42")], "", 3)), Duration::from_secs(42));
        assert_eq!(waits(&case().decide(status, &[("retry-after", date)], "", 3)), Duration::from_secs(42));
        assert_eq!(waits(&case().decide(status, &[("retry-after", "60")], "", 1)), Duration::from_secs(60));
        let long = failed(case().decide(status, &[("retry-after", "61")], "", 1));
        assert_eq!(long, (FailureKind::RateLimited, Retry::At(in_seconds(61))), "{status}");
    }
    let last = failed(case().decide(429, &[("retry-after", "42")], "", 4));
    assert_eq!(last, (FailureKind::RateLimited, Retry::At(in_seconds(42))));
    let last = failed(case().decide(503, &[("retry-after", "42")], "", 4));
    assert_eq!(last, (FailureKind::Unavailable, Retry::At(in_seconds(42))));
}

#[test]
fn reset_headers_count_where_nothing_is_left() {
    let used_up = [("x-limit", "10"), ("x-left", "0"), ("x-reset", "33")];
    assert_eq!(waits(&case().decide(429, &used_up, "", 1)), Duration::from_secs(33));
    assert_eq!(waits(&case().decide(429, &[("x-reset", "33")], "", 1)), Duration::from_secs(33));
    let both = [("x-left", "0"), ("x-reset", "33"), ("retry-after", "9")];
    assert_eq!(waits(&case().decide(429, &both, "", 1)), Duration::from_secs(9));
    let some_left = [("x-limit", "10"), ("x-left", "3"), ("x-reset", "3000")];
    assert_eq!(waits(&case().decide(429, &some_left, "", 1)), Duration::from_secs(7));
    let nonsense = [("x-limit", "0"), ("x-left", "0"), ("x-reset", "-9")];
    assert_eq!(waits(&case().decide(429, &nonsense, "", 1)), Duration::from_secs(7));
    // A fault does not wait for a limit.
    assert!(waits(&case().decide(500, &used_up, "", 1)) <= Duration::from_millis(500));
}

#[test]
fn a_limit_without_a_word_waits_as_the_descriptor_says() {
    assert_eq!(waits(&case().decide(429, &[], "", 1)), Duration::from_secs(7));
    let mut quick = case();
    quick.limits.wait_unless_said = Duration::ZERO;
    assert!((0..50).any(|_| waits(&quick.decide(429, &[], "", 1)) > Duration::ZERO));

    let mut secondary = case();
    let when = When::Header { name: "x-left".into(), value: Some("0".into()) };
    secondary.exceptions.push(Exception { status: 403, when, means: Meaning::RateLimited });
    assert_eq!(failed(secondary.decide(403, &[("x-left", "1")], "", 1)).0, FailureKind::Forbidden);
    assert_eq!(waits(&secondary.decide(403, &[("x-left", "0")], "", 1)), Duration::from_secs(7));
    secondary.limits.wait_unless_said = Duration::from_secs(61);
    let handed_back = failed(secondary.decide(403, &[("x-left", "0")], "", 1));
    assert_eq!(handed_back, (FailureKind::RateLimited, Retry::At(in_seconds(61))));
}

#[test]
fn the_first_exception_that_matches_wins_even_over_what_is_allowed() {
    let mut case = case();
    let exception = |when, means| Exception { status: 409, when, means };
    case.allow = vec![409];
    case.exceptions = vec![
        exception(When::BodyContains("Not Yet".into()), Meaning::Transient),
        exception(When::Header { name: "x-plan".into(), value: None }, Meaning::Failure(FailureKind::PlanRequired)),
    ];
    assert!(matches!(case.decide(409, &[("x-plan", "free")], "it is NOT YET there", 1), Verdict::Again(..)));
    assert_eq!(failed(case.decide(409, &[("x-plan", "free")], "", 1)).0, FailureKind::PlanRequired);
    assert_eq!(case.decide(409, &[], "", 1), Verdict::Take);
    case.exceptions.insert(0, exception(When::Always, Meaning::Failure(FailureKind::Rejected)));
    assert_eq!(failed(case.decide(409, &[], "not yet", 1)).0, FailureKind::Rejected);
}

#[test]
fn a_link_that_mends_it_is_told_and_no_secret_with_it() {
    let mut case = case();
    let when = When::Header { name: "x-sign-on".into(), value: None };
    let means = Meaning::FailureWithLink { kind: FailureKind::Forbidden, header: "x-sign-on" };
    case.exceptions.push(Exception { status: 403, when, means });
    let link = "https://acme.example/orgs/a/sso?authorization_request=AZXXXX****9f3";
    for (said, expected) in [
        (format!("required; url={link}"), Some(link)),
        (format!("required; url={link}; more"), Some(link)),
        (format!("url={}&token={}", link, super::KEY), None),
        (format!("url={}&token={}", link, super::KEY.to_uppercase()), None),
        (format!("url={}&token={}", link, &super::KEY[4..18]), None),
        ("required; url=http://acme.example/".to_owned(), None),
        ("required; url=https://user:pass@acme.example/".to_owned(), None),
        ("required; url=javascript:alert(1)".to_owned(), None),
        (format!("url=https://acme.example/{}", "x".repeat(2000)), None),
        ("required".to_owned(), None),
    ] {
        let verdict = case.decide(403, &[("x-sign-on", &said)], r#"{"message":"sign on"}"#, 1);
        let Verdict::Fail(error) = verdict else { panic!("{verdict:?}") };
        assert_eq!((error.kind(), error.link()), (FailureKind::Forbidden, expected), "{said}");
        assert_eq!(error.to_string().contains("https://"), expected.is_some(), "{error}");
        assert!(error.to_string().contains("sign on"), "{error}");
    }
}

#[test]
fn no_wait_goes_past_the_deadline() {
    let mut case = case();
    case.deadline = Some(in_seconds(10));
    assert_eq!(waits(&case.decide(503, &[("retry-after", "10")], "", 1)), Duration::from_secs(10));
    let late = failed(case.decide(503, &[("retry-after", "11")], "", 1));
    assert_eq!(late, (FailureKind::Unavailable, Retry::At(in_seconds(11))));
    let late = failed(case.decide(429, &[("retry-after", "11")], "", 1));
    assert_eq!(late, (FailureKind::RateLimited, Retry::At(in_seconds(11))));
    case.deadline = Some(in_seconds(-1));
    assert_eq!(failed(case.outcome(&Outcome::Trouble(Trouble::Cut), 1)).0, FailureKind::Unavailable);
}

#[test]
fn passing_troubles_are_tried_again_and_others_are_not() {
    for trouble in [Trouble::Connect, Trouble::Timeout, Trouble::Cut] {
        assert!(matches!(case().outcome(&Outcome::Trouble(trouble), 3), Verdict::Again(..)), "{trouble:?}");
        let last = failed(case().outcome(&Outcome::Trouble(trouble), 4));
        assert_eq!(last, (FailureKind::Unavailable, Retry::BackOff));
    }
    for (trouble, kind) in [
        (Trouble::Certificate("it has expired"), FailureKind::Unavailable),
        (Trouble::Refused("a private address"), FailureKind::InvalidSettings),
        (Trouble::TooLarge { limit: 1 }, FailureKind::InvalidResponse),
        (Trouble::Garbled, FailureKind::InvalidResponse),
    ] {
        assert_eq!(failed(case().outcome(&Outcome::Trouble(trouble), 1)).0, kind);
    }
    let redirected = Case { is_redirected: true, ..case() };
    let refused = redirected.outcome(&Outcome::Trouble(Trouble::Refused("a private address")), 1);
    assert_eq!(failed(refused).0, FailureKind::InvalidResponse);
}
