//! Metrics that programs push: what they are, and taking a batch of them.
//!
//! They belong to a connection of its own in each project, which is made with the first batch, has no credentials and is
//! never synced. What a metric is, its first push says; a later one that says otherwise is refused. A bucket is a metric,
//! a day and a value of the dimension: whatever is pushed last of it stands.

mod batch;
mod decimal;

use std::sync::Arc;

use crate::{
    http::{Auth, Limits},
    integrations::{BaseUrl, Category, Descriptor, ZonePolicy},
    metric::{Definition, Dimension, Kind, Polarity, Unit, ValidRange, WidgetType},
    store::{self, CustomMetric, Store},
};

pub use batch::{Batch, Entry, Error, LARGEST_BATCH, Problem, Pushed, push};

/// What stands where other connections have the id of their integration.
pub const ID: &str = "custom";

const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 24 24\" fill=\"none\" \
                    stroke=\"currentColor\" stroke-width=\"2\"><path d=\"M12 20V8m-5 5 5-5 5 5M4 4h16\"/></svg>";

/// The pushed metrics of a project, as an integration would describe them; `None` where there are none.
pub async fn descriptor(store: &Store, project_id: i64) -> Result<Option<Arc<Descriptor>>, store::Error> {
    let metrics: Vec<Definition> = store.custom_metrics(project_id).await?.iter().filter_map(definition).collect();
    Ok((!metrics.is_empty()).then(|| Arc::new(describe(metrics))))
}

fn describe(metrics: Vec<Definition>) -> Descriptor {
    Descriptor {
        id: ID.to_owned(),
        name: "Custom metrics".to_owned(),
        category: Category::Analytics,
        icon: ICON.to_owned(),
        summary: "What your own programs push.".to_owned(),
        auth: Auth::AnyOf(Vec::new()),
        credentials: Vec::new(),
        settings: Vec::new(),
        base_url: BaseUrl::Fixed("https://localhost".to_owned()),
        hosts: Vec::new(),
        headers: Vec::new(),
        limits: Limits {
            windows: Vec::new(),
            concurrent: 1,
            headers: None,
            wait_unless_said: std::time::Duration::from_secs(60),
        },
        exceptions: Vec::new(),
        streams: Vec::new(),
        metrics,
        sync_interval_minutes: 0,
        zone: ZonePolicy::Choosable,
        history_days: 0,
        guide: String::new(),
    }
}

/// What is kept of a metric as a definition. What another version wrote and this one does not know is left out.
fn definition(metric: &CustomMetric) -> Option<Definition> {
    Some(Definition {
        id: metric.metric_id.clone(),
        name: metric.name.clone(),
        description: "Pushed by your own programs.".to_owned(),
        unit: unit(&metric.unit, metric.scale)?,
        category: ID.to_owned(),
        widget_type: WidgetType::Chart,
        kind: kind(&metric.kind)?,
        polarity: Polarity::Neutral,
        valid: ValidRange::Any,
        settles_after_days: 0,
        retention_days: None,
        definition: 1,
        dimension: metric.has_dimension.then_some(Dimension::Custom),
        stream: ID.to_owned(),
        source: "Pushed to `POST /api/v1/metrics`.".to_owned(),
        differs: None,
        explained: false,
        of_money: false,
        exchange_effect: None,
    })
}

/// Words that a push may name its unit by.
const UNITS: [&str; 7] = ["count", "currency", "seconds", "bytes", "percent", "ratio", "decimal"];
/// Words that a push may name its kind by. A ratio is made of two numbers, and one is pushed.
const KINDS: [&str; 4] = ["flow", "level", "distinct", "statistic"];

fn unit(word: &str, scale: u8) -> Option<Unit> {
    Some(match word {
        "count" => Unit::Count,
        "currency" => Unit::Currency,
        "seconds" => Unit::Seconds,
        "bytes" => Unit::Bytes,
        "percent" => Unit::Percent,
        "ratio" => Unit::Ratio,
        "decimal" => Unit::Decimal { scale },
        _ => return None,
    })
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "flow" => Kind::Flow,
        "level" => Kind::Level,
        "distinct" => Kind::Distinct,
        "statistic" => Kind::Statistic,
        _ => return None,
    })
}
