//! Reads what happened on days: movements of the balance and attempts to charge.
//!
//! Days that may still change are read again and again. Where they fill more than a page, their sums are kept with the
//! newest entries (a [`Tail`]): as long as the first page goes on with those, only what stands before them is new. Each
//! day begins with all of them read anew, so that what Stripe enters late among older ones is missed for a day at most.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    answers::{BalanceTransaction, Charge, Event},
    api::{self, Entry, Listing},
    codec::{decode, encode},
    metrics::{Attempts, Ledger},
    sweep::{Lister, Reading, Span, Sweep},
};
use crate::{
    http::Http,
    integrations::{Batch, Context, Error},
    metric::{Answer, Period, Zone},
};

/// Days that are read at once and committed together where they hold more than a page.
const WINDOW_DAYS: u32 = 30;

/// Today and the days before it that may still change. Whoever asks for more wants them read anew.
const FOLLOWED_DAYS: usize = 4;
/// Entries that may be open for the others to be followed.
const MOST_OPEN: usize = 1000;
/// How late an event may show up, in seconds.
const LATE: i64 = 10 * 60;

/// What the entries of a stream come to by day.
pub(super) trait Sums: Default + Serialize + DeserializeOwned + Send {
    type Entry: Entry + DeserializeOwned + Send + Sync + 'static;
    const STREAM: &'static str;
    const LIST: Lister<Self::Entry>;
    /// Events that tell what became of an open entry.
    const SETTLEMENTS: &'static [&'static str];

    /// Adds an entry, if it belongs to the period.
    fn add(&mut self, entry: &Self::Entry, period: Period, zone: &Zone) -> Result<(), Error>;
    /// The same for many.
    fn add_all(&mut self, entries: &[Self::Entry], period: Period, zone: &Zone) -> Result<(), Error> {
        entries.iter().try_for_each(|entry| self.add(entry, period, zone))
    }
    /// Entries that were met and may still become something that counts.
    fn open(&self) -> usize;
    /// Counts an entry that was open, if it is no more.
    fn settle(&mut self, entry: &Self::Entry, zone: &Zone) -> Result<(), Error>;
    /// The answers of the wanted metrics.
    fn answers(&self, wanted: &[&str], period: Period) -> Vec<Answer>;
}

/// The stream's checkpoint: days up to today as they were last read.
#[derive(Debug, Serialize, Deserialize)]
struct Tail<S> {
    days: Period,
    sums: S,
    /// The ids of the first page.
    newest: Vec<String>,
    /// The creation of the newest entry or settlement that was seen, in seconds since 1970: Stripe's time, not ours.
    seen_at: i64,
}

/// Reads balance transactions and answers the wanted metrics, newest days first.
pub(super) async fn read_balance(ctx: &Context, wanted: &[&str], period: Period) -> Result<(), Error> {
    read::<Ledger>(ctx, wanted, period).await
}

/// Reads charges and answers the wanted metrics, newest days first.
pub(super) async fn read_charges(ctx: &Context, wanted: &[&str], period: Period) -> Result<(), Error> {
    read::<Attempts>(ctx, wanted, period).await
}

async fn read<S: Sums>(ctx: &Context, wanted: &[&str], period: Period) -> Result<(), Error> {
    let windows = period.windows(WINDOW_DAYS);
    // Months of a small account fit on a page.
    if windows.len() > 1 && read_page::<S>(ctx, wanted, period).await? {
        return Ok(());
    }
    for window in windows {
        let span = span(ctx, window);
        // The first page may be enough, so that the second is not asked for before it is looked at.
        let page = (S::LIST)(&ctx.http, span, None).next().await?.map(|answer| answer.body).unwrap_or_default();
        let is_up_to_today = window.end() == ctx.today().next();
        let may_follow = is_up_to_today && page.has_more && window.len() <= FOLLOWED_DAYS;
        if may_follow && follow::<S>(ctx, wanted, window, &page.data).await? {
            continue;
        }
        let (sweep, first) = Sweep::after(span, page.data);
        let newest = first.iter().map(|entry| entry.id().to_owned()).collect();
        let seen_at = first.first().map_or(0, Entry::created);
        let mut sums = S::default();
        sums.add_all(&first, window, &ctx.zone)?;
        if page.has_more {
            let mut reading = Reading::new(&ctx.http, S::LIST, sweep);
            while let Some(entries) = reading.next().await? {
                sums.add_all(&entries, window, &ctx.zone)?;
            }
        }
        let mut batch = Batch { answers: sums.answers(wanted, window), ..Batch::new() };
        if is_up_to_today && page.has_more && sums.open() <= MOST_OPEN {
            batch = batch.checkpoint(S::STREAM, encode(&Tail { days: window, sums, newest, seen_at })?);
        }
        ctx.commit(batch).await?;
    }
    Ok(())
}

/// Answers from the first page, if it is the only one. Whether it is.
async fn read_page<S: Sums>(ctx: &Context, wanted: &[&str], period: Period) -> Result<bool, Error> {
    let page =
        (S::LIST)(&ctx.http, span(ctx, period), None).next().await?.map(|answer| answer.body).unwrap_or_default();
    if page.has_more {
        return Ok(false);
    }
    let mut sums = S::default();
    sums.add_all(&page.data, period, &ctx.zone)?;
    ctx.commit(Batch { answers: sums.answers(wanted, period), ..Batch::new() }).await?;
    Ok(true)
}

fn span(ctx: &Context, period: Period) -> Span {
    let (from, to) = ctx.zone.bounds(period);
    Span { from: Some(from.as_second()), to: Some(to.as_second()) }
}

/// Adds what is new to what was read before and answers from that. Whether that can be done; if not, nothing is done.
async fn follow<S: Sums>(ctx: &Context, wanted: &[&str], window: Period, page: &[S::Entry]) -> Result<bool, Error> {
    let Some(kept) = ctx.checkpoint(S::STREAM).await? else { return Ok(false) };
    let mut tail: Tail<S> = decode(&kept)?;
    if tail.days.end() != window.end() || window.start() < tail.days.start() {
        return Ok(false);
    }
    let Some(new) = tail.new_on(page) else { return Ok(false) };
    let (new, known) = page.split_at(new);
    tail.sums.add_all(new, tail.days, &ctx.zone)?;
    for entry in known {
        tail.sums.settle(entry, &ctx.zone)?;
    }
    if tail.sums.open() > MOST_OPEN || !tail.settle(ctx).await? {
        return Ok(false);
    }
    tail.seen_at = tail.seen_at.max(page.first().map_or(0, Entry::created));
    tail.newest = page.iter().map(|entry| entry.id().to_owned()).collect();
    let mut batch = Batch { answers: tail.sums.answers(wanted, window), ..Batch::new() };
    let noted = encode(&tail)?;
    if noted != kept {
        batch = batch.checkpoint(S::STREAM, noted);
    }
    ctx.commit(batch).await?;
    Ok(true)
}

impl<S: Sums> Tail<S> {
    /// How many entries of a first page are new; `None` where it does not go on as the last one began.
    fn new_on(&self, page: &[S::Entry]) -> Option<usize> {
        let newest = self.newest.first()?;
        let new = page.iter().position(|entry| entry.id() == newest)?;
        let known = page.iter().skip(new).map(Entry::id);
        let is_same = known.eq(self.newest.iter().take(page.len() - new).map(String::as_str));
        is_same.then_some(new)
    }

    /// Finds out what became of open entries that are not on the page. Whether events may be read.
    async fn settle(&mut self, ctx: &Context) -> Result<bool, Error> {
        if self.sums.open() == 0 {
            return Ok(true);
        }
        let span = Span { from: Some(self.seen_at.saturating_sub(LATE)), to: None };
        let mut reading = Reading::new(&ctx.http, settlements::<S>, Sweep::of(span));
        loop {
            let Some(page) = api::if_readable(reading.next()).await? else { return Ok(false) };
            let Some(page) = page else { return Ok(true) };
            for event in page {
                let entry: S::Entry = serde_json::from_str(event.data.object.get())
                    .map_err(|_| Error::invalid_response("what an event is about cannot be read"))?;
                self.sums.settle(&entry, &ctx.zone)?;
                self.seen_at = self.seen_at.max(event.created);
            }
        }
    }
}

fn settlements<S: Sums>(http: &Http, span: Span, after: Option<&str>) -> Listing<Event> {
    api::events(http, S::SETTLEMENTS, span, after)
}

impl Sums for Ledger {
    type Entry = BalanceTransaction;
    const STREAM: &'static str = "balance";
    const LIST: Lister<BalanceTransaction> = api::balance_transactions;
    /// What moved the balance has moved it.
    const SETTLEMENTS: &'static [&'static str] = &[];

    fn add(&mut self, entry: &BalanceTransaction, period: Period, zone: &Zone) -> Result<(), Error> {
        Self::add(self, entry, period, zone)
    }

    fn open(&self) -> usize {
        0
    }

    fn settle(&mut self, _: &BalanceTransaction, _: &Zone) -> Result<(), Error> {
        Ok(())
    }

    fn answers(&self, wanted: &[&str], period: Period) -> Vec<Answer> {
        Self::answers(self, wanted, period)
    }
}

impl Sums for Attempts {
    type Entry = Charge;
    const STREAM: &'static str = "charges";
    const LIST: Lister<Charge> = api::charges;
    const SETTLEMENTS: &'static [&'static str] = &["charge.succeeded", "charge.failed"];

    fn add(&mut self, charge: &Charge, period: Period, zone: &Zone) -> Result<(), Error> {
        Self::add(self, charge, period, zone)
    }

    fn open(&self) -> usize {
        self.pending()
    }

    fn settle(&mut self, charge: &Charge, zone: &Zone) -> Result<(), Error> {
        Self::settle(self, charge, zone)
    }

    fn answers(&self, wanted: &[&str], period: Period) -> Vec<Answer> {
        Self::answers(self, wanted, period)
    }
}
