//! What an invoice says and what it bills, in the shapes from before and after basil.

use serde::Deserialize;

use super::{
    answers::{Decimal, Discount, Expandable, Id, List},
    shapes::or_default,
};

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Invoice {
    pub(super) id: String,
    #[serde(default)]
    pub(super) created: i64,
    pub(super) status: Option<String>,
    pub(super) collection_method: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) attempt_count: i64,
    #[serde(default)]
    pub(super) lines: List<Line>,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) discounts: Vec<Expandable<Discount>>,
    /// Before basil.
    subscription: Option<Id>,
    parent: Option<InvoiceParent>,
    pub(super) total_excluding_tax: Option<i64>,
    total_taxes: Option<Vec<TaxAmount>>,
    /// Before basil.
    total_tax_amounts: Option<Vec<TaxAmount>>,
}

#[derive(Debug, Clone, Deserialize)]
struct InvoiceParent {
    subscription_details: Option<SubscriptionDetails>,
}

#[derive(Debug, Clone, Deserialize)]
struct SubscriptionDetails {
    subscription: Option<Id>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct TaxAmount {
    pub(super) amount: i64,
}

impl Invoice {
    /// The subscription that it bills, in either shape.
    pub(super) fn subscription(&self) -> Option<&str> {
        let details = self.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        let id = details.and_then(|details| details.subscription.as_ref()).or(self.subscription.as_ref());
        id.map(|id| id.0.as_str())
    }

    /// Its taxes, in either shape; `None` where it does not say.
    pub(super) fn taxes(&self) -> Option<&[TaxAmount]> {
        self.total_taxes.as_deref().or(self.total_tax_amounts.as_deref())
    }
}

/// A line of an invoice.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Line {
    pub(super) id: String,
    /// Not said; lines are never read in windows.
    #[serde(skip)]
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) quantity: Option<i64>,
    pub(super) quantity_decimal: Option<Decimal>,
    pub(super) period: LinePeriod,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) discount_amounts: Vec<DiscountAmount>,
    subscription: Option<Id>,
    parent: Option<LineParent>,
    pricing: Option<Pricing>,
    /// Before basil, as are those below.
    price: Option<Id>,
    #[serde(default, deserialize_with = "or_default")]
    proration: bool,
    subscription_item: Option<Id>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct LinePeriod {
    pub(super) start: i64,
    pub(super) end: i64,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct DiscountAmount {
    pub(super) amount: i64,
    pub(super) discount: Id,
}

#[derive(Debug, Clone, Deserialize)]
struct LineParent {
    subscription_item_details: Option<ItemDetails>,
    invoice_item_details: Option<ItemDetails>,
}

#[derive(Debug, Clone, Deserialize)]
struct ItemDetails {
    subscription: Option<Id>,
    subscription_item: Option<Id>,
    #[serde(default, deserialize_with = "or_default")]
    proration: bool,
}

#[derive(Debug, Clone, Deserialize)]
struct Pricing {
    price_details: Option<PriceDetails>,
}

#[derive(Debug, Clone, Deserialize)]
struct PriceDetails {
    price: Option<Id>,
    product: Option<Id>,
}

impl Line {
    fn details(&self) -> Option<&ItemDetails> {
        let parent = self.parent.as_ref()?;
        parent.subscription_item_details.as_ref().or(parent.invoice_item_details.as_ref())
    }

    /// The subscription that it bills, where that is not said of the whole invoice.
    pub(super) fn subscription(&self) -> Option<&str> {
        let of_parent = self.details().and_then(|details| details.subscription.as_ref());
        self.subscription.as_ref().or(of_parent).map(|id| id.0.as_str())
    }

    /// The item of a subscription that it bills, in either shape; `None` for what was added by hand.
    pub(super) fn item(&self) -> Option<&str> {
        let id =
            self.details().and_then(|details| details.subscription_item.as_ref()).or(self.subscription_item.as_ref());
        id.map(|id| id.0.as_str())
    }

    /// Whether it bills or credits a part of a period that had begun, in either shape.
    pub(super) fn is_proration(&self) -> bool {
        self.proration || self.details().is_some_and(|details| details.proration)
    }

    fn price_details(&self) -> Option<&PriceDetails> {
        self.pricing.as_ref()?.price_details.as_ref()
    }

    /// Its price, in either shape.
    pub(super) fn price(&self) -> Option<&str> {
        let id = self.price_details().and_then(|details| details.price.as_ref()).or(self.price.as_ref());
        id.map(|id| id.0.as_str())
    }

    /// What it sells; not said before basil.
    pub(super) fn product(&self) -> Option<&str> {
        self.price_details()?.product.as_ref().map(|id| id.0.as_str())
    }
}
