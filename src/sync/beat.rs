//! Whether the scheduler of this process is alive.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// A scheduler that lives looks every few seconds; one that waits for its database gives up after half a minute.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// When the scheduler began its last round.
#[derive(Debug, Default)]
pub(super) struct Beat(Mutex<Option<Instant>>);

/// How a scheduler fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beating {
    /// It was not started.
    NotStarted,
    /// It goes round.
    Alive,
    /// It has not been heard of for so long.
    Silent(Duration),
}

impl Beat {
    pub(super) fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn now(&self) -> Beating {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match last.map(|last| last.elapsed()) {
            None => Beating::NotStarted,
            Some(silence) if silence > LONGEST_SILENCE => Beating::Silent(silence),
            Some(_) => Beating::Alive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_scheduler_that_is_silent_for_a_minute_is_not_alive() {
        let beat = Beat::default();
        assert_eq!(beat.now(), Beating::NotStarted);
        beat.beat();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(beat.now(), Beating::Alive);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(beat.now(), Beating::Silent(Duration::from_secs(61)));
        beat.beat();
        assert_eq!(beat.now(), Beating::Alive);
    }
}
