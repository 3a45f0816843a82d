//! A run's side of a context: what an integration reads of its own, and the one way in for results.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    book::{Book, carrying, standing},
    ledger::{self, Frame, SeriesKey},
    plan::Due,
    progress::{Step, Teller},
};
use crate::{
    clock::Clock,
    connections::pack,
    http::{Error, Kept, Pulse},
    integrations::{Batch, Descriptor, Gap, Host, Order, Position, Record, RecordChange},
    metric::{Day, Definition, FailureKind, Interval, Period, Scope, WidgetType},
    store::{self, Claim, ConnectionKey, RecordRow, Store, Write},
    telemetry,
    vault::Vault,
};

/// The host of one run.
pub(super) struct RunHost {
    pub(super) store: Store,
    pub(super) vault: Arc<Vault>,
    pub(super) claim: Claim,
    pub(super) connection_id: Uuid,
    pub(super) run_id: Uuid,
    pub(super) descriptor: Arc<Descriptor>,
    /// That of days.
    pub(super) frame: Frame,
    /// All days of the connection.
    pub(super) history: Period,
    pub(super) clock: Clock,
    pub(super) tally: Arc<Mutex<Tally>>,
    pub(super) signs: Arc<Signs>,
}

/// Signs of life of an integration.
#[derive(Debug, Default)]
pub(super) struct Signs {
    /// Calls into it.
    pub(super) called: Pulse,
    /// What it asks of this host, or hands in.
    pub(super) asking: Pulse,
}

/// What was committed so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Points that are new or changed.
    pub(super) samples_written: u64,
    /// Metrics of which a point was written.
    pub(super) changed: BTreeSet<String>,
    /// Metrics of which something was answered in this run, if only of one part.
    pub(super) answered: BTreeSet<String>,
    /// Days, weeks and months of each metric's state that were spoken of in this run.
    pub(super) covered: BTreeMap<(String, Interval), BTreeSet<Day>>,
    /// The step under way.
    pub(super) step: Step,
    /// The fence is lost: another process has the connection.
    pub(super) fence_lost: bool,
}

/// A failure of the store as a failure of the run.
pub(super) fn internal(error: store::Error) -> Error {
    Error::new(FailureKind::Internal, format!("the database failed: {error}"))
}

impl RunHost {
    pub(super) fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn teller(&self) -> Teller<'_> {
        Teller { store: &self.store, claim: &self.claim, tally: &self.tally }
    }

    fn key(&self) -> ConnectionKey {
        self.claim.key
    }

    fn definition(&self, metric_id: &str, grain: Interval) -> Result<&Definition, Error> {
        let wrong = |why: String| Error::internal(format!("the integration answered for {why}"));
        let definition =
            self.descriptor.metric(metric_id).ok_or_else(|| wrong(format!("the undeclared metric {metric_id}")))?;
        if !self.descriptor.grains(definition).contains(&grain) {
            return Err(wrong(format!("a {} of {metric_id}, of which none are kept", grain.name())));
        }
        Ok(definition)
    }

    async fn begin(&self, step: &'static str) -> Result<Write, Error> {
        let write = self.store.write(&self.claim).await.map_err(|error| self.note(error))?;
        Ok(write.named(step))
    }

    fn note(&self, error: store::Error) -> Error {
        if matches!(error, store::Error::FenceLost) {
            self.tally().fence_lost = true;
        }
        internal(error)
    }

    fn frame(&self, grain: Interval) -> Frame {
        Frame { grain, ..self.frame }
    }

    /// The days in which the buckets begin that hold asked days. One that begins before the history is not asked for.
    pub(super) fn asked(&self, asked: Period, grain: Interval) -> Period {
        match grain {
            Interval::Day => asked,
            _ => grain.whole(asked).intersect(self.history),
        }
    }

    /// Writes the rows that make every asked day, week and month have a state, in one transaction.
    pub(super) async fn open_days(&self, asked: Period) -> Result<(), Error> {
        let mut write = self.begin("opening of days").await?;
        for grain in Interval::ALL {
            let (asked, frame) = (self.asked(asked, grain), self.frame(grain));
            let definitions = self.kept(grain);
            if definitions.is_empty() {
                continue;
            }
            let rows = write.series_of_all(grain).await.map_err(internal)?;
            let carriers: Vec<(&str, SeriesKey)> =
                definitions.iter().map(|one| (one.id.as_str(), ledger::carrier(one, frame))).collect();
            let books = Book::of_each(&mut write, &rows, grain, asked, &carriers).await.map_err(internal)?;
            for (definition, mut book) in definitions.into_iter().zip(books) {
                // Of weeks and months that run out of reach each series says so.
                if grain != Interval::Day && definition.retention_days.is_some() {
                    book = Book::load(&mut write, definition, grain, asked, |_| true).await.map_err(internal)?;
                }
                let changes = ledger::opening(definition, &book.standing, asked, frame);
                book.apply(&mut write, definition, changes, None).await.map_err(internal)?;
            }
        }
        write.commit().await.map_err(|error| self.note(error))
    }

    /// The buckets of each metric that have to be read; all that are within reach if they were asked for by name.
    pub(super) async fn due(&self, grain: Interval, asked: Period, forced: bool) -> Result<Due, Error> {
        let (asked, frame) = (self.asked(asked, grain), self.frame(grain));
        let definitions = self.kept(grain);
        if definitions.is_empty() {
            return Ok(Due::new());
        }
        if forced {
            let named = definitions.into_iter().map(|definition| {
                let reach = asked.intersect(ledger::answerable(definition, frame));
                (definition.id.clone(), grain.starts(reach).collect())
            });
            return Ok(named.collect());
        }
        let rows = self.store.series(self.key(), grain, None).await.map_err(internal)?;
        let carriers: Vec<_> =
            definitions.iter().map(|one| carrying(&rows, &(one.id.as_str(), ledger::carrier(one, frame)))).collect();
        let ids: Vec<i64> = carriers.iter().flatten().map(|row| row.id).collect();
        let points = self.store.points(self.key().project_id, &ids, asked).await.map_err(internal)?;
        let due = definitions.iter().zip(&carriers).map(|(definition, carrier)| {
            (definition.id.clone(), ledger::due(definition, &standing(carrier, &points), asked, frame))
        });
        Ok(due.collect())
    }

    /// The metrics of which buckets of this grain are kept.
    fn kept(&self, grain: Interval) -> Vec<&Definition> {
        let is_kept = |definition: &&Definition| self.descriptor.grains(definition).contains(&grain);
        self.descriptor.metrics.iter().filter(is_kept).collect()
    }

    /// Drops what was kept for a stream and marks its days to be read again, in one transaction. What stands of them is
    /// provisional until then: anything may replace it, and is a restatement.
    pub(super) async fn restart_stream(&self, stream: &str, fingerprint: &str) -> Result<(), Error> {
        let mut write = self.begin("restart of a stream").await?;
        write.restart_stream(stream, fingerprint, self.clock.now()).await.map_err(internal)?;
        for definition in self.descriptor.metrics_of(stream) {
            let again = ledger::answerable(definition, self.frame).intersect(self.history);
            for grain in self.descriptor.grains(definition) {
                // Parts that are not named any more must not stand beside a total that was read anew. Those of a table
                // are all answered for at once.
                if definition.widget_type != WidgetType::Table {
                    let rows = write.series_of(&definition.id, *grain).await.map_err(internal)?;
                    let parts: Vec<i64> =
                        rows.iter().filter(|row| !row.dimension.is_empty()).map(|row| row.id).collect();
                    write.delete_points(&parts, again).await.map_err(internal)?;
                }
                let mut book = Book::load(&mut write, definition, *grain, again, |_| true).await.map_err(internal)?;
                let reread = ledger::reopening(&book.standing, self.frame(*grain));
                book.apply(&mut write, definition, reread, None).await.map_err(internal)?;
            }
        }
        write.commit().await.map_err(|error| self.note(error))
    }

    /// The fingerprint that the stream's records were made under.
    pub(super) async fn fingerprint(&self, stream: &str) -> Result<Option<String>, Error> {
        self.store.fingerprint(self.key(), stream).await.map_err(internal)
    }

    async fn write_batch(&self, grain: Interval, batch: Batch, kept: Vec<Kept>) -> Result<(), Error> {
        let mut written = Tally::default();
        let mut news: BTreeMap<&str, BTreeSet<Day>> = BTreeMap::new();
        let mut write = self.begin("batch").await?;
        for answer in &batch.answers {
            let definition = self.definition(&answer.metric_id, grain)?;
            let mut book = self.book(&mut write, definition, grain, &answer.scope, answer.period).await?;
            let changes = ledger::answer(definition, answer, &book.standing, self.frame(grain))?;
            news.entry(&definition.stream).or_default().extend(ledger::news(&changes, &book.standing));
            let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
            let restated = Some((self.run_id, self.clock.now()));
            book.apply(&mut write, definition, changes, restated).await.map_err(internal)?;
            book.label(&mut write, &answer.labels).await.map_err(internal)?;
            if count > 0 {
                written.samples_written += count;
                written.changed.insert(definition.id.clone());
            }
            written.answered.insert(answer.metric_id.clone());
            cover(&mut written, grain, &answer.metric_id, &answer.scope, answer.period);
        }
        for gap in &batch.gaps {
            self.write_gap(&mut write, grain, gap, &mut written).await?;
        }
        if grain == Interval::Day {
            self.outdate(&mut write, &news).await.map_err(internal)?;
        }
        for receipt in &batch.receipts {
            let body = serde_json::to_value(receipt).map_err(|error| Error::internal(error.to_string()))?;
            write.put_receipt(&receipt.metric_id, receipt.currency, receipt.date, &body).await.map_err(internal)?;
        }
        write_records(&mut write, batch.records).await.map_err(internal)?;
        for (stream, body) in batch.checkpoints {
            match body {
                Some(body) => write.put_checkpoint(&stream, &body).await.map_err(internal)?,
                None => write.forget_checkpoint(&stream).await.map_err(internal)?,
            }
        }
        for answer in &kept {
            let sealed = pack(&self.vault, &self.connection_id.to_string(), answer)
                .map_err(|error| Error::internal(error.to_string()))?;
            write.put_kept(&answer.request_key, &sealed, self.clock.now()).await.map_err(internal)?;
        }
        write.commit().await.map_err(|error| self.note(error))?;
        let mut tally = self.tally();
        tally.samples_written += written.samples_written;
        telemetry::ours().wrote(&self.descriptor.id, written.samples_written);
        tally.changed.extend(written.changed);
        tally.answered.extend(written.answered);
        for (metric, days) in written.covered {
            tally.covered.entry(metric).or_default().extend(days);
        }
        Ok(())
    }

    async fn write_gap(&self, write: &mut Write, grain: Interval, gap: &Gap, written: &mut Tally) -> Result<(), Error> {
        let definition = self.definition(&gap.metric_id, grain)?;
        let period = grain.whole(gap.period);
        let mut book = self.book(write, definition, grain, &gap.scope, period).await?;
        let changes = ledger::gap(definition, gap, &book.standing, self.frame(grain));
        book.apply(write, definition, changes, None).await.map_err(internal)?;
        cover(written, grain, &gap.metric_id, &gap.scope, period);
        Ok(())
    }

    /// Notes that weeks and months do not fit their days any more, together with what is new of these days: they are due
    /// then, in this run or in whichever comes after it.
    async fn outdate(&self, write: &mut Write, news: &BTreeMap<&str, BTreeSet<Day>>) -> Result<(), store::Error> {
        for (stream, days) in news {
            let (Some(first), Some(last)) = (days.first(), days.last()) else { continue };
            for definition in self.descriptor.metrics_of(stream) {
                for grain in self.descriptor.grains(definition).iter().filter(|grain| **grain != Interval::Day) {
                    let (touched, frame) = (grain.whole(Period::inclusive(*first, *last)), self.frame(*grain));
                    let carrier = ledger::carrier(definition, frame);
                    let mut book = Book::load(write, definition, *grain, touched, |series| *series == carrier).await?;
                    let changes = ledger::outdated(&book.standing, days, frame);
                    book.apply(write, definition, changes, None).await?;
                }
            }
        }
        Ok(())
    }

    /// Marks days of a metric that a call left unread.
    pub(super) async fn leave(&self, grain: Interval, gap: &Gap) -> Result<(), Error> {
        let definition = self.definition(&gap.metric_id, grain)?;
        let mut write = self.begin("gap").await?;
        let mut book = Book::load(&mut write, definition, grain, gap.period, |_| true).await.map_err(internal)?;
        let changes = ledger::left(definition, gap, &book.standing, self.frame(grain));
        book.apply(&mut write, definition, changes, None).await.map_err(internal)?;
        write.commit().await.map_err(|error| self.note(error))
    }

    async fn book(
        &self,
        write: &mut Write,
        definition: &Definition,
        grain: Interval,
        scope: &Scope,
        period: Period,
    ) -> Result<Book, Error> {
        let carrier = ledger::carrier(definition, self.frame);
        let concerned = |series: &SeriesKey| ledger::covers(scope, series) || (*series == carrier && is_state(scope));
        // Of hundreds of parts that are read one by one only the one in hand.
        let rows = match scope {
            Scope::One(dimension) => write.series_of_part(&definition.id, grain, dimension).await,
            Scope::Total | Scope::EveryDimension => write.series_of(&definition.id, grain).await,
        };
        Book::of(write, &rows.map_err(internal)?, grain, period, concerned).await.map_err(internal)
    }
}

/// Whether an entry of this scope settles the metric's own state.
fn is_state(scope: &Scope) -> bool {
    matches!(scope, Scope::Total | Scope::EveryDimension)
}

fn cover(tally: &mut Tally, grain: Interval, metric_id: &str, scope: &Scope, period: Period) {
    if is_state(scope) {
        tally.covered.entry((metric_id.to_owned(), grain)).or_default().extend(grain.starts(period));
    }
}

#[async_trait]
impl Host for RunHost {
    async fn checkpoint(&self, stream: &str) -> Result<Option<Vec<u8>>, Error> {
        self.asked_for(self.store.checkpoint(self.key(), stream)).await.map_err(internal)
    }

    async fn records(&self, stream: &str, keys: &[String]) -> Result<Vec<Record>, Error> {
        let rows = self.asked_for(self.store.records(self.key(), stream, keys)).await.map_err(internal)?;
        Ok(rows.into_iter().map(record_of).collect())
    }

    async fn groups(&self, stream: &str, groups: &[String]) -> Result<Vec<Record>, Error> {
        let rows = self.asked_for(self.store.records_of_groups(self.key(), stream, groups)).await.map_err(internal)?;
        Ok(rows.into_iter().map(record_of).collect())
    }

    async fn scan(
        &self,
        stream: &str,
        order: Order,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Record>, Error> {
        let after = after.as_ref().map(|at| (at.group.as_str(), at.key.as_str()));
        let (key, by_key) = (self.key(), after.map(|(_, key)| key));
        let rows = match order {
            Order::Key => self.asked_for(self.store.scan_by_key(key, stream, by_key, limit)).await,
            Order::Group => self.asked_for(self.store.scan_by_group(key, stream, after, limit)).await,
        };
        Ok(rows.map_err(internal)?.into_iter().map(record_of).collect())
    }

    async fn commit(&self, grain: Interval, batch: Batch, kept: Vec<Kept>) -> Result<(), Error> {
        self.asked_for(self.write_batch(grain, batch, kept)).await
    }
}

impl RunHost {
    /// Does what the integration asked for.
    async fn asked_for<T>(&self, work: impl Future<Output = T> + Send) -> T {
        let _under_way = self.signs.asking.beat();
        let done = work.await;
        // Whoever this woke has his turn first: behind an integration that never waits he would have none.
        tokio::task::yield_now().await;
        done
    }
}

fn record_of(row: RecordRow) -> Record {
    Record { key: row.key, group: row.group, bytes: row.bytes }
}

/// Writes changes of records in their order, runs of writes to one stream in bulk.
async fn write_records(write: &mut Write, changes: Vec<RecordChange>) -> Result<(), store::Error> {
    let mut pending: Vec<RecordRow> = Vec::new();
    let mut pending_stream = String::new();
    for change in changes {
        match change {
            RecordChange::Upsert { stream, record } => {
                if stream != pending_stream && !pending.is_empty() {
                    flush(write, &pending_stream, &mut pending).await?;
                }
                pending_stream = stream;
                pending.push(RecordRow { key: record.key, group: record.group, bytes: record.bytes });
                continue;
            }
            RecordChange::Delete { stream, key } => {
                flush(write, &pending_stream, &mut pending).await?;
                write.delete_records(&stream, &[key]).await?;
            }
            RecordChange::Clear { stream } => {
                flush(write, &pending_stream, &mut pending).await?;
                write.clear_records(&stream).await?;
            }
        }
    }
    flush(write, &pending_stream, &mut pending).await
}

async fn flush(write: &mut Write, stream: &str, pending: &mut Vec<RecordRow>) -> Result<(), store::Error> {
    if !pending.is_empty() {
        write.put_records(stream, &std::mem::take(pending)).await?;
    }
    Ok(())
}

/// JSON of an error, as runs keep it.
pub(super) fn error_json(error: &Error) -> Json {
    serde_json::json!(crate::connections::ErrorView::from(error))
}
