//! Log lines: to stderr, as the configuration says.

use std::io::{self, IsTerminal};

use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, registry, util::SubscriberInitExt};

use super::failure::Failure;
use crate::config::{Config, LogFormat};

/// Starts logging. What nobody asked for is left out: a command that ends soon shows warnings alone.
pub(super) fn start(config: &Config, long_running: bool) -> Result<(), Failure> {
    let default = if long_running { "info" } else { "warn" };
    let filter = config.log_filter.as_deref().unwrap_or(default);
    let filter: Targets = filter.parse().map_err(|error| {
        Failure::usage("invalid_config", format!("log_filter \"{filter}\" cannot be used: {error}; try info or debug"))
    })?;
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let started = match config.log_format {
        LogFormat::Text => registry().with(lines.with_filter(filter)).try_init(),
        LogFormat::Json => registry().with(lines.json().with_span_list(false).with_filter(filter)).try_init(),
    };
    started.map_err(|error| Failure::failed("internal", error.to_string()))
}
