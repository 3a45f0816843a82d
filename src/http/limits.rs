//! What a descriptor says about talking to its provider: address, signing, limits and exceptions. Data only.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use super::auth::Auth;
use crate::metric::{Day, Zone};

/// Everything the pipeline needs to know about one provider, for one connection.
#[derive(Debug, Clone)]
pub struct Service {
    /// The integration's id; part of budget keys and log lines.
    pub id: String,
    /// Where paths of requests start.
    pub base_url: Url,
    /// Hosts that may be called. The base URL's host is one of them.
    pub hosts: Vec<String>,
    /// Whether the base URL was given by a user, so that its address is judged by the address rules.
    pub user_given_url: bool,
    /// Sent with every request, such as an API version.
    pub headers: Vec<(String, String)>,
    /// How a request is signed.
    pub auth: Auth,
    /// What may be asked, how often.
    pub limits: Limits,
    /// Where the provider departs from the error table.
    pub exceptions: Vec<Exception>,
    /// Replaces scheme, host and port of every request; a loopback address. For sandboxes, tests and the demo.
    pub override_url: Option<Url>,
}

/// What may be asked, how often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Calls per window of time. All that match a request hold.
    pub windows: Vec<Window>,
    /// Calls at once for one credential in one process.
    pub concurrent: u32,
    /// The headers by which the provider tells what is left.
    pub headers: Option<LimitHeaders>,
    /// How long to wait when it says that a limit is reached and not for how long.
    pub wait_unless_said: Duration,
}

/// A number of calls in a length of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Which requests it counts.
    pub scope: WindowScope,
    /// How many calls.
    pub calls: u32,
    /// In how long.
    pub per: Duration,
}

/// Which requests a window counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowScope {
    /// All of them together.
    Everything,
    /// Each endpoint (path template) for itself.
    Endpoint,
    /// Those that name this resource, see `Request::resource`. A request that names none belongs to `core`.
    Resource(String),
}

/// The headers by which a provider tells what is left of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitHeaders {
    /// How many calls the window has.
    pub limit: String,
    /// How many are left.
    pub remaining: String,
    /// When it starts anew.
    pub reset: String,
    /// How `reset` is written.
    pub reset_form: ResetForm,
    /// Which resource the numbers are for, where the provider says.
    pub resource: Option<String>,
}

/// How the reset header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetForm {
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// Seconds from now.
    DeltaSeconds,
}

/// Where a provider departs from the one error table. The first that matches wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exception {
    /// The status it applies to.
    pub status: u16,
    /// And what else must hold.
    pub when: When,
    /// What the answer means then.
    pub means: Meaning,
}

/// When a limit starts anew, where the provider has a rule and says no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// With each hour.
    Hourly,
    /// At midnight of this time zone, an IANA name.
    Daily(&'static str),
}

impl Reset {
    /// The first instant after `now` at which it starts anew.
    pub(super) fn after(self, now: Timestamp) -> Timestamp {
        const HOUR: i64 = 3600;
        match self {
            Self::Hourly => {
                let next = now.as_second().div_euclid(HOUR).saturating_add(1).saturating_mul(HOUR);
                Timestamp::from_second(next).unwrap_or(Timestamp::MAX)
            }
            Self::Daily(zone) => {
                let zone = zone.parse().unwrap_or_else(|_| Zone::utc());
                zone.start_of(Day::of(now, &zone).next())
            }
        }
    }
}

/// A condition on an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// The status alone decides.
    Always,
    /// The body contains this text, whatever its case.
    BodyContains(String),
    /// A header is there, with this value if one is named.
    Header {
        /// The header's name.
        name: String,
        /// Its value, if only one counts.
        value: Option<String>,
    },
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// A limit is reached: wait as the answer says, else as long as `wait_unless_said`.
    RateLimited,
    /// A limit is used up: wait as the answer says, else until it starts anew.
    UsedUp(Reset),
    /// A passing fault: try again.
    Transient,
    /// This kind of failure, not to be tried again.
    Failure(crate::metric::FailureKind),
    /// The same, and a header holds the link where the user can mend it.
    FailureWithLink {
        /// The kind of failure.
        kind: crate::metric::FailureKind,
        /// The header's name.
        header: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_starts_anew_with_the_hour_or_at_midnight_of_its_zone() {
        let pacific = Reset::Daily("America/Los_Angeles");
        for (reset, now, expected) in [
            (Reset::Hourly, "2026-03-31T15:04:05Z", "2026-03-31T16:00:00Z"),
            (Reset::Hourly, "2026-03-31T15:00:00Z", "2026-03-31T16:00:00Z"),
            (Reset::Hourly, "2026-03-31T23:59:59.9Z", "2026-04-01T00:00:00Z"),
            (pacific, "2026-03-31T06:59:59Z", "2026-03-31T07:00:00Z"),
            (pacific, "2026-03-31T07:00:00Z", "2026-04-01T07:00:00Z"),
            // The day on which clocks go forward there has 23 hours.
            (pacific, "2026-03-08T08:00:00Z", "2026-03-09T07:00:00Z"),
        ] {
            assert_eq!(reset.after(now.parse().unwrap()).to_string(), expected, "{reset:?} after {now}");
        }
    }
}
