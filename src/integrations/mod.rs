//! The integration contract: what a service must say and do to be measured.
//!
//! An integration is a folder with one unit struct that implements [`Integration`], and two lines that register it
//! (`scripts/new-integration ID` writes all of it). It says what it is ([`Descriptor`]), proves that credentials work,
//! and turns answers into samples. Everything else is the host's: sockets, signing, retries, waiting, paging, storage,
//! time.
//!
//! # Three rules
//!
//! 1. **The host owns all I/O.** An integration asks its [`Context`]; there is no socket, clock, file or sleep here.
//! 2. **No secrets.** [`Descriptor::auth`] names the field that signs a request, or says how a user signs in; keys and
//!    tokens never get here, and the host renews what ends.
//! 3. **Network apart from arithmetic.** `api.rs` has one function an endpoint with typed answers; `metrics.rs` has
//!    pure functions from answers to samples. `mod.rs` joins the two.
//!
//! # How a fetch goes
//!
//! The host asks for some metrics over a [`Period`] of civil days in [`Context::zone`]. The integration
//!
//! 1. begins a [`FetchReport::new`], in which ids that it does not know are `Unknown` already;
//! 2. calls each endpoint once for all metrics that it feeds: `ctx.http.get("/v1/charges").query("limit", 100).json()`,
//!    or `.pages(…)` for lists, `.conditional()` where the provider sends an `ETag`;
//! 3. makes an [`Answer`](crate::metric::Answer) of what came. An answer covers *every* day of its period: days without
//!    a sample are zero, or empty for ratios and statistics. Days that the provider did not speak of are left out of the
//!    period, or handed in as a [`Gap`] with the reason;
//! 4. hands it in with [`Context::commit`]. A [`Batch`] is one transaction; for long lists commit each page with a
//!    checkpoint and [`Record`]s, so that memory stays flat and a killed run goes on where it stopped;
//! 5. notes with [`FetchReport::record`] how the metrics of that call have fared. Exactly they fail if it failed; an
//!    error that concerns the whole connection (refused credentials, a limit) ends the fetch by `?`. What a comparison
//!    with the provider found different and put right is one of its [`Correction`]s.
//!
//! A day that was asked for and neither answered nor handed in as a gap becomes `failed` by the outcome, so a hole
//! cannot come about by omission.
//!
//! # Weeks and months
//!
//! The visitors of a week are not the sum of its days. Where the provider can be asked for them, or what is kept makes
//! them exactly, the stream says [`Stream::periods`]. After the days the host then asks for all weeks that are due at
//! once, and for all months: [`Context::grain`] says which, the metrics are those of the stream whose kind is `Distinct`
//! or `Statistic`, and the period is made of whole buckets. All is answered as of days, but that
//!
//! - a sample stands for a bucket and bears its first day ([`Interval::bucket`](crate::metric::Interval::bucket) gives
//!   the bucket of a day). Any other date is refused, so days are never taken for weeks;
//! - the period of an answer or gap is made of whole buckets. The bucket under way holds what has happened so far, and
//!   its answer may end with today;
//! - only these metrics are answered. Flows, levels and ratios are joined by the host.
//!
//! They are asked for when something of the stream's days has changed, and once more when they are over and when they
//! have settled; a run that finds nothing new costs no request more.
//!
//! # Numbers
//!
//! Values are integers in their smallest unit ([`Value`](crate::metric::Value)); arithmetic in between is
//! [`Exact`](crate::metric::Exact) and is rounded once. A metric's [`Kind`](crate::metric::Kind) decides what may be
//! done with several days of it, so choose it with care: what is asked per day and counts people is `Distinct`, never a
//! flow.
//!
//! Money has a series a currency and is never converted here. A share of money by money is
//! [`Value::money_share`](crate::metric::Value::money_share) of a metric that is `of_money`, so that it can be converted
//! in its parts; what exchange rates alone do to a level is answered with zero and worked out by the host
//! ([`ExchangeEffect`](crate::metric::ExchangeEffect)).
//!
//! A value says how sure it is ([`Quality`](crate::metric::Quality)). Once a day has settled, a surer value is never
//! replaced by one that is less sure, until a setting or the formula changes.

mod batch;
pub mod catalogue;
mod context;
mod credentials;
mod descriptor;
mod field;
pub mod guide;
mod registry;
mod report;
mod settings;
#[cfg(test)]
pub(crate) mod testing;
mod tier;

pub mod github;
pub mod google_analytics;
pub mod plausible;
pub mod stripe;
pub mod vercel;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use crate::http::Error;
use crate::metric::{Currency, Period};
pub use batch::{Batch, Gap, Record, RecordChange, Why};
pub use context::{Context, Host, Order, Position};
pub(crate) use credentials::unknown_key;
pub use credentials::{FieldError, check_credentials};
pub use descriptor::{
    BaseUrl, Category, Choice, CredentialField, Descriptor, FieldKind, SettingField, SettingKind, Shape, Stream,
    ZonePolicy,
};
pub(crate) use field::{not_null, nullable};
pub use registry::{Registry, UnknownIntegration};
pub use report::{Correction, FetchReport, Outcome};
pub use settings::{SettingValue, Settings};
pub(crate) use settings::{is_name, quotable};
pub use tier::Tier;

/// A service that can be measured.
#[async_trait]
pub trait Integration: Send + Sync + 'static {
    /// What the integration says about itself. Cheap: called often.
    fn descriptor(&self) -> Arc<Descriptor>;

    /// Proves that the credentials work and finds out whose they are. A permission that is missing is a failed check,
    /// not an error; credentials that are refused are the error.
    async fn test_connection(&self, ctx: &Context) -> Result<AccountInfo, Error>;

    /// Reads the metrics over the period and commits what it learns. Gives an outcome for every requested metric, or
    /// the error when nothing can be had.
    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error>;
}

/// Whose account the credentials open, and what they allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// Never changes for the same account, so that connecting it twice is noticed.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Its time zone by IANA name, where the provider says.
    pub zone: Option<String>,
    /// Its currency, where it has one.
    pub currency: Option<Currency>,
    /// Further facts for the connection page.
    #[serde(default)]
    pub info: serde_json::Map<String, serde_json::Value>,
    /// What was tried, one by one.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// For a setting: the values this account offers.
    #[serde(default)]
    pub choices: BTreeMap<String, Vec<Choice>>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name: `charges`, `traffic`.
    pub id: String,
    /// Whether it worked.
    pub ok: bool,
    /// What it means, and what to do where it did not work.
    pub message: String,
    /// Ids of the metrics that cannot be had without it.
    pub costs: Vec<String>,
}
