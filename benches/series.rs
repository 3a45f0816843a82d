//! Reading what a page of ten charts shows out of a database that holds much else.

use std::path::Path;

use dashtray::{
    integrations::Registry,
    metric::{Currency, Day, Interval, Zone},
    series::{self, GetRequest},
    store::Store,
};
use jiff::Timestamp;

use crate::{
    points,
    process::{Figures, cpu_ms},
};

/// What is read, each with its currency: levels and flows of one connection.
const METRICS: [(&str, Option<Currency>); 10] = [
    ("stripe_mrr", Some(Currency::USD)),
    ("stripe_arr", Some(Currency::USD)),
    ("stripe_active_subscriptions", None),
    ("stripe_new_subscriptions", None),
    ("stripe_churned_subscriptions", None),
    ("stripe_mrr_new", Some(Currency::USD)),
    ("stripe_mrr_churned", Some(Currency::USD)),
    ("stripe_customers", None),
    ("stripe_revenue", Some(Currency::USD)),
    ("stripe_failed_payments", None),
];
/// Connections of a project, series of a connection, days of a series.
const SHAPE: [usize; 3] = [10, 100, 1000];
const DAYS: i32 = 90;
/// Enough that a hundredth of a second is little of it.
const READS: u32 = 500;

fn url(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("points.db").display())
}

/// Fills a database: projects of ten connections, of which one is the kind that is read.
pub(crate) async fn fill(directory: &Path, count: usize) -> Figures {
    let store = Store::open(&url(directory)).await.unwrap();
    let [connections, series, days] = SHAPE;
    let first = Day::of(Timestamp::now(), &Zone::utc()).plus(1 - i32::try_from(days).unwrap());
    for number in 0..count / (connections * series * days) {
        let project = points::project(&store, &format!("bench-{number}")).await;
        for other in 0..connections {
            let integration_id = if other == connections / 2 { "stripe" } else { "bench" };
            let claim = points::connection(&store, &project, integration_id).await;
            let mut write = store.write(&claim).await.unwrap();
            let mut ids = Vec::with_capacity(series);
            for (metric_id, currency) in METRICS {
                ids.push(write.ensure_series(metric_id, Interval::Day, "", currency, 1).await.unwrap());
            }
            for filler in METRICS.len()..series {
                ids.push(write.ensure_series(&format!("bench_{filler}"), Interval::Day, "", None, 1).await.unwrap());
            }
            write.commit().await.unwrap();
            for some in ids.chunks(10) {
                points::put(&store, &claim, some, first, days).await;
            }
        }
    }
    store.close().await;
    Figures::new()
}

/// Milliseconds of CPU that it takes to read all ten once.
pub(crate) async fn read(directory: &Path) -> Figures {
    let store = Store::open(&url(directory)).await.unwrap();
    let registry = Registry::builtin();
    let now = Timestamp::now();
    let today = Day::of(now, &Zone::utc());
    let request = |metric_id: &str| GetRequest {
        project: "bench-0".to_owned(),
        metric_id: metric_id.to_owned(),
        connection: None,
        from: Some(today.plus(1 - DAYS)),
        to: None,
        interval: Interval::Day,
        by_dimension: false,
        now,
    };
    let requests = METRICS.map(|(metric_id, _)| request(metric_id));
    let read = async || {
        let found = series::get_all(&store, &registry, &requests).await.unwrap();
        assert_eq!(found.len(), METRICS.len());
        assert!(found.iter().flat_map(|series| &series.points).filter(|point| point.value.is_some()).count() == 900);
    };
    read().await;
    let before = cpu_ms("self");
    for _ in 0..READS {
        read().await;
    }
    Figures::from([("read_ms".to_owned(), (cpu_ms("self") - before) / f64::from(READS))])
}
