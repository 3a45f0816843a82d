//! What pages answer to whom, and to bad input: asked over HTTP, as whoever means harm would.

mod access;
mod catalogue;
mod connecting;
mod connections;
mod dashboards;
mod guessing;
mod sign_ins;
pub(crate) mod visitor;
