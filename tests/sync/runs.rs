//! What one run does.

use dashtray::{
    connections,
    http::Error,
    metric::{Day, FailureKind, State},
    secret::Secret,
    series::Number,
    sync::{OutcomeWord, Range, RunStatus},
};

use super::{NOW, connected, everything, fake, now, outcome, points};
use crate::support::{
    app::Process,
    database::{Database, on_both},
    fake::{Behaviour, Script, value_of},
};

on_both! {
    a_first_run_reads_newest_days_first_and_leaves_no_day_open,
    a_second_run_reads_what_may_still_change_and_writes_only_that,
    one_failing_metric_leaves_the_others_and_is_asked_again,
    a_failure_keeps_old_values_and_marks_them_stale,
    being_asked_to_wait_counts_no_failure,
    refused_credentials_ask_to_reconnect_and_reconnecting_keeps_history,
    a_panic_is_that_runs_failure_and_no_secret_is_told,
    an_integration_that_leaves_days_out_is_found_out,
    what_is_not_included_is_said_and_the_rest_is_read,
    changed_settings_read_their_stream_again,
    a_wrong_master_key_locks_credentials_and_destroys_nothing,
    a_named_range_is_read_again,
    the_same_account_is_connected_once,
}

async fn a_first_run_reads_newest_days_first_and_leaves_no_day_open(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    let run = process.run("main").await;
    assert_eq!(run.status, RunStatus::Ok, "{run:?}");
    let starts: Vec<String> = script
        .take_calls()
        .iter()
        .filter(|(ids, _)| ids[0] == "fake_events")
        .map(|(_, period)| period.to_string())
        .collect();
    assert_eq!(starts, ["[2026-03-22, 2026-04-01)", "[2026-03-12, 2026-03-22)", "[2026-03-02, 2026-03-12)"]);
    for metric in ["fake_events", "fake_users"] {
        let points = points(&process, metric).await;
        assert_eq!(points.len(), 30);
        for point in &points {
            assert_eq!(point.value, Some(Number::Integer(value_of(point.date))), "{metric} {}", point.date);
        }
        assert!(points[29].provisional && !points[0].provisional);
    }
    let total = points(&process, "fake_total").await;
    assert!(total[..29].iter().all(|point| point.state == State::BeyondRetention && point.value.is_none()));
    assert_eq!(total[29].value, Some(Number::Integer(value_of("2026-03-31".parse().unwrap()))));
}

async fn a_second_run_reads_what_may_still_change_and_writes_only_that(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.run("main").await;
    script.take_calls();
    let run = process.run("main").await;
    assert_eq!((run.status, run.samples_written), (RunStatus::Ok, 0));
    assert_eq!(outcome(&run, "fake_events"), OutcomeWord::Unchanged);
    let calls: Vec<String> = script.take_calls().iter().map(|(ids, period)| format!("{} {period}", ids[0])).collect();
    assert_eq!(calls, ["fake_events [2026-03-30, 2026-04-01)", "fake_total [2026-03-31, 2026-04-01)"]);
    script.shift(1);
    let run = process.run("main").await;
    assert_eq!(run.samples_written, 5, "two days of two metrics and one level");
}

async fn one_failing_metric_leaves_the_others_and_is_asked_again(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    script.behave(Behaviour::FailMetric("fake_users", Error::new(FailureKind::Forbidden, "users may not be read")));
    let run = process.run("main").await;
    assert_eq!(run.status, RunStatus::Partial, "a permission can be given");
    let both = (outcome(&run, "fake_events"), outcome(&run, "fake_users"));
    assert_eq!(both, (OutcomeWord::Ok, OutcomeWord::Unsupported));
    let users = points(&process, "fake_users").await;
    assert!(users.iter().all(|point| point.state == State::Unsupported), "{users:?}");
    assert_eq!(users[0].reason.as_deref(), Some("users may not be read"));
    assert!(points(&process, "fake_events").await.iter().all(|point| point.value.is_some()));
    let view = process.connections.list("default").await.unwrap().remove(0);
    assert_eq!(view.state, "degraded");
    assert!(view.reason.unwrap().contains("fake_users: users may not be read"));
    script.behave(Behaviour::Answer);
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
    assert!(points(&process, "fake_users").await.iter().all(|point| point.value.is_some()));
}

async fn a_failure_keeps_old_values_and_marks_them_stale(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.run("main").await;
    script.behave(Behaviour::Fail(Error::new(FailureKind::Unavailable, "no answer")));
    let run = process.run("main").await;
    assert_eq!(run.status, RunStatus::Failed);
    assert_eq!(run.error.unwrap().kind, FailureKind::Unavailable);
    let events = points(&process, "fake_events").await;
    assert!(events.iter().all(|point| point.value.is_some()), "last good values stand");
    assert!(events[29].stale && !events[0].stale, "what was to be read again is stale");
    assert_eq!(process.connections.list("default").await.unwrap()[0].state, "failing");
    script.behave(Behaviour::Answer);
    process.run("main").await;
    assert!(points(&process, "fake_events").await.iter().all(|point| !point.stale));
    assert_eq!(process.connections.list("default").await.unwrap()[0].state, "ok");
}

async fn being_asked_to_wait_counts_no_failure(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    let until = "2026-03-31T13:00:00Z".parse().unwrap();
    script.behave(Behaviour::Fail(Error::rate_limited(until, "the limit is reached")));
    let run = process.run("main").await;
    assert_eq!((run.status, run.retry_at), (RunStatus::RateLimited, Some(until)));
    let view = process.connections.list("default").await.unwrap().remove(0);
    assert_eq!((view.state.as_str(), view.until, view.next_sync_at), ("rate_limited", Some(until), Some(until)));
    let events = points(&process, "fake_events").await;
    assert!(events.iter().all(|point| point.state == State::Pending), "asked for, not yet read");
}

async fn refused_credentials_ask_to_reconnect_and_reconnecting_keeps_history(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.run("main").await;
    let before = everything(&process).await;
    script.behave(Behaviour::Fail(Error::new(FailureKind::Unauthorized, "the key is refused")));
    assert_eq!(process.run("main").await.status, RunStatus::Failed);
    assert_eq!(process.connections.list("default").await.unwrap()[0].state, "needs_reconnect");
    assert_eq!(everything(&process).await, before, "no value is lost");
    script.behave(Behaviour::Answer);
    let credentials = [("api_key".to_owned(), Secret::new("another"))].into();
    process.connections.reconnect("default", "MAIN", credentials).await.unwrap();
    assert_eq!(process.connections.list("default").await.unwrap()[0].state, "ok");
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
    assert_eq!(everything(&process).await, before);
}

async fn a_panic_is_that_runs_failure_and_no_secret_is_told(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    script.behave(Behaviour::Panic);
    let run = process.run("main").await;
    assert_ne!(run.status, RunStatus::Ok);
    let told = serde_json::to_string(&run).unwrap();
    assert!(told.contains("panicked") && !told.contains("canary"), "{told}");
    script.behave(Behaviour::Answer);
    assert_eq!(process.run("main").await.status, RunStatus::Ok, "the process goes on");
}

async fn an_integration_that_leaves_days_out_is_found_out(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    script.behave(Behaviour::Lie);
    let run = process.run("main").await;
    assert_eq!(run.status, RunStatus::Failed);
    let events = points(&process, "fake_events").await;
    assert!(events.iter().all(|point| point.state == State::Failed(FailureKind::Internal)));
}

async fn what_is_not_included_is_said_and_the_rest_is_read(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    script.behave(Behaviour::Unsupported("fake_users"));
    let run = process.run("main").await;
    assert_eq!((run.status, outcome(&run, "fake_users")), (RunStatus::Ok, OutcomeWord::Unsupported));
    assert_eq!(outcome(&run, "fake_events"), OutcomeWord::Ok);
    assert_eq!(process.connections.list("default").await.unwrap().remove(0).state, "ok");
    let users = points(&process, "fake_users").await;
    assert!(users.iter().all(|point| point.state == State::Unsupported));
    assert_eq!(users[0].reason.as_deref(), Some("the plan does not include it"));
    script.take_calls();
    process.run("main").await;
    let asked: Vec<_> =
        script.take_calls().into_iter().filter(|(ids, _)| ids.contains(&"fake_users".to_owned())).collect();
    assert_eq!(asked.len(), 1, "one window is tried again, not all of them");
    script.behave(Behaviour::Answer);
    process.run("main").await;
    assert!(
        points(&process, "fake_users").await.iter().all(|point| point.value.is_some()),
        "all of it, once it is had"
    );
}

async fn changed_settings_read_their_stream_again(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.run("main").await;
    script.take_calls();
    script.shift(1);
    process.connections.set("default", "main", &[("flavour".into(), "other".into())]).await.unwrap();
    process.run("main").await;
    let events = points(&process, "fake_events").await;
    for point in &events {
        assert_eq!(point.value, Some(Number::Integer(value_of(point.date) + 1)));
    }
    let account_calls = script.take_calls().into_iter().filter(|(ids, _)| ids[0] == "fake_total").count();
    assert_eq!(account_calls, 1, "a stream that the setting does not affect is only kept up to date");
}

async fn a_wrong_master_key_locks_credentials_and_destroys_nothing(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.run("main").await;
    let before = everything(&process).await;
    let clock = dashtray::clock::Clock::ticking_from(now());
    let wrong = Process::start_with(&db, fake(&script), clock, &"ab".repeat(32)).await;
    let run = wrong.run("main").await;
    assert_eq!(run.status, RunStatus::Failed);
    assert_eq!(wrong.connections.list("default").await.unwrap()[0].state, "credentials_unreadable");
    let error = wrong.connections.test("default", "main").await.unwrap_err();
    assert!(matches!(error, connections::Error::Unreadable { .. }), "{error}");
    assert_eq!(everything(&wrong).await, before);
    let right = Process::start(&db, fake(&script), NOW).await;
    assert_eq!(right.run("main").await.status, RunStatus::Ok, "with the right key all is well again");
}

async fn a_named_range_is_read_again(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    process.run("main").await;
    script.take_calls();
    let day = |text: &str| Some(text.parse::<Day>().unwrap());
    let range = Range { from: day("2026-03-05"), to: day("2026-03-06") };
    assert_eq!(process.run_range("main", range).await.status, RunStatus::Ok);
    let calls: Vec<String> = script.take_calls().iter().map(|(_, period)| period.to_string()).collect();
    assert_eq!(calls, ["[2026-03-05, 2026-03-07)"]);
    let backwards = Range { from: day("2026-03-06"), to: day("2026-03-05") };
    let stop = tokio_util::sync::CancellationToken::new();
    let error = process.sync.sync_now("default", &[], backwards, &stop, std::sync::Arc::new(|_| {})).await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("runs backwards"), "{error}");
}

async fn the_same_account_is_connected_once(db: Database) {
    let script = Script::new();
    let process = connected(&db, &script).await;
    let request = connections::ConnectRequest {
        project: "default".into(),
        integration_id: "fake".into(),
        name: None,
        credentials: [("api_key".to_owned(), Secret::new("x"))].into(),
        settings: serde_json::Map::new(),
    };
    let error = process.connections.connect(request.clone()).await.unwrap_err();
    assert!(error.to_string().contains("connected already as \"main\""), "{error}");
    let mut unknown = request;
    unknown.integration_id = "fakee".into();
    unknown.settings.insert("flavor".into(), "x".into());
    let error = process.connections.connect(unknown.clone()).await.unwrap_err();
    assert_eq!(error.to_string(), "Integration not found: fakee. Did you mean fake?");
    unknown.integration_id = "fake".into();
    let error = process.connections.connect(unknown).await.unwrap_err();
    assert!(error.to_string().contains("there is no field \"flavor\"; did you mean \"flavour\"?"), "{error}");
}
