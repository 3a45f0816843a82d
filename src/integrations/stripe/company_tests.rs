//! The rebuilt past of the simulated company against its books, customer by customer and day by day.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use serde_json::json;

use super::{Stripe, codec, settings::Rules, subscriptions::STREAM, timeline::Timeline};
use crate::{
    demo::{Company, Emulators, Options, STRIPE_KEY},
    integrations::{
        Context, Integration,
        testing::{Recorded, Recorder, context},
    },
    metric::{Answer, Day, Exact, Period, Sample, Zone},
};

const NOW: &str = "2026-03-31T12:00:00Z";

/// The days on which a customer's subscriptions do not come to what its books say.
fn wrong_days(company: &Company, customer: &str, subs: &[Timeline], rules: &Rules, period: Period) -> Vec<Day> {
    let books = company.customer_mrr(customer, &Zone::utc());
    let is_wrong = |day: &Day| {
        let until = Zone::utc().start_of(day.next()).as_second().min(company.now.as_second() + 1) - 1;
        let worth = |timeline: &Timeline| {
            let phases = timeline.phases(rules, until);
            phases
                .last()
                .and_then(|phase| phase.counted.as_ref())
                .map(|counted| counted.worth.clone())
                .unwrap_or_default()
        };
        let rebuilt: Exact = subs.iter().map(worth).sum();
        let level = books.range(..=*day).next_back().map(|(_, level)| level.values().sum());
        rebuilt != level.unwrap_or_default()
    };
    period.days().filter(is_wrong).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_past_is_rebuilt_as_far_as_stripe_tells_it() {
    let company = Arc::new(Company::generate(7, NOW.parse().unwrap()));
    let emulators = Emulators::start(company.clone(), Options::default()).await.unwrap();
    let (ctx, recorder) = context(&Stripe, address(&emulators), &[("api_key", STRIPE_KEY)], json!({}), NOW);
    let period = Period::inclusive("2026-01-01".parse().unwrap(), ctx.today());
    Stripe.fetch_metrics(&ctx, &["stripe_mrr".to_owned()], period).await.unwrap();

    let mut customers: BTreeMap<String, Vec<Timeline>> = BTreeMap::new();
    for ((stream, _), record) in recorder.recorded().records {
        if stream == STREAM && !record.group.is_empty() {
            customers.entry(record.group).or_default().push(codec::decode(&record.bytes).unwrap());
        }
    }
    assert!(customers.len() > 300);
    let rules = Rules::new(&ctx.settings);
    let recent = ctx.today().plus(-28);
    let mut wrong = Vec::new();
    for (customer, subs) in &customers {
        let days = wrong_days(&company, customer, subs, &rules, period);
        assert!(days.iter().all(|day| *day < recent), "{customer} is wrong on days that events tell of: {days:?}");
        wrong.extend((!days.is_empty()).then(|| format!("{customer}: {} days from {}", days.len(), days[0])));
    }
    // Before that invoices tell, and there are things that none of them shows: a change whose proration waits for the
    // next invoice (of a yearly plan for months), what became less without a credit, when collection was paused, and a
    // trial that was paused for want of a card.
    assert!(wrong.len() * 100 <= customers.len() * 6, "{} of {}:\n{}", wrong.len(), customers.len(), wrong.join("\n"));
}

fn address(emulators: &Emulators) -> SocketAddr {
    emulators.url("stripe").trim_start_matches("http://").parse().unwrap()
}

fn of_subscriptions() -> Vec<String> {
    let descriptor = Stripe.descriptor();
    descriptor.metrics.iter().filter(|metric| metric.stream == STREAM).map(|metric| metric.id.clone()).collect()
}

/// Whether a metric compares with 30 days before. Of that day a later sync is told less: what was followed knows more.
fn looks_back(metric_id: &str) -> bool {
    ["_rate", "_nrr", "_grr", "_ltv", "_ratio"].iter().any(|end| metric_id.ends_with(end))
}

/// What was last answered of a day, as text. Qualities aside: what is rebuilt is less sure than what was seen.
fn told(recorded: &Recorded, day: Day) -> Vec<String> {
    let mut told = BTreeMap::new();
    let covers = |answer: &&Answer| answer.period.contains(day) && !looks_back(&answer.metric_id);
    for answer in recorded.answers.iter().filter(covers) {
        let of_day = |sample: &&Sample| sample.day == day && sample.value.is_some_and(|value| !value.is_zero());
        let samples = answer.samples.iter().filter(of_day);
        let mut lines: Vec<String> =
            samples.map(|sample| format!("{} {:?} {:?}", answer.metric_id, sample.dimension, sample.value)).collect();
        lines.sort();
        told.insert(answer.metric_id.clone(), lines);
    }
    told.into_values().flatten().collect()
}

async fn sync(ctx: &Context, days: i32) -> Vec<String> {
    let period = Period::inclusive(ctx.today().plus(1 - days), ctx.today());
    let report = Stripe.fetch_metrics(ctx, &of_subscriptions(), period).await.unwrap();
    report.corrections.into_iter().map(|correction| correction.message).collect()
}

fn at(ctx: &Context, hours: i64) -> Context {
    let mut later = ctx.clone();
    later.now += jiff::SignedDuration::from_hours(hours);
    later
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_followed_comes_to_what_a_fresh_sync_comes_to() {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let emulators = Emulators::start(Arc::new(Company::generate(7, now)), Options::default()).await.unwrap();
    let connect = || -> (Context, Arc<Recorder>) {
        context(&Stripe, address(&emulators), &[("api_key", STRIPE_KEY)], json!({}), NOW)
    };
    let (ctx, recorder) = connect();
    assert_eq!(sync(&ctx, 90).await, Vec::<String>::new());
    let first = emulators.count("stripe");
    let mut followed = 0;
    // The walk of the second day, at 30 hours, finds nothing that events did not tell.
    for hours in [1, 7, 19, 23, 30, 41] {
        emulators.advance(now + jiff::SignedDuration::from_hours(hours));
        let before = emulators.count("stripe");
        let later = at(&ctx, hours);
        assert_eq!(sync(&later, 4).await, Vec::<String>::new(), "after {hours} hours");
        let requests = emulators.count("stripe") - before;
        if hours < 24 {
            followed += requests;
        }
        let (fresh, fresh_recorder) = connect();
        sync(&at(&fresh, hours), 90).await;
        let (ours, fresh) = (recorder.recorded(), fresh_recorder.recorded());
        for back in 0..2 {
            let day = later.today().plus(-back);
            assert_eq!(told(&ours, day), told(&fresh, day), "{day} after {hours} hours");
        }
        let mut receipts = [ours, fresh].map(|recorded| {
            let mut newest = BTreeMap::new();
            for mut receipt in recorded.receipts {
                // What ended before the days that are told is not looked up whole.
                receipt.excluded.iter_mut().filter(|out| out.reason == "cancelled").for_each(|out| out.amount.clear());
                newest.insert((receipt.metric_id.clone(), receipt.currency.map(|code| code.to_string())), receipt);
            }
            newest
                .into_values()
                .filter(|receipt| receipt.date == later.today() && !looks_back(&receipt.metric_id))
                .collect::<Vec<_>>()
        });
        let [ours, fresh] = &mut receipts;
        assert_eq!(ours, fresh, "receipts after {hours} hours");
    }
    assert!(followed * 2 < first, "{followed} requests to follow, {first} for the first walk");
}
