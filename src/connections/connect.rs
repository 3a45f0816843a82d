//! Making a connection, testing it, and giving it other credentials.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{
    ConnectedView, Connections, Error, ErrorView, TestView, memory, options,
    session::{Nowhere, Opening, tried},
    settings_of,
};
use crate::{
    http::Credentials,
    integrations::{
        AccountInfo, Context, Descriptor, FieldError, Integration, Settings, ZonePolicy, check_credentials,
    },
    metric::{Day, Zone},
    secret::Secret,
    store::{Connection, ConnectionSettings, ConnectionState, NewConnection, Project},
};

/// A test of a connection takes no longer than this.
const TEST_BUDGET: SignedDuration = SignedDuration::from_secs(30);

/// What a user gives to connect a service.
#[derive(Debug, Clone)]
pub struct ConnectRequest {
    /// Slug of the project.
    pub project: String,
    /// Which service.
    pub integration_id: String,
    /// The user's name for it; made from the service's name where none is given.
    pub name: Option<String>,
    /// The credential fields.
    pub credentials: BTreeMap<String, Secret>,
    /// The settings, the host's among them.
    pub settings: Map<String, Json>,
}

impl Connections {
    /// Checks, tests, seals and saves. Nothing is kept unless the provider accepts the credentials.
    pub async fn connect(&self, mut request: ConnectRequest) -> Result<ConnectedView, Error> {
        let descriptor = self.registry.get(&request.integration_id)?.descriptor();
        let given = std::mem::take(&mut request.credentials);
        let mut credentials = self.check_input(&descriptor, given, &request.settings)?;
        self.connect_with(request, &mut credentials, None).await
    }

    /// The same with credentials that are checked, in place of the request's own. Access that is renewed meanwhile is in
    /// them, whatever comes of it. The provider is asked unless it has just said whose account it is.
    pub(super) async fn connect_with(
        &self,
        request: ConnectRequest,
        credentials: &mut Credentials,
        account: Option<AccountInfo>,
    ) -> Result<ConnectedView, Error> {
        let integration = self.registry.get(&request.integration_id)?;
        let descriptor = integration.descriptor();
        let project = self.project(&request.project).await?;
        let (host_settings, settings) = check_settings(&descriptor, &request.settings)?;
        let account = match account {
            Some(account) => account,
            None => self.try_out(&project, integration.as_ref(), &settings, credentials).await?,
        };
        let existing = self.store.connections(project.id).await?;
        check_account_is_new(&descriptor, &account, &existing)?;
        let name = choose_name(request.name.as_deref(), &descriptor, &existing)?;
        let chosen = host_settings.zone.clone();
        let zone = zone_of(&descriptor, host_settings.zone, &account, &project);
        if let Some(chosen) = chosen.filter(|chosen| descriptor.zone == ZonePolicy::AccountIfSaid && *chosen != zone) {
            let message =
                format!("{} counts its days in {zone} here, not in {chosen}; leave this out", descriptor.name);
            return Err(Error::InvalidFields { fields: vec![FieldError::new("zone", message)] });
        }
        let now = self.now_for(&descriptor.id);
        let usual = i32::try_from(descriptor.history_days).unwrap_or(i32::MAX);
        let history = host_settings.history_days.unwrap_or(usual).saturating_sub(1);
        let public_id = Uuid::now_v7();
        let new = NewConnection {
            project_id: project.id,
            public_id,
            integration_id: descriptor.id.clone(),
            name,
            account_id: account.id.clone(),
            account: serde_json::to_value(&account).unwrap_or_default(),
            settings: ConnectionSettings {
                values: Json::Object(request.settings),
                zone: zone.clone(),
                currency: account.currency.unwrap_or(project.currency),
                history_start: Day::of(now, &zone).plus(history.saturating_neg()),
                sync_interval_minutes: host_settings.sync_interval,
                max_quota_share_permille: i64::from(host_settings.max_quota_share_permille),
            },
            due_at: self.clock.now(),
            credentials: memory::seal_credentials(&self.vault, public_id, credentials)?,
        };
        match self.store.insert_connection(&new, self.clock.now()).await {
            Ok(connection) => {
                // The connection is made, whatever comes of this; a start makes up for it.
                if let Err(error) = self.make_starter(&project, &descriptor).await {
                    tracing::warn!(connection.id = %public_id, %error, "its dashboard could not be made");
                }
                Ok(connected(&connection, &account))
            }
            Err(crate::store::Error::Conflict(message)) => Err(Error::Conflict(message)),
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses a name that is taken, before anybody goes anywhere.
    pub(super) async fn check_name(&self, project: &Project, name: Option<&str>) -> Result<(), Error> {
        let existing = self.store.connections(project.id).await?;
        choose_given(name, &existing).map(drop)
    }

    /// Asks the provider whether the credentials still work. A refusal is the result of the test, not an error.
    pub async fn test(&self, project: &str, connection: &str) -> Result<TestView, Error> {
        let project = self.project(project).await?;
        let connection = self.find_synced(&project, connection).await?;
        let integration = self.registry.get(&connection.integration_id)?;
        let context =
            self.context(&connection, integration.as_ref(), TEST_BUDGET, std::sync::Arc::new(Nowhere)).await?;
        let result = tried(integration.as_ref(), &context).await;
        let mut view = TestView {
            connection_id: connection.public_id,
            success: result.is_ok(),
            refreshed: context.http.was_renewed(),
            error: result.as_ref().err().map(ErrorView::from),
            account: None,
            checks: Vec::new(),
        };
        if let Ok(account) = result {
            self.keep_account(&connection, &account).await?;
            if matches!(connection.state.state.as_str(), "needs_reconnect" | "credentials_unreadable") {
                self.store.set_due(connection.key, self.clock.now()).await?;
            }
            view.account = Some((&account).into());
            view.checks = account.checks;
        }
        Ok(view)
    }

    /// Gives a connection other credentials of the same account. History and settings stay.
    pub async fn reconnect(
        &self,
        project: &str,
        connection: &str,
        credentials: BTreeMap<String, Secret>,
    ) -> Result<ConnectedView, Error> {
        let found = self.find_synced(&self.project(project).await?, connection).await?;
        let descriptor = self.registry.get(&found.integration_id)?.descriptor();
        let mut credentials = self.check_input(&descriptor, credentials, &settings_of(&found))?;
        self.reconnect_with(project, connection, &mut credentials).await
    }

    /// The same with credentials that are checked.
    pub(super) async fn reconnect_with(
        &self,
        project: &str,
        connection: &str,
        credentials: &mut Credentials,
    ) -> Result<ConnectedView, Error> {
        let project = self.project(project).await?;
        let connection = self.find_synced(&project, connection).await?;
        let integration = self.registry.get(&connection.integration_id)?;
        let (_, settings) = check_settings(&integration.descriptor(), &settings_of(&connection))?;
        let account = self.try_out(&project, integration.as_ref(), &settings, credentials).await?;
        if account.id != connection.account_id {
            return Err(Error::AccountMismatch {
                name: connection.name.clone(),
                expected: account_label(&connection),
                found: format!("{} ({})", account.label, account.id),
            });
        }
        let sealed = memory::seal_credentials(&self.vault, connection.public_id, credentials)?;
        self.store.replace_credentials(connection.key, &sealed).await?;
        self.keep_account(&connection, &account).await?;
        let state = ConnectionState {
            state: "ok".to_owned(),
            reason: None,
            until: None,
            failures: 0,
            due_at: self.clock.now(),
            last_synced_at: None,
        };
        self.store.set_state(connection.key, &state).await?;
        // A run under way still uses the old ones.
        self.store.revoke(connection.key, self.clock.now()).await?;
        Ok(connected(&connection, &account))
    }

    /// Asks the provider whether it accepts credentials that are nobody's yet.
    pub(super) async fn try_out(
        &self,
        project: &Project,
        integration: &dyn Integration,
        settings: &Settings,
        credentials: &mut Credentials,
    ) -> Result<AccountInfo, Error> {
        let context = self.trial(project, &integration.descriptor(), settings, credentials.clone())?;
        let account = tried(integration, &context).await;
        *credentials = std::mem::take(credentials).with_grant(context.http.grant());
        Ok(account?)
    }

    pub(super) async fn keep_account(&self, connection: &Connection, account: &AccountInfo) -> Result<(), Error> {
        let json = serde_json::to_value(account).unwrap_or_default();
        match self.store.update_account(connection.key, &account.id, &json).await {
            Err(crate::store::Error::Conflict(message)) => Err(Error::Conflict(message)),
            other => Ok(other?),
        }
    }

    /// Checks credentials and settings together, so that all errors are seen at once.
    pub(super) fn check_input(
        &self,
        descriptor: &Descriptor,
        credentials: BTreeMap<String, Secret>,
        settings: &Map<String, Json>,
    ) -> Result<Credentials, Error> {
        let credentials = check_credentials(&descriptor.credentials, credentials);
        let settings = options::parse(descriptor, settings);
        match (credentials, settings) {
            (Ok(credentials), Ok((_, settings))) => {
                let service = self.service(descriptor, &settings)?;
                let fields = match descriptor.auth.check(&service, &credentials) {
                    Err((field, why)) => vec![FieldError::new(&field, why)],
                    Ok(()) if descriptor.auth.oauth().is_some() && !descriptor.auth.is_given(&credentials) => {
                        vec![no_way(descriptor)]
                    }
                    Ok(()) => return Ok(credentials),
                };
                Err(Error::InvalidFields { fields })
            }
            (credentials, settings) => {
                let mut fields = credentials.err().unwrap_or_default();
                fields.extend(settings.err().unwrap_or_default());
                Err(Error::InvalidFields { fields })
            }
        }
    }

    /// Tests credentials and settings. What is not kept anywhere yet is not kept by this either.
    pub(super) fn trial(
        &self,
        project: &Project,
        descriptor: &Descriptor,
        settings: &Settings,
        credentials: Credentials,
    ) -> Result<Context, Error> {
        let http = self.http(Opening {
            descriptor,
            settings,
            credentials,
            connection_id: String::new(),
            quota_share_permille: 1000,
            deadline: self.clock.now().checked_add(TEST_BUDGET).ok(),
        })?;
        Ok(self.trial_context(http, settings.clone(), project.currency, self.now_for(&descriptor.id)))
    }
}

/// Refuses an account that is connected already.
pub(super) fn check_account_is_new(
    descriptor: &Descriptor,
    account: &AccountInfo,
    existing: &[Connection],
) -> Result<(), Error> {
    let same = |other: &&Connection| other.integration_id == descriptor.id && other.account_id == account.id;
    match existing.iter().find(same) {
        Some(other) => Err(Error::AlreadyConnected { name: other.name.clone() }),
        None => Ok(()),
    }
}

/// The host's settings and the integration's own.
pub(super) fn check_settings(
    descriptor: &Descriptor,
    settings: &Map<String, Json>,
) -> Result<(options::HostSettings, Settings), Error> {
    options::parse(descriptor, settings).map_err(|fields| Error::InvalidFields { fields })
}

/// What is to be given where there are several ways and none was taken.
fn no_way(descriptor: &Descriptor) -> FieldError {
    let keys: Vec<&str> = descriptor.credentials.iter().map(|field| field.key.as_str()).collect();
    let field = keys.first().copied().unwrap_or("credentials");
    let sign_in = format!("sign in with `dashtray connect {} --oauth`", descriptor.id);
    match keys.is_empty() {
        true => FieldError::new(field, format!("{} takes no key; {sign_in}", descriptor.name)),
        false => FieldError::new(field, format!("give this, or {sign_in}")),
    }
}

/// The given name if it is free, else the service's name with the first free number.
fn choose_name(given: Option<&str>, descriptor: &Descriptor, existing: &[Connection]) -> Result<String, Error> {
    if let Some(name) = choose_given(given, existing)? {
        return Ok(name);
    }
    let numbered = (2..).map(|number| format!("{} {number}", descriptor.name));
    let mut names = std::iter::once(descriptor.name.clone()).chain(numbered);
    Ok(names.find(|name| !is_taken(name, existing)).unwrap_or_else(|| descriptor.name.clone()))
}

/// The given name, if one is given and it is good.
pub(super) fn choose_given(given: Option<&str>, existing: &[Connection]) -> Result<Option<String>, Error> {
    match given.map(str::trim).filter(|name| !name.is_empty()) {
        Some(name) if name.chars().count() > 80 || name.chars().any(char::is_control) => {
            let fields = vec![FieldError::new("name", "use at most 80 printable characters")];
            Err(Error::InvalidFields { fields })
        }
        Some(name) if is_taken(name, existing) => Err(Error::NameTaken(name.to_owned())),
        given => Ok(given.map(str::to_owned)),
    }
}

fn is_taken(name: &str, existing: &[Connection]) -> bool {
    existing.iter().any(|connection| connection.name.to_lowercase() == name.to_lowercase())
}

/// The setting, else the account's zone, else the project's; a provider's own where it has one. Frozen from here on.
fn zone_of(descriptor: &Descriptor, chosen: Option<Zone>, account: &AccountInfo, project: &Project) -> Zone {
    let parsed = |name: &str| name.parse::<Zone>().ok();
    let of_account = account.zone.as_deref().and_then(parsed);
    let of_project = Some(project.zone.clone());
    let zone = match descriptor.zone {
        ZonePolicy::Utc => Some(Zone::utc()),
        ZonePolicy::Account => of_account.or(of_project),
        ZonePolicy::AccountIfSaid => of_account.or(chosen).or(of_project),
        ZonePolicy::Choosable => chosen.or(of_account).or(of_project),
    };
    zone.unwrap_or_else(Zone::utc)
}

/// The account of a connection in words.
fn account_label(connection: &Connection) -> String {
    match connection.account.get("label").and_then(Json::as_str) {
        Some(label) => format!("{label} ({})", connection.account_id),
        None => connection.account_id.clone(),
    }
}

fn connected(connection: &Connection, account: &AccountInfo) -> ConnectedView {
    ConnectedView {
        connection_id: connection.public_id,
        integration_id: connection.integration_id.clone(),
        name: connection.name.clone(),
        account: account.into(),
        checks: account.checks.clone(),
        choices: account.choices.clone(),
    }
}
