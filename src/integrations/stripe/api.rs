//! Stripe's endpoints, one function each.

use std::future::Future;

use super::answers::{
    Account, Asked, Balance, BalanceTransaction, Charge, Coupon, Customer, Event, Glimpse, Item, List, Price,
    Subscription,
};
use super::invoice::{Invoice, Line};
use super::{mrr::PriceKey, sweep::Span};
use crate::http::{Answer, Error, Http, Next, Pages, Request};

/// Entries of a page; Stripe gives no more.
const PAGE: u32 = 100;

const SUBSCRIPTIONS: &str = "/v1/subscriptions";

/// Pages of a list and the way from one to the next.
pub(super) type Listing<T> = Pages<List<T>, fn(&Answer<List<T>>) -> Result<Next, Error>>;

/// An entry of a list, by whose id the following page is asked for.
pub(super) trait Entry {
    fn id(&self) -> &str;
    /// When it was created, in seconds since 1970.
    fn created(&self) -> i64;
}

macro_rules! entries {
    ($($entry:ty),*) => {
        $(impl Entry for $entry {
            fn id(&self) -> &str {
                &self.id
            }
            fn created(&self) -> i64 {
                self.created
            }
        })*
    };
}
entries!(BalanceTransaction, Charge, Customer, Event, Invoice, Item, Line, Subscription);

/// The account that the key belongs to.
pub(super) async fn account(http: &Http) -> Result<Account, Error> {
    Ok(http.get("/v1/account").json().await?.body)
}

/// The balance: which currencies it is kept in, and whether it is real money.
pub(super) async fn balance(http: &Http) -> Result<Balance, Error> {
    Ok(http.get("/v1/balance").json().await?.body)
}

/// The newest entries of any list, `limit` of them, those created before an instant where one is given: to see whether
/// it may be read, and since when there are any.
pub(super) async fn glimpse(
    http: &Http,
    list: &'static str,
    limit: u32,
    created_before: Option<i64>,
) -> Result<List<Glimpse>, Error> {
    let mut request = http.get(list).query("limit", limit);
    if list == SUBSCRIPTIONS {
        request = request.query("status", "all");
    }
    if let Some(before) = created_before {
        request = request.query("created[lt]", before);
    }
    Ok(request.json().await?.body)
}

/// Subscriptions, newest first, those that ended too; after one of them where a walk goes on.
pub(super) fn subscriptions(http: &Http, span: Span, after: Option<&str>) -> Listing<Subscription> {
    let request = http
        .get(SUBSCRIPTIONS)
        .query("status", "all")
        .query("expand[]", "data.discounts.source.coupon")
        .query("expand[]", "data.items.data.discounts");
    pages(within(request, span), after)
}

/// A subscription with its discounts, which no event shows.
pub(super) async fn subscription(http: &Http, id: &str) -> Result<Subscription, Error> {
    let request = http
        .get("/v1/subscriptions/{id}")
        .path("id", id)
        .query("expand[]", "discounts.source.coupon")
        .query("expand[]", "items.data.discounts");
    let subscription: Subscription = request.json().await?.body;
    subscription.tells_discounts()?;
    Ok(subscription)
}

/// What happened lately to things of some kinds, newest first. Stripe remembers 30 days.
pub(super) fn events(http: &Http, kinds: &[&str], span: Span, after: Option<&str>) -> Listing<Event> {
    pages(within(events_of(http, kinds), span), after)
}

/// When the newest event of some kinds, or of all where none is named, was created; `None` where there is none.
pub(super) async fn newest_event(http: &Http, kinds: &[&str]) -> Result<Option<i64>, Error> {
    let list: List<Glimpse> = events_of(http, kinds).query("limit", 1).json().await?.body;
    Ok(list.data.first().map(|event| event.created))
}

fn events_of(http: &Http, kinds: &[&str]) -> Request {
    kinds.iter().fold(http.get("/v1/events"), |request, kind| request.query("types[]", kind))
}

/// Invoices with what they bill, newest first.
pub(super) fn invoices(http: &Http, span: Span, after: Option<&str>) -> Listing<Invoice> {
    let request = http.get("/v1/invoices").query("expand[]", "data.discounts.source.coupon");
    pages(within(request, span), after)
}

/// The lines of an invoice that has more of them than its own answer holds.
pub(super) fn lines(http: &Http, invoice: &str, after: Option<&str>) -> Listing<Line> {
    pages(http.get("/v1/invoices/{id}/lines").path("id", invoice), after)
}

/// The items of a subscription that has more of them than its own answer holds.
pub(super) fn items(http: &Http, subscription: &str, after: Option<&str>) -> Listing<Item> {
    let request = http
        .get("/v1/subscription_items")
        .query("subscription", subscription)
        .query("expand[]", "data.discounts.source.coupon");
    pages(request, after)
}

/// A price with its tiers and its amounts in other currencies, neither of which is part of any list.
pub(super) async fn price(http: &Http, key: &PriceKey) -> Result<Price, Error> {
    let mut request = http
        .get("/v1/prices/{id}")
        .path("id", &key.id)
        .query("expand[]", "tiers")
        .query("expand[]", "currency_options");
    if let Some(currency) = &key.tiers_of {
        request = request.query("expand[]", format!("currency_options.{currency}.tiers"));
    }
    Ok(request.json().await?.body)
}

/// A coupon with what it applies to.
pub(super) async fn coupon(http: &Http, id: &str) -> Result<Coupon, Error> {
    let request = http
        .get("/v1/coupons/{id}")
        .path("id", id)
        .query("expand[]", "applies_to")
        .query("expand[]", "currency_options");
    Ok(request.json().await?.body)
}

/// Customers that were not deleted, newest first.
pub(super) fn customers(http: &Http, span: Span, after: Option<&str>) -> Listing<Customer> {
    pages(within(http.get("/v1/customers").query("expand[]", "data.discount.source.coupon"), span), after)
}

/// A customer with its discount.
pub(super) async fn customer(http: &Http, id: &str) -> Result<Asked, Error> {
    let request = http.get("/v1/customers/{id}").path("id", id).query("expand[]", "discount.source.coupon");
    Ok(request.json().await?.body)
}

/// All invoices that are open, newest first.
pub(super) fn open_invoices(http: &Http) -> Listing<Invoice> {
    pages(http.get("/v1/invoices").query("status", "open"), None)
}

/// The invoices of a subscription that are open, newest first.
pub(super) fn open_invoices_of(http: &Http, subscription: &str) -> Listing<Invoice> {
    pages(http.get("/v1/invoices").query("status", "open").query("subscription", subscription), None)
}

/// The newest invoice of a subscription.
pub(super) async fn latest_invoice(http: &Http, subscription: &str) -> Result<Option<Invoice>, Error> {
    let request = http.get("/v1/invoices").query("subscription", subscription).query("limit", 1);
    let list: List<Invoice> = request.json().await?.body;
    Ok(list.data.into_iter().next())
}

/// What moved the balance, newest first.
pub(super) fn balance_transactions(http: &Http, span: Span, after: Option<&str>) -> Listing<BalanceTransaction> {
    pages(within(http.get("/v1/balance_transactions"), span), after)
}

/// Attempts to charge somebody, newest first.
pub(super) fn charges(http: &Http, span: Span, after: Option<&str>) -> Listing<Charge> {
    pages(within(http.get("/v1/charges"), span), after)
}

/// The answer, or nothing where the key may not read it or it is gone.
pub(super) async fn if_readable<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Error> {
    match answer.await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if is_withheld(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether the key may not read it, or it is gone.
pub(super) fn is_withheld(error: &Error) -> bool {
    use crate::metric::FailureKind::{Forbidden, NotFound, PlanRequired};
    matches!(error.kind(), Forbidden | NotFound | PlanRequired)
}

fn within(mut request: Request, span: Span) -> Request {
    if let Some(from) = span.from {
        request = request.query("created[gte]", from);
    }
    if let Some(to) = span.to {
        request = request.query("created[lt]", to);
    }
    request
}

fn pages<T: Entry + serde::de::DeserializeOwned>(request: Request, after: Option<&str>) -> Listing<T> {
    let mut request = request.query("limit", PAGE);
    if let Some(after) = after {
        request = request.query("starting_after", after);
    }
    request.pages(after_last)
}

fn after_last<T: Entry>(page: &Answer<List<T>>) -> Result<Next, Error> {
    match page.body.data.last() {
        _ if !page.body.has_more => Ok(Next::Done),
        Some(last) => Ok(Next::Query("starting_after", last.id().to_owned())),
        None => Err(Error::invalid_response("a page is empty and says that there are more")),
    }
}
