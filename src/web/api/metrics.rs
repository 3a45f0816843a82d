//! Points, series and receipts.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    call::Call,
    params::{CONNECTION_ID, END_DATE, Kind, METRIC_ID, PAGING, Param, START_DATE},
    refusal::Refusal,
    reply::{Reply, cursor, no_cursor, read_cursor},
    route::{Access, Gives, Method, Route, Takes},
};
use crate::{
    metric::{Currency, Day, Interval, Period},
    series::{self, GetRequest, Place, RowView, SeriesView, Walk, WalkRequest},
};

/// Days that are listed where no range is named.
const DEFAULT_DAYS: i32 = 30;

const INTERVAL: Param = Param {
    name: "interval",
    kind: Kind::OneOf(&["day", "week", "month"]),
    about: "How finely. Weeks are ISO weeks; what may not be added up is not.",
};
const DIMENSION: Param = Param {
    name: "dimension",
    kind: Kind::Text,
    about: "One value of the metric's dimension, such as a plan; `*` for each of them. The total where nothing is said.",
};
const CURRENCY: Param =
    Param { name: "currency", kind: Kind::Currency, about: "The receipt in this currency, such as EUR." };

pub(super) const ROUTES: [Route; 3] = [
    Route {
        method: Method::Get,
        path: "/api/v1/metrics",
        name: "list_points",
        summary: "Points of all metrics, or of one",
        about: "As they are kept: in their own currencies, by connection, metric and day; the last 30 days where no range is \
                named. Totals; with `dimension` set to `*` each value of a dimension besides.",
        access: Access::Read,
        params: &[METRIC_ID, CONNECTION_ID, START_DATE, END_DATE, DIMENSION, PAGING[0], PAGING[1], PAGING[2]],
        takes: Takes::Nothing,
        gives: Gives::List("points", "Row"),
        refusals: &[404],
        call: |call| Box::pin(points(call)),
    },
    Route {
        method: Method::Get,
        path: "/api/v1/metrics/{metric_id}/timeseries",
        name: "get_timeseries",
        summary: "One metric over time",
        about: "A series for each connection and currency, without a gap: a day that is not known says why. The last 30 days \
                where no range is named. With a reporting currency and known rates there is also a converted series.",
        access: Access::Read,
        params: &[START_DATE, END_DATE, INTERVAL, DIMENSION, CONNECTION_ID],
        takes: Takes::Nothing,
        gives: Gives::Data("SeriesList"),
        refusals: &[],
        call: |call| Box::pin(timeseries(call)),
    },
    Route {
        method: Method::Get,
        path: "/api/v1/metrics/{metric_id}/explain",
        name: "explain_metric",
        summary: "How a computed value came about",
        about: "The newest receipt: the formula, what was counted, what was left out and why. Its terms add up to the value.",
        access: Access::Read,
        params: &[CONNECTION_ID, CURRENCY],
        takes: Takes::Nothing,
        gives: Gives::Data("Receipt"),
        refusals: &[],
        call: |call| Box::pin(explain(call)),
    },
];

async fn timeseries(call: Call) -> Result<Reply, Refusal> {
    let params = &call.params;
    let dimension = params.text("dimension");
    let interval = params.text("interval").and_then(|word| word.parse().ok()).unwrap_or(Interval::Day);
    let app = &call.app;
    let owner = app.registry.descriptors().find(|descriptor| descriptor.metric(call.id()).is_some());
    let request = GetRequest {
        project: call.project()?.slug.clone(),
        metric_id: call.id().to_owned(),
        connection: params.text("connection_id").map(str::to_owned),
        from: params.day("start_date"),
        to: params.day("end_date"),
        interval,
        by_dimension: dimension.is_some(),
        now: app.connections.now_for(owner.as_ref().map_or("", |descriptor| descriptor.id.as_str())),
    };
    let mut series = series::get(&app.store, &app.registry, &request).await?;
    series.retain(|one| is_of(one, dimension));
    Reply::data(&json!({"series": series}))
}

fn is_of(series: &SeriesView, dimension: Option<&str>) -> bool {
    dimension.is_none_or(|wanted| wanted == "*" || series.dimension.as_deref() == Some(wanted))
}

async fn explain(call: Call) -> Result<Reply, Refusal> {
    let currency = call.params.text("currency").and_then(|code| code.parse::<Currency>().ok());
    let (app, project) = (&call.app, &call.project()?.slug);
    let connection = call.params.text("connection_id");
    Reply::data(&series::explain(&app.store, &app.registry, project, call.id(), connection, currency).await?)
}

async fn points(call: Call) -> Result<Reply, Refusal> {
    let (params, app, project) = (&call.params, &call.app, call.project()?);
    let dimension = params.text("dimension");
    let today = Day::of(app.now(), &project.zone);
    let to = params.day("end_date");
    let page = params.page();
    let went = page.cursor.as_deref().map(place).transpose()?;
    // A walk that goes on after midnight goes on where it began.
    let begun = went.as_ref().map(|went| went.first);
    let first = params.day("start_date").or(begun).unwrap_or_else(|| to.unwrap_or(today).plus(1 - DEFAULT_DAYS));
    let request = WalkRequest {
        project: project.slug.clone(),
        metric_id: params.text("metric_id").map(str::to_owned),
        connection: params.text("connection_id").map(str::to_owned),
        from: Some(first),
        to,
        totals_only: dimension.is_none(),
    };
    let now_for = |id: &str| app.connections.now_for(id);
    let mut walk = Walk::begin(&app.store, &app.registry, &request, now_for).await?;
    let mut pass_over = page.offset;
    if let Some(went) = &went
        && !walk.go_on(&went.place)
    {
        return Err(no_cursor());
    }
    let mut last = went.map(|went| went.last);
    let (mut rows, mut next) = (Vec::new(), None);
    let mut shown: Option<(Place, String)> = None;
    'walk: while let Some(piece) = walk.next().await? {
        let mut of_piece = piece.series.iter().filter(|one| is_of(one, dimension)).flat_map(SeriesView::rows);
        // What a cursor names is in the piece with which it goes on.
        if let Some(last) = last.take()
            && !of_piece.by_ref().any(|row| key(&row) == last)
        {
            return Err(no_cursor());
        }
        for row in of_piece {
            if rows.len() == page.limit {
                next = shown.as_ref().map(|(place, last)| name(place, last, first));
                break 'walk;
            }
            if pass_over > 0 {
                pass_over -= 1;
                continue;
            }
            shown = Some((piece.place.clone(), key(&row)));
            rows.push(serde_json::to_value(row).map_err(|error| Refusal::fault(&error))?);
        }
    }
    Reply::list("points", &rows, next)
}

/// How far a walk went.
struct Went {
    /// The piece that was shown last.
    place: Place,
    /// The last point that was shown of it.
    last: String,
    /// The day it began with.
    first: Day,
}

/// What a point is among those of a piece. Values of a dimension may be longer than a cursor can be.
fn key(row: &RowView<'_>) -> String {
    let series = format!("{:?} {:?}", row.dimension, row.currency);
    let hash: String = Sha256::digest(series).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{hash}-{}", row.point.date)
}

fn name(place: &Place, last: &str, first: Day) -> String {
    let Place { connection_id, metric_id, period } = place;
    cursor(&format!("{connection_id} {} {} {last} {first} {metric_id}", period.start(), period.end()))
}

fn place(cursor: &str) -> Result<Went, Refusal> {
    let text = read_cursor(cursor)?;
    let mut parts = text.splitn(6, ' ');
    let mut part = || parts.next().ok_or_else(no_cursor);
    let connection_id = part()?.parse().map_err(|_| no_cursor())?;
    let from: Day = part()?.parse().map_err(|_| no_cursor())?;
    let to: Day = part()?.parse().map_err(|_| no_cursor())?;
    let last = part()?.to_owned();
    let first = part()?.parse().map_err(|_| no_cursor())?;
    let period = Period::new(from, to.max(from));
    Ok(Went { place: Place { connection_id, period, metric_id: part()?.to_owned() }, last, first })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_leads_back_and_nothing_else_leads_anywhere(
            id in any::<u128>(),
            days in (0_i32..50_000, 0_i32..50_000, 0_i32..400),
            last in "[0-9a-f]{16}-[0-9]{4}-[0-9]{2}-[0-9]{2}",
            metric_id in "[a-z_]{1,20}",
            strange in any::<String>(),
        ) {
            let [from, first] = [days.0, days.1].map(|number| Day::from_number(number).unwrap());
            let period = Period::new(from, from.plus(days.2));
            let went = Place { connection_id: uuid::Uuid::from_u128(id), period, metric_id };
            let back = place(&name(&went, &last, first)).map_err(|refusal| TestCaseError::fail(refusal.message))?;
            prop_assert_eq!((back.place, back.last, back.first), (went, last, first));
            prop_assert!(place(&strange).is_err() && place(&cursor(&strange)).is_err());
        }
    }
}
