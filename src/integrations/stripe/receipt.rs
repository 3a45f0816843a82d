//! Explains figures: what was counted, what was left out and why, and what other settings would make of it.

use super::{
    daily::{Daily, InCurrency},
    figures::{self, Figures, MOVEMENTS, SHARES, Share},
    movements::{Kind, Moves},
    mrr::Reason,
    settings::Rules,
    totals::{Total, Totals},
};
use crate::{
    integrations::Error,
    metric::{Alternative, Currency, Day, Exact, Excluded, Money, Other, Receipt, Term, Unit, exact},
};

/// Contributions that a receipt names.
pub(super) const NAMED: usize = 20;

/// What all receipts of a run have in common.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) date: Day,
    pub(super) own: Currency,
    pub(super) rules: &'a Rules,
    pub(super) settings: serde_json::Map<String, serde_json::Value>,
    /// What was assumed for the whole account, as sentences.
    pub(super) assumptions: &'a [&'static str],
}

/// A value with the terms that make it up, all in the unit in which it is shown.
struct Sum<'a> {
    metric_id: &'a str,
    currency: Option<Currency>,
    digits: u8,
    value: Exact,
    formula: &'a str,
    /// The largest terms: label, id, amount.
    terms: Vec<(String, String, Exact)>,
    /// Of how many terms these are the largest.
    count: u64,
    rounding: &'a str,
}

/// The receipts of the wanted metrics for the newest day, in each currency that has anything to tell, and in the
/// account's own.
pub(super) fn receipts(
    totals: &Totals,
    figures: &Figures<'_>,
    wanted: &[&str],
    facts: &Facts<'_>,
) -> Result<Vec<Receipt>, Error> {
    let nothing = (Total::default(), InCurrency::default());
    let Some(daily) = figures.day(facts.date) else { return Ok(Vec::new()) };
    let mut receipts = Vec::new();
    let mut of_currency = |currency: Currency, total: &Total, now: &InCurrency| -> Result<(), Error> {
        if wanted.contains(&"stripe_mrr") {
            receipts.push(of_mrr(totals, total, currency, now, facts)?);
        }
        if wanted.contains(&"stripe_mrr_by_plan") {
            receipts.push(of_plans(totals, total, currency, now, facts)?);
        }
        for (metric_id, kind) in MOVEMENTS.iter().filter(|(id, _)| wanted.contains(id)) {
            receipts.push(of_movement(metric_id, *kind, figures, total, currency, now, facts)?);
        }
        if wanted.contains(&"stripe_mrr_fx") {
            receipts.push(of_exchange(currency, facts)?);
        }
        for share in SHARES.iter().filter(|share| wanted.contains(&share.metric_id)) {
            receipts.extend(of_share(share, figures, currency, facts)?);
        }
        if wanted.contains(&"stripe_ltv") {
            receipts.extend(of_lifetime_value(figures, daily, currency, now, facts)?);
        }
        Ok(())
    };
    let mut has_own = false;
    for (currency, now) in &daily.currencies {
        let speaks = !now.mrr.is_zero() || now.moves != Moves::default() || now.window != Moves::default();
        if speaks || *currency == facts.own {
            has_own |= *currency == facts.own;
            of_currency(*currency, totals.currencies.get(currency).unwrap_or(&nothing.0), now)?;
        }
    }
    if !has_own {
        of_currency(facts.own, totals.currencies.get(&facts.own).unwrap_or(&nothing.0), &nothing.1)?;
    }
    if wanted.contains(&"stripe_churn_rate") {
        receipts.extend(of_churn(figures, daily, facts)?);
    }
    Ok(receipts)
}

fn of_mrr(
    totals: &Totals,
    total: &Total,
    currency: Currency,
    now: &InCurrency,
    facts: &Facts<'_>,
) -> Result<Receipt, Error> {
    let named = total.largest.entries().iter().take(NAMED);
    let sum = Sum {
        metric_id: "stripe_mrr",
        currency: Some(currency),
        digits: currency.digits(),
        value: now.mrr.clone() / unit(currency),
        formula: "sum over subscriptions and their items of (unit amount × quantity − discounts) × interval factor ÷ \
                  interval count ÷ (1 + inclusive tax)",
        terms: named
            .map(|entry| (entry.label.clone(), entry.id.clone(), entry.amount.0.clone() / unit(currency)))
            .collect(),
        count: u64::try_from(now.subscriptions).unwrap_or(0),
        rounding: "exact fractions, rounded once at the end to the smallest unit, half away from zero; the named amounts \
                   are rounded for display and the difference is in \"other\"",
    };
    let mut receipt = sum.receipt(facts)?;
    receipt.excluded = excluded(totals, total, currency, facts);
    receipt.alternatives = alternatives(total, currency, now, facts)?;
    Ok(receipt)
}

fn of_plans(
    totals: &Totals,
    total: &Total,
    currency: Currency,
    now: &InCurrency,
    facts: &Facts<'_>,
) -> Result<Receipt, Error> {
    let mut plans: Vec<(String, String, Exact)> = Vec::new();
    for (price_id, plan) in &total.plans {
        let worth: Exact = plan.days.range(..=facts.date).map(|(_, amount)| &amount.0).sum();
        if !worth.is_zero() {
            plans.push((plan.label.clone(), price_id.clone(), worth / unit(currency)));
        }
    }
    let count = u64::try_from(plans.len()).unwrap_or(u64::MAX);
    plans.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.1.cmp(&b.1)));
    plans.truncate(NAMED);
    let sum = Sum {
        metric_id: "stripe_mrr_by_plan",
        currency: Some(currency),
        digits: currency.digits(),
        value: now.mrr.clone() / unit(currency),
        formula: "MRR, summed by price",
        terms: plans,
        count,
        rounding: "each plan is rounded for itself to the smallest unit, half away from zero, so that the plans may differ \
                   from MRR by a few units; the difference is in \"other\"",
    };
    let mut receipt = sum.receipt(facts)?;
    receipt.excluded = excluded(totals, total, currency, facts);
    Ok(receipt)
}

/// The movement of the newest day, by customer.
fn of_movement(
    metric_id: &str,
    kind: Kind,
    figures: &Figures<'_>,
    total: &Total,
    currency: Currency,
    now: &InCurrency,
    facts: &Facts<'_>,
) -> Result<Receipt, Error> {
    let formula = match kind {
        Kind::New => "sum over customers that never paid before the day of what they pay at its end",
        Kind::Reactivation => {
            "sum over customers that paid once, but nothing at the end of the day before, of what they pay at its end"
        }
        Kind::Expansion => "sum over customers that paid before and after the day of what they pay more",
        Kind::Contraction => "sum over customers that paid before and after the day of what they pay less",
        Kind::Churned => "sum over customers that pay nothing at the end of the day of what they paid the day before",
    };
    let entries = total.movers.get(&kind).map(|movers| movers.entries()).unwrap_or_default();
    let amount = figures.rounded(facts.date, currency, now)?(kind);
    let sum = Sum {
        metric_id,
        currency: Some(currency),
        digits: currency.digits(),
        value: exact::from_int(amount) / unit(currency),
        formula,
        terms: entries
            .iter()
            .take(NAMED)
            .map(|entry| (entry.label.clone(), entry.id.clone(), entry.amount.0.clone() / unit(currency)))
            .collect(),
        count: u64::try_from(entries.len()).unwrap_or(u64::MAX),
        rounding: "rounded to the smallest unit such that MRR of the day before and all movements come to MRR of the day",
    };
    sum.receipt(facts)
}

/// What exchange rates did is nothing in the currency in which customers pay.
fn of_exchange(currency: Currency, facts: &Facts<'_>) -> Result<Receipt, Error> {
    let sum = Sum {
        metric_id: "stripe_mrr_fx",
        currency: Some(currency),
        digits: currency.digits(),
        value: Exact::zero(),
        formula: "MRR in the reporting currency, less that of the day before, less the movements; nothing in the currency \
                  in which customers pay",
        terms: Vec::new(),
        count: 0,
        rounding: "the difference of amounts that were rounded each for itself",
    };
    sum.receipt(facts)
}

/// A share of money over 30 days; nothing where it is not defined.
fn of_share(
    share: &Share,
    figures: &Figures<'_>,
    currency: Currency,
    facts: &Facts<'_>,
) -> Result<Option<Receipt>, Error> {
    let Some(window) = figures.window(facts.date, currency) else { return Ok(None) };
    let (numerator, denominator) = share.of(&window);
    let [numerator, denominator] = [figures::minor(&numerator)?, figures::minor(&denominator)?];
    if denominator == 0 {
        return Ok(None);
    }
    let (formula, digits, factor) = match share.metric_id {
        "stripe_mrr_churn_rate" => ("(churned + contraction) ÷ MRR 30 days before", 2, 100),
        "stripe_net_mrr_churn_rate" => {
            ("(churned + contraction − expansion − reactivation) ÷ MRR 30 days before", 2, 100)
        }
        "stripe_nrr" => ("(MRR 30 days before + expansion − contraction − churned) ÷ MRR 30 days before", 2, 100),
        "stripe_grr" => ("(MRR 30 days before − contraction − churned) ÷ MRR 30 days before", 2, 100),
        _ => ("(new + reactivation + expansion) ÷ (churned + contraction)", 4, 1),
    };
    let part = |amount: &Exact| amount * exact::from_int(factor) / exact::from_int(denominator);
    let shown = |amount: &Exact| -> Result<String, Error> {
        Ok(exact::format_scaled(figures::minor(amount)?, currency.digits()))
    };
    let mut terms = Vec::new();
    if share.with_start {
        let label = format!("MRR 30 days before: {}", shown(&window.start)?);
        terms.push((label, "stripe_mrr".to_owned(), part(&window.start)));
    }
    for (metric_id, kind) in MOVEMENTS {
        let amount = window.moves.parts().into_iter().find(|(of, _)| *of == kind).map(|(_, amount)| amount.clone());
        let amount = amount.unwrap_or_default();
        let sign = match kind {
            _ if share.added.contains(&kind) => 1,
            _ if share.subtracted.contains(&kind) => -1,
            _ => continue,
        };
        let label = format!("{} in 30 days: {}", name(kind), shown(&amount)?);
        terms.push((label, metric_id.to_owned(), part(&(amount * exact::from_int(sign)))));
    }
    let sum = Sum {
        metric_id: share.metric_id,
        currency: Some(currency),
        digits,
        value: exact::from_int(numerator) * exact::from_int(factor) / exact::from_int(denominator),
        formula,
        count: u64::try_from(terms.len()).unwrap_or(u64::MAX),
        terms,
        rounding: "amounts are whole minor units, the quotient is rounded once, half away from zero; the difference of \
                   the terms is in \"other\"",
    };
    sum.receipt(facts).map(Some)
}

fn of_churn(figures: &Figures<'_>, daily: &Daily, facts: &Facts<'_>) -> Result<Option<Receipt>, Error> {
    let Some(paying) = figures.paid_before(facts.date).filter(|paying| *paying != 0) else { return Ok(None) };
    let rate = exact::from_int(daily.lost) * exact::from_int(100) / exact::from_int(paying);
    let label = format!("{} of {paying} customers that paid 30 days before pay nothing now", daily.lost);
    let sum = Sum {
        metric_id: "stripe_churn_rate",
        currency: None,
        digits: 2,
        value: rate.clone(),
        formula: "customers that paid 30 days before and pay nothing now ÷ customers that paid 30 days before",
        terms: vec![(label, "stripe_customers".to_owned(), rate)],
        count: 1,
        rounding: "the quotient is rounded once, half away from zero",
    };
    sum.receipt(facts).map(Some)
}

fn of_lifetime_value(
    figures: &Figures<'_>,
    daily: &Daily,
    currency: Currency,
    now: &InCurrency,
    facts: &Facts<'_>,
) -> Result<Option<Receipt>, Error> {
    let Some(paying) = figures.paid_before(facts.date) else { return Ok(None) };
    let mrr = Money::new(figures::minor(&now.mrr)?, currency);
    let value = figures::lifetime_value(mrr, now.customers, daily.lost, paying)?;
    let Some(shown) = value.and_then(|value| value.normalised(Unit::Currency)) else { return Ok(None) };
    let mrr = exact::format_scaled(mrr.minor, currency.digits());
    let label = format!("MRR {mrr} ÷ {} customers ÷ churn rate of {} in {paying} customers", now.customers, daily.lost);
    let value = exact::parse_decimal(&shown).unwrap_or_default();
    let sum = Sum {
        metric_id: "stripe_ltv",
        currency: Some(currency),
        digits: currency.digits(),
        value: value.clone(),
        formula: "ARPU ÷ customer churn rate of 30 days",
        terms: vec![(label, "stripe_arpu".to_owned(), value)],
        count: 1,
        rounding: "the quotient is rounded once to the smallest unit, half away from zero",
    };
    sum.receipt(facts).map(Some)
}

impl Sum<'_> {
    fn receipt(self, facts: &Facts<'_>) -> Result<Receipt, Error> {
        let scaled = |value: &Exact| exact::round_scaled(value, self.digits).ok_or_else(figures::too_large);
        let value = scaled(&self.value)?;
        let mut rest = value;
        let mut terms = Vec::with_capacity(self.terms.len());
        let named = u64::try_from(self.terms.len()).unwrap_or(u64::MAX);
        for (label, entity_id, amount) in &self.terms {
            let amount = scaled(amount)?;
            rest = rest.checked_sub(amount).ok_or_else(figures::too_large)?;
            let amount = exact::format_scaled(amount, self.digits);
            terms.push(Term { label: label.clone(), entity_id: entity_id.clone(), amount });
        }
        Ok(Receipt {
            metric_id: self.metric_id.to_owned(),
            currency: self.currency,
            date: facts.date,
            value: exact::format_scaled(value, self.digits),
            formula: self.formula.to_owned(),
            definition: 1,
            settings: facts.settings.clone(),
            terms,
            other: Other { count: self.count.saturating_sub(named), amount: exact::format_scaled(rest, self.digits) },
            rounding: self.rounding.to_owned(),
            excluded: facts
                .assumptions
                .iter()
                .map(|why| Excluded {
                    reason: (*why).to_owned(),
                    count: 0,
                    amount: exact::format_scaled(0, self.digits),
                })
                .collect(),
            alternatives: Vec::new(),
        })
    }
}

/// What was left out or assumed. What is of another currency that counts for nothing is told with the account's own.
fn excluded(totals: &Totals, total: &Total, currency: Currency, facts: &Facts<'_>) -> Vec<Excluded> {
    let show = |minor: i64| exact::format_scaled(minor, currency.digits());
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    let mut excluded: Vec<Excluded> = Vec::new();
    for (reason, (number, amount)) in &total.left_out {
        // What does not count may be past all bounds; zero is "not known" there.
        let amount = show(exact::round(&amount.0).unwrap_or(0));
        excluded.push(Excluded { reason: sentence(reason), count: count(*number), amount });
    }
    if currency == facts.own {
        for (reason, number) in &totals.unpriced {
            excluded.push(Excluded { reason: sentence(reason), count: count(*number), amount: show(0) });
        }
        let silent = |(code, total): &(&Currency, &Total)| **code != facts.own && total.largest.entries().is_empty();
        for (code, total) in totals.currencies.iter().filter(silent) {
            for (reason, (number, _)) in &total.left_out {
                let reason = format!("{} ({code})", sentence(reason));
                excluded.push(Excluded { reason, count: count(*number), amount: show(0) });
            }
        }
    }
    for assumption in facts.assumptions {
        excluded.push(Excluded { reason: (*assumption).to_owned(), count: 0, amount: show(0) });
    }
    excluded
}

/// What other settings would make of MRR. What makes no difference is not told.
fn alternatives(
    total: &Total,
    currency: Currency,
    now: &InCurrency,
    facts: &Facts<'_>,
) -> Result<Vec<Alternative>, Error> {
    let value = figures::minor(&now.mrr)?;
    let mut told = Vec::new();
    for alternative in facts.rules.alternatives() {
        let key = (alternative.setting.to_owned(), alternative.value.to_owned());
        let Some(change) = total.otherwise.get(&key) else { continue };
        let other = figures::minor(&(&now.mrr + &change.0))?;
        let change = other.checked_sub(value).ok_or_else(figures::too_large)?;
        if change == 0 {
            continue;
        }
        let size = exact::format_scaled(change.saturating_abs(), currency.digits());
        let sentence = format!("{} {size} {}", alternative.clause, if change < 0 { "less" } else { "more" });
        let amount = exact::format_scaled(change, currency.digits());
        told.push(Alternative { setting: key.0, value: key.1, amount, sentence });
    }
    Ok(told)
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::New => "new",
        Kind::Reactivation => "reactivation",
        Kind::Expansion => "expansion",
        Kind::Contraction => "contraction",
        Kind::Churned => "churned",
    }
}

/// Minor units of one unit of a currency.
fn unit(currency: Currency) -> Exact {
    exact::from_int(10_i64.saturating_pow(u32::from(currency.digits())))
}

/// The reason as people read it.
pub(super) fn sentence(reason: &Reason) -> String {
    let sentence = match reason {
        Reason::Trialing => "in trial",
        Reason::PastDue => "past due (setting past_due)",
        Reason::PastDueTooLong => "past due for too long (setting max_past_due_days)",
        Reason::CollectionPaused => "collection paused (setting paused)",
        Reason::CancelsAtPeriodEnd => "cancelled for the end of the period (setting cancel_at_period_end)",
        Reason::Canceled => "cancelled",
        Reason::Unpaid => "unpaid",
        Reason::Incomplete => "first payment incomplete",
        Reason::Paused => "paused after a trial without a payment method",
        Reason::NotStarted => "not started yet",
        Reason::UnknownStatus => "status not known to Dashtray",
        Reason::UnknownPause => "collection paused in a way not known to Dashtray",
        Reason::Free => "free",
        Reason::FullyDiscounted => "fully discounted",
        Reason::Metered => "metered items",
        Reason::BuyerSetsAmount => "items whose amount the buyer sets",
        Reason::DiscountNotCounted => "discounts that do not count (setting discounts)",
        Reason::DiscountUnread => "discounts that could not be read in full; counted as far as known",
        Reason::TaxUnread => "tax inside the price at an unknown rate; counted with the tax",
        Reason::Unreadable(why) => return format!("not counted: {why}"),
    };
    sentence.to_owned()
}
