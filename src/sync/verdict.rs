//! How a run went, and what follows for its connection. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{
    host::Tally,
    ledger::is_withheld,
    run::Findings,
    view::{MetricOutcomeView, OutcomeWord, RunStatus},
};
use crate::{connections::ErrorView, http::Error, integrations::Why, metric::FailureKind, store::Connection, vault};

/// A connection that keeps failing is tried at least this often.
const LONGEST_BACKOFF: SignedDuration = SignedDuration::from_hours(6);

/// How one metric fared in a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fared {
    Ok,
    Failed(Error),
    Unsupported(String),
    Unknown,
}

impl Fared {
    /// Whether asking for further days of this run is pointless.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Ok => false,
            Self::Failed(error) => !matches!(error.kind(), FailureKind::Unavailable | FailureKind::RateLimited),
            Self::Unsupported(_) | Self::Unknown => true,
        }
    }

    /// What to mark days with that were not read.
    pub(super) fn why(&self) -> Option<Why> {
        match self {
            Self::Failed(error) if error.kind() == FailureKind::RateLimited => None,
            Self::Failed(error) => Some(Why::Failed(error.clone())),
            Self::Unsupported(reason) => Some(Why::Unsupported(reason.clone())),
            Self::Ok | Self::Unknown => None,
        }
    }

    /// A later step cannot make an earlier failure good.
    pub(super) fn worsen(&mut self, later: Self) {
        if *self == Self::Ok {
            *self = later;
        }
    }
}

/// How a run went.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) status: RunStatus,
    pub(super) error: Option<Error>,
    pub(super) retry_at: Option<Timestamp>,
    /// Whether anything was read, so that the connection counts as synced.
    pub(super) read_something: bool,
    nothing_asked: bool,
    fared: BTreeMap<String, Fared>,
    unreadable: Option<vault::Error>,
    interrupted: bool,
}

impl Verdict {
    pub(super) fn of(findings: &Findings, tally: &Tally) -> Self {
        let fared = findings.metrics.clone();
        let read_something = fared.values().any(|fared| *fared == Fared::Ok) || tally.samples_written > 0;
        let all_failed = !fared.is_empty() && fared.values().all(|fared| matches!(fared, Fared::Failed(_)));
        let nothing_asked = fared.is_empty();
        // What the plan does not include is nobody's fault; a permission can be given.
        let is_fault = |error: &Error| error.kind() != FailureKind::PlanRequired;
        let some_failed = fared.values().any(|fared| matches!(fared, Fared::Failed(error) if is_fault(error)));
        let got_something = read_something || tally.samples_written > 0;
        let error = match (&findings.fatal, findings.interrupted) {
            (Some(error), _) => Some(error.clone()),
            (None, true) => Some(Error::new(FailureKind::Unavailable, "the run was stopped; the next one goes on")),
            (None, false) => None,
        };
        let status = match &error {
            Some(error) if error.kind() == FailureKind::RateLimited => RunStatus::RateLimited,
            Some(_) if got_something => RunStatus::Partial,
            Some(_) => RunStatus::Failed,
            None if all_failed && !got_something => RunStatus::Failed,
            None if some_failed => RunStatus::Partial,
            None => RunStatus::Ok,
        };
        let first_failure = fared.values().find_map(|fared| match fared {
            Fared::Failed(error) => Some(error.clone()),
            _ => None,
        });
        let error = error.or(first_failure.filter(|_| status == RunStatus::Failed));
        let retry_at = error.as_ref().and_then(Error::retry_at);
        let (unreadable, interrupted) = (findings.unreadable, findings.interrupted);
        Self { status, error, retry_at, read_something, nothing_asked, fared, unreadable, interrupted }
    }

    /// How it ended, in a word for whoever watches: a run that was stopped is no failure of anybody.
    pub(super) fn ending(&self) -> &'static str {
        if self.interrupted { "interrupted" } else { self.status.name() }
    }

    /// What failed in it, each kind once.
    pub(super) fn kinds(&self) -> BTreeSet<&'static str> {
        let of_metrics = self.fared.values().filter_map(|fared| match fared {
            Fared::Failed(error) => Some(error.kind()),
            Fared::Unsupported(_) => Some(FailureKind::PlanRequired),
            Fared::Ok | Fared::Unknown => None,
        });
        let all = of_metrics.chain(self.error.as_ref().map(Error::kind));
        all.filter(|_| !self.interrupted).map(FailureKind::name).collect()
    }

    /// How each metric fared, as it leaves.
    pub(super) fn metrics(&self, tally: &Tally) -> Vec<MetricOutcomeView> {
        self.fared
            .iter()
            .map(|(id, fared)| {
                let (outcome, error) = match fared {
                    Fared::Ok if tally.changed.contains(id) => (OutcomeWord::Ok, None),
                    Fared::Ok => (OutcomeWord::Unchanged, None),
                    Fared::Failed(error) if is_withheld(error.kind()) => {
                        (OutcomeWord::Unsupported, Some(ErrorView::from(error)))
                    }
                    Fared::Failed(error) => (OutcomeWord::Failed, Some(ErrorView::from(error))),
                    Fared::Unsupported(reason) => {
                        let error = Error::new(FailureKind::PlanRequired, reason.clone());
                        (OutcomeWord::Unsupported, Some(ErrorView::from(&error)))
                    }
                    Fared::Unknown => (
                        OutcomeWord::Unknown,
                        Some(ErrorView::from(&Error::invalid_settings(format!("unknown metric: {id}")))),
                    ),
                };
                MetricOutcomeView { metric_id: id.clone(), outcome, error }
            })
            .collect()
    }

    fn first_failure(&self) -> Option<(&str, &Error)> {
        self.fared.iter().find_map(|(id, fared)| match fared {
            Fared::Failed(error) => Some((id.as_str(), error)),
            _ => None,
        })
    }

    /// Metrics that were not read, each with the reason.
    fn missing(&self) -> impl Iterator<Item = (&str, String)> {
        self.fared.iter().filter_map(|(id, fared)| match fared {
            Fared::Failed(error) => Some((id.as_str(), error.to_string())),
            Fared::Unsupported(reason) => Some((id.as_str(), reason.clone())),
            Fared::Ok | Fared::Unknown => None,
        })
    }

    /// What becomes of the connection. Rate limiting counts no failure; a stopped run changes nothing but the time.
    pub(super) fn plan(&self, connection: &Connection, interval_minutes: i64, now: Timestamp) -> Plan {
        let interval = SignedDuration::from_mins(interval_minutes.clamp(1, 100_000));
        let later = |wait: SignedDuration| now.checked_add(jittered(wait)).unwrap_or(now);
        let failed = self.error.as_ref().or_else(|| self.first_failure().map(|(_, error)| error));
        let reason = failed.map(ToString::to_string);
        let unchanged = |due_at: Timestamp| Plan {
            state: plan_state(&connection.state.state),
            reason: connection.state.reason.clone(),
            until: connection.state.until,
            failures: connection.state.failures,
            due_at,
        };
        if self.interrupted {
            return unchanged(now);
        }
        // Another process may have the key; what this one lacks says nothing of the connection.
        if self.unreadable == Some(vault::Error::WrongKey) {
            return unchanged(connection.state.due_at);
        }
        if self.nothing_asked && self.error.is_none() {
            return unchanged(connection.state.due_at);
        }
        if self.unreadable.is_some() {
            return Plan {
                state: "credentials_unreadable",
                reason,
                until: None,
                failures: connection.state.failures,
                due_at: later(interval),
            };
        }
        if failed.is_some_and(|error| error.kind() == FailureKind::Unauthorized) {
            return Plan {
                state: "needs_reconnect",
                reason,
                until: None,
                failures: connection.state.failures.saturating_add(1),
                due_at: later(LONGEST_BACKOFF),
            };
        }
        match self.status {
            RunStatus::RateLimited => {
                let until = self.retry_at.unwrap_or_else(|| later(interval));
                Plan {
                    state: "rate_limited",
                    reason,
                    until: Some(until),
                    failures: connection.state.failures,
                    due_at: until,
                }
            }
            RunStatus::Failed => {
                let failures = connection.state.failures.saturating_add(1);
                let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(0).min(16);
                let backoff = interval.checked_mul(1 << doublings).unwrap_or(LONGEST_BACKOFF).min(LONGEST_BACKOFF);
                Plan { state: "failing", reason, until: None, failures, due_at: later(backoff) }
            }
            RunStatus::Partial => {
                let missing: Vec<(&str, String)> = self.missing().collect();
                let count = missing.len();
                let first = missing.first().map(|(id, why)| format!("{count} metrics failed, first {id}: {why}"));
                Plan { state: "degraded", reason: first.or(reason), until: None, failures: 0, due_at: later(interval) }
            }
            RunStatus::Ok | RunStatus::Running => {
                Plan { state: "ok", reason: None, until: None, failures: 0, due_at: later(interval) }
            }
        }
    }
}

/// Spreads due times by up to a tenth, so that connections made together do not run together for ever.
fn jittered(wait: SignedDuration) -> SignedDuration {
    let tenth = wait.as_millis() / 10;
    let shift = if tenth > 0 { rand::random_range(-tenth..=tenth) } else { 0 };
    wait + SignedDuration::from_millis(i64::try_from(shift).unwrap_or(0))
}

fn plan_state(state: &str) -> &'static str {
    const STATES: [&str; 6] =
        ["ok", "degraded", "rate_limited", "needs_reconnect", "credentials_unreadable", "failing"];
    STATES.into_iter().find(|known| *known == state).unwrap_or("ok")
}

/// What becomes of a connection after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) state: &'static str,
    pub(super) reason: Option<String>,
    pub(super) until: Option<Timestamp>,
    pub(super) failures: i64,
    pub(super) due_at: Timestamp,
}

impl Plan {
    /// Logs once when a connection goes down and once when it is back.
    pub(super) fn log(&self, connection: &Connection) {
        let is_down = |state: &str| matches!(state, "failing" | "needs_reconnect" | "credentials_unreadable");
        let reason = self.reason.as_deref().unwrap_or_default();
        match (is_down(&connection.state.state), is_down(self.state)) {
            (false, true) => tracing::warn!(
                connection.id = %connection.public_id, connection.name, state = self.state, reason, "connection is down"
            ),
            (true, false) => {
                tracing::info!(connection.id = %connection.public_id, connection.name, state = self.state, "connection is back");
            }
            _ => {}
        }
    }
}
