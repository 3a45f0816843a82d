//! What Dashtray answers over HTTP: pages, and whether it is well.
//!
//! A page is a file in `pages/` and a template of the same name. Its handler asks the same functions as the command line
//! and turns their answer into a template; who may see it follows from what the handler takes: see `auth`.

mod api;
mod assets;
mod auth;
mod base_path;
mod board;
mod callback;
mod cookies;
mod error;
mod frame;
mod guard;
mod health;
mod live;
mod pages;
mod routes;
mod watch;

use std::{io, net::SocketAddr};

use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
pub use callback::{Arrival, CALLBACK_PATH, Callbacks};
pub use error::Error;
pub use routes::Listed;
use routes::{Routes, get};

/// All routes, under the path of the public address.
pub fn router(app: App) -> Router {
    let config = app.config.clone();
    let live = live::Live::new(app.store.clone());
    let watching = watching().router().method_not_allowed_fallback(async || Error::MethodNotAllowed);
    let all = watching.merge(api::routes(&app)).merge(pages::routes(&app)).layer(Extension(live)).with_state(app);
    base_path::under(config.base_path(), all)
}

/// What those ask who look after Dashtray.
fn watching() -> Routes {
    Routes::new()
        .route("/healthz", get(health::process))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(watch::metrics))
}

/// Every method and path that something answers at.
pub fn listed() -> Vec<Listed> {
    watching().listed().into_iter().chain(pages::table().listed()).chain(api::listed()).collect()
}

/// Serves until `stop` is cancelled and the answers under way are sent.
pub async fn serve(listener: TcpListener, app: App, stop: CancellationToken) -> io::Result<()> {
    // Whoever answers with a stream of events ends it when this is cancelled.
    listen(listener, router(app).layer(Extension(stop.clone())), stop).await
}

/// The same for a process without pages and API: how it is and what it does, and nothing else.
pub async fn serve_watchers(listener: TcpListener, app: App, stop: CancellationToken) -> io::Result<()> {
    let router = watching().router().method_not_allowed_fallback(async || Error::MethodNotAllowed);
    listen(listener, router.fallback(async || Error::NotFound).with_state(app), stop).await
}

async fn listen(listener: TcpListener, router: Router, stop: CancellationToken) -> io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{
        config::{Config, Flags},
        integrations::Registry,
        sync::Beating,
    };

    /// Status and body of an answer.
    async fn ask(address: std::net::SocketAddr, request: &str) -> (String, String) {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn answers_how_it_is_and_stops_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        let flags = Flags { data_dir: Some(directory.path().to_owned()), ..Flags::default() };
        let config = Config::load(&flags).unwrap().config;
        let app = App::open(config, Registry::new(Vec::new())).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, app.clone(), stop.clone()));

        assert_eq!(ask(address, "GET /healthz").await, ("200".to_owned(), r#"{"status":"ok"}"#.to_owned()));
        let (status, body) = ask(address, "GET /readyz").await;
        assert_eq!(status, "503", "nobody looks for what is due");
        assert!(body.contains(r#"{"id":"scheduler","ok":false,"message":"was not started yet"}"#), "{body}");
        let work = tokio::spawn({
            let (sync, stop) = (app.sync.clone(), stop.clone());
            async move { sync.work(stop).await }
        });
        while app.sync.beat() == Beating::NotStarted {
            tokio::task::yield_now().await;
        }
        let (status, body) = ask(address, "GET /readyz").await;
        assert_eq!(status, "200", "{body}");
        assert!(body.starts_with(r#"{"status":"ok","checks":[{"id":"database","ok":true,"#), "{body}");
        assert!(body.contains(r#"{"id":"schema","ok":true,"message":"is current ("#), "{body}");
        let (_, api) = ask(address, "GET /api/v1/health").await;
        assert!(api.starts_with(r#"{"data":{"status":"ok","version":"#), "{api}");
        let (status, body) = ask(address, "GET /api/v1/nowhere").await;
        assert_eq!(status, "404");
        assert!(body.contains(r#""code":"not_found""#), "{body}");
        let (status, page) = ask(address, "GET /nowhere").await;
        assert_eq!(status, "404");
        assert!(page.contains("<h1>Not here</h1>"), "{page}");
        assert_eq!(ask(address, "POST /healthz").await.0, "405");

        app.store.close().await;
        let (status, body) = ask(address, "GET /readyz").await;
        assert_eq!(status, "503");
        assert!(
            body.contains(r#"{"id":"database","ok":false,"message":"does not answer; the log says why"}"#),
            "{body}"
        );
        assert!(!body.contains(&directory.path().display().to_string()), "{body}");
        stop.cancel();
        server.await.unwrap().unwrap();
        work.await.unwrap().unwrap();
    }
}
