//! What stands beside a metric's chart: its receipt, what was changed after the fact, and the runs that read it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    range::bucket_name,
    read::{Board, Shown},
};
use crate::{
    app::App,
    integrations::Descriptor,
    metric::{Alternative, Day, Definition, Interval, Receipt, Value},
    series::{
        self, Number,
        format::{self, Figure},
    },
    store::Connection,
    web::Error,
};

const RUNS: u32 = 8;
const TERMS: usize = 12;

/// A receipt in words.
pub(in crate::web) struct Explained {
    pub(in crate::web) receipt: Receipt,
    pub(in crate::web) date: String,
    pub(in crate::web) value: String,
    pub(in crate::web) terms: Vec<(String, String)>,
    pub(in crate::web) other: Option<(u64, String)>,
    pub(in crate::web) excluded: Vec<(String, u64, String)>,
    /// What other settings would make of it, with its sign.
    pub(in crate::web) alternatives: Vec<(String, String)>,
}

/// A value that the provider changed after the fact.
pub(in crate::web) struct Restated {
    /// Of a day, or of the week or month that begins on it.
    pub(in crate::web) day: Day,
    pub(in crate::web) name: String,
    pub(in crate::web) old: String,
    pub(in crate::web) at: String,
}

/// That a metric is reckoned otherwise than before.
pub(in crate::web) struct Changed {
    pub(in crate::web) day: Day,
    pub(in crate::web) words: String,
}

/// A run that read the metric.
pub(in crate::web) struct Wrote {
    pub(in crate::web) at: String,
    pub(in crate::web) age: String,
    pub(in crate::web) outcome: String,
    pub(in crate::web) connection: String,
    pub(in crate::web) address: String,
}

pub(in crate::web) async fn explained(
    app: &App,
    board: &Board,
    metric: &Definition,
) -> Result<Option<Explained>, Error> {
    let view = match series::explain(&app.store, &app.registry, &board.project.slug, &metric.id, None, None).await {
        Ok(view) => view,
        Err(series::Error::NoReceipt(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let receipt = view.receipt;
    let amount = |text: &str| {
        let figure = Figure::of(&Number::Decimal(text.to_owned()), metric.unit, receipt.currency);
        figure.map_or_else(|| text.to_owned(), |figure| figure.full())
    };
    let (named, rest) = receipt.terms.split_at(receipt.terms.len().min(TERMS));
    let others = receipt.other.count.saturating_add(u64::try_from(rest.len()).unwrap_or(u64::MAX));
    // What is not named one by one adds up to one line, in the exact decimals of the receipt.
    let rest = rest.iter().map(|term| term.amount.as_str()).chain([receipt.other.amount.as_str()]);
    let sum =
        rest.filter_map(crate::metric::exact::parse_decimal).fold(crate::metric::exact::from_int(0), |a, b| &a + &b);
    let sum = Figure::new(sum, metric.unit, receipt.currency).full();
    Ok(Some(Explained {
        date: bucket_name(receipt.date, Interval::Day, board.range.today),
        value: amount(&receipt.value),
        terms: named.iter().map(|term| (term.label.chars().take(120).collect(), amount(&term.amount))).collect(),
        other: (others > 0).then_some((others, sum)),
        excluded: receipt.excluded.iter().map(|one| (one.reason.clone(), one.count, amount(&one.amount))).collect(),
        alternatives: receipt.alternatives.iter().map(|one| alternative(one, &amount)).collect(),
        receipt,
    }))
}

/// The sentence ends in the amount, which stands beside it here, written like all others.
fn alternative(one: &Alternative, amount: &impl Fn(&str) -> String) -> (String, String) {
    let size = one.amount.trim_start_matches('-');
    let is_less = size != one.amount;
    let ending = format!(" {size} {}", if is_less { "less" } else { "more" });
    let clause = one.sentence.strip_suffix(&ending).unwrap_or(&one.sentence);
    (clause.to_owned(), format!("{}{}", if is_less { "" } else { "+" }, amount(&one.amount)))
}

/// The newest changes first.
pub(in crate::web) async fn restated(app: &App, board: &Board, shown: &Shown) -> Result<Vec<Restated>, Error> {
    let (metric, grains) = (&shown.definition, shown.descriptor.grains(&shown.definition));
    // Weeks and months that were read as such have values of their own, and so changes of their own.
    let grain = if grains.contains(&shown.interval) { shown.interval } else { Interval::Day };
    let mut found = Vec::new();
    for connection in of_it(board, &shown.descriptor) {
        let series = app.store.series(connection.key, grain, Some(&[&metric.id])).await?;
        let series: Vec<_> = series.into_iter().filter(|row| row.dimension.is_empty()).collect();
        let ids: Vec<i64> = series.iter().map(|row| row.id).collect();
        for one in app.store.restatements(board.project.id, &ids, grain.whole(board.range.period)).await? {
            let currency = series.iter().find(|row| row.id == one.old.series_id).and_then(|row| row.currency);
            let value = one.old.value.and_then(|value| {
                Value::from_parts(metric.unit, metric.kind, currency, value, one.old.denominator)?
                    .normalised(metric.unit)
            });
            let old = value.and_then(|text| Figure::of(&Number::Decimal(text), metric.unit, currency));
            found.push((one.changed_at, one.old.day, old));
        }
    }
    found.sort_by_key(|(at, day, _)| std::cmp::Reverse((*at, *day)));
    let words = |(at, day, old): (Timestamp, Day, Option<Figure>)| Restated {
        day,
        name: bucket_name(day, grain, board.range.today),
        old: old.map_or_else(|| "no value".to_owned(), |old| old.full()),
        at: format::instant(at),
    };
    Ok(found.into_iter().map(words).collect())
}

/// What was changed, by the first day of the chart's day, week or month that holds it.
pub(in crate::web) fn notes(restated: &[Restated], interval: Interval) -> BTreeMap<Day, String> {
    let mut of_bucket: BTreeMap<Day, Vec<&Restated>> = BTreeMap::new();
    for one in restated {
        of_bucket.entry(interval.bucket(one.day).start()).or_default().push(one);
    }
    let words = |changes: &[&Restated]| match changes {
        [only] => format!("changed after the fact: was {} until {}", only.old, only.at),
        many => format!("changed after the fact, {} times", many.len()),
    };
    of_bucket.into_iter().map(|(day, changes)| (day, words(&changes))).collect()
}

/// When the formula or the settings became others, within the range.
pub(in crate::web) async fn changed(app: &App, board: &Board, shown: &Shown) -> Result<Vec<Changed>, Error> {
    let mut found = Vec::new();
    for connection in of_it(board, &shown.descriptor) {
        let Some(at) = app.store.stream_changed_at(connection.key, &shown.definition.stream).await? else { continue };
        let day = Day::of(at, &connection.settings.zone);
        if board.range.period.contains(day) {
            let name = bucket_name(day, Interval::Day, board.range.today);
            found.push(Changed { day, words: format!("settings or formula of {} changed {name}", connection.name) });
        }
    }
    Ok(found)
}

fn of_it<'a>(board: &'a Board, descriptor: &'a Descriptor) -> impl Iterator<Item = &'a Connection> {
    board.connections.iter().filter(|one| one.integration_id == descriptor.id)
}

pub(in crate::web) async fn wrote(app: &App, board: &Board, shown: &Shown) -> Result<Vec<Wrote>, Error> {
    let mut found = Vec::new();
    for connection in of_it(board, &shown.descriptor) {
        for run in app.store.runs(connection.key, RUNS, None).await? {
            let outcomes = run.metrics.as_ref().and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            let of_metric = outcomes.iter().find(|one| one["metric_id"] == shown.definition.id.as_str());
            let Some(outcome) = of_metric.and_then(|one| one["outcome"].as_str()) else { continue };
            found.push((run.started_at, outcome.to_owned(), connection));
        }
    }
    found.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let words = |(at, outcome, connection): (Timestamp, String, &Connection)| Wrote {
        at: format::instant(at),
        age: format::age(at, board.now),
        outcome,
        connection: connection.name.clone(),
        address: format!("/connections/{}", connection.public_id),
    };
    Ok(found.into_iter().take(usize::try_from(RUNS).unwrap_or(8)).map(words).collect())
}
