//! A first sync of a large account through the whole program.

use std::{collections::BTreeMap, sync::Arc};

use dashtray::{
    app::App,
    config::{Config, Flags},
    connections::ConnectRequest,
    demo::bulk::Bulk,
    integrations::Registry,
    secret::Secret,
    sync::{Range, RunStatus},
};
use tokio_util::sync::CancellationToken;

use crate::process::Figures;

/// Serves a large account until it is killed.
pub(crate) async fn provide(subscriptions: u64) {
    let bulk = Bulk::start(subscriptions, jiff::Timestamp::now()).await.unwrap();
    println!("{}", bulk.url());
    std::future::pending::<()>().await;
}

pub(crate) async fn first_sync(url: &str) -> Figures {
    let directory = tempfile::tempdir().unwrap();
    let flags = Flags { data_dir: Some(directory.path().to_owned()), ..Flags::default() };
    let mut config = Config::load(&flags).unwrap().config;
    config.provider_urls.insert("stripe".to_owned(), url.parse().unwrap());
    let app = App::open(config, Registry::builtin()).await.unwrap();
    let request = ConnectRequest {
        project: "default".to_owned(),
        integration_id: "stripe".to_owned(),
        name: None,
        credentials: BTreeMap::from([("api_key".to_owned(), Secret::new("rk_test_Benchmark000000000000"))]),
        settings: serde_json::Map::new(),
    };
    app.connections.connect(request).await.unwrap();
    let stop = CancellationToken::new();
    let runs = app.sync.sync_now("default", &[], Range::default(), &stop, Arc::new(|_| {})).await.unwrap();
    assert_eq!(runs[0].status, RunStatus::Ok, "{:?}", runs[0].error);
    Figures::from([("requests".to_owned(), runs[0].requests as f64)])
}
