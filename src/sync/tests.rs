//! What the ledger makes of answers and gaps.

use std::collections::BTreeMap;

use super::ledger::{self, Cell, Change, Frame, Standing};
use crate::{
    http::Error,
    integrations::{Gap, Why},
    metric::{
        Answer, Currency, Day, Definition, Dimension, FailureKind, Kind, Mark, Money, Period, Polarity, Quality,
        Sample, Scope, State, Unit, ValidRange, Value, WidgetType,
    },
};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn period(first: &str, last: &str) -> Period {
    Period::inclusive(day(first), day(last))
}

fn frame(today: &str) -> Frame {
    Frame { today: day(today), currency: Currency::USD }
}

fn definition(kind: Kind, unit: Unit) -> Definition {
    Definition {
        id: "fake_thing".to_owned(),
        name: "Thing".to_owned(),
        description: String::new(),
        unit,
        category: "things".to_owned(),
        widget_type: WidgetType::Metric,
        kind,
        polarity: Polarity::Neutral,
        valid: ValidRange::NotNegative,
        settles_after_days: 2,
        retention_days: None,
        definition: 1,
        dimension: Some(Dimension::Plan),
        stream: "things".to_owned(),
        explained: false,
        of_money: false,
        exchange_effect: None,
    }
}

fn counts() -> Definition {
    definition(Kind::Flow, Unit::Count)
}

/// Writes changes into what stands.
fn apply(standing: &mut Standing, changes: Vec<Change>) {
    for change in changes {
        standing.insert((change.series, change.day), change.cell);
    }
}

fn state_of(standing: &Standing, date: &str) -> Option<State> {
    standing
        .iter()
        .find(|((series, of), _)| series.dimension.is_empty() && *of == day(date))
        .map(|(_, cell)| cell.mark.state)
}

#[test]
fn every_asked_day_has_a_state_before_anything_is_read() {
    let mut definition = counts();
    definition.retention_days = Some(2);
    let asked = period("2026-03-01", "2026-03-04");
    let changes = ledger::opening(&definition, &Standing::new(), asked, frame("2026-03-04"));
    let states: Vec<State> = changes.iter().map(|change| change.cell.mark.state).collect();
    assert_eq!(states, [State::BeyondRetention, State::BeyondRetention, State::Pending, State::Pending]);
    let mut standing = Standing::new();
    apply(&mut standing, changes);
    assert!(ledger::opening(&definition, &standing, asked, frame("2026-03-04")).is_empty());
    assert_eq!(
        ledger::due(&definition, &standing, asked, frame("2026-03-04")).len(),
        2,
        "what is beyond retention is not asked for"
    );
}

#[test]
fn an_answer_leaves_no_day_of_its_period_open() {
    let asked = period("2026-03-01", "2026-03-03");
    let answer = Answer::total("fake_thing", asked, vec![Sample::new(day("2026-03-02"), Value::Count(7))]);
    let changes = ledger::answer(&counts(), &answer, &Standing::new(), frame("2026-03-09")).unwrap();
    let cells: Vec<(Option<i64>, State)> = changes.iter().map(|c| (c.cell.value, c.cell.mark.state)).collect();
    assert_eq!(cells, [(Some(0), State::Zero), (Some(7), State::Value), (Some(0), State::Zero)]);

    let ratios = definition(Kind::Ratio, Unit::Ratio);
    let answer = Answer::total("fake_thing", asked, vec![]);
    let changes = ledger::answer(&ratios, &answer, &Standing::new(), frame("2026-03-09")).unwrap();
    assert!(changes.iter().all(|change| change.cell.mark.state == State::Empty), "a ratio of nothing is no zero");
}

#[test]
fn the_same_answer_twice_changes_nothing() {
    let asked = period("2026-03-01", "2026-03-03");
    let sample = Sample::new(day("2026-03-02"), Value::Count(7)).of("pro");
    let answer = Answer::every_dimension("fake_thing", asked, vec![sample]);
    let mut table = counts();
    table.widget_type = WidgetType::Table;
    let mut standing = Standing::new();
    let changes = ledger::answer(&table, &answer, &standing, frame("2026-03-09")).unwrap();
    apply(&mut standing, changes);
    assert_eq!(ledger::answer(&table, &answer, &standing, frame("2026-03-09")).unwrap(), []);
}

#[test]
fn what_is_no_longer_mentioned_falls_to_zero() {
    let asked = period("2026-03-02", "2026-03-02");
    let euros = |minor| Value::Money(Money::new(minor, "EUR".parse().unwrap()));
    let money = definition(Kind::Flow, Unit::Currency);
    let mut standing = Standing::new();
    let first = Answer::total("fake_thing", asked, vec![Sample::new(day("2026-03-02"), euros(500))]);
    let changes = ledger::answer(&money, &first, &standing, frame("2026-03-09")).unwrap();
    apply(&mut standing, changes);
    assert_eq!(standing.len(), 2, "the account's currency has a row of its own");
    let second = Answer::total("fake_thing", asked, vec![]);
    let changes = ledger::answer(&money, &second, &standing, frame("2026-03-09")).unwrap();
    let change = changes.iter().find(|change| change.series.currency == Some("EUR".parse().unwrap())).unwrap();
    assert_eq!((change.cell.value, change.restated.unwrap().value), (Some(0), Some(500)));
}

#[test]
fn a_finished_day_is_restated_and_an_unfinished_one_completed() {
    let asked = period("2026-03-02", "2026-03-02");
    let answer = |count| Answer::total("fake_thing", asked, vec![Sample::new(day("2026-03-02"), Value::Count(count))]);
    let mut standing = Standing::new();
    let changes = ledger::answer(&counts(), &answer(1), &standing, frame("2026-03-02")).unwrap();
    apply(&mut standing, changes);
    let completed = ledger::answer(&counts(), &answer(5), &standing, frame("2026-03-03")).unwrap();
    assert_eq!(completed[0].restated, None);
    assert!(completed[0].cell.mark.provisional, "the provider may still restate it");
    apply(&mut standing, completed);
    let late = ledger::answer(&counts(), &answer(6), &standing, frame("2026-03-04")).unwrap();
    assert_eq!(late[0].restated.unwrap().value, Some(5));
    apply(&mut standing, late);
    let last = ledger::answer(&counts(), &answer(6), &standing, frame("2026-03-05")).unwrap();
    assert!(!last[0].cell.mark.provisional, "read once more after it settled: final");
    apply(&mut standing, last);
    assert!(ledger::due(&counts(), &standing, asked, frame("2026-03-05")).is_empty());
}

#[test]
fn a_failure_keeps_the_last_good_value_and_says_that_it_is_stale() {
    let asked = period("2026-03-01", "2026-03-02");
    let mut standing = Standing::new();
    let known = Answer::total(
        "fake_thing",
        Period::single(day("2026-03-01")),
        vec![Sample::new(day("2026-03-01"), Value::Count(3))],
    );
    let changes = ledger::answer(&counts(), &known, &standing, frame("2026-03-02")).unwrap();
    apply(&mut standing, changes);
    let gap = Gap {
        metric_id: "fake_thing".to_owned(),
        scope: Scope::Total,
        period: asked,
        why: Why::Failed(Error::new(FailureKind::NotFound, "no")),
    };
    let changes = ledger::gap(&counts(), &gap, &standing, frame("2026-03-02"));
    apply(&mut standing, changes);
    assert_eq!(state_of(&standing, "2026-03-01"), Some(State::Value));
    assert!(standing.values().any(|cell| cell.mark.stale && cell.value == Some(3)));
    assert_eq!(state_of(&standing, "2026-03-02"), Some(State::Failed(FailureKind::NotFound)));
    assert!(ledger::gap(&counts(), &gap, &standing, frame("2026-03-02")).is_empty(), "the same failure writes nothing");
    assert_eq!(ledger::due(&counts(), &standing, asked, frame("2026-03-09")).len(), 2, "both are asked for again");
}

#[test]
fn a_snapshot_is_never_overwritten_by_a_reconstruction() {
    let asked = period("2026-03-01", "2026-03-01");
    let answer = |count, quality| {
        let sample = Sample::new(day("2026-03-01"), Value::Count(count)).with_quality(quality);
        Answer::total("fake_thing", asked, vec![sample])
    };
    let levels = definition(Kind::Level, Unit::Count);
    let mut standing: Standing = BTreeMap::new();
    let cell = Cell { value: Some(10), denominator: None, mark: Mark::new(State::Value) };
    standing.insert((ledger::carrier(&levels, frame("2026-03-09")), day("2026-03-01")), cell);
    let rebuilt = answer(9, Quality::Reconstructed);
    assert_eq!(ledger::answer(&levels, &rebuilt, &standing, frame("2026-03-09")).unwrap(), []);
    let exact = answer(11, Quality::Exact);
    assert_eq!(ledger::answer(&levels, &exact, &standing, frame("2026-03-09")).unwrap().len(), 1);
}

#[test]
fn impossible_values_are_refused_whole() {
    let asked = period("2026-03-01", "2026-03-02");
    let refused = |samples: Vec<Sample>| {
        let answer = Answer::total("fake_thing", asked, samples);
        ledger::answer(&counts(), &answer, &Standing::new(), frame("2026-03-09")).unwrap_err().to_string()
    };
    let sample = |date: &str, value: Value| Sample::new(day(date), value);
    assert!(
        refused(vec![sample("2026-03-01", Value::Count(-1))]).contains("-1 on 2026-03-01 is out of the valid range")
    );
    assert!(refused(vec![sample("2026-03-03", Value::Count(1))]).contains("lies outside"));
    assert!(
        refused(vec![sample("2026-03-01", Value::Count(1)), sample("2026-03-01", Value::Count(1))])
            .contains("two values")
    );
    assert!(refused(vec![sample("2026-03-01", Value::Bytes(1))]).contains("does not fit"));
    assert!(refused(vec![sample("2026-03-01", Value::Count(1)).of("pro")]).contains("dimension"));
}

#[test]
fn nothing_is_known_of_tomorrow() {
    let asked = period("2026-03-01", "2026-03-05");
    let answer = Answer::total("fake_thing", asked, vec![]);
    let changes = ledger::answer(&counts(), &answer, &Standing::new(), frame("2026-03-02")).unwrap();
    assert_eq!(changes.last().unwrap().day, day("2026-03-02"));
}
