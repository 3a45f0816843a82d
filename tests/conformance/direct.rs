//! An integration over the real HTTP layer alone, with a host that remembers in memory. No database, so that time can be
//! paused and a wait of an hour costs nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use dashtray::{
    clock::Clock,
    connections::guarded,
    http::{Client, ClientConfig, Credentials, Forgetful, Grant, Kept, Memory, Session},
    integrations::{
        AccountInfo, Batch, Context, Descriptor, Error, FetchReport, Host, Integration, Order, Outcome, Position,
        Record, RecordChange, Settings, Shape, Stream, Why,
    },
    metric::{Currency, Day, Definition, Interval, Period, Quality, Receipt, Scope, Value, Zone},
    secret::Secret,
};
use serde_json::{Map, Value as Json};
use tokio::time::timeout;
use url::Url;

use super::stand::{Fields, Stand};

/// On the virtual clock: whatever takes longer hangs.
const LONGEST_RUN: Duration = Duration::from_secs(6 * 3600);

/// How a run departs from the ordinary.
pub(crate) struct Options {
    pub(crate) share_permille: u32,
    pub(crate) memory: Arc<dyn Memory>,
    pub(crate) config: ClientConfig,
    /// Where a process goes on after another; else a clock that begins at the stand's now.
    pub(crate) clock: Option<Clock>,
    /// Whose midnight ends a day.
    pub(crate) zone: Zone,
    /// The days to read; else the stand's.
    pub(crate) period: Option<Period>,
    /// Settings besides the stand's, or in place of them.
    pub(crate) settings: Map<String, Json>,
    /// The streams to read; else all.
    pub(crate) streams: Option<BTreeSet<String>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            share_permille: 1000,
            memory: Arc::new(Forgetful),
            config: ClientConfig::default(),
            clock: None,
            zone: Zone::utc(),
            period: None,
            settings: Map::new(),
            streams: None,
        }
    }
}

/// One connection, opened.
pub(crate) struct Direct {
    integration: Arc<dyn Integration>,
    context: Context,
    recorder: Arc<Recorder>,
    period: Period,
    streams: Option<BTreeSet<String>>,
}

/// What came of reading everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fetched {
    pub(crate) facts: Facts,
    pub(crate) outcomes: BTreeMap<String, Outcome>,
    /// What ended it before its end.
    pub(crate) fatal: Option<Error>,
    pub(crate) receipts: Vec<Receipt>,
}

impl Direct {
    pub(crate) fn open(stand: &Stand, provider: &Url, fields: &Fields) -> Result<Self, String> {
        Self::open_with(stand, provider, fields, Options::default())
    }

    pub(crate) fn open_with(stand: &Stand, provider: &Url, fields: &Fields, options: Options) -> Result<Self, String> {
        let descriptor = stand.integration.descriptor();
        let given: Map<String, Json> = stand.settings.clone().into_iter().chain(options.settings).collect();
        let settings = Settings::parse(&descriptor.settings, &given).map_err(|error| format!("{error:?}"))?;
        let shown = |error: Error| error.to_string();
        let service = descriptor.service(&settings, Some(provider.clone())).map_err(shown)?;
        let clock = options.clock.unwrap_or_else(|| Clock::ticking_from(stand.now));
        let client = Client::new(options.config, options.memory, clock).map_err(shown)?;
        let http = client.session(Session {
            service: Arc::new(service),
            credentials: signing(&descriptor, fields, stand),
            connection_id: "conformance".to_owned(),
            quota_share_permille: options.share_permille,
            deadline: None,
        });
        let recorder = Arc::new(Recorder::default());
        let context = Context::new(http, settings, options.zone, Currency::USD, stand.now, recorder.clone());
        let period = options.period.unwrap_or_else(|| stand.period());
        let streams = options.streams;
        Ok(Self { integration: stand.integration.clone(), context, recorder, period, streams })
    }

    pub(crate) fn http(&self) -> &dashtray::http::Http {
        &self.context.http
    }

    pub(crate) async fn test(&self) -> Result<AccountInfo, Error> {
        let testing = guarded(self.integration.test_connection(&self.context));
        timeout(LONGEST_RUN, testing).await.unwrap_or_else(|_| Err(Error::internal("it hangs")))
    }

    /// Reads all metrics over the stand's period, stream by stream, as a run does.
    pub(crate) async fn fetch(&self) -> Fetched {
        let mut fetched = Fetched::default();
        let reading = timeout(LONGEST_RUN, self.read(&mut fetched.outcomes)).await;
        fetched.fatal = reading.unwrap_or_else(|_| Err(Error::internal("it hangs"))).err();
        let state = self.recorder.state();
        (fetched.facts, fetched.receipts) = (state.facts.clone(), state.receipts.clone());
        drop(state);
        fetched
    }

    /// The same over another period.
    pub(crate) fn over(self, period: Period) -> Self {
        Self { period, ..self }
    }

    /// Reads these metrics at once.
    pub(crate) async fn fetch_only(&self, metrics: &[String]) -> Result<BTreeMap<String, Outcome>, Error> {
        let reading = guarded(self.integration.fetch_metrics(&self.context, metrics, self.period));
        Ok(timeout(LONGEST_RUN, reading).await.unwrap_or_else(|_| Err(Error::internal("it hangs")))?.outcomes)
    }

    /// Reads the days of some metrics that lie in a period, and gives all that was said so far.
    pub(crate) async fn fetch_days(&self, metrics: &[&str], period: Period) -> Result<Fetched, String> {
        let wanted: Vec<String> = metrics.iter().map(|id| (*id).to_owned()).collect();
        let report = guarded(self.integration.fetch_metrics(&self.context, &wanted, period)).await;
        let outcomes = report.map_err(|error| error.to_string())?.outcomes;
        let lost = outcomes.iter().find(|(_, outcome)| **outcome != Outcome::Ok);
        ensure!(lost.is_none(), "undisturbed, {lost:?}");
        let state = self.recorder.state();
        Ok(Fetched { facts: state.facts.clone(), outcomes, fatal: None, receipts: state.receipts.clone() })
    }

    async fn read(&self, outcomes: &mut BTreeMap<String, Outcome>) -> Result<(), Error> {
        let descriptor = self.integration.descriptor();
        let is_read = |stream: &&Stream| self.streams.as_ref().is_none_or(|some| some.contains(&stream.id));
        let streams: Vec<&Stream> = descriptor.streams.iter().filter(is_read).collect();
        for stream in &streams {
            let metrics: Vec<String> = descriptor.metrics_of(&stream.id).map(|metric| metric.id.clone()).collect();
            let windows: Vec<Period> = match stream.shape {
                Shape::ByDay { window_days } => self.period.windows(window_days),
                Shape::WholeAccount => vec![self.period],
            };
            for window in windows {
                note(outcomes, guarded(self.integration.fetch_metrics(&self.context, &metrics, window)).await?);
            }
        }
        for grain in [Interval::Week, Interval::Month] {
            for stream in &streams {
                // Of what could not be had of days nothing more is asked for.
                let is_asked = |metric: &&Definition| {
                    descriptor.grains(metric).contains(&grain) && outcomes.get(&metric.id) == Some(&Outcome::Ok)
                };
                let metrics: Vec<String> =
                    descriptor.metrics_of(&stream.id).filter(is_asked).map(|metric| metric.id.clone()).collect();
                if metrics.is_empty() {
                    continue;
                }
                let mut context = self.context.clone();
                context.grain = grain;
                let period = grain.whole(self.period);
                note(outcomes, guarded(self.integration.fetch_metrics(&context, &metrics, period)).await?);
            }
        }
        Ok(())
    }
}

/// A later window cannot make an earlier failure good.
fn note(outcomes: &mut BTreeMap<String, Outcome>, report: FetchReport) {
    for (id, outcome) in report.outcomes {
        let known = outcomes.entry(id).or_insert(Outcome::Ok);
        if *known == Outcome::Ok {
            *known = outcome;
        }
    }
}

/// The fields; where there are none and a user could sign in, a sign-in in their place.
fn signing(descriptor: &Descriptor, fields: &Fields, stand: &Stand) -> Credentials {
    let credentials = Credentials::new(fields.clone());
    if descriptor.auth.oauth().is_none() || descriptor.auth.is_given(&credentials) {
        return credentials;
    }
    credentials.with_grant(Some(Grant {
        id: "conformance".to_owned(),
        access_token: Secret::new("an-access-token-of-nobody"),
        issued_at: stand.now,
        expires_at: None,
        refresh_token: None,
        refresh_expires_at: None,
        consented_at: Some(stand.now),
        scopes: BTreeSet::new(),
    }))
}

/// What an integration said, and of which days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// By metric, dimension (`*` for every one) and day: whether it was answered, or is a gap.
    covered: BTreeMap<(String, String, Day), bool>,
    /// By metric, dimension, currency and day. A day that is answered and has none is zero or empty.
    values: BTreeMap<(String, String, String, Day), Fact>,
}

/// What was said of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    said: String,
    value: Option<Value>,
    /// It says of itself that it is not exact.
    estimated: bool,
}

impl Facts {
    /// Everything in one text, the same for the same facts.
    pub(crate) fn text(&self) -> String {
        format!("{:#?}", self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values that are something: by metric (weeks and months apart from days), dimension and day.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &str, Day, Value)> {
        let something = |fact: &Fact| fact.value.filter(|value| !value.is_zero());
        let told = self.values.iter().filter_map(move |(key, fact)| Some((key, something(fact)?)));
        told.map(|((metric, dimension, _, day), value)| (metric.as_str(), dimension.as_str(), *day, value))
    }

    /// Whether anything that is said of a metric's day is an estimate.
    fn estimates(&self, metric: &str, day: Day) -> bool {
        self.values.iter().any(|((id, _, _, of), fact)| id == metric && *of == day && fact.estimated)
    }

    /// The days of a metric that were answered, whatever of its dimension.
    pub(crate) fn answered_days(&self, metric: &str) -> BTreeSet<Day> {
        let answered = self.covered.iter().filter(|((of, _, _), is_answered)| of == metric && **is_answered);
        answered.map(|((_, _, day), _)| *day).collect()
    }

    /// What is said of a day (or week, or month) that has no part in a period, of one of these metrics.
    pub(crate) fn strays(&self, period: Period, metrics: &BTreeSet<&str>) -> Option<String> {
        let spoken = self.covered.keys().map(|(metric, _, day)| (metric, day));
        let mut spoken = spoken.chain(self.values.keys().map(|(metric, _, _, day)| (metric, day)));
        let is_stray = |metric: &str, day: Day| !grain_of(metric).whole(period).contains(day);
        let stray = spoken.find(|(metric, day)| metrics.contains(id_of(metric)) && is_stray(metric, **day));
        stray.map(|(metric, day)| format!("{metric} of {day}"))
    }

    /// Whether these parts say all of it and nothing else, of each day the same.
    pub(crate) fn is_made_of(&self, parts: &[&Self]) -> Result<(), String> {
        let mut covered = BTreeMap::new();
        for part in parts {
            for (key, is_answered) in &part.covered {
                let known = covered.insert(key, is_answered);
                ensure!(known.is_none_or(|known| known == is_answered), "{key:?} is read once and once not");
            }
            for (key, fact) in &part.values {
                let whole = self.values.get(key);
                ensure!(whole == Some(fact), "{key:?} is {fact:?} in a part, and {whole:?} in the whole");
            }
            for (key, fact) in &self.values {
                let (metric, dimension, _, day) = key;
                let is_lost = part.is_answered(metric, dimension, *day).is_some() && !part.values.contains_key(key);
                ensure!(!is_lost, "{key:?} is {fact:?} in the whole, and nothing in the part that has it");
            }
        }
        let whole: BTreeMap<_, _> = self.covered.iter().collect();
        let differing = whole.iter().find(|(key, said)| covered.get(*key) != Some(*said));
        ensure!(differing.is_none(), "{differing:?} is said in the whole and in no part");
        let differing = covered.iter().find(|(key, said)| whole.get(*key) != Some(*said));
        ensure!(differing.is_none(), "{differing:?} is said in a part and not in the whole");
        Ok(())
    }

    fn is_answered(&self, metric: &str, dimension: &str, day: Day) -> Option<bool> {
        let key = |dimension: &str| (metric.to_owned(), dimension.to_owned(), day);
        self.covered.get(&key(dimension)).or_else(|| self.covered.get(&key("*"))).copied()
    }

    fn answer(&mut self, answer: &dashtray::metric::Answer) {
        let scope = scope_name(&answer.scope);
        for day in answer.period.days() {
            self.covered.insert((answer.metric_id.clone(), scope.to_owned(), day), true);
        }
        self.values.retain(|(metric, dimension, _, day), _| {
            *metric != answer.metric_id || !answer.period.contains(*day) || !speaks_of(&answer.scope, dimension)
        });
        for sample in &answer.samples {
            let currency = sample.value.and_then(|value| value.currency()).map(|code| code.code().to_owned());
            let dimension = sample.dimension.clone().unwrap_or_default();
            let key = (answer.metric_id.clone(), dimension, currency.unwrap_or_default(), sample.day);
            let said = format!("{:?} {:?} {:?}", sample.value, sample.quality, sample.metadata);
            let estimated = sample.quality == Quality::Estimated;
            self.values.insert(key, Fact { said, value: sample.value, estimated });
        }
    }

    fn gap(&mut self, gap: &dashtray::integrations::Gap) {
        for day in gap.period.days() {
            self.covered.insert((gap.metric_id.clone(), scope_name(&gap.scope).to_owned(), day), false);
        }
        self.values.retain(|(metric, dimension, _, day), _| {
            *metric != gap.metric_id || !gap.period.contains(*day) || !speaks_of(&gap.scope, dimension)
        });
    }
}

/// What the facts about a metric go by: weeks and months are others than days.
fn name_of(metric_id: &str, grain: Interval) -> String {
    if grain == Interval::Day { metric_id.to_owned() } else { format!("{metric_id} by {}", grain.name()) }
}

fn grain_of(name: &str) -> Interval {
    let grain = name.split_once(" by ").and_then(|(_, grain)| grain.parse().ok());
    grain.unwrap_or(Interval::Day)
}

fn id_of(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

fn scope_name(scope: &Scope) -> &str {
    match scope {
        Scope::Total => "",
        Scope::One(dimension) => dimension,
        Scope::EveryDimension => "*",
    }
}

fn speaks_of(scope: &Scope, dimension: &str) -> bool {
    match scope {
        Scope::Total => dimension.is_empty(),
        Scope::One(one) => dimension == one,
        Scope::EveryDimension => !dimension.is_empty(),
    }
}

impl Fetched {
    /// The metrics that were not had.
    pub(crate) fn lost(&self) -> Vec<String> {
        let lost = self.outcomes.iter().filter(|(_, outcome)| **outcome != Outcome::Ok);
        lost.map(|(id, _)| id.clone()).collect()
    }

    /// Whether nothing of what is known from an undisturbed read is wrong here. What is missing must be said to be
    /// missing: by a gap, by the metric's outcome or by the error that ended it all. What is said to be an estimate may
    /// be another value.
    pub(crate) fn is_honest(&self, clean: &Self) -> Result<(), String> {
        for ((metric, dimension, currency, day), value) in &clean.facts.values {
            let key = (metric.clone(), dimension.clone(), currency.clone(), *day);
            let here = self.facts.values.get(&key);
            // What a day leaves unsaid is as sure as the least sure of what it says.
            if here.map_or_else(|| self.facts.estimates(metric, *day), |here| here.estimated) {
                continue;
            }
            match self.facts.is_answered(metric, dimension, *day) {
                Some(true) if here != Some(value) => {
                    let here = here.map_or("nothing", |here| &here.said);
                    let value = &value.said;
                    return Err(format!("silently wrong: {metric} {dimension} of {day} is {here}, not {value}"));
                }
                None if self.fatal.is_none() && self.outcomes.get(id_of(metric)) == Some(&Outcome::Ok) => {
                    return Err(format!("{metric} {dimension} of {day} was left out and the metric is called read"));
                }
                _ => {}
            }
        }
        // That something is undefined is no number, and an estimate may be one of what else is left out.
        let is_certain = |fact: &Fact| fact.value.is_some() && !fact.estimated;
        let invented = self.facts.values.iter().filter(|(_, fact)| is_certain(fact)).map(|(key, _)| key);
        match { invented }.find(|key| !clean.facts.values.contains_key(*key)) {
            Some((metric, dimension, _, day)) => Err(format!("invented: {metric} {dimension} of {day}")),
            None => Ok(()),
        }
    }

    /// Whether it is the same as an undisturbed read.
    pub(crate) fn is_whole(&self, clean: &Self) -> Result<(), String> {
        if let Some(error) = &self.fatal {
            return Err(format!("it failed: {error}"));
        }
        if let Some(id) = self.lost().first() {
            return Err(format!("{id} was not had: {:?}", self.outcomes.get(id)));
        }
        self.is_honest(clean)?;
        ensure!(self.facts.values == clean.facts.values, "what should be the same is an estimate");
        Ok(())
    }
}

/// A host in memory.
#[derive(Default)]
struct Recorder {
    state: Mutex<Recorded>,
}

#[derive(Default)]
struct Recorded {
    facts: Facts,
    records: BTreeMap<(String, String), Record>,
    checkpoints: BTreeMap<String, Vec<u8>>,
    receipts: Vec<Receipt>,
}

impl Recorder {
    fn state(&self) -> MutexGuard<'_, Recorded> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Host for Recorder {
    async fn checkpoint(&self, stream: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.state().checkpoints.get(stream).cloned())
    }

    async fn records(&self, stream: &str, keys: &[String]) -> Result<Vec<Record>, Error> {
        let state = self.state();
        Ok(keys.iter().filter_map(|key| state.records.get(&(stream.to_owned(), key.clone())).cloned()).collect())
    }

    async fn groups(&self, stream: &str, groups: &[String]) -> Result<Vec<Record>, Error> {
        let all = self.scan(stream, Order::Group, None, u32::MAX).await?;
        Ok(all.into_iter().filter(|record| groups.contains(&record.group)).collect())
    }

    async fn scan(
        &self,
        stream: &str,
        order: Order,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Record>, Error> {
        let of_order = |group: &str| if order == Order::Key { String::new() } else { group.to_owned() };
        let place = |record: &Record| (of_order(&record.group), record.key.clone());
        let after = after.map(|at| (of_order(&at.group), at.key));
        let state = self.state();
        let of_stream = state.records.iter().filter(|((name, _), _)| name == stream).map(|(_, record)| record);
        let listed = of_stream.filter(|record| order == Order::Key || !record.group.is_empty());
        let later = listed.filter(|record| after.as_ref().is_none_or(|after| place(record) > *after));
        let mut records: Vec<Record> = later.cloned().collect();
        records.sort_by_key(place);
        records.truncate(limit as usize);
        Ok(records)
    }

    async fn commit(&self, grain: Interval, mut batch: Batch, _kept: Vec<Kept>) -> Result<(), Error> {
        let mut state = self.state();
        for answer in &mut batch.answers {
            answer.metric_id = name_of(&answer.metric_id, grain);
            state.facts.answer(answer);
        }
        for gap in &mut batch.gaps {
            gap.metric_id = name_of(&gap.metric_id, grain);
            // A day beyond retention is no lack of this run.
            if gap.why != Why::BeyondRetention {
                state.facts.gap(gap);
            }
        }
        state.receipts.append(&mut batch.receipts);
        for change in batch.records {
            match change {
                RecordChange::Upsert { stream, record } => {
                    state.records.insert((stream, record.key.clone()), record);
                }
                RecordChange::Delete { stream, key } => {
                    state.records.remove(&(stream, key));
                }
                RecordChange::Clear { stream } => state.records.retain(|(name, _), _| *name != stream),
            }
        }
        for (stream, bytes) in batch.checkpoints {
            match bytes {
                Some(bytes) => state.checkpoints.insert(stream, bytes),
                None => state.checkpoints.remove(&stream),
            };
        }
        Ok(())
    }
}
