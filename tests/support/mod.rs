//! What tests of several areas share.

pub(crate) mod app;
pub(crate) mod backup;
pub(crate) mod books;
pub(crate) mod canary;
pub(crate) mod database;
pub(crate) mod fake;
pub(crate) mod frame;
pub(crate) mod measured;
pub(crate) mod points;
pub(crate) mod postgres;
pub(crate) mod site;
pub(crate) mod summary;
pub(crate) mod tls;
pub(crate) mod visits;
