//! Pages: a file a page, with a template of the same name in `templates/`.

mod connect;
pub(super) mod connection;
mod dashboard;
mod dashboards;
mod docs;
mod edit;
pub(super) mod fault;
mod integrations;
mod invitation;
mod login;
mod metric;
mod overview;
mod set_up;
mod settings;

use axum::{Router, extract::DefaultBodyLimit, middleware};

use super::{
    CALLBACK_PATH, Error, assets, guard, live,
    routes::{Routes, get, post},
};
use crate::app::App;

/// More than any form of ours: names of ten thousand characters are refused in words, not by size.
const LARGEST_FORM: usize = 256 << 10;

/// All pages and what they load, with what holds for all of them.
pub(super) fn routes(app: &App) -> Router<App> {
    table()
        .router()
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(middleware::from_fn_with_state(app.clone(), guard::pages))
}

pub(super) fn table() -> Routes {
    Routes::new()
        .route("/", get(overview::show))
        .route("/d/{slug}", get(dashboard::show))
        .route("/d/{slug}/edit", get(edit::show).post(edit::change))
        .route("/d/{slug}/delete", post(edit::delete))
        .route("/dashboards", get(dashboards::show).post(dashboards::make))
        .route("/m/{metric_id}", get(metric::show))
        .route("/m/{metric_id}/data.csv", get(metric::csv))
        .route("/live", get(live::events))
        .route("/setup", get(set_up::show).post(set_up::make))
        .route("/login", get(login::show).post(login::sign_in))
        .route("/login/link", get(login::link).post(login::by_link))
        .route("/logout", post(login::sign_out))
        .route("/invitation", get(invitation::show).post(invitation::make))
        .route("/invitation/join", post(invitation::join))
        .route("/integrations", get(integrations::show))
        .route("/connect/{id}", get(connect::show).post(connect::act))
        .route(CALLBACK_PATH, get(connect::sign_in::callback))
        .route("/connections/{id}", get(connection::show))
        .route("/connections/{id}/now", get(connection::now::now))
        .route("/connections/{id}/diagnostics", get(connection::diagnostics::download))
        .route("/connections/{id}/test", post(connection::acts::test))
        .route("/connections/{id}/sync", post(connection::acts::sync))
        .route("/connections/{id}/pause", post(connection::acts::pause))
        .route("/connections/{id}/resume", post(connection::acts::resume))
        .route("/connections/{id}/settings", post(connection::acts::set))
        .route("/connections/{id}/disconnect", post(connection::acts::disconnect))
        .route("/connections/{id}/reconnect", get(connect::reconnect::show).post(connect::reconnect::act))
        .route("/docs/api", get(docs::show))
        .route("/settings", get(settings::index))
        .route("/settings/account", get(settings::account::show).post(settings::account::change))
        .route("/settings/sessions", get(settings::sessions::show).post(settings::sessions::end))
        .route("/settings/sessions/others", post(settings::sessions::end_others))
        .route("/settings/keys", get(settings::keys::show).post(settings::keys::make))
        .route("/settings/keys/revoke", post(settings::keys::revoke))
        .route("/settings/people", get(settings::people::show))
        .route("/settings/people/invite", post(settings::people::invite))
        .route("/settings/people/revoke", post(settings::people::revoke))
        .route("/settings/people/role", post(settings::people::set_role))
        .route("/settings/people/remove", post(settings::people::remove))
        .route("/settings/people/leave", post(settings::people::leave))
        .route("/settings/audit", get(settings::audit::show))
        .route("/settings/projects", get(settings::projects::show).post(settings::projects::change))
        .route("/settings/projects/new", post(settings::projects::make))
        .route("/settings/projects/choose", post(settings::projects::choose))
        .route("/settings/appearance", get(settings::appearance::show).post(settings::appearance::choose))
        .route("/static/{name}", get(assets::file))
}
