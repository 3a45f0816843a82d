//! A key that works but may not read everything: connecting succeeds and says what it costs, the sync ends with 3, and
//! the rest is right.

use dashtray::demo::{GITHUB_TOKEN_READ_ONLY, STRIPE_KEY, STRIPE_KEY_WITHOUT_CHARGES};
use serde_json::{Value as Json, json};

use super::{
    list, outcome,
    sandbox::{Sandbox, company, github_file, stripe_file},
    text,
};

/// What was refused at connect: its id and what it costs.
fn refused(connected: &Json) -> Vec<(&str, Vec<&str>)> {
    let refused = list(&connected["checks"]).iter().filter(|check| check["ok"] == false);
    refused.map(|check| (text(&check["id"]), list(&check["costs"]).iter().map(text).collect())).collect()
}

/// Holds that exactly these metrics were not read, for want of a permission, and that their days say so.
async fn only_these_are_missing(sandbox: &Sandbox, run: &Json, missing: &[&str], word: &str) {
    assert_eq!(run["status"], "partial", "{run}");
    for metric in list(&run["metrics"]) {
        let id = text(&metric["metric_id"]);
        let (outcome, error) = outcome(run, id);
        if !missing.contains(&id) {
            assert_eq!((outcome, error), ("ok", &Json::Null), "{id}");
            continue;
        }
        assert!(["failed", "unsupported"].contains(&outcome), "{metric}");
        assert!(text(&error["message"]).contains(word) && error["kind"].is_string(), "{error} says {word}");
        for point in sandbox.points(&format!("{id} --from 2026-03-30")).await {
            assert_eq!(point["value"], Json::Null, "unknown is never zero: {point}");
            assert!(["failed", "unsupported"].contains(&text(&point["state"])), "{point}");
            assert!(point["reason"].is_string(), "{point}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stripe_key_without_charges_costs_two_metrics() {
    let sandbox = Sandbox::new().await;
    let costs = ["stripe_failed_payments", "stripe_payment_success_rate"];
    let connected = sandbox.connect("stripe", &stripe_file(STRIPE_KEY_WITHOUT_CHARGES)).await;
    assert_eq!(refused(&connected), [("charges", costs.to_vec())]);
    let run = sandbox.sync("stripe", 3).await;
    only_these_are_missing(&sandbox, &run, &costs, "rak_charge_read").await;
    let view = sandbox.json("connections").await["connections"][0].clone();
    assert_eq!(view["state"], "degraded");
    assert!(text(&view["reason"]).contains("stripe_failed_payments"), "{view}");
    let customers = sandbox.points("stripe_customers --from 2026-03-31").await;
    assert_eq!(customers[0]["value"], company().truth(&dashtray::metric::Zone::utc()).customers);
    let shown = sandbox.run("sync stripe").await;
    assert!(shown.status == 3 && shown.stdout.contains("stripe_failed_payments"), "{shown:?}");

    let file = sandbox.file("full.json", json!({"credentials": {"api_key": STRIPE_KEY}}).to_string());
    sandbox.json(&format!("reconnect stripe --credentials {file}")).await;
    let run = sandbox.sync("stripe", 0).await;
    assert_eq!(outcome(&run, costs[0]).0, "ok", "with the permission the gap is read");
    // Today is tried first; once it could be read, so is what lies before.
    sandbox.sync("stripe", 0).await;
    let points = sandbox.points(&format!("{} --from 2026-01-01", costs[0])).await;
    let gap = points.iter().find(|point| !point["value"].is_u64());
    assert_eq!(gap, None, "all of it");
    assert_eq!(sandbox.json("connections").await["connections"][0]["state"], "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_github_token_that_may_only_read_costs_the_traffic() {
    let sandbox = Sandbox::new().await;
    let connected = sandbox.connect("github", &github_file(GITHUB_TOKEN_READ_ONLY)).await;
    let costs = [
        "github_traffic_views",
        "github_traffic_unique_views",
        "github_traffic_clones",
        "github_traffic_unique_clones",
    ];
    assert_eq!(refused(&connected), [("traffic", costs.to_vec())]);
    let run = sandbox.sync("github", 3).await;
    only_these_are_missing(&sandbox, &run, &costs, "Administration").await;
    assert_eq!(sandbox.json("connections").await["connections"][0]["state"], "degraded");
}
