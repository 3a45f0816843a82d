//! Up to where events were read, so that each is taken once.
//!
//! Only Stripe's own time counts: the newest event that was seen says from when on the next reading looks. An event may
//! show up after younger ones, so that each reading looks back a little further; what was taken from that time is
//! remembered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{answers::Event, sweep::Span};

/// How late an event may show up, in seconds.
const OVERLAP: i64 = 10 * 60;

/// Where the reading of some kinds of events stands. Part of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// When the newest event was created; `None` before there was any.
    newest: Option<i64>,
    /// Events that may be met again, with their creation.
    taken: BTreeMap<String, i64>,
}

impl Cursor {
    /// After the newest event that there is; what happened shortly before it is taken again.
    pub(super) fn after(newest: Option<i64>) -> Self {
        Self { newest, taken: BTreeMap::new() }
    }

    /// The same without what was taken already.
    pub(super) fn rewound(&self) -> Self {
        Self::after(self.newest)
    }

    /// What the next reading asks for. All there is, where there never was any: whatever comes is new.
    pub(super) fn span(&self) -> Span {
        Span { from: self.newest.map(|newest| newest.saturating_sub(OVERLAP)), to: None }
    }

    /// Whether an event of this id and time has not been taken yet.
    pub(super) fn is_new(&self, id: &str, created: i64) -> bool {
        self.span().from.is_none_or(|from| from <= created) && !self.taken.contains_key(id)
    }

    /// Takes an event.
    pub(super) fn take(&mut self, event: &Event) {
        self.newest = self.newest.max(Some(event.created));
        if self.span().from.is_none_or(|from| from <= event.created) {
            self.taken.insert(event.id.clone(), event.created);
        }
    }

    /// Forgets what no reading will meet again.
    pub(super) fn trim(&mut self) {
        let from = self.span().from;
        self.taken.retain(|_, created| from.is_none_or(|from| from <= *created));
    }
}
