//! `dashtray get`

use serde_json::json;

use super::{
    Invocation, ProjectArg,
    dates::Dates,
    failure::{Done, Failure},
    output::{number, table, text},
    sparkline::sparkline,
};
use crate::{
    metric::{Interval, Quality, Unit},
    series::{self, GetRequest, Number, PointView, SeriesView},
};

/// Show a metric over time
///
/// One series for each connection and currency. Both dates are inclusive; weeks are ISO weeks. A day that is not known is
/// shown as such, never as zero.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray get stripe_mrr\n  \
    dashtray get stripe_revenue --from 2026-01-01 --to 2026-03-31 --interval month\n  \
    dashtray get github_commits --by-dimension --csv > commits.csv")]
pub(super) struct Args {
    /// The metric, as in `dashtray integrations ID`
    #[arg(value_name = "METRIC")]
    metric: String,
    /// Only this connection, by name or id
    #[arg(long, value_name = "C")]
    connection: Option<String>,
    #[command(flatten)]
    dates: Dates,
    /// day, week or month
    #[arg(long, value_name = "INTERVAL", default_value = "day")]
    interval: Interval,
    /// One series for each plan, repository, … instead of the total
    #[arg(long)]
    by_dimension: bool,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    args.dates.check(invocation.config().clock().now())?;
    let app = invocation.open().await?;
    let owner = app.registry.descriptors().find(|descriptor| descriptor.metric(&args.metric).is_some());
    let now = app.connections.now_for(owner.as_ref().map_or("", |descriptor| descriptor.id.as_str()));
    let request = GetRequest {
        project: args.project.project,
        metric_id: args.metric,
        connection: args.connection,
        from: args.dates.from,
        to: args.dates.to,
        interval: args.interval,
        by_dimension: args.by_dimension,
        now,
    };
    let series = series::get(&app.store, &app.registry, &request).await?;
    if args.csv {
        invocation.out.print(&csv(&series))?;
        return Ok(Done::All);
    }
    if series.is_empty() && !invocation.out.json {
        invocation.out.note("nothing is known of it yet; `dashtray sync` reads it");
    }
    let view = json!({"series": series});
    invocation.out.show(&view, |_| series.iter().map(human).collect::<Vec<_>>().join("\n"))?;
    Ok(Done::All)
}

fn human(series: &SeriesView) -> String {
    // A share of money has both.
    let unit = (series.unit != Unit::Currency).then(|| series.unit.name().to_owned());
    let mut facts: Vec<String> = unit.into_iter().chain(series.currency.map(|code| code.to_string())).collect();
    facts.extend(series.dimension.clone());
    facts.extend(series.label.clone());
    if series.converted {
        facts.push("converted".to_owned());
    }
    facts.push(format!("days end in {}", series.zone));
    let mut out = format!("{} ({}), {}\n", series.name, series.metric_id, facts.join(", "));
    let heights: Vec<Option<f64>> = series.points.iter().map(|point| point.value.as_ref().and_then(height)).collect();
    if heights.iter().any(Option::is_some) {
        out.push_str(&format!("{}\n", sparkline(&heights)));
    }
    let mut rows = table(&["date", "value", "state", "note"]);
    for run in series.points.chunk_by(is_same_gap) {
        match run {
            [first, .., last] if run.len() > 2 => {
                let dates = format!("{} … {}", first.date, last.date);
                let note = format!("{} times: {}", run.len(), note(first));
                rows.add_row([dates.into(), number("-".to_owned()), first.state.name().into(), note.into()]);
            }
            few => few.iter().for_each(|point| {
                let value = point.value.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
                let (date, state) = (point.date.to_string(), point.state.name());
                rows.add_row([date.into(), number(value), state.into(), note(point).into()]);
            }),
        }
    }
    out + &text(&rows)
}

/// Whether two points are unknown for one reason, so that one line tells of both.
fn is_same_gap(one: &PointView, other: &PointView) -> bool {
    one.value.is_none() && other.value.is_none() && one.state == other.state && note(one) == note(other)
}

/// How high a bar is. For the eye alone: nothing is computed with it.
fn height(value: &Number) -> Option<f64> {
    value.to_string().parse().ok()
}

fn note(point: &PointView) -> String {
    let mut notes: Vec<&str> = point.reason.iter().map(String::as_str).collect();
    if point.provisional {
        notes.push("provisional");
    }
    if point.stale {
        notes.push("stale");
    }
    if point.quality != Quality::Exact {
        notes.push(quality(point.quality));
    }
    notes.join(", ")
}

fn quality(quality: Quality) -> &'static str {
    match quality {
        Quality::Exact => "exact",
        Quality::Reconstructed => "reconstructed",
        Quality::Estimated => "estimated",
    }
}

fn csv(series: &[SeriesView]) -> String {
    let mut out =
        "date,metric_id,connection_id,dimension,currency,converted,value,state,reason,provisional,stale,quality\n"
            .to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Currency, FailureKind, Kind, State};

    fn point(date: &str, value: Option<Number>, state: State) -> PointView {
        PointView {
            date: date.parse().unwrap(),
            value,
            state,
            reason: None,
            provisional: false,
            stale: false,
            quality: Quality::Exact,
            metadata: None,
        }
    }

    fn series() -> SeriesView {
        let decimal = |text: &str| Some(Number::Decimal(text.to_owned()));
        let failed = point("2026-03-02", None, State::Failed(FailureKind::Unavailable));
        let today = point("2026-03-03", decimal("124.80"), State::Value);
        SeriesView {
            metric_id: "stripe_mrr".to_owned(),
            name: "MRR".to_owned(),
            unit: Unit::Currency,
            currency: Some(Currency::USD),
            kind: Kind::Level,
            zone: "UTC".to_owned(),
            connection_id: uuid::Uuid::nil(),
            dimension: Some("Basic, \"old\"".to_owned()),
            label: None,
            converted: false,
            points: vec![
                point("2026-03-01", decimal("62.40"), State::Value),
                PointView { reason: Some("no answer".to_owned()), ..failed },
                PointView { provisional: true, quality: Quality::Estimated, ..today },
            ],
        }
    }

    #[test]
    fn a_long_gap_is_one_line_that_says_how_long() {
        let mut series = series();
        series.points = ["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04"]
            .map(|date| point(date, None, State::Pending))
            .to_vec();
        series.points.iter_mut().for_each(|point| point.reason = Some("not read yet".to_owned()));
        series.points.push(point("2026-03-05", Some(Number::Integer(3)), State::Value));
        insta::assert_snapshot!(human(&series), @r#"
        MRR (stripe_mrr), USD, Basic, "old", days end in UTC
            █
        DATE                     VALUE  STATE    NOTE
        2026-03-01 … 2026-03-04      -  pending  4 times: not read yet
        2026-03-05                   3  value
        "#);
    }

    #[test]
    fn a_series_is_a_line_and_a_table_in_which_gaps_are_seen() {
        insta::assert_snapshot!(human(&series()), @r#"
        MRR (stripe_mrr), USD, Basic, "old", days end in UTC
        ▅ █
        DATE        VALUE   STATE   NOTE
        2026-03-01   62.40  value
        2026-03-02       -  failed  no answer
        2026-03-03  124.80  value   provisional, estimated
        "#);
    }

    #[test]
    fn a_share_of_money_says_of_which() {
        let share = SeriesView { unit: Unit::Percent, dimension: None, ..series() };
        assert!(human(&share).starts_with("MRR (stripe_mrr), percent, USD, days end in UTC"), "{}", human(&share));
    }

    #[test]
    fn csv_quotes_what_needs_it_and_leaves_unknown_values_empty() {
        insta::assert_snapshot!(csv(&[series()]), @r#"
        date,metric_id,connection_id,dimension,currency,converted,value,state,reason,provisional,stale,quality
        2026-03-01,stripe_mrr,00000000-0000-0000-0000-000000000000,"Basic, ""old""",USD,false,62.40,value,,false,false,exact
        2026-03-02,stripe_mrr,00000000-0000-0000-0000-000000000000,"Basic, ""old""",USD,false,,failed,no answer,false,false,exact
        2026-03-03,stripe_mrr,00000000-0000-0000-0000-000000000000,"Basic, ""old""",USD,false,124.80,value,,true,false,estimated
        "#);
    }

    #[test]
    fn json_has_decimal_strings_and_integers_for_counts() {
        let mut view = series();
        view.points = vec![point("2026-03-01", Some(Number::Integer(7)), State::Value)];
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["points"][0]["value"], json!(7));
        assert_eq!(serde_json::to_value(series()).unwrap()["points"][0]["value"], json!("62.40"));
        assert_eq!(serde_json::to_value(series()).unwrap()["points"][1]["value"], json!(null));
    }
}
