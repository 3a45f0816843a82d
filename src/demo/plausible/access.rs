//! Who asks, and how often.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Mutex,
};

use jiff::{SignedDuration, Timestamp};

use super::problem::Problem;
use crate::demo::server::{Incoming, lock};

/// Requests an hour of one key.
const HOURLY: u32 = 600;

/// A key of the simulated company. Obviously made up, and in the shape of a real one.
#[derive(Debug, Clone)]
pub struct PlausibleKey {
    /// What stands behind `Bearer`.
    pub key: String,
    /// Whether the plan of whoever made it includes the Stats API.
    pub has_plan: bool,
    /// Whether it may list sites.
    pub lists_sites: bool,
    /// Sites of other people's teams, which it does not see.
    pub hidden: BTreeSet<String>,
}

impl PlausibleKey {
    /// A key that may read everything.
    pub fn full(key: &str) -> Self {
        Self { key: key.to_owned(), has_plan: true, lists_sites: true, hidden: BTreeSet::new() }
    }

    /// As it is, but of somebody whose plan has no Stats API.
    pub fn without_plan(mut self) -> Self {
        self.has_plan = false;
        self
    }

    /// As it is, but without the list of sites.
    pub fn without_sites(mut self) -> Self {
        self.lists_sites = false;
        self
    }

    /// As it is, but of another team than this site's.
    pub fn without_access(mut self, site: &str) -> Self {
        self.hidden.insert(site.to_owned());
        self
    }

    pub(super) fn sees(&self, site: &str) -> bool {
        !self.hidden.contains(site)
    }
}

/// The key that a request is signed with.
pub(super) fn key<'a>(keys: &'a [PlausibleKey], request: &Incoming) -> Result<&'a PlausibleKey, Problem> {
    let given = request.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
    let given = given.ok_or_else(Problem::missing_key)?;
    keys.iter().find(|key| key.key == given.trim()).ok_or_else(Problem::no_access)
}

/// The hours under way, by key.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    hours: Mutex<HashMap<String, (Timestamp, u32)>>,
}

impl Budgets {
    /// Counts a request; says whether it is one too many.
    pub(super) fn spend(&self, key: &str, now: Timestamp) -> bool {
        let mut hours = lock(&self.hours);
        let hour = hours.entry(key.to_owned()).or_insert((now, 0));
        if now.duration_since(hour.0) >= SignedDuration::from_hours(1) {
            *hour = (now, 0);
        }
        hour.1 += 1;
        hour.1 > HOURLY
    }
}
