//! How recurring revenue moved between two instants, customer by customer (providers.md 9).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{books::Books, truth::Days};
use crate::metric::{Day, Exact, Period, Zone, exact};

/// MRR of one currency between two instants, in minor units and not rounded.
///
/// `start` + `new` + `reactivation` + `expansion` − `contraction` − `churned` is `end`; no part is negative.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Movement {
    /// What there was at the first instant.
    pub start: Exact,
    /// Of customers who never had any before, in whatever currency.
    pub new: Exact,
    /// Of customers who had some before, and none at the first instant.
    pub reactivation: Exact,
    /// What it grew by for customers who have some at both instants.
    pub expansion: Exact,
    /// What it shrank by for customers who have some at both instants.
    pub contraction: Exact,
    /// Of customers who have none at the second instant.
    pub churned: Exact,
    /// What there is at the second instant.
    pub end: Exact,
}

/// All that moved between two instants.
///
/// Customers are counted once, whatever they pay in: who goes from euros to dollars expands in one and contracts in the
/// other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// Customers who had MRR at the first instant.
    pub customers_at_start: i64,
    /// Of these, those who have none at the second.
    pub customers_churned: i64,
    /// Customers with MRR at the second instant who never had any before the first.
    pub customers_new: i64,
    /// Customers with MRR at the second instant who had none at the first, but once before.
    pub customers_reactivated: i64,
    /// By upper-case currency.
    pub by_currency: BTreeMap<String, Movement>,
}

impl Moved {
    /// Customers churned ÷ customers at start.
    pub fn churn_rate(&self) -> Option<Exact> {
        exact::fraction(self.customers_churned, self.customers_at_start)
    }
}

impl Movement {
    /// (start + expansion − contraction − churned) ÷ start.
    pub fn net_retention(&self) -> Option<Exact> {
        share(&self.start + &self.expansion - &self.contraction - &self.churned, &self.start)
    }

    /// (start − contraction − churned) ÷ start.
    pub fn gross_retention(&self) -> Option<Exact> {
        share(&self.start - &self.contraction - &self.churned, &self.start)
    }

    /// (churned + contraction) ÷ start.
    pub fn gross_churn(&self) -> Option<Exact> {
        share(&self.churned + &self.contraction, &self.start)
    }

    /// (churned + contraction − expansion − reactivation) ÷ start.
    pub fn net_churn(&self) -> Option<Exact> {
        share(&self.churned + &self.contraction - &self.expansion - &self.reactivation, &self.start)
    }

    /// (new + reactivation + expansion) ÷ (churned + contraction).
    pub fn quick_ratio(&self) -> Option<Exact> {
        share(&self.new + &self.reactivation + &self.expansion, &(&self.churned + &self.contraction))
    }
}

fn share(numerator: Exact, denominator: &Exact) -> Option<Exact> {
    (!denominator.is_zero()).then(|| numerator / denominator)
}

/// MRR of one customer by upper-case currency; none of them is zero.
pub type Level = BTreeMap<String, Exact>;

/// What a customer's MRR was, from each instant on at which it changed.
#[derive(Debug, Default)]
struct Timeline(Vec<(Timestamp, Level)>);

impl Timeline {
    /// The place of the last change before `end`, plus one; 0 where nothing was yet.
    fn place(&self, end: Timestamp) -> usize {
        self.0.partition_point(|(at, _)| *at < end)
    }

    fn level(&self, place: usize) -> Option<&Level> {
        place.checked_sub(1).and_then(|last| self.0.get(last)).map(|(_, level)| level)
    }

    /// Whether there was any among the changes up to this place.
    fn paid(&self, place: usize) -> bool {
        self.0[..place].iter().any(|(_, level)| !level.is_empty())
    }
}

/// By day, all that moved on it and in the 30 days that end with it, and how many customers had MRR at its end.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) days: Days<Moved>,
    pub(super) months: Days<Moved>,
    pub(super) paying: Days,
}

/// Days that a rate covers.
const MONTH: usize = 30;

impl Books {
    /// The customer's MRR at the end of each day from the first on which there was something to today.
    pub(super) fn levels(&self, customer: &str, zone: &Zone, now: Timestamp) -> Days<Level> {
        let timelines = self.timelines();
        let Some(timeline) = timelines.get(customer) else { return Days::default() };
        let ends = ends(timeline.0.iter().map(|(at, _)| *at).min(), zone, now);
        ends.iter()
            .map(|(day, end)| (*day, timeline.level(timeline.place(*end)).cloned().unwrap_or_default()))
            .collect()
    }

    /// Walks all customers through all days up to now.
    pub(super) fn walk(&self, zone: &Zone, now: Timestamp) -> Walk {
        let timelines = self.timelines();
        let first = timelines.values().filter_map(|timeline| timeline.0.first()).map(|(at, _)| *at).min();
        let ends = ends(first, zone, now);
        let mut paying = vec![0; ends.len()];
        let mut sums: Vec<Level> = vec![Level::new(); ends.len()];
        let mut days: Vec<Moved> = vec![Moved::default(); ends.len()];
        let mut months = days.clone();
        for timeline in timelines.values() {
            let places: Vec<usize> = ends.iter().map(|(_, end)| timeline.place(*end)).collect();
            for (at, place) in places.iter().enumerate() {
                paying[at] += i64::from(timeline.level(*place).is_some_and(|level| !level.is_empty()));
                for (window, moved) in [(1, &mut days[at]), (MONTH, &mut months[at])] {
                    let before = at.checked_sub(window).map_or(0, |start| places[start]);
                    if before != *place {
                        moved.add(timeline.level(before), timeline.level(*place), timeline.paid(before));
                    }
                }
                // Only what differs from the day before; the sum over days is taken below.
                let before = at.checked_sub(1).map_or(0, |day| places[day]);
                if before != *place {
                    add(&mut sums[at], timeline.level(*place), 1);
                    add(&mut sums[at], timeline.level(before), -1);
                }
            }
        }
        for at in 1..sums.len() {
            let (before, from) = sums.split_at_mut(at);
            add(&mut from[0], before.last(), 1);
        }
        for (window, all) in [(1, &mut days), (MONTH, &mut months)] {
            for (at, moved) in all.iter_mut().enumerate() {
                let start = at.checked_sub(window);
                moved.customers_at_start = start.map_or(0, |start| paying[start]);
                for (currency, amount) in start.map(|start| &sums[start]).into_iter().flatten() {
                    moved.of(currency).start = amount.clone();
                }
                for (currency, amount) in &sums[at] {
                    moved.of(currency).end = amount.clone();
                }
            }
        }
        let by_day = |all: Vec<Moved>| ends.iter().map(|(day, _)| *day).zip(all).collect();
        Walk {
            days: by_day(days),
            months: by_day(months),
            paying: ends.iter().map(|(day, _)| *day).zip(paying).collect(),
        }
    }

    fn timelines(&self) -> BTreeMap<&str, Timeline> {
        let mut changes: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
        for book in &self.subscriptions {
            let instants = book.segments.iter().map(|segment| segment.at);
            changes.entry(&book.customer).or_default().extend(instants);
        }
        let timeline = |(customer, mut instants): (_, Vec<Timestamp>)| {
            instants.sort_unstable();
            instants.dedup();
            let own: Vec<_> = self.subscriptions.iter().filter(|book| book.customer == customer).collect();
            let level = |at: Timestamp| {
                let mut level = Level::new();
                for book in &own {
                    let total = book.at(at).map(super::books::Segment::total).unwrap_or_default();
                    if !total.is_zero() {
                        *level.entry(book.currency.clone()).or_default() += total;
                    }
                }
                (at, level)
            };
            (customer, Timeline(instants.into_iter().map(level).collect()))
        };
        changes.into_iter().map(timeline).collect()
    }
}

/// Each day from that of `first` to today with the instant before which it ends. What happens at now is of today.
fn ends(first: Option<Timestamp>, zone: &Zone, now: Timestamp) -> Vec<(Day, Timestamp)> {
    let Some(first) = first else { return Vec::new() };
    let over = now.saturating_add(SignedDuration::from_secs(1)).unwrap_or(now);
    let days = Period::inclusive(Day::of(first, zone), Day::of(now, zone)).days();
    days.map(|day| (day, zone.start_of(day.next()).min(over))).collect()
}

fn add(sums: &mut Level, level: Option<&Level>, sign: i64) {
    for (currency, amount) in level.into_iter().flatten() {
        *sums.entry(currency.clone()).or_default() += amount * exact::from_int(sign);
    }
}

impl Moved {
    fn of(&mut self, currency: &str) -> &mut Movement {
        if !self.by_currency.contains_key(currency) {
            self.by_currency.insert(currency.to_owned(), Movement::default());
        }
        self.by_currency.entry(currency.to_owned()).or_default()
    }

    /// One customer's change; `paid` says whether there was any MRR before the first instant or at it.
    fn add(&mut self, before: Option<&Level>, after: Option<&Level>, paid: bool) {
        let nothing = Level::new();
        let (before, after) = (before.unwrap_or(&nothing), after.unwrap_or(&nothing));
        match (before.is_empty(), after.is_empty()) {
            (true, true) => {}
            (true, false) => {
                let count = if paid { &mut self.customers_reactivated } else { &mut self.customers_new };
                *count += 1;
                for (currency, amount) in after {
                    let of = self.of(currency);
                    *if paid { &mut of.reactivation } else { &mut of.new } += amount;
                }
            }
            (false, true) => {
                self.customers_churned += 1;
                for (currency, amount) in before {
                    self.of(currency).churned += amount;
                }
            }
            (false, false) => {
                for currency in before.keys().chain(after.keys().filter(|currency| !before.contains_key(*currency))) {
                    let amount = |level: &Level| level.get(currency).cloned().unwrap_or_default();
                    let (was, is) = (amount(before), amount(after));
                    let of = self.of(currency);
                    if is > was {
                        of.expansion += is - was;
                    } else {
                        of.contraction += was - is;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::books::{Book, Segment},
        *,
    };

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn noon(text: &str) -> Timestamp {
        format!("{text}T12:00:00Z").parse().unwrap()
    }

    /// A subscription that is worth so much from each of these days' noon on.
    fn book(customer: &str, currency: &str, levels: &[(&str, i64)]) -> Book {
        let segment = |(day, amount): &(&str, i64)| Segment {
            at: noon(day),
            status: "active",
            monthly: BTreeMap::from([("price", exact::from_int(*amount))]),
        };
        Book {
            customer: customer.to_owned(),
            currency: currency.to_owned(),
            paying_from: None,
            ended: None,
            unpaid_from: None,
            segments: levels.iter().map(segment).collect(),
        }
    }

    fn books(subscriptions: Vec<Book>) -> Books {
        Books { subscriptions, ..Books::default() }
    }

    fn numbers(movement: &Movement) -> [i64; 7] {
        let Movement { start, new, reactivation, expansion, contraction, churned, end } = movement;
        [start, new, reactivation, expansion, contraction, churned, end].map(|part| exact::round(part).unwrap())
    }

    const BEFORE: &str = "2026-01-15";
    const AFTER: &str = "2026-02-20";

    /// The company of the checked example: 10,000 of 400 customers on day 0, and 30 days later 11,200.
    fn example() -> Books {
        let mut all = Vec::new();
        let name = |kind: &str, number: usize| format!("{kind}{number}");
        // 12 who leave with 700 together, one who shrinks by 400, one who grows by 800, 386 who stay as they are.
        all.extend(
            (0..12).map(|at| book(&name("left", at), "USD", &[(BEFORE, if at == 0 { 40 } else { 60 }), (AFTER, 0)])),
        );
        all.push(book("shrinks", "USD", &[(BEFORE, 1_000), (AFTER, 600)]));
        all.push(book("grows", "USD", &[(BEFORE, 580), (AFTER, 1_380)]));
        all.extend((0..386).map(|at| book(&name("same", at), "USD", &[(BEFORE, 20)])));
        // 80 who come with 1,200 together, and one who was there once and comes back with 300.
        all.extend((0..80).map(|at| book(&name("new", at), "USD", &[(AFTER, 15)])));
        all.push(book("back", "USD", &[("2025-12-01", 300), ("2025-12-20", 0), (AFTER, 300)]));
        books(all)
    }

    #[test]
    fn the_checked_example_comes_out() {
        let walk = example().walk(&Zone::utc(), noon("2026-03-31"));
        let moved = &walk.months[&day(AFTER)];
        let dollars = &moved.by_currency["USD"];
        assert_eq!(numbers(dollars), [10_000, 1_200, 300, 800, 400, 700, 11_200]);
        assert_eq!(
            (moved.customers_at_start, moved.customers_churned, moved.customers_new, moved.customers_reactivated),
            (400, 12, 80, 1)
        );
        let percent = |share: Option<Exact>| exact::to_decimal(&(share.unwrap() * exact::from_int(100)), 2).unwrap();
        assert_eq!(percent(dollars.net_retention()), "97.00");
        assert_eq!(percent(dollars.gross_retention()), "89.00");
        assert_eq!(percent(dollars.gross_churn()), "11.00");
        assert_eq!(percent(dollars.net_churn()), "0.00");
        assert_eq!(exact::to_decimal(&dollars.quick_ratio().unwrap(), 2).unwrap(), "2.09");
        assert_eq!(percent(moved.churn_rate()), "3.00");
        // The same on the day itself, and nothing of it once 30 days have passed over it.
        assert_eq!(walk.days[&day(AFTER)].by_currency, moved.by_currency);
        assert_eq!(walk.months[&day("2026-03-21")].by_currency["USD"].expansion, exact::from_int(800));
        let later = &walk.months[&day("2026-03-22")];
        assert_eq!(numbers(&later.by_currency["USD"]), [11_200, 0, 0, 0, 0, 0, 11_200]);
        assert_eq!((later.customers_at_start, walk.paying[&day("2026-03-22")]), (469, 469));
    }

    #[test]
    fn who_changes_currency_neither_leaves_nor_comes() {
        let walk = books(vec![
            book("one", "EUR", &[("2026-03-01", 1_000), ("2026-03-05", 0)]),
            book("one", "USD", &[("2026-03-05", 1_200)]),
        ])
        .walk(&Zone::utc(), noon("2026-03-06"));
        let moved = &walk.days[&day("2026-03-05")];
        assert_eq!(numbers(&moved.by_currency["EUR"]), [1_000, 0, 0, 0, 1_000, 0, 0]);
        assert_eq!(numbers(&moved.by_currency["USD"]), [0, 0, 0, 1_200, 0, 0, 1_200]);
        assert_eq!((moved.customers_at_start, moved.customers_churned, moved.customers_new), (1, 0, 0));
    }

    #[test]
    fn a_period_is_compared_at_its_ends_and_not_summed() {
        // Leaves and comes back within the month, with more.
        let levels = [("2026-01-01", 500), ("2026-02-10", 0), ("2026-02-14", 700)];
        let walk = books(vec![book("one", "USD", &levels)]).walk(&Zone::utc(), noon("2026-02-20"));
        assert_eq!(numbers(&walk.days[&day("2026-02-10")].by_currency["USD"]), [500, 0, 0, 0, 0, 500, 0]);
        assert_eq!(numbers(&walk.days[&day("2026-02-14")].by_currency["USD"]), [0, 0, 700, 0, 0, 0, 700]);
        let month = &walk.months[&day("2026-02-20")];
        assert_eq!(numbers(&month.by_currency["USD"]), [500, 0, 0, 200, 0, 0, 700]);
        assert_eq!((month.customers_churned, month.churn_rate()), (0, Some(Exact::default())));
        assert_eq!(walk.months[&day("2026-01-20")].churn_rate(), None, "nobody was there");
    }

    #[test]
    fn two_subscriptions_are_one_customer() {
        let walk = books(vec![
            book("one", "USD", &[("2026-03-01", 500), ("2026-03-04", 0)]),
            book("one", "USD", &[("2026-03-04", 800)]),
        ])
        .walk(&Zone::utc(), noon("2026-03-05"));
        assert_eq!(numbers(&walk.days[&day("2026-03-04")].by_currency["USD"]), [500, 0, 0, 300, 0, 0, 800]);
        assert_eq!(walk.paying, Days::from([1, 2, 3, 4, 5].map(|at| (day("2026-03-01").plus(at - 1), 1))));
    }

    #[test]
    fn days_end_where_the_zone_says() {
        let books = books(vec![book("one", "USD", &[("2026-03-01", 500)])]);
        let walk = books.walk(&"Pacific/Kiritimati".parse().unwrap(), noon("2026-03-03"));
        assert_eq!(walk.paying.keys().next(), Some(&day("2026-03-02")));
        assert_eq!(books.levels("one", &Zone::utc(), noon("2026-03-02")).len(), 2);
    }
}
