//! A Stripe account of any number of subscriptions and nothing else, for benchmarks.
//!
//! Each subscription is written when it is asked for, from its number and what was changed about it, so that the emulator
//! holds none of them and costs as little as it can.

mod account;
mod answer;
mod render;

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use axum::Router;
use jiff::Timestamp;
use tokio::{net::TcpListener, task::AbortHandle};

use self::{account::Account, answer::Site};

/// How a bulk account behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long each answer takes.
    pub latency: Duration,
    /// Requests a second that each endpoint takes before it answers 429, as Stripe does with 25; `None` is as many as come.
    pub per_second: Option<usize>,
    /// Seconds that a 429 asks to wait in `Retry-After`; Stripe leaves the header out.
    pub retry_after: Option<u64>,
    /// Percent of the subscriptions that have a discount.
    pub discounted: u64,
}

impl Default for Options {
    /// At once, without limit, one in twenty with a discount.
    fn default() -> Self {
        Self { latency: Duration::ZERO, per_second: None, retry_after: None, discounted: 5 }
    }
}

/// What an endpoint was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests in all.
    pub requests: u64,
    /// Those that were answered with 429.
    pub refused: u64,
}

/// What a change came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// Subscriptions that were changed.
    pub subscriptions: u64,
    /// Those of them that have a discount now, which an event names but does not show.
    pub discounted: u64,
    /// Events that tell of it.
    pub events: u64,
}

/// A running account; stops when it is dropped.
#[derive(Debug)]
pub struct Bulk {
    url: String,
    site: Arc<Site>,
    task: AbortHandle,
}

impl Bulk {
    /// Serves an account of so many subscriptions, all of them active and monthly, on a free port of 127.0.0.1. It
    /// asks for no key.
    pub async fn start(subscriptions: u64, now: Timestamp) -> io::Result<Self> {
        Self::start_with(subscriptions, now, Options::default()).await
    }

    /// The same with options.
    pub async fn start_with(subscriptions: u64, now: Timestamp, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let site = Arc::new(Site::new(Account::new(subscriptions, now, options.discounted), options));
        let router = Router::new().fallback(answer::answer).with_state(site.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Ok(Self { url, site, task })
    }

    /// Its address, such as `http://127.0.0.1:40123`. Another process can ask it for what the methods here do:
    /// `POST /bulk/change?count=1000&at=1774969445` and `GET /bulk/counts`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes so many subscriptions, spread over all of them, at an instant that must not be before the last change: eight
    /// in ten get another plan, one gets or loses its discount, one is canceled. Those that are canceled stay so.
    pub fn change(&self, count: u64, at: Timestamp) -> Changed {
        self.site.account().change(count, at)
    }

    /// How many requests it got.
    pub fn requests(&self) -> u64 {
        self.counts().values().map(|count| count.requests).sum()
    }

    /// What it was asked, by path; the path of one object ends in `{id}`.
    pub fn counts(&self) -> BTreeMap<String, Count> {
        self.site.counts()
    }

    /// MRR of all subscriptions as they are now, in cents: discounts that last are taken off.
    pub fn mrr(&self) -> u64 {
        self.site.account().mrr()
    }

    /// How many subscriptions are active now.
    pub fn active(&self) -> u64 {
        self.site.account().active()
    }

    /// How many active subscriptions have a discount now.
    pub fn discounted(&self) -> u64 {
        self.site.account().discounted()
    }
}

impl Drop for Bulk {
    fn drop(&mut self) {
        self.task.abort();
    }
}
