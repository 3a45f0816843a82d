//! What is measured: one row a metric, and how a report's figures become its value.

use super::sheet::{Cells, Figure};
use crate::{
    integrations::Error,
    metric::{Currency, Definition, Dimension, Kind, Money, Polarity, Unit, ValidRange, Value, WidgetType},
};

pub(super) const USERS: &str = "ga_users";
pub(super) const NEW_USERS: &str = "ga_new_users";
pub(super) const TOTAL_USERS: &str = "ga_total_users";
pub(super) const SESSIONS: &str = "ga_sessions";
pub(super) const ENGAGED_SESSIONS: &str = "ga_engaged_sessions";
pub(super) const PAGEVIEWS: &str = "ga_pageviews";
pub(super) const EVENTS: &str = "ga_events";
pub(super) const KEY_EVENTS: &str = "ga_key_events";
pub(super) const BOUNCE_RATE: &str = "ga_bounce_rate";
pub(super) const ENGAGEMENT_RATE: &str = "ga_engagement_rate";
pub(super) const SESSION_DURATION: &str = "ga_session_duration";
pub(super) const REVENUE: &str = "ga_revenue";
pub(super) const PAGES: &str = "ga_pages";
pub(super) const SOURCES: &str = "ga_sources";
pub(super) const COUNTRIES: &str = "ga_countries";
pub(super) const REALTIME_USERS: &str = "ga_realtime_users";

/// Google counts for up to 48 hours after a day's end, in the property's zone.
const SETTLES_AFTER_DAYS: u16 = 3;

/// What is read together. If it fails, exactly its metrics fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// One report with a row a day.
    Days,
    /// A report each, with a row a day and value of the dimension.
    Tables,
    /// What happens now.
    Realtime,
}

impl Reading {
    pub(super) const ALL: [Self; 3] = [Self::Days, Self::Tables, Self::Realtime];

    /// The stream it belongs to.
    pub(super) fn stream(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Tables => "tables",
            Self::Realtime => "realtime",
        }
    }
}

/// What a value is made of, by the API names of metrics.
#[derive(Debug, Clone, Copy)]
pub(super) enum Formula {
    /// A count as it is.
    Count(&'static str),
    /// An amount in the units of the report's currency.
    Amount(&'static str),
    /// An average in seconds, which means nothing where there is nothing to average.
    Average(&'static str, &'static str),
    /// The first of the second.
    Share(&'static str, &'static str),
    /// What the first leaves of the second.
    Rest(&'static str, &'static str),
}

impl Formula {
    /// The metrics to ask for.
    pub(super) fn fields(self) -> impl Iterator<Item = &'static str> {
        let (first, second) = match self {
            Self::Count(field) | Self::Amount(field) => (field, None),
            Self::Average(first, of) | Self::Share(first, of) | Self::Rest(first, of) => (first, Some(of)),
        };
        std::iter::once(first).chain(second)
    }

    /// The value of a row. `None` where it is undefined.
    pub(super) fn value(self, cells: &Cells<'_>, currency: Currency) -> Result<Figure<Option<Value>>, Error> {
        Ok(match self {
            Self::Count(field) => cells.count(field)?.map(|count| Some(Value::Count(count))),
            Self::Amount(field) => {
                let minor = cells.scaled(field, currency.digits())?;
                Figure::sure(Some(Value::Money(Money::new(minor, currency))))
            }
            Self::Average(field, of) => {
                let ms = cells.scaled(field, 3)?;
                cells.count(of)?.map(|count| (count != 0).then_some(Value::Millis(ms)))
            }
            Self::Share(part, of) => cells.part(part, of)?.map(|(part, whole)| Value::ratio(part, whole)),
            Self::Rest(part, of) => cells.part(part, of)?.map(|(part, whole)| Value::ratio(whole - part, whole)),
        })
    }
}

/// One metric.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) reading: Reading,
    pub(super) formula: Formula,
    /// Of a table: what it is broken down by, and the API name of that.
    pub(super) by: Option<(Dimension, &'static str)>,
    kind: Kind,
    name: &'static str,
    category: &'static str,
    polarity: Polarity,
    description: &'static str,
    differs: Option<&'static str>,
}

impl Row {
    /// With what Google's own screens show instead.
    const fn but(self, differs: &'static str) -> Self {
        Self { differs: Some(differs), ..self }
    }

    /// What it is read from: the report, and what stands in it by the API's names.
    fn source(&self) -> String {
        let report = if self.reading == Reading::Realtime { "runRealtimeReport" } else { "runReport" };
        let dimension = self.by.map(|(_, name)| name);
        let names: Vec<String> =
            dimension.into_iter().chain(self.formula.fields()).map(|one| format!("`{one}`")).collect();
        format!("`:{report}`: {}", names.join(", "))
    }

    /// What a bucket comes to of which nothing is said.
    pub(super) fn nothing(&self, currency: Currency) -> Option<Value> {
        match self.formula {
            Formula::Count(_) => Some(Value::Count(0)),
            Formula::Amount(_) => Some(Value::Money(Money::new(0, currency))),
            Formula::Average(..) | Formula::Share(..) | Formula::Rest(..) => None,
        }
    }

    /// The row as the host knows it.
    pub(super) fn definition(&self) -> Definition {
        let (unit, valid) = match self.formula {
            Formula::Count(_) => (Unit::Count, ValidRange::NotNegative),
            // A refund can weigh more than the purchases of its day.
            Formula::Amount(_) => (Unit::Currency, ValidRange::Any),
            Formula::Average(..) => (Unit::Seconds, ValidRange::NotNegative),
            Formula::Share(..) | Formula::Rest(..) => (Unit::Percent, ValidRange::Share),
        };
        let widget_type = match self.reading {
            Reading::Days => WidgetType::Chart,
            Reading::Tables => WidgetType::Table,
            Reading::Realtime => WidgetType::Metric,
        };
        let is_now = self.reading == Reading::Realtime;
        Definition {
            id: self.id.to_owned(),
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            unit,
            category: self.category.to_owned(),
            widget_type,
            kind: self.kind,
            polarity: self.polarity,
            valid,
            settles_after_days: if is_now { 0 } else { SETTLES_AFTER_DAYS },
            retention_days: is_now.then_some(1),
            definition: 1,
            dimension: self.by.map(|(dimension, _)| dimension),
            stream: self.reading.stream().to_owned(),
            source: self.source(),
            differs: self.differs.map(str::to_owned),
            explained: false,
            of_money: false,
            exchange_effect: None,
        }
    }
}

/// A metric's row by its id.
pub(super) fn find(id: &str) -> Option<&'static Row> {
    METRICS.iter().find(|row| row.id == id)
}

const fn day(
    id: &'static str,
    (kind, polarity): (Kind, Polarity),
    formula: Formula,
    (category, name, description): (&'static str, &'static str, &'static str),
) -> Row {
    Row { id, reading: Reading::Days, formula, by: None, kind, name, category, polarity, description, differs: None }
}

const fn table(
    id: &'static str,
    by: (Dimension, &'static str),
    counted: &'static str,
    (name, description): (&'static str, &'static str),
) -> Row {
    Row {
        id,
        reading: Reading::Tables,
        formula: Formula::Count(counted),
        by: Some(by),
        kind: Kind::Flow,
        name,
        category: "traffic",
        polarity: Polarity::UpIsGood,
        description,
        differs: None,
    }
}

/// What Google shows of people.
const WEEKS: &str = "Some screens begin weeks on Sunday; here they begin on Monday (ISO). Google estimates people where they are many, \
                     within about 1 %, and may do so anew for each screen.";
/// What Google shows of rates.
const ROUNDED: &str = "Made here of sessions and engaged sessions, so that those of several days are right. Google may round otherwise in \
                       the last digit.";

use Kind::{Distinct, Flow, Level, Ratio, Statistic};
use Polarity::{DownIsGood, UpIsGood};

/// All metrics, in the order of the catalogue. Those of days come from ten metrics of the API, which is as many as a report
/// may have.
pub(super) static METRICS: [Row; 16] = [
    day(
        USERS,
        (Distinct, UpIsGood),
        Formula::Count("activeUsers"),
        (
            "audience",
            "Users",
            "Different people with an engaged session or a first visit (activeUsers): what Google's reports call users.",
        ),
    )
    .but(WEEKS),
    day(
        NEW_USERS,
        (Flow, UpIsGood),
        Formula::Count("newUsers"),
        (
            "audience",
            "New users",
            "First visits and first opens (newUsers). A person has one, so those of several days add up.",
        ),
    ),
    day(
        TOTAL_USERS,
        (Distinct, UpIsGood),
        Formula::Count("totalUsers"),
        ("audience", "All users", "Different people with any event at all (totalUsers), engaged or not."),
    )
    .but(WEEKS),
    day(
        SESSIONS,
        (Flow, UpIsGood),
        Formula::Count("sessions"),
        ("traffic", "Sessions", "Sessions that began on the day."),
    )
    .but("A session over midnight belongs to both days at Google, so that the days of a month come to a little more than the month there."),
    day(
        ENGAGED_SESSIONS,
        (Flow, UpIsGood),
        Formula::Count("engagedSessions"),
        (
            "traffic",
            "Engaged sessions",
            "Sessions that lasted longer than ten seconds, had a key event, or two pages or screens.",
        ),
    ),
    day(
        PAGEVIEWS,
        (Flow, UpIsGood),
        Formula::Count("screenPageViews"),
        ("traffic", "Page views", "Pages of the web site and screens of apps that were seen; repeated views count."),
    ),
    day(
        EVENTS,
        (Flow, UpIsGood),
        Formula::Count("eventCount"),
        ("traffic", "Events", "All events, those that Google collects by itself among them."),
    ),
    day(
        KEY_EVENTS,
        (Flow, UpIsGood),
        Formula::Count("keyEvents"),
        ("conversion", "Key events", "Events that the property marks as key events; they were called conversions."),
    ),
    day(
        BOUNCE_RATE,
        (Ratio, DownIsGood),
        Formula::Rest("engagedSessions", "sessions"),
        ("traffic", "Bounce rate", "Sessions that were not engaged, of all sessions."),
    )
    .but(ROUNDED),
    day(
        ENGAGEMENT_RATE,
        (Ratio, UpIsGood),
        Formula::Share("engagedSessions", "sessions"),
        ("traffic", "Engagement rate", "Engaged sessions of all sessions."),
    )
    .but(ROUNDED),
    day(
        SESSION_DURATION,
        (Statistic, UpIsGood),
        Formula::Average("averageSessionDuration", "sessions"),
        (
            "traffic",
            "Session duration",
            "Mean length of a session by Google's reckoning (averageSessionDuration), idle time included.",
        ),
    )
    .but(
        "Not the *average engagement time* of Google's reports, which counts only the time in the foreground, for each active \
         user.",
    ),
    day(
        REVENUE,
        (Flow, UpIsGood),
        Formula::Amount("totalRevenue"),
        (
            "revenue",
            "Revenue in Analytics",
            "Purchases, subscriptions and advertising less refunds (totalRevenue), as far as events tell of them.",
        ),
    )
    .but(
        "Rounded there to whole units on most screens. It comes from events of the site and is neither what was charged nor what \
         arrived: compare it with your payment provider.",
    ),
    table(
        PAGES,
        (Dimension::Page, "pagePath"),
        "screenPageViews",
        ("Pages", "Page views by path, without host and query."),
    )
    .but("*Pages and screens* may list titles instead of paths, and has the screens of apps among them."),
    table(
        SOURCES,
        (Dimension::Source, "sessionSource"),
        "sessions",
        ("Sources", "Sessions by where they came from, such as google or (direct)."),
    )
    .but("*Traffic acquisition* lists channel groups first; choose *Session source* there."),
    table(
        COUNTRIES,
        (Dimension::Country, "countryId"),
        "sessions",
        ("Countries", "Sessions by country, as two letters of ISO 3166."),
    ),
    Row {
        id: REALTIME_USERS,
        reading: Reading::Realtime,
        formula: Formula::Count("activeUsers"),
        by: None,
        kind: Level,
        name: "Users right now",
        category: "audience",
        polarity: UpIsGood,
        description: "Different people who were active in the 30 minutes before the sync. It has no past.",
        differs: Some("The card moves on by the minute. Here it is the figure at the time of the sync."),
    },
];
