//! What is kept of a deployment: what metrics are made of, and no more.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::api::Listed;
use crate::{
    integrations::{Error, quotable},
    metric::{Day, Zone},
};

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Built {
    /// Never changes, and is no other's.
    pub(super) uid: String,
    /// The project's id.
    pub(super) project: String,
    pub(super) created_ms: i64,
    pub(super) end: End,
    pub(super) target: Target,
    /// From the start of its build until it was ready, where something was built.
    pub(super) build_ms: Option<i64>,
    /// From its making to the start of its build, where something is or was built.
    pub(super) queue_ms: Option<i64>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// It is under way.
    Open,
    Ready,
    Failed,
    /// Cancelled, blocked, or deleted before it came to anything.
    Neither,
    /// A state of which nobody here knows what it means.
    Unknown(String),
}

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Target {
    Production,
    Preview,
    /// Another environment.
    Other,
}

impl Built {
    /// Takes from a list what is of use.
    pub(super) fn of(listed: &Listed) -> Self {
        let took = listed.ready.zip(listed.building_at).map(|(ready, began)| ready.saturating_sub(began));
        let end = end(listed);
        // Promoted or deployed again without a build: there is a start, and the end is the same.
        let is_build = took.is_none_or(|took| took > 0);
        let queue_ms = listed.building_at.filter(|_| is_build).map(|began| began.saturating_sub(listed.created));
        Self {
            uid: listed.uid.clone(),
            project: listed.project_id.clone().unwrap_or_else(|| listed.name.clone()),
            created_ms: listed.created,
            build_ms: took.filter(|took| *took > 0 && end == End::Ready),
            queue_ms: queue_ms.filter(|ms| *ms >= 0),
            end,
            target: match listed.target.as_deref() {
                Some("production") => Target::Production,
                None => Target::Preview,
                Some(_) => Target::Other,
            },
        }
    }

    /// The UTC day on which it was made.
    pub(super) fn day(&self) -> Result<Day, Error> {
        let at = Timestamp::from_millisecond(self.created_ms);
        let at = at.map_err(|_| Error::invalid_response("a deployment was made at an instant that does not exist"))?;
        Ok(Day::of(at, &Zone::utc()))
    }
}

/// Whether it is deleted, by age or by hand, so that its state does not say any more what became of it.
pub(super) fn is_deleted(listed: &Listed) -> bool {
    state(listed) == Some("DELETED")
}

fn state(listed: &Listed) -> Option<&str> {
    listed.ready_state.as_deref().or(listed.state.as_deref())
}

fn end(listed: &Listed) -> End {
    match state(listed) {
        Some("READY") => End::Ready,
        Some("ERROR") => End::Failed,
        Some("CANCELED" | "BLOCKED") => End::Neither,
        Some("QUEUED" | "INITIALIZING" | "BUILDING" | "ANALYZING" | "UPLOADING" | "DEPLOYING") => End::Open,
        Some("DELETED") if listed.error_code.is_some() => End::Failed,
        Some("DELETED") if listed.ready.is_some() => End::Ready,
        Some("DELETED") => End::Neither,
        Some(other) => End::Unknown(quotable(other)),
        None => End::Unknown("without a state".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn built(more: serde_json::Value) -> Built {
        let mut json = json!({ "uid": "dpl_1", "name": "site", "projectId": "prj_1", "created": 1_774_000_000_000_i64, "state": "READY" });
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Built::of(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn a_build_has_a_length_and_a_redeploy_has_none() {
        let at = |ms: i64| 1_774_000_000_000 + ms;
        let whole = built(json!({ "buildingAt": at(1500), "ready": at(61_500) }));
        assert_eq!((whole.build_ms, whole.queue_ms), (Some(60_000), Some(1500)));
        for more in [json!({ "ready": at(40) }), json!({ "buildingAt": at(40), "ready": at(40) }), json!({})] {
            let again = built(more);
            assert_eq!((again.build_ms, again.queue_ms, again.end), (None, None, End::Ready));
        }
        let backwards = built(json!({ "buildingAt": at(-5), "ready": at(900) }));
        assert_eq!((backwards.build_ms, backwards.queue_ms), (Some(905), None));
        let failed = built(json!({ "state": "ERROR", "buildingAt": at(10) }));
        assert_eq!((failed.build_ms, failed.queue_ms, failed.end), (None, Some(10), End::Failed));
    }

    #[test]
    fn what_was_deleted_by_age_still_says_what_became_of_it() {
        let deleted = |more: serde_json::Value| {
            let mut all = json!({ "state": "DELETED", "softDeletedByRetention": true });
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            built(all).end
        };
        assert_eq!(deleted(json!({ "ready": 1_774_000_090_000_i64 })), End::Ready);
        assert_eq!(deleted(json!({ "errorCode": "BUILD_FAILED" })), End::Failed);
        assert_eq!(deleted(json!({})), End::Neither);
    }

    #[test]
    fn a_target_that_is_missing_or_null_is_a_preview() {
        assert_eq!(built(json!({})).target, Target::Preview);
        assert_eq!(built(json!({ "target": null })).target, Target::Preview);
        assert_eq!(built(json!({ "target": "production" })).target, Target::Production);
        assert_eq!(built(json!({ "target": "staging" })).target, Target::Other);
    }
}
