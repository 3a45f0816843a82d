//! The whole of Dashtray over a throw-away directory: connect, sync and read as a person would.

use std::{collections::BTreeMap, sync::Arc};

use dashtray::{
    app::{App, DEFAULT_PROJECT},
    config::{Config, Flags},
    connections::{self, ConnectRequest, ConnectedView},
    integrations::Registry,
    metric::{Day, Definition, Interval, Mark, Period, WidgetType},
    series::{self, GetRequest, SeriesView},
    store::Connection,
    sync::{Range, RunView},
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{
    front::Front,
    stand::{Account, Fields, Provider, Stand},
};

/// An app whose one integration is the stand's, behind a front.
pub(crate) struct Whole {
    pub(crate) app: App,
    pub(crate) front: Front,
    pub(crate) directory: TempDir,
    stand_period: Period,
    id: String,
    settings: serde_json::Map<String, serde_json::Value>,
    _provider: Provider,
}

fn shown(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Whole {
    pub(crate) async fn open(stand: &Stand, account: Account) -> Result<Self, String> {
        Self::over(stand, (stand.start)(account).await).await
    }

    /// The same over a provider that was started otherwise.
    pub(crate) async fn over(stand: &Stand, provider: Provider) -> Result<Self, String> {
        let front = Front::before(&provider.url).await.map_err(shown)?;
        let directory = tempfile::tempdir().map_err(shown)?;
        let flags = Flags { data_dir: Some(directory.path().to_owned()), ..Flags::default() };
        let mut config = Config::load(&flags).map_err(shown)?.config;
        let id = stand.integration.descriptor().id.clone();
        config.database_url = Config::sqlite_url(directory.path());
        config.provider_urls = BTreeMap::from([(id.clone(), front.url.clone())]);
        config.now = Some(stand.now);
        let registry = Registry::new(vec![stand.integration.clone()]);
        let app = App::open(config, registry).await.map_err(shown)?;
        let settings = stand.settings.clone();
        Ok(Self { app, front, directory, stand_period: stand.period(), id, settings, _provider: provider })
    }

    /// The same, connected with the stand's credentials.
    pub(crate) async fn connected(stand: &Stand, account: Account) -> Result<Self, String> {
        let whole = Self::open(stand, account).await?;
        whole.connect(&stand.valid).await.map_err(shown)?;
        Ok(whole)
    }

    pub(crate) async fn connect(&self, fields: &Fields) -> Result<ConnectedView, connections::Error> {
        self.connect_with(fields, serde_json::Map::new()).await
    }

    /// The same with more settings.
    pub(crate) async fn connect_with(
        &self,
        fields: &Fields,
        more: serde_json::Map<String, serde_json::Value>,
    ) -> Result<ConnectedView, connections::Error> {
        let request = ConnectRequest {
            project: DEFAULT_PROJECT.to_owned(),
            integration_id: self.id.clone(),
            name: None,
            credentials: fields.clone(),
            settings: self.settings.clone().into_iter().chain(more).collect(),
        };
        self.app.connections.connect(request).await
    }

    /// Reads the stand's period.
    pub(crate) async fn sync(&self) -> Result<RunView, String> {
        self.sync_days(self.stand_period).await
    }

    pub(crate) async fn sync_days(&self, period: Period) -> Result<RunView, String> {
        let days: Vec<Day> = period.days().collect();
        let range = Range { from: days.first().copied(), to: days.last().copied() };
        let stop = CancellationToken::new();
        let runs = self.app.sync.sync_now(DEFAULT_PROJECT, &[], range, &stop, Arc::new(|_| {})).await.map_err(shown)?;
        runs.into_iter().next().ok_or_else(|| "there was no run".to_owned())
    }

    pub(crate) async fn connection(&self) -> Result<Connection, String> {
        let project = self.app.connections.project(DEFAULT_PROJECT).await.map_err(shown)?;
        let all = self.app.store.connections(project.id).await.map_err(shown)?;
        all.into_iter().next().ok_or_else(|| "there is no connection".to_owned())
    }

    /// The state of each day (or week, or month) of a metric that the ledger has a row for, whatever was asked.
    pub(crate) async fn ledger(&self, metric: &Definition, grain: Interval) -> Result<BTreeMap<Day, Mark>, String> {
        let connection = self.connection().await?;
        let valued = metric.has_currency() && metric.widget_type != WidgetType::Table;
        let currency = valued.then_some(connection.settings.currency);
        let rows = self.app.store.series(connection.key, grain, Some(&[metric.id.as_str()])).await.map_err(shown)?;
        let carrier: Vec<i64> =
            rows.iter().filter(|row| row.dimension.is_empty() && row.currency == currency).map(|row| row.id).collect();
        let start = Day::from_number(0).ok_or("no first day")?;
        let always = Period::new(start, start.plus(60_000));
        let points = self.app.store.points(connection.key.project_id, &carrier, always).await.map_err(shown)?;
        points
            .iter()
            .map(|row| {
                let mark = Mark::from_code(row.mark).ok_or_else(|| format!("the mark {} is none", row.mark))?;
                Ok((row.day, mark))
            })
            .collect()
    }

    /// The series of a metric as people get it.
    pub(crate) async fn series(&self, metric: &Definition) -> Result<Vec<SeriesView>, String> {
        let days: Vec<Day> = self.stand_period.days().collect();
        let request = GetRequest {
            project: DEFAULT_PROJECT.to_owned(),
            metric_id: metric.id.clone(),
            connection: None,
            from: days.first().copied(),
            to: days.last().copied(),
            interval: Interval::Day,
            by_dimension: metric.dimension.is_some(),
            now: self.app.connections.now_for(&self.id),
        };
        series::get(&self.app.store, &self.app.registry, &request).await.map_err(shown)
    }
}
