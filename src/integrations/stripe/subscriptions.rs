//! Keeps the timelines of all subscriptions up to date and tells what they come to.
//!
//! First all subscriptions are walked, then their past is rebuilt, and from then on Stripe's events tell what changes.
//! Where that stands is the stream's checkpoint. Once a day everything is walked again; what differs then was missed.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    answers::Subscription,
    api, codec, customers,
    facts::Facts,
    figures::Figures,
    follow, metrics,
    mrr::{self, Around, Needs},
    past, past_due, receipt,
    settings::Rules,
    sweep::{Reading, Span, Sweep},
    timeline::{State, Timeline},
    totals::{Frame, Totals},
};
use crate::{
    integrations::{Batch, Context, Correction, Error, Order, Record},
    metric::{Day, Period},
};

/// The stream's id. Its records are timelines by customer, and a few of other kinds whose keys have a prefix.
pub(super) const STREAM: &str = "subscriptions";

/// Samples that are handed in together.
const TOLD_AT_ONCE: usize = 1000;
/// Records that are looked at together when they are added up.
const SCAN: u32 = 500;
const HOUR: i64 = 60 * 60;
/// After so long all subscriptions are walked again.
const WALK_AFTER: i64 = 24 * HOUR;
/// Up to so many subscriptions are one page, and are all read on each sync: that costs no more than to ask for events.
const ONE_PAGE: u64 = 100;
/// Stripe forgets events after 30 days. What was followed no further than this is walked again at once.
const EVENTS_LAST: i64 = 25 * 24 * HOUR;

/// Where the stream stands: its checkpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) stage: Stage,
    /// Raised with each walk.
    pub(super) generation: u64,
    /// When the last walk began.
    pub(super) walked_at: i64,
    /// When the first walk began: what was before is rebuilt.
    pub(super) observed: i64,
    /// The day before the first that is told.
    pub(super) base: Day,
    /// Seconds of the longest period that any subscription is billed for.
    pub(super) longest_period: i64,
    /// Creation time of the newest event that was taken account of, by Stripe's clock; `None` where events may not be
    /// read.
    pub(super) followed: Option<i64>,
    /// Subscriptions that the walk found other than they were kept.
    pub(super) suspects: BTreeSet<String>,
    pub(super) totals: Option<Totals>,
    /// Subscriptions that were added up.
    subscriptions: u64,
}

/// What is to be done next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Stage {
    /// All subscriptions are read.
    Walk(Sweep),
    /// Evidence of the past is gathered, then timelines are rebuilt.
    Past(past::Stage),
    /// Everything is known; events tell what changes.
    Following,
}

/// One run of the stream.
pub(super) struct Job<'a> {
    pub(super) ctx: &'a Context,
    pub(super) rules: Rules,
    pub(super) facts: Facts,
    pub(super) progress: Progress,
    pub(super) now: i64,
    /// What could not be read for the whole account and makes figures estimates.
    assumptions: Vec<&'static str>,
}

/// Brings the stream up to date and answers the wanted metrics. Where the customers could not be read, the discounts
/// last known are taken off and the values are estimates.
pub(super) async fn read(
    ctx: &Context,
    wanted: &[&str],
    period: Period,
    has_customers: bool,
) -> Result<Vec<Correction>, Error> {
    let mut job = Job::resume(ctx, period).await?;
    if !has_customers {
        job.assumptions.push("discounts of customers could not be read; the last ones known, if any, are taken off");
    }
    let was_following = matches!(job.progress.stage, Stage::Following);
    let corrected = job.catch_up(wanted).await?;
    let today = Period::single(ctx.today());
    if !was_following && period.intersect(today).is_empty() {
        // The walk told the present before it knew the past that movements are measured against.
        job.tell(wanted, today).await?;
    }
    job.tell(wanted, period).await?;
    let count = u64::try_from(corrected).unwrap_or(u64::MAX);
    let (noun, verb) = if count == 1 { ("subscription", "was") } else { ("subscriptions", "were") };
    let message = format!("{count} {noun} differed from what was kept and {verb} corrected");
    let correction = Correction { stream: STREAM.to_owned(), count, message };
    Ok(if count == 0 { Vec::new() } else { vec![correction] })
}

impl<'a> Job<'a> {
    async fn resume(ctx: &'a Context, period: Period) -> Result<Self, Error> {
        let now = ctx.now.as_second();
        let base = period.start().plus(-1);
        let kept: Option<Progress> = ctx.checkpoint(STREAM).await?.map(|bytes| codec::decode(&bytes)).transpose()?;
        let mut progress = match kept {
            Some(kept) => kept,
            None => Progress {
                stage: Stage::Walk(Sweep::of(Span::default())),
                generation: 1,
                walked_at: now,
                observed: now,
                base,
                longest_period: 0,
                followed: None,
                suspects: BTreeSet::new(),
                totals: None,
                subscriptions: 0,
            },
        };
        if base < progress.base {
            // More of the past is wanted than was rebuilt.
            progress.base = base;
            if matches!(progress.stage, Stage::Past(_) | Stage::Following) {
                progress.stage = Stage::Past(past::Stage::again(now));
            }
        }
        let rules = Rules::new(&ctx.settings);
        Ok(Self { ctx, rules, facts: Facts::default(), progress, now, assumptions: Vec::new() })
    }

    /// Does all that is to be done. Gives how many subscriptions were found other than they were kept.
    async fn catch_up(&mut self, wanted: &[&str]) -> Result<usize, Error> {
        if matches!(self.progress.stage, Stage::Following) {
            // Before anything else: what is taken in is counted as of now.
            self.turn().await?;
            let is_late = self.progress.followed.is_none_or(|followed| self.now - followed >= EVENTS_LAST);
            if is_late {
                self.progress.followed = follow::newest_event(self.ctx).await?;
            } else {
                self.follow().await?;
            }
            let is_due = self.now - self.progress.walked_at >= WALK_AFTER;
            let is_small = self.progress.subscriptions <= ONE_PAGE && self.now > self.progress.walked_at;
            if is_due || is_late || is_small || self.progress.followed.is_none() {
                self.progress.generation = self.progress.generation.saturating_add(1);
                self.progress.walked_at = self.now;
                self.progress.stage = Stage::Walk(Sweep::of(Span::default()));
            }
        }
        let mut lists = None;
        loop {
            match self.progress.stage.clone() {
                Stage::Walk(sweep) => lists = self.walk(sweep, wanted).await?,
                Stage::Past(stage) => self.rebuild(stage, lists.take()).await?,
                Stage::Following => break,
            }
        }
        // What happened while the walk went on is no difference.
        if !self.progress.suspects.is_empty() && self.progress.followed.is_some() {
            self.follow().await?;
        }
        self.keep_sight().await?;
        Ok(std::mem::take(&mut self.progress.suspects).len())
    }

    pub(super) fn is_first_walk(&self) -> bool {
        self.progress.totals.is_none()
    }

    /// Reads all subscriptions, then adds them up. Gives what tells of their past, on its way already, where that is next.
    async fn walk(&mut self, sweep: Sweep, wanted: &[&str]) -> Result<Option<past::Lists>, Error> {
        self.read_open_invoices().await?;
        let is_first = self.is_first_walk();
        let is_new = sweep.is_new();
        let mut reading: Reading<Subscription> = Reading::new(&self.ctx.http, api::subscriptions, sweep);
        if is_first && is_new {
            // While the first page is on its way: what happens meanwhile is told again, as all that happened shortly before.
            self.progress.followed = follow::newest_event(self.ctx).await?;
        }
        while let Some(subs) = reading.batch().await? {
            let batch = self.take(subs, is_first).await?;
            self.progress.stage = Stage::Walk(reading.sweep().clone());
            self.commit(batch).await?;
        }
        let past = is_first.then(|| past::Stage::begin(self.now));
        let lists = past.as_ref().map(|past| self.lists_of(past));
        self.progress.stage = past.map_or(Stage::Following, Stage::Past);
        self.add_up(true).await?;
        past_due::drop_older(self.ctx, self.progress.generation).await?;
        // The present first: the past takes as long again.
        let today = self.ctx.today();
        self.tell(if is_first { wanted } else { &[] }, Period::single(today)).await?;
        Ok(lists)
    }

    /// Notes subscriptions that a walk shows.
    async fn take(&mut self, subs: Vec<Subscription>, is_first: bool) -> Result<Batch, Error> {
        // What the first walk shows again is what it showed before, seen later: its past is gathered afterwards.
        let ids = subs.iter().filter(|_| !is_first).map(|sub| sub.id.clone());
        let mut known = self.timelines(&ids.collect::<Vec<_>>()).await?;
        let mut arounds = self.around(&subs).await?;
        subs.iter().try_for_each(Subscription::tells_discounts)?;
        // What several of them need is read side by side.
        let mut needs = Needs::default();
        let told = subs.iter().filter(|sub| !self.is_long_over(sub));
        needs.extend(told.filter_map(|sub| Some(mrr::needs(sub, arounds.get(&sub.id)?, self.first()))));
        self.facts.learn(&self.ctx.http, needs).await?;
        let mut batch = Batch::new();
        for mut sub in subs {
            let mut around = arounds.remove(&sub.id).unwrap_or_default();
            let (id, customer) = (sub.id.clone(), sub.customer.0.clone());
            self.complete(&mut sub, &mut around).await?;
            self.note_period(&sub);
            let timeline = match known.remove(&id) {
                Some(mut timeline) => {
                    let state = State { since: self.now, sub, around };
                    let differs = timeline.newest().is_none_or(|kept| !self.is_worth_the_same(kept, &state));
                    timeline.note(state);
                    if differs {
                        self.progress.suspects.insert(id.clone());
                    }
                    timeline.generation = self.progress.generation;
                    timeline
                }
                None if is_first => past::first_seen(self.progress.generation, self.progress.observed, sub, around),
                None => {
                    self.progress.suspects.insert(id.clone());
                    Timeline::found(self.progress.generation, self.progress.observed, sub, around)
                }
            };
            batch = batch.upsert(STREAM, Record { key: id, group: customer, bytes: codec::encode(&timeline)? });
        }
        Ok(batch)
    }

    /// Whether two states come to the same now. Events show subscriptions in the shape of the account's own version, so
    /// that they cannot be compared field by field.
    fn is_worth_the_same(&self, kept: &State, read: &State) -> bool {
        let worth = |state: &State| {
            let value = mrr::value(&state.sub, &state.around, &self.rules, self.now);
            let counted = value.excluded.is_none().then_some((value.worth, value.plans));
            let standing = mrr::standing(&state.sub, state.around.past_due_since, &self.rules, self.now);
            (counted, standing, state.sub.ended_at)
        };
        worth(kept) == worth(read)
    }

    async fn read_open_invoices(&mut self) -> Result<(), Error> {
        if self.rules.max_past_due_days.is_some() {
            let read = past_due::read(self.ctx, self.progress.generation);
            if api::if_readable(read).await?.is_none() {
                self.assumptions.push("open invoices could not be read; no subscription is past due for too long");
            }
        }
        Ok(())
    }

    /// What other lists say about some subscriptions.
    async fn around(&self, subs: &[Subscription]) -> Result<HashMap<String, Around>, Error> {
        let customers: BTreeSet<&str> = subs.iter().map(|sub| sub.customer.0.as_str()).collect();
        let customers: Vec<String> = customers.into_iter().map(str::to_owned).collect();
        let discounts = customers::discounts(self.ctx, &customers).await?;
        let past_due: Vec<&str> = match self.rules.max_past_due_days {
            Some(_) => subs.iter().filter(|sub| sub.status == "past_due").map(|sub| sub.id.as_str()).collect(),
            None => Vec::new(),
        };
        let since = past_due::since(self.ctx, &past_due, self.progress.generation).await?;
        let around = |sub: &Subscription| Around {
            customer_discount: discounts.get(&sub.customer.0).cloned(),
            past_due_since: since.get(&sub.id).copied(),
            invoiced_tax: None,
        };
        Ok(subs.iter().map(|sub| (sub.id.clone(), around(sub))).collect())
    }

    /// The first instant that is told.
    pub(super) fn first(&self) -> i64 {
        self.ctx.zone.start_of(self.progress.base).as_second()
    }

    /// Whether it ended before all days that are told.
    pub(super) fn is_long_over(&self, sub: &Subscription) -> bool {
        sub.ended_at.is_some_and(|ended_at| ended_at < self.first())
    }

    /// Fetches what the list does not tell of a subscription, unless it ended before all days that are told.
    pub(super) async fn complete(&mut self, sub: &mut Subscription, around: &mut Around) -> Result<(), Error> {
        if self.is_long_over(sub) {
            return Ok(());
        }
        self.facts.complete(&self.ctx.http, sub, around, self.first()).await?;
        let counts = mrr::standing(sub, around.past_due_since, &self.rules, self.now).is_none();
        if counts && around.invoiced_tax.is_none() && mrr::needs_invoiced_tax(sub) {
            let invoice = api::if_readable(api::latest_invoice(&self.ctx.http, &sub.id)).await?.flatten();
            around.invoiced_tax = invoice.as_ref().and_then(mrr::invoiced_tax).map(super::amount::Amount);
        }
        Ok(())
    }

    /// The timelines of some subscriptions, as far as they are kept.
    pub(super) async fn timelines(&self, ids: &[String]) -> Result<HashMap<String, Timeline>, Error> {
        let records = self.ctx.records(STREAM, ids).await?;
        records.into_iter().map(|record| Ok((record.key, codec::decode(&record.bytes)?))).collect()
    }

    /// Adds up all timelines, customer by customer. After a walk, those that it did not see have ended.
    pub(super) async fn add_up(&mut self, after_walk: bool) -> Result<(), Error> {
        let ctx = self.ctx;
        let mut totals = Totals::new(self.progress.base, self.now);
        self.progress.subscriptions = 0;
        let rules = self.rules.clone();
        let frame = Frame::new(&rules, &ctx.zone, self.progress.base, self.now)?;
        let mut customer: (String, Vec<(String, Timeline)>) = Default::default();
        let mut after: Option<Record> = None;
        loop {
            let mut records = ctx.scan(STREAM, Order::Group, after.as_ref(), SCAN).await?;
            let last = records.pop();
            let mut batch = Batch::new();
            for record in records.into_iter().chain(last.clone()) {
                if record.group != customer.0 {
                    batch = self.add_customer(&mut totals, &frame, std::mem::take(&mut customer), batch)?;
                    customer.0.clone_from(&record.group);
                }
                let mut timeline: Timeline = codec::decode(&record.bytes)?;
                if after_walk && timeline.generation < self.progress.generation && self.end_unseen(&mut timeline) {
                    self.progress.suspects.insert(record.key.clone());
                    batch = batch.upsert(STREAM, Record { bytes: codec::encode(&timeline)?, ..record.clone() });
                }
                customer.1.push((record.key, timeline));
                self.progress.subscriptions += 1;
            }
            if last.is_none() {
                batch = self.add_customer(&mut totals, &frame, customer, batch)?;
                if !batch.records.is_empty() {
                    ctx.commit(batch).await?;
                }
                totals.tidy();
                self.progress.totals = Some(totals);
                return Ok(());
            }
            if !batch.records.is_empty() {
                ctx.commit(batch).await?;
            }
            after = last.map(|last| Record { bytes: Vec::new(), ..last });
        }
    }

    fn add_customer(
        &self,
        totals: &mut Totals,
        frame: &Frame<'_>,
        customer: (String, Vec<(String, Timeline)>),
        batch: Batch,
    ) -> Result<Batch, Error> {
        let (id, subs) = customer;
        totals.add(&id, &subs, frame)?;
        Ok(match due(&id, &subs, &self.rules, self.now) {
            Some(record) => batch.upsert(STREAM, record),
            None => batch,
        })
    }

    /// A subscription that a walk did not show is gone. It is kept as ended, or its past would vanish too.
    fn end_unseen(&self, timeline: &mut Timeline) -> bool {
        let Some(newest) = timeline.newest().filter(|newest| newest.sub.ended_at.is_none()) else { return false };
        let mut state = newest.clone();
        state.since = self.now;
        state.sub.status = "canceled".to_owned();
        state.sub.ended_at = Some(self.now);
        timeline.note(state)
    }

    /// Whoever turns by now is counted anew: a discount ended, a cancellation took effect.
    async fn turn(&mut self) -> Result<(), Error> {
        let Some(mut totals) = self.progress.totals.take() else { return Ok(()) };
        let rules = self.rules.clone();
        let base = self.progress.base;
        let before = Frame::new(&rules, &self.ctx.zone, base, totals.as_of)?;
        let now = Frame::new(&rules, &self.ctx.zone, base, self.now)?;
        let mut batch = Batch::new();
        let mut after = Record { key: DUE.to_owned(), group: String::new(), bytes: Vec::new() };
        let end = due_key(self.now.saturating_add(1), "");
        totals.go_on(self.now, &self.ctx.zone)?;
        loop {
            let mut records = self.ctx.scan(STREAM, Order::Key, Some(&after), SCAN).await?;
            records.retain(|record| record.key < end);
            let Some(last) = records.last().cloned() else { break };
            let customers: Vec<String> =
                records.iter().filter_map(|record| Some(record.key.rsplit_once(':')?.1.to_owned())).collect();
            let subs = self.of_customers(&customers).await?;
            for (record, customer) in records.into_iter().zip(&customers) {
                let subs = subs.get(customer).map(Vec::as_slice).unwrap_or_default();
                totals.remove(customer, subs, &before)?;
                totals.add(customer, subs, &now)?;
                batch = batch.delete(STREAM, &record.key);
                batch.records.extend(
                    due(customer, subs, &rules, self.now)
                        .map(|record| crate::integrations::RecordChange::Upsert { stream: STREAM.to_owned(), record }),
                );
            }
            after = last;
        }
        totals.tidy();
        self.progress.totals = Some(totals);
        self.commit(batch).await
    }

    /// Adds up anew where so many of the largest contributions went that others must be found.
    async fn keep_sight(&mut self) -> Result<(), Error> {
        if self.progress.totals.as_ref().is_some_and(|totals| totals.lost_sight(receipt::NAMED)) {
            self.add_up(false).await?;
        }
        Ok(())
    }

    /// All subscriptions of some customers.
    pub(super) async fn of_customers<'c>(
        &self,
        customers: impl IntoIterator<Item = &'c String>,
    ) -> Result<HashMap<String, Vec<(String, Timeline)>>, Error> {
        let customers: Vec<String> = customers.into_iter().cloned().collect();
        let mut subs: HashMap<String, Vec<(String, Timeline)>> = HashMap::new();
        for record in self.ctx.groups(STREAM, &customers).await? {
            let timeline = codec::decode(&record.bytes)?;
            subs.entry(record.group).or_default().push((record.key, timeline));
        }
        Ok(subs)
    }

    /// Adds where the stream stands to a batch and commits it.
    pub(super) async fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.ctx.commit(batch.checkpoint(STREAM, codec::encode(&self.progress)?)).await
    }

    /// Hands in the wanted figures of a period with the receipts of the newest day, and where the stream stands. Many go in
    /// several batches, so that they are not all in memory at once. The last has the checkpoint: what a kill leaves untold
    /// is told again, and comes to the same.
    async fn tell(&self, wanted: &[&str], period: Period) -> Result<(), Error> {
        let Some(totals) = &self.progress.totals else { return self.commit(Batch::new()).await };
        let today = self.ctx.today();
        let observed = metrics::day_of(self.progress.observed, &self.ctx.zone)?;
        let figures = Figures::new(totals, period, self.ctx.currency, observed, !self.assumptions.is_empty());
        let mut batch = Batch::new();
        for metric_id in wanted {
            batch.answers.push(figures.answer(metric_id)?);
            let samples: usize = batch.answers.iter().map(|answer| answer.samples.len()).sum();
            if samples > TOLD_AT_ONCE {
                self.ctx.commit(std::mem::take(&mut batch)).await?;
            }
        }
        if period.contains(today) {
            let mut settings = self.ctx.settings.to_json();
            // It only decides what is shown beside MRR.
            settings.remove("reporting_currency");
            let facts = receipt::Facts {
                date: today,
                own: self.ctx.currency,
                rules: &self.rules,
                settings,
                assumptions: &self.assumptions,
            };
            batch.receipts = receipt::receipts(totals, &figures, wanted, &facts)?;
        }
        self.commit(batch).await
    }
}

/// Marks the records that say when a customer turns by itself. They have no group, so that no total meets them.
const DUE: &str = "due:";

fn due_key(at: i64, customer: &str) -> String {
    format!("{DUE}{at:012}:{customer}")
}

/// The record of when a customer's subscriptions will next be worth something else although nothing happens.
pub(super) fn due(customer: &str, subs: &[(String, Timeline)], rules: &Rules, after: i64) -> Option<Record> {
    let turn = subs.iter().filter_map(|(_, timeline)| timeline.next_turn(rules, after)).min()?;
    Some(Record { key: due_key(turn, customer), group: String::new(), bytes: Vec::new() })
}
