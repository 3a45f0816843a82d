//! The floor: the least that a reader of the same pages can do. One connection, typed decoding of the same fields, one
//! row a subscription in SQLite, a sum; no retry, no resume, no receipt.

use serde::Deserialize;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::process::Figures;

#[derive(Deserialize)]
struct Page {
    data: Vec<Subscription>,
    has_more: bool,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoding these fields is what is measured")]
struct Subscription {
    id: String,
    customer: String,
    status: String,
    currency: String,
    created: i64,
    start_date: i64,
    trial_end: Option<i64>,
    ended_at: Option<i64>,
    cancel_at: Option<i64>,
    cancel_at_period_end: bool,
    discounts: Vec<serde::de::IgnoredAny>,
    items: Items,
}

#[derive(Deserialize)]
struct Items {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    quantity: Option<i64>,
    price: Price,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "decoding these fields is what is measured")]
struct Price {
    id: String,
    currency: String,
    product: String,
    nickname: Option<String>,
    unit_amount_decimal: Option<String>,
    recurring: Recurring,
}

#[derive(Deserialize)]
struct Recurring {
    interval: String,
    interval_count: i64,
}

pub(crate) async fn read(url: &str, expected: u64) -> Figures {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("floor.db"))
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Normal);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE subscriptions (id TEXT PRIMARY KEY, customer TEXT, mrr INTEGER) WITHOUT ROWID, STRICT")
        .execute(&mut db)
        .await
        .unwrap();
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = reqwest::Client::new();
    let (mut after, mut count, mut total) = (None::<String>, 0_u64, 0_i64);
    loop {
        let mut address = format!("{url}/v1/subscriptions?status=all&limit=100");
        if let Some(id) = &after {
            address.push_str(&format!("&starting_after={id}"));
        }
        let body = client.get(address).send().await.unwrap().bytes().await.unwrap();
        let page: Page = serde_json::from_slice(&body).unwrap();
        let mut tx = db.begin().await.unwrap();
        for subscription in &page.data {
            let mrr: i64 = subscription.items.data.iter().map(monthly).sum();
            sqlx::query("INSERT INTO subscriptions VALUES ($1, $2, $3)")
                .bind(&subscription.id)
                .bind(&subscription.customer)
                .bind(mrr)
                .execute(&mut *tx)
                .await
                .unwrap();
            total += mrr;
            count += 1;
        }
        tx.commit().await.unwrap();
        match page.data.last() {
            Some(last) if page.has_more => after = Some(last.id.clone()),
            _ => break,
        }
    }
    assert_eq!(count, expected);
    assert!(total > 0);
    Figures::new()
}

fn monthly(item: &Item) -> i64 {
    let amount: i64 = item.price.unit_amount_decimal.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
    let months = if item.price.recurring.interval == "year" { 12 } else { 1 };
    amount * item.quantity.unwrap_or(1) / months / item.price.recurring.interval_count
}
