//! `/m/{metric_id}`: one metric whole.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::header,
    response::{Html, IntoResponse, Response},
};

use crate::{
    app::App,
    connections::starter,
    metric::{Definition, Interval, Kind, Receipt, Value},
    series::{
        self, Number, PointView, SeriesView,
        format::{self, Figure},
    },
    store::Dashboard,
    web::{
        Error,
        auth::Viewer,
        board::{
            card::figure,
            chart::{self, Chart, chart},
            dates::{Banner, Dates, Tab, banner, tabs},
            range::bucket_name,
            read::{Board, Shown},
            rows::{Rows, Sort, rows},
        },
        frame::{Bars, Frame, Section, framed, render},
        live::Stage,
    },
};

const RUNS: u32 = 8;
const RESTATEMENTS: usize = 20;
/// Values of the dimension that are shown.
const ROWS: usize = 50;
/// Days that are shown as a table; the rest is in the CSV.
const DAYS: usize = 400;
const TERMS: usize = 12;

#[derive(Template)]
#[template(path = "metric.html")]
struct Page {
    frame: Frame,
    bars: Bars,
    tabs: Vec<Tab>,
    dates: Dates,
    banner: Option<Banner>,
    live: Stage,
    intervals: Vec<(String, &'static str, bool)>,
    metric: Definition,
    counted: &'static str,
    integration: String,
    is_connected: bool,
    chart: Chart,
    /// Of which day the number on top is, where it is one day's.
    at: String,
    plot: Plot,
    csv: String,
    days: Vec<DayRow>,
    has_before: bool,
    left_out: usize,
    parts: Option<Rows>,
    receipt: Option<Explained>,
    restatements: Vec<Restated>,
    runs: Vec<Wrote>,
}

/// What the script draws from: the same numbers as in the picture.
struct Plot {
    dates: String,
    lines: Vec<PlotLine>,
    low: String,
    high: String,
}

struct PlotLine {
    name: String,
    colour: usize,
    values: String,
    labels: String,
    open: String,
}

/// A day, week or month in the table.
struct DayRow {
    date: String,
    name: String,
    values: Vec<String>,
    before: String,
    state: String,
}

/// A receipt in words.
struct Explained {
    receipt: Receipt,
    date: String,
    value: String,
    terms: Vec<(String, String)>,
    other: Option<(u64, String)>,
    excluded: Vec<(String, u64, String)>,
}

/// A value that the provider changed after the fact.
struct Restated {
    day: String,
    old: String,
    at: String,
}

/// A run that read the metric.
struct Wrote {
    at: String,
    age: String,
    outcome: String,
    connection: String,
    address: String,
}

/// The metric's widget alone, broken down or not.
async fn read(
    app: &App,
    board: &Board,
    metric: &Definition,
    kind: &str,
    interval: Option<Interval>,
) -> Result<Shown, Error> {
    let widgets = [starter::widget(kind, metric, "l")];
    board.read(app, &widgets, interval).await?.into_iter().flatten().next().ok_or(Error::NotFound)
}

fn interval_of(asked: &BTreeMap<String, String>) -> Result<Option<Interval>, Error> {
    match asked.get("interval").map(String::as_str) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error: String| Error::BadRequest(format!("{error}."))),
    }
}

pub(super) async fn show(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Result<Html<String>, Error> {
    let board = Board::open(&app, &viewer, &asked).await?;
    let (descriptor, mut metric) =
        board.metric(&id).map(|(one, metric)| (one.clone(), metric.clone())).ok_or(Error::NotFound)?;
    let shown = read(&app, &board, &metric, "chart", interval_of(&asked)?).await?;
    let parts = match metric.dimension {
        Some(_) => Some(read(&app, &board, &metric, "table", None).await?),
        None => None,
    };
    let sort = Sort::of(asked.get("sort").map_or("", String::as_str));
    let dashboards: Vec<Dashboard> = board.dashboards(&app).await?;
    let extra = asked.get("interval").filter(|text| !text.is_empty());
    let dates = Dates::of(&board.range, &extra.map(|text| format!("&interval={text}")).unwrap_or_default());
    let chart = chart(&shown, &board);
    let can = |interval: Interval| metric.kind.combines() || descriptor.grains(&metric).contains(&interval);
    let intervals = Interval::ALL.into_iter().filter(|interval| can(*interval));
    let intervals: Vec<_> = intervals
        .map(|one| (format!("{}&interval={}", dates.query, one.name()), label(one), one == shown.interval))
        .collect();
    let days = day_rows(&shown, &board);
    // It is written in Markdown, whose marks would only be in the way here.
    metric.differs = metric.differs.map(|text| text.replace('`', ""));
    let is_connected = board.connected().any(|one| one.id == descriptor.id);
    let current = dashboards.iter().find(|one| one.integration_id.as_ref() == Some(&descriptor.id));
    let (frame, bars) = framed(&viewer, Section::Overview, metric.name.clone());
    render(&Page {
        frame,
        bars,
        tabs: tabs(&dashboards, current.map(|one| one.slug.as_str()), &dates.query),
        banner: banner(&board, &[&descriptor.id]),
        live: board.stage(std::iter::once(descriptor.id.as_str())),
        at: at(&shown, &board),
        intervals,
        counted: counted(metric.kind),
        integration: descriptor.name.clone(),
        is_connected,
        plot: plot(&shown, &board),
        csv: format!("/m/{}/data.csv{}{}", metric.id, dates.query, dates.extra),
        has_before: days.iter().any(|row| !row.before.is_empty()),
        left_out: days.len().saturating_sub(DAYS),
        days: days.into_iter().take(DAYS).collect(),
        parts: parts.map(|parts| rows(&parts, &board, sort, ROWS)),
        receipt: explained(&app, &board, &metric).await?,
        restatements: restated(&app, &board, &metric).await?,
        runs: wrote(&app, &board, &metric).await?,
        dates,
        chart,
        metric,
    })
}

/// `/m/{metric_id}/data.csv`: the points of the range, each value of the dimension for itself too.
pub(super) async fn csv(
    State(app): State<App>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(asked): Query<BTreeMap<String, String>>,
) -> Result<Response, Error> {
    let board = Board::open(&app, &viewer, &asked).await?;
    let metric = board.metric(&id).map(|(_, metric)| metric.clone()).ok_or(Error::NotFound)?;
    let interval = interval_of(&asked)?;
    let mut all = read(&app, &board, &metric, "chart", interval).await?.current;
    if metric.dimension.is_some() && all.iter().all(|series| series.dimension.is_none()) {
        all.extend(read(&app, &board, &metric, "table", interval).await?.current);
    }
    let name = format!("attachment; filename=\"{}.csv\"", metric.id);
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, series::csv(&all)).into_response())
}

/// The day, week or month whose value stands for the range; empty where the whole range does.
fn at(shown: &Shown, board: &Board) -> String {
    let of_one = |series: &&SeriesView| matches!(series.kind, Kind::Level | Kind::Distinct | Kind::Statistic);
    let newest =
        shown.main().filter(of_one).and_then(|series| series.points.iter().rfind(|point| point.value.is_some()));
    let on = if shown.interval == Interval::Day { "on" } else { "in" };
    newest
        .map(|point| format!("{on} {}", bucket_name(point.date, shown.interval, board.range.today)))
        .unwrap_or_default()
}

fn label(interval: Interval) -> &'static str {
    match interval {
        Interval::Day => "Days",
        Interval::Week => "Weeks",
        Interval::Month => "Months",
    }
}

/// What may be done with its days, in words.
fn counted(kind: Kind) -> &'static str {
    match kind {
        Kind::Flow => "Happens during a day; days add up to weeks and months.",
        Kind::Level => "Stands at the end of a day; of a week or month the last day counts.",
        Kind::Ratio => "A quotient; of a week or month both its parts are added up first.",
        Kind::Distinct => "Each is counted once a day, so days do not add up to weeks or months.",
        Kind::Statistic => "The provider's own average or percentile of a day; days cannot be joined.",
    }
}

fn plot(shown: &Shown, board: &Board) -> Plot {
    use crate::web::board::drawing::Scale;
    let chosen = chart::chosen(shown);
    let spots: Vec<_> = chosen.iter().map(|one| chart::spots(one, board)).collect();
    let is_line = chosen.len() > 1 || chart::style(shown) == "line";
    let scale = Scale::of(spots.iter().map(Vec::as_slice), !is_line);
    let decimal = |amount: &crate::metric::Exact| crate::metric::exact::to_decimal(amount, 4).unwrap_or_default();
    let lines = chosen.iter().zip(&spots).enumerate().map(|(at, (one, spots))| PlotLine {
        name: chart::name(one, shown, board),
        colour: at + 1,
        values: joined(spots.iter().map(|spot| spot.value.as_ref().map(decimal).unwrap_or_default()), ","),
        labels: joined(one.points.iter().map(|point| written(point, one)), "|"),
        open: spots.iter().map(|spot| if spot.is_open { '1' } else { '0' }).collect(),
    });
    Plot {
        dates: chosen
            .first()
            .map(|one| joined(one.points.iter().map(|point| point.date.to_string()), ","))
            .unwrap_or_default(),
        lines: lines.collect(),
        low: scale.as_ref().map(|scale| decimal(&scale.low)).unwrap_or_default(),
        high: scale.as_ref().map(|scale| decimal(&scale.high)).unwrap_or_default(),
    }
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

fn written(point: &PointView, series: &SeriesView) -> String {
    let figure = point.value.as_ref().and_then(|value| figure(value, series));
    figure.map_or_else(|| "–".to_owned(), |figure| figure.full())
}

/// Newest first.
fn day_rows(shown: &Shown, board: &Board) -> Vec<DayRow> {
    let chosen = chart::chosen(shown);
    let Some(first) = chosen.first() else { return Vec::new() };
    let before = Some(first).filter(|_| chosen.len() == 1).and_then(|one| shown.before(one, board));
    let row = |(at, point): (usize, &PointView)| DayRow {
        date: point.date.to_string(),
        name: bucket_name(point.date, shown.interval, board.range.today),
        values: chosen.iter().filter_map(|one| Some(written(one.points.get(at)?, one))).collect(),
        before: before.and_then(|before| Some(written(before.points.get(at)?, before))).unwrap_or_default(),
        state: state(point, board),
    };
    first.points.iter().enumerate().rev().map(row).collect()
}

/// What there is to say of a point besides its value.
fn state(point: &PointView, board: &Board) -> String {
    let mut words: Vec<&str> = Vec::new();
    if let Some(reason) = &point.reason {
        words.push(reason);
    } else if point.value.is_none() {
        words.push("undefined this day");
    }
    if chart::is_unfinished(point, board) && point.value.is_some() {
        words.push("so far");
    } else if point.provisional {
        words.push("may still change");
    }
    if point.stale {
        words.push("kept from an earlier read");
    }
    match point.quality {
        crate::metric::Quality::Exact => {}
        crate::metric::Quality::Reconstructed => words.push("rebuilt from records"),
        crate::metric::Quality::Estimated => words.push("estimated"),
    }
    words.join(", ")
}

async fn explained(app: &App, board: &Board, metric: &Definition) -> Result<Option<Explained>, Error> {
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
        receipt,
    }))
}

async fn restated(app: &App, board: &Board, metric: &Definition) -> Result<Vec<Restated>, Error> {
    let mut found = Vec::new();
    for connection in &board.connections {
        let series = app.store.series(connection.key, Interval::Day, Some(&[&metric.id])).await?;
        let series: Vec<_> = series.into_iter().filter(|row| row.dimension.is_empty()).collect();
        let ids: Vec<i64> = series.iter().map(|row| row.id).collect();
        for one in app.store.restatements(board.project.id, &ids, board.range.period).await? {
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
    let words = |(at, day, old): (jiff::Timestamp, crate::metric::Day, Option<Figure>)| Restated {
        day: bucket_name(day, Interval::Day, board.range.today),
        old: old.map_or_else(|| "no value".to_owned(), |old| old.full()),
        at: format::instant(at),
    };
    Ok(found.into_iter().take(RESTATEMENTS).map(words).collect())
}

async fn wrote(app: &App, board: &Board, metric: &Definition) -> Result<Vec<Wrote>, Error> {
    let Some((descriptor, _)) = board.metric(&metric.id) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for connection in board.connections.iter().filter(|one| one.integration_id == descriptor.id) {
        for run in app.store.runs(connection.key, RUNS, None).await? {
            let outcomes = run.metrics.as_ref().and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            let of_metric = outcomes.iter().find(|one| one["metric_id"] == metric.id.as_str());
            let Some(outcome) = of_metric.and_then(|one| one["outcome"].as_str()) else { continue };
            let outcome = outcome.to_owned();
            found.push((run.started_at, outcome, connection));
        }
    }
    found.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    let words = |(at, outcome, connection): (jiff::Timestamp, String, &crate::store::Connection)| Wrote {
        at: format::instant(at),
        age: format::age(at, board.now),
        outcome,
        connection: connection.name.clone(),
        address: format!("/connections/{}", connection.public_id),
    };
    Ok(found.into_iter().take(usize::try_from(RUNS).unwrap_or(8)).map(words).collect())
}
