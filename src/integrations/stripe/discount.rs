//! What discounts take off the items of a subscription (providers.md 8.3, step 3).

use super::{
    answers::{Coupon, Discount},
    price::Unreadable,
};
use crate::metric::{Exact, exact};

/// An item's amount of one billing period on its way through the discounts.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) product: String,
    pub(super) amount: Exact,
}

/// Whether the discount is in force at an instant.
pub(super) fn in_force(discount: &Discount, at: i64) -> bool {
    discount.start.is_none_or(|start| start <= at) && discount.end.is_none_or(|end| at < end)
}

/// Takes one coupon off the lines it applies to.
///
/// An amount is taken once from the sum of the lines, spread in proportion, and never below zero. Where the coupon
/// has no amount in the subscription's currency it takes nothing.
pub(super) fn apply(coupon: &Coupon, lines: &mut [Line], currency: &str) -> Result<(), Unreadable> {
    let products = coupon.applies_to.as_ref().map(|applies_to| &applies_to.products);
    let applies = |line: &Line| products.is_none_or(|products| products.contains(&line.product));
    let remaining = if let Some(percent) = &coupon.percent_off {
        let percent = exact::parse_decimal(&percent.0).ok_or("a discount cannot be read")?;
        let hundred = exact::from_int(100);
        if percent.is_negative() || percent > hundred {
            return Err("a discount is not between 0 and 100 percent");
        }
        (&hundred - percent) / hundred
    } else if coupon.amount_off.is_none() || coupon.currency.is_none() {
        return Err("a coupon does not say what it takes off");
    } else {
        let off = match amount_off(coupon, currency) {
            None => return Ok(()),
            Some(off) if off < 0 => return Err("a discount is negative"),
            Some(off) => exact::from_int(off),
        };
        let sum: Exact = lines.iter().filter(|line| applies(line)).map(|line| &line.amount).sum();
        if sum.is_zero() {
            return Ok(());
        }
        if off >= sum { Exact::zero() } else { (&sum - off) / sum }
    };
    for line in lines.iter_mut().filter(|line| applies(line)) {
        line.amount *= &remaining;
    }
    Ok(())
}

fn amount_off(coupon: &Coupon, currency: &str) -> Option<i64> {
    if coupon.currency.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(currency)) {
        return coupon.amount_off;
    }
    let options = coupon.currency_options.as_ref()?;
    options.iter().find_map(|(code, option)| code.eq_ignore_ascii_case(currency).then_some(option.amount_off))
}
