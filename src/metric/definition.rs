//! What a metric is.

use serde::Serialize;

use super::{Kind, Unit, Value, ValueMismatch};

/// A metric as an integration declares it. Plain owned data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Definition {
    /// `<integration>_<noun>`, never renamed. An integration whose id has several words may use their initials:
    /// `ga_users` of `google-analytics`. No two integrations share a metric id.
    pub id: String,
    /// What people read on a card.
    pub name: String,
    /// One or two sentences: what is counted, and what is not.
    pub description: String,
    /// What values are counted in.
    pub unit: Unit,
    /// A word that groups metrics in lists: `revenue`, `customers`, `code`.
    pub category: String,
    /// How a dashboard shows it first.
    pub widget_type: WidgetType,
    /// What may be done with values of several days.
    pub kind: Kind,
    /// Which direction is good.
    pub polarity: Polarity,
    /// Values outside are refused as an invalid answer.
    pub valid: ValidRange,
    /// Days after the end of a day during which the provider may still restate it. Such days are read again on every
    /// sync and are marked provisional.
    pub settles_after_days: u16,
    /// How many days back from today the provider can answer, today included: 1 means today alone. `None`: all.
    pub retention_days: Option<u32>,
    /// Version of the formula. Raised when it changes: older points are recomputed or marked.
    pub definition: u32,
    /// What it can be broken down by.
    pub dimension: Option<Dimension>,
    /// The stream that feeds it.
    pub stream: String,
    /// Where the provider tells it, in Markdown: the endpoint, and its field where the endpoint tells several things.
    pub source: String,
    /// What the provider's own screens show instead, and why; `None` where they show the same.
    pub differs: Option<String>,
    /// Whether each new value comes with a receipt.
    pub explained: bool,
    /// A quotient of two amounts of money ([`Value::MoneyShare`]), for ratios in percent or as such: each currency is a
    /// series of its own, and is converted in its parts.
    pub of_money: bool,
    /// Set where the metric is what exchange rates alone did to a level of money.
    pub exchange_effect: Option<ExchangeEffect>,
}

impl Definition {
    /// Whether each series of it is of one currency.
    pub fn has_currency(&self) -> bool {
        self.unit == Unit::Currency || self.of_money
    }

    /// Whether the provider can answer for days before the first sync. What has no past is one day long at first.
    pub fn has_past(&self) -> bool {
        self.retention_days != Some(1)
    }

    /// Whether a value is of this metric's form. Its range is [`ValidRange::holds`].
    pub fn check(&self, value: &Value) -> Result<(), ValueMismatch> {
        value.check(self.unit, self.kind)?;
        if value.currency().is_some() != self.has_currency() {
            return Err(ValueMismatch::Currency);
        }
        Ok(())
    }
}

/// What exchange rates alone did to a level of money, so that its beginning and its movements add up to its end.
///
/// In the currency of the amounts that is nothing, and the integration answers zero. In another one it is, of a day,
/// `of` less `of` of the day before, less all that was `added`, and all that was `subtracted`, each converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExchangeEffect {
    /// The level.
    pub of: String,
    /// Movements that raise it.
    pub added: Vec<String>,
    /// Movements that lower it.
    pub subtracted: Vec<String>,
}

/// What a metric is broken down by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Dimension {
    Plan,
    Page,
    Source,
    Country,
    Repository,
    Project,
    Goal,
    /// Whatever programs push.
    Custom,
}

/// How a dashboard shows a metric first. A `table` has no series of its own but those of its dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum WidgetType {
    Metric,
    Chart,
    Table,
}

/// Which direction is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Polarity {
    UpIsGood,
    DownIsGood,
    Neutral,
}

/// The values that are possible, in the stored unit (of a ratio: the quotient).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidRange {
    /// Anything.
    Any,
    /// Zero or more.
    NotNegative,
    /// A quotient from 0 to 1.
    Share,
}

impl ValidRange {
    /// Whether `value` is possible.
    pub fn holds(self, value: &Value) -> bool {
        let (numerator, denominator) = value.parts();
        let denominator = denominator.unwrap_or(1);
        match self {
            // What is undefined is out of no range.
            _ if !value.is_defined() => true,
            Self::Any => true,
            Self::NotNegative => numerator == 0 || (numerator > 0) == (denominator > 0),
            Self::Share => denominator > 0 && (0..=denominator).contains(&numerator),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Currency, Money};

    #[test]
    fn ranges_hold_what_is_possible() {
        assert!(ValidRange::NotNegative.holds(&Value::Count(0)));
        assert!(!ValidRange::NotNegative.holds(&Value::Count(-1)));
        assert!(ValidRange::Share.holds(&Value::ratio(5, 5).unwrap()));
        assert!(!ValidRange::Share.holds(&Value::ratio(6, 5).unwrap()));
        assert!(ValidRange::Any.holds(&Value::Count(-1)));
        let share =
            |minor, of| Value::money_share(Money::new(minor, Currency::USD), Money::new(of, Currency::USD)).unwrap();
        assert!(!ValidRange::Share.holds(&share(2, 1)));
        assert!(ValidRange::Share.holds(&share(2, 0)), "it has no value that could be out of range");
    }
}
