//! The subscription whose life is written by hand.

use serde_json::{Value, json};

use super::{COMPANY, now, stripe::walk};
use crate::{
    demo::{
        Company, Emulators, Options,
        company::{STORY_CUSTOMER, STORY_SUBSCRIPTION, Step},
    },
    metric::{Day, Zone, exact},
};

#[test]
fn the_books_say_of_each_day_what_the_story_says() {
    for company in [Company::story(now()), COMPANY.as_ref().clone()] {
        for zone in ["UTC", "Pacific/Kiritimati", "America/St_Johns"].map(|name| name.parse::<Zone>().unwrap()) {
            let steps = company.story_steps();
            let days = company.customer_mrr(STORY_CUSTOMER, &zone);
            assert_eq!(days.len(), 86);
            assert_eq!(days.keys().next(), Some(&Day::of(steps[0].at, &zone)));
            for (day, level) in &days {
                let end = zone.start_of(day.next());
                let last = steps.iter().rev().find(|step| step.at < end).unwrap();
                let cents = level.get("USD").map_or(0, |amount| exact::round(amount).unwrap());
                assert_eq!(cents, last.monthly, "{day}: {}", last.what);
            }
        }
    }
    let truth = Company::story(now()).truth(&Zone::utc());
    let sum = |part: fn(&crate::demo::company::Movement) -> &exact::Exact| {
        let all = truth.movements.values().filter_map(|moved| moved.by_currency.get("USD")).map(part);
        exact::round(&all.sum()).unwrap()
    };
    assert_eq!([sum(|m| &m.new), sum(|m| &m.expansion), sum(|m| &m.contraction)], [1_900, 4_100, 1_500]);
    assert_eq!([sum(|m| &m.churned), sum(|m| &m.reactivation)], [4_500 + 6_000, 6_000]);
}

#[tokio::test]
async fn its_last_thirty_days_are_in_events_and_the_rest_on_invoices() {
    let company = std::sync::Arc::new(Company::story(now()));
    let [subscribed, upgraded, discounted, paused, ended, resumed, canceled] =
        company.story_steps().map(|step: Step| step.at.as_second());
    let options = Options { stripe_version: "2026-07-29.dahlia", ..Options::default() };
    let emulators = Emulators::start(company, options).await.unwrap();

    let told: Vec<(i64, String, Value)> = walk(&emulators, "/v1/events?limit=100&type=customer.*")
        .await
        .into_iter()
        .rev()
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap().trim_start_matches("customer.").to_owned();
            (event["created"].as_i64().unwrap(), text(&event["type"]), event["data"]["previous_attributes"].clone())
        })
        .collect();
    let changed = |at: i64| {
        let own = told.iter().filter(|(then, ..)| *then == at).map(|(_, name, was)| (name.as_str(), was.clone()));
        own.collect::<Vec<_>>()
    };
    assert_eq!(changed(paused), [("subscription.updated", json!({ "pause_collection": null }))]);
    let discount = changed(ended);
    assert_eq!(discount[0].0, "discount.deleted");
    assert_eq!((discount[1].0, discount[1].1["discounts"].as_array().map(Vec::len)), ("subscription.updated", Some(1)));
    let pause = json!({ "pause_collection": { "behavior": "void", "resumes_at": resumed } });
    assert_eq!(changed(resumed), [("subscription.updated", pause)]);
    assert_eq!(changed(canceled), [("subscription.deleted", Value::Null)]);
    assert_eq!(told.len(), 6, "and one renewal: {told:?}");

    let path = format!("/v1/invoices?limit=100&subscription={STORY_SUBSCRIPTION}&expand[]=data.discounts");
    let mut invoices = walk(&emulators, &path).await;
    invoices.reverse();
    let shown: Vec<(i64, &str, &str)> = invoices
        .iter()
        .map(|row| {
            (row["created"].as_i64().unwrap(), row["billing_reason"].as_str().unwrap(), row["status"].as_str().unwrap())
        })
        .collect();
    let [first, second] = [shown[2].0, shown[3].0];
    assert_eq!(
        shown,
        [
            (subscribed, "subscription_create", "paid"),
            (upgraded, "subscription_update", "paid"),
            (first, "subscription_cycle", "paid"),
            (second, "subscription_cycle", "void"),
        ]
    );
    assert!(upgraded < first && first < discounted && paused < second && second < ended);

    // The upgrade: what is left of one month at 19 dollars against the same rest at 60.
    let lines = invoices[1]["lines"]["data"].as_array().unwrap();
    let sold = |line: &Value| {
        let details = &line["parent"]["subscription_item_details"];
        (line["pricing"]["price_details"]["price"].clone(), line["quantity"].clone(), details["proration"].clone())
    };
    assert_eq!(sold(&lines[0]), (json!("price_1FernTeamMonthlyUsd000"), json!(5), json!(true)));
    assert_eq!(sold(&lines[1]), (json!("price_1FernStarterMonthlyUsd"), json!(1), json!(true)));
    let rest = json!({ "start": upgraded, "end": first });
    assert_eq!((&lines[0]["period"], &lines[1]["period"]), (&rest, &rest));
    let share = |monthly: i64| {
        let part = exact::fraction(monthly * (first - upgraded), first - subscribed).unwrap();
        exact::round(&part).unwrap()
    };
    assert_eq!((lines[0]["amount"].as_i64(), lines[1]["amount"].as_i64()), (Some(share(6_000)), Some(-share(1_900))));

    // The void invoice still says from when to when the discount was.
    let discount = &invoices[3]["discounts"][0];
    assert_eq!((discount["start"].as_i64(), discount["end"].as_i64()), (Some(discounted), Some(ended)));
    assert_eq!(invoices[3]["lines"]["data"][0]["discount_amounts"][0]["amount"], 1_500);
    assert!(invoices[2]["discounts"].as_array().unwrap().is_empty());
}

#[test]
fn a_generated_company_has_it_too_and_it_goes_on_with_time() {
    let subscription = |company: &Company| company.stripe.subscriptions.get(STORY_SUBSCRIPTION).cloned();
    let alone = Company::story(now());
    assert_eq!(subscription(&alone), subscription(&COMPANY));
    let [.., paused, _, _, _] = alone.story_steps().map(|step| step.at);
    let then = COMPANY.at(paused);
    assert_eq!(subscription(&then).unwrap()["pause_collection"]["behavior"], "void");
    assert_eq!(subscription(&alone.at(paused)), subscription(&then));
    assert_eq!(alone.stripe.customers.get(STORY_CUSTOMER).unwrap()["name"], "Wandel Studio");
}
