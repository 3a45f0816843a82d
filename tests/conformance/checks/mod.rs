//! The checks, by what they look at.

pub(super) mod bronze;
pub(super) mod canary;
pub(super) mod descriptor;
pub(super) mod lists;
pub(super) mod patience;
