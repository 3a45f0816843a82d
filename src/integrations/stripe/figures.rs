//! From the totals of all subscriptions to samples and receipts.

use num_traits::Zero;

use super::{
    receipt::{self, sentence},
    totals::{Total, Totals},
};
use crate::{
    integrations::{Batch, Context, Error},
    metric::{Answer, Currency, Day, Exact, Money, Period, Quality, Sample, Value, exact},
};

/// The wanted answers, and the receipts that belong to them.
pub(super) fn batch(
    ctx: &Context,
    totals: &Totals,
    wanted: &[&str],
    period: Period,
    assumptions: Vec<&'static str>,
) -> Result<Batch, Error> {
    let today = ctx.today();
    let mut batch = Batch::new();
    for id in wanted {
        let figures = Figures { id, totals, today, is_estimated: !assumptions.is_empty() };
        batch.answers.extend(figures.answer(period)?);
    }
    if period.contains(today) {
        let mut settings = ctx.settings.to_json();
        // It only decides what is shown beside MRR.
        settings.remove("reporting_currency");
        let facts = receipt::Facts { date: today, settings, assumptions, elsewhere: elsewhere(totals, ctx.currency) };
        batch.receipts = receipts(totals, wanted, ctx.currency, facts)?;
    }
    Ok(batch)
}

struct Figures<'a> {
    id: &'a str,
    totals: &'a Totals,
    today: Day,
    is_estimated: bool,
}

impl Figures<'_> {
    /// The metric's answer; `None` where the period has no day that it can be known for.
    fn answer(&self, period: Period) -> Result<Option<Answer>, Error> {
        match self.id {
            "stripe_new_subscriptions" => return Ok(Some(super::metrics::counts(self.id, period, &self.totals.new))),
            "stripe_churned_subscriptions" => {
                return Ok(Some(super::metrics::counts(self.id, period, &self.totals.churned)));
            }
            _ => {}
        }
        let now = period.intersect(Period::single(self.today));
        if now.is_empty() {
            return Ok(None);
        }
        let answer = match self.id {
            "stripe_mrr_by_plan" => Answer::every_dimension(self.id, now, self.plans()?),
            "stripe_active_subscriptions" => Answer::total(self.id, now, vec![self.count(self.totals.active)]),
            "stripe_trialing_subscriptions" => Answer::total(self.id, now, vec![self.count(self.totals.trialing)]),
            _ => {
                let counting = self.totals.currencies.iter().filter(|(_, total)| total.counts());
                let samples: Result<_, Error> = counting.map(|(code, total)| self.money(*code, total)).collect();
                Answer::total(self.id, now, samples?)
            }
        };
        Ok(Some(answer))
    }

    fn count(&self, count: i64) -> Sample {
        let quality = if self.is_estimated { Quality::Estimated } else { Quality::Exact };
        Sample::new(self.today, Value::Count(count)).with_quality(quality)
    }

    /// MRR, ARR or ARPU in one currency. ARR is twelve times the exact MRR.
    fn money(&self, currency: Currency, total: &Total) -> Result<Sample, Error> {
        let mrr = Money::new(minor(&total.mrr)?, currency);
        let value = match self.id {
            "stripe_arr" => Some(Value::Money(Money::new(minor(&(&total.mrr * exact::from_int(12)))?, currency))),
            "stripe_arpu" => Value::money_ratio(mrr, total.customers),
            _ => Some(Value::Money(mrr)),
        };
        Ok(Sample::new(self.today, value).with_quality(self.quality(total)))
    }

    fn plans(&self) -> Result<Vec<Sample>, Error> {
        let mut samples = Vec::new();
        for (currency, total) in &self.totals.currencies {
            for (price_id, plan) in total.plans.iter().filter(|(_, plan)| !plan.worth.is_zero()) {
                let value = Value::Money(Money::new(minor(&plan.worth)?, *currency));
                let sample = Sample::new(self.today, value).of(price_id).with("label", plan.label.as_str());
                samples.push(sample.with_quality(self.quality(total)));
            }
        }
        Ok(samples)
    }

    fn quality(&self, total: &Total) -> Quality {
        if self.is_estimated || total.is_estimated() { Quality::Estimated } else { Quality::Exact }
    }
}

/// Receipts in each currency that has MRR, and in the account's own.
fn receipts(
    totals: &Totals,
    wanted: &[&str],
    own: Currency,
    facts: receipt::Facts,
) -> Result<Vec<crate::metric::Receipt>, Error> {
    let nothing = Total::default();
    let mut shown: Vec<(Currency, &Total)> =
        totals.currencies.iter().filter(|(_, total)| total.counts()).map(|(code, total)| (*code, total)).collect();
    if shown.iter().all(|(currency, _)| *currency != own) {
        shown.push((own, totals.currencies.get(&own).unwrap_or(&nothing)));
    }
    let mut facts = facts;
    let mut receipts = Vec::new();
    // What is of another currency is told once, with the account's own.
    let elsewhere = std::mem::take(&mut facts.elsewhere);
    for (currency, total) in shown {
        facts.elsewhere = if currency == own { elsewhere.clone() } else { Vec::new() };
        if wanted.contains(&"stripe_mrr") {
            receipts.push(receipt::of_mrr(total, currency, &facts).ok_or_else(too_large)?);
        }
        if wanted.contains(&"stripe_mrr_by_plan") {
            receipts.push(receipt::of_plans(total, currency, &facts).ok_or_else(too_large)?);
        }
    }
    Ok(receipts)
}

/// What was left out in currencies that have no receipt.
fn elsewhere(totals: &Totals, own: Currency) -> Vec<(String, u64)> {
    let mut told: Vec<(String, u64)> =
        totals.unpriced.iter().map(|(reason, count)| (sentence(reason), *count)).collect();
    for (currency, total) in totals.currencies.iter().filter(|(code, total)| !total.counts() && **code != own) {
        let of_currency =
            |(reason, (count, _)): (_, &(u64, Exact))| (format!("{} ({currency})", sentence(reason)), *count);
        told.extend(total.left_out.iter().map(of_currency));
    }
    told
}

fn minor(amount: &Exact) -> Result<i64, Error> {
    exact::round(amount).ok_or_else(too_large)
}

fn too_large() -> Error {
    Error::invalid_response("the sum of all subscriptions does not fit 64 bits")
}
