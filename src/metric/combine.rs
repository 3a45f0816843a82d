//! Joining values of several days (or several parts) into one, as far as their kind allows.

use super::{CurrencyMismatch, Kind, Money, Value};

/// Joins the values of consecutive days, oldest first, into the value of the period.
///
/// A flow is summed, of a level the last value counts, a ratio is recombined from its parts. Distinct counts and
/// statistics are refused: the visitors of a month are not the sum of its days, they must be asked for the month.
pub fn combine(kind: Kind, values: &[Value]) -> Result<Option<Value>, CombineError> {
    match kind {
        Kind::Level => Ok(values.last().copied()),
        Kind::Flow | Kind::Ratio => sum(kind, values),
        Kind::Distinct if values.len() < 2 => Ok(values.first().copied()),
        Kind::Statistic if values.len() < 2 => Ok(values.first().copied()),
        Kind::Distinct => Err(CombineError::Distinct),
        Kind::Statistic => Err(CombineError::Statistic),
    }
}

/// Joins the values that several parts (repositories, plans) have on one day into their total. Levels may be added
/// here, since the parts do not overlap; distinct counts and statistics may not.
pub fn total(kind: Kind, values: &[Value]) -> Result<Option<Value>, CombineError> {
    match kind {
        Kind::Level | Kind::Flow | Kind::Ratio => sum(kind, values),
        Kind::Distinct | Kind::Statistic => combine(kind, values),
    }
}

fn sum(kind: Kind, values: &[Value]) -> Result<Option<Value>, CombineError> {
    let Some((first, rest)) = values.split_first() else { return Ok(None) };
    let joined = rest.iter().try_fold(*first, |sum, value| add(sum, *value))?;
    let is_ratio = joined.parts().1.is_some();
    if is_ratio != (kind == Kind::Ratio) {
        return Err(CombineError::Mixed);
    }
    Ok(Some(joined))
}

fn add(left: Value, right: Value) -> Result<Value, CombineError> {
    let plus = |a: i64, b: i64| a.checked_add(b).ok_or(CombineError::Overflow);
    let money = |a: Money, b: Money| a.checked_add(b).map_err(CombineError::Currency);
    Ok(match (left, right) {
        (Value::Count(a), Value::Count(b)) => Value::Count(plus(a, b)?),
        (Value::Millis(a), Value::Millis(b)) => Value::Millis(plus(a, b)?),
        (Value::Bytes(a), Value::Bytes(b)) => Value::Bytes(plus(a, b)?),
        (Value::Decimal(a), Value::Decimal(b)) => Value::Decimal(plus(a, b)?),
        (Value::Money(a), Value::Money(b)) => Value::Money(money(a, b)?),
        (Value::Ratio { numerator: a, denominator: c }, Value::Ratio { numerator: b, denominator: d }) => {
            Value::Ratio { numerator: plus(a, b)?, denominator: plus(c, d)? }
        }
        (Value::MoneyRatio { numerator: a, denominator: c }, Value::MoneyRatio { numerator: b, denominator: d }) => {
            Value::MoneyRatio { numerator: money(a, b)?, denominator: plus(c, d)? }
        }
        (
            Value::MoneyShare { numerator: a, denominator: c, currency },
            Value::MoneyShare { numerator: b, denominator: d, currency: other },
        ) => {
            let numerator = money(Money::new(a, currency), Money::new(b, other))?.minor;
            Value::MoneyShare { numerator, denominator: plus(c, d)?, currency }
        }
        _ => return Err(CombineError::Mixed),
    })
}

/// Why values have no joint value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// Distinct counts overlap between days.
    #[error("distinct counts of several days overlap and cannot be added; ask for the whole period")]
    Distinct,
    /// A statistic of days says nothing about the period.
    #[error("a statistic of several days cannot be combined; ask for the whole period")]
    Statistic,
    /// Amounts of two currencies.
    #[error(transparent)]
    Currency(#[from] CurrencyMismatch),
    /// Values of different forms.
    #[error("values of different units cannot be combined")]
    Mixed,
    /// The sum passes 64 bits.
    #[error("the sum does not fit 64 bits")]
    Overflow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_combines_its_own_way() {
        let counts = [Value::Count(2), Value::Count(5)];
        assert_eq!(combine(Kind::Flow, &counts), Ok(Some(Value::Count(7))));
        assert_eq!(combine(Kind::Level, &counts), Ok(Some(Value::Count(5))));
        assert_eq!(combine(Kind::Distinct, &counts), Err(CombineError::Distinct));
        assert_eq!(combine(Kind::Statistic, &counts), Err(CombineError::Statistic));
        assert_eq!(combine(Kind::Distinct, &counts[..1]), Ok(Some(Value::Count(2))));
        assert_eq!(total(Kind::Level, &counts), Ok(Some(Value::Count(7))));
        assert_eq!(total(Kind::Distinct, &counts), Err(CombineError::Distinct));
    }

    #[test]
    fn a_ratio_is_recombined_never_averaged() {
        let days = [Value::ratio(1, 1).unwrap(), Value::ratio(0, 99).unwrap()];
        assert_eq!(combine(Kind::Ratio, &days), Ok(Some(Value::ratio(1, 100).unwrap())));
        assert_eq!(combine(Kind::Flow, &days), Err(CombineError::Mixed));
    }

    #[test]
    fn overflow_and_two_currencies_are_refused() {
        assert_eq!(combine(Kind::Flow, &[Value::Count(i64::MAX), Value::Count(1)]), Err(CombineError::Overflow));
        let money = |code: &str| Value::Money(Money::new(1, code.parse().unwrap()));
        assert!(matches!(combine(Kind::Flow, &[money("USD"), money("EUR")]), Err(CombineError::Currency(_))));
    }
}
