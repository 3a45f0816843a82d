//! Dashboards and what stands on them.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    call::Call,
    params::PAGING,
    refusal::Refusal,
    reply::Reply,
    route::{Access, Gives, Method, Route, Takes},
};
use crate::{
    store::{Connection, Dashboard, Widget},
    web::board::read::dashboards_of,
};

pub(super) const ROUTES: [Route; 2] = [
    Route {
        method: Method::Get,
        path: "/api/v1/dashboards",
        name: "list_dashboards",
        summary: "The dashboards of the project",
        about: "In the order of their tabs. Whatever is connected has one.",
        access: Access::Read,
        params: &PAGING,
        takes: Takes::Nothing,
        gives: Gives::List("dashboards", "Dashboard"),
        refusals: &[],
        call: |call| Box::pin(list(call)),
    },
    Route {
        method: Method::Get,
        path: "/api/v1/dashboards/{dashboard_id}",
        name: "get_dashboard",
        summary: "One dashboard with its widgets",
        about: "The id is the last part of its address.",
        access: Access::Read,
        params: &[],
        takes: Takes::Nothing,
        gives: Gives::Data("DashboardWithWidgets"),
        refusals: &[],
        call: |call| Box::pin(get(call)),
    },
];

#[derive(Serialize)]
struct DashboardView {
    /// What it is called in addresses.
    dashboard_id: String,
    name: String,
    /// The integration whose starter dashboard it is.
    integration_id: Option<String>,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    widgets: Option<Vec<WidgetView>>,
}

#[derive(Serialize)]
struct WidgetView {
    widget_id: i64,
    kind: String,
    metric_id: String,
    /// `None`: all connections that have the metric.
    connection_id: Option<Uuid>,
    dimension: Option<String>,
    size: String,
    options: Value,
}

async fn dashboards(call: &Call) -> Result<(Vec<Connection>, Vec<Dashboard>), Refusal> {
    let project = call.project()?.id;
    let connections = call.app.store.connections(project).await?;
    let dashboards = dashboards_of(&call.app.store, project, &connections).await?;
    Ok((connections, dashboards))
}

async fn list(call: Call) -> Result<Reply, Refusal> {
    let (_, dashboards) = dashboards(&call).await?;
    let views: Vec<DashboardView> = dashboards.iter().map(|dashboard| view(dashboard, None)).collect();
    Reply::page_of("dashboards", &views, &call.params.page(), |one| one.dashboard_id.clone())
}

async fn get(call: Call) -> Result<Reply, Refusal> {
    let (connections, dashboards) = dashboards(&call).await?;
    let Some(dashboard) = dashboards.iter().find(|dashboard| dashboard.slug == call.id()) else {
        let message = "there is no such dashboard; see /api/v1/dashboards";
        return Err(Refusal::new(StatusCode::NOT_FOUND, "dashboard_not_found", message));
    };
    let widgets = call.app.store.widgets(call.project()?.id, dashboard.id).await?;
    let widgets = widgets.into_iter().map(|widget| widget_view(widget, &connections)).collect();
    Reply::data(&view(dashboard, Some(widgets)))
}

fn view(dashboard: &Dashboard, widgets: Option<Vec<WidgetView>>) -> DashboardView {
    DashboardView {
        dashboard_id: dashboard.slug.clone(),
        name: dashboard.name.clone(),
        integration_id: dashboard.integration_id.clone(),
        created_at: dashboard.created_at,
        widgets,
    }
}

fn widget_view(widget: Widget, connections: &[Connection]) -> WidgetView {
    let shown = connections.iter().find(|one| Some(one.key.connection_id) == widget.connection_id);
    WidgetView {
        widget_id: widget.id,
        kind: widget.kind,
        metric_id: widget.metric_id,
        connection_id: shown.map(|one| one.public_id),
        dimension: widget.dimension,
        size: widget.size,
        options: widget.options,
    }
}
