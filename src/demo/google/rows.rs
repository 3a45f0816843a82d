//! The rows of a report, counted from the company's visits.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashSet},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    ask::{Ask, Order},
    property::counted_at,
    schema::{Metric, Named, is_key},
};
use crate::{
    demo::company::{Company, Hit, Visit},
    metric::{Day, Exact, Zone, exact},
};

/// What stands before and behind the point of a figure that is no whole number.
const DIGITS: u8 = 12;

/// What some parts of visits come to.
#[derive(Debug, Clone, Default)]
struct Counted {
    people: HashSet<u64>,
    active: HashSet<u64>,
    last: Option<usize>,
    new_users: i64,
    sessions: i64,
    engaged: i64,
    pageviews: i64,
    events: i64,
    key_events: i64,
    seconds: i64,
    engagement_seconds: i64,
    /// Cents.
    revenue: i64,
}

impl Counted {
    fn add(&mut self, place: usize, visit: &Visit, hit: &Hit) {
        if self.last != Some(place) {
            self.last = Some(place);
            self.people.insert(visit.visitor);
            if visit.engaged() || visit.first {
                self.active.insert(visit.visitor);
            }
            self.new_users += i64::from(visit.first);
            self.sessions += 1;
            self.engaged += i64::from(visit.engaged());
            self.seconds += visit.duration_secs();
            self.engagement_seconds += visit.duration_secs() + visit.read_secs;
        }
        if visit.hits.first() == Some(hit) {
            // session_start, first_visit and user_engagement.
            self.events += 1 + i64::from(visit.first) + i64::from(visit.engaged());
        }
        self.events += 1;
        self.pageviews += i64::from(hit.goal.is_none());
        self.key_events += i64::from(is_key(hit));
        self.revenue += hit.revenue.unwrap_or(0);
    }

    fn exact(&self, metric: Metric) -> Exact {
        let of = |part: i64, whole: i64| exact::fraction(part, whole).unwrap_or_else(|| exact::from_int(0));
        match metric {
            Metric::ActiveUsers => exact::from_int(count(self.active.len())),
            Metric::TotalUsers => exact::from_int(count(self.people.len())),
            Metric::NewUsers => exact::from_int(self.new_users),
            Metric::Sessions => exact::from_int(self.sessions),
            Metric::EngagedSessions => exact::from_int(self.engaged),
            Metric::ScreenPageViews => exact::from_int(self.pageviews),
            Metric::EventCount => exact::from_int(self.events),
            Metric::KeyEvents => exact::from_int(self.key_events),
            Metric::UserEngagementDuration => exact::from_int(self.engagement_seconds),
            Metric::AverageSessionDuration => of(self.seconds, self.sessions),
            Metric::BounceRate => of(self.sessions - self.engaged, self.sessions),
            Metric::EngagementRate => of(self.engaged, self.sessions),
            Metric::TotalRevenue => of(self.revenue, 100),
        }
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A row: what it is of, and a figure a column.
pub(super) struct Row {
    pub(super) of: Vec<String>,
    pub(super) figures: Vec<Exact>,
}

/// All rows of a report, in its order.
pub(super) fn rows(ask: &Ask, company: &Company, zone: &Zone, hides_revenue: bool, now: Timestamp) -> Vec<Row> {
    let days: Vec<Named> = match ask.period {
        Some(period) => company.web().by_day(period, zone).map(|(day, visits)| Named::new(day, visits)).collect(),
        None => vec![Named::new(Day::of(now, zone), present(company, now))],
    };
    let is_told = |visit: &Visit, hit: &Hit| match ask.period {
        Some(_) => counted_at(visit) <= company.now,
        // What happens now is told at once.
        None => (minutes_before(now, 30)..=now).contains(&at(visit, hit)),
    };
    let mut counted: BTreeMap<Vec<&str>, Counted> = BTreeMap::new();
    let mut place = 0;
    for day in &days {
        for visit in day.visits {
            place += 1;
            for hit in visit.hits.iter().filter(|hit| is_told(visit, hit)) {
                let key = ask.dimensions.iter().map(|(_, dimension)| dimension.of(day, visit, hit)).collect();
                counted.entry(key).or_default().add(place, visit, hit);
            }
        }
    }
    let figure = |counted: &Counted, metric: Metric| match metric {
        Metric::TotalRevenue if hides_revenue => exact::from_int(0),
        // Whoever is there now is active, whatever they did before.
        Metric::ActiveUsers if ask.period.is_none() => exact::from_int(count(counted.people.len())),
        metric => counted.exact(metric),
    };
    let row = |(of, counted): (Vec<&str>, Counted)| Row {
        of: of.into_iter().map(str::to_owned).collect(),
        figures: ask.columns.iter().map(|column| figure(&counted, column.metric)).collect(),
    };
    let mut rows: Vec<Row> = counted.into_iter().map(row).collect();
    if ask.orders.is_empty() {
        // Google's own order: the largest of the first column first.
        rows.sort_by(|a, b| b.figures.first().cmp(&a.figures.first()));
    }
    rows.sort_by(|a, b| ask.orders.iter().fold(Ordering::Equal, |so_far, order| so_far.then(compare(*order, a, b))));
    rows
}

/// The visits of which something may have happened in the last half hour.
fn present(company: &Company, now: Timestamp) -> &[Visit] {
    company.web().between(minutes_before(now, 12 * 60), now)
}

fn minutes_before(at: Timestamp, minutes: i64) -> Timestamp {
    at.saturating_sub(SignedDuration::from_mins(minutes)).unwrap_or(at)
}

fn at(visit: &Visit, hit: &Hit) -> Timestamp {
    visit.at.saturating_add(SignedDuration::from_secs(hit.after_secs)).unwrap_or(visit.at)
}

fn compare(order: Order, a: &Row, b: &Row) -> Ordering {
    let (ordering, desc) = match order {
        Order::Dimension(place, desc) => (a.of.get(place).cmp(&b.of.get(place)), desc),
        Order::Metric(place, desc) => (a.figures.get(place).cmp(&b.figures.get(place)), desc),
    };
    if desc { ordering.reverse() } else { ordering }
}

/// A figure as the API writes it: a whole number, or a decimal without zeros at its end.
pub(super) fn shown(figure: &Exact) -> String {
    if figure.is_integer() {
        return figure.to_string();
    }
    let text = exact::to_decimal(figure, DIGITS).unwrap_or_default();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
