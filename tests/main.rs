//! The one integration test binary: one link, one run.

mod architecture;
