//! Stripe: recurring revenue as it is now, and what was taken, refunded and failed day by day.
//!
//! Four streams. `customers` and `subscriptions` are walked whole and then followed by Stripe's events. `balance` and
//! `charges` are dated entries and are read by days; of the days that may still change only what is new. The customers
//! are read before the subscriptions, since a customer's discount reduces what a subscription without one is worth.
#![doc = include_str!("guide.md")]

mod amount;
mod answers;
mod api;
mod codec;
#[cfg(test)]
mod company_tests;
mod connection;
mod customers;
mod daily;
mod descriptor;
mod discount;
mod evidence;
mod facts;
mod feed;
mod figures;
#[cfg(test)]
mod flow_tests;
mod flows;
mod follow;
mod gather;
mod invoice;
mod invoiced;
mod largest;
mod lines;
mod metrics;
mod movements;
mod mrr;
mod past;
mod past_due;
mod price;
mod rebuild;
#[cfg(test)]
mod rebuild_tests;
mod receipt;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod scripted;
mod settings;
mod shapes;
mod subscriptions;
mod sweep;
#[cfg(test)]
mod tests;
mod timeline;
mod totals;
#[cfg(test)]
mod totals_tests;
#[cfg(test)]
mod vectors;

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;

use super::{AccountInfo, Context, Descriptor, Error, FetchReport, Integration};
use crate::metric::{FailureKind, Period};

static DESCRIPTOR: LazyLock<Arc<Descriptor>> = LazyLock::new(|| Arc::new(descriptor::descriptor()));

/// The Stripe integration.
#[derive(Debug)]
pub struct Stripe;

#[async_trait]
impl Integration for Stripe {
    fn descriptor(&self) -> Arc<Descriptor> {
        DESCRIPTOR.clone()
    }

    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error> {
        connection::test(&ctx.http, ctx.now).await
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        let mut report = FetchReport::new(&DESCRIPTOR, metrics);
        let period = Period::new(period.start(), period.end().min(ctx.today().next()));
        let [customers, subscriptions, balance, charges] =
            ["customers", "subscriptions", "balance", "charges"].map(|stream| wanted(stream, metrics));
        let is_due = |wanted: &[&str]| !wanted.is_empty() && !period.is_empty();
        let mut without_customers = None;
        if is_due(&customers) || is_due(&subscriptions) {
            let read = customers::read(ctx, &customers, period).await;
            without_customers = read.as_ref().err().cloned();
            let read = read.map(|correction| report.corrections.extend(correction));
            report.record(&customers, read)?;
        } else {
            report.record(&customers, Ok(()))?;
        }
        if is_due(&subscriptions) {
            let read = match without_customers {
                // Their discounts are part of the figures. What may be there the next time is waited for, or the days would
                // stay estimates.
                Some(error) if error.kind() != FailureKind::Forbidden => Err(error),
                lack => subscriptions::read(ctx, &subscriptions, period, lack.is_none()).await,
            };
            let read = read.map(|corrections| report.corrections.extend(corrections));
            report.record(&subscriptions, read)?;
        } else {
            report.record(&subscriptions, Ok(()))?;
        }
        if !balance.is_empty() {
            report.record(&balance, flows::read_balance(ctx, &balance, period).await)?;
        }
        if !charges.is_empty() {
            report.record(&charges, flows::read_charges(ctx, &charges, period).await)?;
        }
        Ok(report)
    }
}

/// The requested metrics of a stream, each once.
fn wanted<'a>(stream: &str, requested: &'a [String]) -> Vec<&'a str> {
    let mut wanted: Vec<&str> = requested
        .iter()
        .map(String::as_str)
        .filter(|id| DESCRIPTOR.metric(id).is_some_and(|metric| metric.stream == stream))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}
