//! How many requests a project may make in an hour, among all processes.
//!
//! They are counted in the database in portions: a process takes some for itself and gives them out without a write for each.
//! What it does not use of them before the hour is over nobody uses, which only makes the limit tighter.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use super::refusal::Refusal;
use crate::store::{self, Store};

const HOUR: i64 = 3600;
/// A portion is this part of an hour's requests.
const PARTS: i64 = 50;
const LARGEST_PORTION: i64 = 100;

/// What this process may still give out.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    portions: Mutex<HashMap<i64, Portion>>,
    /// Held by whoever counts a further portion, so that many requests at once do not take one each.
    refilling: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Copy)]
struct Portion {
    hour: i64,
    /// Requests that were counted and not made yet.
    left: i64,
    /// All that were counted of the hour, when somebody last looked.
    counted: i64,
}

/// What an answer says of the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    limit: i64,
    remaining: i64,
    resets_at: i64,
    now: i64,
    is_over: bool,
}

impl Limiter {
    /// Counts one request of a project; `None` where there is no limit.
    pub(super) async fn count(
        &self,
        store: &Store,
        project_id: i64,
        per_hour: u32,
        now: Timestamp,
    ) -> Result<Option<Standing>, store::Error> {
        let limit = i64::from(per_hour);
        if limit == 0 {
            return Ok(None);
        }
        let hour = now.as_second().div_euclid(HOUR) * HOUR;
        let is_used_up = |portion: &Option<Portion>| portion.is_none_or(|one| one.left < 0 && one.counted < limit);
        let mut portion = self.take(project_id, hour);
        let mut refilling = None;
        if is_used_up(&portion) {
            refilling = Some(self.refilling.lock().await);
            portion = self.take(project_id, hour);
        }
        if refilling.is_some() && is_used_up(&portion) {
            let wanted = (limit / PARTS).clamp(1, LARGEST_PORTION);
            let at = Timestamp::from_second(hour).unwrap_or(now);
            let counted = store.count_api_calls(project_id, at, wanted).await?;
            let granted = (limit - (counted - wanted)).clamp(0, wanted);
            portion = Some(self.refill(project_id, hour, granted, counted));
        }
        let portion = portion.unwrap_or(Portion { hour, left: -1, counted: limit });
        Ok(Some(Standing {
            limit,
            remaining: ((limit - portion.counted).max(0) + portion.left).max(0),
            resets_at: hour + HOUR,
            now: now.as_second(),
            is_over: portion.left < 0,
        }))
    }

    /// Takes one request out of this hour's portion, and gives what is left then: less than none where none was. `None`
    /// where the hour has just begun.
    fn take(&self, project_id: i64, hour: i64) -> Option<Portion> {
        let mut portions = self.portions.lock().unwrap_or_else(PoisonError::into_inner);
        let portion = portions.get_mut(&project_id).filter(|portion| portion.hour == hour)?;
        if portion.left == 0 {
            return Some(Portion { left: -1, ..*portion });
        }
        portion.left -= 1;
        Some(*portion)
    }

    /// Adds what was granted to this hour's portion and takes one request out of it.
    fn refill(&self, project_id: i64, hour: i64, granted: i64, counted: i64) -> Portion {
        let mut portions = self.portions.lock().unwrap_or_else(PoisonError::into_inner);
        let portion = portions.entry(project_id).or_insert(Portion { hour, left: 0, counted: 0 });
        if portion.hour != hour {
            *portion = Portion { hour, left: 0, counted: 0 };
        }
        portion.counted = portion.counted.max(counted);
        portion.left += granted;
        if portion.left == 0 {
            return Portion { left: -1, ..*portion };
        }
        portion.left -= 1;
        *portion
    }
}

impl Standing {
    /// Of a request that counts for nobody, since nobody is known to have made it; `None` where there is no limit.
    pub(super) fn untouched(per_hour: u32, now: Timestamp) -> Option<Self> {
        let (limit, now) = (i64::from(per_hour), now.as_second());
        let resets_at = now.div_euclid(HOUR) * HOUR + HOUR;
        (limit > 0).then_some(Self { limit, remaining: limit, resets_at, now, is_over: false })
    }

    /// The refusal of a request that is too many.
    pub(super) fn refusal(self) -> Option<Refusal> {
        let wait = u64::try_from(self.resets_at - self.now).unwrap_or(1).max(1);
        let message = format!(
            "this project has made its {} requests of this hour; try again in {} minutes",
            self.limit,
            wait.div_ceil(60)
        );
        let status = axum::http::StatusCode::TOO_MANY_REQUESTS;
        let refusal = Refusal::new(status, "too_many_requests", message);
        self.is_over.then(|| Refusal { wait: Some(Duration::from_secs(wait)), ..refusal })
    }

    /// Says in an answer how much is left, and when it begins anew: seconds since 1970.
    pub(super) fn tell(self, headers: &mut HeaderMap) {
        let said = [
            ("x-ratelimit-limit", self.limit),
            ("x-ratelimit-remaining", self.remaining),
            ("x-ratelimit-reset", self.resets_at),
        ];
        for (name, value) in said {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        }
    }
}
