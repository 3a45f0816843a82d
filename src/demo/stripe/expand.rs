//! Which properties can be expanded, and how deep.

use std::collections::BTreeMap;

use super::{access::Version, error::Refusal};

/// The kinds of objects that appear in answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Account,
    BalanceTransaction,
    Charge,
    Coupon,
    CurrencyOption,
    Customer,
    Discount,
    DiscountSource,
    Dispute,
    Event,
    Invoice,
    InvoiceParent,
    InvoiceSubscription,
    Line,
    LinePrice,
    LinePricing,
    Plan,
    Price,
    Product,
    Refund,
    Subscription,
    SubscriptionItem,
    /// Whatever a balance transaction came from.
    Source,
    /// Something that the simulated account has none of.
    None,
}

/// What stands in a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// An id, or the object when expanded.
    Ref(Kind),
    /// Ids, or objects when expanded.
    Refs(Kind),
    /// An object that is always whole, with properties of its own to expand.
    Inline(Kind),
    /// A list that is always there.
    List(Kind),
    /// Left out unless expanded.
    Hidden,
    /// A list that is left out unless expanded.
    HiddenList(Kind),
    /// Left out unless expanded: objects by currency.
    ByCurrency,
}

/// The property of a kind, if it can be walked through or expanded.
pub(super) fn field(kind: Kind, name: &str) -> Option<Field> {
    Some(match (kind, name) {
        (Kind::Subscription, "customer") => Field::Ref(Kind::Customer),
        (Kind::Subscription, "latest_invoice") => Field::Ref(Kind::Invoice),
        (Kind::Subscription | Kind::SubscriptionItem | Kind::Invoice | Kind::Line, "discounts") => {
            Field::Refs(Kind::Discount)
        }
        (Kind::Subscription, "items") => Field::List(Kind::SubscriptionItem),
        (
            Kind::Subscription,
            "application"
            | "default_payment_method"
            | "default_source"
            | "on_behalf_of"
            | "pending_setup_intent"
            | "schedule"
            | "test_clock",
        ) => Field::Ref(Kind::None),
        (Kind::SubscriptionItem, "price") => Field::Inline(Kind::Price),
        (Kind::SubscriptionItem, "plan") => Field::Inline(Kind::Plan),
        (Kind::Price | Kind::Plan, "product") => Field::Ref(Kind::Product),
        (Kind::Price | Kind::Plan | Kind::CurrencyOption, "tiers") => Field::Hidden,
        (Kind::Price, "currency_options") => Field::ByCurrency,
        (Kind::Product, "default_price") => Field::Ref(Kind::Price),
        (Kind::Coupon, "applies_to" | "currency_options") => Field::Hidden,
        (Kind::Discount, "customer") => Field::Ref(Kind::Customer),
        (Kind::Discount, "promotion_code") => Field::Ref(Kind::None),
        (Kind::Discount, "source") => Field::Inline(Kind::DiscountSource),
        (Kind::Discount, "coupon") => Field::Inline(Kind::Coupon),
        (Kind::DiscountSource, "coupon") => Field::Ref(Kind::Coupon),
        (Kind::Customer, "discount") => Field::Inline(Kind::Discount),
        (Kind::Customer, "default_source" | "test_clock") => Field::Ref(Kind::None),
        (Kind::Customer, "subscriptions") => Field::HiddenList(Kind::Subscription),
        (Kind::Invoice, "customer") => Field::Ref(Kind::Customer),
        (Kind::Invoice, "lines") => Field::List(Kind::Line),
        (Kind::Invoice, "parent") => Field::Inline(Kind::InvoiceParent),
        (Kind::Invoice, "payments") => Field::Hidden,
        (Kind::Invoice, "subscription") => Field::Ref(Kind::Subscription),
        (Kind::Invoice, "charge") => Field::Ref(Kind::Charge),
        (
            Kind::Invoice,
            "application"
            | "default_payment_method"
            | "default_source"
            | "latest_revision"
            | "on_behalf_of"
            | "payment_intent"
            | "test_clock",
        ) => Field::Ref(Kind::None),
        (Kind::InvoiceParent, "subscription_details") => Field::Inline(Kind::InvoiceSubscription),
        (Kind::InvoiceSubscription, "subscription") => Field::Ref(Kind::Subscription),
        (Kind::Line, "pricing") => Field::Inline(Kind::LinePricing),
        (Kind::LinePricing, "price_details") => Field::Inline(Kind::LinePrice),
        (Kind::LinePrice, "price") => Field::Ref(Kind::Price),
        (Kind::Charge, "customer") => Field::Ref(Kind::Customer),
        (Kind::Charge | Kind::Refund, "balance_transaction") => Field::Ref(Kind::BalanceTransaction),
        (Kind::Charge, "refunds") => Field::HiddenList(Kind::Refund),
        (Kind::Charge, "dispute") => Field::Ref(Kind::Dispute),
        (
            Kind::Charge,
            "application"
            | "application_fee"
            | "failure_balance_transaction"
            | "on_behalf_of"
            | "payment_intent"
            | "review"
            | "source_transfer"
            | "transfer",
        ) => Field::Ref(Kind::None),
        (Kind::Refund | Kind::Dispute, "charge") => Field::Ref(Kind::Charge),
        (Kind::Refund | Kind::Dispute, "payment_intent") => Field::Ref(Kind::None),
        (Kind::BalanceTransaction, "source") => Field::Ref(Kind::Source),
        _ => return None,
    })
}

/// What is to be expanded below an object.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<String, Tree>);

impl Tree {
    pub(super) fn below(&self, name: &str) -> Option<&Self> {
        self.0.get(name)
    }
}

/// Checks the paths of a request against what they lead through; gives the tree, and the kinds that were asked for.
pub(super) fn tree(
    paths: &[String],
    kind: Kind,
    on_list: bool,
    version: Version,
) -> Result<(Tree, Vec<Kind>), Refusal> {
    let (mut root, mut kinds) = (Tree::default(), Vec::new());
    for path in paths {
        let segments: Vec<&str> = path.split('.').collect();
        if segments.len() > 4 {
            return Err(Refusal::too_deep(path));
        }
        let refuse = || Refusal::cannot_expand(path, on_list && segments.first() != Some(&"data"));
        let walked = if on_list { segments.strip_prefix(&["data"]).ok_or_else(refuse)? } else { &segments[..] };
        kinds.extend(walk(walked, kind, on_list, version).ok_or_else(refuse)?);
        let mut node = &mut root;
        for segment in walked {
            node = node.0.entry((*segment).to_owned()).or_default();
        }
    }
    Ok((root, kinds))
}

/// The kinds on the way, or nothing when the way does not end at something to expand.
fn walk(segments: &[&str], kind: Kind, on_list: bool, version: Version) -> Option<Vec<Kind>> {
    let (name, rest) = segments.split_first()?;
    let on = |rest: &[&str], kind: Kind| walk(rest, kind, on_list, version);
    let next = |rest: &[&str], kind: Kind| if rest.is_empty() { Some(vec![kind]) } else { on(rest, kind) };
    match field(kind, name).filter(|_| exists(kind, name, version))? {
        Field::Ref(target) | Field::Refs(target) => {
            let mut kinds = next(rest, target)?;
            kinds.push(target);
            Some(kinds)
        }
        Field::Inline(target) if !rest.is_empty() => on(rest, target),
        Field::List(target) => rest.strip_prefix(&["data"]).and_then(|rest| on(rest, target)),
        Field::HiddenList(target) if rest.is_empty() => Some(vec![target]),
        Field::HiddenList(target) => rest.strip_prefix(&["data"]).and_then(|rest| on(rest, target)),
        Field::Hidden if rest.is_empty() => Some(Vec::new()),
        Field::ByCurrency if on_list => None,
        Field::ByCurrency if rest.is_empty() => Some(Vec::new()),
        Field::ByCurrency => on(rest.get(1..)?, Kind::CurrencyOption),
        _ => None,
    }
}

/// Whether the version has the property at all.
fn exists(kind: Kind, name: &str, version: Version) -> bool {
    match (kind, name) {
        (Kind::Discount, "coupon") => !version.since_clover(),
        (Kind::Discount, "source") => version.since_clover(),
        (Kind::Invoice, "subscription" | "charge" | "payment_intent") => !version.since_basil(),
        (Kind::Invoice, "parent" | "payments") | (Kind::Line, "pricing") => version.since_basil(),
        _ => true,
    }
}
