//! Projects, connections and their credentials.

use dashtray::{
    metric::{Currency, Interval},
    store::{Error, KeptRow, NewDashboard, NewProject, RestatementRow, Widget, new_id},
};
use serde_json::json;

use super::{at, claim, claimed, currency, day, march, new_connection, point, project, record, sealed, state};
use crate::support::database::{Database, on_both};

on_both! {
    a_zone_that_is_none_is_an_error_and_not_another_zone,
    a_slug_is_given_once_also_when_two_ask_at_once,
    a_project_can_change_its_defaults,
    a_connection_reads_back_as_it_was_made,
    an_account_is_connected_once_and_the_refusal_names_the_other,
    two_at_once_connect_an_account_once,
    a_name_is_given_once_in_a_project,
    settings_state_and_account_can_be_changed,
    deleting_a_connection_leaves_no_row_of_it_in_any_table,
    sealed_credentials_are_listed_replaced_and_swapped,
}

async fn a_slug_is_given_once_also_when_two_ask_at_once(db: Database) {
    let (one, two) = (db.open().await, db.open().await);
    let new = NewProject { slug: "default".into(), zone: "UTC".into(), currency: Currency::USD };
    let (a, b) = tokio::join!(one.insert_project(&new, at(0)), two.insert_project(&new, at(0)));
    assert_eq!(u8::from(a.is_ok()) + u8::from(b.is_ok()), 1);
    let error = a.and(b).unwrap_err();
    assert_eq!(error, Error::Conflict("there is a project \"default\" already".into()));
    assert_eq!(one.projects().await.unwrap().len(), 1);
}

async fn a_project_can_change_its_defaults(db: Database) {
    let store = db.open().await;
    let made = project(&store, "default").await;
    store.update_project(made.id, "Asia/Kathmandu", Currency::USD).await.unwrap();
    let read = store.project("default").await.unwrap().unwrap();
    assert_eq!((read.zone.name(), read.currency, read.created_at), ("Asia/Kathmandu", Currency::USD, at(0)));
    assert_eq!(store.project("other").await.unwrap(), None);
    assert!(matches!(store.update_project(99, "UTC", Currency::USD).await, Err(Error::NotFound(_))));
}

async fn a_connection_reads_back_as_it_was_made(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let new = new_connection(&project, "main");
    let made = store.insert_connection(&new, at(7)).await.unwrap();
    assert_eq!(store.connections(project.id).await.unwrap(), std::slice::from_ref(&made));
    assert_eq!(store.connection(made.key).await.unwrap(), made);
    assert_eq!(made.settings, new.settings);
    assert_eq!(made.account.to_string(), new.account.to_string(), "keys stay in their order");
    assert_eq!((made.created_at, made.state.state.as_str(), made.paused), (at(7), "ok", false));
    assert_eq!((made.state.last_synced_at, made.lease_until), (None, None));
    assert_eq!(store.credentials(made.public_id).await.unwrap().sealed, new.credentials);
}

async fn an_account_is_connected_once_and_the_refusal_names_the_other(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let first = new_connection(&project, "main");
    store.insert_connection(&first, at(0)).await.unwrap();
    let mut again = new_connection(&project, "again");
    again.account_id = first.account_id.clone();
    let before = db.row_counts().await;
    let error = store.insert_connection(&again, at(0)).await.unwrap_err();
    assert_eq!(error, Error::Conflict("this account is connected already, as \"main\"".into()));
    assert_eq!(db.row_counts().await, before);
    // The same account at another service, or in another project, is another matter.
    again.integration_id = "github".into();
    let other = store.insert_connection(&again, at(0)).await.unwrap();
    let mut elsewhere = new_connection(&super::project(&store, "other").await, "main");
    elsewhere.account_id = first.account_id.clone();
    store.insert_connection(&elsewhere, at(0)).await.unwrap();
    // Nor may a reconnect turn one connection into another.
    let mut third = new_connection(&project, "third");
    third.integration_id = "github".into();
    let third = store.insert_connection(&third, at(0)).await.unwrap();
    let error = store.update_account(third.key, &other.account_id, &json!({})).await.unwrap_err();
    assert_eq!(error, Error::Conflict("this account is connected already, as \"again\"".into()));
}

async fn two_at_once_connect_an_account_once(db: Database) {
    let (one, two) = (db.open().await, db.open().await);
    let project = project(&one, "default").await;
    let a = new_connection(&project, "a");
    let mut b = new_connection(&project, "b");
    b.account_id = a.account_id.clone();
    let (a, b) = tokio::join!(one.insert_connection(&a, at(0)), two.insert_connection(&b, at(0)));
    let (made, refused) = if a.is_ok() { (a, b) } else { (b, a) };
    let name = made.unwrap().name;
    assert_eq!(refused, Err(Error::Conflict(format!("this account is connected already, as \"{name}\""))));
}

async fn a_name_is_given_once_in_a_project(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    store.insert_connection(&new_connection(&project, "main"), at(0)).await.unwrap();
    let mut new = new_connection(&project, "main");
    new.account_id = "another".into();
    let taken = Error::Conflict("there is a connection named \"main\" already; choose another name".into());
    assert_eq!(store.insert_connection(&new, at(0)).await, Err(taken));
}

async fn settings_state_and_account_can_be_changed(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let made = store.insert_connection(&new_connection(&project, "main"), at(0)).await.unwrap();
    let mut settings = made.settings.clone();
    settings.values = json!({"discounts": "all"});
    settings.currency = "EUR".parse().unwrap();
    settings.sync_interval_minutes = Some(5);
    settings.max_quota_share_permille = 250;
    settings.history_start = day("2024-02-29");
    store.set_settings(made.key, &settings).await.unwrap();
    let mut state = state("failing", at(900));
    state.reason = Some("no answer".into());
    state.until = Some(at(900));
    state.failures = 3;
    store.set_state(made.key, &state).await.unwrap();
    store.update_account(made.key, "acct_2", &json!({"label": "new"})).await.unwrap();
    let read = store.connection(made.key).await.unwrap();
    assert_eq!((read.settings, read.state.clone()), (settings, state.clone()));
    assert_eq!((read.account_id.as_str(), read.account), ("acct_2", json!({"label": "new"})));
    // A failed run does not forget when the last good one was.
    state.last_synced_at = None;
    store.set_state(made.key, &state).await.unwrap();
    assert_eq!(store.connection(made.key).await.unwrap().state.last_synced_at, Some(at(5)));

    store.delete_connection(made.key).await.unwrap();
    let gone = |result| assert!(matches!(result, Err(Error::NotFound(_))), "{result:?}");
    gone(store.set_due(made.key, at(1)).await);
    gone(store.set_state(made.key, &state).await);
    gone(store.delete_connection(made.key).await);
    gone(store.connection(made.key).await.map(drop));
    gone(store.claim(made.key, "one", at(0), super::LEASE).await.map(drop));
}

async fn deleting_a_connection_leaves_no_row_of_it_in_any_table(db: Database) {
    let store = db.open().await;
    let (kept, _) = claimed(&store).await;
    let project = store.project("default").await.unwrap().unwrap();
    // Rates, budgets and sign-ins under way are no connection's.
    store
        .load_rates(&[dashtray::store::Rate {
            day: day("2026-03-01"),
            base: currency("EUR"),
            quote: Currency::USD,
            rate: "1.1".into(),
        }])
        .await
        .unwrap();
    store.reserve(&super::budgets::reservation(1, at(0))).await.unwrap();
    store.insert_sign_in(project.id, b"hash", &sealed(3), at(0)).await.unwrap();
    let empty = NewDashboard { slug: "d".into(), name: "D".into(), integration_id: None, widgets: Vec::new() };
    let dashboard = store.insert_dashboard(project.id, &empty, at(0)).await.unwrap();
    let before = db.row_counts().await;

    let made = store.insert_connection(&new_connection(&project, "gone"), at(0)).await.unwrap();
    let widget = Widget {
        id: 0,
        kind: "metric".into(),
        metric_id: "stripe_mrr".into(),
        connection_id: Some(made.key.connection_id),
        dimension: None,
        size: "S".into(),
        options: json!({}),
    };
    assert!(store.change_dashboard(project.id, &dashboard, "D", &[widget]).await.unwrap());
    let claim = claim(&store, &made, "one", at(0)).await;
    let run = new_id(at(0));
    store.start_run(&claim, run, at(0)).await.unwrap();
    let mut write = store.write(&claim).await.unwrap();
    let series = write.ensure_series("stripe_mrr", Interval::Day, "gold", Some(Currency::USD), 1).await.unwrap();
    write.upsert_points(&[point(series, "2026-03-01", 5)]).await.unwrap();
    write.put_note(series, day("2026-03-01"), Some(&json!({"name": "Gold"}))).await.unwrap();
    let old = point(series, "2026-03-01", 4);
    write.insert_restatement(&RestatementRow { old, changed_at: at(1), run_id: run }).await.unwrap();
    write.put_receipt("stripe_mrr", Some(Currency::USD), day("2026-03-01"), &json!({"value": 5})).await.unwrap();
    write.put_records("events", &[record("sub_1", "cus_1")]).await.unwrap();
    write.put_checkpoint("events", &[1]).await.unwrap();
    let answer = KeptRow { etag: None, last_modified: None, link: None, sealed: sealed(2) };
    write.put_kept("GET /v1/charges", &answer, at(1)).await.unwrap();
    write.commit().await.unwrap();
    let (of, connection) = (project.id, made.key.connection_id);
    db.execute(&format!(
        "INSERT INTO custom_metrics
             (project_id, metric_id, connection_id, name, unit, scale, kind, has_dimension, created_at)
         VALUES ({of}, 'signups', {connection}, 'Sign-ups', 'count', 0, 'flow', FALSE, 0)"
    ))
    .await;

    let full = db.row_counts().await;
    for (table, count) in &full {
        // Otherwise this test would not see what a new table leaves behind.
        let of_others = ["projects", "rates", "budgets", "sign_ins", "dashboards", "api_keys", "api_hours"];
        let of_people = ["users", "members", "web_sessions", "one_time_links", "invitations", "guesses"];
        let of_none = of_others.contains(&table.as_str()) || of_people.contains(&table.as_str());
        assert!(of_none || *count > before[table], "{table}");
    }
    store.delete_connection(made.key).await.unwrap();
    assert_eq!(db.row_counts().await, before);
    assert_eq!(store.write(&claim).await.err(), Some(Error::FenceLost));

    // A new connection never gets the number, or an old claim would fit it.
    let again = store.insert_connection(&new_connection(&project, "gone"), at(0)).await.unwrap();
    assert!(again.key > made.key && made.key > kept.key);
    assert!(store.points(project.id, &[series], march()).await.unwrap().is_empty());
}

async fn sealed_credentials_are_listed_replaced_and_swapped(db: Database) {
    let store = db.open().await;
    let mut made = Vec::new();
    for slug in ["one", "two"] {
        let project = project(&store, slug).await;
        for name in ["a", "b", "c"] {
            made.push(store.insert_connection(&new_connection(&project, name), at(0)).await.unwrap());
        }
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.all_sealed(after, 4).await.unwrap();
        let Some((last, ..)) = page.last() else { break };
        after = Some(*last);
        seen.extend(page);
    }
    assert_eq!(
        seen,
        made.iter().map(|connection| (connection.key, connection.public_id, sealed(1))).collect::<Vec<_>>()
    );
    let (key, id) = (made[0].key, made[0].public_id);
    store.replace_credentials(key, &sealed(2)).await.unwrap();
    // A rotation that read the row before must not put the old credentials back.
    assert!(!store.swap_credentials(key, &sealed(1), &sealed(3)).await.unwrap());
    assert_eq!(store.credentials(id).await.unwrap().sealed, sealed(2));
    assert!(store.swap_credentials(key, &sealed(2), &sealed(4)).await.unwrap());
    assert_eq!(store.credentials(id).await.unwrap().sealed, sealed(4));
}

async fn a_zone_that_is_none_is_an_error_and_not_another_zone(db: Database) {
    let store = db.open().await;
    let project = project(&store, "default").await;
    let made = store.insert_connection(&new_connection(&project, "c"), at(0)).await.unwrap();
    let says = |error: Error| match error {
        Error::Corrupt(sentence) => {
            assert!(sentence.contains("\"Mars/Olympus\" as a time zone") && sentence.contains("restore a backup"));
        }
        other => panic!("{other:?}"),
    };
    db.execute("UPDATE connections SET zone = 'Mars/Olympus'").await;
    says(store.connection(made.key).await.unwrap_err());
    says(store.connections(project.id).await.unwrap_err());
    db.execute("UPDATE projects SET zone = 'Mars/Olympus'").await;
    says(store.project("default").await.unwrap_err());
    assert!(store.zone_names().await.unwrap().contains("Mars/Olympus"), "whoever looks for the fault sees it");
}
