//! Signing in, signing in again, and leaving.

use std::collections::BTreeMap;

use dashtray::{
    connections::{Access, Callback, Error, SignInError, SignInFor},
    demo::{Company, Emulators, GOOGLE_PROPERTY, Options, authorization::Consent},
    integrations::google_analytics::GoogleAnalytics,
    secret::Secret,
    sync::RunStatus,
};
use serde_json::json;

use super::{acme::Acme, *};
use crate::support::database::{Database, on_both};

on_both! {
    a_sign_in_connects,
    every_wrong_way_back_is_a_sentence_and_changes_nothing,
    a_sign_in_takes_an_hour_at_most,
    another_account_is_refused_and_the_same_one_keeps_its_history,
    leaving_gives_access_back_unless_another_connection_needs_it,
}

async fn a_sign_in_connects(db: Database) {
    let acme = Acme::start().await;
    let process = signed_in(&db, &acme).await;
    let view = test(&process).await;
    assert!(view.success && !view.refreshed, "{view:?}");
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
    let counts = acme.auth.counts();
    assert_eq!((counts.sign_ins, counts.refreshes), (1, 0));
    // What came back is used up, and the same account is there already.
    let again = sign_in(&process, &acme, acme.new_connection("again")).await.unwrap_err();
    assert!(matches!(again, Error::AlreadyConnected { ref name } if name == "main"), "{again}");
    let taken = begin(&process.connections, acme.new_connection("MAIN")).await.unwrap_err();
    assert!(matches!(taken, Error::NameTaken(_)), "{taken}");
    // Neither the state nor a token lies anywhere in the clear.
    for column in ["hex(body)", "hex(state_hash)"].iter().filter(|_| db.url.starts_with("sqlite:")) {
        assert!(!db.texts(&format!("SELECT {column} FROM sign_ins")).await.concat().contains("4465636F6465"));
    }
}

async fn every_wrong_way_back_is_a_sentence_and_changes_nothing(db: Database) {
    let acme = Acme::start().await;
    let process = process(&db, &acme, acme.clock()).await;
    let finish = async |callback| process.connections.finish_sign_in(callback).await.unwrap_err();
    let sign_in_error = |error: Error| match error {
        Error::SignIn(error) => error,
        other => panic!("{other}"),
    };

    let stranger = Callback { state: Some(Secret::new("a-state-of-nobody")), ..Callback::default() };
    assert_eq!(sign_in_error(finish(stranger).await), SignInError::Unknown);
    assert_eq!(sign_in_error(finish(Callback::default()).await), SignInError::Unknown);

    acme.auth.consent(Consent::Deny);
    let url = begin(&process.connections, acme.new_connection("main")).await.unwrap();
    let back = callback(&acme.browse(&url).unwrap());
    assert_eq!(sign_in_error(finish(back.clone()).await), SignInError::Cancelled);
    assert_eq!(sign_in_error(finish(back).await), SignInError::Used);

    acme.auth.consent(Consent::Only(["email".to_owned()].into()));
    let partial = sign_in(&process, &acme, acme.new_connection("main")).await.unwrap_err();
    assert!(partial.to_string().contains("leave every box ticked (missing: "), "{partial}");

    acme.auth.consent(Consent::Allow);
    let url = begin(&process.connections, acme.new_connection("main")).await.unwrap();
    let back = callback(&acme.browse(&url).unwrap());
    let nothing = Callback { code: None, ..back.clone() };
    assert_eq!(sign_in_error(finish(nothing).await), SignInError::Empty);
    // The state was used up by that, so that the code is worth nothing any more.
    assert_eq!(sign_in_error(finish(back).await), SignInError::Used);

    let url = begin(&process.connections, acme.new_connection("main")).await.unwrap();
    let back = callback(&acme.browse(&url).unwrap());
    let odd = Callback { error: Some("<script>alert(1)</script>".to_owned()), ..back };
    assert!(!finish(odd).await.to_string().contains("script"));

    let url = begin(&process.connections, acme.new_connection("main")).await.unwrap();
    let back = callback(&acme.browse(&url).unwrap());
    let other_code = Callback { code: Some(Secret::new("4/0-guessed-by-somebody")), ..back };
    let refused = finish(other_code).await.to_string();
    assert!(refused.contains("sign in again") && !refused.contains("guessed"), "{refused}");

    assert!(process.connections.list("default").await.unwrap().is_empty());
}

async fn a_sign_in_takes_an_hour_at_most(db: Database) {
    let acme = Acme::start().await;
    let process = process(&db, &acme, acme.clock()).await;
    let url = begin(&process.connections, acme.new_connection("main")).await.unwrap();
    let back = callback(&acme.browse(&url).unwrap());
    let hours_later = super::process(&db, &acme, acme.later(3_700)).await;
    let late = hours_later.connections.finish_sign_in(back).await.unwrap_err();
    assert!(matches!(late, Error::SignIn(SignInError::Late)), "{late}");
}

async fn another_account_is_refused_and_the_same_one_keeps_its_history(db: Database) {
    let acme = Acme::start().await;
    let process = signed_in(&db, &acme).await;
    process.run("main").await;
    let again = || SignInFor::Reconnect { connection: "main".to_owned() };

    acme.auth.user("eve@elsewhere.example");
    let other = sign_in(&process, &acme, again()).await.unwrap_err();
    assert!(matches!(other, Error::AccountMismatch { ref found, .. } if found.contains("eve@")), "{other}");
    assert!(test(&process).await.success, "the access that was there still works");

    acme.auth.user("ada@fernwerk.example");
    acme.auth.end_grants();
    assert_eq!(process.run("main").await.status, RunStatus::Failed);
    let view = process.connections.list("default").await.unwrap().remove(0);
    assert_eq!(view.state, "needs_reconnect");
    assert!(view.reason.unwrap().starts_with("OAuth token expired. Please reconnect."));
    let figures = db.figures().await;
    let signed_in = sign_in(&process, &acme, again()).await.unwrap();
    assert!(signed_in.is_reconnect && signed_in.view.name == "main");
    assert_eq!(process.connections.list("default").await.unwrap()[0].state, "ok");
    assert!(test(&process).await.success);
    let points = |figures: &[String]| figures.iter().filter(|line| line.starts_with("point")).count();
    assert_eq!(points(&db.figures().await), points(&figures));
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
}

async fn leaving_gives_access_back_unless_another_connection_needs_it(db: Database) {
    let acme = Acme::start().await;
    let process = signed_in(&db, &acme).await;
    acme.auth.user("bob@fernwerk.example");
    sign_in(&process, &acme, acme.new_connection("second")).await.unwrap();
    // A provider takes back all that a person gave to an application.
    let first = process.connections.disconnect("default", "main").await.unwrap();
    assert_eq!((first.access, acme.asked("/revoke")), (Access::Left, 0));
    let second = process.connections.disconnect("default", "second").await.unwrap();
    assert_eq!((second.access, acme.asked("/revoke"), acme.auth.counts().ended), (Access::GivenBack, 1, 1));
    assert!(process.connections.list("default").await.unwrap().is_empty());
}

/// Of what there is to choose is known only once there is access, so that nobody has to sign in again to choose.
#[tokio::test]
async fn a_setting_can_be_chosen_after_the_sign_in_and_no_try_loses_the_access() {
    let now = "2026-03-31T12:00:00Z".parse().unwrap();
    let emulators = Emulators::start(Arc::new(Company::empty(now)), Options::default()).await.unwrap();
    let site = Site {
        integration: Arc::new(GoogleAnalytics),
        settings: Map::new(),
        url: emulators.url("google-analytics").parse().unwrap(),
        auth: emulators.google_authorization().unwrap(),
        now,
        _running: Box::new(emulators),
    };
    site.auth.change(|rules| rules.rotates = true);
    let db = Database::sqlite().await;
    let process = process(&db, &site, site.clock()).await;
    let url = begin(&process.connections, site.new_connection("main")).await.unwrap();
    let mut allowed = process.connections.redeem_sign_in(callback(&site.browse(&url).unwrap())).await.unwrap();
    let property = |text: &str| json!({ "property": text }).as_object().cloned().unwrap();
    for wrong in ["", "G-4KX2ABCD90"] {
        // He takes his time, and what renews the access is replaced each time.
        site.auth.end_access();
        allowed.choose(property(wrong));
        let error = process.connections.settle_sign_in(&mut allowed).await.unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(GOOGLE_PROPERTY), "{error}");
    }
    site.auth.end_access();
    allowed.choose(property(GOOGLE_PROPERTY));
    let signed_in = process.connections.settle_sign_in(&mut allowed).await.unwrap();
    assert_eq!(signed_in.view.name, "main");
    assert!(test(&process).await.success && site.auth.is_granted());
    assert_eq!((site.auth.counts().sign_ins, site.auth.counts().refreshes), (1, 3));
}

#[tokio::test]
async fn without_a_client_it_is_said_what_to_set_and_what_to_register() {
    let (db, acme) = (Database::sqlite().await, Acme::start().await);
    let process = process_with(&db, &acme, acme.clock(), BTreeMap::new()).await;
    let error = begin(&process.connections, acme.new_connection("main")).await.unwrap_err();
    for part in ["DASHTRAY_ACME_VISITS_CLIENT_ID", "DASHTRAY_ACME_VISITS_CLIENT_SECRET", REDIRECT] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let purpose = SignInFor::Connect { integration_id: "fake".into(), name: None, settings: serde_json::Map::new() };
    let error = begin(&process.connections, purpose).await.unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("has no sign-in"), "{error}");
    assert_eq!(acme.asked("/token"), 0);
}

#[tokio::test]
async fn the_address_of_a_sign_in_is_the_standards() {
    let acme = Acme::start().await;
    checks::the_address_of_a_sign_in_is_the_standards(Database::sqlite().await, &acme).await;
}
