//! C30, C32 to C35: one renewal for all who need it, and nothing that an endpoint says or does not say loses a grant.

use std::time::Duration;

use dashtray::{
    connections::SignInFor,
    demo::authorization::Fault,
    fail_point::{Watch, watched},
    sync::RunStatus,
};
use tokio::sync::Notify;

use super::{
    acme::{Acme, Says, WEEK},
    *,
};
use crate::support::database::{Database, on_both};

on_both! {
    a_hundred_callers_make_one_refresh,
    two_processes_share_one_grant,
    a_new_refresh_token_is_kept_and_an_old_one_stays_where_none_comes,
    no_answer_of_an_endpoint_loses_a_grant,
    a_reconnect_in_the_middle_of_a_renewal_wins,
    a_caller_who_goes_away_does_not_take_the_answer_with_him,
}

async fn a_hundred_callers_make_one_refresh(db: Database) {
    checks::a_hundred_callers_make_one_refresh(db, &*Acme::start().await).await;
}

async fn two_processes_share_one_grant(db: Database) {
    checks::two_processes_share_one_grant(db, &*Acme::start().await).await;
}

async fn a_new_refresh_token_is_kept_and_an_old_one_stays_where_none_comes(db: Database) {
    checks::a_new_refresh_token_is_kept_and_an_old_one_stays_where_none_comes(db, &*Acme::start().await).await;
}

async fn no_answer_of_an_endpoint_loses_a_grant(db: Database) {
    checks::no_answer_of_an_endpoint_loses_a_grant(db, &*Acme::start().await).await;
}

/// C34: `invalid_grant` is believed when what lies there is still what was sent.
async fn a_reconnect_in_the_middle_of_a_renewal_wins(db: Database) {
    let acme = Acme::start().await;
    let process = signed_in(&db, &acme).await;
    acme.auth.end_access();
    acme.auth.end_grants();
    let answer = acme.hold();
    let testing = tokio::spawn({
        let process = process.clone();
        async move { test(&process).await }
    });
    while acme.asked("/token") < 2 {
        tokio::task::yield_now().await;
    }
    // The refusal is made and on its way. Meanwhile the user signs in again, in another process.
    let other = super::process(&db, &acme, acme.clock()).await;
    sign_in(&other, &acme, SignInFor::Reconnect { connection: "main".to_owned() }).await.unwrap();
    answer.notify_one();
    let view = testing.await.unwrap();
    assert!(view.success, "{view:?}");
}

async fn a_caller_who_goes_away_does_not_take_the_answer_with_him(db: Database) {
    let acme = Acme::start().await;
    acme.auth.change(|rules| rules.rotates = true);
    let process = signed_in(&db, &acme).await;
    acme.auth.end_access();
    let answer = acme.hold();
    let testing = tokio::spawn({
        let process = process.clone();
        async move { test(&process).await }
    });
    while acme.asked("/token") < 2 {
        tokio::task::yield_now().await;
    }
    testing.abort();
    assert!(testing.await.unwrap_err().is_cancelled());
    answer.notify_one();
    // What was rotated is on disk: another process goes on with it.
    let other = super::process(&db, &acme, acme.clock()).await;
    let view = test(&other).await;
    assert!(view.success, "{view:?}");
    assert_eq!(acme.auth.counts().refreshes, 1);
}

/// C35
#[tokio::test]
async fn access_that_is_over_shows_in_many_ways() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    let process = signed_in(&db, &acme).await;
    for says in [Says::Unauthorized, Says::In200, Says::In400, Says::In403] {
        acme.says(says);
        acme.auth.end_access();
        let view = test(&process).await;
        assert!(view.success && view.refreshed, "{says:?}: {view:?}");
        let asked = acme.asked("/v1/visits");
        assert!(!test(&process).await.refreshed);
        assert_eq!(acme.asked("/v1/visits"), asked + 1);
    }
    // Refused once more right after: then it is not the age.
    acme.auth.change(|rules| rules.access_seconds = 0);
    for says in [Says::Unauthorized, Says::In200, Says::In403] {
        acme.says(says);
        acme.auth.end_access();
        let (kind, message) = failure(&process).await;
        assert_eq!(kind, "unauthorized", "{says:?}: {message}");
        assert!(message.starts_with("OAuth token expired. Please reconnect."), "{message}");
    }
}

#[tokio::test]
async fn access_is_renewed_before_it_ends_and_an_outage_then_costs_nothing() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    signed_in(&db, &acme).await;
    let soon = process(&db, &acme, acme.later(3_400)).await;
    acme.auth.fail(&[Fault::Status(500), Fault::Status(500)]);
    let view = test(&soon).await;
    assert!(view.success && !view.refreshed, "what is there is good for some minutes: {view:?}");
    let view = test(&process(&db, &acme, acme.later(3_400)).await).await;
    assert!(view.success && view.refreshed, "{view:?}");
    assert_eq!(acme.auth.counts().refreshes, 1);
}

#[tokio::test]
async fn access_of_three_seconds_is_enough() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    acme.auth.change(|rules| rules.access_seconds = 3);
    let process = signed_in(&db, &acme).await;
    let before = acme.auth.counts().refreshes;
    assert!(test(&process).await.success);
    assert!(test(&process).await.success);
    assert!(acme.auth.counts().refreshes <= before + 1, "not renewed for each request");
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
}

#[tokio::test]
async fn a_grant_that_died_of_age_is_explained_by_name() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    signed_in(&db, &acme).await;
    acme.auth.end_access();
    acme.auth.end_grants();
    let (_, young) = failure(&process(&db, &acme, acme.later(86_400)).await).await;
    assert!(!young.contains(WEEK), "{young}");
    assert!(young.contains("The provider says: Token has been expired or revoked."), "{young}");
    let (_, week_old) = failure(&process(&db, &acme, acme.later(7 * 86_400 + 60)).await).await;
    assert!(week_old.starts_with(&format!("OAuth token expired. Please reconnect. {WEEK}")), "{week_old}");
}

#[tokio::test]
async fn a_refresh_token_whose_end_was_announced_is_explained_too() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    acme.auth.change(|rules| rules.refresh_seconds = Some(1_000));
    signed_in(&db, &acme).await;
    acme.auth.end_access();
    acme.auth.end_grants();
    let (_, message) = failure(&process(&db, &acme, acme.later(2_000)).await).await;
    assert!(message.contains(WEEK), "{message}");
}

/// A process that stands still for as long as it likes holds the others up until its lease is over, no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stands_still_is_not_waited_for() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    let stuck = signed_in(&db, &acme).await;
    acme.auth.end_access();
    let is_there = Arc::new(Notify::new());
    let there = is_there.clone();
    let watch: Watch = Arc::new(move |point| {
        let stops = point.step == "answer of a token endpoint" && !point.is_done;
        if stops {
            there.notify_one();
        }
        Box::pin(async move {
            if stops {
                std::future::pending::<()>().await;
            }
        })
    });
    let testing = tokio::spawn(watched(watch, async move { test(&stuck).await }));
    is_there.notified().await;
    let other = process(&db, &acme, acme.clock()).await;
    let waiting = tokio::time::timeout(Duration::from_millis(200), test(&other)).await;
    assert!(waiting.is_err(), "the lease holds");
    let later = process(&db, &acme, acme.later(30)).await;
    let view = test(&later).await;
    assert!(view.success && view.refreshed, "{view:?}");
    testing.abort();
}
