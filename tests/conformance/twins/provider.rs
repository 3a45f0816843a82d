//! The provider of the twins: an account, a list of things in pages, checks and visits by day and users of today.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::super::stand::{Account, LATENESS, Provider, now, numbers::Taken};

/// May read everything.
pub(super) const TOKEN: &str = "toy_token_Qx7CanaryToy9fTz4Wm2Lk8";
/// Is unknown.
pub(super) const WRONG: &str = "toy_token_Qx7WrongToy9fTz4Wm2Lk8x";
/// May not read users.
pub(super) const NO_USERS: &str = "toy_token_Qx7NoUsersToy9fTz4Wm2Lk";
/// May not read what nobody needs.
pub(super) const NO_BILLING: &str = "toy_token_Qx7NoBillingToy9fTz4Wm2";

/// Things that happened: one on the present day, two on the one before, and so on.
const DAYS: i32 = 6;

struct Things {
    /// The days back of which it knows something.
    known: Mutex<Range<i32>>,
}

impl Things {
    fn known(&self) -> Range<i32> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn all(&self) -> Vec<Value> {
        let of_day = |back: i32| (0..=back).map(move |number| json!({ "id": back * 100 + number, "days_ago": back }));
        self.known().flat_map(of_day).collect()
    }
}

/// Starts it on a free port.
pub(super) fn start(account: Account) -> BoxFuture<'static, Provider> {
    let sales = if account == Account::Quiet { Vec::new() } else { usual_sales() };
    with(account, sales)
}

/// On each day one in dollars, one in yen, and one that was given back.
fn usual_sales() -> Vec<Value> {
    let of_day = |back: i64| {
        let at = now() - SignedDuration::from_hours(24 * back);
        [("USD", 1000 + back, "paid"), ("JPY", 300, "paid"), ("USD", 50, "refunded")].map(|(currency, amount, status)| {
            json!({ "id": format!("sale-{back}-{amount}"), "at": at.to_string(), "currency": currency, "amount": amount,
                "status": status })
        })
    };
    (0..i64::from(DAYS)).flat_map(of_day).collect()
}

/// Orders at these instants and nothing else.
pub(super) fn ordering(at: Vec<Timestamp>, _zone: &'static str) -> BoxFuture<'static, Provider> {
    let order = |(number, at): (usize, &Timestamp)| json!({ "id": format!("sale-{number}"), "at": at.to_string(), "currency": "USD", "amount": 1, "status": "paid" });
    with(Account::Quiet, at.iter().enumerate().map(order).collect())
}

/// Sales of these amounts and nothing else.
pub(super) fn taking(takings: Vec<Taken>) -> BoxFuture<'static, Provider> {
    let sale = |(number, taken): (usize, &Taken)| {
        json!({ "id": format!("sale-{number}"), "at": format!("{}T12:00:00Z", taken.day), "currency": taken.currency,
            "amount": taken.written.parse::<i64>().expect("a whole number"), "status": "paid" })
    };
    with(Account::Quiet, takings.iter().enumerate().map(sale).collect())
}

fn with(account: Account, sales: Vec<Value>) -> BoxFuture<'static, Provider> {
    let known = match account {
        Account::Busy | Account::Small => 0..DAYS,
        Account::Quiet => 0..0,
        Account::Late => i32::try_from(LATENESS.as_hours() / 24).unwrap_or(DAYS)..DAYS,
    };
    let things = Arc::new(Things { known: Mutex::new(known) });
    let sold = things.clone();
    let sales = move |headers: HeaderMap| async move { sales_of(&headers, &sold, sales) };
    Box::pin(async move {
        let router = Router::new()
            .route("/account", get(account_of))
            .route("/things", get(things_of))
            .route("/checks", get(checks))
            .route("/visits", get(visits))
            .route("/users", get(users))
            .route("/billing", get(billing))
            .route("/sales", get(sales))
            .with_state(things.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on this machine");
        let url = format!("http://{}", listener.local_addr().expect("an address")).parse().expect("a URL");
        let task = tokio::spawn(async move { axum::serve(listener, router).await });
        let catch_up = move || things.known.lock().unwrap_or_else(PoisonError::into_inner).start = 0;
        Provider { url, catch_up: Box::new(catch_up), _running: Box::new(task) }
    })
}

/// Whose token it is, if anybody's, and whether it lacks what is needed.
fn admitted(headers: &HeaderMap, lacking: &str) -> Result<String, StatusCode> {
    let given = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = given.trim_start_matches("Bearer ").to_owned();
    if ![TOKEN, NO_USERS, NO_BILLING].contains(&token.as_str()) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    if token == lacking { Err(StatusCode::FORBIDDEN) } else { Ok(token) }
}

async fn account_of(headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    // What a provider knows, it may repeat.
    let token = admitted(&headers, "")?;
    Ok(Json(json!({ "id": "toy-1", "name": "Toy", "token": token })))
}

#[derive(Deserialize)]
struct Page {
    size: usize,
    #[serde(default)]
    cursor: usize,
}

async fn things_of(
    State(things): State<Arc<Things>>,
    Query(page): Query<Page>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let token = admitted(&headers, "")?;
    let size = page.size.clamp(1, 7);
    let all = things.all();
    let rest = all.get(page.cursor..).unwrap_or_default();
    let next = (rest.len() > size).then_some((page.cursor + size).to_string());
    let shown = rest.get(..size).unwrap_or(rest);
    Ok(Json(json!({ "things": shown, "next": next, "total": all.len(), "token": token })))
}

async fn checks(State(things): State<Arc<Things>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    admitted(&headers, "")?;
    let of_day = |back: i32| json!({ "days_ago": back, "good": back, "all": back + 1 });
    let days: Vec<Value> = things.known().map(of_day).collect();
    Ok(Json(json!({ "days": days })))
}

/// Visitor 0 comes every day, and the others less and less often.
async fn visits(State(things): State<Arc<Things>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    admitted(&headers, "")?;
    let of_day = |back: i32| (0..=back).map(move |visitor| json!({ "days_ago": back, "visitor": visitor }));
    Ok(Json(json!({ "visits": things.known().flat_map(of_day).collect::<Vec<Value>>() })))
}

async fn users(State(things): State<Arc<Things>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    admitted(&headers, NO_USERS)?;
    Ok(Json(json!({ "users": things.all().len(), "as_of": now().to_string() })))
}

fn sales_of(headers: &HeaderMap, things: &Things, mut sales: Vec<Value>) -> Result<Json<Value>, StatusCode> {
    admitted(headers, "")?;
    let days = things.known.lock().unwrap_or_else(PoisonError::into_inner).start;
    let known = now() - SignedDuration::from_hours(24 * i64::from(days));
    // Of the last days nothing is known yet, if they come late.
    sales.retain(|sale| days == 0 || sale["at"].as_str().and_then(|at| at.parse().ok()) <= Some(known));
    Ok(Json(json!({ "sales": sales })))
}

async fn billing(headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    admitted(&headers, NO_BILLING)?;
    Ok(Json(json!({})))
}
