//! Plausible Analytics: visitors, visits and goals of a web site.
#![doc = include_str!("guide.md")]

mod account;
mod api;
mod descriptor;
mod fetch;
mod kept;
mod metrics;
mod number;
mod old;
mod refusal;
mod samples;
mod settings;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;

use super::{AccountInfo, Context, Descriptor, Error, FetchReport, Integration};
use crate::metric::Period;

/// The Plausible integration.
#[derive(Debug)]
pub struct Plausible;

#[async_trait]
impl Integration for Plausible {
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
