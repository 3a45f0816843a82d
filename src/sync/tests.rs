//! What the ledger makes of answers and gaps.

use std::collections::BTreeMap;

use super::ledger::{self, Cell, Change, Frame, Standing};
use crate::{
    http::Error,
    integrations::{Gap, Why},
    metric::{
        Answer, Currency, Day, Definition, Dimension, FailureKind, Interval, Kind, Mark, Money, Period, Polarity,
        Quality, Sample, Scope, State, Unit, ValidRange, Value, WidgetType,
    },
};

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn period(first: &str, last: &str) -> Period {
    Period::inclusive(day(first), day(last))
}

fn frame(today: &str) -> Frame {
    Frame { today: day(today), currency: Currency::USD, grain: Interval::Day }
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
        source: "`GET /stats`".to_owned(),
        differs: None,
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

/// What an answer makes of what stands, both as (currency, value, quality).
fn rewritten(
    definition: &Definition,
    standing: &Standing,
    samples: Vec<Sample>,
) -> Vec<(String, Option<i64>, Quality)> {
    let mut standing = standing.clone();
    let answer = Answer::total("fake_thing", Period::single(day("2026-03-01")), samples);
    let changes = ledger::answer(definition, &answer, &standing, frame("2026-03-09")).unwrap();
    apply(&mut standing, changes);
    let shown = |currency: Option<Currency>| currency.map(|code| code.to_string()).unwrap_or_default();
    standing.iter().map(|((series, _), cell)| (shown(series.currency), cell.value, cell.mark.quality)).collect()
}

#[test]
fn a_settled_day_keeps_its_surer_values_in_every_currency() {
    use Quality::{Exact, Reconstructed};
    let levels = definition(Kind::Level, Unit::Currency);
    let sample = |minor, code: &str, quality| {
        let value = Value::Money(Money::new(minor, code.parse().unwrap()));
        Sample::new(day("2026-03-01"), value).with_quality(quality)
    };
    let exact = |minor, code: &str| sample(minor, code, Exact);
    let rebuilt = |minor, code: &str| sample(minor, code, Reconstructed);
    let mut standing = Standing::new();
    let snapshot = Answer::total("fake_thing", Period::single(day("2026-03-01")), vec![exact(10, "USD")]);
    let changes = ledger::answer(&levels, &snapshot, &standing, frame("2026-03-09")).unwrap();
    apply(&mut standing, changes);
    let usd = |minor, quality| ("USD".to_owned(), Some(minor), quality);

    assert_eq!(rewritten(&levels, &standing, vec![rebuilt(9, "USD")]), [usd(10, Exact)]);
    let euros = vec![rebuilt(5, "EUR")];
    assert_eq!(rewritten(&levels, &standing, euros.clone()), [usd(10, Exact)], "no euros were counted, which is sure");
    let both = rewritten(&levels, &standing, vec![exact(11, "USD"), exact(5, "EUR")]);
    assert_eq!(both, [("EUR".to_owned(), Some(5), Exact), usd(11, Exact)]);

    // A setting has changed.
    let changes = ledger::reopening(&standing, frame("2026-03-09"));
    apply(&mut standing, changes);
    assert!(ledger::reopening(&standing, frame("2026-03-09")).is_empty());
    let both = rewritten(&levels, &standing, euros.clone());
    assert_eq!(both, [("EUR".to_owned(), Some(5), Reconstructed), usd(0, Reconstructed)], "unsaid is as sure as said");
    let answer = Answer::total("fake_thing", Period::single(day("2026-03-01")), euros);
    let changes = ledger::answer(&levels, &answer, &standing, frame("2026-03-09")).unwrap();
    let restated: Vec<Option<i64>> =
        changes.iter().filter_map(|change| Some(change.restated?.value)).flatten().map(Some).collect();
    assert_eq!(restated, [Some(10)], "and what stood is kept");
}

#[test]
fn a_surer_value_that_stays_is_not_stale_once_the_provider_answers() {
    let levels = definition(Kind::Level, Unit::Count);
    let carrier = ledger::carrier(&levels, frame("2026-03-09"));
    let mark = Mark { stale: true, ..Mark::new(State::Value) };
    let cell = Cell { value: Some(10), denominator: None, mark };
    let standing = Standing::from([((carrier, day("2026-03-01")), cell)]);
    let sample = Sample::new(day("2026-03-01"), Value::Count(9)).with_quality(Quality::Estimated);
    let answer = Answer::total("fake_thing", Period::single(day("2026-03-01")), vec![sample]);
    let changes = ledger::answer(&levels, &answer, &standing, frame("2026-03-09")).unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].cell.value, changes[0].cell.mark.stale, changes[0].restated), (Some(10), false, None));
}

#[test]
fn a_level_that_settles_takes_what_is_learnt_later_as_a_restatement() {
    let levels = definition(Kind::Level, Unit::Count);
    let asked = Period::single(day("2026-03-02"));
    let answer = |count| Answer::total("fake_thing", asked, vec![Sample::new(day("2026-03-02"), Value::Count(count))]);
    let mut standing = Standing::new();
    for (today, count, restated) in
        [("2026-03-02", 1, None), ("2026-03-03", 5, None), ("2026-03-04", 6, Some(5)), ("2026-03-05", 6, None)]
    {
        let changes = ledger::answer(&levels, &answer(count), &standing, frame(today)).unwrap();
        assert_eq!(changes[0].restated.map(|old| old.value), restated.map(Some), "{today}");
        apply(&mut standing, changes);
    }
    assert!(ledger::due(&levels, &standing, asked, frame("2026-03-05")).is_empty());
}

#[test]
fn days_that_come_within_reach_are_asked_for_again() {
    let mut levels = definition(Kind::Level, Unit::Count);
    levels.retention_days = Some(1);
    let (asked, today) = (period("2026-03-01", "2026-03-04"), frame("2026-03-04"));
    let mut standing = Standing::new();
    apply(&mut standing, ledger::opening(&levels, &Standing::new(), asked, today));
    levels.retention_days = None;
    assert_eq!(ledger::due(&levels, &standing, asked, today).len(), 1, "nothing says yet that it changed");
    let changes = ledger::reopening(&standing, frame("2026-03-09"));
    apply(&mut standing, changes);
    assert_eq!(ledger::due(&levels, &standing, asked, today).len(), 4);
}

#[test]
fn shares_of_money_have_a_series_a_currency_and_are_empty_where_unsaid() {
    let mut shares = definition(Kind::Ratio, Unit::Percent);
    shares.of_money = true;
    let on = Period::single(day("2026-03-02"));
    let euros = |minor| Money::new(minor, "EUR".parse().unwrap());
    let answer = |value| Answer::total("fake_thing", on, vec![Sample::new(day("2026-03-02"), value)]);
    let share = Value::money_share(euros(5), euros(20));
    let changes = ledger::answer(&shares, &answer(share), &Standing::new(), frame("2026-03-09")).unwrap();
    let cells: Vec<_> = changes
        .iter()
        .map(|c| (c.series.currency.unwrap().to_string(), c.cell.value, c.cell.denominator, c.cell.mark.state))
        .collect();
    let carrier = ("USD".to_owned(), None, None, State::Empty);
    assert_eq!(cells, [("EUR".to_owned(), Some(5), Some(20), State::Value), carrier.clone()]);

    let of_nothing = Value::money_share(euros(5), euros(0));
    let changes = ledger::answer(&shares, &answer(of_nothing), &Standing::new(), frame("2026-03-09")).unwrap();
    let kept = &changes[0].cell;
    assert_eq!((kept.value, kept.denominator, kept.mark.state), (Some(5), Some(0), State::Empty), "its parts are kept");

    let plain = ledger::answer(&shares, &answer(Value::ratio(1, 2)), &Standing::new(), frame("2026-03-09"));
    assert!(plain.unwrap_err().to_string().contains("takes shares of money"));
    shares.of_money = false;
    let refused = ledger::answer(&shares, &answer(share), &Standing::new(), frame("2026-03-09"));
    assert!(refused.unwrap_err().to_string().contains("no other does"));
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

fn by(grain: Interval, today: &str) -> Frame {
    Frame { grain, ..frame(today) }
}

/// What stands of weeks, by their first days.
fn weeks(standing: &Standing) -> Vec<(String, Option<i64>, State)> {
    standing.iter().map(|((_, first), cell)| (first.to_string(), cell.value, cell.mark.state)).collect()
}

#[test]
fn weeks_and_months_are_opened_from_the_first_that_begins_among_the_days() {
    let visitors = definition(Kind::Distinct, Unit::Count);
    let asked = period("2026-01-30", "2026-02-17");
    let opened = |grain| {
        let changes = ledger::opening(&visitors, &Standing::new(), asked, by(grain, "2026-02-17"));
        changes.iter().map(|change| change.day.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(opened(Interval::Week), ["2026-02-02", "2026-02-09", "2026-02-16"]);
    assert_eq!(opened(Interval::Month), ["2026-02-01"]);
}

#[test]
fn an_answer_of_weeks_covers_each_week_of_its_period_and_nothing_less() {
    let visitors = definition(Kind::Distinct, Unit::Count);
    let frame = by(Interval::Week, "2026-02-17");
    let said = |answered: Period, first: &str| {
        let answer = Answer::total("fake_thing", answered, vec![Sample::new(day(first), Value::Count(7))]);
        ledger::answer(&visitors, &answer, &Standing::new(), frame)
    };
    let mut standing = Standing::new();
    apply(&mut standing, said(period("2026-02-02", "2026-02-22"), "2026-02-09").unwrap());
    let expected = [("2026-02-02", 0, State::Zero), ("2026-02-09", 7, State::Value), ("2026-02-16", 0, State::Zero)];
    assert_eq!(weeks(&standing), expected.map(|(first, value, state)| (first.to_owned(), Some(value), state)));
    let flags: Vec<(bool, bool)> = standing.values().map(|cell| (cell.mark.provisional, cell.mark.partial)).collect();
    assert_eq!(flags, [(false, false), (true, false), (true, true)], "it settles two days after its Sunday");
    assert!(said(period("2026-02-09", "2026-02-17"), "2026-02-16").is_ok(), "that under way may end today");

    let refused = |answered, first| said(answered, first).unwrap_err().to_string();
    assert!(refused(period("2026-02-02", "2026-02-15"), "2026-02-10").contains("on which no week begins"));
    assert!(refused(period("2026-02-03", "2026-02-15"), "2026-02-09").contains("not made of whole weeks"));
    assert!(refused(period("2026-02-02", "2026-02-13"), "2026-02-09").contains("not made of whole weeks"));
    assert!(refused(period("2026-02-02", "2026-02-08"), "2026-02-09").contains("lies outside"));
}

#[test]
fn a_week_is_due_when_its_days_have_changed_when_it_is_over_and_when_it_has_settled() {
    let visitors = definition(Kind::Distinct, Unit::Count);
    let asked = period("2026-02-02", "2026-02-28");
    let mut standing = Standing::new();
    let due = |standing: &Standing, today: &str| {
        let due = ledger::due(&visitors, standing, asked, by(Interval::Week, today));
        due.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let read = |standing: &mut Standing, today: &str| {
        let answer = Answer::total("fake_thing", period("2026-02-09", "2026-02-15"), Vec::new());
        let changes = ledger::answer(&visitors, &answer, standing, by(Interval::Week, today)).unwrap();
        apply(standing, changes);
    };
    read(&mut standing, "2026-02-11");
    assert_eq!(due(&standing, "2026-02-11"), ["2026-02-02"], "the other was never read");
    assert_eq!(due(&standing, "2026-02-15"), ["2026-02-02"], "not over, and nothing of it has changed");
    let changed = [day("2026-02-10"), day("2026-03-01")].into();
    let outdated = ledger::outdated(&standing, &changed, by(Interval::Week, "2026-02-11"));
    apply(&mut standing, outdated);
    assert_eq!(due(&standing, "2026-02-11"), ["2026-02-02", "2026-02-09"]);
    assert!(ledger::outdated(&standing, &changed, by(Interval::Week, "2026-02-11")).is_empty());
    read(&mut standing, "2026-02-11");
    assert_eq!(due(&standing, "2026-02-16"), ["2026-02-02", "2026-02-09", "2026-02-16"], "over");
    read(&mut standing, "2026-02-16");
    assert_eq!(due(&standing, "2026-02-17"), ["2026-02-02", "2026-02-16"]);
    assert_eq!(due(&standing, "2026-02-18"), ["2026-02-02", "2026-02-09", "2026-02-16"], "settled");
    read(&mut standing, "2026-02-18");
    assert_eq!(due(&standing, "2026-02-19"), ["2026-02-02", "2026-02-16"]);
    let again = ledger::reopening(&standing, by(Interval::Week, "2026-02-19"));
    apply(&mut standing, again);
    assert_eq!(due(&standing, "2026-02-19"), ["2026-02-02", "2026-02-09", "2026-02-16"], "a setting has changed");
}

#[test]
fn only_what_says_something_else_is_news() {
    let visitors = definition(Kind::Distinct, Unit::Count);
    let mut standing = Standing::new();
    let days = |standing: &Standing, count, today: &str| {
        let sample = Sample::new(day("2026-02-10"), Value::Count(count));
        let answer = Answer::total("fake_thing", period("2026-02-09", "2026-02-10"), vec![sample]);
        ledger::answer(&visitors, &answer, standing, frame(today)).unwrap()
    };
    let news = |standing: &Standing, changes: &[Change]| {
        ledger::news(changes, standing).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let first = days(&standing, 5, "2026-02-10");
    assert_eq!(news(&standing, &first), ["2026-02-09", "2026-02-10"]);
    apply(&mut standing, first);
    let completed = days(&standing, 5, "2026-02-12");
    assert_eq!((completed.len(), news(&standing, &completed).len()), (2, 0), "surer, and the same");
    assert_eq!(news(&standing, &days(&standing, 6, "2026-02-12")), ["2026-02-10"]);
}

#[test]
fn a_gap_of_some_days_is_one_of_their_week() {
    let visitors = definition(Kind::Distinct, Unit::Count);
    let gap = Gap {
        metric_id: "fake_thing".to_owned(),
        scope: Scope::Total,
        period: period("2026-02-04", "2026-02-09"),
        why: Why::BeyondRetention,
    };
    let changes = ledger::gap(&visitors, &gap, &Standing::new(), by(Interval::Week, "2026-02-28"));
    let days: Vec<String> = changes.iter().map(|change| change.day.to_string()).collect();
    assert_eq!(days, ["2026-02-02", "2026-02-09"]);
}
