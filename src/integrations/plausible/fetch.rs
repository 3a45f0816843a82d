//! Reading the metrics: one question for all that it feeds.

use super::{
    api,
    kept::{Memory, Seen},
    metrics::{self, GOAL, Reading, Row as Metric},
    old,
    refusal::{WITHOUT_REVENUE, explained, is_without_revenue, no_such_goals, unknown_goal},
    samples,
    settings::Measured,
    table::{Question, Row},
};
use crate::{
    integrations::{Batch, Context, Error, FetchReport, Outcome, Why},
    metric::{Answer, Interval, Period, Sample, Scope, WidgetType},
};

/// What is said of the money of goals where only version 1 of the API is known.
pub(super) const OLD_WITHOUT_REVENUE: &str = "this Plausible is too old to tell the revenue of goals";

/// Reads the requested metrics and notes each one's outcome in the report.
pub(super) async fn fetch(
    ctx: &Context,
    mut report: FetchReport,
    metrics: &[String],
    period: Period,
) -> Result<FetchReport, Error> {
    let wanted: Vec<&'static Metric> = metrics.iter().filter_map(|id| metrics::find(id)).collect();
    if wanted.is_empty() {
        return Ok(report);
    }
    let measured = Measured::required(&ctx.settings)?;
    let mut reader = Reader { ctx, measured: &measured, seen: Seen::load(ctx).await? };
    for reading in Reading::ALL {
        let rows: Vec<&Metric> = wanted.iter().copied().filter(|row| row.reading == reading).collect();
        if rows.is_empty() {
            continue;
        }
        let ids: Vec<&str> = rows.iter().map(|row| row.id).collect();
        match reader.read(reading, &rows, period).await {
            Ok(outcome) => ids.iter().for_each(|id| report.set(id, outcome.clone())),
            Err(error) => report.record(&ids, Err(explained(error, &measured.site)))?,
        }
    }
    Ok(report)
}

/// The answer to a question about goals, and those of them that there are not.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rows: Vec<Row>,
    pub(super) missing: Vec<String>,
}

/// Asks for a connection.
pub(super) struct Reader<'a> {
    pub(super) ctx: &'a Context,
    pub(super) measured: &'a Measured,
    pub(super) seen: Seen,
}

impl<'a> Reader<'a> {
    async fn read(&mut self, reading: Reading, metrics: &[&Metric], period: Period) -> Result<Outcome, Error> {
        let question = self.question(reading, period, self.ctx.grain);
        if question.days().is_empty() {
            return Ok(Outcome::Ok);
        }
        let answered = match reading {
            Reading::Now => return self.now(period).await,
            Reading::Days => self.days(metrics, &question).await,
            _ => self.parts(reading, metrics, &question).await,
        };
        match answered {
            Err(error) if reading == Reading::Revenue && is_without_revenue(&error) => {
                Ok(Outcome::Unsupported(WITHOUT_REVENUE.to_owned()))
            }
            outcome => outcome,
        }
    }

    /// What a reading asks.
    pub(super) fn question(&self, reading: Reading, period: Period, grain: Interval) -> Question<'a> {
        let goals: &[String] = if reading.by() == Some(GOAL) { &self.measured.goals } else { &[] };
        let (site, by, today) = (self.measured.site.as_str(), reading.by(), self.ctx.today());
        Question { site, metrics: reading.figures(), period, grain, by, goals, today }
    }

    /// Who is there now. The past of it is nobody's to tell.
    async fn now(&self, period: Period) -> Result<Outcome, Error> {
        let today = period.intersect(Period::single(self.ctx.today()));
        if self.ctx.grain == Interval::Day && !today.is_empty() {
            let told = api::current_visitors(&self.ctx.http, &self.measured.site).await?;
            let sample = samples::now(self.ctx.today(), told.get())?;
            let answer = Answer::total(metrics::CURRENT_VISITORS, today, vec![sample]);
            self.ctx.commit(Batch::new().answer(answer)).await?;
        }
        Ok(Outcome::Ok)
    }

    /// The site by days, weeks or months. Of days it is remembered what they were.
    async fn days(&mut self, metrics: &[&Metric], question: &Question<'_>) -> Result<Outcome, Error> {
        let rows = match self.ask(question).await {
            Err(error) => {
                if !error.is_connection_wide() && question.grain == Interval::Day && self.seen.doubt(self.ctx) {
                    let stream = Reading::Days.stream();
                    self.ctx.commit(Batch::new().checkpoint(stream, self.seen.bytes())).await?;
                }
                return Err(error);
            }
            rows => rows?,
        };
        let mut batch = Batch::new();
        for metric in metrics {
            let samples = samples::of(metric, &rows)?;
            batch = batch.answer(Answer::total(metric.id, answered(question), samples.total));
        }
        if question.grain == Interval::Day {
            self.seen.take(self.ctx, question.days(), &rows);
            batch = batch.checkpoint(Reading::Days.stream(), self.seen.bytes());
        }
        self.ctx.commit(batch).await?;
        Ok(Outcome::Ok)
    }

    /// What is told by the values of a dimension.
    async fn parts(
        &mut self,
        reading: Reading,
        metrics: &[&Metric],
        question: &Question<'_>,
    ) -> Result<Outcome, Error> {
        let (stream, by_day) = (reading.stream(), question.grain == Interval::Day);
        let mut memory = Memory::load(self.ctx, stream).await?;
        let known = memory.known(self.ctx, &self.seen, question).filter(|_| by_day);
        let found = match known {
            Some(rows) => Found { rows, missing: Vec::new() },
            None if reading == Reading::Revenue && self.seen.is_old(self.ctx) => {
                return Ok(Outcome::Unsupported(OLD_WITHOUT_REVENUE.to_owned()));
            }
            None => self.find(question).await?,
        };
        let mut batch = Batch::new();
        for metric in metrics {
            batch = written(batch, metric, question, &found, &mut memory)?;
        }
        if by_day && found.missing.is_empty() {
            let is_kept = memory.keep(self.ctx, &self.seen, question, &found.rows);
            // Goals are remembered by name, whatever else is.
            if is_kept || reading.by() == Some(GOAL) {
                batch = batch.checkpoint(stream, memory.bytes());
            }
        }
        self.ctx.commit(batch).await?;
        Ok(match found.missing.as_slice() {
            [] => Outcome::Ok,
            missing => Outcome::Failed(no_such_goals(missing)),
        })
    }

    /// Asks for goals that there are, and finds out which there are not: Plausible refuses the whole question and names
    /// one of them.
    pub(super) async fn find(&mut self, question: &Question<'_>) -> Result<Found, Error> {
        let mut goals = question.goals.to_vec();
        let mut missing = Vec::new();
        loop {
            let question = Question { goals: &goals, ..question.clone() };
            let error = match self.ask(&question).await {
                Ok(rows) => return Ok(Found { rows, missing }),
                Err(error) => error,
            };
            let Some(name) = unknown_goal(&error, &goals).cloned() else { return Err(error) };
            goals.retain(|goal| *goal != name);
            missing.push(name);
            if goals.is_empty() {
                return Ok(Found { rows: Vec::new(), missing });
            }
        }
    }

    /// Asks in version 2 of the API, or in version 1 where there is none.
    pub(super) async fn ask(&mut self, question: &Question<'_>) -> Result<Vec<Row>, Error> {
        let http = &self.ctx.http;
        if !self.seen.is_old(self.ctx) {
            let answer = api::query(http, question).await;
            let is_old = answer.as_ref().is_err_and(|error| error.status() == Some(404));
            self.seen.note(self.ctx, is_old);
            if !is_old {
                return answer;
            }
        }
        old::query(http, question).await
    }
}

/// The days that an answer speaks of: whole buckets, the last of which may go on.
fn answered(question: &Question<'_>) -> Period {
    match question.grain {
        Interval::Day => question.days(),
        Interval::Week | Interval::Month => question.period,
    }
}

/// A metric of parts. Those of a table are told all at once; beside a total they are told one by one, so that one that is
/// not measured is no zero.
fn written(
    mut batch: Batch,
    metric: &Metric,
    question: &Question<'_>,
    found: &Found,
    memory: &mut Memory,
) -> Result<Batch, Error> {
    let (days, samples) = (answered(question), samples::of(metric, &found.rows)?);
    let has_total = metric.definition().widget_type != WidgetType::Table;
    let is_whole = found.missing.is_empty();
    // Where one of them is not known, neither is their total, and of a table not all of it.
    let why = || Why::Failed(no_such_goals(&found.missing));
    batch = match (has_total, is_whole) {
        (true, true) => batch.answer(Answer::total(metric.id, days, samples.total)),
        (false, true) => return Ok(batch.answer(Answer::every_dimension(metric.id, days, samples.parts))),
        (true, false) => batch.gap(metric.id, Scope::Total, days, why()),
        (false, false) => batch.gap(metric.id, Scope::EveryDimension, days, why()),
    };
    for name in &found.missing {
        batch = batch.gap(metric.id, Scope::One(name.clone()), days, why());
    }
    let told = samples.parts.iter().filter_map(|sample| sample.dimension.as_ref());
    let named = question.goals.iter().filter(|_| metric.id == metrics::CONVERSIONS);
    for name in memory.names(told.chain(named)).iter().filter(|name| !found.missing.contains(name)) {
        let is_own = |sample: &&Sample| sample.dimension.as_ref() == Some(name);
        let own = samples.parts.iter().filter(is_own).cloned().collect();
        batch = batch.answer(Answer::one(metric.id, name, days, own));
    }
    Ok(batch)
}
