//! All integration tests, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing fails")]

mod store;
mod support;
mod sync;
