//! What a value is counted in, and what may be done with several of them.

use serde::Serialize;

/// What a metric is counted in. Values are stored in the smallest unit named here and leave normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Whole things.
    Count,
    /// Money, stored in minor units; each series names its currency. Leaves in currency units with its digits.
    Currency,
    /// A duration, stored in milliseconds. Leaves in seconds with up to three decimals.
    Seconds,
    /// Bytes.
    Bytes,
    /// A share of the whole, only for [`Kind::Ratio`] and [`Kind::Statistic`]. Leaves as percent with two decimals.
    Percent,
    /// Any other quotient, only for [`Kind::Ratio`] and [`Kind::Statistic`]. Leaves with four decimals.
    Ratio,
    /// A decimal number, stored as an integer of `10^-scale`.
    Decimal {
        /// Digits behind the point, at most 12.
        scale: u8,
    },
}

impl Unit {
    /// The name that leaves for people, API and command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Currency => "currency",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Percent => "percent",
            Self::Ratio => "ratio",
            Self::Decimal { .. } => "decimal",
        }
    }
}

impl Serialize for Unit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What may be done with values of several days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Happens during a day; may be summed over days.
    Flow,
    /// Stands at the end of a day; the last value of a period counts.
    Level,
    /// Numerator and denominator are kept and recombined.
    Ratio,
    /// Counts different things; days overlap, so it may not be summed.
    Distinct,
    /// A median, percentile or a provider's average; never combined, recomputed or asked for the period.
    Statistic,
}

impl Kind {
    /// Whether values of several days make that of the period. Of the others a period has to be asked for.
    pub fn combines(self) -> bool {
        !matches!(self, Self::Distinct | Self::Statistic)
    }
}
