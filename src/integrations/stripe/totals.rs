//! Adds up timelines, day by day.
//!
//! Everything is kept as what changes on a day, so that a subscription that never changes costs one entry, and what a
//! customer adds can be taken out again exactly when something about it changes. Memory grows with plans, currencies
//! and days, not with the account.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{
    amount::Amount,
    largest::Largest,
    metrics,
    movements::{self, Level, Moves},
    mrr::{Reason, Valuation},
    settings::{self, Rules},
    timeline::{self, Phase, Timeline},
};
use crate::{
    integrations::Error,
    metric::{Currency, Day, Exact, Zone},
};

/// Days that a rate covers.
pub(super) const WINDOW: i32 = 30;

/// What all subscriptions come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Totals {
    /// The day before the first that is told: what stands at its end is where movements begin.
    pub(super) base: Day,
    /// The instant up to which everything is counted.
    pub(super) as_of: i64,
    pub(super) counts: BTreeMap<Day, Counts>,
    /// By currency.
    pub(super) currencies: BTreeMap<Currency, Total>,
    /// What was left out and has no currency to speak of.
    pub(super) unpriced: BTreeMap<Reason, i64>,
    /// Prices of subscriptions of which nobody knows what they add: by day, how many more there are.
    pub(super) unvalued: BTreeMap<String, BTreeMap<Day, i64>>,
}

/// What changes on a day, or happens on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counts {
    pub(super) active: i64,
    pub(super) trialing: i64,
    /// Customers that pay anything.
    pub(super) paying: i64,
    /// Subscriptions that began to pay on the day. No change but what happens.
    pub(super) new: i64,
    /// Subscriptions that paid and were lost on the day. No change but what happens.
    pub(super) churned: i64,
    /// Customers that paid 30 days before and do not now.
    pub(super) lost: i64,
    pub(super) sureness: Sureness,
    /// Subscriptions that may pay in a currency that is not known.
    pub(super) unpriced: i64,
}

/// Subscriptions of which the worth is less than certain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sureness {
    pub(super) estimated: i64,
    pub(super) reconstructed: i64,
}

/// What the subscriptions of one currency come to, in minor units.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Total {
    pub(super) days: BTreeMap<Day, Delta>,
    pub(super) plans: BTreeMap<String, PlanTotal>,
    /// The largest contributions now: by subscription, named by customer.
    pub(super) largest: Largest,
    /// What is left out or assumed now, how often, and what it would add.
    pub(super) left_out: BTreeMap<Reason, (i64, Amount)>,
    /// What other settings would make of MRR now, as a difference: by setting and value.
    pub(super) otherwise: BTreeMap<(String, String), Amount>,
    /// The largest movements of the newest day, by customer.
    pub(super) movers: BTreeMap<movements::Kind, Largest>,
}

/// What changes on a day in one currency, or happens on it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Delta {
    pub(super) mrr: Amount,
    pub(super) subscriptions: i64,
    /// Customers that pay in the currency.
    pub(super) customers: i64,
    pub(super) sureness: Sureness,
    /// What happened on the day. No change but the movements themselves.
    pub(super) moves: Moves,
    /// Movements over the 30 days that end with the day.
    pub(super) window: Moves,
}

/// What one price comes to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct PlanTotal {
    pub(super) label: String,
    pub(super) days: BTreeMap<Day, Amount>,
}

/// How timelines are looked at.
pub(super) struct Frame<'a> {
    pub(super) rules: &'a Rules,
    pub(super) zone: &'a Zone,
    pub(super) base: Day,
    /// The instant at which the day after the base begins.
    first: i64,
    pub(super) as_of: i64,
    today: Day,
    alternatives: Vec<settings::Alternative>,
}

impl<'a> Frame<'a> {
    pub(super) fn new(rules: &'a Rules, zone: &'a Zone, base: Day, as_of: i64) -> Result<Self, Error> {
        let first = zone.start_of(base.next()).as_second();
        let today = metrics::day_of(as_of, zone)?;
        Ok(Self { rules, zone, base, first, as_of, today, alternatives: rules.alternatives() })
    }

    /// The day of an instant; all that lie before the first day that is told are one.
    fn day(&self, at: i64) -> Result<Day, Error> {
        if at < self.first { Ok(self.base) } else { metrics::day_of(at, self.zone) }
    }
}

impl Totals {
    pub(super) fn new(base: Day, as_of: i64) -> Self {
        Self {
            base,
            as_of,
            counts: BTreeMap::new(),
            currencies: BTreeMap::new(),
            unpriced: BTreeMap::new(),
            unvalued: BTreeMap::new(),
        }
    }

    /// Adds a customer with all its subscriptions.
    pub(super) fn add(&mut self, customer: &str, subs: &[(String, Timeline)], frame: &Frame<'_>) -> Result<(), Error> {
        self.count(customer, subs, frame, 1)
    }

    /// Takes a customer out that was added as it is given here.
    pub(super) fn remove(
        &mut self,
        customer: &str,
        subs: &[(String, Timeline)],
        frame: &Frame<'_>,
    ) -> Result<(), Error> {
        self.count(customer, subs, frame, -1)
    }

    /// Lets go of what came to nothing, so that it does not matter what came and went.
    pub(super) fn tidy(&mut self) {
        self.counts.retain(|_, counts| *counts != Counts::default());
        self.unpriced.retain(|_, count| *count != 0);
        for days in self.unvalued.values_mut() {
            days.retain(|_, count| *count != 0);
        }
        self.unvalued.retain(|_, days| !days.is_empty());
        for total in self.currencies.values_mut() {
            total.days.retain(|_, delta| *delta != Delta::default());
            for plan in total.plans.values_mut() {
                plan.days.retain(|_, amount| !amount.0.is_zero());
            }
            total.plans.retain(|_, plan| !plan.days.is_empty());
            total.left_out.retain(|_, (count, amount)| *count != 0 || !amount.0.is_zero());
            total.otherwise.retain(|_, amount| !amount.0.is_zero());
            total.movers.retain(|_, movers| !movers.entries().is_empty());
        }
        self.currencies.retain(|_, total| *total != Total::default());
    }

    /// Whether the largest contributions are not all known any more that a receipt would name.
    pub(super) fn lost_sight(&self, named: usize) -> bool {
        self.currencies.values().any(|total| total.largest.is_part() && total.largest.entries().len() < named)
    }

    /// Whether it is what timelines come to from a day on, at an instant.
    pub(super) fn stands(&self, base: Day, as_of: i64) -> bool {
        (self.base, self.as_of) == (base, as_of)
    }

    /// Goes on to another instant. Those who turn in between must have been taken out and added again.
    pub(super) fn go_on(&mut self, as_of: i64, zone: &Zone) -> Result<(), Error> {
        if metrics::day_of(as_of, zone)? != metrics::day_of(self.as_of, zone)? {
            self.currencies.values_mut().for_each(|total| total.movers.clear());
        }
        self.as_of = as_of;
        Ok(())
    }

    fn count(
        &mut self,
        customer: &str,
        subs: &[(String, Timeline)],
        frame: &Frame<'_>,
        sign: i64,
    ) -> Result<(), Error> {
        let mut steps: BTreeMap<Day, BTreeMap<Currency, Amount>> = BTreeMap::new();
        let mut first_paid: Option<Day> = None;
        for (id, timeline) in subs {
            let phases = timeline.phases(frame.rules, frame.as_of);
            let began = phases.iter().find(|phase| phase.counted.is_some()).map(|phase| phase.since);
            if let Some(began) = began {
                let day = frame.day(began)?;
                first_paid = Some(first_paid.map_or(day, |first| first.min(day)));
                if day > frame.base {
                    self.counts.entry(day).or_default().new += sign;
                }
                if let Some(lost_at) = timeline.lost_at().filter(|lost_at| *lost_at <= frame.as_of) {
                    let day = frame.day(lost_at)?;
                    if day > frame.base {
                        self.counts.entry(day).or_default().churned += sign;
                    }
                }
            }
            self.count_days(timeline, &phases, frame, sign, &mut steps)?;
            self.count_now(id, customer, timeline, frame, sign);
        }
        let levels = movements::levels(steps, frame.base);
        self.count_customer(customer, &levels, first_paid, frame, sign);
        Ok(())
    }

    /// What a subscription adds day by day. What its customer pays then is noted in `steps`, as changes.
    fn count_days(
        &mut self,
        timeline: &Timeline,
        phases: &[Phase],
        frame: &Frame<'_>,
        sign: i64,
        steps: &mut BTreeMap<Day, BTreeMap<Currency, Amount>>,
    ) -> Result<(), Error> {
        let currency = timeline.newest().and_then(|state| state.sub.currency.parse::<Currency>().ok());
        // The last phase of a day is the day's.
        let mut of_day: Vec<(Day, &Phase)> = Vec::with_capacity(phases.len());
        for phase in phases {
            let day = frame.day(phase.since)?;
            of_day.pop_if(|last| last.0 == day);
            of_day.push((day, phase));
        }
        let (rebuilt, observed) = (frame.day(timeline.rebuilt)?, frame.day(timeline.observed)?);
        let mut before: Option<&Phase> = None;
        for (index, (day, phase)) in of_day.iter().enumerate() {
            let until = of_day.get(index + 1).map(|(day, _)| *day);
            let was = before.replace(*phase);
            // What held until now ends, and what holds from now on begins.
            for (phase, change) in [(was, -1), (Some(*phase), 1)] {
                let Some(phase) = phase else { continue };
                let counts = self.counts.entry(*day).or_default();
                counts.active += i64::from(phase.counted.is_some()) * change * sign;
                counts.trialing += i64::from(phase.is_trial) * change * sign;
                for plan in &phase.unvalued {
                    let days = self.unvalued.entry(plan.price_id.clone()).or_default();
                    *days.entry(*day).or_default() += change * sign;
                }
                let Some((counted, currency)) = phase.counted.as_ref().zip(currency) else { continue };
                let total = self.currencies.entry(currency).or_default();
                let delta = total.days.entry(*day).or_default();
                delta.mrr.plus(&counted.worth, change * sign);
                delta.subscriptions += change * sign;
                for plan in &counted.plans {
                    let known = total.plans.entry(plan.price_id.clone()).or_default();
                    known.label.clone_from(&plan.label);
                    known.days.entry(*day).or_default().plus(&plan.worth, change * sign);
                }
                steps.entry(*day).or_default().entry(currency).or_default().plus(&counted.worth, change);
            }
            let ends = |bound: Day| until.map_or(bound, |until| until.min(bound));
            if phase.is_assumed {
                self.mark(currency, *day, until, sign, |sureness| &mut sureness.estimated);
            } else if phase.counted.is_some() {
                self.mark(currency, *day, Some(ends(rebuilt)), sign, |sureness| &mut sureness.estimated);
                let from = (*day).max(rebuilt);
                self.mark(currency, from, Some(ends(observed)), sign, |sureness| &mut sureness.reconstructed);
            }
        }
        Ok(())
    }

    /// Counts a subscription among the less certain from a day up to but not including another.
    fn mark(
        &mut self,
        currency: Option<Currency>,
        from: Day,
        until: Option<Day>,
        sign: i64,
        which: impl Fn(&mut Sureness) -> &mut i64,
    ) {
        if until.is_some_and(|until| until <= from) {
            return;
        }
        for (day, change) in [(Some(from), sign), (until, -sign)] {
            let Some(day) = day else { continue };
            let counts = self.counts.entry(day).or_default();
            *which(&mut counts.sureness) += change;
            match currency {
                Some(currency) => {
                    let total = self.currencies.entry(currency).or_default();
                    *which(&mut total.days.entry(day).or_default().sureness) += change;
                }
                None => counts.unpriced += change,
            }
        }
    }

    /// What a subscription adds to the present: the receipt's contributions, omissions and alternatives.
    fn count_now(&mut self, id: &str, customer: &str, timeline: &Timeline, frame: &Frame<'_>, sign: i64) {
        let Some(state) = timeline.at(frame.as_of) else { return };
        let (currency, valuation) = timeline::valuation(state, frame.rules, frame.as_of);
        let Some(currency) = currency else {
            if let Some(reason) = valuation.excluded {
                *self.unpriced.entry(reason).or_default() += sign;
            }
            return;
        };
        let total = self.currencies.entry(currency).or_default();
        for alternative in &frame.alternatives {
            if alternative.concerns(&state.sub, &state.around) {
                let (_, other) = timeline::valuation(state, &alternative.rules, frame.as_of);
                let change = counted(&other) - counted(&valuation);
                let key = (alternative.setting.to_owned(), alternative.value.to_owned());
                total.otherwise.entry(key).or_default().plus(&change, sign);
            }
        }
        match valuation.excluded {
            Some(reason) => total.leave_out(reason, &valuation.worth, sign),
            None => {
                if sign < 0 {
                    total.largest.remove(id)
                } else {
                    total.largest.put(id, customer, &valuation.worth)
                }
                for (reason, amount) in &valuation.notes {
                    total.leave_out(reason.clone(), amount, sign);
                }
            }
        }
    }

    /// What a customer adds to movements and windows.
    fn count_customer(
        &mut self,
        customer: &str,
        levels: &[(Day, Level)],
        first_paid: Option<Day>,
        frame: &Frame<'_>,
        sign: i64,
    ) {
        let none = Level::new();
        let mut before = &none;
        for (day, level) in levels {
            let number = i64::from(!level.is_empty()) - i64::from(!before.is_empty());
            self.counts.entry(*day).or_default().paying += number * sign;
            for currency in before.keys().chain(level.keys()).collect::<BTreeSet<_>>() {
                let number = i64::from(level.contains_key(currency)) - i64::from(before.contains_key(currency));
                let total = self.currencies.entry(*currency).or_default();
                total.days.entry(*day).or_default().customers += number * sign;
            }
            if *day > frame.base {
                let paid_before = first_paid.is_some_and(|first| first < *day);
                let change = movements::between(before, level, paid_before);
                for (currency, moves) in &change.moves {
                    let total = self.currencies.entry(*currency).or_default();
                    total.days.entry(*day).or_default().moves.plus(moves, sign);
                    if *day == frame.today {
                        total.note_mover(customer, moves, sign);
                    }
                }
            }
            before = level;
        }
        for (day, change) in movements::windows(levels, first_paid, frame.base.plus(WINDOW), WINDOW) {
            self.counts.entry(day).or_default().lost += change.lost * sign;
            for (currency, moves) in &change.moves {
                let total = self.currencies.entry(*currency).or_default();
                total.days.entry(day).or_default().window.plus(moves, sign);
            }
        }
    }
}

fn counted(valuation: &Valuation) -> Exact {
    if valuation.excluded.is_none() { valuation.worth.clone() } else { Exact::zero() }
}

impl Total {
    fn leave_out(&mut self, reason: Reason, amount: &Exact, sign: i64) {
        let (count, sum) = self.left_out.entry(reason).or_default();
        *count += sign;
        sum.plus(amount, sign);
    }

    fn note_mover(&mut self, customer: &str, moves: &Moves, sign: i64) {
        for (kind, amount) in moves.parts().into_iter().filter(|(_, amount)| !amount.is_zero()) {
            let movers = self.movers.entry(kind).or_default();
            if sign < 0 { movers.remove(customer) } else { movers.put(customer, customer, amount) }
        }
    }
}
