//! A number as it was written, digit by digit.

/// `digits × 10^-scale`, in lowest terms: no zero at the end that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i128,
    scale: u8,
}

/// Digits that a number may be written with; more than any that can be kept.
const LONGEST: usize = 38;
/// Digits behind the point that a number may need.
pub(super) const MOST_DIGITS: u8 = 12;

impl Decimal {
    /// Reads a number as JSON writes them, exponent included: `-12.50`, `3e2`. The text is all that counts, no float is
    /// made of it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const NONE: &str = "is no number; write it as 12.5, as a number or a text";
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, exponent)) => {
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(NONE);
                }
                (mantissa, exponent.parse::<i32>().unwrap_or(i32::MAX))
            }
        };
        let (is_negative, plain) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let dangles = plain.contains('.') && fraction.is_empty();
        if whole.is_empty() || dangles || !all_digits(whole) || !all_digits(fraction) {
            return Err(NONE);
        }
        let written = format!("{whole}{fraction}");
        let significant = written.trim_start_matches('0');
        let trimmed = significant.trim_end_matches('0');
        if trimmed.is_empty() {
            return Ok(Self { digits: 0, scale: 0 });
        }
        if trimmed.len() > LONGEST {
            return Err("has more digits than can be kept");
        }
        let too_large = "is too large or too small to be kept";
        let dropped = i32::try_from(significant.len() - trimmed.len()).map_err(|_| too_large)?;
        let behind = i32::try_from(fraction.len()).map_err(|_| too_large)?;
        // How far the last digit that says something stands behind the point.
        let scale = behind.saturating_sub(exponent).saturating_sub(dropped);
        let digits: i128 = trimmed.parse().map_err(|_| too_large)?;
        let digits = if is_negative { -digits } else { digits };
        match u8::try_from(scale) {
            Ok(scale) if scale <= MOST_DIGITS => Ok(Self { digits, scale }),
            Ok(_) => Err("has more than 12 digits behind the point"),
            Err(_) if scale > 0 => Err("has more than 12 digits behind the point"),
            Err(_) => {
                let factor = 10_i128.checked_pow(scale.unsigned_abs()).ok_or(too_large)?;
                Ok(Self { digits: digits.checked_mul(factor).ok_or(too_large)?, scale: 0 })
            }
        }
    }

    /// Digits behind the point.
    pub(super) fn scale(self) -> u8 {
        self.scale
    }

    /// The number as an integer of `10^-scale`; `None` where it has more digits than that, or passes 64 bits.
    pub(super) fn scaled(self, scale: u8) -> Option<i64> {
        let factor = 10_i128.checked_pow(u32::from(scale.checked_sub(self.scale)?))?;
        i64::try_from(self.digits.checked_mul(factor)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_json_writes_and_nothing_else() {
        let scaled = |text: &str, scale| Decimal::parse(text).ok().and_then(|number| number.scaled(scale));
        assert_eq!(scaled("12.50", 1), Some(125));
        assert_eq!(scaled("-0.001", 3), Some(-1));
        assert_eq!(scaled("3e2", 0), Some(300));
        assert_eq!(scaled("1.5E-3", 4), Some(15));
        assert_eq!(scaled("100", 0), Some(100));
        assert_eq!(scaled("0.000e99", 0), Some(0));
        assert_eq!(scaled("9223372036854775807", 0), Some(i64::MAX));
        assert_eq!(scaled("9223372036854775808", 0), None);
        assert_eq!(scaled("0.1", 0), None, "it would be another number");
        for bad in ["", "-", ".5", "1.", "+1", "NaN", "Infinity", "1e", "1e+", "0x1", "1_000", "1,5", " 1", "1e400"] {
            assert!(Decimal::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Decimal::parse("1e-400").is_err() && Decimal::parse("0.1234567890123").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eE]{0,60}") {
            let _ = Decimal::parse(&text);
        }

        #[test]
        fn what_was_written_is_what_is_kept(digits in any::<i64>(), scale in 0_u8..=12) {
            let text = crate::metric::exact::format_scaled(digits, scale);
            prop_assert_eq!(Decimal::parse(&text).unwrap().scaled(scale), Some(digits));
        }
    }
}
