//! How a command ends: the exit status, and the sentence where it failed.

use std::{io, process::ExitCode};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde_json::{Value as Json, json};

use super::output::Output;
use crate::{app, config, connections, integrations::UnknownIntegration, series, store, sync, users};

/// A command that did what it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Done {
    /// All of it.
    All,
    /// A part of it.
    Part,
    /// Nothing, and what failed was already shown.
    Nothing,
}

impl From<Done> for ExitCode {
    fn from(done: Done) -> Self {
        match done {
            Done::All => Self::SUCCESS,
            Done::Part => Self::from(3),
            Done::Nothing => Self::from(1),
        }
    }
}

/// A command that could not do its work.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    pub(super) exit: u8,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) details: Json,
}

impl Failure {
    /// Wrong usage, an unknown id, a bad field: exit 2.
    pub(super) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self { exit: 2, code, message: message.into(), details: Json::Null }
    }

    /// It was right and went wrong: exit 1.
    pub(super) fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self { exit: 1, code, message: message.into(), details: Json::Null }
    }

    /// A panic; the sentence was printed when it happened.
    pub(super) fn internal() -> Self {
        Self::failed("internal", "Dashtray has a fault and stopped; please report the lines above")
    }

    /// Whether there is nobody left to tell: the reader closed the pipe.
    pub(super) fn is_silent(&self) -> bool {
        self.exit == 0
    }

    pub(super) fn to_json(&self) -> Json {
        json!({"error": {"code": self.code, "message": self.message, "details": self.details}})
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: 0, code: "broken_pipe", message: String::new(), details: Json::Null };
        }
        Self::failed("io", error.to_string())
    }
}

impl From<config::Error> for Failure {
    fn from(error: config::Error) -> Self {
        Self::usage("invalid_config", error.to_string())
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound(message) => Self::usage("not_found", message),
            store::Error::Conflict(message) => Self::failed("conflict", message),
            other => Self::failed("database", other.to_string()),
        }
    }
}

impl From<UnknownIntegration> for Failure {
    fn from(unknown: UnknownIntegration) -> Self {
        connections::Error::from(unknown).into()
    }
}

impl From<connections::Error> for Failure {
    fn from(error: connections::Error) -> Self {
        let details = error.details();
        Self { exit: exit(error.is_usage()), code: error.code(), message: error.to_string(), details }
    }
}

impl From<sync::Error> for Failure {
    fn from(error: sync::Error) -> Self {
        match error {
            sync::Error::Connection(error) => error.into(),
            other => Self { exit: exit(other.is_usage()), ..Self::failed(other.code(), other.to_string()) },
        }
    }
}

impl From<series::Error> for Failure {
    fn from(error: series::Error) -> Self {
        Self { exit: exit(error.is_usage()), ..Self::failed(error.code(), error.to_string()) }
    }
}

impl From<users::Error> for Failure {
    fn from(error: users::Error) -> Self {
        let details = match &error {
            users::Error::InvalidFields(fields) => {
                let fields = fields.iter().map(|error| json!({"field": error.field, "message": error.message}));
                json!({"fields": fields.collect::<Vec<_>>()})
            }
            _ => Json::Null,
        };
        match error {
            users::Error::Store(error) => error.into(),
            error => Self { exit: exit(error.is_usage()), code: error.code(), message: error.to_string(), details },
        }
    }
}

impl From<app::Error> for Failure {
    fn from(error: app::Error) -> Self {
        Self::failed(error.code(), error.to_string())
    }
}

/// The user can mend it by typing something else, or not.
fn exit(is_usage: bool) -> u8 {
    if is_usage { 2 } else { 1 }
}

/// Shows what clap has to say: help and version on stdout, wrong usage on stderr or as JSON.
pub(super) fn usage(error: &clap::Error, json: bool) -> ExitCode {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    if asked_for || !json {
        // A closed pipe is no reason to fail.
        let _ = error.print();
        return if asked_for { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    let text = error.to_string();
    // What is missing stands in lines of its own below the sentence; then comes an empty line, and usage.
    let sentence: Vec<&str> = text.lines().take_while(|line| !line.is_empty()).map(str::trim).collect();
    let message = sentence.join(" ").trim_start_matches("error: ").to_owned();
    let mut failure = Failure::usage("usage", message.clone());
    let suggestions = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    // The likeliest stands last.
    let meant = suggestions.into_iter().find_map(|kind| match error.get(kind)? {
        ContextValue::Strings(list) => list.last(),
        ContextValue::String(text) => Some(text),
        _ => None,
    });
    if let Some(meant) = meant {
        failure.message = format!("{message}; did you mean {meant}?");
    }
    Output::new(true).fail(&failure)
}

/// A panic is a fault of Dashtray. Says so in a sentence with the place, and not what it says of itself: that could hold
/// an answer of a provider.
pub(super) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        Output::new(false).note(&format!("error: a fault in Dashtray{place}; please report it"));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_silent_and_a_full_disk_is_not() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).is_silent());
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit, 1);
    }

    #[test]
    fn an_error_as_json_has_code_message_and_details() {
        let failure = Failure::usage("unknown_metric", "no such metric");
        assert_eq!(
            failure.to_json(),
            json!({"error": {"code": "unknown_metric", "message": "no such metric", "details": null}})
        );
    }

    #[test]
    fn the_worst_end_is_the_greatest() {
        assert_eq!([Done::All, Done::Nothing, Done::Part].into_iter().max(), Some(Done::Nothing));
    }
}
