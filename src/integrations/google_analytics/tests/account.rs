//! Testing a connection: what the property is, what is missing, and what to do about it.

use super::{super::metrics::REVENUE, *};

fn property() -> Json {
    json!({ "name": "properties/7", "displayName": "Site", "timeZone": "Europe/Berlin", "currencyCode": "EUR",
        "serviceLevel": "GOOGLE_ANALYTICS_STANDARD", "createTime": "2023-02-01T09:30:00.123Z" })
}

fn summaries(call: &Call) -> Json {
    let one = |account: &str, property: &str| {
        json!({ "account": "accounts/1", "displayName": account, "propertySummaries":
            [{ "property": format!("properties/{property}"), "displayName": format!("Site {property}") }] })
    };
    // The second page is asked for by the first one's token.
    match call.query.contains("pageToken=two") {
        false => json!({ "accountSummaries": [one("Acme", "7")], "nextPageToken": "two" }),
        true => json!({ "accountSummaries": [one("Other", "8"), { "account": "accounts/3" }] }),
    }
}

fn usual(call: &Call) -> Reply {
    match call.path.as_str() {
        "/v1beta/accountSummaries" => summaries(call).into(),
        "/v1beta/properties/7" => property().into(),
        "/v1beta/properties/7:runReport" => report(&[], &call.names("metrics"), &[(&[], &["12", "3.5"])]).into(),
        _ => refuse(404, "NOT_FOUND", "no"),
    }
}

#[tokio::test]
async fn a_property_is_known_by_its_number_and_has_zone_currency_and_neighbours() {
    let (address, calls) = provider(usual).await;
    let account = test(address, "properties/7").await.unwrap();
    assert_eq!((account.id.as_str(), account.label.as_str()), ("properties/7", "Site"));
    assert_eq!(account.zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(account.currency.map(|code| code.to_string()).as_deref(), Some("EUR"));
    assert!(account.checks.iter().all(|check| check.ok), "{:?}", account.checks);
    let choices: Vec<(&str, &str)> =
        account.choices["property"].iter().map(|one| (one.value.as_str(), one.label.as_str())).collect();
    assert_eq!(choices, [("7", "Site 7 (Acme)"), ("8", "Site 8 (Other)")]);
    let listed = calls.lock().unwrap().iter().filter(|call| call.query.contains("pageSize=200")).count();
    assert_eq!(listed, 2);
}

#[tokio::test]
async fn without_the_admin_api_reports_tell_zone_and_currency() {
    let message = "Google Analytics Admin API has not been used in project 600000000001 before or it is disabled. Enable it \
                   by visiting https://console.developers.google.com/apis/api/analyticsadmin.googleapis.com/overview then retry.";
    let (address, _) = provider(move |call| match call.path.contains(':') {
        true => usual(call),
        false => refuse(403, "PERMISSION_DENIED", message),
    })
    .await;
    let account = test(address, "7").await.unwrap();
    assert_eq!((account.id.as_str(), account.zone.as_deref()), ("properties/7", Some("UTC")));
    assert_eq!(account.currency.map(|code| code.to_string()).as_deref(), Some("EUR"));
    let check = account.checks.iter().find(|check| check.id == "properties").unwrap();
    assert!(!check.ok && check.costs.is_empty());
    assert!(check.message.contains("Google Analytics Admin API is switched off"), "{}", check.message);
    assert!(check.message.contains("console.cloud.google.com/apis/library/analyticsadmin"), "{}", check.message);
}

#[tokio::test]
async fn hidden_revenue_is_a_check_and_what_it_costs() {
    let (address, _) = provider(|call| match call.path.contains(':') {
        true => {
            let mut report = report(&[], &call.names("metrics"), &[(&[], &["12", "0"])]);
            report["metadata"]["schemaRestrictionResponse"] =
                json!({ "activeMetricRestrictions": [{ "metricName": "totalRevenue" }] });
            report.into()
        }
        false => usual(call),
    })
    .await;
    let account = test(address, "7").await.unwrap();
    let failed: Vec<_> = account.checks.iter().filter(|check| !check.ok).collect();
    let [check] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((check.id.as_str(), check.costs.as_slice()), ("revenue", &[REVENUE.to_owned()][..]));
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let disabled = "Google Analytics Data API has not been used in project 600000000001 before or it is disabled.";
    for (message, said) in [
        ("User does not have sufficient permissions for this property.", &["Viewer", "property 7", GOOGLE_READER][..]),
        (disabled, &["Google Analytics Data API is switched off", "library/analyticsdata.googleapis.com"][..]),
        ("Request had insufficient authentication scopes.", &["does not include Google Analytics", "reconnect"][..]),
    ] {
        let (address, _) = provider(move |_| refuse(403, "PERMISSION_DENIED", message)).await;
        let error = test(address, "7").await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (FailureKind::Forbidden, Some(403)));
        for word in said {
            assert!(error.to_string().contains(word), "{message}: {error}");
        }
        // Reading says the same.
        let (report, _) = fetch(address, &["ga_sessions", "ga_pages"]).await;
        for outcome in report.outcomes.values() {
            assert!(matches!(outcome, Outcome::Failed(error) if error.to_string().contains(said[0])), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_over_is_refused_whatever_it_is_used_for() {
    let (address, calls) = provider(|_| refuse(401, "UNAUTHENTICATED", "Request had invalid credentials.")).await;
    assert_eq!(test(address, "7").await.unwrap_err().kind(), FailureKind::Unauthorized);
    assert_eq!(test(address, "").await.unwrap_err().kind(), FailureKind::Unauthorized, "before any setting");
    let asked = period("2026-03-10", "2026-03-10");
    let (report, _) = try_fetch(address, &["ga_sessions", "ga_realtime_users"], asked, Interval::Day).await;
    assert_eq!(report.unwrap_err().kind(), FailureKind::Unauthorized);
    // Each is asked for once more with a new token, which the host sees to, and nothing after it.
    assert_eq!(calls.lock().unwrap().len(), 6);
}

#[tokio::test]
async fn a_property_that_is_not_given_or_is_none_is_answered_with_those_there_are() {
    let (address, _) = provider(usual).await;
    for given in ["", "G-4KX2ABCD90"] {
        let error = test(address, given).await.unwrap_err();
        assert_eq!(error.kind(), FailureKind::InvalidSettings);
        assert!(error.to_string().contains("7 Site 7 (Acme), 8 Site 8 (Other)"), "{error}");
    }
    let (address, _) = provider(|_| json!({}).into()).await;
    let error = test(address, "").await.unwrap_err();
    assert!(error.to_string().contains("can read no property yet"), "{error}");
    let (address, _) = provider(|_| refuse(403, "PERMISSION_DENIED", "Google Analytics Admin API is disabled.")).await;
    assert!(test(address, "UA-1-1").await.unwrap_err().to_string().contains("Universal Analytics"));
}
