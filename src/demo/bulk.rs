//! A Stripe account of any number of subscriptions and nothing else, for benchmarks.
//!
//! Each subscription is written when it is asked for, from its number alone, so that the emulator holds none of them
//! and costs as little as it can.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{Query, State},
    http::{HeaderMap, Response, Uri, header},
};
use jiff::Timestamp;
use tokio::{net::TcpListener, task::AbortHandle};

/// One subscription as it is sent, with a place for each thing in which one differs from another.
const TEMPLATE: &str = include_str!("bulk.json");

/// A running account; stops when it is dropped.
#[derive(Debug)]
pub struct Bulk {
    url: String,
    account: Arc<Account>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Account {
    subscriptions: u64,
    now: i64,
    /// What stands between the places, with the place that follows.
    pieces: Vec<(String, Place)>,
    requests: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Number,
    Created,
    PeriodStart,
    PeriodEnd,
    Amount,
    End,
}

impl Bulk {
    /// Serves an account of so many subscriptions, all of them active and monthly, on a free port of 127.0.0.1. It
    /// asks for no key.
    pub async fn start(subscriptions: u64, now: Timestamp) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let account =
            Arc::new(Account { subscriptions, now: now.as_second(), pieces: pieces(), requests: AtomicU64::new(0) });
        let router = Router::new().fallback(answer).with_state(account.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Ok(Self { url, account, task })
    }

    /// Its address, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many requests it got.
    pub fn requests(&self) -> u64 {
        self.account.requests.load(Ordering::Relaxed)
    }

    /// MRR of all subscriptions, in cents.
    pub fn mrr(&self) -> u64 {
        (0..self.account.subscriptions).map(amount).sum()
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn amount(number: u64) -> u64 {
    900 + number % 97 * 100
}

fn pieces() -> Vec<(String, Place)> {
    const PLACES: [(&str, Place); 5] = [
        ("@NUMBER@", Place::Number),
        ("1000000001", Place::Created),
        ("1000000002", Place::PeriodStart),
        ("1000000003", Place::PeriodEnd),
        ("1000000004", Place::Amount),
    ];
    let (mut pieces, mut rest) = (Vec::new(), TEMPLATE.trim_end());
    loop {
        let nearest = PLACES.iter().filter_map(|(mark, place)| Some((rest.find(mark)?, mark, *place))).min_by_key(|found| found.0);
        let Some((at, mark, place)) = nearest else {
            pieces.push((rest.to_owned(), Place::End));
            return pieces;
        };
        pieces.push((rest[..at].to_owned(), place));
        rest = &rest[at + mark.len()..];
    }
}

impl Account {
    /// Newest first: number 0 is the newest, an hour younger than number 1.
    fn write(&self, number: u64, page: &mut String) {
        let created = self.now - 86_400 - i64::try_from(number).unwrap_or(0) * 60;
        for (text, place) in &self.pieces {
            page.push_str(text);
            match place {
                Place::Number => page.push_str(&format!("{number:014}")),
                Place::Created => page.push_str(&created.to_string()),
                Place::PeriodStart => page.push_str(&(self.now - 86_400).to_string()),
                Place::PeriodEnd => page.push_str(&(self.now + 29 * 86_400).to_string()),
                Place::Amount => page.push_str(&amount(number).to_string()),
                Place::End => {}
            }
        }
    }

    fn page(&self, after: Option<u64>, limit: u64) -> String {
        let first = after.map_or(0, |after| after + 1);
        let end = (first + limit).min(self.subscriptions);
        let mut page = String::with_capacity(usize::try_from(limit).unwrap_or(0) * (TEMPLATE.len() + 100) + 200);
        page.push_str("{\n  \"object\": \"list\",\n  \"data\": [\n");
        for number in first..end {
            if number > first {
                page.push_str(",\n");
            }
            self.write(number, &mut page);
        }
        page.push_str(&format!("\n  ],\n  \"has_more\": {},\n  \"url\": \"/v1/subscriptions\"\n}}\n", end < self.subscriptions));
        page
    }
}

async fn answer(State(account): State<Arc<Account>>, headers: HeaderMap, uri: Uri) -> Response<Body> {
    account.requests.fetch_add(1, Ordering::Relaxed);
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(&uri).map(|Query(pairs)| pairs).unwrap_or_default();
    let get = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let body = match uri.path() {
        "/v1/subscriptions" => {
            let after = get("starting_after").and_then(|id| id.trim_start_matches("sub_1Bulk").parse().ok());
            account.page(after, get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10))
        }
        "/v1/account" => include_str!("bulk_account.json").to_owned(),
        "/v1/balance" => "{\"object\":\"balance\",\"available\":[{\"amount\":0,\"currency\":\"usd\"}],\"livemode\":false}".to_owned(),
        path => format!("{{\"object\":\"list\",\"data\":[],\"has_more\":false,\"url\":\"{path}\"}}"),
    };
    let version = headers.get("stripe-version").cloned();
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    if let Some(version) = version {
        response.headers_mut().insert("stripe-version", version);
    }
    response
}
