//! Numbers as Plausible writes them, read exactly.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    integrations::Error,
    metric::{Currency, Exact, Money, Value, exact},
};

/// Longest exponent that a number may have; no amount is near it.
const MOST_EXPONENT: i32 = 18;

/// A number that may have decimals and, as Elixir writes floats, an exponent: `1.0e6`. `None` for `null`.
pub(super) fn number(text: &str) -> Result<Option<Exact>, Error> {
    let text = text.trim();
    if text == "null" {
        return Ok(None);
    }
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.trim_start_matches('+').parse::<i32>().ok()),
        None => (text, Some(0)),
    };
    let exponent = exponent.filter(|exponent| exponent.abs() <= MOST_EXPONENT);
    let read = exact::parse_decimal(digits).zip(exponent).map(|(value, exponent)| {
        let power = exact::power_of_ten(exponent.unsigned_abs());
        if exponent < 0 { value / power } else { value * power }
    });
    read.map(Some).ok_or_else(|| Error::invalid_response("a number of the answer cannot be read"))
}

/// How many. There is no nothing of it.
pub(super) fn count(text: &str) -> Result<i64, Error> {
    let wrong = || Error::invalid_response("a count of the answer is not a whole number from zero on");
    let value = number(text)?.ok_or_else(wrong)?;
    value.to_i64().filter(|count| *count >= 0).ok_or_else(wrong)
}

/// A share from a percentage such as `53` or `12.34`.
pub(super) fn percent(text: &str) -> Result<Option<Value>, Error> {
    let Some(percent) = number(text)? else { return Ok(None) };
    let share = percent / exact::from_int(100);
    let parts = share.to_parts().filter(|(numerator, denominator)| (0..=*denominator).contains(numerator));
    let (numerator, denominator) =
        parts.ok_or_else(|| Error::invalid_response("a percentage of the answer is not from 0 to 100"))?;
    Ok(Value::ratio(numerator, denominator))
}

/// A length from seconds, which may have decimals.
pub(super) fn millis(text: &str) -> Result<Option<Value>, Error> {
    let Some(seconds) = number(text)? else { return Ok(None) };
    let ms =
        Some(&seconds).filter(|seconds| !seconds.is_negative()).and_then(|seconds| exact::round_scaled(seconds, 3));
    ms.map(|ms| Some(Value::Millis(ms)))
        .ok_or_else(|| Error::invalid_response("a length of time of the answer is none"))
}

/// The money of a goal. `value` is in currency units, and may be written as a number or a text.
#[derive(Deserialize)]
struct Revenue<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    currency: String,
}

/// An amount; `None` for goals without money.
pub(super) fn money(text: &str) -> Result<Option<Money>, Error> {
    if text.trim() == "null" {
        return Ok(None);
    }
    let wrong = || Error::invalid_response("the revenue of a goal is not as documented: expected value and currency");
    let revenue: Revenue<'_> = serde_json::from_str(text).map_err(|_| wrong())?;
    let currency: Currency = revenue.currency.parse().map_err(|_| wrong())?;
    let units = number(revenue.value.get().trim_matches('"'))?.ok_or_else(wrong)?;
    let minor = exact::round_scaled(&units, currency.digits()).ok_or_else(wrong)?;
    Ok(Some(Money::new(minor, currency)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_exactly_with_and_without_exponent() {
        let read = |text: &str| number(text).unwrap().and_then(|value| exact::to_decimal(&value, 4));
        for (text, expected) in [("0", "0.0000"), ("12.34", "12.3400"), ("1.0e6", "1000000.0000"), ("2.5E-3", "0.0025")]
        {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(read("null"), None);
        for bad in ["", "1e", "1e99", "1e-99", "NaN", "\"5\"", "{}", "1,5", "0x5"] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_count_is_whole_and_is_there() {
        assert_eq!(count("9007199254740993").unwrap(), 9_007_199_254_740_993);
        assert_eq!(count("12.0").unwrap(), 12);
        for bad in ["-1", "1.5", "null", "true", "99999999999999999999"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_percentage_is_a_share_of_a_hundred() {
        assert_eq!(percent("53").unwrap(), Value::ratio(53, 100));
        assert_eq!(percent("12.5").unwrap(), Value::ratio(1, 8));
        assert_eq!(percent("0").unwrap(), Value::ratio(0, 1));
        assert_eq!(percent("null").unwrap(), None);
        assert!(percent("100.01").is_err() && percent("-1").is_err());
    }

    #[test]
    fn money_comes_in_units_of_its_currency_as_number_or_text() {
        let read = |json: &str| money(json).unwrap().map(|money| (money.minor, money.currency.to_string()));
        assert_eq!(read(r#"{"value":1.0e5,"currency":"EUR","short":"€100K"}"#), Some((10_000_000, "EUR".to_owned())));
        assert_eq!(read(r#"{"value":"12.345","currency":"USD"}"#), Some((1235, "USD".to_owned())));
        assert_eq!(read(r#"{"value":3000,"currency":"JPY"}"#), Some((3000, "JPY".to_owned())));
        assert_eq!(read("null"), None);
        assert!(money(r#"{"value":null,"currency":"EUR"}"#).is_err());
        assert!(money("12.5").is_err() && money(r#"{"value":1,"currency":"?"}"#).is_err());
    }
}
