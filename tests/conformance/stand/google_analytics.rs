//! Google Analytics' stand: the property of the simulated company's site, and the same before anybody came.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashtray::{
    demo::{
        Emulators, GOOGLE_PROPERTY, GOOGLE_USER, GoogleAccount, GoogleProperty, Options,
        authorization::service_account_key,
    },
    integrations::google_analytics::GoogleAnalytics,
    metric::Day,
};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use super::{
    Account, COMPANIES, Drift, Endpoint, Fields, List, Optional, Provider, Stand, emulate, field, nobody, now,
    numbers::{Form, Happenings, Taken, Takings, answering, by_day, days_of},
    run,
};
use crate::{
    conformance::front::{Asked, Reply},
    oauth::Site,
};

const READER: &str = "reader@fernwerk-demo.iam.gserviceaccount.com";
const WITHOUT_REVENUE: &str = "colleague@fernwerk-demo.iam.gserviceaccount.com";
const WRONG: &str = "nobody@fernwerk-demo.iam.gserviceaccount.com";

const NONE_LEFT: &str = "Google leaves zeros out: nothing is left of the quota, and it stops";

const OPTIONAL: &[Optional] = &[
    of_quota(":batchRunReports", "/reports/*/propertyQuota/tokensPerDay/remaining"),
    of_quota(":batchRunReports", "/reports/*/propertyQuota/tokensPerHour/remaining"),
    of_quota(":runReport", "/propertyQuota/tokensPerDay/remaining"),
    of_quota(":runReport", "/propertyQuota/potentiallyThresholdedRequestsPerHour/remaining"),
];

const fn of_quota(endpoint: &'static str, path: &'static str) -> Optional {
    Optional { drift: Drift::Removed, endpoint, path, _why: NONE_LEFT }
}

pub(crate) fn stand() -> Stand {
    Stand {
        integration: Arc::new(GoogleAnalytics),
        now: now(),
        settings: Map::from_iter([("property".to_owned(), json!(GOOGLE_PROPERTY))]),
        valid: key(READER),
        fake: key(WRONG),
        without: vec![("revenue", key(WITHOUT_REVENUE))],
        start,
        endpoint: Endpoint { is: |path| path.ends_with(":runRealtimeReport"), feeds: &["ga_realtime_users"] },
        lists: vec![List {
            name: "pages",
            is: |path| path.ends_with(":batchRunReports"),
            size: "requests.0.limit",
            cursor: "requests.0.offset",
            entries: "/reports/0/rows",
            empty,
            total: Some("/reports/0/rowCount"),
            gone: None,
        }],
        throttles: [
            "Exhausted property tokens per hour. These quota tokens will return in under one hour.",
            "Exhausted property tokens per day. These quota tokens will return in under 24 hours.",
            "Exhausted concurrent requests quota. Please wait for other requests to end.",
        ]
        .map(|message| Reply::json(429, &exhausted(message)))
        .to_vec(),
        optional: OPTIONAL,
        happenings: Happenings { metric: "ga_events", start: visiting },
        takings: Some(Takings { form: Form::Units, metric: "ga_revenue", mixes: false, start: taking }),
        switches: None,
    }
}

fn key(address: &str) -> Fields {
    field("service_account", &service_account_key(address))
}

fn exhausted(message: &str) -> String {
    json!({ "error": { "code": 429, "message": message, "status": "RESOURCE_EXHAUSTED" } }).to_string()
}

fn start(account: Account) -> BoxFuture<'static, Provider> {
    let options = Options {
        google_accounts: vec![GoogleAccount::full(READER), GoogleAccount::full(WITHOUT_REVENUE).without_revenue()],
        // As the suite's integrations without a database have it.
        google_properties: vec![GoogleProperty::site("UTC")],
        ..Options::default()
    };
    Box::pin(emulate("google-analytics", account, nobody, options))
}

/// A property whose report by days is made here: of each day the figure of one field. Amounts are in one currency; it is
/// that of the days which are asked for.
fn telling(
    zone: &'static str,
    field: &'static str,
    days: BTreeMap<Day, (String, &'static str)>,
) -> BoxFuture<'static, Provider> {
    let tell = move |asked: &Asked| {
        let is_by_day = asked.path.ends_with(":runReport")
            && asked.param("dimensions.0.name").as_deref() == Some("date")
            && asked.param("dimensions.1.name").is_none();
        let range = days_of(asked, "dateRanges.0.startDate", "dateRanges.0.endDate");
        let names: Vec<String> = (0..).map_while(|at| asked.param(&format!("metrics.{at}.name"))).collect();
        let told: Vec<(&Day, &(String, &str))> = days.iter().filter(|(day, _)| range.contains(day)).collect();
        let currency = told.first().map_or("USD", |(_, (_, currency))| *currency);
        assert!(told.iter().all(|(_, (_, other))| *other == currency), "a report is in one currency");
        let rows = told.iter().map(|(day, (figure, _))| {
            let figures = names.iter().map(|name| json!({ "value": if name == field { figure } else { "0" } }));
            let name = day.to_string().replace('-', "");
            json!({ "dimensionValues": [{ "value": name }], "metricValues": figures.collect::<Vec<_>>() })
        });
        let headers = names.iter().map(|name| json!({ "name": name, "type": "TYPE_FLOAT" })).collect::<Vec<_>>();
        let body = json!({ "dimensionHeaders": [{ "name": "date" }], "metricHeaders": headers, "rowCount": rows.len(),
            "metadata": { "currencyCode": currency, "timeZone": zone }, "rows": rows.collect::<Vec<_>>() });
        is_by_day.then(|| body.to_string())
    };
    let options = Options {
        google_accounts: vec![GoogleAccount::full(READER)],
        google_properties: vec![GoogleProperty::site(zone)],
        ..Options::default()
    };
    Box::pin(async move { answering(run("google-analytics", nobody(), options).await, tell).await })
}

fn visiting(at: Vec<Timestamp>, zone: &'static str) -> BoxFuture<'static, Provider> {
    let days = by_day(&at, zone).into_iter().map(|(day, events)| (day, (events.to_string(), "USD")));
    telling(zone, "eventCount", days.collect())
}

/// Google adds up what it tells of a day, exactly.
fn taking(takings: Vec<Taken>) -> BoxFuture<'static, Provider> {
    let mut days: BTreeMap<Day, (String, &'static str)> = BTreeMap::new();
    for taken in takings {
        assert!(days.insert(taken.day, (taken.written, taken.currency)).is_none(), "one amount a day");
    }
    telling("UTC", "totalRevenue", days)
}

/// The property together with Google's authorisation server, and the users that sign in there.
pub(crate) fn site() -> BoxFuture<'static, Site> {
    let users = (0..10).map(|number| GoogleAccount::full(&format!("user-{number}@fernwerk.example")));
    let options = Options {
        google_accounts: users.chain([GoogleAccount::full(GOOGLE_USER)]).collect(),
        google_properties: vec![GoogleProperty::site("UTC")],
        ..Options::default()
    };
    Box::pin(async move {
        let emulators = Emulators::start(COMPANIES.busy.clone(), options).await.expect("a port on this machine");
        let Stand { integration, settings, now, .. } = stand();
        Site {
            integration,
            settings,
            url: emulators.url("google-analytics").parse().expect("a URL"),
            auth: emulators.google_authorization().expect("Google is there"),
            now,
            _running: Box::new(emulators),
        }
    })
}

/// A page without rows of a table that has some.
fn empty(page: &mut Reply, _asked: &str) {
    let mut body: Json = serde_json::from_slice(&page.body).unwrap_or_default();
    if let Some(rows) = body.pointer_mut("/reports/0/rows") {
        *rows = json!([]);
    }
    page.body = body.to_string().into_bytes();
}
