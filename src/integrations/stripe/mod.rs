//! Stripe.

mod answers;
mod discount;
mod mrr;
mod price;
mod settings;
#[cfg(test)]
mod vectors;

use std::sync::Arc;

use async_trait::async_trait;

use super::{AccountInfo, Context, Descriptor, Error, FetchReport, Integration};
use crate::metric::Period;

/// The Stripe integration.
#[derive(Debug)]
pub struct Stripe;

#[async_trait]
impl Integration for Stripe {
    fn descriptor(&self) -> Arc<Descriptor> {
        todo!("skeleton")
    }

    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error> {
        let _ = ctx;
        todo!("skeleton")
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        let _ = (ctx, metrics, period);
        todo!("skeleton")
    }
}
