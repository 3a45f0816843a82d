//! Looking at connections, changing and removing them.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Map, Value as Json, json};

use super::{ConnectionView, Connections, CorrectedView, Error, connect, memory, options, session::tried, settings_of};
use crate::{
    fail_point,
    integrations::{Correction, FieldError, Settings},
    metric::FailureKind,
    store::{self, Act, Action, Connection, ConnectionKey, ConnectionSettings, CorrectedRow, Project},
};

/// Sealed credentials that are re-wrapped in one go of a key rotation.
const ROTATION_PAGE: u32 = 100;
/// How long a connection says that something was corrected.
const CORRECTIONS_SHOWN: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The fail points of a rotation.
const REWRAP: &str = "new wrapping of credentials";
const END: &str = "end of a key rotation";

/// What a key rotation did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Rotation {
    /// Credential sets that were wrapped anew.
    pub rotated: u64,
    /// Names of connections whose credentials no known key opens; they stay as they are.
    pub unreadable: Vec<String>,
}

/// A connection that was removed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Disconnected {
    /// Its name.
    pub disconnected: String,
    /// What became of the access.
    pub access: Access,
}

/// What became of the access that a user gave by signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// There was none: the connection had a key, which is the user's.
    None,
    /// The provider took it back.
    GivenBack,
    /// The user can remove it in the account's settings: another connection needs it, the provider has no way, or it did
    /// not answer.
    Left,
}

impl Connections {
    /// The project's connections by name.
    pub async fn list(&self, project: &str) -> Result<Vec<ConnectionView>, Error> {
        let project = self.project(project).await?;
        let connections = self.store.connections(project.id).await?;
        self.views(&project, &connections).await
    }

    /// Connections of a project as people see them.
    pub async fn views(&self, project: &Project, connections: &[Connection]) -> Result<Vec<ConnectionView>, Error> {
        let corrected = self.corrected(project.id).await?;
        Ok(connections.iter().map(|connection| self.view(connection, &corrected)).collect())
    }

    /// How one connection stands.
    pub async fn show(&self, project: &str, connection: &str) -> Result<ConnectionView, Error> {
        let project = self.project(project).await?;
        let found = self.find(&project, connection).await?;
        Ok(self.view(&found, &self.corrected(project.id).await?))
    }

    /// Refuses a name that cannot be given to a connection.
    pub async fn check_rename(&self, project: &str, connection: &str, name: &str) -> Result<String, Error> {
        let project = self.project(project).await?;
        let found = self.find(&project, connection).await?;
        let mut others = self.store.connections(project.id).await?;
        others.retain(|other| other.key != found.key);
        let empty = || Error::InvalidFields { fields: vec![FieldError::new("name", "give it a name")] };
        connect::choose_given(Some(name), &others)?.ok_or_else(empty)
    }

    /// Gives a connection another name.
    pub async fn rename(&self, project: &str, connection: &str, name: &str) -> Result<ConnectionView, Error> {
        let name = self.check_rename(project, connection, name).await?;
        let found = self.find(&self.project(project).await?, connection).await?;
        match self.store.rename_connection(found.key, &name).await {
            Err(store::Error::Conflict(_)) => return Err(Error::NameTaken(name)),
            other => other?,
        }
        self.reload(found.key).await
    }

    /// Changes settings. A setting that a stream depends on makes the next run read that stream again.
    pub async fn set(
        &self,
        project: &str,
        connection: &str,
        changes: &[(String, String)],
    ) -> Result<ConnectionView, Error> {
        let project = self.project(project).await?;
        let connection = self.find_synced(&project, connection).await?;
        let descriptor = self.registry.get(&connection.integration_id)?.descriptor();
        if let Some((key, message)) = changes.iter().find_map(|(key, _)| Some((key, options::frozen(key)?))) {
            return Err(Error::InvalidFields { fields: vec![FieldError::new(key, message)] });
        }
        let mut settings: Map<String, Json> = settings_of(&connection);
        for (key, value) in changes {
            settings.insert(key.clone(), Json::from(value.as_str()));
        }
        let (host, of_integration) =
            options::parse(&descriptor, &settings).map_err(|fields| Error::InvalidFields { fields })?;
        let concerns_account = changes.iter().any(|(key, _)| descriptor.settings.iter().any(|field| field.key == *key));
        if concerns_account {
            self.check_account(&project, &connection, &of_integration).await?;
        }
        let changed = ConnectionSettings {
            values: Json::Object(settings),
            sync_interval_minutes: host.sync_interval,
            max_quota_share_permille: i64::from(host.max_quota_share_permille),
            ..connection.settings
        };
        self.store.set_settings(connection.key, &changed).await?;
        // A run under way still uses the old ones.
        self.store.revoke(connection.key, self.clock.now()).await?;
        self.reload(connection.key).await
    }

    /// Tries changed settings before they are kept: they may change what is measured, and so whose account it is. When
    /// the provider does not answer now, the next run finds out.
    async fn check_account(
        &self,
        project: &Project,
        connection: &Connection,
        settings: &Settings,
    ) -> Result<(), Error> {
        use FailureKind::{Internal, RateLimited, Unavailable};
        let integration = self.registry.get(&connection.integration_id)?;
        let credentials = self.credentials(connection).await?;
        let context = self.trial(project, &integration.descriptor(), settings, credentials)?;
        match tried(integration.as_ref(), &context).await {
            Ok(account) => self.keep_account(connection, &account).await,
            Err(error) if matches!(error.kind(), Unavailable | RateLimited | Internal) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Stops scheduled runs until [`Connections::resume`].
    pub async fn pause(&self, project: &str, connection: &str) -> Result<ConnectionView, Error> {
        self.set_paused(project, connection, true).await
    }

    /// Lets scheduled runs go on; the next one is due at once.
    pub async fn resume(&self, project: &str, connection: &str) -> Result<ConnectionView, Error> {
        self.set_paused(project, connection, false).await
    }

    async fn set_paused(&self, project: &str, connection: &str, paused: bool) -> Result<ConnectionView, Error> {
        let project = self.project(project).await?;
        let connection = self.find_synced(&project, connection).await?;
        self.store.set_paused(connection.key, paused, self.clock.now()).await?;
        self.reload(connection.key).await
    }

    /// Removes a connection with its credentials and all its data. Access that a user gave by signing in is given back
    /// first; that a provider does not answer holds nothing up.
    pub async fn disconnect(&self, project: &str, connection: &str) -> Result<Disconnected, Error> {
        let project = self.project(project).await?;
        let connection = self.find(&project, connection).await?;
        let access = self.give_back(&connection).await;
        self.store.delete_connection(connection.key).await?;
        Ok(Disconnected { disconnected: connection.name, access })
    }

    async fn give_back(&self, connection: &Connection) -> Access {
        let signed_in = async |connection: &Connection| {
            let credentials = self.credentials(connection).await.ok()?;
            credentials.grant().filter(|grant| grant.consented_at.is_some()).cloned()
        };
        let Some(grant) = signed_in(connection).await else { return Access::None };
        let Ok(integration) = self.registry.get(&connection.integration_id) else { return Access::Left };
        let descriptor = integration.descriptor();
        // Providers take back all that one person gave to this installation, that of other connections too.
        let others = self.store.connections_of(&connection.integration_id).await.unwrap_or_default();
        for other in others.iter().filter(|other| other.key != connection.key) {
            if signed_in(other).await.is_some() {
                return Access::Left;
            }
        }
        let settings = options::parse(&descriptor, &settings_of(connection)).map(|(_, settings)| settings);
        let (Some(oauth), Ok(settings)) = (descriptor.auth.oauth(), settings) else { return Access::Left };
        let Ok(service) = self.service(&descriptor, &settings) else { return Access::Left };
        match self.client.give_back(&service, oauth, &grant).await {
            Ok(true) => Access::GivenBack,
            Ok(false) => Access::Left,
            Err(error) => {
                tracing::warn!(connection.id = %connection.public_id, %error, "access could not be given back");
                Access::Left
            }
        }
    }

    /// Re-wraps all sealed credentials with the newest key. May be interrupted and run again. Kept answers are a cache
    /// and are dropped.
    pub async fn rotate_keys(&self) -> Result<Rotation, Error> {
        let mut rotation = Rotation::default();
        let mut after: Option<ConnectionKey> = None;
        loop {
            let page = self.store.all_sealed(after, ROTATION_PAGE).await?;
            let Some((last, _, _)) = page.last() else { break };
            after = Some(*last);
            for (key, public_id, sealed) in page {
                let label = memory::credentials_label(public_id);
                match self.vault.rewrap(&label, &memory::from_row(sealed.clone())) {
                    Ok(None) => {}
                    Ok(Some(newer)) => {
                        fail_point::before(REWRAP).await;
                        let swapped = self.store.swap_credentials(key, &sealed, &memory::to_row(newer)).await?;
                        fail_point::after(REWRAP).await;
                        rotation.rotated += u64::from(swapped);
                    }
                    Err(_) => rotation.unreadable.push(self.store.connection(key).await?.name),
                }
            }
        }
        fail_point::before(END).await;
        self.store.drop_all_kept().await?;
        fail_point::after(END).await;
        let act = Act::of(0, Action::KeysRotated, "");
        self.store.note(act.with(json!({"credentials": rotation.rotated}))).await?;
        Ok(rotation)
    }

    async fn reload(&self, key: ConnectionKey) -> Result<ConnectionView, Error> {
        Ok(self.view(&self.store.connection(key).await?, &self.corrected(key.project_id).await?))
    }

    /// The corrections that are new enough to be shown, by the connection's number.
    async fn corrected(&self, project_id: i64) -> Result<BTreeMap<i64, CorrectedRow>, store::Error> {
        let now = self.clock.now();
        self.store.corrected(project_id, now.checked_sub(CORRECTIONS_SHOWN).unwrap_or(now)).await
    }

    fn view(&self, connection: &Connection, corrected: &BTreeMap<i64, CorrectedRow>) -> ConnectionView {
        let syncing = connection.lease_until.is_some_and(|until| until > self.clock.now());
        let state = &connection.state;
        // Of this process alone: others may have the key, and for them nothing is wrong.
        let (name, reason) = match &connection.key_id {
            Some(key_id) if !self.vault.key_ids().contains(&key_id.as_str()) => {
                ("credentials_unreadable".to_owned(), Some(unreadable(key_id)))
            }
            _ => (state.state.clone(), state.reason.clone()),
        };
        ConnectionView {
            connection_id: connection.public_id,
            integration_id: connection.integration_id.clone(),
            name: connection.name.clone(),
            state: if connection.paused { "paused".to_owned() } else { name },
            reason,
            until: connection.state.until,
            syncing,
            last_synced_at: connection.state.last_synced_at,
            next_sync_at: (!connection.paused && connection.is_synced()).then_some(connection.state.due_at),
            corrected: corrected.get(&connection.key.connection_id).and_then(corrected_view),
        }
    }
}

/// What was stored by another version and cannot be read is left out.
fn corrected_view(row: &CorrectedRow) -> Option<CorrectedView> {
    let corrections: Vec<Correction> = serde_json::from_value(row.corrections.clone()).ok()?;
    let messages: Vec<String> = corrections.into_iter().map(|correction| correction.message).collect();
    Some(CorrectedView { at: row.ended_at, message: messages.join("; ") })
}

/// What is wrong, and the two ways out.
fn unreadable(key_id: &str) -> String {
    format!(
        "its credentials are sealed with the master key {key_id}, which is not here; start dashtray with that key \
         (DASHTRAY_MASTER_KEY takes several, separated by commas), or give new credentials with dashtray reconnect"
    )
}
