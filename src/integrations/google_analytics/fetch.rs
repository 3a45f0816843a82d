//! Reading the metrics: one report for all days, one call for the tables, one for what happens now.

use super::{
    api::{self, ReportRequest},
    flags::Flags,
    metrics::{self, Reading, Row},
    refusal::{Api, explain, hidden},
    settings,
    sheet::{Sheet, buckets},
    table::Listing,
};
use crate::{
    integrations::{Batch, Context, Error, FetchReport, Outcome, Why},
    metric::{Answer, Currency, Day, Period, Sample, Scope},
};

/// Google answers for no day before 2015-08-14.
const FIRST_DAY: i32 = 16_661;

/// Reads the requested metrics and notes each one's outcome in the report.
pub(super) async fn fetch(
    ctx: &Context,
    mut report: FetchReport,
    metrics: &[String],
    period: Period,
) -> Result<FetchReport, Error> {
    let property = settings::property(&ctx.settings)?;
    let wanted: Vec<&'static Row> = metrics.iter().filter_map(|id| metrics::find(id)).collect();
    for reading in Reading::ALL {
        let rows: Vec<&'static Row> = wanted.iter().copied().filter(|row| row.reading == reading).collect();
        if rows.is_empty() {
            continue;
        }
        let read = Asked { ctx, property, rows: &rows, period }.read(reading, &mut report).await;
        if let Err(error) = read {
            let ids: Vec<&str> = rows.iter().map(|row| row.id).collect();
            report.record(&ids, Err(explain(ctx, error, Api::Data, property)))?;
        }
    }
    Ok(report)
}

/// What one reading is asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    ctx: &'a Context,
    property: &'a str,
    rows: &'a [&'static Row],
    period: Period,
}

impl Asked<'_> {
    async fn read(&self, reading: Reading, report: &mut FetchReport) -> Result<(), Error> {
        if reading == Reading::Realtime {
            return self.now(report).await;
        }
        let first = self.first();
        let lost = Period::new(self.period.start(), first.min(self.period.end()));
        if !lost.is_empty() {
            self.ctx.commit(self.beyond_retention(lost, reading)).await?;
        }
        let period = Period::new(self.period.start().max(first), self.period.end());
        let asked = Self { period, ..*self };
        match reading {
            Reading::Tables => asked.tables(report).await,
            Reading::Days | Reading::Realtime => asked.days(report).await,
        }
    }

    /// The first day, or the first of the first whole week or month, that Google answers for.
    fn first(&self) -> Day {
        let day = Day::from_number(FIRST_DAY).unwrap_or(self.period.start());
        let bucket = self.ctx.grain.bucket(day);
        if bucket.start() == day { day } else { bucket.end() }
    }

    fn beyond_retention(&self, lost: Period, reading: Reading) -> Batch {
        let scope = if reading == Reading::Tables { Scope::EveryDimension } else { Scope::Total };
        let gap = |batch: Batch, row: &&Row| batch.gap(row.id, scope.clone(), lost, Why::BeyondRetention);
        self.rows.iter().fold(Batch::new(), gap)
    }

    /// The days of the period that have begun: no report speaks of others.
    fn begun(&self) -> Period {
        self.period.intersect(Period::new(self.period.start(), self.ctx.today().next()))
    }

    /// One row a day, week or month.
    async fn days(&self, report: &mut FetchReport) -> Result<(), Error> {
        let (dimension, names) = buckets(self.ctx.grain, self.period);
        let mut fields: Vec<&'static str> = Vec::new();
        for field in self.rows.iter().flat_map(|row| row.formula.fields()) {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        let begun = self.begun();
        if begun.is_empty() {
            return Ok(());
        }
        let request = ReportRequest::new(Some(begun), &[dimension], &fields);
        let answered = api::report(&self.ctx.http, self.property, &request).await?;
        let sheet = Sheet::read(answered, &request)?.whole()?;
        let page = Page {
            flags: sheet.flags(self.ctx.zone.name()),
            currency: sheet.currency(self.ctx.currency)?,
            days: sheet.rows().map(|(of, _)| of.first().and_then(|name| names.get(*name)).copied()).collect(),
            buckets: names.values().copied().collect(),
            sheet: &sheet,
        };
        let mut batch = Batch::new();
        for row in self.rows {
            let is_hidden = row.formula.fields().any(|field| sheet.hides(field));
            let samples = if is_hidden { Err(hidden(self.property)) } else { page.samples(row) };
            let result = samples.map(|samples| batch.answers.push(Answer::total(row.id, self.period, samples)));
            report.record(&[row.id], result)?;
        }
        self.ctx.commit(batch).await
    }

    /// All tables side by side, page by page.
    async fn tables(&self, report: &mut FetchReport) -> Result<(), Error> {
        let (begun, zone) = (self.begun(), self.ctx.zone.name());
        let mut listings: Vec<Listing> =
            self.rows.iter().filter_map(|row| Some(Listing::new(row, row.by?.1, begun))).collect();
        if begun.is_empty() {
            return Ok(());
        }
        while !listings.is_empty() {
            let requests: Vec<ReportRequest> = listings.iter().map(Listing::request).collect();
            let reports = match api::reports(&self.ctx.http, self.property, &requests).await {
                Ok(reports) => reports,
                Err(error) => {
                    // Those that are complete stay so.
                    let open: Vec<&str> = listings.iter().map(|listing| listing.row.id).collect();
                    return report.record(&open, Err(explain(self.ctx, error, Api::Data, self.property)));
                }
            };
            let mut batch = Batch::new();
            let mut open = Vec::new();
            for ((mut listing, answered), request) in listings.into_iter().zip(reports).zip(&requests) {
                let taken = Sheet::read(answered, request).and_then(|sheet| listing.take(&sheet, zone));
                let is_open = taken.is_ok() && !listing.is_complete();
                report.record(&[listing.row.id], taken.map(|answer| batch.answers.push(answer)))?;
                open.extend(is_open.then_some(listing));
            }
            self.ctx.commit(batch).await?;
            listings = open;
        }
        Ok(())
    }

    /// Today's value is what holds now; no other day has one.
    async fn now(&self, report: &mut FetchReport) -> Result<(), Error> {
        let today = Period::single(self.ctx.today());
        if self.period.intersect(today).is_empty() {
            self.rows.iter().for_each(|row| report.set(row.id, Outcome::Ok));
            return Ok(());
        }
        let fields: Vec<&'static str> = self.rows.iter().flat_map(|row| row.formula.fields()).collect();
        let request = ReportRequest::new(None, &[], &fields);
        let answered = api::realtime(&self.ctx.http, self.property, &request).await?;
        let sheet = Sheet::read(answered, &request)?.whole()?;
        let page = Page {
            flags: Flags::default(),
            currency: self.ctx.currency,
            days: sheet.rows().map(|_| Some(today.start())).collect(),
            buckets: vec![today.start()],
            sheet: &sheet,
        };
        let mut batch = Batch::new();
        for row in self.rows {
            let samples = page.samples(row);
            let result = samples.map(|samples| batch.answers.push(Answer::total(row.id, today, samples)));
            report.record(&[row.id], result)?;
        }
        self.ctx.commit(batch).await
    }
}

/// A report with the bucket of each row.
struct Page<'a> {
    sheet: &'a Sheet,
    flags: Flags,
    currency: Currency,
    /// Of each row; `None` where the report names one that was not asked for.
    days: Vec<Option<Day>>,
    buckets: Vec<Day>,
}

impl Page<'_> {
    /// A metric's values.
    fn samples(&self, row: &Row) -> Result<Vec<Sample>, Error> {
        let mut samples: Vec<Sample> = Vec::with_capacity(self.buckets.len());
        for ((_, cells), day) in self.sheet.rows().zip(&self.days) {
            let day = day.ok_or_else(|| Error::invalid_response("a row of a day not asked for"))?;
            if samples.iter().any(|sample| sample.day == day) {
                return Err(Error::invalid_response("two rows for one day"));
            }
            let figure = row.formula.value(&cells, self.currency)?;
            samples.push(self.flags.mark(Sample::new(day, figure.value), figure.is_fitted));
        }
        if !self.flags.is_exact() {
            // Nothing is as uncertain as what is said: rows may be withheld.
            let unsaid = self.buckets.iter().filter(|day| self.days.iter().flatten().all(|said| said != *day));
            let nothing = |day: &Day| self.flags.mark(Sample::new(*day, row.nothing(self.currency)), false);
            let nothing: Vec<Sample> = unsaid.map(nothing).collect();
            samples.extend(nothing);
        }
        Ok(samples)
    }
}
