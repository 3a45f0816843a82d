//! The integration against a scripted Stripe, through the real HTTP layer.

mod connection;
mod following;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value as Json, json};

use super::{Stripe, scripted::Script};
use crate::{
    integrations::{
        Context, Integration, Outcome, check_credentials,
        testing::{Recorded, Recorder, context},
    },
    metric::{Answer, Currency, Day, FailureKind, Kind, Period, Quality, Receipt, Scope, Value, exact},
    secret::Secret,
};

const NOW: &str = "2026-03-15T12:00:00Z";

async fn connect(script: &Script, settings: Json) -> (Context, Arc<Recorder>) {
    context(&Stripe, script.serve().await, &[("api_key", "rk_test_x")], settings, NOW)
}

fn all() -> Vec<String> {
    Stripe.descriptor().metrics.iter().map(|metric| metric.id.clone()).collect()
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn days(first: &str, last: &str) -> Period {
    Period::inclusive(first.parse().unwrap(), last.parse().unwrap())
}

fn last_90_days() -> Period {
    days("2025-12-16", "2026-03-15")
}

/// What was last answered about a metric, as `day value currency dimension`: of levels and of what hangs on them that
/// of the newest day, of the rest all that is not zero.
fn lines(recorded: &Recorded, metric_id: &str) -> Vec<String> {
    let definition = Stripe.descriptor().metric(metric_id).unwrap().clone();
    let is_level =
        definition.kind == Kind::Level || (definition.kind == Kind::Ratio && definition.stream == "subscriptions");
    let mut last: BTreeMap<(Day, String, String), Value> = BTreeMap::new();
    for answer in recorded.answers.iter().filter(|answer| answer.metric_id == metric_id) {
        last.retain(|(day, _, _), _| !answer.period.contains(*day));
        for sample in &answer.samples {
            let Some(value) = sample.value else { continue };
            let currency = value.currency().map(|c| format!(" {c}")).unwrap_or_default();
            let dimension = sample.dimension.as_ref().map(|d| format!(" {d}")).unwrap_or_default();
            last.insert((sample.day, dimension, currency), value);
        }
    }
    let newest: Day = NOW.get(..10).unwrap().parse().unwrap();
    let shown = last.iter().filter(|((day, _, _), value)| if is_level { *day == newest } else { !value.is_zero() });
    shown
        .map(|((day, dimension, currency), value)| {
            format!("{day} {}{currency}{dimension}", value.normalised(definition.unit).unwrap())
        })
        .collect()
}

/// Everything that was answered, for comparing two runs.
fn sorted(recorded: &Recorded) -> Vec<Answer> {
    let mut answers = recorded.answers.clone();
    answers.sort_by(|a, b| a.metric_id.cmp(&b.metric_id).then(a.period.start().cmp(&b.period.start())));
    answers
}

fn receipt<'a>(recorded: &'a Recorded, metric_id: &str, currency: &str) -> &'a Receipt {
    let currency: Currency = currency.parse().unwrap();
    let of = |receipt: &&Receipt| receipt.metric_id == metric_id && receipt.currency == Some(currency);
    recorded.receipts.iter().rfind(of).unwrap()
}

#[tokio::test]
async fn a_whole_sync_gives_every_metric_its_numbers() {
    let script = Script::of_fixtures();
    let (ctx, recorder) = connect(&script, json!({})).await;
    let report = Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
    assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Ok), "{report:?}");
    assert_eq!(report.outcomes.len(), all().len());
    let recorded = recorder.recorded();
    let is = |metric_id: &str, expected: &[&str]| assert_eq!(lines(&recorded, metric_id), expected, "{metric_id}");
    // 29.00 less the customer's 10 %, half of 20.00 × 52/12, and 10 × 10.00 + 5 × 8.00.
    is("stripe_mrr", &["2026-03-15 2700 JPY", "2026-03-15 209.43 USD"]);
    is("stripe_arr", &["2026-03-15 32400 JPY", "2026-03-15 2513.20 USD"]);
    is(
        "stripe_mrr_by_plan",
        &[
            "2026-03-15 26.10 USD price_basic",
            "2026-03-15 2700 JPY price_jpy",
            "2026-03-15 140.00 USD price_tiered",
            "2026-03-15 43.33 USD price_week",
        ],
    );
    is("stripe_arpu", &["2026-03-15 2700 JPY", "2026-03-15 69.81 USD"]);
    is("stripe_active_subscriptions", &["2026-03-15 4"]);
    is("stripe_trialing_subscriptions", &["2026-03-15 1"]);
    is("stripe_new_subscriptions", &["2026-01-01 1", "2026-02-01 1", "2026-03-13 1"]);
    is("stripe_churned_subscriptions", &["2026-03-14 1"]);
    is("stripe_customers", &["2026-03-15 4"]);
    is("stripe_new_customers", &["2026-03-14 1", "2026-03-15 1"]);
    is("stripe_revenue", &["2026-02-02 29.00 USD", "2026-03-15 7.00 EUR", "2026-03-15 25.00 USD"]);
    is("stripe_gross_volume", &["2026-02-02 29.00 USD", "2026-03-15 7.00 EUR", "2026-03-15 50.00 USD"]);
    is("stripe_refunds", &["2026-03-15 10.00 USD"]);
    is("stripe_fees", &["2026-02-02 1.14 USD", "2026-03-15 0.30 EUR", "2026-03-15 16.75 USD"]);
    is("stripe_net", &["2026-02-02 27.86 USD", "2026-03-15 6.70 EUR", "2026-03-15 8.25 USD"]);
    is("stripe_failed_payments", &["2026-03-15 1"]);
    is("stripe_payment_success_rate", &["2026-03-15 66.67"]);
    let today: Day = "2026-03-15".parse().unwrap();
    let of_today = |answer: &Answer| {
        answer.samples.iter().filter(|sample| sample.day == today).all(|sample| {
            let compares = ["rate", "nrr", "grr", "ltv", "ratio"].iter().any(|end| answer.metric_id.ends_with(end));
            sample.quality == Quality::Exact || compares
        })
    };
    assert!(recorded.answers.iter().all(of_today));
}

#[tokio::test]
async fn answers_cover_the_days_that_can_be_known_and_fit_their_metric() {
    let (ctx, recorder) = connect(&Script::of_fixtures(), json!({})).await;
    Stripe.fetch_metrics(&ctx, &all(), days("2025-12-16", "2026-03-20")).await.unwrap();
    let descriptor = Stripe.descriptor();
    let recorded = recorder.recorded();
    for metric in &descriptor.metrics {
        let of_metric: Vec<&Answer> = recorded.answers.iter().filter(|answer| answer.metric_id == metric.id).collect();
        let covered: BTreeSet<Day> = of_metric.iter().flat_map(|answer| answer.period.days()).collect();
        assert_eq!(covered.len(), if metric.retention_days == Some(1) { 1 } else { 90 }, "{}", metric.id);
        for answer in of_metric {
            assert_eq!(answer.scope == Scope::EveryDimension, metric.dimension.is_some());
            for sample in &answer.samples {
                assert!(answer.period.contains(sample.day));
                let Some(value) = sample.value else { continue };
                value.check(metric.unit, metric.kind).unwrap();
                assert!(metric.valid.holds(&value));
            }
        }
    }
}

#[tokio::test]
async fn asks_for_exactly_what_it_needs() {
    let script = Script::of_fixtures();
    let (ctx, _) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &all(), Period::single("2026-03-15".parse().unwrap())).await.unwrap();
    let day = "created[gte]=1773532800&created[lt]=1773619200&limit=100";
    let types =
        |kinds: &[&str]| kinds.iter().map(|kind| format!("types[]=customer.{kind}")).collect::<Vec<_>>().join("&");
    let of_customers = types(&["created", "deleted", "discount.created", "discount.updated", "discount.deleted"]);
    let of_subscriptions = types(
        &["updated", "deleted", "paused", "resumed", "pending_update_applied"]
            .map(|kind| format!("subscription.{kind}"))
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    // Some are asked for side by side.
    let (mut asked, mut expected) = (
        script.asked(),
        [
            format!("/v1/events {of_customers}&limit=1"),
            "/v1/customers expand[]=data.discount.source.coupon&limit=100".to_owned(),
            format!("/v1/events {of_customers}&limit=100"),
            "/v1/events limit=1".to_owned(),
            "/v1/subscriptions status=all&expand[]=data.discounts.source.coupon&expand[]=data.items.data.discounts&limit=100"
                .to_owned(),
            "/v1/prices/price_tiered expand[]=tiers&expand[]=currency_options".to_owned(),
            "/v1/coupons/half expand[]=applies_to&expand[]=currency_options".to_owned(),
            "/v1/coupons/ten expand[]=applies_to&expand[]=currency_options".to_owned(),
            format!("/v1/events {of_subscriptions}&created[gte]=1771070400&limit=100"),
            "/v1/invoices expand[]=data.discounts.source.coupon&created[gte]=1770768000&limit=100".to_owned(),
            format!("/v1/balance_transactions {day}"),
            format!("/v1/charges {day}"),
        ],
    );
    asked.sort();
    expected.sort();
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn only_what_was_asked_for_is_read_and_an_unknown_metric_is_its_own_outcome() {
    let script = Script::of_fixtures();
    let (ctx, recorder) = connect(&script, json!({})).await;
    let wanted = ids(&["stripe_fees", "stripe_mmr"]);
    let report = Stripe.fetch_metrics(&ctx, &wanted, days("2026-03-01", "2026-03-15")).await.unwrap();
    assert_eq!(report.outcomes["stripe_mmr"], Outcome::Unknown);
    assert_eq!(report.outcomes["stripe_fees"], Outcome::Ok);
    assert_eq!(script.asked().len(), 1);
    assert_eq!(recorder.recorded().answers.len(), 1);
}

#[tokio::test]
async fn receipts_add_up_and_say_what_was_left_out() {
    let script = Script::of_fixtures();
    let (ctx, recorder) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
    let recorded = recorder.recorded();
    for receipt in &recorded.receipts {
        let minor = |text: &str| exact::parse_decimal(text).unwrap();
        let terms: exact::Exact = receipt.terms.iter().map(|term| minor(&term.amount)).sum();
        assert_eq!(terms + minor(&receipt.other.amount), minor(&receipt.value), "{receipt:?}");
    }
    let usd = receipt(&recorded, "stripe_mrr", "USD");
    assert_eq!(usd.value, "209.43");
    assert_eq!(usd.settings["discounts"], "recurring");
    let terms: Vec<String> =
        usd.terms.iter().map(|term| format!("{} {} {}", term.label, term.entity_id, term.amount)).collect();
    assert_eq!(terms, ["cus_3 sub_4 140.00", "cus_2 sub_3 43.33", "cus_1 sub_2 26.10"]);
    let excluded: Vec<String> =
        usd.excluded.iter().map(|out| format!("{} {} {}", out.count, out.reason, out.amount)).collect();
    assert_eq!(excluded, ["1 cancelled 29.00", "1 in trial (EUR) 0.00"]);
    let plans = receipt(&recorded, "stripe_mrr_by_plan", "USD");
    assert_eq!(plans.terms.iter().map(|term| term.label.as_str()).collect::<Vec<_>>(), ["Seats", "prod_A", "Basic"]);
    assert_eq!(receipt(&recorded, "stripe_mrr", "JPY").value, "2700");
}

#[tokio::test]
async fn many_contributions_are_named_as_far_as_twenty_and_the_rest_is_in_other() {
    let script = Script::empty();
    let sub = |n: usize| {
        json!({"id": format!("sub_{n:02}"), "status": "active", "customer": format!("cus_{n}"), "currency": "usd",
            "created": 1, "start_date": 1, "items": {"data": [{"id": "si", "quantity": 1 + n % 3, "price":
            {"id": "p", "currency": "usd", "type": "recurring", "unit_amount": 1000,
             "recurring": {"interval": "week", "interval_count": 1, "usage_type": "licensed"}}}]}})
    };
    script.set("/v1/subscriptions", (0..50).map(sub).collect()).page_of(7);
    let (ctx, recorder) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
    let recorded = recorder.recorded();
    let receipt = receipt(&recorded, "stripe_mrr", "USD");
    // 16 of three, 17 of two, 17 of one: 99 × 10.00 × 52/12.
    assert_eq!(receipt.value, "4290.00");
    assert_eq!(receipt.terms.len(), 20);
    assert_eq!(receipt.other.count, 30);
    // 16 × 130.00 + 4 × 86.67 are named, each rounded.
    assert_eq!(receipt.other.amount, "1863.32");
}

#[tokio::test]
async fn an_empty_account_has_no_samples_and_a_receipt_of_zero() {
    let (ctx, recorder) = connect(&Script::empty(), json!({})).await;
    let report = Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
    assert!(report.outcomes.values().all(|outcome| *outcome == Outcome::Ok));
    let recorded = recorder.recorded();
    assert_eq!(lines(&recorded, "stripe_mrr"), Vec::<String>::new());
    assert_eq!(lines(&recorded, "stripe_customers"), ["2026-03-15 0"]);
    assert!(recorded.answers.iter().any(|answer| answer.metric_id == "stripe_mrr"));
    assert_eq!(receipt(&recorded, "stripe_mrr", "USD").value, "0.00");
}

#[tokio::test]
async fn a_walk_that_was_cut_short_goes_on_and_gives_the_same_numbers() {
    let script = Script::of_fixtures();
    script.page_of(1);
    let (ctx, recorder) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
    let uninterrupted = sorted(&recorder.recorded());
    let receipts = recorder.recorded().receipts;
    for (broken, walked) in [("/v1/prices/price_tiered", "/v1/subscriptions"), ("/v1/coupons/ten", "/v1/subscriptions")]
    {
        let script = Script::of_fixtures();
        script.page_of(1).refuse(broken, 400, "not today");
        let (ctx, recorder) = connect(&script, json!({})).await;
        let report = Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
        assert!(matches!(report.outcomes["stripe_mrr"], Outcome::Failed(_)));
        assert_eq!(report.outcomes["stripe_revenue"], Outcome::Ok);
        let before = recorder.recorded();
        assert!(before.receipts.is_empty());
        script.allow(broken).asked();
        let subscriptions: Vec<String> =
            all().into_iter().filter(|id| Stripe.descriptor().metric(id).unwrap().stream == "subscriptions").collect();
        Stripe.fetch_metrics(&ctx, &subscriptions, last_90_days()).await.unwrap();
        let asked = script.asked();
        let goes_on = |asked: &String| asked.starts_with(walked) && asked.contains("starting_after=sub_");
        assert!(asked.iter().any(goes_on), "{asked:?}");
        assert_eq!(sorted(&recorder.recorded()), uninterrupted);
        assert_eq!(recorder.recorded().receipts, receipts);
    }
}

#[tokio::test]
async fn a_walk_begins_again_where_its_last_entry_is_gone() {
    let script = Script::of_fixtures();
    script.page_of(1).before(3, "/v1/subscriptions", |script| {
        script.forbid("/v1/subscriptions");
    });
    let (ctx, recorder) = connect(&script, json!({})).await;
    let report = Stripe.fetch_metrics(&ctx, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
    assert!(matches!(report.outcomes["stripe_mrr"], Outcome::Failed(_)));
    assert_eq!(recorder.recorded().records.keys().filter(|(stream, _)| stream == "subscriptions").count(), 2);
    // Two subscriptions were kept; now neither exists any more.
    let left: Vec<Json> = serde_json::from_str::<Vec<Json>>(include_str!("../fixtures/subscriptions.json")).unwrap();
    script.allow("/v1/subscriptions").set("/v1/subscriptions", left.into_iter().skip(2).collect());
    let report = Stripe.fetch_metrics(&ctx, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
    assert_eq!(report.outcomes["stripe_mrr"], Outcome::Ok);
    let recorded = recorder.recorded();
    assert_eq!(lines(&recorded, "stripe_mrr"), ["2026-03-15 2700 JPY", "2026-03-15 209.43 USD"]);
    assert_eq!(
        recorded.records.keys().filter(|(stream, _)| stream == "subscriptions").count(),
        7,
        "six, and one that will turn"
    );
}

#[tokio::test]
async fn a_second_run_sees_what_changed_and_drops_what_is_gone() {
    let script = Script::of_fixtures();
    let (ctx, recorder) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
    script.set("/v1/customers", json!([{"id": "cus_1", "created": 1}]));
    let subs = json!([{"id": "sub_2", "status": "active", "customer": "cus_1", "currency": "usd", "created": 1,
        "items": {"data": [{"id": "si", "price": {"id": "p", "currency": "usd", "type": "recurring", "unit_amount": 1000,
        "recurring": {"interval": "month"}}}]}}]);
    script.set("/v1/subscriptions", subs);
    let mut later = ctx.clone();
    later.now += jiff::SignedDuration::from_mins(30);
    let report = Stripe.fetch_metrics(&later, &all(), Period::single(later.today())).await.unwrap();
    let recorded = recorder.recorded();
    // So few subscriptions are read each time; of customers only events tell before a day has passed.
    assert_eq!(lines(&recorded, "stripe_mrr").last().unwrap(), "2026-03-15 9.00 USD");
    assert_eq!(lines(&recorded, "stripe_customers").last().unwrap(), "2026-03-15 4");
    // No event told of any of it.
    let corrected: Vec<_> = report.corrections.iter().map(|correction| correction.message.as_str()).collect();
    assert_eq!(corrected, ["5 subscriptions differed from what was kept and were corrected"]);
}

#[tokio::test]
async fn what_stripe_gave_up_to_tell_is_not_taken_for_nothing() {
    for (list, field) in [
        ("/v1/subscriptions", "discounts"),
        ("/v1/subscriptions", "pause_collection"),
        ("/v1/subscriptions", "start_date"),
        ("/v1/customers", "created"),
        ("/v1/customers", "discount"),
    ] {
        let script = Script::of_fixtures();
        script.without(list, field);
        let (ctx, _) = connect(&script, json!({})).await;
        let metric = if list == "/v1/customers" { "stripe_customers" } else { "stripe_mrr" };
        let report = Stripe.fetch_metrics(&ctx, &ids(&[metric]), last_90_days()).await.unwrap();
        let Outcome::Failed(error) = &report.outcomes[metric] else { panic!("without {field}: {report:?}") };
        assert_eq!(error.kind(), FailureKind::InvalidResponse);
        assert!(error.to_string().contains(field), "without {field}: {error}");
    }
}

#[tokio::test]
async fn customers_that_fail_for_now_are_waited_for() {
    let script = Script::of_fixtures();
    script.refuse("/v1/customers", 404, "gone for a moment");
    let (ctx, recorder) = connect(&script, json!({})).await;
    let report = Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
    assert!(matches!(report.outcomes["stripe_mrr"], Outcome::Failed(_)), "{:?}", report.outcomes["stripe_mrr"]);
    assert!(lines(&recorder.recorded(), "stripe_mrr").is_empty(), "no estimate settles before it could be exact");
    script.allow("/v1/customers");
    let report = Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
    assert_eq!(report.outcomes["stripe_mrr"], Outcome::Ok);
}

#[tokio::test]
async fn without_customers_mrr_goes_on_as_an_estimate() {
    let script = Script::of_fixtures();
    script.forbid("/v1/customers");
    let (ctx, recorder) = connect(&script, json!({})).await;
    let report = Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
    let failed: Vec<&String> =
        report.outcomes.iter().filter(|(_, outcome)| **outcome != Outcome::Ok).map(|(id, _)| id).collect();
    assert_eq!(failed, ["stripe_customers", "stripe_new_customers"]);
    let recorded = recorder.recorded();
    assert_eq!(lines(&recorded, "stripe_mrr"), ["2026-03-15 3000 JPY", "2026-03-15 212.33 USD"]);
    let mrr = recorded.answers.iter().find(|answer| answer.metric_id == "stripe_mrr").unwrap();
    assert!(mrr.samples.iter().all(|sample| sample.quality == Quality::Estimated));
    let said = &receipt(&recorded, "stripe_mrr", "USD").excluded;
    assert!(said.iter().any(|out| out.reason.contains("discounts of customers could not be read")));
}

#[tokio::test]
async fn a_missing_permission_costs_its_metrics_alone() {
    for (path, stream) in
        [("/v1/subscriptions", "subscriptions"), ("/v1/balance_transactions", "balance"), ("/v1/charges", "charges")]
    {
        let script = Script::of_fixtures();
        script.forbid(path);
        let (ctx, _) = connect(&script, json!({})).await;
        let report = Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
        for metric in &Stripe.descriptor().metrics {
            match &report.outcomes[&metric.id] {
                Outcome::Ok => assert_ne!(metric.stream, stream),
                Outcome::Failed(error) => {
                    assert_eq!((error.kind(), metric.stream.as_str()), (FailureKind::Forbidden, stream));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_priced_is_left_out_and_the_value_is_an_estimate() {
    let script = Script::of_fixtures();
    script.forbid("/v1/prices/price_tiered");
    let (ctx, recorder) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap();
    let recorded = recorder.recorded();
    assert_eq!(lines(&recorded, "stripe_mrr")[1], "2026-03-15 69.43 USD");
    let said = &receipt(&recorded, "stripe_mrr", "USD").excluded;
    assert!(said.iter().any(|out| out.reason == "not counted: a tiered price could not be read" && out.count == 1));
    let mrr = recorded.answers.iter().find(|answer| answer.metric_id == "stripe_mrr").unwrap();
    assert_eq!(mrr.samples[1].quality, Quality::Estimated);
    assert_eq!(mrr.samples[0].quality, Quality::Exact, "yen are not touched");
}

#[tokio::test]
async fn past_due_is_measured_from_the_oldest_open_invoice() {
    let mrr = async |script: &Script, days: i64| {
        let (ctx, recorder) = connect(script, json!({ "max_past_due_days": days })).await;
        Stripe.fetch_metrics(&ctx, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
        let recorded = recorder.recorded();
        (lines(&recorded, "stripe_mrr")[1].clone(), receipt(&recorded, "stripe_mrr", "USD").excluded.clone())
    };
    // The oldest is of 2026-02-02, 41 days and some hours ago, and is in the shape from before basil.
    assert_eq!(mrr(&Script::of_fixtures(), 41).await.0, "2026-03-15 69.43 USD");
    assert_eq!(mrr(&Script::of_fixtures(), 42).await.0, "2026-03-15 209.43 USD");
    let script = Script::of_fixtures();
    script.forbid("/v1/invoices");
    let (value, said) = mrr(&script, 1).await;
    assert_eq!(value, "2026-03-15 209.43 USD");
    assert!(said.iter().any(|out| out.reason.contains("open invoices could not be read")));
}

#[tokio::test]
async fn reads_long_lists_of_items_and_the_tax_of_the_latest_invoice() {
    let price = |amount: i64| {
        json!({"id": format!("p{amount}"), "currency": "usd", "type": "recurring", "unit_amount": amount,
            "tax_behavior": "inclusive", "recurring": {"interval": "month", "interval_count": 1}})
    };
    let item = |n: i64, amount: i64| json!({"id": format!("si_{n}"), "subscription": "sub_1", "price": price(amount)});
    let script = Script::empty();
    script
        .set(
            "/v1/subscriptions",
            json!([{"id": "sub_1", "status": "active", "customer": "cus_1", "currency": "usd", "created": 1,
                "items": {"data": [item(1, 1200)], "has_more": true}}]),
        )
        .set("/v1/subscription_items", json!([item(1, 1200), item(2, 2400), item(3, 3600)]))
        .set(
            "/v1/invoices",
            json!([{"id": "in_1", "created": 1, "subscription": "sub_1", "total_excluding_tax": 6000,
                "total_taxes": [{"amount": 1200}]}]),
        );
    let (ctx, recorder) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
    assert_eq!(lines(&recorder.recorded(), "stripe_mrr"), ["2026-03-15 60.00 USD"]);
    let asked = script.asked();
    assert_eq!(
        asked.iter().filter(|asked| *asked == "/v1/invoices subscription=sub_1&limit=1").count(),
        1,
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_limit_that_is_told_with_status_400_ends_the_whole_fetch() {
    let script = Script::of_fixtures();
    script.limit("/v1/balance_transactions", "3600");
    let (ctx, recorder) = connect(&script, json!({})).await;
    let error = Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::RateLimited);
    let wait = error.retry_at().unwrap().duration_since(ctx.now).as_secs();
    assert!((3600..3610).contains(&wait), "{wait}");
    let recorded = recorder.recorded();
    assert!(recorded.answers.iter().any(|answer| answer.metric_id == "stripe_mrr"), "what was read before is kept");
}

#[tokio::test]
async fn a_refused_key_ends_the_whole_fetch() {
    let script = Script::of_fixtures();
    script.refuse("/v1/charges", 401, "Invalid API Key provided: rk_test_********");
    let (ctx, _) = connect(&script, json!({})).await;
    let error = Stripe.fetch_metrics(&ctx, &all(), last_90_days()).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unauthorized);
    assert_eq!(Stripe.test_connection(&ctx).await.unwrap_err().kind(), FailureKind::Unauthorized);
}
