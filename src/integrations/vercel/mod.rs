//! Vercel: deployments and builds, visits and usage of projects.
#![doc = include_str!("guide.md")]

mod account;
mod api;
mod builds;
mod deployment;
mod descriptor;
mod metrics;
mod projects;
mod series;
mod settings;
#[cfg(test)]
mod tests;
mod usage;
mod visits;

use std::sync::Arc;

use async_trait::async_trait;

use super::{AccountInfo, Context, Descriptor, Error, FetchReport, Integration};
use crate::metric::Period;
use metrics::{Reading, Row};
use projects::Projects;

/// The Vercel integration.
#[derive(Debug)]
pub struct Vercel;

#[async_trait]
impl Integration for Vercel {
    fn descriptor(&self) -> Arc<Descriptor> {
        descriptor::descriptor()
    }

    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error> {
        account::test(ctx).await
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        let mut report = FetchReport::new(&self.descriptor(), metrics);
        let wanted: Vec<&'static Row> = metrics.iter().filter_map(|id| metrics::find(id)).collect();
        for reading in [Reading::Builds, Reading::Visits, Reading::Usage] {
            let rows: Vec<&'static Row> = wanted.iter().copied().filter(|row| row.reading == reading).collect();
            if !rows.is_empty() {
                read(ctx, reading, &rows, period, &mut report).await?;
            }
        }
        Ok(report)
    }
}

/// Does one reading, and notes how its metrics have fared.
async fn read(
    ctx: &Context,
    reading: Reading,
    rows: &[&'static Row],
    period: Period,
    report: &mut FetchReport,
) -> Result<(), Error> {
    let buckets = series::buckets(period, ctx);
    let done = async {
        let mut projects = Projects::resolve(ctx, reading, &buckets).await?;
        match reading {
            Reading::Builds => builds::read(ctx, rows, &mut projects, &buckets).await,
            Reading::Visits => visits::read(ctx, rows, &projects, &buckets).await,
            Reading::Usage => usage::read(ctx, rows, &projects, &buckets).await,
        }
    };
    match done.await {
        Ok(outcomes) => outcomes.into_iter().for_each(|(id, outcome)| report.set(id, outcome)),
        Err(error) => {
            let ids: Vec<&str> = rows.iter().map(|row| row.id).collect();
            report.record(&ids, Err(error))?;
        }
    }
    Ok(())
}
