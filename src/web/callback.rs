//! Where a provider sends users back to after a sign-in. The command line opens this for one sign-in; the callback is
//! handed to whoever waits for it, and what he says is what the browser shows.

use std::io;

use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{connections::Callback, secret::Secret};

/// The path under every address at which Dashtray is reached.
pub const CALLBACK_PATH: &str = "/oauth/callback";

/// A callback that came, and its browser that waits for a sentence.
#[derive(Debug)]
pub struct Arrival {
    /// What came.
    pub callback: Callback,
    answer: oneshot::Sender<Result<String, String>>,
}

impl Arrival {
    /// Shows a sentence: what was done, or why not.
    pub fn answer(self, sentence: Result<String, String>) {
        // A browser that is gone needs no answer.
        let _ = self.answer.send(sentence);
    }
}

/// A server that waits for callbacks until it is dropped.
#[derive(Debug)]
pub struct Callbacks {
    arrivals: mpsc::Receiver<Arrival>,
    stop: CancellationToken,
    server: AbortOnDropHandle<io::Result<()>>,
}

impl Callbacks {
    /// Begins to wait.
    pub fn on(listener: TcpListener) -> Self {
        let (sender, arrivals) = mpsc::channel(1);
        let router = Router::new().route(CALLBACK_PATH, get(callback)).with_state(sender);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serve =
            async move { axum::serve(listener, router).with_graceful_shutdown(stopped.cancelled_owned()).await };
        Self { arrivals, stop, server: AbortOnDropHandle::new(tokio::spawn(serve)) }
    }

    /// The next one; `None` when the server has ended.
    pub async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// Ends it when the answers under way are sent.
    pub async fn close(self) {
        self.stop.cancel();
        drop(self.arrivals);
        let _ = self.server.await;
    }
}

/// What the standard lets a provider send. Anything else is left alone.
#[derive(Deserialize)]
pub(super) struct Sent {
    state: Option<Secret>,
    code: Option<Secret>,
    error: Option<String>,
}

impl From<Sent> for Callback {
    fn from(sent: Sent) -> Self {
        Self { state: sent.state, code: sent.code, error: sent.error }
    }
}

async fn callback(State(arrivals): State<mpsc::Sender<Arrival>>, Query(sent): Query<Sent>) -> Response {
    let (answer, answered) = oneshot::channel();
    let is_sent = arrivals.send(Arrival { callback: sent.into(), answer }).await.is_ok();
    let sentence = match answered.await {
        Ok(sentence) if is_sent => sentence,
        _ => Err("nobody waits for this sign-in any more; begin again".to_owned()),
    };
    page(sentence)
}

fn page(sentence: Result<String, String>) -> Response {
    let (status, title, sentence) = match sentence {
        Ok(sentence) => (StatusCode::OK, "Connected", sentence),
        Err(sentence) => (StatusCode::BAD_REQUEST, "Not connected", sentence),
    };
    let escaped = sentence.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Dashtray</title></head>\
         <body><h1>{title}</h1><p>{escaped}</p></body></html>"
    );
    let mut headers = HeaderMap::new();
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    // The address of this page holds a code.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    (status, headers, Html(html)).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn browse(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page
    }

    #[tokio::test]
    async fn a_browser_reads_what_became_of_its_sign_in() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut callbacks = Callbacks::on(listener);
        let browser = tokio::spawn(async move { browse(address, "/oauth/callback?state=s1&code=c%2F1&scope=x").await });
        let arrival = callbacks.next().await.unwrap();
        assert_eq!(arrival.callback.state, Some(Secret::new("s1")));
        assert_eq!(arrival.callback.code, Some(Secret::new("c/1")));
        assert!(!format!("{arrival:?}").contains("c/1"));
        arrival.answer(Ok("Ann & <b>".to_owned()));
        let page = browser.await.unwrap();
        assert!(page.starts_with("HTTP/1.0 200") && page.contains("Ann &amp; &lt;b&gt;"), "{page}");
        assert!(page.contains("no-referrer") && page.contains("default-src 'none'"), "{page}");

        let browser =
            tokio::spawn(async move { browse(address, "/oauth/callback?error=access_denied&state=s2").await });
        let arrival = callbacks.next().await.unwrap();
        assert_eq!(arrival.callback.error.as_deref(), Some("access_denied"));
        arrival.answer(Err("not allowed".to_owned()));
        assert!(browser.await.unwrap().starts_with("HTTP/1.0 400"));
        assert!(browse(address, "/elsewhere").await.starts_with("HTTP/1.0 404"));
        callbacks.close().await;
    }
}
