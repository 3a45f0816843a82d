//! What the company sells: products, prices, coupons and a tax rate.

use serde_json::{Value, json};

use crate::metric::{Exact, exact};

/// How often a price is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Every {
    Week,
    Month,
    Quarter,
    Year,
}

impl Every {
    fn parts(self) -> (&'static str, i64) {
        match self {
            Self::Week => ("week", 1),
            Self::Month => ("month", 1),
            Self::Quarter => ("month", 3),
            Self::Year => ("year", 1),
        }
    }

    /// Periods a month (providers.md 8.2, profile `exact`).
    pub(super) fn a_month(self) -> Exact {
        let (numerator, denominator) = match self {
            Self::Week => (52, 12),
            Self::Month => (1, 1),
            Self::Quarter => (1, 3),
            Self::Year => (1, 12),
        };
        exact::fraction(numerator, denominator).unwrap_or_default()
    }
}

/// How a quantity becomes an amount.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pricing {
    /// Thousandths of the minor unit for each unit.
    Unit(i64),
    /// Minor units for each begun package of so many.
    Package(i64, i64),
    /// Tiers: up to how many, flat amount, amount for each unit.
    Graduated(&'static [(Option<i64>, i64, i64)]),
    /// As graduated, but one tier prices all units.
    Volume(&'static [(Option<i64>, i64, i64)]),
    /// Minor units for each use; no quantity.
    Metered(i64),
}

#[derive(Debug)]
pub(super) struct Price {
    pub(super) id: &'static str,
    pub(super) product: &'static str,
    pub(super) nickname: &'static str,
    pub(super) currency: &'static str,
    pub(super) every: Every,
    pub(super) pricing: Pricing,
    /// The same price in another currency (`currency_options`).
    pub(super) other: Option<(&'static str, Pricing)>,
    pub(super) inclusive: bool,
}

const STARTER: &str = "prod_FernStarter01";
const TEAM: &str = "prod_FernTeam00001";
const SCALE: &str = "prod_FernScale0001";
const EXTRAS: &str = "prod_FernExtras001";
const FREE: &str = "prod_FernFree00001";

const SCALE_TIERS: &[(Option<i64>, i64, i64)] = &[(Some(10), 9900, 0), (Some(50), 0, 800), (None, 0, 600)];
const SCALE_TIERS_EUR: &[(Option<i64>, i64, i64)] = &[(Some(10), 9500, 0), (Some(50), 0, 750), (None, 0, 550)];
const VOLUME_TIERS: &[(Option<i64>, i64, i64)] = &[(Some(20), 0, 90_00), (None, 0, 75_00)];

const fn price(
    id: &'static str,
    product: &'static str,
    nickname: &'static str,
    currency: &'static str,
    every: Every,
    pricing: Pricing,
) -> Price {
    Price { id, product, nickname, currency, every, pricing, other: None, inclusive: false }
}

pub(super) static STARTER_MONTHLY: Price =
    price("price_1FernStarterMonthlyUsd", STARTER, "Starter monthly", "usd", Every::Month, Pricing::Unit(1_900_000));
pub(super) static STARTER_YEARLY: Price =
    price("price_1FernStarterYearlyUsd0", STARTER, "Starter yearly", "usd", Every::Year, Pricing::Unit(19_000_000));
pub(super) static STARTER_WEEKLY: Price =
    price("price_1FernStarterWeeklyUsd0", STARTER, "Starter weekly", "usd", Every::Week, Pricing::Unit(500_000));
pub(super) static STARTER_EUR: Price = Price {
    inclusive: true,
    ..price(
        "price_1FernStarterMonthlyEur",
        STARTER,
        "Starter monthly EU",
        "eur",
        Every::Month,
        Pricing::Unit(1_900_000),
    )
};
pub(super) static STARTER_JPY: Price =
    price("price_1FernStarterMonthlyJpy", STARTER, "Starter monthly JP", "jpy", Every::Month, Pricing::Unit(2_900_000));
pub(super) static TEAM_MONTHLY: Price = Price {
    other: Some(("eur", Pricing::Unit(1_100_000))),
    ..price("price_1FernTeamMonthlyUsd000", TEAM, "Team seat monthly", "usd", Every::Month, Pricing::Unit(1_200_000))
};
pub(super) static TEAM_YEARLY: Price =
    price("price_1FernTeamYearlyUsd0000", TEAM, "Team seat yearly", "usd", Every::Year, Pricing::Volume(VOLUME_TIERS));
pub(super) static TEAM_QUARTERLY: Price =
    price("price_1FernTeamQuarterlyUsd0", TEAM, "Team seat quarterly", "usd", Every::Quarter, Pricing::Unit(3_400_000));
pub(super) static SCALE_MONTHLY: Price = Price {
    other: Some(("eur", Pricing::Graduated(SCALE_TIERS_EUR))),
    ..price(
        "price_1FernScaleMonthlyUsd00",
        SCALE,
        "Scale monthly",
        "usd",
        Every::Month,
        Pricing::Graduated(SCALE_TIERS),
    )
};
pub(super) static CONTACTS: Price =
    price("price_1FernContactsMonthly00", EXTRAS, "Contacts", "usd", Every::Month, Pricing::Unit(333));
pub(super) static STORAGE: Price =
    price("price_1FernStorageMonthly000", EXTRAS, "Storage by 10 GB", "usd", Every::Month, Pricing::Package(500, 10));
pub(super) static USAGE: Price =
    price("price_1FernUsageMonthlyUsd00", EXTRAS, "API calls", "usd", Every::Month, Pricing::Metered(10));
pub(super) static FREE_PRICE: Price =
    price("price_1FernFreeMonthlyUsd000", FREE, "Free", "usd", Every::Month, Pricing::Unit(0));

pub(super) static PRICES: [&Price; 13] = [
    &STARTER_MONTHLY,
    &STARTER_YEARLY,
    &STARTER_WEEKLY,
    &STARTER_EUR,
    &STARTER_JPY,
    &TEAM_MONTHLY,
    &TEAM_YEARLY,
    &TEAM_QUARTERLY,
    &SCALE_MONTHLY,
    &CONTACTS,
    &STORAGE,
    &USAGE,
    &FREE_PRICE,
];

impl Price {
    fn pricing_in(&self, currency: &str) -> Pricing {
        match self.other {
            Some((other, pricing)) if other == currency => pricing,
            _ => self.pricing,
        }
    }

    pub(super) fn metered(&self) -> bool {
        matches!(self.pricing, Pricing::Metered(_))
    }

    /// What a period costs before discounts, exactly.
    pub(super) fn amount(&self, currency: &str, quantity: i64) -> Exact {
        match self.pricing_in(currency) {
            Pricing::Unit(thousandths) => exact::fraction(thousandths * quantity, 1000).unwrap_or_default(),
            Pricing::Package(amount, size) => exact::from_int(amount * ((quantity + size - 1) / size)),
            Pricing::Metered(amount) => exact::from_int(amount * quantity),
            Pricing::Volume(tiers) => {
                let tier = tiers.iter().find(|(up_to, _, _)| up_to.is_none_or(|limit| quantity <= limit));
                exact::from_int(tier.map_or(0, |(_, flat, unit)| flat + unit * quantity))
            }
            Pricing::Graduated(tiers) => {
                let (mut below, mut total) = (0, 0);
                for (up_to, flat, unit) in tiers {
                    if quantity > below {
                        total += flat + unit * (up_to.map_or(quantity, |limit| quantity.min(limit)) - below);
                    }
                    below = up_to.unwrap_or(quantity);
                }
                exact::from_int(total)
            }
        }
    }

    fn json(&self, created: i64) -> Value {
        let (interval, count) = self.every.parts();
        let usage = if self.metered() { "metered" } else { "licensed" };
        let mut object = json!({
            "id": self.id, "created": created, "currency": self.currency, "nickname": self.nickname, "product": self.product,
            "recurring": { "interval": interval, "interval_count": count, "usage_type": usage,
                "meter": if self.metered() { json!("mtr_test_61FernApiCalls") } else { Value::Null },
                "trial_period_days": null },
            "tax_behavior": if self.inclusive { "inclusive" } else { "unspecified" },
            "transform_quantity": match self.pricing {
                Pricing::Package(_, size) => json!({ "divide_by": size, "round": "up" }),
                _ => Value::Null,
            },
        });
        merge(&mut object, amounts(self.pricing));
        let mut options = serde_json::Map::new();
        options.insert(self.currency.to_owned(), option(self.pricing, self.inclusive));
        if let Some((currency, pricing)) = self.other {
            options.insert(currency.to_owned(), option(pricing, false));
        }
        object["currency_options"] = Value::Object(options);
        object
    }
}

fn merge(object: &mut Value, more: Value) {
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
}

fn option(pricing: Pricing, inclusive: bool) -> Value {
    let mut option = json!({
        "custom_unit_amount": null, "tax_behavior": if inclusive { "inclusive" } else { "unspecified" },
    });
    merge(&mut option, amounts(pricing));
    if let Some(fields) = option.as_object_mut() {
        fields.retain(|field, _| !matches!(field.as_str(), "billing_scheme" | "tiers_mode"));
    }
    option
}

/// The fields that hold amounts; `unit_amount` is null below a whole minor unit.
fn amounts(pricing: Pricing) -> Value {
    let flat = |scheme: &str, thousandths: i64| {
        let decimal = if thousandths % 1000 == 0 {
            (thousandths / 1000).to_string()
        } else {
            exact::format_scaled(thousandths, 3).trim_end_matches('0').to_owned()
        };
        json!({ "billing_scheme": scheme, "tiers_mode": null,
            "unit_amount": (thousandths % 1000 == 0).then_some(thousandths / 1000), "unit_amount_decimal": decimal })
    };
    let tiered = |mode: &str, tiers: &[(Option<i64>, i64, i64)]| {
        let tiers: Vec<Value> = tiers
            .iter()
            .map(|(up_to, flat, unit)| {
                let entry = |amount: &i64| (*amount != 0).then_some(*amount);
                let text = |amount: &i64| (*amount != 0).then(|| amount.to_string());
                json!({ "flat_amount": entry(flat), "flat_amount_decimal": text(flat), "unit_amount": entry(unit),
                    "unit_amount_decimal": text(unit), "up_to": up_to })
            })
            .collect();
        json!({ "billing_scheme": "tiered", "tiers_mode": mode, "unit_amount": null, "unit_amount_decimal": null,
            "tiers": tiers })
    };
    match pricing {
        Pricing::Unit(thousandths) => flat("per_unit", thousandths),
        Pricing::Package(amount, _) | Pricing::Metered(amount) => flat("per_unit", amount * 1000),
        Pricing::Graduated(tiers) => tiered("graduated", tiers),
        Pricing::Volume(tiers) => tiered("volume", tiers),
    }
}

/// How long a coupon works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    Forever,
    Months(i32),
    Once,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Off {
    /// Tenths of a percent.
    Percent(i64),
    /// Minor units in dollars and, as an option, in euros.
    Amount(i64, Option<i64>),
}

#[derive(Debug)]
pub(super) struct Coupon {
    pub(super) id: &'static str,
    name: &'static str,
    pub(super) off: Off,
    pub(super) lasts: Lasts,
    /// Only this product, where named.
    pub(super) product: Option<&'static str>,
}

pub(super) static FRIENDS: Coupon =
    Coupon { id: "FRIENDS20", name: "Friends", off: Off::Percent(200), lasts: Lasts::Forever, product: None };
pub(super) static EARLY: Coupon =
    Coupon { id: "EARLYBIRD", name: "Early bird", off: Off::Percent(125), lasts: Lasts::Forever, product: None };
pub(super) static LAUNCH: Coupon = Coupon {
    id: "LAUNCH50",
    name: "Half for three months",
    off: Off::Percent(500),
    lasts: Lasts::Months(3),
    product: None,
};
pub(super) static SPRING: Coupon = Coupon {
    id: "SPRING25",
    name: "A quarter off for a month",
    off: Off::Percent(250),
    lasts: Lasts::Months(1),
    product: None,
};
pub(super) static FIVE_OFF: Coupon =
    Coupon { id: "FIVEOFF", name: "Five off", off: Off::Amount(500, Some(450)), lasts: Lasts::Forever, product: None };
pub(super) static SORRY: Coupon = Coupon {
    id: "SORRY10",
    name: "Our apology",
    off: Off::Amount(1000, Some(1000)),
    lasts: Lasts::Once,
    product: None,
};
pub(super) static TEAM_ONLY: Coupon =
    Coupon { id: "TEAM15", name: "Team only", off: Off::Percent(150), lasts: Lasts::Forever, product: Some(TEAM) };
pub(super) static PARTNER: Coupon =
    Coupon { id: "PARTNER100", name: "Partner", off: Off::Percent(1000), lasts: Lasts::Forever, product: None };

static COUPONS: [&Coupon; 8] = [&FRIENDS, &EARLY, &LAUNCH, &SPRING, &FIVE_OFF, &SORRY, &TEAM_ONLY, &PARTNER];

impl Coupon {
    fn json(&self, created: i64) -> Value {
        let (percent, amount, euros) = match self.off {
            // Whole percents are whole in the answer too: 20.0 would be another text than the provider sends.
            Off::Percent(tenths) => (serde_json::from_str(&exact::format_scaled(tenths, 1)).ok(), None, None),
            Off::Amount(dollars, euros) => (None::<Value>, Some(dollars), euros),
        };
        let (duration, months) = match self.lasts {
            Lasts::Forever => ("forever", None),
            Lasts::Months(months) => ("repeating", Some(months)),
            Lasts::Once => ("once", None),
        };
        let mut object = json!({
            "id": self.id, "created": created, "name": self.name, "percent_off": percent, "amount_off": amount,
            "currency": amount.map(|_| "usd"), "duration": duration, "duration_in_months": months,
        });
        if let Some(product) = self.product {
            object["applies_to"] = json!({ "products": [product] });
        }
        if let Some(euros) = euros {
            object["currency_options"] = json!({ "usd": { "amount_off": amount }, "eur": { "amount_off": euros } });
        }
        object
    }
}

/// German value added tax of 19 %, contained in the price.
pub(super) const TAX_RATE: &str = "txr_1FernVatGermany00000000";
/// Its percentage.
pub(super) const TAX_PERCENT: i64 = 19;

/// The tax rate as the provider sends it inside a subscription.
pub(super) fn tax_rate(created: i64) -> Value {
    json!({
        "id": TAX_RATE, "object": "tax_rate", "active": true, "country": "DE", "created": created,
        "description": "VAT Germany", "display_name": "VAT", "effective_percentage": 19.0, "flat_amount": null, "inclusive": true,
        "jurisdiction": "DE", "jurisdiction_level": "country", "livemode": false, "metadata": {}, "percentage": 19.0,
        "rate_type": "percentage", "state": null, "tax_type": "vat",
    })
}

/// What setting it all up costs, once: id, product and cents.
pub(super) const ONBOARDING: (&str, &str, i64) = ("price_1FernOnboardingOnceUsd", EXTRAS, 9_900);

pub(super) fn prices(created: i64) -> Vec<Value> {
    let recurring =
        PRICES.iter().enumerate().map(|(at, price)| price.json(created + 60 * i64::try_from(at).unwrap_or(0)));
    let (id, product, amount) = ONBOARDING;
    let mut once = json!({ "id": id, "created": created + 3_600, "currency": "usd", "nickname": "Onboarding", "product": product,
        "recurring": null, "type": "one_time" });
    merge(&mut once, amounts(Pricing::Unit(amount * 1_000)));
    recurring.chain([once]).collect()
}

pub(super) fn coupons(created: i64) -> Vec<Value> {
    COUPONS.iter().enumerate().map(|(at, coupon)| coupon.json(created + 60 * i64::try_from(at).unwrap_or(0))).collect()
}

pub(super) fn products(created: i64) -> Vec<Value> {
    [
        (STARTER, "Fern Starter", "For one person"),
        (TEAM, "Fern Team", "By the seat"),
        (SCALE, "Fern Scale", "For whole companies"),
        (EXTRAS, "Fern Extras", "Contacts, storage and API calls"),
        (FREE, "Fern Free", "For trying it out"),
    ]
    .iter()
    .zip(0..)
    .map(|((id, name, description), at)| {
        let first = PRICES.iter().find(|price| price.product == *id).map(|price| price.id);
        json!({ "id": id, "created": created + at, "name": name, "description": description, "default_price": first,
            "updated": created + at })
    })
    .collect()
}
