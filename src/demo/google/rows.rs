//! The rows of a report, counted from the company's visits.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashSet},
};

use jiff::{SignedDuration, Timestamp};

use super::{
    ask::{Ask, Order},
    property::counted_at,
    schema::{Metric, is_key},
};
use crate::{
    demo::company::{Company, Hit, Visit},
    metric::{Exact, Period, Zone, exact},
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
    /// Different people with an engaged session or a first visit.
    fn active_users(&self) -> i64 {
        count(self.active.len())
    }

    /// Different people.
    fn total_users(&self) -> i64 {
        count(self.people.len())
    }

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
            Metric::ActiveUsers => exact::from_int(self.active_users()),
            Metric::TotalUsers => exact::from_int(self.total_users()),
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
    let counted = match ask.period {
        Some(period) => count_days(company, period, zone, |visit, hit| key(ask, visit, hit, zone)),
        None => count_now(company, now, |visit, hit| key(ask, visit, hit, zone)),
    };
    let figure = |counted: &Counted, metric: Metric| match metric {
        Metric::TotalRevenue if hides_revenue => exact::from_int(0),
        // Whoever is there now is active, whatever they did before.
        Metric::ActiveUsers if ask.period.is_none() => exact::from_int(counted.total_users()),
        metric => counted.exact(metric),
    };
    let row = |(of, counted): (Vec<String>, Counted)| Row {
        of,
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

fn compare(order: Order, a: &Row, b: &Row) -> Ordering {
    let (ordering, desc) = match order {
        Order::Dimension(place, desc) => (a.of.get(place).cmp(&b.of.get(place)), desc),
        Order::Metric(place, desc) => (a.figures.get(place).cmp(&b.figures.get(place)), desc),
    };
    if desc { ordering.reverse() } else { ordering }
}

fn key(ask: &Ask, visit: &Visit, hit: &Hit, zone: &Zone) -> Vec<String> {
    ask.dimensions.iter().map(|(_, dimension)| dimension.of(visit, hit, zone)).collect()
}

/// What was counted of some days by the company's now, by whatever the key says.
fn count_days<K: Ord>(
    company: &Company,
    period: Period,
    zone: &Zone,
    key: impl Fn(&Visit, &Hit) -> K,
) -> BTreeMap<K, Counted> {
    let mut counted: BTreeMap<K, Counted> = BTreeMap::new();
    let visits = company.web().period(period, zone).iter().filter(|visit| counted_at(visit) <= company.now);
    for (place, visit) in visits.enumerate() {
        for hit in &visit.hits {
            counted.entry(key(visit, hit)).or_default().add(place, visit, hit);
        }
    }
    counted
}

/// What happened in the 30 minutes before an instant. That is told at once.
fn count_now<K: Ord>(company: &Company, now: Timestamp, key: impl Fn(&Visit, &Hit) -> K) -> BTreeMap<K, Counted> {
    let before = |minutes: i64| now.saturating_sub(SignedDuration::from_mins(minutes)).unwrap_or(now);
    let mut counted: BTreeMap<K, Counted> = BTreeMap::new();
    for (place, visit) in company.web().between(before(12 * 60), now).iter().enumerate() {
        let at = |hit: &Hit| visit.at.saturating_add(SignedDuration::from_secs(hit.after_secs)).unwrap_or(now);
        for hit in visit.hits.iter().filter(|hit| (before(30)..=now).contains(&at(hit))) {
            counted.entry(key(visit, hit)).or_default().add(place, visit, hit);
        }
    }
    counted
}

/// A figure as the API writes it: a whole number, or a decimal without zeros at its end.
pub(super) fn shown(figure: &Exact) -> String {
    if figure.is_integer() {
        return figure.to_string();
    }
    let text = exact::to_decimal(figure, DIGITS).unwrap_or_default();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
