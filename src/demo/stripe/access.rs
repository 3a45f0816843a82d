//! Who may ask, in which version of the API and how fast.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::time::{Duration, Instant};

use super::error::Refusal;
use crate::demo::server::{Incoming, Reply};

/// A key of the simulated account. Obviously made up, and in the shape of a real one.
#[derive(Debug, Clone)]
pub struct StripeKey {
    /// What stands behind `Bearer`.
    pub key: String,
    /// What a restricted key may read, such as `rak_charge_read`; `None` is a key that may read all.
    pub permissions: Option<BTreeSet<String>>,
    /// Rolled: every request gets 401 `api_key_expired`.
    pub expired: bool,
}

/// Each permission that an endpoint asks for. The names of the first two are not documented.
pub const PERMISSIONS: [&str; 11] = [
    "rak_accounts_kyc_basic_read",
    "rak_balance_transaction_read",
    "rak_balance_read",
    "rak_charge_read",
    "rak_coupon_read",
    "rak_customer_read",
    "rak_event_read",
    "rak_invoice_read",
    "rak_plan_read",
    "rak_product_read",
    "rak_subscription_read",
];

impl StripeKey {
    /// A key that may read everything.
    pub fn full(key: &str) -> Self {
        Self { key: key.to_owned(), permissions: None, expired: false }
    }

    /// A restricted key that may read all but what is named.
    pub fn without(key: &str, missing: &[&str]) -> Self {
        let permissions =
            PERMISSIONS.iter().filter(|name| !missing.contains(name)).map(|name| (*name).to_owned()).collect();
        Self { key: key.to_owned(), permissions: Some(permissions), expired: false }
    }

    pub(super) fn may(&self, permission: &str) -> bool {
        self.permissions.as_ref().is_none_or(|permissions| permissions.contains(permission))
    }
}

/// The key of a request, if it is one of those that are known.
pub(super) fn key<'a>(keys: &'a [StripeKey], request: &Incoming) -> Result<&'a StripeKey, Refusal> {
    let header = request.header("authorization").unwrap_or_default();
    let given = header.strip_prefix("Bearer ").map(str::trim).unwrap_or_default();
    if given.is_empty() {
        return Err(Refusal::no_key());
    }
    let key = keys.iter().find(|key| key.key == given).ok_or_else(|| Refusal::wrong_key(given))?;
    if key.expired { Err(Refusal::expired_key(given)) } else { Ok(key) }
}

/// A released version of the API; its date decides which shape an object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(&'static str);

/// What the account of the simulated company gets where a request names no version, and what its events are in.
pub(in crate::demo) const OLD: &str = "2024-06-20";

const VERSIONS: [&str; 15] = [
    OLD,
    "2024-09-30.acacia",
    "2024-12-18.acacia",
    "2025-02-24.acacia",
    "2025-03-31.basil",
    "2025-04-30.basil",
    "2025-05-28.basil",
    "2025-06-30.basil",
    "2025-07-30.basil",
    "2025-08-27.basil",
    "2025-09-30.clover",
    "2025-12-15.clover",
    "2026-03-25.dahlia",
    "2026-07-29.dahlia",
    "2026-08-26.dahlia",
];

impl Version {
    /// The version a request names, or else the account's.
    pub(super) fn of(request: &Incoming, account: &str) -> Result<Self, Refusal> {
        Self::named(request.header("stripe-version").unwrap_or(account))
    }

    pub(super) fn named(asked: &str) -> Result<Self, Refusal> {
        VERSIONS.iter().find(|known| **known == asked).map(|known| Self(known)).ok_or_else(|| Refusal::version(asked))
    }

    pub(super) fn name(self) -> &'static str {
        self.0
    }

    /// Periods moved to items, invoices lost their links, `discount` became `discounts`.
    pub(super) fn since_basil(self) -> bool {
        self.0 >= "2025-03-31"
    }

    /// The coupon moved into the discount's source.
    pub(super) fn since_clover(self) -> bool {
        self.0 >= "2025-09-30"
    }
}

/// Requests of the last second, by endpoint.
#[derive(Debug, Default)]
pub(in crate::demo) struct Pace(HashMap<String, VecDeque<Instant>>);

impl Pace {
    /// Counts a request, unless the endpoint had `limit` in the second before; says which.
    pub(in crate::demo) fn admit(&mut self, endpoint: &str, limit: usize) -> bool {
        let now = Instant::now();
        let recent = self.0.entry(endpoint.to_owned()).or_default();
        while recent.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1)) {
            recent.pop_front();
        }
        let admitted = recent.len() < limit;
        if admitted {
            recent.push_back(now);
        }
        admitted
    }

    /// The answer to a request that was not admitted.
    pub(in crate::demo) fn too_fast(request_id: &str) -> Reply {
        Refusal::too_fast().reply(request_id)
    }
}
