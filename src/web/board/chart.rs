//! A chart: lines, areas or bars of several series, with those of the range before.

use super::{
    card::{self, Card, Delta, figure},
    drawing::{self, Paths, Scale, Spot},
    range::{bucket_name, span},
    read::{Board, Shown},
};
use crate::{
    metric::{Exact, Interval, Kind, Unit},
    series::{PointView, SeriesView, format::Figure},
};

/// As many as there are colours.
const MOST: usize = 6;

/// A chart, ready for its template.
pub(in crate::web) struct Chart {
    pub(in crate::web) card: Card,
    /// `line`, `area` or `bar`.
    pub(in crate::web) style: &'static str,
    pub(in crate::web) lines: Vec<Line>,
    /// What stands beside the picture: top, middle and bottom.
    pub(in crate::web) heights: Vec<String>,
    /// What is said where there is no picture.
    pub(in crate::web) nothing: String,
    /// What stands below it.
    pub(in crate::web) dates: Vec<String>,
    /// The days it is compared with, where it is.
    pub(in crate::web) against: String,
    /// What a reader hears in place of the picture.
    pub(in crate::web) summary: String,
    pub(in crate::web) has_open: bool,
    pub(in crate::web) has_gaps: bool,
    /// Marks on points and through the picture, on a metric's own page.
    pub(in crate::web) dots: String,
    pub(in crate::web) posts: String,
}

/// One series of a chart.
pub(in crate::web) struct Line {
    pub(in crate::web) name: String,
    pub(in crate::web) paths: Paths,
    /// The number of its colour, from 1.
    pub(in crate::web) colour: usize,
    /// Of the range before.
    pub(in crate::web) is_before: bool,
}

/// How a metric is drawn unless its widget says otherwise.
fn style(shown: &Shown) -> &'static str {
    match (shown.widget.options["style"].as_str(), shown.definition.kind) {
        (Some("line"), _) => "line",
        (Some("area"), _) => "area",
        (Some("bar"), _) | (_, Kind::Flow) => "bar",
        (_, Kind::Level) => "area",
        _ => "line",
    }
}

/// What a picture is made of, whoever draws it.
pub(in crate::web) struct Drawn<'a> {
    pub(in crate::web) series: Vec<&'a SeriesView>,
    pub(in crate::web) now: Vec<Vec<Spot>>,
    /// The range before, point beside point.
    pub(in crate::web) then: Vec<Spot>,
    pub(in crate::web) before: Option<&'a SeriesView>,
    pub(in crate::web) scale: Option<Scale>,
    pub(in crate::web) style: &'static str,
}

impl<'a> Drawn<'a> {
    pub(in crate::web) fn of(shown: &'a Shown, board: &Board) -> Self {
        let series = chosen(shown);
        let several = series.len() > 1;
        // Bars of several series would hide each other.
        let style = if several { "line" } else { style(shown) };
        let now: Vec<Vec<Spot>> = series.iter().map(|one| spots(one, board)).collect();
        let is_known = |one: &&SeriesView| one.points.iter().any(|point| point.value.is_some());
        let before = series.first().filter(|_| !several).and_then(|one| shown.before(one, board)).filter(is_known);
        let then = before.map(|one| fitted(&spots(one, board), now.first())).unwrap_or_default();
        let tight = Scale::of(now.iter().chain([&then]).map(Vec::as_slice));
        let is_whole = matches!(shown.definition.unit, Unit::Count | Unit::Bytes);
        let scale = tight.map(|scale| scale.labelled(style != "line", is_whole));
        Self { series, now, then, before, scale, style }
    }
}

/// Of a chart's widget.
pub(in crate::web) fn chart(shown: &Shown, board: &Board) -> Chart {
    Drawn::of(shown, board).chart(shown, board)
}

impl Drawn<'_> {
    /// Whether there is a picture to see: one point is no line.
    fn is_line(&self) -> bool {
        let known = |spots: &Vec<Spot>| spots.iter().filter(|spot| spot.value.is_some()).count();
        self.style == "bar" || self.now.iter().any(|spots| known(spots) > 1)
    }

    pub(in crate::web) fn chart(&self, shown: &Shown, board: &Board) -> Chart {
        let mut lines = Vec::new();
        let mut heights = Vec::new();
        let card = card::card(shown, board);
        if let (Some(scale), Some(first), true) = (&self.scale, self.series.first(), self.is_line()) {
            let label = |amount: &Exact| Figure::new(amount.clone(), first.unit, first.currency).axis();
            heights = vec![label(&scale.high), label(&scale.middle()), label(&scale.low)];
            if self.before.is_some() {
                let paths = drawing::line(&self.then, scale);
                lines.push(Line { name: "before".to_owned(), paths, colour: 5, is_before: true });
            }
            for (at, (one, spots)) in self.series.iter().zip(&self.now).enumerate() {
                let paths = if self.style == "bar" { drawing::bars(spots, scale) } else { drawing::line(spots, scale) };
                lines.push(Line { name: name(one, shown, board), paths, colour: at + 1, is_before: false });
            }
        }
        let against = board.range.compared().filter(|_| self.before.is_some());
        let first = self.series.first();
        Chart {
            nothing: match (card.value.is_empty(), shown.interval) {
                (true, _) => card.words.clone(),
                (_, Interval::Day) => "one day is known so far; the line begins with the second".to_owned(),
                (_, interval) => format!("one {} is known so far", interval.name()),
            },
            card,
            style: self.style,
            dates: first.map(|one| dates(&one.points, shown.interval, board)).unwrap_or_default(),
            summary: summary(shown, board),
            has_open: self.now.iter().flatten().any(|spot| spot.is_open && spot.value.is_some()),
            has_gaps: self.now.iter().flatten().any(|spot| spot.value.is_none()),
            lines,
            heights,
            against: against.map(|period| span(period, board.range.today)).unwrap_or_default(),
            dots: String::new(),
            posts: String::new(),
        }
    }

    /// A dot on each point that is marked.
    pub(in crate::web) fn dots(&self, is_marked: impl Fn(&PointView) -> bool) -> String {
        let (Some(scale), Some(first), Some(spots)) = (&self.scale, self.series.first(), self.now.first()) else {
            return String::new();
        };
        let (of, is_bar) = (spots.len(), self.style == "bar");
        let marked = first.points.iter().zip(spots).enumerate().filter(|(_, (point, _))| is_marked(point));
        let dot = |(at, (_, spot)): (usize, (&PointView, &Spot))| {
            Some(drawing::dot(at, of, spot.value.as_ref()?, scale, is_bar))
        };
        marked.filter_map(dot).collect()
    }

    /// A line from top to bottom at each point that is marked.
    pub(in crate::web) fn posts(&self, is_marked: impl Fn(&PointView) -> bool) -> String {
        let points = self.series.first().map(|one| one.points.as_slice()).unwrap_or_default();
        let marked = points.iter().enumerate().filter(|(_, point)| is_marked(point));
        marked.map(|(at, _)| drawing::post(at, points.len(), self.style == "bar")).collect()
    }
}

/// The series of a chart: the converted one for all currencies, or the largest values of the dimension.
fn chosen(shown: &Shown) -> Vec<&SeriesView> {
    if !shown.is_by_dimension() {
        let converted: Vec<&SeriesView> = shown.current.iter().filter(|series| series.converted).collect();
        if !converted.is_empty() {
            return converted;
        }
    }
    let mut series: Vec<&SeriesView> = shown.current.iter().collect();
    let size = |one: &SeriesView| card::total(one, card::known(one)).figure.map(|figure| figure.amount().clone());
    if shown.is_by_dimension() {
        series.sort_by_cached_key(|one| std::cmp::Reverse(size(one)));
    }
    // One axis holds one currency; the page's words name the others.
    let currency = shown.main().and_then(|one| one.currency);
    series.retain(|one| one.currency == currency);
    series.truncate(MOST);
    series
}

/// As many points as the range has: what is before may be a day longer or shorter.
fn fitted(then: &[Spot], now: Option<&Vec<Spot>>) -> Vec<Spot> {
    let wanted = now.map_or(then.len(), Vec::len);
    (0..wanted).map(|at| then.get(at).cloned().unwrap_or_default()).collect()
}

/// The points of a series for a picture. What is provisional or not over yet is open.
pub(in crate::web) fn spots(series: &SeriesView, board: &Board) -> Vec<Spot> {
    let spot = |point: &PointView| Spot {
        value: point.value.as_ref().and_then(|value| figure(value, series)).map(|figure| figure.amount().clone()),
        is_open: point.provisional || is_unfinished(point, board),
    };
    series.points.iter().map(spot).collect()
}

/// Whether the day, week or month is not over.
pub(in crate::web) fn is_unfinished(point: &PointView, board: &Board) -> bool {
    let facts = point.metadata.as_ref();
    let days = |name: &str| facts.and_then(|facts| facts.get(name)).and_then(serde_json::Value::as_i64);
    point.date == board.range.today || days("days") < days("days_of_interval")
}

/// What people call a series beside others.
pub(in crate::web) fn name(series: &SeriesView, shown: &Shown, board: &Board) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(series.label.clone().or_else(|| series.dimension.clone()));
    if shown.current.iter().any(|other| other.connection_id != series.connection_id) {
        parts.extend(board.view(series.connection_id).map(|view| view.name.clone()));
    }
    if shown.current.iter().any(|other| other.currency != series.currency) {
        parts.extend(series.currency.map(|currency| currency.to_string()));
    }
    if parts.is_empty() { shown.definition.name.clone() } else { parts.join(" · ") }
}

/// First, middle and last.
fn dates(points: &[PointView], interval: Interval, board: &Board) -> Vec<String> {
    let name = |at: usize| points.get(at).map(|point| bucket_name(point.date, interval, board.range.today));
    match points.len() {
        0 => Vec::new(),
        1 => name(0).into_iter().collect(),
        few if few < 5 => [name(0), name(few - 1)].into_iter().flatten().collect(),
        many => [name(0), name(many / 2), name(many - 1)].into_iter().flatten().collect(),
    }
}

fn summary(shown: &Shown, board: &Board) -> String {
    let days = board.range.days();
    let card = card::card(shown, board);
    let Delta { spoken, text, against, .. } =
        card.delta.unwrap_or(Delta { arrow: "", spoken: "", tone: "", text: String::new(), against: String::new() });
    let value = if card.value.is_empty() { card.words } else { card.value };
    format!("{}, {days}: {value} {spoken} {text} {against}", shown.definition.name).trim_end().to_owned()
}
