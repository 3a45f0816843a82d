//! From what the company knows to what Stripe sends.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::{
    access::Version,
    expand::{Field, Kind, Tree, field},
};
use crate::demo::company::{ACCOUNT_ID, Stripe, Table};

/// How many entries a list inside an object shows.
const INSIDE: usize = 10;

macro_rules! templates {
    ($($kind:ident $file:literal),* $(,)?) => {
        fn template(kind: Kind) -> Option<&'static Map<String, Value>> {
            match kind {
                $(Kind::$kind => {
                    static TEMPLATE: LazyLock<Value> = LazyLock::new(|| {
                        serde_json::from_str(include_str!(concat!("templates/", $file, ".json"))).unwrap_or_default()
                    });
                    TEMPLATE.as_object()
                })*
                _ => None,
            }
        }
    };
}

templates! {
    Account "account", BalanceTransaction "balance_transaction", Charge "charge", Coupon "coupon", Customer "customer",
    Discount "discount", Dispute "dispute", Event "event", Invoice "invoice", Line "line_item", Plan "plan", Price "price",
    Product "product", Refund "refund", Subscription "subscription", SubscriptionItem "subscription_item",
}

/// The account as one version of the API shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) stripe: &'a Stripe,
    pub(super) version: Version,
    /// The account's own version: an event is in that one, whatever a request names.
    pub(super) events: Version,
}

impl<'a> View<'a> {
    /// Where objects of a kind are found by their id.
    pub(super) fn table(self, kind: Kind) -> Option<&'a Table> {
        Some(match kind {
            Kind::BalanceTransaction => &self.stripe.balance_transactions,
            Kind::Charge => &self.stripe.charges,
            Kind::Coupon => &self.stripe.coupons,
            Kind::Customer => &self.stripe.customers,
            Kind::Discount => &self.stripe.discounts,
            Kind::Dispute => &self.stripe.disputes,
            Kind::Event => &self.stripe.events,
            Kind::Invoice => &self.stripe.invoices,
            Kind::Price => &self.stripe.prices,
            Kind::Product => &self.stripe.products,
            Kind::Refund => &self.stripe.refunds,
            Kind::Subscription => &self.stripe.subscriptions,
            _ => return None,
        })
    }

    /// The whole object as it is sent.
    pub(super) fn show(self, kind: Kind, object: &Value, tree: &Tree) -> Value {
        let mut fields = template(kind).cloned().unwrap_or_default();
        if let Some(own) = object.as_object() {
            fields.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        self.shape(kind, &mut fields, tree);
        let mut shown = Map::new();
        for (name, value) in fields {
            if let Some(value) = self.property(kind, &name, value, tree.below(&name), &shown) {
                shown.insert(name, value);
            }
        }
        Value::Object(shown)
    }

    fn property(
        self,
        kind: Kind,
        name: &str,
        value: Value,
        asked: Option<&Tree>,
        object: &Map<String, Value>,
    ) -> Option<Value> {
        let nothing = Tree::default();
        let below = asked.unwrap_or(&nothing);
        Some(match field(kind, name) {
            None => value,
            Some(Field::Ref(_) | Field::Refs(_)) if asked.is_none() => value,
            Some(Field::Ref(target)) => self.resolve(target, value, below),
            Some(Field::Refs(target)) => match value {
                Value::Array(ids) => ids.into_iter().map(|id| self.resolve(target, id, below)).collect(),
                other => other,
            },
            Some(Field::Inline(_)) if value.is_null() => value,
            Some(Field::Inline(target)) => self.show(target, &value, below),
            Some(Field::List(target)) => self.list(target, name, &value, below, object),
            Some(Field::HiddenList(_)) if asked.is_none() => return None,
            Some(Field::HiddenList(target)) => self.list(target, name, &value, below, object),
            Some(Field::Hidden) if asked.is_none() => return None,
            Some(Field::Hidden) => value,
            Some(Field::ByCurrency) => {
                asked?;
                let options = value.as_object()?;
                let shown = |(currency, option): (&String, &Value)| {
                    (
                        currency.clone(),
                        self.show(Kind::CurrencyOption, option, below.below(currency).unwrap_or(&nothing)),
                    )
                };
                Value::Object(options.iter().map(shown).collect())
            }
        })
    }

    fn resolve(self, kind: Kind, id: Value, tree: &Tree) -> Value {
        let Some(text) = id.as_str() else { return id };
        let kind = match (kind, text.split('_').next()) {
            (Kind::Source, Some("ch" | "py")) => Kind::Charge,
            (Kind::Source, Some("re")) => Kind::Refund,
            (Kind::Source, Some("du")) => Kind::Dispute,
            (kind, _) => kind,
        };
        if let Some(object) = self.table(kind).and_then(|table| table.get(text)) {
            return self.show(kind, object, tree);
        }
        match self.stripe.deleted_customers.get(text) {
            Some(_) if kind == Kind::Customer => json!({ "id": text, "object": "customer", "deleted": true }),
            _ => id,
        }
    }

    fn list(self, kind: Kind, name: &str, rows: &Value, tree: &Tree, object: &Map<String, Value>) -> Value {
        let nothing = Tree::default();
        let below = tree.below("data").unwrap_or(&nothing);
        let id = object.get("id").and_then(Value::as_str).unwrap_or_default();
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        let url = match kind {
            Kind::SubscriptionItem => format!("/v1/subscription_items?subscription={id}"),
            Kind::Line => format!("/v1/invoices/{id}/lines"),
            Kind::Refund => format!("/v1/charges/{id}/refunds"),
            _ => format!("/v1/customers/{id}/{name}"),
        };
        let data: Vec<Value> = rows.iter().take(INSIDE).map(|row| self.show(kind, row, below)).collect();
        json!({ "object": "list", "data": data, "has_more": rows.len() > INSIDE, "total_count": rows.len(), "url": url })
    }

    /// Brings the fields into the form that the version has.
    fn shape(self, kind: Kind, fields: &mut Map<String, Value>, tree: &Tree) {
        match kind {
            Kind::Account => shape_account(fields),
            Kind::Customer => self.shape_customer(fields, tree),
            Kind::Subscription => self.shape_subscription(fields),
            Kind::SubscriptionItem => self.shape_item(fields),
            Kind::Discount => self.shape_discount(fields),
            Kind::Invoice => self.shape_invoice(fields),
            Kind::Line => self.shape_line(fields),
            Kind::Charge => self.shape_charge(fields, tree),
            Kind::Dispute => self.shape_dispute(fields),
            Kind::Event => self.shape_event(fields),
            _ => {}
        }
    }

    fn shape_customer(self, fields: &mut Map<String, Value>, tree: &Tree) {
        if let Some(country) = fields.shift_remove("address_country") {
            set(fields, "address", "country", country);
        }
        if tree.below("subscriptions").is_none() {
            return;
        }
        let id = fields.get("id").cloned().unwrap_or_default();
        let own = |row: &&Value| row["customer"] == id && row["status"] != "canceled";
        let rows: Vec<Value> = self.stripe.subscriptions.iter().filter(own).cloned().collect();
        fields.insert("subscriptions".to_owned(), Value::Array(rows));
    }

    fn shape_subscription(self, fields: &mut Map<String, Value>) {
        let items = fields.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        // What the only item has stands on the subscription too, as before there could be several.
        let only = if let [only] = items { only.clone() } else { Value::Null };
        let first = items.first().cloned().unwrap_or_default();
        let price = only["price"].as_str().and_then(|id| self.stripe.prices.get(id));
        let plan = price.map(|price| self.show(Kind::Plan, &plan(price), &Tree::default()));
        fields.insert("plan".to_owned(), plan.unwrap_or_default());
        fields.insert("quantity".to_owned(), only["quantity"].clone());
        if self.version.since_basil() {
            return;
        }
        for name in ["current_period_start", "current_period_end"] {
            fields.insert(name.to_owned(), first[name].clone());
        }
        let discount = fields.get("discounts").and_then(|ids| ids.get(0)).and_then(Value::as_str);
        let discount = discount
            .and_then(|id| self.stripe.discounts.get(id))
            .map_or(Value::Null, |row| self.show(Kind::Discount, row, &Tree::default()));
        fields.insert("discount".to_owned(), discount);
    }

    fn shape_item(self, fields: &mut Map<String, Value>) {
        let price = match fields.get("price") {
            Some(Value::String(id)) => self.stripe.prices.get(id).cloned().unwrap_or_default(),
            other => other.cloned().unwrap_or_default(),
        };
        fields.insert("plan".to_owned(), plan(&price));
        fields.insert("price".to_owned(), price);
        if !self.version.since_basil() {
            fields.shift_remove("current_period_start");
            fields.shift_remove("current_period_end");
        }
    }

    fn shape_discount(self, fields: &mut Map<String, Value>) {
        fields.shift_remove("created");
        let Some(coupon) = fields.shift_remove("coupon") else { return };
        if self.version.since_clover() {
            fields.insert("source".to_owned(), json!({ "coupon": coupon, "type": "coupon" }));
        } else {
            let whole = coupon.as_str().and_then(|id| self.stripe.coupons.get(id)).cloned().unwrap_or(coupon);
            fields.insert("coupon".to_owned(), whole);
        }
    }

    fn shape_invoice(self, fields: &mut Map<String, Value>) {
        let taken =
            ["subscription", "charge", "payment_intent"].map(|name| fields.shift_remove(name).unwrap_or_default());
        let [subscription, charge, intent] = taken;
        if let Some(customer) =
            fields.get("customer").and_then(Value::as_str).and_then(|id| self.stripe.customers.get(id))
        {
            fields.insert("customer_email".to_owned(), customer["email"].clone());
            fields.insert("customer_name".to_owned(), customer["name"].clone());
        }
        fields.insert("effective_at".to_owned(), fields["status_transitions"]["finalized_at"].clone());
        if self.version.since_basil() {
            let details = json!({ "metadata": {}, "subscription": subscription });
            let parent =
                json!({ "quote_details": null, "subscription_details": details, "type": "subscription_details" });
            fields.insert("parent".to_owned(), if subscription.is_null() { Value::Null } else { parent });
            let payment = json!({ "id": "inpay_1FernDemo", "object": "invoice_payment", "amount_paid": fields["amount_paid"],
                "invoice": fields["id"], "is_default": true, "livemode": false,
                "payment": { "payment_intent": intent, "type": "payment_intent" }, "status": "paid" });
            let data = if charge.is_null() { json!([]) } else { json!([payment]) };
            fields.insert("payments".to_owned(), json!({ "object": "list", "data": data, "has_more": false }));
        } else {
            fields.insert("paid".to_owned(), json!(fields["status"] == "paid"));
            fields.insert("subscription".to_owned(), subscription);
            fields.insert("charge".to_owned(), charge);
            fields.insert("payment_intent".to_owned(), intent);
        }
    }

    fn shape_line(self, fields: &mut Map<String, Value>) {
        let taken = ["price", "product", "proration", "subscription_item", "invoice_item", "credited_items", "one_off"]
            .map(|name| fields.shift_remove(name).unwrap_or_default());
        let [price, product, proration, item, invoice_item, credited, one_off] = taken;
        let is_item = one_off == true;
        let details = json!({ "credited_items": credited });
        if self.version.since_basil() {
            let mut details = json!({ "invoice_item": invoice_item, "proration": proration, "proration_details": details,
                "subscription": fields["subscription"] });
            let (kind, other) = if is_item {
                ("invoice_item_details", "subscription_item_details")
            } else {
                details["subscription_item"] = item;
                ("subscription_item_details", "invoice_item_details")
            };
            fields.insert("parent".to_owned(), json!({ kind: details, other: null, "type": kind }));
            let row = price.as_str().and_then(|id| self.stripe.prices.get(id));
            let unit = row.map(|row| row["unit_amount_decimal"].clone());
            let pricing = json!({ "price_details": { "price": price, "product": product }, "type": "price_details",
                "unit_amount_decimal": unit });
            fields.insert("pricing".to_owned(), pricing);
        } else {
            let whole = price.as_str().and_then(|id| self.stripe.prices.get(id)).cloned().unwrap_or(price);
            let kind = if invoice_item.is_null() { "subscription" } else { "invoiceitem" };
            fields.insert("plan".to_owned(), plan(&whole));
            fields.insert("price".to_owned(), whole);
            fields.insert("proration".to_owned(), proration);
            fields.insert("proration_details".to_owned(), details);
            fields.insert("subscription_item".to_owned(), item);
            fields.insert("type".to_owned(), json!(kind));
            if !invoice_item.is_null() {
                fields.insert("invoice_item".to_owned(), invoice_item);
            }
        }
    }

    fn shape_charge(self, fields: &mut Map<String, Value>, tree: &Tree) {
        if let Some(customer) =
            fields.get("customer").and_then(Value::as_str).and_then(|id| self.stripe.customers.get(id))
        {
            let (name, email) = (customer["name"].clone(), customer["email"].clone());
            set(fields, "billing_details", "name", name);
            set(fields, "billing_details", "email", email);
        }
        if tree.below("refunds").is_none() {
            return;
        }
        let id = fields.get("id").cloned().unwrap_or_default();
        let rows: Vec<Value> = self.stripe.refunds.iter().filter(|row| row["charge"] == id).cloned().collect();
        fields.insert("refunds".to_owned(), Value::Array(rows));
    }

    fn shape_dispute(self, fields: &mut Map<String, Value>) {
        let ids = fields.get("balance_transactions").and_then(Value::as_array).cloned().unwrap_or_default();
        let rows = ids.into_iter().map(|id| self.resolve(Kind::BalanceTransaction, id, &Tree::default()));
        fields.insert("balance_transactions".to_owned(), rows.collect());
    }

    /// An event shows the object as it was then, in the version that the account had, and of what it was before only what
    /// has changed.
    fn shape_event(self, fields: &mut Map<String, Value>) {
        let [kind, is, was] = ["kind", "is", "was"].map(|name| fields.shift_remove(name).unwrap_or_default());
        let kind = match kind.as_str() {
            Some("subscription") => Kind::Subscription,
            Some("charge") => Kind::Charge,
            Some("invoice") => Kind::Invoice,
            Some("dispute") => Kind::Dispute,
            Some("discount") => Kind::Discount,
            _ => Kind::Customer,
        };
        let (view, tree) = (Self { version: self.events, ..self }, Tree::default());
        let mut data = json!({ "object": view.show(kind, &is, &tree) });
        if was.is_object() {
            data["previous_attributes"] = previous(&view.show(kind, &was, &tree), &data["object"]);
        }
        fields.insert("api_version".to_owned(), json!(view.version.name()));
        fields.insert("data".to_owned(), data);
    }
}

/// What has changed, as it was before: of a plain hash the fields that changed, of anything with an id and of a list all.
pub(in crate::demo) fn previous(was: &Value, is: &Value) -> Value {
    let (Some(old), Some(new)) = (was.as_object(), is.as_object()) else { return was.clone() };
    let null = Value::Null;
    let changed = old.iter().filter_map(|(name, was)| {
        let is = new.get(name).unwrap_or(&null);
        let whole = was.get("id").is_some() || is.get("id").is_some();
        (was != is).then(|| (name.clone(), if whole { was.clone() } else { previous(was, is) }))
    });
    changed.collect()
}

fn set(fields: &mut Map<String, Value>, outer: &str, inner: &str, value: Value) {
    if let Some(object) = fields.get_mut(outer).and_then(Value::as_object_mut) {
        object.insert(inner.to_owned(), value);
    }
}

fn shape_account(fields: &mut Map<String, Value>) {
    let name = fields.shift_remove("name").unwrap_or_default();
    let zone = fields.shift_remove("timezone").unwrap_or_else(|| json!("Etc/UTC"));
    fields.entry("id").or_insert_with(|| json!(ACCOUNT_ID));
    set(fields, "business_profile", "name", name.clone());
    if let Some(dashboard) = fields.get_mut("settings").and_then(|settings| settings.get_mut("dashboard")) {
        *dashboard = json!({ "display_name": name, "timezone": zone });
    }
}

/// The old form of a price that items still carry beside it.
fn plan(price: &Value) -> Value {
    if !price.is_object() {
        return Value::Null;
    }
    let recurring = &price["recurring"];
    let mut plan = json!({
        "id": price["id"], "amount": price["unit_amount"], "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": price["billing_scheme"], "created": price["created"], "currency": price["currency"],
        "interval": recurring["interval"], "interval_count": recurring["interval_count"], "meter": recurring["meter"],
        "nickname": price["nickname"], "product": price["product"], "tiers_mode": price["tiers_mode"],
        "transform_usage": price["transform_quantity"], "usage_type": recurring["usage_type"],
    });
    if let Some(tiers) = price.get("tiers") {
        plan["tiers"] = tiers.clone();
    }
    plan
}
