//! Gold: weeks and months are made as a metric's kind allows, and of nothing else.

use std::collections::BTreeSet;

use dashtray::{
    integrations::Descriptor,
    metric::{Day, Definition, Interval, Kind, Period, State, Unit, Value, WidgetType},
    series::{self, GetRequest, PointView, SeriesView},
    sync::Range,
};

use crate::{
    conformance::{
        machine::{HISTORY_DAYS, Machine},
        rows::{Place, Row, Rows},
        stand::{Account, Stand},
    },
    support::{app::Process, database::Database},
};

type Checked = Result<(), String>;

/// Days on which it is read, so that there are several snapshots: the first is a Tuesday and the last of a month.
const DAYS_READ: i32 = 3;

/// C50
pub(crate) async fn follow_their_kind(stand: &Stand) -> Checked {
    let mut machine = Machine::new(stand, Account::Busy).await?;
    let database = machine.connected(Database::sqlite().await).await?;
    machine.good_runs(&database, Range::default()).await?;
    for _ in 1..DAYS_READ {
        machine.let_a_day_pass().await;
        machine.good_runs(&database, Range::default()).await?;
    }
    let rows = machine.rows(&database).await?;
    let process = machine.process(&database).await;
    let descriptor = stand.integration.descriptor();
    let today = machine.today();
    let history = Period::inclusive(today.plus(2 - DAYS_READ - HISTORY_DAYS), today);
    let snapshots = Period::inclusive(today.plus(1 - DAYS_READ), today);
    let mut told = Told::default();
    for definition in &descriptor.metrics {
        has_its_kind(definition, &rows)?;
        for (interval, period) in [Interval::Week, Interval::Month]
            .into_iter()
            .flat_map(|interval| [history, snapshots].map(|period| (interval, period)))
        {
            let read =
                Reading { machine: &machine, process: &process, descriptor: &descriptor, rows: &rows, definition };
            let by = interval.name();
            read.check(interval, period, &mut told).await.map_err(|why| format!("{} by {by}: {why}", definition.id))?;
        }
    }
    process.store.close().await;
    for Definition { id, kind, .. } in &descriptor.metrics {
        let kind = name(*kind);
        ensure!(
            told.kinds.contains(kind),
            "no week or month shows how a {kind} is joined; nothing could be judged by it"
        );
        let is_summed = kind == "distinct" && !told.distinct.contains(id);
        ensure!(!is_summed, "{id}: each week and month is the sum of its days");
    }
    Ok(())
}

/// Kinds, and metrics of different people, of which a week or month was seen that a sum of days would not have come to.
#[derive(Default)]
struct Told {
    kinds: BTreeSet<&'static str>,
    distinct: BTreeSet<String>,
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Flow => "flow",
        Kind::Level => "level",
        Kind::Ratio => "ratio",
        Kind::Distinct => "distinct",
        Kind::Statistic => "statistic",
    }
}

/// What a metric says of itself must be what it is, or its sums are right and mean nothing.
fn has_its_kind(definition: &Definition, rows: &Rows) -> Checked {
    let id = &definition.id;
    let is_present_alone = definition.retention_days == Some(1);
    ensure!(!is_present_alone || definition.kind == Kind::Level, "{id} is known of the present moment alone: a level");
    if definition.kind != Kind::Ratio {
        return Ok(());
    }
    // A share that was rounded to so many hundredths on each day cannot be put together again.
    let days = rows.0.iter().filter(|(place, _)| place.metric == *id && place.grain == Interval::Day);
    let shares: BTreeSet<(i64, i64)> = days
        .filter(|(_, row)| row.mark.state == State::Value)
        .filter_map(|(_, row)| row.value.zip(row.denominator))
        .collect();
    let wholes: BTreeSet<i64> = shares.iter().map(|(_, whole)| *whole).collect();
    ensure!(shares.len() < 3 || wholes.len() > 1, "{id} has the denominator {wholes:?} on every day: it has no parts");
    Ok(())
}

/// What is asked of one metric.
struct Reading<'a> {
    machine: &'a Machine,
    process: &'a Process,
    descriptor: &'a Descriptor,
    rows: &'a Rows,
    definition: &'a Definition,
}

impl Reading<'_> {
    async fn check(&self, interval: Interval, period: Period, told: &mut Told) -> Checked {
        let by_dimension = [false, true].into_iter().filter(|by| !by || self.definition.dimension.is_some());
        for by_dimension in by_dimension {
            let (days, joined) =
                (self.get(Interval::Day, period, by_dimension).await?, self.get(interval, period, by_dimension).await?);
            ensure!(!joined.is_empty() || by_dimension || self.is_table(), "there is no series");
            for series in joined.iter().filter(|series| !series.converted) {
                let same = |day: &&SeriesView| day.dimension == series.dimension && day.currency == series.currency;
                let days = days.iter().find(same);
                for point in &series.points {
                    let bucket = interval.bucket(point.date);
                    let within = days.iter().flat_map(|days| &days.points).filter(|day| bucket.contains(day.date));
                    let within: Vec<&PointView> = within.collect();
                    let whole = Bucket { series, bucket, period, days: &within, point };
                    self.judge(&whole, interval, told).map_err(|why| {
                        format!("{:?} {:?} of {}: {why}", series.dimension, series.currency, point.date)
                    })?;
                }
            }
        }
        Ok(())
    }

    fn is_table(&self) -> bool {
        self.definition.widget_type == WidgetType::Table
    }

    async fn get(&self, interval: Interval, period: Period, by_dimension: bool) -> Result<Vec<SeriesView>, String> {
        let request = GetRequest {
            project: "default".to_owned(),
            metric_id: self.definition.id.clone(),
            connection: None,
            from: Some(period.start()),
            to: period.last(),
            interval,
            by_dimension,
            now: self.machine.now(),
        };
        series::get(&self.process.store, &self.process.registry, &request).await.map_err(|error| error.to_string())
    }

    fn row(&self, bucket: &Bucket<'_>, grain: Interval, day: Day) -> Option<&Row> {
        let place = Place {
            metric: self.definition.id.clone(),
            grain,
            dimension: bucket.series.dimension.clone().unwrap_or_default(),
            currency: bucket.series.currency,
            day,
        };
        self.rows.get(&place)
    }

    fn judge(&self, bucket: &Bucket<'_>, interval: Interval, told: &mut Told) -> Checked {
        let shown = bucket.point.value.as_ref().map(ToString::to_string);
        let has_reason = bucket.point.reason.as_ref().is_some_and(|reason| reason.len() > 10);
        let is_without_value = bucket.point.state == State::Empty;
        ensure!(shown.is_some() || has_reason || is_without_value, "it has no value and does not say why");
        let values: Vec<(i64, i64)> = bucket.days.iter().filter_map(|day| self.parts(bucket, day)).collect();
        let is_asked = self.descriptor.grains(self.definition).contains(&interval);
        let expected = if is_asked { self.asked(bucket, interval)? } else { self.joined(bucket, &values) };
        ensure!(shown == expected, "it is {shown:?}, and should be {expected:?}");
        let is_known = |day: &&PointView| day.value.is_some() || day.state == State::Empty;
        let is_whole = is_asked && bucket.days.iter().all(is_known) && !bucket.is_cut();
        let row = self.row(bucket, interval, bucket.bucket.start()).filter(|_| is_whole && values.len() > 1);
        let is_telling = match (self.definition.kind, row.and_then(|row| row.value)) {
            (Kind::Distinct | Kind::Statistic, Some(value)) => is_possible(self.definition, value, &values)?,
            (Kind::Distinct | Kind::Statistic, None) => !is_asked && values.len() > 1,
            (Kind::Ratio, _) => {
                shown.is_some() && values.iter().map(|value| value.1).collect::<BTreeSet<_>>().len() > 1
            }
            _ => {
                shown.is_some()
                    && values.iter().map(|value| value.0).sum::<i64>() != values.last().map_or(0, |last| last.0)
            }
        };
        if is_telling {
            told.kinds.insert(name(self.definition.kind));
            told.distinct.insert(self.definition.id.clone());
        }
        Ok(())
    }

    /// Numerator and denominator (1 where there is none) of a day; nothing where it has no value.
    fn parts(&self, bucket: &Bucket<'_>, day: &PointView) -> Option<(i64, i64)> {
        day.value.as_ref()?;
        let row = self.row(bucket, Interval::Day, day.date);
        // A day without a row of its own that has a value is zero.
        Some(row.map_or((0, 1), |row| (row.value.unwrap_or(0), row.denominator.unwrap_or(1))))
    }

    /// What the days come to.
    fn joined(&self, bucket: &Bucket<'_>, values: &[(i64, i64)]) -> Option<String> {
        if bucket.days.iter().any(|day| day.value.is_none() && day.state != State::Empty) {
            return None;
        }
        let sum = |part: fn(&(i64, i64)) -> i64| values.iter().map(part).sum::<i64>();
        let (value, denominator) = match self.definition.kind {
            Kind::Flow if !values.is_empty() => (sum(|value| value.0), None),
            Kind::Level => (values.last()?.0, None),
            Kind::Ratio if !values.is_empty() => (sum(|value| value.0), Some(sum(|value| value.1))),
            Kind::Distinct | Kind::Statistic if values.len() == 1 => (values.first()?.0, None),
            _ => return None,
        };
        self.shown(bucket, value, denominator)
    }

    /// What was asked for, of a bucket that the range does not cut.
    fn asked(&self, bucket: &Bucket<'_>, interval: Interval) -> Result<Option<String>, String> {
        if bucket.is_cut() {
            return Ok(None);
        }
        let first = bucket.bucket.start();
        let Some(row) = self.row(bucket, interval, first).filter(|row| row.value.is_some()) else { return Ok(None) };
        Ok(self.shown(bucket, row.value.unwrap_or(0), row.denominator))
    }

    fn shown(&self, bucket: &Bucket<'_>, value: i64, denominator: Option<i64>) -> Option<String> {
        let Definition { unit, kind, .. } = self.definition;
        Value::from_parts(*unit, *kind, bucket.series.currency, value, denominator)?.normalised(*unit)
    }
}

/// One week or month of a series as `get` shows it, and its days.
struct Bucket<'a> {
    series: &'a SeriesView,
    bucket: Period,
    /// What was asked for.
    period: Period,
    days: &'a [&'a PointView],
    point: &'a PointView,
}

impl Bucket<'_> {
    /// Whether the range begins after it does. It may end with the present day.
    fn is_cut(&self) -> bool {
        self.bucket.start() < self.period.start()
    }
}

/// Whether something can be that of a week or month whose days are these: whoever came on a day came in its week, and
/// nobody else did; and what lies in the middle of each day lies in the middle of them all. Of a share of people neither
/// is true. Gives whether it is something else than the sum of days.
fn is_possible(definition: &Definition, value: i64, days: &[(i64, i64)]) -> Result<bool, String> {
    let is_share = matches!(definition.unit, Unit::Percent | Unit::Ratio);
    let days = || days.iter().map(|day| day.0);
    let (least, most, sum) = (days().min().unwrap_or(0), days().max().unwrap_or(0), days().sum::<i64>());
    let possible = if definition.kind == Kind::Distinct { most..=sum } else { least..=most };
    ensure!(is_share || possible.contains(&value), "it is {value}, and by its days it must lie in {possible:?}");
    Ok(value != sum)
}
