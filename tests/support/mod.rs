//! What tests of several areas share.

pub(crate) mod database;
pub(crate) mod postgres;
