//! Syncing: which connection runs when, and what one run does.
//!
//! One run, from end to end: [`Syncer::work`] (or the command line) claims a connection that is due; `run` opens its
//! credentials, makes sure that every asked day has a state, plans what is due (`plan`) and asks the integration for
//! it step by step. The integration hands in batches; `host` turns each into rows (`ledger`) in one transaction under
//! the run's fence. At the end `verdict` says how the run went and when the connection is due again.

mod beat;
mod book;
mod host;
mod ledger;
mod plan;
mod progress;
mod run;
mod scheduler;
#[cfg(test)]
mod tests;
mod verdict;
mod view;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    connections::{self, Connections, LONGEST_HISTORY_DAYS},
    metric::{Day, Period},
    store::{self, Act, Action, Actor, ClaimOutcome, Connection, ConnectionSettings, Project},
};

use beat::Beat;
pub use beat::Beating;
pub use view::{MetricOutcomeView, OutcomeWord, RunStatus, RunView};

/// A claim lasts this long unless it is renewed, so a dead process's connection is taken over within 30 s.
const LEASE: Duration = Duration::from_secs(25);
/// How often a running claim is renewed.
const RENEWAL: Duration = Duration::from_secs(8);
/// How often a run that is under way elsewhere is looked at.
const WATCH: Duration = Duration::from_millis(250);

/// Runs connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Syncer {
    connections: Connections,
    owner: String,
    workers: u32,
    wake: Arc<Notify>,
    beat: Arc<Beat>,
}

/// How far a run is. For people who watch; nothing depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The connection's name.
    pub connection_name: String,
    /// Steps that are done.
    pub done: u64,
    /// Steps there are.
    pub total: u64,
    /// What is being read.
    pub label: String,
}

/// Is told how far runs are.
pub type Watcher = Arc<dyn Fn(Progress) + Send + Sync>;

/// Why no run could be had at all. A run that failed is no error but a [`RunView`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection could not be found or opened.
    #[error(transparent)]
    Connection(#[from] connections::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The asked range makes no sense.
    #[error("{0}")]
    InvalidRange(String),
}

impl Error {
    /// The stable code that programs go by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Connection(error) => error.code(),
            Self::Store(_) => "database",
            Self::InvalidRange(_) => "invalid_range",
        }
    }

    /// Whether what was asked is at fault.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Connection(error) => error.is_usage(),
            Self::Store(_) => false,
            Self::InvalidRange(_) => true,
        }
    }
}

/// The days that a run is asked to read again, both inclusive. Without them it reads what is due.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// The first day.
    pub from: Option<Day>,
    /// The last day.
    pub to: Option<Day>,
}

impl Range {
    fn period(self, history_start: Day, today: Day) -> Option<Period> {
        if self == Self::default() {
            return None;
        }
        let first = self.from.unwrap_or(history_start);
        Some(Period::inclusive(first, self.to.unwrap_or(today).min(today)))
    }
}

impl Syncer {
    /// A syncer of this process, with room for `workers` runs at once.
    pub fn new(connections: Connections, workers: u32) -> Self {
        let owner = Uuid::now_v7().to_string();
        Self { connections, owner, workers: workers.max(1), wake: Arc::default(), beat: Arc::default() }
    }

    /// The same on somebody's behalf: see [`store::Store::acting`].
    #[must_use]
    pub fn acting(&self, actor: Actor) -> Self {
        let mut syncer = self.clone();
        syncer.connections.store = self.connections.store.acting(actor);
        syncer
    }

    /// Notes who asked for a run.
    async fn note(&self, connection: &Connection) -> Result<(), Error> {
        let act = Act::of(connection.key.project_id, Action::SyncAsked, &connection.name);
        Ok(self.connections.store.note(act).await?)
    }

    /// Makes a connection due at once, for whichever process has room.
    pub async fn sync_soon(&self, connection: &Connection) -> Result<(), Error> {
        self.note(connection).await?;
        self.connections.store.set_due(connection.key, self.now()).await?;
        self.wake();
        Ok(())
    }

    /// How the scheduler of this process fares.
    pub fn beat(&self) -> Beating {
        self.beat.now()
    }

    /// Tells the scheduler of this process that something may be due.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Runs connections now (all of the project where none is named), or waits for the run that is under way.
    pub async fn sync_now(
        &self,
        project: &str,
        names: &[String],
        range: Range,
        stop: &CancellationToken,
        watcher: Watcher,
    ) -> Result<Vec<RunView>, Error> {
        let project = self.connections.project(project).await?;
        let chosen = self.chosen(&project, names).await?;
        for connection in &chosen {
            self.check_range(connection, range)?;
            self.reach_back(connection, range).await?;
        }
        for connection in &chosen {
            self.note(connection).await?;
        }
        let mut views = Vec::with_capacity(chosen.len());
        let width = usize::try_from(self.workers).unwrap_or(1);
        let mut runs = futures_util::stream::StreamExt::buffered(
            futures_util::stream::iter(
                chosen.into_iter().map(|connection| self.run_or_join(connection, range, stop.clone(), watcher.clone())),
            ),
            width,
        );
        if let Err(error) = self.connections.sweep().await {
            tracing::debug!(%error, "old answers and runs could not be dropped");
        }
        // All of them end by themselves before an error of one is told.
        while let Some(view) = futures_util::StreamExt::next(&mut runs).await {
            views.push(view);
        }
        views.into_iter().collect()
    }

    async fn chosen(&self, project: &Project, names: &[String]) -> Result<Vec<Connection>, Error> {
        if names.is_empty() {
            let all = self.connections.store.connections(project.id).await?;
            return Ok(all.into_iter().filter(Connection::is_synced).collect());
        }
        let mut chosen: Vec<Connection> = Vec::new();
        for name in names {
            let connection = self.connections.find_synced(project, name).await?;
            if chosen.iter().all(|other| other.public_id != connection.public_id) {
                chosen.push(connection);
            }
        }
        Ok(chosen)
    }

    fn check_range(&self, connection: &Connection, range: Range) -> Result<(), Error> {
        let today = self.today(connection);
        let earliest = today.plus(-LONGEST_HISTORY_DAYS);
        if let Some(from) = range.from.filter(|from| *from < earliest) {
            return Err(Error::InvalidRange(format!("{from} is too far back; give a day from {earliest} on")));
        }
        if let Some(from) = range.from.filter(|from| *from > today) {
            return Err(Error::InvalidRange(format!("{from} is in the future; give a day up to {today}")));
        }
        if let Some(to) = range.to.filter(|to| *to > today) {
            return Err(Error::InvalidRange(format!("{to} is in the future; give a day up to {today}")));
        }
        let start = connection.settings.history_start;
        if let (None, Some(to)) = (range.from, range.to.filter(|to| *to < start)) {
            return Err(Error::InvalidRange(format!(
                "{to} is before the history, which begins {start}; give --from too"
            )));
        }
        match (range.from, range.to) {
            (Some(from), Some(to)) if to < from => {
                Err(Error::InvalidRange(format!("the range runs backwards: {from} is after {to}; swap them")))
            }
            _ => Ok(()),
        }
    }

    /// A day before a connection's history becomes its first day, so that what is read there is also shown and kept up.
    async fn reach_back(&self, connection: &Connection, range: Range) -> Result<(), Error> {
        let Some(from) = range.from.filter(|from| *from < connection.settings.history_start) else { return Ok(()) };
        let settings = ConnectionSettings { history_start: from, ..connection.settings.clone() };
        Ok(self.connections.store.set_settings(connection.key, &settings).await?)
    }

    fn today(&self, connection: &Connection) -> Day {
        Day::of(self.connections.now_for(&connection.integration_id), &connection.settings.zone)
    }

    async fn run_or_join(
        &self,
        connection: Connection,
        range: Range,
        stop: CancellationToken,
        watcher: Watcher,
    ) -> Result<RunView, Error> {
        let key = connection.key;
        let mut joined: Option<Uuid> = None;
        loop {
            if let Some(run_id) = joined {
                let run = self.connections.store.run(key, run_id).await?;
                // A run that died is no answer, and neither is one that was not asked for these days.
                let ended = run.filter(|run| run.ended_at.is_some() && !run.was_interrupted());
                if let Some(ended) = ended.filter(|_| range == Range::default()) {
                    return Ok(view::of_row(&connection, &ended));
                }
            }
            match self.connections.store.claim(key, &self.owner, self.now(), LEASE).await? {
                ClaimOutcome::Claimed(claim) => {
                    // It may have changed while this one waited.
                    let connection = self.connections.store.connection(key).await?;
                    return self.run(claim, connection, range, stop, watcher).await;
                }
                ClaimOutcome::Busy { run_id, .. } => {
                    joined = run_id.or(joined);
                    tokio::time::sleep(WATCH).await;
                }
            }
        }
    }

    /// The last runs of a connection, newest first.
    pub async fn runs(&self, project: &str, connection: &str, limit: u32) -> Result<Vec<RunView>, Error> {
        self.runs_before(project, connection, limit, None).await
    }

    /// The same of those before one that is known by its start and id.
    pub async fn runs_before(
        &self,
        project: &str,
        connection: &str,
        limit: u32,
        before: Option<(Timestamp, Uuid)>,
    ) -> Result<Vec<RunView>, Error> {
        let project = self.connections.project(project).await?;
        let connection = self.connections.find(&project, connection).await?;
        let rows = self.connections.store.runs(connection.key, limit, before).await?;
        Ok(rows.iter().map(|row| view::of_row(&connection, row)).collect())
    }

    /// The newest run of a connection.
    pub async fn newest_run(&self, connection: &Connection) -> Result<Option<RunView>, Error> {
        let rows = self.connections.store.runs(connection.key, 1, None).await?;
        Ok(rows.first().map(|row| view::of_row(connection, row)))
    }

    /// Whole milliseconds, as the database keeps them: a run shows the same times when it ends and ever after.
    fn now(&self) -> Timestamp {
        let now = self.connections.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}
