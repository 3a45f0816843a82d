//! The rebuilt past of the simulated company against its books, customer by customer and day by day.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::{Stripe, codec, settings::Rules, subscriptions::STREAM, timeline::Timeline};
use crate::{
    demo::{Company, Emulators, Options, STRIPE_KEY},
    integrations::{Integration, testing::context},
    metric::{Day, Exact, Period, Zone},
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
    let address = emulators.url("stripe").trim_start_matches("http://").parse().unwrap();
    let (ctx, recorder) = context(&Stripe, address, &[("api_key", STRIPE_KEY)], json!({}), NOW);
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
    // Before that invoices tell, and there are things that none of them shows: what became less without a credit counts
    // from the next period on, and when collection was paused is known no better than between two invoices.
    assert!(wrong.len() * 100 <= customers.len() * 3, "{} of {}:\n{}", wrong.len(), customers.len(), wrong.join("\n"));
}
