//! Whether Dashtray is well, for users of the API.

use super::{
    call::Call,
    refusal::Refusal,
    reply::Reply,
    route::{Access, Gives, Method, Route, Takes},
};

pub(super) const ROUTES: [Route; 1] = [Route {
    method: Method::Get,
    path: "/api/v1/health",
    name: "health",
    summary: "Whether Dashtray answers",
    about: "Needs no key.",
    access: Access::Open,
    params: &[],
    takes: Takes::Nothing,
    gives: Gives::Data("Health"),
    refusals: &[],
    call: |call| Box::pin(health(call)),
}];

async fn health(_: Call) -> Result<Reply, Refusal> {
    Reply::data(&serde_json::json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}
