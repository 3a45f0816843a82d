//! What pages answer to whom, and to bad input: asked over HTTP, as whoever means harm would.

mod access;
mod audit;
mod bad_input;
mod base_path;
mod catalogue;
mod connecting;
mod connections;
mod dashboards;
mod guessing;
mod live;
mod matrix;
mod metrics;
mod people;
mod sign_ins;
pub(crate) mod visitor;
mod watching;
mod without_script;
