//! The table of metrics, and the pure functions from lists of events to samples.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    answers::{BalanceTransaction, Charge},
    figures::{MOVEMENTS, SHARES},
};
use crate::{
    integrations::Error,
    metric::{
        Answer, Currency, Day, Definition, Dimension, ExchangeEffect, Kind, Money, Period, Polarity, Quality, Sample,
        Unit, ValidRange, Value, WidgetType, Zone,
    },
};

/// One line of the table: id, name, stream, category, unit, kind, which way is good, description.
struct Row(&'static str, &'static str, &'static str, &'static str, Unit, Kind, Polarity, &'static str);

use Kind::{Flow, Level, Ratio};
use Polarity::{DownIsGood, Neutral, UpIsGood};
use Unit::{Count, Percent};
const MONEY: Unit = Unit::Currency;

/// What has a receipt, beside movements and shares.
const EXPLAINED: [&str; 4] = ["stripe_mrr", "stripe_mrr_fx", "stripe_churn_rate", "stripe_ltv"];

#[rustfmt::skip]
const ROWS: [Row; 30] = [
    Row("stripe_mrr", "MRR", "subscriptions", "revenue", MONEY, Level, UpIsGood,
        "Monthly recurring revenue: what the paying subscriptions come to in a month, after discounts and without tax. Trials, usage and one-off items do not count."),
    Row("stripe_arr", "ARR", "subscriptions", "revenue", MONEY, Level, UpIsGood,
        "Annual recurring revenue: twelve times MRR before rounding."),
    Row("stripe_mrr_by_plan", "MRR by plan", "subscriptions", "revenue", MONEY, Level, UpIsGood,
        "MRR split by price. Each part is rounded for itself."),
    Row("stripe_arpu", "ARPU", "subscriptions", "revenue", MONEY, Ratio, UpIsGood,
        "Average revenue per user: MRR divided by the customers that pay it."),
    Row("stripe_active_subscriptions", "Active subscriptions", "subscriptions", "subscriptions", Count, Level, UpIsGood,
        "Subscriptions that add to MRR. Free ones and trials do not count."),
    Row("stripe_trialing_subscriptions", "Trials", "subscriptions", "subscriptions", Count, Level, UpIsGood,
        "Subscriptions in their trial."),
    Row("stripe_new_subscriptions", "New subscriptions", "subscriptions", "subscriptions", Count, Flow, UpIsGood,
        "Subscriptions that began to pay on the day: at the end of their trial, else at their start."),
    Row("stripe_churned_subscriptions", "Churned subscriptions", "subscriptions", "subscriptions", Count, Flow, DownIsGood,
        "Paying subscriptions that ended on the day."),
    Row("stripe_mrr_new", "New MRR", "subscriptions", "revenue", MONEY, Flow, UpIsGood,
        "MRR of customers that pay for the first time ever."),
    Row("stripe_mrr_expansion", "Expansion MRR", "subscriptions", "revenue", MONEY, Flow, UpIsGood,
        "What customers that paid the day before pay more, each customer taken as a whole."),
    Row("stripe_mrr_contraction", "Contraction MRR", "subscriptions", "revenue", MONEY, Flow, DownIsGood,
        "What customers that still pay pay less than the day before, as a positive amount."),
    Row("stripe_mrr_churned", "Churned MRR", "subscriptions", "revenue", MONEY, Flow, DownIsGood,
        "What customers that pay nothing any more paid the day before, as a positive amount."),
    Row("stripe_mrr_reactivation", "Reactivation MRR", "subscriptions", "revenue", MONEY, Flow, UpIsGood,
        "MRR of customers that paid once, paid nothing the day before, and pay again."),
    Row("stripe_mrr_fx", "FX effect on MRR", "subscriptions", "revenue", MONEY, Flow, Neutral,
        "What exchange rates alone did to MRR in the reporting currency: MRR less that of the day before less all movements."),
    Row("stripe_churn_rate", "Customer churn rate", "subscriptions", "customers", Percent, Ratio, DownIsGood,
        "Share of the customers that paid 30 days before and pay nothing now."),
    Row("stripe_mrr_churn_rate", "MRR churn rate", "subscriptions", "revenue", Percent, Ratio, DownIsGood,
        "Churned and contraction MRR of 30 days, divided by MRR before them."),
    Row("stripe_net_mrr_churn_rate", "Net MRR churn rate", "subscriptions", "revenue", Percent, Ratio, DownIsGood,
        "Churned and contraction less expansion and reactivation MRR of 30 days, divided by MRR before them."),
    Row("stripe_nrr", "Net revenue retention", "subscriptions", "revenue", Percent, Ratio, UpIsGood,
        "What customers that paid 30 days before pay now, divided by what they paid then. New and reactivated ones do not count."),
    Row("stripe_grr", "Gross revenue retention", "subscriptions", "revenue", Percent, Ratio, UpIsGood,
        "What customers that paid 30 days before pay now, without what they pay more than then, divided by what they paid then; 100 percent at most."),
    Row("stripe_ltv", "Customer lifetime value", "subscriptions", "customers", MONEY, Ratio, UpIsGood,
        "ARPU divided by the customer churn rate of 30 days. Not defined where nobody was lost."),
    Row("stripe_quick_ratio", "Quick ratio", "subscriptions", "revenue", Unit::Ratio, Ratio, UpIsGood,
        "New, reactivation and expansion MRR of 30 days divided by what was churned and contracted."),
    Row("stripe_customers", "Customers", "customers", "customers", Count, Level, UpIsGood,
        "Customers in the account, paying or not. Before the day of connecting those deleted since are not known."),
    Row("stripe_new_customers", "New customers", "customers", "customers", Count, Flow, UpIsGood,
        "Customers created on the day. Those deleted since are not known."),
    Row("stripe_revenue", "Revenue", "balance", "revenue", MONEY, Flow, UpIsGood,
        "Charges less refunds and lost disputes, before fees, in the currency of the payout."),
    Row("stripe_gross_volume", "Gross volume", "balance", "revenue", MONEY, Flow, UpIsGood,
        "Charges before refunds, disputes and fees."),
    Row("stripe_refunds", "Refunds", "balance", "revenue", MONEY, Flow, DownIsGood,
        "What was refunded, as a positive amount."),
    Row("stripe_fees", "Fees", "balance", "revenue", MONEY, Flow, DownIsGood,
        "What Stripe kept of the transactions that make up revenue, as a positive amount."),
    Row("stripe_net", "Net revenue", "balance", "revenue", MONEY, Flow, UpIsGood,
        "Revenue less fees."),
    Row("stripe_failed_payments", "Failed payments", "charges", "payments", Count, Flow, DownIsGood,
        "Attempts to charge that failed; one invoice may have several."),
    Row("stripe_payment_success_rate", "Payment success rate", "charges", "payments", Percent, Ratio, UpIsGood,
        "Share of the attempts to charge that succeeded, retries counted one by one."),
];

/// All metrics of the integration.
pub(super) fn definitions() -> Vec<Definition> {
    ROWS.iter().map(definition).collect()
}

fn definition(&Row(id, name, stream, category, unit, kind, polarity, description): &Row) -> Definition {
    let is_by_plan = id == "stripe_mrr_by_plan";
    let of_money = SHARES.iter().any(|share| share.metric_id == id);
    Definition {
        id: id.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        unit,
        category: category.to_owned(),
        widget_type: match kind {
            _ if is_by_plan => WidgetType::Table,
            Flow => WidgetType::Chart,
            _ => WidgetType::Metric,
        },
        kind,
        polarity,
        valid: match (unit, kind) {
            _ if id == "stripe_net_mrr_churn_rate" || id == "stripe_mrr_fx" => ValidRange::Any,
            _ if id == "stripe_nrr" => ValidRange::NotNegative,
            (Percent, _) => ValidRange::Share,
            (Unit::Currency, Flow) if stream == "balance" => ValidRange::Any,
            _ => ValidRange::NotNegative,
        },
        settles_after_days: 3,
        retention_days: None,
        definition: 1,
        dimension: is_by_plan.then_some(Dimension::Plan),
        stream: stream.to_owned(),
        source: source(id, stream).to_owned(),
        differs: differs(id).map(str::to_owned),
        explained: is_by_plan
            || of_money
            || EXPLAINED.contains(&id)
            || MOVEMENTS.iter().any(|(movement, _)| *movement == id),
        of_money,
        exchange_effect: (id == "stripe_mrr_fx").then(exchange_effect),
    }
}

/// Where it is read.
fn source(id: &str, stream: &str) -> &'static str {
    match (id, stream) {
        ("stripe_fees", _) => "`/v1/balance_transactions`: `fee`",
        ("stripe_net", _) => "`/v1/balance_transactions`: `net`",
        (_, "balance") => "`/v1/balance_transactions`: `amount`",
        (_, "charges") => "`/v1/charges`: `status`",
        (_, "customers") => "`/v1/customers`: `created`",
        ("stripe_mrr_fx", _) => "`stripe_mrr`, its movements, and the exchange rates that are loaded",
        _ => "`/v1/subscriptions`; before connecting `/v1/events` and `/v1/invoices`",
    }
}

/// What Stripe's dashboard shows instead.
#[rustfmt::skip]
fn differs(id: &str) -> Option<&'static str> {
    Some(match id {
        "stripe_mrr" | "stripe_arr" | "stripe_mrr_by_plan" =>
            "Depends on the dashboard's own settings for discounts and for cancellations, which no API tells: choose the same in the \
             settings `discounts` and `cancel_at_period_end`. The dashboard converts all currencies into one; here each is a series of its \
             own. Its factor for weeks and days is not published (`interval_factors`).",
        "stripe_mrr_new" | "stripe_mrr_expansion" | "stripe_mrr_contraction" | "stripe_mrr_churned" | "stripe_mrr_reactivation" =>
            "Where the dashboard compares the two ends of a longer period, who comes and goes within it is in none of its movements. \
             Here a week is the sum of its days.",
        "stripe_churn_rate" =>
            "The dashboard divides by the customers of 30 days before together with those who are new since, so its rate is lower.",
        "stripe_arpu" | "stripe_ltv" =>
            "Where the dashboard divides revenue by users, that is what was charged, and not MRR.",
        "stripe_active_subscriptions" =>
            "The list of active subscriptions has free ones too, and those whose collection is paused; those that are past due are in a list of their own.",
        "stripe_revenue" | "stripe_gross_volume" | "stripe_refunds" =>
            "The dashboard converts all into one currency. Here it is what came to the balance, a series for each currency of the payout. \
             The dashboard's days end in the account's zone; here that is so unless the connection was given another.",
        "stripe_net" =>
            "*Net volume* in the dashboard may take off fees that belong to no charge too, such as those of Billing.",
        "stripe_failed_payments" | "stripe_payment_success_rate" =>
            "The list of payments has one line for a payment, however often it was tried. Here each attempt counts, also \
             what Radar blocked.",
        _ => return None,
    })
}

fn exchange_effect() -> ExchangeEffect {
    let of = |is_gain: bool| {
        let movements = MOVEMENTS.iter().filter(|(_, kind)| kind.is_gain() == is_gain);
        movements.map(|(id, _)| (*id).to_owned()).collect()
    };
    ExchangeEffect { of: "stripe_mrr".to_owned(), added: of(true), subtracted: of(false) }
}

/// The civil day of a Unix time.
pub(super) fn day_of(seconds: i64, zone: &Zone) -> Result<Day, Error> {
    let at = Timestamp::from_second(seconds).map_err(|_| Error::invalid_response("a time is out of range"))?;
    Ok(Day::of(at, zone))
}

/// Things counted by day.
pub(super) fn counts(metric_id: &str, period: Period, by_day: &BTreeMap<Day, i64>) -> Answer {
    let samples =
        by_day.range(period.start()..period.end()).map(|(day, count)| Sample::new(*day, Value::Count(*count)));
    Answer::total(metric_id, period, samples.collect())
}

/// What a day's balance transactions of one currency come to, in minor units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Takings {
    revenue: i64,
    gross: i64,
    refunded: i64,
    fees: i64,
    net: i64,
    /// How many more there were of which nobody here knows whether they are revenue.
    unknown: i64,
}

/// What is no revenue, by how its category, or the type that stands for it, begins (providers.md 3.4).
const NO_REVENUE: [&str; 24] = [
    "advance",
    "anticipation_repayment",
    "application_fee",
    "charge_failure",
    "climate_",
    "connect_",
    "contribution",
    "fee",
    "financing_",
    "issuing_",
    "network_cost",
    "obligation",
    "other_adjustment",
    "payment_",
    "payout",
    "platform_earning",
    "refund_failure",
    "reserve",
    "risk_reserved_funds",
    "stripe_",
    "tax",
    "topup",
    "transfer",
    "unreconciled_customer_funds",
];

/// Balance transactions by day and currency. Each settlement currency is a series of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Ledger(BTreeMap<(Day, Currency), Takings>);

impl Ledger {
    /// Adds a transaction, if it belongs to revenue and falls into the period.
    pub(super) fn add(&mut self, entry: &BalanceTransaction, period: Period, zone: &Zone) -> Result<(), Error> {
        let category = category(entry);
        let is_revenue =
            matches!(category, "charge" | "refund" | "dispute" | "dispute_reversal" | "partial_capture_reversal");
        let day = day_of(entry.created, zone)?;
        let is_known = is_revenue || NO_REVENUE.iter().any(|start| category.starts_with(start));
        if is_known && !is_revenue || !period.contains(day) {
            return Ok(());
        }
        let currency = entry.currency.parse().map_err(|error| Error::invalid_response(format!("{error}")))?;
        let takings = self.0.entry((day, currency)).or_default();
        if !is_known {
            takings.unknown = takings.unknown.saturating_add(1);
            return Ok(());
        }
        let plus = |sum: &mut i64, amount: i64| {
            *sum = sum.checked_add(amount).ok_or_else(|| Error::invalid_response("an amount is out of range"))?;
            Ok::<(), Error>(())
        };
        plus(&mut takings.revenue, entry.amount)?;
        plus(&mut takings.fees, entry.fee)?;
        plus(&mut takings.net, entry.net)?;
        match category {
            "charge" => plus(&mut takings.gross, entry.amount),
            "refund" => plus(&mut takings.refunded, entry.amount.saturating_neg()),
            _ => Ok(()),
        }
    }

    /// The answers of the wanted metrics for some of its days.
    pub(super) fn answers(&self, wanted: &[&str], period: Period) -> Vec<Answer> {
        let answer = |id: &&str| {
            let of = |takings: &Takings| match *id {
                "stripe_gross_volume" => takings.gross,
                "stripe_refunds" => takings.refunded,
                "stripe_fees" => takings.fees,
                "stripe_net" => takings.net,
                _ => takings.revenue,
            };
            let samples =
                self.0.iter().filter(|((day, _), _)| period.contains(*day)).map(|((day, currency), takings)| {
                    let sample = Sample::new(*day, Value::Money(Money::new(of(takings), *currency)));
                    left_out(sample, "of_unknown_category", takings.unknown)
                });
            Answer::total(id, period, samples.collect())
        };
        wanted.iter().map(answer).collect()
    }
}

/// What is left out since nobody here knows what it is makes an estimate, and is told.
fn left_out(sample: Sample, what: &str, count: i64) -> Sample {
    if count == 0 { sample } else { sample.with_quality(Quality::Estimated).with(what, count) }
}

/// The category that reports group by; worked out from the type where it is not said.
fn category(entry: &BalanceTransaction) -> &str {
    match (entry.reporting_category.as_deref(), entry.kind.as_str()) {
        (Some(category), _) if !category.is_empty() => category,
        (_, "charge" | "payment") => "charge",
        (_, "refund" | "payment_refund") => "refund",
        (_, "adjustment") => "dispute",
        (_, kind) => kind,
    }
}

/// Attempts to charge: how many succeeded and failed on each day.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Attempts {
    by_day: BTreeMap<Day, (i64, i64)>,
    /// Ids of those that are not decided yet.
    pending: BTreeSet<String>,
    /// How many have a status of which nobody here knows what it means.
    unknown: BTreeMap<Day, i64>,
}

impl Attempts {
    /// Adds an attempt, if it falls into the period.
    pub(super) fn add(&mut self, charge: &Charge, period: Period, zone: &Zone) -> Result<(), Error> {
        let day = day_of(charge.created, zone)?;
        if period.contains(day) {
            match charge.status.as_str() {
                "succeeded" => self.by_day.entry(day).or_default().0 += 1,
                "failed" => self.by_day.entry(day).or_default().1 += 1,
                "pending" => drop(self.pending.insert(charge.id.clone())),
                _ => *self.unknown.entry(day).or_default() += 1,
            }
        }
        Ok(())
    }

    /// How many are not decided yet.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Adds an attempt that was not decided when it was met, if it is now.
    pub(super) fn settle(&mut self, charge: &Charge, zone: &Zone) -> Result<(), Error> {
        match self.pending.remove(&charge.id) {
            true => self.add(charge, Period::single(day_of(charge.created, zone)?), zone),
            false => Ok(()),
        }
    }

    /// The answers of the wanted metrics for some of its days.
    pub(super) fn answers(&self, wanted: &[&str], period: Period) -> Vec<Answer> {
        let answer = |id: &&str| {
            let days: BTreeSet<&Day> = self.by_day.keys().chain(self.unknown.keys()).collect();
            let samples = days.into_iter().filter(|day| period.contains(**day)).map(|day| {
                let (succeeded, failed) = self.by_day.get(day).copied().unwrap_or_default();
                let sample = match *id {
                    "stripe_failed_payments" => Sample::new(*day, Value::Count(failed)),
                    _ => Sample::new(*day, Value::ratio(succeeded, succeeded + failed)),
                };
                left_out(sample, "of_unknown_status", self.unknown.get(day).copied().unwrap_or(0))
            });
            Answer::total(id, period, samples.collect())
        };
        wanted.iter().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn day() -> Day {
        "2026-03-10".parse().unwrap()
    }

    /// What the samples of the day are, and what is said of them.
    fn told(answers: Vec<Answer>) -> Vec<(Option<Value>, bool, serde_json::Value)> {
        let samples = answers.into_iter().flat_map(|answer| answer.samples);
        samples.map(|one| (one.value, one.quality == Quality::Estimated, json!(one.metadata))).collect()
    }

    #[test]
    fn what_nobody_here_knows_is_left_out_and_told() {
        let (mut attempts, mut ledger) = (Attempts::default(), Ledger::default());
        let created = 1_773_140_000;
        for (id, status) in [("ch_1", "failed"), ("ch_2", "unheard_of"), ("ch_3", "succeeded")] {
            let charge = serde_json::from_value(json!({ "id": id, "created": created, "status": status })).unwrap();
            attempts.add(&charge, Period::single(day()), &Zone::utc()).unwrap();
        }
        for (id, category) in [("txn_1", "charge"), ("txn_2", "payout"), ("txn_3", "unheard_of")] {
            let entry = json!({ "id": id, "created": created, "currency": "usd", "amount": 100, "fee": 3, "net": 97,
                "type": "charge", "reporting_category": category });
            ledger.add(&serde_json::from_value(entry).unwrap(), Period::single(day()), &Zone::utc()).unwrap();
        }
        let failed = told(attempts.answers(&["stripe_failed_payments"], Period::single(day())));
        let revenue = told(ledger.answers(&["stripe_revenue"], Period::single(day())));
        let metadata = |key: &str| json!({ key: 1 });
        assert_eq!(failed, [(Some(Value::Count(1)), true, metadata("of_unknown_status"))]);
        let hundred = Value::Money(Money::new(100, Currency::USD));
        assert_eq!(revenue, [(Some(hundred), true, metadata("of_unknown_category"))]);
    }
}
