//! Which dimensions and metrics there are, and which of them the emulator can tell.

use crate::{
    demo::company::{Hit, PURCHASE, SIGN_UP, Visit, country_name},
    metric::Day,
};

/// What a visit's parts are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Date,
    IsoWeek,
    Month,
    PagePath,
    SessionSource,
    CountryId,
    Country,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    ActiveUsers,
    TotalUsers,
    NewUsers,
    Sessions,
    EngagedSessions,
    ScreenPageViews,
    EventCount,
    KeyEvents,
    AverageSessionDuration,
    UserEngagementDuration,
    BounceRate,
    EngagementRate,
    TotalRevenue,
}

/// By API name.
pub(super) const DIMENSIONS: [(&str, Dimension); 7] = [
    ("date", Dimension::Date),
    ("isoYearIsoWeek", Dimension::IsoWeek),
    ("yearMonth", Dimension::Month),
    ("pagePath", Dimension::PagePath),
    ("sessionSource", Dimension::SessionSource),
    ("countryId", Dimension::CountryId),
    ("country", Dimension::Country),
];

/// By API name, with the type that a column says.
pub(super) const METRICS: [(&str, Metric, &str); 13] = [
    ("activeUsers", Metric::ActiveUsers, "TYPE_INTEGER"),
    ("totalUsers", Metric::TotalUsers, "TYPE_INTEGER"),
    ("newUsers", Metric::NewUsers, "TYPE_INTEGER"),
    ("sessions", Metric::Sessions, "TYPE_INTEGER"),
    ("engagedSessions", Metric::EngagedSessions, "TYPE_INTEGER"),
    ("screenPageViews", Metric::ScreenPageViews, "TYPE_INTEGER"),
    ("eventCount", Metric::EventCount, "TYPE_INTEGER"),
    ("keyEvents", Metric::KeyEvents, "TYPE_FLOAT"),
    ("averageSessionDuration", Metric::AverageSessionDuration, "TYPE_SECONDS"),
    ("userEngagementDuration", Metric::UserEngagementDuration, "TYPE_SECONDS"),
    ("bounceRate", Metric::BounceRate, "TYPE_FLOAT"),
    ("engagementRate", Metric::EngagementRate, "TYPE_FLOAT"),
    ("totalRevenue", Metric::TotalRevenue, "TYPE_CURRENCY"),
];

/// What can be asked of now.
pub(super) const REALTIME_METRICS: [&str; 4] = ["activeUsers", "eventCount", "screenPageViews", "keyEvents"];
pub(super) const REALTIME_DIMENSIONS: [&str; 2] = ["country", "countryId"];

/// The visits of a day, with the names that the day has in reports.
pub(super) struct Named<'a> {
    date: String,
    week: String,
    month: String,
    pub(super) visits: &'a [Visit],
}

impl<'a> Named<'a> {
    pub(super) fn new(day: Day, visits: &'a [Visit]) -> Self {
        let (date, iso) = (day.date(), day.date().iso_week_date());
        Self {
            date: date.strftime("%Y%m%d").to_string(),
            week: format!("{}{:02}", iso.year(), iso.week()),
            month: date.strftime("%Y%m").to_string(),
            visits,
        }
    }
}

impl Dimension {
    /// The value that a part of a visit has.
    pub(super) fn of<'a>(self, day: &'a Named<'_>, visit: &Visit, hit: &Hit) -> &'a str {
        match self {
            Self::Date => &day.date,
            Self::IsoWeek => &day.week,
            Self::Month => &day.month,
            Self::PagePath => hit.page,
            Self::SessionSource => source(visit.source),
            Self::CountryId => visit.country,
            Self::Country => country_name(visit.country).unwrap_or("(not set)"),
        }
    }
}

/// A source as Google names it.
pub(super) fn source(name: &'static str) -> &'static str {
    match name {
        "Direct / None" => "(direct)",
        "Google" => "google",
        "GitHub" => "github.com",
        "Newsletter" => "newsletter",
        "Hacker News" => "news.ycombinator.com",
        "Bing" => "bing",
        "DuckDuckGo" => "duckduckgo",
        other => other,
    }
}

/// Whether a goal is one of the property's key events.
pub(super) fn is_key(hit: &Hit) -> bool {
    matches!(hit.goal, Some(SIGN_UP | PURCHASE))
}
