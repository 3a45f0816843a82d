//! Answering for a bulk account.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard},
};

use axum::{
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    super::{server::lock, stripe::Pace},
    Count, Options,
    account::{Account, COUPONS},
    render::{Shown, coupon, coupon_id},
};

/// What the server works with.
#[derive(Debug)]
pub(super) struct Site {
    account: RwLock<Account>,
    options: Options,
    pace: Mutex<Pace>,
    counts: Mutex<BTreeMap<String, Count>>,
}

impl Site {
    pub(super) fn new(account: Account, options: Options) -> Self {
        Self { account: RwLock::new(account), options, pace: Mutex::default(), counts: Mutex::default() }
    }

    pub(super) fn account(&self) -> RwLockWriteGuard<'_, Account> {
        self.account.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counts(&self) -> BTreeMap<String, Count> {
        lock(&self.counts).clone()
    }

    /// Counts a request; says whether the endpoint takes it.
    fn admits(&self, endpoint: &str) -> bool {
        let limit = self.options.per_second;
        let admitted = limit.is_none_or(|limit| lock(&self.pace).admit(endpoint, limit));
        let mut counts = lock(&self.counts);
        let count = counts.entry(endpoint.to_owned()).or_default();
        count.requests += 1;
        count.refused += u64::from(!admitted);
        admitted
    }
}

/// The parameters of a request.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(|text| text.parse().ok())
    }

    fn limit(&self) -> usize {
        self.number("limit").unwrap_or(10).clamp(1, 100)
    }

    /// The instants `[from, to)` that `created` asks for.
    fn created(&self) -> (i64, i64) {
        let after = self.number("created[gte]").or_else(|| Some(self.number::<i64>("created[gt]")? + 1));
        let before = self.number("created[lt]").or_else(|| Some(self.number::<i64>("created[lte]")? + 1));
        (after.unwrap_or(i64::MIN), before.unwrap_or(i64::MAX))
    }

    /// How far discounts are expanded; on a list the paths begin with `data.`.
    fn discounts(&self) -> Shown {
        let paths = self.0.iter().filter(|(name, _)| name.starts_with("expand"));
        let shown = paths.map(|(_, path)| match path.strip_prefix("data.").unwrap_or(path) {
            "discounts" => Shown::Discount,
            "discounts.source.coupon" => Shown::Coupon,
            _ => Shown::Id,
        });
        shown.max().unwrap_or(Shown::Id)
    }
}

pub(super) async fn answer(
    State(site): State<Arc<Site>>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Response<Body> {
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(&uri).map(|Query(pairs)| pairs).unwrap_or_default();
    let asked = Asked(pairs);
    let segments: Vec<&str> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
    if let ["bulk", what] = segments[..] {
        return control(&site, &method, what, &asked);
    }
    let endpoint = match segments[..] {
        ["v1", list, _] => format!("/v1/{list}/{{id}}"),
        _ => uri.path().to_owned(),
    };
    let admitted = site.admits(&endpoint);
    if !site.options.latency.is_zero() {
        tokio::time::sleep(site.options.latency).await;
    }
    if !admitted {
        return refused(&site);
    }
    let account = site.account.read().unwrap_or_else(PoisonError::into_inner);
    let body = match segments[..] {
        ["v1", "subscriptions"] => subscriptions(&account, &asked),
        ["v1", "subscriptions", id] => subscription(&account, id, &asked),
        ["v1", "events"] => events(&account, &asked),
        ["v1", "coupons", id] => the_coupon(id),
        ["v1", "account"] => Some(include_str!("account.json").to_owned()),
        ["v1", "balance"] => Some(
            "{\"object\":\"balance\",\"available\":[{\"amount\":0,\"currency\":\"usd\"}],\"livemode\":false}"
                .to_owned(),
        ),
        _ => Some(format!("{{\"object\":\"list\",\"data\":[],\"has_more\":false,\"url\":\"{}\"}}", uri.path())),
    };
    let (status, body) = match body {
        Some(body) => (StatusCode::OK, body),
        None => (
            StatusCode::NOT_FOUND,
            "{\"error\":{\"code\":\"resource_missing\",\"type\":\"invalid_request_error\"}}".to_owned(),
        ),
    };
    let mut response = json_response(status, body);
    if let Some(version) = headers.get("stripe-version") {
        response.headers_mut().insert("stripe-version", version.clone());
    }
    response
}

fn json_response(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Stripe's own answer to who asks too fast.
fn refused(site: &Site) -> Response<Body> {
    let reply = Pace::too_fast("req_Bulk0000000000");
    let mut response = json_response(StatusCode::TOO_MANY_REQUESTS, reply.body);
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(seconds) = site.options.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// What another process asks of the emulator itself.
fn control(site: &Site, method: &Method, what: &str, asked: &Asked) -> Response<Body> {
    let body = match (method.as_str(), what) {
        ("POST", "change") => {
            let mut account = site.account();
            let at = asked.number("at").and_then(|at| Timestamp::from_second(at).ok());
            let at = at.or_else(|| Timestamp::from_second(account.now + 1).ok()).unwrap_or_default();
            let changed = account.change(asked.number("count").unwrap_or(0), at);
            json!({ "subscriptions": changed.subscriptions, "discounted": changed.discounted, "events": changed.events,
                "mrr": account.mrr() })
        }
        ("GET", "counts") => {
            let count = |count: Count| json!({ "requests": count.requests, "refused": count.refused });
            site.counts().into_iter().map(|(path, of)| (path, count(of))).collect()
        }
        _ => return json_response(StatusCode::NOT_FOUND, "{}"),
    };
    json_response(StatusCode::OK, body.to_string())
}

fn number_of(id: &str, prefix: &str) -> Option<u64> {
    id.strip_prefix(prefix)?.parse().ok()
}

fn subscriptions(account: &Account, asked: &Asked) -> Option<String> {
    let (after, before) = asked.created();
    let mut numbers = account.created_within(after, before);
    if let Some(cursor) = asked.get("starting_after") {
        numbers.start = numbers.start.max(number_of(cursor, "sub_1Bulk")? + 1);
    }
    if let Some(customer) = asked.get("customer") {
        let number = number_of(customer, "cus_Bulk")?;
        numbers = numbers.start.max(number)..numbers.end.min(number + 1);
    }
    let status = asked.get("status").unwrap_or_default();
    let wanted = |number: &u64| match (status, account.state(*number).ended) {
        ("all", _) => true,
        ("canceled" | "ended", ended) => ended.is_some(),
        ("" | "active", ended) => ended.is_none(),
        _ => false,
    };
    let limit = asked.limit();
    let mut rows: Vec<u64> = numbers.filter(wanted).take(limit + 1).collect();
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Some(account.page(&rows, has_more, asked.discounts()))
}

fn subscription(account: &Account, id: &str, asked: &Asked) -> Option<String> {
    let number = number_of(id, "sub_1Bulk").filter(|number| *number < account.subscriptions)?;
    Some(account.one(number, account.state(number), asked.discounts()))
}

fn the_coupon(id: &str) -> Option<String> {
    let at = (0..COUPONS.len()).find(|at| coupon_id(*at) == id)?;
    Some(format!("{:#}", coupon(at)))
}

/// Newest first; a cursor is the place of an event.
fn events(account: &Account, asked: &Asked) -> Option<String> {
    let (after, before) = asked.created();
    let after = after.max(account.now - 30 * 86_400);
    let types: Vec<&str> =
        asked.0.iter().filter(|(name, _)| name.starts_with("type")).map(|(_, name)| name.as_str()).collect();
    let end = match asked.get("starting_after") {
        Some(cursor) => usize::try_from(number_of(cursor, "evt_1Bulk")?).ok()?.min(account.events.len()),
        None => account.events.len(),
    };
    let wanted = |at: &usize| {
        let event = &account.events[*at];
        (after..before).contains(&event.at) && (types.is_empty() || types.contains(&event.what.name()))
    };
    let limit = asked.limit();
    let mut rows: Vec<usize> = (0..end).rev().filter(wanted).take(limit + 1).collect();
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let data: Vec<Value> = rows.into_iter().map(|at| account.event(at, &account.events[at])).collect();
    Some(format!("{:#}", json!({ "object": "list", "data": data, "has_more": has_more, "url": "/v1/events" })))
}
