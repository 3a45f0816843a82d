//! Finds out whose account a key opens and what it may read.

use jiff::Timestamp;
use serde_json::{Map, json};

use super::{answers::Account, api, descriptor, metrics, sweep::BEFORE_STRIPE};
use crate::{
    http::Http,
    integrations::{AccountInfo, Check, Error},
    metric::{Currency, FailureKind},
};

/// A permission: its name in keys and checks, the list that it opens, the streams that need it, and what else it is for.
struct Permission {
    id: &'static str,
    name: &'static str,
    list: &'static str,
    streams: &'static [&'static str],
    also: &'static str,
}

const PERMISSIONS: [Permission; 8] = [
    Permission {
        id: "subscriptions",
        name: "Subscriptions",
        list: "/v1/subscriptions",
        streams: &["subscriptions"],
        also: "",
    },
    Permission {
        id: "customers",
        name: "Customers",
        list: "/v1/customers",
        streams: &["customers"],
        also: "; discounts of customers are not known either, so that MRR is an estimate",
    },
    Permission {
        id: "balance_transactions",
        name: "Balance transactions",
        list: "/v1/balance_transactions",
        streams: &["balance"],
        also: "",
    },
    Permission { id: "charges", name: "Charges", list: "/v1/charges", streams: &["charges"], also: "" },
    Permission {
        id: "invoices",
        name: "Invoices",
        list: "/v1/invoices",
        streams: &[],
        also: "; MRR of the past is an estimate, and how long payments are overdue and taxes inside prices may stay unknown",
    },
    Permission {
        id: "prices",
        name: "Prices",
        list: "/v1/prices",
        streams: &[],
        also: "; subscriptions with tiered prices or prices in another currency are not counted",
    },
    Permission {
        id: "coupons",
        name: "Coupons",
        list: "/v1/coupons",
        streams: &["customers", "subscriptions"],
        also: "; customers and subscriptions are read together with their discounts, so that neither can be had without it",
    },
    Permission {
        id: "events",
        name: "Events",
        list: "/v1/events",
        streams: &[],
        also: "; each sync reads all customers and subscriptions again, and the past is less certain",
    },
];

/// Tries each permission. Only a key that is refused as a whole, or no answer, is an error.
pub(super) async fn test(http: &Http, now: Timestamp) -> Result<AccountInfo, Error> {
    let mut checks = Vec::new();
    let account = allowed(api::account(http).await)?;
    checks.push(check_account(&account));
    let mut livemode = None;
    for permission in &PERMISSIONS {
        let answer = allowed(api::glimpse(http, permission.list, 1, None).await)?;
        if let Ok(list) = &answer {
            livemode = livemode.or(list.data.iter().find_map(|entry| entry.livemode));
        }
        checks.push(check(permission, answer.err()));
    }
    if checks.iter().all(|check| check.ok) {
        checks.push(Check {
            id: "key".to_owned(),
            ok: true,
            message: "every permission is there; if this is a secret key (sk_…), a restricted key (rk_…) that may \
                      only read is safer"
                .to_owned(),
            costs: Vec::new(),
        });
    }
    let mut currency: Option<Currency> =
        account.as_ref().ok().and_then(|account| account.default_currency.as_deref()?.parse().ok());
    if (livemode.is_none() || currency.is_none())
        && let Ok(balance) = allowed(api::balance(http).await)?
    {
        livemode = livemode.or(balance.livemode);
        currency = currency.or_else(|| balance.available.first()?.currency.parse().ok());
    }
    let mut info = Map::new();
    if let Some(livemode) = livemode {
        info.insert("livemode".to_owned(), json!(livemode));
    }
    let Ok(account) = account else {
        // Without anything to tell accounts apart, two of them would pass for one.
        let id = oldest(http, now).await?.ok_or_else(|| {
            Error::new(
                FailureKind::Forbidden,
                "nothing tells which account this is; give the key the permission Account: Read",
            )
        })?;
        let label = if livemode == Some(false) { "Stripe (test)" } else { "Stripe" };
        return Ok(AccountInfo {
            id,
            label: label.to_owned(),
            zone: None,
            currency,
            info,
            checks,
            choices: Default::default(),
        });
    };
    info.insert("country".to_owned(), json!(account.country));
    info.insert("charges_enabled".to_owned(), json!(account.charges_enabled));
    let dashboard = account.settings.as_ref().and_then(|settings| settings.dashboard.as_ref());
    Ok(AccountInfo {
        label: label(&account),
        zone: dashboard.and_then(|dashboard| dashboard.timezone.clone()).filter(|zone| !zone.is_empty()),
        id: account.id,
        currency,
        info,
        checks,
        choices: Default::default(),
    })
}

/// An answer, or a refusal that concerns this one list. Everything else concerns the connection.
fn allowed<T>(answer: Result<T, Error>) -> Result<Result<T, Error>, Error> {
    use FailureKind::{Forbidden, NotFound, PlanRequired, Rejected};
    match answer {
        Err(error) if !matches!(error.kind(), Forbidden | NotFound | PlanRequired | Rejected) => Err(error),
        answer => Ok(answer),
    }
}

fn check_account(account: &Result<Account, Error>) -> Check {
    let message = match account {
        Ok(_) => "name, zone and currency can be read".to_owned(),
        Err(error) => format!(
            "the account itself cannot be read, so that its name and zone are not known; set the zone by hand, or give \
             the key the permission Account: Read ({})",
            said(error)
        ),
    };
    Check { id: "account".to_owned(), ok: account.is_ok(), message, costs: Vec::new() }
}

fn check(permission: &Permission, refused: Option<Error>) -> Check {
    let metrics = metrics::definitions();
    let of_stream = metrics.iter().filter(|metric| permission.streams.contains(&metric.stream.as_str()));
    let Permission { id, name, also, .. } = permission;
    let (message, costs) = match &refused {
        None => (format!("{name} can be read"), Vec::new()),
        Some(error) => (
            format!(
                "{name} cannot be read; give the key the permission {name}: Read at {}{also} ({})",
                descriptor::KEYS_PAGE,
                said(error)
            ),
            of_stream.map(|metric| metric.id.clone()).collect(),
        ),
    };
    Check { id: (*id).to_owned(), ok: refused.is_none(), message, costs }
}

fn said(error: &Error) -> &str {
    error.provider_message().unwrap_or(error.message())
}

fn label(account: &Account) -> String {
    let dashboard = account.settings.as_ref().and_then(|settings| settings.dashboard.as_ref());
    let names = [
        dashboard.and_then(|dashboard| dashboard.display_name.as_ref()),
        account.business_profile.as_ref().and_then(|profile| profile.name.as_ref()),
        account.email.as_ref(),
    ];
    names.into_iter().flatten().find(|name| !name.trim().is_empty()).unwrap_or(&account.id).clone()
}

/// Tells accounts apart where the account itself cannot be read: by the oldest price, else the oldest charge, neither
/// of which can ever be deleted or get a predecessor.
async fn oldest(http: &Http, now: Timestamp) -> Result<Option<String>, Error> {
    for list in ["/v1/prices", "/v1/charges"] {
        // Lists are newest first, so the oldest is found by halving the time in which it can lie.
        let (mut without, mut until) = (BEFORE_STRIPE, now.as_second().saturating_add(1));
        let mut middle = until;
        while without < until {
            let Ok(page) = allowed(api::glimpse(http, list, 100, Some(middle)).await)? else { break };
            match page.data.last() {
                Some(oldest) if !page.has_more || oldest.created >= until => {
                    return Ok(Some(format!("oldest:{}", oldest.id)));
                }
                Some(oldest) => until = oldest.created,
                None if middle == until => break,
                None => without = middle,
            }
            middle = without + (until - without + 1) / 2;
        }
    }
    Ok(None)
}
