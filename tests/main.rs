//! All integration tests, in one binary: one link, one run.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing fails")]

mod api;
mod architecture;
mod browser;
mod cli;
mod conformance;
mod github;
mod google;
mod oauth;
mod pages;
mod plausible;
mod series;
mod store;
mod support;
mod sync;
mod vercel;
