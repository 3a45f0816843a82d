//! Series and receipts as they leave: the same JSON on the command line and in the API.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::metric::{Currency, Day, Kind, Quality, Receipt, State, Unit};

/// One series: of one connection, one currency and one value of the dimension.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeriesView {
    /// The metric.
    pub metric_id: String,
    /// Its name.
    pub name: String,
    /// What values are counted in.
    pub unit: Unit,
    /// Set where values are money.
    pub currency: Option<Currency>,
    /// What may be done with values of several days.
    pub kind: Kind,
    /// Whose midnight ends a day.
    pub zone: String,
    /// The connection it was read through.
    pub connection_id: Uuid,
    /// Value of the dimension; `None` for the total.
    pub dimension: Option<String>,
    /// What people call that value, where it is not the value itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether it was converted into the reporting currency.
    pub converted: bool,
    /// The points, oldest first, without a gap.
    pub points: Vec<PointView>,
    /// All days up to the newest that was answered as one point, dated by that day; `None` where they make no one value,
    /// and where nobody asked for it ([`super::get_each`] does).
    #[serde(skip)]
    pub whole: Option<PointView>,
}

/// One day, week or month of a series.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PointView {
    /// The day, or the first day of the week or month.
    pub date: Day,
    /// The value; `None` where the state has none.
    pub value: Option<Number>,
    /// What is known.
    pub state: State,
    /// Why there is no value.
    pub reason: Option<String>,
    /// The provider may still restate it.
    pub provisional: bool,
    /// A later read failed; the last good value stands.
    pub stale: bool,
    /// How the value was come by.
    pub quality: Quality,
    /// Further facts.
    pub metadata: Option<Map<String, Json>>,
}

/// One point with what its series is: a line of a list or an export.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct RowView<'a> {
    /// The metric.
    pub metric_id: &'a str,
    /// The connection it was read through.
    pub connection_id: Uuid,
    /// Value of the dimension; `None` for the total.
    pub dimension: Option<&'a str>,
    /// What values are counted in.
    pub unit: Unit,
    /// Set where values are money.
    pub currency: Option<Currency>,
    /// The point itself.
    #[serde(flatten)]
    pub point: &'a PointView,
}

impl SeriesView {
    /// Its points as lines.
    pub fn rows(&self) -> impl Iterator<Item = RowView<'_>> {
        self.points.iter().map(|point| RowView {
            metric_id: &self.metric_id,
            connection_id: self.connection_id,
            dimension: self.dimension.as_deref(),
            unit: self.unit,
            currency: self.currency,
            point,
        })
    }
}

/// A normalised value. Counts and bytes leave as JSON integers, everything else as decimal strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// A whole number of things or bytes.
    Integer(i64),
    /// A decimal such as `124.80`.
    Decimal(String),
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Decimal(text) => serializer.serialize_str(text),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
            Self::Decimal(text) => f.write_str(text),
        }
    }
}

/// The newest receipt of a metric, with the connection that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReceiptView {
    /// The connection it was read through.
    pub connection_id: Uuid,
    /// How the value came about.
    #[serde(flatten)]
    pub receipt: Receipt,
}
