//! Metric ids as arguments.

use super::failure::Failure;
use crate::{integrations::Registry, nearest::nearest};

/// Refuses a metric that no integration has, and names the nearest.
pub(super) fn check(registry: &Registry, metric_id: &str) -> Result<(), Failure> {
    let descriptors: Vec<_> = registry.descriptors().collect();
    let known = || descriptors.iter().flat_map(|descriptor| descriptor.metrics.iter().map(|metric| metric.id.as_str()));
    if known().any(|id| id == metric_id) {
        return Ok(());
    }
    let shown: String = metric_id.chars().filter(|c| !c.is_control()).take(80).collect();
    let hint = match nearest(metric_id, known()) {
        Some(id) => format!("did you mean {id}?"),
        None => "`dashtray integrations ID` lists the metrics of an integration".to_owned(),
    };
    Err(Failure::usage("unknown_metric", format!("there is no metric \"{shown}\"; {hint}")))
}
