//! The Google Analytics emulator: Data API, Admin API and Google's authorisation server, as strict as providers.md section 6 says.

mod access;
mod admin;
mod ask;
mod books;
mod problem;
mod property;
mod quota;
mod report;
mod rows;
mod schema;

use std::sync::Arc;

use serde_json::{Map, Value, json};

pub(super) use self::quota::UnderWay;
pub use self::{
    access::GoogleAccount,
    books::Analytics,
    property::{GoogleProperty, Uncertain},
};
use self::{
    access::{ADMIN_API, Caller, DATA_API},
    problem::Problem,
    quota::{Budgets, Pool},
};
use super::{
    Company, Options,
    authorization::{Answered, Asked, AuthorizationServer},
    server::{Incoming, Reply, Site},
};

/// What the emulator remembers between requests.
#[derive(Debug)]
pub(super) struct Emulator {
    budgets: Budgets,
    authorization: Arc<AuthorizationServer>,
}

/// What answering needs to know.
#[derive(Clone, Copy)]
struct Question<'a> {
    request: &'a Incoming,
    caller: Caller<'a>,
    company: &'a Company,
    site: &'a Site,
    budgets: &'a Budgets,
}

impl Emulator {
    pub(super) fn new(options: &Options) -> Self {
        let authorization = Arc::new(access::authorization(&options.google_accounts));
        Self { budgets: Budgets::default(), authorization }
    }

    /// Where its tokens come from.
    pub(super) fn authorization(&self) -> Arc<AuthorizationServer> {
        self.authorization.clone()
    }

    pub(super) fn answer(&self, site: &Site, request: &Incoming) -> Reply {
        let asked = Asked {
            method: &request.method,
            path: &request.path,
            query: &request.query,
            content_type: request.header("content-type"),
            body: &request.body,
            now: site.now(),
        };
        if let Some(Answered { status, headers, body }) = self.authorization.answer(&asked) {
            return Reply { status, headers, body };
        }
        let company = site.company();
        let mut reply = match self.judge(site, request, &company) {
            Ok(body) => Reply::pretty(200, &body),
            Err(problem) => problem.reply(),
        };
        reply.header("content-type", "application/json; charset=UTF-8");
        reply
    }

    /// Notes that a question is being answered, until the guard is dropped.
    pub(super) fn enter(&self, request: &Incoming) -> Option<UnderWay<'_>> {
        property_of(request).map(|property| self.budgets.enter(property))
    }

    /// Uses tokens of each property up, as a colleague's reports do.
    pub(super) fn use_up(&self, site: &Site, tokens: i64) {
        for property in &site.options.google_properties {
            self.budgets.use_up(property, tokens, site.now());
        }
    }

    fn judge(&self, site: &Site, request: &Incoming, company: &Company) -> Result<Value, Problem> {
        let place = Place::of(request).ok_or_else(|| Problem::no_such_path(&request.path))?;
        let accounts = &site.options.google_accounts;
        let caller = Caller::of(accounts, &self.authorization, request, place.api(), site.now())?;
        let question = Question { request, caller, company, site, budgets: &self.budgets };
        match place {
            Place::Summaries => admin::summaries(question),
            Place::Property(property) => admin::property(question, property),
            Place::Metadata(property) => report::metadata(question, property),
            Place::Report(property) => report::one(question, property, Pool::Core),
            Place::Realtime(property) => report::one(question, property, Pool::Realtime),
            Place::Batch(property) => report::batch(question, property),
        }
    }
}

/// What a request is about.
#[derive(Clone, Copy)]
enum Place<'a> {
    Summaries,
    Property(&'a str),
    Metadata(&'a str),
    Report(&'a str),
    Batch(&'a str),
    Realtime(&'a str),
}

impl<'a> Place<'a> {
    /// Both APIs answer at one address here; their paths differ.
    fn of(request: &'a Incoming) -> Option<Self> {
        let path = request.path.strip_prefix("/v1beta/")?;
        match (request.method.as_str(), path.strip_prefix("properties/")) {
            ("GET", None) if path == "accountSummaries" => Some(Self::Summaries),
            ("GET", Some(rest)) => match rest.split_once('/') {
                Some((property, "metadata")) => Some(Self::Metadata(property)),
                None if !rest.contains(':') => Some(Self::Property(rest)),
                _ => None,
            },
            ("POST", Some(rest)) => match rest.split_once(':') {
                Some((property, "runReport")) => Some(Self::Report(property)),
                Some((property, "batchRunReports")) => Some(Self::Batch(property)),
                Some((property, "runRealtimeReport")) => Some(Self::Realtime(property)),
                _ => None,
            },
            _ => None,
        }
    }

    fn api(self) -> &'static str {
        match self {
            Self::Summaries | Self::Property(_) => ADMIN_API,
            _ => DATA_API,
        }
    }
}

/// The property that a question to the Data API is about.
fn property_of(request: &Incoming) -> Option<&str> {
    match Place::of(request)? {
        Place::Report(property) | Place::Batch(property) | Place::Realtime(property) => Some(property),
        _ => None,
    }
}

/// An object without what is null, zero, false or empty, as these APIs write theirs.
fn written(value: Value) -> Value {
    let is_said = |value: &Value| match value {
        Value::Null => false,
        Value::Bool(yes) => *yes,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(_) => true,
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| is_said(value));
            Value::Object(fields.map(|(key, value)| (key, written(value))).collect::<Map<_, _>>())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(written).collect()),
        other => other,
    }
}

/// A cell of a row: a text, whatever it says.
fn cell(value: &str) -> Value {
    json!({ "value": value })
}
