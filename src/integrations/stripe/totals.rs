//! Adds up what is kept of all subscriptions. Memory grows with plans, currencies and days, not with the account.

use std::collections::{BTreeMap, BTreeSet};

use num_traits::Zero;

use super::{
    kept::{Amount, Kept},
    metrics,
    mrr::Reason,
};
use crate::{
    integrations::{Error, Record},
    metric::{Currency, Day, Exact, Period, Zone},
};

/// The largest contributions that a receipt names.
const NAMED: usize = 20;

/// What all subscriptions come to.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// By currency, each with something that counts or was left out.
    pub(super) currencies: BTreeMap<Currency, Total>,
    pub(super) active: i64,
    pub(super) trialing: i64,
    pub(super) new: BTreeMap<Day, i64>,
    pub(super) churned: BTreeMap<Day, i64>,
    /// What was left out and has no currency to speak of.
    pub(super) unpriced: BTreeMap<Reason, u64>,
    /// The customer whose subscriptions are being added, and the currencies it pays in.
    customer: (String, BTreeSet<Currency>),
}

/// What the subscriptions of one currency come to, in minor units.
#[derive(Debug, Default)]
pub(super) struct Total {
    pub(super) mrr: Exact,
    pub(super) subscriptions: u64,
    pub(super) customers: i64,
    pub(super) plans: BTreeMap<String, PlanTotal>,
    /// The largest contributions, largest first: amount, subscription, customer.
    pub(super) largest: Vec<(Exact, String, String)>,
    /// What was left out or assumed, how often, and what it would have added.
    pub(super) left_out: BTreeMap<Reason, (u64, Exact)>,
}

/// What one price comes to.
#[derive(Debug, Default)]
pub(super) struct PlanTotal {
    pub(super) label: String,
    pub(super) worth: Exact,
}

impl Totals {
    /// Adds a subscription. They must come in the order of their customers.
    pub(super) fn add(&mut self, record: &Record, kept: Kept, period: Period, zone: &Zone) -> Result<(), Error> {
        self.add_days(&kept, period, zone)?;
        if kept.excluded == Some(Reason::Trialing) {
            self.trialing += 1;
        }
        let Some(currency) = kept.currency else {
            if let Some(reason) = kept.excluded {
                *self.unpriced.entry(reason).or_default() += 1;
            }
            return Ok(());
        };
        let total = self.currencies.entry(currency).or_default();
        if let Some(reason) = kept.excluded {
            total.leave_out(reason, kept.worth);
            return Ok(());
        }
        if self.customer.0 != record.group {
            self.customer = (record.group.clone(), BTreeSet::new());
        }
        if self.customer.1.insert(currency) {
            total.customers += 1;
        }
        self.active += 1;
        total.subscriptions += 1;
        total.mrr += &kept.worth.0;
        for (price_id, label, worth) in kept.plans {
            let plan = total.plans.entry(price_id).or_default();
            plan.label = label;
            plan.worth += worth.0;
        }
        for (reason, amount) in kept.notes {
            total.leave_out(reason, amount);
        }
        total.name((kept.worth.0, record.key.clone(), record.group.clone()));
        Ok(())
    }

    fn add_days(&mut self, kept: &Kept, period: Period, zone: &Zone) -> Result<(), Error> {
        let Some(paid_from) = kept.paid_from else { return Ok(()) };
        let first = metrics::day_of(paid_from, zone)?;
        if period.contains(first) {
            *self.new.entry(first).or_default() += 1;
        }
        if let Some(ended_at) = kept.ended_at {
            let last = metrics::day_of(ended_at, zone)?;
            if period.contains(last) {
                *self.churned.entry(last).or_default() += 1;
            }
        }
        Ok(())
    }
}

impl Total {
    /// Whether any subscription of the currency counts.
    pub(super) fn counts(&self) -> bool {
        !self.mrr.is_zero()
    }

    /// Whether an assumption fills in for something that could not be read.
    pub(super) fn is_estimated(&self) -> bool {
        let assumed = |reason: &Reason| {
            matches!(reason, Reason::DiscountUnread | Reason::TaxUnread | Reason::UnknownStatus | Reason::Unreadable(_))
        };
        self.left_out.keys().any(assumed)
    }

    fn leave_out(&mut self, reason: Reason, amount: Amount) {
        let (count, sum) = self.left_out.entry(reason).or_default();
        *count += 1;
        *sum += amount.0;
    }

    fn name(&mut self, term: (Exact, String, String)) {
        // Largest amount first; among equals the order of ids, so that two runs name the same.
        let at =
            self.largest.partition_point(|(amount, id, _)| amount > &term.0 || (amount == &term.0 && id < &term.1));
        if at < NAMED {
            self.largest.insert(at, term);
            self.largest.truncate(NAMED);
        }
    }
}
