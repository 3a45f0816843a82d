//! The traffic of the company's site: it is the same every time, agrees with the books, and people come back.

use std::collections::{BTreeSet, HashSet};

use jiff::SignedDuration;

use super::{super::company, COMPANY, Company, now};
use crate::metric::{Day, Interval, Period, Zone};

fn zone() -> Zone {
    "Europe/Berlin".parse().unwrap()
}

fn today() -> Day {
    Day::of(now(), &zone())
}

#[test]
fn the_same_seed_gives_the_same_visits_and_time_only_adds_to_them() {
    let earlier = COMPANY.at(now() - SignedDuration::from_hours(31));
    let (before, after) = (earlier.web().visits(), COMPANY.web().visits());
    // Whoever was on the site when the clock stood had not done yet what they did next.
    let over = |visit: &&company::Visit| visit.at < earlier.now - SignedDuration::from_hours(1);
    let known: Vec<_> = before.iter().filter(over).collect();
    assert!(known.len() > 20_000 && before.len() < after.len());
    assert_eq!(known, after.iter().filter(over).collect::<Vec<_>>());
    assert_eq!(Company::generate(7, now()).web().visits(), after);
    assert_ne!(Company::generate(8, now()).web().visits(), after);
    assert!(Company::empty(now()).web().visits().is_empty() && Company::story(now()).web().visits().is_empty());
}

#[test]
fn whoever_comes_again_counts_once_in_a_week_and_the_days_together_count_more() {
    let (web, week) = (COMPANY.web(), Interval::Week.bucket(today().plus(-7)));
    let whole = company::tally(web.period(week, &zone()));
    let days: Vec<_> = web.by_day(week, &zone()).map(|(_, visits)| company::tally(visits)).collect();
    let sum = |of: fn(&company::Tally) -> i64| days.iter().map(of).sum::<i64>();
    assert!(whole.visitors() < sum(company::Tally::visitors) && whole.visitors() < whole.visits);
    assert_eq!(whole.events(), sum(company::Tally::events));
    assert_eq!(whole.visits, sum(|one| one.visits));
    assert_eq!(whole.bounces, sum(|one| one.bounces));
    assert_eq!(whole.revenue, sum(|one| one.revenue));
    let people: HashSet<u64> = web.period(week, &zone()).iter().map(|visit| visit.visitor).collect();
    assert_eq!(whole.visitors(), i64::try_from(people.len()).unwrap());
    assert!(0 < whole.bounces && whole.bounces < whole.visits && whole.visits < whole.pageviews);
    assert!(whole.engaged < whole.visits && whole.visits - whole.bounces <= whole.engaged);
}

#[test]
fn sign_ups_and_purchases_are_those_of_the_books_unless_the_counter_was_down() {
    let truth = COMPANY.truth(&zone());
    let period = Period::inclusive(today().plus(-399), today());
    let mut down = BTreeSet::new();
    for (day, visits) in COMPANY.web().by_day(period, &zone()) {
        let goals = company::tally_by(visits, |_, hit| hit.goal);
        let reached = |goal| goals.get(goal).map_or(0, |tally| tally.goals);
        let of = |days: &company::Days| days.get(&day).copied().unwrap_or(0);
        if visits.is_empty() {
            down.insert(day);
        }
        // The day before and after a whole day without visits is cut, too.
        let cut = [-1, 0, 1].iter().any(|by| COMPANY.web().period(Period::single(day.plus(*by)), &zone()).is_empty());
        if !cut {
            assert!(reached(company::SIGN_UP) >= of(&truth.new_customers), "{day}");
            assert_eq!(reached(company::PURCHASE), of(&truth.new_subscriptions), "{day}");
        }
    }
    assert!((6..=9).contains(&down.len()), "{down:?}");
}

#[test]
fn a_release_brings_people_from_elsewhere() {
    let releases = COMPANY.github.repositories.iter().filter(|one| !one.private).flat_map(|one| &one.releases);
    let day = releases.filter_map(|one| one.published).map(|at| Day::of(at, &zone())).max().unwrap();
    let github = |day: Day| {
        let visits = COMPANY.web().period(Period::single(day), &zone());
        company::tally_by(visits, |visit, _| Some(visit.source)).get("GitHub").map_or(0, |tally| tally.visits)
    };
    assert!(github(day) + github(day.next()) > 2 * github(day.plus(-4)), "{day}");
}

#[test]
fn who_is_there_now_did_something_just_now() {
    let web = COMPANY.web();
    let busy = web.visits().last().unwrap().at;
    assert!(web.present(busy, 5) >= 1 && web.present(busy, 30) >= web.present(busy, 5));
    assert_eq!(web.present(COMPANY.now - SignedDuration::from_hours(24 * 500), 30), 0);
}
