//! An integration that keeps books in several currencies: what they say of each day is up to the test.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use dashtray::{
    integrations::{
        AccountInfo, Batch, Context, Correction, Descriptor, Error, FetchReport, Integration, Outcome, Shape, Stream,
    },
    metric::{
        Answer, Day, Definition, Dimension, ExchangeEffect, Kind, Money, Period, Quality, Sample, Unit, ValidRange,
        Value, WidgetType,
    },
};

use super::frame;

/// Days of history, today included.
pub(crate) const HISTORY_DAYS: u32 = 10;

/// What the books say. Shared between the test and the integration.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) said: BTreeMap<(&'static str, Day), Vec<Sample>>,
    /// What the next fetch found different and put right.
    pub(crate) corrections: Vec<Correction>,
    /// How far back the level can be told; all days where nothing is said.
    pub(crate) reach: Option<u32>,
    /// The version of the stream.
    pub(crate) version: u32,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Books(Arc<Mutex<Page>>);

/// An amount in minor units.
pub(crate) fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, code.parse().unwrap())
}

impl Books {
    pub(crate) fn page(&self) -> MutexGuard<'_, Page> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says an exact amount of every day of a period, beside what is said already.
    pub(crate) fn say(&self, metric_id: &'static str, period: Period, amount: Money) {
        self.say_as(metric_id, period, Value::Money(amount), Quality::Exact);
    }

    pub(crate) fn say_as(&self, metric_id: &'static str, period: Period, value: Value, quality: Quality) {
        for day in period.days() {
            self.say_of(metric_id, Sample::new(day, value).with_quality(quality));
        }
    }

    pub(crate) fn say_of(&self, metric_id: &'static str, sample: Sample) {
        self.page().said.entry((metric_id, sample.day)).or_default().push(sample);
    }
}

fn definition(id: &str, kind: Kind, reach: Option<u32>) -> Definition {
    let is_table = id == "books_mrr_by_plan";
    let effect = ExchangeEffect {
        of: "books_mrr".to_owned(),
        added: vec!["books_mrr_new".to_owned()],
        subtracted: vec!["books_mrr_churned".to_owned()],
    };
    Definition {
        name: id.trim_start_matches("books_").replace('_', " "),
        unit: if kind == Kind::Ratio { Unit::Ratio } else { Unit::Currency },
        widget_type: if is_table { WidgetType::Table } else { WidgetType::Metric },
        valid: ValidRange::Any,
        settles_after_days: 3,
        retention_days: reach.filter(|_| kind == Kind::Level),
        dimension: is_table.then_some(Dimension::Plan),
        of_money: kind == Kind::Ratio,
        exchange_effect: (id == "books_mrr_fx").then_some(effect),
        ..frame::definition(id, kind, "books")
    }
}

#[async_trait]
impl Integration for Books {
    fn descriptor(&self) -> Arc<Descriptor> {
        let (version, reach) = {
            let page = self.page();
            (page.version, page.reach)
        };
        let shape = Shape::WholeAccount;
        let streams = vec![Stream { id: "books".to_owned(), shape, version, cost: "none".to_owned(), periods: false }];
        let metrics = [
            ("books_mrr", Kind::Level),
            ("books_mrr_by_plan", Kind::Level),
            ("books_mrr_new", Kind::Flow),
            ("books_mrr_churned", Kind::Flow),
            ("books_mrr_fx", Kind::Flow),
            ("books_quick_ratio", Kind::Ratio),
        ]
        .map(|(id, kind)| definition(id, kind, reach));
        Arc::new(Descriptor {
            settings: vec![frame::setting("reporting_currency", &[]), frame::setting("discounts", &["books"])],
            history_days: HISTORY_DAYS,
            ..frame::descriptor("books", streams, metrics.into())
        })
    }

    async fn test_connection(&self, _ctx: &Context) -> Result<AccountInfo, Error> {
        Ok(frame::account("books", "Books"))
    }

    async fn fetch_metrics(&self, ctx: &Context, metrics: &[String], period: Period) -> Result<FetchReport, Error> {
        let descriptor = self.descriptor();
        let mut report = FetchReport::new(&descriptor, metrics);
        report.corrections = std::mem::take(&mut self.page().corrections);
        for definition in descriptor.metrics.iter().filter(|definition| metrics.contains(&definition.id)) {
            let answered = match definition.retention_days {
                Some(_) => period.intersect(Period::single(ctx.today())),
                None => period,
            };
            let samples: Vec<Sample> = {
                let page = self.page();
                let of_metric =
                    page.said.iter().filter(|((id, day), _)| *id == definition.id && answered.contains(*day));
                of_metric.flat_map(|(_, samples)| samples.clone()).collect()
            };
            let answer = match definition.dimension {
                Some(_) => Answer::every_dimension(&definition.id, answered, samples),
                None => Answer::total(&definition.id, answered, samples),
            };
            ctx.commit(Batch::new().answer(answer)).await?;
            report.set(&definition.id, Outcome::Ok);
        }
        Ok(report)
    }
}
