//! What is sold in a subscription and what is taken off it.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};

use super::super::catalog::{Coupon, Lasts, Off, Price};
use crate::{
    demo::random::Dice,
    metric::{Exact, exact},
};

/// A coupon at work.
#[derive(Debug, Clone)]
pub(super) struct Discount {
    pub(super) id: String,
    pub(super) coupon: &'static Coupon,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
}

impl Discount {
    pub(super) fn new(dice: &mut Dice, coupon: &'static Coupon, start: Timestamp) -> Self {
        let end = match coupon.lasts {
            Lasts::Months(months) => Some(months_after(start, months)),
            Lasts::Forever | Lasts::Once => None,
        };
        Self { id: dice.id("di"), coupon, start, end }
    }

    pub(super) fn works(&self, at: Timestamp) -> bool {
        self.start <= at && self.end.is_none_or(|end| at < end)
    }

    /// As the account holds it.
    pub(super) fn json(&self, customer: &str, subscription: Option<&str>, item: Option<&str>) -> Value {
        json!({
            "id": self.id, "created": self.start.as_second(), "coupon": self.coupon.id, "customer": customer,
            "end": self.end.map(Timestamp::as_second), "start": self.start.as_second(), "subscription": subscription,
            "subscription_item": item,
        })
    }
}

/// A price in a subscription.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) price: &'static Price,
    /// None for metered prices.
    pub(super) quantity: Option<i64>,
    pub(super) discounts: Vec<Discount>,
    pub(super) created: Timestamp,
}

impl Item {
    pub(super) fn new(dice: &mut Dice, price: &'static Price, quantity: Option<i64>, created: Timestamp) -> Self {
        Self { id: format!("si_Fern{}", dice.letters(10)), price, quantity, discounts: Vec::new(), created }
    }
}

/// What an item costs in a period.
#[derive(Debug)]
pub(super) struct Line {
    /// Place among the items.
    pub(super) item: usize,
    pub(super) gross: Exact,
    /// What is left after discounts.
    pub(super) net: Exact,
    /// What each discount took, rounded so that the sum is exact.
    pub(super) taken: Vec<(String, i64)>,
}

/// Takes a discount from the lines it may touch.
pub(super) fn apply(
    discount: &Discount,
    lines: &mut [Line],
    items: &[Item],
    currency: &str,
    at: Timestamp,
    with_once: bool,
) {
    if !discount.works(at) || (discount.coupon.lasts == Lasts::Once && !with_once) {
        return;
    }
    let mut eligible: Vec<&mut Line> = lines
        .iter_mut()
        .filter(|line| discount.coupon.product.is_none_or(|product| items[line.item].price.product == product))
        .collect();
    let sum = eligible.iter().fold(Exact::default(), |sum, line| sum + &line.net);
    if sum.is_zero() {
        return;
    }
    let left = match discount.coupon.off {
        Off::Percent(tenths) => exact::fraction(1000 - tenths, 1000).unwrap_or_default(),
        Off::Amount(dollars, euros) => {
            let off = exact::from_int(if currency == "eur" { euros.unwrap_or(0) } else { dollars });
            if off > sum { Exact::default() } else { (&sum - off) / &sum }
        }
    };
    for line in &mut eligible {
        let after = &line.net * &left;
        let taken = exact::round(&line.net).unwrap_or(0) - exact::round(&after).unwrap_or(0);
        line.net = after;
        line.taken.push((discount.id.clone(), taken));
    }
}

/// A time some calendar months later, at the last day of a month that is too short.
pub(super) fn months_after(at: Timestamp, months: i32) -> Timestamp {
    at.to_zoned(TimeZone::UTC).checked_add(months.months()).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}
