//! Workflow runs: what counts, and how a list that is too long is cut into shorter ones.

use jiff::{SignedDuration, Timestamp};

use super::{
    api::{self, Run},
    lists::keep,
    metrics::{Reading, WORKFLOW_DURATION, WORKFLOW_RUNS, WORKFLOW_SUCCESS_RATE},
    past::{first_of_history, first_open},
    series::{Part, utc_day},
};
use crate::{
    integrations::{Context, Error, Why},
    metric::{Period, Zone},
};

/// GitHub lists no more runs of one query, whatever its total says.
const MOST_LISTED: u64 = 1000;
/// GitHub ends a run that takes longer.
const LONGEST_RUN: SignedDuration = SignedDuration::from_hours(35 * 24);
/// No repository has so many runs that more pieces are needed for a month of them.
const MOST_PIECES: u32 = 500;
const DAY_SECONDS: i64 = 86_400;

/// Reads the runs that were created on these days, and of most repositories all others that a first sync will ask for.
/// Cuts them until GitHub lists all runs of each piece, a day into hours and less if need be. Gives the days of which that
/// tells everything.
pub(super) async fn read(
    ctx: &Context,
    path: &str,
    days: Period,
    part: &mut Part,
    is_first: bool,
) -> Result<Period, Error> {
    part.count_only(days);
    // What GitHub may restate has an address of its own, which the next run asks for again.
    let open = first_open(ctx.today()).max(days.start()).min(days.end());
    let (settled, asked_again) = (Period::new(days.start(), open), Piece::of(Period::new(open, days.end())));
    if is_first && !settled.is_empty() && days.end() > ctx.today() {
        let history = Period::new(first_of_history(ctx.today()).min(days.start()), open);
        part.count_only(Period::new(history.start(), days.end()));
        if list(ctx, path, Piece::of(history), Extent::OnePage, part).await?.is_none() {
            pieces(ctx, path, vec![asked_again], asked_again, part).await?;
            return Ok(Period::new(history.start(), days.end()));
        }
        part.count_only(days);
    }
    pieces(ctx, path, vec![Piece::of(settled), asked_again], asked_again, part).await?;
    Ok(days)
}

/// Reads pieces, the last of them first.
async fn pieces(
    ctx: &Context,
    path: &str,
    mut pieces: Vec<Piece>,
    asked_again: Piece,
    part: &mut Part,
) -> Result<(), Error> {
    pieces.retain(|piece| piece.from < piece.to);
    let mut left = MOST_PIECES;
    while let Some(piece) = pieces.pop() {
        let extent = if piece.from >= asked_again.from { Extent::Again } else { Extent::Once };
        let Some(total) = list(ctx, path, piece, extent, part).await? else { continue };
        left = left.saturating_sub(1);
        match piece.halves().filter(|_| left > 0) {
            Some(halves) => pieces.extend(halves),
            None => {
                let why = Why::Failed(too_many(piece, total));
                part.lose_all(piece.days(), Reading::Workflows, &why);
            }
        }
    }
    Ok(())
}

/// How much of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of it, once.
    Once,
    /// All of it, and a later run will ask the same.
    Again,
    /// Only if it is one page.
    OnePage,
}

/// Reads a piece, or gives its total where that is more than GitHub lists, or than is wanted; then nothing is taken.
async fn list(ctx: &Context, path: &str, piece: Piece, extent: Extent, part: &mut Part) -> Result<Option<u64>, Error> {
    let created = piece.query();
    let mut pages = api::runs(&ctx.http, path, &created, extent == Extent::Again);
    let mut before: Vec<u64> = Vec::new();
    let (mut promised, mut read) = (None, 0_u64);
    while let Some(page) = pages.next().await? {
        let has_more = page.link("next").is_some();
        // At exactly so many it may be the limit that is told.
        let is_cut = page.body.total_count >= MOST_LISTED || has_more && extent == Extent::OnePage;
        if before.is_empty() && is_cut {
            return Ok(Some(page.body.total_count));
        }
        promised = promised.or(Some(page.body.total_count));
        for one in page.body.workflow_runs.iter().filter(|run| !before.contains(&run.id)) {
            read += 1;
            run(part, one)?;
        }
        before = page.body.workflow_runs.iter().map(|run| run.id).collect();
        keep(ctx, has_more && !page.not_modified).await?;
    }
    if promised.is_some_and(|promised| read < promised) {
        // What was taken away has moved others to a page that was read before.
        return Err(Error::invalid_response("the list of workflow runs became shorter while it was read"));
    }
    Ok(None)
}

/// States of a run that is not over.
const UNDER_WAY: [&str; 5] = ["queued", "in_progress", "waiting", "requested", "pending"];
/// Ends that are neither success nor failure.
const NEITHER: [&str; 6] = ["cancelled", "skipped", "neutral", "stale", "action_required", "startup_failure"];

/// Counts completed runs on the day they were created, and how long they took from the start of their last attempt.
/// Cancelled and skipped ones were neither success nor failure.
fn run(part: &mut Part, run: &Run) -> Result<(), Error> {
    let unknown = |field: &str, word: &str| {
        let word: String = word.chars().filter(|c| !c.is_control()).take(40).collect();
        Error::invalid_response(format!(
            "the {field} of a workflow run is \"{word}\", which this version does not know"
        ))
    };
    if UNDER_WAY.contains(&run.status.as_str()) {
        return Ok(());
    }
    if run.status != "completed" {
        return Err(unknown("status", &run.status));
    }
    part.count(WORKFLOW_RUNS, run.created_at)?;
    let took = run.run_started_at.map(|started_at| run.updated_at.duration_since(started_at));
    if let Some(took) = took.filter(|took| !took.is_negative() && *took <= LONGEST_RUN) {
        let ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        part.ratio(WORKFLOW_DURATION, run.created_at, (ms, 1))?;
    }
    match run.conclusion.as_deref() {
        Some("success") => part.ratio(WORKFLOW_SUCCESS_RATE, run.created_at, (1, 1)),
        Some("failure" | "timed_out") => part.ratio(WORKFLOW_SUCCESS_RATE, run.created_at, (0, 1)),
        Some(other) if NEITHER.contains(&other) => Ok(()),
        other => Err(unknown("conclusion", other.unwrap_or("null"))),
    }
}

/// A length of time in seconds since 1970, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from: i64,
    to: i64,
}

impl Piece {
    fn of(days: Period) -> Self {
        let (from, to) = Zone::utc().bounds(days);
        Self { from: from.as_second(), to: to.as_second() }
    }

    fn days(self) -> Period {
        Period::inclusive(utc_day(instant(self.from)), utc_day(instant(self.to - 1)))
    }

    /// As GitHub takes it: both ends belong to it, days as days.
    fn query(self) -> String {
        let (first, last) = (instant(self.from), instant(self.to - 1));
        match self.from % DAY_SECONDS == 0 && self.to % DAY_SECONDS == 0 {
            true => format!("{}..{}", utc_day(first), utc_day(last)),
            false => format!("{first}..{last}"),
        }
    }

    /// Two shorter pieces, cut at a midnight where there is one inside; `None` for a single second. The newer is last.
    fn halves(self) -> Option<[Self; 2]> {
        let middle = self.from + (self.to - self.from) / 2;
        let midnight = middle - middle % DAY_SECONDS;
        let middle = if midnight > self.from { midnight } else { middle };
        (middle > self.from).then_some([Self { to: middle, ..self }, Self { from: middle, ..self }])
    }
}

fn instant(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The failure of a day that GitHub does not list whole.
fn too_many(piece: Piece, total: u64) -> Error {
    Error::invalid_response(format!(
        "{total} workflow runs at {} are more than the {MOST_LISTED} that GitHub lists",
        instant(piece.from)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{integrations::github::api::Runs, metric::Value};

    fn period(start: &str, end: &str) -> Period {
        Period::new(start.parse().unwrap(), end.parse().unwrap())
    }

    #[test]
    fn only_what_was_decided_counts_for_the_rate_and_all_that_ended_for_the_duration() {
        let runs: Runs = serde_json::from_str(include_str!("fixtures/runs.json")).unwrap();
        let mut part = Part::new(period("2026-03-09", "2026-03-11"));
        runs.workflow_runs.iter().for_each(|one| run(&mut part, one).unwrap());
        let (day, before) = ("2026-03-10".parse().unwrap(), "2026-03-09".parse().unwrap());
        assert_eq!(part.days(WORKFLOW_RUNS).value(day), Some(Value::Count(4)));
        assert_eq!(part.days(WORKFLOW_SUCCESS_RATE).value(day), Value::ratio(1, 3));
        assert_eq!(part.days(WORKFLOW_RUNS).value(before), Some(Value::Count(1)));
        assert_eq!(part.days(WORKFLOW_SUCCESS_RATE).value(before), None);
        // Five minutes, one, and an hour; what ended before it began tells nothing, and neither does what is still running.
        assert_eq!(part.days(WORKFLOW_DURATION).value(day), Value::ratio(3_960_000, 3));
        assert_eq!(part.days(WORKFLOW_DURATION).value(before), Value::ratio(1_000, 1));
    }

    #[test]
    fn a_word_that_nobody_knows_is_no_end_of_a_run() {
        let mut part = Part::new(period("2026-03-09", "2026-03-11"));
        for (status, conclusion) in
            [("unheard_of", Some("success")), ("completed", Some("unheard_of")), ("completed", None)]
        {
            let at = "2026-03-10T10:00:00Z";
            let one = serde_json::json!({ "id": 1, "created_at": at, "updated_at": at, "status": status, "conclusion": conclusion });
            let error = run(&mut part, &serde_json::from_value(one).unwrap()).unwrap_err();
            assert_eq!(error.kind(), crate::metric::FailureKind::InvalidResponse);
        }
    }

    #[test]
    fn pieces_are_cut_at_midnight_and_then_in_half_without_a_seam() {
        let mut pieces = vec![Piece::of(period("2026-03-01", "2026-03-08"))];
        let mut asked = Vec::new();
        while let Some(piece) = pieces.pop() {
            if asked.len() < 8 {
                asked.push(piece.query());
                pieces.extend(piece.halves().unwrap());
            }
        }
        assert_eq!(
            asked,
            [
                "2026-03-01..2026-03-07",
                "2026-03-04..2026-03-07",
                "2026-03-06..2026-03-07",
                "2026-03-07..2026-03-07",
                "2026-03-07T12:00:00Z..2026-03-07T23:59:59Z",
                "2026-03-07T18:00:00Z..2026-03-07T23:59:59Z",
                "2026-03-07T21:00:00Z..2026-03-07T23:59:59Z",
                "2026-03-07T22:30:00Z..2026-03-07T23:59:59Z",
            ]
        );
        let mut piece = Piece::of(period("2026-03-01", "2026-03-02"));
        while let Some([older, newer]) = piece.halves() {
            assert_eq!((older.from, older.to, newer.to), (piece.from, newer.from, piece.to));
            piece = newer;
        }
        assert_eq!(piece.to - piece.from, 1);
    }
}
