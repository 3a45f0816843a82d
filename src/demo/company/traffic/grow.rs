//! Draws the visits. Whatever happens up to an instant does not depend on when now is: each day, each release and each
//! customer has a source of chance of its own.

use jiff::Timestamp;

use super::{super::Origin, Company, DOWNLOAD, Hit, PURCHASE, SIGN_UP, Visit, Web};
use crate::{demo::random::Dice, metric::exact};

const DAY: i64 = 86_400;
/// On how many days before somebody who comes back was there for the first time, at most.
const MEMORY: i64 = 30;
/// Every so many days the counter was down for [`DOWN`] seconds: long enough for a whole day without visits in any zone.
const DOWN_EVERY: i64 = 47 * DAY;
const DOWN: i64 = 50 * 3600;

const SOURCES: [(i64, &str); 7] = [
    (34, "Direct / None"),
    (31, "Google"),
    (13, "GitHub"),
    (8, "Newsletter"),
    (6, "Hacker News"),
    (5, "Bing"),
    (3, "DuckDuckGo"),
];
const RELEASE_SOURCES: [(i64, &str); 3] = [(50, "GitHub"), (35, "Hacker News"), (15, "Newsletter")];
const COUNTRIES: [(i64, &str); 9] =
    [(30, "US"), (19, "DE"), (12, "GB"), (10, "FR"), (8, "IN"), (7, "NL"), (6, "CA"), (5, "JP"), (3, "BR")];
const DEVICES: [(i64, &str); 3] = [(66, "Desktop"), (30, "Mobile"), (4, "Tablet")];
const PAGES: [(i64, &str); 12] = [
    (26, "/"),
    (14, "/pricing"),
    (13, "/docs"),
    (10, "/docs/install"),
    (8, "/docs/api"),
    (7, "/blog"),
    (5, "/blog/why-ferns"),
    (5, "/changelog"),
    (4, "/about"),
    (4, "/download"),
    (3, "/contact"),
    (1, "/imprint"),
];

/// The traffic of a company: of an account alone there is none.
pub(in super::super) fn grow(company: &Company) -> Web {
    let Origin::Seed(seed) = company.origin else { return Web::default() };
    let (opened, now) = (company.opened.as_second(), company.now.as_second());
    let mut growing = Growing { seed, now, opened, visits: Vec::new() };
    growing.ordinary_days();
    for repository in company.github.repositories.iter().filter(|repository| !repository.private) {
        for release in repository.releases.iter().filter_map(|release| release.published) {
            growing.rush(repository.id, release.as_second());
        }
    }
    growing.customers(company);
    let mut visits = growing.visits;
    visits.sort_by_key(|visit| (visit.at, visit.visitor));
    Web { visits }
}

struct Growing {
    seed: u64,
    now: i64,
    opened: i64,
    visits: Vec<Visit>,
}

impl Growing {
    fn dice(&self, of: u64) -> Dice {
        // The first draw mixes: seeds that differ by one would otherwise give sequences that overlap.
        Dice::new(self.seed ^ of.wrapping_mul(0xd6e8_feb8_6659_fd93)).fork()
    }

    fn ordinary_days(&mut self) {
        let first = self.opened.div_euclid(DAY);
        let mut newcomers: Vec<i64> = Vec::new();
        for day in first..=self.now.div_euclid(DAY) {
            let mut dice = self.dice(day.unsigned_abs());
            let age = day - first;
            // 1970-01-01 was a Thursday.
            let weekend = (day + 3) % 7 >= 5;
            let tenths = if weekend { 6 } else { 10 };
            let usual = (40 + age / 6) * tenths / 10;
            let mut new = 0;
            for _ in 0..dice.between(usual * 8 / 10, usual * 12 / 10) {
                let back = age - dice.between(1, MEMORY);
                let known = usize::try_from(back).ok().and_then(|back| newcomers.get(back)).copied().unwrap_or(0);
                let returns = dice.chance(32) && known > 0;
                let visitor = if returns {
                    person(first + back, dice.between(0, known - 1))
                } else {
                    new += 1;
                    person(day, new - 1)
                };
                let at = day * DAY + dice.between(0, DAY - 1);
                let source = dice.weighted(&SOURCES);
                let entry = dice.weighted(&PAGES);
                self.visit(&mut dice, (at, visitor, !returns), source, entry);
                if dice.chance(8) {
                    let later = at + dice.between(3_600, 9 * 3_600);
                    self.visit(&mut dice, (later, visitor, false), "Direct / None", "/docs");
                }
            }
            newcomers.push(new);
        }
    }

    /// Two days after a release people come to see what it is.
    fn rush(&mut self, repository: u64, published: i64) {
        let mut dice = self.dice(repository ^ published.unsigned_abs().rotate_left(32));
        for number in 0..dice.between(35, 70) {
            // Most of them at once.
            let at = published + dice.between(30, DAY) * dice.between(1, 20) / 10;
            let source = dice.weighted(&RELEASE_SOURCES);
            self.visit(&mut dice, (at, person(published, number), true), source, "/changelog");
        }
    }

    /// Who becomes a customer signs up on the site, and comes again to pay.
    fn customers(&mut self, company: &Company) {
        for customer in &company.books.customers {
            let visitor = named(&customer.id);
            let mut dice = self.dice(visitor);
            let goal = Hit { after_secs: 0, page: "/signup", goal: Some(SIGN_UP), revenue: None };
            self.purposeful(&mut dice, (customer.created.as_second(), visitor, true), "/pricing", goal);
        }
        for book in &company.books.subscriptions {
            let Some(at) = book.paying_from else { continue };
            let visitor = named(&book.customer);
            let mut dice = self.dice(visitor ^ at.as_second().unsigned_abs());
            let worth = book.at(at).and_then(|segment| exact::round(&segment.total())).unwrap_or(0);
            // As the site knows it: yen have no minor unit, and rates are those of the day it was built.
            let revenue = match book.currency.as_str() {
                "JPY" => worth * 66 / 100,
                "EUR" => worth * 108 / 100,
                _ => worth,
            };
            let goal = Hit { after_secs: 0, page: "/checkout", goal: Some(PURCHASE), revenue: Some(revenue) };
            self.purposeful(&mut dice, (at.as_second(), visitor, false), "/checkout", goal);
        }
    }

    /// A visit that reaches its goal at once: the instant of that is told elsewhere too.
    fn purposeful(&mut self, dice: &mut Dice, (at, visitor, first): (i64, u64, bool), entry: &'static str, goal: Hit) {
        let source = if first { dice.weighted(&SOURCES) } else { "Direct / None" };
        let page = Hit { after_secs: 0, page: entry, goal: None, revenue: None };
        self.keep((at, visitor, first), source, vec![page, goal], dice.between(0, 60));
    }

    fn visit(&mut self, dice: &mut Dice, who: (i64, u64, bool), source: &'static str, entry: &'static str) {
        let more = dice.weighted(&[(46, 0), (24, 1), (14, 2), (9, 3), (5, 5), (2, 8)]);
        let mut hits = vec![Hit { after_secs: 0, page: entry, goal: None, revenue: None }];
        let mut after_secs = 0;
        for _ in 0..more {
            after_secs += dice.between(4, 180);
            hits.push(Hit { after_secs, page: dice.weighted(&PAGES), goal: None, revenue: None });
        }
        if more > 0 && dice.chance(9) {
            after_secs += dice.between(2, 40);
            hits.push(Hit { after_secs, page: "/download", goal: Some(DOWNLOAD), revenue: None });
        }
        self.keep(who, source, hits, dice.between(0, 45));
    }

    /// Notes what has happened by now, if the counter was up.
    fn keep(
        &mut self,
        (at, visitor, first): (i64, u64, bool),
        source: &'static str,
        mut hits: Vec<Hit>,
        read_secs: i64,
    ) {
        let down = (at - self.opened).rem_euclid(DOWN_EVERY) >= DOWN_EVERY - DOWN;
        let Ok(instant) = Timestamp::from_second(at) else { return };
        if at > self.now || down {
            return;
        }
        hits.retain(|hit| at + hit.after_secs <= self.now);
        let left = self.now - at - hits.last().map_or(0, |hit| hit.after_secs);
        // Where somebody lives and what they hold goes with them.
        let mut own = self.dice(visitor.rotate_left(17));
        let (country, device) = (own.weighted(&COUNTRIES), own.weighted(&DEVICES));
        let read_secs = read_secs.min(left);
        self.visits.push(Visit { at: instant, visitor, first, source, country, device, hits, read_secs });
    }
}

/// A person by the day or second of their first visit and a number.
fn person(when: i64, number: i64) -> u64 {
    when.unsigned_abs() << 16 | number.unsigned_abs()
}

/// A customer as a person: FNV-1a of the id, with the highest bit set, which nobody else has.
fn named(id: &str) -> u64 {
    let hash =
        id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash | 1 << 63
}
