//! One subscription whose life is written by hand, so that it can be shown and every day of it checked.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{
    super::{HISTORY_DAYS, billing::Ledger, catalog},
    change::Proration,
    fate::Outcome,
    person::Person,
    subscription::{Action, Life},
    terms::{Item, months_after},
};
use crate::demo::random::Dice;

/// The customer of the story.
pub const STORY_CUSTOMER: &str = "cus_FernWandel0000";
/// Their subscription.
pub const STORY_SUBSCRIPTION: &str = "sub_1FernWandelsStory000000";

/// Something that happened in the story, and what the subscription is worth a month from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// In a few words.
    pub what: &'static str,
    /// Cents a month.
    pub monthly: i64,
}

/// Days before the end of the first [`HISTORY_DAYS`], and hours into that day.
fn moment(opened: Timestamp, days_before: i64, hours: i64) -> Timestamp {
    opened + SignedDuration::from_hours(24 * (HISTORY_DAYS - days_before) + hours)
}

/// The story in the order in which it happens; what is later than now has not happened yet.
pub(in crate::demo::company) fn steps(opened: Timestamp) -> [Step; 7] {
    let step = |at, what, monthly| Step { at, what, monthly };
    let discounted = moment(opened, 48, 4);
    [
        step(moment(opened, 85, 2), "subscribes to Starter", 1_900),
        step(moment(opened, 62, 3), "moves up to five seats of Team, billed at once", 6_000),
        step(discounted, "is given a quarter off for a month", 4_500),
        step(moment(opened, 28, 5), "pauses; what is billed meanwhile is void", 0),
        step(months_after(discounted, 1), "has the discount no longer, and is paused still", 0),
        step(moment(opened, 12, 6), "goes on, at the full price", 6_000),
        step(moment(opened, 4, 7), "cancels at once", 0),
    ]
}

/// Lives it.
pub(super) fn tell(ledger: &mut Ledger) {
    let [subscribed, upgraded, discounted, paused, _, resumed, canceled] = steps(ledger.opened).map(|step| step.at);
    let arrived = subscribed - SignedDuration::from_mins(20);
    if subscribed > ledger.now {
        return;
    }
    let mut dice = Dice::new(0x57_0127);
    let row = json!({
        "id": STORY_CUSTOMER, "created": arrived.as_second(), "name": "Wandel Studio", "email": "ottilie@wandel-studio.example",
        "currency": "usd", "delinquent": false, "invoice_prefix": "WANDEL00", "address_country": "US",
        "description": "Ottilie Wandel", "discount": null,
    });
    let mut person = Person::new(dice.fork(), row, arrived);
    let items = vec![Item::new(&mut dice, &catalog::STARTER_MONTHLY, Some(1), subscribed)];
    let mut life = Life::new(ledger, dice, STORY_CUSTOMER, "usd", items, subscribed);
    STORY_SUBSCRIPTION.clone_into(&mut life.id);
    life.solvent = true;
    life.plan(upgraded, Action::MoveTo(&catalog::TEAM_MONTHLY, 5, Proration::Now));
    life.plan(discounted, Action::AddDiscount(&catalog::SPRING));
    life.plan(paused, Action::Pause("void", Some(resumed)));
    life.plan(resumed, Action::Resume);
    life.plan(canceled, Action::CancelNow);
    life.run();
    let mut outcome = Outcome::of(&mut life);
    person.lived(&mut outcome);
    person.put_down(ledger);
}

/// An account in which nothing but the story happened.
pub(in crate::demo::company) fn alone(
    opened: Timestamp,
    now: Timestamp,
) -> (super::Stripe, super::super::books::Books) {
    let mut ledger = Ledger::new(opened, now);
    tell(&mut ledger);
    super::finish(ledger)
}
