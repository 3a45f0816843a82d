//! What the Stripe integration says about itself.

use std::time::Duration;

use super::{metrics, settings};
use crate::{
    http::{Auth, Exception, Limits, Meaning, When, Window, WindowScope},
    integrations::{BaseUrl, Category, CredentialField, Descriptor, FieldKind, Shape, Stream, ZonePolicy},
    metric::FailureKind,
};

/// Where keys are made.
pub(super) const KEYS_PAGE: &str = "https://dashboard.stripe.com/apikeys";

/// Without it each account's own version applies, and shapes differ between accounts.
const VERSION: &str = "2026-07-29.dahlia";
/// How far back everything is read.
const HISTORY_DAYS: u32 = 90;

pub(super) fn descriptor() -> Descriptor {
    Descriptor {
        id: "stripe".to_owned(),
        name: "Stripe".to_owned(),
        category: Category::Payment,
        icon: include_str!("icon.svg").to_owned(),
        summary: "Recurring revenue, subscriptions, customers, payments, refunds and fees.".to_owned(),
        auth: Auth::Bearer { field: "api_key".to_owned() },
        credentials: vec![api_key()],
        settings: settings::fields(),
        base_url: BaseUrl::Fixed("https://api.stripe.com".to_owned()),
        hosts: vec!["api.stripe.com".to_owned()],
        headers: vec![("Stripe-Version".to_owned(), VERSION.to_owned())],
        limits: limits(),
        exceptions: exceptions(),
        streams: streams(),
        metrics: metrics::definitions(),
        sync_interval_minutes: 30,
        zone: ZonePolicy::Choosable,
        history_days: HISTORY_DAYS,
        guide: include_str!("guide.md").to_owned(),
    }
}

fn api_key() -> CredentialField {
    let rejected = [
        ("pk_", "this is a publishable key, which can read nothing; use a restricted key (rk_…)"),
        ("sk_org_", "this is a key of an organisation; use a restricted key (rk_…) of the one account"),
        ("rk_org_", "this is a key of an organisation; use a restricted key (rk_…) of the one account"),
        ("whsec_", "this is the secret of a webhook, not a key; use a restricted key (rk_…)"),
        ("ca_", "this is the id of a Connect platform, not a key; use a restricted key (rk_…)"),
        ("acct_", "this is the id of the account, not a key; use a restricted key (rk_…)"),
        ("ek_", "this is an ephemeral key, which soon expires; use a restricted key (rk_…)"),
    ];
    CredentialField {
        key: "api_key".to_owned(),
        label: "Restricted API key".to_owned(),
        placeholder: "rk_live_…".to_owned(),
        kind: FieldKind::Password,
        required: true,
        help_text: "Make a restricted key (rk_live_… or rk_test_…) with the permission Read on Subscriptions, Customers, \
                    Balance transactions, Charges, Invoices, Prices, Coupons, Events and Account. A secret key (sk_…) works too, \
                    but may do far more than read."
            .to_owned(),
        pattern: Some("(sk|rk)_(live|test)_[A-Za-z0-9_]+".to_owned()),
        rejected_prefixes: rejected.map(|(prefix, why)| (prefix.to_owned(), why.to_owned())).to_vec(),
        link: Some(KEYS_PAGE.to_owned()),
    }
}

/// providers.md 3.5. Stripe does not tell what is left.
fn limits() -> Limits {
    let window = |scope, calls| Window { scope, calls, per: Duration::from_secs(1) };
    Limits {
        windows: vec![window(WindowScope::Everything, 100), window(WindowScope::Endpoint, 25)],
        concurrent: 8,
        headers: None,
        wait_unless_said: Duration::from_secs(1),
    }
}

/// Stripe says by a header whether to try again; its word comes before the status.
fn exceptions() -> Vec<Exception> {
    let should_retry = |status, value: &str, means| Exception {
        status,
        when: When::Header { name: "Stripe-Should-Retry".to_owned(), value: Some(value.to_owned()) },
        means,
    };
    let says = |status, code: &str, means| Exception { status, when: When::BodyContains(code.to_owned()), means };
    let mut exceptions =
        vec![says(400, "\"rate_limit\"", Meaning::RateLimited), says(429, "\"lock_timeout\"", Meaning::Transient)];
    for status in [409, 500, 502, 503, 504] {
        exceptions.push(should_retry(status, "false", Meaning::Failure(FailureKind::Unavailable)));
    }
    for status in [400, 402, 404, 424] {
        exceptions.push(should_retry(status, "true", Meaning::Transient));
    }
    exceptions.push(Exception { status: 409, when: When::Always, means: Meaning::Transient });
    exceptions
}

fn streams() -> Vec<Stream> {
    let stream = |id: &str, shape, cost: &str| Stream {
        id: id.to_owned(),
        shape,
        version: 3,
        cost: cost.to_owned(),
        periods: false,
    };
    let by_day = Shape::ByDay { window_days: HISTORY_DAYS };
    vec![
        stream("customers", Shape::WholeAccount, "one call for each 100 customers"),
        stream(
            "subscriptions",
            Shape::WholeAccount,
            "one call for each 100 subscriptions and 100 customers, one for each coupon in use and each price that is \
             tiered or in another currency",
        ),
        stream(
            "balance",
            by_day,
            "one call for each 100 balance transactions, at least one for each 30 days where they do not fit on one page",
        ),
        stream(
            "charges",
            by_day,
            "one call for each 100 charges, at least one for each 30 days where they do not fit on one page",
        ),
    ]
}
