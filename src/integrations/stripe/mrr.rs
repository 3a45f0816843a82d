//! What a subscription adds to monthly recurring revenue: the algorithm of providers.md 8.3.
//!
//! Pure and exact: rational numbers throughout, nothing is rounded here. What is worth zero says why.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    amount::Amount,
    answers::{Coupon, Discount, Expandable, Item, Price, Subscription, TaxRate},
    discount::{self, Line},
    invoice::Invoice,
    price::{self, Unreadable},
    settings::{Counted, Rules},
};
use crate::metric::{Exact, exact};

/// A price's id, and the currency whose tiers are needed where that is not its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PriceKey {
    pub(super) id: String,
    pub(super) tiers_of: Option<String>,
}

/// What other lists say about one subscription.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Around {
    /// The customer's own discount.
    pub(super) customer_discount: Option<Discount>,
    /// When its oldest open invoice was created.
    pub(super) past_due_since: Option<i64>,
    /// The share that tax adds to its latest invoice.
    pub(super) invoiced_tax: Option<Amount>,
}

/// What is not part of a subscription's own answer and must be fetched before it can be valued.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) prices: BTreeSet<PriceKey>,
    pub(super) coupons: BTreeSet<String>,
}

/// What a subscription is worth.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Valuation {
    /// Why it does not count; `None` where it does.
    pub(super) excluded: Option<Reason>,
    /// What its present items come to in a month, in minor units, whether it counts or not.
    pub(super) worth: Exact,
    /// The same by price.
    pub(super) plans: Vec<Plan>,
    /// What was left out of the worth, or could not be known.
    pub(super) notes: Vec<(Reason, Exact)>,
}

/// What one price contributes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) price_id: String,
    pub(super) label: String,
    pub(super) worth: Exact,
}

/// Why something does not count, or counts with an assumption.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Reason {
    Trialing,
    PastDue,
    PastDueTooLong,
    CollectionPaused,
    CancelsAtPeriodEnd,
    Canceled,
    Unpaid,
    Incomplete,
    Paused,
    NotStarted,
    UnknownStatus,
    UnknownPause,
    Free,
    FullyDiscounted,
    Metered,
    BuyerSetsAmount,
    DiscountNotCounted,
    DiscountUnread,
    TaxUnread,
    Unreadable(String),
}

impl Reason {
    /// Whether it fills in for something that could not be known.
    pub(super) fn is_assumption(&self) -> bool {
        matches!(
            self,
            Self::DiscountUnread | Self::TaxUnread | Self::UnknownStatus | Self::UnknownPause | Self::Unreadable(_)
        )
    }
}

/// Values a subscription as it is at an instant.
///
/// Prices and coupons that [`needs`] names must have been put in their places; what is missing is noted.
pub(super) fn value(sub: &Subscription, around: &Around, rules: &Rules, at: i64) -> Valuation {
    let standing = standing(sub, around.past_due_since, rules, at);
    match worth(sub, around, rules, valued_at(sub, at)) {
        Ok(valuation) => Valuation { excluded: standing.or(valuation.excluded), ..valuation },
        Err(sentence) => Valuation {
            excluded: Some(standing.unwrap_or_else(|| Reason::Unreadable(sentence.to_owned()))),
            worth: Exact::zero(),
            plans: Vec::new(),
            notes: Vec::new(),
        },
    }
}

/// What has ended is worth what it was worth at its end.
fn valued_at(sub: &Subscription, at: i64) -> i64 {
    sub.ended_at.map_or(at, |ended| at.min(ended.saturating_sub(1)))
}

/// Why the subscription does not count whatever its items are worth (step 1).
pub(super) fn standing(sub: &Subscription, past_due_since: Option<i64>, rules: &Rules, at: i64) -> Option<Reason> {
    // Before all else: what is a trial now was none before it began.
    if sub.start_date > at {
        return Some(Reason::NotStarted);
    }
    match sub.status.as_str() {
        "active" => {}
        "past_due" if !rules.past_due => return Some(Reason::PastDue),
        "past_due" => {
            let longest = rules.max_past_due_days.map(|days| days.saturating_mul(24 * 60 * 60));
            if past_due_since.zip(longest).is_some_and(|(since, longest)| at.saturating_sub(since) > longest) {
                return Some(Reason::PastDueTooLong);
            }
        }
        "trialing" => return Some(Reason::Trialing),
        // What has ended was active before, as far as it shows.
        "canceled" if sub.ended_at.is_some_and(|end| at < end) => {}
        "canceled" => return Some(Reason::Canceled),
        "unpaid" => return Some(Reason::Unpaid),
        "incomplete" | "incomplete_expired" => return Some(Reason::Incomplete),
        "paused" => return Some(Reason::Paused),
        _ => return Some(Reason::UnknownStatus),
    }
    if sub.trial_end.is_some_and(|end| end > at) {
        return Some(Reason::Trialing);
    }
    if sub.ended_at.is_some_and(|end| end <= at) || ends_at(sub).is_some_and(|end| end <= at) {
        return Some(Reason::Canceled);
    }
    let asked_to_cancel = sub.cancel_at_period_end || sub.cancel_at.is_some();
    if rules.cancel_at_request && asked_to_cancel && sub.canceled_at.is_none_or(|asked_at| asked_at <= at) {
        return Some(Reason::CancelsAtPeriodEnd);
    }
    let pause = sub.pause_collection.as_ref().filter(|pause| pause.resumes_at.is_none_or(|resumes_at| resumes_at > at));
    match pause?.behavior.as_str() {
        "keep_as_draft" => None,
        _ if rules.paused => None,
        "void" | "mark_uncollectible" => Some(Reason::CollectionPaused),
        _ => Some(Reason::UnknownPause),
    }
}

/// When a cancellation that was asked for takes effect.
pub(super) fn ends_at(sub: &Subscription) -> Option<i64> {
    if sub.cancel_at.is_some() || !sub.cancel_at_period_end {
        return sub.cancel_at;
    }
    sub.items.data.iter().filter_map(|item| item.current_period_end).max().or(sub.current_period_end)
}

/// Which prices and coupons must be fetched before [`value`] can be right for an instant and all after it.
pub(super) fn needs(sub: &Subscription, around: &Around, from: i64) -> Needs {
    let mut needs = Needs::default();
    let from = valued_at(sub, from);
    let matters = |discount: &&Discount| discount.end.is_none_or(|end| from < end);
    for item in sub.items.data.iter().filter(|item| is_licensed(item)) {
        needs.prices.extend(price_key(&item.price, &sub.currency));
        needs.coupons.extend(item.discounts.iter().filter_map(object).filter(matters).filter_map(coupon_id));
    }
    let of_sub = sub.discounts.iter().filter_map(object).chain(&sub.discount).chain(&around.customer_discount);
    needs.coupons.extend(of_sub.filter(matters).filter_map(coupon_id));
    needs
}

/// Whether the latest invoice must be asked for the tax that is inside a price.
pub(super) fn needs_invoiced_tax(sub: &Subscription) -> bool {
    sub.items.data.iter().filter(|item| is_licensed(item)).any(|item| {
        let tariff = price::tariff(&item.price, &sub.currency);
        rates(sub, item).is_empty() && tariff.is_ok_and(|tariff| tariff.tax_behavior == Some("inclusive"))
    })
}

/// The share that tax adds to an invoice; `None` where it does not say.
pub(super) fn invoiced_tax(invoice: &Invoice) -> Option<Exact> {
    let taxes: Exact = invoice.taxes()?.iter().map(|tax| exact::from_int(tax.amount)).sum();
    let net = exact::from_int(invoice.total_excluding_tax.filter(|net| *net > 0)?);
    (!taxes.is_negative()).then(|| taxes / net)
}

/// An item on its way to its monthly worth.
struct Priced<'a> {
    item: &'a Item,
    /// Months' worth of one billing period, and the tax inside taken out.
    factor: Exact,
    line: Line,
}

/// Steps 2 to 5: amounts, discounts, months, tax.
fn worth(sub: &Subscription, around: &Around, rules: &Rules, at: i64) -> Result<Valuation, Unreadable> {
    let mut notes: Vec<(Reason, Exact)> = Vec::new();
    let mut priced = Vec::new();
    for item in &sub.items.data {
        if is_metered(item) {
            notes.push((Reason::Metered, Exact::zero()));
        } else if is_licensed(item) {
            priced.push(price_item(sub, item, around, rules, &mut notes)?);
        } else if item.price.kind.as_deref() != Some("one_time") {
            return Err("a price recurs in an unknown way");
        }
    }
    let gross: Exact = priced.iter().map(|priced| &priced.line.amount).sum();
    let counted = discounted(sub, &priced, around, rules.discounts, at, Some(&mut notes))?;
    let worth: Exact = counted.iter().sum();
    if has_discounts(sub, around) && rules.discounts != Counted::All {
        let all: Exact = discounted(sub, &priced, around, Counted::All, at, None)?.iter().sum();
        if all != worth {
            notes.push((Reason::DiscountNotCounted, all - &worth));
        }
    }
    let free = || match notes.first() {
        _ if gross.is_positive() => Reason::FullyDiscounted,
        Some((Reason::Metered, _)) if priced.is_empty() => Reason::Metered,
        Some((Reason::BuyerSetsAmount, _)) => Reason::BuyerSetsAmount,
        _ => Reason::Free,
    };
    let excluded = worth.is_zero().then(free);
    let plans = priced.iter().zip(counted).map(|(priced, worth)| plan(&priced.item.price, worth)).collect();
    Ok(Valuation { excluded, worth, plans, notes })
}

fn price_item<'a>(
    sub: &Subscription,
    item: &'a Item,
    around: &Around,
    rules: &Rules,
    notes: &mut Vec<(Reason, Exact)>,
) -> Result<Priced<'a>, Unreadable> {
    let price = &item.price;
    let tariff = price::tariff(price, &sub.currency)?;
    let amount = price::period_amount(item, price, &tariff)?;
    if tariff.is_custom {
        notes.push((Reason::BuyerSetsAmount, Exact::zero()));
    }
    let recurring = item.price.recurring.as_ref().ok_or("a price has no interval")?;
    let per_month = rules.factors.per_month(&recurring.interval).ok_or("a price has an unknown interval")?;
    let count = recurring.interval_count;
    if count < 1 {
        return Err("a price has an interval of less than one");
    }
    let tax = match inclusive_tax(sub, item, tariff.tax_behavior, around)? {
        Some(tax) => tax,
        None => {
            notes.push((Reason::TaxUnread, Exact::zero()));
            Exact::zero()
        }
    };
    let factor = per_month / exact::from_int(count) / (exact::from_int(1) + tax);
    let product = item.price.product.as_ref().map(|id| id.0.clone()).unwrap_or_default();
    Ok(Priced { item, factor, line: Line { product, amount } })
}

/// The monthly worth of each item after the discounts that count: those of the item, then the subscription's, else
/// the customer's. What cannot be read of a discount is noted.
fn discounted(
    sub: &Subscription,
    priced: &[Priced<'_>],
    around: &Around,
    counted: Counted,
    at: i64,
    mut notes: Option<&mut Vec<(Reason, Exact)>>,
) -> Result<Vec<Exact>, Unreadable> {
    let mut lines: Vec<Line> = priced.iter().map(|priced| priced.line.clone()).collect();
    let mut take = |discount: Option<&Discount>, lines: &mut [Line]| -> Result<(), Unreadable> {
        if discount.is_some_and(|discount| !discount::in_force(discount, at)) {
            return Ok(());
        }
        let (coupon, is_whole) = discount.map_or((None, false), coupon_of);
        if !is_whole && let Some(notes) = notes.as_deref_mut() {
            notes.push((Reason::DiscountUnread, Exact::zero()));
        }
        match coupon {
            Some(coupon) if counted.holds(&coupon.duration)? => discount::apply(coupon, lines, &sub.currency),
            _ => Ok(()),
        }
    };
    for (priced, line) in priced.iter().zip(&mut lines) {
        for discount in &priced.item.discounts {
            take(object(discount), std::slice::from_mut(line))?;
        }
    }
    let own: Vec<Option<&Discount>> = match &sub.discount {
        // The older shape: the object stands beside ids that were not expanded.
        Some(discount) if sub.discounts.iter().all(|discount| object(discount).is_none()) => vec![Some(discount)],
        _ => sub.discounts.iter().map(object).collect(),
    };
    let has_own = own.iter().any(|discount| discount.is_none_or(|discount| discount::in_force(discount, at)));
    let discounts = if has_own { own } else { around.customer_discount.as_ref().map(Some).into_iter().collect() };
    for discount in discounts {
        take(discount, &mut lines)?;
    }
    Ok(priced.iter().zip(lines).map(|(priced, line)| line.amount * &priced.factor).collect())
}

pub(super) fn has_discounts(sub: &Subscription, around: &Around) -> bool {
    let of_items = sub.items.data.iter().any(|item| !item.discounts.is_empty());
    of_items || !sub.discounts.is_empty() || sub.discount.is_some() || around.customer_discount.is_some()
}

/// The tax inside the price as a share of what is left without it: zero where none is inside, `None` where it is not
/// known (step 5).
fn inclusive_tax(
    sub: &Subscription,
    item: &Item,
    behavior: Option<&str>,
    around: &Around,
) -> Result<Option<Exact>, Unreadable> {
    let rates = rates(sub, item);
    let has_inclusive = rates.iter().any(|rate| rate.inclusive);
    let is_inside = match behavior {
        Some("inclusive") => true,
        Some("exclusive") => false,
        Some("unspecified") | None => has_inclusive,
        Some(_) => return Err("a price treats tax in an unknown way"),
    };
    if !is_inside {
        return Ok(Some(Exact::zero()));
    }
    if rates.is_empty() {
        return Ok(around.invoiced_tax.as_ref().map(|tax| tax.0.clone()));
    }
    let mut sum = Exact::zero();
    // A rate that is not inclusive comes on top, unless the price alone says that tax is inside.
    for rate in rates.iter().filter(|rate| rate.inclusive || !has_inclusive) {
        let Some(percent) = rate.effective_percentage.as_ref().or(rate.percentage.as_ref()) else { return Ok(None) };
        let percent = exact::parse_decimal(&percent.0).ok_or("a tax rate cannot be read")?;
        if percent.is_negative() {
            return Err("a tax rate is negative");
        }
        sum += percent / exact::from_int(100);
    }
    Ok(Some(sum))
}

fn rates<'a>(sub: &'a Subscription, item: &'a Item) -> &'a [TaxRate] {
    if item.tax_rates.is_empty() { &sub.default_tax_rates } else { &item.tax_rates }
}

/// The plans of what could not be valued, each with nothing.
pub(super) fn plans(sub: &Subscription) -> Vec<Plan> {
    sub.items.data.iter().map(|item| plan(&item.price, Exact::zero())).collect()
}

fn plan(price: &Price, worth: Exact) -> Plan {
    let product = price.product.as_ref().map(|id| id.0.as_str());
    let label = price.nickname.as_deref().filter(|name| !name.is_empty()).or(product).unwrap_or(&price.id);
    Plan { price_id: price.id.clone(), label: label.to_owned(), worth }
}

/// Names the price to fetch: tiers and other currencies are not part of the list.
pub(super) fn price_key(price: &Price, currency: &str) -> Option<PriceKey> {
    let is_tiered = price.billing_scheme.as_deref() == Some("tiered");
    let of = |tiers_of: Option<String>| PriceKey { id: price.id.clone(), tiers_of };
    if price.currency.eq_ignore_ascii_case(currency) {
        return (is_tiered && price.tiers.is_none()).then(|| of(None));
    }
    let mut options = price.currency_options.iter().flatten();
    let option = options.find_map(|(code, option)| code.eq_ignore_ascii_case(currency).then_some(option));
    match option {
        Some(option) if !is_tiered || option.tiers.is_some() => None,
        _ => Some(of(is_tiered.then(|| currency.to_ascii_lowercase()))),
    }
}

/// The discount's coupon, and whether everything about it is known: what it applies to is only said when it is
/// fetched for itself.
fn coupon_of(discount: &Discount) -> (Option<&Coupon>, bool) {
    match discount.coupon() {
        Some(Expandable::Object(coupon)) => (Some(coupon), coupon.is_whole || coupon.applies_to.is_some()),
        _ => (None, false),
    }
}

pub(super) fn coupon_id(discount: &Discount) -> Option<String> {
    discount.coupon().map(|coupon| match coupon {
        Expandable::Id(id) => id.clone(),
        Expandable::Object(coupon) => coupon.id.clone(),
    })
}

pub(super) fn object<T>(expandable: &Expandable<T>) -> Option<&T> {
    match expandable {
        Expandable::Object(object) => Some(object),
        Expandable::Id(_) => None,
    }
}

fn is_metered(item: &Item) -> bool {
    item.price.recurring.as_ref().is_some_and(|recurring| recurring.usage_type == "metered")
}

pub(super) fn is_licensed(item: &Item) -> bool {
    item.price.recurring.as_ref().is_some_and(|recurring| recurring.usage_type == "licensed")
}
