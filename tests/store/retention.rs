//! What the database forgets by age, and what it never does.

use dashtray::{
    metric::Interval,
    store::{AuditQuery, NewUser, NewWebSession, RestatementRow, Retention, Role, new_id},
};
use jiff::{SignedDuration, Timestamp};

use super::{at, claimed, march, point, run_end};
use crate::support::database::{Database, on_both};

on_both! {
    what_is_too_old_goes_and_values_stay,
    nothing_is_dropped_that_the_operator_keeps_for_ever,
    thousands_of_rows_are_dropped_in_pieces,
    who_did_what_goes_when_it_is_old,
}

fn days(days: i64) -> Timestamp {
    at(0) + SignedDuration::from_hours(24 * days)
}

const SHORT: Retention =
    Retention { runs_days: 10, restatements_days: 10, audit_days: 0, answers_days: 10, sessions_days: 10 };

/// A run, a restated point, a session and a link, all of day 0.
async fn filled(db: &Database) -> dashtray::store::Store {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let run = new_id(at(0));
    store.start_run(&claim, run, at(0)).await.unwrap();
    let mut write = store.write(&claim).await.unwrap();
    let series = write.ensure_series("stripe_mrr", Interval::Day, "", None, 1).await.unwrap();
    let old = point(series, "2026-03-01", 1);
    write.upsert_points(&[old]).await.unwrap();
    write.insert_restatement(&RestatementRow { old, changed_at: at(0), run_id: run }).await.unwrap();
    write.commit().await.unwrap();
    store.release(&claim, &run_end(run, "ok", at(1800)), at(0)).await.unwrap();
    let ada = NewUser { email: "ada@example.com".into(), name: "Ada".into(), password_hash: None };
    let ada = store.insert_user(&ada, connection.key.project_id, Role::Owner, at(0)).await.unwrap();
    let session = NewWebSession {
        token_hash: vec![1],
        user_id: ada.id,
        csrf: "x".into(),
        agent: String::new(),
        address: String::new(),
    };
    store.insert_web_session(&session, at(0)).await.unwrap();
    store.insert_sign_in_link(ada.id, &[2], days(1)).await.unwrap();
    store
}

async fn what_is_too_old_goes_and_values_stay(db: Database) {
    let store = filled(&db).await;
    let before = db.row_counts().await;
    assert_eq!(store.prune(&SHORT, at(1)).await.unwrap(), 0);
    assert_eq!(db.row_counts().await, before, "nothing is old yet");
    assert_eq!(store.prune(&SHORT, days(11)).await.unwrap(), 4, "run, restatement, session, link");
    let after = db.row_counts().await;
    for (table, rows) in before {
        let is_dropped = ["runs", "restatements", "web_sessions", "one_time_links"].contains(&table.as_str());
        assert_eq!(after[&table], if is_dropped { "0".to_owned() } else { rows }, "{table}");
    }
}

async fn nothing_is_dropped_that_the_operator_keeps_for_ever(db: Database) {
    let store = filled(&db).await;
    let ever = Retention { runs_days: 0, restatements_days: 0, ..SHORT };
    assert_eq!(store.prune(&ever, days(30_000)).await.unwrap(), 2, "session and link");
    let counts = db.row_counts().await;
    for table in ["runs", "restatements", "points"] {
        assert_eq!(counts[table], "1", "{table}");
    }
}

async fn who_did_what_goes_when_it_is_old(db: Database) {
    let store = filled(&db).await;
    let all = AuditQuery { limit: 100, ..AuditQuery::default() };
    let noted = store.audit(&all).await.unwrap();
    assert!(!noted.is_empty());
    // It bears the machine's own time, whatever the rest of the test takes for now.
    let (newest, limited) = (noted[0].at, Retention { audit_days: 10, ..SHORT });
    store.prune(&limited, noted[noted.len() - 1].at + SignedDuration::from_hours(240)).await.unwrap();
    assert_eq!(store.audit(&all).await.unwrap(), noted);
    store.prune(&SHORT, newest + SignedDuration::from_hours(241)).await.unwrap();
    assert_eq!(store.audit(&all).await.unwrap(), noted);
    store.prune(&limited, newest + SignedDuration::from_hours(241)).await.unwrap();
    assert_eq!(store.audit(&all).await.unwrap(), []);
}

async fn thousands_of_rows_are_dropped_in_pieces(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let series = write.ensure_series("stripe_mrr", Interval::Day, "", None, 1).await.unwrap();
    let old = point(series, "2026-03-01", 1);
    for second in 0..2500 {
        write.insert_restatement(&RestatementRow { old, changed_at: at(second), run_id: new_id(at(0)) }).await.unwrap();
    }
    write.commit().await.unwrap();
    // All but those of the last hundred seconds.
    assert_eq!(store.prune(&SHORT, days(10) + SignedDuration::from_secs(2400)).await.unwrap(), 2400);
    let left = store.restatements(connection.key.project_id, &[series], march()).await.unwrap();
    assert_eq!(left.len(), 100);
    assert!(left.iter().all(|row| row.changed_at >= at(2400)));
}
