//! Writing subscriptions as Stripe sends them, fast.

use std::{fmt::Write as _, sync::LazyLock};

use serde_json::{Value, json};

use super::{
    super::stripe,
    account::{Account, COUPONS, Event, State, What},
};

/// One subscription as it is sent, with a place for each thing in which one differs from another.
const TEMPLATE: &str = include_str!("subscription.json");

/// What stands between the places, with the place that follows.
static PIECES: LazyLock<Vec<(&'static str, Place)>> = LazyLock::new(pieces);

#[derive(Debug, Clone, Copy)]
enum Place {
    Number,
    Created,
    PeriodStart,
    PeriodEnd,
    Plan,
    Amount,
    Status,
    Ended,
    Discounts,
    End,
}

/// How much of a discount is shown: its id, itself, or its coupon too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shown {
    Id,
    Discount,
    Coupon,
}

fn pieces() -> Vec<(&'static str, Place)> {
    const PLACES: [(&str, Place); 9] = [
        ("@NUMBER@", Place::Number),
        ("1000000001", Place::Created),
        ("1000000002", Place::PeriodStart),
        ("1000000003", Place::PeriodEnd),
        ("@PLAN@", Place::Plan),
        ("1000000004", Place::Amount),
        ("@STATUS@", Place::Status),
        ("@ENDED@", Place::Ended),
        ("@DISCOUNTS@", Place::Discounts),
    ];
    let (mut pieces, mut rest) = (Vec::new(), TEMPLATE.trim_end());
    loop {
        let nearest = PLACES
            .iter()
            .filter_map(|(mark, place)| Some((rest.find(mark)?, mark, *place)))
            .min_by_key(|found| found.0);
        let Some((at, mark, place)) = nearest else {
            pieces.push((rest, Place::End));
            return pieces;
        };
        pieces.push((&rest[..at], place));
        rest = &rest[at + mark.len()..];
    }
}

impl Account {
    /// A subscription in this state at the end of a page. Writing into a string cannot fail.
    pub(super) fn write(&self, number: u64, state: State, shown: Shown, page: &mut String) {
        let created = self.created(number);
        for (text, place) in PIECES.iter() {
            page.push_str(text);
            let _ = match place {
                Place::Number => write!(page, "{number:014}"),
                Place::Created => write!(page, "{created}"),
                Place::PeriodStart => write!(page, "{}", self.opened - 86_400),
                Place::PeriodEnd => write!(page, "{}", self.opened + 29 * 86_400),
                Place::Plan => write!(page, "{:03}", state.plan),
                Place::Amount => write!(page, "{}", state.amount()),
                Place::Status => page.write_str(if state.ended.is_some() { "canceled" } else { "active" }),
                Place::Ended => match state.ended {
                    Some(at) => write!(page, "{at}"),
                    None => page.write_str("null"),
                },
                Place::Discounts => match state.coupon {
                    None => page.write_str("[]"),
                    Some(coupon) => write!(page, "{:#}", json!([self.discount(number, coupon, shown)])),
                },
                Place::End => Ok(()),
            };
        }
    }

    /// The whole subscription by itself.
    pub(super) fn one(&self, number: u64, state: State, shown: Shown) -> String {
        let mut text = String::with_capacity(TEMPLATE.len() + 1_000);
        self.write(number, state, shown, &mut text);
        text
    }

    pub(super) fn page(&self, rows: &[u64], has_more: bool, shown: Shown) -> String {
        let mut page = String::with_capacity(rows.len() * (TEMPLATE.len() + 100) + 200);
        page.push_str("{\n  \"object\": \"list\",\n  \"data\": [\n");
        for (at, number) in rows.iter().enumerate() {
            page.push_str(if at > 0 { ",\n" } else { "" });
            self.write(*number, self.state(*number), shown, &mut page);
        }
        let _ = write!(page, "\n  ],\n  \"has_more\": {has_more},\n  \"url\": \"/v1/subscriptions\"\n}}\n");
        page
    }

    fn discount(&self, number: u64, coupon: usize, shown: Shown) -> Value {
        let id = format!("di_1Bulk{number:014}");
        if shown == Shown::Id {
            return json!(id);
        }
        let source = if shown == Shown::Coupon { self::coupon(coupon) } else { json!(coupon_id(coupon)) };
        json!({ "id": id, "object": "discount", "checkout_session": null, "customer": format!("cus_Bulk{number:014}"),
            "customer_account": null, "end": null, "invoice": null, "invoice_item": null, "promotion_code": null,
            "source": { "coupon": source, "type": "coupon" }, "start": self.created(number),
            "subscription": format!("sub_1Bulk{number:014}"), "subscription_item": null })
    }

    /// An event, found by its place among all of them.
    pub(super) fn event(&self, place: usize, event: &Event) -> Value {
        let whole = |state: State| -> Value {
            serde_json::from_str(&self.one(event.number, state, Shown::Id)).unwrap_or_default()
        };
        let mut data = json!({});
        match event.what {
            What::Updated => {
                data["object"] = whole(event.is);
                data["previous_attributes"] = stripe::previous(&whole(event.was), &data["object"]);
            }
            What::Deleted => data["object"] = whole(event.is),
            What::DiscountCreated | What::DiscountDeleted => {
                let coupon = event.is.coupon.or(event.was.coupon).unwrap_or(0);
                data["object"] = self.discount(event.number, coupon, Shown::Discount);
            }
        }
        json!({ "id": event_id(place), "object": "event", "api_version": "2026-07-29.dahlia", "created": event.at, "data": data,
            "livemode": false, "pending_webhooks": 0, "request": { "id": null, "idempotency_key": null },
            "type": event.what.name() })
    }
}

fn event_id(place: usize) -> String {
    format!("evt_1Bulk{place:014}")
}

pub(super) fn coupon_id(coupon: usize) -> String {
    format!("BULK{}", COUPONS[coupon])
}

pub(super) fn coupon(coupon: usize) -> Value {
    json!({ "id": coupon_id(coupon), "object": "coupon", "amount_off": null, "created": 1_600_000_000, "currency": null,
        "duration": "forever", "duration_in_months": null, "livemode": false, "max_redemptions": null, "metadata": {},
        "name": null, "percent_off": COUPONS[coupon], "redeem_by": null, "times_redeemed": 0, "valid": true })
}
