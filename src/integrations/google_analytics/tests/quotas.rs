//! Quotas: heeded before they run out, and waited for as long as they last.

use super::{
    super::metrics::{REALTIME_USERS, SESSIONS},
    *,
};

/// What is left after the answer, by the API's names.
async fn leaving(left: Json) -> (SocketAddr, Arc<Mutex<Vec<Call>>>) {
    provider(move |call| {
        let mut report = report(&call.names("dimensions"), &call.names("metrics"), &[]);
        if call.path.ends_with(":runReport") {
            report["propertyQuota"] = left.clone();
        }
        report.into()
    })
    .await
}

async fn ask(ctx: &Context, metric: &str) -> Result<FetchReport, Error> {
    GoogleAnalytics.fetch_metrics(ctx, &[metric.to_owned()], period("2026-03-10", "2026-03-10")).await
}

#[tokio::test]
async fn the_last_tenth_of_a_quota_is_left_to_others() {
    for (left, until) in [
        (json!({ "tokensPerHour": { "consumed": 7, "remaining": 3_900 } }), "2026-03-10T13:00:00Z"),
        (json!({ "tokensPerProjectPerHour": { "remaining": 1_000 } }), "2026-03-10T13:00:00Z"),
        (json!({ "tokensPerDay": { "remaining": 4 } }), "2026-03-11T07:00:00Z"),
    ] {
        let (address, calls) = leaving(left.clone()).await;
        let (ctx, _) = open(address, json!({ "property": "7" }));
        // What came is taken, and nothing more is asked for.
        assert_eq!(ask(&ctx, SESSIONS).await.unwrap().outcomes[SESSIONS], Outcome::Ok, "{left}");
        let error = ask(&ctx, SESSIONS).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_at()), (FailureKind::RateLimited, Some(until.parse().unwrap())));
        assert_eq!(calls.lock().unwrap().len(), 1);
        // What happens now has quotas of its own.
        assert_eq!(ask(&ctx, REALTIME_USERS).await.unwrap().outcomes[REALTIME_USERS], Outcome::Ok);
    }
}

#[tokio::test]
async fn a_quota_with_enough_left_stops_nobody() {
    let (address, calls) = leaving(days()["propertyQuota"].clone()).await;
    let (ctx, _) = open(address, json!({ "property": "7" }));
    for _ in 0..3 {
        ask(&ctx, SESSIONS).await.unwrap();
    }
    assert_eq!(calls.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_handed_back_until_it_starts_anew() {
    let hour = "2026-03-10T13:00:00Z";
    for (message, until) in [
        (
            "Exhausted property tokens per day. These quota tokens will return in under 24 hours.",
            "2026-03-11T07:00:00Z",
        ),
        ("Exhausted property tokens per hour. These quota tokens will return in under one hour.", hour),
        ("Exhausted property tokens for a project per hour. These quota tokens will return in under one hour.", hour),
        ("Exhausted potentially thresholded requests quota.", hour),
        ("Exhausted server errors quota.", hour),
    ] {
        let (address, calls) = provider(move |_| refuse(429, "RESOURCE_EXHAUSTED", message)).await;
        let (ctx, _) = open(address, json!({ "property": "7" }));
        let error = ask(&ctx, SESSIONS).await.unwrap_err();
        assert_eq!((error.kind(), error.retry_at()), (FailureKind::RateLimited, Some(until.parse().unwrap())));
        assert!(error.to_string().contains(&message[..20]), "{error}");
        assert_eq!(calls.lock().unwrap().len(), 1, "{message}");
    }
}
