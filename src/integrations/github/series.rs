//! Days of a metric, of one repository or of all: what is known of them and, for the others, why not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::metrics::{self, Reading, Row};
use crate::{
    integrations::{Batch, Error, Why},
    metric::{Answer, Day, Interval, Kind, Period, Sample, Scope, Value, Zone},
};

/// What a day holds. Parts are kept as they are, so that several repositories' days join without loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Cell {
    /// So many. Distinct counts of which no more is known do not join.
    Count(i64),
    /// A quotient.
    Ratio { numerator: i64, denominator: i64 },
    /// Lengths in milliseconds; the value is the median of all of them, of several days or repositories as well.
    Lengths(Vec<i64>),
    /// Different ones; the value is how many, each once.
    Members(BTreeSet<u64>),
}

impl Cell {
    fn join(&mut self, other: &Self, kind: Kind) -> Result<(), Error> {
        let sum = |a: i64, b: i64| {
            a.checked_add(b).ok_or_else(|| Error::invalid_response("a sum of what was answered does not fit 64 bits"))
        };
        match (self, other) {
            (Self::Count(_), Self::Count(_)) if kind == Kind::Distinct => {
                return Err(Error::invalid_response("two counts of different visitors on one day cannot be added"));
            }
            (Self::Count(mine), Self::Count(more)) => *mine = sum(*mine, *more)?,
            (Self::Ratio { numerator: a, denominator: b }, Self::Ratio { numerator: c, denominator: d }) => {
                (*a, *b) = (sum(*a, *c)?, sum(*b, *d)?);
            }
            (Self::Lengths(mine), Self::Lengths(more)) => mine.extend(more),
            (Self::Members(mine), Self::Members(more)) => mine.extend(more),
            _ => return Err(Error::internal("what cannot be joined was joined")),
        }
        Ok(())
    }

    fn value(&self) -> Option<Value> {
        match self {
            Self::Count(count) => Some(Value::Count(*count)),
            Self::Ratio { numerator, denominator } => Value::ratio(*numerator, *denominator),
            Self::Lengths(lengths) => median(lengths).map(Value::Millis),
            Self::Members(members) => i64::try_from(members.len()).ok().map(Value::Count),
        }
    }
}

/// The middle one, or the mean of the two in the middle, rounded half away from zero.
pub(super) fn median(lengths: &[i64]) -> Option<i64> {
    let mut sorted = lengths.to_vec();
    sorted.sort_unstable();
    let high = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(high);
    }
    let low = *sorted.get(sorted.len() / 2 - 1)?;
    let sum = i128::from(low) + i128::from(high);
    i64::try_from((sum + sum.signum()) / 2).ok()
}

/// The days of one metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Days {
    cells: BTreeMap<Day, Cell>,
    gaps: BTreeMap<Day, Why>,
}

impl Days {
    /// Puts a reason on days. What another try cannot mend stands over a failure, and of equals the first stands.
    pub(super) fn lose(&mut self, period: Period, why: &Why) {
        for day in period.days() {
            if self.gaps.get(&day).is_none_or(|known| weight(known) < weight(why)) {
                self.gaps.insert(day, why.clone());
            }
        }
    }

    /// Adds a repository's days to those of all.
    pub(super) fn add(&mut self, part: &Self, kind: Kind) -> Result<(), Error> {
        part.cells.iter().try_for_each(|(day, cell)| self.join(*day, cell, kind))
    }

    /// Takes over what is not known of a repository: it is not known of all either.
    pub(super) fn lose_with(&mut self, part: &Self) {
        part.gaps.iter().for_each(|(day, why)| self.lose(Period::single(*day), why));
    }

    /// The same of weeks or months, each on its first day. What is not known of a day is not known of all of them.
    pub(super) fn in_buckets(self, grain: Interval, kind: Kind) -> Result<Self, Error> {
        if grain == Interval::Day {
            return Ok(self);
        }
        let mut buckets = Self::default();
        self.cells.iter().try_for_each(|(day, cell)| buckets.join(grain.bucket(*day).start(), cell, kind))?;
        self.gaps.iter().for_each(|(day, why)| buckets.lose(grain.bucket(*day), why));
        Ok(buckets)
    }

    /// What the days hold.
    pub(super) fn cells(&self) -> &BTreeMap<Day, Cell> {
        &self.cells
    }

    /// The days with a reason.
    pub(super) fn gaps(&self) -> &BTreeMap<Day, Why> {
        &self.gaps
    }

    fn join(&mut self, day: Day, cell: &Cell, kind: Kind) -> Result<(), Error> {
        match self.cells.get_mut(&day) {
            Some(mine) => mine.join(cell, kind),
            None => {
                self.cells.insert(day, cell.clone());
                Ok(())
            }
        }
    }

    /// The first failure among the gaps, else the first sentence about what is not to be had.
    pub(super) fn worst(&self) -> Option<&Why> {
        let failed = self.gaps.values().find(|why| matches!(why, Why::Failed(_)));
        failed.or_else(|| self.gaps.values().find(|why| matches!(why, Why::Unsupported(_))))
    }

    /// Writes every day of the period, as answers and gaps of whole stretches.
    pub(super) fn write(&self, mut batch: Batch, metric_id: &str, repository: Option<&str>, period: Period) -> Batch {
        let mut start = period.start();
        while start < period.end() {
            let why = self.gaps.get(&start);
            let length =
                period.days().skip_while(|day| *day < start).take_while(|day| self.gaps.get(day) == why).count();
            let end = start.plus(i32::try_from(length.max(1)).unwrap_or(i32::MAX));
            let stretch = Period::new(start, end);
            let scope = repository.map_or(Scope::Total, |name| Scope::One(name.to_owned()));
            batch = match why {
                Some(why) => batch.gap(metric_id, scope, stretch, why.clone()),
                None => batch.answer(Answer::new(metric_id, scope, stretch, self.samples(stretch, repository))),
            };
            start = end;
        }
        batch
    }

    fn samples(&self, period: Period, repository: Option<&str>) -> Vec<Sample> {
        let cells = self.cells.range(period.start()..period.end());
        cells
            .map(|(day, cell)| {
                let sample = Sample::new(*day, cell.value());
                repository.map_or(sample.clone(), |name| sample.of(name))
            })
            .collect()
    }
}

fn weight(why: &Why) -> u8 {
    match why {
        Why::Failed(_) => 0,
        Why::Unsupported(_) => 1,
        Why::BeyondRetention => 2,
    }
}

/// The days of all metrics that a reading feeds, for one repository.
#[derive(Debug, Clone)]
pub(super) struct Part {
    period: Period,
    metrics: BTreeMap<&'static str, Days>,
    absent: Option<(Period, String)>,
}

impl Part {
    /// Nothing known yet. What lies outside the period is not counted.
    pub(super) fn new(period: Period) -> Self {
        Self { period, metrics: BTreeMap::new(), absent: None }
    }

    /// Puts a reason on days of all metrics of a reading.
    pub(super) fn lose_all(&mut self, period: Period, reading: Reading, why: &Why) {
        reading.rows().for_each(|row| self.lose(row.id, period, why));
    }

    /// Takes over what is not known of these days.
    pub(super) fn lose_as(&mut self, other: &Self, days: Period, reading: Reading) {
        for row in reading.rows() {
            let gaps = other.days(row.id).gaps;
            gaps.iter().filter(|(day, _)| days.contains(**day)).for_each(|(day, why)| {
                self.lose(row.id, Period::single(*day), why);
            });
        }
    }

    /// The repository has no such thing on these days; what it had on others stands.
    pub(super) fn be_absent(&mut self, period: Period, reading: Reading, reason: String) {
        self.lose_all(period, reading, &Why::Unsupported(reason.clone()));
        self.absent = Some((period, reason));
    }

    /// On which days the repository has no such thing, and why.
    pub(super) fn absent(&self) -> Option<(Period, &str)> {
        self.absent.as_ref().map(|(period, reason)| (*period, reason.as_str()))
    }

    /// From now on only what lies in this period is counted.
    pub(super) fn count_only(&mut self, period: Period) {
        self.period = period;
    }

    /// The days of a metric.
    pub(super) fn days(&self, metric: &str) -> Days {
        self.metrics.get(metric).cloned().unwrap_or_default()
    }

    /// One more on the day of an instant.
    pub(super) fn count(&mut self, metric: &'static str, at: Timestamp) -> Result<(), Error> {
        self.add(metric, utc_day(at), &Cell::Count(1))
    }

    /// So many more on a day.
    pub(super) fn amount(&mut self, metric: &'static str, day: Day, amount: i64) -> Result<(), Error> {
        self.add(metric, day, &Cell::Count(amount))
    }

    /// More of what is divided, and of what it is divided by, on the day of an instant.
    pub(super) fn ratio(
        &mut self,
        metric: &'static str,
        at: Timestamp,
        (numerator, denominator): (i64, i64),
    ) -> Result<(), Error> {
        self.add(metric, utc_day(at), &Cell::Ratio { numerator, denominator })
    }

    /// Somebody who is counted once a day.
    pub(super) fn member(&mut self, metric: &'static str, at: Timestamp, member: u64) -> Result<(), Error> {
        self.add(metric, utc_day(at), &Cell::Members(BTreeSet::from([member])))
    }

    /// Adds a length of time that ended at an instant.
    pub(super) fn length(&mut self, metric: &'static str, from: Timestamp, to: Timestamp) -> Result<(), Error> {
        let ms = to.as_millisecond().saturating_sub(from.as_millisecond());
        self.add(metric, utc_day(to), &Cell::Lengths(vec![ms]))
    }

    /// Adds what a day holds to what it held.
    pub(super) fn add(&mut self, metric: &'static str, day: Day, cell: &Cell) -> Result<(), Error> {
        if !self.period.contains(day) {
            return Ok(());
        }
        let kind = metrics::find(metric).map_or(Kind::Flow, |row| row.kind);
        self.metrics.entry(metric).or_default().join(day, cell, kind)
    }

    /// Puts a reason on days of a metric.
    pub(super) fn lose(&mut self, metric: &'static str, period: Period, why: &Why) {
        self.metrics.entry(metric).or_default().lose(period, why);
    }
}

/// The UTC day of an instant, by which everything is counted here.
pub(super) fn utc_day(at: Timestamp) -> Day {
    Day::of(at, &Zone::utc())
}

/// The days of a period before those that a metric's provider still shows.
pub(super) fn beyond_retention(row: &Row, period: Period, today: Day) -> Period {
    let first = row.retention_days().map_or(period.start(), |days| today.plus(1 - i32::from(days)));
    Period::new(period.start(), first.min(period.end()))
}

#[cfg(test)]
impl Days {
    /// The value of a day.
    pub(super) fn value(&self, day: Day) -> Option<Value> {
        self.cells.get(&day).and_then(Cell::value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn march(first: &str, last: &str) -> Period {
        Period::inclusive(day(&format!("2026-03-{first}")), day(&format!("2026-03-{last}")))
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7]), Some(7));
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[10, 1, 4, 2]), Some(3));
        assert_eq!(median(&[2, 1]), Some(2));
        assert_eq!(median(&[i64::MAX, i64::MAX]), Some(i64::MAX));
    }

    #[test]
    fn the_median_of_two_repositories_pools_their_pull_requests() {
        let at = |hour: i32| format!("2026-03-02T{hour:02}:00:00Z").parse::<Timestamp>().unwrap();
        let part = |hours: &[i32]| {
            let mut part = Part::new(march("01", "03"));
            hours.iter().for_each(|hour| part.length(metrics::PR_MERGE_TIME, at(0), at(*hour)).unwrap());
            part.days(metrics::PR_MERGE_TIME)
        };
        let mut total = part(&[1, 2, 3]);
        total.add(&part(&[10]), Kind::Statistic).unwrap();
        // Of 1, 2, 3 and 10 hours; the mean of both medians would be 6.
        assert_eq!(total.value(day("2026-03-02")), Some(Value::Millis(2 * 3_600_000 + 1_800_000)));
    }

    #[test]
    fn somebody_in_two_repositories_counts_once_in_their_total() {
        let at: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
        let part = |people: &[u64]| {
            let mut part = Part::new(march("01", "03"));
            people.iter().for_each(|person| part.member(metrics::CONTRIBUTORS, at, *person).unwrap());
            part.days(metrics::CONTRIBUTORS)
        };
        let mut total = part(&[1, 2, 2]);
        assert_eq!(total.value(day("2026-03-02")), Some(Value::Count(2)));
        total.add(&part(&[2, 3]), Kind::Distinct).unwrap();
        assert_eq!(total.value(day("2026-03-02")), Some(Value::Count(3)));
    }

    #[test]
    fn every_day_is_written_once_as_answer_or_gap() {
        let mut part = Part::new(march("01", "06"));
        part.amount(metrics::COMMITS, day("2026-03-05"), 3).unwrap();
        let mut days = part.days(metrics::COMMITS);
        days.lose(march("01", "02"), &Why::BeyondRetention);
        days.lose(march("04", "04"), &Why::Unsupported("no".to_owned()));
        let batch = days.write(Batch::new(), metrics::COMMITS, Some("a/b"), march("01", "06"));
        let gaps: Vec<Period> = batch.gaps.iter().map(|gap| gap.period).collect();
        let answers: Vec<(Period, usize)> = batch.answers.iter().map(|one| (one.period, one.samples.len())).collect();
        assert_eq!(gaps, [march("01", "02"), march("04", "04")]);
        assert_eq!(answers, [(march("03", "03"), 0), (march("05", "06"), 1)]);
        assert_eq!(batch.answers[1].scope, Scope::One("a/b".to_owned()));
        assert_eq!(batch.answers[1].samples[0].dimension.as_deref(), Some("a/b"));
    }

    #[test]
    fn what_no_try_can_mend_stands_over_a_failure() {
        let mut days = Days::default();
        let failed = Why::Failed(Error::not_found("gone"));
        days.lose(march("01", "03"), &failed);
        days.lose(march("01", "02"), &Why::Unsupported("no".to_owned()));
        days.lose(march("01", "01"), &Why::BeyondRetention);
        days.lose(march("01", "03"), &Why::Failed(Error::internal("later")));
        let batch = days.write(Batch::new(), metrics::COMMITS, None, march("01", "03"));
        let gaps: Vec<(Period, Why)> = batch.gaps.into_iter().map(|gap| (gap.period, gap.why)).collect();
        let unsupported = (march("02", "02"), Why::Unsupported("no".to_owned()));
        assert_eq!(gaps, [(march("01", "01"), Why::BeyondRetention), unsupported, (march("03", "03"), failed.clone())]);
        assert_eq!(days.worst(), Some(&failed));
    }

    #[test]
    fn only_what_is_still_shown_is_read() {
        let today = day("2026-03-20");
        let beyond = |id: &str| beyond_retention(metrics::find(id).unwrap(), march("01", "20"), today).len();
        assert_eq!(beyond(metrics::STARS), 19);
        assert_eq!(beyond(metrics::TRAFFIC_VIEWS), 6);
        assert_eq!(beyond(metrics::COMMITS), 0);
    }
}
