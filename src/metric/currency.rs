//! Currencies and amounts in them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A currency by its three-letter code, always upper case.
///
/// How many digits stand behind the point is Dashtray's one table ([`Currency::digits`]). It follows what payment
/// providers send (providers.md 3.7), not ISO 4217: MGA is sent in whole units, ISK and UGX with two digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

/// Amounts are whole units.
const ZERO_DECIMAL: [&[u8; 3]; 15] = [
    b"BIF", b"CLP", b"DJF", b"GNF", b"JPY", b"KMF", b"KRW", b"MGA", b"PYG", b"RWF", b"VND", b"VUV", b"XAF", b"XOF",
    b"XPF",
];
/// Amounts are thousandths.
const THREE_DECIMAL: [&[u8; 3]; 5] = [b"BHD", b"JOD", b"KWD", b"OMR", b"TND"];

impl Currency {
    /// US dollar, the currency of a project that names none.
    pub const USD: Self = Self(*b"USD");

    /// Digits behind the decimal point of an amount in minor units: 0, 2 or 3.
    pub fn digits(self) -> u8 {
        if ZERO_DECIMAL.contains(&&self.0) {
            0
        } else if THREE_DECIMAL.contains(&&self.0) {
            3
        } else {
            2
        }
    }

    /// The code in upper case.
    pub fn code(&self) -> &str {
        // Only ASCII letters get in.
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        match code.as_bytes() {
            [a, b, c] if code.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase(), c.to_ascii_uppercase()]))
            }
            _ => Err(InvalidCurrency(code.chars().take(20).collect())),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<str>::deserialize(deserializer)?;
        code.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is not a three-letter code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a currency; give three letters such as EUR")]
pub struct InvalidCurrency(String);

/// An amount of one currency in its minor unit (cents, or whole yen).
///
/// There is no `+` for money: an amount may be of another currency, and only the caller knows what to do then.
///
/// ```compile_fail
/// use dashtray::metric::{Currency, Money};
/// let a = Money::new(1, Currency::USD);
/// let b = Money::new(1, "EUR".parse().unwrap());
/// let sum = a + b;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    /// Amount in minor units.
    pub minor: i64,
    /// What it is counted in.
    pub currency: Currency,
}

impl Money {
    /// An amount in minor units.
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// The sum, where both are of one currency and it fits 64 bits.
    pub fn checked_add(self, other: Self) -> Result<Self, CurrencyMismatch> {
        if self.currency != other.currency {
            return Err(CurrencyMismatch::Different(self.currency, other.currency));
        }
        let minor = self.minor.checked_add(other.minor).ok_or(CurrencyMismatch::Overflow)?;
        Ok(Self { minor, currency: self.currency })
    }
}

/// Why two amounts have no sum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CurrencyMismatch {
    /// They are of two currencies.
    #[error("{0} and {1} cannot be added; convert one of them first")]
    Different(Currency, Currency),
    /// The sum needs more than 64 bits.
    #[error("the sum does not fit 64 bits")]
    Overflow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_the_providers_not_isos() {
        let digits = |code: &str| code.parse::<Currency>().unwrap().digits();
        assert_eq!(["usd", "JPY", "kwd", "MGA", "ISK", "UGX"].map(digits), [2, 0, 3, 0, 2, 2]);
    }

    #[test]
    fn refuses_what_is_no_code() {
        for bad in ["", "US", "USDT", "U$D", "€"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }

    #[test]
    fn two_currencies_have_no_sum() {
        let eur = Money::new(5, "EUR".parse().unwrap());
        assert_eq!(
            Money::new(5, Currency::USD).checked_add(eur).unwrap_err().to_string(),
            "USD and EUR cannot be added; convert one of them first"
        );
        assert_eq!(eur.checked_add(eur).unwrap().minor, 10);
    }
}
