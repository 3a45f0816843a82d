//! When a repository was pushed to and changed. A test changes the company under the running emulator; what differs from
//! what was seen before happened now.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Mutex,
};

use jiff::Timestamp;

use crate::demo::{company::Repository, server::lock};

/// What was seen of each repository, by its number.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<HashMap<u64, Seen>>);

/// A repository as it was seen last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    commits: u64,
    fields: u64,
    /// The last push to any branch.
    pub(super) pushed: Timestamp,
    /// The last change of its own fields, pushes among them.
    pub(super) updated: Timestamp,
}

impl Changes {
    pub(super) fn of(&self, repository: &Repository, now: Timestamp) -> Seen {
        let shas = repository.commits.iter().map(|commit| &commit.sha);
        let commits = hash((shas.clone().next(), shas.clone().next_back(), shas.len()));
        let Repository { owner, name, private, has_issues, archived, description, stars, .. } = repository;
        let fields = hash((owner, name, private, has_issues, archived, description, stars.len()));
        let pushed = repository.commits.last().map_or(repository.created, |commit| commit.committed);
        let mut all = lock(&self.0);
        let seen = all.entry(repository.id).or_insert(Seen { commits, fields, pushed, updated: pushed });
        if seen.commits != commits {
            *seen = Seen { commits, pushed: now, updated: now, ..*seen };
        }
        if seen.fields != fields {
            *seen = Seen { fields, updated: now, ..*seen };
        }
        *seen
    }
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}
