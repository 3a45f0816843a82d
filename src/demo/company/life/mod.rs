//! The lives of customers: they arrive, choose a plan, and their fate is drawn.

use jiff::{SignedDuration, Timestamp};

use super::{Stripe, Table, account, billing::Ledger, books::Books, catalog};
use crate::demo::random::Dice;

mod change;
mod fate;
mod invoice;
mod payment;
mod person;
mod shape;
pub(super) mod story;
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
        person::arrive(&mut ledger, &mut own, number, arrived);
    }
    story::tell(&mut ledger);
    ledger.payouts_and_fees(&mut payouts);
    finish(ledger)
}

/// The account as it is when all that happened is written down.
fn finish(ledger: Ledger) -> (Stripe, Books) {
    let opened = ledger.opened;
    let (mut stripe, books) = ledger.finish();
    let created = opened.as_second() - 20 * DAY;
    stripe.account = account(opened);
    stripe.products = Table::of(catalog::products(created));
    stripe.prices = Table::of(catalog::prices(created));
    stripe.coupons = Table::of(catalog::coupons(created));
    (stripe, books)
}
