//! What a line of an invoice says that an item was: its price and how many.
//!
//! The price itself says what that is worth. Where it may not be read any more, or does not come to what was billed,
//! the line's own amount stands in as a price made of it; of a part of a period, scaled up to the whole of it.

use jiff::{Span, Timestamp, Zoned, tz::TimeZone};

use super::{
    answers::{Decimal, Discounts, Id, Item, Price, Recurring},
    evidence::{Billed, Kind},
    price,
};
use crate::metric::{Exact, exact};

const DAY: i64 = 24 * 60 * 60;

/// What is known besides the line.
#[derive(Clone, Copy)]
pub(super) struct Lookup<'a> {
    /// The subscription's.
    pub(super) currency: &'a str,
    pub(super) prices: &'a dyn Fn(&str) -> Option<Price>,
    /// All lines of the subscription.
    pub(super) lines: &'a [&'a Billed],
}

/// The item as a line says that it was. `newer` is what it was like afterwards, or another of the subscription's items
/// where it was not there any more. `None` where the line cannot tell, as one that bills usage.
pub(super) fn item(line: &Billed, id: &str, newer: Option<&Item>, known: Lookup<'_>) -> Option<Item> {
    let same = newer.filter(|newer| newer.id == id);
    let price_id = line.price.as_deref().or(same.map(|newer| newer.price.id.as_str()))?;
    let (price, count) = match (known.prices)(price_id) {
        Some(price) if is_metered(&price) => return None,
        Some(price) => match count(line, &price, same, known)? {
            Count::Of(count) => (price, count),
            Count::Unlike => (with_amount(&price, &billed(line), known.currency), exact::from_int(1)),
        },
        None => (made_of(line, price_id, newer, known)?, exact::from_int(1)),
    };
    let mut item = match same {
        Some(newer) => Item { price, ..newer.clone() },
        None => Item {
            // Items of a subscription are taxed alike, as a rule.
            tax_rates: newer.map(|newer| newer.tax_rates.clone()).unwrap_or_default(),
            ..item_of(id, price)
        },
    };
    set_quantity(&mut item, &count);
    Some(item)
}

fn item_of(id: &str, price: Price) -> Item {
    Item {
        id: id.to_owned(),
        created: 0,
        price,
        quantity: None,
        quantity_decimal: None,
        current_period_end: None,
        discounts: Discounts::default(),
        tax_rates: Vec::new(),
    }
}

fn is_metered(price: &Price) -> bool {
    price.recurring.as_ref().is_none_or(|recurring| recurring.usage_type == "metered")
}

fn billed(line: &Billed) -> Exact {
    exact::from_int(line.amount).abs()
}

/// How many of an item there are.
pub(super) fn quantity(item: &Item) -> Option<Exact> {
    match &item.quantity_decimal {
        Some(decimal) => exact::parse_decimal(&decimal.0),
        None => Some(exact::from_int(item.quantity.unwrap_or(1))),
    }
}

fn set_quantity(item: &mut Item, to: &Exact) {
    if quantity(item).as_ref() == Some(to) {
        return;
    }
    (item.quantity, item.quantity_decimal) = match exact::round(to) {
        Some(whole) if to.is_integer() => (Some(whole), None),
        _ => (None, exact::to_decimal(to, 12).map(Decimal)),
    };
}

/// How many a line bills.
enum Count {
    Of(Exact),
    /// No number of them comes to what was billed.
    Unlike,
}

/// How many of a price a line bills. Of tiers and packages it does not tell plainly: what it amounts to decides.
fn count(line: &Billed, price: &Price, newer: Option<&Item>, known: Lookup<'_>) -> Option<Count> {
    let is_tiered = price.billing_scheme.as_deref() == Some("tiered");
    if !is_tiered && price.transform_quantity.is_none() {
        // Several parts of one period are of several changes in one second.
        let is_clear = !line.is_part() || line.parts == 1;
        return is_clear.then(|| Count::Of(line.quantity()));
    }
    let newer = newer.filter(|newer| newer.price.id == price.id).and_then(quantity);
    if line.amount == 0 {
        return Some(Count::Of(newer.unwrap_or_else(|| line.quantity())));
    }
    let share = match line.is_part() {
        false => exact::from_int(1),
        true => exact::fraction(line.end - line.start, whole_period(line, price.recurring.as_ref(), known)?)?,
    };
    let billed = billed(line);
    let each_is_rounded = exact::from_int(line.parts);
    let comes_to_it = |quantity: &Exact| {
        let amount = amount_of(price, quantity, known.currency)? * &share;
        ((amount - &billed).abs() <= each_is_rounded).then(|| quantity.clone())
    };
    let packages =
        price.transform_quantity.as_ref().map(|transform| line.quantity() * exact::from_int(transform.divide_by));
    let mut likely = newer.into_iter().chain([line.quantity()]).chain(packages);
    match likely.find_map(|quantity| comes_to_it(&quantity)) {
        Some(quantity) => Some(Count::Of(quantity)),
        // Parts of a period are billed less the discounts.
        None if line.is_part() => Some(Count::Of(line.quantity())),
        None => Some(Count::Unlike),
    }
}

fn amount_of(price: &Price, count: &Exact, currency: &str) -> Option<Exact> {
    let mut item = item_of("", price.clone());
    set_quantity(&mut item, count);
    let tariff = price::tariff(price, currency).ok()?;
    price::period_amount(&item, price, &tariff).ok()
}

/// A price that stands in for one that cannot be read: it costs what the line billed, scaled to a whole period.
fn made_of(line: &Billed, price_id: &str, newer: Option<&Item>, known: Lookup<'_>) -> Option<Price> {
    let of_price = known.lines.iter().filter(|other| other.kind == Kind::Period && other.price == line.price);
    let own = of_price.max_by_key(|other| other.newest).and_then(|other| interval(other.newest, other.end));
    let recurring = own.or_else(|| newer?.price.recurring.clone()).unwrap_or_else(|| monthly(1));
    let amount = match line.is_part() {
        false => billed(line),
        true => scaled(&billed(line), line.end - line.start, whole_period(line, Some(&recurring), known)?)?,
    };
    let price = Price {
        id: price_id.to_owned(),
        nickname: None,
        product: line.product.clone().map(Id),
        currency: known.currency.to_owned(),
        kind: Some("recurring".to_owned()),
        recurring: Some(recurring),
        billing_scheme: None,
        unit_amount: None,
        unit_amount_decimal: None,
        custom_unit_amount: false,
        transform_quantity: None,
        tiers_mode: None,
        tiers: None,
        currency_options: None,
        tax_behavior: None,
    };
    Some(with_amount(&price, &amount, known.currency))
}

/// What is billed for a part of a period, scaled to the whole of it.
fn scaled(amount: &Exact, part: i64, whole: i64) -> Option<Exact> {
    Some(amount * exact::fraction(whole, part)?)
}

/// The same price at another amount.
fn with_amount(price: &Price, amount: &Exact, currency: &str) -> Price {
    Price {
        currency: currency.to_owned(),
        billing_scheme: Some("per_unit".to_owned()),
        unit_amount: None,
        unit_amount_decimal: exact::to_decimal(amount, 12).map(Decimal),
        custom_unit_amount: false,
        transform_quantity: None,
        tiers_mode: None,
        tiers: None,
        currency_options: None,
        ..price.clone()
    }
}

/// Seconds of the whole period that a line bills the rest of.
fn whole_period(line: &Billed, recurring: Option<&Recurring>, known: Lookup<'_>) -> Option<i64> {
    let is_it = |other: &&&Billed| {
        other.kind == Kind::Period && other.item == line.item && other.end == line.end && other.newest <= line.start
    };
    let billed = known.lines.iter().find(is_it).map(|other| other.newest);
    let start = billed.or_else(|| period_start(line.end, recurring?));
    start.map(|start| line.end - start).filter(|whole| *whole > 0)
}

fn utc(at: i64) -> Option<Zoned> {
    Some(Timestamp::from_second(at).ok()?.to_zoned(TimeZone::UTC))
}

/// The start of the period that ends at an instant.
fn period_start(end: i64, recurring: &Recurring) -> Option<i64> {
    let count = recurring.interval_count;
    let span = match recurring.interval.as_str() {
        "day" => Span::new().try_days(count),
        "week" => Span::new().try_weeks(count),
        "month" => Span::new().try_months(count),
        "year" => Span::new().try_years(count),
        _ => return None,
    };
    let start = utc(end)?.checked_sub(span.ok()?).ok()?;
    Some(start.timestamp().as_second())
}

fn monthly(count: i64) -> Recurring {
    Recurring { interval: "month".to_owned(), interval_count: count, usage_type: "licensed".to_owned() }
}

/// How often a price is billed whose period this was.
fn interval(start: i64, end: i64) -> Option<Recurring> {
    let (from, to) = (utc(start)?, utc(end)?);
    let months = i64::from(to.year() - from.year()) * 12 + i64::from(to.month() - from.month());
    let (first, last) = (from.day(), to.day());
    // A month that is too short ends what began on a later day, and begins what ends on one.
    let is_cut = (first > last && last == to.days_in_month()) || (last > first && first == from.days_in_month());
    let days = (end - start + DAY / 2) / DAY;
    let (interval, count) = match months {
        1.. if (first == last || is_cut) && months % 12 == 0 => ("year", months / 12),
        1.. if first == last || is_cut => ("month", months),
        _ if days > 0 && days % 7 == 0 => ("week", days / 7),
        _ => ("day", days.max(1)),
    };
    Some(Recurring { interval: interval.to_owned(), ..monthly(count) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn a_period_says_how_often_it_is_billed() {
        let cases = [
            ("2026-01-15T08:00:00Z", "2026-02-15T08:00:00Z", "month", 1),
            ("2026-01-31T08:00:00Z", "2026-02-28T08:00:00Z", "month", 1),
            ("2026-02-28T08:00:00Z", "2026-03-31T08:00:00Z", "month", 1),
            ("2025-11-30T08:00:00Z", "2026-02-28T08:00:00Z", "month", 3),
            ("2025-02-28T08:00:00Z", "2026-02-28T08:00:00Z", "year", 1),
            ("2024-02-29T08:00:00Z", "2025-02-28T08:00:00Z", "year", 1),
            ("2024-05-01T08:00:00Z", "2026-05-01T08:00:00Z", "year", 2),
            ("2026-01-31T08:00:00Z", "2026-02-14T08:00:00Z", "week", 2),
            ("2026-02-10T08:00:00Z", "2026-02-17T08:00:00Z", "week", 1),
            ("2026-01-10T08:00:00Z", "2026-02-07T08:00:00Z", "week", 4),
            ("2026-02-10T08:00:00Z", "2026-02-11T08:00:00Z", "day", 1),
            ("2026-02-27T08:00:00Z", "2026-03-09T08:00:00Z", "day", 10),
        ];
        for (start, end, every, count) in cases {
            let found = interval(at(start), at(end)).unwrap();
            assert_eq!((found.interval.as_str(), found.interval_count), (every, count), "{start} to {end}");
            if !start.contains("-28T") && !start.contains("-31T") && !start.contains("-30T") && !start.contains("-29T")
            {
                assert_eq!(period_start(at(end), &found), Some(at(start)), "{start} to {end}");
            }
        }
    }
}
