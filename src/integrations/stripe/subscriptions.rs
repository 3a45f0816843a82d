//! Walks all subscriptions, values them page by page, and adds them up at the end.

use super::{
    answers::Subscription,
    api, customers,
    facts::complete_items,
    figures,
    kept::{Amount, Kept},
    mrr::{self, Around, Facts},
    past_due,
    settings::Rules,
    totals::Totals,
    walk::{self, Walk},
};
use crate::{
    integrations::{Batch, Context, Error, Order, Record},
    metric::Period,
};

/// The stream's id. Its records are subscriptions, by customer.
pub(super) const STREAM: &str = "subscriptions";

/// Records that are looked at together when they are added up.
const SCAN: u32 = 500;

/// What is the same for all subscriptions of a walk.
struct Reader<'a> {
    ctx: &'a Context,
    rules: Rules,
    facts: Facts,
    /// The generation of the customers' discounts; `None` where they could not be read now.
    customers: Option<u64>,
    /// The first instant of the period that is answered.
    from: i64,
    at: i64,
}

/// Reads all subscriptions and answers the wanted metrics. `customers` is the generation of the customers' discounts;
/// without it the last ones known are taken off, and the values are estimates.
pub(super) async fn read(ctx: &Context, wanted: &[&str], period: Period, customers: Option<u64>) -> Result<(), Error> {
    let mut walk: Walk<()> = Walk::resume(ctx, STREAM, period).await?;
    let mut reader = Reader {
        ctx,
        rules: Rules::new(&ctx.settings),
        facts: Facts::default(),
        customers,
        from: ctx.zone.bounds(period).0.as_second(),
        at: ctx.now.as_second(),
    };
    let mut pages = api::subscriptions(&ctx.http, walk.cursor.as_deref());
    let mut assumptions = Vec::new();
    if customers.is_none() {
        assumptions.push("discounts of customers could not be read; the last ones known, if any, are taken off");
    }
    if reader.rules.max_past_due_days.is_some() && !read_open_invoices(ctx, walk.generation).await? {
        assumptions.push("open invoices could not be read; no subscription is past due for too long");
    }
    loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page.body,
            Ok(None) => break,
            Err(error) if walk.begin_again(&error) => {
                pages = api::subscriptions(&ctx.http, None);
                if reader.rules.max_past_due_days.is_some() {
                    read_open_invoices(ctx, walk.generation).await?;
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        walk.cursor = page.data.last().map(|sub| sub.id.clone());
        let batch = reader.value(page.data, walk.generation).await?;
        ctx.commit(walk.note(STREAM, batch)?).await?;
    }
    let totals = add_up(ctx, walk.generation, period).await?;
    past_due::drop_older(ctx, walk.generation).await?;
    let batch = figures::batch(ctx, &totals, wanted, period, assumptions)?;
    ctx.commit(walk.note_end(STREAM, ctx.now.as_second(), batch)?).await
}

/// Whether the open invoices could be read.
async fn read_open_invoices(ctx: &Context, generation: u64) -> Result<bool, Error> {
    Ok(api::if_readable(past_due::read(ctx, generation)).await?.is_some())
}

impl Reader<'_> {
    /// Values a page of subscriptions.
    async fn value(&mut self, subs: Vec<Subscription>, generation: u64) -> Result<Batch, Error> {
        let mut of: Vec<String> = subs.iter().map(|sub| sub.customer.0.clone()).collect();
        of.sort_unstable();
        of.dedup();
        let discounts = customers::discounts(self.ctx, &of, self.customers).await?;
        let past_due: Vec<&str> = match self.rules.max_past_due_days {
            Some(_) => subs.iter().filter(|sub| sub.status == "past_due").map(|sub| sub.id.as_str()).collect(),
            None => Vec::new(),
        };
        let since = past_due::since(self.ctx, &past_due, generation).await?;
        let mut batch = Batch::new();
        for mut sub in subs {
            let mut around = Around {
                customer_discount: discounts.get(&sub.customer.0),
                past_due_since: since.get(&sub.id).copied(),
                invoiced_tax: None,
            };
            self.learn(&mut sub, &mut around).await?;
            let valuation = mrr::value(&sub, &self.facts, &around, &self.rules, self.at);
            let mut kept = Kept::new(&sub, valuation, generation, self.at);
            if sub.ended_at.is_some() {
                // The receipt shows of it what its own answer tells. What was looked up beside hangs on the days that are
                // asked for and on where a walk was taken up again, and the next run would show another amount.
                kept.worth = Amount(mrr::value(&sub, &Facts::default(), &around, &self.rules, self.at).worth);
            }
            let bytes = walk::encode(&kept)?;
            batch = batch.upsert(STREAM, Record { key: sub.id, group: sub.customer.0, bytes });
        }
        Ok(batch)
    }

    /// Fetches what the list does not tell of a subscription, unless it ended before all days that are asked for.
    async fn learn(&mut self, sub: &mut Subscription, around: &mut Around<'_>) -> Result<(), Error> {
        if sub.ended_at.is_some_and(|ended_at| ended_at < self.from) {
            return Ok(());
        }
        let http = &self.ctx.http;
        complete_items(http, sub).await?;
        self.facts.learn(http, mrr::needs(sub, around, self.at)).await?;
        let counts = mrr::standing(sub, around.past_due_since, &self.rules, self.at).is_none();
        if counts && mrr::needs_invoiced_tax(sub, &self.facts) {
            let invoice = api::if_readable(api::latest_invoice(http, &sub.id)).await?.flatten();
            around.invoiced_tax = invoice.as_ref().and_then(mrr::invoiced_tax);
        }
        Ok(())
    }
}

/// Adds up what this walk has kept, customer by customer, and drops what an older one has.
async fn add_up(ctx: &Context, generation: u64, period: Period) -> Result<Totals, Error> {
    let mut totals = Totals::default();
    let mut after: Option<Record> = None;
    loop {
        let records = ctx.scan(STREAM, Order::Group, after.as_ref(), SCAN).await?;
        let mut batch = Batch::new();
        for record in &records {
            let kept: Kept = walk::decode(&record.bytes)?;
            if kept.generation == generation {
                totals.add(record, kept, period, &ctx.zone)?;
            } else {
                batch = batch.delete(STREAM, &record.key);
            }
        }
        if !batch.records.is_empty() {
            ctx.commit(batch).await?;
        }
        after = records.into_iter().next_back();
        if after.is_none() {
            return Ok(totals);
        }
    }
}
