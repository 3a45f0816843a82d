//! The GitHub integration over a real store against the emulator: what a sync costs, and what it leaves behind.

mod limits;
mod owners;
mod unchanged;
mod weeks;

use std::{collections::BTreeMap, sync::Arc};

use dashtray::{
    clock::Clock,
    connections::{ConnectRequest, Connections, Overrides},
    demo::{Company, Emulators, GITHUB_TOKEN, GithubToken, Options, Request, SecondaryLimit},
    http::ClientConfig,
    integrations::Registry,
    metric::{Currency, Day, Interval},
    secret::Secret,
    series::{self, GetRequest, SeriesView},
    store::NewProject,
    sync::{Range, Syncer},
    vault::{Vault, VaultKeys},
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use crate::support::{
    app::{MASTER_KEY, Process},
    database::Database,
};

const NOW: &str = "2026-03-31T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn company() -> Company {
    static COMPANY: std::sync::OnceLock<Company> = std::sync::OnceLock::new();
    COMPANY.get_or_init(|| Company::generate(7, now())).clone()
}

/// The company with so many repositories as lively as its own liveliest.
fn with_lively_repositories(count: u64) -> Company {
    let mut company = company();
    let template = company.github.repositories.iter().find(|one| one.name == "fern").unwrap().clone();
    let repository = |number: u64| {
        let mut one = template.clone();
        (one.id, one.name) = (900_000_000 + number, format!("lively-{number:03}"));
        one.old_names.clear();
        one.stars.clear();
        one
    };
    company.github.repositories = (0..count).map(repository).collect();
    company
}

/// The company with so many small repositories in place of its own.
fn with_repositories(count: u64) -> Company {
    let mut company = company();
    let code = &mut company.github;
    let template = code.repositories.iter().find(|one| one.name == "fern-cli").unwrap().clone();
    let repository = |number: u64| {
        let mut one = template.clone();
        (one.id, one.name) = (900_000_000 + number, format!("part-{number:03}"));
        one.commits = template.commits.iter().rev().step_by(5).take(20).rev().cloned().collect();
        one.issues = template.issues.iter().rev().take(20).rev().cloned().collect();
        one.runs = template.runs.iter().rev().step_by(9).take(10).rev().cloned().collect();
        one.stars = template.stars.iter().rev().take(5).rev().cloned().collect();
        one.releases.truncate(2);
        one
    };
    code.repositories = (0..count).map(repository).collect();
    company
}

/// A GitHub, and a place to keep what is read of it.
struct Place {
    emulators: Emulators,
    db: Database,
}

impl Place {
    async fn new(company: Company) -> Self {
        Self::with(company, Options { rate_limits: false, ..Options::default() }).await
    }

    async fn with(company: Company, options: Options) -> Self {
        let emulators = Emulators::start(Arc::new(company), options).await.unwrap();
        Self { emulators, db: Database::sqlite().await }
    }

    /// The same with a GitHub that knows other tokens.
    async fn known_to(self, token: GithubToken) -> Self {
        let options = Options { github_tokens: vec![token], ..Options::default() };
        Self { emulators: Emulators::start(self.emulators.company(), options).await.unwrap(), ..self }
    }

    /// A process over the place, at an instant.
    async fn open(&self, at: &str) -> Process {
        let clock = Clock::ticking_from(at.parse().unwrap());
        let store = self.db.open().await;
        let new = NewProject { slug: "default".into(), zone: "UTC".into(), currency: Currency::USD };
        // Another process may have made it.
        let _ = store.insert_project(&new, clock.now()).await;
        let vault = Vault::load(&VaultKeys::Text(Secret::new(MASTER_KEY))).unwrap();
        let url = self.emulators.url("github").parse().unwrap();
        let overrides = Overrides { provider_urls: BTreeMap::from([("github".to_owned(), url)]), now: None };
        let registry = Registry::builtin();
        let client = ClientConfig::default();
        let connections = Connections::new(store.clone(), vault, registry.clone(), client, clock, overrides).unwrap();
        let sync = Syncer::new(connections.clone(), 4);
        Process { store, connections, sync, registry }
    }

    /// The requests after so many.
    fn since(&self, seen: usize) -> Vec<Request> {
        self.emulators.requests("github").split_off(seen)
    }

    fn asked(&self) -> usize {
        self.emulators.requests("github").len()
    }
}

fn request(name: &str, token: &str, settings: &Json) -> ConnectRequest {
    ConnectRequest {
        project: "default".to_owned(),
        integration_id: "github".to_owned(),
        name: Some(name.to_owned()),
        credentials: BTreeMap::from([("token".to_owned(), Secret::new(token))]),
        settings: settings.as_object().cloned().unwrap(),
    }
}

async fn connect(process: &Process, name: &str, token: &str, settings: Json) {
    process.connections.connect(request(name, token, &settings)).await.unwrap();
}

/// The series of a metric over all days that were asked for.
async fn series(app: &Process, metric: &str, by_dimension: bool) -> Vec<SeriesView> {
    let request = GetRequest {
        project: "default".to_owned(),
        metric_id: metric.to_owned(),
        connection: None,
        from: Some("2026-01-01".parse().unwrap()),
        to: Some("2026-03-31".parse().unwrap()),
        interval: Interval::Day,
        by_dimension,
        now: now(),
    };
    series::get(&app.store, &app.registry, &request).await.unwrap()
}

/// Everything that can be seen of some metrics.
async fn seen(app: &Process, metrics: &[&str]) -> Vec<String> {
    let mut lines = Vec::new();
    for metric in metrics {
        for by_dimension in [false, true] {
            for one in series(app, metric, by_dimension).await {
                let name = one.dimension.unwrap_or_default();
                let shown = one.points.iter().map(|point| {
                    format!("{metric} {name} {} {:?} {} {}", point.date, point.value, point.state.name(), point.stale)
                });
                lines.extend(shown);
            }
        }
    }
    lines.sort();
    lines
}

const CODE: [&str; 8] = [
    "github_commits",
    "github_contributors",
    "github_issues_opened",
    "github_prs_merged",
    "github_pr_merge_time",
    "github_workflow_runs",
    "github_workflow_duration",
    "github_new_stars",
];

fn line(request: &Request) -> String {
    format!("{} {}?{}", request.status, request.path, request.query)
}
