//! Which integrations there are.

use std::sync::Arc;

use super::{Descriptor, Integration};
use crate::nearest::nearest;

/// The integrations of this build, one line each, by id. `scripts/new-integration` adds to it.
#[rustfmt::skip]
fn builtin() -> Vec<Arc<dyn Integration>> {
    vec![
        Arc::new(super::github::Github),
        Arc::new(super::google_analytics::GoogleAnalytics),
        Arc::new(super::plausible::Plausible),
        Arc::new(super::stripe::Stripe),
        Arc::new(super::vercel::Vercel),
    ]
}

/// A set of integrations, in the order of their ids. The list is an argument of the app, so that tests bring their own.
#[derive(Clone)]
pub struct Registry {
    integrations: Vec<Arc<dyn Integration>>,
}

/// No integration has that id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownIntegration {
    id: String,
    nearest: Option<String>,
    known: Vec<String>,
}

impl Registry {
    /// The integrations that come with Dashtray.
    pub fn builtin() -> Self {
        Self::new(builtin())
    }

    /// A registry of these integrations.
    pub fn new(mut integrations: Vec<Arc<dyn Integration>>) -> Self {
        integrations.sort_by_key(|integration| integration.descriptor().id.clone());
        Self { integrations }
    }

    /// The integration with that id.
    pub fn get(&self, id: &str) -> Result<Arc<dyn Integration>, UnknownIntegration> {
        let found = self.integrations.iter().find(|integration| integration.descriptor().id == id);
        found.cloned().ok_or_else(|| {
            let known: Vec<String> = self.descriptors().map(|descriptor| descriptor.id.clone()).collect();
            let nearest = nearest(id, known.iter().map(String::as_str)).map(str::to_owned);
            UnknownIntegration { id: id.chars().take(60).collect(), nearest, known }
        })
    }

    /// All integrations.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Integration>> {
        self.integrations.iter()
    }

    /// All descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = Arc<Descriptor>> {
        self.integrations.iter().map(|integration| integration.descriptor())
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.descriptors().map(|descriptor| descriptor.id.clone())).finish()
    }
}

impl std::fmt::Display for UnknownIntegration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Integration not found: {}", self.id)?;
        match &self.nearest {
            Some(nearest) => write!(f, ". Did you mean {nearest}?"),
            None => write!(f, ". There are: {}", self.known.join(", ")),
        }
    }
}

impl std::error::Error for UnknownIntegration {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_integrations_share_a_metric() {
        let descriptors: Vec<Arc<Descriptor>> = Registry::builtin().descriptors().collect();
        let mut ids: Vec<&str> = descriptors.iter().flat_map(|one| &one.metrics).map(|one| one.id.as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids.windows(2).find(|pair| pair[0] == pair[1]), None);
    }
}
