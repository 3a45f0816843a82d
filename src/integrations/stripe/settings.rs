//! What the user may choose about how recurring revenue is counted (providers.md 8.1 and 8.2).

use super::{
    answers::Subscription,
    mrr::{self, Around},
    price::Unreadable,
};
use crate::{
    integrations::{Choice, SettingField, SettingKind, Settings},
    metric::{Exact, exact},
};

/// The switches of the engine. The first value of each is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) discounts: Counted,
    pub(super) past_due: bool,
    pub(super) max_past_due_days: Option<i64>,
    pub(super) paused: bool,
    pub(super) cancel_at_request: bool,
    pub(super) factors: Factors,
}

/// Which discounts reduce MRR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    Recurring,
    None,
    Forever,
    All,
}

/// How weeks and days become months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Factors {
    Exact,
    Paddle,
    AverageYear,
    Simple,
}

impl Rules {
    /// Reads the user's settings.
    pub(super) fn new(settings: &Settings) -> Self {
        let chosen = |key: &str, value: &str| settings.text(key) == Some(value);
        Self {
            discounts: match settings.text("discounts") {
                Some("none") => Counted::None,
                Some("forever") => Counted::Forever,
                Some("all") => Counted::All,
                _ => Counted::Recurring,
            },
            past_due: !chosen("past_due", "exclude"),
            max_past_due_days: settings.integer("max_past_due_days"),
            paused: chosen("paused", "include"),
            cancel_at_request: chosen("cancel_at_period_end", "at_request"),
            factors: match settings.text("interval_factors") {
                Some("paddle") => Factors::Paddle,
                Some("average_year") => Factors::AverageYear,
                Some("simple") => Factors::Simple,
                _ => Factors::Exact,
            },
        }
    }
}

/// Rules that differ from those in force in one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alternative {
    pub(super) setting: &'static str,
    pub(super) value: &'static str,
    /// What it would mean, as the beginning of a sentence.
    pub(super) clause: &'static str,
    pub(super) rules: Rules,
}

impl Rules {
    /// What could have been chosen instead, one setting at a time.
    pub(super) fn alternatives(&self) -> Vec<Alternative> {
        let mut all = Vec::new();
        let mut offer = |setting, value, clause, rules: Self| {
            if rules != *self {
                all.push(Alternative { setting, value, clause, rules });
            }
        };
        let discounts = |discounts| Self { discounts, ..self.clone() };
        offer("discounts", "recurring", "with forever and repeating discounts alone", discounts(Counted::Recurring));
        offer("discounts", "none", "with no discount taken off", discounts(Counted::None));
        offer("discounts", "forever", "with discounts that end not taken off", discounts(Counted::Forever));
        offer("discounts", "all", "with one-off discounts taken off too", discounts(Counted::All));
        let past_due = |past_due| Self { past_due, ..self.clone() };
        offer("past_due", "exclude", "with past due left out", past_due(false));
        offer("past_due", "include", "with past due counted", past_due(true));
        let paused = |paused| Self { paused, ..self.clone() };
        offer("paused", "include", "with paused collection counted", paused(true));
        offer("paused", "exclude", "with paused collection left out", paused(false));
        let at_request = |cancel_at_request| Self { cancel_at_request, ..self.clone() };
        offer("cancel_at_period_end", "at_request", "with cancellations counted at once", at_request(true));
        offer(
            "cancel_at_period_end",
            "at_period_end",
            "with cancellations counted at their period's end",
            at_request(false),
        );
        let factors = |factors| Self { factors, ..self.clone() };
        offer("interval_factors", "exact", "with weeks of 52/12 and days of 365/12", factors(Factors::Exact));
        offer("interval_factors", "paddle", "with weeks of 4.33 and days of 30", factors(Factors::Paddle));
        offer(
            "interval_factors",
            "average_year",
            "with the average year of 365.25 days",
            factors(Factors::AverageYear),
        );
        offer("interval_factors", "simple", "with weeks of 4 and days of 30", factors(Factors::Simple));
        all
    }
}

impl Alternative {
    /// Whether it can make a difference to a subscription.
    pub(super) fn concerns(&self, sub: &Subscription, around: &Around) -> bool {
        match self.setting {
            "discounts" => mrr::has_discounts(sub, around),
            "past_due" => sub.status == "past_due",
            "paused" => sub.pause_collection.is_some(),
            "cancel_at_period_end" => sub.cancel_at_period_end || sub.cancel_at.is_some(),
            _ => sub
                .items
                .data
                .iter()
                .filter_map(|item| item.price.recurring.as_ref())
                .any(|recurring| matches!(recurring.interval.as_str(), "week" | "day")),
        }
    }
}

impl Counted {
    /// Whether a coupon of this duration reduces MRR.
    pub(super) fn holds(self, duration: &str) -> Result<bool, Unreadable> {
        match (self, duration) {
            (Self::None, _) | (Self::Forever, "repeating") | (_, "once") => Ok(self == Self::All),
            (Self::All, _) | (_, "forever") | (Self::Recurring, "repeating") => Ok(true),
            _ => Err("a discount lasts in an unknown way"),
        }
    }
}

impl Factors {
    /// How many of an interval a month has (providers.md 8.2); `None` for an interval that Stripe does not have.
    pub(super) fn per_month(self, interval: &str) -> Option<Exact> {
        match (interval, self) {
            ("month", _) => exact::fraction(1, 1),
            ("year", _) => exact::fraction(1, 12),
            ("week", Self::Exact) => exact::fraction(52, 12),
            ("week", Self::Paddle) => exact::fraction(433, 100),
            ("week", Self::AverageYear) => exact::fraction(36_525, 100 * 12 * 7),
            ("week", Self::Simple) => exact::fraction(4, 1),
            ("day", Self::Exact) => exact::fraction(365, 12),
            ("day", Self::Paddle | Self::Simple) => exact::fraction(30, 1),
            ("day", Self::AverageYear) => exact::fraction(36_525, 100 * 12),
            _ => None,
        }
    }
}

/// The settings as the descriptor lists them.
pub(super) fn fields() -> Vec<SettingField> {
    vec![
        choice(
            "discounts",
            "Discounts",
            "Which discounts reduce MRR.",
            &[
                ("recurring", "Forever and active repeating ones"),
                ("none", "None"),
                ("forever", "Only those forever"),
                ("all", "All, one-off ones too"),
            ],
        ),
        choice(
            "past_due",
            "Past due",
            "Whether subscriptions with an overdue payment count.",
            &[("include", "They count"), ("exclude", "They do not")],
        ),
        SettingField {
            key: "max_past_due_days".to_owned(),
            label: "Longest past due".to_owned(),
            help_text: "After so many days past due a subscription no longer counts. Empty: no limit.".to_owned(),
            kind: SettingKind::Integer { min: 0, max: 3650 },
            default: None,
            affects: vec!["subscriptions".to_owned()],
        },
        choice(
            "paused",
            "Paused collection",
            "Whether subscriptions count whose invoices are voided or marked uncollectible for now.",
            &[("exclude", "They do not"), ("include", "They count")],
        ),
        choice(
            "cancel_at_period_end",
            "Cancellation",
            "When a subscription that was cancelled for the end of its period stops counting.",
            &[("at_period_end", "When the period ends"), ("at_request", "At once")],
        ),
        choice(
            "interval_factors",
            "Weeks and days",
            "How weekly and daily prices become monthly.",
            &[
                ("exact", "52/12 and 365/12"),
                ("paddle", "4.33 and 30"),
                ("average_year", "365.25/84 and 365.25/12"),
                ("simple", "4 and 30"),
            ],
        ),
        SettingField {
            key: "reporting_currency".to_owned(),
            label: "Reporting currency".to_owned(),
            help_text: "Adds series converted to this currency where exchange rates are loaded. Empty: none."
                .to_owned(),
            kind: SettingKind::Currency,
            default: None,
            affects: Vec::new(),
        },
    ]
}

/// A choice whose first value is the default. All of them change what the subscriptions stream computes.
fn choice(key: &str, label: &str, help_text: &str, values: &[(&str, &str)]) -> SettingField {
    SettingField {
        key: key.to_owned(),
        label: label.to_owned(),
        help_text: help_text.to_owned(),
        kind: SettingKind::Choice {
            values: values
                .iter()
                .map(|(value, label)| Choice { value: (*value).to_owned(), label: (*label).to_owned() })
                .collect(),
        },
        default: values.first().map(|(value, _)| (*value).to_owned()),
        affects: vec!["subscriptions".to_owned()],
    }
}
