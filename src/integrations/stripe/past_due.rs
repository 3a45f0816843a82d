//! Since when subscriptions are past due: the oldest open invoice of each. Read only where a setting asks for it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{api, codec, subscriptions::STREAM};
use crate::integrations::{Batch, Context, Error, Order, Record};

/// Marks the records of invoices among those of their stream. They have no group, so that no total meets them.
const PREFIX: &str = "open_invoice:";

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    generation: u64,
    created: i64,
}

/// Reads all open invoices and keeps for each subscription when its oldest one was created.
pub(super) async fn read(ctx: &Context, generation: u64) -> Result<(), Error> {
    let mut pages = api::open_invoices(&ctx.http);
    while let Some(page) = pages.next().await? {
        // Newest first: what comes later is older and writes over what came before.
        let mut oldest = BTreeMap::new();
        for invoice in &page.body.data {
            if let Some(subscription) = invoice.subscription() {
                oldest.insert(subscription.to_owned(), invoice.created);
            }
        }
        let mut batch = Batch::new();
        for (subscription, created) in oldest {
            let bytes = codec::encode(&Kept { generation, created })?;
            batch = batch.upsert(STREAM, Record { key: key(&subscription), group: String::new(), bytes });
        }
        if !batch.records.is_empty() {
            ctx.commit(batch).await?;
        }
    }
    Ok(())
}

/// Since when these subscriptions are past due, as far as this generation knows.
pub(super) async fn since(
    ctx: &Context,
    subscriptions: &[&str],
    generation: u64,
) -> Result<HashMap<String, i64>, Error> {
    let keys: Vec<String> = subscriptions.iter().map(|id| key(id)).collect();
    let mut since = HashMap::new();
    for record in ctx.records(STREAM, &keys).await? {
        let kept: Kept = codec::decode(&record.bytes)?;
        if let Some(id) = record.key.strip_prefix(PREFIX)
            && kept.generation == generation
        {
            since.insert(id.to_owned(), kept.created);
        }
    }
    Ok(since)
}

/// Since when one subscription is past due, asked for itself.
pub(super) async fn since_of(ctx: &Context, subscription: &str) -> Result<Option<i64>, Error> {
    let mut pages = api::open_invoices_of(&ctx.http, subscription);
    let mut since = None;
    loop {
        match api::if_readable(pages.next()).await? {
            Some(Some(page)) => since = page.body.data.iter().map(|invoice| invoice.created).chain(since).min(),
            _ => return Ok(since),
        }
    }
}

/// Drops what an older walk kept.
pub(super) async fn drop_older(ctx: &Context, generation: u64) -> Result<(), Error> {
    let mut after = Record { key: PREFIX.to_owned(), group: String::new(), bytes: Vec::new() };
    loop {
        let records = ctx.scan(STREAM, Order::Key, Some(&after), 500).await?;
        let mut batch = Batch::new();
        for record in records.iter().filter(|record| record.key.starts_with(PREFIX)) {
            if codec::decode::<Kept>(&record.bytes)?.generation != generation {
                batch = batch.delete(STREAM, &record.key);
            }
        }
        if !batch.records.is_empty() {
            ctx.commit(batch).await?;
        }
        match records.into_iter().next_back() {
            Some(last) if last.key.starts_with(PREFIX) => after = last,
            _ => return Ok(()),
        }
    }
}

fn key(subscription: &str) -> String {
    format!("{PREFIX}{subscription}")
}
