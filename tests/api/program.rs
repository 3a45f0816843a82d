//! A program with a key, or without one.

use dashtray::store::Scope;
use serde_json::Value as Json;

use crate::{
    pages::visitor::{Answer, Visitor},
    support::site::Site,
};

pub(crate) const JSON: &str = "Content-Type: application/json";

/// Who asks.
pub(crate) struct Program {
    visitor: Visitor,
    pub(crate) key: String,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) answer: Answer,
    /// The body, if it is JSON.
    pub(crate) json: Json,
}

impl Told {
    /// The code of a refusal; empty where it is none.
    pub(crate) fn code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.json["error"]["message"].as_str().unwrap_or_default()
    }
}

impl Program {
    /// With a new key of the first project.
    pub(crate) async fn with_key(site: &Site, scope: Scope) -> Self {
        Self::of_project(site, "default", scope).await
    }

    pub(crate) async fn of_project(site: &Site, slug: &str, scope: Scope) -> Self {
        let project = site.app.store.project(slug).await.unwrap().unwrap();
        let made = site.app.users.make_api_key(&project, "test", scope).await.unwrap();
        Self { visitor: Visitor::stranger(site), key: made.secret.expose().to_owned() }
    }

    /// With something that may be a key.
    pub(crate) fn showing(site: &Site, key: &str) -> Self {
        Self { visitor: Visitor::stranger(site), key: key.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Told {
        self.ask("GET", path, &[], "").await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Json) -> Told {
        self.ask(method, path, &[JSON], &body.to_string()).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Told {
        let key = format!("Authorization: Bearer {}", self.key);
        let mut headers = headers.to_vec();
        if !self.key.is_empty() {
            headers.push(&key);
        }
        let mut answer = self.visitor.ask(method, path, &headers, body).await;
        if answer.header("transfer-encoding") == "chunked" {
            answer.body = joined(&answer.body);
        }
        let json = serde_json::from_str(&answer.body).unwrap_or_default();
        Told { status: answer.status, answer, json }
    }
}

/// The pieces of an answer that was sent as it was read; without its end where that never came.
fn joined(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
        if size == 0 {
            break;
        }
    }
    whole
}
