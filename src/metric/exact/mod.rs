//! Exact arithmetic between a provider's answer and the stored integer.

mod number;

use num_bigint::BigInt;

pub use number::Exact;

/// The integer as an exact number.
pub fn from_int(value: i64) -> Exact {
    Exact::integer(value)
}

/// A fraction; `None` where the denominator is zero.
pub fn fraction(numerator: i64, denominator: i64) -> Option<Exact> {
    Exact::fraction(numerator, denominator)
}

/// Ten to a power.
pub fn power_of_ten(exponent: u32) -> Exact {
    match 10_i64.checked_pow(exponent) {
        Some(power) => from_int(power),
        None => Exact::big_integer(BigInt::from(10).pow(exponent)),
    }
}

/// Reads a plain decimal such as `-12.345678901234`. No exponent, no sign but `-`, at most 40 digits.
pub fn parse_decimal(text: &str) -> Option<Exact> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fractional) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let dangling = digits.contains('.') && fractional.is_empty();
    if whole.is_empty() || dangling || !plain(whole) || !plain(fractional) || digits.len() > 41 {
        return None;
    }
    let scale = u32::try_from(fractional.len()).ok()?;
    let unscaled = if fractional.is_empty() { whole.to_owned() } else { format!("{whole}{fractional}") };
    let value = match unscaled.parse::<i64>() {
        Ok(unscaled) => from_int(unscaled),
        Err(_) => Exact::big_integer(unscaled.parse().ok()?),
    };
    let value = if scale == 0 { value } else { value / power_of_ten(scale) };
    Some(if negative { -value } else { value })
}

/// Rounds half away from zero; `None` where the result does not fit 64 bits.
pub fn round(value: &Exact) -> Option<i64> {
    value.round()
}

/// `value × 10^digits`, rounded half away from zero.
pub fn round_scaled(value: &Exact, digits: u8) -> Option<i64> {
    if digits == 0 { value.round() } else { (value * power_of_ten(u32::from(digits))).round() }
}

/// The value with exactly `digits` digits behind the point, rounded half away from zero: `43.12`, `-0.50`, `3000`.
pub fn to_decimal(value: &Exact, digits: u8) -> Option<String> {
    Some(format_scaled(round_scaled(value, digits)?, digits))
}

/// Writes an integer of `10^-digits` units as a decimal.
pub fn format_scaled(scaled: i64, digits: u8) -> String {
    let sign = if scaled < 0 { "-" } else { "" };
    let magnitude = scaled.unsigned_abs();
    if digits == 0 {
        return format!("{sign}{magnitude}");
    }
    let base = 10_u64.saturating_pow(u32::from(digits));
    format!("{sign}{}.{:0width$}", magnitude / base, magnitude % base, width = usize::from(digits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rounds_half_away_from_zero() {
        let cases = [(1, 2, 1), (-1, 2, -1), (3, 2, 2), (-3, 2, -2), (1, 3, 0), (-2, 3, -1), (104_000, 12, 8667)];
        for (numerator, denominator, expected) in cases {
            assert_eq!(round(&fraction(numerator, denominator).unwrap()), Some(expected), "{numerator}/{denominator}");
        }
    }

    #[test]
    fn a_value_past_64_bits_is_refused_not_wrapped() {
        assert_eq!(round(&(from_int(i64::MAX) + from_int(1))), None);
    }

    #[test]
    fn reads_decimals_and_refuses_the_rest() {
        assert_eq!(parse_decimal("0.000000000001").map(|v| v * from_int(1_000_000_000_000)), Some(from_int(1)));
        assert_eq!(parse_decimal("-12.50").and_then(|v| to_decimal(&v, 2)).as_deref(), Some("-12.50"));
        for bad in ["", ".", "1.", ".5", "+1", "1e3", "NaN", "1,5", " 1", "--1"] {
            assert_eq!(parse_decimal(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange_for_a_number(text in any::<String>(), digits in "-?[0-9.]{0,60}") {
            for text in [text, digits] {
                if let Some(value) = parse_decimal(&text) {
                    let _ = (round(&value), round_scaled(&value, 12));
                    prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.')));
                }
            }
        }

        #[test]
        fn formatting_and_reading_are_inverse(scaled in any::<i64>(), digits in 0_u8..=12) {
            let text = format_scaled(scaled, digits);
            let back = parse_decimal(&text).unwrap();
            prop_assert_eq!(round_scaled(&back, digits), Some(scaled));
        }

        #[test]
        fn rounding_is_symmetric_and_within_a_half(numerator in -1_000_000_i64..1_000_000, denominator in 1_i64..10_000) {
            let value = fraction(numerator, denominator).unwrap();
            let rounded = round(&value).unwrap();
            prop_assert_eq!(round(&-value.clone()), Some(-rounded));
            let distance = (from_int(rounded) - value).abs();
            prop_assert!(distance <= fraction(1, 2).unwrap());
        }
    }
}
