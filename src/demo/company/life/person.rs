//! A customer over time.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{
        billing::{Kind, Ledger, Seen},
        books::CustomerEntry,
        catalog, people,
    },
    DAY,
    fate::{self, Offer, Outcome},
    terms::Discount,
};
use crate::demo::random::Dice;

/// A customer, with what is known about them once their subscriptions are lived.
pub(super) struct Person {
    dice: Dice,
    row: Value,
    created: Timestamp,
    own_discount: Option<OwnDiscount>,
    /// When a payment failed and when the debt was paid.
    debts: Vec<(Timestamp, bool)>,
    /// When the last of their subscriptions ended, if all did and none will follow.
    left: Option<Timestamp>,
}

/// A discount that somebody has as a customer, whatever they subscribe to.
#[derive(Debug, Clone)]
pub(super) struct OwnDiscount {
    pub(super) discount: Discount,
    pub(super) removed: Option<Timestamp>,
}

/// What happens to a customer as such.
enum Fact {
    Owes(bool),
    DiscountRemoved,
}

/// Somebody arrives and, mostly, subscribes.
pub(super) fn arrive(ledger: &mut Ledger, dice: &mut Dice, number: i64, arrived: Timestamp) {
    let id = format!("cus_Fern{}", dice.letters(10));
    let (firm, domain) = people::firm(dice);
    let name = people::person(dice);
    let email = format!("{}@{domain}", name.to_lowercase().replace(' ', "."));
    let offer = fate::offer(dice);
    let country = match offer.currency {
        "eur" => "DE",
        "jpy" => "JP",
        _ => "US",
    };
    // A few are given their discount as customers, not on a subscription; some of them lose it again.
    let own_discount = (number % 60 == 7).then(|| {
        let removed = arrived + SignedDuration::from_secs(dice.between(40 * DAY, 200 * DAY));
        OwnDiscount {
            discount: Discount::new(dice, &catalog::FRIENDS, arrived),
            removed: (number % 120 == 67).then_some(removed),
        }
    });
    let row = json!({
        "id": id, "created": arrived.as_second(), "name": firm, "email": email, "currency": offer.currency,
        "delinquent": false, "invoice_prefix": dice.letters(8).to_uppercase(), "address_country": country,
        "description": name, "discount": own_discount.as_ref().map(|own| own.discount.json(&id, None, None)),
    });
    let mut person = Person::new(dice.fork(), row, arrived);
    person.own_discount = own_discount;
    // Some only ever look around.
    if !dice.chance(5) {
        let start = arrived + SignedDuration::from_secs(dice.between(30, 3 * 3_600));
        person.subscribe(ledger, dice, &id, offer, start);
    }
    person.put_down(ledger);
}

impl Person {
    pub(super) fn new(dice: Dice, row: Value, created: Timestamp) -> Self {
        Self { dice, row, created, own_discount: None, debts: Vec::new(), left: None }
    }

    /// Takes note of what became of a subscription.
    pub(super) fn lived(&mut self, outcome: &mut Outcome) {
        self.debts.append(&mut outcome.debts);
    }

    /// One subscription after the other: who left may come back; who stays may take another.
    fn subscribe(&mut self, ledger: &mut Ledger, dice: &mut Dice, id: &str, mut offer: Offer, mut start: Timestamp) {
        let mut ends: Vec<Option<Timestamp>> = Vec::new();
        for round in 0..4 {
            // All that a round may need is drawn before it is known what it comes to.
            let mut own = dice.fork();
            let (returns, takes_another) = (own.chance(25), round == 0 && own.chance(6));
            let return_after = SignedDuration::from_secs(own.between(10 * DAY, 70 * DAY));
            let another_after = SignedDuration::from_secs(own.between(20 * DAY, 120 * DAY));
            let next = fate::offer_in(&mut own, offer.currency);
            if start > ledger.now {
                return;
            }
            let mut life = fate::subscription(ledger, &mut own, id, self.own_discount.as_ref(), offer, start);
            self.lived(&mut life);
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
    pub(super) fn put_down(mut self, ledger: &mut Ledger) {
        let (mut last, mut dice) = (self.dice.fork(), self.dice);
        let gone = last.chance(8);
        let after = SignedDuration::from_secs(last.between(DAY, 45 * DAY));
        let deleted = self.left.map(|left| left + after).filter(|at| gone && *at <= ledger.now);
        ledger.event(&mut dice, self.created, "customer.created", &Seen("customer", &self.row), None);
        let mut facts: Vec<_> = self.debts.into_iter().map(|(at, owes)| (at, Fact::Owes(owes))).collect();
        if let Some(own) = &self.own_discount {
            let row = self.row["discount"].clone();
            ledger.event(&mut dice, self.created, "customer.discount.created", &Seen("discount", &row), None);
            ledger.put(Kind::Discount, row);
            facts.extend(own.removed.map(|at| (at, Fact::DiscountRemoved)));
        }
        facts.sort_by_key(|(at, _)| *at);
        let until = deleted.unwrap_or(ledger.now);
        for (at, fact) in facts.into_iter().filter(|(at, _)| *at <= until) {
            let was = self.row.clone();
            match fact {
                Fact::Owes(owes) => self.row["delinquent"] = json!(owes),
                Fact::DiscountRemoved => {
                    let gone = self.row["discount"].take();
                    ledger.event(&mut dice, at, "customer.discount.deleted", &Seen("discount", &gone), None);
                }
            }
            if was != self.row {
                ledger.event(&mut dice, at, "customer.updated", &Seen("customer", &self.row), Some(&was));
            }
        }
        let id = self.row["id"].as_str().unwrap_or_default().to_owned();
        ledger.books.customers.push(CustomerEntry { id, created: self.created, deleted });
        let kind = match deleted {
            Some(at) => {
                ledger.event(&mut last, at, "customer.deleted", &Seen("customer", &self.row), None);
                Kind::DeletedCustomer
            }
            None => Kind::Customer,
        };
        ledger.put(kind, self.row);
    }
}
