//! Walks all customers: how many there are, how many are new, and which have a discount of their own.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    answers::{Customer, Discount},
    api, metrics,
    sweep::Span,
    walk::{self, Walk},
};
use crate::{
    integrations::{Batch, Context, Error, Order, Record},
    metric::{Answer, Day, Period, Sample, Value},
};

/// The stream's id. Its records are the discounts of customers, by customer.
pub(super) const STREAM: &str = "customers";

/// Marks the records of customers whose discount changed and whose subscriptions do not know yet.
pub(super) const CHANGED: &str = "changed:";

/// What a walk adds up.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counts {
    customers: i64,
    new: BTreeMap<Day, i64>,
}

/// A customer's discount as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    generation: u64,
    discount: Discount,
}

/// Reads all customers and answers the wanted metrics. Gives the generation of the discounts that it kept.
pub(super) async fn read(ctx: &Context, wanted: &[&str], period: Period) -> Result<u64, Error> {
    if wanted.is_empty()
        && let Some(generation) = Walk::<Counts>::finished(ctx, STREAM).await?
    {
        // Only the discounts are wanted, and this run has just read them.
        return Ok(generation);
    }
    let mut walk: Walk<Counts> = Walk::resume(ctx, STREAM, period).await?;
    let mut pages = api::customers(&ctx.http, Span::default(), walk.cursor.as_deref());
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page.body,
            Ok(None) => break,
            Err(error) if walk.begin_again(&error) => {
                pages = api::customers(&ctx.http, Span::default(), None);
                continue;
            }
            Err(error) => return Err(error),
        };
        let mut batch = Batch::new();
        for customer in page.data {
            walk.sums.count(&customer, ctx, period)?;
            walk.cursor = Some(customer.id.clone());
            if let Some(record) = record(customer, walk.generation)? {
                batch = batch.upsert(STREAM, record);
            }
        }
        ctx.commit(walk.note(STREAM, batch)?).await?;
    }
    drop_older(ctx, walk.generation).await?;
    let generation = walk.generation;
    let mut batch = Batch::new();
    batch.answers = answers(&walk.sums, wanted, period, ctx.today());
    ctx.commit(walk.note_end(STREAM, ctx.now.as_second(), batch)?).await?;
    Ok(generation)
}

impl Counts {
    fn count(&mut self, customer: &Customer, ctx: &Context, period: Period) -> Result<(), Error> {
        if customer.deleted || customer.created > ctx.now.as_second() {
            return Ok(());
        }
        self.customers += 1;
        let day = metrics::day_of(customer.created, &ctx.zone)?;
        if period.contains(day) {
            *self.new.entry(day).or_default() += 1;
        }
        Ok(())
    }
}

fn answers(counts: &Counts, wanted: &[&str], period: Period, today: Day) -> Vec<Answer> {
    let mut answers = Vec::new();
    let now = period.intersect(Period::single(today));
    if wanted.contains(&"stripe_customers") && !now.is_empty() {
        answers.push(Answer::total("stripe_customers", now, vec![Sample::new(today, Value::Count(counts.customers))]));
    }
    if wanted.contains(&"stripe_new_customers") {
        answers.push(metrics::counts("stripe_new_customers", period, &counts.new));
    }
    answers
}

fn record(customer: Customer, generation: u64) -> Result<Option<Record>, Error> {
    let Some(discount) = customer.discount else { return Ok(None) };
    let kept = Kept { generation, discount };
    Ok(Some(Record { key: customer.id, group: String::new(), bytes: walk::encode(&kept)? }))
}

/// The discounts of some customers, as far as they are known.
pub(super) async fn discounts(ctx: &Context, customers: &[String]) -> Result<HashMap<String, Discount>, Error> {
    let mut discounts = HashMap::new();
    for record in ctx.records(STREAM, customers).await? {
        let kept: Kept = walk::decode(&record.bytes)?;
        discounts.insert(record.key, kept.discount);
    }
    Ok(discounts)
}

async fn drop_older(ctx: &Context, generation: u64) -> Result<(), Error> {
    let mut after: Option<Record> = None;
    loop {
        let records = ctx.scan(STREAM, Order::Key, after.as_ref(), 500).await?;
        let mut batch = Batch::new();
        for record in &records {
            if walk::decode::<Kept>(&record.bytes)?.generation != generation {
                batch = batch.delete(STREAM, &record.key);
            }
        }
        if !batch.records.is_empty() {
            ctx.commit(batch).await?;
        }
        after = records.into_iter().next_back();
        if after.is_none() {
            return Ok(());
        }
    }
}
