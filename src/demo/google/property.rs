//! The properties, and when what happened is counted.

use jiff::{SignedDuration, Timestamp};

use crate::demo::{company::Visit, random::Dice};

/// A property of the simulated company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleProperty {
    /// Its number.
    pub number: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Number of the account it belongs to.
    pub account: &'static str,
    /// The account's name.
    pub account_name: &'static str,
    /// Where its days end, an IANA name.
    pub zone: &'static str,
    /// What it shows amounts in. Those of the site's own currency stay as they are, others are converted at one to one.
    pub currency: &'static str,
    /// Whether it is the one that the company's site tells of its visits; nothing ever happened on any other.
    pub is_site: bool,
    /// Of Analytics 360, with ten times the quotas.
    pub is_360: bool,
    /// What its reports say of their figures.
    pub uncertain: Uncertain,
}

/// In which ways a property's reports are not exact. The figures stay as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uncertain {
    /// Made of a part of the events.
    pub sampled: bool,
    /// Without rows of few people.
    pub thresholded: bool,
    /// With some rows in one that is called (other).
    pub other_row: bool,
}

impl GoogleProperty {
    /// The property of the company's site, with days that end at midnight in a zone.
    pub fn site(zone: &'static str) -> Self {
        Self {
            number: super::super::GOOGLE_PROPERTY,
            name: "Fernwerk website",
            account: "100200300",
            account_name: "Fernwerk",
            zone,
            currency: crate::demo::company::SITE_CURRENCY,
            is_site: true,
            is_360: false,
            uncertain: Uncertain::default(),
        }
    }

    /// The properties that there are unless a test has others: the site's, a new one, and one of somebody else.
    pub fn all() -> Vec<Self> {
        let new = Self { number: "341528791", name: "Fernwerk app", is_site: false, ..Self::site("Europe/Berlin") };
        let other = Self {
            number: "298110042",
            name: "Shop",
            account: "100200301",
            account_name: "Waldladen",
            zone: "America/New_York",
            currency: "EUR",
            is_360: true,
            ..new.clone()
        };
        vec![Self::site("Europe/Berlin"), new, other]
    }
}

/// When a visit is counted: most within four hours, some only a day or almost two after.
pub(super) fn counted_at(visit: &Visit) -> Timestamp {
    let mut dice = Dice::new(visit.visitor.rotate_left(29) ^ visit.at.as_second().unsigned_abs()).fork();
    let minutes = if dice.chance(8) { dice.between(20 * 60, 46 * 60) } else { dice.between(1, 4 * 60) };
    visit.last_at().saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(visit.at)
}
