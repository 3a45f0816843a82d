//! What the operator decides: flags over environment over `config.toml` over defaults.
//!
//! The defaults are `config.example.toml` itself, compiled in and loaded first, so that the documented values are the
//! real ones and its keys are the known keys. This is the only module that reads the environment.

mod clients;
mod layers;
mod network;
mod sandbox;
mod show;
mod values;

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use url::Url;

use crate::{clock::Clock, http::OAuthClient, secret::Secret};
pub use network::Network;
use values::Values;

const DEFAULTS: &str = include_str!("../../config.example.toml");
/// Keys that are never printed. Each has a companion `<key>_file`.
const SECRETS: [&str; 2] = ["database_url", "master_key"];
const PREFIX: &str = "DASHTRAY_";
const PROVIDER_URL: &str = "PROVIDER_URL_";

/// The operator's decisions, complete and checked. `Debug` masks what is secret.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address of the web server.
    pub listen: SocketAddr,
    /// The one directory that is written to.
    pub data_dir: PathBuf,
    /// `sqlite:/path` or `postgres://…`; may hold a password.
    pub database_url: Secret,
    /// Address under which people reach Dashtray, where it differs from `listen`. May have a path.
    pub public_url: Option<Url>,
    /// Whose word on where a request comes from is believed.
    pub trusted_proxies: Vec<Network>,
    /// Whether `/metrics` answers.
    pub metrics: bool,
    /// Whom it answers.
    pub metrics_networks: Vec<Network>,
    /// What is logged; `None` leaves it to the command.
    pub log_filter: Option<String>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Whether addresses given by users may be private.
    pub allow_private_hosts: bool,
    /// Further certificate authorities (PEM).
    pub extra_ca_file: Option<PathBuf>,
    /// Runs in flight at the same time.
    pub workers: u16,
    /// Requests to the API that a project may make in an hour; 0 for any number.
    pub api_requests_per_hour: u32,
    /// Days that records of runs are kept; 0 for ever.
    pub keep_runs_days: u32,
    /// Days that what a value was before it was restated is kept; 0 for ever.
    pub keep_restatements_days: u32,
    /// Days that it is kept who did what; 0 for ever.
    pub keep_audit_days: u32,
    /// Days that providers' answers are kept.
    pub keep_answers_days: u32,
    /// The key that seals credentials, where it was given in plain.
    pub master_key: Option<Secret>,
    /// The file that holds the key. Where neither is given, the vault makes one in `data_dir`.
    pub master_key_file: Option<PathBuf>,
    /// Backups that `serve` keeps, one a day; 0 for none.
    pub backup_keep: u16,
    /// Where it puts them, where the operator says.
    pub backup_dir: Option<PathBuf>,
    /// Until a connection to a provider stands.
    pub connect_timeout: Duration,
    /// Between two pieces of an answer.
    pub read_timeout: Duration,
    /// For one whole answer.
    pub answer_timeout: Duration,
    /// By integration id: the client by which its provider knows this installation.
    pub oauth_clients: BTreeMap<String, OAuthClient>,
    /// By integration id: replaces scheme, host and port of its requests. Loopback addresses alone, for tests.
    pub provider_urls: BTreeMap<String, Url>,
    /// Freezes the clock of runs. Only ever set together with `provider_urls`.
    pub now: Option<Timestamp>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// What was given on the command line.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--database-url`.
    pub database_url: Option<Secret>,
}

/// A configuration and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What holds.
    pub config: Config,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Every key, for `dashtray config`.
    pub entries: Vec<Entry>,
    /// What was ignored, in sentences.
    pub warnings: Vec<String>,
}

/// One key as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The key in the file.
    pub key: String,
    /// The effective value; `***` where it is secret.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config.example.toml`.
    Default,
    /// The file that was read.
    File(PathBuf),
    /// This variable.
    Environment(String),
    /// This option.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "option {name}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The configuration cannot be used. The sentence says what is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Config {
    /// Reads flags, environment and file.
    pub fn load(flags: &Flags) -> Result<Loaded, Error> {
        load(flags, &environment()?)
    }

    /// The path under which people reach Dashtray, such as `/metrics-of-ours`; empty where it has its host for itself.
    pub fn base_path(&self) -> &str {
        self.public_url.as_ref().map_or("", |url| url.path().trim_end_matches('/'))
    }

    /// What tells the time to runs.
    pub fn clock(&self) -> Clock {
        self.now.map_or(Clock::System, Clock::Frozen)
    }

    /// The URL of a SQLite database in a data directory.
    pub fn sqlite_url(data_dir: &Path) -> Secret {
        Secret::new(format!("sqlite:{}", data_dir.join("dashtray.db").display()))
    }
}

/// The fail point at which the program is to end, for tests; see [`crate::fail_point`].
#[cfg(debug_assertions)]
pub(crate) fn fail_at() -> Result<Option<u64>, Error> {
    sandbox::fail_at(&environment()?)
}

/// What the program was called with, its own name first.
pub fn arguments() -> Vec<std::ffi::OsString> {
    std::env::args_os().collect()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn environment() -> Result<BTreeMap<String, String>, Error> {
    let all = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    all.filter(|(name, _)| name.starts_with(PREFIX))
        .map(|(name, value)| match value.into_string() {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(Error(format!("the variable {name} is not valid UTF-8; set it again"))),
        })
        .collect()
}

fn load(flags: &Flags, environment: &BTreeMap<String, String>) -> Result<Loaded, Error> {
    let mut values = layers::read_toml(DEFAULTS, "config.example.toml", &Origin::Default)?;
    let mut warnings = Vec::new();
    let from_environment = layers::from_environment(environment, &values, &mut warnings);
    let from_flags = layers::from_flags(flags);

    let given_data_dir = from_flags.get("data_dir").or_else(|| from_environment.get("data_dir"));
    let data_dir = given_data_dir.or_else(|| values.get("data_dir")).map_or("", |(value, _)| value);
    let file = layers::find_file(flags, environment, Path::new(data_dir))?;
    if let Some((path, text)) = &file {
        let layer = layers::read_toml(text, &path.display().to_string(), &Origin::File(path.clone()))?;
        if let Some(key) = layer.keys().find(|key| !values.contains_key(*key)) {
            let hint = layers::did_you_mean(key, &values, str::to_owned);
            return Err(Error(format!("{}: there is no setting \"{}\"{hint}", path.display(), cut(key))));
        }
        layers::overlay(&mut values, layer)?;
    }
    layers::overlay(&mut values, from_environment)?;
    layers::overlay(&mut values, from_flags)?;

    let provider_urls = sandbox::provider_urls(environment)?;
    let now = sandbox::now(environment, &provider_urls, &mut warnings)?;
    let oauth_clients = clients::oauth_clients(environment)?;
    let config = Values(&values).config(provider_urls, now, oauth_clients)?;
    let file = file.map(|(path, _)| path);
    Ok(Loaded { entries: show::entries(&config, &values), config, file, warnings })
}

/// What a person typed, short enough for a sentence.
fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests;
