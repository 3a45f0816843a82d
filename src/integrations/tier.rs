//! How good an integration is, as the conformance suite says and nobody else.

use serde::Serialize;

/// The suite's own table, which it writes and holds.
const TABLE: &str = include_str!("conformance.md");

/// The highest tier of which an integration passes every item, and of the tiers below too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The suite has not judged it, or it does not pass the first one.
    Unrated,
    /// What it says of itself is complete and consistent.
    T0,
    /// It is honest: what it cannot tell it does not make up.
    Bronze,
    /// It is reliable, whatever its provider does.
    Silver,
    /// Its numbers are correct, however they are asked for.
    Gold,
}

impl Tier {
    /// All, the lowest first.
    pub const ALL: [Self; 5] = [Self::Unrated, Self::T0, Self::Bronze, Self::Silver, Self::Gold];

    /// That of an integration by its id.
    pub fn of(id: &str) -> Self {
        let rows = TABLE.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
        let word = rows.filter(|cells| cells.get(1) == Some(&id)).find_map(|cells| cells.get(2).copied());
        Self::ALL.into_iter().find(|tier| Some(tier.name()) == word).unwrap_or(Self::Unrated)
    }

    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unrated => "unrated",
            Self::T0 => "t0",
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Gold => "gold",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_not_in_the_table_is_unrated() {
        assert_eq!(Tier::of("nobody"), Tier::Unrated);
        assert_eq!(Tier::of("integration"), Tier::Unrated);
        assert_eq!(Tier::of(""), Tier::Unrated);
    }
}
