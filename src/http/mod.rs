//! Outbound HTTP: the only way out of the process, the same for every integration.
//!
//! An integration builds a [`Request`] from its [`Http`] handle and gets a decoded [`Answer`] or an [`Error`].
//! Signing, retries, waiting, budgets, conditional requests, redirects, address rules, size limits, counting and
//! redaction happen underneath:
//!
//! ```text
//! Request -> budget -> sign -> send -> redirect? -> read within limits -> what does it mean? -> Answer | retry | Error
//! ```
//!
//! What it must remember between runs and processes (budgets, kept answers, grants) goes through the [`Memory`] trait.

mod address;
mod auth;
mod body;
mod budget;
mod client;
mod conditional;
mod decode;
mod error;
pub mod grant;
mod json_path;
mod limits;
mod link;
mod memory;
mod page;
mod pulse;
mod reach;
mod redact;
mod request;
mod retry;
mod retry_after;
mod send;
mod target;
#[cfg(test)]
mod tests;
mod trouble;

pub use address::AddressRules;
pub use auth::{Auth, Credentials, Place};
pub use client::{Client, ClientConfig, Counters, Http, Session};
pub use conditional::Kept;
pub use error::{Error, Offer, Retry};
pub use grant::{Expiry, Grant, OAuth, OAuthClient, ServiceAccount, ShortLived, SignIn};
pub(crate) use json_path::path_to;
pub use limits::{Exception, LimitHeaders, Limits, Meaning, Reset, ResetForm, Service, When, Window, WindowScope};
pub use memory::{Allowance, Forgetful, KeptGrant, Learned, Memory, MemoryError, Renewal, RenewalWish, Reservation};
pub use page::{Next, Pages};
pub use pulse::{Beat, Pulse};
pub use reach::Reached;
pub use request::{Answer, Request};
