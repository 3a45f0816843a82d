use std::collections::HashSet;

use serde_json::Value;

use super::{client::get, now};
use crate::demo::bulk::Bulk;

#[tokio::test]
async fn a_bulk_account_is_walked_once_and_each_subscription_is_about_six_kilobytes() {
    let bulk = Bulk::start(250, now()).await.unwrap();
    let (mut ids, mut sum, mut after) = (HashSet::new(), 0, String::new());
    loop {
        let page = get(bulk.url(), &format!("/v1/subscriptions?limit=100&status=all{after}"), &[]).await;
        let body = page.json();
        let rows = body["data"].as_array().unwrap();
        let each = page.body.len() / rows.len();
        assert!((5_000..7_000).contains(&each), "{each} bytes");
        for row in rows {
            ids.insert(row["id"].as_str().unwrap().to_owned());
            let price = &row["items"]["data"][0]["price"];
            assert_eq!(price["unit_amount"].to_string(), price["unit_amount_decimal"].as_str().unwrap());
            sum += price["unit_amount"].as_u64().unwrap();
            assert!(row["created"].as_i64().unwrap() < now().as_second());
        }
        after = format!("&starting_after={}", rows.last().map_or("", |row: &Value| row["id"].as_str().unwrap()));
        if body["has_more"] == false {
            break;
        }
    }
    assert_eq!((ids.len(), sum, bulk.requests()), (250, bulk.mrr(), 3));
    let empty = get(bulk.url(), "/v1/charges?limit=100", &[]).await.json();
    assert_eq!(empty["data"], serde_json::json!([]));
}
