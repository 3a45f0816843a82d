use serde_json::{Value, json};

use super::{
    super::{GOOGLE_PROPERTY, GOOGLE_READER, GoogleAccount, GoogleProperty, Uncertain},
    COMPANY, Options,
    client::{Answer, get, post},
    now, start,
};
use crate::{
    demo::Emulators,
    metric::{Day, Interval, Period, Zone},
};

fn zone() -> Zone {
    "Europe/Berlin".parse().unwrap()
}

fn path(of: &str) -> String {
    format!("/v1beta/properties/{GOOGLE_PROPERTY}{of}")
}

const SCOPE: &str = "https://www.googleapis.com/auth/analytics.readonly";

/// The header of an account that was granted these scopes.
fn granted(emulators: &Emulators, address: &str, scopes: &[&str]) -> String {
    let server = emulators.google_authorization().unwrap();
    format!("Bearer {}", server.access(address, scopes, emulators.now()))
}

async fn ask(emulators: &Emulators, path: &str) -> Answer {
    let header = granted(emulators, GOOGLE_READER, &[SCOPE]);
    get(&emulators.url("google-analytics"), path, &[("authorization", &header)]).await
}

async fn query_with(emulators: &Emulators, header: &str, path: &str, body: &Value) -> Answer {
    post(&emulators.url("google-analytics"), path, &[("authorization", header)], &body.to_string()).await
}

async fn query(emulators: &Emulators, path: &str, body: Value) -> Answer {
    query_with(emulators, &granted(emulators, GOOGLE_READER, &[SCOPE]), path, &body).await
}

fn named(names: &[&str]) -> Value {
    names.iter().map(|name| json!({ "name": name })).collect()
}

/// A question about some days.
fn asking(dimensions: &[&str], metrics: &[&str], first: &str, last: &str) -> Value {
    json!({ "dateRanges": [{ "startDate": first, "endDate": last }], "dimensions": named(dimensions),
        "metrics": named(metrics), "returnPropertyQuota": true })
}

fn error(answer: &Answer) -> (u16, String, String) {
    let error = &answer.json()["error"];
    assert_eq!(error["code"], json!(answer.status), "{}", answer.body);
    let reason = error["details"][0]["reason"].as_str().unwrap_or_default();
    (answer.status, error["status"].as_str().unwrap().to_owned(), reason.to_owned())
}

fn figures(answer: &Answer) -> Vec<(String, Vec<String>)> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let texts = |cells: &Value| -> Vec<String> {
        let cells = cells.as_array().cloned().unwrap_or_default();
        cells.iter().map(|cell| cell["value"].as_str().unwrap().to_owned()).collect()
    };
    let rows = answer.json()["rows"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| (texts(&row["dimensionValues"]).join(" "), texts(&row["metricValues"]))).collect()
}

#[tokio::test]
async fn who_may_not_ask_is_refused_with_the_reason() {
    let accounts = vec![
        GoogleAccount::full(GOOGLE_READER),
        GoogleAccount::full("off@fernwerk.example").without_api("analyticsdata"),
        GoogleAccount::full("other@fernwerk.example").on(&["341528791"]),
    ];
    let emulators = start(Options { google_accounts: accounts, ..Options::default() }).await;
    let url = emulators.url("google-analytics");
    let denied = |reason: &str| (403, "PERMISSION_DENIED".to_owned(), reason.to_owned());
    let unknown = |reason: &str| (401, "UNAUTHENTICATED".to_owned(), reason.to_owned());
    let body = asking(&[], &["sessions"], "yesterday", "yesterday");
    let of = async |header: &str| error(&query_with(&emulators, header, &path(":runReport"), &body).await);
    let by = |address: &str, scope: &str| granted(&emulators, address, &[scope]);
    assert_eq!(error(&post(&url, &path(":runReport"), &[], &body.to_string()).await), unknown("CREDENTIALS_MISSING"));
    assert_eq!(of("Bearer ya29.nobody").await, unknown("ACCESS_TOKEN_TYPE_UNSUPPORTED"));
    assert_eq!(of(&by(GOOGLE_READER, "openid")).await, denied("ACCESS_TOKEN_SCOPE_INSUFFICIENT"));
    assert_eq!(of(&by("off@fernwerk.example", SCOPE)).await, denied("SERVICE_DISABLED"));
    let other = of(&by("other@fernwerk.example", SCOPE)).await;
    assert_eq!(other, denied(""), "no role, and no word of whether there is such a property");
    let over = by(GOOGLE_READER, SCOPE);
    emulators.google_authorization().unwrap().end_access();
    assert_eq!(of(&over).await, unknown("ACCESS_TOKEN_EXPIRED"));
    let nothing = query(&emulators, "/v1beta/properties/5:runReport", body.clone()).await;
    assert_eq!(error(&nothing), denied(""));
    assert_eq!(query(&emulators, "/v1beta/properties/G-1:runReport", body.clone()).await.status, 400);
    assert_eq!(get(&url, &path(":runReport"), &[]).await.status, 404);
    assert_eq!(get(&url, "/o/oauth2/v2/auth", &[]).await.status, 400, "the page where users say yes");
    assert_eq!(query(&emulators, &path(":runPivotReport"), body).await.status, 404);
}

#[tokio::test]
async fn what_the_real_one_refuses_is_refused() {
    let emulators = start(Options::default()).await;
    let good = || asking(&["date"], &["sessions"], "7daysAgo", "today");
    let with = |key: &str, value: Value| {
        let mut body = good();
        body[key] = value;
        body
    };
    let many: Vec<String> = (0..11).map(|number| format!("metric{number}")).collect();
    let eleven = ["activeUsers", "totalUsers", "newUsers", "sessions", "engagedSessions", "screenPageViews"]
        .into_iter()
        .chain(["eventCount", "keyEvents", "averageSessionDuration", "bounceRate", "totalRevenue"]);
    let range = |first: &str, last: &str| with("dateRanges", json!([{ "startDate": first, "endDate": last }]));
    assert_eq!(query(&emulators, &path(":runReport"), good()).await.status, 200);
    for (what, body) in [
        ("eleven metrics", with("metrics", named(&eleven.collect::<Vec<_>>()))),
        ("unknown metrics", with("metrics", named(&many.iter().map(String::as_str).collect::<Vec<_>>()))),
        ("a dimension for a metric", with("metrics", named(&["date"]))),
        ("an unknown dimension", with("dimensions", named(&["day"]))),
        ("a dimension twice", with("dimensions", named(&["date", "date"]))),
        ("an unknown field", with("dateRange", json!({}))),
        ("an unknown field inside", with("metrics", json!([{ "name": "sessions", "alias": "s" }]))),
        ("too many rows", with("limit", json!("250001"))),
        ("no rows", with("limit", json!(0))),
        ("rows in words", with("limit", json!("many"))),
        ("an order by what is not there", with("orderBys", json!([{ "dimension": { "dimensionName": "country" } }]))),
        ("no range", with("dateRanges", json!([]))),
        ("a range that runs backwards", range("today", "yesterday")),
        ("a day to come", range("today", "2026-04-01")),
        ("a day before there was Google Analytics", range("2015-08-13", "today")),
        ("no date", range("soon", "today")),
        ("a list for an object", json!([])),
        ("nothing to ask for", asking(&[], &[], "today", "today")),
    ] {
        let answer = query(&emulators, &path(":runReport"), body).await;
        assert_eq!(error(&answer).1, "INVALID_ARGUMENT", "{what}");
        assert_eq!(answer.status, 400, "{what}");
    }
    let batch = |count: usize| json!({ "requests": vec![good(); count] });
    for (count, status) in [(1, 200), (5, 200), (6, 400), (0, 400)] {
        assert_eq!(query(&emulators, &path(":batchRunReports"), batch(count)).await.status, status, "{count}");
    }
    let realtime = json!({ "metrics": named(&["sessions"]) });
    assert_eq!(query(&emulators, &path(":runRealtimeReport"), realtime).await.status, 400);
    for wrong in ["pageSize=201", "pageSize=-1", "pageSize=x", "pageToken=x", "limit=1"] {
        let answer = ask(&emulators, &format!("/v1beta/accountSummaries?{wrong}")).await;
        assert_eq!(error(&answer).1, "INVALID_ARGUMENT", "{wrong}");
    }
}

#[tokio::test]
async fn reports_say_what_the_visits_come_to() {
    let emulators = start(Options::default()).await;
    let metrics = ["activeUsers", "totalUsers", "newUsers", "sessions", "engagedSessions", "screenPageViews"];
    let metrics: Vec<&str> = metrics.into_iter().chain(["eventCount", "keyEvents", "totalRevenue"]).collect();
    let today = Day::of(now(), &zone());
    let period = Period::inclusive(today.plus(-20), today);
    let (first, last) = (period.start().to_string(), today.to_string());
    let days = figures(&query(&emulators, &path(":runReport"), asking(&["date"], &metrics, &first, &last)).await);
    assert!(days.len() > 15);
    for (name, found) in &days {
        let day = period.days().find(|day| day.to_string().replace('-', "") == *name).unwrap();
        let truth = COMPANY.analytics(Period::single(day), &zone());
        let counts = [truth.users, truth.total_users, truth.new_users, truth.sessions, truth.engaged_sessions];
        let counts = counts.into_iter().chain([truth.pageviews, truth.events, truth.key_events]);
        assert_eq!(found[..8], counts.map(|count| count.to_string()).collect::<Vec<_>>(), "{name}");
        let (whole, cents) = found[8].split_once('.').unwrap_or((&found[8], ""));
        assert_eq!(format!("{whole}{cents:0<2}").parse::<i64>().unwrap(), truth.revenue, "{name}");
    }
    let whole = COMPANY.analytics(period, &zone());
    assert!(whole.users < whole.total_users && whole.new_users < whole.users, "{whole:?}");
    for (dimension, interval) in [("isoYearIsoWeek", Interval::Week), ("yearMonth", Interval::Month)] {
        let rows = figures(
            &query(&emulators, &path(":runReport"), asking(&[dimension], &["activeUsers"], &first, &last)).await,
        );
        let newest = rows.iter().max().unwrap();
        let bucket = interval.bucket(today).intersect(period);
        assert_eq!(newest.1, [COMPANY.analytics(bucket, &zone()).users.to_string()], "{dimension}");
    }
    let pages = figures(
        &query(&emulators, &path(":runReport"), asking(&["pagePath"], &["screenPageViews"], &first, &last)).await,
    );
    let truth = COMPANY.analytics(period, &zone());
    let nobody_viewed = |page: &&(String, Vec<String>)| page.1 == ["0"];
    assert_eq!(pages.iter().filter(|page| !nobody_viewed(page)).count(), truth.pages.len());
    for (name, found) in pages.iter().filter(|page| !nobody_viewed(page)) {
        assert_eq!(found, &[truth.pages[name].to_string()], "{name}");
    }
    let newer = [&pages[0].1[0], &pages[1].1[0]].map(|views| views.parse::<i64>().unwrap());
    assert!(newer[0] >= newer[1], "the largest come first where nothing else is asked for");
}

#[tokio::test]
async fn a_day_grows_until_it_has_settled() {
    let sessions = async |emulators: &Emulators| -> i64 {
        let body = asking(&[], &["sessions"], "2026-03-31", "2026-03-31");
        figures(&query(emulators, &path(":runReport"), body).await)[0].1[0].parse().unwrap()
    };
    let emulators = start(Options::default()).await;
    let mut grown = vec![sessions(&emulators).await];
    for at in ["2026-03-31T21:59:59Z", "2026-04-01T09:00:00Z", "2026-04-03T22:00:00Z", "2026-04-09T12:00:00Z"] {
        emulators.advance(at.parse().unwrap());
        grown.push(sessions(&emulators).await);
    }
    assert!(grown.is_sorted() && grown[1] < grown[2] && grown[2] < grown[3], "{grown:?}");
    assert_eq!(grown[3], grown[4], "after 48 hours nothing is added any more");
}

#[tokio::test]
async fn figures_are_texts_and_what_is_nothing_is_left_out() {
    let uncertain = Uncertain { sampled: true, thresholded: true, other_row: true };
    let sampled = GoogleProperty { uncertain, ..GoogleProperty::site("Europe/Berlin") };
    let empty = GoogleProperty { number: "5", is_site: false, ..sampled.clone() };
    let empty = GoogleProperty { uncertain: Uncertain::default(), ..empty };
    let emulators = start(Options { google_properties: vec![sampled, empty], ..Options::default() }).await;
    let body = || asking(&["date"], &["averageSessionDuration", "bounceRate"], "2026-03-20", "2026-03-20");
    let report = query(&emulators, &path(":runReport"), body()).await.json();
    let metadata = &report["metadata"];
    assert_eq!((&metadata["currencyCode"], &metadata["timeZone"]), (&json!("USD"), &json!("Europe/Berlin")));
    assert_eq!(metadata["samplingMetadatas"][0]["samplesReadCount"], json!("10000000"));
    assert_eq!((&metadata["subjectToThresholding"], &metadata["dataLossFromOtherRow"]), (&json!(true), &json!(true)));
    let rate: f64 = report["rows"][0]["metricValues"][1]["value"].as_str().unwrap().parse().unwrap();
    assert!(0.0 < rate && rate < 1.0, "a share, and no percentage");
    let nothing = query(&emulators, "/v1beta/properties/5:runReport", body()).await.json();
    assert!(nothing.get("rows").is_none() && nothing.get("rowCount").is_none(), "{nothing}");
    assert_eq!(nothing["metricHeaders"][0], json!({ "name": "averageSessionDuration", "type": "TYPE_SECONDS" }));
    assert!(nothing["metadata"].get("samplingMetadatas").is_none());
}

#[tokio::test]
async fn who_may_not_see_revenue_sees_zeros_and_is_told_so() {
    let accounts = vec![GoogleAccount::full(GOOGLE_READER).without_revenue()];
    let emulators = start(Options { google_accounts: accounts, ..Options::default() }).await;
    let body = asking(&[], &["sessions", "totalRevenue"], "30daysAgo", "yesterday");
    let answer = query(&emulators, &path(":runReport"), body).await;
    assert_eq!(figures(&answer)[0].1[1], "0");
    let hidden = &answer.json()["metadata"]["schemaRestrictionResponse"]["activeMetricRestrictions"][0];
    assert_eq!(hidden["metricName"], json!("totalRevenue"));
    let metadata = ask(&emulators, &path("/metadata")).await.json();
    let revenue = metadata["metrics"].as_array().unwrap().iter().find(|one| one["apiName"] == "totalRevenue").unwrap();
    assert_eq!(revenue["blockedReasons"], json!(["NO_REVENUE_METRICS"]));
}

#[tokio::test]
async fn every_answer_tells_what_is_left_until_nothing_is() {
    let emulators = start(Options::default()).await;
    // As many columns as there may be, of a long time: a dear question.
    let metrics = ["activeUsers", "totalUsers", "newUsers", "sessions", "engagedSessions", "screenPageViews"];
    let body = || asking(&["date", "pagePath", "sessionSource", "countryId"], &metrics, "399daysAgo", "today");
    let left = |answer: &Answer, quota: &str| answer.json()["propertyQuota"][quota]["remaining"].as_i64().unwrap_or(0);
    let first = query(&emulators, &path(":runReport"), body()).await;
    let cost = first.json()["propertyQuota"]["tokensPerDay"]["consumed"].as_i64().unwrap();
    assert!(cost > 10, "{cost}");
    assert_eq!(left(&first, "tokensPerDay"), 200_000 - cost);
    assert_eq!(left(&first, "tokensPerProjectPerHour"), 14_000 - cost);
    assert_eq!(left(&first, "concurrentRequests"), 9);
    let realtime = json!({ "metrics": named(&["activeUsers"]), "returnPropertyQuota": true });
    let realtime = query(&emulators, &path(":runRealtimeReport"), realtime).await;
    assert!(left(&realtime, "tokensPerHour") > 39_900, "it has quotas of its own");

    emulators.use_up_google_tokens(14_000 - cost);
    let refused = query(&emulators, &path(":runReport"), body()).await;
    assert_eq!(error(&refused), (429, "RESOURCE_EXHAUSTED".to_owned(), String::new()));
    assert!(refused.body.contains("for a project per hour") && refused.header("retry-after").is_empty());
    emulators.wait(std::time::Duration::from_secs(3600));
    assert_eq!(query(&emulators, &path(":runReport"), body()).await.status, 200);
    emulators.use_up_google_tokens(200_000);
    assert!(query(&emulators, &path(":runReport"), body()).await.body.contains("tokens per day"));
    emulators.wait(std::time::Duration::from_secs(3600));
    assert_eq!(query(&emulators, &path(":runReport"), body()).await.status, 429, "before midnight in California");
    emulators.wait(std::time::Duration::from_secs(24 * 3600));
    assert_eq!(query(&emulators, &path(":runReport"), body()).await.status, 200);
}

#[tokio::test]
async fn more_than_ten_questions_at_once_are_refused() {
    let options = Options { latency: std::time::Duration::from_millis(80), ..Options::default() };
    let emulators = start(options).await;
    let body = || asking(&[], &["sessions"], "yesterday", "yesterday");
    let asked = (0..14).map(|_| async { query(&emulators, &path(":runReport"), body()).await.status });
    let statuses = futures_util::future::join_all(asked).await;
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
    assert_eq!(count(200) + count(429), 14, "{statuses:?}");
    assert!(count(429) >= 1, "{statuses:?}");
    assert_eq!(query(&emulators, &path(":runReport"), body()).await.status, 200, "when they are answered it goes on");
}

#[tokio::test]
async fn accounts_come_in_pages_with_the_properties_that_a_caller_sees() {
    let emulators = start(Options::default()).await;
    let first = ask(&emulators, "/v1beta/accountSummaries?pageSize=1").await.json();
    assert_eq!(first["accountSummaries"][0]["propertySummaries"][0]["property"], json!("properties/341528790"));
    let token = first["nextPageToken"].as_str().unwrap();
    let second = ask(&emulators, &format!("/v1beta/accountSummaries?pageSize=1&pageToken={token}")).await.json();
    assert_eq!(second["accountSummaries"][0]["displayName"], json!("Waldladen"));
    assert!(second.get("nextPageToken").is_none());
    let property = ask(&emulators, &path("")).await.json();
    assert_eq!((&property["timeZone"], &property["currencyCode"]), (&json!("Europe/Berlin"), &json!("USD")));
    assert_eq!(
        ask(&emulators, "/v1beta/properties/298110042").await.json()["serviceLevel"],
        json!("GOOGLE_ANALYTICS_360")
    );
    assert_eq!(ask(&emulators, "/v1beta/properties/1").await.status, 403);
}
