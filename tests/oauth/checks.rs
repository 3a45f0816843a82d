//! What C30 to C36 hold of any service with a sign-in, whatever it serves.

use dashtray::{connections::SignInError, demo::authorization::Fault, fail_point::Point, sync::RunStatus};

use super::*;
use crate::support::points::{killed_at, points_of};

/// What a renewal makes durable, in this order.
const STEPS: [&str; 3] = ["intent of a renewal", "answer of a token endpoint", "renewed grant"];

fn of_renewal(points: Vec<Point>) -> Vec<Point> {
    points.into_iter().filter(|point| STEPS.contains(&point.step)).collect()
}

/// C30
pub(crate) async fn a_hundred_callers_make_one_refresh(db: Database, site: &Site) {
    site.auth.change(|rules| rules.rotates = true);
    let process = signed_in(&db, site).await;
    site.auth.end_access();
    let views = all((0..100).map(|_| {
        let process = process.clone();
        async move { test(&process).await }
    }))
    .await;
    assert!(views.iter().all(|view| view.success), "{:?}", views.iter().find(|view| !view.success));
    assert!(views.iter().any(|view| view.refreshed));
    assert_eq!(site.auth.counts().refreshes, 1);
    assert!(site.auth.is_granted(), "no old refresh token came back");
}

/// C32
pub(crate) async fn two_processes_share_one_grant(db: Database, site: &Site) {
    site.auth.change(|rules| rules.rotates = true);
    let one = signed_in(&db, site).await;
    let two = process(&db, site, site.clock()).await;
    // Each holds what was there before the other one renewed it.
    assert!(test(&one).await.success && test(&two).await.success);
    for round in 1..=3 {
        site.auth.end_access();
        let views = all((0..20).map(|number| {
            let process = if number % 2 == 0 { one.clone() } else { two.clone() };
            async move { test(&process).await }
        }))
        .await;
        assert!(views.iter().all(|view| view.success), "{:?}", views.iter().find(|view| !view.success));
        assert_eq!(site.auth.counts().refreshes, round);
    }
    assert!(site.auth.is_granted(), "no old refresh token came back");
}

/// C33
pub(crate) async fn a_new_refresh_token_is_kept_and_an_old_one_stays_where_none_comes(db: Database, site: &Site) {
    signed_in(&db, site).await;
    for rotates in [false, true, false, true] {
        site.auth.change(|rules| rules.rotates = rotates);
        site.auth.end_access();
        // A process of its own: nothing counts but what is on disk.
        let process = process(&db, site, site.clock()).await;
        let (first, second) = (test(&process).await, test(&process).await);
        assert!(first.success && first.refreshed, "{first:?}");
        assert!(second.success && !second.refreshed, "{second:?}");
    }
    assert_eq!(site.auth.counts().refreshes, 4);
}

/// C34
pub(crate) async fn no_answer_of_an_endpoint_loses_a_grant(db: Database, site: &Site) {
    let process = signed_in(&db, site).await;
    for (fault, kind, says) in [
        (Fault::Status(500), "unavailable", "token endpoint has a fault"),
        (Fault::Status(503), "unavailable", "token endpoint has a fault"),
        (Fault::Status(429), "rate_limited", "token endpoint asks to wait"),
        (Fault::Status(302), "invalid_response", "something that is no token"),
        (Fault::Status(404), "invalid_response", "something that is no token"),
        (Fault::Html, "invalid_response", "something that is no token"),
        (Fault::Empty, "invalid_response", "something that is no token"),
        (Fault::ErrorWith200, "unauthorized", "OAuth token expired. Please reconnect."),
    ] {
        site.auth.end_access();
        site.auth.fail(&[fault, fault]);
        let (found, message) = failure(&process).await;
        assert_eq!(found, kind, "{fault:?}: {message}");
        assert!(message.contains(says), "{fault:?}: {message}");
        site.auth.fail(&[]);
        let view = test(&process).await;
        assert!(view.success && view.refreshed, "{fault:?}: the grant is there and works again: {view:?}");
    }
    // One fault alone is sat out.
    site.auth.end_access();
    site.auth.fail(&[Fault::Status(500)]);
    assert!(test(&process).await.success);
    // An outage is no reason to reconnect.
    site.auth.end_access();
    site.auth.fail(&[Fault::Status(500); 99]);
    assert_eq!(process.run("main").await.status, RunStatus::Failed);
    assert_eq!(process.connections.list("default").await.unwrap()[0].state, "failing");
}

/// The provider gives no new refresh token: then no kill may cost anything at all.
pub(crate) async fn killed_at_every_step_the_next_process_goes_on(db: Database, site: &Site) {
    signed_in(&db, site).await;
    site.auth.end_access();
    let (view, points) = points_of(async { test(&process(&db, site, site.clock()).await).await }).await;
    assert!(view.success && view.refreshed);
    let points = of_renewal(points);
    assert_eq!(points.len(), 2 * STEPS.len(), "{points:?}");
    for (number, expected) in points.iter().enumerate() {
        site.auth.end_access();
        let dying = process(&db, site, site.clock()).await;
        let counts = |point: Point| STEPS.contains(&point.step);
        let point = killed_at(number, counts, test(&dying)).await.unwrap();
        assert_eq!(point, *expected);
        // A lease later, since nobody gave it back.
        let survivor = process(&db, site, site.later(26)).await;
        let view = test(&survivor).await;
        assert!(view.success, "killed {point}: {view:?}");
        let view = test(&process(&db, site, site.later(26)).await).await;
        assert!(view.success && !view.refreshed, "killed {point}, what was renewed then is kept: {view:?}");
    }
}

/// The provider replaced the refresh token and the only one who knows the new one is dead: that can be told from a user
/// who took access back, and no other step ends so.
pub(crate) async fn killed_with_the_answer_in_hand_the_open_state_is_reported(db: Database, site: &Site) {
    site.auth.change(|rules| rules.rotates = true);
    let mut lost = Vec::new();
    for number in 0..2 * STEPS.len() {
        let process = super::process(&db, site, site.clock()).await;
        site.auth.user(&format!("user-{number}@fernwerk.example"));
        let purpose = || site.new_connection("main");
        sign_in(&process, site, purpose()).await.unwrap();
        site.auth.end_access();
        let dying = super::process(&db, site, site.clock()).await;
        let point = killed_at(number, |point| STEPS.contains(&point.step), test(&dying)).await.unwrap();
        let survivor = super::process(&db, site, site.later(26)).await;
        let view = test(&survivor).await;
        if !view.success {
            let message = view.error.unwrap().message;
            assert!(message.starts_with("OAuth token expired. Please reconnect. A renewal that began at"), "{message}");
            assert!(message.contains("the provider may have replaced the token then"), "{message}");
            lost.push(point.to_string());
        }
        // The credentials are there still, and a reconnect takes their place.
        let again = SignInFor::Reconnect { connection: "main".to_owned() };
        sign_in(&survivor, site, again).await.unwrap();
        assert!(test(&survivor).await.success);
        survivor.connections.disconnect("default", "main").await.unwrap();
    }
    assert_eq!(lost, ["after the answer of a token endpoint", "before the renewed grant"]);
}

/// C36: what the page is asked with. The server itself refuses all that departs from the standards.
pub(crate) async fn the_address_of_a_sign_in_is_the_standards(db: Database, site: &Site) {
    let process = process(&db, site, site.clock()).await;
    let url = begin(&process.connections, site.new_connection("main")).await.unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    assert_eq!((get("response_type"), get("code_challenge_method"), get("redirect_uri")), ("code", "S256", REDIRECT));
    assert_eq!((get("state").len(), get("code_challenge").len()), (43, 43));
    assert_eq!((get("access_type"), get("prompt")), ("offline", "consent"));
    assert!(url.as_str().starts_with(site.url.as_str()), "the sandbox's address stands in for the provider's");
    let other = begin(&process.connections, site.new_connection("main")).await.unwrap();
    assert_ne!(url.query(), other.query(), "each sign-in has a state and a verifier of its own");
    // Of another address the server says so and sends nobody there.
    let moved = url.as_str().replace("8573", "8574").parse().unwrap();
    assert!(site.browse(&moved).unwrap_err().contains("redirect_uri_mismatch"));
}

/// C35: refused where nothing else says that it is over.
pub(crate) async fn access_that_is_over_is_renewed(db: Database, site: &Site) {
    let process = signed_in(&db, site).await;
    for _ in 0..2 {
        site.auth.end_access();
        let view = test(&process).await;
        assert!(view.success && view.refreshed, "{view:?}");
        assert!(!test(&process).await.refreshed);
    }
    site.auth.end_access();
    assert_eq!(process.run("main").await.status, RunStatus::Ok);
}

/// C36
pub(crate) async fn a_state_counts_once(db: Database, site: &Site) {
    let process = process(&db, site, site.clock()).await;
    let url = begin(&process.connections, site.new_connection("main")).await.unwrap();
    let back = callback(&site.browse(&url).unwrap());
    let other = of_another_state(&back, "a-state-that-nobody-gave-away");
    let refused = process.connections.finish_sign_in(other).await.unwrap_err();
    assert!(matches!(refused, Error::SignIn(SignInError::Unknown)), "{refused}");
    process.connections.finish_sign_in(back.clone()).await.unwrap();
    let again = process.connections.finish_sign_in(back).await.unwrap_err();
    assert!(matches!(again, Error::SignIn(SignInError::Used)), "{again}");
    assert!(test(&process).await.success);
}

fn of_another_state(back: &Callback, state: &str) -> Callback {
    Callback { state: Some(Secret::new(state)), ..back.clone() }
}
