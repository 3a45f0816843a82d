//! The checks, by what they look at.

pub(super) mod bronze;
pub(super) mod canary;
pub(super) mod descriptor;
pub(super) mod drift;
pub(super) mod kills;
pub(super) mod late;
pub(super) mod lists;
pub(super) mod money;
pub(super) mod outage;
pub(super) mod patience;
pub(super) mod retention;
pub(super) mod sign_in;
pub(super) mod stop;
pub(super) mod sums;
pub(super) mod switches;
pub(super) mod windows;
pub(super) mod zones;
