//! Reads a whole list in windows of creation time, several at once, and goes on where it was cut short.
//!
//! A page names the one after it, so that one walk takes as long as all its answers take together. Stripe filters lists
//! by creation time: while one walk goes down from the newest entry, others go down from points below it. Where a
//! window is read to its end, the one with most before it is cut in two.

use std::collections::HashSet;

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{FuturesUnordered, StreamExt as _},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    answers::List,
    api::{Entry, Listing},
};
use crate::{
    http::{Answer, Http},
    integrations::Error,
    metric::FailureKind,
};

/// 2010-01-01, before which Stripe had no accounts.
pub(super) const BEFORE_STRIPE: i64 = 1_262_304_000;
/// Windows that are read at once: what one endpoint's limit feeds when an answer takes a third of a second.
const ABREAST: usize = 8;
/// Pages that are read before a second window is opened: a short list is read in one go.
const PAGES_ALONE: u32 = 2;
/// Entries that are handed on together: what is made of them is committed at once, and a commit costs as much as a page.
const BATCH: usize = 500;
/// Entries that must be left in a window to make two of it.
const WORTH_CUTTING: i64 = 200;

/// Creation times from an instant up to but not including another, in seconds since 1970; open where none is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) from: Option<i64>,
    pub(super) to: Option<i64>,
}

/// Where the reading of a list stands. Part of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sweep {
    windows: Vec<Window>,
    pages: u32,
}

/// A part of the list, of which the newest entries are read. No two windows end at the same instant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    span: Span,
    /// Creation time of the first entry that was read.
    first: Option<i64>,
    /// Creation time and id of the last one, to go on after.
    last: Option<(i64, String)>,
    /// Ids of the last page. What comes a second time is left out.
    seen: Vec<String>,
    entries: i64,
}

/// How the pages of a window are asked for: its span, and the entry to go on after.
pub(super) type Lister<T> = fn(&Http, Span, Option<&str>) -> Listing<T>;

/// The reading of a list.
pub(super) struct Reading<T: Entry> {
    http: Http,
    list: Lister<T>,
    pending: FuturesUnordered<BoxFuture<'static, Turn<T>>>,
    sweep: Sweep,
    /// What ended the reading while there were entries to hand on.
    error: Option<Error>,
}

/// A page on its way.
struct Turn<T> {
    /// The window as it was when the page was asked for.
    span: Span,
    listing: Listing<T>,
    page: Result<Option<Answer<List<T>>>, Error>,
}

impl Sweep {
    /// The whole list, or a part of it.
    pub(super) fn of(span: Span) -> Self {
        Self { windows: vec![Window { span, ..Window::default() }], pages: 0 }
    }

    /// Whether nothing of it was read yet.
    pub(super) fn is_new(&self) -> bool {
        self.pages == 0
    }

    /// What is left of a part of the list after its first page. Gives the page's entries back.
    pub(super) fn after<T: Entry>(span: Span, page: Vec<T>) -> (Self, Vec<T>) {
        let mut window = Window { span, ..Window::default() };
        let entries = window.take(page);
        (Self { windows: vec![window], pages: 1 }, entries)
    }
}

impl<T: Entry + DeserializeOwned + Send + 'static> Reading<T> {
    /// Begins, or goes on.
    pub(super) fn new(http: &Http, list: Lister<T>, sweep: Sweep) -> Self {
        let reading = Self { http: http.clone(), list, pending: FuturesUnordered::new(), sweep, error: None };
        reading.sweep.windows.iter().for_each(|window| reading.open(window));
        reading
    }

    /// The entries of the next page, of whichever window has one; `None` at the end of all. What [`Reading::sweep`]
    /// says afterwards may be committed with what is made of them.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        while let Some(Turn { span, listing, page }) = self.pending.next().await {
            let Some(window) = self.sweep.windows.iter_mut().find(|window| window.span.to == span.to) else { continue };
            let page = match page {
                Ok(page) => page.map(|answer| answer.body).unwrap_or_default(),
                Err(error) if window.goes_on_without_its_last(&error) => {
                    let window = window.clone();
                    self.open(&window);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.sweep.pages += 1;
            // Cut while the page was on its way: what lies below is another window's.
            let is_cut = window.span != span;
            let reached_end = is_cut && page.data.iter().any(|entry| !window.holds(entry));
            let entries = window.take(page.data);
            if !page.has_more || reached_end {
                self.sweep.windows.retain(|window| window.span.to != span.to);
            } else if is_cut {
                let window = window.clone();
                self.open(&window);
            } else {
                self.turn(span, listing);
            }
            self.cut();
            return Ok(Some(entries));
        }
        Ok(None)
    }

    /// The entries of several pages, each as it was read last; `None` at the end of all. An error comes after what was
    /// read before it.
    pub(super) async fn batch(&mut self) -> Result<Option<Vec<T>>, Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut batch = Vec::new();
        while batch.len() < BATCH {
            match self.next().await {
                Ok(Some(page)) => batch.extend(page),
                Ok(None) if batch.is_empty() => return Ok(None),
                Ok(None) => break,
                Err(error) if batch.is_empty() => return Err(error),
                Err(error) => {
                    self.error = Some(error);
                    break;
                }
            }
        }
        // A list that grows meanwhile shows entries twice.
        let mut seen = HashSet::new();
        let newest = batch.into_iter().rev().filter(|entry: &T| seen.insert(entry.id().to_owned()));
        let mut batch: Vec<T> = newest.collect();
        batch.reverse();
        Ok(Some(batch))
    }

    /// Where the reading stands.
    pub(super) fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    fn open(&self, window: &Window) {
        let after = window.last.as_ref().map(|(_, id)| id.as_str());
        self.turn(window.span, (self.list)(&self.http, window.span, after));
    }

    fn turn(&self, span: Span, listing: Listing<T>) {
        // What is made of one page must not hold up the others.
        let turn = listing.read_ahead().map(move |(listing, page)| Turn { span, listing, page });
        self.pending.push(turn.boxed());
    }

    /// Makes two of the window that has most before it, as long as that is worth it.
    fn cut(&mut self) {
        while self.sweep.pages >= PAGES_ALONE && self.sweep.windows.len() < ABREAST {
            let longest = self.sweep.windows.iter_mut().max_by_key(|window| window.left());
            let Some(lower) = longest.filter(|window| window.left() >= WORTH_CUTTING).and_then(Window::cut) else {
                return;
            };
            self.open(&lower);
            self.sweep.windows.push(lower);
        }
    }
}

impl Window {
    fn holds(&self, entry: &impl Entry) -> bool {
        self.span.from.is_none_or(|from| from <= entry.created())
    }

    /// Notes a page. Gives what is new and belongs to the window.
    fn take<T: Entry>(&mut self, page: Vec<T>) -> Vec<T> {
        let ids: Vec<String> = page.iter().map(|entry| entry.id().to_owned()).collect();
        let seen: HashSet<&str> = self.seen.iter().map(String::as_str).collect();
        let fresh: Vec<T> = page.into_iter().filter(|entry| self.holds(entry) && !seen.contains(entry.id())).collect();
        self.first = self.first.or(fresh.first().map(Entry::created));
        if let Some(last) = fresh.last() {
            self.last = Some((last.created(), last.id().to_owned()));
        }
        self.entries = self.entries.saturating_add(i64::try_from(fresh.len()).unwrap_or(i64::MAX));
        self.seen = ids;
        fresh
    }

    /// Whether the error means that the entry to go on after is gone, as it is once it was deleted. Then everything
    /// created up to its second is asked for anew.
    fn goes_on_without_its_last(&mut self, error: &Error) -> bool {
        if !matches!(error.kind(), FailureKind::Rejected | FailureKind::NotFound) {
            return false;
        }
        let Some((created, _)) = self.last.take() else { return false };
        self.span.to = Some(created.saturating_add(1));
        true
    }

    /// Entries that are left, if those before the last one lie as close to each other as those that were read.
    fn left(&self) -> i64 {
        let (Some(first), Some((last, _))) = (self.first, &self.last) else { return 0 };
        let from = self.span.from.unwrap_or(BEFORE_STRIPE);
        self.entries.saturating_mul(last.saturating_sub(from).max(0)) / first.saturating_sub(*last).max(1)
    }

    /// Leaves the older half of the time before it to a new window.
    fn cut(&mut self) -> Option<Self> {
        let (last, _) = self.last.as_ref()?;
        let from = self.span.from.unwrap_or(BEFORE_STRIPE);
        let middle = from.saturating_add(last.saturating_sub(from) / 2);
        if middle <= from || middle >= *last {
            return None;
        }
        let lower = Self { span: Span { from: self.span.from, to: Some(middle) }, ..Self::default() };
        self.span.from = Some(middle);
        Some(lower)
    }
}
