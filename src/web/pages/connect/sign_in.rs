//! Signing in at a provider, from the page and back to it. Only the session that began a sign-in ends it.

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};

use super::{
    Connect, Step,
    form::{Refusal, Typed},
    started,
};
use crate::{
    app::App,
    connections::{SignInFor, SignInRequest, SignInView},
    http::grant::client_variables,
    integrations::Descriptor,
    users::Permission,
    web::{
        CALLBACK_PATH, Error,
        auth::Viewer,
        callback::Sent,
        frame::{self, Bars, Frame, Section, framed, render},
    },
};

/// How a sign-in stands with an integration.
pub(in crate::web) struct Way {
    /// Whether this installation is known to the provider.
    pub(in crate::web) is_open: bool,
    /// What the operator sets to make it so.
    pub(in crate::web) variables: [String; 2],
    /// What has to be registered there.
    pub(in crate::web) redirect_uri: String,
    /// Whether there is no key that could be given instead.
    pub(in crate::web) is_only: bool,
}

impl Way {
    pub(in crate::web) fn of(app: &App, headers: &HeaderMap, descriptor: &Descriptor) -> Option<Self> {
        descriptor.auth.oauth()?;
        Some(Self {
            is_open: app.config.oauth_clients.contains_key(&descriptor.id),
            variables: client_variables(&descriptor.id),
            redirect_uri: redirect_uri(app, headers),
            is_only: descriptor.credentials.is_empty(),
        })
    }
}

/// Where providers send browsers back to: under the public address, or under the one that was asked.
fn redirect_uri(app: &App, headers: &HeaderMap) -> String {
    format!("{}{CALLBACK_PATH}", frame::base(&app.config, headers))
}

/// The page that leads to the provider. A form cannot: the policy of our pages keeps forms at home.
#[derive(Template)]
#[template(path = "connect_leave.html")]
struct Leave {
    frame: Frame,
    bars: Bars,
    service: String,
    icon: String,
    url: String,
    host: String,
}

/// What became of a sign-in that made nothing.
#[derive(Template)]
#[template(path = "connect_ended.html")]
struct Ended {
    frame: Frame,
    bars: Bars,
    refusal: Refusal,
    back: String,
}

pub(super) fn leave(viewer: &Viewer, descriptor: &Descriptor, begun: &SignInView) -> Result<Response, Error> {
    let (frame, bars) = framed(viewer, Section::Integrations, format!("Sign in at {}", descriptor.name));
    let host = begun.url.host_str().unwrap_or_default().to_owned();
    let (service, icon) = (descriptor.name.clone(), descriptor.icon.clone());
    Ok(render(&Leave { frame, bars, service, icon, url: begun.url.to_string(), host })?.into_response())
}

impl Step<'_> {
    /// Begins a sign-in for a new connection.
    pub(super) async fn sign_in(&self, typed: Typed) -> Result<Response, Error> {
        if !typed.errors.is_empty() {
            let errors = typed.errors.clone();
            return self.again(typed, Refusal::of_fields(errors));
        }
        let purpose = SignInFor::Connect {
            integration_id: self.descriptor.id.clone(),
            name: typed.name.clone(),
            settings: typed.settings.clone(),
        };
        match begin(self.app, self.headers, self.viewer, purpose).await {
            Ok(begun) => leave(self.viewer, self.descriptor, &begun),
            Err(error) => self.again(typed, Refusal::of(self.app, self.viewer, error).await?),
        }
    }
}

pub(super) async fn begin(
    app: &App,
    headers: &HeaderMap,
    viewer: &Viewer,
    purpose: SignInFor,
) -> Result<SignInView, crate::connections::Error> {
    let redirect_uri = redirect_uri(app, headers);
    let request = SignInRequest { project: viewer.project.slug.clone(), redirect_uri, purpose };
    app.connections.begin_sign_in_of(&viewer.holder(), request).await
}

/// `/oauth/callback`
pub(in crate::web) async fn callback(
    State(app): State<App>,
    viewer: Viewer,
    Query(sent): Query<Sent>,
) -> Result<Response, Error> {
    viewer.may(Permission::Connect)?;
    let app = viewer.acting(&app);
    let mut allowed = match app.connections.redeem_sign_in_of(&viewer.holder(), sent.into()).await {
        Ok(allowed) => allowed,
        Err(error) => return ended(&viewer, Refusal::of(&app, &viewer, error).await?, "/integrations".to_owned()),
    };
    let descriptor = app.registry.get(allowed.integration_id())?.descriptor();
    let error = match app.connections.settle_sign_in(&mut allowed).await {
        Ok(done) if done.is_reconnect => {
            app.sync.wake();
            let next = format!("/connections/{}?done=reconnected", done.view.connection_id);
            return Ok(Redirect::to(&next).into_response());
        }
        Ok(done) => return started(&app, &viewer, &done.view).await,
        Err(error) => error,
    };
    let refusal = Refusal::of(&app, &viewer, error).await?;
    if allowed.is_new() && refusal.link.is_none() {
        // Nobody signs in twice to be told what there is to choose from.
        return Connect::second(&app, &viewer, &descriptor, &allowed, (None, refusal)).await;
    }
    ended(&viewer, refusal, format!("/connect/{}", descriptor.id))
}

fn ended(viewer: &Viewer, mut refusal: Refusal, back: String) -> Result<Response, Error> {
    refusal.rest_on_top();
    let (frame, bars) = framed(viewer, Section::Integrations, "Not connected");
    Ok((StatusCode::BAD_REQUEST, render(&Ended { frame, bars, refusal, back })?).into_response())
}
