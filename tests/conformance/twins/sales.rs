//! What a twin sells: money, in the zone of its connection, with a setting that changes the definition and a receipt.

use std::collections::BTreeMap;

use dashtray::{
    integrations::{Batch, Choice, Context, Error, SettingField, SettingKind},
    metric::{Alternative, Answer, Currency, Day, Money, Other, Period, Receipt, Sample, Term, Value, exact},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{flaw::Flaw, twin::Twin};

pub(super) const SALES: &str = "toy_sales";
pub(super) const ORDERS: &str = "toy_orders";
const REFUNDS: &str = "refunds";

#[derive(Debug, Deserialize)]
struct Sales {
    sales: Vec<Sale>,
}

#[derive(Debug, Deserialize)]
struct Sale {
    id: String,
    at: Timestamp,
    currency: Currency,
    /// In the currency's smallest unit.
    amount: Option<i64>,
    status: String,
}

/// Amounts by day and currency, each with the sale that it is of.
type Sold = BTreeMap<(Day, Currency), Vec<(String, i64)>>;

/// The setting that changes what is counted.
pub(super) fn refunds() -> SettingField {
    let choice = |value: &str, label: &str| Choice { value: value.to_owned(), label: label.to_owned() };
    SettingField {
        key: REFUNDS.to_owned(),
        label: "Refunds".to_owned(),
        help_text: "Whether sales count that were refunded.".to_owned(),
        kind: SettingKind::Choice { values: vec![choice("leave_out", "They do not"), choice("keep", "They count")] },
        default: Some("leave_out".to_owned()),
        affects: vec!["sales".to_owned()],
    }
}

impl Twin {
    /// How many orders there were.
    pub(super) async fn orders(&self, ctx: &Context, period: Period) -> Result<(), Error> {
        let Sales { sales } = ctx.http.get("/sales").json().await?.body;
        let mut days: BTreeMap<Day, i64> = BTreeMap::new();
        for sale in &sales {
            let day = Day::of(sale.at, &ctx.zone);
            let before = Day::of(sale.at - SignedDuration::from_hours(1), &ctx.zone);
            let is_at_the_boundary = before != day;
            if !(is_at_the_boundary && self.0 == Flaw::LosesTheFirstHour) {
                *days.entry(day).or_default() += 1;
            }
            if is_at_the_boundary && self.0 == Flaw::CountsAnHourTwice {
                *days.entry(before).or_default() += 1;
            }
        }
        days.retain(|day, _| period.contains(*day));
        let samples = days.into_iter().map(|(day, count)| Sample::new(day, Value::Count(count))).collect();
        ctx.commit(Batch::new().answer(Answer::total(ORDERS, period, samples))).await
    }

    /// What was sold for.
    pub(super) async fn sales(&self, ctx: &Context, period: Period) -> Result<(), Error> {
        let Sales { sales } = ctx.http.get("/sales").json().await?.body;
        let keeps = ctx.settings.text(REFUNDS) == Some("keep") && self.0 != Flaw::SwitchWithoutEffect;
        let sold = self.sold(ctx, &sales, period, keeps)?;
        let all = self.sold(ctx, &sales, period, true)?;
        let sum = |of: &[(String, i64)]| of.iter().fold(0_i64, |sum, (_, minor)| sum.saturating_add(*minor));
        let samples =
            sold.iter().map(|((day, currency), of)| Sample::new(*day, Value::Money(Money::new(sum(of), *currency))));
        let mut batch = Batch::new().answer(Answer::total(SALES, period, samples.collect()));
        let newest = period.last().unwrap_or(period.start());
        let mut currencies: Vec<Currency> =
            sold.keys().filter(|(day, _)| *day == newest).map(|(_, currency)| *currency).collect();
        if currencies.is_empty() {
            currencies.push(ctx.currency);
        }
        for currency in currencies {
            let of = |sold: &Sold| sold.get(&(newest, currency)).cloned().unwrap_or_default();
            let more = sum(&of(&all)) - sum(&of(&sold));
            batch = batch.receipt(self.receipt(ctx, newest, currency, &of(&sold), (sum(&of(&sold)), more)));
        }
        ctx.commit(batch).await
    }

    fn sold(&self, ctx: &Context, sales: &[Sale], period: Period, keeps: bool) -> Result<Sold, Error> {
        let mut sold = Sold::new();
        for sale in sales {
            let counts = match sale.status.as_str() {
                "paid" => true,
                "refunded" => keeps,
                _ if self.0 == Flaw::TakesAnyStatusForPaid => true,
                _ => return Err(Error::invalid_response("the status of a sale is not known")),
            };
            let missing = || Error::invalid_response("a sale has no amount");
            let minor = match sale.amount {
                None if self.0 == Flaw::MissingIsZero => 0,
                amount => amount.ok_or_else(missing)?,
            };
            let (minor, currency) = match self.0 {
                Flaw::DividesYen if sale.currency.digits() == 0 => (minor / 100, sale.currency),
                Flaw::AddsCurrencies => (minor, Currency::USD),
                Flaw::TakesCentsForUnits => {
                    (minor.saturating_mul(10_i64.pow(sale.currency.digits().into())), sale.currency)
                }
                _ => (minor, sale.currency),
            };
            let day = Day::of(sale.at, &ctx.zone);
            if counts && period.contains(day) {
                sold.entry((day, currency)).or_default().push((sale.id.clone(), minor));
            }
        }
        Ok(sold)
    }

    fn receipt(
        &self,
        ctx: &Context,
        date: Day,
        currency: Currency,
        sold: &[(String, i64)],
        (sum, more): (i64, i64),
    ) -> Receipt {
        let shown = |minor: i64| exact::format_scaled(minor, currency.digits());
        let off = i64::from(self.0 == Flaw::DoesNotAddUp);
        let term = |(id, minor): &(String, i64)| Term {
            label: "A sale".to_owned(),
            entity_id: id.clone(),
            amount: shown(*minor),
        };
        let keep = Alternative {
            setting: REFUNDS.to_owned(),
            value: "keep".to_owned(),
            amount: shown(more),
            sentence: "with refunds kept".to_owned(),
        };
        let is_kept = ctx.settings.text(REFUNDS) == Some("keep");
        Receipt {
            metric_id: SALES.to_owned(),
            currency: Some(currency),
            date,
            value: shown(sum),
            formula: "sum of the sales of the day".to_owned(),
            definition: 1,
            settings: ctx.settings.to_json(),
            terms: sold.iter().map(term).collect(),
            other: Other { count: 0, amount: shown(off) },
            rounding: "none is needed".to_owned(),
            excluded: Vec::new(),
            alternatives: if is_kept { Vec::new() } else { vec![keep] },
        }
    }
}
