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
    metric::{Day, Definition, Interval, Kind},
    series::{self, PointView, SeriesView},
    store::Dashboard,
    web::{
        Error,
        auth::Viewer,
        board::{
            beside::{self, Changed, Explained, Restated, Wrote},
            chart::{self, Chart, Drawn},
            dates::{Banner, Dates, Tab, banner, tabs},
            plot::{Plot, plot, written},
            range::{Range, bucket_name},
            read::{Board, Shown},
            rows::{Rows, Sort, rows},
        },
        frame::{Bars, Frame, Section, framed, render},
        live::Stage,
    },
};

const RESTATEMENTS: usize = 20;
/// Values of the dimension that are shown.
const ROWS: usize = 50;
/// Days that are shown as a table; the rest is in the CSV.
const DAYS: usize = 200;

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
    /// What the table has a row for.
    grain: &'static str,
    metric: Definition,
    counted: &'static str,
    integration: String,
    is_connected: bool,
    chart: Chart,
    /// Of which day the number on top is, where it is one day's.
    at: String,
    plot: Plot,
    csv: String,
    /// The columns of the table between its days and what stands before.
    columns: Vec<String>,
    days: Vec<DayRow>,
    has_before: bool,
    left_out: usize,
    parts: Option<Rows>,
    receipt: Option<Explained>,
    restatements: Vec<Restated>,
    /// Those that are not listed.
    more_restatements: usize,
    changes: Vec<Changed>,
    runs: Vec<Wrote>,
}

/// A day, week or month in the table.
struct DayRow {
    date: String,
    name: String,
    values: Vec<String>,
    before: String,
    state: String,
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
    let can = |interval: Interval| metric.kind.combines() || descriptor.grains(&metric).contains(&interval);
    let is_offered = |one: &Interval| can(*one) && (tells(*one, &board.range) || *one == shown.interval);
    let intervals: Vec<_> = Interval::ALL
        .into_iter()
        .filter(is_offered)
        .map(|one| (format!("{}&interval={}", dates.query, one.name()), label(one), one == shown.interval))
        .collect();
    let mut restatements = beside::restated(&app, &board, &shown).await?;
    let changes = beside::changed(&app, &board, &shown).await?;
    let dots = beside::notes(&restatements, shown.interval);
    let mut posts: BTreeMap<Day, String> = BTreeMap::new();
    for change in &changes {
        let words = posts.entry(shown.interval.bucket(change.day).start()).or_default();
        words.push_str(if words.is_empty() { "" } else { ", " });
        words.push_str(&change.words);
    }
    let drawn = Drawn::of(&shown, &board);
    let chart = Chart {
        dots: drawn.dots(|point| dots.contains_key(&point.date)),
        posts: drawn.posts(|point| posts.contains_key(&point.date)),
        ..drawn.chart(&shown, &board)
    };
    let days = day_rows(&drawn, &shown, &board, &dots);
    let columns = match drawn.series.as_slice() {
        [_] => vec!["Value".to_owned()],
        several => several.iter().map(|one| chart::name(one, &shown, &board)).collect(),
    };
    let more_restatements = restatements.len().saturating_sub(RESTATEMENTS);
    restatements.truncate(RESTATEMENTS);
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
        grain: grain(shown.interval),
        plot: plot(&drawn, &shown, &board, &dots, &posts),
        csv: format!("/m/{}/data.csv{}{}", metric.id, dates.query, dates.extra),
        columns,
        has_before: days.iter().any(|row| !row.before.is_empty()),
        left_out: days.len().saturating_sub(DAYS),
        days: days.into_iter().take(DAYS).collect(),
        parts: parts.map(|parts| rows(&parts, &board, sort, ROWS)),
        receipt: beside::explained(&app, &board, &metric).await?,
        restatements,
        more_restatements,
        changes,
        runs: beside::wrote(&app, &board, &shown).await?,
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

/// What a table of them is called.
fn grain(interval: Interval) -> &'static str {
    match interval {
        Interval::Day => "Day by day",
        Interval::Week => "Week by week",
        Interval::Month => "Month by month",
    }
}

/// Whether a range shows something at an interval: more than one point, and fewer than can be told apart.
fn tells(interval: Interval, range: &Range) -> bool {
    match interval {
        Interval::Day => range.period.len() <= 800,
        Interval::Week => range.period.len() >= 14,
        Interval::Month => range.period.len() >= 56,
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

/// Newest first.
fn day_rows(drawn: &Drawn<'_>, shown: &Shown, board: &Board, notes: &BTreeMap<Day, String>) -> Vec<DayRow> {
    let Some(first) = drawn.series.first() else { return Vec::new() };
    let row = |(at, point): (usize, &PointView)| DayRow {
        date: point.date.to_string(),
        name: bucket_name(point.date, shown.interval, board.range.today),
        values: drawn.series.iter().filter_map(|one| Some(written(one.points.get(at)?, one))).collect(),
        before: drawn.before.and_then(|before| Some(written(before.points.get(at)?, before))).unwrap_or_default(),
        state: state(point, board, notes),
    };
    first.points.iter().enumerate().rev().map(row).collect()
}

/// What there is to say of a point besides its value.
fn state(point: &PointView, board: &Board, notes: &BTreeMap<Day, String>) -> String {
    let mut words: Vec<&str> = Vec::new();
    if let Some(reason) = &point.reason {
        words.push(reason);
    } else if point.value.is_none() {
        words.push("undefined");
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
    words.extend(notes.get(&point.date).map(String::as_str));
    words.join(", ")
}
