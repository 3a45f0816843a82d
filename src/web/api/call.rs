//! One request, from whoever asks to the answer: key, limit, scope, parameters, body, handler.

use std::{net::SocketAddr, panic::AssertUnwindSafe, pin::Pin, sync::Arc};

use axum::{
    RequestExt as _,
    body::Bytes,
    extract::{ConnectInfo, RawPathParams, Request},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    body,
    limit::{Limiter, Standing},
    params::Params,
    refusal::Refusal,
    reply::Reply,
    route::{Access, Method, Route, Takes},
};
use crate::{
    app::App,
    secret::Secret,
    store::{Actor, ApiKey, Project, Scope},
    web::auth::of_peer,
};

/// What a handler gives.
pub(super) type Answering = Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send>>;

/// A request that may be answered: its key is good, and route, parameters and the form of its body are known.
pub(super) struct Call {
    pub(super) app: App,
    pub(super) params: Params,
    pub(super) stop: CancellationToken,
    project: Option<Project>,
    id: String,
    body: Bytes,
}

impl Call {
    /// The project that the key opens.
    pub(super) fn project(&self) -> Result<&Project, Refusal> {
        self.project.as_ref().ok_or_else(|| Refusal::fault(&"a route without a key asks for a project"))
    }

    /// The varying part of the path.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The body.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        body::parse(&self.body)
    }

    /// The body, if there is one.
    pub(super) fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Refusal> {
        if self.body.is_empty() { Ok(T::default()) } else { self.json() }
    }
}

/// Answers a request of a route.
pub(super) async fn answer(route: &'static Route, app: App, limiter: Arc<Limiter>, request: Request) -> Response {
    let asked = request.headers().clone();
    let mut standing = Standing::untouched(app.config.api_requests_per_hour, app.now());
    let answered = AssertUnwindSafe(reply(route, app, &limiter, request, &mut standing)).catch_unwind().await;
    let mut response = match answered {
        Ok(Ok(reply)) => reply.into_response(&asked, route.method == Method::Get),
        Ok(Err(refusal)) => refusal.into_response(),
        // A panic is that request's failure and nobody else's.
        Err(_) => Refusal::fault(&"a handler panicked").into_response(),
    };
    if let Some(standing) = standing {
        standing.tell(response.headers_mut());
    }
    response
}

/// Answers a request of no route: with this refusal, and it counts for whoever's key it shows.
pub(super) async fn refuse(refusal: Refusal, app: App, limiter: Arc<Limiter>, request: Request) -> Response {
    let mut standing = Standing::untouched(app.config.api_requests_per_hour, app.now());
    let counted = match caller(&app, request.headers()).await {
        Ok((_, project)) => count(&app, &limiter, &project, &mut standing).await,
        Err(_) => Ok(()),
    };
    let mut response = counted.err().unwrap_or(refusal).into_response();
    if let Some(standing) = standing {
        standing.tell(response.headers_mut());
    }
    response
}

/// Counts a request of a project, and refuses one that is too many.
async fn count(
    app: &App,
    limiter: &Limiter,
    project: &Project,
    standing: &mut Option<Standing>,
) -> Result<(), Refusal> {
    *standing = limiter.count(&app.store, project.id, app.config.api_requests_per_hour, app.now()).await?;
    standing.and_then(Standing::refusal).map_or(Ok(()), Err)
}

async fn reply(
    route: &'static Route,
    mut app: App,
    limiter: &Limiter,
    mut request: Request,
    standing: &mut Option<Standing>,
) -> Result<Reply, Refusal> {
    let project = match route.access {
        Access::Open => None,
        Access::Read | Access::Write => {
            let (key, project) = caller(&app, request.headers()).await?;
            count(&app, limiter, &project, standing).await?;
            if route.access == Access::Write && key.scope != Scope::Write {
                let message = "this key may only look; use one with the scope write";
                return Err(Refusal::new(StatusCode::FORBIDDEN, "scope_insufficient", message));
            }
            if route.access == Access::Write {
                let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
                let address = of_peer(peer, request.headers(), &app);
                app = app.acting(Actor::ApiKey { name: format!("{} (…{})", key.name, key.last_four), address });
            }
            Some(project)
        }
    };
    let params = Params::read(request.uri().query(), route.params)?;
    let id = match route.placeholder() {
        None => String::new(),
        Some(_) => {
            let path = request.extract_parts::<RawPathParams>().await;
            let path = path.map_err(|_| Refusal::new(StatusCode::NOT_FOUND, "not_found", "this path is not UTF-8"))?;
            path.iter().next().map(|(_, value)| value.to_owned()).unwrap_or_default()
        }
    };
    let stop = request.extensions().get::<CancellationToken>().cloned().unwrap_or_default();
    let (parts, body) = request.into_parts();
    let body = match route.takes {
        Takes::Nothing => Bytes::new(),
        Takes::Json(_) | Takes::MaybeJson(_) => body::receive(&parts.headers, body).await?,
    };
    if body.is_empty() && matches!(route.takes, Takes::Json(_)) {
        return Err(Refusal::bad("invalid_json", "the body is empty; send JSON"));
    }
    (route.call)(Call { app, params, stop, project, id, body }).await
}

/// Whose key it is. Keys are random and long, so nobody finds one by trying.
async fn caller(app: &App, headers: &HeaderMap) -> Result<(ApiKey, Project), Refusal> {
    let refuse = |code, message: &str| Refusal::new(StatusCode::UNAUTHORIZED, code, message);
    let Some(shown) = headers.get(header::AUTHORIZATION) else {
        let message = "no key is given; send the header Authorization: Bearer dk_…, with a key of Settings, API keys";
        return Err(refuse("key_missing", message));
    };
    let token = shown.to_str().ok().and_then(|text| text.trim().split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let malformed =
        || refuse("key_invalid", "this is no key of this Dashtray; a key looks like dk_… and is sent as Bearer");
    let token = Secret::new(token.ok_or_else(malformed)?);
    let (key, project) = app.users.api_key(&token).await?.ok_or_else(malformed)?;
    if let Some(at) = key.revoked_at {
        let message = format!("the key \"{}\" was revoked; make another in Settings, API keys", key.name);
        return Err(refuse("key_revoked", &message).with(json!({"revoked_at": at})));
    }
    if app.users.is_worth_noting(&key) {
        let (users, key, project) = (app.users.clone(), key.clone(), project.clone());
        // Nobody waits for this, and a database that is busy writing is no reason to.
        tokio::spawn(async move {
            if let Err(error) = users.note_use(&project, &key).await {
                tracing::debug!(%error, "the use of a key could not be noted");
            }
        });
    }
    Ok((key, project))
}
