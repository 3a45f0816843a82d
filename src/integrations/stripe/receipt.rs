//! Explains MRR: what was counted, what was left out and why.

use num_traits::Zero;

use super::{
    mrr::Reason,
    totals::{PlanTotal, Total},
};
use crate::metric::{Currency, Day, Exact, Excluded, Other, Receipt, Term, exact};

const FORMULA: &str = "sum over subscriptions and their items of (unit amount × quantity − discounts) × interval factor \
                       ÷ interval count ÷ (1 + inclusive tax)";
/// Plans that a receipt names.
const NAMED: usize = 20;

/// What all receipts of a run have in common.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) date: Day,
    pub(super) settings: serde_json::Map<String, serde_json::Value>,
    /// What was assumed for the whole account, as sentences.
    pub(super) assumptions: Vec<&'static str>,
    /// What was left out and is of no currency, or of one without a receipt.
    pub(super) elsewhere: Vec<(String, u64)>,
}

/// The receipt of `stripe_mrr` in a currency. `None` where the amount passes 64 bits.
pub(super) fn of_mrr(total: &Total, currency: Currency, facts: &Facts) -> Option<Receipt> {
    let terms = total.largest.iter().map(|(amount, id, customer)| (customer.as_str(), id.as_str(), amount)).collect();
    let rounding = "exact fractions, rounded once at the end to the smallest unit, half away from zero; the named \
                    amounts are rounded for display and the difference is in \"other\"";
    receipt("stripe_mrr", total, currency, facts, terms, total.subscriptions, rounding)
}

/// The receipt of `stripe_mrr_by_plan` in a currency. `None` where the amount passes 64 bits.
pub(super) fn of_plans(total: &Total, currency: Currency, facts: &Facts) -> Option<Receipt> {
    let mut plans: Vec<(&String, &PlanTotal)> = total.plans.iter().filter(|(_, plan)| !plan.worth.is_zero()).collect();
    let count = u64::try_from(plans.len()).unwrap_or(u64::MAX);
    plans.sort_by(|a, b| b.1.worth.cmp(&a.1.worth).then_with(|| a.0.cmp(b.0)));
    plans.truncate(NAMED);
    let terms = plans.iter().map(|(id, plan)| (plan.label.as_str(), id.as_str(), &plan.worth)).collect();
    let rounding = "each plan is rounded for itself to the smallest unit, half away from zero, so that the plans may \
                    differ from MRR by a few units; the difference is in \"other\"";
    receipt("stripe_mrr_by_plan", total, currency, facts, terms, count, rounding)
}

fn receipt(
    metric_id: &str,
    total: &Total,
    currency: Currency,
    facts: &Facts,
    terms: Vec<(&str, &str, &Exact)>,
    count: u64,
    rounding: &str,
) -> Option<Receipt> {
    let value = exact::round(&total.mrr)?;
    let show = |minor: i64| exact::format_scaled(minor, currency.digits());
    let named = u64::try_from(terms.len()).unwrap_or(u64::MAX);
    let mut rest = value;
    let mut shown = Vec::new();
    for (label, id, amount) in terms {
        let minor = exact::round(amount)?;
        rest = rest.checked_sub(minor)?;
        shown.push(Term { label: label.to_owned(), entity_id: id.to_owned(), amount: show(minor) });
    }
    let mut excluded = Vec::new();
    for (reason, (count, amount)) in &total.left_out {
        // What does not count may be past all bounds; zero is "not known" there.
        excluded.push(Excluded {
            reason: sentence(reason),
            count: *count,
            amount: show(exact::round(amount).unwrap_or(0)),
        });
    }
    for (reason, count) in &facts.elsewhere {
        excluded.push(Excluded { reason: reason.clone(), count: *count, amount: show(0) });
    }
    for assumption in &facts.assumptions {
        excluded.push(Excluded { reason: (*assumption).to_owned(), count: 0, amount: show(0) });
    }
    Some(Receipt {
        metric_id: metric_id.to_owned(),
        currency: Some(currency),
        date: facts.date,
        value: show(value),
        formula: FORMULA.to_owned(),
        definition: 1,
        settings: facts.settings.clone(),
        terms: shown,
        other: Other { count: count.saturating_sub(named), amount: show(rest) },
        rounding: rounding.to_owned(),
        excluded,
        alternatives: Vec::new(),
    })
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
