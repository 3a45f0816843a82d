//! Gathers evidence of the past, page by page, in one record for each subscription that anything is told of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    answers::{Event, Subscription},
    api, codec,
    evidence::{self, Billed, Evidence, Told},
    invoice::Invoice,
    mrr,
    subscriptions::STREAM,
    sweep::Span,
    timeline::Timeline,
};
use crate::{
    http::Http,
    integrations::{Batch, Context, Error, Record},
};

/// Marks the records of evidence among those of their stream. They have no group, so that no total meets them.
pub(super) const PREFIX: &str = "evidence:";

const DAY: i64 = 24 * 60 * 60;

/// The record's key of a subscription's evidence.
pub(super) fn key(subscription: &str) -> String {
    format!("{PREFIX}{subscription}")
}

/// The way through events that tell of the past.
pub(super) fn events(http: &Http, span: Span, after: Option<&str>) -> api::Listing<Event> {
    api::events(http, &evidence::KINDS, span, after)
}

/// What a page of events tells. Subscriptions that ended before `first`, or are not known, are left out.
pub(super) async fn take_events(ctx: &Context, page: &[Event], first: i64) -> Result<Batch, Error> {
    let mut told: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for (id, what) in page.iter().filter_map(evidence::told) {
        told.entry(id).or_default().push(what);
    }
    let mut kept = of(ctx, told.keys(), first).await?;
    let mut batch = Batch::new();
    for (id, told) in told {
        let Some(mut evidence) = kept.remove(&id) else { continue };
        told.into_iter().for_each(|told| evidence.learn(told));
        batch = batch.upsert(STREAM, record(&id, &evidence)?);
    }
    Ok(batch)
}

/// What a page of invoices tells, in the same way.
pub(super) async fn take_invoices(ctx: &Context, page: Vec<Invoice>, first: i64) -> Result<Batch, Error> {
    let mut billed: Vec<(Invoice, BTreeMap<String, Vec<Billed>>)> = Vec::new();
    for mut invoice in page {
        complete(&ctx.http, &mut invoice).await?;
        let lines = evidence::billed(&invoice);
        billed.push((invoice, lines));
    }
    let ids: BTreeSet<&String> = billed.iter().flat_map(|(_, lines)| lines.keys()).collect();
    let mut kept = of(ctx, ids, first).await?;
    let mut changed = BTreeSet::new();
    for (invoice, lines) in billed {
        for (id, lines) in lines {
            if let Some(evidence) = kept.get_mut(&id) {
                evidence.bill(lines, &invoice.discounts);
                changed.insert(id);
            }
        }
    }
    let mut batch = Batch::new();
    for id in changed {
        if let Some(evidence) = kept.get(&id) {
            batch = batch.upsert(STREAM, record(&id, evidence)?);
        }
    }
    Ok(batch)
}

fn record(subscription: &str, evidence: &Evidence) -> Result<Record, Error> {
    Ok(Record { key: key(subscription), group: String::new(), bytes: codec::encode(evidence)? })
}

/// The evidence in some records, by subscription.
pub(super) fn told(records: &[Record]) -> Result<HashMap<String, Evidence>, Error> {
    let told = records.iter().filter_map(|record| Some((record.key.strip_prefix(PREFIX)?, &record.bytes)));
    told.map(|(id, bytes)| Ok((id.to_owned(), codec::decode(bytes)?))).collect()
}

/// What is kept of some subscriptions so far, of each that is known and did not end before an instant.
async fn of(
    ctx: &Context,
    subscriptions: impl IntoIterator<Item = &String>,
    first: i64,
) -> Result<HashMap<String, Evidence>, Error> {
    let keys: Vec<String> = subscriptions.into_iter().flat_map(|id| [id.clone(), key(id)]).collect();
    let records = ctx.records(STREAM, &keys).await?;
    let mut told = told(&records)?;
    let mut of = HashMap::new();
    for record in records.iter().filter(|record| !record.key.starts_with(PREFIX)) {
        let timeline: Timeline = codec::decode(&record.bytes)?;
        let ended_at = timeline.newest().and_then(|state| state.sub.ended_at);
        if ended_at.is_none_or(|ended_at| first <= ended_at) {
            of.insert(record.key.clone(), told.remove(&record.key).unwrap_or_default());
        }
    }
    Ok(of)
}

/// Reads the lines that did not fit into the invoice's own answer.
async fn complete(http: &Http, invoice: &mut Invoice) -> Result<(), Error> {
    if !invoice.lines.has_more {
        return Ok(());
    }
    let last = invoice.lines.data.last().map(|line| line.id.clone());
    let mut pages = api::lines(http, &invoice.id, last.as_deref());
    while let Some(page) = pages.next().await? {
        invoice.lines.data.extend(page.body.data);
    }
    invoice.lines.has_more = false;
    Ok(())
}

/// Seconds of the longest period that a subscription is billed for: invoices so much older still tell.
pub(super) fn longest_period(sub: &Subscription) -> i64 {
    let licensed = sub.items.data.iter().filter(|item| mrr::is_licensed(item));
    let period = licensed.filter_map(|item| item.price.recurring.as_ref()).map(|recurring| {
        let days = match recurring.interval.as_str() {
            "day" => 1,
            "week" => 7,
            "month" => 31,
            _ => 366,
        };
        recurring.interval_count.saturating_mul(days * DAY)
    });
    period.max().unwrap_or(0)
}
