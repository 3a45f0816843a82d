//! What an integration hands in.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::{Day, Period, Quality, Value};

/// The provider answered: for one metric, over one period, these are the values.
///
/// The answer covers *every* day of its period. A day without a sample is not a gap: it is `zero` where the metric is
/// a flow, level or distinct count, and `empty` where it is a ratio or statistic. So an integration never writes zeros
/// by hand, and never leaves a hole by accident.
///
/// What a day leaves unsaid is as sure as the least sure of what it says, and exact where it says nothing: a day that is
/// rebuilt and comes to nothing says so with a zero of that quality.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Which metric.
    pub metric_id: String,
    /// Which of its series the answer speaks of.
    pub scope: Scope,
    /// The days it covers.
    pub period: Period,
    /// The values, at most one a day, dimension value and currency.
    pub samples: Vec<Sample>,
    /// What people call values of the dimension, where that is not the value itself: the name of a plan.
    pub labels: BTreeMap<String, String>,
}

/// Which series of a metric an answer speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The series without dimension.
    Total,
    /// One value of the dimension, such as one repository.
    One(String),
    /// Every value of the dimension: those that are not mentioned are zero. Not the total.
    EveryDimension,
}

/// One value of one day.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The civil day in the connection's zone.
    pub day: Day,
    /// The value of the dimension; `None` for the total. Must agree with the scope.
    pub dimension: Option<String>,
    /// `None` when the provider answered and the value is undefined.
    pub value: Option<Value>,
    /// How sure the value is.
    pub quality: Quality,
    /// Further facts. Small, and few: each is a row.
    pub metadata: Option<Map<String, Json>>,
}

impl Answer {
    /// An answer about the series without dimension.
    pub fn total(metric_id: &str, period: Period, samples: Vec<Sample>) -> Self {
        Self::new(metric_id, Scope::Total, period, samples)
    }

    /// An answer about one value of the dimension.
    pub fn one(metric_id: &str, dimension: &str, period: Period, samples: Vec<Sample>) -> Self {
        Self::new(metric_id, Scope::One(dimension.to_owned()), period, samples)
    }

    /// An answer about all values of the dimension.
    pub fn every_dimension(metric_id: &str, period: Period, samples: Vec<Sample>) -> Self {
        Self::new(metric_id, Scope::EveryDimension, period, samples)
    }

    /// An answer about the series of a scope.
    pub fn new(metric_id: &str, scope: Scope, period: Period, samples: Vec<Sample>) -> Self {
        Self { metric_id: metric_id.to_owned(), scope, period, samples, labels: BTreeMap::new() }
    }

    /// The same with what people call values of the dimension.
    #[must_use]
    pub fn labelled(self, labels: BTreeMap<String, String>) -> Self {
        Self { labels, ..self }
    }
}

impl Sample {
    /// An exact value of a day.
    pub fn new(day: Day, value: impl Into<Option<Value>>) -> Self {
        Self { day, dimension: None, value: value.into(), quality: Quality::Exact, metadata: None }
    }

    /// The same for a value of the dimension.
    #[must_use]
    pub fn of(mut self, dimension: &str) -> Self {
        self.dimension = Some(dimension.to_owned());
        self
    }

    /// The same with another quality.
    #[must_use]
    pub fn with_quality(mut self, quality: Quality) -> Self {
        self.quality = quality;
        self
    }

    /// The same with one more fact.
    #[must_use]
    pub fn with(mut self, key: &str, fact: impl Into<Json>) -> Self {
        self.metadata.get_or_insert_with(Map::new).insert(key.to_owned(), fact.into());
        self
    }
}
