//! A connection's page: how it stands, what can be done about it, and what nobody gets to see.

use std::sync::Arc;

use dashtray::{integrations::Error, metric::FailureKind, sync::Range};
use tokio_util::sync::CancellationToken;

use super::{
    connecting::{KEY, connected, send, site},
    visitor::Visitor,
};
use crate::support::{
    fake::{Behaviour, Script},
    site::{EMAIL, Site},
};

async fn run(site: &Site) {
    let stop = CancellationToken::new();
    site.app.sync.sync_now("default", &[], Range::default(), &stop, Arc::new(|_| {})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_is_followed_while_it_runs_and_stands_in_days_and_runs_afterwards() {
    let script = Script::named("example-service");
    let site = site(&script).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    script.behave(Behaviour::Hang);
    let address = connected(&ada, "mint").await;
    site.work();
    script.hanging.notified().await;
    let page = ada.get(&address).await;
    for part in ["Reading now", "<progress max=", "back to ", "data-live=\"/live?connection=", "still to be read"] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    // Half of the newest days of one metric are there, and the page tells so much of each.
    assert!(page.body.contains("<tr><th scope=\"row\">fake_events</th>"), "{}", page.body);
    assert!(page.body.contains("</svg>5 of 30</td>") && page.body.contains("</svg>0 of 30</td>"), "{}", page.body);
    let now = ada.get(&format!("{address}/now")).await;
    assert!(now.body.contains("<progress") && !now.body.contains("<html"), "{}", now.body);
    // The run says what it did while it goes on.
    let (stream, seen) = page.stage();
    let heard = ada.hears(&format!("{stream}&seen={seen}"), &["event: steps"]).await;
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
    let now = ada.get(&format!("{address}/now")).await;
    assert!(now.body.contains("0 calls, 5 values</span> so far"), "{}", now.body);
    let board = ada.get("/d/example-service").await;
    for part in ["first sync, newest days first", "0 calls, 5 values so far", "aria-label=\"First sync of mint\""] {
        assert!(board.body.contains(part), "{part}: {}", board.body);
    }
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_runs_and_outcomes_are_told_and_diagnostics_hold_no_key() {
    let script = Script::named("example-service");
    let site = site(&script).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    script.behave(Behaviour::FailMetric("fake_users", Error::new(FailureKind::Unavailable, "the users are out")));
    let address = connected(&ada, "mint").await;
    run(&site).await;
    let page = ada.get(&address).await;
    for part in [
        "Some numbers are missing",
        "read in part",
        "1 failed",
        "the users are out",
        "class=\"is-failed\"",
        "<title>",
        "1 could not be read",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(!page.body.contains("class=\"button primary\" href=\"/connections/"), "a new key would help nothing");
    script.behave(Behaviour::Answer);
    assert_eq!(send(&ada, &format!("{address}/sync"), &[]).await.status, 303);
    run(&site).await;
    let page = ada.get(&format!("{address}?done=asked")).await;
    for part in ["Working", "all read", "A sync begins now.", "<rect class=\"is-known\"", "2 complete, 1 not to be had"]
    {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let file = ada.get(&format!("{address}/diagnostics")).await;
    assert!(file.header("content-disposition").starts_with("attachment"), "{file:?}");
    let told: serde_json::Value = serde_json::from_str(&file.body).unwrap();
    assert_eq!((&told["connection"]["state"], told["runs"].as_array().unwrap().len()), (&"ok".into(), 2));
    assert!(!file.body.contains(KEY) && !page.body.contains(KEY));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_refused_asks_for_another_of_the_same_account() {
    let script = Script::named("example-service");
    let site = site(&script).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let address = connected(&ada, "mint").await;
    script.behave(Behaviour::Fail(Error::new(FailureKind::Unauthorized, "the key is not accepted any more")));
    run(&site).await;
    let page = ada.get(&address).await;
    assert!(page.body.contains("Needs to be reconnected"), "{}", page.body);
    let reconnect = format!("{address}/reconnect");
    assert!(page.body.contains(&format!("class=\"button primary\" href=\"{reconnect}\"")), "{}", page.body);
    let tested = send(&ada, &format!("{address}/test"), &[]).await;
    assert!(tested.status == 422 && tested.body.contains("not accepted any more"), "{}", tested.body);

    let form = ada.get(&reconnect).await;
    assert!(form.body.contains("name=\"c-api_key\"") && !form.body.contains("s-flavour"), "{}", form.body);
    let wrong = send(&ada, &reconnect, &[("action", "connect"), ("c-api_key", KEY)]).await;
    assert!(wrong.status == 422 && wrong.body.contains("not accepted any more"), "{}", wrong.body);
    assert!(!wrong.body.contains(KEY));
    script.behave(Behaviour::Answer);
    let right = send(&ada, &reconnect, &[("action", "connect"), ("c-api_key", "another-key")]).await;
    assert_eq!((right.status, right.header("location")), (303, format!("{address}?done=reconnected").as_str()));
    run(&site).await;
    let page = ada.get(&address).await;
    assert!(page.body.contains("Working") && !page.body.contains("Needs to be"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_pauses_goes_on_changes_and_leaves() {
    let site = site(&Script::named("example-service")).await;
    let ada = Visitor::signed_in(&site, EMAIL).await;
    let address = connected(&ada, "mint").await;
    let act = async |act: &str, fields: &[(&str, &str)]| send(&ada, &format!("{address}/{act}"), fields).await;
    assert_eq!(act("pause", &[]).await.status, 303);
    let page = ada.get(&address).await;
    assert!(
        page.body.contains("Paused") && page.body.contains("Go on") && !page.body.contains("Sync now"),
        "{}",
        page.body
    );
    assert_eq!(act("resume", &[]).await.status, 303);

    let wrong = act("settings", &[("shown", "s-sync_interval"), ("s-sync_interval", "0")]).await;
    assert!(wrong.status == 422 && wrong.body.contains("id=\"s-sync_interval-error\""), "{}", wrong.body);
    let fields =
        [("shown", "s-sync_interval"), ("s-sync_interval", "45"), ("shown", "s-zone"), ("s-zone", "Asia/Tokyo")];
    assert_eq!(act("settings", &fields).await.status, 303);
    let project = site.app.store.project("default").await.unwrap().unwrap();
    let kept = site.app.store.connections(project.id).await.unwrap().remove(0).settings;
    // What the form did not show stays as it was; the zone is frozen.
    assert_eq!(
        (kept.sync_interval_minutes, kept.values["flavour"].as_str(), kept.zone.name()),
        (Some(45), Some("mint"), "UTC")
    );

    let open = act("disconnect", &[]).await;
    assert!(open.status == 422 && open.body.contains("Say what happens to the numbers"), "{}", open.body);
    assert_eq!(act("disconnect", &[("data", "keep")]).await.status, 303);
    assert!(ada.get(&address).await.body.contains("Paused"));
    let gone = act("disconnect", &[("data", "delete")]).await;
    assert_eq!(gone.header("location"), "/integrations?done=disconnected");
    assert_eq!(ada.get(&address).await.status, 404);
    assert!(site.app.store.connections(project.id).await.unwrap().is_empty());
}
