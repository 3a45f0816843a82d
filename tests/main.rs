//! All integration tests, in one binary: one link, one run.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without fails it")]

mod architecture;
mod store;
mod support;
mod sync;
