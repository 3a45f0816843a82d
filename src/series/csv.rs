//! Series as a table for programs that take no JSON.

use super::SeriesView;
use crate::metric::Quality;

/// The names of the columns.
pub const HEAD: &str =
    "date,metric_id,connection_id,dimension,currency,converted,value,state,reason,provisional,stale,quality\n";

/// Series as comma-separated values: a line a point, with the names of the columns first.
pub fn csv(series: &[SeriesView]) -> String {
    format!("{HEAD}{}", rows(series))
}

/// The lines of points alone, in the columns of [`HEAD`].
pub fn rows(series: &[SeriesView]) -> String {
    let mut out = String::new();
    for series in series {
        for point in &series.points {
            let fields = [
                point.date.to_string(),
                series.metric_id.clone(),
                series.connection_id.to_string(),
                series.dimension.clone().unwrap_or_default(),
                series.currency.map(|code| code.to_string()).unwrap_or_default(),
                series.converted.to_string(),
                point.value.as_ref().map(ToString::to_string).unwrap_or_default(),
                point.state.name().to_owned(),
                point.reason.clone().unwrap_or_default(),
                point.provisional.to_string(),
                point.stale.to_string(),
                quality(point.quality).to_owned(),
            ];
            out.push_str(&fields.map(|field| quoted(&field)).join(","));
            out.push('\n');
        }
    }
    out
}

/// A field as RFC 4180 has it.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

fn quality(quality: Quality) -> &'static str {
    match quality {
        Quality::Exact => "exact",
        Quality::Reconstructed => "reconstructed",
        Quality::Estimated => "estimated",
    }
}
