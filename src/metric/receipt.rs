//! How a computed value came about.

use serde::{Deserialize, Serialize};

use super::{Currency, Day};

/// Explains one computed value: what was counted, what was left out and why. Amounts are normalised decimal strings;
/// the terms and `other` add up to `value`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The metric explained.
    pub metric_id: String,
    /// Set where the value is money.
    pub currency: Option<Currency>,
    /// The day of the value.
    pub date: Day,
    /// The value as it leaves.
    pub value: String,
    /// The formula in words.
    pub formula: String,
    /// Version of the definition.
    pub definition: u32,
    /// The settings that the value depends on.
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// The largest contributions by name.
    pub terms: Vec<Term>,
    /// All contributions that are not named.
    pub other: Other,
    /// How and where it was rounded.
    pub rounding: String,
    /// What was left out, by reason.
    pub excluded: Vec<Excluded>,
    /// What other settings would make of it.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
}

/// One contribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// What a person recognises it by.
    pub label: String,
    /// The provider's id of it.
    pub entity_id: String,
    /// What it adds, normalised.
    pub amount: String,
}

/// The contributions that are not named one by one, the rounding difference included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// How many.
    pub count: u64,
    /// What they add, normalised.
    pub amount: String,
}

/// Things that were left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// What they would have added, normalised; zero where that cannot be known.
    pub amount: String,
}

/// What one other setting would make of the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Which setting.
    pub setting: String,
    /// What it would be set to instead.
    pub value: String,
    /// By how much the metric would differ, normalised and signed.
    pub amount: String,
    /// The same in words: "with past due left out 120.00 less".
    pub sentence: String,
}
