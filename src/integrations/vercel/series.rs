//! Days, weeks or months of a metric, of one project or of all: what is known of them and, for the others, why not.

use std::collections::BTreeMap;

use crate::{
    integrations::{Batch, Context, Outcome, Why},
    metric::{Answer, Day, Interval, Period, Sample, Scope, Value},
};

/// Lengths of time that are measured, in their order and without a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Buckets {
    pub(super) grain: Interval,
    pub(super) list: Vec<Period>,
    /// All days of them up to today.
    pub(super) days: Period,
}

/// The buckets of a period, as the run asks for them. Days end with today; the last week or month may not be over.
pub(super) fn buckets(period: Period, ctx: &Context) -> Buckets {
    let past = period.intersect(Period::new(period.start(), ctx.today().next()));
    let end = if ctx.grain == Interval::Day { past.end() } else { period.end() };
    let mut list = Vec::new();
    let mut start = period.start();
    while start < end {
        let bucket = ctx.grain.bucket(start).intersect(Period::new(start, end));
        start = bucket.end();
        list.push(bucket);
    }
    Buckets { grain: ctx.grain, list, days: past }
}

/// Buckets of one metric, each known by its first day.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Series {
    values: BTreeMap<Day, Value>,
    gaps: BTreeMap<Day, Why>,
}

impl Series {
    /// Sets a bucket; without a value it is empty.
    pub(super) fn set(&mut self, bucket: Period, value: Option<Value>) {
        if let Some(value) = value {
            self.values.insert(bucket.start(), value);
        }
    }

    /// Puts a reason on a bucket. The first that is found stands.
    pub(super) fn lose(&mut self, bucket: Period, why: &Why) {
        self.gaps.entry(bucket.start()).or_insert_with(|| why.clone());
    }

    /// Puts a reason on all buckets that begin before a day.
    pub(super) fn lose_before(&mut self, day: Day, buckets: &Buckets, why: &Why) {
        buckets.list.iter().filter(|bucket| bucket.start() < day).for_each(|bucket| self.lose(*bucket, why));
    }

    /// Adds what a bucket of another holds. `None` where the sum passes 64 bits or is of another form.
    pub(super) fn add(&mut self, part: &Self) -> Option<()> {
        for (day, value) in &part.values {
            let sum = match (self.values.get(day), value) {
                (None, value) => *value,
                (Some(Value::Count(mine)), Value::Count(more)) => Value::Count(mine.checked_add(*more)?),
                (Some(Value::Bytes(mine)), Value::Bytes(more)) => Value::Bytes(mine.checked_add(*more)?),
                _ => return None,
            };
            self.values.insert(*day, sum);
        }
        part.gaps.iter().for_each(|(day, why)| {
            self.gaps.entry(*day).or_insert_with(|| why.clone());
        });
        Some(())
    }

    /// How the metric has fared, if these are its totals: the first failure stands over everything.
    pub(super) fn outcome(&self) -> Outcome {
        let failed = self.gaps.values().find_map(|why| match why {
            Why::Failed(error) => Some(Outcome::Failed(error.clone())),
            _ => None,
        });
        let unsupported = || {
            self.gaps.values().find_map(|why| match why {
                Why::Unsupported(reason) => Some(Outcome::Unsupported(reason.clone())),
                _ => None,
            })
        };
        failed.or_else(unsupported).unwrap_or(Outcome::Ok)
    }

    /// Writes every bucket, as answers and gaps of whole stretches.
    pub(super) fn write(&self, mut batch: Batch, metric_id: &str, project: Option<&str>, buckets: &Buckets) -> Batch {
        let mut rest = buckets.list.as_slice();
        while let Some(first) = rest.first() {
            let why = self.gaps.get(&first.start());
            let length = rest.iter().take_while(|bucket| self.gaps.get(&bucket.start()) == why).count();
            let (stretch, others) = rest.split_at(length);
            let end = stretch.last().map_or(first.end(), |last| last.end());
            let period = Period::new(first.start(), end);
            let scope = project.map_or(Scope::Total, |name| Scope::One(name.to_owned()));
            batch = match why {
                Some(why) => batch.gap(metric_id, scope, period, why.clone()),
                None => {
                    let samples = self.values.range(first.start()..end).map(|(day, value)| {
                        let sample = Sample::new(*day, *value);
                        project.map_or(sample.clone(), |name| sample.of(name))
                    });
                    let samples = samples.collect();
                    batch.answer(Answer::new(metric_id, scope, period, samples))
                }
            };
            rest = others;
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn march(first: u8, last: u8) -> Buckets {
        let days = Period::inclusive(day(&format!("2026-03-{first:02}")), day(&format!("2026-03-{last:02}")));
        Buckets { grain: Interval::Day, list: days.days().map(Period::single).collect(), days }
    }

    #[test]
    fn every_day_is_written_once_as_answer_or_gap() {
        let buckets = march(1, 6);
        let mut series = Series::default();
        series.set(buckets.list[4], Some(Value::Count(3)));
        series.lose_before(day("2026-03-03"), &buckets, &Why::BeyondRetention);
        series.lose(buckets.list[3], &Why::Unsupported("no".to_owned()));
        let batch = series.write(Batch::new(), "x", Some("site"), &buckets);
        let gaps: Vec<String> = batch.gaps.iter().map(|gap| gap.period.to_string()).collect();
        assert_eq!(gaps, ["[2026-03-01, 2026-03-03)", "[2026-03-04, 2026-03-05)"]);
        let answers: Vec<(String, usize)> =
            batch.answers.iter().map(|one| (one.period.to_string(), one.samples.len())).collect();
        let expected = [("[2026-03-03, 2026-03-04)".to_owned(), 0), ("[2026-03-05, 2026-03-07)".to_owned(), 1)];
        assert_eq!(answers, expected);
        assert_eq!(batch.answers[1].samples[0].dimension.as_deref(), Some("site"));
        assert_eq!(series.outcome(), Outcome::Unsupported("no".to_owned()));
    }

    #[test]
    fn what_is_not_known_of_one_is_not_known_of_all() {
        let buckets = march(1, 2);
        let (mut one, mut other, mut total) = (Series::default(), Series::default(), Series::default());
        one.set(buckets.list[0], Some(Value::Count(1)));
        one.set(buckets.list[1], Some(Value::Count(2)));
        other.set(buckets.list[0], Some(Value::Count(5)));
        other.lose(buckets.list[1], &Why::BeyondRetention);
        total.add(&one).unwrap();
        total.add(&other).unwrap();
        let batch = total.write(Batch::new(), "x", None, &buckets);
        assert_eq!(batch.answers[0].samples[0].value, Some(Value::Count(6)));
        assert_eq!(batch.gaps[0].period, buckets.list[1]);
        let mut most = Series::default();
        most.set(buckets.list[0], Some(Value::Count(i64::MAX)));
        assert_eq!(total.add(&most), None);
    }
}
