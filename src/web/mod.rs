//! What Dashtray answers over HTTP: pages, and whether it is well.
//!
//! A page is a file in `pages/` and a template of the same name. Its handler asks the same functions as the command line
//! and turns their answer into a template; who may see it follows from what the handler takes: see `auth`.

mod api;
mod assets;
mod auth;
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

use std::{io, net::SocketAddr};

use axum::{Extension, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
pub use callback::{Arrival, CALLBACK_PATH, Callbacks};
pub use error::Error;
pub use routes::Listed;
use routes::{Routes, get};

/// All routes.
pub fn router(app: App) -> Router {
    let machines = machines().router().method_not_allowed_fallback(async || Error::MethodNotAllowed);
    let live = live::Live::new(app.store.clone());
    machines.merge(api::routes(&app)).merge(pages::routes(&app)).layer(Extension(live)).with_state(app)
}

/// What machines ask that look after the program.
fn machines() -> Routes {
    Routes::new().route("/healthz", get(health::process)).route("/readyz", get(health::database))
}

/// Every method and path that something answers at.
pub fn listed() -> Vec<Listed> {
    machines().listed().into_iter().chain(pages::table().listed()).chain(api::listed()).collect()
}

/// Serves until `stop` is cancelled and the answers under way are sent.
pub async fn serve(listener: TcpListener, app: App, stop: CancellationToken) -> io::Result<()> {
    // Whoever answers with a stream of events ends it when this is cancelled.
    let router = router(app).layer(Extension(stop.clone()));
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
        assert_eq!(ask(address, "GET /readyz").await.0, "200");
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
        assert_eq!(ask(address, "GET /readyz").await.0, "503");
        stop.cancel();
        server.await.unwrap().unwrap();
    }
}
