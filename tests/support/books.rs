//! An integration that keeps books in several currencies: what they say of each day is up to the test.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use dashtray::{
    http::{Auth, Limits},
    integrations::{
        AccountInfo, BaseUrl, Batch, Category, Context, Correction, CredentialField, Descriptor, Error, FetchReport,
        FieldKind, Integration, Outcome, SettingField, SettingKind, Shape, Stream, ZonePolicy,
    },
    metric::{
        Answer, Currency, Day, Definition, Dimension, ExchangeEffect, Kind, Money, Period, Polarity, Quality, Sample,
        Unit, ValidRange, Value, WidgetType,
    },
};

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
        id: id.to_owned(),
        name: id.trim_start_matches("books_").replace('_', " "),
        description: "made up".to_owned(),
        unit: if kind == Kind::Ratio { Unit::Ratio } else { Unit::Currency },
        category: "books".to_owned(),
        widget_type: if is_table { WidgetType::Table } else { WidgetType::Metric },
        kind,
        polarity: Polarity::Neutral,
        valid: ValidRange::Any,
        settles_after_days: 3,
        retention_days: reach.filter(|_| kind == Kind::Level),
        definition: 1,
        dimension: is_table.then_some(Dimension::Plan),
        stream: "books".to_owned(),
        source: "`GET /stats`".to_owned(),
        differs: None,
        explained: false,
        of_money: kind == Kind::Ratio,
        exchange_effect: (id == "books_mrr_fx").then_some(effect),
    }
}

#[async_trait]
impl Integration for Books {
    fn descriptor(&self) -> Arc<Descriptor> {
        let setting = |key: &str, affects: &[&str]| SettingField {
            key: key.to_owned(),
            label: key.to_owned(),
            help_text: "Any.".to_owned(),
            kind: SettingKind::Text,
            default: None,
            affects: affects.iter().map(|id| (*id).to_owned()).collect(),
        };
        let (version, reach) = {
            let page = self.page();
            (page.version, page.reach)
        };
        let shape = Shape::WholeAccount;
        Arc::new(Descriptor {
            id: "books".to_owned(),
            name: "Books".to_owned(),
            category: Category::Payment,
            icon: String::new(),
            summary: "For tests".to_owned(),
            auth: Auth::Bearer { field: "api_key".to_owned() },
            credentials: vec![CredentialField {
                key: "api_key".to_owned(),
                label: "Key".to_owned(),
                placeholder: "key".to_owned(),
                kind: FieldKind::Password,
                required: true,
                help_text: "Any.".to_owned(),
                pattern: None,
                rejected_prefixes: Vec::new(),
                link: None,
            }],
            settings: vec![setting("reporting_currency", &[]), setting("discounts", &["books"])],
            base_url: BaseUrl::Fixed("https://books.example".to_owned()),
            hosts: Vec::new(),
            headers: Vec::new(),
            limits: Limits {
                windows: Vec::new(),
                concurrent: 1,
                headers: None,
                wait_unless_said: Duration::from_secs(1),
            },
            exceptions: Vec::new(),
            streams: vec![Stream { id: "books".to_owned(), shape, version, cost: "none".to_owned(), periods: false }],
            metrics: [
                ("books_mrr", Kind::Level),
                ("books_mrr_by_plan", Kind::Level),
                ("books_mrr_new", Kind::Flow),
                ("books_mrr_churned", Kind::Flow),
                ("books_mrr_fx", Kind::Flow),
                ("books_quick_ratio", Kind::Ratio),
            ]
            .map(|(id, kind)| definition(id, kind, reach))
            .into(),
            sync_interval_minutes: 30,
            zone: ZonePolicy::Choosable,
            history_days: HISTORY_DAYS,
            guide: String::new(),
        })
    }

    async fn test_connection(&self, _ctx: &Context) -> Result<AccountInfo, Error> {
        Ok(AccountInfo {
            id: "books".to_owned(),
            label: "Books".to_owned(),
            zone: None,
            currency: Some(Currency::USD),
            info: serde_json::Map::new(),
            checks: Vec::new(),
            choices: BTreeMap::new(),
        })
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
