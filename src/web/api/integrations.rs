//! The catalogue.

use super::{
    call::Call,
    params::PAGING,
    refusal::Refusal,
    reply::Reply,
    route::{Access, Gives, Method, Route, Takes},
};
use crate::integrations::catalogue;

pub(super) const ROUTES: [Route; 2] = [
    Route {
        method: Method::Get,
        path: "/api/v1/integrations",
        name: "list_integrations",
        summary: "What can be connected",
        about: "Each entry whole: the credentials it needs, its settings, what it measures.",
        access: Access::Read,
        params: &PAGING,
        takes: Takes::Nothing,
        gives: Gives::List("integrations", "Integration"),
        refusals: &[],
        call: |call| Box::pin(list(call)),
    },
    Route {
        method: Method::Get,
        path: "/api/v1/integrations/{integration_id}",
        name: "get_integration",
        summary: "One entry of the catalogue",
        about: "",
        access: Access::Read,
        params: &[],
        takes: Takes::Nothing,
        gives: Gives::Data("Integration"),
        refusals: &[],
        call: |call| Box::pin(get(call)),
    },
];

async fn list(call: Call) -> Result<Reply, Refusal> {
    let entries: Vec<_> = call.app.registry.descriptors().map(|descriptor| catalogue::entry(&descriptor)).collect();
    Reply::page_of("integrations", &entries, &call.params.page(), |one| one["id"].to_string())
}

async fn get(call: Call) -> Result<Reply, Refusal> {
    let integration = call.app.registry.get(call.id())?;
    Reply::data(&catalogue::entry(&integration.descriptor()))
}
