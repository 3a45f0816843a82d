//! What an answer means: the one place that decides between taking it, trying again and failing.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use url::Url;

use super::{
    Error, Exception, Limits, Meaning, Retry, When,
    redact::{Redactor, provider_message},
    retry_after::{retry_after, said},
    target::refusal,
    trouble::Trouble,
};
use crate::metric::FailureKind;

/// Tries of one request, the first included.
const ATTEMPTS: u32 = 4;
const BACKOFF_BASE: Duration = Duration::from_millis(500);
const BACKOFF_CAP: Duration = Duration::from_secs(30);
/// A longer wait is handed back, so that no worker sleeps on it.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// A longer link is not shown.
const LONGEST_LINK: usize = 1000;
/// So much of a body may decide what it means.
pub(super) const HEAD_BYTES: usize = 64 << 10;

/// What came of one try.
#[derive(Debug)]
pub(super) enum Outcome<'a> {
    /// An answer: status, headers and the beginning of its body.
    Answer { status: u16, headers: &'a HeaderMap, head: &'a [u8] },
    /// No whole answer.
    Trouble(Trouble),
}

/// What decides beside the answer itself.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    pub(super) exceptions: &'a [Exception],
    pub(super) limits: &'a Limits,
    /// Statuses that this request takes for answers.
    pub(super) allow: &'a [u16],
    pub(super) redactor: &'a Redactor,
    /// Whether the call is where a redirect led.
    pub(super) is_redirected: bool,
    pub(super) deadline: Option<Timestamp>,
    pub(super) now: Timestamp,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the answer.
    Take,
    /// What was kept stands.
    NotModified,
    /// The answer is elsewhere.
    Redirect,
    /// Try again after this long. Where it was a limit, the instant until which nobody should call.
    Again(Duration, Option<Timestamp>),
    /// That was it. A `rate_limited` error's instant holds for everybody.
    Fail(Error),
}

/// Decides. `attempt` counts from 1.
pub(super) fn decide(outcome: &Outcome<'_>, attempt: u32, rules: &Rules<'_>) -> Verdict {
    let (status, headers, head) = match *outcome {
        Outcome::Trouble(trouble) => return decide_trouble(trouble, attempt, rules),
        Outcome::Answer { status, headers, head } => (status, headers, head),
    };
    let fail = |kind| Verdict::Fail(error(kind, status, head, rules));
    let exception = rules.exceptions.iter().find(|e| e.status == status && holds(&e.when, headers, head));
    match exception.map(|exception| exception.means) {
        Some(Meaning::Failure(kind)) => return fail(kind),
        Some(Meaning::FailureWithLink { kind, header }) => {
            let error = error(kind, status, head, rules);
            return Verdict::Fail(match link_in(headers, header, rules.redactor) {
                Some(link) => error.with_link(link),
                None => error,
            });
        }
        Some(Meaning::RateLimited) => {
            let at = said_by_provider(true, headers, rules);
            let wait = at.map_or_else(|| growing(attempt, rules), |at| until(at, rules.now));
            return again(attempt, wait, true, error(FailureKind::RateLimited, status, head, rules), rules);
        }
        Some(Meaning::UsedUp(reset)) => {
            let at = said_by_provider(true, headers, rules).unwrap_or_else(|| reset.after(rules.now));
            let error = error(FailureKind::RateLimited, status, head, rules);
            return again(attempt, until(at, rules.now), true, error, rules);
        }
        Some(Meaning::Transient) => return transient(status, headers, head, attempt, rules),
        None => {}
    }
    match status {
        _ if rules.allow.contains(&status) => Verdict::Take,
        200..=299 => Verdict::Take,
        304 => Verdict::NotModified,
        301 | 302 | 303 | 307 | 308 => Verdict::Redirect,
        401 => fail(FailureKind::Unauthorized),
        402 => fail(FailureKind::PlanRequired),
        403 => fail(FailureKind::Forbidden),
        404 | 410 | 451 => fail(FailureKind::NotFound),
        429 => {
            let at = said_by_provider(true, headers, rules);
            let wait = at.map_or_else(|| growing(attempt, rules).max(backoff(attempt)), |at| until(at, rules.now));
            again(attempt, wait, true, error(FailureKind::RateLimited, status, head, rules), rules)
        }
        408 | 425 | 500 | 502 | 503 | 504 => transient(status, headers, head, attempt, rules),
        400..=499 => fail(FailureKind::Rejected),
        500..=599 => fail(FailureKind::Unavailable),
        _ => fail(FailureKind::InvalidResponse),
    }
}

fn decide_trouble(trouble: Trouble, attempt: u32, rules: &Rules<'_>) -> Verdict {
    if let (Trouble::Refused(why), true) = (trouble, rules.is_redirected) {
        return Verdict::Fail(Error::invalid_response(format!(
            "a redirect was not followed: it leads to {why}; set allow_private_hosts in the configuration if that is \
             meant"
        )));
    }
    match failure(trouble) {
        (error, true) => again(attempt, backoff(attempt), false, error.context("attempts", attempt), rules),
        (error, false) => Verdict::Fail(error),
    }
}

/// The failure that a trouble is, and whether it may pass by itself.
pub(super) fn failure(trouble: Trouble) -> (Error, bool) {
    let unavailable = |message: String| Error::new(FailureKind::Unavailable, message);
    match trouble {
        Trouble::Refused(why) => (refusal(why), false),
        Trouble::Certificate(why) => (unavailable(format!("the server's certificate is not accepted: {why}")), false),
        Trouble::TooLarge { limit } => {
            (Error::invalid_response("the answer is too large").context("limit_bytes", limit), false)
        }
        Trouble::Garbled => (Error::invalid_response("the answer's compression cannot be read"), false),
        Trouble::Connect => (unavailable("no connection could be made, or it was closed".to_owned()), true),
        Trouble::Timeout => (unavailable("the answer took too long".to_owned()), true),
        Trouble::Cut => (unavailable("the answer ended before its end".to_owned()), true),
    }
}

/// The wait for a limit of which the provider does not say how long it lasts: twice as long after each try.
fn growing(attempt: u32, rules: &Rules<'_>) -> Duration {
    rules.limits.wait_unless_said.saturating_mul(1 << attempt.saturating_sub(1).min(16))
}

fn transient(status: u16, headers: &HeaderMap, head: &[u8], attempt: u32, rules: &Rules<'_>) -> Verdict {
    let at = said_by_provider(false, headers, rules);
    let mut error = error(FailureKind::Unavailable, status, head, rules);
    if let Some(at) = at {
        error = error.with_retry(Retry::At(at));
    }
    again(attempt, at.map_or_else(|| backoff(attempt), |at| until(at, rules.now)), false, error, rules)
}

/// Another try, unless there were enough, it would be too late, or the wait is too long to sleep on.
fn again(attempt: u32, wait: Duration, is_limit: bool, error: Error, rules: &Rules<'_>) -> Verdict {
    let at = after(rules.now, wait);
    if is_limit || wait > LONGEST_SLEEP {
        if wait > LONGEST_SLEEP || attempt >= ATTEMPTS || is_past(rules.deadline, at) {
            return Verdict::Fail(error.into_rate_limited(at));
        }
        return Verdict::Again(wait, is_limit.then_some(at));
    }
    if attempt >= ATTEMPTS || is_past(rules.deadline, at) {
        return Verdict::Fail(error);
    }
    Verdict::Again(wait, None)
}

/// Until when the provider asks to wait. Its reset headers speak of a limit, and only where nothing is left of it.
fn said_by_provider(is_limit: bool, headers: &HeaderMap, rules: &Rules<'_>) -> Option<Timestamp> {
    let by_header = retry_after(headers, rules.now);
    if by_header.is_some() || !is_limit {
        return by_header;
    }
    let said = said(headers, rules.limits.headers.as_ref()?, rules.now);
    said.resets_at.filter(|_| said.remaining.unwrap_or(0) == 0)
}

/// Whether a condition holds of an answer.
pub(super) fn holds(when: &When, headers: &HeaderMap, head: &[u8]) -> bool {
    match when {
        When::Always => true,
        When::BodyContains(text) => {
            let head = String::from_utf8_lossy(head).to_lowercase();
            head.contains(&text.to_lowercase())
        }
        When::Header { name, value } => headers.get_all(name.as_str()).iter().any(|found| match value {
            Some(value) => found.to_str().is_ok_and(|found| found.trim().eq_ignore_ascii_case(value)),
            None => true,
        }),
    }
}

fn error(kind: FailureKind, status: u16, head: &[u8], rules: &Rules<'_>) -> Error {
    let error = Error::new(kind, sentence(kind, status)).with_status(status);
    match provider_message(head) {
        Some(said) => error.with_provider_message(&rules.redactor.redact(&said)),
        None => error,
    }
}

/// The link that a header holds. One with a credential in it is not shown, and neither is what no browser should open.
fn link_in(headers: &HeaderMap, name: &str, redactor: &Redactor) -> Option<String> {
    let said = headers.get(name)?.to_str().ok()?;
    let from = said.get(said.find("https://")?..)?;
    let link = from.split([' ', ';', ',', '"', '<', '>']).next()?;
    let url = Url::parse(link).ok().filter(|url| url.username().is_empty() && url.password().is_none())?;
    let link = String::from(url);
    (link.len() <= LONGEST_LINK && !redactor.finds(&link)).then_some(link)
}

fn sentence(kind: FailureKind, status: u16) -> &'static str {
    match kind {
        FailureKind::InvalidSettings => "the provider does not know what a setting names",
        FailureKind::Unauthorized => "the credentials were refused",
        FailureKind::Forbidden => "a permission is missing",
        FailureKind::PlanRequired => "the plan at the provider does not include it",
        FailureKind::NotFound => "it was not found",
        FailureKind::RateLimited => "the provider asks to wait",
        FailureKind::Unavailable if status < 500 => "the provider could not answer",
        FailureKind::Unavailable => "the provider has a fault",
        FailureKind::InvalidResponse => "the answer has a status that is not understood",
        FailureKind::Rejected => "the provider says the request is wrong",
        FailureKind::Internal => "the request could not be made",
    }
}

/// Full jitter: anything between nothing and the exponential step.
pub(super) fn backoff(attempt: u32) -> Duration {
    let step = BACKOFF_BASE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(BACKOFF_CAP);
    rand::random_range(Duration::ZERO..=step)
}

/// An instant and a length after it.
pub(super) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

/// How long until an instant; nothing where it has passed.
pub(super) fn until(at: Timestamp, now: Timestamp) -> Duration {
    at.duration_since(now).try_into().unwrap_or(Duration::ZERO)
}

/// Whether an instant lies past a deadline.
pub(super) fn is_past(deadline: Option<Timestamp>, at: Timestamp) -> bool {
    deadline.is_some_and(|deadline| at > deadline)
}
