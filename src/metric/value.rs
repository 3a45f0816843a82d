//! One measured value.

use super::{Currency, Exact, Kind, Money, Unit, exact};

/// One value of a metric, in integers of its smallest unit. There is no float anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Whole things.
    Count(i64),
    /// An amount of one currency.
    Money(Money),
    /// A duration in milliseconds.
    Millis(i64),
    /// Bytes.
    Bytes(i64),
    /// An integer of `10^-scale`; the scale is the unit's.
    Decimal(i64),
    /// A quotient of two whole numbers: a share, or milliseconds per thing. Made by [`Value::ratio`].
    Ratio {
        /// What is divided.
        numerator: i64,
        /// What it is divided by, never zero.
        denominator: i64,
    },
    /// Money per thing. Made by [`Value::money_ratio`].
    MoneyRatio {
        /// The amount that is divided.
        numerator: Money,
        /// What it is divided by, never zero.
        denominator: i64,
    },
    /// An amount by an amount of the same currency, both in minor units: a share that is converted and joined in its two
    /// parts. Made by [`Value::money_share`].
    MoneyShare {
        /// The amount that is divided.
        numerator: i64,
        /// The amount it is divided by. Where it is zero the share is undefined, see [`Value::is_defined`].
        denominator: i64,
        /// What both are counted in.
        currency: Currency,
    },
}

impl Value {
    /// A quotient; `None` (the state `empty`) where the denominator is zero.
    pub fn ratio(numerator: i64, denominator: i64) -> Option<Self> {
        (denominator != 0).then_some(Self::Ratio { numerator, denominator })
    }

    /// An amount per thing; `None` (the state `empty`) where there is no thing.
    pub fn money_ratio(numerator: Money, denominator: i64) -> Option<Self> {
        (denominator != 0).then_some(Self::MoneyRatio { numerator, denominator })
    }

    /// An amount by an amount; `None` where both are zero (the state `empty`) or their currencies differ.
    ///
    /// What is divided by zero alone is `empty` as well, but its parts are kept: 100 euros gained and none lost are no
    /// quick ratio in euros, and still count in that of all currencies.
    pub fn money_share(numerator: Money, denominator: Money) -> Option<Self> {
        let (numerator, of, currency, other) =
            (numerator.minor, denominator.minor, numerator.currency, denominator.currency);
        let says_something = (numerator, of) != (0, 0) && currency == other;
        says_something.then_some(Self::MoneyShare { numerator, denominator: of, currency })
    }

    /// Whether it has a value that can be shown. A share of nothing has parts alone: its state is `empty`.
    pub fn is_defined(&self) -> bool {
        self.parts().1 != Some(0)
    }

    /// The currency, where the value is money or made of money.
    pub fn currency(&self) -> Option<Currency> {
        match self {
            Self::Money(money) | Self::MoneyRatio { numerator: money, .. } => Some(money.currency),
            Self::MoneyShare { currency, .. } => Some(*currency),
            _ => None,
        }
    }

    /// Whether the value is zero.
    pub fn is_zero(&self) -> bool {
        self.parts().0 == 0
    }

    /// The integers that are stored: the value or numerator, and the denominator of a quotient.
    pub fn parts(&self) -> (i64, Option<i64>) {
        match *self {
            Self::Count(n) | Self::Millis(n) | Self::Bytes(n) | Self::Decimal(n) => (n, None),
            Self::Money(money) => (money.minor, None),
            Self::Ratio { numerator, denominator } | Self::MoneyShare { numerator, denominator, .. } => {
                (numerator, Some(denominator))
            }
            Self::MoneyRatio { numerator, denominator } => (numerator.minor, Some(denominator)),
        }
    }

    /// Puts a stored value together again; `None` where the integers do not fit the definition. A quotient with a
    /// currency is one of two amounts.
    pub fn from_parts(
        unit: Unit,
        kind: Kind,
        currency: Option<Currency>,
        value: i64,
        denominator: Option<i64>,
    ) -> Option<Self> {
        match (kind, unit, denominator) {
            (Kind::Ratio, Unit::Currency, Some(denominator)) => {
                Self::money_ratio(Money::new(value, currency?), denominator)
            }
            (Kind::Ratio, Unit::Percent | Unit::Ratio, Some(denominator)) if currency.is_some() => {
                Self::money_share(Money::new(value, currency?), Money::new(denominator, currency?))
            }
            (Kind::Ratio, _, Some(denominator)) => Self::ratio(value, denominator),
            // A provider's own share, which several of cannot be combined.
            (Kind::Statistic, Unit::Percent | Unit::Ratio, Some(denominator)) => Self::ratio(value, denominator),
            (Kind::Ratio, _, None) | (_, _, Some(_)) => None,
            (_, Unit::Count, None) => Some(Self::Count(value)),
            (_, Unit::Currency, None) => Some(Self::Money(Money::new(value, currency?))),
            (_, Unit::Seconds, None) => Some(Self::Millis(value)),
            (_, Unit::Bytes, None) => Some(Self::Bytes(value)),
            (_, Unit::Decimal { .. }, None) => Some(Self::Decimal(value)),
            (_, Unit::Percent | Unit::Ratio, None) => None,
        }
    }

    /// Whether a value of this form belongs to a metric of that kind and unit.
    pub fn check(&self, unit: Unit, kind: Kind) -> Result<(), ValueMismatch> {
        let (value, denominator) = self.parts();
        match Self::from_parts(unit, kind, self.currency(), value, denominator) {
            Some(same) if same == *self => Ok(()),
            _ => Err(ValueMismatch::Form { unit, kind }),
        }
    }

    /// The value as it leaves for people, API and command line: currency units with the currency's digits, seconds,
    /// percent with two decimals, other ratios with four. `None` only where it is undefined or the result passes 64 bits.
    pub fn normalised(&self, unit: Unit) -> Option<String> {
        match *self {
            Self::Count(n) | Self::Bytes(n) => Some(n.to_string()),
            Self::Money(money) => Some(exact::format_scaled(money.minor, money.currency.digits())),
            Self::Millis(ms) => Some(seconds(ms)),
            Self::Decimal(n) => {
                let scale = if let Unit::Decimal { scale } = unit { scale } else { 0 };
                Some(exact::format_scaled(n, scale))
            }
            Self::MoneyRatio { numerator, denominator } => {
                let minor = exact::round(&exact::fraction(numerator.minor, denominator)?)?;
                Some(exact::format_scaled(minor, numerator.currency.digits()))
            }
            Self::Ratio { numerator, denominator } | Self::MoneyShare { numerator, denominator, .. } => {
                let quotient = exact::fraction(numerator, denominator)?;
                match unit {
                    Unit::Percent => exact::to_decimal(&(quotient * exact::from_int(100)), 2),
                    Unit::Seconds => exact::round(&quotient).map(seconds),
                    _ => exact::to_decimal(&quotient, 4),
                }
            }
        }
    }

    /// The value as an exact number in its stored unit (minor units, milliseconds, a plain quotient).
    pub fn exact(&self) -> Exact {
        let (value, denominator) = self.parts();
        exact::fraction(value, denominator.unwrap_or(1)).unwrap_or_else(|| exact::from_int(0))
    }
}

/// Milliseconds as seconds, with only as many decimals as are needed.
fn seconds(ms: i64) -> String {
    let text = exact::format_scaled(ms, 3);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A value was handed in that cannot be one of its metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueMismatch {
    /// It is of another form.
    #[error("the value does not fit a metric of kind {kind:?} and unit {}", unit.name())]
    Form {
        /// What the metric is counted in.
        unit: Unit,
        /// The metric's kind.
        kind: Kind,
    },
    /// A share of money for a metric that is none, or the other way round.
    #[error("a metric of money takes shares of money, and no other does")]
    Currency,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, code.parse().unwrap())
    }

    #[test]
    fn leaves_normalised() {
        let show = |value: Value, unit: Unit| value.normalised(unit).unwrap();
        assert_eq!(show(Value::Money(money(12_480, "USD")), Unit::Currency), "124.80");
        assert_eq!(show(Value::Money(money(3000, "JPY")), Unit::Currency), "3000");
        assert_eq!(show(Value::Money(money(5000, "KWD")), Unit::Currency), "5.000");
        assert_eq!(show(Value::Money(money(-5, "EUR")), Unit::Currency), "-0.05");
        assert_eq!(show(Value::Millis(90_500), Unit::Seconds), "90.5");
        assert_eq!(show(Value::Millis(90_000), Unit::Seconds), "90");
        assert_eq!(show(Value::ratio(4312, 10_000).unwrap(), Unit::Percent), "43.12");
        assert_eq!(show(Value::ratio(2, 3).unwrap(), Unit::Ratio), "0.6667");
        assert_eq!(show(Value::money_ratio(money(10_000, "USD"), 3).unwrap(), Unit::Currency), "33.33");
        assert_eq!(show(Value::money_share(money(-250, "JPY"), money(3000, "JPY")).unwrap(), Unit::Percent), "-8.33");
        assert_eq!(show(Value::Decimal(1234), Unit::Decimal { scale: 2 }), "12.34");
    }

    #[test]
    fn a_ratio_without_denominator_is_no_value() {
        assert_eq!(Value::ratio(0, 0), None);
        assert_eq!(Value::money_ratio(money(1, "USD"), 0), None);
        assert_eq!(Value::money_share(money(0, "USD"), money(0, "USD")), None);
    }

    #[test]
    fn a_share_of_nothing_keeps_its_parts_and_shows_no_value() {
        let share = Value::money_share(money(100, "EUR"), money(0, "EUR")).unwrap();
        assert!(!share.is_defined() && !share.is_zero());
        assert_eq!(share.normalised(Unit::Ratio), None);
        assert_eq!(Value::from_parts(Unit::Ratio, Kind::Ratio, share.currency(), 100, Some(0)), Some(share));
    }

    #[test]
    fn a_share_of_money_is_of_one_currency_and_reads_back_with_it() {
        assert_eq!(Value::money_share(money(1, "USD"), money(2, "EUR")), None);
        let share = Value::money_share(money(1, "EUR"), money(2, "EUR")).unwrap();
        let (value, denominator) = share.parts();
        let read = |currency| Value::from_parts(Unit::Percent, Kind::Ratio, currency, value, denominator);
        assert_eq!(read(share.currency()), Some(share));
        assert_eq!(read(None), Value::ratio(1, 2));
        assert!(share.check(Unit::Ratio, Kind::Ratio).is_ok());
        assert!(share.check(Unit::Currency, Kind::Ratio).is_err());
    }

    #[test]
    fn a_value_of_another_form_is_refused() {
        assert!(Value::Count(1).check(Unit::Count, Kind::Flow).is_ok());
        assert!(Value::Count(1).check(Unit::Currency, Kind::Flow).is_err());
        assert!(Value::Count(1).check(Unit::Percent, Kind::Ratio).is_err());
        assert!(Value::ratio(1, 2).unwrap().check(Unit::Percent, Kind::Statistic).is_ok());
        assert!(Value::ratio(1, 2).unwrap().check(Unit::Seconds, Kind::Statistic).is_err());
        assert!(Value::ratio(1, 2).unwrap().check(Unit::Percent, Kind::Flow).is_err());
    }
}
