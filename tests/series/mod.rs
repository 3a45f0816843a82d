//! Reading what runs have kept.

mod money;

use dashtray::{
    http::Error,
    metric::{Day, FailureKind, Interval, State},
    series::{self, GetRequest, Number, SeriesView},
    sync::Range,
};

use crate::support::{
    app::Process,
    database::{Database, on_both},
    fake::{Behaviour, Fake, Script, value_of},
};

const NOW: &str = "2026-03-31T12:00:00Z";

on_both! {
    a_week_sums_a_flow_takes_the_last_of_a_level_and_refuses_to_sum_distinct_counts,
    an_unknown_day_makes_its_week_unknown_and_says_why,
    a_range_before_the_history_becomes_part_of_it,
    what_was_never_read_is_pending,
    a_day_that_has_begun_elsewhere_alone_has_nothing_yet,
    mistakes_are_told_apart_and_name_what_is_meant,
}

async fn connected(db: &Database, script: &std::sync::Arc<Script>) -> Process {
    let process = Process::start(db, vec![std::sync::Arc::new(Fake(script.clone()))], NOW).await;
    process.connect("fake", "main", serde_json::json!({})).await;
    process
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn request(metric_id: &str) -> GetRequest {
    GetRequest {
        project: "default".into(),
        metric_id: metric_id.into(),
        connection: None,
        from: None,
        to: None,
        interval: Interval::Day,
        by_dimension: false,
        now: NOW.parse().unwrap(),
    }
}

async fn get(process: &Process, request: &GetRequest) -> SeriesView {
    series::get(&process.store, &process.registry, request).await.unwrap().remove(0)
}

async fn refused(process: &Process, request: &GetRequest) -> series::Error {
    series::get(&process.store, &process.registry, request).await.unwrap_err()
}

async fn a_week_sums_a_flow_takes_the_last_of_a_level_and_refuses_to_sum_distinct_counts(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.run("main").await;
    let weekly = |metric: &str| GetRequest {
        interval: Interval::Week,
        from: Some(day("2026-03-16")),
        to: Some(day("2026-03-31")),
        ..request(metric)
    };
    let events = get(&process, &weekly("fake_events")).await;
    let dates: Vec<String> = events.points.iter().map(|point| point.date.to_string()).collect();
    assert_eq!(dates, ["2026-03-16", "2026-03-23", "2026-03-30"]);
    let week: i64 = (0..7).map(|number| value_of(day("2026-03-16").plus(number))).sum();
    assert_eq!(events.points[0].value, Some(Number::Integer(week)));
    let begun = events.points[2].metadata.clone().unwrap();
    assert_eq!((begun["days"].as_i64(), begun["days_of_interval"].as_i64()), (Some(2), Some(7)));
    assert!(events.points[2].provisional);

    // The whole range is one more point for those who ask for it, and nobody else waits for it.
    let asked = [weekly("fake_events"), weekly("fake_users")];
    let whole = series::get_each(&process.store, &process.registry, &asked).await.unwrap();
    let all: i64 = (0..16).map(|number| value_of(day("2026-03-16").plus(number))).sum();
    assert_eq!(whole[0][0].whole.as_ref().unwrap().value, Some(Number::Integer(all)));
    assert_eq!((events.whole, whole[1][0].whole.as_ref()), (None, None));

    let users = get(&process, &weekly("fake_users")).await;
    assert_eq!((users.points[0].value.clone(), users.points[0].state), (None, State::Unsupported));
    assert!(users.points[0].reason.as_ref().unwrap().contains("cannot be added"));

    let total = get(&process, &weekly("fake_total")).await;
    let begun = &total.points[2];
    assert_eq!((begun.value.clone(), begun.state), (None, State::BeyondRetention), "one of its days is not known");
    let only_today = GetRequest { from: Some(day("2026-03-31")), ..weekly("fake_total") };
    let today = get(&process, &only_today).await.points.remove(0);
    assert_eq!(today.value, Some(Number::Integer(value_of(day("2026-03-31")))));
}

async fn an_unknown_day_makes_its_week_unknown_and_says_why(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.run("main").await;
    script.behave(Behaviour::Fail(Error::new(FailureKind::NotFound, "no")));
    let later = Process::start(&db, vec![std::sync::Arc::new(Fake(script.clone()))], "2026-04-01T12:00:00Z").await;
    later.run("main").await;
    let request = GetRequest {
        interval: Interval::Week,
        from: Some(day("2026-03-30")),
        now: "2026-04-01T12:00:00Z".parse().unwrap(),
        ..request("fake_events")
    };
    let week = get(&later, &request).await.points.remove(0);
    assert_eq!((week.value, week.state), (None, State::Failed(FailureKind::NotFound)));
    assert_eq!(week.reason.unwrap(), "1 of 3 days unknown, first 2026-04-01: not_found");
}

async fn a_range_before_the_history_becomes_part_of_it(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.run("main").await;
    let range = Range { from: Some(day("2026-01-01")), to: Some(day("2026-01-10")) };
    process.run_range("main", range).await;
    let request = GetRequest { from: Some(day("2026-01-01")), to: Some(day("2026-01-12")), ..request("fake_events") };
    let points = get(&process, &request).await.points;
    assert_eq!(points.len(), 12);
    assert_eq!(points[0].value, Some(Number::Integer(value_of(day("2026-01-01")))));
    assert_eq!(points[11].state, State::Pending, "asked for from now on");
    process.run("main").await;
    assert!(get(&process, &request).await.points.iter().all(|point| point.value.is_some()));
}

async fn what_was_never_read_is_pending(db: Database) {
    let process = connected(&db, &Script::new()).await;
    let events = get(&process, &request("fake_events")).await;
    assert_eq!(events.points.len(), 30);
    assert!(events.points.iter().all(|point| point.state == State::Pending && point.value.is_none()));
    assert_eq!(events.points[0].reason.as_deref(), Some("not read yet"));
}

async fn a_day_that_has_begun_elsewhere_alone_has_nothing_yet(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    // It is noon in London, and the first of April in Kiritimati.
    process.connect("fake", "east", serde_json::json!({"flavour": "mint", "zone": "Pacific/Kiritimati"})).await;
    process.run("main").await;
    process.run("east").await;
    let today = GetRequest { from: Some(day("2026-04-01")), to: Some(day("2026-04-01")), ..request("fake_events") };
    let series = series::get(&process.store, &process.registry, &today).await.unwrap();
    let dates = |one: &SeriesView| one.points.iter().map(|point| point.date.to_string()).collect::<Vec<_>>();
    assert_eq!(series.iter().map(dates).collect::<Vec<_>>(), [vec![], vec!["2026-04-01".to_owned()]]);
    for interval in [Interval::Week, Interval::Month] {
        let request = GetRequest { interval, ..today.clone() };
        assert_eq!(series::get(&process.store, &process.registry, &request).await.unwrap().len(), 2);
    }
}

async fn mistakes_are_told_apart_and_name_what_is_meant(db: Database) {
    let process = connected(&db, &Script::new()).await;
    let told = |error: series::Error| (error.code(), error.is_usage(), error.to_string());
    let unknown = told(refused(&process, &request("fake_event")).await);
    assert_eq!(
        unknown,
        ("metric_not_found", true, "there is no metric \"fake_event\"; did you mean fake_events?".into())
    );
    let other = GetRequest { connection: Some("other".into()), ..request("fake_events") };
    assert_eq!(refused(&process, &other).await.code(), "connection_not_found");
    let backwards = GetRequest { from: Some(day("2026-03-02")), to: Some(day("2026-03-01")), ..request("fake_events") };
    assert!(told(refused(&process, &backwards).await).2.contains("runs backwards"));
    let future = GetRequest { from: Some(day("2026-04-02")), ..request("fake_events") };
    assert!(told(refused(&process, &future).await).2.contains("in the future"));
    let flat = GetRequest { by_dimension: true, ..request("fake_events") };
    assert_eq!(refused(&process, &flat).await.code(), "no_dimension");
}
