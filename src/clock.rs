//! The only reader of the system clock. Everything else is handed a [`Clock`] or an instant.

use jiff::Timestamp;

/// Tells the time. Passed on as a value, so that a test or `DASHTRAY_NOW` can say what time it is.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Always this instant: runs under `DASHTRAY_NOW`.
    Frozen(Timestamp),
    /// Starts at an instant and moves with tokio's clock, so that paused time moves both together.
    Ticking {
        /// What the clock showed at `since`.
        start: Timestamp,
        /// When it was started.
        since: tokio::time::Instant,
    },
}

impl Clock {
    /// A clock that shows `start` now and from then on follows tokio's (pausable) time.
    pub fn ticking_from(start: Timestamp) -> Self {
        Self::Ticking { start, since: tokio::time::Instant::now() }
    }

    /// The present instant by this clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask the system")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Frozen(at) => *at,
            Self::Ticking { start, since } => {
                let elapsed = jiff::SignedDuration::try_from(since.elapsed()).unwrap_or(jiff::SignedDuration::MAX);
                start.checked_add(elapsed).unwrap_or(Timestamp::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ticking_clock_follows_paused_time() {
        let start: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        let clock = Clock::ticking_from(start);
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(clock.now().to_string(), "2026-03-01T00:01:30Z");
    }
}
