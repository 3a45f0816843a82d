//! What a run writes: all of it or nothing, and only what differs.

use dashtray::{
    metric::{Currency, Interval},
    store::{PointRow, RestatementRow, new_id},
};
use serde_json::json;

use super::{at, claimed, currency, day, march, point, record};
use crate::support::database::{Database, on_both};

on_both! {
    a_write_that_is_dropped_leaves_nothing,
    a_series_is_made_once_for_metric_dimension_and_currency,
    points_that_are_the_same_are_not_written,
    the_last_of_several_points_of_a_day_counts,
    many_points_are_written_in_any_number,
    notes_are_set_and_removed,
    restatements_tell_what_a_day_was_before,
    the_newest_receipt_of_each_currency_is_kept,
    records_are_written_over_and_deleted,
    a_checkpoint_is_set_and_forgotten_while_records_stay,
    what_was_committed_is_there_after_a_restart,
}

async fn a_write_that_is_dropped_leaves_nothing(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let before = db.row_counts().await;
    let mut write = store.write(&claim).await.unwrap();
    let series = write.ensure_series("stripe_mrr", Interval::Day, "", None, 1).await.unwrap();
    write.upsert_points(&[point(series, "2026-03-01", 1)]).await.unwrap();
    write.put_records("events", &[record("a", "")]).await.unwrap();
    assert_eq!(write.points(&[series], march()).await.unwrap().len(), 1, "it sees what it wrote");
    assert!(store.series(connection.key, Interval::Day, None).await.unwrap().is_empty(), "nobody else does");
    drop(write);
    // The connection is free again, and nothing is left.
    store.write(&claim).await.unwrap().commit().await.unwrap();
    assert_eq!(db.row_counts().await, before);
}

async fn a_series_is_made_once_for_metric_dimension_and_currency(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let mut ids = Vec::new();
    for (dimension, code) in [("", Some("EUR")), ("", Some("USD")), ("gold", Some("EUR")), ("gold", None)] {
        ids.push(write.ensure_series("stripe_mrr", Interval::Day, dimension, code.map(currency), 1).await.unwrap());
    }
    ids.push(write.ensure_series("stripe_plans", Interval::Day, "gold", None, 1).await.unwrap());
    assert_eq!(write.ensure_series("stripe_mrr", Interval::Day, "gold", None, 2).await.unwrap(), ids[3]);
    assert_eq!(write.series_of("stripe_mrr", Interval::Day).await.unwrap().len(), 4);
    let weeks = write.ensure_series("stripe_mrr", Interval::Week, "gold", None, 1).await.unwrap();
    assert!(!ids.contains(&weeks), "the weeks are another series than the days");
    assert_eq!(write.ensure_series("stripe_mrr", Interval::Week, "gold", None, 1).await.unwrap(), weeks);
    assert_eq!(write.series_of_part("stripe_mrr", Interval::Week, "gold").await.unwrap().len(), 1);
    assert!(write.series_of("stripe_mrr", Interval::Month).await.unwrap().is_empty());
    write.commit().await.unwrap();
    let series = store.series(connection.key, Interval::Day, None).await.unwrap();
    assert_eq!(series.iter().map(|series| series.id).collect::<Vec<_>>(), ids);
    let series = store.series(connection.key, Interval::Day, Some(&["stripe_mrr"])).await.unwrap();
    let told: Vec<_> =
        series.iter().map(|series| (series.dimension.as_str(), series.currency, series.definition)).collect();
    let eur = Some(currency("EUR"));
    assert_eq!(told, [("", eur, 1), ("", Some(Currency::USD), 1), ("gold", eur, 1), ("gold", None, 2)]);
}

async fn points_that_are_the_same_are_not_written(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let project_id = connection.key.project_id;
    let mut write = store.write(&claim).await.unwrap();
    let series = write.ensure_series("github_rate", Interval::Day, "", None, 1).await.unwrap();
    let ratio =
        |date, value, denominator, mark| PointRow { series_id: series, day: day(date), value, denominator, mark };
    let points = [
        ratio("2026-03-03", Some(i64::MIN), Some(i64::MAX), 1023),
        ratio("2026-03-01", None, None, 3),
        ratio("2026-03-02", Some(1), None, 0),
    ];
    assert_eq!(write.upsert_points(&points).await.unwrap(), 3);
    assert_eq!(write.upsert_points(&points).await.unwrap(), 0);
    let changed = [
        points[0],
        // NULL and a value differ, in either direction; so do mark and denominator alone.
        ratio("2026-03-01", Some(0), None, 3),
        ratio("2026-03-02", None, None, 0),
    ];
    assert_eq!(write.upsert_points(&changed).await.unwrap(), 2);
    let more = [ratio("2026-03-03", Some(i64::MIN), Some(1), 1023), ratio("2026-03-02", None, None, 5)];
    assert_eq!(write.upsert_points(&more).await.unwrap(), 2);
    assert_eq!(write.upsert_points(&[]).await.unwrap(), 0);
    write.commit().await.unwrap();
    let read = store.points(project_id, &[series], march()).await.unwrap();
    assert_eq!(read, [changed[1], more[1], more[0]]);
}

async fn the_last_of_several_points_of_a_day_counts(db: Database) {
    let store = db.open().await;
    let (_, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let series = write.ensure_series("stripe_mrr", Interval::Day, "", None, 1).await.unwrap();
    let points = [point(series, "2026-03-01", 1), point(series, "2026-03-02", 2), point(series, "2026-03-01", 3)];
    assert_eq!(write.upsert_points(&points).await.unwrap(), 2);
    assert_eq!(write.points(&[series], march()).await.unwrap(), [points[2], points[1]]);
    let records = [record("a", "x"), record("b", "x"), record("a", "y")];
    assert_eq!(write.put_records("events", &records).await.unwrap(), 2);
    write.commit().await.unwrap();
    let key = claim.key;
    assert_eq!(store.scan_by_key(key, "events", None, 10).await.unwrap(), [records[2].clone(), records[1].clone()]);
}

async fn many_points_are_written_in_any_number(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    // Around the sizes of the statements that they are cut into.
    for count in [1, 7, 8, 9, 64, 71, 511, 512, 513, 1600] {
        let mut write = store.write(&claim).await.unwrap();
        let series = write.ensure_series("stripe_mrr", Interval::Day, &format!("{count}"), None, 1).await.unwrap();
        let first = day("2020-01-01");
        let points: Vec<_> = (0..count)
            .map(|n| PointRow {
                series_id: series,
                day: first.plus(n),
                value: Some(n.into()),
                denominator: None,
                mark: 0,
            })
            .collect();
        assert_eq!(write.upsert_points(&points).await.unwrap(), count as u64);
        write.commit().await.unwrap();
        let period = dashtray::metric::Period::new(first, first.plus(count));
        assert_eq!(store.points(connection.key.project_id, &[series], period).await.unwrap(), points);
    }
}

async fn notes_are_set_and_removed(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let series = write.ensure_series("stripe_plans", Interval::Day, "gold", None, 1).await.unwrap();
    let (first, second) = (day("2026-03-01"), day("2026-03-02"));
    write.put_note(series, second, Some(&json!({"name": "Gold"}))).await.unwrap();
    write.put_note(series, second, Some(&json!({"z": 1, "a": null}))).await.unwrap();
    write.put_note(series, first, Some(&json!({"name": "Gold"}))).await.unwrap();
    write.put_note(series, first, None).await.unwrap();
    write.commit().await.unwrap();
    let notes = store.notes(connection.key.project_id, &[series], march()).await.unwrap();
    assert_eq!(notes.len(), 1);
    assert_eq!((notes[0].series_id, notes[0].day), (series, second));
    assert_eq!(notes[0].body.to_string(), r#"{"z":1,"a":null}"#);
}

async fn restatements_tell_what_a_day_was_before(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let series = write.ensure_series("stripe_mrr", Interval::Day, "", None, 1).await.unwrap();
    let (one, two) = (new_id(at(1)), new_id(at(2)));
    let was = |date, value, changed_at, run_id| RestatementRow { old: point(series, date, value), changed_at, run_id };
    let rows = [was("2026-03-01", 10, at(1), one), was("2026-03-01", 11, at(2), two), was("2026-03-02", 5, at(1), one)];
    for row in rows.iter().rev() {
        write.insert_restatement(row).await.unwrap();
    }
    // The same run touches the day again: what it was before the run stands.
    write.insert_restatement(&was("2026-03-02", 6, at(1), one)).await.unwrap();
    write.insert_restatement(&was("2026-04-01", 6, at(1), one)).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(store.restatements(connection.key.project_id, &[series], march()).await.unwrap(), rows);
}

async fn the_newest_receipt_of_each_currency_is_kept(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let (eur, usd) = (Some(currency("EUR")), Some(Currency::USD));
    for (metric, currency, date, body) in [
        ("stripe_mrr", usd, "2026-03-02", "usd 2"),
        ("stripe_mrr", eur, "2026-03-02", "eur 2"),
        ("stripe_mrr", usd, "2026-03-01", "older, so it is not kept"),
        ("stripe_mrr", eur, "2026-03-02", "eur 2 again"),
        ("stripe_arr", None, "2026-03-02", "another metric"),
    ] {
        write.put_receipt(metric, currency, day(date), &json!(body)).await.unwrap();
    }
    write.commit().await.unwrap();
    assert_eq!(store.receipts(connection.key, "stripe_mrr").await.unwrap(), [json!("eur 2 again"), json!("usd 2")]);
    assert!(store.receipts(connection.key, "stripe_ltv").await.unwrap().is_empty());
}

async fn records_are_written_over_and_deleted(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let key = connection.key;
    let mut write = store.write(&claim).await.unwrap();
    let mut records: Vec<_> = (0..1200).map(|n| record(&format!("sub_{n:04}"), &format!("cus_{}", n % 10))).collect();
    assert_eq!(write.put_records("subscriptions", &records).await.unwrap(), 1200);
    assert_eq!(write.put_records("subscriptions", &records).await.unwrap(), 0);
    records[7].bytes = vec![];
    records[8].group = String::new();
    assert_eq!(write.put_records("subscriptions", &records).await.unwrap(), 2);
    write.put_records("events", &records[..3]).await.unwrap();
    let keys: Vec<String> = (0..600).map(|n| format!("sub_{:04}", n + 100)).collect();
    write.delete_records("subscriptions", &keys).await.unwrap();
    write.commit().await.unwrap();
    let wanted: Vec<String> =
        ["sub_0008", "sub_0099", "sub_0100", "sub_0699", "sub_0700", "sub_0007"].map(str::to_owned).to_vec();
    let found = store.records(key, "subscriptions", &wanted).await.unwrap();
    let expected: Vec<_> = [7, 8, 99, 700].map(|n: usize| records[n].clone()).to_vec();
    assert_eq!(found, expected);

    let mut write = store.write(&claim).await.unwrap();
    write.clear_records("subscriptions").await.unwrap();
    write.commit().await.unwrap();
    assert!(store.scan_by_key(key, "subscriptions", None, 10).await.unwrap().is_empty());
    assert_eq!(store.scan_by_key(key, "events", None, 10).await.unwrap().len(), 3);
}

async fn a_checkpoint_is_set_and_forgotten_while_records_stay(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let key = connection.key;
    assert_eq!(store.checkpoint(key, "events").await.unwrap(), None);
    let mut write = store.write(&claim).await.unwrap();
    write.put_records("events", &[record("a", "")]).await.unwrap();
    write.put_checkpoint("events", b"one").await.unwrap();
    write.put_checkpoint("events", b"two").await.unwrap();
    write.put_checkpoint("empty", b"").await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(store.checkpoint(key, "events").await.unwrap(), Some(b"two".to_vec()));
    assert_eq!(store.checkpoint(key, "empty").await.unwrap(), Some(Vec::new()));
    let mut write = store.write(&claim).await.unwrap();
    write.forget_checkpoint("events").await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(store.checkpoint(key, "events").await.unwrap(), None);
    assert_eq!(store.scan_by_key(key, "events", None, 10).await.unwrap().len(), 1);

    assert_eq!(store.fingerprint(key, "events").await.unwrap(), None);
    let mut write = store.write(&claim).await.unwrap();
    write.put_checkpoint("events", b"three").await.unwrap();
    write.restart_stream("events", "other settings", at(9)).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(store.fingerprint(key, "events").await.unwrap().as_deref(), Some("other settings"));
    assert_eq!(store.stream_changed_at(key, "events").await.unwrap(), None, "the first time is no change");
    assert_eq!(store.checkpoint(key, "events").await.unwrap(), None);
    assert!(store.scan_by_key(key, "events", None, 10).await.unwrap().is_empty());
    let mut write = store.write(&claim).await.unwrap();
    write.restart_stream("events", "yet others", at(9)).await.unwrap();
    write.commit().await.unwrap();
    assert_eq!(store.stream_changed_at(key, "events").await.unwrap(), Some(at(9)));
}

async fn what_was_committed_is_there_after_a_restart(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let series = write.ensure_series("stripe_mrr", Interval::Day, "", None, 1).await.unwrap();
    write.upsert_points(&[point(series, "2026-03-01", 42)]).await.unwrap();
    write.commit().await.unwrap();
    // Killed in the middle of the next one, without closing anything.
    let mut write = store.write(&claim).await.unwrap();
    write.upsert_points(&[point(series, "2026-03-02", 43)]).await.unwrap();
    drop(write);
    drop(store);
    let store = db.open().await;
    let read = store.points(connection.key.project_id, &[series], march()).await.unwrap();
    assert_eq!(read, [point(series, "2026-03-01", 42)]);
}
