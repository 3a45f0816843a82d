//! Rebuilds the past of subscriptions from what Stripe still tells of it.

use serde::{Deserialize, Serialize};

use super::{
    subscriptions::{self, Job},
    sweep::{Span, Sweep},
};
use crate::integrations::Error;

/// How far the rebuilding is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Events of the last 30 days are read.
    Events(Sweep),
    /// Invoices are read.
    Invoices(Sweep),
    /// All evidence is there.
    Rebuild,
}

impl Stage {
    pub(super) fn begin(now: i64) -> Self {
        Self::Events(Sweep::of(Span { from: Some(now - 30 * 24 * 60 * 60), to: None }))
    }
}

impl Job<'_> {
    /// Does one stage of the rebuilding.
    pub(super) async fn rebuild(&mut self, _stage: Stage) -> Result<(), Error> {
        self.add_up(false).await?;
        self.progress.stage = subscriptions::Stage::Following;
        Ok(())
    }
}
