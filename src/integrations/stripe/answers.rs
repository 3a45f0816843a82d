//! What Stripe answers: only the fields in use, in the shapes from before and after basil and clover.
//!
//! What every version has must be there, also where it may be null (`nullable`): one that Stripe gave up would else count
//! as nothing. What only some versions have, or only what was expanded, may be missing: events show objects in the account's
//! own version.
//!
//! Times are Unix seconds and amounts minor units, as they come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub(super) use super::shapes::{Decimal, Discounts, Expandable, Id};
use super::shapes::{is_there, or_default};
use crate::{http::Error, integrations::nullable};

/// A page of a list, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: bool,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { data: Vec::new(), has_more: false }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) email: Option<String>,
    pub(super) country: Option<String>,
    pub(super) default_currency: Option<String>,
    pub(super) charges_enabled: Option<bool>,
    pub(super) business_profile: Option<BusinessProfile>,
    pub(super) settings: Option<AccountSettings>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct BusinessProfile {
    pub(super) name: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct AccountSettings {
    pub(super) dashboard: Option<Dashboard>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dashboard {
    pub(super) display_name: Option<String>,
    pub(super) timezone: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Balance {
    pub(super) livemode: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) available: Vec<Fund>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Fund {
    pub(super) currency: String,
}

/// Any object of a list that is only looked at to see whether it may be read.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Glimpse {
    #[serde(default)]
    pub(super) id: String,
    pub(super) livemode: Option<bool>,
    #[serde(default)]
    pub(super) created: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) customer: Id,
    pub(super) currency: String,
    pub(super) created: i64,
    pub(super) start_date: i64,
    #[serde(deserialize_with = "nullable")]
    pub(super) trial_end: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) cancel_at: Option<i64>,
    pub(super) cancel_at_period_end: bool,
    /// When it was cancelled, or when that was asked for.
    #[serde(deserialize_with = "nullable")]
    pub(super) canceled_at: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) ended_at: Option<i64>,
    /// Before basil; since then each item has its own.
    pub(super) current_period_end: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) pause_collection: Option<PauseCollection>,
    pub(super) items: List<Item>,
    #[serde(default)]
    pub(super) discounts: Discounts,
    /// Before basil.
    pub(super) discount: Option<Discount>,
    #[serde(deserialize_with = "or_default")]
    pub(super) default_tax_rates: Vec<TaxRate>,
}

impl Subscription {
    /// Refuses one of a list that does not tell which discounts it has.
    pub(super) fn tells_discounts(&self) -> Result<(), Error> {
        self.discounts.told_of("a subscription")?;
        self.items.data.iter().try_for_each(Item::tells_discounts)
    }
}

impl Item {
    /// The same of one item.
    pub(super) fn tells_discounts(&self) -> Result<(), Error> {
        self.discounts.told_of("an item of a subscription")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PauseCollection {
    pub(super) behavior: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) resumes_at: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) price: Price,
    /// Missing where usage is billed.
    pub(super) quantity: Option<i64>,
    pub(super) quantity_decimal: Option<Decimal>,
    pub(super) current_period_end: Option<i64>,
    #[serde(default)]
    pub(super) discounts: Discounts,
    #[serde(deserialize_with = "or_default")]
    pub(super) tax_rates: Vec<TaxRate>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Price {
    pub(super) id: String,
    pub(super) nickname: Option<String>,
    pub(super) product: Option<Id>,
    pub(super) currency: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(super) recurring: Option<Recurring>,
    pub(super) billing_scheme: Option<String>,
    pub(super) unit_amount: Option<i64>,
    pub(super) unit_amount_decimal: Option<Decimal>,
    /// Whether the buyer says what it costs.
    #[serde(default, deserialize_with = "is_there")]
    pub(super) custom_unit_amount: bool,
    #[serde(deserialize_with = "nullable")]
    pub(super) transform_quantity: Option<TransformQuantity>,
    pub(super) tiers_mode: Option<String>,
    /// Only on a price that was fetched for itself.
    pub(super) tiers: Option<Vec<Tier>>,
    /// Only on a price that was fetched for itself.
    pub(super) currency_options: Option<BTreeMap<String, CurrencyOption>>,
    #[serde(deserialize_with = "nullable")]
    pub(super) tax_behavior: Option<String>,
}

/// A price's amounts in another currency than its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CurrencyOption {
    pub(super) unit_amount: Option<i64>,
    pub(super) unit_amount_decimal: Option<Decimal>,
    /// Whether the buyer says what it costs.
    #[serde(default, deserialize_with = "is_there")]
    pub(super) custom_unit_amount: bool,
    pub(super) tiers: Option<Vec<Tier>>,
    pub(super) tax_behavior: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recurring {
    pub(super) interval: String,
    pub(super) interval_count: i64,
    pub(super) usage_type: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TransformQuantity {
    pub(super) divide_by: i64,
    pub(super) round: String,
}

/// A step of a tiered price. The last one has no `up_to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tier {
    #[serde(deserialize_with = "nullable")]
    pub(super) up_to: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) unit_amount: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) unit_amount_decimal: Option<Decimal>,
    #[serde(deserialize_with = "nullable")]
    pub(super) flat_amount: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) flat_amount_decimal: Option<Decimal>,
}

/// A coupon at work, for a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Discount {
    #[serde(default)]
    pub(super) id: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) start: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) end: Option<i64>,
    /// Set where it is of one item.
    pub(super) subscription_item: Option<Id>,
    /// Set where it is not the customer's.
    pub(super) subscription: Option<Id>,
    /// Set where it was given on one invoice alone.
    pub(super) invoice: Option<Id>,
    /// Before clover.
    coupon: Option<Expandable<Coupon>>,
    source: Option<DiscountSource>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DiscountSource {
    coupon: Option<Expandable<Coupon>>,
}

impl Discount {
    /// Its coupon, where either shape names one.
    pub(super) fn coupon(&self) -> Option<&Expandable<Coupon>> {
        self.source.as_ref().and_then(|source| source.coupon.as_ref()).or(self.coupon.as_ref())
    }

    /// One of which nothing is known but that it was at work.
    pub(super) fn unread(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            start: None,
            end: None,
            subscription_item: None,
            subscription: None,
            invoice: None,
            coupon: None,
            source: None,
        }
    }

    /// The same with its coupon at hand.
    pub(super) fn with_coupon(self, coupon: Coupon) -> Self {
        Self { coupon: Some(Expandable::Object(coupon)), source: None, ..self }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Coupon {
    pub(super) id: String,
    #[serde(deserialize_with = "nullable")]
    pub(super) percent_off: Option<Decimal>,
    #[serde(deserialize_with = "nullable")]
    pub(super) amount_off: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    pub(super) currency: Option<String>,
    pub(super) duration: String,
    /// Only on a coupon that was fetched for itself.
    pub(super) currency_options: Option<BTreeMap<String, AmountOff>>,
    /// Only on a coupon that was fetched for itself, and that is for some products only.
    pub(super) applies_to: Option<AppliesTo>,
    /// Whether it was fetched for itself, so that what is not here is not there.
    #[serde(default)]
    pub(super) is_whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AmountOff {
    pub(super) amount_off: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AppliesTo {
    #[serde(default)]
    pub(super) products: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TaxRate {
    pub(super) inclusive: bool,
    #[serde(deserialize_with = "nullable")]
    pub(super) percentage: Option<Decimal>,
    pub(super) effective_percentage: Option<Decimal>,
}

/// A customer of the list, in which nobody is who was deleted.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Customer {
    pub(super) id: String,
    pub(super) created: i64,
    #[serde(deserialize_with = "nullable")]
    pub(super) discount: Option<Discount>,
    /// Set where its time is simulated. Such customers are in no list.
    pub(super) test_clock: Option<Id>,
}

/// A customer that was asked for. Of one that was deleted hardly anything is told.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    pub(super) deleted: bool,
    pub(super) discount: Option<Discount>,
    pub(super) test_clock: Option<Id>,
}

/// Something that happened, with the object as it was afterwards.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) created: i64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) data: EventData,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct EventData {
    /// In the shape of the account's own version; nothing in it is expanded.
    pub(super) object: Box<RawValue>,
    /// What was other before; of lists the whole, of objects only what differs.
    pub(super) previous_attributes: Option<Box<RawValue>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct BalanceTransaction {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) currency: String,
    pub(super) amount: i64,
    pub(super) fee: i64,
    pub(super) net: i64,
    pub(super) reporting_category: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) status: String,
}
