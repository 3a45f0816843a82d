//! Follows what happens: Stripe's events since the last sync, and discounts of customers that changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::future::try_join_all;

use super::{
    answers::{Discount, Event, Expandable, Subscription},
    api, codec, customers, evidence, facts,
    mrr::Around,
    past_due,
    subscriptions::{self, Job, STREAM},
    sweep::{Reading, Span, Sweep},
    timeline::{self, State, Timeline},
    totals::Frame,
};
use crate::{
    http::Http,
    integrations::{Batch, Context, Error, Order, Record, RecordChange},
};

/// Events come late by seconds, and not always in their order.
const OVERLAP: i64 = 10 * 60;
const DAY: i64 = 24 * 60 * 60;

/// What tells of a subscription that is worth something else now.
pub(super) const KINDS: [&str; 6] = [
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "customer.subscription.pending_update_applied",
];

/// The way through events of subscriptions.
pub(super) fn events(http: &Http, span: Span, after: Option<&str>) -> api::Listing<Event> {
    api::events(http, &KINDS, span, after)
}

/// New states of subscriptions, by customer and subscription.
type News = BTreeMap<String, BTreeMap<String, Vec<State>>>;

/// All that is kept of some customers' subscriptions.
type Kept = HashMap<String, Vec<(String, Timeline)>>;

impl Job<'_> {
    /// Takes account of all that happened since the last time.
    pub(super) async fn follow(&mut self) -> Result<(), Error> {
        self.follow_customers().await?;
        let Some(followed) = self.progress.followed else { return Ok(()) };
        let span = Span { from: Some(followed - OVERLAP), to: None };
        let mut reading: Reading<Event> = Reading::new(&self.ctx.http, events, Sweep::of(span));
        let mut newest = followed;
        let mut reread = HashMap::new();
        loop {
            let page = match reading.batch().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(error) if api::is_withheld(&error) => {
                    self.progress.followed = None;
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            newest = page.iter().map(|event| event.created).fold(newest, i64::max);
            let (news, kept) = self.news(page, &mut reread).await?;
            self.revise(news, kept, Batch::new()).await?;
        }
        self.progress.followed = Some(newest);
        Ok(())
    }

    /// The states that some events show, and what is kept of the customers concerned. What no event shows is read again,
    /// once for each subscription.
    async fn news(
        &mut self,
        page: Vec<Event>,
        reread: &mut HashMap<String, Option<Subscription>>,
    ) -> Result<(News, Kept), Error> {
        let mut shown = Vec::with_capacity(page.len());
        let mut unreadable: BTreeMap<String, i64> = BTreeMap::new();
        // What was not asked for is nobody's concern.
        for event in page.iter().filter(|event| KINDS.contains(&event.kind.as_str())) {
            match subscription_of(event) {
                Ok(sub) => shown.push((event.created, sub)),
                Err(error) => {
                    let newest = unreadable.entry(evidence::subject(event).ok_or(error)?).or_insert(event.created);
                    *newest = event.created.max(*newest);
                }
            }
        }
        shown.extend(self.stand_ins(unreadable, reread).await?);
        // Oldest first; of one second the list's order is turned round as well.
        shown.reverse();
        shown.sort_by_key(|(created, _)| *created);
        let customers: BTreeSet<String> = shown.iter().map(|(_, sub)| sub.customer.0.clone()).collect();
        let customers: Vec<String> = customers.into_iter().collect();
        let discounts = customers::discounts(self.ctx, &customers).await?;
        let kept_of = self.of_customers(&customers).await?;
        let known: HashMap<&str, &Timeline> =
            kept_of.values().flatten().map(|(id, timeline)| (id.as_str(), timeline)).collect();
        let is_kept = |(created, sub): &(i64, Subscription)| {
            let at = known.get(sub.id.as_str()).and_then(|kept| kept.at(*created));
            at.is_some_and(|state| state.since == *created && is_of(state, sub))
        };
        // The overlap shows some again.
        let (kept, new): (Vec<_>, Vec<_>) = shown.into_iter().partition(is_kept);
        for (_, sub) in kept {
            self.progress.suspects.remove(&sub.id);
        }
        let named = new.iter().filter(|(_, sub)| timeline::names_discounts(sub)).map(|(_, sub)| &sub.id);
        self.read_again(named, reread).await?;
        let mut news = News::new();
        for (created, mut sub) in new {
            let kept = known.get(sub.id.as_str()).copied();
            if timeline::names_discounts(&sub) {
                let whole = reread.get(&sub.id).and_then(Option::as_ref);
                let shown = whole.into_iter().flat_map(timeline::discounts);
                let shown = shown.chain(kept.iter().flat_map(|kept| kept.discounts()));
                adopt(&mut sub, &shown.map(|discount| (discount.id.as_str(), discount)).collect());
            }
            let newest = kept.and_then(Timeline::newest).map(|state| &state.around);
            let mut around = Around {
                customer_discount: discounts.get(&sub.customer.0).cloned(),
                past_due_since: None,
                invoiced_tax: newest.and_then(|around| around.invoiced_tax.clone()),
            };
            if sub.status == "past_due" && self.rules.max_past_due_days.is_some() {
                around.past_due_since = past_due::since_of(self.ctx, &sub.id).await?;
            }
            self.complete(&mut sub, &mut around).await?;
            self.progress.suspects.remove(&sub.id);
            let (customer, id) = (sub.customer.0.clone(), sub.id.clone());
            news.entry(customer).or_default().entry(id).or_default().push(State { since: created, sub, around });
        }
        Ok((news, kept_of))
    }

    /// Events keep the shape of their version. What those of some subscriptions do not show is taken as it is now, from the
    /// newest of them on; unless that was done before, when it was another now.
    async fn stand_ins(
        &mut self,
        mut unreadable: BTreeMap<String, i64>,
        reread: &mut HashMap<String, Option<Subscription>>,
    ) -> Result<Vec<(i64, Subscription)>, Error> {
        let known = self.timelines(&unreadable.keys().cloned().collect::<Vec<_>>()).await?;
        unreadable.retain(|id, created| {
            let is_kept = known.get(id).and_then(|kept| kept.at(*created)).is_some_and(|state| state.since == *created);
            if is_kept {
                self.progress.suspects.remove(id);
            }
            !is_kept
        });
        self.read_again(unreadable.keys(), reread).await?;
        let now = |(id, created): (String, i64)| Some((created, reread.get(&id)?.clone()?));
        Ok(unreadable.into_iter().filter_map(now).collect())
    }

    /// Subscriptions with their discounts, each read once a run and several side by side; `None` for what is gone.
    async fn read_again<'i>(
        &self,
        ids: impl Iterator<Item = &'i String>,
        reread: &mut HashMap<String, Option<Subscription>>,
    ) -> Result<(), Error> {
        let ids: BTreeSet<&String> = ids.filter(|id| !reread.contains_key(*id)).collect();
        let ids: Vec<&String> = ids.into_iter().collect();
        for some in ids.chunks(facts::ABREAST) {
            let read = some.iter().map(|id| api::if_readable(api::subscription(&self.ctx.http, id)));
            let read = try_join_all(read).await?;
            reread.extend(some.iter().map(|id| (*id).clone()).zip(read));
        }
        Ok(())
    }

    /// Writes new states into the timelines of customers, and what that changes into the totals: all in one batch.
    async fn revise(&mut self, news: News, mut kept: Kept, mut batch: Batch) -> Result<(), Error> {
        if news.is_empty() && batch.records.is_empty() {
            return Ok(());
        }
        let Some(mut totals) = self.progress.totals.take() else { return Ok(()) };
        let rules = self.rules.clone();
        let frame = Frame::new(&rules, &self.ctx.zone, self.progress.base, totals.as_of)?;
        for (customer, states) in news {
            let before = kept.remove(&customer).unwrap_or_default();
            let mut after = before.clone();
            for (id, states) in states {
                for state in states {
                    match after.iter_mut().find(|(known, _)| *known == id) {
                        Some((_, timeline)) => {
                            timeline.note(state);
                        }
                        None => {
                            after.push((id.clone(), Timeline::begun(self.progress.generation, state)));
                        }
                    }
                }
            }
            if before == after {
                continue;
            }
            totals.remove(&customer, &before, &frame)?;
            totals.add(&customer, &after, &frame)?;
            let dues = [&before, &after].map(|subs| subscriptions::due(&customer, subs, &rules, totals.as_of));
            if dues[0] != dues[1] {
                let [was, is] = dues;
                batch.records.extend(was.map(|was| RecordChange::Delete { stream: STREAM.to_owned(), key: was.key }));
                batch.records.extend(is.map(|record| RecordChange::Upsert { stream: STREAM.to_owned(), record }));
            }
            for (id, timeline) in after {
                if before.iter().all(|(known, kept)| *known != id || *kept != timeline) {
                    let bytes = codec::encode(&timeline)?;
                    batch = batch.upsert(STREAM, Record { key: id, group: customer.clone(), bytes });
                }
            }
        }
        totals.tidy();
        self.progress.totals = Some(totals);
        if batch.records.is_empty() { Ok(()) } else { self.commit(batch).await }
    }

    /// Takes account of discounts of customers that changed.
    async fn follow_customers(&mut self) -> Result<(), Error> {
        loop {
            let from = Record { key: customers::CHANGED.to_owned(), group: String::new(), bytes: Vec::new() };
            let records = self.ctx.scan(customers::STREAM, Order::Key, Some(&from), 100).await?;
            let mut changed = BTreeMap::new();
            let mut batch = Batch::new();
            for record in records {
                let Some(customer) = record.key.strip_prefix(customers::CHANGED) else { break };
                changed.insert(customer.to_owned(), codec::decode::<i64>(&record.bytes)?);
                batch = batch.delete(customers::STREAM, &record.key);
            }
            if changed.is_empty() {
                return Ok(());
            }
            let ids: Vec<String> = changed.keys().cloned().collect();
            let discounts = customers::discounts(self.ctx, &ids).await?;
            let mut news = News::new();
            let kept = self.of_customers(&ids).await?;
            for (customer, at) in changed {
                for (id, timeline) in kept.get(&customer).into_iter().flatten() {
                    let Some(newest) = timeline.newest() else { continue };
                    let mut state = newest.clone();
                    state.since = state.since.max(at);
                    state.around.customer_discount = discounts.get(&customer).cloned();
                    let State { sub, around, .. } = &mut state;
                    self.complete(sub, around).await?;
                    news.entry(customer.clone()).or_default().entry(id.clone()).or_default().push(state);
                }
            }
            self.revise(news, kept, batch).await?;
        }
    }
}

/// Whether a kept state is what an event shows, as far as an event shows it.
fn is_of(state: &State, shown: &Subscription) -> bool {
    let parts = |sub: &Subscription| {
        let item = |item: &super::answers::Item| (item.id.clone(), item.price.id.clone(), item.quantity);
        let items: Vec<_> = sub.items.data.iter().map(item).collect();
        (sub.status.clone(), items, sub.cancel_at, sub.cancel_at_period_end, sub.ended_at, sub.trial_end)
    };
    let ids = |sub: &Subscription| sub.discounts.iter().map(discount_id).collect::<Vec<_>>();
    parts(&state.sub) == parts(shown)
        && state.sub.pause_collection == shown.pause_collection
        && ids(&state.sub) == ids(shown)
}

fn discount_id(discount: &Expandable<Discount>) -> String {
    match discount {
        Expandable::Id(id) => id.clone(),
        Expandable::Object(discount) => discount.id.clone(),
    }
}

/// Puts whole discounts in the place of their ids.
pub(super) fn adopt(sub: &mut Subscription, known: &HashMap<&str, &Discount>) {
    let of_items = sub.items.data.iter_mut().flat_map(|item| &mut item.discounts);
    for discount in sub.discounts.iter_mut().chain(of_items) {
        if let Expandable::Id(id) = discount
            && let Some(whole) = known.get(id.as_str())
        {
            *discount = Expandable::Object((*whole).clone());
        }
    }
}

/// The subscription that an event shows.
fn subscription_of(event: &Event) -> Result<Subscription, Error> {
    serde_json::from_str(event.data.object.get()).map_err(|error| {
        Error::invalid_response(format!("an event's subscription cannot be read: {error}")).context("event", &event.id)
    })
}

/// Creation time of the newest event, by Stripe's clock; `None` where events may not be read.
pub(super) async fn newest_event(ctx: &Context) -> Result<Option<i64>, Error> {
    let newest = api::if_readable(api::newest_event(&ctx.http, &[])).await?;
    // Where nothing happened for 30 days our clock must do, and it may be ahead.
    let silent = ctx.now.as_second() - DAY;
    Ok(newest.map(|newest| newest.unwrap_or(silent)))
}
