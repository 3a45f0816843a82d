//! Order and paging of what is read.

use dashtray::{
    metric::{Interval, Period},
    store::{KeptRow, Rate, RecordRow},
};

use super::{at, claimed, currency, day, march, point, record, sealed};
use crate::support::database::{Database, on_both};

on_both! {
    points_come_by_series_and_day_and_only_those_asked_for,
    records_are_scanned_in_the_order_of_their_bytes,
    records_are_scanned_by_group_page_by_page,
    rates_are_found_on_either_side,
    answers_are_kept_until_they_are_pruned_or_dropped,
    the_store_answers_a_ping,
}

async fn points_come_by_series_and_day_and_only_those_asked_for(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..600 {
        ids.push(write.ensure_series("stripe_plans", Interval::Day, &format!("plan {n}"), None, 1).await.unwrap());
    }
    let points: Vec<_> = ids
        .iter()
        .flat_map(|id| ["2026-02-28", "2026-03-01", "2026-03-31", "2026-04-01"].map(|date| point(*id, date, *id)))
        .collect();
    write.upsert_points(&points).await.unwrap();
    write.commit().await.unwrap();
    let project_id = connection.key.project_id;
    let expected: Vec<_> = points.iter().copied().filter(|point| march().contains(point.day)).collect();
    // In any order, and more than fit one statement.
    let mut asked = ids.clone();
    asked.reverse();
    asked.push(ids[0]);
    assert_eq!(store.points(project_id, &asked, march()).await.unwrap(), expected);
    let two = store.points(project_id, &[ids[9], ids[2]], march()).await.unwrap();
    assert_eq!(two.iter().map(|point| point.series_id).collect::<Vec<_>>(), [ids[2], ids[2], ids[9], ids[9]]);
    assert!(store.points(project_id, &[], march()).await.unwrap().is_empty());
    let nothing = Period::new(day("2026-03-01"), day("2026-03-01"));
    assert!(store.points(project_id, &ids, nothing).await.unwrap().is_empty());
    assert!(store.points(project_id + 1, &ids, march()).await.unwrap().is_empty());
}

async fn records_are_scanned_in_the_order_of_their_bytes(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    // An English sort would put a before B and ä before z.
    let keys = ["", "A", "B", "Z", "a", "a b", "ab", "z", "ä", "日"];
    let mut write = store.write(&claim).await.unwrap();
    let records: Vec<_> = keys.iter().rev().map(|key| record(key, "")).collect();
    write.put_records("events", &records).await.unwrap();
    write.put_records("other", &[record("C", "")]).await.unwrap();
    write.commit().await.unwrap();
    let mut seen: Vec<RecordRow> = Vec::new();
    loop {
        let after = seen.last().map(|record| record.key.as_str());
        let page = store.scan_by_key(connection.key, "events", after, 3).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(|record| record.key.as_str()).collect::<Vec<_>>(), keys);
    assert_eq!(seen[5].bytes, b"a b");
    assert!(store.scan_by_key(connection.key, "nothing", None, 3).await.unwrap().is_empty());
}

async fn records_are_scanned_by_group_page_by_page(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let mut write = store.write(&claim).await.unwrap();
    let pairs = [("B", "9"), ("a", "1"), ("a", "2"), ("a", "3"), ("b", "0"), ("b", "4")];
    let mut records: Vec<_> = pairs.iter().rev().map(|(group, key)| record(key, group)).collect();
    records.push(record("5", ""));
    write.put_records("events", &records).await.unwrap();
    write.commit().await.unwrap();
    for size in 1..8 {
        let mut seen: Vec<RecordRow> = Vec::new();
        loop {
            let after = seen.last().map(|record| (record.group.as_str(), record.key.as_str()));
            let page = store.scan_by_group(connection.key, "events", after, size).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        let seen: Vec<_> = seen.iter().map(|record| (record.group.as_str(), record.key.as_str())).collect();
        assert_eq!(seen, pairs, "what has no group is not listed by it");
    }
    // All of some groups, of which one may be named twice or be unknown.
    let named = ["b", "a", "none", "a", ""].map(str::to_owned);
    let of_groups = store.records_of_groups(connection.key, "events", &named).await.unwrap();
    let of_groups: Vec<_> = of_groups.iter().map(|record| (record.group.as_str(), record.key.as_str())).collect();
    assert_eq!(of_groups, pairs[1..]);
    // From the start of a group.
    let page = store.scan_by_group(connection.key, "events", Some(("a", "")), 2).await.unwrap();
    assert_eq!(page.iter().map(|record| record.key.as_str()).collect::<Vec<_>>(), ["1", "2"]);
}

async fn rates_are_found_on_either_side(db: Database) {
    let store = db.open().await;
    let rate = |date, base, quote, rate: &str| Rate {
        day: day(date),
        base: currency(base),
        quote: currency(quote),
        rate: rate.into(),
    };
    let rates = [
        rate("2026-03-02", "EUR", "USD", "1.0801"),
        rate("2026-03-01", "EUR", "USD", "1.0800"),
        rate("2026-03-01", "EUR", "JPY", "161.2"),
        rate("2026-02-28", "EUR", "USD", "1.07"),
        rate("2026-03-01", "GBP", "JPY", "190"),
    ];
    assert_eq!(store.load_rates(&rates).await.unwrap(), 5);
    assert_eq!(store.load_rates(&rates).await.unwrap(), 0);
    assert_eq!(store.load_rates(&[rate("2026-03-02", "EUR", "USD", "1.09")]).await.unwrap(), 1);
    let texts = |rates: Vec<Rate>| {
        rates.iter().map(|rate| format!("{} {} {} {}", rate.day, rate.base, rate.quote, rate.rate)).collect::<Vec<_>>()
    };
    assert_eq!(
        texts(store.rates(march()).await.unwrap()),
        ["2026-03-01 EUR JPY 161.2", "2026-03-01 EUR USD 1.0800", "2026-03-01 GBP JPY 190", "2026-03-02 EUR USD 1.09"]
    );
}

async fn answers_are_kept_until_they_are_pruned_or_dropped(db: Database) {
    let store = db.open().await;
    let (connection, claim) = claimed(&store).await;
    let id = connection.public_id.to_string();
    let answer = |etag: &str, byte| KeptRow {
        etag: Some(etag.into()),
        last_modified: None,
        link: Some("<https://example.com>; rel=next".into()),
        sealed: sealed(byte),
    };
    let mut write = store.write(&claim).await.unwrap();
    write.put_kept("GET /a", &answer("one", 1), at(10)).await.unwrap();
    write.put_kept("GET /a", &answer("two", 2), at(20)).await.unwrap();
    write.put_kept("GET /b", &answer("old", 3), at(10)).await.unwrap();
    assert_eq!(store.kept(&id, "GET /a").await.unwrap(), None, "not before the data that was made of it");
    write.commit().await.unwrap();
    assert_eq!(store.kept(&id, "GET /a").await.unwrap(), Some(answer("two", 2)));
    assert_eq!(store.kept(&dashtray::store::new_id(at(0)).to_string(), "GET /a").await.unwrap(), None);
    assert_eq!(store.kept("not an id", "GET /a").await.unwrap(), None);
    assert_eq!(store.prune_kept(at(20)).await.unwrap(), 1);
    assert_eq!(store.kept(&id, "GET /b").await.unwrap(), None);
    assert_eq!(store.drop_all_kept().await.unwrap(), 1);
    assert_eq!(store.kept(&id, "GET /a").await.unwrap(), None);
}

async fn the_store_answers_a_ping(db: Database) {
    let store = db.open().await;
    assert_eq!(store.is_sqlite(), db.url.starts_with("sqlite:"));
    store.ping().await.unwrap();
    store.close().await;
    assert!(store.ping().await.is_err());
}
