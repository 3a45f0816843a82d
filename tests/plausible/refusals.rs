//! What is said where something is not to be had.

use dashtray::{
    demo::{PLAUSIBLE_KEY_WITHOUT_PLAN, PlausibleKey, PlausibleServer},
    sync::{RunStatus, RunView},
};

use super::*;

fn error_of(run: &RunView, metric: &str) -> Option<String> {
    let outcome = run.metrics.iter().find(|one| one.metric_id == metric).unwrap();
    outcome.error.as_ref().map(|error| error.message.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_goal_that_was_renamed_is_named_and_the_others_go_on() {
    let place = Place::new(Options::default()).await;
    let app = place.open(0).await;
    let view = connect(&app, json!({ "goals": ["Sign-up", "Download"] })).await;
    assert!(view.choices["goals"].iter().any(|choice| choice.value == "Visit /pricing"));
    assert_eq!(app.run("main").await.status, RunStatus::Ok);
    let before = said(&series(&app, "plausible_conversions", true).await["Download"]);
    let server = PlausibleServer::default().renamed("Sign-up", "Registration");
    let place = place.now_with(Options { plausible: server, ..Options::default() }).await;
    // While nobody comes goals are what they were; then they are asked for.
    place.emulators.advance(now() + jiff::SignedDuration::from_mins(90));
    let app = place.open(90).await;
    let run = app.run("main").await;
    assert_eq!(run.status, RunStatus::Partial);
    let failed = error_of(&run, "plausible_conversions").unwrap();
    assert!(failed.contains("no goal \"Sign-up\"") && failed.contains("set goals to it"), "{failed}");
    assert!(error_of(&run, "plausible_visits").is_none());
    let after = series(&app, "plausible_conversions", true).await;
    let past = before.len() - 1;
    assert_eq!(said(&after["Download"])[..past], before[..past]);
    assert!(after["Download"].points.iter().all(|point| !point.stale));
    assert!(after["Sign-up"].points.last().unwrap().stale);
    let total = &series(&app, "plausible_conversions", false).await[""];
    assert!(total.points.last().unwrap().stale, "a sum without one part would be wrong");
    let tested = app.connections.test("default", "main").await.unwrap();
    let check = tested.checks.iter().find(|check| check.id == "goals").unwrap();
    assert!(!check.ok && check.message == failed && check.costs.len() == 3, "{check:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_the_plan_does_not_tell_is_unsupported_and_nothing_else() {
    let server = PlausibleServer { revenue: false, ..PlausibleServer::default() };
    let place = Place::new(Options { plausible: server, ..Options::default() }).await;
    let app = place.open(0).await;
    connect(&app, json!({})).await;
    assert_eq!(app.run("main").await.status, RunStatus::Ok);
    let revenue = &series(&app, "plausible_revenue", false).await[""];
    assert!(revenue.points.iter().all(|point| point.state.name() == "unsupported"));
    let state = app.connections.list("default").await.unwrap().remove(0);
    assert_eq!((state.state.as_str(), state.reason), ("ok", None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_site_or_plan_that_does_not_do_is_refused_with_the_next_step() {
    let place = Place::new(Options::default()).await;
    let app = place.open(0).await;
    let refused = |key: &'static str, settings: Json| {
        let app = &app;
        async move { try_connect(app, key, settings).await.unwrap_err().to_string() }
    };
    let site = |id: &str| json!({ "site_id": id });
    for said in [
        refused("NotAKeyThatAnybodyKnows", site(PLAUSIBLE_SITE)).await,
        refused(PLAUSIBLE_KEY, site("x.example")).await,
    ] {
        assert!(said.contains("the key is wrong or was deleted") && said.contains("site_id"), "{said}");
    }
    let plan = refused(PLAUSIBLE_KEY_WITHOUT_PLAN, site(PLAUSIBLE_SITE)).await;
    assert!(plan.contains("Business"), "{plan}");
    let nothing = refused(PLAUSIBLE_KEY, json!({})).await;
    assert!(nothing.contains("this key may see fernwerk.example"), "{nothing}");
    let path = json!({ "site_id": PLAUSIBLE_SITE, "base_url": "https://stats.fernwerk.example/nowhere" });
    let elsewhere = refused(PLAUSIBLE_KEY, path).await;
    assert!(elsewhere.contains("check base_url"), "{elsewhere}");
    let zone = refused(PLAUSIBLE_KEY, json!({ "site_id": PLAUSIBLE_SITE, "zone": "Asia/Tokyo" })).await;
    assert!(zone.contains("zone"), "{zone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_may_not_list_sites_takes_the_users_zone() {
    let keys = vec![PlausibleKey::full(PLAUSIBLE_KEY).without_sites()];
    let place = Place::new(Options { plausible_keys: keys, ..Options::default() }).await;
    let app = place.open(0).await;
    let view = connect(&app, json!({ "zone": "Europe/Berlin" })).await;
    assert_eq!(view.account.zone, None);
    let check = view.checks.iter().find(|check| check.id == "zone").unwrap();
    assert!(check.message.contains("connect with `zone`"), "{check:?}");
    app.run("main").await;
    assert_eq!(series(&app, "plausible_visits", false).await[""].zone, "Europe/Berlin");
}
