//! Connections: made, tested, changed and removed. Pages, API and command line call these same functions.

mod connect;
mod draft;
mod error;
pub mod examine;
mod manage;
mod memory;
mod options;
mod session;
mod sign_in;
pub(crate) mod starter;
mod view;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Map, Value as Json};
use url::Url;

use crate::{
    clock::Clock,
    http::{Client, ClientConfig, OAuthClient},
    integrations::Registry,
    store::{Connection, Project, Retention, Store},
    vault::Vault,
};

pub use connect::ConnectRequest;
pub use draft::TrialView;
pub use error::Error;
pub use manage::{Access, Disconnected, Rotation};
pub use memory::SealedMemory;
pub(crate) use memory::pack;
pub(crate) use options::LONGEST_HISTORY_DAYS;
pub use session::{Guarded, guarded};
pub use sign_in::{Allowed, Callback, SignInError, SignInFor, SignInRequest, SignInView, SignedIn};
pub use view::{AccountView, ConnectedView, ConnectionView, CorrectedView, ErrorView, ProjectView, TestView};

/// What all that touches a connection needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connections {
    pub(crate) store: Store,
    pub(crate) vault: Arc<Vault>,
    pub(crate) registry: Registry,
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    overrides: Overrides,
    clients: Arc<BTreeMap<String, OAuthClient>>,
    retention: Retention,
}

/// Sandboxes: addresses that stand in for providers, and the instant that runs through them take for now.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// By integration id; loopback addresses.
    pub provider_urls: BTreeMap<String, Url>,
    /// The frozen instant; counts only for integrations whose address is replaced.
    pub now: Option<Timestamp>,
}

/// The settings that a user gave a connection. Damaged ones read as none and are then refused by name of what is
/// missing.
pub(crate) fn settings_of(connection: &Connection) -> Map<String, Json> {
    connection.settings.values.as_object().cloned().unwrap_or_default()
}

impl Connections {
    /// Joins the parts.
    pub fn new(
        store: Store,
        vault: Vault,
        registry: Registry,
        client: ClientConfig,
        clock: Clock,
        overrides: Overrides,
    ) -> Result<Self, crate::http::Error> {
        let vault = Arc::new(vault);
        let memory = SealedMemory::new(store.clone(), vault.clone());
        let client = Client::new(client, Arc::new(memory), clock)?;
        let (clients, retention) = (Arc::default(), Retention::default());
        Ok(Self { store, vault, registry, client, clock, overrides, clients, retention })
    }

    /// The same with other limits of age.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// The same with OAuth clients, by integration id.
    #[must_use]
    pub fn with_clients(mut self, clients: BTreeMap<String, OAuthClient>) -> Self {
        self.clients = Arc::new(clients);
        self
    }

    /// Waits until access that is being renewed is kept. For the end of a program.
    pub async fn settle(&self) {
        self.client.settle().await;
    }

    /// The instant that runs of an integration take for now.
    pub fn now_for(&self, integration_id: &str) -> Timestamp {
        let sandboxed = self.overrides.provider_urls.contains_key(integration_id);
        self.overrides.now.filter(|_| sandboxed).unwrap_or_else(|| self.clock.now())
    }

    /// Drops what is too old to be of use.
    pub(crate) async fn sweep(&self) -> Result<u64, crate::store::Error> {
        self.store.prune(&self.retention, self.clock.now()).await
    }

    /// The project of that slug.
    pub async fn project(&self, slug: &str) -> Result<Project, Error> {
        match self.store.project(slug).await? {
            Some(project) => Ok(project),
            None => Err(Error::UnknownProject(slug.chars().take(60).collect())),
        }
    }

    /// The same of a connection that a provider is read through, and not one that programs push to.
    pub async fn find_synced(&self, project: &Project, id_or_name: &str) -> Result<Connection, Error> {
        let found = self.find(project, id_or_name).await?;
        if found.is_synced() { Ok(found) } else { Err(Error::NotSynced(found.name)) }
    }

    /// The connection of that id or name; a name is found whatever its case.
    pub async fn find(&self, project: &Project, id_or_name: &str) -> Result<Connection, Error> {
        let all = self.store.connections(project.id).await?;
        let wanted = id_or_name.to_lowercase();
        let found = all
            .iter()
            .find(|connection| connection.public_id.to_string() == wanted || connection.name.to_lowercase() == wanted);
        match found {
            Some(connection) => Ok(connection.clone()),
            None => Err(Error::UnknownConnection {
                given: id_or_name.chars().take(60).collect(),
                known: all.into_iter().map(|connection| connection.name).collect(),
            }),
        }
    }
}
