//! The lives of customers: they arrive, choose a plan, and their fate is drawn.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::{
    subscription::{Action, Fate, Life},
    terms::{Discount, Item},
};
use super::{
    Stripe, account,
    billing::{Kind, Ledger, Seen},
    books::{Books, CustomerEntry},
    catalog::{self, Coupon, Lasts, Price},
    people,
};
use crate::demo::random::Dice;

mod invoice;
mod subscription;
mod terms;

const CUSTOMERS: i64 = 400;
const DAY: i64 = 86_400;

/// The whole history of the account. What is drawn does not depend on now, which only ends it.
pub(super) fn simulate(dice: &mut Dice, opened: Timestamp, now: Timestamp) -> (Stripe, Books) {
    let mut ledger = Ledger::new(opened, now);
    let mut payouts = dice.fork();
    let length = super::HISTORY_DAYS * DAY;
    for number in 0.. {
        let mut own = dice.fork();
        // A company that grows: more arrive later, each in a step of its own. In integers, to be the same everywhere.
        let step = (own.between(0, 999) + number * 1000).unsigned_abs();
        let all = CUSTOMERS.unsigned_abs() * 1000;
        let offset = length * i64::try_from((step * all).isqrt()).unwrap_or(0) / (CUSTOMERS * 1000);
        let arrived = opened + SignedDuration::from_secs(offset.max(60));
        if arrived > now {
            break;
        }
        customer(&mut ledger, &mut own, number, arrived);
    }
    ledger.payouts_and_fees(&mut payouts);
    let (mut stripe, books) = ledger.finish();
    let created = opened.as_second() - 20 * DAY;
    stripe.account = account(opened);
    stripe.products = super::Table::of(catalog::products(created));
    stripe.prices = super::Table::of(catalog::prices(created));
    stripe.coupons = super::Table::of(catalog::coupons(created));
    (stripe, books)
}

fn customer(ledger: &mut Ledger, dice: &mut Dice, number: i64, arrived: Timestamp) {
    let id = format!("cus_Fern{}", dice.letters(10));
    let (firm, domain) = people::firm(dice);
    let name = people::person(dice);
    let email = format!("{}@{domain}", name.to_lowercase().replace(' ', "."));
    let offer = offer(dice);
    let country = match offer.currency {
        "eur" => "DE",
        "jpy" => "JP",
        _ => "US",
    };
    // A few are given their discount as customers, not on a subscription.
    let discount = (number % 90 == 7).then(|| Discount::new(dice, &catalog::FRIENDS, arrived));
    let row = json!({
        "id": id, "created": arrived.as_second(), "name": firm, "email": email, "currency": offer.currency,
        "delinquent": false, "invoice_prefix": dice.letters(8).to_uppercase(), "address_country": country,
        "description": name, "discount": discount.as_ref().map(|discount| discount.json(&id, None, None)),
    });
    let mut person = Person::new(dice.fork(), row, arrived);
    // Some only ever look around.
    if !dice.chance(5) {
        let start = arrived + SignedDuration::from_secs(dice.between(30, 3 * 3_600));
        person.subscribe(ledger, dice, &id, discount.as_ref(), offer, start);
    }
    person.put_down(ledger);
}

/// A customer over time.
struct Person {
    dice: Dice,
    row: Value,
    created: Timestamp,
    /// When a payment failed and when the debt was paid.
    debts: Vec<(Timestamp, bool)>,
    /// When the last of their subscriptions ended, if all did and none will follow.
    left: Option<Timestamp>,
}

impl Person {
    fn new(dice: Dice, row: Value, created: Timestamp) -> Self {
        Self { dice, row, created, debts: Vec::new(), left: None }
    }

    /// One subscription after the other: who left may come back; who stays may take another.
    fn subscribe(
        &mut self,
        ledger: &mut Ledger,
        dice: &mut Dice,
        id: &str,
        discount: Option<&Discount>,
        mut offer: Offer,
        mut start: Timestamp,
    ) {
        let mut ends: Vec<Option<Timestamp>> = Vec::new();
        for round in 0..4 {
            // All that a round may need is drawn before it is known what it comes to.
            let mut own = dice.fork();
            let (returns, takes_another) = (own.chance(15), round == 0 && own.chance(4));
            let return_after = SignedDuration::from_secs(own.between(15 * DAY, 90 * DAY));
            let another_after = SignedDuration::from_secs(own.between(20 * DAY, 120 * DAY));
            let next = offer_in(&mut own, offer.currency);
            if start > ledger.now {
                return;
            }
            let life = subscription(ledger, &mut own, id, discount, offer, start);
            self.debts.extend(life.debts);
            ends.push(life.ended);
            let another = start + another_after;
            start = match life.ended {
                _ if takes_another && life.ended.is_none_or(|ended| ended > another) => another,
                Some(ended) if life.paid && returns => ended + return_after,
                _ => break,
            };
            offer = next;
        }
        self.left = ends.into_iter().collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
    }

    /// Tells their events in order and writes down what they are in the end.
    fn put_down(mut self, ledger: &mut Ledger) {
        let mut dice = self.dice;
        ledger.event(&mut dice, self.created, "customer.created", &Seen("customer", &self.row), None);
        self.debts.sort_by_key(|(at, _)| *at);
        for (at, owes) in self.debts {
            if self.row["delinquent"] != owes {
                let was = self.row.clone();
                self.row["delinquent"] = json!(owes);
                ledger.event(&mut dice, at, "customer.updated", &Seen("customer", &self.row), Some(&was));
            }
        }
        let mut own = dice.fork();
        let gone = own.chance(8);
        let after = SignedDuration::from_secs(own.between(DAY, 45 * DAY));
        let deleted = self.left.map(|left| left + after).filter(|at| gone && *at <= ledger.now);
        ledger.books.customers.push(CustomerEntry { created: self.created, deleted });
        let kind = match deleted {
            Some(at) => {
                ledger.event(&mut own, at, "customer.deleted", &Seen("customer", &self.row), None);
                Kind::DeletedCustomer
            }
            None => Kind::Customer,
        };
        ledger.put(kind, self.row);
    }
}

/// What a customer takes.
#[derive(Debug, Clone, Copy)]
struct Offer {
    price: &'static Price,
    currency: &'static str,
}

fn offer(dice: &mut Dice) -> Offer {
    let currency = dice.weighted(&[(76, "usd"), (18, "eur"), (6, "jpy")]);
    offer_in(dice, currency)
}

fn offer_in(dice: &mut Dice, currency: &'static str) -> Offer {
    use catalog::{
        FREE_PRICE, SCALE_MONTHLY, STARTER_EUR, STARTER_JPY, STARTER_MONTHLY, STARTER_WEEKLY, STARTER_YEARLY,
        TEAM_MONTHLY, TEAM_QUARTERLY, TEAM_YEARLY,
    };
    let price: &'static Price = match currency {
        "jpy" => &STARTER_JPY,
        "eur" => dice.weighted(&[(60, &STARTER_EUR), (30, &TEAM_MONTHLY), (10, &SCALE_MONTHLY)]),
        _ => dice.weighted(&[
            (34, &STARTER_MONTHLY),
            (12, &STARTER_YEARLY),
            (3, &STARTER_WEEKLY),
            (23, &TEAM_MONTHLY),
            (8, &TEAM_YEARLY),
            (4, &TEAM_QUARTERLY),
            (11, &SCALE_MONTHLY),
            (5, &FREE_PRICE),
        ]),
    };
    Offer { price, currency }
}

/// What became of a subscription.
struct Outcome {
    ended: Option<Timestamp>,
    paid: bool,
    debts: Vec<(Timestamp, bool)>,
}

fn subscription(
    ledger: &mut Ledger,
    dice: &mut Dice,
    customer: &str,
    customers_discount: Option<&Discount>,
    offer: Offer,
    start: Timestamp,
) -> Outcome {
    let items = items(dice, offer, start);
    let mut life = Life::new(ledger, dice.fork(), customer, customers_discount.cloned(), offer.currency, items, start);
    life.inclusive = offer.price.inclusive;
    fate(&mut life, dice, offer, start);
    life.run();
    Outcome { ended: life.ended_at, paid: life.paid(), debts: std::mem::take(&mut life.debts) }
}

fn items(dice: &mut Dice, offer: Offer, start: Timestamp) -> Vec<Item> {
    let team = offer.price.id == catalog::TEAM_MONTHLY.id || offer.price.id == catalog::TEAM_YEARLY.id;
    let scale = offer.price.id == catalog::SCALE_MONTHLY.id;
    let quantity = match () {
        () if scale => dice.between(4, 90),
        () if team || offer.price.id == catalog::TEAM_QUARTERLY.id => dice.between(2, 30),
        () => 1,
    };
    let mut items = vec![Item::new(dice, offer.price, Some(quantity), start)];
    if team && dice.chance(6) {
        let discount = Discount::new(dice, &catalog::EARLY, start);
        items[0].discounts.push(discount);
    }
    let monthly_dollars = offer.currency == "usd" && offer.price.every == catalog::Every::Month;
    if monthly_dollars && (team || scale) {
        if dice.chance(15) {
            let thousands = dice.between(1, 9) * 1000 + 1;
            items.push(Item::new(dice, &catalog::CONTACTS, Some(thousands), start));
        }
        if dice.chance(15) {
            let gigabytes = dice.between(5, 95);
            items.push(Item::new(dice, &catalog::STORAGE, Some(gigabytes), start));
        }
        if scale && dice.chance(40) {
            items.push(Item::new(dice, &catalog::USAGE, None, start));
        }
    }
    items
}

/// Draws what will happen to it, and when. What falls after now never does.
fn fate(life: &mut Life<'_>, dice: &mut Dice, offer: Offer, start: Timestamp) {
    let free = offer.price.id == catalog::FREE_PRICE.id;
    let monthly = offer.price.every == catalog::Every::Month;
    let days = |dice: &mut Dice, low: i64, high: i64| SignedDuration::from_secs(dice.between(low * DAY, high * DAY));
    if free {
        return;
    }
    if offer.price.every == catalog::Every::Year && offer.currency == "usd" && dice.chance(40) {
        life.by_invoice = true;
    } else if monthly && dice.chance(45) {
        life.trial = Some(dice.weighted(&[(78, Fate::Converts), (18, Fate::CancelsInTrial), (4, Fate::HasNoCard)]));
    } else if dice.chance(6) {
        life.first_charge_fails = true;
    } else if dice.chance(2) {
        life.back_dated = Some(days(dice, 5, 25));
    }
    if let Some(coupon) = coupon(dice, offer.currency) {
        let discount = Discount::new(dice, coupon, start);
        life.discounts.push(discount);
        // Stacked coupons are applied in their order.
        if coupon.lasts == Lasts::Forever && dice.chance(15) {
            let second = Discount::new(dice, &catalog::FIVE_OFF, start);
            if offer.currency != "jpy" {
                life.discounts.push(second);
            }
        }
    }
    for _ in 0..3 {
        if dice.chance(45) {
            life.plan(start + days(dice, 16, 360), Action::ChangeQuantity(dice.between(-4, 12)));
        }
    }
    if offer.price.id == catalog::STARTER_MONTHLY.id && dice.chance(18) {
        life.plan(start + days(dice, 20, 300), Action::MoveToTeam(dice.between(2, 9)));
    }
    if monthly && dice.chance(6) {
        let behavior = dice.weighted(&[(50, "void"), (30, "keep_as_draft"), (20, "mark_uncollectible")]);
        let from = start + days(dice, 20, 300);
        let until = from + days(dice, 25, 70);
        life.plan(from, Action::Pause(behavior, until));
        life.plan(until, Action::Resume);
    }
    if offer.currency != "jpy" && dice.chance(15) {
        life.plan(start + days(dice, 20, 380), Action::Apologise);
    }
    if dice.chance(42) {
        let at = start + days(dice, 18, 390);
        match dice.weighted(&[(55, 0), (22, 1), (23, 2)]) {
            0 => life.plan(at, Action::AskToCancel),
            1 => life.plan(at, Action::CancelNow),
            _ => life.doomed = Some(at),
        }
    }
}

fn coupon(dice: &mut Dice, currency: &str) -> Option<&'static Coupon> {
    let coupon = dice.weighted(&[
        (68, None),
        (8, Some(&catalog::FRIENDS)),
        (6, Some(&catalog::EARLY)),
        (8, Some(&catalog::LAUNCH)),
        (4, Some(&catalog::FIVE_OFF)),
        (3, Some(&catalog::TEAM_ONLY)),
        (2, Some(&catalog::SORRY)),
        (1, Some(&catalog::PARTNER)),
    ]);
    // Amounts are known in dollars and euros only.
    coupon.filter(|coupon| currency != "jpy" || matches!(coupon.off, catalog::Off::Percent(_)))
}

impl Discount {
    fn json(&self, customer: &str, subscription: Option<&str>, item: Option<&str>) -> Value {
        json!({
            "id": self.id, "created": self.start.as_second(), "coupon": self.coupon.id, "customer": customer,
            "end": self.end.map(Timestamp::as_second), "start": self.start.as_second(), "subscription": subscription,
            "subscription_item": item,
        })
    }
}
