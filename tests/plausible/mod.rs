//! The Plausible integration over a real store against the emulator: that figures are those of the books, what a sync costs,
//! and what is said where something is not to be had.

mod figures;
mod refusals;

use std::{collections::BTreeMap, sync::Arc};

use dashtray::{
    clock::Clock,
    connections::{self, ConnectRequest, ConnectedView, Overrides},
    demo::{Company, Emulators, Options, PLAUSIBLE_KEY, PLAUSIBLE_SITE},
    integrations::plausible::Plausible,
    metric::{Day, Interval, Period},
    secret::Secret,
    series::{self, GetRequest, SeriesView},
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::support::{
    app::{MASTER_KEY, Outside, Process},
    database::Database,
};

const NOW: &str = "2026-03-31T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn company() -> Arc<Company> {
    static COMPANY: std::sync::OnceLock<Arc<Company>> = std::sync::OnceLock::new();
    COMPANY.get_or_init(|| Arc::new(Company::generate(7, now()))).clone()
}

/// The 90 days that a first sync reads.
fn history() -> Period {
    let today: Day = "2026-03-31".parse().unwrap();
    Period::inclusive(today.plus(-89), today)
}

/// A Plausible, and a place to keep what is read of it.
struct Place {
    emulators: Emulators,
    db: Database,
}

impl Place {
    async fn new(options: Options) -> Self {
        let emulators = Emulators::start(company(), options).await.unwrap();
        Self { emulators, db: Database::sqlite().await }
    }

    /// The same with a Plausible that is set up otherwise.
    async fn now_with(self, options: Options) -> Self {
        Self { emulators: Emulators::start(company(), options).await.unwrap(), ..self }
    }

    /// A process over the place. Runs happen so many minutes after the company's instant.
    async fn open(&self, minutes: i64) -> Process {
        let at = now() + jiff::SignedDuration::from_mins(minutes);
        let url = self.emulators.url("plausible").parse().unwrap();
        let overrides = Overrides { provider_urls: BTreeMap::from([("plausible".to_owned(), url)]), now: Some(at) };
        let outside = Outside { overrides, ..Outside::default() };
        Process::start_over(&self.db, vec![Arc::new(Plausible)], Clock::ticking_from(at), MASTER_KEY, outside).await
    }

    fn asked(&self) -> u64 {
        self.emulators.count("plausible")
    }
}

async fn try_connect(process: &Process, key: &str, settings: Json) -> Result<ConnectedView, connections::Error> {
    let request = ConnectRequest {
        project: "default".to_owned(),
        integration_id: "plausible".to_owned(),
        name: Some("main".to_owned()),
        credentials: BTreeMap::from([("api_key".to_owned(), Secret::new(key))]),
        settings: settings.as_object().cloned().unwrap(),
    };
    process.connections.connect(request).await
}

async fn connect(process: &Process, more: Json) -> ConnectedView {
    let mut settings = json!({ "site_id": PLAUSIBLE_SITE });
    settings.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    try_connect(process, PLAUSIBLE_KEY, settings).await.unwrap()
}

/// The series of a metric over all days, by the dimension's value (empty for the total).
async fn series(app: &Process, metric: &str, by_dimension: bool) -> BTreeMap<String, SeriesView> {
    let request = GetRequest {
        project: "default".to_owned(),
        metric_id: metric.to_owned(),
        connection: None,
        from: Some(history().start()),
        to: history().last(),
        interval: Interval::Day,
        by_dimension,
        now: now(),
    };
    let views = series::get(&app.store, &app.registry, &request).await.unwrap();
    views.into_iter().map(|view| (view.dimension.clone().unwrap_or_default(), view)).collect()
}

/// What a series says, day by day: the value as it leaves, else the state.
fn said(view: &SeriesView) -> Vec<(Day, String)> {
    let point = |point: &series::PointView| match &point.value {
        Some(value) => value.to_string(),
        None => point.state.name().to_owned(),
    };
    view.points.iter().map(|one| (one.date, point(one))).collect()
}
