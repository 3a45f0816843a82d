//! The form in which exact amounts are kept.

use num_bigint::BigInt;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::metric::Exact;

/// An exact amount in minor units, kept as numerator and denominator.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Amount(pub(super) Exact);

impl Amount {
    /// Adds an amount, or takes it away where the sign is negative.
    pub(super) fn plus(&mut self, amount: &Exact, sign: i64) {
        if sign < 0 {
            self.0 -= amount;
        } else {
            self.0 += amount;
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0.numerator().to_signed_bytes_le(), self.0.denominator().to_signed_bytes_le()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (numerator, denominator) = <(Vec<u8>, Vec<u8>)>::deserialize(deserializer)?;
        let [numerator, denominator] = [numerator, denominator].map(|bytes| BigInt::from_signed_bytes_le(&bytes));
        let amount = Exact::from_parts(numerator, denominator);
        amount.map(Self).ok_or_else(|| D::Error::custom("a denominator is zero"))
    }
}
