//! Plain types of what is measured: values and their units, definitions, civil days, periods, samples and states.
//!
//! Nothing here reads a clock, a file or a socket. Three rules are held by the types:
//!
//! - stored values are integers in their smallest unit ([`Value`]); in between, arithmetic is exact ([`Exact`]) and
//!   is rounded once, half away from zero ([`exact::round`]);
//! - money carries its currency and two amounts are added only where the currencies agree ([`Money::checked_add`]);
//! - whether values of several days may be combined, and how, follows from the metric's [`Kind`]: see [`combine()`].

pub mod combine;
mod currency;
mod day;
mod definition;
pub mod exact;
mod receipt;
mod sample;
mod state;
mod unit;
mod value;

pub use combine::{CombineError, combine};
pub use currency::{Currency, CurrencyMismatch, InvalidCurrency, Money};
pub use day::{Day, Interval, InvalidDate, Period, UnknownZone, Zone};
pub use definition::{Definition, Dimension, ExchangeEffect, Polarity, ValidRange, WidgetType};
pub use exact::Exact;
pub use receipt::{Alternative, Excluded, Other, Receipt, Term};
pub use sample::{Answer, Sample, Scope};
pub use state::{FailureKind, Mark, Quality, State};
pub use unit::{Kind, Unit};
pub use value::{Value, ValueMismatch};
