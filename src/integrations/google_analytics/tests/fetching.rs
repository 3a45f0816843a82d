//! Days, weeks and months in one report, and how sure it is.

use super::{
    super::metrics::{
        BOUNCE_RATE, ENGAGEMENT_RATE, EVENTS, KEY_EVENTS, METRICS, NEW_USERS, PAGEVIEWS, REALTIME_USERS, REVENUE,
        Reading, SESSION_DURATION, SESSIONS, TOTAL_USERS, USERS,
    },
    *,
};
use crate::metric::Money;

fn of_days() -> Vec<&'static str> {
    METRICS.iter().filter(|row| row.reading == Reading::Days).map(|row| row.id).collect()
}

fn money(minor: i64) -> Option<Value> {
    Some(Value::Money(Money::new(minor, "EUR".parse().unwrap())))
}

#[tokio::test]
async fn one_report_of_ten_metrics_gives_every_metric_of_a_day() {
    let (address, calls) = provider(|_| days().into()).await;
    let (report, recorded) = fetch(address, &of_days()).await;
    assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{report:?}");
    let on = |date: &str, value| (format!("2026-03-{date}"), value);
    let count = |n| Some(Value::Count(n));
    assert_eq!(values(&recorded, USERS), [on("08", count(12)), on("10", count(40))]);
    assert_eq!(values(&recorded, NEW_USERS), [on("08", count(2)), on("10", count(11))]);
    assert_eq!(values(&recorded, TOTAL_USERS), [on("08", count(12)), on("10", count(44))]);
    assert_eq!(values(&recorded, PAGEVIEWS), [on("08", count(30)), on("10", count(120))]);
    assert_eq!(values(&recorded, EVENTS), [on("08", count(99)), on("10", count(402))]);
    assert_eq!(values(&recorded, KEY_EVENTS), [on("08", count(0)), on("10", count(3))]);
    // Exact, and rounded once: half a cent away from zero, to whole milliseconds.
    assert_eq!(values(&recorded, REVENUE), [on("08", money(0)), on("10", money(125_000))]);
    let millis = |ms| Some(Value::Millis(ms));
    assert_eq!(values(&recorded, SESSION_DURATION), [on("08", millis(182_000)), on("10", millis(65_429))]);
    assert_eq!(values(&recorded, BOUNCE_RATE), [on("08", Value::ratio(0, 14)), on("10", Value::ratio(19, 50))]);
    assert_eq!(values(&recorded, ENGAGEMENT_RATE), [on("08", Value::ratio(14, 14)), on("10", Value::ratio(31, 50))]);
    // The day without a row is answered as well.
    assert_eq!(answered(&recorded, SESSIONS).0, period("2026-03-08", "2026-03-10"));

    let calls = calls.lock().unwrap();
    let [call] = calls.as_slice() else { panic!("{} calls", calls.len()) };
    assert_eq!(call.path, "/v1beta/properties/7:runReport");
    assert_eq!(call.names("metrics").len(), 10);
    assert!(!call.names("metrics").contains(&"bounceRate".to_owned()));
    assert_eq!(call.body["dateRanges"], json!([{ "startDate": "2026-03-08", "endDate": "2026-03-10" }]));
    assert_eq!(call.body["returnPropertyQuota"], json!(true));
}

#[tokio::test]
async fn a_property_without_visits_is_zero_and_has_no_rates() {
    let (address, _) =
        provider(|call| Reply::from(report(&call.names("dimensions"), &call.names("metrics"), &[]))).await;
    let (outcome, recorded) = fetch(address, &of_days()).await;
    assert!(outcome.outcomes.values().all(|outcome| *outcome == Outcome::Ok));
    for metric in of_days() {
        assert_eq!(answered(&recorded, metric), (period("2026-03-08", "2026-03-10"), Vec::new()), "{metric}");
    }
    // A recorded answer of a report without rows has neither rows nor their count.
    let (address, _) =
        provider(|_| serde_json::from_str::<Json>(include_str!("../fixtures/empty.json")).unwrap().into()).await;
    let (_, recorded) = fetch(address, &[SESSIONS]).await;
    assert_eq!(answered(&recorded, SESSIONS).1, []);
}

#[tokio::test]
async fn a_day_without_sessions_has_no_mean_and_no_rates() {
    let (address, _) = provider(|call| {
        let metrics = call.names("metrics");
        let figures: Vec<&str> = metrics.iter().map(|name| if name == "screenPageViews" { "3" } else { "0" }).collect();
        report(&call.names("dimensions"), &metrics, &[(&["20260309"], &figures)]).into()
    })
    .await;
    let (_, recorded) = fetch(address, &[BOUNCE_RATE, SESSION_DURATION, PAGEVIEWS]).await;
    let on_ninth = |value| vec![("2026-03-09".to_owned(), value)];
    assert_eq!(values(&recorded, BOUNCE_RATE), on_ninth(None));
    assert_eq!(values(&recorded, SESSION_DURATION), on_ninth(None));
    assert_eq!(values(&recorded, PAGEVIEWS), on_ninth(Some(Value::Count(3))));
}

#[tokio::test]
async fn people_of_weeks_and_months_are_asked_for_as_such() {
    for (grain, asked, dimension, name, first, until) in [
        (Interval::Week, period("2026-03-02", "2026-03-15"), "isoYearIsoWeek", "202611", "2026-03-09", "2026-03-10"),
        (Interval::Month, period("2026-02-01", "2026-03-31"), "yearMonth", "202603", "2026-03-01", "2026-03-10"),
    ] {
        let (address, calls) = provider(move |call| {
            let rows: [(&[&str], &[&str]); 1] = [(&[name], &["71", "80", "12.5", "90"])];
            report(&call.names("dimensions"), &call.names("metrics"), &rows).into()
        })
        .await;
        let (outcome, recorded) = try_fetch(address, &[USERS, TOTAL_USERS, SESSION_DURATION], asked, grain).await;
        assert!(outcome.unwrap().outcomes.values().all(|outcome| *outcome == Outcome::Ok));
        let (covered, samples) = answered(&recorded, USERS);
        assert_eq!((covered, samples[0].day, samples[0].value), (asked, day(first), Some(Value::Count(71))));
        assert_eq!(values(&recorded, SESSION_DURATION), [(first.to_owned(), Some(Value::Millis(12_500)))]);
        let calls = calls.lock().unwrap();
        assert_eq!(calls[0].names("dimensions"), [dimension]);
        assert_eq!(calls[0].body["dateRanges"][0]["endDate"], json!(until), "no report speaks of days to come");
    }
}

#[tokio::test]
async fn what_is_sampled_thresholded_or_lumped_together_is_an_estimate_and_says_why() {
    for (said, key) in [
        (json!({ "samplingMetadatas": [{ "samplesReadCount": "500", "samplingSpaceSize": "9000" }] }), "events_read"),
        (json!({ "subjectToThresholding": true }), "thresholded"),
        (json!({ "dataLossFromOtherRow": true }), "other_row"),
        (json!({ "timeZone": "America/New_York" }), "zone"),
    ] {
        let told = said.clone();
        let (address, _) = provider(move |call| {
            let rows: [(&[&str], &[&str]); 1] = [(&["20260309"], &["5"])];
            let mut report = report(&call.names("dimensions"), &call.names("metrics"), &rows);
            report["metadata"].as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
            report.into()
        })
        .await;
        let (_, recorded) = fetch(address, &[SESSIONS]).await;
        let samples = answered(&recorded, SESSIONS).1;
        assert_eq!(samples.len(), 3, "days without a row are no surer than the others");
        for sample in &samples {
            assert_eq!(sample.quality, Quality::Estimated, "{said}");
            assert!(sample.metadata.as_ref().is_some_and(|facts| facts.contains_key(key)), "{sample:?}");
        }
        assert_eq!(samples[1].value, Some(Value::Count(5)));
    }
}

#[tokio::test]
async fn more_engaged_sessions_than_sessions_are_all_of_them() {
    let (address, _) = provider(|call| {
        let rows: [(&[&str], &[&str]); 1] = [(&["20260309"], &["101", "100"])];
        report(&call.names("dimensions"), &call.names("metrics"), &rows).into()
    })
    .await;
    let (_, recorded) = fetch(address, &[BOUNCE_RATE]).await;
    let [rate] = <[Sample; 1]>::try_from(answered(&recorded, BOUNCE_RATE).1).unwrap();
    assert_eq!((rate.value, rate.quality), (Value::ratio(0, 100), Quality::Estimated));
}

#[tokio::test]
async fn hidden_revenue_is_missing_and_not_zero() {
    let (address, _) = provider(|_| {
        let mut report = days();
        report["metadata"]["schemaRestrictionResponse"] = json!({ "activeMetricRestrictions": [
            { "metricName": "totalRevenue", "restrictedMetricTypes": ["REVENUE_DATA"] }] });
        report.into()
    })
    .await;
    let (report, recorded) = fetch(address, &of_days()).await;
    let Outcome::Failed(error) = &report.outcomes[REVENUE] else { panic!("{report:?}") };
    assert_eq!(error.kind(), FailureKind::Forbidden);
    assert!(error.to_string().contains("No Revenue Metrics"), "{error}");
    assert!(recorded.answers.iter().all(|answer| answer.metric_id != REVENUE));
    assert_eq!(report.outcomes[SESSIONS], Outcome::Ok);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_the_question_is_none() {
    type Spoil = fn(&mut Json);
    let spoiled: [(&str, Spoil); 7] = [
        ("columns in another order", |body| body["metricHeaders"].as_array_mut().unwrap().swap(0, 1)),
        ("another dimension", |body| body["dimensionHeaders"][0]["name"] = json!("week")),
        ("a day twice", |body| body["rows"][1] = body["rows"][0].clone()),
        ("a day not asked for", |body| body["rows"][1]["dimensionValues"][0]["value"] = json!("20260301")),
        ("a row without a figure", |body| drop(body["rows"][0]["metricValues"].as_array_mut().unwrap().pop())),
        ("a list cut short", |body| body["rowCount"] = json!(3)),
        ("no columns", |body| drop(body.as_object_mut().unwrap().remove("metricHeaders"))),
    ];
    for (what, spoil) in spoiled {
        let (address, _) = provider(move |_| {
            let mut body = days();
            spoil(&mut body);
            body.into()
        })
        .await;
        let (report, recorded) = fetch(address, &of_days()).await;
        for (metric, outcome) in &report.outcomes {
            let is_right = matches!(outcome, Outcome::Failed(e) if e.kind() == FailureKind::InvalidResponse);
            assert!(is_right, "{what}: {metric} is {outcome:?}");
        }
        assert!(recorded.answers.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_figure_that_is_none_costs_its_own_metric() {
    let (address, _) = provider(|_| {
        let mut body = days();
        body["rows"][0]["metricValues"][9]["value"] = json!("NaN");
        body.into()
    })
    .await;
    let (report, recorded) = fetch(address, &of_days()).await;
    let failed: Vec<&String> =
        report.outcomes.iter().filter(|(_, outcome)| **outcome != Outcome::Ok).map(|(id, _)| id).collect();
    assert_eq!(failed, [REVENUE]);
    assert_eq!(answered(&recorded, SESSIONS).1.len(), 2);
}

#[tokio::test]
async fn days_before_google_answers_are_beyond_retention() {
    let (address, calls) =
        provider(|call| Reply::from(report(&call.names("dimensions"), &call.names("metrics"), &[]))).await;
    let asked = period("2015-08-12", "2015-08-15");
    let (_, recorded) = try_fetch(address, &[SESSIONS], asked, Interval::Day).await;
    let lost: Vec<(Period, _)> = recorded.gaps.iter().map(|gap| (gap.period, gap.why.clone())).collect();
    assert_eq!(lost, [(period("2015-08-12", "2015-08-13"), crate::integrations::Why::BeyondRetention)]);
    assert_eq!(answered(&recorded, SESSIONS).0, period("2015-08-14", "2015-08-15"));
    assert_eq!(calls.lock().unwrap()[0].body["dateRanges"][0]["startDate"], json!("2015-08-14"));
}

#[tokio::test]
async fn only_today_has_users_right_now() {
    let (address, calls) = provider(|call| {
        assert_eq!(call.path, "/v1beta/properties/7:runRealtimeReport");
        assert!(call.body.get("dateRanges").is_none());
        report(&[], &call.names("metrics"), &[(&[], &["9"])]).into()
    })
    .await;
    let (report, recorded) = fetch(address, &[REALTIME_USERS]).await;
    assert_eq!(report.outcomes[REALTIME_USERS], Outcome::Ok);
    let today = period("2026-03-10", "2026-03-10");
    assert_eq!(answered(&recorded, REALTIME_USERS).0, today);
    assert_eq!(values(&recorded, REALTIME_USERS), [("2026-03-10".to_owned(), Some(Value::Count(9)))]);
    let past = period("2026-03-01", "2026-03-09");
    let (report, recorded) = try_fetch(address, &[REALTIME_USERS], past, Interval::Day).await;
    assert_eq!(report.unwrap().outcomes[REALTIME_USERS], Outcome::Ok);
    assert!(recorded.answers.is_empty());
    assert_eq!(calls.lock().unwrap().len(), 1, "nobody asks for a past that there is none of");
}
