//! All points, sent as they are read: whatever their number, a piece of them is in memory.

use axum::body::{Body, Bytes};
use futures_util::stream;

use super::{
    call::Call,
    params::{CONNECTION_ID, END_DATE, Kind, METRIC_ID, Param, START_DATE},
    refusal::Refusal,
    reply::Reply,
    route::{Access, Gives, Method, Route, Takes},
};
use crate::series::{self, Piece, SeriesView, Walk, WalkRequest};

const FORMAT: Param = Param { name: "format", kind: Kind::OneOf(&["json", "csv"]), about: "How lines are written." };

pub(super) const ROUTES: [Route; 1] = [Route {
    method: Method::Get,
    path: "/api/v1/export",
    name: "export",
    summary: "All points, as CSV or JSON",
    about: "Everything that is kept, with its states, in its own currencies: all of it, or one metric, one connection or a \
            range of days. Credentials are never part of it. It is sent as it is read; should the database fail meanwhile, \
            the answer breaks off and is no whole document.",
    access: Access::Read,
    params: &[FORMAT, METRIC_ID, CONNECTION_ID, START_DATE, END_DATE],
    takes: Takes::Nothing,
    gives: Gives::Rows,
    refusals: &[404],
    call: |call| Box::pin(export(call)),
}];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

/// What is sent next.
enum Step {
    Head,
    Lines { is_first: bool },
    Done,
}

async fn export(call: Call) -> Result<Reply, Refusal> {
    let (params, app) = (&call.params, &call.app);
    let request = WalkRequest {
        project: call.project()?.slug.clone(),
        metric_id: params.text("metric_id").map(str::to_owned),
        connection: params.text("connection_id").map(str::to_owned),
        from: params.day("start_date"),
        to: params.day("end_date"),
        totals_only: false,
    };
    let now_for = |id: &str| app.connections.now_for(id);
    let walk = Walk::begin(&app.store, &app.registry, &request, now_for).await?;
    let format = if params.text("format") == Some("csv") { Format::Csv } else { Format::Json };
    let lines = stream::try_unfold((walk, Step::Head), move |(walk, step)| sent(walk, step, format));
    Ok(match format {
        Format::Csv => Reply::Lines("text/csv; charset=utf-8", "dashtray.csv", Body::from_stream(lines)),
        Format::Json => Reply::Lines("application/json", "dashtray.json", Body::from_stream(lines)),
    })
}

/// The next bytes. An error breaks the answer off, so that nobody takes a part for the whole.
async fn sent(mut walk: Walk, step: Step, format: Format) -> Result<Option<(Bytes, (Walk, Step))>, series::Error> {
    let (text, next) = match step {
        Step::Done => return Ok(None),
        Step::Head => {
            let head = if format == Format::Csv { series::CSV_HEAD } else { "{\"data\":{\"points\":[" };
            (head.to_owned(), Step::Lines { is_first: true })
        }
        Step::Lines { is_first } => {
            let piece = walk.next().await.inspect_err(|error| tracing::warn!(%error, "an export broke off"))?;
            match piece {
                None if format == Format::Csv => return Ok(None),
                None => ("\n]}}\n".to_owned(), Step::Done),
                Some(piece) if format == Format::Csv => (series::csv_rows(&piece.series), step),
                Some(piece) => {
                    let text = objects(&piece, is_first);
                    let is_first = is_first && text.is_empty();
                    (text, Step::Lines { is_first })
                }
            }
        }
    };
    Ok(Some((Bytes::from(text), (walk, next))))
}

/// The points of a piece, each an object on a line of its own, parted by commas from each other and from those before.
fn objects(piece: &Piece, is_first: bool) -> String {
    let mut out = String::new();
    for row in piece.series.iter().flat_map(SeriesView::rows) {
        out.push_str(if is_first && out.is_empty() { "\n" } else { ",\n" });
        // Rows are plain data; writing them into memory does not fail.
        out.push_str(&serde_json::to_string(&row).unwrap_or_default());
    }
    out
}
