//! __NAME__: users and revenue.
//!
//! `api.rs` asks, `metrics.rs` makes samples of the answers, this file joins the two.

mod api;
mod metrics;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    AccountInfo, BaseUrl, Batch, Category, Context, CredentialField, Descriptor, Error, FetchReport, FieldKind,
    Integration, ZonePolicy,
};
use crate::{
    http::{Auth, Limits, Window, WindowScope},
    metric::Period,
};

/// The __NAME__ integration.
#[derive(Debug)]
pub struct __TYPE__;

static DESCRIPTOR: LazyLock<Arc<Descriptor>> = LazyLock::new(|| {
    Arc::new(Descriptor {
        id: "__ID__".to_owned(),
        name: "__NAME__".to_owned(),
        category: Category::Analytics,
        icon: include_str!("icon.svg").to_owned(),
        summary: "Users and revenue of an account.".to_owned(),
        auth: Auth::Bearer { field: "api_key".to_owned() },
        credentials: vec![CredentialField {
            key: "api_key".to_owned(),
            label: "API Key".to_owned(),
            placeholder: "Enter your __TITLE__ API key".to_owned(),
            kind: FieldKind::Password,
            required: true,
            help_text: "Find your API key in __TITLE__ Settings → API".to_owned(),
            pattern: None,
            rejected_prefixes: Vec::new(),
            link: None,
        }],
        settings: Vec::new(),
        base_url: BaseUrl::Fixed("https://api.__ID__.com".to_owned()),
        hosts: Vec::new(),
        headers: Vec::new(),
        limits: Limits {
            windows: vec![Window { scope: WindowScope::Everything, calls: 60, per: Duration::from_secs(60) }],
            concurrent: 4,
            headers: None,
            wait_unless_said: Duration::from_secs(60),
        },
        exceptions: Vec::new(),
        streams: metrics::streams(),
        metrics: metrics::definitions(),
        sync_interval_minutes: 30,
        zone: ZonePolicy::Utc,
        history_days: 90,
        guide: include_str!("guide.md").to_owned(),
    })
});

#[async_trait]
impl Integration for __TYPE__ {
    fn descriptor(&self) -> Arc<Descriptor> {
        DESCRIPTOR.clone()
    }

    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error> {
        let account = api::account(&ctx.http).await?;
        Ok(AccountInfo {
            id: account.id,
            label: account.name,
            zone: None,
            currency: None,
            info: serde_json::Map::new(),
            checks: Vec::new(),
            choices: std::collections::BTreeMap::new(),
        })
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        let mut report = FetchReport::new(&DESCRIPTOR, metrics);
        let wanted = |id: &str| metrics.iter().any(|metric| metric == id);
        if wanted(metrics::USERS) {
            report.record(&[metrics::USERS], users(ctx, period).await)?;
        }
        if wanted(metrics::REVENUE) {
            report.record(&[metrics::REVENUE], revenue(ctx, period).await)?;
        }
        Ok(report)
    }
}

async fn users(ctx: &Context, period: Period) -> Result<(), Error> {
    let users = api::users(&ctx.http).await?;
    ctx.commit(Batch::new().answer(metrics::users(&users, ctx.today(), period))).await
}

async fn revenue(ctx: &Context, period: Period) -> Result<(), Error> {
    let days = api::revenue(&ctx.http, ctx.zone.bounds(period)).await?;
    ctx.commit(Batch::new().answer(metrics::revenue(&days, period)?)).await
}
