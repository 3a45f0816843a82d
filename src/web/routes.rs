//! A router that can say what it routes: the list is what the matrix of routes and roles is held against, so that no new
//! route goes without its line.

use std::convert::Infallible;

use axum::{
    Router,
    handler::Handler,
    routing::{self, MethodRouter},
};

use crate::app::App;

/// A method and a path, with `{id}` where it varies.
pub type Listed = (&'static str, &'static str);

/// Routes, and the list of them.
pub(super) struct Routes {
    router: Router<App>,
    listed: Vec<Listed>,
}

/// What answers at a path, by method.
pub(super) struct Methods {
    router: MethodRouter<App, Infallible>,
    names: Vec<&'static str>,
}

pub(super) fn get<H: Handler<T, App>, T: 'static>(handler: H) -> Methods {
    Methods { router: routing::get(handler), names: vec!["GET"] }
}

pub(super) fn post<H: Handler<T, App>, T: 'static>(handler: H) -> Methods {
    Methods { router: routing::post(handler), names: vec!["POST"] }
}

impl Methods {
    pub(super) fn post<H: Handler<T, App>, T: 'static>(mut self, handler: H) -> Self {
        self.names.push("POST");
        Self { router: self.router.post(handler), ..self }
    }
}

impl Routes {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), listed: Vec::new() }
    }

    pub(super) fn route(mut self, path: &'static str, methods: Methods) -> Self {
        self.listed.extend(methods.names.into_iter().map(|name| (name, path)));
        Self { router: self.router.route(path, methods.router), ..self }
    }

    pub(super) fn router(self) -> Router<App> {
        self.router
    }

    pub(super) fn listed(self) -> Vec<Listed> {
        self.listed
    }
}
