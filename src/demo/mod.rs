//! The simulated company: its accounts at each service on loopback addresses, as strict as the real ones, with a history that
//! adds up.
//!
//! ```no_run
//! # async fn show() -> std::io::Result<()> {
//! use std::sync::Arc;
//!
//! use dashtray::demo::{Company, Emulators, Options, STRIPE_KEY};
//!
//! let now = "2026-03-31T12:00:00Z".parse().unwrap_or_default();
//! let company = Company::generate(7, now);
//! let truth = company.truth(&"UTC".parse().unwrap_or_else(|_| dashtray::metric::Zone::utc()));
//! let emulators = Emulators::start(Arc::new(company), Options::default()).await?;
//! // Ask emulators.url("stripe") with STRIPE_KEY, and compare with `truth`.
//! # let _ = (truth, STRIPE_KEY, emulators); Ok(()) }
//! ```
//!
//! It shares no code with the integrations that it serves, or it would repeat their mistakes; of the crate it uses
//! [`crate::metric`] alone. What the real services do is told in providers.md, sections 3 to 7.

pub mod authorization;
pub mod browser;
pub mod bulk;
pub mod company;
mod github;
mod google;
mod plausible;
mod random;
mod server;
mod stripe;
mod tour;
mod vercel;

#[cfg(test)]
mod tests;

pub use self::{
    company::{Company, Truth},
    github::{GithubToken, SecondaryLimit},
    google::{Analytics, GoogleAccount, GoogleProperty, Uncertain},
    plausible::{PlausibleGoal, PlausibleKey, PlausibleServer},
    server::{Emulators, Options, Request},
    stripe::{PERMISSIONS as STRIPE_PERMISSIONS, StripeKey},
    tour::Account,
    vercel::VercelToken,
};

/// A restricted key that may read all that Dashtray needs.
pub const STRIPE_KEY: &str = "rk_test_DemoFernwerkNotARealKey0000000000000001";
/// A restricted key without the permission to read charges.
pub const STRIPE_KEY_WITHOUT_CHARGES: &str = "rk_test_DemoFernwerkNoChargesNotReal00000000002";
/// A fine-grained token that may administrate each repository of the company.
pub const GITHUB_TOKEN: &str =
    "github_pat_DEMOFERNWERK0000000001_NotARealTokenNotARealTokenNotARealTokenNotARealToken001";
/// A service account that may read each property; [`authorization::service_account_key`] makes its key.
pub const GOOGLE_READER: &str = "reader@fernwerk-demo.iam.gserviceaccount.com";
/// A user who may read each property.
pub const GOOGLE_USER: &str = "ada@fernwerk.example";
/// The number of the Google Analytics property of the company's site.
pub const GOOGLE_PROPERTY: &str = "341528790";
/// A fine-grained token that may read only, so that traffic is refused.
pub const GITHUB_TOKEN_READ_ONLY: &str =
    "github_pat_DEMOFERNWERK0000000002_NotARealTokenNotARealTokenNotARealTokenNotARealToken002";
/// The id of the OAuth client that the company has registered for its Dashtray.
pub const OAUTH_CLIENT_ID: &str = "000000000001-demofernwerknotarealclient.apps.example";
/// Its secret.
pub const OAUTH_CLIENT_SECRET: &str = "GOCSPX-DemoFernwerkNotARealSecret001";
/// A token of an app's installation.
pub const GITHUB_APP_TOKEN: &str = "ghs_DemoFernwerkNotARealInstallation0001";
/// A person's token at Vercel that reads what the person may.
pub const VERCEL_TOKEN: &str = "DemoFernwerkVercelNotAReal01";
/// A token at Vercel that is limited to the company's team.
pub const VERCEL_TEAM_TOKEN: &str = "DemoFernwerkVercelTeamNot02";
/// A key of Plausible's Stats API.
pub const PLAUSIBLE_KEY: &str = "DemoFernwerkNotARealPlausibleKey0000000000000000000000000000001A";
/// A key of Plausible's Stats API whose plan does not include it.
pub const PLAUSIBLE_KEY_WITHOUT_PLAN: &str = "DemoFernwerkNotARealPlausibleKey0000000000000000000000000000002B";
/// The company's web site, as Plausible knows it.
pub const PLAUSIBLE_SITE: &str = "fernwerk.example";
