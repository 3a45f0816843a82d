//! Invoices and their lines: what was sold for which time, and what a change within a period cost.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    stripe::{ask, walk},
    unlimited,
};

fn rows(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

/// The lines of all invoices, whatever fits into an answer.
async fn lines() -> Vec<(Value, Vec<Value>)> {
    let emulators = unlimited().await;
    let mut all = Vec::new();
    for invoice in walk(&emulators, "/v1/invoices?limit=100").await {
        let mut lines = rows(&invoice["lines"]["data"]).to_vec();
        if invoice["lines"]["has_more"] == true {
            let id = invoice["id"].as_str().unwrap();
            let whole = walk(&emulators, &format!("/v1/invoices/{id}/lines?limit=4")).await;
            assert_eq!(lines.len(), 10);
            assert_eq!(whole[..10], lines, "the inline ones are the first");
            lines = whole;
        }
        assert_eq!(number(&invoice["lines"]["total_count"]), i64::try_from(lines.len()).unwrap());
        all.push((invoice, lines));
    }
    all
}

fn is_proration(line: &Value) -> bool {
    line["parent"]["subscription_item_details"]["proration"] == true
}

#[tokio::test]
async fn a_line_says_what_was_sold_for_which_time() {
    let all = lines().await;
    assert!(all.iter().any(|(_, lines)| lines.len() > 10), "one is too long to be shown at once");
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (invoice, lines) in &all {
        for line in lines {
            assert_eq!(line["invoice"], invoice["id"]);
            for gone in ["price", "plan", "proration", "type", "subscription_item", "invoice_item"] {
                assert!(line.get(gone).is_none(), "{gone} has moved: {line}");
            }
            let price = line["pricing"]["price_details"]["price"].as_str().unwrap();
            assert!(price.starts_with("price_1Fern") && line["quantity"].is_i64(), "{line}");
            let (start, end) = (number(&line["period"]["start"]), number(&line["period"]["end"]));
            let parent = &line["parent"];
            let kind = parent["type"].as_str().unwrap();
            assert_eq!(parent[kind]["subscription"], invoice["parent"]["subscription_details"]["subscription"]);
            if kind == "invoice_item_details" {
                *kinds.entry("one-off").or_default() += 1;
                assert_eq!((parent["subscription_item_details"].is_null(), start), (true, end));
                continue;
            }
            assert!(start < end, "{line}");
            assert!(parent[kind]["subscription_item"].as_str().unwrap().starts_with("si_"));
            if is_proration(line) {
                assert_eq!((&line["discountable"], &line["discount_amounts"]), (&json!(false), &json!([])));
                assert!(parent[kind]["invoice_item"].as_str().unwrap().starts_with("ii_"));
                *kinds.entry(if number(&line["amount"]) < 0 { "credit" } else { "debit" }).or_default() += 1;
            } else {
                assert!(parent[kind]["invoice_item"].is_null());
                *kinds.entry("whole period").or_default() += 1;
            }
            for amount in rows(&line["discount_amounts"]) {
                let id = &amount["discount"];
                let known = rows(&invoice["discounts"]).contains(id) || rows(&line["discounts"]).contains(id);
                assert!(id.is_string() && known, "{line}");
            }
        }
    }
    for kind in ["one-off", "credit", "debit", "whole period"] {
        assert!(kinds.contains_key(kind), "{kinds:?}");
    }
}

#[tokio::test]
async fn a_change_gives_back_the_old_and_bills_the_new_for_the_same_rest() {
    let mut changes = 0;
    let mut immediate = 0;
    for (invoice, lines) in lines().await {
        let prorations: Vec<&Value> = lines.iter().filter(|line| is_proration(line)).collect();
        immediate += usize::from(!prorations.is_empty() && invoice["billing_reason"] == "subscription_update");
        let mut by_change: BTreeMap<(i64, &str), Vec<&Value>> = BTreeMap::new();
        for line in prorations {
            let item = line["parent"]["subscription_item_details"]["subscription_item"].as_str().unwrap();
            by_change.entry((number(&line["period"]["start"]), item)).or_default().push(line);
        }
        for pair in by_change.values().filter(|pair| pair.len() == 2) {
            // Newest first: what is new stands before what it took the place of.
            let [new, old] = pair[..] else { continue };
            let sold = |line: &Value| (line["pricing"]["price_details"]["price"].clone(), line["quantity"].clone());
            assert_ne!(sold(new), sold(old));
            assert_eq!(new["period"], old["period"]);
            assert!(number(&old["amount"]) <= 0 && number(&new["amount"]) >= 0, "{old} {new}");
            assert!(number(&old["period"]["start"]) <= number(&invoice["created"]));
            let credited = &old["parent"]["subscription_item_details"]["proration_details"]["credited_items"];
            assert!(credited["invoice"].is_string() && rows(&credited["invoice_line_items"]).len() == 1, "{old}");
            changes += 1;
        }
    }
    assert!(changes > 20 && immediate > 5, "{changes} {immediate}");
}

#[tokio::test]
async fn invoices_are_filtered_by_what_they_are() {
    let emulators = unlimited().await;
    let all = walk(&emulators, "/v1/invoices?limit=100").await;
    let statuses: BTreeSet<&str> = all.iter().map(|row| row["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, BTreeSet::from(["draft", "open", "paid", "uncollectible", "void"]));
    for status in statuses.into_iter().filter(|status| *status != "paid") {
        let some = walk(&emulators, &format!("/v1/invoices?limit=100&status={status}")).await;
        assert!(some.iter().eq(all.iter().filter(|row| row["status"] == status)), "{status}");
    }
    let voided =
        all.iter().find(|row| row["status"] == "void" && row["billing_reason"] == "subscription_cycle").unwrap();
    assert_eq!(voided["status_transitions"]["voided_at"], voided["created"], "voided as soon as it was made");
    let subscription = voided["parent"]["subscription_details"]["subscription"].as_str().unwrap();
    let customer = voided["customer"].as_str().unwrap();
    for (name, id) in [("subscription", subscription), ("customer", customer)] {
        let some = walk(&emulators, &format!("/v1/invoices?limit=100&{name}={id}")).await;
        assert!(some.len() > 1 && some.contains(voided), "{name}");
    }
    let [newest, oldest] = [number(&all[100]["created"]), number(&all[300]["created"])];
    let window = format!("/v1/invoices?limit=100&created[gte]={oldest}&created[lt]={newest}&status=paid");
    let some = walk(&emulators, &window).await;
    let within = |row: &&Value| row["status"] == "paid" && (oldest..newest).contains(&number(&row["created"]));
    assert!(some.len() > 100 && some.iter().eq(all.iter().filter(within)));

    let theirs = walk(&emulators, &format!("/v1/subscriptions?status=all&customer={customer}")).await;
    assert!(theirs.iter().any(|row| row["id"] == subscription));
    assert!(theirs.iter().all(|row| row["customer"] == customer));
}

#[tokio::test]
async fn discounts_of_invoices_can_be_expanded_after_they_ended() {
    let emulators = unlimited().await;
    let rows = walk(&emulators, "/v1/invoices?limit=100&expand[]=data.discounts.source.coupon").await;
    let discounts = || rows.iter().flat_map(|row| row["discounts"].as_array().unwrap());
    assert!(discounts().count() > 100);
    for discount in discounts() {
        assert!(discount["start"].is_i64() && discount["source"]["coupon"]["duration"].is_string(), "{discount}");
    }
    assert!(discounts().any(|discount| discount["end"].as_i64().is_some_and(|end| end < super::now().as_second())));
    let five = "/v1/invoices?expand[]=data.discounts.source.coupon.applies_to";
    assert_eq!(ask(&emulators, five).await.status, 400);
    assert_eq!(ask(&emulators, "/v1/invoices?limit=1&expand[]=data.discounts").await.status, 200);
}
