//! Google Analytics 4: who visits a web site or app, what they look at, where they come from and what they spend.
#![doc = include_str!("guide.md")]

mod account;
mod api;
mod descriptor;
mod fetch;
mod flags;
mod metrics;
mod quota;
mod refusal;
mod settings;
mod sheet;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;

use super::{AccountInfo, Context, Descriptor, Error, FetchReport, Integration};
use crate::metric::Period;

/// The Google Analytics integration.
#[derive(Debug)]
pub struct GoogleAnalytics;

#[async_trait]
impl Integration for GoogleAnalytics {
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
