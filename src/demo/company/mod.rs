//! A company that does not exist, with a history that adds up.
//!
//! Everything follows from a seed and an instant: about 400 customers who arrive over 400 days, try, pay, upgrade, take
//! coupons, fail to pay, pause and leave, and a handful of repositories that people work on meanwhile. Nothing in it is
//! later than the instant, and nothing that was drawn depends on it: [`Company::at`] lets time pass. Beside what the emulators show, the generator keeps its own books and can say what the
//! totals are: [`Company::truth`].

mod billing;
mod books;
mod catalog;
mod code;
mod deployments;
mod life;
mod movements;
mod people;
mod table;
mod traffic;
mod truth;

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub use self::{
    code::{Asset, Code, Commit, Issue, Pull, Release, Repository, Run, Star, Traffic},
    deployments::{Deployment, Project, TEAM_ID, TEAM_SLUG, Usage},
    life::story::{STORY_CUSTOMER, STORY_SUBSCRIPTION, Step},
    movements::{Level, Moved, Movement},
    table::Table,
    traffic::{
        DOWNLOAD, Hit, PURCHASE, SIGN_UP, SITE_CURRENCY, SITE_ZONE, Tally, Visit, Web, country_name, tally, tally_by,
    },
    truth::{Days, Money, ProjectTruth, RepositoryTruth, Truth},
};
use super::random::Dice;

/// Days of history before now.
pub const HISTORY_DAYS: i64 = 400;
/// The id of the simulated Stripe account.
pub const ACCOUNT_ID: &str = "acct_1FernwerkDemo0001";
/// The company's name, in both services.
pub const NAME: &str = "Fernwerk";

/// All that both services know about the company.
///
/// A test may change [`Company::stripe`] and [`Company::github`]; [`Company::truth`] keeps saying what was generated
/// for Stripe, and counts what is there for GitHub.
#[derive(Debug, Clone)]
pub struct Company {
    /// The instant that ends its history.
    pub now: Timestamp,
    /// Objects of the Stripe account.
    pub stripe: Stripe,
    /// Repositories and people on GitHub.
    pub github: Code,
    books: books::Books,
    origin: Origin,
    opened: Timestamp,
    web: OnceLock<Arc<Web>>,
}

/// What a company grows from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Nothing,
    Story,
    Seed(u64),
}

/// The objects of a Stripe account, by kind.
#[derive(Debug, Clone, Default)]
pub struct Stripe {
    /// The account itself.
    pub account: Value,
    /// Cents (or yen) by currency that could be paid out.
    pub balance: BTreeMap<String, i64>,
    /// Products.
    pub products: Table,
    /// Prices; `tiers` and `currency_options` are shown only when expanded.
    pub prices: Table,
    /// Coupons; `applies_to` and `currency_options` are shown only when expanded.
    pub coupons: Table,
    /// Customers that exist.
    pub customers: Table,
    /// Customers that were deleted: found by id, never listed.
    pub deleted_customers: Table,
    /// Subscriptions; `items` is a plain array with `price` as an id.
    pub subscriptions: Table,
    /// Discounts, which only expanding shows.
    pub discounts: Table,
    /// Invoices; `lines` is a plain array.
    pub invoices: Table,
    /// Charges.
    pub charges: Table,
    /// Refunds, which only expanding shows.
    pub refunds: Table,
    /// Disputes, which only expanding shows.
    pub disputes: Table,
    /// Balance transactions.
    pub balance_transactions: Table,
    /// Events of the last 30 days.
    pub events: Table,
}

impl Company {
    /// The company of a seed with [`HISTORY_DAYS`] days behind it at `now`. The same seed and instant give the same bytes.
    pub fn generate(seed: u64, now: Timestamp) -> Self {
        Self::grown(Origin::Seed(seed), before(now, HISTORY_DAYS), now)
    }

    /// A company of whom neither service knows anything yet: an account without objects, no repositories.
    pub fn empty(now: Timestamp) -> Self {
        Self::grown(Origin::Nothing, before(now, HISTORY_DAYS), now)
    }

    /// An account with one customer and one subscription, whose life of the last 85 days is written by hand: upgraded,
    /// discounted, paused and canceled, as [`Company::story_steps`] tells. The same customer is in every generated company.
    pub fn story(now: Timestamp) -> Self {
        Self::grown(Origin::Story, before(now, HISTORY_DAYS), now)
    }

    /// What happens to [`STORY_SUBSCRIPTION`], in its order and whether now has come to it or not.
    pub fn story_steps(&self) -> [Step; 7] {
        life::story::steps(self.opened)
    }

    /// The same company at another instant, usually a later one: what happened up to the earlier of both is the same in
    /// both, with the same ids. What a test changed by hand is not in it.
    pub fn at(&self, now: Timestamp) -> Self {
        Self::grown(self.origin, self.opened, now)
    }

    fn grown(origin: Origin, opened: Timestamp, now: Timestamp) -> Self {
        // Whole seconds: providers send nothing finer.
        let whole = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
        let (opened, now) = (whole(opened), whole(now));
        let (stripe, github, books) = match origin {
            Origin::Nothing => {
                let stripe = Stripe { account: account(opened), ..Stripe::default() };
                (stripe, Code::default(), books::Books::default())
            }
            Origin::Story => {
                let (stripe, books) = life::story::alone(opened, now);
                (stripe, Code::default(), books)
            }
            Origin::Seed(seed) => {
                let mut dice = Dice::new(seed);
                let (stripe, books) = life::simulate(&mut dice.fork(), opened, now);
                (stripe, code::generate(&mut dice.fork(), opened, now), books)
            }
        };
        Self { now, stripe, github, books, origin, opened, web: OnceLock::new() }
    }
}

fn account(opened: Timestamp) -> Value {
    let created = before(opened, 30).as_second();
    json!({ "id": ACCOUNT_ID, "created": created, "country": "US", "default_currency": "usd", "email": "owner@fernwerk.example",
        "name": NAME, "timezone": "Etc/UTC" })
}

fn before(now: Timestamp, days: i64) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN)
}
