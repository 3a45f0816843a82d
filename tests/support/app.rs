//! The whole app over a database of a test.

use std::{collections::BTreeMap, sync::Arc};

use dashtray::{
    clock::Clock,
    connections::{ConnectRequest, ConnectedView, Connections, Overrides},
    http::ClientConfig,
    integrations::{Integration, Registry},
    metric::{Currency, Interval},
    secret::Secret,
    series::{self, GetRequest, SeriesView},
    store::{NewProject, Store},
    sync::{Range, RunView, Syncer},
    vault::{Vault, VaultKeys},
};
use jiff::Timestamp;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::database::Database;

/// Sixty-four hexadecimal digits that open nothing but tests.
pub(crate) const MASTER_KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// How a process gets to providers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outside {
    pub(crate) client: ClientConfig,
    /// Other addresses, and an instant for runs that go there.
    pub(crate) overrides: Overrides,
}

/// One process: its own pools, client and workers over a database that others may use too.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) store: Store,
    pub(crate) connections: Connections,
    pub(crate) sync: Syncer,
    pub(crate) registry: Registry,
}

impl Process {
    /// Starts over a database, at an instant; time then follows tokio's clock.
    pub(crate) async fn start(db: &Database, integrations: Vec<Arc<dyn Integration>>, now: &str) -> Self {
        Self::start_with(db, integrations, Clock::ticking_from(now.parse().unwrap()), MASTER_KEY).await
    }

    pub(crate) async fn start_with(
        db: &Database,
        integrations: Vec<Arc<dyn Integration>>,
        clock: Clock,
        master_key: &str,
    ) -> Self {
        Self::start_over(db, integrations, clock, master_key, Outside::default()).await
    }

    /// The same with another way out.
    pub(crate) async fn start_over(
        db: &Database,
        integrations: Vec<Arc<dyn Integration>>,
        clock: Clock,
        master_key: &str,
        outside: Outside,
    ) -> Self {
        let store = db.open().await;
        let new = NewProject { slug: "default".into(), zone: "UTC".into(), currency: Currency::USD };
        let _ = store.insert_project(&new, clock.now()).await;
        let vault = Vault::load(&VaultKeys::Text(Secret::new(master_key))).unwrap();
        let registry = Registry::new(integrations);
        let Outside { client, overrides } = outside;
        let connections = Connections::new(store.clone(), vault, registry.clone(), client, clock, overrides).unwrap();
        let sync = Syncer::new(connections.clone(), 4);
        Self { store, connections, sync, registry }
    }

    pub(crate) async fn connect(&self, integration: &str, name: &str, settings: Json) -> ConnectedView {
        let request = ConnectRequest {
            project: "default".into(),
            integration_id: integration.into(),
            name: Some(name.into()),
            credentials: BTreeMap::from([("api_key".to_owned(), Secret::new("canary-4711"))]),
            settings: settings.as_object().cloned().unwrap_or_default(),
        };
        self.connections.connect(request).await.unwrap()
    }

    /// Runs one connection now.
    pub(crate) async fn run(&self, name: &str) -> RunView {
        self.run_range(name, Range::default()).await
    }

    pub(crate) async fn run_range(&self, name: &str, range: Range) -> RunView {
        let stop = CancellationToken::new();
        let mut runs = self.sync.sync_now("default", &[name.to_owned()], range, &stop, Arc::new(|_| {})).await.unwrap();
        runs.remove(0)
    }

    /// The series of a metric over the last thirty days as of `now`.
    pub(crate) async fn series(&self, metric_id: &str, now: Timestamp) -> Vec<SeriesView> {
        let request = GetRequest {
            project: "default".into(),
            metric_id: metric_id.into(),
            connection: None,
            from: None,
            to: None,
            interval: Interval::Day,
            by_dimension: false,
            now,
        };
        series::get(&self.store, &self.registry, &request).await.unwrap()
    }
}
