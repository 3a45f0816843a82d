//! The metrics, and what becomes of the answers.

use super::{
    super::{Shape, Stream},
    api::{DayRevenue, Users},
};
use crate::{
    http::Error,
    metric::{
        Answer, Currency, Day, Definition, Kind, Money, Period, Polarity, Sample, Unit, ValidRange, Value, WidgetType,
        exact,
    },
};

pub(super) const USERS: &str = "__FOLDER___users";
pub(super) const REVENUE: &str = "__FOLDER___revenue";

/// What is read, and what it costs.
pub(super) fn streams() -> Vec<Stream> {
    vec![
        Stream {
            id: "users".to_owned(),
            shape: Shape::WholeAccount,
            version: 1,
            cost: "one call".to_owned(),
            periods: false,
        },
        Stream {
            id: "revenue".to_owned(),
            shape: Shape::ByDay { window_days: 30 },
            version: 1,
            cost: "one call for each 30 days".to_owned(),
            periods: false,
        },
    ]
}

/// The table of metrics: adding one is adding a row.
pub(super) fn definitions() -> Vec<Definition> {
    vec![
        Definition {
            id: USERS.to_owned(),
            name: "Total Users".to_owned(),
            description: "Total number of users".to_owned(),
            unit: Unit::Count,
            category: "users".to_owned(),
            widget_type: WidgetType::Metric,
            kind: Kind::Level,
            polarity: Polarity::UpIsGood,
            valid: ValidRange::NotNegative,
            settles_after_days: 0,
            // The provider knows only how many there are now.
            retention_days: Some(1),
            definition: 1,
            dimension: None,
            stream: "users".to_owned(),
            source: "`/v1/stats/users`".to_owned(),
            differs: None,
            explained: false,
            of_money: false,
            exchange_effect: None,
        },
        Definition {
            id: REVENUE.to_owned(),
            name: "Revenue".to_owned(),
            description: "Total revenue".to_owned(),
            unit: Unit::Currency,
            category: "revenue".to_owned(),
            widget_type: WidgetType::Chart,
            kind: Kind::Flow,
            polarity: Polarity::UpIsGood,
            valid: ValidRange::Any,
            settles_after_days: 1,
            retention_days: None,
            definition: 1,
            dimension: None,
            stream: "revenue".to_owned(),
            source: "`/v1/stats/revenue`".to_owned(),
            differs: Some("Days there end at midnight in your own zone, and here at midnight UTC.".to_owned()),
            explained: false,
            of_money: false,
            exchange_effect: None,
        },
    ]
}

/// Today's number. Of other days the provider says nothing, and so does the answer.
pub(super) fn users(users: &Users, today: Day, period: Period) -> Answer {
    let answered = period.intersect(Period::single(today));
    let samples = answered.days().map(|day| Sample::new(day, Value::Count(users.users))).collect();
    Answer::total(USERS, answered, samples)
}

/// The days of the period. Days that the provider leaves out had no revenue.
pub(super) fn revenue(days: &[DayRevenue], period: Period) -> Result<Answer, Error> {
    let mut samples = Vec::new();
    for day in days.iter().filter(|day| period.contains(day.date)) {
        samples.push(Sample::new(day.date, Value::Money(dollars(day.amount.get())?)));
    }
    Ok(Answer::total(REVENUE, period, samples))
}

/// Dollars, as the decimal that the provider wrote, in whole cents.
fn dollars(amount: &str) -> Result<Money, Error> {
    let cents = exact::parse_decimal(amount).and_then(|exact| exact::round_scaled(&exact, Currency::USD.digits()));
    let cents = cents.ok_or_else(|| Error::invalid_response("data.amount is not a decimal number"))?;
    Ok(Money::new(cents, Currency::USD))
}
