//! What comes after the first walk.

use super::*;

/// Monthly recurring revenue in dollars as last told, in cents.
fn dollars(recorded: &Recorded) -> BTreeMap<Day, i64> {
    let mut dollars = BTreeMap::new();
    for answer in recorded.answers.iter().filter(|answer| answer.metric_id == "stripe_mrr") {
        dollars.extend(answer.period.days().map(|day| (day, 0)));
        for sample in &answer.samples {
            let is_dollars = sample.value.and_then(|value| value.currency()).is_some_and(|c| c.code() == "USD");
            if let Some((amount, _)) = sample.value.map(|value| value.parts()).filter(|_| is_dollars) {
                dollars.insert(sample.day, amount);
            }
        }
    }
    dollars
}

/// A subscription that was made after the first walk, whose first period began five days before.
#[tokio::test]
async fn what_is_dated_back_counts_from_the_day_it_was_dated_to_however_it_is_learned_of() {
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let (made, begun) = (now.as_second() + 600, "2026-03-10T12:00:00Z".parse::<jiff::Timestamp>().unwrap());
    let sub = json!({"id": "sub_back", "status": "active", "customer": "cus_back", "currency": "usd", "created": made,
        "start_date": begun.as_second(), "discounts": [], "items": {"data": [{"id": "si_back", "quantity": 1,
        "price": {"id": "p", "currency": "usd", "type": "recurring", "unit_amount": 1000,
        "recurring": {"interval": "month"}}}]}});
    for is_told in [true, false] {
        let script = Script::of_fixtures();
        let (ctx, recorder) = connect(&script, json!({})).await;
        Stripe.fetch_metrics(&ctx, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
        let before = dollars(&recorder.recorded());

        script.add("/v1/subscriptions", sub.clone());
        if is_told {
            let event = json!({"id": "evt_back", "type": "customer.subscription.created", "created": made,
                "data": {"object": sub}});
            script.add("/v1/events", event);
        }
        let mut later = ctx.clone();
        later.now += jiff::SignedDuration::from_mins(30);
        let report = Stripe.fetch_metrics(&later, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
        assert_eq!(report.corrections.is_empty(), is_told, "{:?}", report.corrections);
        let after = dollars(&recorder.recorded());
        let rise = |day: &str| {
            let day: Day = day.parse().unwrap();
            after[&day] - before[&day]
        };
        assert_eq!(
            ["2026-03-08", "2026-03-09", "2026-03-10", "2026-03-14", "2026-03-15"].map(rise),
            [0, 0, 1000, 1000, 1000],
            "told by an event: {is_told}"
        );
    }
}

/// One that was there before the first walk and that the walk was not shown.
#[tokio::test]
async fn what_the_first_walk_was_not_shown_counts_from_then_on() {
    let script = Script::of_fixtures();
    let (ctx, recorder) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
    let before = dollars(&recorder.recorded());
    let sub = json!({"id": "sub_hidden", "status": "active", "customer": "cus_h", "currency": "usd",
        "created": 1_772_000_000, "start_date": 1_772_000_000, "discounts": [], "items": {"data": [{"id": "si_h",
        "quantity": 1, "price": {"id": "p", "currency": "usd", "type": "recurring", "unit_amount": 1000,
        "recurring": {"interval": "month"}}}]}});
    script.add("/v1/subscriptions", sub);
    let mut later = ctx.clone();
    later.now += jiff::SignedDuration::from_mins(30);
    Stripe.fetch_metrics(&later, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
    let after = dollars(&recorder.recorded());
    let risen: Vec<String> =
        after.iter().filter(|(day, amount)| before[*day] != **amount).map(|(day, _)| day.to_string()).collect();
    assert_eq!(risen, ["2026-03-15"]);
}

/// What the first walk finds in trial was in trial since it began, and not before.
#[tokio::test]
async fn a_trial_that_is_rebuilt_begins_with_its_subscription() {
    let script = Script::of_fixtures();
    let (ctx, recorder) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &ids(&["stripe_trialing_subscriptions"]), last_90_days()).await.unwrap();
    let mut trials: BTreeMap<Day, i64> = BTreeMap::new();
    for answer in recorder.recorded().answers {
        trials.extend(answer.samples.iter().filter_map(|sample| Some((sample.day, sample.value?.parts().0))));
    }
    // One whose trial began with it on the 13th; another's ended then, of which nothing tells when it began.
    let of = |day: &str| trials.get(&day.parse::<Day>().unwrap()).copied().unwrap_or_default();
    assert_eq!(["2026-02-24", "2026-02-25", "2026-03-12", "2026-03-13", "2026-03-15"].map(of), [0, 1, 1, 1, 1]);
}

/// An event in a shape that cannot be read says at least whose it is.
#[tokio::test]
async fn what_an_event_does_not_show_is_read_as_it_is_now() {
    let script = Script::of_fixtures();
    let (ctx, recorder) = connect(&script, json!({})).await;
    Stripe.fetch_metrics(&ctx, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
    let before = dollars(&recorder.recorded());

    let made = ctx.now.as_second() + 600;
    let items = json!({"data": [{"id": "si_2", "quantity": 1, "price": {"id": "p", "currency": "usd",
        "type": "recurring", "unit_amount": 3900, "recurring": {"interval": "month"}}}]});
    let sub = json!({"id": "sub_2", "status": "active", "customer": "cus_1", "currency": "usd",
        "created": 1_765_000_000, "discounts": [], "items": items});
    script.remove("/v1/subscriptions", "sub_2").add("/v1/subscriptions", sub);
    // Neither status nor currency.
    let event = json!({"id": "evt_odd", "type": "customer.subscription.updated", "created": made,
        "data": {"object": {"id": "sub_2", "customer": "cus_1", "items": items}}});
    script.add("/v1/events", event).asked();
    let mut later = ctx.clone();
    later.now += jiff::SignedDuration::from_mins(30);
    let report = Stripe.fetch_metrics(&later, &ids(&["stripe_mrr"]), last_90_days()).await.unwrap();
    assert_eq!((&report.outcomes["stripe_mrr"], report.corrections.len()), (&Outcome::Ok, 0));
    let (after, today) = (dollars(&recorder.recorded()), later.today());
    // Ten dollars more, of which the customer has ten percent off.
    assert_eq!(after[&today] - before[&today], 900);
    assert_eq!(script.asked().iter().filter(|asked| asked.starts_with("/v1/subscriptions/sub_2")).count(), 1);
}
