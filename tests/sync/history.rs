//! Days that are told again: what stands, what is replaced, what is kept of it, and what a run says that it put right.

use std::sync::Arc;

use dashtray::{
    connections::CorrectedView,
    integrations::Correction,
    metric::{Day, Interval, Period, Quality, Sample, State, Value},
    series::PointView,
    sync::Range,
};
use serde_json::json;

use crate::support::{
    app::Process,
    books::{Books, money},
    database::{Database, on_both},
};

on_both! {
    a_snapshot_outlives_what_is_rebuilt_until_a_setting_changes,
    a_day_that_settles_takes_what_is_learnt_later_and_keeps_what_it_was,
    a_plan_that_is_gone_under_other_settings_falls_to_zero_and_is_kept,
    days_that_come_within_reach_are_read,
    what_was_put_right_is_told_by_the_run_and_for_a_month_by_the_connection,
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

async fn at(db: &Database, books: &Books, now: &str) -> Process {
    Process::start(db, vec![Arc::new(books.clone())], now).await
}

async fn point_of(process: &Process, metric_id: &str, date: &str, code: &str) -> PointView {
    let series = process.series(metric_id, "2026-03-25T12:00:00Z".parse().unwrap()).await;
    let series = series.into_iter().find(|series| series.currency == Some(code.parse().unwrap())).unwrap();
    series.points.into_iter().find(|point| point.date == day(date)).unwrap()
}

/// Value and quality of a day's MRR.
async fn mrr(process: &Process, date: &str, code: &str) -> (String, Quality) {
    let point = point_of(process, "books_mrr", date, code).await;
    (point.value.map_or_else(|| point.state.name().to_owned(), |value| value.to_string()), point.quality)
}

/// What a metric's series have been, as (dimension, currency, day, minor units).
async fn restated(process: &Process, metric_id: &str) -> Vec<(String, String, String, Option<i64>)> {
    let project = process.store.project("default").await.unwrap().unwrap();
    let connection = process.store.connections(project.id).await.unwrap().remove(0);
    let always = Period::inclusive(day("2026-01-01"), day("2026-12-31"));
    let mut all = Vec::new();
    for row in process.store.series(connection.key, Interval::Day, Some(&[metric_id])).await.unwrap() {
        let code = row.currency.map(|code| code.to_string()).unwrap_or_default();
        for restated in process.store.restatements(project.id, &[row.id], always).await.unwrap() {
            all.push((row.dimension.clone(), code.clone(), restated.old.day.to_string(), restated.old.value));
        }
    }
    all
}

fn owned(dimension: &str, code: &str, date: &str, minor: i64) -> (String, String, String, Option<i64>) {
    (dimension.to_owned(), code.to_owned(), date.to_owned(), Some(minor))
}

async fn a_snapshot_outlives_what_is_rebuilt_until_a_setting_changes(db: Database) {
    let books = Books::default();
    let date = Period::single(day("2026-03-10"));
    books.say("books_mrr", date, money(1000, "USD"));
    books.say("books_mrr", date, money(100, "EUR"));
    at(&db, &books, "2026-03-10T12:00:00Z").await.connect("books", "main", json!({})).await;
    at(&db, &books, "2026-03-10T12:00:00Z").await.run("main").await;
    let process = at(&db, &books, "2026-03-20T12:00:00Z").await;
    process.run("main").await;
    assert_eq!(mrr(&process, "2026-03-10", "USD").await, ("10.00".into(), Quality::Exact));

    books.page().said.clear();
    books.say_as("books_mrr", date, Value::Money(money(900, "USD")), Quality::Reconstructed);
    books.say_as("books_mrr", date, Value::Money(money(50, "EUR")), Quality::Reconstructed);
    let again = Range { from: Some(day("2026-03-10")), to: Some(day("2026-03-10")) };
    process.run_range("main", again).await;
    assert_eq!(mrr(&process, "2026-03-10", "USD").await, ("10.00".into(), Quality::Exact), "the snapshot stands");
    assert_eq!(mrr(&process, "2026-03-10", "EUR").await, ("1.00".into(), Quality::Exact));
    assert_eq!(restated(&process, "books_mrr").await, []);

    process.connections.set("default", "main", &[("discounts".into(), "none".into())]).await.unwrap();
    process.run("main").await;
    assert_eq!(mrr(&process, "2026-03-10", "USD").await, ("9.00".into(), Quality::Reconstructed));
    assert_eq!(mrr(&process, "2026-03-10", "EUR").await, ("0.50".into(), Quality::Reconstructed));
    let mut kept = restated(&process, "books_mrr").await;
    kept.sort();
    assert_eq!(kept, [owned("", "EUR", "2026-03-10", 100), owned("", "USD", "2026-03-10", 1000)]);
    let point = point_of(&process, "books_mrr", "2026-03-10", "USD").await;
    assert!(!point.provisional, "it was read anew and is final");
}

async fn a_day_that_settles_takes_what_is_learnt_later_and_keeps_what_it_was(db: Database) {
    let books = Books::default();
    let say = |minor| {
        books.page().said.clear();
        books.say("books_mrr", Period::single(day("2026-03-10")), money(minor, "USD"));
    };
    say(100);
    at(&db, &books, "2026-03-10T12:00:00Z").await.connect("books", "main", json!({})).await;
    for (now, minor) in [("2026-03-10T12:00:00Z", 100), ("2026-03-11T01:00:00Z", 200), ("2026-03-13T12:00:00Z", 300)] {
        say(minor);
        at(&db, &books, now).await.run("main").await;
    }
    let process = at(&db, &books, "2026-03-14T12:00:00Z").await;
    assert!(point_of(&process, "books_mrr", "2026-03-10", "USD").await.provisional);
    process.run("main").await;
    let point = point_of(&process, "books_mrr", "2026-03-10", "USD").await;
    assert_eq!((point.value.unwrap().to_string(), point.provisional), ("3.00".to_owned(), false));
    let kept = restated(&process, "books_mrr").await;
    assert_eq!(kept, [owned("", "USD", "2026-03-10", 200)], "what was read before the day was over was completed");

    say(400);
    let late = at(&db, &books, "2026-03-16T12:00:00Z").await;
    late.run("main").await;
    assert_eq!(mrr(&late, "2026-03-10", "USD").await.0, "3.00", "it has settled and is not asked for");
}

async fn a_plan_that_is_gone_under_other_settings_falls_to_zero_and_is_kept(db: Database) {
    let books = Books::default();
    let say = |plan: &str, minor| {
        let sample = Sample::new(day("2026-03-10"), Value::Money(money(minor, "USD"))).of(plan);
        books.say_of("books_mrr_by_plan", sample);
    };
    say("basic", 100);
    say("pro", 900);
    at(&db, &books, "2026-03-10T12:00:00Z").await.connect("books", "main", json!({})).await;
    let process = at(&db, &books, "2026-03-19T12:00:00Z").await;
    process.run("main").await;
    process.connections.set("default", "main", &[("discounts".into(), "none".into())]).await.unwrap();
    books.page().said.clear();
    say("basic", 100);
    process.run("main").await;
    let series = process.series("books_mrr_by_plan", "2026-03-19T12:00:00Z".parse().unwrap()).await;
    let value = |plan: &str| {
        let series = series.iter().find(|series| series.dimension.as_deref() == Some(plan)).unwrap();
        series.points.iter().find(|point| point.date == day("2026-03-10")).unwrap().value.as_ref().unwrap().to_string()
    };
    assert_eq!([value("basic"), value("pro")], ["1.00", "0.00"]);
    assert_eq!(restated(&process, "books_mrr_by_plan").await, [owned("pro", "USD", "2026-03-10", 900)]);
}

async fn days_that_come_within_reach_are_read(db: Database) {
    let books = Books::default();
    books.page().reach = Some(1);
    books.say("books_mrr", Period::inclusive(day("2026-03-01"), day("2026-03-10")), money(100, "USD"));
    let before = at(&db, &books, "2026-03-10T12:00:00Z").await;
    before.connect("books", "main", json!({})).await;
    before.run("main").await;
    before.run("main").await;
    assert_eq!(point_of(&before, "books_mrr", "2026-03-01", "USD").await.state, State::BeyondRetention);
    books.page().reach = None;
    books.page().version = 2;
    let after = at(&db, &books, "2026-03-10T13:00:00Z").await;
    after.run("main").await;
    assert_eq!(mrr(&after, "2026-03-01", "USD").await, ("1.00".into(), Quality::Exact));
    assert_eq!(restated(&after, "books_mrr").await, []);
}

async fn what_was_put_right_is_told_by_the_run_and_for_a_month_by_the_connection(db: Database) {
    let books = Books::default();
    let process = at(&db, &books, "2026-03-10T12:00:00Z").await;
    process.connect("books", "main", json!({})).await;
    let corrected = async |process: &Process| process.connections.list("default").await.unwrap().remove(0).corrected;
    assert_eq!(process.run("main").await.corrections, []);
    assert_eq!(corrected(&process).await, None);

    let correction = |count, noun: &str| {
        let message = format!("{count} {noun} differed and were corrected");
        Correction { stream: noun.to_owned(), count, message }
    };
    books.page().corrections = vec![correction(2, "subscriptions"), correction(3, "customers")];
    let run = process.run("main").await;
    assert_eq!(run.corrections, [correction(2, "subscriptions"), correction(3, "customers")]);
    let stored = process.sync.runs("default", "main", 10).await.unwrap();
    assert_eq!(stored[0], run, "the record says the same");
    let json = serde_json::to_value(&stored[0]).unwrap();
    assert_eq!(
        json["corrections"][0],
        json!({"stream": "subscriptions", "count": 2, "message": run.corrections[0].message})
    );

    let later = at(&db, &books, "2026-04-08T12:00:00Z").await;
    later.run("main").await;
    let message = "2 subscriptions differed and were corrected; 3 customers differed and were corrected".to_owned();
    let view = CorrectedView { at: run.ended_at.unwrap(), message };
    assert_eq!(corrected(&later).await, Some(view), "also after a run that found nothing");
    let month_later = at(&db, &books, "2026-04-09T13:00:00Z").await;
    assert_eq!(corrected(&month_later).await, None);
}
