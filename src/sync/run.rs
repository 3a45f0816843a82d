//! One run of one connection, from claim to release.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    Error, Progress, RENEWAL, Range, RunView, Syncer, Watcher,
    host::{RunHost, Signs, Tally, error_json},
    ledger::Frame,
    plan::{self, Due, Step},
    progress::{self, Teller, counts},
    verdict::{Fared, Verdict},
    view,
};
use crate::{
    connections::{self, guarded},
    http::{self, Http, Pulse},
    integrations::{Context, Correction, Descriptor, Gap, Integration, Outcome, Why},
    metric::{Day, FailureKind, Interval, Period, Scope},
    store::{self, Claim, Connection, ConnectionState, RunEnd},
    telemetry, vault,
};

/// No run takes longer; the next one goes on where it stopped.
const RUN_BUDGET: SignedDuration = SignedDuration::from_hours(2);
/// What is left to a run whose budget is used up, so that it says by itself what it could not read.
const OVERTIME: Duration = Duration::from_secs(300);
/// An integration that waits and has asked for nothing for so long waits for something that never comes.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// What a run has found out so far.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) metrics: BTreeMap<String, Fared>,
    pub(super) fatal: Option<http::Error>,
    /// What was found different from what was kept, and put right.
    pub(super) corrections: Vec<Correction>,
    /// The run's way to the provider, once it is open; it counts.
    pub(super) http: Option<Http>,
    /// Why the sealed credentials could not be opened.
    pub(super) unreadable: Option<vault::Error>,
    /// The process stops, or lost the connection to another one.
    pub(super) interrupted: bool,
}

/// One run, and where it notes what it finds: both are looked at after it ended, or was ended.
struct Job<'a> {
    claim: &'a Claim,
    signs: &'a Arc<Signs>,
    connection: &'a Connection,
    run_id: Uuid,
    range: Range,
    findings: &'a Mutex<Findings>,
    tally: &'a Arc<Mutex<Tally>>,
}

impl Syncer {
    /// Runs a claimed connection and releases it, whatever happens on the way. Each line of the log in between says of
    /// which run it is.
    pub(super) async fn run(
        &self,
        claim: Claim,
        connection: Connection,
        range: Range,
        stop: CancellationToken,
        watcher: Watcher,
    ) -> Result<RunView, Error> {
        let run_id = Uuid::now_v7();
        // An error's level, or a log of errors alone would not say of which run they are.
        let span = tracing::error_span!(
            "run", run.id = %run_id, connection.id = %connection.public_id, integration.id = connection.integration_id
        );
        let run = async {
            let result = self.run_once(run_id, claim, connection, range, stop, watcher).await;
            match &result {
                Ok(run) => tracing::info!(
                    status = run.status.name(),
                    requests = run.requests,
                    samples_written = run.samples_written,
                    "run ended"
                ),
                Err(error) => tracing::warn!(%error, "a run could not be recorded"),
            }
            result
        };
        run.instrument(span).await
    }

    async fn run_once(
        &self,
        run_id: Uuid,
        claim: Claim,
        connection: Connection,
        range: Range,
        stop: CancellationToken,
        watcher: Watcher,
    ) -> Result<RunView, Error> {
        let store = &self.connections.store;
        let started_at = self.now();
        store.start_run(&claim, run_id, started_at).await?;
        let _running = telemetry::ours().run_begins();
        let interrupted = stop.child_token();
        // Ends with this future however that ends, so that no lease is renewed for a run that is gone.
        let keeper = AbortOnDropHandle::new(tokio::spawn(
            keep(self.clone(), claim.clone(), interrupted.clone()).in_current_span(),
        ));

        let findings = Mutex::new(Findings::default());
        let tally = Arc::new(Mutex::new(Tally::default()));
        let done = {
            let (claim, connection, signs) = (&claim, &connection, &Arc::new(Signs::default()));
            let job = Job { claim, connection, run_id, range, findings: &findings, tally: &tally, signs };
            let reading = self.read(&job, &watcher);
            let telling = Teller { store, claim, tally: &tally };
            tokio::select! {
                done = reading => Some(done),
                () = telling.follow(|| lock(&findings).http.clone()) => None,
                () = interrupted.cancelled() => None,
                why = given_up(&findings, signs) => Some(Err(why.into())),
            }
        };
        drop(keeper);
        let mut findings = findings.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match done {
            Some(Ok(())) => {}
            Some(Err(failure)) => {
                if let connections::Error::Unreadable { source, .. } = &failure {
                    findings.unreadable = Some(*source);
                }
                findings.fatal.get_or_insert(as_failure(&failure));
            }
            None => findings.interrupted = true,
        }
        let counters = findings.http.as_ref().map(Http::counters).unwrap_or_default();
        let tally = std::mem::take(&mut *tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let verdict = Verdict::of(&findings, &tally);
        telemetry::ours().run_ended(&connection.integration_id, verdict.ending(), verdict.kinds());
        let now = self.now();
        let interval = connection.settings.sync_interval_minutes.unwrap_or_else(|| self.interval_of(&connection));
        let plan = verdict.plan(&connection, interval, now);
        let metrics = verdict.metrics(&tally);
        let end = RunEnd {
            run_id,
            status: verdict.status.name().to_owned(),
            counts: counts(counters, &tally),
            retry_at: verdict.retry_at,
            error: verdict.error.as_ref().map(error_json),
            metrics: serde_json::json!(metrics),
            corrections: (!findings.corrections.is_empty()).then(|| serde_json::json!(findings.corrections)),
            connection: ConnectionState {
                state: plan.state.to_owned(),
                reason: plan.reason.clone(),
                until: plan.until,
                failures: plan.failures,
                due_at: plan.due_at,
                last_synced_at: verdict.read_something.then_some(now),
            },
        };
        match store.release(&claim, &end, now).await {
            Ok(()) => plan.log(&connection),
            Err(store::Error::FenceLost) => {
                tracing::warn!("another process took this connection over");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(view::of_end(&connection, &end, started_at, now, metrics, findings.corrections, verdict.error.as_ref()))
    }

    fn interval_of(&self, connection: &Connection) -> i64 {
        let integration = self.connections.registry.get(&connection.integration_id);
        integration.map_or(30, |integration| i64::from(integration.descriptor().sync_interval_minutes))
    }

    async fn read(&self, job: &Job<'_>, watcher: &Watcher) -> Result<(), connections::Error> {
        let Job { claim, connection, run_id, range, findings, tally, signs } = *job;
        let integration = self.connections.registry.get(&connection.integration_id)?;
        let descriptor = integration.descriptor();
        let today = self.today(connection);
        let history = Period::inclusive(connection.settings.history_start, today);
        let host = Arc::new(RunHost {
            store: self.connections.store.clone(),
            vault: self.connections.vault.clone(),
            claim: claim.clone(),
            connection_id: connection.public_id,
            run_id,
            descriptor: descriptor.clone(),
            frame: Frame { today, currency: connection.settings.currency, grain: Interval::Day },
            history,
            clock: self.connections.clock,
            tally: tally.clone(),
            signs: signs.clone(),
        });
        let mut context = self.connections.context(connection, integration.as_ref(), RUN_BUDGET, host.clone()).await?;
        lock(findings).http = Some(context.http.clone());
        let forced = range.period(connection.settings.history_start, today);
        context.forced = forced.is_some();
        let reader =
            Reader { integration: integration.as_ref(), descriptor: &descriptor, context: &context, host: &host };
        let asked = forced.unwrap_or(history);
        let result = reader.read(asked, forced.is_some(), &connection.name, findings, watcher).await;
        if let Err(error) = result {
            lock(findings).fatal = Some(error);
        }
        Ok(())
    }
}

/// Renews the claim until it is dropped. When another process has it, the run is to stop.
async fn keep(syncer: Syncer, claim: Claim, interrupted: CancellationToken) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        let lease = SignedDuration::try_from(super::LEASE).unwrap_or(SignedDuration::ZERO);
        let until = syncer.now().checked_add(lease).unwrap_or_else(|_| syncer.now());
        match syncer.connections.store.renew(&claim, until).await {
            Ok(()) => {}
            Err(store::Error::FenceLost) => return interrupted.cancel(),
            // A passing fault of the database: the next renewal may succeed before the lease is over.
            Err(error) => tracing::warn!(%error, "a claim could not be renewed"),
        }
    }
}

/// Ends when there is no use in waiting for an integration any longer, with the reason.
async fn given_up(findings: &Mutex<Findings>, signs: &Signs) -> http::Error {
    let begun = Instant::now();
    let budget = Duration::try_from(RUN_BUDGET).unwrap_or_default() + OVERTIME;
    let (mut heard, mut last) = (Instant::now(), 0);
    loop {
        tokio::time::sleep(LONGEST_SILENCE / 4).await;
        let (count, is_busy) = {
            let findings = lock(findings);
            let http = findings.http.as_ref().map(Http::pulse);
            let count = signs.asking.count() + http.map_or(0, Pulse::count);
            (count, signs.asking.is_busy() || http.is_some_and(Pulse::is_busy))
        };
        if !signs.called.is_busy() || is_busy || count != last {
            (heard, last) = (Instant::now(), count);
        }
        if heard.elapsed() >= LONGEST_SILENCE {
            return http::Error::internal(
                "the integration waits for something that is not ours to give; it was given up",
            );
        }
        if begun.elapsed() >= budget {
            return http::Error::internal("the integration does not come to an end; it was given up");
        }
    }
}

fn as_failure(failure: &connections::Error) -> http::Error {
    match failure {
        connections::Error::Provider(error) => error.clone(),
        connections::Error::InvalidFields { .. } | connections::Error::UnknownIntegration(_) => {
            http::Error::invalid_settings(failure.to_string())
        }
        other => http::Error::internal(other.to_string()),
    }
}

fn lock(findings: &Mutex<Findings>) -> std::sync::MutexGuard<'_, Findings> {
    findings.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Reads what is due through one integration.
struct Reader<'a> {
    integration: &'a dyn Integration,
    descriptor: &'a Descriptor,
    context: &'a Context,
    host: &'a RunHost,
}

impl Reader<'_> {
    async fn read(
        &self,
        asked: Period,
        forced: bool,
        connection_name: &str,
        findings: &Mutex<Findings>,
        watcher: &Watcher,
    ) -> Result<(), http::Error> {
        for stream in &self.descriptor.streams {
            let fingerprint = fingerprint(self.descriptor, &stream.id, self.context);
            if self.host.fingerprint(&stream.id).await?.as_deref() != Some(&fingerprint) {
                self.host.restart_stream(&stream.id, &fingerprint).await?;
            }
        }
        self.host.open_days(asked).await?;
        let mut done = 0;
        for (at, grain) in Interval::ALL.into_iter().enumerate() {
            // Weeks and months come after their days: what is new of these makes them due.
            let due = self.host.due(grain, asked, forced).await?;
            let steps = plan::steps(self.descriptor, grain, &due);
            let total = done + u64::try_from(steps.len()).unwrap_or(u64::MAX);
            for step in &steps {
                let label = match grain {
                    Interval::Day => format!("{} back to {}", step.stream, step.period.start()),
                    _ => format!("{} in {}s", step.stream, grain.name()),
                };
                let begun = progress::Step { done, total, label: label.clone() };
                self.host.teller().begin(begun, &self.context.http).await;
                watcher(Progress { connection_name: connection_name.to_owned(), done, total, label });
                if let Some(error) = self.step(step, &due, findings).await? {
                    self.give_up(grain, &due, &error, findings).await?;
                    for later in Interval::ALL.into_iter().skip(at + 1) {
                        let due = self.host.due(later, asked, forced).await?;
                        self.give_up(later, &due, &error, findings).await?;
                    }
                    return Err(error);
                }
                done += 1;
            }
        }
        let label = "done".to_owned();
        watcher(Progress { connection_name: connection_name.to_owned(), done, total: done, label });
        Ok(())
    }

    /// Asks for one window. Gives the error that ends the run, if there is one.
    async fn step(
        &self,
        step: &Step,
        due: &Due,
        findings: &Mutex<Findings>,
    ) -> Result<Option<http::Error>, http::Error> {
        let (hopeless, wanted): (Vec<String>, Vec<String>) = {
            let findings = lock(findings);
            // What failed for one part only (a repository) goes on for the others.
            let partly = self.host.tally().answered.clone();
            let is_hopeless =
                |id: &String| findings.metrics.get(id).is_some_and(Fared::is_final) && !partly.contains(id);
            step.metrics.iter().cloned().partition(is_hopeless)
        };
        for id in &hopeless {
            let why = lock(findings).metrics.get(id).and_then(Fared::why);
            self.leave(step.grain, id, step.period, due, why).await?;
        }
        if wanted.is_empty() {
            return Ok(None);
        }
        let mut context = self.context.clone();
        context.grain = step.grain;
        let result = {
            let _called = self.host.signs.called.beat();
            guarded(self.integration.fetch_metrics(&context, &wanted, step.period)).await
        };
        if self.host.tally().fence_lost {
            return Ok(Some(http::Error::internal("another process took this connection over")));
        }
        let report = match result {
            Ok(report) => report,
            Err(error) => return Ok(Some(error)),
        };
        lock(findings).corrections.extend(report.corrections);
        for id in &wanted {
            let fared = match report.outcomes.get(id) {
                Some(Outcome::Ok) => Fared::Ok,
                Some(Outcome::Failed(error)) => Fared::Failed(error.clone()),
                Some(Outcome::Unsupported(reason)) => Fared::Unsupported(reason.clone()),
                Some(Outcome::Unknown) => Fared::Unknown,
                None => Fared::Failed(http::Error::internal("the integration said nothing of this metric")),
            };
            let why = match &fared {
                Fared::Ok => Some(Why::Failed(http::Error::internal(format!(
                    "the integration called this metric read and left {}s out",
                    step.grain.name()
                )))),
                other => other.why(),
            };
            let left = self.leave(step.grain, id, step.period, due, why.clone()).await?;
            let fared = match (fared, why) {
                (Fared::Ok, Some(Why::Failed(error))) if left => Fared::Failed(error),
                (fared, _) => fared,
            };
            lock(findings).metrics.entry(id.clone()).or_insert(Fared::Ok).worsen(fared);
        }
        Ok(None)
    }

    /// Marks the due buckets of a metric in a period that nothing was said of. Gives whether there were any.
    async fn leave(
        &self,
        grain: Interval,
        metric_id: &str,
        period: Period,
        due: &Due,
        why: Option<Why>,
    ) -> Result<bool, http::Error> {
        let (Some(days), Some(why)) = (due.get(metric_id), why) else { return Ok(false) };
        let covered = self.host.tally().covered.get(&(metric_id.to_owned(), grain)).cloned().unwrap_or_default();
        let open: Vec<Day> =
            days.range(period.start()..period.end()).filter(|day| !covered.contains(day)).copied().collect();
        if open.is_empty() {
            return Ok(false);
        }
        for period in consecutive(grain, &open) {
            let gap = Gap { metric_id: metric_id.to_owned(), scope: Scope::Total, period, why: why.clone() };
            self.host.leave(grain, &gap).await?;
        }
        Ok(true)
    }

    /// The run ends early: what was not read fails for the same reason, unless the provider only asked to wait.
    async fn give_up(
        &self,
        grain: Interval,
        due: &Due,
        error: &http::Error,
        findings: &Mutex<Findings>,
    ) -> Result<(), http::Error> {
        if self.host.tally().fence_lost {
            return Ok(());
        }
        let open: Vec<&String> = due.iter().filter(|(_, days)| !days.is_empty()).map(|(id, _)| id).collect();
        for id in &open {
            lock(findings).metrics.entry((*id).clone()).or_insert_with(|| Fared::Failed(error.clone()));
        }
        if error.kind() == FailureKind::RateLimited {
            return Ok(());
        }
        let always = Period::inclusive(Day::from_number(0).unwrap_or(self.host.frame.today), self.host.frame.today);
        for id in open {
            self.leave(grain, id, always, due, Some(Why::Failed(error.clone()))).await?;
        }
        Ok(())
    }
}

/// Runs of buckets without a hole.
fn consecutive(grain: Interval, buckets: &[Day]) -> Vec<Period> {
    let mut runs: Vec<Period> = Vec::new();
    for bucket in buckets.iter().map(|day| grain.bucket(*day)) {
        match runs.last_mut() {
            Some(last) if last.end() == bucket.start() => *last = Period::new(last.start(), bucket.end()),
            _ => runs.push(bucket),
        }
    }
    runs
}

/// What a stream's records and points depend on: its form, the definitions it feeds and the settings that affect it.
fn fingerprint(descriptor: &Descriptor, stream: &str, context: &Context) -> String {
    let settings = context.settings.to_json();
    let affecting = descriptor.settings.iter().filter(|field| field.affects.iter().any(|id| id == stream));
    let mut parts = vec![format!("version {}", descriptor.stream(stream).map_or(0, |stream| stream.version))];
    parts.extend(descriptor.metrics_of(stream).map(|metric| format!("{} {}", metric.id, metric.definition)));
    parts.extend(affecting.map(|field| format!("{} {:?}", field.key, settings.get(&field.key))));
    let digest = Sha256::digest(parts.join("\n").as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
