//! What a subscription is about and what becomes of it, drawn before it is lived.

use jiff::{SignedDuration, Timestamp};

use super::{
    super::{
        billing::Ledger,
        catalog::{self, Coupon, Every, Lasts, Off, Price},
    },
    DAY,
    change::Proration,
    person::OwnDiscount,
    subscription::{Action, Fate, Life},
    terms::{Discount, Item},
};
use crate::demo::random::Dice;

/// What a customer takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    price: &'static Price,
    pub(super) currency: &'static str,
}

/// What became of a subscription.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) ended: Option<Timestamp>,
    /// Whether it ever was worth anything.
    pub(super) paid: bool,
    pub(super) debts: Vec<(Timestamp, bool)>,
}

impl Outcome {
    pub(super) fn of(life: &mut Life<'_>) -> Self {
        Self { ended: life.ended_at, paid: life.paid(), debts: std::mem::take(&mut life.debts) }
    }
}

pub(super) fn offer(dice: &mut Dice) -> Offer {
    let currency = dice.weighted(&[(76, "usd"), (18, "eur"), (6, "jpy")]);
    offer_in(dice, currency)
}

pub(super) fn offer_in(dice: &mut Dice, currency: &'static str) -> Offer {
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

/// Lives a subscription to its end or to now.
pub(super) fn subscription(
    ledger: &mut Ledger,
    dice: &mut Dice,
    customer: &str,
    own_discount: Option<&OwnDiscount>,
    offer: Offer,
    start: Timestamp,
) -> Outcome {
    let items = items(dice, offer, start);
    let mut life = Life::new(ledger, dice.fork(), customer, offer.currency, items, start);
    if let Some(own) = own_discount.filter(|own| own.removed.is_none_or(|removed| removed > start)) {
        life.customers_discount = Some(own.discount.clone());
        if let Some(removed) = own.removed {
            life.plan(removed, Action::CustomersDiscountEnds);
        }
    }
    life.inclusive = offer.price.inclusive;
    draw(&mut life, dice, offer, start);
    life.run();
    Outcome::of(&mut life)
}

fn is(offer: Offer, price: &Price) -> bool {
    offer.price.id == price.id
}

fn items(dice: &mut Dice, offer: Offer, start: Timestamp) -> Vec<Item> {
    let team = is(offer, &catalog::TEAM_MONTHLY) || is(offer, &catalog::TEAM_YEARLY);
    let scale = is(offer, &catalog::SCALE_MONTHLY);
    let quantity = match () {
        () if scale => dice.between(4, 90),
        () if team || is(offer, &catalog::TEAM_QUARTERLY) => dice.between(2, 30),
        () => 1,
    };
    let mut items = vec![Item::new(dice, offer.price, Some(quantity), start)];
    if team && dice.chance(6) {
        let discount = Discount::new(dice, &catalog::EARLY, start);
        items[0].discounts.push(discount);
    }
    if (team || scale) && in_monthly_dollars(offer) {
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

fn in_monthly_dollars(offer: Offer) -> bool {
    offer.currency == "usd" && offer.price.every == Every::Month
}

fn days(dice: &mut Dice, low: i64, high: i64) -> SignedDuration {
    SignedDuration::from_secs(dice.between(low * DAY, high * DAY))
}

/// Draws what will happen to it, and when. What falls after now has not happened yet.
fn draw(life: &mut Life<'_>, dice: &mut Dice, offer: Offer, start: Timestamp) {
    if is(offer, &catalog::FREE_PRICE) {
        return;
    }
    let monthly = offer.price.every == Every::Month;
    if offer.price.every == Every::Year && offer.currency == "usd" && dice.chance(40) {
        life.by_invoice = true;
    } else if monthly && dice.chance(45) {
        life.trial = Some(dice.weighted(&[(76, Fate::Converts), (17, Fate::CancelsInTrial), (7, Fate::HasNoCard)]));
        if life.trial == Some(Fate::HasNoCard) && dice.chance(60) {
            let given = days(dice, 16, 60);
            life.plan(start + given, Action::ResumeTrial);
        }
    } else if dice.chance(6) {
        life.first_charge_fails = true;
    } else if dice.chance(2) {
        life.back_dated = Some(days(dice, 5, 25));
    }
    life.onboarding =
        is(offer, &catalog::SCALE_MONTHLY) && life.trial.is_none() && in_monthly_dollars(offer) && dice.chance(25);
    items_change(life, dice, offer, start);
    discounts_change(life, dice, offer, start);
    collection_pauses(life, dice, offer, start);
    if dice.chance(42) {
        let at = start + days(dice, 18, 390);
        let mind = at + SignedDuration::from_secs(dice.between(3_600, 6 * DAY));
        match dice.weighted(&[(55, 0), (22, 1), (23, 2)]) {
            0 => {
                life.plan(at, Action::AskToCancel);
                if dice.chance(15) {
                    life.plan(mind, Action::ChangeMind);
                }
            }
            1 => life.plan(at, Action::CancelNow),
            _ => life.doomed = Some(at),
        }
    }
}

fn proration(dice: &mut Dice) -> Proration {
    dice.weighted(&[(40, Proration::Now), (42, Proration::Next), (18, Proration::Never)])
}

fn items_change(life: &mut Life<'_>, dice: &mut Dice, offer: Offer, start: Timestamp) {
    for _ in 0..3 {
        if dice.chance(45) {
            let (by, proration) = (dice.between(-5, 12), proration(dice));
            life.plan(start + days(dice, 16, 360), Action::ChangeQuantity(by, proration));
        }
    }
    // Who cannot make up their mind fills an invoice with more lines than it shows at once.
    if is(offer, &catalog::TEAM_MONTHLY) && dice.chance(4) {
        let from = start + days(dice, 40, 200);
        for _ in 0..9 {
            let by = *dice.pick(&[1, 2, 3, -1]);
            let later = SignedDuration::from_secs(dice.between(0, 12 * DAY));
            life.plan(from + later, Action::ChangeQuantity(by, Proration::Next));
        }
    }
    if is(offer, &catalog::STARTER_MONTHLY) {
        if dice.chance(18) {
            let (seats, proration) = (dice.between(2, 9), proration(dice));
            life.plan(start + days(dice, 20, 300), Action::MoveTo(&catalog::TEAM_MONTHLY, seats, proration));
        } else if dice.chance(12) {
            life.plan(start + days(dice, 20, 300), Action::MoveToYears(&catalog::STARTER_YEARLY));
        }
    }
    if is(offer, &catalog::TEAM_MONTHLY) && in_monthly_dollars(offer) {
        if dice.chance(12) {
            let (gigabytes, proration) = (dice.between(5, 95), proration(dice));
            let at = start + days(dice, 20, 300);
            life.plan(at, Action::AddItem(&catalog::STORAGE, gigabytes, proration));
            if dice.chance(40) {
                let proration = self::proration(dice);
                life.plan(at + days(dice, 10, 100), Action::RemoveItem(proration));
            }
        } else if dice.chance(8) {
            let (seats, proration) = (dice.between(1, 2), proration(dice));
            life.plan(start + days(dice, 40, 300), Action::MoveTo(&catalog::STARTER_MONTHLY, seats, proration));
        }
    }
}

fn discounts_change(life: &mut Life<'_>, dice: &mut Dice, offer: Offer, start: Timestamp) {
    if let Some(coupon) = coupon(dice, offer.currency) {
        let discount = Discount::new(dice, coupon, start);
        life.discounts.push(discount);
        // Stacked coupons are applied in their order.
        if coupon.lasts == Lasts::Forever && dice.chance(15) {
            let second = Discount::new(dice, &catalog::FIVE_OFF, start);
            if offer.currency != "jpy" {
                life.discounts.push(second);
            }
        } else if coupon.lasts == Lasts::Forever && coupon.id != catalog::PARTNER.id && dice.chance(25) {
            let at = start + days(dice, 30, 250);
            let action = *dice.pick(&[Action::RemoveDiscount, Action::SwitchDiscount(&catalog::LAUNCH)]);
            life.plan(at, action);
        }
    } else if dice.chance(10) {
        let coupon = *dice.pick(&[&catalog::LAUNCH, &catalog::LAUNCH, &catalog::SPRING, &catalog::FRIENDS]);
        life.plan(start + days(dice, 20, 320), Action::AddDiscount(coupon));
    }
    if offer.currency != "jpy" && dice.chance(15) {
        life.plan(start + days(dice, 20, 380), Action::AddDiscount(&catalog::SORRY));
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
    coupon.filter(|coupon| currency != "jpy" || matches!(coupon.off, Off::Percent(_)))
}

fn collection_pauses(life: &mut Life<'_>, dice: &mut Dice, offer: Offer, start: Timestamp) {
    if offer.price.every != Every::Month || !dice.chance(14) {
        return;
    }
    let behavior = dice.weighted(&[(50, "void"), (30, "keep_as_draft"), (20, "mark_uncollectible")]);
    let from = start + days(dice, 20, 300);
    let until = from + days(dice, 15, 70);
    // Some say until when, others come back when they please.
    life.plan(from, Action::Pause(behavior, dice.chance(60).then_some(until)));
    life.plan(until, Action::Resume);
}
