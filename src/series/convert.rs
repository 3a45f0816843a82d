//! Converting series into a reporting currency, with the rate of each day.
//!
//! It is done when a series is read and not when it is stored: the amounts that providers name stay as they are, and
//! rates that are loaded later count for days that were read before. A day is the sum of what its currencies show,
//! each times its rate, rounded once; of a share of money its two amounts are.

use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::points::{Currencied, DayPoint, Days};
use crate::{
    metric::{Currency, Day, Definition, Exact, Kind, Mark, Money, Period, Quality, State, Value, exact},
    store::{self, Store},
};

/// Markets rest on weekends and holidays: a rate holds until the next one, for at most this many days.
const RATE_HOLDS_DAYS: i32 = 7;

/// Rates into one currency.
pub(super) struct Converter {
    target: Currency,
    /// How many units of the quote one unit of the base is worth, by day.
    rates: BTreeMap<(Currency, Currency), BTreeMap<Day, Exact>>,
}

impl Converter {
    pub(super) async fn load(store: &Store, target: Currency, period: Period) -> Result<Self, store::Error> {
        let reach = Period::new(period.start().plus(-RATE_HOLDS_DAYS), period.end());
        let mut rates: BTreeMap<(Currency, Currency), BTreeMap<Day, Exact>> = BTreeMap::new();
        for rate in store.rates(reach).await? {
            if let Some(value) = exact::parse_decimal(&rate.rate).filter(|value| !value.is_zero()) {
                rates.entry((rate.base, rate.quote)).or_default().insert(rate.day, value);
            }
        }
        Ok(Self { target, rates })
    }

    /// One converted series a dimension, where anything is counted in another currency at all.
    pub(super) fn convert(&self, definition: &Definition, read: &[Currencied]) -> Vec<(String, Days)> {
        let mut by_dimension: BTreeMap<&str, Vec<(Currency, &Days)>> = BTreeMap::new();
        for (dimension, currency, days) in read {
            if let Some(currency) = currency {
                by_dimension.entry(dimension).or_default().push((*currency, days));
            }
        }
        by_dimension
            .into_iter()
            .filter(|(_, parts)| parts.iter().any(|(currency, _)| *currency != self.target))
            .map(|(dimension, parts)| (dimension.to_owned(), self.joined(definition, &parts)))
            .collect()
    }

    /// The total of all currencies, also where all is counted in the target already.
    pub(super) fn total(&self, definition: &Definition, read: &[Currencied]) -> Days {
        let parts: Vec<(Currency, &Days)> =
            read.iter().filter_map(|(_, currency, days)| Some(((*currency)?, days))).collect();
        self.joined(definition, &parts)
    }

    fn joined(&self, definition: &Definition, parts: &[(Currency, &Days)]) -> Days {
        let Some((_, first)) = parts.first() else { return Days::new() };
        first.keys().map(|day| (*day, self.day(definition, *day, parts))).collect()
    }

    fn day(&self, definition: &Definition, day: Day, parts: &[(Currency, &Days)]) -> DayPoint {
        let mut sum = exact::from_int(0);
        // What the sum is divided by, where it is: amounts, or things.
        let mut of = exact::from_int(0);
        let mut things: i64 = 0;
        let mut used = Map::new();
        let mut mark = Mark::new(State::Zero);
        let mut any_value = false;
        let mut counted = 0;
        for (currency, days) in parts {
            let Some(point) = days.get(&day) else { continue };
            mark.provisional |= point.mark.provisional;
            mark.stale |= point.mark.stale;
            mark.quality = mark.quality.max(point.mark.quality);
            if !point.mark.state.is_answered() {
                return DayPoint { metadata: None, value: None, ..point.clone() };
            }
            let Some(value) = point.value else { continue };
            any_value = true;
            let (minor, denominator) = value.parts();
            let (of_minor, of_things) =
                if definition.of_money { (denominator.unwrap_or(0), 0) } else { (0, denominator.unwrap_or(0)) };
            things = things.saturating_add(of_things);
            if (minor, of_minor) == (0, 0) {
                continue;
            }
            counted += 1;
            if counted > 1 && matches!(definition.kind, Kind::Statistic | Kind::Distinct) {
                let reason = "it is counted in several currencies, which cannot be combined".to_owned();
                return DayPoint { mark: Mark { state: State::Unsupported, ..mark }, ..unknown(mark, reason) };
            }
            let Some((rate, rate_day)) = self.rate(*currency, day) else {
                let missing =
                    format!("no exchange rate from {currency} to {} for {day}; see `dashtray rates load`", self.target);
                return unknown(mark, missing);
            };
            if *currency != self.target {
                let shown = exact::to_decimal(&rate, 6).unwrap_or_default();
                used.insert(currency.code().to_owned(), json!({ "rate": shown, "date": rate_day }));
            }
            let factor = rate * scale(*currency, self.target);
            sum += exact::from_int(minor) * &factor;
            of += exact::from_int(of_minor) * &factor;
        }
        let money = |amount: &Exact| Some(Money::new(exact::round(amount)?, self.target));
        let (Some(sum), Some(of)) = (money(&sum), money(&of)) else {
            return unknown(mark, "the sum does not fit 64 bits".to_owned());
        };
        let value = match definition.kind {
            Kind::Ratio if definition.of_money => Value::money_share(sum, of),
            Kind::Ratio => Value::money_ratio(sum, things),
            _ => any_value.then_some(Value::Money(sum)),
        };
        mark.state = State::of(value);
        let metadata = (!used.is_empty()).then(|| Map::from_iter([("rates".to_owned(), json!(used))]));
        DayPoint { value, mark, reason: None, metadata }
    }

    /// The rate into the target, direct, inverse, or by way of a third currency that both are quoted in.
    fn rate(&self, from: Currency, day: Day) -> Option<(Exact, Day)> {
        if from == self.target {
            return Some((exact::from_int(1), day));
        }
        self.direct(from, self.target, day).or_else(|| {
            let known = self.rates.keys().flat_map(|(base, quote)| [*base, *quote]);
            let known: std::collections::BTreeSet<Currency> = known.collect();
            known.into_iter().find_map(|middle| {
                let (first, first_day) = self.direct(from, middle, day)?;
                let (second, second_day) = self.direct(middle, self.target, day)?;
                Some((first * second, first_day.min(second_day)))
            })
        })
    }

    fn direct(&self, from: Currency, to: Currency, day: Day) -> Option<(Exact, Day)> {
        let newest = |base: Currency, quote: Currency| {
            let (of, rate) = self.rates.get(&(base, quote))?.range(..=day).next_back()?;
            (day.number() - of.number() <= RATE_HOLDS_DAYS).then(|| (rate.clone(), *of))
        };
        newest(from, to).or_else(|| newest(to, from).map(|(rate, of)| (rate.recip(), of)))
    }
}

/// Minor units of one currency are not those of another.
fn scale(from: Currency, to: Currency) -> Exact {
    let ten = |digits: u8| exact::from_int(10_i64.pow(u32::from(digits)));
    ten(to.digits()) / ten(from.digits())
}

/// A day whose value cannot be worked out.
pub(super) fn unknown(mark: Mark, reason: String) -> DayPoint {
    let mark = Mark { state: State::Pending, quality: Quality::Exact, ..mark };
    DayPoint { value: None, mark, reason: Some(reason), metadata: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Polarity, Unit, ValidRange, WidgetType};

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn converter(target: &str, rates: &[(&str, &str, &str, &str)]) -> Converter {
        let mut all: BTreeMap<(Currency, Currency), BTreeMap<Day, Exact>> = BTreeMap::new();
        for (date, base, quote, rate) in rates {
            let rate = exact::parse_decimal(rate).unwrap();
            all.entry((currency(base), currency(quote))).or_default().insert(day(date), rate);
        }
        Converter { target: currency(target), rates: all }
    }

    fn of_day(code: &str, date: &str, value: Option<Value>) -> Currencied {
        let point = DayPoint { value, mark: Mark::new(State::of(value)), reason: None, metadata: None };
        (String::new(), Some(currency(code)), Days::from([(day(date), point)]))
    }

    fn amounts(code: &str, date: &str, minor: i64) -> Currencied {
        of_day(code, date, Some(Value::Money(Money::new(minor, currency(code)))))
    }

    fn share(code: &str, date: &str, numerator: i64, denominator: i64) -> Currencied {
        let money = |minor| Money::new(minor, currency(code));
        of_day(code, date, Value::money_share(money(numerator), money(denominator)))
    }

    fn definition(kind: Kind, unit: Unit) -> Definition {
        Definition {
            id: "fake_mrr".to_owned(),
            name: "MRR".to_owned(),
            description: "made up".to_owned(),
            unit,
            category: "fake".to_owned(),
            widget_type: WidgetType::Metric,
            kind,
            polarity: Polarity::Neutral,
            valid: ValidRange::Any,
            settles_after_days: 0,
            retention_days: None,
            definition: 1,
            dimension: None,
            stream: "fake".to_owned(),
            source: "`GET /stats`".to_owned(),
            differs: None,
            explained: false,
            of_money: kind == Kind::Ratio,
            exchange_effect: None,
        }
    }

    fn converted(converter: &Converter, read: &[Currencied], date: &str) -> DayPoint {
        converter.convert(&definition(Kind::Level, Unit::Currency), read)[0].1[&day(date)].clone()
    }

    #[test]
    fn a_share_is_converted_in_its_two_amounts_each_rounded_once() {
        let rates = converter("USD", &[("2026-03-06", "EUR", "USD", "1.105")]);
        let shares = definition(Kind::Ratio, Unit::Percent);
        let on = |read: &[Currencied]| rates.convert(&shares, read)[0].1[&day("2026-03-06")].clone();
        let point = on(&[share("USD", "2026-03-06", 100, 1000), share("EUR", "2026-03-06", 9, 10)]);
        // 9.945 and 11.05 cents.
        assert_eq!(point.value.unwrap().parts(), (110, Some(1011)));
        assert_eq!(point.value.unwrap().normalised(Unit::Percent).unwrap(), "10.88");
        assert_eq!(point.metadata.unwrap()["rates"]["EUR"]["rate"], "1.105000");

        let gained = [share("USD", "2026-03-06", 50, 20), share("EUR", "2026-03-06", 100, 0)];
        assert_eq!(gained[1].2[&day("2026-03-06")].mark.state, State::Empty, "alone it has no value");
        assert_eq!(on(&gained).value.unwrap().parts(), (161, Some(20)), "and still it counts in the whole");

        let nothing = on(&[share("USD", "2026-03-06", 0, 0), share("EUR", "2026-03-06", 0, 0)]);
        assert_eq!((nothing.value, nothing.mark.state), (None, State::Empty));
        let rateless = Converter { rates: BTreeMap::new(), ..rates };
        let lost = &rateless.convert(&shares, &[share("EUR", "2026-03-06", 0, 10)])[0].1[&day("2026-03-06")];
        assert!(lost.value.is_none() && lost.reason.as_ref().unwrap().contains("no exchange rate"), "{lost:?}");
    }

    #[test]
    fn vectors_53_and_54_of_the_providers_document() {
        let read = [amounts("USD", "2026-03-02", 10_000), amounts("EUR", "2026-03-02", 10_000)];
        let point = converted(&converter("USD", &[("2026-03-02", "EUR", "USD", "1.10")]), &read, "2026-03-02");
        assert_eq!(point.value.unwrap().parts().0, 21_000);
        assert_eq!(point.metadata.unwrap()["rates"]["EUR"]["rate"], "1.100000");

        let read = [amounts("EUR", "2026-03-02", 9_900)];
        let point = converted(&converter("USD", &[("2026-03-02", "EUR", "USD", "1.08")]), &read, "2026-03-02");
        assert_eq!(point.value.unwrap().parts().0, 10_692);
    }

    #[test]
    fn averages_of_two_currencies_have_no_sum() {
        let rates = converter("USD", &[("2026-03-06", "EUR", "USD", "2")]);
        let averages = definition(Kind::Statistic, Unit::Currency);
        let on = |read: &[Currencied]| rates.convert(&averages, read)[0].1[&day("2026-03-06")].clone();
        let one = on(&[amounts("USD", "2026-03-06", 0), amounts("EUR", "2026-03-06", 5)]);
        assert_eq!(one.value.unwrap().parts().0, 10);
        let two = on(&[amounts("USD", "2026-03-06", 1), amounts("EUR", "2026-03-06", 5)]);
        assert_eq!((two.value, two.mark.state), (None, State::Unsupported));
    }

    #[test]
    fn weekends_carry_friday_but_not_for_ever() {
        let rates = converter("USD", &[("2026-03-06", "EUR", "USD", "2")]);
        let sunday = converted(&rates, &[amounts("EUR", "2026-03-08", 5)], "2026-03-08");
        assert_eq!(sunday.value.unwrap().parts().0, 10);
        let later = converted(&rates, &[amounts("EUR", "2026-03-20", 5)], "2026-03-20");
        assert_eq!(later.value, None);
        assert!(later.reason.unwrap().contains("no exchange rate from EUR to USD for 2026-03-20"));
    }

    #[test]
    fn minor_units_and_crossed_rates_count() {
        let rates = converter("USD", &[("2026-03-06", "EUR", "USD", "1.25"), ("2026-03-06", "EUR", "JPY", "150")]);
        let yen = converted(&rates, &[amounts("JPY", "2026-03-06", 3000)], "2026-03-06");
        assert_eq!(yen.value.unwrap().parts().0, 2500);
    }
}
