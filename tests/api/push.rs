//! Metrics that programs push.

use dashtray::{
    custom::{self, Batch, Error, Pushed},
    integrations::Registry,
    metric::{Currency, Interval, State},
    series::{self, GetRequest, SeriesView},
    store::{NewProject, Project, Scope, Store},
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::program::Program;
use crate::{
    pages::visitor::Visitor,
    support::{
        database::{Database, on_both},
        site::{EMAIL, Site},
    },
};

const NOW: &str = "2026-03-31T20:00:00Z";

on_both! {
    of_one_bucket_the_last_value_stands,
    silence_about_a_currency_or_a_value_is_no_zero,
    values_are_kept_digit_by_digit,
    what_a_metric_is_its_first_push_says,
    all_of_a_batch_is_kept_or_nothing,
    weeks_are_made_as_the_kind_allows,
    batches_at_once_lose_nothing,
    the_connection_is_one_and_is_never_due,
}

struct Taker {
    store: Store,
    project: Project,
    registry: Registry,
}

impl Taker {
    async fn over(db: &Database) -> Self {
        let store = db.open().await;
        let new = NewProject { slug: "default".into(), zone: "Europe/Berlin".into(), currency: Currency::USD };
        let project = store.insert_project(&new, NOW.parse().unwrap()).await.unwrap();
        Self { store, project, registry: Registry::builtin() }
    }

    async fn push(&self, metrics: Json) -> Result<Pushed, Error> {
        let batch: Batch = serde_json::from_str(&json!({"metrics": metrics}).to_string()).unwrap();
        custom::push(&self.store, &self.registry, &self.project, &batch, NOW.parse::<Timestamp>().unwrap()).await
    }

    async fn get(&self, metric_id: &str, interval: Interval, by_dimension: bool) -> Vec<SeriesView> {
        let request = GetRequest {
            project: "default".into(),
            metric_id: metric_id.into(),
            connection: None,
            from: Some("2026-03-02".parse().unwrap()),
            to: None,
            interval,
            by_dimension,
            now: NOW.parse().unwrap(),
        };
        series::get(&self.store, &self.registry, &request).await.unwrap()
    }

    /// The value of a day, as it leaves.
    async fn value(&self, metric_id: &str, day: &str) -> Json {
        let series = self.get(metric_id, Interval::Day, false).await;
        let point = series[0].points.iter().find(|point| point.date.to_string() == day).unwrap();
        json!(point.value)
    }
}

async fn silence_about_a_currency_or_a_value_is_no_zero(db: Database) {
    let taker = Taker::over(&db).await;
    let cash = |value: i64, currency: &str, date: &str| {
        json!({"metric_id": "cash", "value": value, "unit": "currency",
        "currency": currency, "kind": "level", "date": date})
    };
    let seats = |value: i64, dimension: Option<&str>, date: &str| {
        json!({"metric_id": "seats", "value": value,
        "unit": "count", "date": date, "dimension": dimension})
    };
    let batch = json!([
        cash(10, "USD", "2026-03-30"),
        cash(20, "EUR", "2026-03-30"),
        cash(11, "USD", "2026-03-31"),
        seats(3, None, "2026-03-30"),
        seats(2, Some("team"), "2026-03-30"),
        seats(4, None, "2026-03-31")
    ]);
    taker.push(batch).await.unwrap();
    for (metric, by_dimension) in [("cash", false), ("seats", true)] {
        let series = taker.get(metric, Interval::Day, by_dimension).await;
        let is_silent = |one: &&SeriesView| {
            one.currency == Some("EUR".parse().unwrap()) || one.dimension.as_deref() == Some("team")
        };
        let one = series.iter().find(is_silent).unwrap();
        let point = one.points.iter().find(|point| point.date.to_string() == "2026-03-31").unwrap();
        assert_eq!((point.state, point.reason.as_deref()), (State::Pending, Some("nothing was pushed")), "{metric}");
    }
}

async fn of_one_bucket_the_last_value_stands(db: Database) {
    let taker = Taker::over(&db).await;
    let one = json!({"metric_id": "signups", "value": 3, "unit": "count", "date": "2026-03-30"});
    assert_eq!(taker.push(json!([one])).await.unwrap(), Pushed { accepted: 1, changed: 1, are_first: true });
    assert_eq!(
        taker.push(json!([one])).await.unwrap(),
        Pushed { accepted: 1, changed: 0, are_first: false },
        "a batch may be repeated"
    );
    let late = json!([
        {"metric_id": "signups", "value": 4, "date": "2026-03-30", "metadata": {"source": "a"}},
        {"metric_id": "signups", "value": 5, "date": "2026-03-30", "metadata": {"source": "b"}},
        {"metric_id": "signups", "value": 2, "date": "2026-03-30", "dimension": "mobile"},
        // Still the 31st in Berlin, as everything before 22 o'clock UTC is.
        {"metric_id": "signups", "value": 7, "timestamp": "2026-03-31T21:59:59Z"},
    ]);
    assert_eq!(taker.push(late).await.unwrap(), Pushed { accepted: 4, changed: 3, are_first: false });
    assert_eq!(taker.value("signups", "2026-03-30").await, 5);
    assert_eq!(taker.value("signups", "2026-03-31").await, 7);
    let series = taker.get("signups", Interval::Day, false).await.remove(0);
    let point = &series.points[series.points.len() - 2];
    assert_eq!(json!(point.metadata), json!({"source": "b"}));
    taker.push(json!([one])).await.unwrap();
    assert_eq!(taker.value("signups", "2026-03-30").await, 3);
    let series = taker.get("signups", Interval::Day, false).await.remove(0);
    assert_eq!(series.points[series.points.len() - 2].metadata, None, "what was said of the old value is gone with it");
    let parts = taker.get("signups", Interval::Day, true).await;
    assert_eq!((parts.len(), parts[0].dimension.as_deref()), (1, Some("mobile")));
}

async fn values_are_kept_digit_by_digit(db: Database) {
    let taker = Taker::over(&db).await;
    // As text of the request, since a float would be another number.
    let text = r#"[
        {"metric_id":"a","value":0.1,"date":"2026-03-29"},
        {"metric_id":"a","value":"12345.678901","date":"2026-03-30"},
        {"metric_id":"b","value":9007199254740993,"unit":"count","date":"2026-03-30"},
        {"metric_id":"c","value":"19.99","unit":"currency","currency":"EUR","date":"2026-03-30"},
        {"metric_id":"d","value":1.5e-1,"unit":"seconds","date":"2026-03-30"},
        {"metric_id":"e","value":43.125,"unit":"percent","date":"2026-03-30"},
        {"metric_id":"f","value":-7,"unit":"currency","kind":"level","date":"2026-03-30"}
    ]"#;
    let batch: Batch = serde_json::from_str(&format!("{{\"metrics\":{text}}}")).unwrap();
    custom::push(&taker.store, &taker.registry, &taker.project, &batch, NOW.parse().unwrap()).await.unwrap();
    assert_eq!(taker.value("a", "2026-03-29").await, "0.100000");
    assert_eq!(taker.value("a", "2026-03-30").await, "12345.678901");
    assert_eq!(taker.value("b", "2026-03-30").await, 9_007_199_254_740_993_i64);
    assert_eq!(taker.value("c", "2026-03-30").await, "19.99");
    assert_eq!(taker.value("d", "2026-03-30").await, "0.15");
    assert_eq!(taker.value("e", "2026-03-30").await, "43.13");
    assert_eq!(taker.value("f", "2026-03-30").await, "-7.00");
    // More digits later: what stands is what it was.
    taker.push(json!([{"metric_id": "a", "value": "0.00000001", "date": "2026-03-31"}])).await.unwrap();
    assert_eq!(taker.value("a", "2026-03-30").await, "12345.67890100");
    assert_eq!(taker.value("a", "2026-03-31").await, "0.00000001");
    let large = json!([{"metric_id": "g", "value": "9000000000000000000", "date": "2026-03-30"}]);
    taker.push(large).await.unwrap();
    let error = taker.push(json!([{"metric_id": "g", "value": "0.5", "date": "2026-03-31"}])).await.unwrap_err();
    assert!(error.to_string().contains("values of g are too large for that"), "{error}");
    assert_eq!(taker.value("g", "2026-03-30").await, "9000000000000000000");
}

async fn what_a_metric_is_its_first_push_says(db: Database) {
    let taker = Taker::over(&db).await;
    let first = json!({"metric_id": "load", "metric_name": "Load", "value": 2, "unit": "count", "kind": "level",
        "date": "2026-03-30"});
    taker.push(json!([first])).await.unwrap();
    for (field, word, stands) in [("unit", "bytes", "count"), ("kind", "flow", "level"), ("metric_name", "L", "Load")] {
        let error = taker.push(json!([{"metric_id": "load", "value": 9, field: word}])).await.unwrap_err();
        let Error::Contradiction(problems) = &error else { panic!("{error}") };
        assert_eq!((problems.len(), problems[0].index, problems[0].field), (1, 0, field));
        assert!(problems[0].message.contains(stands) && problems[0].message.contains(word), "{error}");
    }
    // The same within one batch.
    let error = taker
        .push(json!([{"metric_id": "new", "value": 1, "unit": "count"}, {"metric_id": "new", "value": 1, "unit": "bytes"}]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("metrics[1].unit"), "{error}");
    let error = taker.push(json!([{"metric_id": "load", "value": 1.5}])).await.unwrap_err();
    assert!(error.to_string().contains("must be a whole number"), "{error}");
    let series = taker.get("load", Interval::Day, false).await.remove(0);
    assert_eq!((series.name.as_str(), series.unit.name()), ("Load", "count"));
    assert_eq!(taker.store.custom_metrics(taker.project.id).await.unwrap().len(), 1);
}

async fn all_of_a_batch_is_kept_or_nothing(db: Database) {
    let taker = Taker::over(&db).await;
    let mut entries: Vec<Json> =
        (1..=28).map(|day| json!({"metric_id": "m", "value": day, "date": format!("2026-03-{day:02}")})).collect();
    entries[7]["value"] = json!("x");
    entries[9]["date"] = json!("2026-02-29");
    let error = taker.push(json!(entries)).await.unwrap_err();
    let Error::Invalid(problems) = &error else { panic!("{error}") };
    assert_eq!(problems.iter().map(|one| (one.index, one.field)).collect::<Vec<_>>(), [(7, "value"), (9, "date")]);
    assert_eq!(db.texts("SELECT metric_id FROM custom_metrics").await, [""; 0]);
    assert_eq!(db.texts("SELECT name FROM connections").await, [""; 0], "not even the connection");
    let many = vec![json!({"metric_id": "m", "value": 1}); 1001];
    assert!(matches!(taker.push(json!(many)).await, Err(Error::Size(1001))));
}

async fn weeks_are_made_as_the_kind_allows(db: Database) {
    let taker = Taker::over(&db).await;
    let mut entries = Vec::new();
    // A whole week.
    for day in 23..=29 {
        for kind in ["flow", "level", "distinct"] {
            entries.push(json!({"metric_id": kind, "value": day, "unit": "count", "kind": kind,
                "date": format!("2026-03-{day}")}));
        }
    }
    taker.push(json!(entries)).await.unwrap();
    let week = async |metric: &str| {
        let series = taker.get(metric, Interval::Week, false).await.remove(0);
        series.points.iter().find(|point| point.date.to_string() == "2026-03-23").unwrap().clone()
    };
    assert_eq!(json!(week("flow").await.value), (23..=29).sum::<i64>());
    assert_eq!(json!(week("level").await.value), 29);
    assert_eq!(week("distinct").await.value, None);
    let series = taker.get("flow", Interval::Day, false).await.remove(0);
    let unsaid = series.points.last().unwrap();
    assert_eq!((unsaid.state.name(), unsaid.reason.as_deref()), ("pending", Some("nothing was pushed")));
    assert_eq!(unsaid.value, None, "what was not pushed is not zero");
}

async fn batches_at_once_lose_nothing(db: Database) {
    let taker = Taker::over(&db).await;
    let batch = |number: i64| {
        let entry = |day: i64| {
            json!({"metric_id": format!("m{}", (number + day) % 3), "value": format!("{number}.{day}"),
                "date": format!("2026-03-{:02}", number + 1), "dimension": format!("d{day}")})
        };
        json!((1..=9).map(entry).collect::<Vec<_>>())
    };
    let pushed = futures_util::future::join_all((0..12).map(|number| taker.push(batch(number)))).await;
    assert!(pushed.iter().all(Result::is_ok), "{pushed:?}");
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM points").await, ["108"]);
    assert_eq!(db.texts("SELECT name FROM connections").await, ["custom"]);
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM series").await, ["27"]);
}

async fn the_connection_is_one_and_is_never_due(db: Database) {
    let taker = Taker::over(&db).await;
    taker.push(json!([{"metric_id": "m", "value": 1, "date": "2026-03-30"}])).await.unwrap();
    taker.push(json!([{"metric_id": "n", "value": 1, "date": "2026-03-02"}])).await.unwrap();
    let connections = taker.store.connections(taker.project.id).await.unwrap();
    assert_eq!(connections.len(), 1);
    let own = &connections[0];
    assert_eq!((own.integration_id.as_str(), own.settings.zone.name()), ("custom", "Europe/Berlin"));
    assert_eq!(own.settings.history_start.to_string(), "2026-03-02");
    let (later, lease) = ("2027-01-01T00:00:00Z".parse().unwrap(), std::time::Duration::from_secs(1));
    let claims = taker.store.claim_due("worker", later, lease, 10, &["any"]).await.unwrap();
    assert!(claims.is_empty());
    taker.store.delete_connection(own.key).await.unwrap();
    assert_eq!(db.texts("SELECT metric_id FROM custom_metrics").await, [""; 0], "they go with it");
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM points").await, ["0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushed_metrics_are_like_the_rest_for_programs_and_people() {
    let site = Site::with_account().await;
    let program = Program::with_key(&site, Scope::Write).await;
    let day =
        |days: i64| (site.app.users.now() - jiff::SignedDuration::from_hours(24 * days)).to_string()[..10].to_owned();
    let entry = |days: i64, value: i64| json!({"metric_id": "signups", "metric_name": "Sign-ups", "value": value, "unit": "count", "date": day(days)});
    let batch = json!({"metrics": [entry(2, 3), entry(1, 5)]});
    let told = program.send("POST", "/api/v1/metrics", &batch).await;
    assert_eq!((told.status, &told.json), (200, &json!({"data": {"accepted": 2, "changed": 2}})));

    let series = program.get("/api/v1/metrics/signups/timeseries").await.json;
    let points = series["data"]["series"][0]["points"].as_array().unwrap().clone();
    assert_eq!(points.iter().map(|point| point["value"].clone()).take(2).collect::<Vec<_>>(), [json!(3), json!(5)]);
    let rows = program.get("/api/v1/export?format=csv&metric_id=signups").await.answer.body;
    assert!(rows.contains(&format!("{},signups,", day(2))) && rows.lines().count() >= 3, "{rows}");

    let ada = Visitor::signed_in(&site, EMAIL).await;
    let page = ada.get("/d/custom").await;
    assert!(page.status == 200 && page.body.contains("Sign-ups"), "{}", page.body);
    assert_eq!(ada.get("/m/signups").await.status, 200);
    let list = program.get("/api/v1/connections").await.json["data"]["connections"][0].clone();
    assert_eq!((list["name"].as_str(), list["state"].as_str()), (Some("custom"), Some("ok")));
    assert_eq!(list["next_sync_at"], Json::Null);
    let id = list["connection_id"].as_str().unwrap();
    assert_eq!(ada.get(&format!("/connections/{id}")).await.status, 200);
    assert_eq!(ada.get("/integrations").await.status, 200);
    for (method, path) in [("POST", "test"), ("POST", "sync")] {
        let told = program.ask(method, &format!("/api/v1/connections/{id}/{path}"), &[], "").await;
        assert_eq!((told.status, told.code()), (409, "not_synced"), "{path}");
    }
    let gone = program.ask("DELETE", &format!("/api/v1/connections/{id}"), &[], "").await;
    assert_eq!((gone.status, &gone.json["data"]["disconnected"]), (200, &json!("custom")));
    assert_eq!(program.get("/api/v1/metrics/signups/timeseries").await.code(), "metric_not_found");
}
