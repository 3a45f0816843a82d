//! Workflow runs: what counts, and how a list that is too long is cut into shorter ones.

use super::{
    api::Run,
    metrics::{WORKFLOW_RUNS, WORKFLOW_SUCCESS_RATE},
    series::Part,
};
use crate::{
    integrations::Error,
    metric::{Day, Period, Value, Zone},
};

/// GitHub lists no more runs of one query, whatever its total says.
pub(super) const MOST_LISTED: u64 = 1000;

/// Counts completed runs on the day they were created. Cancelled and skipped ones were neither success nor failure.
pub(super) fn run(part: &mut Part, run: &Run) -> Result<(), Error> {
    if run.status.as_deref() != Some("completed") {
        return Ok(());
    }
    part.count(WORKFLOW_RUNS, run.created_at)?;
    let succeeded = match run.conclusion.as_deref() {
        Some("success") => 1,
        Some("failure" | "timed_out") => 0,
        _ => return Ok(()),
    };
    let day = Day::of(run.created_at, &Zone::utc());
    Value::ratio(succeeded, 1).map_or(Ok(()), |share| part.add(WORKFLOW_SUCCESS_RATE, day, share))
}

/// Two shorter periods; `None` for a single day.
pub(super) fn halves(period: Period) -> Option<[Period; 2]> {
    let half = i32::try_from(period.len() / 2).ok().filter(|days| *days > 0)?;
    let middle = period.start().plus(half);
    Some([Period::new(period.start(), middle), Period::new(middle, period.end())])
}

/// The failure of a day that GitHub does not list whole.
pub(super) fn too_many(day: Day, total: u64) -> Error {
    Error::invalid_response(format!("{total} workflow runs on {day} are more than the {MOST_LISTED} that GitHub lists"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integrations::github::api::Runs;

    fn period(start: &str, end: &str) -> Period {
        Period::new(start.parse().unwrap(), end.parse().unwrap())
    }

    #[test]
    fn only_what_was_decided_counts_for_the_rate() {
        let runs: Runs = serde_json::from_str(include_str!("fixtures/runs.json")).unwrap();
        let mut part = Part::new(period("2026-03-09", "2026-03-11"));
        runs.workflow_runs.iter().for_each(|one| run(&mut part, one).unwrap());
        let (day, before) = ("2026-03-10".parse().unwrap(), "2026-03-09".parse().unwrap());
        assert_eq!(part.days(WORKFLOW_RUNS).value(day), Some(Value::Count(4)));
        assert_eq!(part.days(WORKFLOW_SUCCESS_RATE).value(day), Value::ratio(1, 3));
        assert_eq!(part.days(WORKFLOW_RUNS).value(before), Some(Value::Count(1)));
        assert_eq!(part.days(WORKFLOW_SUCCESS_RATE).value(before), None);
    }

    #[test]
    fn halves_join_without_a_seam_and_a_day_has_none() {
        let [first, second] = halves(period("2026-03-01", "2026-03-08")).unwrap();
        assert_eq!((first, second), (period("2026-03-01", "2026-03-04"), period("2026-03-04", "2026-03-08")));
        assert_eq!(halves(period("2026-03-01", "2026-03-02")), None);
    }
}
