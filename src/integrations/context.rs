//! What an integration may use during a call.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Batch, Error, Record, Settings};
use crate::{
    http::{Http, Kept},
    metric::{Currency, Day, Interval, Zone},
};

/// Everything an integration may use. Made for one run (or one test of a connection) and dropped with it.
#[derive(Clone)]
pub struct Context {
    /// The way to the provider.
    pub http: Http,
    /// The user's settings, complete with defaults.
    pub settings: Settings,
    /// Whose midnight ends a day. UTC while a connection is first tested.
    pub zone: Zone,
    /// The account's currency, else the project's: what zero is counted in where nothing else says.
    pub currency: Currency,
    /// The run's instant. It does not move during a run.
    pub now: Timestamp,
    /// The days of this run were asked for by name: they are read anew, whatever earlier runs kept of them.
    pub forced: bool,
    /// What is asked for: values of days; or of whole weeks or months, which only streams with
    /// [`Stream::periods`](super::Stream::periods) are asked for, and only for metrics whose days may not be combined.
    /// The period then consists of whole buckets, the last of which may not be over yet, and the sample of a bucket bears
    /// its first day.
    pub grain: Interval,
    host: Arc<dyn Host>,
}

/// The host's side of a context: what is kept for a stream, and the way in for results.
#[async_trait]
pub trait Host: Send + Sync {
    /// What the integration committed as the stream's checkpoint.
    async fn checkpoint(&self, stream: &str) -> Result<Option<Vec<u8>>, Error>;

    /// The records with these keys; those that do not exist are left out.
    async fn records(&self, stream: &str, keys: &[String]) -> Result<Vec<Record>, Error>;

    /// All records of these groups, by group and key.
    async fn groups(&self, stream: &str, groups: &[String]) -> Result<Vec<Record>, Error>;

    /// Up to `limit` records in order, after a position.
    async fn scan(&self, stream: &str, order: Order, after: Option<Position>, limit: u32)
    -> Result<Vec<Record>, Error>;

    /// Keeps a batch of values of days, weeks or months, and the answers that belong to it, in one transaction.
    async fn commit(&self, grain: Interval, batch: Batch, kept: Vec<Kept>) -> Result<(), Error>;
}

/// The order of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By key.
    Key,
    /// By group, then key. Records with an empty group are left out.
    Group,
}

/// A place in a scan: that of a record already seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The record's group.
    pub group: String,
    /// The record's key.
    pub key: String,
}

impl Context {
    /// Joins the parts.
    pub fn new(
        http: Http,
        settings: Settings,
        zone: Zone,
        currency: Currency,
        now: Timestamp,
        host: Arc<dyn Host>,
    ) -> Self {
        Self { http, settings, zone, currency, now, forced: false, grain: Interval::Day, host }
    }

    /// The day of `now` in the connection's zone.
    pub fn today(&self) -> Day {
        Day::of(self.now, &self.zone)
    }

    /// The stream's checkpoint: where an interrupted or earlier run stopped.
    pub async fn checkpoint(&self, stream: &str) -> Result<Option<Vec<u8>>, Error> {
        self.host.checkpoint(stream).await
    }

    /// The stream's records with these keys, in no order; those that do not exist are left out.
    pub async fn records(&self, stream: &str, keys: &[String]) -> Result<Vec<Record>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.host.records(stream, keys).await
    }

    /// All of the stream's records in these groups, by group and key. For groups that are known to be small; else use
    /// [`scan`](Self::scan).
    pub async fn groups(&self, stream: &str, groups: &[String]) -> Result<Vec<Record>, Error> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        self.host.groups(stream, groups).await
    }

    /// Up to `limit` of the stream's records in order, after a position. Memory stays flat however many there are.
    pub async fn scan(
        &self,
        stream: &str,
        order: Order,
        after: Option<&Record>,
        limit: u32,
    ) -> Result<Vec<Record>, Error> {
        let after = after.map(|record| Position { group: record.group.clone(), key: record.key.clone() });
        self.host.scan(stream, order, after, limit).await
    }

    /// Hands results in. All of the batch is kept or nothing, and only while this run still holds its connection.
    pub async fn commit(&self, batch: Batch) -> Result<(), Error> {
        self.host.commit(self.grain, batch, self.http.take_kept()).await
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("zone", &self.zone.name()).field("now", &self.now).finish_non_exhaustive()
    }
}
