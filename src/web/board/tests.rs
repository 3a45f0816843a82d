//! What a card says in each case that is awkward.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{
    card::{Card, card},
    chart::chart,
    range::Range,
    read::{Board, Shown},
};
use crate::{
    connections::{ConnectionView, starter},
    integrations::Registry,
    metric::{Currency, Day, Definition, FailureKind, Interval, Kind, Polarity, Quality, State, Unit, Zone},
    series::{Number, PointView, SeriesView},
    store::Project,
};

const NOW: &str = "2026-03-10T12:00:00Z";
const UNREAD: State = State::Pending;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn view(state: &str, synced: Option<&str>) -> ConnectionView {
    ConnectionView {
        connection_id: Uuid::nil(),
        integration_id: "shop".to_owned(),
        name: "Shop".to_owned(),
        state: state.to_owned(),
        reason: None,
        until: None,
        syncing: false,
        last_synced_at: synced.map(|at| at.parse().unwrap()),
        next_sync_at: Some("2026-03-10T12:30:00Z".parse().unwrap()),
        corrected: None,
    }
}

/// Seven days that are over, compared with the seven before, unless something else is asked for.
fn board(asked: &[(&str, &str)], view: ConnectionView) -> Board {
    let asked: BTreeMap<String, String> =
        asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let range = Range::of(&asked, day("2026-03-10"), day("2025-01-05")).unwrap();
    let now: Timestamp = NOW.parse().unwrap();
    let project =
        Project { id: 1, slug: "default".into(), zone: Zone::utc(), currency: Currency::USD, created_at: now };
    Board::of_nothing(project, range, vec![view], now)
}

fn week() -> Board {
    board(&[("range", "7d")], view("ok", Some("2026-03-10T11:48:00Z")))
}

/// A series from a day on; days of which nothing is known say why.
fn series(kind: Kind, first: &str, values: &[Result<i64, State>]) -> SeriesView {
    let point = |(at, value): (usize, &Result<i64, State>)| PointView {
        date: day(first).plus(i32::try_from(at).unwrap()),
        value: value.ok().map(Number::Integer),
        state: value.map_or_else(|state| state, |number| if number == 0 { State::Zero } else { State::Value }),
        reason: None,
        provisional: false,
        stale: false,
        quality: Quality::Exact,
        metadata: None,
    };
    let points: Vec<PointView> = values.iter().enumerate().map(point).collect();
    let sum: Option<i64> = values.iter().map(|value| value.ok()).sum();
    let whole = points.last().cloned().map(|point| PointView { value: sum.map(Number::Integer), ..point });
    SeriesView {
        metric_id: "shop_sales".into(),
        name: "Sales".into(),
        unit: Unit::Count,
        currency: None,
        kind,
        zone: "UTC".into(),
        connection_id: Uuid::nil(),
        dimension: None,
        label: None,
        converted: false,
        points,
        whole,
    }
}

/// A widget of this week's and last week's series.
fn shown(kind: &str, current: SeriesView, previous: Option<SeriesView>) -> Shown {
    let descriptor = Registry::builtin().descriptors().next().unwrap();
    let definition = Definition {
        id: "shop_sales".into(),
        name: "Sales".into(),
        unit: current.unit,
        kind: current.kind,
        polarity: Polarity::UpIsGood,
        dimension: None,
        ..descriptor.metrics[0].clone()
    };
    let widget = starter::widget(kind, &definition, "s");
    let previous = previous.into_iter().collect();
    Shown { widget, definition, descriptor, interval: Interval::Day, current: vec![current], previous }
}

fn plain(text: &str) -> String {
    text.replace(['\u{202f}', '\u{a0}'], " ")
}

/// The value, what became of it, and the words beside it.
fn said(card: &Card) -> [String; 3] {
    let delta = card.delta.as_ref().map(|delta| format!("{} {} {}", delta.arrow, delta.text, delta.against));
    [plain(&card.value), plain(delta.unwrap_or_default().trim()), plain(&card.words)]
}

fn flow(now: &[Result<i64, State>], then: &[Result<i64, State>]) -> [String; 3] {
    let then = (!then.is_empty()).then(|| series(Kind::Flow, "2026-02-24", then));
    let board = week();
    said(&card(&shown("metric", series(Kind::Flow, "2026-03-03", now), then), &board))
}

const ZERO: [Result<i64, State>; 7] = [Ok(0); 7];
const ONE: [Result<i64, State>; 7] = [Ok(1); 7];

#[test]
fn a_change_from_nothing_is_new_and_has_no_percentage() {
    assert_eq!(flow(&ONE, &ZERO), ["7", "▲ new +7 vs 24 Feb – 2 Mar", ""]);
}

#[test]
fn nothing_twice_and_the_same_twice_are_no_change() {
    assert_eq!(flow(&ZERO, &ZERO), ["0", "no change vs 24 Feb – 2 Mar", ""]);
    assert_eq!(flow(&ONE, &ONE), ["7", "no change vs 24 Feb – 2 Mar", ""]);
}

#[test]
fn what_was_not_measured_before_has_no_earlier_data() {
    assert_eq!(flow(&ONE, &[]), ["7", "no earlier data", ""]);
    // Nor where the days before were not all read.
    let partly = [Err(UNREAD), Ok(1), Ok(1), Ok(1), Ok(1), Ok(1), Ok(1)];
    assert_eq!(flow(&ONE, &partly), ["7", "no earlier data", ""]);
}

#[test]
fn days_without_data_are_never_zero() {
    let failed = Err(State::Failed(FailureKind::Forbidden));
    assert_eq!(flow(&[failed; 7], &ONE), ["", "", "no data for this period"]);
    let holed = [Ok(1), failed, Ok(1), Ok(1), Ok(1), Ok(1), Ok(1)];
    assert_eq!(flow(&holed, &ONE), ["", "", "1 of 7 days are not known"]);
}

#[test]
fn what_was_never_read_waits_for_its_first_sync() {
    let board = board(&[("range", "7d")], view("ok", None));
    let card = card(&shown("metric", series(Kind::Flow, "2026-03-03", &[Err(UNREAD); 7]), None), &board);
    assert!(card.is_waiting && card.value.is_empty() && card.delta.is_none());
    assert_eq!((card.words.as_str(), card.age.text.as_str()), ("the first sync is on its way", "not synced yet"));
}

#[test]
fn an_old_value_stands_with_its_age_and_why_it_is_old() {
    let age = |state: &str, synced: &str, stale: bool| {
        let mut series = series(Kind::Flow, "2026-03-03", &ONE);
        series.points[6].stale = stale;
        let card = card(&shown("metric", series, None), &board(&[("range", "7d")], view(state, Some(synced))));
        assert_eq!((card.value.as_str(), card.age.title.is_empty()), ("7", false), "the last good value stands");
        (plain(&card.age.text), card.age.is_stale)
    };
    let (fresh, old) = ("2026-03-10T11:48:00Z", "2026-03-10T00:00:00Z");
    assert_eq!(age("ok", fresh, false), ("synced 12 min ago".into(), false));
    for state in ["failing", "needs_reconnect", "credentials_unreadable"] {
        assert_eq!(age(state, old, false), ("12 h old — Shop sync failing".into(), true), "{state}");
    }
    assert_eq!(age("paused", old, false), ("12 h old — Shop is paused".into(), true));
    assert_eq!(age("degraded", fresh, true), ("12 min old — kept from an earlier read".into(), true));
    // Nobody runs what is due.
    let late = ConnectionView { next_sync_at: Some("2026-03-10T10:59:00Z".parse().unwrap()), ..view("ok", Some(old)) };
    let card = card(&shown("metric", series(Kind::Flow, "2026-03-03", &ONE), None), &board(&[("range", "7d")], late));
    assert_eq!(plain(&card.age.text), "12 h old — Shop was not read since");
}

#[test]
fn an_unfinished_day_counts_so_far_and_is_compared_with_none_that_is_over() {
    let board = board(&[("range", "month")], view("ok", Some("2026-03-10T11:48:00Z")));
    let now = series(Kind::Flow, "2026-03-01", &[Ok(2); 10]);
    let then = series(Kind::Flow, "2026-02-01", &[Ok(1); 10]);
    let card = card(&shown("metric", now.clone(), Some(then.clone())), &board);
    assert_eq!(said(&card), ["20", "▲ +100 % +9 vs 1–9 Feb", "so far"]);
    assert!(card.spark.is_some_and(|spark| !spark.open.is_empty()), "its end is dashed");
    let chart = chart(&shown("chart", now, Some(then)), &board);
    assert_eq!(chart.lines.iter().map(|line| line.is_before).collect::<Vec<_>>(), [true, false]);
    let bars = &chart.lines[1].paths;
    assert_eq!((bars.line.matches('M').count(), bars.open.matches('M').count()), (9, 1), "the last bar is pale");
}

#[test]
fn days_that_may_still_change_are_open_and_gaps_are_gaps() {
    let mut series = series(Kind::Level, "2026-03-03", &[Ok(1), Ok(2), Err(UNREAD), Ok(4), Ok(5), Ok(6), Ok(7)]);
    series.points[6].provisional = true;
    let board = week();
    let chart = chart(&shown("chart", series, None), &board);
    assert!(chart.has_open && chart.has_gaps);
    assert_eq!(chart.lines[0].paths.line.matches('M').count(), 2, "{}", chart.lines[0].paths.line);
    assert_eq!(chart.lines[0].paths.open.matches('M').count(), 1);
    assert_eq!(said(&chart.card)[0], "7");
}

#[test]
fn several_currencies_are_one_sum_that_says_it_is_converted() {
    let money = |converted: bool, currency: Currency| SeriesView {
        unit: Unit::Currency,
        currency: Some(currency),
        converted,
        ..series(Kind::Flow, "2026-03-03", &ONE)
    };
    let mut sum = money(true, Currency::USD);
    let rates = json!({"EUR": {"rate": "1.1", "date": "2026-03-06"}});
    sum.points[6].metadata = Some(serde_json::Map::from_iter([("rates".to_owned(), rates)]));
    let board = week();
    let mut shown = shown("metric", money(false, "EUR".parse().unwrap()), None);
    shown.current.push(sum);
    let card = card(&shown, &board);
    assert_eq!(plain(&card.value), "≈ $7.00");
    assert_eq!(plain(&card.full), "$7.00, converted with rates up to 2026-03-06");
    assert_eq!(card.also, ["€7.00"]);
}

#[test]
fn what_cannot_be_added_up_says_its_day() {
    let mut shown = shown("metric", series(Kind::Distinct, "2026-03-03", &[Ok(5); 7]), None);
    assert_eq!(said(&card(&shown, &week())), ["5", "no earlier data", "Mon 9 Mar"]);
    // Colour follows what is good, the arrow what happened.
    shown.previous = vec![series(Kind::Distinct, "2026-02-24", &[Ok(4); 7])];
    shown.definition.polarity = Polarity::DownIsGood;
    let card = card(&shown, &week());
    assert_eq!(said(&card)[1], "▲ +25 % +1 vs 2 Mar");
    assert_eq!(card.delta.map(|delta| delta.tone), Some("bad"));
}
