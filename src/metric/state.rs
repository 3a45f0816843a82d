//! What is known of one day of one series.

use serde::{Deserialize, Serialize};

use super::Value;

/// Exactly one of these holds for every (connection, metric, day) that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The provider gave a value.
    Value,
    /// The provider said zero.
    Zero,
    /// It answered and the value is undefined, as a ratio with denominator 0.
    Empty,
    /// Asked for, not yet read.
    Pending,
    /// Could not be read; says why.
    Failed(FailureKind),
    /// Further back than the provider can answer.
    BeyondRetention,
    /// Not to be had with this plan or permission.
    Unsupported,
}

impl Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Why something failed. The same words in the database, the API and the user's sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A setting is missing or wrong; found before any call.
    InvalidSettings,
    /// The credentials are refused.
    Unauthorized,
    /// A permission is missing.
    Forbidden,
    /// The plan at the provider does not include it.
    PlanRequired,
    /// A configured thing is gone.
    NotFound,
    /// The provider asks to wait.
    RateLimited,
    /// No answer, or a passing fault at the provider.
    Unavailable,
    /// An answer that cannot be understood or is out of range.
    InvalidResponse,
    /// The provider says our request was wrong.
    Rejected,
    /// A fault of Dashtray.
    Internal,
}

impl FailureKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::InvalidSettings,
        Self::Unauthorized,
        Self::Forbidden,
        Self::PlanRequired,
        Self::NotFound,
        Self::RateLimited,
        Self::Unavailable,
        Self::InvalidResponse,
        Self::Rejected,
        Self::Internal,
    ];

    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidSettings => "invalid_settings",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::PlanRequired => "plan_required",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::InvalidResponse => "invalid_response",
            Self::Rejected => "rejected",
            Self::Internal => "internal",
        }
    }
}

impl State {
    /// The word used everywhere.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Zero => "zero",
            Self::Empty => "empty",
            Self::Pending => "pending",
            Self::Failed(_) => "failed",
            Self::BeyondRetention => "beyond_retention",
            Self::Unsupported => "unsupported",
        }
    }

    /// The state of a day that was answered: without a value it is `empty`.
    pub fn of(value: Option<Value>) -> Self {
        match value {
            Some(value) if !value.is_defined() => Self::Empty,
            Some(value) if value.is_zero() => Self::Zero,
            Some(_) => Self::Value,
            None => Self::Empty,
        }
    }

    /// Whether the provider answered for this day.
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Value | Self::Zero | Self::Empty)
    }
}

/// How a value was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// As the provider counts it.
    Exact,
    /// Rebuilt from records of that time.
    Reconstructed,
    /// An assumption fills in for what cannot be read.
    Estimated,
}

/// A day's state and flags, as one small integer in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// What is known.
    pub state: State,
    /// The provider may still restate the day.
    pub provisional: bool,
    /// A later read failed; the last good value stands.
    pub stale: bool,
    /// Read before the day was over: what follows completes it and is no restatement.
    pub partial: bool,
    /// How the value was come by.
    pub quality: Quality,
}

impl Mark {
    /// A final, exact mark.
    pub fn new(state: State) -> Self {
        Self { state, provisional: false, stale: false, partial: false, quality: Quality::Exact }
    }

    /// Bits 0 to 4: state or failure; 5 and 6: quality; 7 provisional, 8 stale, 9 partial.
    pub fn to_code(self) -> i16 {
        let state: i16 = match self.state {
            State::Value => 0,
            State::Zero => 1,
            State::Empty => 2,
            State::Pending => 3,
            State::BeyondRetention => 4,
            State::Unsupported => 5,
            State::Failed(kind) => 16 + kind as i16,
        };
        let quality: i16 = match self.quality {
            Quality::Exact => 0,
            Quality::Reconstructed => 1,
            Quality::Estimated => 2,
        };
        state
            | quality << 5
            | i16::from(self.provisional) << 7
            | i16::from(self.stale) << 8
            | i16::from(self.partial) << 9
    }

    /// Reads a code; `None` where it was never written by [`Mark::to_code`].
    pub fn from_code(code: i16) -> Option<Self> {
        let state = match code & 0b1_1111 {
            0 => State::Value,
            1 => State::Zero,
            2 => State::Empty,
            3 => State::Pending,
            4 => State::BeyondRetention,
            5 => State::Unsupported,
            failed => State::Failed(*FailureKind::ALL.get(usize::try_from(failed - 16).ok()?)?),
        };
        let quality = match code >> 5 & 0b11 {
            0 => Quality::Exact,
            1 => Quality::Reconstructed,
            2 => Quality::Estimated,
            _ => return None,
        };
        let flag = |bit: u8| code >> bit & 1 == 1;
        let mark = Self { state, provisional: flag(7), stale: flag(8), partial: flag(9), quality };
        (0..1 << 10).contains(&code).then_some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_or_is_refused() {
        let mut known = 0;
        for code in i16::MIN..=i16::MAX {
            if let Some(mark) = Mark::from_code(code) {
                assert_eq!(mark.to_code(), code);
                known += 1;
            }
        }
        assert_eq!(known, 16 * 3 * 8);
    }

    #[test]
    fn names_are_the_words_of_the_contract() {
        assert_eq!(serde_json::to_value(State::BeyondRetention).unwrap(), "beyond_retention");
        assert_eq!(serde_json::to_value(State::Failed(FailureKind::Forbidden)).unwrap(), "failed");
        for kind in FailureKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
