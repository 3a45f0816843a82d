//! A site with a connection that was read, so that there is something to see.

use std::{collections::BTreeMap, sync::Arc};

use dashtray::{connections::ConnectRequest, integrations::Registry, secret::Secret, sync::Range};
use tokio_util::sync::CancellationToken;

use super::{
    fake::{Fake, Script},
    site::Site,
};

/// With an account, and the fake connected as "Fake shop" and synced.
pub(crate) async fn measured() -> (Site, Arc<Script>) {
    let script = Script::new();
    let registry = Registry::new(vec![Arc::new(Fake(script.clone()))]);
    let site = Site::start_with(registry).await.joined_by_ada().await;
    connect(&site, "Fake shop", &[]).await;
    sync(&site).await;
    (site, script)
}

/// A connection of the fake with settings.
pub(crate) async fn connect(site: &Site, name: &str, settings: &[(&str, &str)]) {
    let request = ConnectRequest {
        project: "default".into(),
        integration_id: "fake".into(),
        name: Some(name.into()),
        credentials: BTreeMap::from([("api_key".to_owned(), Secret::new("canary-4711"))]),
        settings: settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect(),
    };
    site.app.connections.connect(request).await.unwrap();
}

/// Reads it once more.
pub(crate) async fn sync(site: &Site) {
    let stop = CancellationToken::new();
    let names = ["Fake shop".to_owned()];
    site.app.sync.sync_now("default", &names, Range::default(), &stop, Arc::new(|_| {})).await.unwrap();
}
