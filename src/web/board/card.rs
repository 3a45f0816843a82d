//! A card of one number: value, change with its period in words, a small line, age.

use jiff::SignedDuration;

use super::{
    chart::spots,
    drawing::{self, Paths, Scale},
    range::{bucket_name, span},
    read::{Board, Shown},
};
use crate::{
    metric::{Day, Exact, Interval, Kind, Period, Polarity, State, exact},
    series::{
        Number, PointView, SeriesView,
        format::{self, Direction, Figure},
    },
};

/// What stands in place of a value.
pub(super) const NO_DATA: &str = "no data for this period";
pub(super) const WAITING: &str = "the first sync is on its way";
/// More points than a small line can show.
const SPARK: usize = 90;
/// How late a run may be before its absence is worth a word.
const OVERDUE: SignedDuration = SignedDuration::from_hours(1);

/// A card, ready for its template.
pub(in crate::web) struct Card {
    pub(in crate::web) metric_id: String,
    pub(in crate::web) name: String,
    pub(in crate::web) icon: String,
    pub(in crate::web) description: String,
    /// As short as a card has it; empty where nothing is known.
    pub(in crate::web) value: String,
    /// With every digit.
    pub(in crate::web) full: String,
    /// Of which day it is, or in place of a value why there is none.
    pub(in crate::web) words: String,
    pub(in crate::web) delta: Option<Delta>,
    pub(in crate::web) spark: Option<Paths>,
    /// The same in further currencies or of further connections.
    pub(in crate::web) also: Vec<String>,
    pub(in crate::web) age: Age,
    /// Nothing was read yet, and something will be.
    pub(in crate::web) is_waiting: bool,
}

/// What became of a value.
pub(in crate::web) struct Delta {
    pub(in crate::web) arrow: &'static str,
    pub(in crate::web) spoken: &'static str,
    pub(in crate::web) tone: &'static str,
    pub(in crate::web) text: String,
    pub(in crate::web) against: String,
}

/// How old a number is.
#[derive(Default)]
pub(in crate::web) struct Age {
    pub(in crate::web) text: String,
    pub(in crate::web) title: String,
    /// The connection does not work, and the last good value stands.
    pub(in crate::web) is_stale: bool,
}

/// What a series comes to over its first days.
pub(in crate::web) struct Total {
    pub(in crate::web) figure: Option<Figure>,
    pub(in crate::web) words: Option<String>,
    /// How many points it is made of.
    pub(in crate::web) points: usize,
}

/// Of a metric's widget.
pub(in crate::web) fn card(shown: &Shown, board: &Board) -> Card {
    let definition = &shown.definition;
    let mut card = Card {
        metric_id: definition.id.clone(),
        name: shown.title(board),
        icon: shown.descriptor.icon.clone(),
        description: definition.description.clone(),
        value: String::new(),
        full: String::new(),
        words: String::new(),
        delta: None,
        spark: None,
        also: Vec::new(),
        age: Age::default(),
        is_waiting: false,
    };
    let Some(series) = shown.main() else {
        "no connection measures this".clone_into(&mut card.words);
        return card;
    };
    card.age = age(series, board);
    let total = total(series, known(series));
    if let Some(figure) = &total.figure {
        let about = if series.converted { "≈\u{202f}" } else { "" };
        card.value = format!("{about}{}", figure.short());
        card.full = format!("{}{}", figure.full(), rate_date(series, total.points));
        card.delta = delta(shown, series, board);
    }
    let is_unread = !series.points.is_empty() && series.points.iter().all(|point| point.state == State::Pending);
    card.is_waiting = total.figure.is_none() && is_unread;
    card.words = words(&total, series, board, card.is_waiting);
    let points = drawing::thinned(&spots(series, board), SPARK);
    if let Some(scale) = Scale::of([points.as_slice()].into_iter())
        && points.iter().filter(|spot| spot.value.is_some()).count() > 1
    {
        card.spark = Some(drawing::line(&points, &scale));
    }
    let others = shown.current.iter().filter(|other| !std::ptr::eq(*other, series));
    card.also = others.filter_map(|other| also(other, shown, board)).collect();
    card
}

/// The points up to the newest that was answered.
pub(in crate::web) fn known(series: &SeriesView) -> usize {
    series.points.iter().rposition(|point| point.state.is_answered()).map_or(0, |at| at + 1)
}

/// What the first points of a series come to. Of what cannot be joined, the newest stands for them.
pub(in crate::web) fn total(series: &SeriesView, points: usize) -> Total {
    let of = series.points.get(..points).unwrap_or(&series.points);
    let figure_of = |point: &PointView| Figure::of(point.value.as_ref()?, series.unit, series.currency);
    let newest = || of.iter().rev().find_map(|point| Some((figure_of(point)?, point.date)));
    let nothing = |words: &str| Total { figure: None, words: Some(words.to_owned()), points };
    match series.kind {
        Kind::Flow => {
            let missing = of.iter().filter(|point| point.value.is_none()).count();
            if missing > 0 {
                let words = format!("{missing} of {} days are not known", of.len());
                // Of days that were all not read there is nothing to add up.
                return nothing(if missing == of.len() { NO_DATA } else { &words });
            }
            let amounts = of.iter().filter_map(figure_of).map(|figure| figure.amount().clone());
            let sum: Exact = amounts.fold(exact::from_int(0), |sum, amount| &sum + &amount);
            match of.is_empty() {
                true => nothing(NO_DATA),
                false => Total { figure: Some(Figure::new(sum, series.unit, series.currency)), words: None, points },
            }
        }
        Kind::Ratio => {
            let whole = series.whole.as_ref().filter(|_| points == known(series));
            match whole.and_then(figure_of) {
                Some(figure) => Total { figure: Some(figure), words: None, points },
                None => nothing(NO_DATA),
            }
        }
        Kind::Level => match newest() {
            Some((figure, _)) => Total { figure: Some(figure), words: None, points },
            None => nothing(NO_DATA),
        },
        Kind::Distinct | Kind::Statistic => match newest() {
            Some((figure, date)) => Total { figure: Some(figure), words: Some(format!("on {date}")), points },
            None => nothing(NO_DATA),
        },
    }
}

fn words(total: &Total, series: &SeriesView, board: &Board, is_waiting: bool) -> String {
    let range = &board.range;
    let last = total.points.checked_sub(1).and_then(|at| series.points.get(at)).map(|point| point.date);
    let on = |day: Day| bucket_name(day, Interval::Day, range.today);
    match (&total.figure, series.kind) {
        (None, _) if is_waiting => WAITING.to_owned(),
        (None, _) => total.words.clone().unwrap_or_default(),
        (Some(_), Kind::Distinct | Kind::Statistic) => {
            let newest = series.points.iter().rev().find(|point| point.value.is_some()).map(|point| point.date);
            let so_far = if newest == Some(range.today) { ", so far" } else { "" };
            newest.map(|day| format!("{}{so_far}", on(day))).unwrap_or_default()
        }
        (Some(_), _) if last.is_some_and(|last| last < range.last() && last < range.today.plus(-1)) => {
            last.map(|last| format!("up to {}", on(last))).unwrap_or_default()
        }
        (Some(_), Kind::Flow) if last == Some(range.today) => "so far".to_owned(),
        _ => String::new(),
    }
}

/// The change since the range before: of as many days, and of none that is not over.
pub(in crate::web) fn delta(shown: &Shown, series: &SeriesView, board: &Board) -> Option<Delta> {
    let range = &board.range;
    let compared = range.compared()?;
    let known = known(series);
    let is_running = |point: &&PointView| point.date == range.today;
    let unfinished = series.points.get(..known)?.iter().filter(is_running).count();
    let (points, is_cut) = match series.kind {
        Kind::Level => (known, known < series.points.len()),
        Kind::Ratio => (known, false),
        _ => (known - unfinished, known - unfinished < series.points.len()),
    };
    if points == 0 {
        return Some(said("so far", "", shown));
    }
    let Some(before) = shown.before(series, board) else { return Some(said("no earlier data", "", shown)) };
    let as_many = if is_cut { points.min(before.points.len()) } else { before.points.len() };
    let (now, then) = (total(series, points), total(before, as_many));
    let first = compared.start();
    let last = before.points.get(as_many.checked_sub(1)?)?.date;
    let single = !matches!(series.kind, Kind::Flow | Kind::Ratio);
    let days = if single { Period::single(last) } else { Period::inclusive(first, last) };
    let against = format!("vs {}", span(days, range.today));
    if series.kind == Kind::Ratio && (known < series.points.len() || self::known(before) < before.points.len()) {
        return Some(said("no change to tell: days are missing", "", shown));
    }
    Some(change(now.figure.as_ref(), then.figure.as_ref(), &against, shown))
}

fn said(words: &str, against: &str, shown: &Shown) -> Delta {
    Delta { text: words.to_owned(), ..change(None, None, against, shown) }
}

/// In words, with an arrow for the direction and a tone for whether it is good.
pub(in crate::web) fn change(now: Option<&Figure>, then: Option<&Figure>, against: &str, shown: &Shown) -> Delta {
    let change = format::change(now, then);
    let (arrow, spoken) = match change.direction {
        Direction::Up => ("▲", "up"),
        Direction::Down => ("▼", "down"),
        Direction::Same | Direction::Unknown => ("", ""),
    };
    let tone = match (change.direction, shown.definition.polarity) {
        (Direction::Up, Polarity::UpIsGood) | (Direction::Down, Polarity::DownIsGood) => "good",
        (Direction::Down, Polarity::UpIsGood) | (Direction::Up, Polarity::DownIsGood) => "bad",
        _ => "even",
    };
    // Both zero: the value stands there already, and the words say the rest.
    let parts = [change.words.map(str::to_owned), change.relative, change.absolute];
    let is_said = change.direction == Direction::Unknown;
    let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    Delta { arrow, spoken, tone, text, against: if is_said { String::new() } else { against.to_owned() } }
}

/// Of which day the newest exchange rate is that was used.
fn rate_date(series: &SeriesView, points: usize) -> String {
    let of = series.points.get(..points).unwrap_or(&series.points);
    let rates = of.iter().rev().filter_map(|point| point.metadata.as_ref()?.get("rates")?.as_object());
    let dates = rates.flat_map(|rates| rates.values().filter_map(|rate| rate["date"].as_str()));
    dates.max().map(|date| format!(", converted with rates up to {date}")).unwrap_or_default()
}

/// How old the numbers of a series are.
pub(in crate::web) fn age(series: &SeriesView, board: &Board) -> Age {
    let Some(view) = board.view(series.connection_id) else { return Age::default() };
    let Some(at) = view.last_synced_at else {
        let text = if view.syncing { "first sync under way" } else { "not synced yet" };
        return Age { text: text.to_owned(), title: String::new(), is_stale: false };
    };
    let title = format::instant(at);
    let is_overdue = view.next_sync_at.is_some_and(|due| board.now.duration_since(due) > OVERDUE) && !view.syncing;
    let newest = known(series).checked_sub(1).and_then(|newest| series.points.get(newest));
    let why = match view.state.as_str() {
        state if is_broken(state) => format!("{} sync failing", view.name),
        "paused" => format!("{} is paused", view.name),
        _ if is_overdue => format!("{} was not read since", view.name),
        _ if newest.is_some_and(|point| point.stale) => "kept from an earlier read".to_owned(),
        _ => return Age { text: format!("synced {}", format::age(at, board.now)), title, is_stale: false },
    };
    Age { text: format!("{} — {why}", format::old(at, board.now)), title, is_stale: true }
}

/// Whether nothing new comes until somebody helps.
pub(in crate::web) fn is_broken(state: &str) -> bool {
    matches!(state, "needs_reconnect" | "credentials_unreadable" | "failing")
}

/// One more currency or connection.
fn also(series: &SeriesView, shown: &Shown, board: &Board) -> Option<String> {
    let figure = total(series, known(series)).figure?;
    let several = shown.current.iter().any(|other| other.connection_id != series.connection_id);
    let name = board.view(series.connection_id).filter(|_| several).map(|view| format!(" {}", view.name));
    Some(format!("{}{}", figure.compact(), name.unwrap_or_default()))
}

/// A number as a figure of its series.
pub(in crate::web) fn figure(number: &Number, series: &SeriesView) -> Option<Figure> {
    Figure::of(number, series.unit, series.currency)
}
