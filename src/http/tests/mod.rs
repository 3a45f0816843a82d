//! The whole pipeline over real sockets, and its decisions without any.

mod answers;
mod budgets;
mod lists;
mod meaning;
mod memory;
mod parsers;
mod provider;
mod trust;
mod waiting;

use std::{sync::Arc, time::Duration};

use provider::Provider;

use super::{Auth, Client, ClientConfig, Credentials, Forgetful, Http, Limits, Memory, Service, Session};
use crate::{clock::Clock, secret::Secret};

/// A credential that must never be seen. It ends in letters: digits turn up in times and ports by chance.
const KEY: &str = "sk_live_canary_8154Zq7x";
const NOW: &str = "2026-03-01T00:00:00Z";

/// A service whose calls all go to a scripted provider.
fn service(provider: &Provider) -> Service {
    Service { override_url: Some(provider.url().parse().unwrap()), ..service_at("https://api.acme.example/v1") }
}

fn service_at(base: &str) -> Service {
    Service {
        id: "acme".into(),
        base_url: base.parse().unwrap(),
        hosts: vec!["api.acme.example".into(), "files.acme.example".into()],
        user_given_url: false,
        headers: vec![("Acme-Version".into(), "7".into())],
        auth: Auth::Bearer { field: "key".into() },
        limits: Limits { windows: Vec::new(), concurrent: 4, headers: None, wait_unless_said: Duration::from_secs(5) },
        exceptions: Vec::new(),
        override_url: None,
    }
}

fn session(service: Service) -> Session {
    let fields = [("key".to_owned(), Secret::new(KEY))].into_iter().collect();
    Session {
        service: Arc::new(service),
        credentials: Credentials::new(fields),
        connection_id: "connection".into(),
        quota_share_permille: 1000,
        deadline: None,
    }
}

/// A client whose clock moves with paused time.
fn client(config: ClientConfig, memory: Arc<dyn Memory>) -> Client {
    Client::new(config, memory, Clock::ticking_from(NOW.parse().unwrap())).unwrap()
}

fn http(service: Service) -> Http {
    client(ClientConfig::default(), Arc::new(Forgetful)).session(session(service))
}
