//! What an item costs in one billing period: unit prices, tiers and packages (providers.md 8.3, step 2).

use super::answers::{Decimal, Item, Price, Tier};
use crate::metric::{Exact, exact};

/// Why an item cannot be valued, as a clause for the receipt.
pub(super) type Unreadable = &'static str;

/// A price's amounts in the currency of its subscription.
#[derive(Debug)]
pub(super) struct Tariff<'a> {
    unit: Option<Exact>,
    tiers: &'a [Tier],
    pub(super) tax_behavior: Option<&'a str>,
    /// The buyer says what it costs, so that there is no amount to count.
    pub(super) is_custom: bool,
}

/// The price's amounts in `currency`: its own, or those it has for that currency.
pub(super) fn tariff<'a>(price: &'a Price, currency: &str) -> Result<Tariff<'a>, Unreadable> {
    if price.currency.eq_ignore_ascii_case(currency) {
        let unit = amount(price.unit_amount_decimal.as_ref(), price.unit_amount)?;
        let is_custom = price.custom_unit_amount && unit.is_none();
        let tiers = price.tiers.as_deref().unwrap_or_default();
        return Ok(Tariff { unit, tiers, tax_behavior: price.tax_behavior.as_deref(), is_custom });
    }
    let options = price.currency_options.as_ref().ok_or("a price in another currency could not be read")?;
    let option = options
        .iter()
        .find_map(|(code, option)| code.eq_ignore_ascii_case(currency).then_some(option))
        .ok_or("a price has no amount in the subscription's currency")?;
    let unit = amount(option.unit_amount_decimal.as_ref(), option.unit_amount)?;
    let is_custom = option.custom_unit_amount && unit.is_none();
    let tiers = option.tiers.as_deref().unwrap_or_default();
    Ok(Tariff { unit, tiers, tax_behavior: option.tax_behavior.as_deref(), is_custom })
}

/// What the item costs in one billing period, before discounts and with the tax that is inside.
pub(super) fn period_amount(item: &Item, price: &Price, tariff: &Tariff<'_>) -> Result<Exact, Unreadable> {
    let quantity = billed_quantity(item, price)?;
    if quantity.is_zero() || tariff.is_custom {
        return Ok(Exact::zero());
    }
    let is_tiered = match price.billing_scheme.as_deref() {
        Some("tiered") => true,
        Some("per_unit") | None => false,
        Some(_) => return Err("a price is billed in an unknown way"),
    };
    if is_tiered {
        check(tariff.tiers)?;
        return match price.tiers_mode.as_deref() {
            Some("volume") => volume(tariff.tiers, &quantity),
            Some("graduated") => graduated(tariff.tiers, &quantity),
            _ => Err("a price has tiers of an unknown kind"),
        };
    }
    let unit = tariff.unit.as_ref().ok_or("a price has no amount")?;
    Ok(unit * quantity)
}

/// The quantity that is multiplied: packages where the price counts in packages.
fn billed_quantity(item: &Item, price: &Price) -> Result<Exact, Unreadable> {
    let quantity = match (&item.quantity_decimal, item.quantity) {
        (Some(decimal), _) => exact::parse_decimal(&decimal.0).ok_or("a quantity cannot be read")?,
        (None, quantity) => exact::from_int(quantity.unwrap_or(1)),
    };
    if quantity.is_negative() {
        return Err("a quantity is negative");
    }
    let Some(transform) = &price.transform_quantity else { return Ok(quantity) };
    if transform.divide_by < 1 {
        return Err("a price counts in packages of less than one");
    }
    let packages = quantity / exact::from_int(transform.divide_by);
    match transform.round.as_str() {
        "up" => Ok(packages.ceil()),
        "down" => Ok(packages.floor()),
        _ => Err("a price rounds packages in an unknown way"),
    }
}

/// Only the last tier has no end.
fn check(tiers: &[Tier]) -> Result<(), Unreadable> {
    let (_, before) = tiers.split_last().ok_or("a tiered price could not be read")?;
    if before.iter().all(|tier| tier.up_to.is_some()) { Ok(()) } else { Err("a tier before the last has no end") }
}

/// The one tier that holds the quantity sets unit and flat amount for all units. `up_to` is inclusive.
fn volume(tiers: &[Tier], quantity: &Exact) -> Result<Exact, Unreadable> {
    let tier = tiers
        .iter()
        .find(|tier| tier.up_to.is_none_or(|up_to| *quantity <= exact::from_int(up_to)))
        .ok_or("a quantity is above the last tier of its price")?;
    Ok(tier_unit(tier)? * quantity + tier_flat(tier)?)
}

/// Each tier bills its own units, and its flat amount once it is entered.
fn graduated(tiers: &[Tier], quantity: &Exact) -> Result<Exact, Unreadable> {
    let mut below = Exact::zero();
    let mut sum = Exact::zero();
    for tier in tiers {
        let top = tier.up_to.map(exact::from_int);
        if top.as_ref().is_some_and(|top| *top <= below) {
            return Err("the tiers of a price are out of order");
        }
        let reached = top.map_or_else(|| quantity.clone(), |top| top.min(quantity.clone()));
        sum += tier_unit(tier)? * (&reached - &below) + tier_flat(tier)?;
        if reached == *quantity {
            return Ok(sum);
        }
        below = reached;
    }
    Err("a quantity is above the last tier of its price")
}

fn tier_unit(tier: &Tier) -> Result<Exact, Unreadable> {
    Ok(amount(tier.unit_amount_decimal.as_ref(), tier.unit_amount)?.unwrap_or_default())
}

fn tier_flat(tier: &Tier) -> Result<Exact, Unreadable> {
    Ok(amount(tier.flat_amount_decimal.as_ref(), tier.flat_amount)?.unwrap_or_default())
}

/// The decimal form is the more exact one: the whole one is null below a minor unit.
fn amount(decimal: Option<&Decimal>, whole: Option<i64>) -> Result<Option<Exact>, Unreadable> {
    let amount = match decimal {
        Some(decimal) => Some(exact::parse_decimal(&decimal.0).ok_or("an amount cannot be read")?),
        None => whole.map(exact::from_int),
    };
    match amount {
        Some(amount) if amount.is_negative() => Err("an amount is negative"),
        amount => Ok(amount),
    }
}
