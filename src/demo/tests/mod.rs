//! What the simulated company promises: it is the same every time, it adds up, and its services refuse what the real
//! ones refuse.

mod bulk;
mod client;
mod company;
mod events;
mod github;
mod google;
mod invoices;
mod plausible;
mod story;
mod stripe;
mod time;
mod vercel;
mod web;

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use super::{Company, Emulators, Options};

fn now() -> Timestamp {
    "2026-03-31T15:04:05Z".parse().unwrap()
}

/// Generating takes a moment; all tests look at the same one.
static COMPANY: LazyLock<Arc<Company>> = LazyLock::new(|| Arc::new(Company::generate(7, now())));

async fn start(options: Options) -> Emulators {
    Emulators::start(COMPANY.clone(), options).await.unwrap()
}

/// Without limits, for tests that walk whole lists.
async fn unlimited() -> Emulators {
    start(Options { rate_limits: false, ..Options::default() }).await
}
