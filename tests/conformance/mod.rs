//! One suite for every integration: what `conformance.md` asks of T0, Bronze, Silver and Gold.
//!
//! [`ITEMS`] is the one list of checks; no integration has a softer copy of any of them. Those of T0 need the descriptor
//! alone and run over the whole registry. The others need to know how to start an integration's emulator and what to
//! type in: its [`stand::Stand`]. A new integration adds a file in `stand/` and its line there, nothing else.
//!
//! The checks are checked themselves: `twins/` holds a small integration that is right, and one broken in a single way
//! for each thing that the suite must notice.

/// Ends a check with what is wrong, unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}

mod checks;
mod direct;
mod front;
mod hostile;
mod machine;
mod query;
mod rows;
mod stand;
mod tiers;
mod twins;
mod whole;

use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::future::LocalBoxFuture;
use sha2::{Digest as _, Sha256};

use checks::{
    bronze, canary, descriptor, drift, kills, late, lists, money, outage, patience, retention, sign_in, stop, sums,
    switches, windows, zones,
};
use stand::Stand;

use crate::support::summary::tell;

/// How good an integration is, as far as the suite says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    T0,
    Bronze,
    Silver,
    Gold,
}

/// Which clock a check runs by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Paused: every wait is over at once. Not over a database, whose answers come from another thread.
    Virtual,
    /// Stands still, also while a database works, and moves where a check moves it: see [`machine`].
    Stepped,
    Real,
}

impl Pace {
    /// Runs a future to its end on this thread.
    fn run<T>(self, future: impl Future<Output = T>) -> Result<T, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(self != Self::Real)
            .build()
            .map_err(|error| error.to_string())?;
        // A paused clock runs ahead when nothing is left to do, but not while something is at work in a thread.
        let (_at_work, until_dropped) = std::sync::mpsc::channel::<()>();
        if self == Self::Stepped {
            runtime.spawn_blocking(move || until_dropped.recv());
        }
        let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(future)));
        // What a hostile answer left behind is not waited for.
        runtime.shutdown_background();
        ended.map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
        })
    }
}

type Check = for<'a> fn(&'a Stand) -> LocalBoxFuture<'a, Result<(), String>>;

/// One item of the suite.
struct Item {
    id: &'static str,
    tier: Tier,
    title: &'static str,
    pace: Pace,
    check: Check,
}

macro_rules! items {
    ($($id:literal $tier:ident $pace:ident $title:literal $check:path;)*) => {
        &[$(Item {
            id: $id,
            tier: Tier::$tier,
            title: $title,
            pace: Pace::$pace,
            check: |stand| Box::pin($check(stand)),
        }),*]
    };
}

#[rustfmt::skip]
const ITEMS: &[Item] = items! {
    "C01" T0 Virtual "descriptor complete and consistent" descriptor::is_consistent;
    "C02" T0 Virtual "stable unique ids, metric ids prefixed" descriptor::has_good_ids;
    "C03" T0 Virtual "secret fields typed secret, every field labelled with help" descriptor::marks_secrets;
    "C04" T0 Virtual "allow-list explicit, HTTPS only, no wildcard" descriptor::names_its_hosts;
    "C05" T0 Virtual "every metric says what it is" descriptor::defines_its_metrics;
    "C06" T0 Virtual "error table covered" descriptor::covers_the_error_table;
    "C07" T0 Virtual "docs and form generate without gaps" descriptor::documents_itself;
    "C08" T0 Virtual "cost of requests and limits declared" descriptor::declares_costs;
    "C10" Bronze Virtual "a wrong credential is refused, a missing scope is another verdict" bronze::tells_credentials_apart;
    "C11" Bronze Virtual "the test needs only what the metrics need" bronze::test_needs_no_more_than_metrics;
    "C12" Bronze Real "stable account id, same account noticed" bronze::knows_its_account;
    "C13" Bronze Real "every asked day, week and month has exactly one state" bronze::fills_the_ledger;
    "C14" Bronze Real "one failing metric leaves the others" bronze::fails_alone;
    "C15" Bronze Real "empty, zero and failed differ" bronze::tells_nothing_from_zero;
    "C16" Bronze Virtual "401, 403 and 404 mean what they mean, without retry" bronze::reads_refusals;
    "C17" Bronze Real "a secret is nowhere" canary::keeps_the_secret;
    "C18" Bronze Virtual "same recording, same points" bronze::repeats_itself;
    "C19" Bronze Virtual "nothing leaves the allow-list" bronze::stays_on_its_hosts;
    "C20" Silver Virtual "Retry-After obeyed or refused" patience::obeys_retry_after;
    "C21" Silver Virtual "jitter, bounded attempts, no nested retry" patience::retries_within_bounds;
    "C22" Silver Virtual "throttling in disguise recognised" patience::sees_disguised_limits;
    "C23" Silver Virtual "quota and share kept, nonsense does not stall" patience::keeps_its_quota;
    "C24" Silver Virtual "lists finish, are flagged or fail" lists::are_never_silently_short;
    "C25" Silver Virtual "duplicate delivery does not change sums" lists::count_nothing_twice;
    "C26" Silver Stepped "no checkpoint passes what failed, killed or not" kills::resumes_where_it_stopped;
    "C27" Silver Stepped "told to stop it hands back" stop::hands_back;
    "C28" Silver Virtual "slow, huge and bombed answers are bounded" patience::bounds_bad_answers;
    "C29" Silver Stepped "an outage is said once, and ends by itself" outage::is_said_once;
    "C30" Silver Real "callers at once make one refresh" sign_in::refreshes_once;
    "C31" Silver Real "killed while renewing, no grant is lost in silence" sign_in::survives_kills;
    "C32" Silver Real "two processes share one grant" sign_in::shares_its_grant;
    "C33" Silver Real "a new refresh token is kept, else the old one" sign_in::keeps_refresh_tokens;
    "C34" Silver Real "no answer of a token endpoint loses a grant" sign_in::survives_bad_answers;
    "C35" Silver Real "access that is over is renewed when an answer shows it" sign_in::sees_expiry;
    "C36" Silver Real "states once, PKCE, exact redirect" sign_in::keeps_to_the_standards;
    "C40" Gold Real "amounts exact, of one currency each, never added across" money::is_exact;
    "C41" Gold Virtual "amounts read in the form in which they are written" money::reads_the_declared_form;
    "C42" Gold Real "everything on exactly one day, in any zone" zones::puts_everything_on_one_day;
    "C43" Gold Virtual "two windows that meet are one" windows::join;
    "C44" Gold Stepped "any chunking of a period, the same points" windows::backfill_in_any_order;
    "C45" Gold Stepped "what comes late is noted, then final" late::settles;
    "C46" Gold Stepped "no further back than the provider answers" retention::is_clamped;
    "C48" Gold Virtual "what drifts is flagged, and no number is wrong" drift::sees_drift;
    "C49" Gold Virtual "settings have their effect, and receipts add up" switches::have_their_effect;
    "C50" Gold Stepped "weeks and months follow the metric's kind" sums::follow_their_kind;
};

/// Stands for all that an integration says of the lively account.
fn fingerprint(stand: &Stand) -> Result<String, String> {
    let text = Pace::Virtual.run(bronze::points(stand))??;
    Ok(Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Holds C18 where the machine is in another zone and speaks another language: reads once more in a process of its own,
/// by way of the test `name`, which prints [`fingerprint`].
fn is_the_same_elsewhere(stand: &Stand, name: &str) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let elsewhere = std::process::Command::new(program)
        .args([name, "--exact", "--nocapture"])
        .envs([("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8"), ("LANG", "tr_TR.UTF-8")])
        .output()
        .map_err(|error| error.to_string())?;
    let (here, said) = (fingerprint(stand)?, String::from_utf8_lossy(&elsewhere.stdout).into_owned());
    ensure!(said.contains(&here), "elsewhere the points are others than {here}: {said}");
    Ok(())
}

/// Runs a check with a clock of its own. A panic in it is a failure of the item.
fn run(item: &Item, stand: &Stand) -> Result<(), String> {
    item.pace.run((item.check)(stand)).and_then(|checked| checked)
}

/// Runs the items of a tier. Fails where it comes to something else than the table of tiers says; what keeps an
/// integration from a tier that it does not claim is told.
fn judge(tier: Tier, stand: &Stand) {
    let id = stand.integration.descriptor().id.clone();
    let mut failed = Vec::new();
    for item in ITEMS.iter().filter(|item| item.tier == tier) {
        let result = run(item, stand);
        table::note(&id, item.id, tier, result.is_ok());
        if let Err(why) = result {
            failed.push(format!("{} {}: {why}", item.id, item.title));
        }
    }
    table::print();
    let passed = ITEMS.iter().filter(|item| item.tier == tier).count() - failed.len();
    let held = tiers::hold(&id, tier, passed);
    let failed = failed.join("\n  ");
    if let Err(why) = held {
        panic!("{why}. What does not conform:\n  {failed}");
    }
    if !failed.is_empty() {
        tell(format_args!("{id} is not all of {tier:?}, as it says:\n  {failed}"));
    }
}

/// What the suite found out so far in this run of the tests.
mod table {
    use std::{
        collections::{BTreeMap, BTreeSet},
        io::Write as _,
        sync::{Mutex, PoisonError},
    };

    use super::{ITEMS, Tier};

    static RESULTS: Mutex<BTreeMap<(String, Tier, &'static str), bool>> = Mutex::new(BTreeMap::new());

    pub(super) fn note(integration: &str, item: &'static str, tier: Tier, is_ok: bool) {
        let mut results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
        results.insert((integration.to_owned(), tier, item), is_ok);
    }

    /// Integration against tier: for everybody once all are judged, before that for whoever looks at one test.
    #[expect(clippy::print_stderr, reason = "the table is for whoever runs the tests")]
    pub(super) fn print() {
        let results = RESULTS.lock().unwrap_or_else(PoisonError::into_inner);
        let integrations: BTreeSet<&String> = results.keys().map(|(id, _, _)| id).collect();
        let mut text =
            format!("\n{:<20} {:<12} {:<12} {:<12} {:<12}\n", "integration", "T0", "Bronze", "Silver", "Gold");
        for id in &integrations {
            text.push_str(&format!("{id:<20}"));
            for tier in [Tier::T0, Tier::Bronze, Tier::Silver, Tier::Gold] {
                let all = ITEMS.iter().filter(|item| item.tier == tier).count();
                let of_tier = || results.iter().filter(|((of, at, _), _)| of == *id && *at == tier);
                let ok = of_tier().filter(|(_, is_ok)| **is_ok).count();
                let cell = if of_tier().next().is_none() { "not run".to_owned() } else { format!("{ok} of {all}") };
                text.push_str(&format!(" {cell:<12}"));
            }
            text.push('\n');
        }
        if results.len() == integrations.len() * ITEMS.len() {
            // Past the test runner, which keeps back what passing tests print.
            let _ = std::io::stderr().write_all(text.as_bytes());
        } else {
            eprintln!("{text}");
        }
    }
}

/// Tests of what needs a descriptor alone, over the whole registry.
mod t0 {
    use std::collections::BTreeSet;

    use dashtray::integrations::Registry;

    use super::{Tier, judge, stand::Stand};

    #[test]
    fn every_integration_is_loadable() {
        for integration in Registry::builtin().iter() {
            judge(Tier::T0, &Stand::bare(integration.clone()));
        }
    }

    #[test]
    fn ids_are_unique_in_the_registry() {
        let mut seen = BTreeSet::new();
        for descriptor in Registry::builtin().descriptors() {
            assert!(seen.insert(descriptor.id.clone()), "two integrations are called {}", descriptor.id);
            for metric in &descriptor.metrics {
                assert!(seen.insert(metric.id.clone()), "two metrics are called {}", metric.id);
            }
        }
    }
}
