//! Metrics that programs push.

use super::{
    call::Call,
    refusal::Refusal,
    reply::Reply,
    route::{Access, Gives, Method, Route, Takes},
};
use crate::custom::{self, Batch};

pub(super) const ROUTES: [Route; 1] = [Route {
    method: Method::Post,
    path: "/api/v1/metrics",
    name: "push_metrics",
    summary: "Push your own metrics",
    about: "Up to 1,000 values; all of them are taken, or none and each problem is named with its place. A value belongs to \
            a bucket: its metric, day and dimension. Pushed again, the last value stands, so a batch may be repeated. What a \
            metric is (`unit`, `kind`, `metric_name`) its first push says; one that says otherwise later is refused. Numbers \
            are exact: no digit is lost, and text such as `\"12.50\"` is taken as well.",
    access: Access::Write,
    params: &[],
    takes: Takes::Json("Batch"),
    gives: Gives::Data("Pushed"),
    refusals: &[409, 422],
    call: |call| Box::pin(push(call)),
}];

async fn push(call: Call) -> Result<Reply, Refusal> {
    let batch: Batch = call.json()?;
    let (app, project) = (&call.app, call.project()?);
    let pushed = custom::push(&app.store, &app.registry, project, &batch, app.now()).await?;
    // Whatever is connected has a dashboard.
    if pushed.are_first
        && let Some(descriptor) = custom::descriptor(&app.store, project.id).await?
    {
        // The batch is kept, whatever comes of this; a start makes up for it.
        if let Err(error) = app.connections.make_starter(project, &descriptor).await {
            tracing::warn!(%error, "the dashboard of what was pushed could not be made");
        }
    }
    Reply::data(&pushed)
}
