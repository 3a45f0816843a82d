//! Which of a property's quotas an answer says is nearly used up. Pure.

use super::api::{PropertyQuota, Quota};
use crate::http::Reset;

/// Daily quotas start anew at midnight in California.
pub(super) const DAILY: Reset = Reset::Daily("America/Los_Angeles");

/// One quota of an answer.
type Of = fn(&PropertyQuota) -> Option<Quota>;

/// What a standard property has of each quota (providers.md 6.6). One of Analytics 360 has ten times as much; that of
/// thresholded requests is the same.
const QUOTAS: [(Of, i64, Reset); 5] = [
    (|left| left.tokens_per_day, 200_000, DAILY),
    (|left| left.tokens_per_hour, 40_000, Reset::Hourly),
    (|left| left.tokens_per_project_per_hour, 14_000, Reset::Hourly),
    (|left| left.server_errors_per_project_per_hour, 10, Reset::Hourly),
    (|left| left.potentially_thresholded_requests_per_hour, 120, Reset::Hourly),
];

/// When to go on, where less than a tenth of a quota is left. The rest is for others: all who read the property share it.
pub(super) fn nearly_used_up(left: &PropertyQuota) -> Option<Reset> {
    let is_low = |quota: Option<Quota>, all: i64| quota.is_some_and(|quota| quota.remaining < all / 10);
    QUOTAS.iter().find(|(of, all, _)| is_low(of(left), *all)).map(|(_, _, reset)| *reset)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(left: serde_json::Value) -> Option<Reset> {
        nearly_used_up(&serde_json::from_value(left).unwrap())
    }

    #[test]
    fn stops_while_a_tenth_is_left_and_for_as_long_as_the_quota_lasts() {
        let quota = |remaining: i64| json!({ "consumed": 7, "remaining": remaining });
        assert_eq!(judged(json!({})), None);
        assert_eq!(judged(json!({ "tokensPerDay": quota(20_000), "tokensPerHour": quota(4_000) })), None);
        assert_eq!(judged(json!({ "tokensPerHour": quota(3_999) })), Some(Reset::Hourly));
        assert_eq!(judged(json!({ "tokensPerProjectPerHour": quota(1_399) })), Some(Reset::Hourly));
        assert_eq!(judged(json!({ "tokensPerDay": quota(19_999), "tokensPerHour": quota(0) })), Some(DAILY));
        assert_eq!(judged(json!({ "serverErrorsPerProjectPerHour": quota(1) })), None);
        assert_eq!(judged(json!({ "serverErrorsPerProjectPerHour": { "consumed": 10 } })), Some(Reset::Hourly));
        // It is left as soon as the calls under way are answered.
        assert_eq!(judged(json!({ "concurrentRequests": quota(0) })), None);
    }
}
