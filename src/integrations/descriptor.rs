//! What an integration says about itself, as data. Forms, command-line help, the catalogue and the docs are drawn
//! from it.

use serde::Serialize;
use url::Url;

use super::{Error, Settings};
use crate::{
    http::{Auth, Exception, Limits, Service},
    metric::{Definition, Interval},
};

/// Everything the host needs to know about a service before it makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The registry id, also the database value; the folder has `-` as `_`. Never renamed.
    pub id: String,
    /// The service's name as it writes it.
    pub name: String,
    /// Where the catalogue lists it.
    pub category: Category,
    /// An SVG of at most 4 kB.
    pub icon: String,
    /// One sentence: what it measures.
    pub summary: String,
    /// How requests are signed.
    pub auth: Auth,
    /// What the user must give and the vault keeps.
    pub credentials: Vec<CredentialField>,
    /// What the user may choose.
    pub settings: Vec<SettingField>,
    /// Where paths start.
    pub base_url: BaseUrl,
    /// Hosts that may be called besides the base URL's.
    pub hosts: Vec<String>,
    /// Sent with every request, such as an API version.
    pub headers: Vec<(String, String)>,
    /// What may be asked, how often.
    pub limits: Limits,
    /// Where the provider departs from the one error table.
    pub exceptions: Vec<Exception>,
    /// What it reads.
    pub streams: Vec<Stream>,
    /// What it measures.
    pub metrics: Vec<Definition>,
    /// Minutes between two runs unless the user says otherwise.
    pub sync_interval_minutes: u32,
    /// Whose midnight ends a day.
    pub zone: ZonePolicy,
    /// How many days back the first sync goes.
    pub history_days: u32,
    /// The user's guide, Markdown: how to get the key with the least rights, what is read, known limits.
    pub guide: String,
}

/// Where the catalogue lists a service, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Category {
    Payment,
    Development,
    Analytics,
    Marketing,
    Communication,
}

/// Whose midnight ends a day. Frozen when the connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ZonePolicy {
    /// The user's choice, else the account's zone, else the project's.
    Choosable,
    /// The provider counts days in UTC.
    Utc,
    /// The provider counts days in the account's zone.
    Account,
    /// The same, but it does not always say which zone that is: then the user has to.
    AccountIfSaid,
}

/// Where the paths of requests start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseUrl {
    /// One address for everybody.
    Fixed(String),
    /// A setting of kind URL holds it, for services that people host themselves.
    Setting {
        /// The setting's key.
        key: String,
        /// The address where the setting is empty.
        default: String,
    },
}

/// One field of the connect form that the vault keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CredentialField {
    /// Key in the JSON that `connect` reads.
    pub key: String,
    /// Name of the field.
    pub label: String,
    /// What the empty field shows.
    pub placeholder: String,
    /// Text, password or URL.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Whether it may be left empty.
    pub required: bool,
    /// Where the user finds it and which rights it needs.
    pub help_text: String,
    /// Regular expression that the whole value must match.
    pub pattern: Option<String>,
    /// Prefixes of values that are something else, each with the sentence that says what.
    pub rejected_prefixes: Vec<(String, String)>,
    /// Page at the provider where the key is made.
    pub link: Option<String>,
}

/// The form's input type. A password is a secret and never reaches the integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum FieldKind {
    Text,
    Password,
    Url,
}

/// One setting of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingField {
    /// Key in the JSON that `connect` reads and in `dashtray set`.
    pub key: String,
    /// Name of the field.
    pub label: String,
    /// What it is for, and what happens when it is left empty.
    pub help_text: String,
    /// What values it takes.
    #[serde(flatten)]
    pub kind: SettingKind,
    /// The value where the user gives none, written as the user would.
    pub default: Option<String>,
    /// Streams whose records and points it changes: they are read again when it does.
    pub affects: Vec<String>,
}

/// What values a setting takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SettingKind {
    /// Any text.
    Text,
    /// An address, `https://…`.
    Url,
    /// A three-letter currency code.
    Currency,
    /// One of several values.
    Choice {
        /// The values.
        values: Vec<Choice>,
    },
    /// A whole number.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// Several texts; on the command line separated by commas.
    List,
}

/// A value with the words for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Choice {
    /// What is stored.
    pub value: String,
    /// What people read.
    pub label: String,
}

/// Something an integration reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stream {
    /// Its name, unique in the integration.
    pub id: String,
    /// How it is read.
    pub shape: Shape,
    /// Raised when the form of records or checkpoint changes: they are dropped and the stream is read again.
    pub version: u32,
    /// What reading it costs, in words for the guide: "one call for each 100 charges".
    pub cost: String,
    /// Whether it can be asked for whole weeks and months too ([`Context::grain`](super::Context::grain)): for metrics
    /// whose days may not be combined, such as visitors.
    pub periods: bool,
}

/// How a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// The host asks for windows of days.
    ByDay {
        /// Days the host asks for at once.
        window_days: u32,
    },
    /// Walked whole, then kept up to date. The host asks once a run, with all days that are due in one period.
    WholeAccount,
}

impl Descriptor {
    /// A metric by its id.
    pub fn metric(&self, id: &str) -> Option<&Definition> {
        self.metrics.iter().find(|metric| metric.id == id)
    }

    /// A stream by its id.
    pub fn stream(&self, id: &str) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.id == id)
    }

    /// What is kept of a metric: its days, and whole weeks and months too where days may not be combined and its stream
    /// can be asked for them.
    pub fn grains(&self, metric: &Definition) -> &'static [Interval] {
        let is_asked = self.stream(&metric.stream).is_some_and(|stream| stream.periods) && !metric.kind.combines();
        if is_asked { &Interval::ALL } else { &[Interval::Day] }
    }

    /// Ids of the metrics that a stream feeds.
    pub fn metrics_of<'a>(&'a self, stream: &'a str) -> impl Iterator<Item = &'a Definition> {
        self.metrics.iter().filter(move |metric| metric.stream == stream)
    }

    /// What the HTTP layer needs to know, for a connection with these settings.
    pub fn service(&self, settings: &Settings, override_url: Option<Url>) -> Result<Service, Error> {
        let parse = |address: &str| {
            Url::parse(address).map_err(|_| Error::internal(format!("{} has an invalid base URL", self.id)))
        };
        let (base_url, user_given_url) = match &self.base_url {
            BaseUrl::Fixed(address) => (parse(address)?, false),
            BaseUrl::Setting { key, default } => match settings.url(key) {
                Some(url) => (url.clone(), true),
                None => (parse(default)?, false),
            },
        };
        let mut hosts = self.hosts.clone();
        hosts.extend(base_url.host_str().map(str::to_owned));
        Ok(Service {
            id: self.id.clone(),
            base_url,
            hosts,
            user_given_url,
            headers: self.headers.clone(),
            auth: self.auth.clone(),
            limits: self.limits.clone(),
            exceptions: self.exceptions.clone(),
            override_url,
        })
    }

    /// `oauth` where a user can sign in, else `api_key`.
    pub fn auth_type(&self) -> &'static str {
        if self.auth.oauth().is_some() { "oauth" } else { "api_key" }
    }
}
