//! The one integration test binary: one link, one run.

#![expect(clippy::unwrap_used, reason = "what a test cannot do without fails it")]

mod architecture;
