//! A scripted Stripe on loopback: pages and filters lists as strictly as the tests need it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    http::{HeaderValue, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// What it answers, and what it was asked.
#[derive(Clone, Default)]
pub(super) struct Script(Arc<Mutex<State>>);

/// What is done to the script before a request is answered.
type Change = Box<dyn FnOnce(&Script) + Send>;

#[derive(Default)]
struct State {
    lists: BTreeMap<String, Vec<Value>>,
    account: Value,
    /// Paths that answer with a status and a body in place of what they hold.
    refused: BTreeMap<String, (u16, Value)>,
    /// Sent with every refusal.
    retry_after: Option<&'static str>,
    /// Entries of a page, whatever is asked for.
    page: Option<usize>,
    /// The entries of this list are without this field.
    given_up: Option<(&'static str, &'static str)>,
    asked: Vec<String>,
    /// Changes, each before so many more requests of a path.
    changes: Vec<(&'static str, usize, Change)>,
}

impl Script {
    pub(super) fn of_fixtures() -> Self {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let mut lists: BTreeMap<String, Vec<Value>> =
            serde_json::from_value(parse(include_str!("fixtures/lists.json"))).unwrap();
        let subscriptions = parse(include_str!("fixtures/subscriptions.json"));
        lists.insert("/v1/subscriptions".to_owned(), serde_json::from_value(subscriptions).unwrap());
        let script = Self::default();
        script.edit(|state| {
            state.lists = lists;
            state.account = parse(include_str!("fixtures/account.json"));
        });
        script
    }

    pub(super) fn empty() -> Self {
        let script = Self::of_fixtures();
        script.edit(|state| state.lists.clear());
        script
    }

    /// From now on the entries of a list are without a field.
    pub(super) fn without(&self, list: &'static str, field: &'static str) -> &Self {
        self.edit(|state| state.given_up = Some((list, field)));
        self
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut self.0.lock().unwrap())
    }

    pub(super) fn set(&self, list: &str, entries: Value) -> &Self {
        self.edit(|state| state.lists.insert(list.to_owned(), serde_json::from_value(entries).unwrap()));
        self
    }

    /// Adds an entry to a list, before those that are not younger.
    pub(super) fn add(&self, list: &str, entry: Value) -> &Self {
        self.edit(|state| {
            let entries = state.lists.entry(list.to_owned()).or_default();
            let at = entries.iter().position(|other| other["created"].as_i64() <= entry["created"].as_i64());
            entries.insert(at.unwrap_or(entries.len()), entry);
        });
        self
    }

    /// Removes the entry with an id from a list.
    pub(super) fn remove(&self, list: &str, id: &str) -> &Self {
        self.edit(|state| state.lists.entry(list.to_owned()).or_default().retain(|entry| entry["id"] != id));
        self
    }

    /// Changes something just before the n-th request from now for a path is answered.
    pub(super) fn before(&self, n: usize, path: &'static str, change: impl FnOnce(&Self) + Send + 'static) -> &Self {
        self.edit(|state| state.changes.push((path, n, Box::new(change))));
        self
    }

    pub(super) fn page_of(&self, entries: usize) -> &Self {
        self.edit(|state| state.page = Some(entries));
        self
    }

    pub(super) fn refuse(&self, path: &str, status: u16, message: &str) -> &Self {
        let body = json!({"error": {"type": "invalid_request_error", "message": message}});
        self.edit(|state| state.refused.insert(path.to_owned(), (status, body)));
        self
    }

    pub(super) fn forbid(&self, path: &str) -> &Self {
        self.refuse(path, 403, "The provided key does not have the required permissions")
    }

    /// Says that a limit is reached the way Stripe sometimes does, with status 400.
    pub(super) fn limit(&self, path: &str, retry_after: &'static str) -> &Self {
        let body = json!({"error": {"type": "invalid_request_error", "code": "rate_limit", "message": "slow down"}});
        self.edit(|state| {
            state.retry_after = Some(retry_after);
            state.refused.insert(path.to_owned(), (400, body));
        });
        self
    }

    pub(super) fn allow(&self, path: &str) -> &Self {
        self.edit(|state| state.refused.remove(path));
        self
    }

    /// Paths with their queries, decoded, since the last time.
    pub(super) fn asked(&self) -> Vec<String> {
        self.edit(|state| std::mem::take(&mut state.asked))
    }

    pub(super) async fn serve(&self) -> SocketAddr {
        let script = self.clone();
        let app = Router::new().fallback(move |uri: Uri| async move { script.answer(&uri) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        address
    }

    fn answer(&self, uri: &Uri) -> Response {
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        for change in self.edit(|state| state.due(uri.path())) {
            change(self);
        }
        self.edit(|state| {
            let query: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}={value}")).collect();
            state.asked.push(format!("{} {}", uri.path(), query.join("&")));
            match state.answer(uri.path(), &pairs) {
                Ok(body) => Json(state.reduced(uri.path(), completed(body))).into_response(),
                Err((status, body)) => {
                    let mut answer = (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
                    if let Some(wait) = state.retry_after {
                        answer.headers_mut().insert("retry-after", HeaderValue::from_static(wait));
                    }
                    answer
                }
            }
        })
    }
}

impl State {
    /// The changes whose request has come.
    fn due(&mut self, path: &str) -> Vec<Change> {
        let of_path = |change: &mut (&'static str, usize, Change)| {
            change.1 -= usize::from(change.0 == path);
            change.1 == 0
        };
        self.changes.extract_if(.., of_path).map(|(_, _, change)| change).collect()
    }

    fn reduced(&self, path: &str, mut body: Value) -> Value {
        let field = self.given_up.filter(|(list, _)| *list == path).map(|(_, field)| field);
        for entry in
            body.get_mut("data").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
        {
            entry.retain(|name, _| Some(name.as_str()) != field);
        }
        body
    }

    fn answer(&self, path: &str, query: &[(String, String)]) -> Result<Value, (u16, Value)> {
        let asked = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        if let Some(refused) = self.refused.get(path) {
            return Err(refused.clone());
        }
        match path {
            "/v1/account" => return Ok(self.account.clone()),
            "/v1/balance" => return Ok(json!({"livemode": true, "available": [{"currency": "eur"}]})),
            _ => {}
        }
        if let Some((list, id)) = path.rsplit_once('/').filter(|(list, _)| *list != "/v1") {
            let found = self.lists.get(list).and_then(|entries| entries.iter().find(|entry| entry["id"] == id));
            return found.cloned().ok_or((404, json!({"error": {"code": "resource_missing"}})));
        }
        let limit: usize = asked("limit").unwrap_or("10").parse().unwrap();
        let too_deep = query.iter().any(|(key, value)| key == "expand[]" && value.split('.').count() > 4);
        if limit > 100 || too_deep {
            return Err((400, json!({"error": {"message": "too much"}})));
        }
        let is_known =
            |key: &str| matches!(key, "limit" | "starting_after" | "expand[]") || filters(path).contains(&key);
        if let Some((unknown, _)) = query.iter().find(|(key, _)| !is_known(key)) {
            let message = format!("Received unknown parameter: {unknown}");
            return Err((400, json!({"error": {"code": "parameter_unknown", "message": message}})));
        }
        let types: Vec<&str> =
            query.iter().filter(|(key, _)| key == "types[]").map(|(_, value)| value.as_str()).collect();
        let bound = |key: &str| asked(key).map(|value| value.parse::<i64>().unwrap());
        let (from, to) = (bound("created[gte]"), bound("created[lt]"));
        let same = |entry: &Value, key: &str| asked(key).is_none_or(|value| value == "all" || entry[key] == value);
        let mut entries: Vec<Value> = self.lists.get(path).into_iter().flatten().cloned().collect();
        if let Some(after) = asked("starting_after") {
            let at = entries.iter().position(|entry| entry["id"] == after);
            let at = at.ok_or((400, json!({"error": {"code": "resource_missing", "message": "No such cursor"}})))?;
            entries.drain(..=at);
        }
        entries.retain(|entry| {
            let created = entry["created"].as_i64().unwrap_or(0);
            from.is_none_or(|from| created >= from)
                && to.is_none_or(|to| created < to)
                && same(entry, "status")
                && same(entry, "subscription")
                && same(entry, "customer")
                && (types.is_empty() || types.iter().any(|kind| entry["type"] == *kind))
        });
        let limit = self.page.unwrap_or(limit).min(limit);
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        Ok(json!({"object": "list", "data": entries, "has_more": has_more}))
    }
}

/// The same with all fields that Stripe always sends, as far as a test does not say them: it names only what it is about.
pub(super) fn completed(mut value: Value) -> Value {
    complete(&mut value);
    value
}

/// Something that Stripe sent, completed.
pub(super) fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(completed(value)).unwrap()
}

fn complete(value: &mut Value) {
    let fields = match value {
        Value::Array(list) => return list.iter_mut().for_each(complete),
        Value::Object(fields) => fields,
        _ => return,
    };
    for (name, value) in fields.iter_mut() {
        match name.as_str() {
            // Of an object only what differs, of a list the whole.
            "previous_attributes" => value.pointer_mut("/items/data").map_or((), complete),
            _ => complete(value),
        }
    }
    let has = |names: &[&str]| names.iter().all(|name| fields.contains_key(*name));
    let of_customer = fields.get("id").and_then(Value::as_str).is_some_and(|id| id.starts_with("cus"));
    let rest = if has(&["customer", "items", "status"]) {
        json!({"created": 0, "start_date": fields.get("created").cloned().unwrap_or(json!(0)), "trial_end": null,
            "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null, "ended_at": null,
            "pause_collection": null, "discounts": [], "default_tax_rates": null})
    } else if fields.get("price").is_some_and(Value::is_object) {
        json!({"created": 0, "discounts": [], "tax_rates": []})
    } else if has(&["currency", "id"]) && ["recurring", "unit_amount"].iter().any(|name| has(&[name])) {
        json!({"recurring": null, "transform_quantity": null, "tax_behavior": null})
    } else if has(&["interval"]) {
        json!({"interval_count": 1, "usage_type": "licensed"})
    } else if has(&["up_to"]) || has(&["flat_amount"]) || has(&["unit_amount"]) {
        json!({"up_to": null, "unit_amount": null, "unit_amount_decimal": null, "flat_amount": null,
            "flat_amount_decimal": null})
    } else if has(&["duration"]) {
        json!({"percent_off": null, "amount_off": null, "currency": null})
    } else if has(&["coupon"]) || has(&["source"]) {
        json!({"start": null, "end": null})
    } else if has(&["behavior"]) {
        json!({"resumes_at": null})
    } else if has(&["percentage"]) || has(&["inclusive"]) {
        json!({"percentage": null, "inclusive": false})
    } else if of_customer {
        json!({"created": 0, "discount": null})
    } else if fields.get("data").is_some_and(Value::is_array) {
        json!({"has_more": false})
    } else {
        return;
    };
    for (name, usual) in rest.as_object().into_iter().flatten() {
        fields.entry(name).or_insert_with(|| usual.clone());
    }
}

/// What a list may be filtered by.
fn filters(path: &str) -> &'static [&'static str] {
    match path {
        "/v1/subscriptions" => &["created[gte]", "created[lt]", "status", "customer"],
        "/v1/invoices" => &["created[gte]", "created[lt]", "status", "subscription"],
        "/v1/events" => &["created[gte]", "created[lt]", "types[]"],
        "/v1/subscription_items" => &["subscription"],
        _ => &["created[gte]", "created[lt]"],
    }
}
