//! What is known of each day of a connection, metric by metric.

use std::collections::BTreeMap;

use crate::{
    app::App,
    metric::{Day, Interval, Mark, Period},
    store::Connection,
    web::{Error, auth::Viewer},
};

/// Days that are shown: as many weeks as a year has.
const SHOWN: i32 = 7 * 53;

/// The days of a connection's history that are shown, with their marks.
pub(super) struct Days {
    /// From the first to today.
    pub(super) period: Period,
    /// Of each metric, and of each of its currencies, the marks of its total; a damaged one is as good as none.
    pub(super) totals: Vec<(String, BTreeMap<Day, Option<Mark>>)>,
}

impl Days {
    pub(super) async fn read(app: &App, viewer: &Viewer, connection: &Connection) -> Result<Self, Error> {
        let today = Day::of(app.connections.now_for(&connection.integration_id), &connection.settings.zone);
        let first = connection.settings.history_start.max(today.plus(1 - SHOWN));
        let period = Period::inclusive(first, today);
        let series = app.store.series(connection.key, Interval::Day, None).await?;
        // Parts of a metric stand as its total does.
        let totals: Vec<_> = series.into_iter().filter(|one| one.dimension.is_empty()).collect();
        let ids: Vec<i64> = totals.iter().map(|one| one.id).collect();
        let mut marks: BTreeMap<i64, BTreeMap<Day, Option<Mark>>> = BTreeMap::new();
        for point in app.store.points(viewer.project.id, &ids, period).await? {
            marks.entry(point.series_id).or_default().insert(point.day, Mark::from_code(point.mark));
        }
        let marked = totals.into_iter().map(|one| (one.metric_id, marks.remove(&one.id).unwrap_or_default()));
        Ok(Self { period, totals: marked.collect() })
    }
}
