//! What exchange rates alone did to a level of money, worked out when it is read like every conversion.
//!
//! A day is the level less the level of the day before, less what was added and plus what was subtracted meanwhile: all
//! as they are shown, converted and rounded, so that for people beginning, movements and end add up to the last unit.

use serde_json::{Map, Value as Json};

use super::{
    convert::{Converter, unknown},
    points::{DayPoint, Days, Reading},
};
use crate::{
    metric::{Currency, Day, ExchangeEffect, Mark, Money, Period, State, Value},
    store,
};

/// A metric that takes part.
struct Part<'a> {
    name: &'a str,
    /// Whether it counts against the effect.
    is_against: bool,
    days: Days,
}

/// The converted series of the effect; none where the level is counted in the reporting currency alone.
pub(super) async fn effect(
    reading: &Reading<'_>,
    effect: &ExchangeEffect,
    reporting: Currency,
) -> Result<Option<Days>, store::Error> {
    // The level of the day before the first one counts as well, unless that lies before the history.
    let before = reading.period.start().plus(-1).max(reading.connection.settings.history_start);
    let period = Period::new(before, reading.period.end());
    let converter = Converter::load(reading.store, reporting, period).await?;
    let part = async |id: &str, is_against: bool| {
        let Some(definition) = reading.descriptor.metric(id) else { return Ok(None) };
        let read = Reading { definition, period, by_dimension: false, ..*reading }.read().await?;
        let is_foreign = read.iter().any(|(_, currency, _)| *currency != Some(reporting));
        let days = converter.total(definition, &read);
        Ok::<_, store::Error>(Some((Part { name: &definition.name, is_against, days }, is_foreign)))
    };
    let Some((level, true)) = part(&effect.of, false).await? else { return Ok(None) };
    let mut movements = Vec::new();
    for (ids, is_against) in [(&effect.added, true), (&effect.subtracted, false)] {
        for id in ids {
            let Some((movement, _)) = part(id, is_against).await? else { return Ok(None) };
            movements.push(movement);
        }
    }
    Ok(Some(reading.period.days().map(|day| (day, of_day(&level, &movements, day, reporting))).collect()))
}

fn of_day(level: &Part<'_>, movements: &[Part<'_>], day: Day, reporting: Currency) -> DayPoint {
    let before = day.plus(-1);
    let moved = movements.iter().map(|part| (part, part.is_against, day));
    let mut sum: Option<i64> = Some(0);
    let mut mark = Mark::new(State::Zero);
    let mut metadata = Map::new();
    for (part, is_against, of) in [(level, false, day), (level, true, before)].into_iter().chain(moved) {
        let Some(point) = part.days.get(&of) else {
            return unknown(mark, format!("{} of {of} is not known: the history begins after it", part.name));
        };
        mark.provisional |= point.mark.provisional;
        mark.stale |= point.mark.stale;
        mark.quality = mark.quality.max(point.mark.quality);
        let Some(value) = point.value else {
            let why = point.reason.as_deref().unwrap_or(point.mark.state.name());
            let reason = Some(format!("{} of {of}: {why}", part.name));
            return DayPoint { value: None, reason, metadata: None, ..point.clone() };
        };
        let (minor, _) = value.parts();
        sum = sum.and_then(|sum| if is_against { sum.checked_sub(minor) } else { sum.checked_add(minor) });
        if let Some(Json::Object(rates)) = point.metadata.as_ref().and_then(|metadata| metadata.get("rates")) {
            let slot = if of == day { "rates" } else { "rates_before" };
            let shown = metadata.entry(slot).or_insert_with(|| Json::Object(Map::new()));
            shown.as_object_mut().into_iter().for_each(|shown| shown.extend(rates.clone()));
        }
    }
    let Some(minor) = sum else { return unknown(mark, "the sum does not fit 64 bits".to_owned()) };
    let value = Some(Value::Money(Money::new(minor, reporting)));
    let metadata = (!metadata.is_empty()).then_some(metadata);
    DayPoint { value, mark: Mark { state: State::of(value), ..mark }, reason: None, metadata }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Quality;

    fn part(name: &str, is_against: bool, points: &[(&str, i64, Mark)]) -> Part<'static> {
        let point = |minor, mark| {
            let value = Some(Value::Money(Money::new(minor, Currency::USD)));
            DayPoint { value, mark, reason: None, metadata: None }
        };
        let days = points.iter().map(|(date, minor, mark)| (date.parse().unwrap(), point(*minor, *mark))).collect();
        Part { name: name.to_owned().leak(), is_against, days }
    }

    fn on_second(level: &Part<'_>, movements: &[Part<'_>]) -> DayPoint {
        of_day(level, movements, "2026-03-02".parse().unwrap(), Currency::USD)
    }

    #[test]
    fn a_day_is_as_sure_as_all_that_it_is_made_of() {
        let sure = Mark::new(State::Value);
        let stale = Mark { stale: true, ..sure };
        let settling = Mark { provisional: true, quality: Quality::Reconstructed, ..sure };
        let level = part("MRR", false, &[("2026-03-01", 100, stale), ("2026-03-02", 150, sure)]);
        let movements =
            [part("new", true, &[("2026-03-02", 70, settling)]), part("churned", false, &[("2026-03-02", 15, sure)])];
        let point = on_second(&level, &movements);
        assert_eq!(point.value.unwrap().parts().0, -5);
        let expected = Mark { stale: true, provisional: true, quality: Quality::Reconstructed, ..sure };
        assert_eq!(point.mark, expected);
    }

    #[test]
    fn a_part_that_is_unknown_or_too_large_leaves_the_day_unknown_and_says_why() {
        let sure = Mark::new(State::Value);
        let level = part("MRR", false, &[("2026-03-01", i64::MIN, sure), ("2026-03-02", 1, sure)]);
        let point = on_second(&level, &[]);
        assert_eq!((point.value, point.reason.as_deref()), (None, Some("the sum does not fit 64 bits")));

        let mut movement = part("new", true, &[("2026-03-02", 1, Mark::new(State::Unsupported))]);
        movement.days.values_mut().for_each(|point| point.value = None);
        let level = part("MRR", false, &[("2026-03-01", 1, sure), ("2026-03-02", 1, sure)]);
        let point = on_second(&level, &[movement]);
        assert_eq!((point.value, point.mark.state), (None, State::Unsupported));
        assert_eq!(point.reason.as_deref(), Some("new of 2026-03-02: unsupported"));
    }
}
