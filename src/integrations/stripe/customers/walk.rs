//! A walk over all customers, page by page, that goes on where it was cut short.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    super::{
        answers::Customer,
        api,
        codec::{decode, encode},
        feed::Cursor,
        metrics,
        sweep::{Reading, Span, Sweep},
    },
    CHANGED, STREAM, State, discounts,
    events::{self, Happened, What},
    headcount::{Counts, Front},
};
use crate::{
    integrations::{Batch, Context, Error, Order, Record},
    metric::Day,
};

/// How the key of a record begins that holds the ids of a page.
const MET: &str = "met:";
/// Days whose new customers are kept even where fewer are asked for.
const KEPT_DAYS: i32 = 90;
/// Records that are looked at together.
const SCAN: u32 = 500;
/// Pages of ids that are looked at together.
const PAGES: usize = 20;
/// Customers whose difference is remembered by name; more of them are only counted.
const NAMED: usize = 1000;

/// Where a walk stands.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Walk {
    /// The run in which it began, in seconds since 1970, and its day.
    pub(super) began_at: i64,
    pub(super) day: Day,
    pub(super) counts: Counts,
    pub(super) front: Front,
    /// The newest event before it began. `None` where events may not be read.
    pub(super) cursor: Option<Cursor>,
    pub(super) differing: Differing,
    sweep: Sweep,
    generation: u64,
    pages: u32,
}

/// Customers whose discount was not kept as Stripe has it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Differing {
    count: u64,
    names: BTreeSet<String>,
}

impl Differing {
    fn add(&mut self, customer: &str) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.insert(customer.to_owned());
        }
    }

    /// How many there are beside those of whom events tell.
    pub(super) fn beside(&self, happened: &[Happened]) -> u64 {
        let told: BTreeSet<&String> = happened
            .iter()
            .map(|happened| &happened.customer)
            .filter(|customer| self.names.contains(*customer))
            .collect();
        self.count.saturating_sub(told.len() as u64)
    }
}

impl Walk {
    /// A new one, in the place of one that is too old to go on. Who was new on which day is told from a day on.
    pub(super) async fn begin(
        ctx: &Context,
        state: &mut State,
        abandoned: Option<Self>,
        from: Day,
    ) -> Result<Self, Error> {
        let cursor = state.known.as_ref().and_then(|known| known.cursor.as_ref()).map(Cursor::rewound);
        state.generation = state.generation.saturating_add(1);
        let since = from.min(ctx.today().plus(-KEPT_DAYS));
        let walk = Self {
            began_at: ctx.now.as_second(),
            day: ctx.today(),
            counts: Counts::new(since),
            front: Front::default(),
            cursor,
            differing: Differing::default(),
            sweep: Sweep::of(Span::default()),
            generation: state.generation,
            pages: 0,
        };
        if let Some(abandoned) = abandoned {
            ctx.commit(state.noted(Some(&walk), abandoned.without_met(Batch::new()))?).await?;
        }
        Ok(walk)
    }

    /// Walks to the end.
    pub(super) async fn go_on(&mut self, ctx: &Context, state: &State) -> Result<(), Error> {
        let mut reading = Reading::new(&ctx.http, api::customers, self.sweep.clone());
        if self.pages == 0 && self.cursor.is_none() {
            // What happens from here on is told by events, whenever the walk comes by. While the first page is on its way:
            // what happened shortly before is told too.
            self.cursor = events::from_now_on(&ctx.http).await?;
        }
        while let Some(page) = reading.next().await? {
            let batch = self.meet(ctx, state, page).await?;
            self.sweep = reading.sweep().clone();
            ctx.commit(state.noted(Some(self), batch)?).await?;
        }
        Ok(())
    }

    /// Counts a page, and keeps the discounts on it.
    async fn meet(&mut self, ctx: &Context, state: &State, mut page: Vec<Customer>) -> Result<Batch, Error> {
        if self.pages == 0 {
            self.front = Front::of(&page);
        }
        page.retain(|customer| self.front.meet(customer));
        let mut batch = Batch::new();
        if self.cursor.is_some() {
            let ids: Vec<&str> = page.iter().map(|customer| customer.id.as_str()).collect();
            let record = Record { key: self.met(self.pages), group: String::new(), bytes: encode(&ids)? };
            batch = batch.upsert(STREAM, record);
        }
        self.pages = self.pages.saturating_add(1);
        for customer in &page {
            self.counts.add(metrics::day_of(customer.created, &ctx.zone)?);
        }
        page.retain(|customer| customer.discount.is_some());
        let ids: Vec<String> = page.iter().map(|customer| customer.id.clone()).collect();
        let kept = discounts::of(ctx, &ids).await?;
        for customer in page {
            let Some(discount) = discounts::own(customer.discount, customer.test_clock.is_some()) else { continue };
            if kept.get(&customer.id) != Some(&discount) {
                batch = self.differs(ctx, state, &customer.id, batch)?;
            }
            batch = batch.upsert(STREAM, discounts::record(&customer.id, self.generation, discount)?);
        }
        Ok(batch)
    }

    /// Notes that a discount was not kept as it is, if any were.
    fn differs(&mut self, ctx: &Context, state: &State, customer: &str, batch: Batch) -> Result<Batch, Error> {
        if state.known.is_none() {
            return Ok(batch);
        }
        self.differing.add(customer);
        Ok(batch.upsert(STREAM, discounts::changed(customer, ctx.now.as_second())?))
    }

    /// Takes in what happened while it went on.
    pub(super) async fn take_in(&mut self, ctx: &Context, happened: &[Happened]) -> Result<(), Error> {
        let deleted: HashSet<&str> = { happened.iter() }
            .filter(|happened| happened.what == What::Deleted)
            .map(|happened| happened.customer.as_str())
            .collect();
        let mut counted = self.met_among(ctx, &deleted).await?;
        for Happened { customer, born_at, what, .. } in happened {
            match what {
                What::Created if self.front.is_before(customer, *born_at) => {
                    counted.insert(customer.clone());
                    self.counts.add(metrics::day_of(*born_at, &ctx.zone)?);
                }
                What::Deleted if counted.remove(customer) => {
                    self.counts.remove(metrics::day_of(*born_at, &ctx.zone)?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Which of some customers it has met.
    async fn met_among(&self, ctx: &Context, customers: &HashSet<&str>) -> Result<HashSet<String>, Error> {
        let mut met = HashSet::new();
        if customers.is_empty() {
            return Ok(met);
        }
        let pages: Vec<String> = (0..self.pages).map(|page| self.met(page)).collect();
        for some in pages.chunks(PAGES) {
            for record in ctx.records(STREAM, some).await? {
                let ids: Vec<String> = decode(&record.bytes)?;
                met.extend(ids.into_iter().filter(|id| customers.contains(id.as_str())));
            }
        }
        Ok(met)
    }

    /// Drops the discounts that it has not met: they are no more.
    pub(super) async fn drop_unmet(&mut self, ctx: &Context, state: &State) -> Result<(), Error> {
        let mut after: Option<Record> = None;
        loop {
            let records = ctx.scan(STREAM, Order::Key, after.as_ref(), SCAN).await?;
            let mut batch = Batch::new();
            for Record { key, .. } in unmet(&records, self.generation)? {
                batch = self.differs(ctx, state, key, batch)?.delete(STREAM, key);
            }
            if !batch.records.is_empty() {
                ctx.commit(state.noted(Some(self), batch)?).await?;
            }
            after = records.into_iter().next_back();
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Removes the ids of those it has met.
    pub(super) fn without_met(&self, batch: Batch) -> Batch {
        let pages = if self.cursor.is_some() { self.pages } else { 0 };
        (0..pages).fold(batch, |batch, page| batch.delete(STREAM, &self.met(page)))
    }

    /// The key of a page's ids.
    fn met(&self, page: u32) -> String {
        format!("{MET}{}:{page}", self.generation)
    }
}

/// The discounts of another generation.
fn unmet(records: &[Record], generation: u64) -> Result<Vec<&Record>, Error> {
    let mut unmet = Vec::new();
    for record in records.iter().filter(|record| !record.key.starts_with(CHANGED) && !record.key.starts_with(MET)) {
        if discounts::generation(record)? != generation {
            unmet.push(record);
        }
    }
    Ok(unmet)
}
