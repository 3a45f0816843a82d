//! `dashtray worker`

use std::net::SocketAddr;

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Invocation,
    failure::{Done, Failure},
    serve,
};
use crate::web;

/// Keep all connections up to date, without pages and API
///
/// For more processes on one PostgreSQL beside `dashtray serve`. No connection is ever read by two of them at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    DASHTRAY_DATABASE_URL_FILE=/run/secrets/db dashtray worker\n  \
    dashtray worker --listen 127.0.0.1:8081")]
pub(super) struct Args {
    /// Answer /healthz, /readyz and /metrics at this address and port [default: nowhere]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    if invocation.config().database_url.expose().starts_with("sqlite:") {
        return Err(Failure::usage(
            "needs_postgres",
            "a worker of its own needs PostgreSQL, and this database is SQLite; `dashtray serve` has its workers within",
        ));
    }
    let config = invocation.config();
    // A key of its own would open nothing, and hide that the right one is missing.
    let has_key = config.master_key.is_some() || config.master_key_file.is_some();
    if !has_key && !config.data_dir.join("master.key").exists() {
        return Err(Failure::usage(
            "needs_master_key",
            "a worker opens what `dashtray serve` has sealed: give it the same key with DASHTRAY_MASTER_KEY_FILE, or the same \
             --data-dir",
        ));
    }
    let listener = match args.listen {
        Some(address) => Some(serve::bind(address).await?),
        None => None,
    };
    let app = invocation.open().await?;
    if let Some(listener) = &listener {
        let url = format!("http://{}", listener.local_addr()?);
        invocation.out.show(&json!({"url": url}), |_| format!("Health and metrics are at {url}"))?;
    }
    let stop = CancellationToken::new();
    let answering = {
        let (app, stop) = (app.clone(), stop.clone());
        async move {
            match listener {
                Some(listener) => web::serve_watchers(listener, app, stop).await,
                None => {
                    stop.cancelled().await;
                    Ok(())
                }
            }
        }
    };
    serve::beside_the_work(invocation, app, stop, answering, std::future::pending()).await
}
