//! Weeks and months of what may not be added up: asked for, kept, kept up to date, and never made of days.

use std::{collections::BTreeSet, sync::Arc};

use dashtray::{
    clock::Clock,
    http::Error,
    metric::{Day, FailureKind, Interval, Period, State},
    series::{self, GetRequest, PointView, SeriesView},
    sync::{OutcomeWord, Range, RunStatus},
};
use serde_json::json;

use super::outcome;
use crate::support::{
    app::{MASTER_KEY, Process},
    database::{Database, on_both},
    points,
    visits::{PAGES, TYPICAL, VISITORS, VISITS, Visits, Way},
};

on_both! {
    visitors_of_a_week_are_asked_for_and_are_no_sum_of_days,
    a_run_that_finds_nothing_new_asks_for_days_alone,
    the_month_under_way_is_completed_and_then_restated_until_it_has_settled,
    a_week_that_cannot_be_read_keeps_what_stood_and_is_tried_again,
    what_ends_a_run_ends_its_weeks_too,
    an_answer_that_is_not_of_whole_weeks_is_refused,
    a_week_that_is_left_out_is_found_out,
    changed_settings_read_weeks_and_months_again,
    days_asked_for_by_name_read_their_weeks_and_months_anew,
    a_month_of_which_a_part_is_out_of_reach_has_no_value,
    a_range_that_cuts_a_week_gets_none,
}

/// A Tuesday. Sixty days of history begin on Saturday the 31st of January.
const NOW: &str = "2026-03-31T12:00:00Z";

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

async fn at(db: &Database, visits: &Visits, now: &str) -> Process {
    let clock = Clock::ticking_from(now.parse().unwrap());
    Process::start_with(db, vec![Arc::new(visits.clone())], clock, MASTER_KEY).await
}

async fn connected(db: &Database, visits: &Visits) -> Process {
    let process = at(db, visits, NOW).await;
    process.connect("visits", "main", json!({})).await;
    process
}

fn request(metric_id: &str, interval: Interval, now: &str) -> GetRequest {
    GetRequest {
        project: "default".into(),
        metric_id: metric_id.into(),
        connection: None,
        from: Some(day("2026-02-01")),
        to: None,
        interval,
        by_dimension: false,
        now: now.parse().unwrap(),
    }
}

async fn get(process: &Process, request: &GetRequest) -> Vec<SeriesView> {
    series::get(&process.store, &process.registry, request).await.unwrap()
}

/// The weeks or months of a metric since February, as of an instant.
async fn since_february(process: &Process, metric_id: &str, interval: Interval, now: &str) -> Vec<PointView> {
    get(process, &request(metric_id, interval, now)).await.remove(0).points
}

/// The weeks, from the first whole one on.
async fn weeks(process: &Process, metric_id: &str) -> Vec<PointView> {
    let mut points = since_february(process, metric_id, Interval::Week, NOW).await;
    points.remove(0);
    points
}

async fn months(process: &Process, metric_id: &str) -> Vec<PointView> {
    since_february(process, metric_id, Interval::Month, NOW).await
}

fn count(point: &PointView) -> Option<i64> {
    json!(point.value).as_i64()
}

/// What is over of a bucket on the day of [`NOW`].
fn so_far(interval: Interval, first: Day) -> Period {
    interval.bucket(first).intersect(Period::inclusive(day("2026-01-01"), day("2026-03-31")))
}

fn asked(visits: &Visits) -> Vec<(Interval, String)> {
    visits.take_calls().into_iter().map(|(grain, _, period)| (grain, period.to_string())).collect()
}

async fn visitors_of_a_week_are_asked_for_and_are_no_sum_of_days(db: Database) {
    let visits = Visits::default();
    let process = connected(&db, &visits).await;
    let run = process.run("main").await;
    assert_eq!(run.status, RunStatus::Ok);
    let calls = visits.take_calls();
    let days = calls.iter().take_while(|(grain, ..)| *grain == Interval::Day).count();
    let not_added: Vec<String> = [VISITORS, TYPICAL, PAGES].map(str::to_owned).to_vec();
    let whole = |from: &str, end: &str| Period::new(day(from), day(end));
    assert_eq!(
        calls[days..],
        [
            (Interval::Week, not_added.clone(), whole("2026-02-02", "2026-04-06")),
            (Interval::Month, not_added, whole("2026-02-01", "2026-04-01")),
        ],
        "all weeks at once and all months at once, from the first that begins in the history"
    );

    let daily = since_february(&process, VISITORS, Interval::Day, NOW).await;
    for (interval, points) in
        [(Interval::Week, weeks(&process, VISITORS).await), (Interval::Month, months(&process, VISITORS).await)]
    {
        for point in &points {
            let bucket = so_far(interval, point.date);
            assert_eq!(count(point), Some(visits.different(bucket, None)), "{interval:?} {}", point.date);
            let sum: i64 = daily.iter().filter(|one| bucket.contains(one.date)).filter_map(count).sum();
            assert!(count(point).unwrap() < sum);
            assert_eq!((point.state, point.reason.as_deref()), (State::Value, None));
        }
        assert_eq!(points.iter().filter(|point| point.provisional).count(), 1, "that under way");
    }
    assert_eq!(weeks(&process, VISITORS).await.len(), 9);

    let typical = weeks(&process, TYPICAL).await;
    let mut who = visits.who(so_far(Interval::Week, day("2026-03-23")));
    who.sort_unstable();
    assert_eq!(json!(typical[7].value), json!(who[who.len() / 2].to_string()), "the median of all visits of the week");

    let by_page = get(&process, &request(PAGES, Interval::Month, NOW)).await;
    let pages: BTreeSet<&str> = by_page.iter().filter_map(|series| series.dimension.as_deref()).collect();
    assert_eq!(pages, BTreeSet::from(["/", "/prices"]));
    for series in &by_page {
        for point in &series.points {
            let expected = visits.different(so_far(Interval::Month, point.date), series.dimension.as_deref());
            assert_eq!(count(point), Some(expected), "{:?} {}", series.dimension, point.date);
        }
    }
    let begun = months(&process, VISITORS).await.remove(1);
    assert!(begun.metadata.is_none(), "the last day of the month is there");
    let begun = weeks(&process, VISITORS).await.pop().unwrap().metadata.unwrap();
    assert_eq!((begun["days"].as_i64(), begun["days_of_interval"].as_i64()), (Some(2), Some(7)));
    let visits_of_week = weeks(&process, VISITS).await.remove(7);
    let all = visits.who(so_far(Interval::Week, visits_of_week.date)).len();
    assert_eq!(json!(visits_of_week.value), json!(all), "what may be added is");
}

async fn a_run_that_finds_nothing_new_asks_for_days_alone(db: Database) {
    let visits = Visits::default();
    let process = connected(&db, &visits).await;
    process.run("main").await;
    visits.take_calls();
    let before = db.figures().await;
    let run = process.run("main").await;
    assert_eq!(asked(&visits).into_iter().map(|(grain, _)| grain).collect::<Vec<_>>(), [Interval::Day]);
    assert_eq!(run.samples_written, 0);
    assert_eq!(db.figures().await, before);

    visits.comes_late(day("2026-03-31"), 77);
    process.run("main").await;
    let calls = asked(&visits);
    let later: Vec<(Interval, &str)> = calls[1..].iter().map(|(grain, period)| (*grain, period.as_str())).collect();
    assert_eq!(
        later,
        [(Interval::Week, "[2026-03-30, 2026-04-06)"), (Interval::Month, "[2026-03-01, 2026-04-01)")],
        "only what holds the changed day"
    );
    for (interval, points) in
        [(Interval::Week, weeks(&process, VISITORS).await), (Interval::Month, months(&process, VISITORS).await)]
    {
        let last = points.last().unwrap();
        assert_eq!(count(last), Some(visits.different(so_far(interval, last.date), None)));
        assert!(!last.stale);
    }
}

/// What a metric's months have been.
async fn restated_months(process: &Process, metric_id: &str) -> Vec<(Day, Option<i64>)> {
    let project = process.store.project("default").await.unwrap().unwrap();
    let connection = process.store.connections(project.id).await.unwrap().remove(0);
    let rows = process.store.series(connection.key, Interval::Month, Some(&[metric_id])).await.unwrap();
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let always = Period::inclusive(day("2026-01-01"), day("2026-12-31"));
    let restated = process.store.restatements(project.id, &ids, always).await.unwrap();
    restated.iter().map(|one| (one.old.day, one.old.value)).collect()
}

async fn the_month_under_way_is_completed_and_then_restated_until_it_has_settled(db: Database) {
    let visits = Visits::default();
    connected(&db, &visits).await.run("main").await;
    let march = Interval::Month.bucket(day("2026-03-01"));
    let as_of = async |now: &str| {
        let process = at(&db, &visits, now).await;
        process.run("main").await;
        let point = since_february(&process, VISITORS, Interval::Month, now).await.remove(1);
        (count(&point).unwrap(), point.provisional, restated_months(&process, VISITORS).await)
    };
    // On its last day somebody comes, and that completes it.
    visits.comes_late(day("2026-03-31"), 77);
    let completed = visits.different(march, None);
    assert_eq!(as_of("2026-03-31T20:00:00Z").await, (completed, true, vec![]));
    // It is over. Somebody is learnt of who was there that day: restated, as that day is.
    assert_eq!(as_of("2026-04-01T12:00:00Z").await, (completed, true, vec![]));
    visits.comes_late(day("2026-03-31"), 78);
    let restated = vec![(march.start(), Some(completed))];
    assert_eq!(as_of("2026-04-01T20:00:00Z").await, (completed + 1, true, restated.clone()));
    // Read once more after it has settled: final.
    assert_eq!(as_of("2026-04-02T12:00:00Z").await, (completed + 1, false, restated.clone()));
    visits.take_calls();
    assert_eq!(as_of("2026-04-03T12:00:00Z").await, (completed + 1, false, restated));
    let months: Vec<String> =
        asked(&visits).into_iter().filter(|(grain, _)| *grain == Interval::Month).map(|(_, period)| period).collect();
    assert_eq!(months, ["[2026-04-01, 2026-05-01)"], "it is not asked for again");
}

async fn a_week_that_cannot_be_read_keeps_what_stood_and_is_tried_again(db: Database) {
    let visits = Visits::default();
    let process = connected(&db, &visits).await;
    visits.go(Way::FailMetric(VISITORS, Error::not_found("no weeks today")));
    let run = process.run("main").await;
    assert_eq!((run.status, outcome(&run, VISITORS)), (RunStatus::Partial, OutcomeWord::Failed));
    assert_eq!(outcome(&run, PAGES), OutcomeWord::Ok);
    let failed = weeks(&process, VISITORS).await;
    assert!(failed.iter().all(|point| point.state == State::Failed(FailureKind::NotFound) && point.value.is_none()));
    assert!(weeks(&process, TYPICAL).await.iter().all(|point| point.state == State::Value));
    assert!(since_february(&process, VISITORS, Interval::Day, NOW).await.iter().all(|point| point.value.is_some()));

    visits.go(Way::Right);
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
    let stood = weeks(&process, VISITORS).await;
    assert!(stood.iter().all(|point| point.value.is_some()));
    visits.comes_late(day("2026-03-31"), 77);
    visits.go(Way::FailMetric(VISITORS, Error::not_found("no weeks today")));
    assert_eq!(process.run("main").await.status, RunStatus::Partial);
    let stale = weeks(&process, VISITORS).await;
    assert_eq!(stale.iter().map(count).collect::<Vec<_>>(), stood.iter().map(count).collect::<Vec<_>>());
    assert_eq!(stale.iter().filter(|point| point.stale).count(), 1, "the week of that day");
    assert!(stale.last().unwrap().stale);
    visits.go(Way::Right);
    process.run("main").await;
    let last = weeks(&process, VISITORS).await.pop().unwrap();
    assert_eq!((count(&last), last.stale), (Some(visits.different(so_far(Interval::Week, last.date), None)), false));
}

async fn what_ends_a_run_ends_its_weeks_too(db: Database) {
    let visits = Visits::default();
    let process = connected(&db, &visits).await;
    let until = "2026-03-31T13:00:00Z".parse().unwrap();
    visits.fail_days(Some(Error::rate_limited(until, "the limit is reached")));
    assert_eq!(process.run("main").await.status, RunStatus::RateLimited);
    assert!(weeks(&process, VISITORS).await.iter().all(|point| point.state == State::Pending), "still to be read");
    visits.fail_days(Some(Error::new(FailureKind::Unauthorized, "the key is refused")));
    assert_eq!(process.run("main").await.status, RunStatus::Failed);
    let refused = State::Failed(FailureKind::Unauthorized);
    assert!(weeks(&process, VISITORS).await.iter().all(|point| point.state == refused));
    assert!(months(&process, TYPICAL).await.iter().all(|point| point.state == refused));
    // The days can be had, and then no more.
    visits.fail_days(None);
    visits.go(Way::Fail(Error::new(FailureKind::Unauthorized, "the key is refused")));
    let run = process.run("main").await;
    assert_eq!(run.status, RunStatus::Partial);
    assert!(months(&process, TYPICAL).await.iter().all(|point| point.state == refused));
    assert!(since_february(&process, TYPICAL, Interval::Day, NOW).await.iter().all(|point| point.value.is_some()));
    visits.go(Way::Right);
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
    assert!(weeks(&process, VISITORS).await.iter().all(|point| point.value.is_some()));
}

async fn an_answer_that_is_not_of_whole_weeks_is_refused(db: Database) {
    let visits = Visits::default();
    let process = connected(&db, &visits).await;
    for (way, said) in [
        (Way::AnswerDays, "on which no week begins"),
        (Way::Cut, "is not made of whole weeks"),
        (Way::AnswerFlow, "answered for a week of visits_visits, of which none are kept"),
    ] {
        visits.go(way.clone());
        let run = process.run("main").await;
        assert_eq!(run.status, RunStatus::Partial, "{way:?}");
        let failed = run.metrics.iter().find(|metric| metric.metric_id == VISITORS).unwrap();
        let message = &failed.error.as_ref().unwrap().message;
        assert!(message.contains(said), "{way:?}: {message}");
        assert_eq!(
            outcome(&run, VISITS),
            if way == Way::AnswerDays { OutcomeWord::Ok } else { OutcomeWord::Unchanged }
        );
        let weeks = weeks(&process, VISITORS).await;
        assert!(weeks.iter().all(|point| point.value.is_none() && matches!(point.state, State::Failed(_))), "{way:?}");
    }
}

async fn a_week_that_is_left_out_is_found_out(db: Database) {
    let visits = Visits::default();
    let process = connected(&db, &visits).await;
    visits.go(Way::LeaveOut);
    let run = process.run("main").await;
    assert_eq!(run.status, RunStatus::Partial);
    let failed = run.metrics.iter().find(|metric| metric.metric_id == VISITORS).unwrap();
    assert!(failed.error.as_ref().unwrap().message.contains("left weeks out"), "{failed:?}");
    let weeks = weeks(&process, VISITORS).await;
    assert_eq!(weeks[0].state, State::Failed(FailureKind::Internal));
    assert!(weeks[1..].iter().all(|point| point.value.is_some()));
}

async fn changed_settings_read_weeks_and_months_again(db: Database) {
    let visits = Visits::default();
    let process = connected(&db, &visits).await;
    process.run("main").await;
    // Long settled: nobody would ask again.
    visits.comes_late(day("2026-02-10"), 77);
    process.run("main").await;
    let stood = weeks(&process, VISITORS).await;
    process.connections.set("default", "main", &[("site".into(), "other".into())]).await.unwrap();
    process.run("main").await;
    let read = weeks(&process, VISITORS).await;
    assert_eq!(count(&read[1]), count(&stood[1]).map(|count| count + 1));
    assert!(read[..8].iter().all(|point| !point.stale && !point.provisional));
    let february = months(&process, VISITORS).await.remove(0);
    assert_eq!(count(&february), Some(visits.different(Interval::Month.bucket(february.date), None)));
    let was = restated_months(&process, VISITORS).await;
    assert_eq!(was, [(february.date, count(&february).map(|count| count - 1))], "and what stood is kept");
}

async fn days_asked_for_by_name_read_their_weeks_and_months_anew(db: Database) {
    let visits = Visits::default();
    let process = connected(&db, &visits).await;
    process.run("main").await;
    visits.take_calls();
    let range = Range { from: Some(day("2026-02-27")), to: Some(day("2026-03-03")) };
    assert_eq!(process.run_range("main", range).await.status, RunStatus::Ok);
    let calls = [
        (Interval::Day, "[2026-02-27, 2026-03-04)"),
        (Interval::Week, "[2026-02-23, 2026-03-09)"),
        (Interval::Month, "[2026-02-01, 2026-04-01)"),
    ];
    assert_eq!(asked(&visits), calls.map(|(grain, period)| (grain, period.to_owned())));
    let first = Range { from: Some(day("2026-01-31")), to: Some(day("2026-01-31")) };
    process.run_range("main", first).await;
    assert_eq!(asked(&visits).len(), 1, "week and month of that day begin before the history");
}

async fn a_month_of_which_a_part_is_out_of_reach_has_no_value(db: Database) {
    let visits = Visits::default();
    visits.reach(20);
    let early = at(&db, &visits, "2026-03-10T12:00:00Z").await;
    early.connect("visits", "main", json!({})).await;
    early.run("main").await;
    let march = |points: Vec<PointView>| points.into_iter().find(|point| point.date == day("2026-03-01")).unwrap();
    let point = march(since_february(&early, VISITORS, Interval::Month, "2026-03-10T12:00:00Z").await);
    assert!(point.value.is_some() && point.provisional);

    let process = at(&db, &visits, NOW).await;
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
    let point = march(months(&process, VISITORS).await);
    assert_eq!((point.value, point.state), (None, State::BeyondRetention), "ten days of it are no month");
    for series in get(&process, &request(PAGES, Interval::Month, NOW)).await {
        assert_eq!(march(series.points).state, State::BeyondRetention, "{:?}", series.dimension);
    }
    let weeks = weeks(&process, VISITORS).await;
    let reached: Vec<String> =
        weeks.iter().filter(|point| point.value.is_some()).map(|point| point.date.to_string()).collect();
    assert_eq!(reached, ["2026-02-23", "2026-03-02", "2026-03-16", "2026-03-23", "2026-03-30"]);
    visits.take_calls();
    process.run("main").await;
    assert_eq!(asked(&visits).len(), 1, "nothing out of reach is asked for");
}

async fn a_range_that_cuts_a_week_gets_none(db: Database) {
    let visits = Visits::default();
    let process = connected(&db, &visits).await;
    process.run("main").await;
    let weekly = request(VISITORS, Interval::Week, NOW);
    let before = get(&process, &GetRequest { from: None, to: Some(day("2026-02-04")), ..weekly.clone() }).await;
    let first = &before[0].points[0];
    assert_eq!(first.date, day("2026-01-26"));
    assert_eq!(first.reason.as_deref(), Some("5 of 7 days lie before what this connection was asked to read"));
    let cut = GetRequest { from: Some(day("2026-03-11")), to: Some(day("2026-03-25")), ..weekly };
    let points = get(&process, &cut).await.remove(0).points;
    let states: Vec<State> = points.iter().map(|point| point.state).collect();
    assert_eq!(states, [State::Unsupported, State::Value, State::Unsupported]);
    assert!(points[0].value.is_none() && points[2].value.is_none());
    let reason = "the range takes 5 of its 7 days, which cannot be told from the whole; name whole weeks";
    assert_eq!(points[0].reason.as_deref(), Some(reason));
}

/// Killed at any point of a run that has days, weeks and months to read, the next one comes to the same figures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_at_any_point_comes_to_the_same_weeks_and_months() {
    let visits = Visits::default();
    let base = Database::sqlite().await;
    let process = connected(&base, &visits).await;
    let first = base.as_it_lies();
    process.run("main").await;
    process.store.close().await;
    // Nothing but somebody who came late makes the second run's weeks due.
    for (stage, base) in [("first", first), ("second", base)] {
        if stage == "second" {
            visits.comes_late(day("2026-03-31"), 77);
        }
        let undisturbed = base.as_it_lies();
        let process = at(&undisturbed, &visits, NOW).await;
        process.run("main").await;
        process.store.close().await;
        let figures = undisturbed.figures().await;
        let mut kills = 0;
        loop {
            let left = base.as_it_lies();
            let dying = at(&left, &visits, NOW).await;
            let killed = points::killed_at(kills, |point| point.is_done, dying.run("main")).await;
            dying.store.close().await;
            let Some(point) = killed else { break };
            let process = at(&left, &visits, "2026-03-31T12:00:40Z").await;
            assert_eq!(process.run("main").await.status, RunStatus::Ok);
            process.store.close().await;
            let found = left.figures().await;
            let differing: Vec<_> = found.iter().filter(|figure| !figures.contains(figure)).take(3).collect();
            assert_eq!(found.len(), figures.len(), "{stage} run killed {point} (number {kills}): {differing:?}");
            assert!(differing.is_empty(), "{stage} run killed {point} (number {kills}): {differing:?}");
            kills += 1;
        }
        assert!(kills > 8, "only {kills} points");
    }
}
