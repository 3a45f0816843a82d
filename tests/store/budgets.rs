//! Budgets among runs and processes.

use dashtray::http::{Allowance, Learned, Reservation};
use jiff::Timestamp;

use super::at;
use crate::support::database::{Database, on_both};

on_both! {
    reservations_at_once_never_exceed_the_capacity,
    a_window_that_is_over_starts_anew,
    the_providers_word_lowers_what_is_left_and_moves_the_reset,
    a_late_answer_about_a_window_that_is_over_changes_nothing,
    nobody_calls_before_the_provider_allows_it,
    the_budget_is_still_known_after_a_restart,
    a_window_that_slides_is_counted_from_any_instant_on,
}

/// Out of 100 calls an hour.
pub(super) fn reservation(wanted: i64, now: Timestamp) -> Reservation {
    Reservation {
        budget: "stripe:abc".into(),
        window: "all:3600000".into(),
        window_ms: 3_600_000,
        capacity: 100,
        wanted,
        slides_ms: None,
        now,
    }
}

fn learned(now: Timestamp) -> Learned {
    Learned {
        budget: "stripe:abc".into(),
        window: "all:3600000".into(),
        limit: None,
        remaining: None,
        resets_at: None,
        blocked_until: None,
        now,
    }
}

fn grant(granted: i64, resets_at: Timestamp) -> Allowance {
    Allowance { granted, resets_at }
}

async fn reservations_at_once_never_exceed_the_capacity(db: Database) {
    let (one, two) = (db.open().await, db.open().await);
    let mut tasks = Vec::new();
    for n in 0..20 {
        let store = if n % 2 == 0 { one.clone() } else { two.clone() };
        tasks.push(tokio::spawn(async move {
            let mut granted = 0;
            for _ in 0..4 {
                granted += store.reserve(&reservation(3, at(1))).await.unwrap().granted;
            }
            granted
        }));
    }
    let mut granted = 0;
    for task in tasks {
        granted += task.await.unwrap();
    }
    assert_eq!(granted, 100);
}

async fn a_window_that_is_over_starts_anew(db: Database) {
    let store = db.open().await;
    assert_eq!(store.reserve(&reservation(70, at(0))).await.unwrap(), grant(70, at(3600)));
    assert_eq!(store.reserve(&reservation(70, at(10))).await.unwrap(), grant(30, at(3600)));
    assert_eq!(store.reserve(&reservation(1, at(3599))).await.unwrap(), grant(0, at(3600)));
    assert_eq!(store.reserve(&reservation(70, at(3600))).await.unwrap(), grant(70, at(7200)));
    // Another credential, or another window of this one, has its own.
    let mut other = reservation(100, at(3600));
    other.budget = "stripe:def".into();
    assert_eq!(store.reserve(&other).await.unwrap().granted, 100);
    let mut other = reservation(100, at(3600));
    other.window = "search:1000".into();
    assert_eq!(store.reserve(&other).await.unwrap().granted, 100);
}

async fn the_providers_word_lowers_what_is_left_and_moves_the_reset(db: Database) {
    let store = db.open().await;
    store.reserve(&reservation(10, at(0))).await.unwrap();
    // Somebody else uses the account too.
    store.learn(&Learned { remaining: Some(20), resets_at: Some(at(600)), ..learned(at(1)) }).await.unwrap();
    assert_eq!(store.reserve(&reservation(15, at(2))).await.unwrap(), grant(15, at(600)));
    // Said before those 15 arrived: they are not in its count, so it may not raise ours.
    store.learn(&Learned { remaining: Some(19), resets_at: Some(at(600)), ..learned(at(3)) }).await.unwrap();
    assert_eq!(store.reserve(&reservation(15, at(4))).await.unwrap(), grant(5, at(600)));
    assert_eq!(store.reserve(&reservation(15, at(5))).await.unwrap(), grant(0, at(600)));
    // The limit is lower than the one in our books, and stays so.
    store.learn(&Learned { limit: Some(50), ..learned(at(6)) }).await.unwrap();
    assert_eq!(store.reserve(&reservation(80, at(600))).await.unwrap(), grant(50, at(4200)));
}

async fn a_late_answer_about_a_window_that_is_over_changes_nothing(db: Database) {
    let store = db.open().await;
    store.reserve(&reservation(10, at(3600))).await.unwrap();
    store.learn(&Learned { remaining: Some(0), resets_at: Some(at(3600)), ..learned(at(3601)) }).await.unwrap();
    assert_eq!(store.reserve(&reservation(10, at(3602))).await.unwrap(), grant(10, at(7200)));
}

async fn nobody_calls_before_the_provider_allows_it(db: Database) {
    let (one, two) = (db.open().await, db.open().await);
    // Also when nobody has reserved anything yet.
    one.learn(&Learned { blocked_until: Some(at(90)), ..learned(at(0)) }).await.unwrap();
    one.learn(&Learned { blocked_until: Some(at(30)), ..learned(at(1)) }).await.unwrap();
    assert_eq!(two.reserve(&reservation(1, at(89))).await.unwrap(), grant(0, at(90)));
    assert_eq!(two.reserve(&reservation(1, at(90))).await.unwrap().granted, 1);
}

async fn the_budget_is_still_known_after_a_restart(db: Database) {
    let store = db.open().await;
    store.reserve(&reservation(99, at(0))).await.unwrap();
    store.close().await;
    let store = db.open().await;
    assert_eq!(store.reserve(&reservation(99, at(1))).await.unwrap(), grant(1, at(3600)));
}

async fn a_window_that_slides_is_counted_from_any_instant_on(db: Database) {
    let (one, two) = (db.open().await, db.open().await);
    let calls = |wanted, now| Reservation {
        window_ms: 10_000,
        slides_ms: Some(12_000),
        capacity: 20,
        ..reservation(wanted, now)
    };
    // Late in a window of ten seconds, and as much is wanted right after it.
    assert_eq!(one.reserve(&calls(1, at(0))).await.unwrap().granted, 1);
    assert_eq!(one.reserve(&calls(19, at(9))).await.unwrap().granted, 19);
    assert_eq!(two.reserve(&calls(20, at(10))).await.unwrap(), grant(0, at(12)));
    assert_eq!(two.reserve(&calls(20, at(12))).await.unwrap().granted, 1);
    assert_eq!(one.reserve(&calls(20, at(20))).await.unwrap(), grant(0, at(21)));
    assert_eq!(one.reserve(&calls(5, at(21))).await.unwrap().granted, 5);
    assert_eq!(two.reserve(&calls(20, at(21))).await.unwrap().granted, 14);
    // Somebody's clock was a day ahead, or the row is damaged.
    assert_eq!(two.reserve(&calls(3, at(86_400))).await.unwrap().granted, 3);
    assert_eq!(one.reserve(&calls(20, at(60))).await.unwrap().granted, 17, "its window has not begun anew");
    db.execute("UPDATE budgets SET recent = 'x 5: :7 9223372036854775807:1 -9223372036854775808:1'").await;
    assert_eq!(one.reserve(&calls(1, at(86_500))).await.unwrap().granted, 1);
}
