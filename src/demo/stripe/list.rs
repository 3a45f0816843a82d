//! Lists: newest first, in pages, by cursor.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    Endpoint,
    error::Refusal,
    expand::{Kind, Tree},
    query::Query,
    render::View,
};

/// A page of an endpoint's list.
pub(super) fn endpoint(
    view: View<'_>,
    endpoint: &Endpoint,
    query: &Query,
    tree: &Tree,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let url = format!("/v1/{}", endpoint.path);
    if let Some(parent) = &query.parent {
        let subscription = view.stripe.subscriptions.get(parent);
        let subscription =
            subscription.ok_or_else(|| Refusal::missing_object(400, "subscription", parent, "subscription"))?;
        let rows = subscription["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        return page(view, endpoint.kind, rows.iter(), query, tree, &url, endpoint.name);
    }
    let Some(table) = view.table(endpoint.kind) else { return Err(Refusal::unknown_url("GET", &url)) };
    let rows = table.iter().filter(|row| is_kept(endpoint.kind, row, now));
    page(view, endpoint.kind, rows, query, tree, &url, endpoint.name)
}

/// Whether an object can still be asked for: events are kept for 30 days.
pub(super) fn is_kept(kind: Kind, row: &Value, now: Timestamp) -> bool {
    let oldest = now.saturating_sub(SignedDuration::from_hours(24 * 30)).map_or(0, Timestamp::as_second);
    kind != Kind::Event || row["created"].as_i64().is_some_and(|at| at >= oldest)
}

/// The page that a query asks for among these rows.
///
/// A cursor must be the id of a row of that kind, but not one that the filters accept: Stripe goes on from its place.
pub(super) fn page<'a>(
    view: View<'_>,
    kind: Kind,
    rows: impl Iterator<Item = &'a Value>,
    query: &Query,
    tree: &Tree,
    url: &str,
    name: &str,
) -> Result<Value, Refusal> {
    let rows: Vec<&Value> = rows.collect();
    let place = |cursor: &str, param: &str| {
        let found = rows.iter().position(|row| row["id"] == cursor);
        found.ok_or_else(|| Refusal::missing_object(400, name, cursor, param))
    };
    let wanted = |row: &&&Value| query.accepts(row);
    let (shown, has_more) = if let Some(cursor) = &query.ending_before {
        let before = &rows[..place(cursor, "ending_before")?];
        let mut nearest: Vec<&Value> = before.iter().rev().filter(wanted).take(query.limit + 1).copied().collect();
        let has_more = nearest.len() > query.limit;
        nearest.truncate(query.limit);
        nearest.reverse();
        (nearest, has_more)
    } else {
        let from = match &query.starting_after {
            Some(cursor) => place(cursor, "starting_after")? + 1,
            None => 0,
        };
        let mut next: Vec<&Value> = rows[from..].iter().filter(wanted).take(query.limit + 1).copied().collect();
        let has_more = next.len() > query.limit;
        next.truncate(query.limit);
        (next, has_more)
    };
    let data: Vec<Value> = shown.into_iter().map(|row| view.show(kind, row, tree)).collect();
    Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": url }))
}
