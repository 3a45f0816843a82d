//! What is kept of a subscription between the page it came on and the total.

use num_bigint::BigInt;
use num_traits::Zero;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{
    answers::Subscription,
    mrr::{Reason, Valuation},
};
use crate::metric::{Currency, Exact, exact};

/// A subscription's record: its key is the subscription, its group the customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) generation: u64,
    /// None where it is no currency.
    pub(super) currency: Option<Currency>,
    /// Why it does not count; `None` where it does.
    pub(super) excluded: Option<Reason>,
    pub(super) worth: Amount,
    /// Price, its label, and what it adds.
    pub(super) plans: Vec<(String, String, Amount)>,
    pub(super) notes: Vec<(Reason, Amount)>,
    /// When it began to pay, if ever.
    pub(super) paid_from: Option<i64>,
    pub(super) ended_at: Option<i64>,
}

/// An exact amount in minor units as numerator and denominator.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Amount(pub(super) Exact);

impl Kept {
    /// Keeps what a valuation at an instant says. What is no amount of money that can be stored is left out.
    pub(super) fn new(sub: &Subscription, valuation: Valuation, generation: u64, at: i64) -> Self {
        let currency: Option<Currency> = sub.currency.parse().ok();
        let fits = exact::round(&(&valuation.worth * exact::from_int(12))).is_some();
        let mut kept = Self {
            generation,
            currency,
            paid_from: paid_from(sub, &valuation, at),
            ended_at: sub.ended_at,
            excluded: valuation.excluded,
            worth: Amount(valuation.worth),
            plans: valuation.plans.into_iter().map(|plan| (plan.price_id, plan.label, Amount(plan.worth))).collect(),
            notes: valuation.notes.into_iter().map(|(reason, amount)| (reason, Amount(amount))).collect(),
        };
        if currency.is_none() || !fits {
            let why = if fits { "its currency is not known" } else { "its amount is too large" };
            kept.excluded.get_or_insert_with(|| Reason::Unreadable(why.to_owned()));
            kept.worth = Amount(Exact::zero());
        }
        if kept.excluded.is_some() {
            // Nobody asks for the parts of what does not count.
            kept.plans.clear();
            kept.notes.clear();
        }
        kept
    }
}

/// When the subscription began to pay at its present items: at the end of its trial, else at its start. One that never
/// got so far has no such instant.
fn paid_from(sub: &Subscription, valuation: &Valuation, at: i64) -> Option<i64> {
    let never = matches!(sub.status.as_str(), "incomplete" | "incomplete_expired" | "trialing" | "paused");
    let from = sub.trial_end.or(sub.start_date).unwrap_or(sub.created);
    let reached = from <= at && sub.ended_at.is_none_or(|ended_at| from < ended_at);
    (!never && reached && !valuation.worth.is_zero()).then_some(from)
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0.numer().to_signed_bytes_le(), self.0.denom().to_signed_bytes_le()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (numerator, denominator) = <(Vec<u8>, Vec<u8>)>::deserialize(deserializer)?;
        let denominator = BigInt::from_signed_bytes_le(&denominator);
        if denominator.is_zero() {
            return Err(D::Error::custom("a denominator is zero"));
        }
        Ok(Self(Exact::new(BigInt::from_signed_bytes_le(&numerator), denominator)))
    }
}
