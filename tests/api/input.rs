//! Bad input, and what it gets.

use dashtray::store::Scope;
use serde_json::{Value as Json, json};

use super::program::{JSON, Program};
use crate::support::site::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_cannot_be_used_gets_a_code_a_status_and_a_sentence() {
    let site = Site::start().await;
    let program = Program::with_key(&site, Scope::Write).await;
    let entry = |rest: &str| format!(r#"{{"metrics":[{{"metric_id":"signups"{rest}}}]}}"#);
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        (String::new(), 400, "invalid_json", "empty"),
        ("{".into(), 400, "invalid_json", "not JSON"),
        ("\"\u{7}\"".into(), 400, "invalid_json", "not JSON"),
        ("[]".into(), 400, "invalid_field", "must be an object"),
        (deep, 400, "too_deep", "32 levels"),
        (format!("[\"{}\"]", "x".repeat(5 << 20)), 413, "too_large", "larger than"),
        (entry(r#","value":1,"value":2"#), 400, "duplicate_key", "\"value\" stands twice"),
        (entry(r#","value":NaN"#), 400, "invalid_json", "not JSON"),
        (entry(r#","value":1e400"#), 400, "number_out_of_range", "too large"),
        (entry(r#","value":1e30"#), 422, "invalid_metrics", "too large"),
        (entry(r#","value":"NaN""#), 422, "invalid_metrics", "is no number"),
        (entry(r#","value":null"#), 422, "invalid_metrics", "null"),
        (entry(r#","value":true"#), 422, "invalid_metrics", "must be a number"),
        (entry(r#","value":1,"date":"0000-01-01""#), 422, "invalid_metrics", "is not a date"),
        (entry(r#","value":1,"date":"9999-12-31""#), 422, "invalid_metrics", "is not a date"),
        (entry(r#","value":1,"date":"2199-12-31""#), 422, "invalid_metrics", "in the future"),
        (entry(r#","value":1,"date":"2026-02-30""#), 422, "invalid_metrics", "is not a date"),
        (entry(r#","value":1,"timestamp":"yesterday""#), 422, "invalid_metrics", "no instant"),
        (entry(r#","value":1,"timestamp":"0001-01-01T00:00:00Z""#), 422, "invalid_metrics", "before 1970"),
        (entry(r#","value":1,"unti":"count""#), 400, "unknown_field", "unti"),
        (entry(r#","value":1,"unit":"apples""#), 422, "invalid_metrics", "there are count, currency"),
        (entry(r#","value":1,"kind":"ratio""#), 422, "invalid_metrics", "statistic"),
        (entry(r#","value":1,"dimension":"""#), 422, "invalid_metrics", "1 to 200"),
        (entry(r#","value":1,"metadata":{"reason":1}"#), 422, "invalid_metrics", "reason"),
        (entry(""), 400, "missing_field", "value"),
        (r#"{"metrics":[{"metric_id":"Sign Ups","value":1}]}"#.into(), 422, "invalid_metrics", "small letters"),
        (r#"{"metrics":[{"metric_id":"stripe_mrr","value":1}]}"#.into(), 422, "invalid_metrics", "kept for Stripe"),
        (r#"{"metrics":[]}"#.into(), 422, "batch_size", "1 to 1000"),
        (r#"{"metrics":[],"extra":1}"#.into(), 400, "unknown_field", "extra"),
    ];
    for (body, status, code, part) in &cases {
        let shown: String = body.chars().take(90).collect();
        let told = program.ask("POST", "/api/v1/metrics", &[JSON], body).await;
        assert_eq!((told.status, told.code()), (*status, *code), "{shown}: {}", told.answer.body);
        assert!(told.message().contains(part), "{shown}: {}", told.message());
        assert!(told.json["error"].get("details").is_some() && told.message().len() < 400, "{shown}");
    }
    let body = r#"{"metrics":[{"metric_id":"a","value":1}]}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let told = program.ask("POST", "/api/v1/metrics", &[&format!("Content-Type: {kind}")], body).await;
        assert_eq!((told.status, told.code()), (415, "unsupported_media_type"), "{kind}");
    }
    let told = program.ask("POST", "/api/v1/metrics", &["Content-Type: Application/JSON; charset=utf-8"], body).await;
    assert_eq!(told.status, 200, "{told:?}");
    let list = program.get("/api/v1/metrics?metric_id=signups").await;
    assert_eq!(list.code(), "metric_not_found", "nothing of all that was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_cannot_be_used_names_what_is_wrong_with_it() {
    let site = Site::start().await;
    let program = Program::with_key(&site, Scope::Write).await;
    for (path, status, code, part) in [
        ("/api/v1/connections?limit=-1", 400, "invalid_parameter", "from 1 to 1000"),
        ("/api/v1/connections?limit=1001", 400, "invalid_parameter", "from 1 to 1000"),
        ("/api/v1/connections?offset=1.5", 400, "invalid_parameter", "offset"),
        ("/api/v1/connections?cursor=%00", 404, "invalid_cursor", "cursor"),
        ("/api/v1/connections?limti=5", 400, "unknown_parameter", "did you mean limit"),
        ("/api/v1/connections?limit=5&limit=6", 400, "duplicate_parameter", "twice"),
        ("/api/v1/connections/nobody", 404, "connection_not_found", "nobody"),
        ("/api/v1/connections/%ff", 404, "not_found", "UTF-8"),
        ("/api/v1/projects?project=shop", 400, "unknown_parameter", "project"),
        ("/api/v1/health?x=1", 400, "unknown_parameter", "takes none"),
        ("/api/v1/integrations/strip", 404, "integration_not_found", "stripe"),
        ("/api/v1/dashboards/none", 404, "dashboard_not_found", "/api/v1/dashboards"),
        ("/api/v1/metrics/stripe_mr/timeseries", 404, "metric_not_found", "stripe_mrr"),
        ("/api/v1/metrics/stripe_mrr/timeseries?interval=year", 400, "invalid_parameter", "day, week, month"),
        ("/api/v1/metrics/stripe_mrr/timeseries?start_date=0000-01-01", 400, "invalid_parameter", "2026-03-31"),
        ("/api/v1/metrics/stripe_mrr/timeseries?end_date=9999-12-31", 400, "invalid_parameter", "2026-03-31"),
        ("/api/v1/metrics/stripe_mrr/timeseries?end_date=2199-12-31", 400, "invalid_range", "in the future"),
        ("/api/v1/metrics?end_date=2199-12-31", 400, "invalid_range", "in the future"),
        ("/api/v1/export?start_date=2199-12-31", 400, "invalid_range", "in the future"),
        ("/api/v1/metrics?start_date=2026-02-02&end_date=2026-02-01", 400, "invalid_range", "backwards"),
        ("/api/v1/metrics/stripe_customers/timeseries?dimension=x", 400, "no_dimension", "leave dimension out"),
        ("/api/v1/metrics/stripe_mrr/explain", 404, "no_receipt", "no receipt"),
        ("/api/v1/metrics/stripe_mrr/explain?currency=Euro", 400, "invalid_parameter", "three letters"),
        ("/api/v1/metrics?cursor=bm9uZQ", 404, "invalid_cursor", "cursor"),
        ("/api/v1/export?format=xml", 400, "invalid_parameter", "json, csv"),
        ("/api/v1/nowhere", 404, "not_found", "nothing"),
        ("/api/v2/metrics", 404, "not_found", "nothing"),
    ] {
        let told = program.get(path).await;
        assert_eq!((told.status, told.code()), (status, code), "{path}: {}", told.answer.body);
        assert!(told.message().contains(part), "{path}: {}", told.message());
    }
    let told = program.ask("PUT", "/api/v1/metrics", &[], "").await;
    assert_eq!((told.status, told.code()), (405, "method_not_allowed"));
    assert!(told.answer.header("allow").contains("POST"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_connection_is_told_by_field_and_no_credential_comes_back() {
    let site = Site::start().await;
    let program = Program::with_key(&site, Scope::Write).await;
    let secret = "sk_live_C4n4ryNotARealSecret4711";
    let try_ = async |body: Json| program.send("POST", "/api/v1/connections", &body).await;
    for (body, status, code) in [
        (json!({"integration_id": "stripe"}), 422, "invalid_fields"),
        (json!({"integration_id": "stripe", "credentials": {"api_key": secret, "pass": "x"}}), 422, "invalid_fields"),
        (json!({"integration_id": "stripe", "credentials": {"api_key": [secret]}}), 400, "invalid_field"),
        (json!({"integration_id": "strip"}), 404, "integration_not_found"),
        (json!({"integration_id": "stripe", "credential": {"api_key": secret}}), 400, "unknown_field"),
        (json!({"integration_id": "stripe", "settings": {"discount": "none"}}), 422, "invalid_fields"),
        (json!({}), 400, "missing_field"),
    ] {
        let told = try_(body.clone()).await;
        assert_eq!((told.status, told.code()), (status, code), "{body}: {}", told.answer.body);
        assert!(!told.answer.body.contains("C4n4ry"), "{}", told.answer.body);
    }
    let told = try_(json!({"integration_id": "stripe", "settings": {"discount": "none"}})).await;
    let fields: Vec<&str> = told.json["error"]["details"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["field"].as_str())
        .collect();
    assert_eq!(fields, ["api_key", "discount"], "all that is wrong at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_gets_a_sentence_and_no_place() {
    let site = Site::start().await;
    let program = Program::with_key(&site, Scope::Write).await;
    site.app.store.close().await;
    let told = program.get("/api/v1/connections").await;
    assert_eq!((told.status, told.code()), (503, "database"));
    assert!(!told.answer.body.contains('/'), "{}", told.answer.body);
}
