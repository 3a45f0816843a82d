//! GitHub: code, reviews, releases, Actions and traffic of repositories.
#![doc = include_str!("guide.md")]

mod account;
mod activity;
mod api;
mod descriptor;
mod fetch;
mod lists;
mod metrics;
mod past;
mod refusal;
mod repositories;
mod series;
mod settings;
mod stars;
#[cfg(test)]
mod tests;
mod totals;
mod workflows;

use std::sync::Arc;

use async_trait::async_trait;

use super::{AccountInfo, Context, Descriptor, Error, FetchReport, Integration};
use crate::metric::Period;

/// The GitHub integration.
#[derive(Debug)]
pub struct Github;

#[async_trait]
impl Integration for Github {
    fn descriptor(&self) -> Arc<Descriptor> {
        descriptor::descriptor()
    }

    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error> {
        account::test(ctx).await
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        fetch::fetch(ctx, FetchReport::new(&self.descriptor(), metrics), metrics, period).await
    }
}
