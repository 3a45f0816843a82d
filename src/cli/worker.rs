//! `dashtray worker`

use tokio_util::sync::CancellationToken;

use super::{
    Invocation,
    failure::{Done, Failure},
    serve,
};

/// Keep all connections up to date, without pages and API
///
/// For more processes on one PostgreSQL beside `dashtray serve`. No connection is ever read by two of them at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  DASHTRAY_DATABASE_URL_FILE=/run/secrets/db dashtray worker")]
pub(super) struct Args {}

pub(super) async fn run(invocation: &Invocation) -> Result<Done, Failure> {
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
    let app = invocation.open().await?;
    let stop = CancellationToken::new();
    let work = async {
        app.sync.work(stop.clone()).await?;
        Ok(Done::All)
    };
    let ended = serve::until_stopped(invocation, &stop, work).await;
    serve::close(&app).await;
    ended
}
