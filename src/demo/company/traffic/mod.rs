//! The company's web site: who came when, what they looked at, and what came of it.
//!
//! Every visit is an instant, so that a reader cuts days in the zone it likes. People come back, some on the same day
//! and some weeks later: the visitors of a week are fewer than those of its days together. All that belongs to a visit
//! counts on the day on which it began.

mod grow;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

pub(super) use self::grow::grow;
use super::Company;
use crate::metric::{Day, Period, Zone};

/// The goal of a new customer: one for each customer that was ever made.
pub const SIGN_UP: &str = "Sign-up";
/// The goal of a subscription that became paying, with what it is worth a month.
pub const PURCHASE: &str = "Purchase";
/// The goal of a program that was taken away; without money.
pub const DOWNLOAD: &str = "Download";
/// The currency in which the site tells what a purchase is worth.
pub const SITE_CURRENCY: &str = "USD";

/// The name of a country that visits come from, by its two letters.
pub fn country_name(code: &str) -> Option<&'static str> {
    Some(match code {
        "US" => "United States",
        "DE" => "Germany",
        "GB" => "United Kingdom",
        "FR" => "France",
        "IN" => "India",
        "NL" => "Netherlands",
        "CA" => "Canada",
        "JP" => "Japan",
        "BR" => "Brazil",
        _ => return None,
    })
}

/// The zone in which the site's counters cut their days.
pub const SITE_ZONE: &str = "Europe/Berlin";

/// What the site's counter saw, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Web {
    visits: Vec<Visit>,
}

/// A person on the site, from coming to leaving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// When it began.
    pub at: Timestamp,
    /// The same for whoever comes again.
    pub visitor: u64,
    /// Whether that visitor was never there before.
    pub first: bool,
    /// Where they came from, as a screen would name it: `Google`, `Direct / None`.
    pub source: &'static str,
    /// The country's two letters.
    pub country: &'static str,
    /// `Desktop`, `Mobile` or `Tablet`.
    pub device: &'static str,
    /// What they did, in its order; the first is a page.
    pub hits: Vec<Hit>,
    /// Seconds on the last page, which pages alone do not tell.
    pub read_secs: i64,
}

/// One thing that was done on the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Seconds since the visit began.
    pub after_secs: i64,
    /// The page it happened on.
    pub page: &'static str,
    /// The goal that was reached; without one the page was viewed.
    pub goal: Option<&'static str>,
    /// What it was worth, in cents of [`SITE_CURRENCY`].
    pub revenue: Option<i64>,
}

impl Visit {
    /// The page it began on.
    pub fn entry_page(&self) -> &'static str {
        self.hits.first().map_or("/", |hit| hit.page)
    }

    /// Pages viewed.
    pub fn pageviews(&self) -> i64 {
        count(self.hits.iter().filter(|hit| hit.goal.is_none()).count())
    }

    /// Seconds from the first to the last thing done.
    pub fn duration_secs(&self) -> i64 {
        self.hits.last().map_or(0, |hit| hit.after_secs)
    }

    /// One page was viewed and nothing else done.
    pub fn bounced(&self) -> bool {
        self.hits.len() == 1
    }

    /// It lasted ten seconds, or two pages were viewed, or a goal was reached.
    pub fn engaged(&self) -> bool {
        self.duration_secs() + self.read_secs >= 10 || self.hits.len() > 1
    }

    /// When something was done for the last time.
    pub fn last_at(&self) -> Timestamp {
        self.at.saturating_add(SignedDuration::from_secs(self.duration_secs())).unwrap_or(self.at)
    }
}

impl Web {
    /// All visits, oldest first.
    pub fn visits(&self) -> &[Visit] {
        &self.visits
    }

    /// Those that began from `from` up to but not at `to`.
    pub fn between(&self, from: Timestamp, to: Timestamp) -> &[Visit] {
        let place = |at: Timestamp| self.visits.partition_point(|visit| visit.at < at);
        self.visits.get(place(from)..place(to)).unwrap_or_default()
    }

    /// Those of some days in a zone.
    pub fn period(&self, period: Period, zone: &Zone) -> &[Visit] {
        let (from, to) = zone.bounds(period);
        self.between(from, to)
    }

    /// Each of the days with its visits, those without any among them.
    pub fn by_day(&self, period: Period, zone: &Zone) -> impl Iterator<Item = (Day, &[Visit])> {
        period.days().map(move |day| (day, self.period(Period::single(day), zone)))
    }

    /// Who did something in the minutes before an instant.
    pub fn present(&self, at: Timestamp, minutes: i64) -> usize {
        let since = at.saturating_sub(SignedDuration::from_mins(minutes)).unwrap_or(at);
        // No visit lasts as long as half a day.
        let long_ago = at.saturating_sub(SignedDuration::from_hours(12)).unwrap_or(at);
        let recent = self.between(long_ago, at.saturating_add(SignedDuration::from_secs(1)).unwrap_or(at));
        let there = recent.iter().filter(|visit| {
            let done = |hit: &Hit| visit.at.saturating_add(SignedDuration::from_secs(hit.after_secs)).unwrap_or(at);
            visit.hits.iter().any(|hit| (since..=at).contains(&done(hit)))
        });
        there.map(|visit| visit.visitor).collect::<HashSet<_>>().len()
    }
}

/// What some visits come to. Of each visit only what was asked for counts: see [`tally_by`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    people: HashSet<u64>,
    last: Option<usize>,
    /// Visitors who had never been there before.
    pub new_visitors: i64,
    /// Visits with anything that counts.
    pub visits: i64,
    /// Those of them that bounced, as a whole.
    pub bounces: i64,
    /// Those of them that engaged, as a whole.
    pub engaged: i64,
    /// Seconds they lasted, as a whole.
    pub duration_secs: i64,
    /// Pages viewed.
    pub pageviews: i64,
    /// Goals reached.
    pub goals: i64,
    /// Cents of [`SITE_CURRENCY`].
    pub revenue: i64,
}

impl Tally {
    /// Different people.
    pub fn visitors(&self) -> i64 {
        count(self.people.len())
    }

    /// Pages viewed and goals reached.
    pub fn events(&self) -> i64 {
        self.pageviews + self.goals
    }

    fn add(&mut self, place: usize, visit: &Visit, hit: &Hit) {
        if self.last != Some(place) {
            self.last = Some(place);
            self.people.insert(visit.visitor);
            self.new_visitors += i64::from(visit.first);
            self.visits += 1;
            self.bounces += i64::from(visit.bounced());
            self.engaged += i64::from(visit.engaged());
            self.duration_secs += visit.duration_secs();
        }
        match hit.goal {
            Some(_) => self.goals += 1,
            None => self.pageviews += 1,
        }
        self.revenue += hit.revenue.unwrap_or(0);
    }
}

/// All that happened in some visits.
pub fn tally(visits: &[Visit]) -> Tally {
    tally_by(visits, |_, _| Some(())).remove(&()).unwrap_or_default()
}

/// What happened in some visits, by whatever the key says; what has none is left out.
///
/// A visit counts under each of the keys of what was done in it: once under its source, and under every page that was
/// looked at.
pub fn tally_by<K: Ord>(visits: &[Visit], key: impl Fn(&Visit, &Hit) -> Option<K>) -> BTreeMap<K, Tally> {
    let mut tallies: BTreeMap<K, Tally> = BTreeMap::new();
    for (place, visit) in visits.iter().enumerate() {
        for hit in &visit.hits {
            if let Some(key) = key(visit, hit) {
                tallies.entry(key).or_default().add(place, visit, hit);
            }
        }
    }
    tallies
}

impl Company {
    /// The traffic of its web site. It is grown when it is first asked for, since few who generate a company do.
    pub fn web(&self) -> &Web {
        self.grown_web()
    }

    pub(super) fn web_shared(&self) -> Arc<Web> {
        self.grown_web().clone()
    }

    fn grown_web(&self) -> &Arc<Web> {
        self.web.get_or_init(|| Arc::new(grow(self)))
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
