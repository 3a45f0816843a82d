//! From stored rows to the points of a series: every asked day has one, and a bucket says why it has no value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::{Number, PointView, SeriesView, convert::Converter, exchange, stored::Stored};
use crate::{
    integrations::Descriptor,
    metric::{
        Currency, Day, Definition, Interval, Kind, Mark, Period, Quality, State, Unit, Value, WidgetType, combine,
    },
    store::{self, Connection, PointRow, SeriesRow, Store},
};

/// Why there is nothing on a day of what programs push.
const NOT_PUSHED: &str = "nothing was pushed";

/// What is read for one connection.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) store: &'a Store,
    pub(super) connection: &'a Connection,
    pub(super) descriptor: &'a Descriptor,
    pub(super) definition: &'a Definition,
    /// The days that are read: none before the connection's history.
    pub(super) period: Period,
    /// The first day that the provider can still answer, if it forgets.
    pub(super) reach_from: Option<Day>,
    /// The first day that was asked for, which may lie before the history.
    pub(super) asked_from: Day,
    pub(super) interval: Interval,
    /// What is read to that end: days, or the interval itself where the integration was asked for it.
    pub(super) grain: Interval,
    /// Whether the last day was named, so that the range ends there on purpose.
    pub(super) ends_early: bool,
    /// Each value of the dimension for itself.
    pub(super) by_dimension: bool,
    /// Whether somebody wants to know what all days come to. It costs as much as all weeks and months.
    pub(super) with_whole: bool,
    /// All series as they are kept, and none that is made of them.
    pub(super) as_kept: bool,
}

/// One day (or week, or month that was asked for) of one series.
#[derive(Debug, Clone)]
pub(super) struct DayPoint {
    pub(super) value: Option<Value>,
    pub(super) mark: Mark,
    pub(super) reason: Option<String>,
    pub(super) metadata: Option<Map<String, Json>>,
}

/// The days of a series in order; of weeks and months that were asked for, their first days.
pub(super) type Days = BTreeMap<Day, DayPoint>;

/// A series of one value of the dimension (empty for the total) and one currency.
pub(super) type Currencied = (String, Option<Currency>, Days);

impl Reading<'_> {
    /// The series that are asked for, out of what was loaded for this reading; the converted one last.
    pub(super) async fn series(&self, stored: &Stored) -> Result<Vec<SeriesView>, store::Error> {
        let read = self.kept(stored);
        let mut views: Vec<SeriesView> = read
            .iter()
            .map(|(dimension, currency, days)| self.view(stored, dimension, *currency, days, false))
            .collect();
        let Some(reporting) = self.reporting_currency().filter(|_| self.definition.has_currency() && !self.as_kept)
        else {
            return Ok(views);
        };
        // A rate is of a day, so nothing but days is converted.
        let daily = Reading { grain: Interval::Day, ..*self };
        let read = if self.grain == Interval::Day { read } else { daily.read().await? };
        let converted = match &self.definition.exchange_effect {
            None => {
                let converter = Converter::load(self.store, reporting, self.period).await?;
                converter.convert(self.definition, &read)
            }
            Some(effect) => {
                let days = exchange::effect(&daily, effect, reporting).await?;
                days.into_iter().map(|days| (String::new(), days)).collect()
            }
        };
        views.extend(
            converted.iter().map(|(dimension, days)| daily.view(stored, dimension, Some(reporting), days, true)),
        );
        Ok(views)
    }

    /// The series as they are kept, one a currency and value of the dimension.
    pub(super) async fn read(&self) -> Result<Vec<Currencied>, store::Error> {
        let stored = Stored::load(self.store, self.connection.key, &[self]).await?;
        Ok(self.kept(&stored))
    }

    fn kept(&self, stored: &Stored) -> Vec<Currencied> {
        let states = self.states(stored);
        let mut read = Vec::new();
        for row in stored.series(&self.definition.id, self.grain).filter(|row| self.shows(row)) {
            if let Some(days) = self.days(stored, row, &states) {
                read.push((row.dimension.clone(), row.currency, days));
            }
        }
        if read.is_empty() && !self.is_by_dimension() {
            let own = self.connection.settings.currency;
            read.push((String::new(), self.definition.has_currency().then_some(own), states));
        }
        if !self.as_kept {
            self.drop_silent(&mut read);
        }
        read
    }

    /// Whether the points of a series take part, by themselves or as the metric's states.
    pub(super) fn needs(&self, row: &SeriesRow) -> bool {
        row.metric_id == self.definition.id && row.grain == self.grain && (self.shows(row) || self.is_carrier(row))
    }

    /// The days on which the rows lie that are read: the first days of all buckets that have a part in the range.
    pub(super) fn reach(&self) -> Period {
        self.grain.whole(self.period)
    }

    fn shows(&self, row: &SeriesRow) -> bool {
        row.dimension.is_empty() != self.is_by_dimension()
    }

    fn is_by_dimension(&self) -> bool {
        self.by_dimension || self.definition.widget_type == WidgetType::Table
    }

    /// Whether the marks of a series are the states of the metric.
    fn is_carrier(&self, row: &SeriesRow) -> bool {
        let valued = self.definition.widget_type != WidgetType::Table && self.definition.has_currency();
        row.dimension.is_empty() && row.currency == valued.then_some(self.connection.settings.currency)
    }

    fn reporting_currency(&self) -> Option<Currency> {
        self.connection.settings.values.get("reporting_currency")?.as_str()?.parse().ok()
    }

    /// The account's currency is only of interest where nothing is counted in another one, or it has amounts itself.
    fn drop_silent(&self, read: &mut Vec<Currencied>) {
        let silent = |days: &Days| days.values().all(|point| point.value.is_none_or(|value| value.is_zero()));
        let spoken: BTreeSet<String> =
            read.iter().filter(|(_, _, days)| !silent(days)).map(|(dimension, _, _)| dimension.clone()).collect();
        let own = self.connection.settings.currency;
        read.retain(|(dimension, currency, days)| {
            *currency != Some(own) || !spoken.contains(dimension) || !silent(days)
        });
    }

    /// The metric's state of each day: the marks of its carrier.
    fn states(&self, stored: &Stored) -> Days {
        let carrier = stored.series(&self.definition.id, self.grain).find(|row| self.is_carrier(row));
        let mut days = carrier.map(|row| self.known(stored, row)).unwrap_or_default();
        let mark = Mark::new(State::Pending);
        let nobody = || (!self.connection.is_synced()).then(|| NOT_PUSHED.to_owned());
        for day in self.grain.starts(self.reach()) {
            let reason = || nobody().or_else(|| reason_of(mark));
            let pending = || DayPoint { value: None, mark, reason: reason(), metadata: None };
            days.entry(day).or_insert_with(pending);
        }
        days
    }

    /// The days of which a series has a row.
    fn known(&self, stored: &Stored, row: &SeriesRow) -> Days {
        let Definition { unit, kind, .. } = self.definition;
        let day = |(point, metadata): (&PointRow, Option<&Map<String, Json>>)| {
            let value =
                point.value.and_then(|value| Value::from_parts(*unit, *kind, row.currency, value, point.denominator));
            // A mark that was never written by us is damage: the day counts as not read.
            let mark = Mark::from_code(point.mark).unwrap_or(Mark::new(State::Pending));
            // What cannot be read again, such as a snapshot of a day that is over, stays as it is.
            let is_in_reach = self.reach_from.is_none_or(|first| first <= point.day);
            let mark = Mark { provisional: mark.provisional && is_in_reach, ..mark };
            let mut metadata = metadata.cloned();
            let reason = match metadata.as_mut().and_then(|map| map.shift_remove("reason")) {
                Some(Json::String(text)) => Some(text),
                _ => reason_of(mark),
            };
            let metadata = metadata.filter(|map| !map.is_empty());
            (point.day, DayPoint { value, mark, reason, metadata })
        };
        stored.points(row.id, self.reach()).map(day).collect()
    }

    /// The days of a series. Where it has no row, nothing was said of it: zero if the metric was read that day, else
    /// whatever kept the metric from being read. Parts that are read one by one (repositories) have a row for each day
    /// on which they were measured; where they have none they were not, and one without any is left out.
    fn days(&self, stored: &Stored, row: &SeriesRow, states: &Days) -> Option<Days> {
        let mut days = self.known(stored, row);
        let one_by_one = !row.dimension.is_empty() && self.definition.widget_type != WidgetType::Table;
        if one_by_one && days.is_empty() {
            return None;
        }
        if !self.connection.is_synced() {
            // Whoever pushes one currency or value of the dimension says nothing of the others.
            for day in states.keys() {
                let (mark, reason) = (Mark::new(State::Pending), Some(NOT_PUSHED.to_owned()));
                days.entry(*day).or_insert(DayPoint { value: None, mark, reason, metadata: None });
            }
            return Some(days);
        }
        let (state, zero) = match self.definition.kind {
            Kind::Flow | Kind::Level | Kind::Distinct => {
                (State::Zero, Value::from_parts(self.definition.unit, self.definition.kind, row.currency, 0, None))
            }
            Kind::Ratio | Kind::Statistic => (State::Empty, None),
        };
        for (day, point) in states {
            let answered = point.mark.state.is_answered();
            if one_by_one && answered {
                let mark = Mark::new(State::Unsupported);
                let reason = format!("was not among what this connection measured that {}", self.grain.name());
                let reason = Some(reason);
                days.entry(*day).or_insert(DayPoint { value: None, mark, reason, metadata: None });
                continue;
            }
            let unsaid = || DayPoint {
                value: zero.filter(|_| answered),
                mark: if answered { Mark { state, ..point.mark } } else { point.mark },
                reason: point.reason.clone(),
                metadata: None,
            };
            days.entry(*day).or_insert_with(unsaid);
        }
        Some(days)
    }

    fn view(
        &self,
        stored: &Stored,
        dimension: &str,
        currency: Option<Currency>,
        days: &Days,
        converted: bool,
    ) -> SeriesView {
        let points = match (self.interval, self.grain) {
            (Interval::Day, _) => days.iter().map(|(day, point)| self.point(*day, point)).collect(),
            (interval, Interval::Day) => self.buckets(interval, days),
            _ => days.iter().map(|(first, point)| self.whole(*first, point)).collect(),
        };
        SeriesView {
            metric_id: self.definition.id.clone(),
            name: self.definition.name.clone(),
            unit: self.definition.unit,
            currency,
            kind: self.definition.kind,
            zone: self.connection.settings.zone.name().to_owned(),
            connection_id: self.connection.public_id,
            dimension: (!dimension.is_empty()).then(|| dimension.to_owned()),
            label: stored.label(&self.definition.id, dimension).map(str::to_owned),
            converted,
            points,
            whole: self.joined_days(days),
        }
    }

    /// What the days come to that were answered so far, where days can be joined.
    fn joined_days(&self, days: &Days) -> Option<PointView> {
        if !self.with_whole || self.grain != Interval::Day || !self.definition.kind.combines() {
            return None;
        }
        let (last, _) = days.iter().rev().find(|(_, point)| point.mark.state.is_answered())?;
        let answered: Vec<(Day, &DayPoint)> = days.range(..=*last).map(|(day, point)| (*day, point)).collect();
        Some(self.point(*last, &joined(self.definition.kind, &answered)))
    }

    fn point(&self, date: Day, point: &DayPoint) -> PointView {
        PointView {
            date,
            value: point.value.and_then(|value| number(&value, self.definition.unit)),
            state: point.mark.state,
            reason: point.reason.clone(),
            provisional: point.mark.provisional,
            stale: point.mark.stale,
            quality: point.mark.quality,
            metadata: point.metadata.clone(),
        }
    }

    /// Weeks or months, of the days that were asked for.
    fn buckets(&self, interval: Interval, days: &Days) -> Vec<PointView> {
        let mut buckets: BTreeMap<Day, Vec<(Day, &DayPoint)>> = BTreeMap::new();
        for (day, point) in days {
            buckets.entry(interval.bucket(*day).start()).or_default().push((*day, point));
        }
        buckets
            .into_iter()
            .map(|(start, of_bucket)| {
                let joined = joined(self.definition.kind, &of_bucket);
                self.bucket(interval.bucket(start), joined)
            })
            .collect()
    }

    /// A week or month that was asked for as such. The range may take a part of it alone: what is known of all of it says
    /// nothing of that part.
    fn whole(&self, first: Day, point: &DayPoint) -> PointView {
        let bucket = self.interval.bucket(first);
        let is_cut = bucket.start() < self.asked_from || (self.ends_early && self.period.end() < bucket.end());
        let point = if is_cut {
            let taken = bucket.intersect(self.period).len();
            let reason = format!(
                "the range takes {taken} of its {} days, which cannot be told from the whole; name whole {}s",
                bucket.len(),
                self.interval.name()
            );
            let mark = Mark { state: State::Unsupported, ..point.mark };
            DayPoint { value: None, mark, reason: Some(reason), metadata: None }
        } else {
            point.clone()
        };
        self.bucket(bucket, point)
    }

    /// A week or month, which says how much of it there is.
    fn bucket(&self, bucket: Period, mut point: DayPoint) -> PointView {
        let (there, whole) = (bucket.intersect(self.period).len(), bucket.len());
        let before = Period::new(bucket.start().max(self.asked_from), self.period.start()).len();
        if before > 0 {
            let reason = format!("{before} of {whole} days lie before what this connection was asked to read");
            point = DayPoint { value: None, mark: Mark::new(State::Pending), reason: Some(reason), metadata: None };
        }
        if there < whole {
            let metadata = point.metadata.get_or_insert_with(Map::new);
            metadata.insert("days".to_owned(), json!(there));
            metadata.insert("days_of_interval".to_owned(), json!(whole));
        }
        self.point(bucket.start(), &point)
    }
}

/// Joins the days of a bucket as far as the metric's kind allows. One unknown day makes the bucket unknown.
fn joined(kind: Kind, days: &[(Day, &DayPoint)]) -> DayPoint {
    let provisional = days.iter().any(|(_, point)| point.mark.provisional);
    let stale = days.iter().any(|(_, point)| point.mark.stale);
    let quality = days.iter().map(|(_, point)| point.mark.quality).max().unwrap_or(Quality::Exact);
    let mark = |state: State| Mark { state, provisional, stale, partial: false, quality };
    let none = |state: State, reason: String| DayPoint {
        value: None,
        mark: mark(state),
        reason: Some(reason),
        metadata: None,
    };

    let unknown: Vec<&(Day, &DayPoint)> =
        days.iter().filter(|(_, point)| point.value.is_none() && point.mark.state != State::Empty).collect();
    if let Some((day, point)) = unknown.first() {
        let why = point.reason.clone().unwrap_or_else(|| point.mark.state.name().to_owned());
        let reason = format!("{} of {} days unknown, first {day}: {why}", unknown.len(), days.len());
        return none(point.mark.state, reason);
    }
    // Of a converted series: the newest rates that were used.
    let metadata = days.iter().rev().find_map(|(_, point)| point.metadata.as_ref()?.get("rates").cloned());
    let metadata = metadata.map(|rates| Map::from_iter([("rates".to_owned(), rates)]));
    let values: Vec<Value> = days.iter().filter_map(|(_, point)| point.value).collect();
    match combine(kind, &values) {
        Ok(value) => {
            let metadata = metadata.filter(|_| value.is_some());
            DayPoint { value, mark: mark(State::of(value)), reason: None, metadata }
        }
        Err(error) => none(State::Unsupported, error.to_string()),
    }
}

fn reason_of(mark: Mark) -> Option<String> {
    match mark.state {
        State::Value | State::Zero | State::Empty => None,
        State::Pending => Some("not read yet".to_owned()),
        State::Failed(kind) => Some(kind.name().to_owned()),
        State::BeyondRetention => Some("the provider cannot answer that far back".to_owned()),
        State::Unsupported => Some("not included in the plan or permissions".to_owned()),
    }
}

fn number(value: &Value, unit: Unit) -> Option<Number> {
    match (value, unit) {
        (Value::Count(count), _) => Some(Number::Integer(*count)),
        (value, unit) => value.normalised(unit).map(Number::Decimal),
    }
}
