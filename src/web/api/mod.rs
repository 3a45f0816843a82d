//! The JSON API: a file a resource, each with its routes as data.
//!
//! A route says who may ask, which parameters and body it takes and what it gives (`route`). Everything before the handler
//! happens in one place (`call`), and the OpenAPI document is made of the same data (`openapi`), so that neither can say
//! anything else than the other. Handlers ask the same functions as pages and command line.

mod body;
mod call;
mod connections;
mod dashboards;
mod export;
mod health;
mod integrations;
mod limit;
mod metrics;
pub(super) mod openapi;
mod params;
mod projects;
mod push;
mod refusal;
mod reply;
mod route;

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::map_response,
    response::Response,
    routing::on,
};

use self::route::Route;
use super::{Error, Listed};
use crate::app::App;

/// All routes, in the order of the document.
fn all() -> impl Iterator<Item = &'static Route> {
    let resources: [&'static [Route]; 9] = [
        &metrics::ROUTES,
        &push::ROUTES,
        &export::ROUTES,
        &connections::ROUTES,
        &dashboards::ROUTES,
        &integrations::ROUTES,
        &projects::ROUTES,
        &health::ROUTES,
        &openapi::ROUTES,
    ];
    resources.into_iter().flatten()
}

/// The method and path of each.
pub(super) fn listed() -> impl Iterator<Item = Listed> {
    all().map(|route| (route.method.word(), route.path))
}

/// The router of the API.
pub(super) fn routes(app: &App) -> Router<App> {
    let limiter = Arc::new(limit::Limiter::default());
    let mut router = Router::new();
    for route in all() {
        let (app, limiter) = (app.clone(), limiter.clone());
        let handler = move |request: Request| call::answer(route, app.clone(), limiter.clone(), request);
        router = router.route(route.path, on(route.method.filter(), handler));
    }
    let refused = |error: Error| {
        let (app, limiter) = (app.clone(), limiter.clone());
        move |request: Request| call::refuse(error.clone().into(), app.clone(), limiter.clone(), request)
    };
    router
        .route("/api/{*rest}", axum::routing::any(refused(Error::NotFound)))
        .method_not_allowed_fallback(refused(Error::MethodNotAllowed))
        .layer(map_response(hardened))
}

/// An answer is data: no browser is to guess, frame or keep anything of it.
async fn hardened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
