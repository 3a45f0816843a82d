//! What is left of a property's quotas.

use std::{collections::HashMap, sync::Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{problem::Problem, property::GoogleProperty, written};
use crate::{
    demo::server::lock,
    metric::{Day, Zone},
};

/// Calls at once for a property.
const AT_ONCE: i64 = 10;

/// Quotas that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Pool {
    Core,
    Realtime,
}

/// Tokens that were used in the hour and the day under way.
#[derive(Debug, Clone, Copy)]
struct Used {
    hour: i64,
    day: Day,
    in_hour: i64,
    in_day: i64,
}

/// The quotas of every property.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    used: Mutex<HashMap<(String, Pool), Used>>,
    under_way: Mutex<HashMap<String, i64>>,
}

/// A question that is being answered.
#[derive(Debug)]
pub(in crate::demo) struct UnderWay<'a> {
    budgets: &'a Budgets,
    property: String,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(count) = lock(&self.budgets.under_way).get_mut(&self.property) {
            *count -= 1;
        }
    }
}

/// The tokens of a property: in a day, in an hour, and in an hour for one project.
fn allowed(property: &GoogleProperty) -> (i64, i64, i64) {
    let times = if property.is_360 { 10 } else { 1 };
    (200_000 * times, 40_000 * times, 14_000 * times)
}

impl Budgets {
    pub(super) fn enter(&self, property: &str) -> UnderWay<'_> {
        *lock(&self.under_way).entry(property.to_owned()).or_default() += 1;
        UnderWay { budgets: self, property: property.to_owned() }
    }

    fn at_once(&self, property: &GoogleProperty) -> i64 {
        lock(&self.under_way).get(property.number).copied().unwrap_or(0)
    }

    /// Refuses a question where a quota is used up.
    pub(super) fn admit(&self, property: &GoogleProperty, pool: Pool, now: Timestamp) -> Result<(), Problem> {
        let (day, hour, project) = allowed(property);
        let used = self.spend(property, pool, 0, now);
        let most_at_once = if property.is_360 { 5 * AT_ONCE } else { AT_ONCE };
        if self.at_once(property) > most_at_once {
            return Err(Problem::exhausted(
                "Exhausted concurrent requests quota. Please wait for other requests to end.",
            ));
        }
        if used.in_day >= day {
            let message = "Exhausted property tokens per day. These quota tokens will return in under 24 hours.";
            return Err(Problem::exhausted(message));
        }
        if used.in_hour >= hour {
            let message = "Exhausted property tokens per hour. These quota tokens will return in under one hour.";
            return Err(Problem::exhausted(message));
        }
        if used.in_hour >= project {
            let message = "Exhausted property tokens for a project per hour. These quota tokens will return in under one \
                           hour. To increase the quota, spread requests over several projects.";
            return Err(Problem::exhausted(message));
        }
        Ok(())
    }

    /// Takes tokens, and tells what is left of every quota.
    pub(super) fn charge(&self, property: &GoogleProperty, pool: Pool, tokens: i64, now: Timestamp) -> Value {
        let (day, hour, project) = allowed(property);
        let used = self.spend(property, pool, tokens, now);
        let left = |all: i64, used: i64| json!({ "consumed": tokens, "remaining": (all - used).max(0) });
        written(json!({
            "tokensPerDay": left(day, used.in_day),
            "tokensPerHour": left(hour, used.in_hour),
            "tokensPerProjectPerHour": left(project, used.in_hour),
            "concurrentRequests": { "remaining": (AT_ONCE - self.at_once(property)).max(0) },
            "serverErrorsPerProjectPerHour": { "remaining": 10 },
            "potentiallyThresholdedRequestsPerHour": { "remaining": 120 },
        }))
    }

    /// Uses tokens up, as a colleague's reports do.
    pub(super) fn use_up(&self, property: &GoogleProperty, tokens: i64, now: Timestamp) {
        self.spend(property, Pool::Core, tokens, now);
    }

    /// What is used up after so many more tokens.
    fn spend(&self, property: &GoogleProperty, pool: Pool, tokens: i64, now: Timestamp) -> Used {
        let pacific = "America/Los_Angeles".parse().unwrap_or_else(|_| Zone::utc());
        let (hour, day) = (now.as_second().div_euclid(3600), Day::of(now, &pacific));
        let fresh = Used { hour, day, in_hour: 0, in_day: 0 };
        let mut all = lock(&self.used);
        let used = all.entry((property.number.to_owned(), pool)).or_insert(fresh);
        if used.hour != hour {
            (used.hour, used.in_hour) = (hour, 0);
        }
        if used.day != day {
            (used.day, used.in_day) = (day, 0);
        }
        used.in_hour += tokens;
        used.in_day += tokens;
        *used
    }
}
