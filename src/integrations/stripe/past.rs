//! Rebuilds the past of subscriptions from what Stripe still tells of it: its events and the lines of its invoices.
//!
//! First all of it is gathered, then the timelines of those that anything is told of are rebuilt. The others keep what
//! was assumed when they were first seen.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    answers::{Event, Subscription},
    api, codec,
    evidence::{Evidence, Reach},
    gather,
    invoice::Invoice,
    mrr::{Around, Needs, PriceKey},
    rebuild,
    subscriptions::{self, Job, STREAM},
    sweep::{Reading, Span, Sweep},
    timeline::{State, Timeline},
};
use crate::integrations::{Batch, Error, Order, Record};

const DAY: i64 = 24 * 60 * 60;
/// Stripe remembers events for 30 days; a day of them is left for the reading.
const REMEMBERED: i64 = 30 * DAY;
const READ: i64 = 29 * DAY;
/// Timelines that are rebuilt together.
const ABREAST: u32 = 100;

/// How far the rebuilding is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stage {
    /// Whether more of the past is wanted than was rebuilt once: only what was before that is rebuilt.
    is_again: bool,
    events_from: i64,
    reach: Reach,
    step: Step,
    /// Whether any timeline came out other than it was added up.
    is_changed: bool,
}

/// The lists that tell of the past, on their way.
pub(super) struct Lists {
    events: Reading<Event>,
    invoices: Reading<Invoice>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Step {
    /// Events are read.
    Events(Sweep),
    /// Invoices are read.
    Invoices(Sweep),
    /// All evidence is there. Rebuilt are those up to a group and a key.
    Rebuild(Option<(String, String)>),
}

impl Stage {
    pub(super) fn begin(now: i64) -> Self {
        let events_from = now - READ;
        let step = Step::Events(Sweep::of(since(events_from)));
        Self { is_again: false, events_from, reach: Reach::default(), step, is_changed: false }
    }

    /// Goes further back than before.
    pub(super) fn again(now: i64) -> Self {
        Self { is_again: true, ..Self::begin(now) }
    }

    /// Whether it came as was assumed when subscriptions were first seen, so that only those must be rebuilt that
    /// anything is told of.
    fn is_as_assumed(&self, observed: i64) -> bool {
        self.is_again || self.reach == Reach { events: Some(observed - READ), invoices: true }
    }
}

/// The timeline of a subscription that was just seen for the first time. Nothing may ever be told of its past; then it is
/// as sure as it can be.
pub(super) fn first_seen(generation: u64, observed: i64, sub: Subscription, around: Around) -> Timeline {
    let rebuilt = rebuild::unchanged_from(&sub, observed - READ);
    let mut timeline = Timeline::new(generation, observed, State { since: 0, sub, around });
    timeline.rebuilt = rebuilt;
    timeline
}

fn since(from: i64) -> Span {
    Span { from: Some(from), to: None }
}

impl Job<'_> {
    /// The lists from which all evidence is gathered. All subscriptions have been seen.
    pub(super) fn lists_of(&self, stage: &Stage) -> Lists {
        self.lists_after(Sweep::of(since(stage.events_from)))
    }

    fn lists_after(&self, events: Sweep) -> Lists {
        let http = &self.ctx.http;
        let from = self.first().saturating_sub(self.progress.longest_period);
        Lists {
            events: Reading::new(http, gather::events, events),
            invoices: Reading::new(http, api::invoices, Sweep::of(since(from))),
        }
    }

    /// Does one step of the rebuilding, from lists that are on their way or are asked for now.
    pub(super) async fn rebuild(&mut self, mut stage: Stage, lists: Option<Lists>) -> Result<(), Error> {
        match stage.step.clone() {
            Step::Events(sweep) => {
                let Lists { events, invoices } = lists.unwrap_or_else(|| self.lists_after(sweep));
                self.gather_events(&mut stage, events).await?;
                self.gather_invoices(stage, invoices).await
            }
            Step::Invoices(sweep) => {
                let invoices = Reading::new(&self.ctx.http, api::invoices, sweep);
                self.gather_invoices(stage, invoices).await
            }
            Step::Rebuild(after) => {
                if stage.is_as_assumed(self.progress.observed) {
                    self.rebuild_told(&mut stage).await?;
                } else {
                    self.rebuild_all(&mut stage, after).await?;
                }
                let (base, now) = (self.progress.base, self.now);
                let is_added_up = self.progress.totals.as_ref().is_some_and(|totals| totals.stands(base, now));
                if stage.is_changed || !is_added_up {
                    self.add_up(false).await?;
                }
                self.progress.stage = subscriptions::Stage::Following;
                Ok(())
            }
        }
    }

    /// Notes how far back invoices must be read because of a subscription.
    pub(super) fn note_period(&mut self, sub: &Subscription) {
        if !self.is_long_over(sub) {
            self.progress.longest_period = self.progress.longest_period.max(gather::longest_period(sub));
        }
    }

    async fn gather_events(&mut self, stage: &mut Stage, mut reading: Reading<Event>) -> Result<(), Error> {
        loop {
            match reading.next().await {
                Ok(Some(page)) => {
                    let batch = gather::take_events(self.ctx, &page, self.first()).await?;
                    stage.step = Step::Events(reading.sweep().clone());
                    self.go_on(stage, batch).await?;
                }
                Ok(None) => {
                    stage.reach.events = Some(stage.events_from.max(self.now - REMEMBERED));
                    break;
                }
                Err(error) if api::is_withheld(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn gather_invoices(&mut self, mut stage: Stage, mut reading: Reading<Invoice>) -> Result<(), Error> {
        stage.step = Step::Invoices(reading.sweep().clone());
        self.go_on(&stage, Batch::new()).await?;
        loop {
            match reading.next().await {
                Ok(Some(page)) => {
                    let batch = gather::take_invoices(self.ctx, page, self.first()).await?;
                    stage.step = Step::Invoices(reading.sweep().clone());
                    self.go_on(&stage, batch).await?;
                }
                Ok(None) => {
                    stage.reach.invoices = true;
                    break;
                }
                Err(error) if api::is_withheld(&error) => break,
                Err(error) => return Err(error),
            }
        }
        stage.step = Step::Rebuild(None);
        self.go_on(&stage, Batch::new()).await
    }

    async fn go_on(&mut self, stage: &Stage, batch: Batch) -> Result<(), Error> {
        self.progress.stage = subscriptions::Stage::Past(stage.clone());
        self.commit(batch).await
    }

    /// Rebuilds those that anything is told of. Evidence goes as it is used, so that what is cut short goes on.
    async fn rebuild_told(&mut self, stage: &mut Stage) -> Result<(), Error> {
        let start = Record { key: gather::PREFIX.to_owned(), group: String::new(), bytes: Vec::new() };
        loop {
            let records = self.ctx.scan(STREAM, Order::Key, Some(&start), ABREAST).await?;
            let ids: Vec<String> =
                records.iter().map_while(|record| record.key.strip_prefix(gather::PREFIX)).map(str::to_owned).collect();
            if ids.is_empty() {
                return Ok(());
            }
            let timelines = self.ctx.records(STREAM, &ids).await?;
            let told = gather::told(&records)?;
            let batch = self.rebuilt(stage, timelines, told).await?;
            self.go_on(stage, batch).await?;
        }
    }

    /// Rebuilds all, in the order of their customers.
    async fn rebuild_all(&mut self, stage: &mut Stage, after: Option<(String, String)>) -> Result<(), Error> {
        let mut after = after.map(|(group, key)| Record { key, group, bytes: Vec::new() });
        loop {
            let timelines = self.ctx.scan(STREAM, Order::Group, after.as_ref(), ABREAST).await?;
            let Some(last) = timelines.last() else { return Ok(()) };
            let place = (last.group.clone(), last.key.clone());
            after = Some(Record { key: place.1.clone(), group: place.0.clone(), bytes: Vec::new() });
            let keys: Vec<String> = timelines.iter().map(|record| gather::key(&record.key)).collect();
            let told = gather::told(&self.ctx.records(STREAM, &keys).await?)?;
            let batch = self.rebuilt(stage, timelines, told).await?;
            stage.step = Step::Rebuild(Some(place));
            self.go_on(stage, batch).await?;
        }
    }

    /// Some timelines with their past, and without the evidence that was used.
    async fn rebuilt(
        &mut self,
        stage: &mut Stage,
        timelines: Vec<Record>,
        mut told: HashMap<String, Evidence>,
    ) -> Result<Batch, Error> {
        let mut batch = told.keys().fold(Batch::new(), |batch, id| batch.delete(STREAM, &gather::key(id)));
        for record in timelines {
            let mut timeline: Timeline = codec::decode(&record.bytes)?;
            let evidence = told.remove(&record.key).unwrap_or_default();
            self.rebuild_one(stage, &mut timeline, &evidence).await?;
            let bytes = codec::encode(&timeline)?;
            if bytes != record.bytes {
                stage.is_changed = true;
                batch = batch.upsert(STREAM, Record { bytes, ..record });
            }
        }
        Ok(batch)
    }

    async fn rebuild_one(&mut self, stage: &Stage, timeline: &mut Timeline, told: &Evidence) -> Result<(), Error> {
        let up_to = if stage.is_again { timeline.rebuilt } else { timeline.observed };
        let Some(current) = timeline.at(up_to).filter(|_| up_to > 0).cloned() else { return Ok(()) };
        let key = |id: &str| PriceKey { id: id.to_owned(), tiers_of: None };
        let prices = told.prices_needed(&current).iter().map(|id| key(id)).collect();
        self.facts.learn(&self.ctx.http, Needs { prices, coupons: BTreeSet::new() }).await?;
        let price = |id: &str| self.facts.price(&key(id), &current.sub.currency);
        let (mut states, rebuilt) = rebuild::rebuild(&current, up_to, stage.reach, told, &price);
        let first = self.first();
        let older = states.len().saturating_sub(1);
        for State { sub, around, .. } in states.iter_mut().take(older) {
            self.facts.complete(&self.ctx.http, sub, around, first).await?;
        }
        timeline.rebuild(up_to, states, rebuilt);
        Ok(())
    }
}
