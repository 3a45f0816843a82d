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
    let app = invocation.open().await?;
    let stop = CancellationToken::new();
    let work = async {
        app.sync.work(stop.clone()).await?;
        Ok(Done::All)
    };
    serve::until_stopped(invocation, &app, &stop, work).await
}
