//! What dashboards and the page of a metric are made of: the days they show, pictures of series, and widgets.

pub(super) mod beside;
pub(super) mod card;
pub(super) mod chart;
pub(super) mod dates;
pub(super) mod drawing;
pub(super) mod plot;
pub(super) mod progress;
pub(super) mod range;
pub(super) mod read;
pub(super) mod rows;
pub(super) mod standing;

#[cfg(test)]
mod tests;
