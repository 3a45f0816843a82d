//! What Google Analytics should show, told from the visits without the emulator's own counting.

use std::collections::{BTreeMap, HashSet};

use super::{
    property::counted_at,
    schema::{is_key, source},
};
use crate::{
    demo::company::{Company, Visit, tally, tally_by},
    metric::{Period, Zone, exact},
};

/// The figures of some days, as far as they are counted by the company's now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Analytics {
    /// Different people with an engaged session or a first visit.
    pub users: i64,
    /// Different people.
    pub total_users: i64,
    /// First visits.
    pub new_users: i64,
    /// Sessions.
    pub sessions: i64,
    /// Those that were engaged.
    pub engaged_sessions: i64,
    /// Pages viewed.
    pub pageviews: i64,
    /// Everything that is told, beginnings of sessions among it.
    pub events: i64,
    /// Sign-ups and purchases.
    pub key_events: i64,
    /// Seconds that all sessions lasted together.
    pub seconds: i64,
    /// Cents.
    pub revenue: i64,
    /// Page views by path.
    pub pages: BTreeMap<String, i64>,
    /// Sessions by where they came from, in Google's words.
    pub sources: BTreeMap<String, i64>,
    /// Sessions by country.
    pub countries: BTreeMap<String, i64>,
}

impl Company {
    /// The figures of some days that are cut in a zone.
    pub fn analytics(&self, period: Period, zone: &Zone) -> Analytics {
        let counted = self.web().period(period, zone).iter().filter(|visit| counted_at(visit) <= self.now);
        let visits: Vec<Visit> = counted.cloned().collect();
        let all = tally(&visits);
        let active = visits.iter().filter(|visit| visit.engaged() || visit.first);
        let hits = || visits.iter().flat_map(|visit| &visit.hits);
        let sessions_by = |key: fn(&Visit) -> &str| {
            tally_by(&visits, |visit, _| Some(key(visit).to_owned())).into_iter().map(|(name, of)| (name, of.visits))
        };
        let pages = tally_by(&visits, |_, hit| hit.goal.is_none().then(|| hit.page.to_owned()));
        Analytics {
            users: count(active.map(|visit| visit.visitor).collect::<HashSet<_>>().len()),
            total_users: all.visitors(),
            new_users: all.new_visitors,
            sessions: all.visits,
            engaged_sessions: all.engaged,
            pageviews: all.pageviews,
            // Each session tells that it began, some that it was the first, some that it was engaged.
            events: all.events() + all.visits + all.new_visitors + all.engaged,
            key_events: count(hits().filter(|hit| is_key(hit)).count()),
            seconds: all.duration_secs,
            revenue: all.revenue,
            pages: pages.into_iter().map(|(name, of)| (name, of.pageviews)).collect(),
            sources: sessions_by(|visit| source(visit.source)).collect(),
            countries: sessions_by(|visit| visit.country).collect(),
        }
    }

    /// What a metric of Google Analytics comes to, in its stored unit: of a flow the sum over the period, of people those
    /// of the whole period, of a length of time that of the period's last day. `None` where the books do not say.
    pub fn analytics_total(&self, metric_id: &str, period: Period, zone: &Zone) -> Option<i64> {
        let metric = metric_id.strip_prefix("ga_")?;
        let of = |period| self.analytics(period, zone);
        Some(match metric {
            "users" => of(period).users,
            "total_users" => of(period).total_users,
            "new_users" => of(period).new_users,
            "sessions" => of(period).sessions,
            "engaged_sessions" => of(period).engaged_sessions,
            "pageviews" => of(period).pageviews,
            "events" => of(period).events,
            "key_events" => of(period).key_events,
            "revenue" => of(period).revenue,
            "session_duration" => {
                let day = of(Period::single(period.last()?));
                return exact::round(&exact::fraction(1000 * day.seconds, day.sessions)?);
            }
            _ => return None,
        })
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
