//! `dashtray serve`

use std::{io, net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Invocation,
    failure::{Done, Failure},
    user,
};
use crate::{
    app::{self, App},
    store::Actor,
    web,
};

/// Serve the web pages and the API, and keep all connections up to date
///
/// Runs until it is stopped (Ctrl-C or SIGTERM); runs under way are handed back within ten seconds and go on at the next start.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray serve\n  \
    dashtray serve --listen 0.0.0.0:8080 --data-dir /var/lib/dashtray\n  \
    DASHTRAY_DATABASE_URL_FILE=/run/secrets/db dashtray serve")]
pub(super) struct Args {
    /// Address and port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    pub(super) listen: Option<String>,
}

/// What is left of the ten seconds goes to closing the database.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Access that is being renewed is waited for so long.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn run(invocation: &Invocation) -> Result<Done, Failure> {
    let listener = bind(invocation.config().listen).await?;
    let app = invocation.open().await?;
    let url = match &invocation.config().public_url {
        Some(url) => url.to_string(),
        None => format!("http://{}", listener.local_addr()?),
    };
    let set_up = user::set_up_url(&app, &url).await?;
    invocation.out.show(&json!({"url": url, "setup_url": set_up}), |_| match &set_up {
        None => format!("Dashtray is at {url}"),
        Some(link) => {
            format!("Dashtray is at {url}\nMake the first account with this link, which works once:\n  {link}")
        }
    })?;
    serve(invocation, app, listener).await
}

/// Binds first, so that a port in use is known before anything else is done.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let message = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("{address} is in use by another program; stop it or choose another address with --listen")
            }
            _ => format!("{address} cannot be listened on: {error}; choose another address with --listen"),
        };
        Failure::failed("cannot_listen", message)
    })
}

/// Web server, scheduler and workers until the program is asked to stop.
pub(super) async fn serve(invocation: &Invocation, app: App, listener: TcpListener) -> Result<Done, Failure> {
    // From here on the program works by itself, and for those who ask it.
    let app = app.acting(Actor::Dashtray);
    // Of what was connected by an older version, or by a process that was killed there and then.
    app.make_starters().await.map_err(app::Error::from)?;
    let stop = CancellationToken::new();
    let (pages, nightly) = (web::serve(listener, app.clone(), stop.clone()), app.clone());
    tokio::select! {
        ended = beside_the_work(invocation, app, stop, pages) => ended,
        // One that is under way at the end is dropped; the next start makes another.
        never = nightly.back_up_nightly() => match never {},
    }
}

/// Scheduler and workers, and what answers meanwhile, until the program is asked to stop.
pub(super) async fn beside_the_work(
    invocation: &Invocation,
    app: App,
    stop: CancellationToken,
    answering: impl Future<Output = io::Result<()>> + Send + 'static,
) -> Result<Done, Failure> {
    let answering = tokio::spawn(answering);
    let work = tokio::spawn({
        let (sync, stop) = (app.sync.clone(), stop.clone());
        async move { sync.work(stop).await }
    });
    let both = async {
        // Whichever ends first, by fault or by order, ends the other.
        let (answering, work) = tokio::join!(stopping(&stop, answering), stopping(&stop, work));
        answering.map_err(internal)??;
        work.map_err(internal)??;
        Ok::<Done, Failure>(Done::All)
    };
    until_stopped(invocation, &app, &stop, both).await
}

/// Runs `work`, which ends soon once `stop` is cancelled; cancels it when the program is asked to stop, and closes the
/// database when it has ended. Asked a second time it waits for nothing any more: what is committed is safe either way.
async fn until_stopped(
    invocation: &Invocation,
    app: &App,
    stop: &CancellationToken,
    work: impl Future<Output = Result<Done, Failure>>,
) -> Result<Done, Failure> {
    tokio::pin!(work);
    tokio::select! {
        ended = &mut work => {
            close(app).await;
            return ended;
        }
        () = asked_to_stop() => {}
    }
    tracing::info!("stopping; runs under way are handed back");
    stop.cancel();
    let orderly = async {
        let ended = tokio::time::timeout(STOP_WITHIN, &mut work).await.unwrap_or_else(|_| {
            invocation.out.note("warning: stopped before all runs had ended; they go on at the next start");
            Ok(Done::All)
        });
        close(app).await;
        ended
    };
    tokio::select! {
        ended = orderly => ended,
        () = asked_to_stop() => {
            invocation.hurry();
            invocation.out.note("warning: stopped at once; runs that were under way go on at the next start");
            Ok(Done::All)
        }
    }
}

/// Closes the database, when what providers were asked to renew is kept there.
async fn close(app: &App) {
    let _ = tokio::time::timeout(SETTLE_WITHIN, app.connections.settle()).await;
    app.store.close().await;
}

async fn stopping<T>(stop: &CancellationToken, task: tokio::task::JoinHandle<T>) -> Result<T, tokio::task::JoinError> {
    let ended = task.await;
    stop.cancel();
    ended
}

fn internal(error: tokio::task::JoinError) -> Failure {
    Failure::failed("internal", format!("a part of the program stopped: {error}"))
}

/// Waits for Ctrl-C or SIGTERM.
pub(super) async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_a_clear_sentence() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let failure = bind(listener.local_addr().unwrap()).await.unwrap_err();
        assert_eq!(failure.exit, 1);
        assert!(failure.message.contains("is in use by another program"), "{}", failure.message);
    }
}
