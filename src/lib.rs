//! Dashtray: a self-hosted metrics dashboard whose heart is an integration plugin architecture.
//!
//! Start with [`integrations`]: its module documentation is the tutorial for adding a service. ARCHITECTURE.md tells
//! one sync run from end to end.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connections;
pub mod custom;
#[cfg(feature = "demo")]
pub mod demo;
pub mod fail_point;
pub mod http;
pub mod integrations;
pub mod metric;
pub mod nearest;
pub mod secret;
pub mod series;
pub mod store;
pub mod sync;
pub mod telemetry;
pub mod users;
pub mod vault;
pub mod web;
