//! What the suite has to know of an integration to judge it: how its emulator is started, and what a user types in.

mod github;
mod google_analytics;
pub(crate) mod numbers;
mod plausible;
mod stripe;
mod vercel;

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use dashtray::{
    demo::{Company, Emulators, Options},
    integrations::Integration,
    metric::{Day, Period, Zone},
    secret::Secret,
};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value as Json};
use url::Url;

use self::numbers::{Happenings, Switches, Takings};
use super::front::Reply;
use crate::oauth::Site;

/// Credential fields by key.
pub(crate) type Fields = BTreeMap<String, Secret>;

/// What the account holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// A lively one: something happened on the stand's days, and lists are longer than three pages of three.
    Busy,
    /// One that exists and in which nothing ever happened.
    Quiet,
    /// A lively one in which everything happens that there is, and little of each. Where the lively one is small, the same.
    Small,
    /// The lively one as it was before its last days, of which the provider hears late: see [`LATENESS`].
    Late,
}

/// How many days of a late account come at once, at the stands' instant: more than most settlement windows have.
pub(crate) const LATENESS: SignedDuration = SignedDuration::from_hours(5 * 24);

/// The simulated company, and the same before its last days.
struct Companies {
    busy: Arc<Company>,
    late: Arc<Company>,
}

/// Generating takes a moment; all stands look at the same ones, and none changes them.
static COMPANIES: LazyLock<Companies> = LazyLock::new(|| {
    let busy = Company::generate(11, now());
    let late = Arc::new(busy.at(now() - LATENESS));
    Companies { busy: Arc::new(busy), late }
});

/// A service of the simulated company. `quiet` is the company in which nothing happened.
async fn emulate(service: &str, account: Account, quiet: impl FnOnce() -> Arc<Company>, options: Options) -> Provider {
    let company = match account {
        Account::Busy | Account::Small => COMPANIES.busy.clone(),
        Account::Quiet => quiet(),
        Account::Late => COMPANIES.late.clone(),
    };
    run(service, company, options).await
}

/// A service of a company.
async fn run(service: &str, company: Arc<Company>, options: Options) -> Provider {
    let emulators = Arc::new(Emulators::start(company, options).await.expect("a port on this machine"));
    let url = emulators.url(service).parse().expect("a URL");
    let running = emulators.clone();
    Provider { url, catch_up: Box::new(move || running.advance(running.now())), _running: Box::new(emulators) }
}

/// A company of whom no service knows anything.
fn nobody() -> Arc<Company> {
    Arc::new(Company::empty(now()))
}

/// A running emulator; stopped when this is dropped.
pub(crate) struct Provider {
    pub(crate) url: Url,
    /// It hears of all that has happened by its clock.
    pub(crate) catch_up: Box<dyn Fn() + Send + Sync>,
    pub(crate) _running: Box<dyn Any + Send + Sync>,
}

/// An endpoint that some metrics need and others do not.
pub(crate) struct Endpoint {
    /// Whether a path is its.
    pub(crate) is: fn(&str) -> bool,
    /// Exactly the metrics that cannot be had without it.
    pub(crate) feeds: &'static [&'static str],
}

/// A list that comes in pages.
#[derive(Debug, Clone)]
pub(crate) struct List {
    pub(crate) name: &'static str,
    /// Whether a path is its.
    pub(crate) is: fn(&str) -> bool,
    /// The parameter that says how many entries a page has.
    pub(crate) size: &'static str,
    /// The parameter that a page after the first is asked for with.
    pub(crate) cursor: &'static str,
    /// JSON pointer of the page's entries, an array.
    pub(crate) entries: &'static str,
    /// Makes a page, asked for with the given path and query, one without entries that says that there are more. What
    /// the following request asks for in addition or in place, `inserted`, is taken out of it again by the suite.
    pub(crate) empty: fn(&mut Reply, &str),
    /// JSON pointer of the number of entries that the provider announces, where it does.
    pub(crate) total: Option<&'static str>,
    /// What it answers when the entry that a page goes on after is not there any more. `None` where pages are numbered, and
    /// each begins with another entry then.
    pub(crate) gone: Option<Reply>,
}

/// How the form of an answer changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drift {
    /// A field is not there any more.
    Removed,
    /// It is null.
    Null,
    /// In place of a word stands one that nobody knows.
    Word,
}

/// A field that may be so by the provider's own documentation, and then means something else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Optional {
    pub(crate) drift: Drift,
    /// How the endpoint's path ends.
    pub(crate) endpoint: &'static str,
    /// Where it is in an answer, with `*` for the entries of a list.
    pub(crate) path: &'static str,
    /// What it means.
    pub(crate) _why: &'static str,
}

impl Optional {
    pub(crate) fn is(&self, drift: Drift, endpoint: &str, path: &str) -> bool {
        self.drift == drift && endpoint.ends_with(self.endpoint) && self.path == path
    }
}

/// One integration and all that is needed to judge it.
pub(crate) struct Stand {
    pub(crate) integration: Arc<dyn Integration>,
    /// The instant that its emulator lives in.
    pub(crate) now: Timestamp,
    pub(crate) settings: Map<String, Json>,
    /// Credentials that may read everything. Distinctive: they are what C17 looks for.
    pub(crate) valid: Fields,
    /// Of the same shape, and unknown to the provider.
    pub(crate) fake: Fields,
    /// By the name of a scope: credentials that lack it and no other.
    pub(crate) without: Vec<(&'static str, Fields)>,
    pub(crate) start: fn(Account) -> BoxFuture<'static, Provider>,
    pub(crate) endpoint: Endpoint,
    pub(crate) lists: Vec<List>,
    /// The ways in which the provider says that a limit is reached, other than 429.
    pub(crate) throttles: Vec<Reply>,
    /// Fields that may be absent, null or another word without being a fault.
    pub(crate) optional: &'static [Optional],
    pub(crate) happenings: Happenings,
    /// `None` where nothing of it is money.
    pub(crate) takings: Option<Takings>,
    /// `None` where no setting changes what is counted.
    pub(crate) switches: Option<Switches>,
}

impl Stand {
    /// For what needs the descriptor alone.
    pub(crate) fn bare(integration: Arc<dyn Integration>) -> Self {
        let nobody = |_| -> BoxFuture<'static, Provider> { Box::pin(async { panic!("there is no emulator") }) };
        Self {
            integration,
            now: now(),
            settings: Map::new(),
            valid: Fields::new(),
            fake: Fields::new(),
            without: Vec::new(),
            start: nobody,
            endpoint: Endpoint { is: |_| false, feeds: &[] },
            lists: Vec::new(),
            throttles: Vec::new(),
            optional: &[],
            happenings: Happenings { metric: "", start: |_, _| Box::pin(async { panic!("there is no emulator") }) },
            takings: None,
            switches: None,
        }
    }

    /// Where access tokens come from, if it has any.
    pub(crate) fn token_path(&self) -> Option<String> {
        let auth = &self.integration.descriptor().auth;
        let url = auth.service_account().map(|account| account.token_url.clone());
        let url = url.or_else(|| Some(auth.oauth()?.token_url.clone()))?;
        Some(Url::parse(&url).ok()?.path().to_owned())
    }

    /// The ten days that end with the stand's present one.
    pub(crate) fn period(&self) -> Period {
        let today = Day::of(self.now, &Zone::utc());
        Period::inclusive(today.plus(-9), today)
    }
}

/// Starts a service together with its authorisation server.
pub(crate) type StartSite = fn() -> BoxFuture<'static, Site>;

/// The services with a sign-in, by integration id.
pub(crate) const SITES: &[(&str, StartSite)] = &[("google-analytics", google_analytics::site)];

/// The instant that stands live in unless they have a reason.
pub(crate) fn now() -> Timestamp {
    "2026-03-31T15:04:05Z".parse().expect("an instant")
}

/// One credential field.
pub(crate) fn field(key: &str, value: &str) -> Fields {
    Fields::from([(key.to_owned(), Secret::new(value))])
}

/// Makes the tests of each stand.
macro_rules! stands {
    ($($id:ident)*) => {
        const STANDS: &[&str] = &[$(stringify!($id)),*];

        $(mod $id {
            use super::super::super::{
                Pace, Tier, checks::kills, fingerprint, hostile, is_the_same_elsewhere, judge,
            };

            #[test]
            fn is_honest() {
                judge(Tier::Bronze, &super::super::$id::stand());
            }

            #[test]
            fn is_reliable() {
                judge(Tier::Silver, &super::super::$id::stand());
            }

            #[test]
            fn has_correct_numbers() {
                judge(Tier::Gold, &super::super::$id::stand());
            }

            #[test]
            fn is_killed_on_postgres_too() {
                Pace::Stepped.run(kills::resumes_on_postgres(&super::super::$id::stand())).unwrap().unwrap();
            }

            #[test]
            fn survives_each_fault() {
                Pace::Stepped.run(hostile::each_fault(&super::super::$id::stand())).unwrap().unwrap();
            }

            #[test]
            fn survives_a_tenth_of_faulty_answers() {
                Pace::Stepped.run(hostile::a_tenth(&super::super::$id::stand())).unwrap().unwrap();
            }

            #[test]
            fn survives_lists_that_move() {
                Pace::Stepped.run(hostile::lists_move(&super::super::$id::stand())).unwrap().unwrap();
            }

            #[test]
            fn survives_clocks_that_differ() {
                Pace::Stepped.run(hostile::differ(&super::super::$id::stand())).unwrap().unwrap();
            }

            #[test]
            fn survives_a_certificate_that_expires() {
                Pace::Stepped.run(hostile::certificate_expires(&super::super::$id::stand())).unwrap().unwrap();
            }

            #[test]
            fn says_something() {
                println!("{}", fingerprint(&super::super::$id::stand()).unwrap());
            }

            #[test]
            fn says_the_same_elsewhere() {
                let said_there = concat!("conformance::stand::each::", stringify!($id), "::says_something");
                is_the_same_elsewhere(&super::super::$id::stand(), said_there).unwrap();
            }
        })*
    };
}

mod each {
    stands! { github google_analytics plausible stripe vercel }

    #[test]
    fn every_entry_of_the_registry_has_a_stand() {
        for descriptor in dashtray::integrations::Registry::builtin().descriptors() {
            let name = descriptor.id.replace('-', "_");
            let advice = "write it as the others are written, and add it to the list in tests/conformance/stand/mod.rs";
            assert!(STANDS.contains(&name.as_str()), "{} has no stand; {advice}", descriptor.id);
        }
    }
}
