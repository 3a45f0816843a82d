//! The project that a key opens.

use super::{
    call::Call,
    params::PAGING,
    refusal::Refusal,
    reply::Reply,
    route::{Access, Gives, Method, Route, Takes},
};
use crate::connections::ProjectView;

pub(super) const ROUTES: [Route; 1] = [Route {
    method: Method::Get,
    path: "/api/v1/projects",
    name: "list_projects",
    summary: "The key's project",
    about: "A key opens one project, so the list has one entry.",
    access: Access::Read,
    params: &PAGING,
    takes: Takes::Nothing,
    gives: Gives::List("projects", "Project"),
    refusals: &[],
    call: |call| Box::pin(list(call)),
}];

async fn list(call: Call) -> Result<Reply, Refusal> {
    Reply::page_of("projects", &[ProjectView::from(call.project()?)], &call.params.page(), |one| one.slug.clone())
}
