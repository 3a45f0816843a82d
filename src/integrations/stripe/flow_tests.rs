//! The balance and charges against a scripted Stripe: read whole, then followed.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value as Json, json};

use super::{Stripe, scripted::Script};
use crate::{
    integrations::{
        Context, Integration, Outcome,
        testing::{Recorder, context},
    },
    metric::{Day, Period, Sample},
};

/// 2026-03-15T12:00:00Z.
const NOW: i64 = 1_773_576_000;
const MINUTE: i64 = 60;
const BALANCE: &str = "/v1/balance_transactions";
const CHARGES: &str = "/v1/charges";
const EVENTS: &str = "/v1/events";

async fn connect(script: &Script) -> (Context, Arc<Recorder>) {
    context(&Stripe, script.serve().await, &[("api_key", "rk_test_x")], json!({}), "2026-03-15T12:00:00Z")
}

/// The same connection in a later run.
fn later(ctx: &Context, seconds: i64) -> Context {
    let mut later = ctx.clone();
    later.now = jiff::Timestamp::from_second(NOW + seconds).unwrap();
    later
}

/// Asks for some days up to that of the run.
async fn sync_days(ctx: &Context, days: i32, metrics: &[&str]) {
    let descriptor = Stripe.descriptor();
    let of_flows = descriptor.metrics.iter().filter(|metric| matches!(metric.stream.as_str(), "balance" | "charges"));
    let wanted: Vec<String> = of_flows
        .map(|metric| metric.id.clone())
        .filter(|id| metrics.is_empty() || metrics.contains(&id.as_str()))
        .collect();
    let period = Period::inclusive(ctx.today().plus(1 - days), ctx.today());
    let report = Stripe.fetch_metrics(ctx, &wanted, period).await.unwrap();
    assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{report:?}");
}

async fn sync(ctx: &Context) {
    sync_days(ctx, 4, &[]).await;
}

/// What was last answered for each metric and day.
fn figures(recorder: &Recorder) -> BTreeMap<(String, Day), Vec<Sample>> {
    let mut figures = BTreeMap::new();
    for answer in recorder.recorded().answers {
        for day in answer.period.days() {
            let samples: Vec<Sample> = answer.samples.iter().filter(|sample| sample.day == day).cloned().collect();
            figures.insert((answer.metric_id.clone(), day), samples);
        }
        assert!(answer.samples.iter().all(|sample| answer.period.contains(sample.day)));
    }
    figures
}

/// Fails unless what was last told is what a connection tells that was just made.
async fn assert_as_fresh(script: &Script, ctx: &Context, recorder: &Recorder, days: i32) {
    let (fresh, fresh_recorder) = connect(script).await;
    sync_days(&later(&fresh, ctx.now.as_second() - NOW), days, &[]).await;
    assert_eq!(figures(recorder), figures(&fresh_recorder));
    script.asked();
}

fn transaction(n: i64, created: i64) -> Json {
    let (kind, amount) = if n % 5 == 0 { ("refund", -100 - n) } else { ("charge", 1000 + n) };
    let currency = if n % 7 == 0 { "jpy" } else { "eur" };
    json!({"id": format!("txn_{n}"), "created": created, "currency": currency, "amount": amount, "fee": 10 + n % 3,
        "net": amount - 10 - n % 3, "type": kind, "reporting_category": kind})
}

fn charge(n: i64, created: i64, status: &str) -> Json {
    json!({"id": format!("ch_{n}"), "created": created, "status": status})
}

/// Enough of both for several pages of each of the last days, one every ten minutes.
fn busy() -> Script {
    let script = Script::empty();
    for n in 1..=400 {
        add(&script, n, NOW - (401 - n) * 10 * MINUTE);
    }
    script
}

fn add(script: &Script, n: i64, created: i64) {
    script.add(BALANCE, transaction(n, created));
    script.add(CHARGES, charge(n, created, if n % 4 == 0 { "failed" } else { "succeeded" }));
}

fn asked(script: &Script, path: &str) -> usize {
    script.asked().iter().filter(|asked| asked.split(' ').next() == Some(path)).count()
}

#[tokio::test]
async fn where_nothing_happened_one_request_a_stream_says_so() {
    // Also after a first reading of more days.
    for days in [4, 30] {
        let script = busy();
        let (ctx, recorder) = connect(&script).await;
        sync_days(&ctx, days, &[]).await;
        assert!(script.asked().len() >= 8);
        let (told, checkpoints) = (figures(&recorder), recorder.recorded().checkpoints);
        assert_eq!(checkpoints.len(), 2);
        sync(&later(&ctx, 30 * MINUTE)).await;
        assert_eq!(script.asked().len(), 2);
        assert_eq!(figures(&recorder), told);
        assert_eq!(recorder.recorded().checkpoints, checkpoints);
    }
    let script = Script::of_fixtures();
    let (ctx, recorder) = connect(&script).await;
    sync(&ctx).await;
    script.asked();
    sync(&later(&ctx, 30 * MINUTE)).await;
    assert_eq!(script.asked().len(), 2);
    assert!(recorder.recorded().checkpoints.is_empty(), "a page is read whole each time");
}

#[tokio::test]
async fn what_is_new_is_added_to_what_was_read() {
    let script = busy();
    let (ctx, recorder) = connect(&script).await;
    sync_days(&ctx, 4, &["stripe_fees", "stripe_failed_payments"]).await;
    for round in 1..=5 {
        for n in 0..40 {
            add(&script, 1000 * round + n, NOW + round * 30 * MINUTE + n / 3);
        }
        script.asked();
        let ctx = later(&ctx, (round + 1) * 30 * MINUTE);
        sync(&ctx).await;
        assert_eq!(script.asked().len(), 2);
        assert_as_fresh(&script, &ctx, &recorder, 4).await;
    }
    // More than a page: nobody knows what lies between.
    for n in 0..100 {
        add(&script, 9000 + n, NOW + 300 * MINUTE + n);
    }
    let ctx = later(&ctx, 320 * MINUTE);
    sync(&ctx).await;
    assert!(asked(&script, BALANCE) > 2);
    assert_as_fresh(&script, &ctx, &recorder, 4).await;
}

#[tokio::test]
async fn what_comes_late_is_seen_on_the_first_page_at_once_and_elsewhere_on_the_next_day() {
    let script = busy();
    let (ctx, recorder) = connect(&script).await;
    sync(&ctx).await;
    add(&script, 500, NOW - 55 * MINUTE);
    let ctx = later(&ctx, 30 * MINUTE);
    sync(&ctx).await;
    assert!(asked(&script, BALANCE) > 2);
    assert_as_fresh(&script, &ctx, &recorder, 4).await;
    add(&script, 501, NOW - 2000 * MINUTE);
    let told = figures(&recorder);
    sync(&later(&ctx, 60 * MINUTE)).await;
    assert_eq!(figures(&recorder), told);
    let next = later(&ctx, 12 * 60 * MINUTE);
    sync(&next).await;
    assert_ne!(figures(&recorder), told);
    let (fresh, fresh_recorder) = connect(&script).await;
    sync(&later(&fresh, 12 * 60 * MINUTE)).await;
    let told = figures(&recorder);
    assert!(figures(&fresh_recorder).iter().all(|(day, samples)| told[day] == *samples));
}

#[tokio::test]
async fn more_days_are_read_anew() {
    let script = busy();
    let (ctx, recorder) = connect(&script).await;
    sync(&ctx).await;
    script.asked();
    sync_days(&ctx, 5, &[]).await;
    assert!(asked(&script, BALANCE) > 1);
    assert_as_fresh(&script, &ctx, &recorder, 5).await;
}

#[tokio::test]
async fn an_entry_that_two_pages_show_counts_once_and_one_that_comes_meanwhile_comes_next() {
    let script = busy();
    script.before(2, BALANCE, |script| {
        // The last of the first page again, as the first of the second.
        script.add(BALANCE, transaction(301, NOW - 100 * 10 * MINUTE));
        add(script, 600, NOW + 1);
    });
    let (ctx, recorder) = connect(&script).await;
    sync(&ctx).await;
    assert!(script.asked().len() > 8);
    script.remove(BALANCE, "txn_301").add(BALANCE, transaction(301, NOW - 100 * 10 * MINUTE));
    let ctx = later(&ctx, 30 * MINUTE);
    sync(&ctx).await;
    assert_as_fresh(&script, &ctx, &recorder, 4).await;
}

#[tokio::test]
async fn charges_that_were_pending_are_counted_when_they_are_decided() {
    let decide = |script: &Script, n: i64, status: &str, at: i64| {
        let decided = charge(n, NOW - (401 - n) * 10 * MINUTE, status);
        let kind = format!("charge.{status}");
        script
            .remove(CHARGES, &format!("ch_{n}"))
            .add(CHARGES, decided.clone())
            .add(EVENTS, json!({"id": format!("evt_{n}"), "created": at, "type": kind, "data": {"object": decided}}));
    };
    for may_read_events in [true, false] {
        let script = busy();
        for n in [20, 21, 22, 399] {
            let pending = charge(n, NOW - (401 - n) * 10 * MINUTE, "pending");
            script.remove(CHARGES, &format!("ch_{n}")).add(CHARGES, pending);
        }
        if !may_read_events {
            script.forbid(EVENTS);
        }
        let (ctx, recorder) = connect(&script).await;
        sync(&ctx).await;
        let mut minutes = 0;
        for (n, status) in [(20, "succeeded"), (399, "failed"), (21, "failed"), (22, "succeeded")] {
            decide(&script, n, status, NOW + minutes * MINUTE + 5);
            minutes += 30;
            let ctx = later(&ctx, minutes * MINUTE);
            script.asked();
            sync(&ctx).await;
            let count = script.asked().len();
            assert!(if may_read_events { count <= 3 } else { count > 5 }, "{count}");
            assert_as_fresh(&script, &ctx, &recorder, 4).await;
        }
        sync(&later(&ctx, minutes * MINUTE + 1)).await;
        assert_eq!(asked(&script, EVENTS), 0, "none is open");
    }
}
