//! The same chart for the script: its numbers, and each of them as people read it.

use std::collections::BTreeMap;

use super::{
    card::figure,
    chart::{self, Drawn},
    drawing::Spot,
    read::{Board, Shown},
};
use crate::{
    metric::{Day, Exact, exact},
    series::{
        PointView, SeriesView,
        format::{self, Figure},
    },
};

/// What the script draws from.
pub(in crate::web) struct Plot {
    pub(in crate::web) dates: String,
    pub(in crate::web) lines: Vec<PlotLine>,
    pub(in crate::web) low: String,
    pub(in crate::web) high: String,
    /// `day`, `week` or `month`.
    pub(in crate::web) interval: &'static str,
    /// What became of each point since the one before it is compared with; empty where nothing is compared.
    pub(in crate::web) changes: String,
    /// What there is to say of each point besides.
    pub(in crate::web) notes: String,
    /// The points that have a dot, and those at which a line stands from top to bottom, by their numbers.
    pub(in crate::web) dots: String,
    pub(in crate::web) posts: String,
}

/// One line of it.
pub(in crate::web) struct PlotLine {
    pub(in crate::web) name: String,
    pub(in crate::web) colour: usize,
    pub(in crate::web) values: String,
    pub(in crate::web) labels: String,
    pub(in crate::web) open: String,
    pub(in crate::web) is_before: bool,
}

/// Of a metric's page: the same numbers as in the picture. `dots` and `posts` say what is marked.
pub(in crate::web) fn plot(
    drawn: &Drawn<'_>,
    shown: &Shown,
    board: &Board,
    dots: &BTreeMap<Day, String>,
    posts: &BTreeMap<Day, String>,
) -> Plot {
    let points = drawn.series.first().map(|one| one.points.as_slice()).unwrap_or_default();
    let mut lines: Vec<PlotLine> = Vec::new();
    if let Some(before) = drawn.before {
        let labels = joined((0..points.len()).map(|at| label(before.points.get(at), before)), "|");
        lines.push(PlotLine { name: "Before".to_owned(), colour: 5, is_before: true, ..line(&drawn.then, labels) });
    }
    for (at, (one, spots)) in drawn.series.iter().zip(&drawn.now).enumerate() {
        let labels = joined(one.points.iter().map(|point| written(point, one)), "|");
        lines.push(PlotLine { name: chart::name(one, shown, board), colour: at + 1, ..line(spots, labels) });
    }
    let note = |point: &PointView| {
        let open = match () {
            () if chart::is_unfinished(point, board) => Some("so far"),
            () if point.provisional => Some("may still change"),
            () => None,
        };
        let of = |notes: &'_ BTreeMap<Day, String>| notes.get(&point.date).cloned();
        let said = open.map(str::to_owned).into_iter().chain(of(dots)).chain(of(posts));
        // What stands between two notes must not stand in one, whatever a connection is called.
        said.collect::<Vec<_>>().join(", ").replace('|', "/")
    };
    let figure_of = |series: &SeriesView, at: usize| figure(series.points.get(at)?.value.as_ref()?, series);
    let change = |at: usize| {
        let (now, then) = (drawn.series.first()?, drawn.before?);
        let change = format::change(figure_of(now, at).as_ref(), figure_of(then, at).as_ref());
        change.relative.or_else(|| change.words.map(str::to_owned))
    };
    let is_compared = drawn.before.is_some();
    let changes = (0..points.len()).filter(|_| is_compared).map(|at| change(at).unwrap_or_default());
    let marked = |of: &BTreeMap<Day, String>| {
        let marked = points.iter().enumerate().filter(|(_, point)| of.contains_key(&point.date));
        joined(marked.map(|(at, _)| at.to_string()), ",")
    };
    Plot {
        dates: joined(points.iter().map(|point| point.date.to_string()), ","),
        lines,
        low: drawn.scale.as_ref().map(|scale| decimal(&scale.low)).unwrap_or_default(),
        high: drawn.scale.as_ref().map(|scale| decimal(&scale.high)).unwrap_or_default(),
        changes: joined(changes, "|"),
        notes: joined(points.iter().map(note), "|"),
        interval: shown.interval.name(),
        dots: marked(dots),
        posts: marked(posts),
    }
}

fn line(spots: &[Spot], labels: String) -> PlotLine {
    PlotLine {
        name: String::new(),
        colour: 1,
        values: joined(spots.iter().map(|spot| spot.value.as_ref().map(decimal).unwrap_or_default()), ","),
        labels,
        open: spots.iter().map(|spot| if spot.is_open { '1' } else { '0' }).collect(),
        is_before: false,
    }
}

fn decimal(amount: &Exact) -> String {
    exact::to_decimal(amount, 4).unwrap_or_default()
}

fn joined(parts: impl Iterator<Item = String>, between: &str) -> String {
    parts.collect::<Vec<_>>().join(between)
}

fn label(point: Option<&PointView>, series: &SeriesView) -> String {
    point.map_or_else(|| "–".to_owned(), |point| written(point, series))
}

/// A value with every digit.
pub(in crate::web) fn written(point: &PointView, series: &SeriesView) -> String {
    let figure = point.value.as_ref().and_then(|value| figure(value, series));
    figure.map_or_else(|| "–".to_owned(), |figure: Figure| figure.full())
}
