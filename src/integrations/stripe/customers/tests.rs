//! Customers against a scripted Stripe: walked, followed, and walked again.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value as Json, json};

use super::{super::scripted::Script, CHANGED, STREAM, discounts};
use crate::{
    integrations::{
        Context, FetchReport, Integration, Outcome,
        stripe::{Stripe, codec::decode},
        testing::{Recorder, context},
    },
    metric::{Day, FailureKind, Period, Quality, Value},
};

/// 2026-03-15T12:00:00Z.
const NOW: i64 = 1_773_576_000;
const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
const LIST: &str = "/v1/customers";
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

/// Asks for all days up to that of the run.
async fn sync(ctx: &Context) -> FetchReport {
    let metrics = ["stripe_customers".to_owned(), "stripe_new_customers".to_owned()];
    let period = Period::inclusive("2026-02-01".parse().unwrap(), ctx.today());
    Stripe.fetch_metrics(ctx, &metrics, period).await.unwrap()
}

/// The same, and it must work and find nothing wrong.
async fn sync_well(ctx: &Context) {
    let report = sync(ctx).await;
    assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{report:?}");
    assert_eq!(report.corrections, []);
}

/// What was last answered: by metric and day, the count and whether it is exact.
fn figures(recorder: &Recorder) -> BTreeMap<(String, Day), (i64, bool)> {
    let mut figures = BTreeMap::new();
    for answer in recorder.recorded().answers {
        for day in answer.period.days() {
            figures.insert((answer.metric_id.clone(), day), (0, true));
        }
        for sample in answer.samples {
            let Some(Value::Count(count)) = sample.value else { panic!("{sample:?}") };
            let told = (count, sample.quality == Quality::Exact);
            figures.insert((answer.metric_id.clone(), sample.day), told).unwrap();
        }
    }
    figures
}

fn figure(recorder: &Recorder, metric_id: &str, day: &str) -> (i64, bool) {
    figures(recorder)[&(metric_id.to_owned(), day.parse().unwrap())]
}

/// What a connection knows: who is new by day, how many there are, and whose discounts.
async fn knowledge(ctx: &Context, recorder: &Recorder) -> (Vec<(Day, i64)>, i64, BTreeMap<String, String>) {
    let figures = figures(recorder);
    let new = figures.iter().filter(|((metric_id, _), _)| metric_id == "stripe_new_customers");
    let new = new.map(|((_, day), (count, _))| (*day, *count)).collect();
    let keys: Vec<String> = recorder.recorded().records.into_keys().map(|(_, key)| key).collect();
    let customers: Vec<String> = keys.into_iter().filter(|key| key.starts_with("cus_")).collect();
    let discounts = discounts::of(ctx, &customers).await.unwrap();
    let discounts = discounts.into_iter().map(|(customer, discount)| (customer, format!("{discount:?}"))).collect();
    (new, figures[&("stripe_customers".to_owned(), ctx.today())].0, discounts)
}

/// Fails unless the connection knows the same as one that was just made.
async fn assert_as_fresh(script: &Script, ctx: &Context, recorder: &Recorder) {
    let (fresh, fresh_recorder) = connect(script).await;
    let fresh = later(&fresh, ctx.now.as_second() - NOW);
    sync_well(&fresh).await;
    assert_eq!(knowledge(ctx, recorder).await, knowledge(&fresh, &fresh_recorder).await);
    script.asked();
}

/// Customers whose discounts may have changed, with since when, and forgets them.
fn changed(recorder: &Recorder) -> Vec<(String, i64)> {
    let records = recorder.recorded().records;
    let of = |((stream, key), record): ((String, String), crate::integrations::Record)| {
        let customer = key.strip_prefix(CHANGED).filter(|_| stream == STREAM)?;
        Some((customer.to_owned(), decode(&record.bytes).unwrap()))
    };
    records.into_iter().filter_map(of).collect()
}

fn customer(id: &str, created: i64, off: Option<i64>) -> Json {
    let discount = off.map(|off| {
        json!({"id": format!("di_{id}_{off}"), "start": created, "end": null,
            "source": {"type": "coupon", "coupon": {"id": format!("off_{off}"), "percent_off": off, "duration": "forever"}}})
    });
    json!({"id": id, "created": created, "discount": discount})
}

fn event(id: &str, created: i64, kind: &str, object: &Json) -> Json {
    json!({"id": id, "created": created, "type": kind, "data": {"object": object}})
}

fn discounted(id: &str, created: i64, customer: &str) -> Json {
    event(id, created, "customer.discount.updated", &json!({"id": "di", "customer": customer, "subscription": null}))
}

/// Twelve customers, one every ten days; every third has a discount.
fn account() -> Script {
    let script = Script::empty();
    for n in 0..12 {
        let created = NOW - (12 - n) * 10 * DAY + HOUR;
        script.add(LIST, customer(&format!("cus_{n:02}"), created, (n % 3 == 0).then_some(10 + n)));
    }
    let newest = NOW - 10 * DAY + HOUR;
    script.add(EVENTS, event("evt_old", newest, "customer.created", &customer("cus_11", newest, None)));
    script
}

fn create(script: &Script, id: &str, at: i64) {
    let created = customer(id, at, None);
    script.add(EVENTS, event(&format!("evt_{id}_new"), at, "customer.created", &created)).add(LIST, created);
}

fn delete(script: &Script, n: i64, at: i64) {
    let id = format!("cus_{n:02}");
    let gone = customer(&id, NOW - (12 - n) * 10 * DAY + HOUR, None);
    script.remove(LIST, &id).add(EVENTS, event(&format!("evt_{id}_gone"), at, "customer.deleted", &gone));
}

/// Gives a customer of the account another discount, or none.
fn rediscount(script: &Script, n: i64, off: Option<i64>) {
    let id = format!("cus_{n:02}");
    script.remove(LIST, &id).add(LIST, customer(&id, NOW - (12 - n) * 10 * DAY + HOUR, off));
}

#[tokio::test]
async fn where_nothing_happened_one_request_says_so() {
    let script = account();
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    let asked = script.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    let told = figures(&recorder);
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-15"), (12, true));
    assert_eq!(recorder.recorded().records.len(), 4, "discounts alone are kept");

    sync_well(&later(&ctx, HOUR)).await;
    let asked = script.asked();
    assert_eq!(asked.len(), 1);
    let since = NOW - 10 * DAY + HOUR - 600;
    assert!(asked[0].starts_with("/v1/events types[]=customer.created&types[]=customer.deleted&"), "{}", asked[0]);
    assert!(asked[0].ends_with(&format!("&created[gte]={since}&limit=100")), "{}", asked[0]);
    assert_eq!(figures(&recorder), told);
}

#[tokio::test]
async fn what_happened_is_followed_and_comes_to_the_same_as_a_fresh_walk() {
    let script = account();
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    create(&script, "cus_a", NOW + 100);
    create(&script, "cus_b", NOW + 100);
    delete(&script, 11, NOW + 200);
    delete(&script, 3, NOW + 300);
    create(&script, "cus_c", NOW + 400);
    script.remove(LIST, "cus_c");
    script.add(EVENTS, event("evt_c", NOW + 500, "customer.deleted", &customer("cus_c", NOW + 400, None)));
    rediscount(&script, 4, Some(44));
    rediscount(&script, 6, None);
    script.add(EVENTS, discounted("evt_4", NOW + 600, "cus_04")).add(EVENTS, discounted("evt_6", NOW + 700, "cus_06"));
    script.add(EVENTS, discounted("evt_4_again", NOW + 650, "cus_04"));
    script.asked();

    let ctx = later(&ctx, HOUR);
    sync_well(&ctx).await;
    let asked = script.asked();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with(EVENTS)).count(), 1);
    assert_eq!(asked.len(), 3, "one more for each customer whose discount changed: {asked:?}");
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-15"), (12, true));
    assert_eq!(changed(&recorder), [("cus_04".to_owned(), NOW + 650), ("cus_06".to_owned(), NOW + 700)]);
    assert_as_fresh(&script, &ctx, &recorder).await;

    // The events of the last minutes are shown again.
    create(&script, "cus_d", NOW + 800);
    let ctx = later(&ctx, HOUR + 100);
    sync_well(&ctx).await;
    assert_eq!(script.asked().len(), 1);
    assert_as_fresh(&script, &ctx, &recorder).await;
}

#[tokio::test]
async fn discounts_of_subscriptions_and_simulated_customers_are_no_news() {
    let script = account();
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    let of_subscription = json!({"id": "di", "customer": "cus_01", "subscription": "sub_1"});
    let simulated = json!({"id": "cus_x", "created": NOW + 1, "test_clock": "clock_1"});
    script
        .add(EVENTS, event("evt_1", NOW + 1, "customer.discount.created", &of_subscription))
        .add(EVENTS, event("evt_2", NOW + 2, "customer.created", &simulated))
        .add(EVENTS, event("evt_3", NOW + 3, "customer.deleted", &simulated))
        .asked();
    sync_well(&later(&ctx, HOUR)).await;
    assert_eq!(script.asked().len(), 1);
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-15"), (12, true));
}

#[tokio::test]
async fn what_happens_while_a_walk_goes_on_is_counted_once() {
    // Each page has one customer, so that the n-th request is made while some were met and others were not.
    for n in 1..=12 {
        let script = account();
        script.page_of(1);
        let (ctx, recorder) = connect(&script).await;
        let happen = |at: i64| {
            move |script: &Script| {
                create(script, &format!("cus_a{at}"), NOW + at);
                let [first, second] = if at == 0 { [11, 3] } else { [10, 5] };
                delete(script, first, NOW + at + 1);
                delete(script, second, NOW + at + 1);
                let changed = if at == 0 { 6 } else { 9 };
                rediscount(script, changed, Some(20 + at));
                script.add(EVENTS, discounted(&format!("evt_d{at}"), NOW + at + 2, &format!("cus_{changed:02}")));
            }
        };
        script.before(n, LIST, happen(0));
        sync_well(&ctx).await;
        assert_as_fresh(&script, &ctx, &recorder).await;
        // The same while everything is walked again: no difference is reported.
        script.before(n.min(9), LIST, happen(5));
        let ctx = later(&ctx, DAY);
        sync_well(&ctx).await;
        let recorded = recorder.recorded();
        assert!(recorded.records.keys().all(|(_, key)| !key.starts_with("met:")), "a walk tidies up");
        assert_as_fresh(&script, &ctx, &recorder).await;
    }
}

#[tokio::test]
async fn a_walk_that_was_cut_short_goes_on() {
    for n in 2..=12 {
        let script = account();
        script.page_of(1).before(n, LIST, |script| {
            script.forbid(LIST);
        });
        let (ctx, recorder) = connect(&script).await;
        let report = sync(&ctx).await;
        assert!(matches!(report.outcomes["stripe_customers"], Outcome::Failed(_)));
        assert_eq!(recorder.recorded().answers, [], "half a walk says nothing");
        delete(&script, 11, NOW + 10);
        delete(&script, 2, NOW + 10);
        rediscount(&script, 9, None);
        script.add(EVENTS, discounted("evt_9", NOW + 10, "cus_09"));
        create(&script, "cus_new", NOW + 20);
        script.allow(LIST).asked();
        let ctx = later(&ctx, HOUR);
        sync_well(&ctx).await;
        let asked = script.asked().into_iter().filter(|asked| asked.starts_with(LIST)).count();
        assert!(asked < 12 + 4, "{asked}");
        assert_as_fresh(&script, &ctx, &recorder).await;
    }
}

#[tokio::test]
async fn a_walk_that_was_left_for_a_day_begins_anew() {
    let script = account();
    script.page_of(1).before(5, LIST, |script| {
        script.forbid(LIST);
    });
    let (ctx, recorder) = connect(&script).await;
    sync(&ctx).await;
    script.allow(LIST);
    let ctx = later(&ctx, 2 * DAY);
    sync_well(&ctx).await;
    assert!(recorder.recorded().records.keys().all(|(_, key)| !key.starts_with("met:")));
    assert_as_fresh(&script, &ctx, &recorder).await;
}

#[tokio::test]
async fn once_a_day_all_are_walked_and_what_differs_is_put_right_and_told() {
    let script = account();
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    // None of this has an event.
    script.remove(LIST, "cus_01").remove(LIST, "cus_11").add(LIST, customer("cus_x", NOW - 3 * DAY, None));
    rediscount(&script, 3, Some(33));
    rediscount(&script, 4, Some(44));
    rediscount(&script, 6, None);
    script.asked();
    sync_well(&later(&ctx, DAY - 1)).await;
    assert_eq!(script.asked().len(), 1, "not yet");
    let ctx = later(&ctx, DAY);
    let report = sync(&ctx).await;
    let [correction] = &report.corrections[..] else { panic!("{report:?}") };
    assert_eq!((correction.stream.as_str(), correction.count), ("customers", 3 + 3));
    assert_eq!(correction.message, "6 customers differed from what was kept and were corrected");
    let told: Vec<String> = changed(&recorder).into_iter().map(|(customer, _)| customer).collect();
    assert_eq!(told, ["cus_03", "cus_04", "cus_06"]);
    assert_as_fresh(&script, &ctx, &recorder).await;
    sync_well(&later(&ctx, DAY + HOUR)).await;
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn without_events_all_are_walked_each_time() {
    let script = account();
    script.forbid(EVENTS);
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    delete(&script, 11, NOW + 10);
    rediscount(&script, 4, Some(44));
    script.asked();
    let ctx = later(&ctx, HOUR);
    sync_well(&ctx).await;
    assert_eq!(script.asked().len(), 2, "whether events may be read by now, and a page");
    assert_eq!(changed(&recorder), [("cus_04".to_owned(), NOW + HOUR)]);
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-15"), (11, true));
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-14"), (11, false));
    assert_as_fresh(&script, &ctx, &recorder).await;
    // A permission that is taken away costs nothing but requests.
    script.allow(EVENTS);
    sync_well(&later(&ctx, 2 * HOUR)).await;
    script.forbid(EVENTS);
    create(&script, "cus_a", NOW + 10_000);
    sync_well(&later(&ctx, 3 * HOUR)).await;
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-15"), (12, true));
}

#[tokio::test]
async fn what_was_followed_weeks_ago_is_not_compared() {
    let script = account();
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    // Its event is forgotten by now.
    script.remove(LIST, "cus_05").asked();
    let ctx = later(&ctx, 25 * DAY);
    sync_well(&ctx).await;
    assert_eq!(figure(&recorder, "stripe_customers", "2026-04-09"), (11, true));
    assert_eq!(figure(&recorder, "stripe_customers", "2026-04-08"), (11, false), "who knows");
    // A day less, and it would have been told.
    let script = account();
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    delete(&script, 5, NOW + 20 * DAY);
    script.remove(LIST, "cus_06");
    let ctx = later(&ctx, 25 * DAY - 1);
    let report = sync(&ctx).await;
    assert_eq!(report.corrections.iter().map(|correction| correction.count).sum::<u64>(), 2, "{report:?}");
    assert_eq!(figure(&recorder, "stripe_customers", "2026-04-03"), (11, true));
    assert_eq!(figure(&recorder, "stripe_customers", "2026-04-04"), (10, true));
}

#[tokio::test]
async fn the_number_on_each_day_follows_from_who_came_and_went() {
    let script = account();
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    // cus_11 came on 2026-03-05 and cus_10 on 2026-02-23.
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-14"), (12, false), "who was deleted is not known");
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-04"), (11, false));
    assert_eq!(figure(&recorder, "stripe_new_customers", "2026-03-05"), (1, true));
    create(&script, "cus_a", NOW + DAY);
    delete(&script, 11, NOW + DAY + HOUR);
    script.remove(LIST, "cus_a");
    let gone = customer("cus_a", NOW + DAY, None);
    script.add(EVENTS, event("evt_a_gone", NOW + 2 * DAY, "customer.deleted", &gone));
    let ctx = later(&ctx, 2 * DAY + HOUR);
    sync_well(&ctx).await;
    let level = |day: &str| figure(&recorder, "stripe_customers", day);
    assert_eq!([level("2026-03-15"), level("2026-03-16"), level("2026-03-17")], [(12, true), (12, true), (11, true)]);
    assert_eq!(figure(&recorder, "stripe_new_customers", "2026-03-05"), (0, true), "as a walk would find it");
    assert_eq!(level("2026-03-14"), (12, false));
}

#[tokio::test]
async fn a_run_reads_customers_once() {
    let script = account();
    let (ctx, _) = connect(&script).await;
    sync_well(&ctx).await;
    script.asked();
    let period = Period::single(ctx.today());
    super::read(&ctx, &[], period).await.unwrap();
    assert_eq!(script.asked(), [""; 0]);
    super::read(&later(&ctx, 60), &[], period).await.unwrap();
    assert_eq!(script.asked().len(), 1);
    // More days are wanted than were kept.
    let more = Period::inclusive("2025-01-01".parse().unwrap(), ctx.today());
    super::read(&later(&ctx, 120), &["stripe_new_customers"], more).await.unwrap();
    assert_eq!(script.asked().len(), 3);
}

#[tokio::test]
async fn an_account_without_customers_and_events_is_followed_from_its_first() {
    let script = Script::empty();
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-15"), (0, true));
    create(&script, "cus_a", NOW - 5);
    create(&script, "cus_b", NOW + 5);
    let ctx = later(&ctx, HOUR);
    sync_well(&ctx).await;
    assert_as_fresh(&script, &ctx, &recorder).await;
}

#[tokio::test]
async fn customers_that_share_a_second_with_the_newest_count_once() {
    let script = Script::empty();
    script.add(LIST, customer("cus_1", NOW - 5, None)).add(LIST, customer("cus_0", NOW - DAY, None)).page_of(1);
    // It comes in the same second, after the first page was read.
    script.before(2, LIST, |script| create(script, "cus_2", NOW - 5));
    script.add(EVENTS, event("evt_1", NOW - 5, "customer.created", &customer("cus_1", NOW - 5, None)));
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    assert_as_fresh(&script, &ctx, &recorder).await;
    let ctx = later(&ctx, 60);
    sync_well(&ctx).await;
    assert_eq!(figure(&recorder, "stripe_customers", "2026-03-15"), (3, true));
}

#[tokio::test]
async fn an_event_that_cannot_be_read_fails_the_stream_and_changes_nothing() {
    let script = account();
    let (ctx, recorder) = connect(&script).await;
    sync_well(&ctx).await;
    let before = recorder.recorded().checkpoints;
    script.add(EVENTS, event("evt_x", NOW, "customer.deleted", &json!("no object")));
    let report = sync(&later(&ctx, HOUR)).await;
    let Outcome::Failed(error) = &report.outcomes["stripe_customers"] else { panic!("{report:?}") };
    assert_eq!(error.kind(), FailureKind::InvalidResponse);
    assert_eq!(recorder.recorded().checkpoints, before);
}
