//! The Stripe emulator: which endpoints there are, and how a request goes through them.

mod access;
mod error;
mod expand;
mod list;
mod query;
mod render;

use std::sync::Mutex;

use serde_json::{Value, json};

pub use self::access::{PERMISSIONS, StripeKey};
use self::{
    access::Version,
    error::Refusal,
    expand::{Kind, Tree},
    query::{Filter, Query},
    render::View,
};
pub(super) use self::{
    access::{OLD, Pace},
    render::previous,
};
use super::{
    company::Stripe,
    random::Dice,
    server::{Incoming, Reply, Site, lock},
};

/// Requests a second that one endpoint takes.
const PACE: usize = 25;

/// A list of objects of one kind.
#[derive(Debug)]
struct Endpoint {
    path: &'static str,
    kind: Kind,
    /// As it is called in "No such …".
    name: &'static str,
    permission: &'static str,
    /// Whether one object can be asked for by its id.
    by_id: bool,
    filters: &'static [Filter],
}

const CREATED: Filter = Filter::Range("created", "/created");
const CUSTOMER: Filter = Filter::Is("customer", "/customer");
const COLLECTION: Filter =
    Filter::OneOf("collection_method", "/collection_method", &["charge_automatically", "send_invoice"]);

const ENDPOINTS: [Endpoint; 10] = [
    Endpoint {
        path: "subscriptions",
        kind: Kind::Subscription,
        name: "subscription",
        permission: "rak_subscription_read",
        by_id: true,
        filters: &[
            CREATED,
            CUSTOMER,
            COLLECTION,
            Filter::Status,
            Filter::HasPrice("price"),
            Filter::HasPrice("plan"),
            Filter::Range("current_period_start", "/items/0/current_period_start"),
            Filter::Range("current_period_end", "/items/0/current_period_end"),
        ],
    },
    Endpoint {
        path: "customers",
        kind: Kind::Customer,
        name: "customer",
        permission: "rak_customer_read",
        by_id: true,
        filters: &[CREATED, Filter::Is("email", "/email")],
    },
    Endpoint {
        path: "prices",
        kind: Kind::Price,
        name: "price",
        permission: "rak_plan_read",
        by_id: true,
        filters: &[
            CREATED,
            Filter::Flag("active", "/active"),
            Filter::Is("currency", "/currency"),
            Filter::Is("product", "/product"),
            Filter::OneOf("type", "/type", &["one_time", "recurring"]),
        ],
    },
    Endpoint {
        path: "products",
        kind: Kind::Product,
        name: "product",
        permission: "rak_product_read",
        by_id: true,
        filters: &[CREATED, Filter::Flag("active", "/active")],
    },
    Endpoint {
        path: "coupons",
        kind: Kind::Coupon,
        name: "coupon",
        permission: "rak_coupon_read",
        by_id: true,
        filters: &[CREATED],
    },
    Endpoint {
        path: "balance_transactions",
        kind: Kind::BalanceTransaction,
        name: "balance transaction",
        permission: "rak_balance_transaction_read",
        by_id: true,
        filters: &[
            CREATED,
            Filter::Is("currency", "/currency"),
            Filter::Is("type", "/type"),
            Filter::Is("source", "/source"),
        ],
    },
    Endpoint {
        path: "charges",
        kind: Kind::Charge,
        name: "charge",
        permission: "rak_charge_read",
        by_id: true,
        filters: &[CREATED, CUSTOMER, Filter::Is("payment_intent", "/payment_intent")],
    },
    Endpoint {
        path: "invoices",
        kind: Kind::Invoice,
        name: "invoice",
        permission: "rak_invoice_read",
        by_id: true,
        filters: &[
            CREATED,
            CUSTOMER,
            COLLECTION,
            Filter::Range("due_date", "/due_date"),
            Filter::Is("subscription", "/subscription"),
            Filter::OneOf("status", "/status", &["draft", "open", "paid", "uncollectible", "void"]),
        ],
    },
    Endpoint {
        path: "events",
        kind: Kind::Event,
        name: "event",
        permission: "rak_event_read",
        by_id: true,
        filters: &[CREATED, Filter::Type, Filter::Types, Filter::Flag("delivery_success", "/delivered")],
    },
    Endpoint {
        path: "subscription_items",
        kind: Kind::SubscriptionItem,
        name: "subscription item",
        permission: "rak_subscription_read",
        by_id: false,
        filters: &[Filter::Parent("subscription")],
    },
];

/// What the emulator remembers between requests.
#[derive(Debug, Default)]
pub(super) struct Emulator {
    pace: Mutex<Pace>,
    requests: Mutex<u64>,
}

impl Emulator {
    pub(super) fn answer(&self, site: &Site, request: &Incoming) -> Reply {
        let number = {
            let mut requests = lock(&self.requests);
            *requests += 1;
            *requests
        };
        let id = format!("req_{}", Dice::new(number).letters(14));
        let version = Version::of(request, site.options.stripe_version);
        let mut reply = match self.handle(site, request) {
            Ok(value) => Reply::pretty(200, &value),
            Err(refusal) => refusal.reply(&id),
        };
        reply.header("content-type", "application/json");
        reply.header("request-id", id);
        if let Ok(version) = version {
            reply.header("stripe-version", version.name());
        }
        reply.header("cache-control", "no-cache, no-store");
        reply
    }

    fn handle(&self, site: &Site, request: &Incoming) -> Result<Value, Refusal> {
        let key = access::key(&site.options.stripe_keys, request)?;
        let version = Version::of(request, site.options.stripe_version)?;
        let company = site.company();
        let account = company.stripe.account["id"].as_str().unwrap_or_default().to_owned();
        let allowed = |permission: &str| match key.may(permission) {
            true => Ok(()),
            false => Err(Refusal::permission(&key.key, &account, permission)),
        };
        let unknown = || Refusal::unknown_url(&request.method, &request.path);
        let segments = request.segments();
        let ["v1", rest @ ..] = segments.as_slice() else { return Err(unknown()) };
        if request.method != "GET" {
            return Err(unknown());
        }
        if site.options.rate_limits {
            let shape = if rest.len() > 1 { "one" } else { "list" };
            if !lock(&self.pace).admit(&format!("{}/{shape}", rest.first().unwrap_or(&"")), PACE) {
                return Err(Refusal::too_fast());
            }
        }
        let events = Version::named(site.options.stripe_version)?;
        let view = View { stripe: &company.stripe, version, events };
        let one = |endpoint: &'static Endpoint| {
            let query = Query::of_object(&request.pairs)?;
            let (tree, kinds) = expand::tree(&query.expand, endpoint.kind, false, version)?;
            permissions(endpoint, &kinds).into_iter().try_for_each(allowed)?;
            Ok(tree)
        };
        match rest {
            ["account"] => {
                allowed("rak_accounts_kyc_basic_read")?;
                Query::of_object(&request.pairs)?;
                Ok(view.show(Kind::Account, &company.stripe.account, &Tree::default()))
            }
            ["balance"] => {
                allowed("rak_balance_read")?;
                Query::of_object(&request.pairs)?;
                Ok(balance(&company.stripe))
            }
            ["invoices", id, "lines"] => {
                allowed("rak_invoice_read")?;
                let invoice = view.table(Kind::Invoice).and_then(|table| table.get(id));
                let invoice = invoice.ok_or_else(|| Refusal::missing_object(404, "invoice", id, "invoice"))?;
                let query = Query::of_list(&request.pairs, &[])?;
                let (tree, _) = expand::tree(&query.expand, Kind::Line, true, version)?;
                let rows = invoice["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
                list::page(view, Kind::Line, rows.iter(), &query, &tree, &request.path, "line item")
            }
            [path] => {
                let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.path == *path).ok_or_else(unknown)?;
                let query = Query::of_list(&request.pairs, endpoint.filters)?;
                let (tree, kinds) = expand::tree(&query.expand, endpoint.kind, true, version)?;
                permissions(endpoint, &kinds).into_iter().try_for_each(allowed)?;
                list::endpoint(view, endpoint, &query, &tree, site.now())
            }
            [path, id] => {
                let endpoint = ENDPOINTS.iter().find(|endpoint| endpoint.path == *path && endpoint.by_id);
                let endpoint = endpoint.ok_or_else(unknown)?;
                let tree = one(endpoint)?;
                let kept = |row: &&Value| list::is_kept(endpoint.kind, row, site.now());
                if let Some(object) = view.table(endpoint.kind).and_then(|table| table.get(id)).filter(kept) {
                    return Ok(view.show(endpoint.kind, object, &tree));
                }
                match view.stripe.deleted_customers.get(id) {
                    Some(_) if endpoint.kind == Kind::Customer => {
                        Ok(json!({ "id": id, "object": "customer", "deleted": true }))
                    }
                    _ => Err(Refusal::missing_object(404, endpoint.name, id, "id")),
                }
            }
            _ => Err(unknown()),
        }
    }
}

/// What an endpoint asks for, and each kind that is expanded in it.
fn permissions(endpoint: &Endpoint, kinds: &[Kind]) -> Vec<&'static str> {
    let of = |kind: &Kind| ENDPOINTS.iter().find(|endpoint| endpoint.kind == *kind).map(|endpoint| endpoint.permission);
    std::iter::once(endpoint.permission).chain(kinds.iter().filter_map(of)).collect()
}

fn balance(stripe: &Stripe) -> Value {
    let amounts = |share: i64| -> Vec<Value> {
        let entry = |(currency, amount): (&String, &i64)| {
            let amount = amount * share / 100;
            json!({ "amount": amount, "currency": currency, "source_types": { "card": amount } })
        };
        stripe.balance.iter().map(entry).collect()
    };
    let mut available = amounts(80);
    if available.is_empty() {
        available.push(
            json!({ "amount": 0, "currency": stripe.account["default_currency"], "source_types": { "card": 0 } }),
        );
    }
    json!({ "object": "balance", "available": available, "livemode": false, "pending": amounts(20),
        "refund_and_dispute_prefunding": { "available": [], "pending": [] } })
}
