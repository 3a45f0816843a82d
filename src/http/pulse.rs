//! Signs of life: whether somebody asks anything of us.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts what is asked for, and what of it is under way.
#[derive(Debug, Default)]
pub struct Pulse {
    begun: AtomicU64,
    under_way: AtomicU64,
}

/// Something that was asked for, as long as it is under way.
#[derive(Debug)]
pub struct Beat<'a>(&'a Pulse);

impl Pulse {
    /// Something is asked for.
    pub fn beat(&self) -> Beat<'_> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Beat(self)
    }

    /// How much was asked for so far.
    pub fn count(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether something is under way.
    pub fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Beat<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
