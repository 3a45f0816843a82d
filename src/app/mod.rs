//! The whole, wired: configuration, store, vault, integrations, outbound HTTP, connections and sync.

mod backup;
mod nightly;

use std::{path::Path, sync::Arc};

use jiff::Timestamp;

use crate::{
    clock::Clock,
    config::Config,
    connections::{Connections, Overrides},
    custom,
    http::{self, ClientConfig},
    integrations::Registry,
    metric::Currency,
    store::{self, Actor, BackupError, NewProject, Retention, Store},
    sync::Syncer,
    users::{SESSION_DAYS, Users},
    vault::{KeyError, Vault, VaultKeys},
};

pub use backup::{RestoreRequest, restore};

/// Slug of the project that is always there.
pub const DEFAULT_PROJECT: &str = "default";

/// Everything a command, a page or the API needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// The effective configuration.
    pub config: Arc<Config>,
    /// The integrations there are.
    pub registry: Registry,
    /// The database.
    pub store: Store,
    /// Connections.
    pub connections: Connections,
    /// Runs.
    pub sync: Syncer,
    /// People, and how they are signed in.
    pub users: Users,
    /// When this process opened it.
    pub started_at: Timestamp,
    clock: Clock,
}

/// Why the app could not be opened. Every sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data directory or a file cannot be used.
    #[error("{path} cannot be used: {source}; give another place with --data-dir, or change its permissions")]
    File {
        /// What was tried.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The master key is malformed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The outbound client cannot be made.
    #[error(transparent)]
    Client(#[from] http::Error),
    /// A backup is not made, or not restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// The key that sealed what a backup holds is not known here.
    #[error(
        "the credentials of {connections} in this backup are sealed with the master key {keys}, which is not here; nothing \
         was changed. Give that key (DASHTRAY_MASTER_KEY_FILE, DASHTRAY_MASTER_KEY, or master.key in the data directory); \
         or restore --without-key, and reconnect them afterwards"
    )]
    WrongKey {
        /// Ids of the keys.
        keys: String,
        /// Names of the connections.
        connections: String,
    },
}

impl Error {
    /// The stable code that programs go by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "file",
            Self::Store(_) => "database",
            Self::Key(_) => "master_key",
            Self::Client(_) => "client",
            Self::WrongKey { .. } => "wrong_key",
            Self::Backup(error) => match error {
                BackupError::Store(_) => "database",
                BackupError::File { .. } => "file",
                BackupError::Exists(_) => "file_exists",
                BackupError::Invalid(_) => "invalid_backup",
                BackupError::NotEmpty(_) => "not_empty",
                BackupError::InUse(_) => "in_use",
            },
        }
    }
}

impl App {
    /// The same on somebody's behalf: what is changed is noted as theirs.
    #[must_use]
    pub fn acting(&self, actor: Actor) -> Self {
        let mut app = self.clone();
        app.store = self.store.acting(actor.clone());
        app.connections.store = app.store.clone();
        app.sync = self.sync.acting(actor.clone());
        app.users = self.users.acting(actor);
        app
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes the dashboards that are missing: whatever is connected has one, and what programs push.
    pub async fn make_starters(&self) -> Result<(), store::Error> {
        self.connections.make_starters().await?;
        for project in self.store.projects().await? {
            if let Some(descriptor) = custom::descriptor(&self.store, project.id).await? {
                self.connections.make_starter(&project, &descriptor).await?;
            }
        }
        Ok(())
    }

    /// Opens the data directory, the database and the vault. A missing master key locks the sealed credentials and
    /// nothing else.
    pub async fn open(config: Config, registry: Registry) -> Result<Self, Error> {
        make_data_dir(&config.data_dir)?;
        let store = Store::open(config.database_url.expose()).await?;
        let clock = Clock::System;
        ensure_default_project(&store, clock).await?;
        let nothing_sealed = store.all_sealed(None, 1).await?.is_empty();
        let vault = open_vault(&config, nothing_sealed)?;
        let client = client_config(&config)?;
        let overrides = Overrides { provider_urls: config.provider_urls.clone(), now: config.now };
        let connections = Connections::new(store.clone(), vault, registry.clone(), client, clock, overrides)?
            .with_clients(config.oauth_clients.clone())
            .with_retention(retention(&config));
        let sync = Syncer::new(connections.clone(), u32::from(config.workers));
        let users = Users::new(store.clone(), clock);
        let (config, started_at) = (Arc::new(config), clock.now());
        Ok(Self { config, registry, store, connections, sync, users, started_at, clock })
    }
}

/// A key that is lost locks the sealed credentials; dashboards and everything else go on without it.
fn open_vault(config: &Config, may_create: bool) -> Result<Vault, KeyError> {
    match Vault::load(&vault_keys(config, may_create)) {
        Err(missing @ KeyError::Missing(_)) => {
            tracing::error!("{missing}");
            Ok(Vault::locked())
        }
        other => other,
    }
}

/// Where this configuration's master keys are.
pub(crate) fn vault_keys(config: &Config, may_create: bool) -> VaultKeys {
    match (&config.master_key, &config.master_key_file) {
        (Some(text), _) => VaultKeys::Text(text.clone()),
        (None, Some(file)) => VaultKeys::File(file.clone()),
        (None, None) => VaultKeys::OwnFile { path: config.data_dir.join("master.key"), may_create },
    }
}

fn make_data_dir(dir: &Path) -> Result<(), Error> {
    std::fs::create_dir_all(dir).map_err(|source| Error::File { path: dir.display().to_string(), source })
}

async fn ensure_default_project(store: &Store, clock: Clock) -> Result<(), store::Error> {
    if store.project(DEFAULT_PROJECT).await?.is_some() {
        return Ok(());
    }
    let new = NewProject { slug: DEFAULT_PROJECT.to_owned(), zone: "UTC".to_owned(), currency: Currency::USD };
    match store.insert_project(&new, clock.now()).await {
        // Another process was faster.
        Ok(_) | Err(store::Error::Conflict(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn retention(config: &Config) -> Retention {
    Retention {
        runs_days: config.keep_runs_days,
        restatements_days: config.keep_restatements_days,
        audit_days: config.keep_audit_days,
        answers_days: config.keep_answers_days,
        sessions_days: u32::try_from(SESSION_DAYS).unwrap_or(u32::MAX),
    }
}

/// How this configuration calls providers.
pub(crate) fn client_config(config: &Config) -> Result<ClientConfig, Error> {
    let mut client = ClientConfig {
        allow_private_hosts: config.allow_private_hosts,
        connect_timeout: config.connect_timeout,
        read_timeout: config.read_timeout,
        total_timeout: config.answer_timeout,
        ..ClientConfig::default()
    };
    if let Some(path) = &config.extra_ca_file {
        let pem = std::fs::read(path).map_err(|source| Error::File { path: path.display().to_string(), source })?;
        client.extra_ca.push(pem);
    }
    Ok(client)
}
