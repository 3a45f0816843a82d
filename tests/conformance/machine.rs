//! One machine, on which processes of Dashtray come and go: a database, and an emulator behind a front. For checks that run
//! with [`Pace::Stepped`](super::Pace): time stands still while anything works, and goes on where the HTTP layer would
//! wait for a provider, where the front keeps it waiting, and where a check says so.

use std::{cell::Cell, collections::BTreeMap, sync::Arc, time::Duration};

use dashtray::{
    clock::Clock,
    connections::{ConnectRequest, Overrides},
    fail_point::Point,
    http::ClientConfig,
    integrations::Integration,
    metric::{Day, Period, Zone},
    store::ConnectionSettings,
    sync::{Range, RunStatus, RunView},
};
use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use tokio::{
    task::spawn_blocking,
    time::{Instant, advance},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    front::Front,
    rows::{Place, Rows, Told, told as told_by},
    stand::{Account, Fields, LATENESS, Provider, Stand},
};
use crate::support::{
    app::{MASTER_KEY, Outside, Process},
    database::Database,
    points,
};

/// Small bounds, so that a test need not send what would break large ones.
const MOST_ANSWER_BYTES: u64 = 4 << 20;
pub(crate) const MOST_DECODED_BYTES: u64 = 8 << 20;
/// Longer than any wait that the HTTP layer sits out.
const A_WAIT: Duration = Duration::from_secs(61);
/// So much of a wait passes at once, and the runtime has so many turns before. A run notes its progress while it waits: the
/// database must come to its turn long before whoever wants it next gives up.
const A_STEP: Duration = Duration::from_millis(500);
const TURNS: usize = 10;
/// After this long a dead process's connection can be claimed.
const A_LEASE: Duration = Duration::from_secs(26);
/// Two windows of a month: whatever goes from window to window does so, and no more often than needed.
pub(crate) const HISTORY_DAYS: i32 = 45;
/// A provider that behaves again is read within so many runs.
const MOST_RUNS: usize = 3;
const A_DAY: Duration = Duration::from_secs(24 * 3600);
/// The name of the one connection.
pub(crate) const NAME: &str = "main";

pub(crate) struct Machine {
    pub(crate) front: Arc<Front>,
    pub(crate) clock: Clock,
    /// What its processes decide about outbound calls.
    pub(crate) client: ClientConfig,
    /// Where they find the provider, if not at its own address.
    pub(crate) address: Option<Url>,
    integration: Arc<dyn Integration>,
    settings: Map<String, Json>,
    valid: Fields,
    now: Timestamp,
    provider: Provider,
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Machine {
    /// A provider with this account and nothing else yet.
    pub(crate) async fn new(stand: &Stand, account: Account) -> Result<Self, String> {
        let provider = (stand.start)(account).await;
        let front = Arc::new(Front::before(&provider.url).await.map_err(shown)?);
        front.steps();
        front.remembers();
        let now = if account == Account::Late { stand.now - LATENESS } else { stand.now };
        let client = ClientConfig {
            max_answer_bytes: MOST_ANSWER_BYTES,
            max_decoded_bytes: MOST_DECODED_BYTES,
            ..ClientConfig::default()
        };
        Ok(Self {
            address: Some(front.url.clone()),
            front,
            client,
            clock: Clock::ticking_from(now),
            integration: stand.integration.clone(),
            settings: stand.settings.clone(),
            valid: stand.valid.clone(),
            now,
            provider,
        })
    }

    /// From now on the provider knows what came late.
    pub(crate) fn let_late_data_come(&self) {
        (self.provider.catch_up)();
        self.front.remembers();
    }

    /// The present day.
    pub(crate) fn today(&self) -> Day {
        Day::of(self.now, &Zone::utc())
    }

    /// The instant of its processes' runs.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Runs until one has read everything, of days that are named or of what is due. Gives them all, the last one last.
    pub(crate) async fn good_runs(&self, database: &Database, range: Range) -> Result<Vec<RunView>, String> {
        // The provider counts what others asked, over other copies of the database.
        advance(A_LEASE).await;
        let process = self.process(database).await;
        let mut runs = Vec::new();
        while runs.len() < MOST_RUNS {
            let run = hurried(self.sync_range(&process, range)).await?;
            let status = run.status;
            runs.push(run);
            match status {
                RunStatus::Ok => {
                    process.store.close().await;
                    return Ok(runs);
                }
                RunStatus::RateLimited => self.wait_until_due(&process).await?,
                _ => {}
            }
        }
        let said = |run: &RunView| {
            let of_metric = run.metrics.iter().find_map(|metric| metric.error.clone());
            format!("{}: {:?}", run.status.name(), run.error.clone().or(of_metric))
        };
        Err(format!("{MOST_RUNS} runs end {:?}", runs.iter().map(said).collect::<Vec<_>>()))
    }

    /// What is known after it, in a process that reads no more.
    pub(crate) async fn rows(&self, database: &Database) -> Result<Rows, String> {
        let process = self.process(database).await;
        let rows = Rows::read(&process).await;
        process.store.close().await;
        rows
    }

    /// What people get of a period after it.
    pub(crate) async fn told(&self, database: &Database, period: Period) -> Result<BTreeMap<Place, Told>, String> {
        let process = self.process(database).await;
        let told = told_by(&process, period, self.now).await;
        process.store.close().await;
        told
    }

    /// It is the next day, for the provider as for us.
    pub(crate) async fn let_a_day_pass(&mut self) {
        advance(A_DAY).await;
        self.now += A_DAY;
    }

    /// A new process over a database.
    pub(crate) async fn process(&self, database: &Database) -> Process {
        // A wait of another one may not be over yet; time would pass while the store opens.
        while UNTIL.get().is_some() {
            let _ = spawn_blocking(std::thread::yield_now).await;
        }
        let id = self.integration.descriptor().id.clone();
        let provider_urls = self.address.iter().map(|url| (id.clone(), url.clone())).collect();
        let outside =
            Outside { overrides: Overrides { provider_urls, now: Some(self.now) }, client: self.client.clone() };
        Process::start_over(database, vec![self.integration.clone()], self.clock, MASTER_KEY, outside).await
    }

    /// The database with a connection in it of which nothing is read yet, and nobody at work.
    pub(crate) async fn connected(&self, database: Database) -> Result<Database, String> {
        self.connected_for(HISTORY_DAYS, database).await
    }

    /// The same with a history of so many days.
    pub(crate) async fn connected_for(&self, days: i32, database: Database) -> Result<Database, String> {
        let process = self.process(&database).await;
        self.connect(&process, days).await?;
        process.store.close().await;
        self.front.take();
        Ok(database)
    }

    async fn connect(&self, process: &Process, days: i32) -> Result<(), String> {
        let request = ConnectRequest {
            project: "default".to_owned(),
            integration_id: self.integration.descriptor().id.clone(),
            name: Some(NAME.to_owned()),
            credentials: self.valid.clone(),
            settings: self.settings.clone(),
        };
        hurried(process.connections.connect(request)).await.map_err(shown)?;
        let project = process.connections.project("default").await.map_err(shown)?;
        let connection = process.connections.find(&project, NAME).await.map_err(shown)?;
        let history_start = Day::of(self.now, &Zone::utc()).plus(1 - days);
        let settings = ConnectionSettings { history_start, ..connection.settings };
        process.store.set_settings(connection.key, &settings).await.map_err(shown)
    }

    /// A run of what is due.
    pub(crate) async fn sync(&self, process: &Process) -> Result<RunView, String> {
        self.sync_range(process, Range::default()).await
    }

    pub(crate) async fn sync_range(&self, process: &Process, range: Range) -> Result<RunView, String> {
        let stop = CancellationToken::new();
        let names = [NAME.to_owned()];
        let run = process.sync.sync_now("default", &names, range, &stop, Arc::new(|_| {}));
        run.await.map_err(shown)?.pop().ok_or_else(|| "there was no run".to_owned())
    }

    /// Lets time pass until the scheduler would run it again.
    pub(crate) async fn wait_until_due(&self, process: &Process) -> Result<(), String> {
        let due = process.connections.list("default").await.map_err(shown)?.pop().and_then(|view| view.next_sync_at);
        let wait = due.map(|due| due.duration_since(self.clock.now())).and_then(|wait| Duration::try_from(wait).ok());
        advance(wait.unwrap_or_default()).await;
        Ok(())
    }

    /// How often the provider was asked since the last time this was.
    pub(crate) fn asked(&self) -> usize {
        self.front.take().len()
    }

    /// Another process goes on after one that died or had to stop. Gives how many runs it took to read everything.
    pub(crate) async fn catches_up(&self, database: &Database) -> Result<usize, String> {
        self.read_within(database, MOST_RUNS).await
    }

    /// Runs until one has read everything, each as soon as the provider allows. Gives how many that took.
    pub(crate) async fn read_within(&self, database: &Database, most_runs: usize) -> Result<usize, String> {
        advance(A_LEASE).await;
        self.front.take();
        let process = self.process(database).await;
        let mut last = None;
        for runs in 1..=most_runs {
            let run = hurried(self.sync(&process)).await?;
            match run.status {
                RunStatus::Ok => {
                    process.store.close().await;
                    return Ok(runs);
                }
                RunStatus::RateLimited => self.wait_until_due(&process).await?,
                _ => {}
            }
            last = Some((run.status.name(), run.error, run.metrics.into_iter().find_map(|metric| metric.error)));
        }
        Err(format!("after {most_runs} runs the last one ends {last:?}"))
    }
}

/// Whether the HTTP layer is about to wait.
pub(crate) fn is_wait(point: Point) -> bool {
    point.step == points::WAIT
}

thread_local! {
    /// Until when a task of this thread moves the clock.
    static UNTIL: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Lets a wait that is about to begin be over soon. Says whether there is one.
fn hurries(point: Point) -> bool {
    if is_wait(point) && UNTIL.replace(Some(Instant::now() + A_WAIT)).is_none() {
        tokio::spawn(pass());
    }
    is_wait(point)
}

/// Lets time pass in steps, so that leases are renewed meanwhile and no database is late by all of it.
async fn pass() {
    struct Over;
    impl Drop for Over {
        fn drop(&mut self) {
            UNTIL.set(None);
        }
    }
    let _over = Over;
    while UNTIL.get().is_some_and(|until| Instant::now() < until) {
        for _ in 0..TURNS {
            // Real time too: databases work in threads of their own.
            let _ = spawn_blocking(std::thread::yield_now).await;
        }
        advance(A_STEP).await;
    }
}

/// Runs a future whose waits for a provider are over at once.
pub(crate) async fn hurried<F: Future>(future: F) -> F::Output {
    told(|_| {}, future).await
}

/// The same, and each of its fail points is told, except those of waiting.
pub(crate) async fn told<F: Future>(tell: impl Fn(Point) + Send + Sync + 'static, future: F) -> F::Output {
    let tell = move |point| {
        if !hurries(point) {
            tell(point);
        }
    };
    points::told(tell, future).await
}

/// Runs a future up to its `number`th fail point, from 0, and drops it there.
pub(crate) async fn killed_at<F: Future>(number: usize, future: F) -> Option<Point> {
    points::killed_at(number, |point| !hurries(point), future).await
}
