//! Opening a connection for use: its secrets go to the HTTP layer, everything else to the integration.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};

use super::{Connections, Error, options, settings_of};
use crate::{
    http::{self, Credentials, Http, Session},
    integrations::{AccountInfo, Context, Descriptor, Host, Integration, Settings},
    metric::{Currency, Zone},
    store::Connection,
};

/// The parts of a connection that is opened for use.
pub(super) struct Opening<'a> {
    pub(super) descriptor: &'a Descriptor,
    pub(super) settings: &'a Settings,
    pub(super) credentials: Credentials,
    /// Empty before the connection is saved.
    pub(super) connection_id: String,
    pub(super) quota_share_permille: u32,
    pub(super) deadline: Option<Timestamp>,
}

impl Connections {
    /// The way to the provider.
    pub(super) fn http(&self, opening: Opening<'_>) -> Result<Http, http::Error> {
        let service = self.service(opening.descriptor, opening.settings)?;
        Ok(self.client.session(Session {
            service: Arc::new(service),
            credentials: opening.credentials,
            connection_id: opening.connection_id,
            quota_share_permille: opening.quota_share_permille,
            deadline: opening.deadline,
        }))
    }

    /// Opens the sealed credentials of a connection.
    pub(super) async fn credentials(&self, connection: &Connection) -> Result<Credentials, Error> {
        let row = self.store.credentials(connection.public_id).await?;
        let credentials = super::memory::open_credentials(&self.vault, connection.public_id, &row)
            .map_err(|source| Error::Unreadable { name: connection.name.clone(), source })?;
        Ok(credentials.with_client(self.oauth_client(&connection.integration_id)))
    }

    /// A context for a saved connection. Results go to `host`; no wait goes past `budget` from now.
    pub async fn context(
        &self,
        connection: &Connection,
        integration: &dyn Integration,
        budget: SignedDuration,
        host: Arc<dyn Host>,
    ) -> Result<Context, Error> {
        let descriptor = integration.descriptor();
        let credentials = self.credentials(connection).await?;
        let (host_settings, settings) =
            options::parse(&descriptor, &settings_of(connection)).map_err(|fields| Error::InvalidFields { fields })?;
        let http = self.http(Opening {
            descriptor: &descriptor,
            settings: &settings,
            credentials,
            connection_id: connection.public_id.to_string(),
            quota_share_permille: host_settings.max_quota_share_permille,
            deadline: self.clock.now().checked_add(budget).ok(),
        })?;
        let zone = connection.settings.zone.clone();
        let now = self.now_for(&connection.integration_id);
        Ok(Context::new(http, settings, zone, connection.settings.currency, now, host))
    }

    /// A context for a first test: nothing is saved yet, so nothing can be committed.
    pub(super) fn trial_context(&self, http: Http, settings: Settings, currency: Currency, now: Timestamp) -> Context {
        Context::new(http, settings, Zone::utc(), currency, now, Arc::new(Nowhere))
    }
}

/// The host of a test: there is nothing to read and nowhere to commit.
pub(super) struct Nowhere;

#[async_trait::async_trait]
impl Host for Nowhere {
    async fn checkpoint(&self, _stream: &str) -> Result<Option<Vec<u8>>, http::Error> {
        Ok(None)
    }

    async fn records(&self, _: &str, _: &[String]) -> Result<Vec<crate::integrations::Record>, http::Error> {
        Ok(Vec::new())
    }

    async fn groups(&self, _: &str, _: &[String]) -> Result<Vec<crate::integrations::Record>, http::Error> {
        Ok(Vec::new())
    }

    async fn scan(
        &self,
        _stream: &str,
        _order: crate::integrations::Order,
        _after: Option<crate::integrations::Position>,
        _limit: u32,
    ) -> Result<Vec<crate::integrations::Record>, http::Error> {
        Ok(Vec::new())
    }

    async fn commit(
        &self,
        _: crate::metric::Interval,
        _: crate::integrations::Batch,
        _: Vec<http::Kept>,
    ) -> Result<(), http::Error> {
        Err(http::Error::internal("a test of a connection commits nothing"))
    }
}

/// A test that takes longer than its budget of requests and waits hangs.
const LONGEST_TEST: Duration = Duration::from_secs(60);

/// What came of a call into an integration.
pub type Guarded<T> = Result<T, http::Error>;

/// Awaits a call into an integration. A panic in it is that call's failure and nobody else's. What it said is not told:
/// it could hold an answer of the provider.
pub async fn guarded<T>(call: impl Future<Output = Guarded<T>>) -> Guarded<T> {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| {
        Err(http::Error::internal(
            "the integration panicked; the log says where; this is a bug in it, please report it",
        ))
    })
}

/// Tests a connection. A check that passed costs nothing, whatever the integration says that it would cost.
pub(super) async fn tried(integration: &dyn Integration, context: &Context) -> Guarded<AccountInfo> {
    let testing = tokio::time::timeout(LONGEST_TEST, guarded(integration.test_connection(context)));
    let mut account = testing.await.unwrap_or_else(|_| {
        Err(http::Error::internal("the integration did not come to an end with its test; it was given up"))
    })?;
    account.checks.iter_mut().filter(|check| check.ok).for_each(|check| check.costs.clear());
    Ok(account)
}
