//! What is measured: one row a metric, and which of them one question feeds.

use crate::metric::{Definition, Dimension, Kind, Polarity, Unit, ValidRange, WidgetType};

pub(super) const VISITORS: &str = "plausible_visitors";
pub(super) const VISITS: &str = "plausible_visits";
pub(super) const PAGEVIEWS: &str = "plausible_pageviews";
pub(super) const VIEWS_PER_VISIT: &str = "plausible_views_per_visit";
pub(super) const BOUNCE_RATE: &str = "plausible_bounce_rate";
pub(super) const VISIT_DURATION: &str = "plausible_visit_duration";
pub(super) const EVENTS: &str = "plausible_events";
pub(super) const CURRENT_VISITORS: &str = "plausible_current_visitors";
pub(super) const CONVERSIONS: &str = "plausible_conversions";
pub(super) const CONVERSION_RATE: &str = "plausible_conversion_rate";
pub(super) const REVENUE: &str = "plausible_revenue";
pub(super) const PAGES: &str = "plausible_pages";
pub(super) const SOURCES: &str = "plausible_sources";
pub(super) const COUNTRIES: &str = "plausible_countries";

/// Days after its end during which a day is read again.
pub(super) const SETTLES_AFTER_DAYS: u16 = 1;
/// The dimension of goals.
pub(super) const GOAL: &str = "event:goal";
/// The figure that version 1 does not tell.
pub(super) const CONVERSION_RATE_FIGURE: &str = "conversion_rate";

/// What one question is about. If it fails, exactly its metrics fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The site by days.
    Days,
    /// Who is there now.
    Now,
    Goals,
    /// Apart from the other figures of goals, since not every plan and edition has it.
    Revenue,
    Pages,
    Sources,
    Countries,
}

impl Reading {
    pub(super) const ALL: [Self; 7] =
        [Self::Days, Self::Now, Self::Goals, Self::Revenue, Self::Pages, Self::Sources, Self::Countries];

    /// The stream that it is.
    pub(super) fn stream(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Now => "now",
            Self::Goals => "goals",
            Self::Revenue => "revenue",
            Self::Pages => "pages",
            Self::Sources => "sources",
            Self::Countries => "countries",
        }
    }

    /// The figures that are asked for, always these and in this order.
    pub(super) fn figures(self) -> &'static [&'static str] {
        match self {
            Self::Days => {
                &["visitors", "visits", "pageviews", "views_per_visit", "bounce_rate", "visit_duration", "events"]
            }
            Self::Now => &[],
            Self::Goals => &["visitors", "events", CONVERSION_RATE_FIGURE],
            Self::Revenue => &["total_revenue"],
            Self::Pages => &["pageviews"],
            Self::Sources | Self::Countries => &["visits"],
        }
    }

    /// The dimension, as Plausible calls it.
    pub(super) fn by(self) -> Option<&'static str> {
        match self {
            Self::Days | Self::Now => None,
            Self::Goals | Self::Revenue => Some(GOAL),
            Self::Pages => Some("event:page"),
            Self::Sources => Some("visit:source"),
            Self::Countries => Some("visit:country"),
        }
    }

    /// The metrics that it feeds.
    pub(super) fn rows(self) -> impl Iterator<Item = &'static Row> {
        METRICS.iter().filter(move |row| row.reading == self)
    }
}

/// One metric.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: &'static str,
    pub(super) reading: Reading,
    pub(super) kind: Kind,
    unit: Unit,
    name: &'static str,
    polarity: Polarity,
    description: &'static str,
    differs: Option<&'static str>,
}

impl Row {
    /// With what Plausible's own screens show instead.
    const fn but(self, differs: &'static str) -> Self {
        Self { differs: Some(differs), ..self }
    }

    /// What it is read from: the figure of a query and what it is asked by.
    fn source(&self) -> String {
        let figure = match self.id {
            CURRENT_VISITORS => return "`/api/v1/stats/realtime/visitors`".to_owned(),
            VIEWS_PER_VISIT => "pageviews`, `visits",
            CONVERSIONS => "events",
            CONVERSION_RATE => CONVERSION_RATE_FIGURE,
            REVENUE => "total_revenue",
            PAGES => "pageviews",
            SOURCES | COUNTRIES => "visits",
            id => id.trim_start_matches("plausible_"),
        };
        let by = self.reading.by().map_or_else(String::new, |by| format!(" by `{by}`"));
        format!("`/api/v2/query`: `{figure}`{by}")
    }

    /// The row as the host knows it.
    pub(super) fn definition(&self) -> Definition {
        let (dimension, category) = match self.reading {
            Reading::Days | Reading::Now => (None, "traffic"),
            Reading::Goals | Reading::Revenue => (Some(Dimension::Goal), "goals"),
            Reading::Pages => (Some(Dimension::Page), "traffic"),
            Reading::Sources => (Some(Dimension::Source), "traffic"),
            Reading::Countries => (Some(Dimension::Country), "traffic"),
        };
        // What has a total beside its parts is a chart.
        let has_total = dimension.is_none() || [CONVERSIONS, REVENUE].contains(&self.id);
        let widget_type = match self.kind {
            Kind::Level => WidgetType::Metric,
            _ if has_total => WidgetType::Chart,
            _ => WidgetType::Table,
        };
        let is_level = self.kind == Kind::Level;
        Definition {
            id: self.id.to_owned(),
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            unit: self.unit,
            category: category.to_owned(),
            widget_type,
            kind: self.kind,
            polarity: self.polarity,
            valid: if self.unit == Unit::Percent { ValidRange::Share } else { ValidRange::NotNegative },
            settles_after_days: if is_level { 0 } else { SETTLES_AFTER_DAYS },
            retention_days: is_level.then_some(1),
            definition: 1,
            dimension,
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

const fn row(
    id: &'static str,
    reading: Reading,
    (kind, unit, polarity): (Kind, Unit, Polarity),
    name: &'static str,
    description: &'static str,
) -> Row {
    Row { id, reading, kind, unit, name, polarity, description, differs: None }
}

/// What Plausible shows of rounded means.
const LAST_DIGIT: &str = "May differ in the last digit: figures differ a little by what they are asked for together with. Dashtray \
                          always asks for the same ones together.";

use Kind::{Distinct, Flow, Level, Ratio, Statistic};
use Polarity::{DownIsGood, Neutral, UpIsGood};

/// All metrics, in the order of the catalogue.
pub(super) static METRICS: [Row; 14] = [
    row(
        VISITORS,
        Reading::Days,
        (Distinct, Unit::Count, UpIsGood),
        "Visitors",
        "Different visitors. Those of a week or month are asked for as such: they are fewer than those of its days together.",
    ),
    row(VISITS, Reading::Days, (Flow, Unit::Count, UpIsGood), "Visits", "Visits: sessions of a visitor."),
    row(
        PAGEVIEWS,
        Reading::Days,
        (Flow, Unit::Count, UpIsGood),
        "Page views",
        "Pages that were viewed, each as often as it was.",
    ),
    row(
        VIEWS_PER_VISIT,
        Reading::Days,
        (Ratio, Unit::Ratio, Neutral),
        "Views per visit",
        "Page views divided by visits, unrounded, so that it holds for any number of days.",
    )
    .but(
        "Rounded there to two decimals, and the pages of a visit that passes midnight are counted with the visit; here it is \
         page views by visits of the same days.",
    ),
    row(
        BOUNCE_RATE,
        Reading::Days,
        (Statistic, Unit::Percent, DownIsGood),
        "Bounce rate",
        "The share of visits with one page view and nothing else, in whole percent as Plausible rounds it. That of a week \
         or month is asked for as such.",
    )
    .but(LAST_DIGIT),
    row(
        VISIT_DURATION,
        Reading::Days,
        (Statistic, Unit::Seconds, UpIsGood),
        "Visit duration",
        "The mean length of the visits, in whole seconds as Plausible rounds it. That of a week or month is asked for as such.",
    )
    .but(LAST_DIGIT),
    row(EVENTS, Reading::Days, (Flow, Unit::Count, UpIsGood), "Events", "Page views and custom events together."),
    row(
        CURRENT_VISITORS,
        Reading::Now,
        (Level, Unit::Count, UpIsGood),
        "Current visitors",
        "Visitors of the last five minutes, at the time of the sync.",
    )
    .but("Counted anew every half minute there. Here it is the figure at the time of the sync."),
    row(
        CONVERSIONS,
        Reading::Goals,
        (Flow, Unit::Count, UpIsGood),
        "Conversions",
        "How often goals were reached, each time counted; by goal, and of all measured goals together.",
    )
    .but("The column *Total* of the goals. *Uniques* there are the visitors who reached a goal, each once."),
    row(
        CONVERSION_RATE,
        Reading::Goals,
        (Statistic, Unit::Percent, UpIsGood),
        "Conversion rate",
        "By goal: the share of all visitors who reached it at least once. That of a week or month is asked for as such.",
    ),
    row(
        REVENUE,
        Reading::Revenue,
        (Flow, Unit::Currency, UpIsGood),
        "Goal revenue",
        "What was told to be the worth of conversions, by goal and of all measured goals together, in each goal's currency.",
    ),
    row(PAGES, Reading::Pages, (Flow, Unit::Count, UpIsGood), "Pages", "Page views by page.")
        .but("The dashboard counts visitors first. Here page views count, which may be added up."),
    row(
        SOURCES,
        Reading::Sources,
        (Flow, Unit::Count, UpIsGood),
        "Sources",
        "Visits by where they came from, in Plausible's words; those of nowhere in particular are Direct / None.",
    )
    .but("The dashboard counts visitors first. Here visits count, which may be added up."),
    row(
        COUNTRIES,
        Reading::Countries,
        (Flow, Unit::Count, UpIsGood),
        "Countries",
        "Visits by country, as two letters of ISO 3166.",
    )
    .but("The dashboard counts visitors first. Here visits count, which may be added up."),
];
