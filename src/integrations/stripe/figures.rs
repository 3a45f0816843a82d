//! From the totals of all subscriptions to samples.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    daily::{self, Daily, InCurrency},
    movements::{Kind, Moves},
    totals::{Sureness, Totals, WINDOW},
};
use crate::{
    integrations::Error,
    metric::{Answer, Currency, Day, Exact, Money, Period, Quality, Sample, Value, exact},
};

/// The figures of a period and of the days that they are compared with.
pub(super) struct Figures<'a> {
    totals: &'a Totals,
    period: Period,
    days: BTreeMap<Day, Daily>,
    /// The account's currency, in which nothing is zero.
    own: Currency,
    /// The day on which subscriptions were first read: what was before is rebuilt.
    observed: Day,
    /// Whether something was assumed for the whole account.
    is_estimated: bool,
}

/// A metric that compares two amounts over 30 days.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) metric_id: &'static str,
    /// What it is divided by: MRR 30 days before, else what was lost.
    pub(super) of_start: bool,
    /// Whether MRR 30 days before is part of what is divided.
    pub(super) with_start: bool,
    pub(super) added: &'static [Kind],
    pub(super) subtracted: &'static [Kind],
}

/// Those of providers.md 9 that are shares of money.
pub(super) const SHARES: [Share; 5] = [
    Share {
        metric_id: "stripe_mrr_churn_rate",
        of_start: true,
        with_start: false,
        added: &[Kind::Churned, Kind::Contraction],
        subtracted: &[],
    },
    Share {
        metric_id: "stripe_net_mrr_churn_rate",
        of_start: true,
        with_start: false,
        added: &[Kind::Churned, Kind::Contraction],
        subtracted: &[Kind::Expansion, Kind::Reactivation],
    },
    Share {
        metric_id: "stripe_nrr",
        of_start: true,
        with_start: true,
        added: &[Kind::Expansion],
        subtracted: &[Kind::Contraction, Kind::Churned],
    },
    Share {
        metric_id: "stripe_grr",
        of_start: true,
        with_start: true,
        added: &[],
        subtracted: &[Kind::Contraction, Kind::Churned],
    },
    Share {
        metric_id: "stripe_quick_ratio",
        of_start: false,
        with_start: false,
        added: &[Kind::New, Kind::Reactivation, Kind::Expansion],
        subtracted: &[],
    },
];

/// The movements, each a metric.
pub(super) const MOVEMENTS: [(&str, Kind); 5] = [
    ("stripe_mrr_new", Kind::New),
    ("stripe_mrr_reactivation", Kind::Reactivation),
    ("stripe_mrr_expansion", Kind::Expansion),
    ("stripe_mrr_contraction", Kind::Contraction),
    ("stripe_mrr_churned", Kind::Churned),
];

/// A window of 30 days in one currency.
#[derive(Debug)]
pub(super) struct Window<'a> {
    /// MRR at the end of the day before it.
    pub(super) start: Exact,
    pub(super) moves: &'a Moves,
}

impl<'a> Figures<'a> {
    /// Takes the figures out of the totals. `observed` is the day of the first walk.
    pub(super) fn new(totals: &'a Totals, period: Period, own: Currency, observed: Day, is_estimated: bool) -> Self {
        let compared = Period::new(period.start().plus(-WINDOW), period.end());
        Self { totals, period, days: daily::days(totals, compared), own, observed, is_estimated }
    }

    /// The answer of one metric.
    pub(super) fn answer(&self, metric_id: &str) -> Result<Answer, Error> {
        let samples = match metric_id {
            "stripe_mrr_by_plan" => {
                let plans = Answer::every_dimension(metric_id, self.period, self.plans()?);
                return Ok(plans.labelled(self.names_of_plans()));
            }
            "stripe_active_subscriptions" => self.counted(|daily| daily.active),
            "stripe_trialing_subscriptions" => self.counted(|daily| daily.trialing),
            "stripe_new_subscriptions" => self.counted(|daily| daily.new),
            "stripe_churned_subscriptions" => self.counted(|daily| daily.churned),
            "stripe_churn_rate" => self.or_unsure(self.churn_rate()),
            // What rates did to it is known where it is converted.
            "stripe_mrr_fx" => Vec::new(),
            _ => match MOVEMENTS.iter().find(|(id, _)| *id == metric_id) {
                Some((_, kind)) => self.moved(*kind)?,
                None => match SHARES.iter().find(|share| share.metric_id == metric_id) {
                    Some(share) => self.or_unsure(self.shared(share)?),
                    None if matches!(metric_id, "stripe_mrr" | "stripe_arr") => self.levels(metric_id)?,
                    None => self.or_unsure(self.levels(metric_id)?),
                },
            },
        };
        Ok(Answer::total(metric_id, self.period, samples))
    }

    /// The newest day.
    pub(super) fn day(&self, day: Day) -> Option<&Daily> {
        self.days.get(&day)
    }

    /// The 30 days that end with a day; `None` before there are 30.
    pub(super) fn window(&self, day: Day, currency: Currency) -> Option<Window<'_>> {
        let before = self.days.get(&day.plus(-WINDOW))?;
        let start = before.currencies.get(&currency).map(|of| of.mrr.clone()).unwrap_or_default();
        let moves = &self.days.get(&day)?.currencies.get(&currency)?.window;
        Some(Window { start, moves })
    }

    /// Customers that paid 30 days before a day.
    pub(super) fn paid_before(&self, day: Day) -> Option<i64> {
        Some(self.days.get(&day.plus(-WINDOW))?.paying)
    }

    fn told(&self) -> impl Iterator<Item = (Day, &Daily)> {
        self.days.range(self.period.start()..self.period.end()).map(|(day, daily)| (*day, daily))
    }

    fn counted(&self, count: impl Fn(&Daily) -> i64) -> Vec<Sample> {
        let sample = |(day, daily): (Day, &Daily)| {
            Sample::new(day, Value::Count(count(daily))).with_quality(self.quality(day, daily.sureness))
        };
        self.told().map(sample).collect()
    }

    /// MRR, ARR, ARPU and lifetime value.
    fn levels(&self, metric_id: &str) -> Result<Vec<Sample>, Error> {
        let is_level = matches!(metric_id, "stripe_mrr" | "stripe_arr");
        let mut samples = Vec::new();
        for (day, daily) in self.told() {
            for (currency, of) in daily.currencies.iter().filter(|(_, of)| !of.mrr.is_zero()) {
                let mrr = Money::new(minor(&of.mrr)?, *currency);
                let value = match metric_id {
                    "stripe_arr" => Some(Value::Money(Money::new(minor(&(&of.mrr * exact::from_int(12)))?, *currency))),
                    "stripe_arpu" => Value::money_ratio(mrr, of.customers),
                    "stripe_ltv" => match self.paid_before(day) {
                        Some(paying) => lifetime_value(mrr, of.customers, daily.lost, paying)?,
                        None => None,
                    },
                    _ => Some(Value::Money(mrr)),
                };
                let quality = match metric_id {
                    "stripe_ltv" => self.quality_of_window(day, Some(*currency)),
                    _ => self.quality(day, of.sureness),
                };
                // What is not defined is not said: without a value it would be of the account's currency.
                samples.extend(value.map(|value| Sample::new(day, value).with_quality(quality)));
            }
            if is_level {
                samples.extend(self.zeros(day, daily, |of| !of.mrr.is_zero()));
            }
        }
        Ok(samples)
    }

    /// Nothing, where that is less than certain.
    fn zeros(&self, day: Day, daily: &Daily, says: impl Fn(&InCurrency) -> bool) -> Vec<Sample> {
        let mut unsaid: BTreeMap<Currency, Sureness> = BTreeMap::from([(self.own, Sureness::default())]);
        unsaid.extend(daily.currencies.iter().map(|(currency, of)| (*currency, of.sureness)));
        unsaid.retain(|currency, sureness| {
            let is_unsure = *currency == self.own || sureness.estimated != 0;
            is_unsure && !daily.currencies.get(currency).is_some_and(&says)
        });
        let zero = |(currency, sureness)| {
            let zero = Sample::new(day, Value::Money(Money::new(0, currency)));
            zero.with_quality(self.quality(day, sureness))
        };
        unsaid.into_iter().map(zero).filter(|zero| zero.quality != Quality::Exact).collect()
    }

    /// Also that a ratio is undefined, where that is an estimate.
    fn or_unsure(&self, mut samples: Vec<Sample>) -> Vec<Sample> {
        let said: BTreeSet<Day> = samples.iter().map(|sample| sample.day).collect();
        let unsure = self
            .told()
            .filter(|(day, daily)| !said.contains(day) && self.quality(*day, daily.sureness) == Quality::Estimated);
        samples.extend(unsure.map(|(day, _)| Sample::new(day, None).with_quality(Quality::Estimated)));
        samples
    }

    fn moved(&self, kind: Kind) -> Result<Vec<Sample>, Error> {
        let mut samples = Vec::new();
        for (day, daily) in self.told() {
            let says = |of: &InCurrency| of.moves != Moves::default();
            for (currency, of) in daily.currencies.iter().filter(|(_, of)| says(of)) {
                let amount = self.rounded(day, *currency, of)?;
                let value = Value::Money(Money::new(amount(kind), *currency));
                samples.push(Sample::new(day, value).with_quality(self.quality_of_move(day, *currency)));
            }
            samples.extend(self.zeros(day, daily, says));
        }
        Ok(samples)
    }

    /// The movements of a day in whole minor units, such that the day before and they come to the day. Rounded each for
    /// itself they may miss that by a unit or two, which the largest of them takes.
    pub(super) fn rounded(&self, day: Day, currency: Currency, of: &InCurrency) -> Result<impl Fn(Kind) -> i64, Error> {
        let before = self.days.get(&day.plus(-1)).and_then(|daily| daily.currencies.get(&currency));
        let before = before.map(|of| minor(&of.mrr)).transpose()?.unwrap_or(0);
        let mut rest = i128::from(minor(&of.mrr)?) - i128::from(before);
        let mut rounded = BTreeMap::new();
        for (kind, amount) in of.moves.parts() {
            let amount = minor(amount)?;
            rest -= if kind.is_gain() { i128::from(amount) } else { -i128::from(amount) };
            rounded.insert(kind, amount);
        }
        let largest = of.moves.parts().into_iter().max_by(|a, b| a.1.cmp(b.1)).map(|(kind, _)| kind);
        if let Some((kind, amount)) = largest.and_then(|kind| Some((kind, rounded.get_mut(&kind)?))) {
            let rest = if kind.is_gain() { rest } else { -rest };
            *amount = i64::try_from(i128::from(*amount) + rest).map_err(|_| too_large())?;
        }
        Ok(move |kind| rounded.get(&kind).copied().unwrap_or(0))
    }

    fn churn_rate(&self) -> Vec<Sample> {
        let rate = |(day, daily): (Day, &Daily)| {
            let value = Value::ratio(daily.lost, self.paid_before(day)?)?;
            Some(Sample::new(day, value).with_quality(self.quality_of_window(day, None)))
        };
        self.told().filter_map(rate).collect()
    }

    fn shared(&self, share: &Share) -> Result<Vec<Sample>, Error> {
        let mut samples = Vec::new();
        for (day, daily) in self.told() {
            for currency in daily.currencies.keys() {
                let Some(window) = self.window(day, *currency) else { continue };
                let (numerator, denominator) = share.of(&window);
                let [numerator, denominator] = [minor(&numerator)?, minor(&denominator)?];
                let [numerator, denominator] = [numerator, denominator].map(|minor| Money::new(minor, *currency));
                if let Some(value) = Value::money_share(numerator, denominator) {
                    let quality = self.quality_of_window(day, Some(*currency));
                    samples.push(Sample::new(day, value).with_quality(quality));
                }
            }
        }
        Ok(samples)
    }

    fn plans(&self) -> Result<Vec<Sample>, Error> {
        let mut samples = Vec::new();
        for (currency, total) in &self.totals.currencies {
            for (price_id, plan) in &total.plans {
                let days = daily::of_plan(&plan.days, self.period);
                for (day, worth) in days.into_iter().filter(|(_, worth)| !worth.is_zero()) {
                    let Some(daily) = self.days.get(&day) else { continue };
                    let sureness = daily.currencies.get(currency).map(|of| of.sureness).unwrap_or_default();
                    let value = Value::Money(Money::new(minor(&worth)?, *currency));
                    let sample = Sample::new(day, value).of(price_id);
                    samples.push(sample.with_quality(self.quality(day, sureness)));
                }
            }
        }
        for (price_id, days) in &self.totals.unvalued {
            for (day, _) in daily::counted(days, self.period).into_iter().filter(|(_, count)| *count != 0) {
                let is_said = samples.iter().any(|said| said.day == day && said.dimension.as_deref() == Some(price_id));
                if !is_said {
                    samples.push(Sample::new(day, None).of(price_id).with_quality(Quality::Estimated));
                }
            }
        }
        Ok(samples)
    }

    /// What people call the plans, where Stripe knows a name of them.
    fn names_of_plans(&self) -> BTreeMap<String, String> {
        let plans = self.totals.currencies.values().flat_map(|total| &total.plans);
        plans.filter(|(id, plan)| **id != plan.label).map(|(id, plan)| (id.clone(), plan.label.clone())).collect()
    }

    fn quality(&self, day: Day, sureness: Sureness) -> Quality {
        // What is paid in a currency that is not known may be of any.
        let is_unpriced = self.days.get(&day).is_some_and(|daily| daily.unpriced != 0);
        if self.is_estimated || is_unpriced || sureness.estimated != 0 {
            Quality::Estimated
        } else if sureness.reconstructed != 0 || day < self.observed {
            Quality::Reconstructed
        } else {
            Quality::Exact
        }
    }

    /// A movement is as sure as the less sure of the two days between which it lies.
    fn quality_of_move(&self, day: Day, currency: Currency) -> Quality {
        self.quality_on(day, Some(currency)).max(self.quality_on(day.plus(-1), Some(currency)))
    }

    fn quality_of_window(&self, day: Day, currency: Option<Currency>) -> Quality {
        self.quality_on(day, currency).max(self.quality_on(day.plus(-WINDOW), currency))
    }

    fn quality_on(&self, day: Day, currency: Option<Currency>) -> Quality {
        let Some(daily) = self.days.get(&day) else { return Quality::Estimated };
        let sureness = match currency {
            Some(currency) => daily.currencies.get(&currency).map(|of| of.sureness).unwrap_or_default(),
            None => daily.sureness,
        };
        self.quality(day, sureness)
    }
}

impl Share {
    /// What is divided, and by what.
    pub(super) fn of(&self, window: &Window<'_>) -> (Exact, Exact) {
        let sum = |kinds: &[Kind]| -> Exact {
            window.moves.parts().into_iter().filter(|(kind, _)| kinds.contains(kind)).map(|(_, amount)| amount).sum()
        };
        let start = if self.with_start { window.start.clone() } else { Exact::zero() };
        let numerator = start + sum(self.added) - sum(self.subtracted);
        let denominator = if self.of_start { window.start.clone() } else { sum(&[Kind::Churned, Kind::Contraction]) };
        (numerator, denominator)
    }
}

/// ARPU divided by the customer churn rate; `None` where nobody was lost or nobody was there.
pub(super) fn lifetime_value(mrr: Money, customers: i64, lost: i64, paying: i64) -> Result<Option<Value>, Error> {
    let numerator = mrr.minor.checked_mul(paying).ok_or_else(too_large)?;
    let denominator = customers.checked_mul(lost).ok_or_else(too_large)?;
    if paying == 0 {
        return Ok(None);
    }
    Ok(Value::money_ratio(Money::new(numerator, mrr.currency), denominator))
}

pub(super) fn minor(amount: &Exact) -> Result<i64, Error> {
    exact::round(amount).ok_or_else(too_large)
}

pub(super) fn too_large() -> Error {
    Error::invalid_response("the sum of all subscriptions does not fit 64 bits")
}
