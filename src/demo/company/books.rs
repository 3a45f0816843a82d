//! The generator's own books: what each subscription was worth at any time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::metric::Exact;

/// One entry for each subscription.
#[derive(Debug, Clone, Default)]
pub(super) struct Books {
    pub(super) subscriptions: Vec<Book>,
    pub(super) customers: Vec<CustomerEntry>,
    pub(super) charges: Vec<ChargeEntry>,
    pub(super) balance: Vec<BalanceEntry>,
}

/// The life of a subscription in money.
#[derive(Debug, Clone)]
pub(super) struct Book {
    pub(super) customer: String,
    pub(super) currency: String,
    /// When it became paying; never for what was free or ended in its trial.
    pub(super) paying_from: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) unpaid_from: Option<Timestamp>,
    pub(super) segments: Vec<Segment>,
}

/// What it is worth a month from an instant on.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) at: Timestamp,
    pub(super) status: &'static str,
    /// Monthly minor units by price.
    pub(super) monthly: BTreeMap<&'static str, Exact>,
}

impl Book {
    pub(super) fn at(&self, at: Timestamp) -> Option<&Segment> {
        self.segments.iter().rev().find(|segment| segment.at <= at)
    }
}

impl Segment {
    pub(super) fn total(&self) -> Exact {
        self.monthly.values().fold(Exact::default(), |sum, part| sum + part)
    }
}

#[derive(Debug, Clone)]
pub(super) struct CustomerEntry {
    pub(super) id: String,
    pub(super) created: Timestamp,
    pub(super) deleted: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub(super) struct ChargeEntry {
    pub(super) at: Timestamp,
    pub(super) succeeded: bool,
}

#[derive(Debug, Clone)]
pub(super) struct BalanceEntry {
    pub(super) at: Timestamp,
    pub(super) currency: String,
    /// Stripe's reporting category.
    pub(super) category: &'static str,
    pub(super) amount: i64,
    pub(super) fee: i64,
}
